//! What holds of every state.

use super::is_ready;
use crate::author::{Chain, MAX_ID_COPIES};
use crate::federation::Federation;
use crate::line::{Line, Says};
use crate::membership::{Act, Class, Fold, Item, Rank, Segment, Target, Veto, Word, quorum};
use crate::propose::MAX_PROPOSALS;
use crate::state::{MAX_APPLICATIONS, MAX_REACHED, State};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::Pid;
use std::collections::{BTreeMap, BTreeSet};

/// Everyone's lines of log 1 that are read, with their author and epoch.
fn lines(federation: &Federation) -> impl Iterator<Item = (Pid, u64, &Line)> {
    let authors = federation.pids().filter_map(|pid| federation.author(&pid));
    authors
        .flat_map(|a| a.public.iter().flat_map(move |(epoch, chain)| chain.lines().map(move |l| (a.pid, *epoch, l))))
        .filter(|(_, _, line)| is_ready(federation, line))
}

/// Everyone's words, with their author and epoch.
fn words(federation: &Federation) -> impl Iterator<Item = (Pid, u64, Target, &Word)> {
    lines(federation).flat_map(|(pid, epoch, line)| {
        line.items().iter().filter_map(move |item| match item {
            Item::Said { target, word } => Some((pid, epoch, *target, word)),
            Item::Leave => None,
        })
    })
}

/// Equal sets, equal digests: the digest that is kept, and remembered as reached, is that of the entries held. A check of
/// consistency.
pub fn invariant_01_the_digest_is_of_the_entries_held(state: &State) -> Result<(), String> {
    let now = state.federation.state_digest();
    if state.digest != now {
        return Err(format!("{} is kept, the entries give {}", state.digest.short(), now.short()));
    }
    if !state.reached.contains_key(&now) {
        return Err(format!("{} is not remembered as reached", now.short()));
    }
    Ok(())
}

/// Incremental fold = batch fold: everyone's standing, folded anew from the lines that are held, is what it is.
pub fn invariant_02_incremental_is_batch(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let shared: BTreeSet<Pid> = federation.pids().collect();
    let class = |pid: &Pid| federation.inception(pid).map(|i| (*pid, i.class));
    let classes: BTreeMap<Pid, Class> = shared.iter().filter_map(class).collect();
    let authors = shared.iter().chain((!shared.contains(&state.me)).then_some(&state.me));
    let log = |pid: &Pid| Some((*pid, federation.author(pid)?.segments(&|line| is_ready(federation, line))));
    let logs: BTreeMap<Pid, Vec<Segment>> = authors.filter_map(log).collect();
    let again = Fold::new(federation.founders().clone(), classes, federation.charter().params.veto, &logs);
    let (live, batch) = (federation.roster().standings(), again.standings());
    if live != batch {
        let differs = batch.iter().find(|(pid, s)| live.get(pid) != Some(s));
        let (pid, folded) = differs.map_or(("nobody".into(), None), |(p, s)| (p.short(), Some(*s)));
        return Err(format!("{pid} is {folded:?} when all is folded anew, of {} and {}", live.len(), batch.len()));
    }
    if federation.roster().adopted() != again.adopted() {
        return Err("other amendments are adopted when all is folded anew".into());
    }
    Ok(())
}

/// An elector's objection held bars: of founders, who are everybody's electors, and against others than agencies of any
/// agency in full standing. What officers said is read from the lines; the highest (epoch, n) rules.
pub fn invariant_04_an_objection_held_bars(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let mut rulings: BTreeMap<(Pid, Target), (Rank, Act)> = BTreeMap::new();
    let mut agreed: BTreeSet<(Pid, Target)> = BTreeSet::new();
    for (by, epoch, target, word) in words(federation) {
        // what stands before the newest epoch may lie beyond its anchor
        let newest = federation.author(&by).is_some_and(|a| a.id.epoch() == epoch);
        let (rank, act) = match word {
            Word::Consent { rank, .. } => (*rank, Act::Consent),
            Word::Withdraw { rank, .. } => (*rank, Act::Withdraw),
            Word::Object { rank, .. } => (*rank, Act::Object),
            _ => {
                agreed.extend((*word == Word::Clear).then_some((by, target)));
                continue;
            }
        };
        agreed.extend((act == Act::Consent).then_some((by, target)));
        if newest {
            let ruling = rulings.entry((by, target)).or_insert((rank, act));
            *ruling = (*ruling).max((rank, act));
        }
    }
    let standing_veto = federation.charter().params.veto == Veto::Standing;
    for ((by, target), (rank, _)) in rulings.iter().filter(|(_, (_, act))| *act == Act::Object) {
        let Target::Participant(of) = target else { continue };
        let counts = federation.is_full_agency(by)
            && !federation.founders().contains(of)
            && (federation.founders().contains(by) || !federation.is_agency(of))
            && (standing_veto || !agreed.contains(&(*by, *target)));
        if counts && federation.is_participant(of) {
            return Err(format!("{} takes part although {} objects ({rank:?})", of.short(), by.short()));
        }
    }
    Ok(())
}

/// Private-sector and observer stances change nothing: nobody but agencies is an elector, is counted in full standing, or
/// moves an amendment. Classes are read from the inceptions.
pub fn invariant_05_nobody_but_agencies_elects(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let roster = federation.roster();
    let electors = federation.pids().flat_map(|pid| roster.electors(Target::Participant(pid)));
    let movers = federation.motions().map(|(_, by, _)| by);
    let mut counted = electors.chain(roster.agencies()).chain(movers);
    match counted.find(|pid| !federation.is_agency(pid)) {
        Some(pid) => Err(format!("{} is counted and is no agency", pid.short())),
        None => Ok(()),
    }
}

/// No admission without every live elector that can be known: of founders, by their words and by excuses as they stand in
/// the lines.
pub fn invariant_07_no_admission_without_every_founder(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let founders: Vec<Pid> = federation.founders().iter().copied().filter(|f| federation.is_participant(f)).collect();
    let mut agreed: BTreeSet<(Pid, Target)> = BTreeSet::new();
    let mut excused: BTreeMap<(Pid, Target), BTreeSet<Pid>> = BTreeMap::new();
    for (by, _, target, word) in words(federation) {
        match word {
            Word::Clear | Word::Consent { .. } => drop(agreed.insert((by, target))),
            Word::Excuse(silent) => {
                for whom in silent {
                    excused.entry((*whom, target)).or_default().insert(by);
                }
            }
            _ => {}
        }
    }
    let joined = federation.pids().filter(|p| federation.is_participant(p) && !federation.founders().contains(p));
    for of in joined {
        let target = Target::Participant(of);
        for founder in &founders {
            let excuses = excused.get(&(*founder, target)).map_or(0, BTreeSet::len);
            if !agreed.contains(&(*founder, target)) && excuses < quorum(founders.len()) {
                return Err(format!("{} takes part without a word of {}", of.short(), founder.short()));
            }
        }
    }
    Ok(())
}

/// Fork proofs are sound: whatever is held as contested is so by two different entries of one place, both validly signed.
/// Read from the bytes of both headers.
pub fn invariant_10_forks_are_proven(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    for author in federation.pids().filter_map(|pid| federation.author(&pid)) {
        for log in [LogKind::Pub, LogKind::Agy] {
            for (epoch, chain) in author.log(log) {
                let Some(fork) = &chain.fork else { continue };
                let place = |entry: &Entry| {
                    let h = entry.header();
                    (h.pid, h.log, h.epoch, h.seq) == (author.pid, log, *epoch, fork.seq)
                };
                let holds = |entry: &Entry| {
                    let feed = author.id.keys(*epoch).map(|keys| keys.feed);
                    feed.is_some_and(|feed| entry.verify(&[feed], 1, federation.network()).is_ok())
                };
                let entry = |sign1: &lapwing_record::sign::Sign1| Entry::new(vec![sign1.clone()], None);
                let proven = match (entry(&fork.proof.0), entry(&fork.proof.1)) {
                    (Ok(a), Ok(b)) => a.id() < b.id() && [&a, &b].into_iter().all(|e| place(e) && holds(e)),
                    _ => false,
                };
                if !proven {
                    return Err(format!("the log of {} is held as contested without proof", author.pid.short()));
                }
            }
        }
    }
    Ok(())
}

/// Contested storage bounded: of log 0 so many copies of each kind at each place, beside the one that is read.
pub fn invariant_11_copies_of_log_0_are_bounded(state: &State) -> Result<(), String> {
    for author in state.federation.pids().filter_map(|pid| state.federation.author(&pid)) {
        let mut copies: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        author.id_entries().for_each(|e| *copies.entry((e.header().seq, e.header().kind)).or_default() += 1);
        if let Some((place, many)) = copies.iter().find(|(_, many)| **many > MAX_ID_COPIES + 1) {
            return Err(format!("{} has {many} entries at {place:?} of its log 0", author.pid.short()));
        }
    }
    Ok(())
}

/// A stolen feed key makes and ends no counted act once it was replaced: every log ends in an entry of the feed key that
/// its owner's log 0 names for the epoch *now*. Read from the header's bytes.
pub fn invariant_12_logs_end_in_entries_of_the_keys_in_force(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    for author in federation.pids().filter_map(|pid| federation.author(&pid)) {
        for (epoch, chain) in author.public.iter().chain(&author.agency) {
            let Some(last) = chain.last_signed() else { continue };
            let feed = author.id.keys(*epoch).map(|keys| keys.feed);
            let entry = Entry::new(vec![last.clone()], None).ok();
            let holds = entry.zip(feed).is_some_and(|(e, feed)| e.verify(&[feed], 1, federation.network()).is_ok());
            if !holds {
                return Err(format!("epoch {epoch} of {} holds what another key signed", author.pid.short()));
            }
        }
    }
    Ok(())
}

/// Nothing of a stranger never introduced is stored outside the apply inbox: whoever's logs are held is a founder, this node's
/// own participant, or stands in an introduction that is held; nobody in the inbox is introduced.
pub fn invariant_18_whoever_is_held_was_introduced(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let mut named: BTreeMap<Pid, BTreeSet<Pid>> = BTreeMap::new();
    for (by, _, line) in lines(federation) {
        if let Says::Introduce(application) = &line.says
            && let Some(first) = application.id_log.first()
        {
            named.entry(first.header().pid).or_default().insert(by);
        }
    }
    for pid in federation.pids().filter(|pid| !federation.founders().contains(pid)) {
        let by = federation.introducers(&pid);
        // an epoch that its owner's log 0 has displaced takes its lines with it, not what they brought about
        let displaced =
            |by: &Pid| federation.author(by).is_some_and(|a| a.id.epochs.len() > 1 || a.id.trouble.is_some());
        let held = |by: &Pid| named.get(&pid).is_some_and(|all| all.contains(by)) || displaced(by);
        if !by.iter().all(|by| federation.is_agency(by) && held(by)) || by.is_empty() {
            return Err(format!("the logs of {} are held and nobody introduced it", pid.short()));
        }
    }
    match state.inbox.keys().find(|pid| federation.standing(pid).is_some()) {
        Some(pid) => Err(format!("{} is introduced and in the inbox", pid.short())),
        None => Ok(()),
    }
}

/// Every buffer within its bound: the inbox, proposals, states remembered, entries waited for, who signed for an objection,
/// and statements to be delivered.
pub fn invariant_20_buffers_are_bounded(state: &State) -> Result<(), String> {
    let federation = &state.federation;
    let within = |what: &str, holds: usize, at_most: usize| {
        if holds <= at_most { Ok(()) } else { Err(format!("{what}: {holds}, at most {at_most}")) }
    };
    within("applications", state.inbox.size(), MAX_APPLICATIONS)?;
    within("proposals", state.proposals.size(), MAX_PROPOSALS)?;
    within("states remembered", state.reached.len(), MAX_REACHED)?;
    if let Some(id) = federation.waited_for().find(|id| federation.holds(id)) {
        return Err(format!("entry {} is waited for and held", id.short()));
    }
    for (entry, by) in state.acks.iter() {
        let strangers = by.iter().filter(|pid| federation.author(pid).is_none()).count();
        if !federation.holds(entry) || strangers > 0 {
            return Err(format!("signatures are kept for {}, of {strangers} strangers", entry.short()));
        }
    }
    within("contents to be delivered", state.unsent.size(), state.outbox.size())?;
    for (id, thread) in state.outbox.iter() {
        let told = state.case(thread).and_then(|c| c.find(id));
        if told.is_none_or(|t| t.delivery.is_none() || t.open.from != state.me) || state.unsent.get(id).is_none() {
            return Err(format!("{} is to be delivered and was not said", id.short()));
        }
    }
    Ok(())
}

/// Every delivered item has a receipt: what was said here and waits no more has one, came back from the other side, was
/// refused there, or was erased.
pub fn invariant_23_what_is_delivered_has_a_receipt(state: &State) -> Result<(), String> {
    for case in state.cases.values().filter(|c| c.erased.is_none()) {
        for told in case.side(&state.me) {
            let receipt = told.delivery.as_ref().is_some_and(|d| d.receipt.is_some());
            if !receipt && told.refused.is_none() && state.outbox.get(&told.open.id).is_none() {
                return Err(format!("{} waits no more and has no receipt", told.open.id.short()));
            }
        }
    }
    Ok(())
}

/// Threads are gap-free: each side numbers and links its own, is who it says, and speaks to the other.
pub fn invariant_24_threads_are_gap_free(state: &State) -> Result<(), String> {
    for (thread, case) in state.cases.iter() {
        for (side, from, to) in
            [(&case.asked, case.requester, case.target), (&case.answered, case.target, case.requester)]
        {
            let mut before = None;
            for (number, told) in side.iter().enumerate() {
                let open = &told.open;
                if (open.msg_no, open.prev_own) != (number as u64, before) {
                    return Err(format!("case {} has a gap at {number}", thread.short()));
                }
                if (open.from, open.to, open.thread) != (from, to, *thread) {
                    return Err(format!("{} is of another case than {}", open.id.short(), thread.short()));
                }
                before = Some(open.id);
            }
        }
    }
    Ok(())
}

/// What of a chain is kept beside its stem.
pub(super) fn forked(chain: &Chain) -> usize {
    chain.fork.as_ref().map_or(0, |f| f.lines.len())
}
