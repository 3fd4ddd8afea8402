//! Real processes of the program under test, each with its own data folder.

#![allow(clippy::unwrap_used, dead_code)]

use lapwing_api::client::Client;
use lapwing_api::ops::{Access, Op};
use lapwing_api::problem::Problem;
use lapwing_api::types::{MemberDetail, Status};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program under test.
pub const LAPWING: &str = env!("CARGO_BIN_EXE_lapwing");

/// A folder with some participants in it.
pub struct Town {
    pub dir: tempfile::TempDir,
}

/// A running node; killed when dropped.
pub struct Running {
    pub name: String,
    child: Option<Child>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    /// Ends the process without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let begun = Instant::now();
        let child = self.child.as_mut()?;
        while begun.elapsed() < limit {
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Runs a verb.
pub fn run(args: &[&str]) -> Output {
    Command::new(LAPWING).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs a verb that must work; its JSON.
pub fn json(args: &[&str]) -> Value {
    let output = Command::new(LAPWING).args(args).arg("--json").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "lapwing {}: {text}{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("lapwing {}: {e}: {text}", args.join(" ")))
}

/// Runs a verb that must fail; its exit code and problem.
pub fn problem(args: &[&str]) -> (i32, Problem) {
    let output = Command::new(LAPWING).args(args).arg("--json").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "lapwing {} worked: {text}", args.join(" "));
    let problem = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("lapwing {}: {e}: {text}{}", args.join(" "), String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().unwrap(), problem)
}

/// Waits until something is so.
pub fn until<T>(what: &str, seconds: u64, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Town {
    /// A federation founded by these, all installed.
    pub fn founded(founders: &[&str]) -> Town {
        let town = Town { dir: tempfile::tempdir().unwrap() };
        for name in founders {
            town.init(name, "consumer_protection", None);
        }
        let list: Vec<String> = founders.iter().map(|f| format!("\"{f}-keys/{f}.inception\"")).collect();
        let toml =
            format!("name = \"Test\"\nfounders = [{}]\n[params]\nwindow = \"1s\"\ngrace = \"1s\"\n", list.join(", "));
        std::fs::write(town.path("charter.toml"), toml).unwrap();
        json(&["charter", "new", &town.text("charter.toml"), "-o", &town.text("unsigned")]);
        let mut join = vec!["charter".to_owned(), "join".into(), town.text("unsigned")];
        for name in founders {
            let part = town.text(&format!("{name}.signature"));
            let key = town.text(&format!("{name}-keys/root-1.key"));
            json(&["charter", "sign", &town.text("unsigned"), "--root-key", &key, "--yes", "-o", &part]);
            join.push(part);
        }
        join.extend(["-o".into(), town.text("charter.lapwing")]);
        json(&join.iter().map(String::as_str).collect::<Vec<_>>());
        for name in founders {
            json(&["--data", &town.text(name), "charter", "install", &town.text("charter.lapwing")]);
        }
        town
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a participant's folder.
    pub fn init(&self, name: &str, category: &str, charter: Option<&str>) {
        let (data, keys) = (self.text(name), self.text(&format!("{name}-keys")));
        let mut args = vec![
            "--data",
            &data,
            "init",
            "--short-name",
            name,
            "--legal-name",
            name,
            "--country",
            "GB",
            "--category",
            category,
            "--keys-out",
            &keys,
            "--insecure-no-passphrase",
        ];
        let charter = charter.map(|c| self.text(c));
        match &charter {
            Some(charter) => args.extend(["--charter", charter]),
            None => args.push("--founder"),
        }
        json(&args);
    }

    /// Starts a node and waits until its API answers.
    pub fn start(&self, name: &str, bootstrap: &[String]) -> Running {
        let _ = std::fs::remove_file(self.path(name).join("run/api.address"));
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.path(&format!("{name}.log"))).unwrap();
        let mut command = Command::new(LAPWING);
        command.args(["--data", &self.text(name), "run", "--insecure-no-passphrase"]);
        command.args(["--api-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
        for addr in bootstrap {
            command.args(["--bootstrap", addr]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { name: name.into(), child: Some(child) };
        until(&format!("{name} answers"), 60, || self.status(name));
        running
    }

    /// A client with the token that the operation asks for.
    pub fn client(&self, name: &str, op: Op) -> Option<Client> {
        let token = match op.row().access {
            Access::Admin => "admin.token",
            Access::Auditor => "auditor.token",
            _ => "api.token",
        };
        let secret = std::fs::read_to_string(self.path(name).join("run").join(token)).ok()?;
        let address = std::fs::read_to_string(self.path(name).join("run/api.address")).ok()?;
        Some(Client::new(address.trim(), &secret))
    }

    pub fn status(&self, name: &str) -> Option<Status> {
        self.client(name, Op::Status)?.read(Op::Status, &[], &[]).ok()
    }

    pub fn address(&self, name: &str) -> Vec<String> {
        self.status(name).unwrap().listening
    }

    pub fn standing(&self, at: &str, of: &str) -> Option<String> {
        let detail: MemberDetail = self.client(at, Op::Member)?.read(Op::Member, &[of], &[]).ok()?;
        Some(detail.member.standing)
    }

    pub fn officer(&self, name: &str) -> String {
        self.text(&format!("{name}-keys/officer-1.key"))
    }

    /// Runs a verb on a participant's node; its JSON.
    pub fn of(&self, name: &str, args: &[&str]) -> Value {
        let data = self.text(name);
        let mut all = vec!["--data", data.as_str()];
        all.extend(args);
        json(&all)
    }
}

/// Every file below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Ends the load, also when something fails.
pub struct Stops<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Replaces the values of a draft's fields as a person would.
pub fn fill_in(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut draft: toml::Table = text.parse().unwrap();
    let filled: toml::Table = r#"
kind = "request_enforcement"
subject_line = "Prize mails"
requester_ref = "HB-1"
poc_ref = "intake"
tlp = "amber+strict"
retention_until = "2028-12-31"
channel = "email"
conduct = ["deceptive_offer"]
narrative = "Complaints about prize mails."
legal_authority = { law = "Unsolicited Messages Act" }
harm = [{ factor = "victims", band = 1, basis = "counted_complaints" }]
assistance = [{ kind = "identify", description = "Who rents the address?" }]
declarations = { accuracy = true, authority = true, confidentiality = true }
"#
    .parse()
    .unwrap();
    let form = match draft.get_mut("form") {
        Some(toml::Value::Table(form)) => form,
        _ => &mut draft,
    };
    form.extend(filled);
    std::fs::write(path, draft.to_string()).unwrap();
}
