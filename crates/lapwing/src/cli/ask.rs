//! Questions to the person at the terminal, and passphrases.

use super::fail::{self, wrong};
use lapwing_api::problem::Problem;
use lapwing_node::keys::{self, KeyFileError, KeyKind, Passphrase};
use lapwing_record::sign::SecretKey;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Whether somebody sits there to answer.
pub fn somebody() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The given value, else what is typed; `flag` is named where nobody can be asked. Asks again while `check` complains.
pub fn value<T>(
    given: Option<String>,
    flag: &str,
    question: &str,
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Problem> {
    if let Some(given) = given {
        return check(&given).map_err(|e| wrong(format!("{flag}: {e}")));
    }
    if !somebody() {
        return Err(wrong(format!("{flag} is missing")).hint("Give it as a flag, or run at a terminal to be asked."));
    }
    loop {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{question}: ").and_then(|()| stderr.flush());
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if !matches!(read, Ok(n) if n > 0) {
            return Err(wrong("the input ended before the answer"));
        }
        match check(line.trim()) {
            Ok(value) => return Ok(value),
            Err(e) => {
                let _ = writeln!(stderr, "  {e}");
            }
        }
    }
}

/// Asks to go on; yes where `yes` was given or nobody sits there (a script said what it wants by calling).
pub fn go_on(yes: bool, question: &str) -> Result<(), Problem> {
    if yes || !somebody() {
        return Ok(());
    }
    let check = |t: &str| match t {
        "yes" => Ok(true),
        "no" | "" => Ok(false),
        _ => Err("answer yes or no".to_owned()),
    };
    match value(None, "--yes", &format!("{question} [yes/no]"), check)? {
        true => Ok(()),
        false => Err(fail::conflict("not done: the answer was no")),
    }
}

/// As [`go_on`] for what cannot be undone: where nobody sits there, `--yes` must be given.
pub fn sure(yes: bool, question: &str) -> Result<(), Problem> {
    if !yes && !somebody() {
        return Err(wrong("this cannot be undone and nobody is there to be asked").hint("Give `--yes` if it is meant."));
    }
    go_on(yes, question)
}

/// Asks for a passphrase without showing it.
fn hidden(question: &str) -> Result<Passphrase, Problem> {
    let typed = rpassword::prompt_password(format!("{question}: "));
    let typed = typed.map_err(|e| wrong(format!("no passphrase could be read: {e}")))?;
    Passphrase::new(typed).map_err(fail::passphrase)
}

/// A passphrase for new keys: from a file, or typed twice.
pub fn new_passphrase(file: Option<&Path>, insecure: bool) -> Result<Option<Passphrase>, Problem> {
    match (file, insecure) {
        (Some(_), true) => Err(wrong("`--passphrase-file` and `--insecure-no-passphrase` exclude each other")),
        (Some(path), false) => Passphrase::from_file(path).map(Some).map_err(fail::passphrase),
        (None, true) => Ok(None),
        (None, false) if !somebody() => Err(wrong("no passphrase is given")
            .hint("Give `--passphrase-file FILE`; `--insecure-no-passphrase` leaves the keys in clear.")),
        (None, false) => loop {
            let typed = rpassword::prompt_password("Passphrase for the new keys: ");
            let again = rpassword::prompt_password("The same again: ");
            match (typed, again) {
                (Ok(a), Ok(b)) if a == b => match Passphrase::new(a) {
                    Ok(passphrase) => return Ok(Some(passphrase)),
                    Err(e) => eprintln!("  {e}"),
                },
                (Ok(_), Ok(_)) => eprintln!("  they differ; once more"),
                (Err(e), _) | (_, Err(e)) => return Err(wrong(format!("no passphrase could be read: {e}"))),
            }
        },
    }
}

/// Where the passphrase of an existing key file comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Unlock {
    /// File whose first line is the key's passphrase; else it is asked for.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Unlock {
    /// Opens a signing key of the given kind.
    pub fn open(&self, path: &Path, kind: KeyKind) -> Result<SecretKey, Problem> {
        let info = keys::read_info(path).map_err(fail::key)?;
        if info.kind != kind {
            let error = KeyFileError::WrongKind { path: path.to_owned(), found: info.kind, wanted: kind };
            return Err(fail::key(error));
        }
        let given = Passphrase::find(self.passphrase_file.as_deref()).map_err(fail::passphrase)?;
        if given.is_some() || !info.encrypted || !somebody() {
            return keys::read_signing_key(path, kind, given.as_ref()).map_err(fail::key);
        }
        let mut tries = 0;
        loop {
            let typed = hidden(&format!("Passphrase of {}", super::out::one_line(&path.display().to_string())))?;
            tries += 1;
            match keys::read_signing_key(path, kind, Some(&typed)) {
                Err(KeyFileError::WrongPassphrase(_)) if tries < 3 => eprintln!("  that does not open it"),
                other => return other.map_err(fail::key),
            }
        }
    }

    /// Opens several keys of one kind.
    pub fn open_all(&self, paths: &[PathBuf], kind: KeyKind) -> Result<Vec<SecretKey>, Problem> {
        paths.iter().map(|path| self.open(path, kind)).collect()
    }
}
