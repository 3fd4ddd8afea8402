//! Entries of one participant's logs, as people read them.

use super::members::target_name;
use super::names::{self, named};
use super::paging::page;
use super::time::rfc3339;
use super::{Answer, Desk, parsed, path};
use lapwing_api::service::Call;
use lapwing_api::types::LogRow;
use lapwing_engine::author::Author;
use lapwing_engine::line::{Line, Says};
use lapwing_engine::membership::{Item, Word};
use lapwing_engine::state::State;
use lapwing_record::entry::{EntryType, LogKind};
use lapwing_record::id::Pid;

impl Desk {
    pub(super) fn log(&self, call: &Call) -> Answer {
        let view = self.view();
        let pid = names::participant(&view.state, path(call, "name"))?;
        let author = view.state.federation.author(&pid).ok_or_else(|| super::not_found("nothing of it is here"))?;
        let log: LogKind = parsed(call, "log")?.unwrap_or(LogKind::Pub);
        let after: Option<u64> = parsed(call, "after")?;
        let rows = rows(&view.state, author, log).into_iter().filter(|row| after.is_none_or(|a| row.seq > a));
        let keys = rows.map(|row| (format!("{:020} {:020} {}", row.epoch, row.seq, row.id), row)).collect();
        page(call, &view, keys, Ok)
    }
}

fn rows(state: &State, author: &Author, log: LogKind) -> Vec<LogRow> {
    if log == LogKind::Id {
        let row = |e: lapwing_record::entry::Entry| LogRow {
            log: log.to_string(),
            epoch: e.header().epoch,
            seq: e.header().seq,
            id: e.id().to_string(),
            clock: rfc3339(e.header().clock),
            kind: Author::type_name(e.header().kind),
            says: id_says(e.header().entry_type()).into(),
            audit: None,
        };
        return author.id_chain().into_iter().map(row).collect();
    }
    let chains = author.log(log).iter();
    let lines = chains.flat_map(|(epoch, chain)| chain.lines().map(move |line| (*epoch, line)));
    let row = |(epoch, line): (u64, &Line)| LogRow {
        log: log.to_string(),
        epoch,
        seq: line.seq,
        id: line.id.to_string(),
        clock: rfc3339(line.clock),
        kind: kind(log, &line.says).into(),
        says: says(state, &line.says),
        audit: audit_head(&line.says),
    };
    lines.map(row).collect()
}

fn audit_head(says: &Says) -> Option<String> {
    let Says::Checkpoint(checkpoint) = says else { return None };
    checkpoint.audit.map(|head| head.to_string())
}

fn id_says(kind: Option<EntryType>) -> &'static str {
    match kind {
        Some(EntryType::Inception) => "begins: who it is and its first keys",
        Some(EntryType::RootRotate) => "its next root keys take over",
        Some(EntryType::KeyGrant) => "a new epoch of keys",
        Some(EntryType::Leave) => "leaves",
        _ => "",
    }
}

fn kind(log: LogKind, says: &Says) -> &'static str {
    let kind = match says {
        Says::Items(items) => match items.first() {
            Some(Item::Said { word: Word::Excuse(_), .. }) => EntryType::Excuse,
            _ => EntryType::Stances,
        },
        Says::Profile(_) => EntryType::Profile,
        Says::Contact(_) if log == LogKind::Agy => EntryType::AgencyContact,
        Says::Contact(_) => EntryType::Contact,
        Says::Binding(_) => EntryType::NodeBinding,
        Says::Kem(_) => EntryType::KemKey,
        Says::Introduce(_) => EntryType::Introduce,
        Says::Motion(_) => EntryType::Motion,
        Says::Checkpoint(_) => EntryType::Checkpoint,
        Says::ForkProof(_) => EntryType::ForkProof,
        Says::Reason(_) => EntryType::ObjectionReason,
        Says::Legal(_) => EntryType::LegalProfile,
        Says::Arrangement(_) => EntryType::Arrangement,
        Says::Outcome(_) if log == LogKind::Agy => EntryType::AgencyOutcome,
        Says::Outcome(_) => EntryType::Outcome,
        Says::Unknown { .. } => return "unknown",
        Says::Withheld => return "withheld",
    };
    kind.code()
}

fn says(state: &State, says: &Says) -> String {
    let short = |pid: &Pid| named(state, pid).short_name;
    match says {
        Says::Items(items) => items.iter().map(|item| word(state, item)).collect::<Vec<_>>().join("; "),
        Says::Profile(p) => format!("describes itself: {}", p.display_name),
        Says::Contact(c) if c.withdrawn => format!("withdraws the point of contact {}", c.slot),
        Says::Contact(c) => format!("point of contact {}: {}", c.slot, c.name),
        Says::Binding(b) if b.revoked => "revokes a node".into(),
        Says::Binding(b) => format!("a node at {}", b.addrs.join(", ")),
        Says::Legal(l) => format!("what its law covers: {} law(s) as of {}", l.laws.len(), l.as_of),
        Says::Arrangement(a) if a.ended => format!("says that the arrangement {} has ended", a.code),
        Says::Arrangement(a) => format!("is party to the arrangement {}: {}", a.code, a.title),
        Says::Outcome(o) if o.withdrawn => format!("withdraws the outcome {}", o.slot),
        Says::Outcome(o) => format!("outcome {}: {}, {}", o.slot, o.action, o.title),
        Says::Kem(k) => format!("an encryption key until {}", rfc3339(k.not_after)),
        Says::Introduce(a) => {
            let whom = a.id_log.first().map(|e| e.header().pid);
            format!("introduces {}", whom.as_ref().map_or_else(String::new, short))
        }
        Says::Motion(m) => format!("moves to amend the Params: {}", m.statement),
        Says::Checkpoint(c) => format!("reached state {} with {} entries", c.state.short(), c.entries),
        Says::ForkProof(_) => "shows two entries that contradict each other".into(),
        Says::Reason(r) => {
            format!("the reason of its objection against {}", target_name(state, r.target))
        }
        Says::Unknown { crit: true } => "something that this version does not know, and must".into(),
        Says::Unknown { crit: false } => "something that this version does not know".into(),
        Says::Withheld => "its body is not here".into(),
    }
}

fn word(state: &State, item: &Item) -> String {
    let Item::Said { target, word } = item else { return "leaves".into() };
    let target = target_name(state, *target);
    match word {
        Word::Noted => format!("has seen {target}"),
        Word::Clear => format!("clears {target}"),
        Word::Seat => format!("seats {target}"),
        Word::Consent { .. } => format!("consents to {target}"),
        Word::Object { .. } => format!("objects to {target}"),
        Word::Withdraw { .. } => format!("withdraws its word on {target}"),
        Word::Excuse(silent) => {
            let names: Vec<String> = silent.iter().map(|p| named(state, p).short_name).collect();
            format!("excuses {} from speaking on {target}", names.join(", "))
        }
    }
}
