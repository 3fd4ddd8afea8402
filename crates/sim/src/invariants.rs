//! The invariants of docs/protocol.md §7 that can be judged from outside the engine, each a function of the world.
//!
//! After each event: 1, 4, 7, 9, 18, 19, 21, 22, 23, 24, 25, 27 (its second half), 28, 29. At the end, when everything
//! has been quiet for W + G + two minutes: 2, 3, 5, 10, 11, 22, 27.
//!
//! Not judged here, and why:
//! - 6 (evaluation ends): a run that ends shows it; nothing else to look at.
//! - 8 (clocks change no standing): follows here from 1 and 3, with clocks that jump and lie by ten years.
//! - 12 (a stolen feed key): judged through 4 and 7, whose second opinion checks officers' signatures itself.
//! - 13, 14, 15 (replay across contexts, codec, unknown types): properties of bytes, held by tests of `record`.
//! - 16 (pruned nodes): nothing is pruned yet. 17 (amendments): nobody moves one here yet.
//! - 20 (bounds under flood): nobody floods here yet. 26 (blobs): evidence is not part of the engine.

use crate::node::{Node, Role};
use crate::world::World;
use lapwing_engine::author::MAX_FORKED;
use lapwing_engine::between::Between;
use lapwing_engine::fact::NoticeKind;
use lapwing_engine::federation::{Federation, Plane};
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::{Act as Ruled, Standing, Target, quorum};
use lapwing_engine::state::State;
use lapwing_engine::step::Step;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, Pid};
use lapwing_record::identity::Act;
use lapwing_record::statement::Kind;
use std::collections::{BTreeMap, BTreeSet};

type Judge = fn(&World) -> Result<(), String>;
/// An invariant's name, and where it does not hold.
pub type Failure = (&'static str, String);

macro_rules! judges {
    ($name:ident: $($judge:ident),* $(,)?) => {
        const $name: &[(&str, Judge)] = &[$((stringify!($judge), $judge)),*];
    };
}

judges!(AFTER_EACH:
    invariant_01_equal_sets_equal_digests,
    invariant_04_an_objection_held_bars,
    invariant_07_no_admission_without_every_elector,
    invariant_09_no_correct_author_is_forked,
    invariant_12_a_feed_key_makes_no_act_of_officers,
    invariant_18_nothing_of_a_stranger_is_kept,
    invariant_19_no_agency_only_write_outside,
    invariant_21_no_refusal_of_a_correct_peer,
    invariant_22_a_promise_implies_durable,
    invariant_23_receipts_verify,
    invariant_24_threads_are_gap_free,
    invariant_25_nothing_sealed_to_a_suspended,
    invariant_27_nobody_falls_back_by_itself,
    invariant_28_an_unconfirmed_node_signs_nothing_that_counts,
    invariant_29_replay_is_live_state,
);

judges!(AT_THE_END:
    invariant_03_all_heads_equal,
    invariant_02_incremental_is_batch,
    invariant_05_private_stances_change_nothing,
    invariant_10_forks_are_known_everywhere,
    invariant_11_contested_storage_is_bounded,
    invariant_22_effect_exactly_once,
    invariant_27_the_unopposed_are_admitted,
    invariant_27_everyone_may_sign_again,
);

/// What must hold after each event.
///
/// # Errors
/// The first invariant that does not.
pub fn after_each(world: &mut World) -> Result<(), Failure> {
    judge(world, AFTER_EACH)?;
    of_engines(world)
}

/// What one engine can judge by itself (`lapwing_engine::invariants`): every step, and of the states every so many. Also of
/// those who lie, or are robbed: they run the real engine beside it.
fn of_engines(world: &World) -> Result<(), Failure> {
    for node in world.changed.iter().map(|n| &world.nodes[*n]) {
        let of = |(name, why): Failure| (name, format!("{}: {why}", node.name()));
        if let Some(broken) = node.wrong.iter().find(|(name, _)| name.starts_with("invariant_")) {
            return Err(of(broken.clone()));
        }
        if node.view.as_of % EVERY == 0 {
            lapwing_engine::invariants::of_state(&node.view).map_err(of)?;
        }
    }
    Ok(())
}

/// One in so many states is read whole.
const EVERY: u64 = 16;

impl Node {
    /// Judges a step of its engine.
    pub(crate) fn look(&mut self, before: &State, step: &Step, now: u64) {
        let look = lapwing_engine::invariants::Look { before, after: &self.engine, step, now };
        self.wrong.extend(lapwing_engine::invariants::of_step(&look).err());
    }
}

/// What must hold at the end.
///
/// # Errors
/// The first invariant that does not.
pub fn at_the_end(world: &mut World) -> Result<(), Failure> {
    judge(world, AFTER_EACH)?;
    judge(world, AT_THE_END)
}

fn judge(world: &World, judges: &[(&'static str, Judge)]) -> Result<(), Failure> {
    judges.iter().try_for_each(|(name, judge)| judge(world).map_err(|why| (*name, why)))
}

/// Correct nodes whose durable state changed with the last event.
fn changed(world: &World) -> impl Iterator<Item = &Node> {
    world.changed.iter().map(|n| &world.nodes[*n]).filter(|n| n.honest())
}

fn wrong(world: &World, number: &str) -> Result<(), String> {
    for node in world.nodes.iter().filter(|n| n.honest()) {
        if let Some((_, why)) = node.wrong.iter().find(|(of, _)| *of == number) {
            return Err(format!("{}: {why}", node.name()));
        }
    }
    Ok(())
}

/// Equal sets of entries give equal digests, in any order and with any duplication.
pub fn invariant_01_equal_sets_equal_digests(world: &World) -> Result<(), String> {
    for node in changed(world) {
        let set = node.view.federation.heads_root(Plane::Pub);
        if let Some(known) = world.states.get(&set).filter(|d| **d != node.view.digest) {
            let (set, here) = (set.short(), node.view.digest.short());
            return Err(format!("{}: heads {set} gave {} elsewhere and {here} here", node.name(), known.short()));
        }
    }
    Ok(())
}

/// An incremental fold gives what a fold of everything at once gives, whatever the order.
pub fn invariant_02_incremental_is_batch(world: &World) -> Result<(), String> {
    let Some(node) = settled(world).next() else { return Ok(()) };
    let mut entries: Vec<&Entry> = node.book.entries.values().collect();
    entries.reverse();
    let again = fold(world, &entries);
    same(&again, node, "folded again in another order")
}

/// After healing all heads are equal, and with them everyone's standing and the directory.
pub fn invariant_03_all_heads_equal(world: &World) -> Result<(), String> {
    let mut first: Option<&Node> = None;
    for node in settled(world) {
        let other = *first.get_or_insert(node);
        let planes: &[Plane] =
            if node.agency.is_agency() && other.agency.is_agency() { &[Plane::Pub, Plane::Agy] } else { &[Plane::Pub] };
        for plane in planes {
            if node.view.federation.heads_root(*plane) != other.view.federation.heads_root(*plane) {
                let rows = differing(world, other, node, *plane);
                return Err(format!("{} and {} hold different logs of {plane:?}: {rows}", other.name(), node.name()));
            }
        }
        if node.view.federation.state_digest() != other.view.federation.state_digest() {
            return Err(format!("{} and {} see different standings", other.name(), node.name()));
        }
        if node.view.federation.amendments() != other.view.federation.amendments() {
            return Err(format!("{} and {} go by different Params", other.name(), node.name()));
        }
        if directory(&node.view.federation) != directory(&other.view.federation) {
            return Err(format!("{} and {} have different directories", other.name(), node.name()));
        }
    }
    Ok(())
}

/// An elector's objection, once held, bars at every node that holds it; of private-sector applicants that of any agency in
/// full standing. Who is an elector is read from the entries, without the fold.
pub fn invariant_04_an_objection_held_bars(world: &World) -> Result<(), String> {
    for node in changed(world) {
        let federation = &node.view.federation;
        let founders = federation.founders();
        for ((by, of), said) in node.book.words.said.iter().filter(|(_, said)| said.objects()) {
            if founders.contains(of) || !federation.is_full_agency(by) || !federation.is_participant(of) {
                continue;
            }
            if has_later_epochs(node, by) {
                continue;
            }
            if !federation.is_agency(of) || founders.contains(by) || electors(node, *of).contains(by) {
                let (by, of) = (name(world, by), name(world, of));
                return Err(format!("{}: {of} takes part although {by} objects ({:?})", node.name(), said.ruling));
            }
        }
    }
    Ok(())
}

/// Whose heads differ between two nodes, and how each sees the author.
fn differing(world: &World, a: &Node, b: &Node, plane: Plane) -> String {
    let heads = |n: &Node, pid: &Pid| n.view.federation.author(pid).map(|x| x.heads(plane == Plane::Agy));
    let brief = |n: &Node, pid: &Pid| {
        let rows = heads(n, pid).unwrap_or_default();
        let rows: Vec<String> = rows.iter().map(|h| format!("{}.{}/{}", h.log.number(), h.epoch, h.next)).collect();
        format!("{} {:?}", rows.join(" "), n.view.federation.standing(pid))
    };
    let all = world.nodes.iter().map(Node::pid).filter(|pid| heads(a, pid) != heads(b, pid));
    all.map(|pid| format!("{}: {} and {}", name(world, &pid), brief(a, &pid), brief(b, &pid)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What private-sector participants and observers say changes nothing.
pub fn invariant_05_private_stances_change_nothing(world: &World) -> Result<(), String> {
    let Some(node) = settled(world).next() else { return Ok(()) };
    let federation = &node.view.federation;
    let speaks =
        |e: &Entry| matches!(e.header().entry_type(), Some(EntryType::Stances | EntryType::Excuse | EntryType::Motion));
    let entries: Vec<&Entry> = node.book.entries.values().collect();
    let without: Vec<&Entry> =
        entries.into_iter().filter(|e| federation.is_agency(&e.header().pid) || !speaks(e)).collect();
    let again = fold(world, &without);
    if again.state_digest() != federation.state_digest() {
        return Err(format!("{}: without them standings differ", node.name()));
    }
    Ok(())
}

/// Nobody completes an admission without the word, or the quorum's excuse, of every live elector: by a second opinion that
/// reads entries and officers' signatures itself. Those that elect each other owe each other no word.
pub fn invariant_07_no_admission_without_every_elector(world: &World) -> Result<(), String> {
    for node in changed(world) {
        let federation = &node.view.federation;
        let joined = |p: &Pid| federation.is_participant(p) && !federation.founders().contains(p);
        let electors = |of: Pid| (of, electors(node, of));
        let of_each: BTreeMap<_, _> = federation.pids().filter(joined).map(electors).collect();
        if without_word(node, &of_each, &of_each).is_none() {
            continue;
        }
        // a ring can lead over those that are not admitted, and over contested logs, which are not read here: of these the fold
        // tells, where the quick look finds something
        let told = |of: Pid| (of, federation.roster().electors(Target::Participant(of)).into_iter().collect());
        let wide: BTreeMap<_, _> = federation.pids().filter(|p| federation.is_agency(p)).map(told).collect();
        if let Some((of, by)) = without_word(node, &of_each, &wide) {
            let (of, by) = (name(world, &of), name(world, &by));
            return Err(format!("{}: {of} takes part without a word of {by}", node.name()));
        }
    }
    Ok(())
}

/// One of those who take part, and one of its electors whose word it lacks; rings are those that `of_all` shows.
fn without_word(
    node: &Node,
    joined: &BTreeMap<Pid, BTreeSet<Pid>>,
    of_all: &BTreeMap<Pid, BTreeSet<Pid>>,
) -> Option<(Pid, Pid)> {
    let (federation, words) = (&node.view.federation, &node.book.words);
    joined.iter().find_map(|(of, electors)| {
        let all = federation.roster().electors(Target::Participant(*of));
        let fellow = |e: &Pid| !federation.founders().contains(e) && leads_to(of_all, of, e);
        let live = all.iter().filter(|e| federation.is_full_agency(e) && !fellow(e)).count();
        let owes = |by: &&Pid| federation.is_full_agency(by) && !has_later_epochs(node, by) && !fellow(by);
        let excused = |by: &Pid| all.iter().filter(|e| words.of(**e, *of).excused.contains(by)).count() >= quorum(live);
        let missing = |by: &&Pid| !words.of(**by, *of).agrees() && !excused(by);
        electors.iter().filter(owes).find(missing).map(|by| (*of, *by))
    })
}

/// What a later epoch of an author disavows is not read here: such an author's words are judged by nobody.
fn has_later_epochs(node: &Node, by: &Pid) -> bool {
    node.view.federation.author(by).is_none_or(|a| a.id.epoch() > 0)
}

/// Whether `senior` is an elector of `junior`, or of one who is, and so on.
fn leads_to(electors: &BTreeMap<Pid, BTreeSet<Pid>>, senior: &Pid, junior: &Pid) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([*junior]), vec![*junior]);
    while let Some(at) = open.pop() {
        for elector in electors.get(&at).into_iter().flatten() {
            if elector == senior {
                return true;
            }
            if seen.insert(*elector) {
                open.push(*elector);
            }
        }
    }
    false
}

/// Who has a say on `of`, as the entries that `node` holds tell it.
fn electors(node: &Node, of: Pid) -> BTreeSet<Pid> {
    let federation = &node.view.federation;
    let unclear = |pid: &Pid| {
        let author = federation.author(pid);
        !federation.is_agency(pid)
            || author.is_none_or(|a| a.contested() || a.public.len() > 1 || a.public.values().any(|c| c.fork.is_some()))
    };
    node.book.words.electors(of, federation.founders(), &unclear)
}

/// No correct author is ever provably forked, after any crash and any restore.
pub fn invariant_09_no_correct_author_is_forked(world: &World) -> Result<(), String> {
    wrong(world, "09")?;
    for node in changed(world) {
        for other in world.nodes.iter().filter(|o| o.honest()) {
            if node.view.federation.author(&other.pid()).is_some_and(|a| a.contested()) {
                return Err(format!("{} sees the log of {} contested", node.name(), other.name()));
            }
        }
    }
    Ok(())
}

/// A fork is known everywhere in the end.
pub fn invariant_10_forks_are_known_everywhere(world: &World) -> Result<(), String> {
    for rogue in world.nodes.iter().filter(|n| !n.honest()) {
        let contested = |n: &&Node| n.view.federation.author(&rogue.pid()).is_some_and(|a| a.contested());
        let knows = settled(world).filter(contested).count();
        if knows != 0 && knows != settled(world).count() {
            return Err(format!("the fork of {} is known to some only", rogue.name()));
        }
    }
    Ok(())
}

/// What is kept of a contested log is bounded.
pub fn invariant_11_contested_storage_is_bounded(world: &World) -> Result<(), String> {
    for node in settled(world) {
        for author in world.nodes.iter().filter_map(|n| node.view.federation.author(&n.pid())) {
            let chains = [LogKind::Pub, LogKind::Agy].into_iter().flat_map(|log| author.log(log).values());
            if chains.filter_map(|c| c.fork.as_ref()).any(|f| f.lines.len() > MAX_FORKED) {
                return Err(format!("{} keeps too much of a contested log", node.name()));
            }
        }
    }
    Ok(())
}

/// A stolen feed key makes and ends no counted act of officers: which of their words rules is read from the entries again.
pub fn invariant_12_a_feed_key_makes_no_act_of_officers(world: &World) -> Result<(), String> {
    for node in changed(world) {
        let roster = node.view.federation.roster();
        for ((by, of), said) in &node.book.words.said {
            if has_later_epochs(node, by) {
                continue;
            }
            let rules = roster.ruling(*by, Target::Participant(*of)).map(|r| (r.rank.n, Some(r.act)));
            let read = said.ruling.map(|(n, act)| (n, of_officers(act)));
            if rules != read {
                let (by, of) = (name(world, by), name(world, of));
                return Err(format!("{}: {by} of {of}: {rules:?} rules, its officers said {read:?}", node.name()));
            }
        }
    }
    Ok(())
}

fn of_officers(act: Act) -> Option<Ruled> {
    match act {
        Act::Object => Some(Ruled::Object),
        Act::Withdraw => Some(Ruled::Withdraw),
        Act::Consent => Some(Ruled::Consent),
        _ => None,
    }
}

/// Nothing of a stranger that was never introduced is kept outside the inbox.
pub fn invariant_18_nothing_of_a_stranger_is_kept(world: &World) -> Result<(), String> {
    wrong(world, "18")
}

/// No agency-only write begins toward a peer outside full agency standing.
pub fn invariant_19_no_agency_only_write_outside(world: &World) -> Result<(), String> {
    for (from, to, what) in &world.agency_writes {
        let (from, to) = (&world.nodes[*from], &world.nodes[*to]);
        if from.honest() && !from.view.federation.is_full_agency(&to.pid()) {
            let standing = from.view.federation.standing(&to.pid());
            return Err(format!("{} sends {what} to {} ({standing:?})", from.name(), to.name()));
        }
    }
    Ok(())
}

/// Nothing that a correct author wrote and a correct peer sent is refused as invalid.
pub fn invariant_21_no_refusal_of_a_correct_peer(world: &World) -> Result<(), String> {
    wrong(world, "21")
}

/// A receipt, or a signature that an objection is held, implies that it is durable.
pub fn invariant_22_a_promise_implies_durable(world: &World) -> Result<(), String> {
    wrong(world, "22")?;
    for node in changed(world) {
        if let Some(id) = node.promised.0.iter().find(|id| !node.book.ids.contains(id)) {
            return Err(format!("{} signed for entry {} and does not hold it", node.name(), id.short()));
        }
        if let Some(id) = node.promised.1.iter().find(|id| !node.book.heard.contains(id)) {
            return Err(format!("{} receipted statement {} and does not hold it", node.name(), id.short()));
        }
    }
    Ok(())
}

/// What was acknowledged is at its target, exactly once, and its people were told once.
pub fn invariant_22_effect_exactly_once(world: &World) -> Result<(), String> {
    for node in settled(world) {
        for case in node.view.cases.values() {
            let target = &world.nodes[world.index[&case.peer(&node.pid())]];
            if !target.honest() || has_left(world, &target.pid()) {
                continue;
            }
            for told in case.side(&node.pid()).iter().filter(|t| t.refused.is_some()) {
                let there = target.view.case(&case.thread).and_then(|c| c.find(&told.open.id));
                if there.is_some_and(|t| t.refused.is_none()) {
                    let (id, from, to) = (told.open.id.short(), node.name(), target.name());
                    return Err(format!("statement {id} of {from} counts as refused, and {to} has it"));
                }
            }
            for told in case.side(&node.pid()).iter().filter(|t| t.receipted().is_some()) {
                let there = target.view.case(&case.thread);
                let times = there.map_or(0, |c| {
                    c.side(&node.pid()).iter().filter(|t| t.open.id == told.open.id && t.refused.is_none()).count()
                });
                if times != 1 {
                    let (id, from, to) = (told.open.id.short(), node.name(), target.name());
                    return Err(format!("statement {id} of {from}, receipted by {to}, is there {times} times"));
                }
                let of_case = |n: &&lapwing_engine::state::Noticed| {
                    n.notice.kind == NoticeKind::ReferralStored && n.notice.subject == Some(Digest(case.thread.0))
                };
                let notices = target.view.notices.values().filter(of_case).count();
                if told.open.kind == Kind::Submit && notices != 1 {
                    return Err(format!("{} was told {notices} times of a referral", target.name()));
                }
            }
        }
    }
    Ok(())
}

/// Every receipt that came home verifies offline and is for exactly the bytes that were signed.
pub fn invariant_23_receipts_verify(world: &World) -> Result<(), String> {
    wrong(world, "23")
}

/// Both sides of every case are gap-free, also after a restore.
pub fn invariant_24_threads_are_gap_free(world: &World) -> Result<(), String> {
    for node in changed(world) {
        for case in node.view.cases.values() {
            for side in [&case.asked, &case.answered] {
                let mut before = None;
                for (number, told) in side.iter().enumerate() {
                    if told.open.msg_no != number as u64 || told.open.prev_own != before {
                        return Err(format!("{}: case {} has a gap", node.name(), case.thread.short()));
                    }
                    before = Some(told.open.id);
                }
            }
        }
    }
    Ok(())
}

/// Nothing is sealed to a recipient that is suspended, or whose log is contested.
pub fn invariant_25_nothing_sealed_to_a_suspended(world: &World) -> Result<(), String> {
    for (from, to) in &world.sealed {
        let (from, to) = (&world.nodes[*from], &world.nodes[*to]);
        let federation = &from.view.federation;
        let contested = federation.author(&to.pid()).is_some_and(|a| a.contested());
        if from.honest() && (!federation.is_participant(&to.pid()) || contested) {
            let standing = federation.standing(&to.pid());
            return Err(format!("{} sends a statement to {} ({standing:?})", from.name(), to.name()));
        }
    }
    Ok(())
}

/// Where everybody is honest and nobody leaves, nobody in full standing falls back without an objection; but for one whose
/// elector has just come into full standing here, and whose word is under way. (The excuses of one who leaves go with it.)
pub fn invariant_27_nobody_falls_back_by_itself(world: &World) -> Result<(), String> {
    if world.nodes.iter().any(|n| !n.honest()) {
        return Ok(());
    }
    for node in changed(world) {
        let federation = &node.view.federation;
        let leaves = federation.pids().any(|p| federation.standing(&p) == Some(Standing::Left));
        if leaves || node.book.words.said.values().any(|said| said.objects()) {
            continue;
        }
        for (pid, stood) in node.stood.iter().filter(|(_, s)| **s == Standing::Participant) {
            let now = federation.standing(pid);
            let fresh = |e: &Pid| federation.is_participant(e) && node.stood.get(e) != Some(&Standing::Participant);
            let awaited = || federation.roster().electors(Target::Participant(*pid)).iter().any(fresh);
            if now != Some(Standing::Participant) && now != Some(Standing::Left) && !awaited() {
                return Err(format!("{}: {} fell from {stood:?} to {now:?}", node.name(), name(world, pid)));
            }
        }
    }
    Ok(())
}

/// Where everybody is honest and alive, and may sign, whoever was introduced and is not objected to takes part.
pub fn invariant_27_the_unopposed_are_admitted(world: &World) -> Result<(), String> {
    if world.nodes.iter().any(|n| n.role != Role::Honest || *n.engine.head() != HeadCheck::Done) {
        return Ok(());
    }
    let Some(node) = settled(world).next() else { return Ok(()) };
    let federation = &node.view.federation;
    let objected = node.book.words.said.values().any(|said| said.objects());
    for pid in federation.pids().filter(|_| !objected) {
        let standing = federation.standing(&pid);
        if standing != Some(Standing::Participant) && standing != Some(Standing::Left) {
            let long = federation_saw(world, &pid).is_some_and(|at| world.now > at + 150_000);
            if long {
                let missing = federation.roster().silent_electors(Target::Participant(pid));
                let missing: Vec<String> = missing.iter().map(|p| why_silent(world, p)).collect();
                let by = node.name();
                return Err(format!("{} is {standing:?} still for {by}; silent: {missing:?}", name(world, &pid)));
            }
        }
    }
    Ok(())
}

/// After any crash and any restore a correct participant comes to sign again, once the others can be reached; where nobody
/// has what it signed last, once its administrator asserts that it is current.
pub fn invariant_27_everyone_may_sign_again(world: &World) -> Result<(), String> {
    for node in settled(world) {
        if let HeadCheck::Waiting { must_reach, answers, .. } = node.engine.head() {
            // an adversary keeps to itself what only it has
            let n = world.index[&node.pid()];
            if world.nodes.iter().any(|other| world.withheld(n, other).next().is_some()) {
                continue;
            }
            let reach = must_reach.iter().map(|(log, seq, id)| format!("{}/{seq} {}", log.number(), id.short()));
            let (reach, answers) = (reach.collect::<Vec<_>>().join(", "), answers.len());
            return Err(format!("{} does not sign: {answers} answers, must reach {reach}", node.name()));
        }
    }
    Ok(())
}

/// An unconfirmed node signs nothing that counts.
pub fn invariant_28_an_unconfirmed_node_signs_nothing_that_counts(world: &World) -> Result<(), String> {
    wrong(world, "28")
}

/// Replaying the journal gives the live state.
pub fn invariant_29_replay_is_live_state(world: &World) -> Result<(), String> {
    for node in changed(world) {
        if let (Some(live), Some(replayed)) = (node.last_durable, node.replayed)
            && live != replayed
        {
            return Err(format!("{}: the journal gives another state than it had", node.name()));
        }
    }
    Ok(())
}

// -- helpers --------------------------------------------------------------------------------------------------------

/// What keeps a participant from speaking, as far as it shows.
fn why_silent(world: &World, pid: &Pid) -> String {
    let Some(node) = world.index.get(pid).map(|n| &world.nodes[*n]) else { return pid.short() };
    let (standing, confirmed) = (node.view.my_standing(), node.view.confirmed());
    let (doubt, reserved) = (node.engine.clock_doubt(), node.view.reserved.len());
    let head = node.engine.head();
    let told = node.view.notices.values().filter(|n| n.told.is_none()).count();
    format!(
        "{} ({standing:?}, confirmed {confirmed}, clock {doubt:?}, reserves {reserved}, untold {told}, head {head:?})",
        node.name()
    )
}

/// Correct nodes that take part in full, by their own view. Not those that others tell nothing any more: who left and
/// forgot it with an older copy, and who is objected to without having heard of it.
fn settled(world: &World) -> impl Iterator<Item = &Node> {
    let correct = world.nodes.iter().filter(|n| n.honest());
    let stands = |n: &&Node| n.view.my_standing() == Some(Standing::Participant);
    correct.filter(stands).filter(|n| !has_left(world, &n.pid()) && !is_out(world, n))
}

/// Whether others have put it out: they tell it nothing any more. By an objection; because whoever left took with it an excuse
/// on which an admission stood; or, where somebody lies, because one with a false seat came into full standing and is silent.
fn is_out(world: &World, node: &Node) -> bool {
    let left = |other: &Node| {
        let federation = &other.view.federation;
        federation.pids().any(|p| federation.standing(&p) == Some(Standing::Left))
    };
    let objects =
        |other: &Node| other.book.words.said.iter().any(|((_, of), said)| *of == node.pid() && said.objects());
    let parts = |other: &Node| other.between(&node.pid()) == Between::Nothing;
    let lies = world.nodes.iter().any(|o| !o.honest());
    world.nodes.iter().any(|o| (lies || objects(o) || left(o)) && parts(o))
}

fn has_left(world: &World, pid: &Pid) -> bool {
    world.nodes.iter().any(|n| n.view.federation.standing(pid) == Some(Standing::Left))
}

fn name(world: &World, pid: &Pid) -> String {
    world.index.get(pid).map_or_else(|| pid.short(), |n| world.nodes[*n].name().to_owned())
}

/// When the first founder noted a participant, in virtual time.
fn federation_saw(world: &World, pid: &Pid) -> Option<u64> {
    let target = lapwing_engine::membership::Target::Participant(*pid);
    let noted = world.nodes[..world.founders].iter().filter_map(|f| f.view.noted.get(&target).map(|w| w.noted));
    noted.min()
}

/// Everything folded anew, in the order given, over and over until nothing more fits.
fn fold(world: &World, entries: &[&Entry]) -> Federation {
    let mut federation = Federation::found(&world.charter);
    loop {
        let before = federation.entries();
        for entry in entries {
            let _ = federation.place(entry);
        }
        if federation.entries() == before {
            return federation;
        }
    }
}

fn same(again: &Federation, node: &Node, how: &str) -> Result<(), String> {
    let live = &node.view.federation;
    if again.heads_root(Plane::Pub) != live.heads_root(Plane::Pub) {
        return Err(format!("{}: {how}, the heads differ", node.name()));
    }
    if again.state_digest() != live.state_digest() {
        return Err(format!("{}: {how}, the standings differ", node.name()));
    }
    Ok(())
}

/// The directory: what everyone's records say in the end.
fn directory(federation: &Federation) -> BTreeMap<Pid, Vec<Digest>> {
    let keys = |pid: &Pid| -> Vec<Digest> {
        let listing = federation.listing(pid);
        listing.map_or_else(Vec::new, |l| l.kem_keys.values().map(|k| Digest(k.entry.0)).collect())
    };
    federation.pids().map(|pid| (pid, keys(&pid))).collect()
}

impl World {
    /// Keeps what the judges compare the next event with.
    pub(crate) fn remember(&mut self) {
        for n in self.changed.clone() {
            let node = &mut self.nodes[n];
            if node.honest() {
                let set = node.view.federation.heads_root(Plane::Pub);
                self.states.insert(set, node.view.digest);
            }
            let federation = &node.view.federation;
            node.stood = federation.pids().filter_map(|p| Some((p, federation.standing(&p)?))).collect();
            node.last_durable = None;
            node.replayed = None;
        }
    }
}
