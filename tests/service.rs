//! The node as a service manager sees it: when it is ready, where its passphrase comes from, which exit codes say that
//! starting it again would not help.

#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use support::{LAPWING, Town, json, problem, until};

const UNIT: &str = include_str!("../deploy/systemd/lapwing.service");
const SECRET: &str = "a passphrase of the node";

/// A founder's folder whose keys are under [`SECRET`], with its charter installed.
fn founded() -> Town {
    let town = Town { dir: tempfile::tempdir().unwrap() };
    std::fs::write(town.path("pass"), SECRET).unwrap();
    let (data, pass) = (town.text("data"), town.text("pass"));
    let name = ["--short-name", "harbour", "--legal-name", "Harbour", "--country", "GB"];
    let mut init = vec!["--data", &data, "init", "--founder", "--trial-kdf"];
    init.extend(name);
    init.extend(["--category", "consumer_protection", "--passphrase-file", &pass]);
    json(&init);
    let charter = "name = \"Test\"\nfounders = [\"data-keys/harbour.inception\"]\n";
    std::fs::write(town.path("charter.toml"), charter).unwrap();
    let (unsigned, signature, signed) = (town.text("unsigned"), town.text("signature"), town.text("signed"));
    json(&["charter", "new", &town.text("charter.toml"), "-o", &unsigned]);
    let key = town.text("data-keys/root-1.key");
    json(&["charter", "sign", &unsigned, "--root-key", &key, "--passphrase-file", &pass, "--yes", "-o", &signature]);
    json(&["charter", "join", &unsigned, &signature, "-o", &signed]);
    json(&["--data", &data, "charter", "install", &signed]);
    town
}

/// What the unit starts, with the credential that the service manager gives it.
fn service(data: &str, credentials: Option<&Path>) -> Command {
    let mut command = Command::new(LAPWING);
    command.args(["--data", data, "run", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]);
    command.env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    if let Some(dir) = credentials {
        command.env("CREDENTIALS_DIRECTORY", dir);
    }
    command
}

fn with_secret(town: &Town, secret: &str) -> std::path::PathBuf {
    let dir = town.path("credentials");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("passphrase"), secret).unwrap();
    dir
}

/// Ends when it ends by itself, else it is killed.
fn outcome(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

/// The exit codes that the unit does not start again after.
fn not_again() -> Vec<i32> {
    let line = UNIT.lines().find_map(|l| l.strip_prefix("RestartPreventExitStatus=")).unwrap();
    line.split(' ').map(|code| code.parse().unwrap()).collect()
}

/// It ended by itself with a code after which the unit does not start it again; what it said.
fn gives_up(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("it went on: {said}"));
    assert!(not_again().contains(&code), "exit code {code}: {said}");
    said
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

#[test]
fn the_service_manager_hears_when_the_node_answers_and_when_it_stops() {
    let town = founded();
    let socket = UnixDatagram::bind(town.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let credentials = with_secret(&town, SECRET);
    let mut command = service(&town.text("data"), Some(&credentials));
    let mut child =
        command.env("NOTIFY_SOCKET", town.path("notify")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut buffer = [0; 4096];
    let mut hear = || {
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    };
    let ready = hear();
    assert!(ready.lines().any(|l| l == "READY=1"), "{ready}");
    // the word was not given before the API answers, and no token is asked for the probe
    std::fs::rename(town.path("data/run/api.token"), town.path("elsewhere")).unwrap();
    json(&["--data", &town.text("data"), "health", "--live"]);
    let signalled = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    assert_eq!(hear().trim_end(), "STOPPING=1");
    // the unit waits longer than the node takes
    let ended = wait(&mut child, Duration::from_secs(20));
    let _ = child.kill();
    let ended = ended.expect("it stops in time");
    assert_eq!((ended.code(), ended.signal()), (Some(0), None));
    let (exit, gone) = problem(&["--data", &town.text("data"), "health", "--live"]);
    assert_eq!((exit, gone.code.as_str()), (4, "unreachable"));
}

#[test]
fn a_set_up_that_somebody_must_mend_ends_with_a_code_that_is_not_started_again() {
    let town = founded();
    let data = town.text("data");

    let wrong = with_secret(&town, "another passphrase");
    assert!(gives_up(&outcome(service(&data, Some(&wrong)))).contains("passphrase does not open"));
    let empty = with_secret(&town, "");
    assert!(gives_up(&outcome(service(&data, Some(&empty)))).contains("passphrase is empty"));
    assert!(gives_up(&outcome(service(&data, None))).contains("passphrase is needed"));

    // before `init`, and before a founder's charter is installed
    gives_up(&outcome(service(&town.text("nothing"), None)));
    let right = with_secret(&town, SECRET);
    std::fs::rename(town.path("data/charter.lapwing"), town.path("charter")).unwrap();
    assert!(gives_up(&outcome(service(&data, Some(&right)))).contains("charter"));
    std::fs::rename(town.path("charter"), town.path("data/charter.lapwing")).unwrap();

    let config = std::fs::read_to_string(town.path("data/config.toml")).unwrap();
    std::fs::write(town.path("data/config.toml"), format!("{config}\n[node_]\nx = 1\n")).unwrap();
    assert!(gives_up(&outcome(service(&data, Some(&right)))).contains("node_"));
    std::fs::write(town.path("data/config.toml"), config).unwrap();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(LAPWING);
    command.args(["--data", &data, "run", "--listen", "127.0.0.1:0", "--api-listen", &port]);
    command.env("CREDENTIALS_DIRECTORY", &right).stdin(Stdio::null());
    gives_up(&outcome(command));
}

#[test]
fn a_data_folder_of_another_user_is_refused_and_told() {
    if !is_root() {
        return println!("not root: nobody else's folder can be made here");
    }
    if Command::new(LAPWING).arg("--version").uid(65534).gid(65534).output().is_err() {
        return println!("the program lies where no other user reaches it");
    }
    let town = founded();
    // the folder is root's, the service is not
    std::fs::set_permissions(town.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = service(&town.text("data"), None);
    command.uid(65534).gid(65534);
    let said = gives_up(&outcome(command));
    assert!(said.contains("ermission denied") && said.contains("Run it as the user"), "{said}");
}

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&out.stdout).trim() == "0"
}

#[test]
fn a_second_node_on_one_folder_is_refused_and_not_started_again() {
    let town = founded();
    let right = with_secret(&town, SECRET);
    let mut first = service(&town.text("data"), Some(&right));
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it answers", 60, || {
        let out = support::run(&["--data", &town.text("data"), "health", "--live"]);
        out.status.success().then_some(())
    });
    let second = outcome(service(&town.text("data"), Some(&right)));
    let _ = first.kill();
    let _ = first.wait();
    assert!(gives_up(&second).contains("nother"));
}

/// A copy of a backup whose header says something else at one place.
fn altered(file: &Path, to: &Path, from: &[u8], into: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at..at + into.len()].copy_from_slice(into);
    std::fs::write(to, bytes).unwrap();
}

#[test]
fn the_timers_backup_removes_what_has_expired_and_keeps_the_newest() {
    let town = founded();
    let right = with_secret(&town, SECRET);
    let mut node = service(&town.text("data"), Some(&right));
    let mut node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (data, out) = (town.text("data"), town.text("backups"));
    until("it is ready", 60, || support::run(&["--data", &data, "health"]).status.success().then_some(()));
    let make = |more: &[&str]| {
        let mut args = vec!["--data", data.as_str(), "backup", "make", "--out", out.as_str()];
        args.extend(more);
        json(&args)
    };
    let file = |made: &serde_json::Value, part: usize| made[part]["file"].as_str().unwrap().to_owned();
    let first = make(&[]);
    let keyring = Path::new(&file(&first, 1)).to_owned();
    let header = lapwing_node::backup::Header::peek(&keyring).unwrap();
    let expires = header.expires.unwrap().to_be_bytes();
    let expired = town.path("backups/expired.lapwing-backup");
    // a time in 1970 that has as many bytes
    altered(&keyring, &expired, &expires, &(1_u64 << 32).to_be_bytes());
    // of another node, and no backup at all: not this command's to remove
    let others = town.path("backups/others.lapwing-backup");
    altered(&expired, &others, &header.pid.0, &[7; 32]);
    let garbage = town.path("backups/garbage.lapwing-backup");
    std::fs::write(&garbage, "garbage").unwrap();
    let notes = town.path("backups/notes.txt");
    std::fs::write(&notes, "notes").unwrap();

    // asked for neither, it removes nothing
    let second = make(&[]);
    assert_eq!(second.as_array().unwrap().len(), 2);
    assert!(expired.exists());

    let third = make(&["--prune-expired", "--keep", "2"]);
    let mut removed: Vec<&str> =
        third[2]["removed"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    removed.sort_unstable();
    let mut due = vec![expired.display().to_string(), file(&first, 0)];
    due.sort_unstable();
    assert_eq!(removed, due);
    assert!(!expired.exists() && !Path::new(&file(&first, 0)).exists());
    for stays in [file(&second, 0), file(&third, 0), file(&first, 1), file(&second, 1), file(&third, 1)] {
        assert!(Path::new(&stays).exists(), "{stays} was removed");
    }
    assert!(others.exists() && garbage.exists() && notes.exists());

    // what stayed restores
    let key = town.text("data-keys/backup.key");
    let pass = town.text("pass");
    let (kept, keys) = (file(&third, 0), file(&third, 1));
    let secrets = ["--passphrase-file", &pass, "--node-passphrase-file", &pass];
    let mut verify = vec!["backup", "verify", &kept, &keys, "--key", &key];
    verify.extend(secrets);
    json(&verify);
    let _ = node.kill();
    let _ = node.wait();
}
