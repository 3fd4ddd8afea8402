//! The stage: real processes of this very binary, each with its own data folder, reached as any user reaches them.

use super::cast::Role;
use anyhow::{Context, bail};
use lapwing_api::client::Client;
use lapwing_api::ops::{Access, Op};
use lapwing_api::problem::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seconds that a step may take, kills included.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// One participant's machine.
pub struct Machine {
    /// Its name.
    pub name: &'static str,
    /// Its data folder.
    pub data: PathBuf,
    child: Option<Child>,
    /// Addresses to begin with.
    bootstrap: Vec<String>,
    /// The port that it got first; kept so that others find it again.
    listen: String,
}

/// All machines.
#[derive(Clone)]
pub struct Stage {
    root: PathBuf,
    binary: PathBuf,
    machines: Arc<Mutex<BTreeMap<&'static str, Machine>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // it may be gone already
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Stage {
    /// An empty stage in a folder.
    pub fn new(root: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
        let binary = std::env::current_exe().context("this program cannot find itself")?;
        Ok(Stage { root: root.to_owned(), binary, machines: Arc::default() })
    }

    /// The folder of the whole demo.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A participant's data folder.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A participant's keys.
    pub fn keys(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}-keys"))
    }

    /// The key of a participant's first officer.
    pub fn officer(&self, name: &str) -> PathBuf {
        self.keys(name).join("officer-1.key")
    }

    /// Every machine that was ever started.
    pub fn names(&self) -> Vec<&'static str> {
        lock(&self.machines).keys().copied().collect()
    }

    /// Runs a verb of the command line; its JSON.
    pub fn cli(&self, args: &[&str]) -> anyhow::Result<Value> {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().context("the command line does not start")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let problem = serde_json::from_str::<Problem>(&text);
            match problem {
                Ok(problem) => return Err(problem.into()),
                Err(_) => bail!(
                    "`lapwing {}` ended with {}: {text}{}",
                    args.join(" "),
                    output.status,
                    String::from_utf8_lossy(&output.stderr)
                ),
            }
        }
        serde_json::from_str(&text).with_context(|| format!("`lapwing {}` answered {text}", args.join(" ")))
    }

    /// The same, for a participant's node.
    pub fn cli_of(&self, name: &str, args: &[&str]) -> anyhow::Result<Value> {
        let data = self.data(name);
        let mut all = vec!["--data", data.to_str().context("a folder that is no text")?];
        all.extend(args);
        self.cli(&all)
    }

    /// A client with the token that the operation asks for.
    pub fn client(&self, name: &str, op: Op) -> anyhow::Result<Client> {
        let run = self.data(name).join("run");
        let token = if op.row().access == Access::Admin { "admin.token" } else { "api.token" };
        let secret = std::fs::read_to_string(run.join(token)).context("no token")?;
        let address = std::fs::read_to_string(run.join("api.address")).context("no address")?;
        Ok(Client::new(address.trim(), &secret))
    }

    /// Reads from a participant's node.
    pub fn read<T: DeserializeOwned>(
        &self,
        name: &str,
        op: Op,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        Ok(self.client(name, op)?.read(op, path, query)?)
    }

    /// Asks a participant's node to do something.
    pub fn call<T: DeserializeOwned>(
        &self,
        name: &str,
        op: Op,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        Ok(self.client(name, op)?.call(op, path, &[], body)?)
    }

    /// Makes a participant's folder: a founder, or an applicant to a charter.
    pub fn init(&self, role: &Role, charter: Option<&Path>) -> anyhow::Result<()> {
        let (data, keys) = (self.data(role.name), self.keys(role.name));
        let (data, keys) = (data.to_string_lossy(), keys.to_string_lossy());
        let mut args = vec![
            "--data",
            &data,
            "init",
            "--short-name",
            role.name,
            "--legal-name",
            role.legal,
            "--country",
            role.country,
            "--category",
            role.category,
            "--keys-out",
            &keys,
            "--insecure-no-passphrase",
        ];
        let charter = charter.map(|c| c.to_string_lossy());
        match &charter {
            Some(charter) => args.extend(["--charter", charter]),
            None => args.push("--founder"),
        }
        self.cli(&args).map(drop)
    }

    /// Starts a participant's node and waits until its API answers.
    pub fn start(&self, name: &'static str, bootstrap: Vec<String>) -> anyhow::Result<()> {
        let mut machines = lock(&self.machines);
        let machine = machines.entry(name).or_insert_with(|| Machine {
            name,
            data: self.data(name),
            child: None,
            bootstrap,
            listen: "127.0.0.1:0".into(),
        });
        self.spawn(machine)?;
        drop(machines);
        self.up(name)?;
        // from now on it keeps its port, as a real node does
        let status: lapwing_api::types::Status = self.read(name, Op::Status, &[], &[])?;
        if let Some(addr) = status.listening.first()
            && let Some(machine) = lock(&self.machines).get_mut(name)
        {
            machine.listen = addr.clone();
        }
        Ok(())
    }

    fn spawn(&self, machine: &mut Machine) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.root.join(format!("{}.log", machine.name)))?;
        // a former process's address must not be taken for this one's
        let _ = std::fs::remove_file(machine.data.join("run/api.address"));
        let mut command = Command::new(&self.binary);
        command.arg("--data").arg(&machine.data).args([
            "run",
            "--insecure-no-passphrase",
            "--api-listen",
            "127.0.0.1:0",
        ]);
        command.args(["--listen", &machine.listen]);
        for addr in &machine.bootstrap {
            command.args(["--bootstrap", addr]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        machine.child = Some(command.spawn().with_context(|| format!("{} does not start", machine.name))?);
        Ok(())
    }

    /// Waits until a node's API answers.
    pub fn up(&self, name: &'static str) -> anyhow::Result<()> {
        until(&format!("{name} answers"), PATIENCE, || {
            self.died(name)?;
            self.read::<lapwing_api::types::Status>(name, Op::Status, &[], &[])
        })
        .map(drop)
    }

    /// An error if the process ended by itself: a node must never do that.
    fn died(&self, name: &str) -> anyhow::Result<()> {
        let mut machines = lock(&self.machines);
        let Some(child) = machines.get_mut(name).and_then(|m| m.child.as_mut()) else { return Ok(()) };
        if let Some(status) = child.try_wait()?
            && status.code().is_some()
        {
            return Err(Fatal(format!("the node of {name} ended by itself with {status}; see {name}.log")).into());
        }
        Ok(())
    }

    /// Kills a node without warning, as a power cut would, and starts it again after a pause.
    pub fn kill(&self, name: &'static str, pause: Duration) -> anyhow::Result<()> {
        let mut machines = lock(&self.machines);
        let Some(machine) = machines.get_mut(name) else { return Ok(()) };
        if let Some(mut child) = machine.child.take() {
            child.kill()?;
            child.wait()?;
        }
        std::thread::sleep(pause);
        self.spawn(machine)
    }
}

/// A failure that no patience mends.
#[derive(Debug)]
pub struct Fatal(pub String);
impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Fatal {}

/// Tries until it works, or until patience ends: then with the last reason.
pub fn until<T>(what: &str, patience: Duration, mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if error.is::<Fatal>() => return Err(error),
            Err(error) if begun.elapsed() > patience => {
                return Err(error.context(format!("{what}: not within {} s", patience.as_secs())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(60)),
        }
    }
}
