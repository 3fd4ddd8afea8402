//! `lapwing doctor`: everything that can be looked at, whether the node runs or not.
//!
//! ```text
//! the folder, by itself ──▶ config, permissions, charter, keys, process, disk, clock, backup
//! the running node      ──▶ api, health items, peers, clock, reach, notify       (skipped, with the reason, without one)
//! ```
//!
//! It changes nothing: a small file is written and removed to see what the disk is good for, and people get a test notice
//! that says that it is one.

use super::Ctx;
use super::fail;
use super::node::{Node, typed};
use super::out::Out;
use clap::Args;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Audience, Code, Problem};
use lapwing_api::types::{Health, HealthItem, NotifyTested, Peer, Reach, Severity};
use lapwing_node::config::Settings;
use lapwing_node::folder::Folder;
use lapwing_node::founding::Identity;
use lapwing_node::keys::{self, KeyKind, Passphrase};
use lapwing_node::measure::{self, Backup};
use lapwing_node::node::read_charter;
use lapwing_store::disk::Disk;
use lapwing_store::disk::os::OsDisk;
use serde::Serialize;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// A trial write that takes longer makes every referral slow.
const SLOW_WRITE: Duration = Duration::from_millis(250);
/// Milliseconds that the peers' median clock may differ before it is worth a warning; signing pauses at ten minutes.
const CLOCK_MS: i64 = 60_000;

/// Looks at everything, and says what is wrong, why, and what to do; whether the node runs or not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing doctor
  lapwing --data /var/lib/lapwing doctor --no-notify --json

Exit codes: 0 nothing fails, 3 the set-up fails, 4 the running node does or there is none.")]
pub struct Doctor {
    /// Do not run the notify command with a test notice.
    #[arg(long)]
    no_notify: bool,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Skipped,
    Warn,
    Fail,
}

/// A check and what came of it.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// Whose it is to mend, where it fails.
    #[serde(skip)]
    audience: Audience,
}

impl Check {
    fn new(check: &'static str, state: State, what: impl Into<String>) -> Self {
        Check { check, state, what: what.into(), cause: None, fix: None, audience: Audience::Config }
    }

    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Check::new(check, State::Ok, what)
    }

    fn skipped(check: &'static str, why: &str) -> Self {
        Check::new(check, State::Skipped, format!("not looked at: {why}"))
    }

    fn because(self, cause: impl Into<String>) -> Self {
        Check { cause: Some(cause.into()), ..self }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Check { fix: Some(fix.into()), ..self }
    }

    fn of_node(self) -> Self {
        Check { audience: Audience::Unavailable, ..self }
    }

    /// A check that failed as a problem says.
    fn failed(check: &'static str, problem: &Problem) -> Self {
        let faults: Vec<String> = problem.faults.iter().map(|f| format!("{}: {}", f.path, f.what)).collect();
        let found = Check::new(check, State::Fail, problem.detail.clone());
        let found = if faults.is_empty() { found } else { found.because(faults.join("; ")) };
        match &problem.hint {
            Some(hint) => found.fix(hint.clone()),
            None => found,
        }
    }

    /// A check whose outcome is a health item of the node.
    fn of_item(check: &'static str, item: &HealthItem) -> Self {
        let state = match (item.severity, item.depends_on.is_empty()) {
            (Severity::Down, _) => State::Fail,
            (Severity::Warn, _) => State::Warn,
            (Severity::Info, _) => State::Ok,
        };
        let fix = match item.depends_on.first() {
            Some(cause) => format!("Follows from `{cause}`: mend that first."),
            None => item.fix.clone(),
        };
        Check::new(check, state, item.what.clone()).because(item.cause.clone()).fix(fix).of_node()
    }
}

impl Doctor {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        let folder = ctx.folder();
        let mut checks = Vec::new();
        let held = match folder.root().is_dir() {
            true => offline(&folder, &mut checks),
            false => {
                // a node elsewhere is looked at by its API alone
                let state = if ctx.global.api.is_some() { State::Skipped } else { State::Fail };
                let what = format!("there is no data folder {}", folder.root().display());
                checks.push(
                    Check::new("folder", state, what)
                        .fix("`--data DIR` tells which is meant; `lapwing init` makes one."),
                );
                None
            }
        };
        online(ctx, held, !self.no_notify, &mut checks);
        let failed: Vec<&Check> = checks.iter().filter(|c| c.state == State::Fail).collect();
        let code = match failed.iter().find(|c| c.audience == Audience::Config).or(failed.first()) {
            Some(check) => ExitCode::from(check.audience.exit_code()),
            None => ExitCode::SUCCESS,
        };
        let value = json!({ "ok": failed.is_empty(), "checks": checks });
        ctx.out.answer(&value, || show(ctx.out, &checks));
        Ok(code)
    }
}

fn show(out: Out, checks: &[Check]) {
    let word = |state| match state {
        State::Ok => "ok",
        State::Skipped => "skipped",
        State::Warn => "WARN",
        State::Fail => "FAIL",
    };
    let row = |c: &Check| vec![c.check.to_owned(), word(c.state).to_owned(), c.what.clone()];
    out.table(&["check", "state", "what"], checks.iter().map(row).collect(), "");
    for check in checks.iter().filter(|c| c.state >= State::Warn) {
        out.line("");
        out.hanging("  * ", &format!("{}: {}", check.check, check.what));
        for (name, text) in [("    why: ", &check.cause), ("    do:  ", &check.fix)] {
            if let Some(text) = text {
                out.hanging(name, text);
            }
        }
    }
}

/// Looks at the folder by itself. Returns whether some process works on it, if that can be told.
fn offline(folder: &Folder, checks: &mut Vec<Check>) -> Option<bool> {
    let settings = match Settings::load(folder) {
        Ok(settings) => {
            checks.push(Check::ok("config", format!("{} has no faults", folder.config().display())));
            settings
        }
        Err(e) => {
            checks.push(Check::failed("config", &fail::config(e)));
            Settings::default()
        }
    };
    checks.push(permissions(folder));
    checks.push(charter(folder));
    checks.push(key_files(folder, &settings));
    let (process, held) = process(folder);
    checks.push(process);
    checks.push(disk(folder, &settings));
    checks.push(clock_of_files(folder));
    checks.push(backup(folder, &settings));
    held
}

/// Whether the folder is its owner's alone, and the owner is whoever runs this.
fn permissions(folder: &Folder) -> Check {
    let mut open = Vec::new();
    let mut foreign = Vec::new();
    let me = rustix::process::geteuid().as_raw();
    let mut look = |path: &Path| {
        let Ok(meta) = path.metadata() else { return };
        let name = path.strip_prefix(folder.root()).ok().filter(|p| !p.as_os_str().is_empty()).unwrap_or(path);
        if meta.permissions().mode() & 0o077 != 0 {
            open.push(format!("{} ({:o})", name.display(), meta.permissions().mode() & 0o777));
        }
        if meta.uid() != me {
            foreign.push(format!("{} (user {})", name.display(), meta.uid()));
        }
    };
    look(folder.root());
    for path in
        [folder.keys(), folder.run(), folder.feed_key(), folder.node_key(), folder.at_rest_key(), folder.config()]
    {
        look(&path);
    }
    if !open.is_empty() {
        return Check::new("permissions", State::Fail, format!("others may look into {}", open.join(", ")))
            .because("The folder was copied, or its mode was changed.")
            .fix(format!("chmod -R go= {}", folder.root().display()));
    }
    if !foreign.is_empty() {
        return Check::new("permissions", State::Warn, format!("another user owns {}", foreign.join(", ")))
            .because(format!("This check runs as user {me}; the node may run as another."))
            .fix("Run this check as the node's user.");
    }
    Check::ok("permissions", "the folder and its keys are their owner's alone")
}

fn charter(folder: &Folder) -> Check {
    let read = read_charter(folder).map_err(|e| e.to_string());
    let identity = Identity::read(&folder.identity()).map_err(|e| e.to_string());
    match (read, identity) {
        (Ok(charter), Ok(_)) => {
            Check::ok("charter", format!("charter of {} and identity are whole", charter.charter.name))
        }
        (Err(e), _) | (_, Err(e)) => Check::new("charter", State::Fail, e)
            .because("The founding is not finished, or a file was changed or cut short.")
            .fix("`lapwing charter install FILE` for founders; else take the file from a backup."),
    }
}

fn key_files(folder: &Folder, settings: &Settings) -> Check {
    let files = [
        (folder.feed_key(), KeyKind::Feed),
        (folder.node_key(), KeyKind::Node),
        (folder.at_rest_key(), KeyKind::AtRest),
    ];
    let passphrase = match Passphrase::find(settings.keys.passphrase_file.as_deref()) {
        Ok(found) => found,
        Err(e) => return Check::failed("keys", &fail::passphrase(e)),
    };
    let (mut clear, mut unopened) = (0, 0);
    for (path, kind) in &files {
        let info = match keys::read_info(path) {
            Ok(info) => info,
            Err(e) => return Check::failed("keys", &fail::key(e)),
        };
        match (info.encrypted, &passphrase) {
            (true, None) => unopened += 1,
            (encrypted, _) => {
                clear += usize::from(!encrypted);
                let passphrase = passphrase.as_ref().filter(|_| encrypted);
                if let Err(e) = keys::read_key(path, *kind, passphrase) {
                    return Check::failed("keys", &fail::key(e));
                }
            }
        }
    }
    if clear > 0 {
        return Check::new("keys", State::Warn, format!("{clear} of the node's keys lie in clear"))
            .because("They were made with `--insecure-no-passphrase`.")
            .fix("Fine for trials only: make the folder anew with a passphrase.");
    }
    match unopened {
        0 => Check::ok("keys", "the passphrase opens the node's keys"),
        n => Check::ok("keys", format!("{n} keys are whole; not opened, for no passphrase file is set")),
    }
}

/// Who works on the folder.
fn process(folder: &Folder) -> (Check, Option<bool>) {
    let lock = folder.lock();
    if !lock.exists() {
        return (Check::ok("process", "no process has worked on the folder yet"), Some(false));
    }
    // taken for a moment and let go: a node that holds it is not disturbed
    match OsDisk.try_lock(&lock) {
        Ok(Some(_)) => (Check::ok("process", "no process works on the folder now"), Some(false)),
        Ok(None) => {
            let pid = std::fs::read_to_string(&lock).unwrap_or_default();
            (Check::ok("process", format!("process {} works on the folder", pid.trim())), Some(true))
        }
        Err(e) => (
            Check::new("process", State::Fail, e.to_string())
                .because("The folder's file system does not lock files, or forbids it.")
                .fix("Put the data folder on a local disk."),
            None,
        ),
    }
}

fn disk(folder: &Folder, settings: &Settings) -> Check {
    let probe = match measure::probe(folder.root()) {
        Ok(took) => took,
        Err(e) => {
            return Check::new("disk", State::Fail, format!("nothing can be written to the data folder: {e}"))
                .because("The disk is full, read-only or broken, or the folder is another user's.")
                .fix("Look at `df`, `mount` and `dmesg`, and run this check as the node's user.");
        }
    };
    let took = format!("a small write is durable after {:.1} ms", probe.as_secs_f64() * 1000.0);
    let Some(disk) = measure::disk(folder.root()) else { return Check::ok("disk", took) };
    let what = format!("{} of {} free; {took}", super::out::size(disk.free), super::out::size(disk.size));
    if disk.free < settings.limits.disk_low_bytes {
        return Check::new("disk", State::Warn, what)
            .because("The data disk fills up.")
            .fix("Free some room, or lower `[limits] disk_low_bytes`.");
    }
    if probe > SLOW_WRITE {
        return Check::new("disk", State::Warn, what)
            .because("The disk is slow or busy: every referral waits for such a write.")
            .fix("Look at what else uses the disk.");
    }
    Check::ok("disk", what)
}

/// Without peers, the clock can only be held against the files.
fn clock_of_files(folder: &Folder) -> Check {
    let files = std::fs::read_dir(folder.journal()).into_iter().flatten().flatten();
    let newest = files.filter_map(|f| f.metadata().ok()?.modified().ok()).max();
    let ahead = newest.and_then(|at| at.duration_since(SystemTime::now()).ok()).unwrap_or_default();
    if ahead > Duration::from_secs(60) {
        let what = format!("the journal was written {} minutes in the future", ahead.as_secs() / 60);
        return Check::new("clock", State::Fail, what)
            .because("This machine's clock was set back, or was wrong before.")
            .fix("Set this machine's clock (`timedatectl`).");
    }
    Check::ok("clock", "it is not behind the newest file of the journal")
}

fn backup(folder: &Folder, settings: &Settings) -> Check {
    let fix = "`lapwing backup make`, and a timer for it.";
    match Backup::read(folder) {
        Backup::Never => Check::ok("backup", "none has been made yet").fix(fix),
        Backup::Unreadable(why) => Check::new("backup", State::Warn, why).fix(fix),
        Backup::At(at) => {
            let days = keys::now_ms().saturating_sub(at) / 86_400_000;
            let what = format!("the newest is {days} day(s) old");
            match days >= settings.backup.remind_days {
                true => Check::new("backup", State::Warn, what)
                    .because("The timer that makes backups does not run, or fails.")
                    .fix(fix),
                false => Check::ok("backup", what),
            }
        }
    }
}

/// What only a running node can tell.
const OF_THE_NODE: [&str; 6] = ["health", "peers", "clock of peers", "expiry", "version", "reach"];

/// Asks the running node. `held`: whether a process works on the folder.
fn online(ctx: &Ctx, held: Option<bool>, notify: bool, checks: &mut Vec<Check>) {
    let asked = ctx.node().and_then(|node| {
        let value: Value = node.read(Op::Health, &[], &Vec::new())?;
        typed::<Health>(&value).map(|health| (node, health))
    });
    let (node, health) = match asked {
        Ok(found) => found,
        Err(problem) => {
            checks.push(not_running(&problem, held, ctx.global.api.is_some()));
            let why = "the node does not answer";
            checks.extend(OF_THE_NODE.iter().map(|check| Check::skipped(check, why)));
            checks.push(Check::skipped("notify", why));
            return;
        }
    };
    checks.push(Check::ok("api", format!("lapwing {} answers", health.version)));
    items(&health, checks);
    checks.push(peers(&node, &health));
    checks.push(clock_of_peers(&node));
    checks.push(of_codes(
        &health,
        "expiry",
        &["binding_expires", "kem_key_expires"],
        "binding and encryption key hold",
    ));
    checks.push(of_codes(&health, "version", &["version_behind"], "no connected member runs a newer program"));
    checks.push(reach(&node));
    checks.push(if notify { notified(&node) } else { Check::skipped("notify", "`--no-notify` was given") });
}

fn not_running(problem: &Problem, held: Option<bool>, remote: bool) -> Check {
    let failed = Check::failed("api", problem).of_node();
    match (problem.code, held, remote) {
        (Code::Unreachable, Some(true), false) => failed
            .because("A process works on the folder and its API does not answer: it starts, stops, or hangs.")
            .fix("Wait a minute; then look at its log and end it."),
        (Code::Unreachable, Some(false), false) => {
            failed.because("The node does not run.").fix("`lapwing run`, or the service manager, starts it.")
        }
        _ => failed,
    }
}

/// Codes that have a check of their own.
const ELSEWHERE: [&str; 9] = [
    "no_peers",
    "port_unreachable",
    "version_behind",
    "binding_expires",
    "kem_key_expires",
    "notify_unset",
    "backup_overdue",
    "backup_never",
    "disk_low",
];

fn items(health: &Health, checks: &mut Vec<Check>) {
    let mut found = false;
    for item in health.items.iter().filter(|i| !ELSEWHERE.contains(&i.code.as_str())) {
        checks.push(Check::of_item("health", item));
        found = true;
    }
    if !found {
        let what = if health.ready { "it is ready and nothing else is wrong" } else { "it is NOT ready" };
        checks.push(Check::ok("health", what));
    }
}

fn of_codes(health: &Health, check: &'static str, codes: &[&str], fine: &str) -> Check {
    match health.items.iter().find(|i| codes.contains(&i.code.as_str())) {
        Some(item) => Check::of_item(check, item),
        None => Check::ok(check, fine),
    }
}

fn members(node: &Node) -> Result<Vec<Peer>, Problem> {
    let list = node.list(Op::Peers, &[], &Vec::new())?;
    let peers: Vec<Peer> = super::node::items(&list)?;
    Ok(peers.into_iter().filter(|p| p.connected && p.class != "stranger").collect())
}

fn peers(node: &Node, health: &Health) -> Check {
    if let Some(item) = health.items.iter().find(|i| i.code == "no_peers") {
        return Check::of_item("peers", item);
    }
    match members(node) {
        Ok(list) if list.is_empty() => Check::ok("peers", "there is no other member yet"),
        Ok(list) => Check::ok("peers", format!("{} members' nodes are connected", list.len())),
        Err(problem) => Check::failed("peers", &problem).of_node(),
    }
}

fn clock_of_peers(node: &Node) -> Check {
    let mut offsets: Vec<i64> = match members(node) {
        Ok(list) => list.into_iter().filter_map(|p| p.clock_offset_ms).collect(),
        Err(problem) => return Check::failed("clock of peers", &problem).of_node(),
    };
    offsets.sort_unstable();
    let Some(median) = offsets.get(offsets.len() / 2) else {
        return Check::skipped("clock of peers", "no member's node is connected");
    };
    let what = format!("the median of {} peers' clocks differs by {:.1} s", offsets.len(), *median as f64 / 1000.0);
    if median.abs() > CLOCK_MS {
        return Check::new("clock of peers", State::Warn, what)
            .because("No time service runs here, or there.")
            .fix("Set this machine's clock (`timedatectl`); at ten minutes automatic signing pauses.")
            .of_node();
    }
    Check::ok("clock of peers", what)
}

fn reach(node: &Node) -> Check {
    let asked = node.call::<Value>(Op::Reach, &[], &json!({})).and_then(|value| typed::<Reach>(&value));
    match asked {
        Ok(reach) => {
            let each: Vec<String> = reach.addresses.iter().map(|a| format!("{} {}", a.addr, a.outcome)).collect();
            let what = format!("tried by {}: {}", reach.by.short_name, each.join(", "));
            match reach.ok {
                true => Check::ok("reach", what),
                false => Check::new("reach", State::Fail, what)
                    .because("A firewall or address translation is in the way, or the published address is wrong.")
                    .fix("Open the port that `[node] listen` names, and set `[node] external`.")
                    .of_node(),
            }
        }
        Err(problem) if matches!(problem.code, Code::Unreachable | Code::TooManyRequests) => {
            Check::skipped("reach", &problem.detail)
        }
        Err(problem) => Check { state: State::Warn, ..Check::failed("reach", &problem).of_node() },
    }
}

fn notified(node: &Node) -> Check {
    let asked = node.call::<Value>(Op::NotifyTest, &[], &json!({})).and_then(|v| typed::<NotifyTested>(&v));
    match asked {
        Ok(t) if t.ok => Check::ok("notify", format!("{} took a test notice in {} ms", t.program, t.took_ms)),
        Ok(t) => {
            let said = t.stderr.map(|line| format!(" It said: {line}")).unwrap_or_default();
            let what = t.failure.unwrap_or_else(|| "it failed".into());
            Check::new("notify", State::Fail, what)
                .because(format!("The command of `[notify] command` failed.{said}"))
                .fix("Run the command by hand as the node's user, with a line of JSON on its standard input.")
                .of_node()
        }
        Err(problem) if problem.code == Code::Conflict => {
            Check::skipped("notify", "no `[notify] command` is set: the lines in `lapwing status` are the notices")
        }
        Err(problem) => Check { state: State::Warn, ..Check::failed("notify", &problem).of_node() },
    }
}
