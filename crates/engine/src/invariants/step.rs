//! What holds of every step.

use super::state::forked;
use super::{Look, is_ready, line_of};
use crate::author::{Author, MAX_FORKED, MAX_ID_COPIES, Placed};
use crate::case::{Case, Open};
use crate::fact::{Fact, NoticeKind, Reserved};
use crate::federation::Plane;
use crate::head::HeadCheck;
use crate::line::Says;
use crate::membership::{Class, Item, Standing, Target, Word, quorum};
use crate::state::State;
use crate::step::{Answer, Effect};
use crate::window::Window;
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::entry::{Entry, EntryType, Header, LogKind};
use lapwing_record::id::{Digest, EntryId, MsgId, Pid, ThreadId};
use lapwing_record::membership::{Approval, Stances, What};
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{Kind, Receipt};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a fact at most: a statement with its overhead, or a charter's worth of entries.
const MAX_FACT: usize = 4 << 20;

impl Look<'_> {
    fn state(&self) -> &State {
        self.after.state()
    }

    fn own(&self) -> &Author {
        self.state().federation.author(&self.state().me).expect("the node hosts its own participant")
    }

    /// Entries that the step keeps.
    fn kept(&self) -> impl Iterator<Item = &Entry> {
        self.step.facts.iter().filter_map(|f| if let Fact::Entry(kept) = f { Some(&kept.entry) } else { None })
    }

    /// Headers of our own that the step reserves.
    fn reserves(&self) -> impl Iterator<Item = &Reserved> {
        self.step.facts.iter().filter_map(|f| if let Fact::Reserved(r) = f { Some(r) } else { None })
    }

    /// Headers that the step hands out to be signed.
    fn signs(&self) -> impl Iterator<Item = (&Header, &Bytes)> {
        self.step.effects.iter().filter_map(|e| if let Effect::Sign(h, body) = e { Some((&**h, body)) } else { None })
    }

    /// What the step tells callers.
    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.step.effects.iter().filter_map(|e| if let Effect::Reply(_, Ok(answer)) = e { Some(answer) } else { None })
    }

    /// Whether somebody else writes with this node's feed key: another entry than the one reserved stands in its place.
    fn is_robbed(&self) -> bool {
        let other = |r: &Reserved| {
            let chain = self.own().log(r.header.log).get(&r.header.epoch);
            chain.is_some_and(|c| c.lines().any(|l| l.seq == r.header.seq && l.id != r.header.id()))
        };
        self.own().contested() || self.before.reserved.iter().any(other)
    }
}

/// Private-sector and observer stances, excuses and motions change nothing: the state digest after them is what it was.
pub fn invariant_05_words_of_others_than_agencies_change_nothing(look: &Look<'_>) -> Result<(), String> {
    let federation = &look.state().federation;
    let speaks = |e: &Entry| {
        matches!(e.header().entry_type(), Some(EntryType::Stances | EntryType::Excuse | EntryType::Motion))
            && federation.inception(&e.header().pid).is_some_and(|i| i.class != Class::Agency)
    };
    // an agency's entry that waited for one of theirs counts from here on
    let waited = look.before.federation.waited_for().next().is_some();
    if waited || look.kept().next().is_none() || !look.kept().all(speaks) {
        return Ok(());
    }
    if federation.state_digest() == look.before.digest { Ok(()) } else { Err("it changes who takes part".into()) }
}

/// Changing any clock changes no standing: where no entry was kept, nobody was judged and nothing is held that was not.
pub fn invariant_08_without_an_entry_no_standing_changes(look: &Look<'_>) -> Result<(), String> {
    let name = |state: &State| {
        let f = &state.federation;
        let planes = [Plane::Pub, Plane::Agy].map(|p| f.bucket_hashes(p).as_ptr());
        (state.digest, f.entries(), f.roster().verdicts(), planes)
    };
    if look.kept().next().is_some() || name(look.before) == name(look.state()) {
        return Ok(());
    }
    Err("no entry was kept, and the roster is another".into())
}

/// No correct author is ever provably forked: a header is handed out to be signed only as it is reserved, once, while the
/// own head is known and the own log not contested; and no place of a log is reserved for two.
pub fn invariant_09_what_is_signed_is_reserved_once(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    let mut handed = BTreeSet::new();
    for (header, body) in look.signs() {
        let id = header.id();
        if !state.reserved.iter().any(|r| r.header == *header && r.body == *body) {
            return Err(format!("{} is to be signed and is not reserved", id.short()));
        }
        if *look.after.head() != HeadCheck::Done {
            return Err(format!("{} is to be signed while the own head is not known", id.short()));
        }
        if look.own().contested() || !handed.insert(id) {
            return Err(format!("{} is to be signed twice, or in a contested log", id.short()));
        }
    }
    for new in look.reserves() {
        let h = &new.header;
        let same = |r: &&Reserved| (r.header.log, r.header.epoch, r.header.seq) == (h.log, h.epoch, h.seq);
        if h.pid != state.me || state.reserved.iter().filter(same).count() > 1 {
            return Err(format!("place {} of log {} is reserved for two", h.seq, h.log.number()));
        }
        let chain = look.own().log(h.log).get(&h.epoch);
        if !look.is_robbed() && chain.is_some_and(|c| c.lines().any(|l| l.seq == h.seq && l.id != h.id())) {
            return Err(format!("place {} of log {} is taken", h.seq, h.log.number()));
        }
    }
    Ok(())
}

/// Contested storage bounded: beyond its bound the contested stretch of a log takes nothing more but what already stood in it.
pub fn invariant_11_contested_storage_grows_to_its_bound(look: &Look<'_>) -> Result<(), String> {
    let logs: BTreeSet<(Pid, LogKind, u64)> =
        look.kept().map(Entry::header).filter(|h| h.log != LogKind::Id).map(|h| (h.pid, h.log, h.epoch)).collect();
    for (pid, log, epoch) in logs {
        let chain = |state: &State| Some(state.federation.author(&pid)?.log(log).get(&epoch)?.clone());
        let (Some(before), Some(after)) = (chain(look.before), chain(look.state())) else { continue };
        let new =
            look.kept().filter(|e| (e.header().pid, e.header().log, e.header().epoch) == (pid, log, epoch)).count();
        // what the stem loses goes over, and each cut brings the entry that made it
        let cut = before.stem.len().saturating_sub(after.stem.len());
        let most = (forked(&before) + cut).max(MAX_FORKED) + if cut > 0 { new } else { 0 };
        if forked(&after) > most {
            return Err(format!("{} of {} are kept of a contested log, at most {most}", forked(&after), pid.short()));
        }
    }
    Ok(())
}

/// A stolen feed key makes no counted act of officers: of the stances in an entry those alone are read as officers' words
/// whose approvals hold. Read from the body, each signature checked anew.
pub fn invariant_12_officers_words_are_approved(look: &Look<'_>) -> Result<(), String> {
    let federation = &look.state().federation;
    for entry in look.kept().filter(|e| e.header().entry_type() == Some(EntryType::Stances)) {
        let h = entry.header();
        let Some(author) = federation.author(&h.pid) else { continue };
        let (Some(keys), Some(chain)) = (author.id.keys(h.epoch), author.public.get(&h.epoch)) else { continue };
        let Some(line) = line_of(chain, h.seq, &entry.id()) else { continue };
        let stances = entry.body().map(Stances::decode).transpose().map_err(|e| e.to_string())?;
        let items = stances.into_iter().flat_map(|s| s.items);
        let approved = items.filter(|stance| {
            let (Some(act), Some(n), Some(by)) = (stance.what.act(), stance.n, &stance.approvals) else { return false };
            Approval::of_stance(h.pid, h.epoch, n, act, stance.target).check(by, keys, federation.network()).is_ok()
        });
        let (approved, counted) = (approved.count(), line.items().iter().filter(|i| is_officers(i)).count());
        if approved != counted {
            let id = entry.id().short();
            return Err(format!("{counted} words of officers count in {id}, {approved} are approved"));
        }
    }
    Ok(())
}

fn is_officers(item: &Item) -> bool {
    matches!(item, Item::Said { word: Word::Consent { .. } | Word::Object { .. } | Word::Withdraw { .. }, .. })
}

/// Replay across n is invalid: officers are asked about a counter that no entry of theirs and no other question has.
pub fn invariant_13_counters_are_used_once(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    for fact in &look.step.facts {
        let Fact::Proposed(new) = fact else { continue };
        let same = |p: &&crate::state::Pending| (p.proposal.epoch, p.proposal.n) == (new.epoch, new.n);
        if state.proposals.values().filter(same).count() > 1 || look.own().last_number(new.epoch) >= new.n {
            return Err(format!("officers are asked about {} twice", new.n));
        }
    }
    Ok(())
}

/// What an amendment changed judges nothing before it: a window that has begun keeps its length, a node speaks for its people
/// only when that has run, and what speaks of motions alone moves nobody's standing.
pub fn invariant_17_what_an_amendment_changed_judges_nothing_before_it(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    for (target, window) in look.before.noted.iter() {
        let now = state.noted.get(target);
        if now.is_some_and(|now| (now.window_ms, now.grace_ms) != (window.window_ms, window.grace_ms)) {
            return Err(format!("the window of {target:?} has another length than when it began"));
        }
    }
    for new in look.reserves().filter(|r| r.header.entry_type() == Some(EntryType::Stances)) {
        let Ok(stances) = Stances::decode(&new.body) else { continue };
        for item in stances.items.iter().filter(|i| i.what == What::Clear) {
            let window = state.noted.get(&item.target);
            let ran = |w: &Window| look.now >= w.noted.saturating_add(w.window_ms);
            if !window.is_some_and(ran) && !look.after.noted_ahead.contains(&item.target) {
                return Err(format!("{:?} is cleared while its window runs", item.target));
            }
        }
    }
    let of_motions = |e: &Entry| {
        let stances = e.body().filter(|_| e.header().entry_type() == Some(EntryType::Stances)).map(Stances::decode);
        stances.is_some_and(|s| s.is_ok_and(|s| s.items.iter().all(|i| matches!(i.target, Target::Motion(_)))))
    };
    let quiet =
        |e: &Entry| of_motions(e) && state.federation.author(&e.header().pid).is_some_and(|author| !author.contested());
    let waited = look.before.federation.waited_for().next().is_some();
    if !waited && look.kept().next().is_some() && look.kept().all(quiet) {
        let standings = |s: &State| s.federation.pids().map(|p| (p, s.federation.standing(&p))).collect::<Vec<_>>();
        if standings(look.before) != standings(state) {
            return Err("words on a motion moved somebody's standing".into());
        }
    }
    Ok(())
}

/// Nothing of a stranger never introduced is stored outside the apply inbox: whoever wrote what is kept is introduced, a
/// founder, or this node's own participant.
pub fn invariant_18_nothing_of_a_stranger_is_kept(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    let stranger = |pid: &Pid| *pid != state.me && state.federation.standing(pid).is_none();
    match look.kept().map(|e| e.header().pid).find(stranger) {
        Some(pid) => Err(format!("an entry of {} is kept, whom nobody introduced", pid.short())),
        None => Ok(()),
    }
}

/// No agency-only write begins toward others: what is for agencies stands in log 2, by which the gates tell it; what everyone
/// reads names nothing there; and what is pushed is our own, of log 1.
pub fn invariant_19_what_is_for_agencies_stands_in_log_2(look: &Look<'_>) -> Result<(), String> {
    // protocol §2: a type belongs to one log by its number
    let belongs = |h: &Header| match h.log {
        LogKind::Id => h.kind < 16,
        LogKind::Pub => (16..64).contains(&h.kind),
        LogKind::Agy => (64..128).contains(&h.kind),
    };
    let spread = look.step.effects.iter().filter_map(|e| match e {
        Effect::Spread(entry) | Effect::Push(entry) => Some(entry.header()),
        _ => None,
    });
    let reserved = look.reserves().map(|r| &r.header);
    let signed = look.signs().map(|(header, _)| header);
    if let Some(h) = spread.chain(reserved).chain(signed).find(|h| !belongs(h)) {
        return Err(format!("an entry of type {} goes out in log {}", h.kind, h.log.number()));
    }
    let of_agencies = |id: &EntryId| {
        let held = look.own().agency.values().flat_map(crate::author::Chain::lines).any(|l| l.id == *id);
        held || look.state().reserved.iter().any(|r| r.header.log == LogKind::Agy && r.header.id() == *id)
    };
    if look.reserves().any(|r| r.header.log != LogKind::Agy && r.header.refs.iter().any(of_agencies)) {
        return Err("what everyone reads names what is for agencies only".into());
    }
    let pushed =
        look.step.effects.iter().find_map(|e| if let Effect::Push(entry) = e { Some(entry.header()) } else { None });
    match pushed.filter(|h| h.pid != look.state().me || h.log != LogKind::Pub) {
        Some(h) => Err(format!("an entry of log {} of {} is pushed", h.log.number(), h.pid.short())),
        None => Ok(()),
    }
}

/// A receipt implies durable: whatever a step promises or tells as done is in its own facts or an earlier step's.
pub fn invariant_22_a_promise_has_its_fact(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    let heard = |thread: &ThreadId, id: &MsgId| {
        let told = state.case(thread).and_then(|c| c.find(id));
        told.is_some_and(|t| t.open.from != state.me && t.refused.is_none())
    };
    let unheard = |e: &&Effect| matches!(e, Effect::GiveReceipt { thread, id, .. } if !heard(thread, id));
    if let Some(Effect::GiveReceipt { id, .. }) = look.step.effects.iter().find(unheard) {
        return Err(format!("a receipt is given for {}, which is not kept", id.short()));
    }
    let ours = |id: &EntryId| state.federation.holds(id) || state.reserved.iter().any(|r| r.header.id() == *id);
    let (mut placed, told) = (0, |told: bool, what: &str| if told { Ok(()) } else { Err(what.to_owned()) });
    for answer in look.answers() {
        match answer {
            Answer::Placed(all) => {
                placed += all.iter().filter(|p| matches!(p, Placed::New | Placed::Forks { .. })).count();
            }
            Answer::Receipt(bytes) => {
                let given = state.cases.values().flat_map(|c| c.asked.iter().chain(&c.answered));
                let given = given.filter(|t| t.open.from != state.me).any(|t| t.receipt.as_ref() == Some(bytes));
                told(given, "a receipt is repeated that was never given")?;
            }
            Answer::Entry(id) | Answer::Approved(Some(id)) => {
                told(ours(id), "an entry is told as written and is not")?;
            }
            Answer::Applied(pid) => {
                let known = state.inbox.get(pid).is_some() || state.federation.standing(pid).is_some();
                told(known, "an application is told as taken and is not here")?;
            }
            Answer::Proposal(id) => told(state.proposals.get(id).is_some(), "a proposal is told and does not wait")?,
            Answer::Said(id) => {
                told(state.outbox.get(id).is_some(), "a statement is told as said and is not to be delivered")?;
            }
            Answer::Approved(None) | Answer::Done | Answer::Refused(..) => {}
        }
    }
    told(placed <= look.kept().count(), "entries are told as taken and are not kept")
}

/// Referral effect exactly once: what the other side says is taken once, and people are told of a referral.
pub fn invariant_22_a_statement_counts_once(look: &Look<'_>) -> Result<(), String> {
    for fact in &look.step.facts {
        let Fact::Heard(heard) = fact else { continue };
        let (id, thread) = (&heard.open.id, &heard.open.thread);
        let before = look.before.case(thread).is_some_and(|c| c.find(id).is_some());
        let after = look.state().case(thread).map_or(0, |c| {
            c.asked.iter().chain(&c.answered).filter(|t| t.open.id == *id && t.refused.is_none()).count()
        });
        if before || after != 1 {
            return Err(format!("{} is heard again: {after} times", id.short()));
        }
        let told = |n: &crate::state::Noticed| {
            n.notice.kind == NoticeKind::ReferralStored && n.notice.subject == Some(Digest(thread.0))
        };
        if heard.open.kind == Kind::Submit && look.state().notices.values().filter(|n| told(n)).count() != 1 {
            return Err(format!("nobody is told of the referral {}", thread.short()));
        }
    }
    Ok(())
}

/// Receipts verify offline: one that came home names our statement and is signed by its receiver; one that we gave names
/// theirs and is ours. Read from its bytes.
pub fn invariant_23_receipts_verify(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    for fact in &look.step.facts {
        let (kept, by) = match fact {
            Fact::Receipt(r) => (r, state.case(&r.thread).map(|c| c.peer(&state.me))),
            Fact::GaveReceipt(r) => (r, Some(state.me)),
            _ => continue,
        };
        let verified = || {
            let sign1: Sign1 = decode(&kept.receipt, 4096).ok()?;
            let author = state.federation.author(&by?)?;
            let keys = author.id.keys(Receipt::claimed(&sign1).ok()?.epoch)?;
            let receipt = Receipt::open(&sign1, keys, state.federation.network()).ok()?;
            (Some(receipt.by) == by && receipt.msg_id == kept.id).then_some(())
        };
        if verified().is_none() {
            return Err(format!("the receipt kept for {} is none", kept.id.short()));
        }
    }
    Ok(())
}

/// Threads are gap-free: what is said on either side goes on where that side stood.
pub fn invariant_24_what_is_said_goes_on(look: &Look<'_>) -> Result<(), String> {
    let said = look.step.facts.iter().filter_map(|fact| match fact {
        Fact::Said(s) | Fact::Recovered(s) => Some(&s.open),
        Fact::Heard(h) => Some(&h.open),
        Fact::Declined(d) => Some(&d.open),
        _ => None,
    });
    let goes_on = |case: &Case, open: &Open| {
        let side = case.side(&open.from);
        let at = usize::try_from(open.msg_no).ok()?;
        let before = at.checked_sub(1).and_then(|at| side.get(at)).map(|t| t.open.id);
        let fits = before == open.prev_own && open.to == case.peer(&open.from);
        (fits && side.get(at)?.open.id == open.id).then_some(())
    };
    for open in said {
        if look.state().case(&open.thread).and_then(|case| goes_on(case, open)).is_none() {
            return Err(format!("{} does not go on where case {} stood", open.id.short(), open.thread.short()));
        }
    }
    Ok(())
}

/// Nothing sealed to an expired, foreign or suspended recipient: what is handed out to be delivered is ours, waits, goes to
/// the other side of its case, and to one in full standing (a recall also to one that is suspended) whose log is not
/// contested and holds an encryption key in force. Keys are read from the lines of its log.
pub fn invariant_25_nothing_goes_to_whom_it_may_not(look: &Look<'_>) -> Result<(), String> {
    let state = look.state();
    let federation = &state.federation;
    for effect in &look.step.effects {
        let Effect::Deliver { thread, id, to } = effect else { continue };
        let not = |why: &str| Err(format!("{} goes to {}: {why}", id.short(), to.short()));
        let told = state.case(thread).and_then(|c| c.find(id));
        let Some(told) = told.filter(|t| t.open.from == state.me && t.open.to == *to) else {
            return not("it was not said to it");
        };
        let waits = told.refused.is_none() && told.delivery.as_ref().is_some_and(|d| d.receipt.is_none() && !d.failed);
        let tried = told.delivery.as_ref().is_some_and(|d| d.tries > 0);
        if !waits || (tried && look.now >= told.open.expires) {
            return not("it waits no more");
        }
        let standing = federation.standing(to);
        let recalls = told.open.kind == Kind::Recall && standing == Some(Standing::Suspended);
        if standing != Some(Standing::Participant) && !recalls {
            return not(&format!("it is {standing:?}"));
        }
        let Some(author) = federation.author(to).filter(|a| !a.contested()) else { return not("its log is contested") };
        let mut keys = author.listed(LogKind::Pub).filter(|l| is_ready(federation, l)).filter_map(|l| match &l.says {
            Says::Kem(key) => Some(key),
            _ => None,
        });
        if !keys.any(|k| k.not_before <= look.now && look.now < k.not_after) {
            return not("it has no key in force");
        }
    }
    Ok(())
}

/// Liveness: a header that is reserved continues the own log, so that it can be placed once it is signed; and as soon as
/// this node may sign, whatever is reserved is being signed.
pub fn invariant_27_what_is_reserved_is_signed_and_goes_on(look: &Look<'_>) -> Result<(), String> {
    let reserved = &look.state().reserved;
    for new in look.reserves().filter(|_| !look.is_robbed()) {
        let h = &new.header;
        let earlier = reserved.iter().take_while(|r| r.header.id() != h.id());
        let earlier = earlier.filter(|r| (r.header.log, r.header.epoch) == (h.log, h.epoch)).last();
        let chain = look.own().log(h.log).get(&h.epoch);
        let tip = earlier.map(|r| (r.header.seq, r.header.id())).or_else(|| chain.and_then(crate::author::Chain::tip));
        let place = tip.map_or((0, None), |(seq, id)| (seq + 1, Some(id)));
        if (h.seq, h.prev) != place || h.epoch != look.own().id.epoch() {
            return Err(format!("place {} of log {} does not continue it", h.seq, h.log.number()));
        }
    }
    match reserved.iter().find(|r| look.after.may_sign().is_ok() && !look.after.is_signing(&r.header.id())) {
        Some(r) => Err(format!("{} is reserved and nobody signs it", r.header.id().short())),
        None => Ok(()),
    }
}

/// An unconfirmed node signs nothing that counts: neither stances, excuses, introductions, motions, checkpoints nor proofs.
/// Who is confirmed is counted anew from the checkpoints in the lines.
pub fn invariant_28_an_unconfirmed_node_signs_nothing_that_counts(look: &Look<'_>) -> Result<(), String> {
    let counts = |h: &Header| {
        matches!(
            h.entry_type(),
            Some(
                EntryType::Stances
                    | EntryType::Excuse
                    | EntryType::Introduce
                    | EntryType::Motion
                    | EntryType::Checkpoint
                    | EntryType::ForkProof
            )
        )
    };
    let Some(new) = look.reserves().map(|r| &r.header).find(|h| counts(h)) else { return Ok(()) };
    let state = look.state();
    let federation = &state.federation;
    if federation.founders().contains(&state.me) {
        return Ok(());
    }
    let checkpoint = |author: &Author| {
        let lines = author.listed(LogKind::Pub).filter(|l| is_ready(federation, l));
        lines.filter_map(|l| if let Says::Checkpoint(c) = &l.says { Some(c.state) } else { None }).last()
    };
    let founders = federation.founders();
    let others = federation.pids().filter(|p| *p != state.me && federation.is_full_agency(p));
    let others: Vec<(bool, Option<Digest>)> = others
        .filter_map(|pid| Some((founders.contains(&pid), checkpoint(federation.author(&pid)?))))
        .filter(|(founder, said)| *founder || said.is_some())
        .collect();
    let quorate = |of: &[&(bool, Option<Digest>)]| {
        let confirm = of.iter().filter(|(_, said)| said.is_some_and(|s| state.reached.contains_key(&s))).count();
        !of.is_empty() && confirm >= quorum(of.len()).min(of.len())
    };
    let seniors: Vec<_> = others.iter().filter(|(founder, _)| *founder).collect();
    if federation.is_participant(&state.me) && (quorate(&others.iter().collect::<Vec<_>>()) || quorate(&seniors)) {
        return Ok(());
    }
    let kind = new.entry_type().map_or("unknown", EntryType::code);
    Err(format!("it reserves a {kind} entry, confirmed by no quorum"))
}

/// replay(journal) = live state, the half of it that one fact shows: what is committed reads back as it is. Entries of
/// others came as bytes that were read so.
pub fn invariant_29_facts_read_back(look: &Look<'_>) -> Result<(), String> {
    let made = |fact: &&Fact| !matches!(fact, Fact::Entry(kept) if kept.entry.header().pid != look.before.me);
    let lost = |fact: &&Fact| decode::<Fact>(&encode(*fact), MAX_FACT).ok().as_ref() != Some(*fact);
    match look.step.facts.iter().filter(made).find(lost) {
        Some(fact) => Err(format!("fact {} does not read back as it was", encode(fact).get(1).unwrap_or(&0))),
        None => Ok(()),
    }
}

/// replay(journal) = live state: the step's facts, applied to the state before, give the state after.
pub fn invariant_29_replay_is_live_state(look: &Look<'_>) -> Result<(), String> {
    let mut again = look.before.clone();
    for fact in &look.step.facts {
        let _ = again.apply(fact);
    }
    let live = look.state();
    let of_roster = |s: &State| {
        let f = &s.federation;
        (s.digest, f.state_digest(), f.heads_root(Plane::Pub), f.heads_root(Plane::Agy), f.entries())
    };
    let of_rows = |s: &State| {
        let rows = [s.cases.size(), s.outbox.size(), s.unsent.size(), s.inbox.size(), s.proposals.size()];
        let more = [s.notices.size(), s.acks.size(), s.internals.size(), s.absences.size(), s.blobs.size()];
        let reserved: Vec<EntryId> = s.reserved.iter().map(|r| r.header.id()).collect();
        (rows, more, reserved, s.noted.clone(), s.reached.clone(), s.trail, s.as_of)
    };
    if of_roster(&again) != of_roster(live) {
        return Err("the facts give another roster".into());
    }
    if of_rows(&again) != of_rows(live) {
        return Err("the facts give other rows".into());
    }
    let touched: BTreeSet<ThreadId> = look.step.facts.iter().filter_map(thread_of).collect();
    let words = |s: &State, thread: &ThreadId| format!("{:?}", s.case(thread));
    match touched.iter().find(|thread| words(&again, thread) != words(live, thread)) {
        Some(thread) => Err(format!("the facts give another case {}", thread.short())),
        None => Ok(()),
    }
}

fn thread_of(fact: &Fact) -> Option<ThreadId> {
    match fact {
        Fact::Said(s) | Fact::Recovered(s) => Some(s.open.thread),
        Fact::Heard(h) => Some(h.open.thread),
        Fact::Declined(d) => Some(d.open.thread),
        Fact::DeclinedThere(d) => Some(d.thread),
        Fact::Tried(t) => Some(t.thread),
        Fact::Receipt(r) | Fact::GaveReceipt(r) => Some(r.thread),
        Fact::Erased(e) => Some(e.thread),
        Fact::Held(h) => Some(h.thread),
        _ => None,
    }
}

/// No second copy of an inception resets a log 0, and nothing takes back a leave.
pub fn invariant_30_nothing_resets_a_log_0(look: &Look<'_>) -> Result<(), String> {
    let mut new: BTreeMap<Pid, Vec<&Entry>> = BTreeMap::new();
    look.kept().filter(|e| e.header().log == LogKind::Id).for_each(|e| new.entry(e.header().pid).or_default().push(e));
    for (pid, entries) in new {
        let author = |state: &State| state.federation.author(&pid).map(|a| a.id.clone());
        let (Some(before), Some(after)) = (author(look.before), author(look.state())) else { continue };
        let read = |id: &lapwing_record::idlog::IdLog| {
            (id.epochs.clone(), id.roots.clone(), id.threshold, id.next.clone(), id.next_threshold, id.left, id.trouble)
        };
        if entries.iter().all(|e| e.header().seq == 0) && read(&before) != read(&after) {
            return Err(format!("a copy of its inception changes what {} is", pid.short()));
        }
        // more copies at one place than are kept: of these those of lowest id count (docs/protocol.md §3)
        let full = |e: &&Entry| {
            let author = look.state().federation.author(&pid);
            let same = |o: &&Entry| (o.header().seq, o.header().kind) == (e.header().seq, e.header().kind);
            author.is_some_and(|a| a.id_entries().filter(same).count() >= MAX_ID_COPIES)
        };
        if before.left.is_some() && after.left.is_none() && !entries.iter().any(full) {
            return Err(format!("{} has left, and has not any more", pid.short()));
        }
    }
    Ok(())
}
