//! What is wrong with a node, as a pure function of its published state and of what was measured.
//!
//! ```text
//! View ────────┐
//!              ├──▶ items: code, severity, what, cause, fix ──▶ /readyz, /health, status, metrics, doctor
//! Measured ────┘            └─ depends_on: the items here that explain it
//! ```
//!
//! One source: the lines in `lapwing status`, the gauges behind the alerts and the answers of `doctor` are these items. An
//! item that another one explains names it, so that people mend the cause and are not called for its consequences.

use crate::desk::short_name;
use crate::measure::{Backup, Measured};
use crate::office::View;
use lapwing_api::types::{HealthItem, Severity};
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::Standing;
use lapwing_record::charter::DAY_MS;
use lapwing_record::id::Pid;
use std::collections::BTreeMap;

/// Items of one code at most.
const MAX_ITEMS: usize = 20;
/// Milliseconds before its end at which a binding that was not renewed is a matter for people: it is renewed 30 days
/// before.
const BINDING_LEFT_MS: u64 = 21 * DAY_MS;
/// The same for the encryption key, which is replaced 15 days before its end.
const KEM_LEFT_MS: u64 = 10 * DAY_MS;
/// Milliseconds that a node which has just started gets to publish its records.
const SETTLING_MS: u64 = 60_000;

/// A sort of item: what is the same whenever it occurs.
#[derive(Debug)]
pub struct Sort {
    /// Its stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Seconds until it shows up after it began.
    pub within_s: u64,
    /// What usually brings it about.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Codes that explain it, where they are there too.
    pub explained_by: &'static [&'static str],
}

/// Every sort of item, the most urgent first.
pub const SORTS: &[Sort] = &[
    Sort {
        code: "stopping",
        severity: Severity::Down,
        within_s: 1,
        cause: "Somebody, or the service manager, told it to stop; or a part of it failed.",
        fix: "Wait until it is gone, then start it: `lapwing run`. Its log says why it stops.",
        explained_by: &["journal_unwritable"],
    },
    Sort {
        code: "journal_unwritable",
        severity: Severity::Down,
        within_s: 35,
        cause: "The data folder's file system is read-only or broken, or its permissions were changed.",
        fix: "Look at the disk (`dmesg`, `mount`) and at the folder's owner; then start the node again.",
        explained_by: &[],
    },
    Sort {
        code: "disk_full",
        severity: Severity::Down,
        within_s: 35,
        cause: "Something filled the data disk.",
        fix: "Free some room on the data disk; the node goes on by itself.",
        explained_by: &[],
    },
    Sort {
        code: "index_behind",
        severity: Severity::Down,
        within_s: 5,
        cause: "The index could not be read or written; the journal, which it is derived from, is whole.",
        fix: "Wait: the node makes it anew from the journal by itself, as soon as there is room. Its log says how that goes.",
        explained_by: &["disk_full", "journal_unwritable"],
    },
    Sort {
        code: "restored_copy",
        severity: Severity::Down,
        within_s: 1,
        cause: "The data folder was restored from a backup, or copied.",
        fix: "Wait for a peer. If none can ever answer: `lapwing run --assert-current`.",
        explained_by: &["no_peers"],
    },
    Sort {
        code: "head_unchecked",
        severity: Severity::Down,
        within_s: 1,
        cause: "The node has just started and asks its peers for its own latest entries.",
        fix: "Wait for a peer. If none can ever answer: `lapwing run --assert-current`.",
        explained_by: &["no_peers"],
    },
    Sort {
        code: "log_contested",
        severity: Severity::Warn,
        within_s: 60,
        cause: "Two copies of a node signed with the same key, or somebody stole it.",
        fix: "Referrals to it are held until its root-key holders heal it. Call them.",
        explained_by: &[],
    },
    Sort {
        code: "no_peers",
        severity: Severity::Warn,
        within_s: 65,
        cause: "The network is down, a firewall is in the way, or the others' addresses have changed.",
        fix: "`lapwing peers` shows why each attempt failed; `[node] bootstrap` names nodes to begin with.",
        explained_by: &["stopping"],
    },
    Sort {
        code: "clock_doubt",
        severity: Severity::Warn,
        within_s: 60,
        cause: "This machine's clock was set, or no time service runs.",
        fix: "Set this machine's clock (`timedatectl`), and start the node again if it jumped.",
        explained_by: &[],
    },
    Sort {
        code: "unconfirmed",
        severity: Severity::Warn,
        within_s: 5,
        cause: "Too few other agencies are connected, or they have not seen what this node has.",
        fix: "Connect to other agencies (`lapwing peers`); it takes seconds then.",
        explained_by: &["no_peers", "head_unchecked", "restored_copy"],
    },
    Sort {
        code: "disk_low",
        severity: Severity::Warn,
        within_s: 10,
        cause: "The data disk fills up.",
        fix: "Free some room before it is full, or lower `[limits] disk_low_bytes`.",
        explained_by: &["disk_full"],
    },
    Sort {
        code: "notify_failing",
        severity: Severity::Warn,
        within_s: 60,
        cause: "The command of `[notify] command` does not start, or ends with a fault.",
        fix: "`lapwing doctor` runs it with a test notice. The node does not clear what its people were not told of.",
        explained_by: &[],
    },
    Sort {
        code: "outbox_stuck",
        severity: Severity::Warn,
        within_s: 60,
        cause: "The recipient's node is down, cannot be reached, or does not take it.",
        fix: "`lapwing refer list --stuck` shows the cases. Call the other side where it was given up.",
        explained_by: &["no_peers"],
    },
    Sort {
        code: "port_unreachable",
        severity: Severity::Warn,
        within_s: 3660,
        cause: "A firewall or address translation is in the way, or the published address is another machine's.",
        fix: "Open the port that `[node] listen` names and set `[node] external`; then `lapwing doctor`.",
        explained_by: &[],
    },
    Sort {
        code: "binding_expires",
        severity: Severity::Warn,
        within_s: 10,
        cause: "The node could not sign a new node binding in time.",
        fix: "Mend what keeps it from signing; it renews the binding by itself then.",
        explained_by: &["head_unchecked", "restored_copy", "log_contested", "disk_full", "journal_unwritable"],
    },
    Sort {
        code: "kem_key_expires",
        severity: Severity::Warn,
        within_s: 10,
        cause: "The node could not publish a new encryption key in time: nobody can refer anything to it then.",
        fix: "Mend what keeps it from signing; it publishes a new key by itself then.",
        explained_by: &["head_unchecked", "restored_copy", "log_contested", "disk_full", "journal_unwritable"],
    },
    Sort {
        code: "version_behind",
        severity: Severity::Warn,
        within_s: 60,
        cause: "Others have installed a newer release.",
        fix: "Install the newer release; the changelog says what it changes.",
        explained_by: &[],
    },
    Sort {
        code: "backup_overdue",
        severity: Severity::Warn,
        within_s: 10,
        cause: "The timer that makes backups does not run, or fails.",
        fix: "`lapwing backup make`, and look at the timer; `[backup] remind_days` says after how long this is told.",
        explained_by: &[],
    },
    Sort {
        code: "search_failing",
        severity: Severity::Warn,
        within_s: 10,
        cause: "The search index could not be read or written; what it is derived from is whole.",
        fix: "Wait: the node tries again every few seconds, and makes it anew where it must. Its log says how that goes.",
        explained_by: &["disk_full", "journal_unwritable", "index_behind"],
    },
    Sort {
        code: "search_rebuilding",
        severity: Severity::Info,
        within_s: 5,
        cause: "It was missing, damaged or of another form, or the weights of harm were amended.",
        fix: "Wait. Until it is whole, searches are refused rather than answered with less.",
        explained_by: &["search_failing"],
    },
    Sort {
        code: "backup_never",
        severity: Severity::Info,
        within_s: 10,
        cause: "No backup of this data folder has been made yet.",
        fix: "`lapwing backup make`, and a timer for it.",
        explained_by: &[],
    },
    Sort {
        code: "notify_unset",
        severity: Severity::Info,
        within_s: 1,
        cause: "`[notify] command` is not set: the lines in `lapwing status` are the only notices.",
        fix: "Set it to a program that sends mail or a message, and start the node again.",
        explained_by: &[],
    },
];

fn item(code: &'static str, what: impl Into<String>) -> HealthItem {
    let sort = SORTS.iter().find(|s| s.code == code).expect("every code that is raised stands in the table");
    HealthItem {
        code: code.into(),
        about: None,
        severity: sort.severity,
        what: what.into(),
        cause: sort.cause.into(),
        fix: sort.fix.into(),
        depends_on: Vec::new(),
        visible_within_s: sort.within_s,
        since: None,
    }
}

/// Whether these items leave the node ready: able to take and store a referral and to answer reads.
pub fn ready(items: &[HealthItem]) -> bool {
    items.iter().all(|i| i.severity != Severity::Down)
}

/// Everything that is wrong, the worst first.
pub fn items(view: &View, m: &Measured) -> Vec<HealthItem> {
    let mut all = Vec::new();
    if m.stopping {
        all.push(item("stopping", "the node is stopping"));
    }
    disk(view, m, &mut all);
    if let Some(why) = &m.index_broken {
        all.push(item("index_behind", format!("lists of records cannot be read: {why}")));
    }
    head(view, &mut all);
    contested(view, &mut all);
    peers(view, m, &mut all);
    if let Some(doubt) = &view.clock_doubt {
        all.push(item("clock_doubt", format!("automatic signing pauses: {doubt}")));
    }
    if view.state.my_standing() == Some(Standing::Participant) && !view.state.confirmed() {
        all.push(item(
            "unconfirmed",
            "other agencies' checkpoints do not confirm the state here yet; what could be misjudged is not signed",
        ));
    }
    notices(view, m, &mut all);
    outbox(view, m.now, &mut all);
    expiring(view, m, &mut all);
    if let Some(why) = &m.search.trouble {
        all.push(item("search_failing", format!("searches may be refused: {why}")));
    }
    if let Some((done, cases)) = m.search.making {
        all.push(item("search_rebuilding", format!("the search index is being made anew: {done} of {cases} cases")));
    }
    backups(m, &mut all);
    explain(&mut all);
    all
}

fn disk(view: &View, m: &Measured, all: &mut Vec<HealthItem>) {
    if let Some(why) = &m.unwritable {
        all.push(item("journal_unwritable", format!("nothing can be written to the data folder: {why}")));
    }
    if let Some(full) = view.full.as_ref().or(m.full.as_ref()) {
        all.push(item("disk_full", format!("nothing can be written: {full}")));
    }
    if let Some(disk) = m.disk.filter(|d| d.free < m.disk_low_bytes) {
        let (free, least) = (disk.free >> 20, m.disk_low_bytes >> 20);
        all.push(item("disk_low", format!("the data disk has {free} MiB left, less than {least} MiB")));
    }
}

fn head(view: &View, all: &mut Vec<HealthItem>) {
    match &view.head {
        HeadCheck::Done => {}
        HeadCheck::Waiting { restored: true, .. } => all.push(item(
            "restored_copy",
            "signing: not yet: this is a restored or older copy, and its own latest entries have not come back from the \
             others",
        )),
        HeadCheck::Waiting { .. } => all.push(item(
            "head_unchecked",
            "signing: not yet: it has just started and asks its peers for its own latest entries",
        )),
    }
}

fn contested(view: &View, all: &mut Vec<HealthItem>) {
    let state = &view.state;
    let contested = |pid: &Pid| state.federation.author(pid).is_some_and(|a| a.contested());
    let mut pids: Vec<Pid> = state.federation.pids().filter(contested).collect();
    pids.sort_by_key(|pid| *pid != state.me);
    for pid in pids.into_iter().take(MAX_ITEMS) {
        let name = short_name(state, &pid);
        let mut found =
            item("log_contested", format!("a log of {name} holds two different entries at one place, both signed"));
        if pid == state.me {
            // nothing more is signed with it: no referral can be sent
            found.severity = Severity::Down;
            found.cause = "Another copy of this node signs with the same key.".into();
            found.fix =
                "Stop the other copy, then heal with a new epoch, signed with the root keys: `lapwing heal`.".into();
        }
        all.push(HealthItem { about: Some(name), ..found });
    }
}

fn peers(view: &View, m: &Measured, all: &mut Vec<HealthItem>) {
    let federation = &view.state.federation;
    let others = federation.pids().filter(|p| *p != view.state.me && federation.is_participant(p)).count();
    let members: usize = m.connected.iter().filter(|(class, _)| *class != "stranger").map(|(_, n)| n).sum();
    let takes_part = federation.is_participant(&view.state.me);
    if takes_part && others > 0 && members == 0 {
        all.push(item("no_peers", format!("none of the {others} other participants' nodes is connected")));
    }
    if let Some(reach) = m.reach.as_ref().filter(|r| !r.ok) {
        let each: Vec<String> = reach.addresses.iter().map(|a| format!("{} ({})", a.addr, a.outcome)).collect();
        let what = match each.is_empty() {
            true => format!("this node has published no address that {} could try", reach.by.short_name),
            false => format!("{} reaches none of the published addresses: {}", reach.by.short_name, each.join(", ")),
        };
        all.push(item("port_unreachable", what));
    }
    if let Some((who, what)) = m.newer.first() {
        let others = match m.newer.len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        let mine = env!("CARGO_PKG_VERSION");
        all.push(item("version_behind", format!("{who} runs {what}{others}; this is lapwing {mine}")));
    }
}

fn notices(view: &View, m: &Measured, all: &mut Vec<HealthItem>) {
    let untold = || view.state.notices.values().filter(|n| n.told.is_none() && n.failures.0 > 0);
    let first = untold().map(|n| n.notice.at).min();
    if let (Some(n), Some(at)) = (untold().max_by_key(|n| n.notice.at), first) {
        let why = n.failures.1.as_deref().unwrap_or("it failed");
        let what = format!("people could not be told of {} thing(s); the last attempt: {why}", untold().count());
        all.push(HealthItem { since: Some(crate::office::rfc3339(at)), ..item("notify_failing", what) });
    }
    if !m.notify_set {
        all.push(item("notify_unset", "people are told of nothing but by `lapwing status`"));
    }
}

/// What waits for its recipient, by recipient: of cases only counts.
fn outbox(view: &View, now: u64, all: &mut Vec<HealthItem>) {
    let state = &view.state;
    // how many, since when, why the oldest is not there, when it is tried again
    let mut waiting: BTreeMap<Pid, (usize, u64, String)> = BTreeMap::new();
    for (id, thread) in state.outbox.iter() {
        let Some(case) = state.case(thread) else { continue };
        let Some(told) = case.find(id) else { continue };
        let Some(delivery) = &told.delivery else { continue };
        let Some(why) = &delivery.why else { continue };
        let next = match (delivery.next, delivery.failed) {
            (_, true) => "given up".to_owned(),
            (Some(at), false) if at > now => format!("tried again at {}", crate::office::rfc3339(at)),
            _ => "being tried again".to_owned(),
        };
        let why = format!("{why}; {next}");
        let row = waiting.entry(case.peer(&state.me)).or_insert_with(|| (0, told.at, why.clone()));
        row.0 += 1;
        if told.at < row.1 {
            (row.1, row.2) = (told.at, why);
        }
    }
    for (pid, (count, since, why)) in waiting.into_iter().take(MAX_ITEMS) {
        let name = short_name(state, &pid);
        let found = item("outbox_stuck", format!("{count} statement(s) to {name} wait: {why}"));
        all.push(HealthItem { about: Some(name), since: Some(crate::office::rfc3339(since)), ..found });
    }
}

fn expiring(view: &View, m: &Measured, all: &mut Vec<HealthItem>) {
    let standing = view.state.my_standing();
    let takes_part = matches!(standing, Some(Standing::Participant | Standing::Suspended));
    if !takes_part || m.now < m.started.saturating_add(SETTLING_MS) {
        return;
    }
    let listing = view.state.federation.listing(&view.state.me);
    let days = |until: u64| until.saturating_sub(m.now) / DAY_MS;
    let binding = listing.and_then(|l| l.nodes.get(&m.peer)).map(|n| n.record.not_after);
    match binding {
        Some(until) if until <= m.now => all.push(item("binding_expires", "this node's binding has run out")),
        Some(until) if until < m.now + BINDING_LEFT_MS => {
            all.push(item("binding_expires", format!("this node's binding runs out in {} day(s)", days(until))));
        }
        Some(_) => {}
        None => all.push(item("binding_expires", "this node has published no binding: others do not know its key")),
    }
    let key = listing.and_then(|l| l.kem_key(m.now)).map(|k| k.not_after);
    match key {
        Some(until) if until < m.now + KEM_LEFT_MS => {
            all.push(item("kem_key_expires", format!("the encryption key runs out in {} day(s)", days(until))));
        }
        Some(_) => {}
        None => all.push(item("kem_key_expires", "no encryption key of this participant is in force")),
    }
}

fn backups(m: &Measured, all: &mut Vec<HealthItem>) {
    match &m.backup {
        Backup::Never => all.push(item("backup_never", "no backup has been made of this data folder")),
        Backup::Unreadable(why) => {
            all.push(item("backup_overdue", format!("when the newest backup was made cannot be read: {why}")));
        }
        Backup::At(at) => {
            let age = m.now.saturating_sub(*at) / DAY_MS;
            if age >= m.remind_days {
                all.push(item("backup_overdue", format!("the newest backup is {age} day(s) old")));
            }
        }
    }
}

/// Names for each item those that explain it, and puts the worst first, each behind what explains it.
fn explain(all: &mut [HealthItem]) {
    let codes: Vec<String> = all.iter().map(|i| i.code.clone()).collect();
    for found in all.iter_mut() {
        let sort = SORTS.iter().find(|s| s.code == found.code).expect("made from the table");
        let there = |code: &&&str| codes.iter().any(|c| c == **code);
        found.depends_on = sort.explained_by.iter().filter(there).map(|c| (*c).to_owned()).collect();
    }
    let place = |i: &HealthItem| SORTS.iter().position(|s| s.code == i.code);
    all.sort_by_key(|i| (!i.depends_on.is_empty(), i.severity, place(i)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::desk::testworld::World;
    use crate::measure::Disk;
    use lapwing_api::types::{Name, Reach, ReachedAddress};
    use lapwing_engine::step::Input;
    use lapwing_record::id::Digest;

    /// A machine on which nothing is wrong.
    fn fine() -> Measured {
        Measured {
            now: 1_000_000,
            started: 999_000,
            disk: Some(Disk { free: 10 << 30, size: 20 << 30 }),
            disk_low_bytes: 1 << 30,
            connected: vec![("stranger", 0), ("participant", 0), ("agency", 1)],
            notify_set: true,
            backup: Backup::At(900_000),
            remind_days: 7,
            ..Measured::default()
        }
    }

    fn view() -> View {
        View::of(World::of(&["harbor", "polder"]).engine(), None)
    }

    fn codes(view: &View, m: &Measured) -> Vec<String> {
        items(view, m).into_iter().map(|i| i.code).collect()
    }

    /// The one item that `bend` brings about.
    fn only(bend: impl FnOnce(&mut View, &mut Measured)) -> HealthItem {
        let (mut view, mut m) = (view(), fine());
        assert_eq!(codes(&view, &m), [""; 0], "nothing is wrong before");
        bend(&mut view, &mut m);
        let mut found = items(&view, &m);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_full_disk_and_an_unwritable_one_keep_the_node_from_being_ready() {
        let full = only(|v, _| v.full = Some("no space".into()));
        assert_eq!((full.code.as_str(), full.severity), ("disk_full", Severity::Down));
        assert_eq!(only(|_, m| m.full = Some("no space".into())).code, "disk_full");
        let broken = only(|_, m| m.unwritable = Some("read-only".into()));
        assert!(broken.code == "journal_unwritable" && broken.what.contains("read-only"));
        assert!(!ready(&[broken]) && ready(&[]));
    }

    #[test]
    fn a_low_disk_warns_below_its_bound_and_not_at_it() {
        let low = only(|_, m| m.disk = Some(Disk { free: (1 << 30) - 1, size: 20 << 30 }));
        assert_eq!((low.code.as_str(), low.severity), ("disk_low", Severity::Warn));
        let m = Measured { disk: Some(Disk { free: 1 << 30, size: 2 << 30 }), ..fine() };
        assert_eq!(codes(&view(), &m), [""; 0]);
    }

    #[test]
    fn a_node_that_may_not_sign_yet_is_not_ready_and_a_restored_one_says_so() {
        let waiting =
            |restored| HeadCheck::Waiting { since: 0, must_reach: vec![], restored, answers: BTreeMap::new() };
        let head = only(|v, _| v.head = waiting(false));
        assert_eq!((head.code.as_str(), head.severity), ("head_unchecked", Severity::Down));
        assert_eq!(only(|v, _| v.head = waiting(true)).code, "restored_copy");
    }

    #[test]
    fn what_follows_from_something_else_names_it_and_stands_behind_it() {
        let (mut view, mut m) = (view(), fine());
        view.head = HeadCheck::Waiting { since: 0, must_reach: vec![], restored: false, answers: BTreeMap::new() };
        m.connected.clear();
        let found = items(&view, &m);
        assert_eq!(found.iter().map(|i| i.code.as_str()).collect::<Vec<_>>(), ["no_peers", "head_unchecked"]);
        assert_eq!(found[1].depends_on, ["no_peers"]);
        assert!(found[0].depends_on.is_empty());
    }

    #[test]
    fn a_node_alone_in_its_federation_misses_nobody() {
        assert_eq!(only(|_, m| m.connected = vec![("stranger", 3)]).code, "no_peers");
        let alone = View::of(World::of(&["harbor"]).engine(), None);
        assert_eq!(codes(&alone, &Measured { connected: vec![], ..fine() }), [""; 0]);
    }

    #[test]
    fn a_doubtful_clock_warns_with_its_reason() {
        let found = only(|v, _| v.clock_doubt = Some("it jumped by 20 minutes".into()));
        assert!(found.code == "clock_doubt" && found.what.contains("20 minutes"));
    }

    #[test]
    fn an_unconfirmed_participant_warns_and_an_applicant_does_not() {
        let world = World::with(&["harbor", "polder"], &[("northbank", "NL")]);
        let mut view = View::of(world.engine(), None);
        view.state.me = world.pid("northbank");
        assert_eq!(view.state.my_standing(), Some(Standing::Candidate));
        assert!(!codes(&view, &fine()).contains(&"unconfirmed".into()));
        let mut world = World::with(&["harbor"], &[("northbank", "NL")]);
        world.node_says("harbor", lapwing_record::membership::What::Clear, "northbank");
        let mut view = View::of(world.engine(), None);
        view.state.me = world.pid("northbank");
        assert_eq!(view.state.my_standing(), Some(Standing::Participant));
        assert!(codes(&view, &fine()).contains(&"unconfirmed".into()));
    }

    #[test]
    fn a_contested_log_of_another_warns_and_our_own_stops_us() {
        use lapwing_record::directory::NodeBinding;
        use lapwing_record::entry::EntryType;
        let binding = |n: u8| NodeBinding { peer: vec![n].into(), addrs: vec![], not_after: 9, revoked: false };
        let found = |who: &str| {
            let mut world = World::of(&["harbor", "polder"]);
            world.write(who, EntryType::NodeBinding, &binding(1));
            world.fork(who, EntryType::NodeBinding, &binding(2));
            let mut all = items(&View::of(world.engine(), None), &fine());
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        };
        let theirs = found("polder");
        assert_eq!((theirs.code.as_str(), theirs.severity), ("log_contested", Severity::Warn));
        assert_eq!(theirs.about.as_deref(), Some("polder"));
        let ours = found("harbor");
        assert!(ours.severity == Severity::Down && ours.fix.contains("lapwing heal"), "{ours:?}");
    }

    #[test]
    fn a_published_address_that_leads_nowhere_is_named_with_what_became_of_it() {
        let by = Name { short_name: "polder".into(), ..name() };
        let reach = |ok| Reach {
            ok,
            by: by.clone(),
            at: String::new(),
            addresses: vec![ReachedAddress { addr: "/ip4/192.0.2.1/tcp/7420".into(), outcome: "timeout".into() }],
        };
        let found = only(|_, m| m.reach = Some(reach(false)));
        assert_eq!(found.code, "port_unreachable");
        assert!(found.what.contains("192.0.2.1/tcp/7420 (timeout)") && found.what.contains("polder"));
        assert_eq!(codes(&view(), &Measured { reach: Some(reach(true)), ..fine() }), [""; 0]);
    }

    fn name() -> Name {
        let empty = String::new;
        Name { pid: empty(), short_name: empty(), legal_name: empty(), country: empty(), class: empty() }
    }

    #[test]
    fn newer_programs_of_members_are_told() {
        let found = only(|_, m| {
            m.newer = vec![("polder".into(), "lapwing/9.0.0".into()), ("taiga".into(), "lapwing/9.0.0".into())];
        });
        assert_eq!((found.code.as_str(), found.severity), ("version_behind", Severity::Warn));
        assert!(found.what.contains("polder runs lapwing/9.0.0, and 1 more"), "{}", found.what);
    }

    #[test]
    fn a_binding_or_key_that_runs_out_warns_in_time_and_not_in_the_first_minute() {
        let later = |m: &mut Measured| m.started = 0;
        let (view, mut m) = (view(), fine());
        later(&mut m);
        assert_eq!(codes(&view, &m), ["binding_expires", "kem_key_expires"], "nothing is published");
        let mut world = World::of(&["harbor", "polder"]);
        let binding = |not_after| lapwing_record::directory::NodeBinding {
            peer: vec![7].into(),
            addrs: vec![],
            not_after,
            revoked: false,
        };
        m.peer = vec![7];
        world.write("harbor", lapwing_record::entry::EntryType::NodeBinding, &binding(m.now + 30 * DAY_MS));
        let found = |world: &World, m: &Measured| codes(&View::of(world.engine(), None), m);
        assert_eq!(found(&world, &m), ["kem_key_expires"]);
        m.now += 10 * DAY_MS;
        m.backup = Backup::At(m.now);
        assert_eq!(found(&world, &m), ["binding_expires", "kem_key_expires"]);
    }

    #[test]
    fn no_command_to_tell_people_is_worth_knowing_and_one_that_fails_is_a_warning() {
        let unset = only(|_, m| m.notify_set = false);
        assert_eq!((unset.code.as_str(), unset.severity), ("notify_unset", Severity::Info));
        let mut world = World::with(&["harbor", "polder"], &[("northbank", "NL")]);
        world.officers_say("polder", lapwing_record::membership::What::Object, "northbank", 1);
        let notice: Digest = *world.state().notices.keys().next().expect("an objection is told");
        let failed = Input::Notified { notice, by: "mail".into(), failed: Some("it ended with 1".into()) };
        world.handle(failed);
        let found = items(&View::of(world.engine(), None), &fine());
        let found: Vec<&HealthItem> = found.iter().filter(|i| i.code == "notify_failing").collect();
        assert!(found.len() == 1 && found[0].what.contains("it ended with 1"), "{found:?}");
    }

    /// A statement to polder that waits; `tried`: why it failed, and when it is tried again.
    fn waiting(tried: Option<(&str, Option<u64>)>) -> View {
        use lapwing_engine::case::Open;
        use lapwing_engine::fact::{Fact, Said, Tried};
        use lapwing_record::id::{MsgId, ThreadId};
        use lapwing_record::statement::{Kind, Tlp};
        let world = World::of(&["harbor", "polder"]);
        let mut view = View::of(world.engine(), None);
        let (thread, id) = (ThreadId([1; 32]), MsgId([2; 32]));
        let open = Open {
            thread,
            id,
            msg_no: 1,
            prev_own: None,
            seen_peer: None,
            from: world.pid("harbor"),
            to: world.pid("polder"),
            kind: Kind::Submit,
            clock: 500_000,
            expires: u64::MAX,
            handling: Tlp::Amber,
            items: 1,
            decisions: Vec::new(),
            blobs: Vec::new(),
            detail: None,
            unknown: Vec::new(),
        };
        view.state.apply(&Fact::Said(Said { at: 500_000, open, locked: Default::default() }));
        if let Some((why, next)) = tried {
            view.state.apply(&Fact::Tried(Tried { at: 600_000, thread, id, why: why.into(), next }));
        }
        view
    }

    #[test]
    fn a_statement_that_was_tried_in_vain_warns_with_since_when_why_and_what_comes_next() {
        assert_eq!(codes(&waiting(None), &fine()), [""; 0], "one that was not tried yet only waits");
        let again = items(&waiting(Some(("its disk is full", Some(2_000_000)))), &fine());
        assert_eq!(again.len(), 1, "{again:?}");
        assert_eq!((again[0].code.as_str(), again[0].about.as_deref()), ("outbox_stuck", Some("polder")));
        assert_eq!(again[0].since.as_deref(), Some("1970-01-01T00:08:20.000Z"));
        let what = &again[0].what;
        assert!(what.contains("1 statement(s) to polder") && what.contains("its disk is full"), "{what}");
        assert!(what.contains("tried again at 1970-01-01T00:33:20"), "{what}");
        let over = items(&waiting(Some(("it refuses", None))), &fine());
        assert!(over[0].what.contains("given up"), "{over:?}");
        let alone = Measured { connected: vec![], ..fine() };
        let found = items(&waiting(Some(("not connected", Some(2_000_000)))), &alone);
        assert_eq!(found[1].depends_on, ["no_peers"], "without peers it is no alarm of its own");
    }

    #[test]
    fn backups_are_reminded_of_by_their_age() {
        let never = only(|_, m| m.backup = Backup::Never);
        assert_eq!((never.code.as_str(), never.severity), ("backup_never", Severity::Info));
        let old = only(|_, m| {
            m.now += 7 * DAY_MS;
            m.started = m.now;
        });
        assert_eq!((old.code.as_str(), old.severity), ("backup_overdue", Severity::Warn));
        assert!(old.what.contains("7 day(s)"));
        assert_eq!(only(|_, m| m.backup = Backup::Unreadable("no time".into())).code, "backup_overdue");
    }

    #[test]
    fn an_index_that_is_lost_and_a_node_that_stops_are_not_ready() {
        assert_eq!(only(|_, m| m.index_broken = Some("sled panicked".into())).severity, Severity::Down);
        assert_eq!(only(|_, m| m.stopping = true).code, "stopping");
    }

    #[test]
    fn every_sort_has_its_own_code_a_cause_a_fix_and_known_explanations() {
        let codes: std::collections::BTreeSet<&str> = SORTS.iter().map(|s| s.code).collect();
        assert_eq!(codes.len(), SORTS.len());
        for sort in SORTS {
            assert!(!sort.cause.is_empty() && !sort.fix.is_empty() && sort.within_s > 0, "{}", sort.code);
            assert!(sort.explained_by.iter().all(|c| codes.contains(c)), "{}", sort.code);
        }
    }

    #[test]
    fn the_handbook_explains_every_code() {
        let handbook = include_str!("../../../docs/operations.md");
        for sort in SORTS {
            assert!(handbook.contains(&format!("| `{}` | {} |", sort.code, sort.severity.as_str())), "{}", sort.code);
        }
    }
}
