//! Every failure of the command line is a [`Problem`]: what happened, what to do, who can do it.

use lapwing_api::problem::{Audience, Code, FieldFault, Problem};
use lapwing_node::config::{ConfigError, ConfigFaults};
use lapwing_node::folder::FileError;
use lapwing_node::founding::FoundingError;
use lapwing_node::keys::{KeyFileError, PassphraseError};
use lapwing_record::charter::CharterError;
use std::path::Path;

/// What a verb ends with.
pub type Done = Result<(), Problem>;

/// The caller gave something wrong.
pub fn wrong(what: impl Into<String>) -> Problem {
    Problem::new(Code::Invalid, what)
}

/// The state of things does not allow it.
pub fn conflict(what: impl Into<String>) -> Problem {
    Problem::new(Code::Conflict, what)
}

/// A file could not be used.
pub fn file(e: FileError) -> Problem {
    use std::io::ErrorKind as K;
    match e.source.kind() {
        K::AlreadyExists => taken(&e.path),
        K::StorageFull | K::QuotaExceeded => {
            Problem::new(Code::DiskFull, e.to_string()).hint("Free some room on that disk.")
        }
        K::NotFound => wrong(e.to_string()).hint("Check the path; a relative one is taken from the current folder."),
        K::PermissionDenied => wrong(e.to_string()).hint("Run it as the user whom the file or folder belongs to."),
        _ => wrong(e.to_string()),
    }
}

fn taken(path: &Path) -> Problem {
    conflict(format!("{} is there already", path.display()))
        .hint("Nothing is overwritten: choose another place, or move it away.")
}

/// Refuses a place for a new file that is taken, before anything is asked or fetched for it.
pub fn free(path: &Path) -> Done {
    if path.symlink_metadata().is_ok() { Err(taken(path)) } else { Ok(()) }
}

/// An operation on a path failed.
pub fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Problem {
    file(FileError { doing, path: path.to_owned(), source })
}

/// A key file could not be used.
pub fn key(e: KeyFileError) -> Problem {
    let text = e.to_string();
    match e {
        KeyFileError::File(e) => file(e),
        KeyFileError::Exists(_) => conflict(text).hint("Choose another place; lapwing never overwrites a key."),
        KeyFileError::PassphraseNeeded(_) => {
            wrong(text).hint("Run it at a terminal, or give `--passphrase-file FILE`.")
        }
        KeyFileError::WrongPassphrase(_) => wrong(text).hint("Check the passphrase; nothing was changed."),
        KeyFileError::Random(_) => Problem::new(Code::Internal, text),
        KeyFileError::Missing(_) => {
            wrong(text).hint("Check the path; a relative one is taken from the current folder.")
        }
        KeyFileError::WrongKind { .. } => wrong(text).hint("`lapwing key show FILE` says what a key file is for."),
        KeyFileError::Damaged { .. } => {
            wrong(text).hint("Take the copy that was kept of it. `lapwing key show FILE` says whether a file is whole.")
        }
    }
}

/// There is no passphrase.
pub fn passphrase(e: PassphraseError) -> Problem {
    wrong(e.to_string()).hint("The first line of the file is the passphrase; it must not be empty.")
}

/// An identity or entry could not be made.
pub fn founding(e: FoundingError) -> Problem {
    let text = e.to_string();
    match e {
        FoundingError::File(e) => file(e),
        FoundingError::Form(f) => {
            wrong("an answer has a fault").faults(vec![FieldFault { path: f.path, what: f.what }])
        }
        FoundingError::View(_) | FoundingError::Entry(_) => Problem::new(Code::Internal, text),
        _ => wrong(text),
    }
}

/// A charter is not one.
pub fn charter(path: &Path, e: CharterError) -> Problem {
    let hint = match &e {
        CharterError::Unsigned { .. } | CharterError::FirstEntry(_) => {
            "Ask the founder that is named for what `lapwing charter sign` wrote, and join again."
        }
        _ => "The file was changed, cut short, or is no charter: get it again, from more than one founder if you can.",
    };
    wrong(format!("{}: {e}", path.display())).hint(hint)
}

/// A configuration has faults.
pub fn config(e: ConfigError) -> Problem {
    match e {
        ConfigError::File(e) if e.source.kind() == std::io::ErrorKind::PermissionDenied => {
            Problem::new(Code::Config, e.to_string())
                .hint("Run it as the user whom the data folder belongs to; the package's is `lapwing`.")
        }
        ConfigError::File(e) => Problem::new(Code::Config, e.to_string())
            .hint("`lapwing init` makes a data folder with its configuration; `--data DIR` tells which is meant."),
        ConfigError::Faults { path, faults: ConfigFaults(faults) } => {
            let one = |f: lapwing_node::config::Fault| FieldFault {
                path: if f.path.is_empty() { "file".into() } else { f.path },
                what: f.what,
            };
            Problem::new(Code::Config, format!("{} has {} fault(s)", path.display(), faults.len()))
                .hint("Mend them in the file; `lapwing config show --example` explains every key.")
                .faults(faults.into_iter().map(one).collect())
        }
    }
}

/// What the daemon and the demo end with.
pub fn any(e: anyhow::Error) -> Problem {
    let e = match e.downcast::<Problem>() {
        Ok(problem) => return problem,
        Err(e) => e,
    };
    let e = match e.downcast::<ConfigError>() {
        Ok(faults) => return config(faults),
        Err(e) => e,
    };
    let e = match e.downcast::<KeyFileError>() {
        Ok(other) => return Problem { code: Code::Config, ..key(other) },
        Err(e) => e,
    };
    // a cause further down may still be somebody's to mend
    let set_up = |c: &(dyn std::error::Error + 'static)| {
        c.is::<ConfigError>() || c.is::<KeyFileError>() || c.is::<FileError>() || c.is::<FoundingError>()
    };
    let code = if e.chain().any(set_up) { Code::Config } else { Code::Internal };
    let mut text = String::new();
    for cause in e.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    Problem::new(code, text)
}

/// The exit code of a problem.
pub fn exit_code(problem: &Problem) -> std::process::ExitCode {
    let audience: Audience = problem.code.audience();
    std::process::ExitCode::from(audience.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_who_can_do_something_about_it() {
        let code = |p: Problem| p.code.audience().exit_code();
        assert_eq!(code(wrong("x")), 2);
        assert_eq!(code(any(anyhow::anyhow!("x"))), 5);
        assert_eq!(code(any(KeyFileError::Missing("x".into()).into())), 3);
        let deep = anyhow::Error::from(KeyFileError::Missing("x".into())).context("while starting");
        assert_eq!(code(any(deep)), 3);
        assert_eq!(code(any(Problem::new(Code::Unreachable, "x").into())), 4);
    }
}
