//! A second opinion: what docs/protocol.md §3 and §4 say of a set of entries, read from the entries themselves. The fold
//! is asked only who else is in full standing.
//!
//! Written to be read beside the page, for a handful of participants: sets of pids, every question from its beginning.
//! It reads one epoch: scenarios with a grant are judged by the orders alone.

use super::cast::Cast;
use lapwing_engine::membership::{Fold, Standing, quorum};
use lapwing_record::cbor::decode;
use lapwing_record::charter::Veto;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::identity::{Act, Class};
use lapwing_record::membership::{Application, Approval, Excuse, ForkProof, Stances, Target, What};
use std::collections::{BTreeMap, BTreeSet};

/// Which invariant is broken, and how.
pub type Broken = (&'static str, String);

/// What one author says in one entry, in order.
enum Saying {
    Node(What, Target),
    Officers(Act, Target, u64),
    Excuse(Target, BTreeSet<Pid>),
}

/// One author's public log.
#[derive(Default)]
struct Book {
    /// What stands before the first contested place, in order; then the contested stretch, which has none.
    chain: Vec<Saying>,
    set: Vec<Saying>,
}

/// What all entries of a set say.
pub struct Opinion<'a> {
    cast: &'a Cast,
    books: BTreeMap<Pid, Book>,
    /// Founders and those whom somebody introduced whose introductions count.
    known: BTreeSet<Pid>,
    left: BTreeSet<Pid>,
}

impl<'a> Opinion<'a> {
    /// Reads the entries that a node keeps.
    pub fn of(cast: &'a Cast, kept: &[&Entry]) -> Opinion<'a> {
        let founders: BTreeSet<Pid> = cast.founders.iter().filter_map(|f| cast.pid(*f)).collect();
        let ids: BTreeSet<EntryId> = kept.iter().map(|e| e.id()).collect();
        let read: Vec<&Entry> =
            kept.iter().copied().filter(|e| e.header().refs.iter().all(|r| ids.contains(r))).collect();
        let mut opinion = Opinion { cast, books: BTreeMap::new(), known: founders.clone(), left: BTreeSet::new() };
        for entry in &read {
            if entry.header().entry_type() == Some(EntryType::Leave) {
                opinion.left.insert(entry.header().pid);
            }
        }
        let contested = opinion.contested(kept, &read);
        for entry in &read {
            let header = entry.header();
            let in_chain = contested.get(&header.pid).is_none_or(|from| header.seq < *from);
            let said = opinion.sayings(entry);
            let book = opinion.books.entry(header.pid).or_default();
            if in_chain { book.chain.extend(said) } else { book.set.extend(said) }
        }
        // whose introductions count: the founders', and those of agencies that one of these has ever seated
        let mut vouched = founders;
        loop {
            let (known, vouches) = (opinion.known.len(), vouched.len());
            for entry in read.iter().filter(|e| e.header().entry_type() == Some(EntryType::Introduce)) {
                let application = entry.body().and_then(|body| Application::decode(body).ok());
                if let Some(application) = application.filter(|_| vouched.contains(&entry.header().pid)) {
                    opinion.known.extend(application.id_log.first().map(|e| e.header().pid));
                    let leaves = |e: &&Entry| e.header().entry_type() == Some(EntryType::Leave);
                    opinion.left.extend(application.id_log.iter().filter(leaves).map(|e| e.header().pid));
                }
            }
            for author in vouched.clone() {
                for target in opinion.seats(author) {
                    if let Target::Participant(pid) = target
                        && opinion.known.contains(&pid)
                        && opinion.class(pid) == Some(Class::Agency)
                    {
                        vouched.insert(pid);
                    }
                }
            }
            if (known, vouches) == (opinion.known.len(), vouched.len()) {
                return opinion;
            }
        }
    }

    /// From which place on whose log is contested: two entries held there, or a proof of two.
    fn contested(&self, kept: &[&Entry], read: &[&Entry]) -> BTreeMap<Pid, u64> {
        let mut places: BTreeMap<(Pid, u64), EntryId> = BTreeMap::new();
        let mut contested: BTreeMap<Pid, u64> = BTreeMap::new();
        let mut at = |pid: Pid, seq: u64| {
            let from = contested.entry(pid).or_insert(seq);
            *from = seq.min(*from);
        };
        for entry in kept.iter().filter(|e| e.header().log == LogKind::Pub) {
            let place = (entry.header().pid, entry.header().seq);
            if *places.entry(place).or_insert(entry.id()) != entry.id() {
                at(place.0, place.1);
            }
        }
        for proof in read.iter().filter(|e| e.header().entry_type() == Some(EntryType::ForkProof)) {
            let Some(Ok(proof)) = proof.body().map(|b| decode::<ForkProof>(b, EntryType::ForkProof.limit())) else {
                continue;
            };
            let headers = [&proof.a, &proof.b].map(|sign1| Entry::new(vec![sign1.clone()], None));
            let [Ok(a), Ok(b)] = headers else { continue };
            let (a_at, b_at) = (a.header(), b.header());
            let one_place = (a_at.pid, a_at.log, a_at.seq) == (b_at.pid, b_at.log, b_at.seq) && a.id() != b.id();
            let Some(author) = self.cast.agencies.values().find(|agency| agency.pid() == a_at.pid) else { continue };
            let signed = |e: &Entry| e.verify(&[author.feed.public()], 1, &self.cast.network).is_ok();
            if one_place && a_at.log == LogKind::Pub && signed(&a) && signed(&b) {
                at(a_at.pid, a_at.seq);
            }
        }
        contested
    }

    fn sayings(&self, entry: &Entry) -> Vec<Saying> {
        let header = entry.header();
        let agency = self.cast.agencies.values().find(|a| a.pid() == header.pid);
        let (Some(agency), Some(body)) = (agency, entry.body()) else { return Vec::new() };
        match header.entry_type() {
            Some(EntryType::Stances) => {
                let items = Stances::decode(body).map(|stances| stances.items).unwrap_or_default();
                let said = items.into_iter().filter_map(|stance| {
                    let Some(act) = stance.what.act() else { return Some(Saying::Node(stance.what, stance.target)) };
                    let (n, approvals) = (stance.n?, stance.approvals?);
                    let approval = Approval::of_stance(header.pid, 0, n, act, stance.target);
                    approval.check(&approvals, &agency.inception.first, &self.cast.network).ok()?;
                    Some(Saying::Officers(act, stance.target, n))
                });
                said.collect()
            }
            Some(EntryType::Excuse) => match decode::<Excuse>(body, EntryType::Excuse.limit()) {
                Ok(excuse) => vec![Saying::Excuse(excuse.target, excuse.silent.into_iter().collect())],
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn class(&self, pid: Pid) -> Option<Class> {
        self.cast.agencies.values().find(|a| a.pid() == pid).map(|a| a.inception.class)
    }

    fn said(&self, author: Pid) -> impl Iterator<Item = &Saying> {
        self.books.get(&author).into_iter().flat_map(|book| book.chain.iter().chain(&book.set))
    }

    fn seats(&self, author: Pid) -> BTreeSet<Target> {
        let seats = self.said(author).filter_map(|said| match said {
            Saying::Node(What::Seat, target) => Some(*target),
            _ => None,
        });
        seats.collect()
    }

    /// Whom `author` passes electorship of `target` on to: whom it had seated before its first word on it, or at all
    /// while it has none. The seats of a contested stretch count as before all its words.
    fn passes_on(&self, author: Pid, target: Target) -> BTreeSet<Target> {
        let mut seated = BTreeSet::new();
        for said in self.books.get(&author).map_or(&[][..], |book| &book.chain) {
            match said {
                Saying::Node(What::Seat, whom) => drop(seated.insert(*whom)),
                Saying::Node(_, of) | Saying::Officers(_, of, _) | Saying::Excuse(of, _) if *of == target => {
                    return seated;
                }
                _ => {}
            }
        }
        self.seats(author)
    }

    /// The founders, and every agency that an elector passes electorship on to.
    pub fn electors(&self, target: Target) -> BTreeSet<Pid> {
        let (mut electors, mut open) = (BTreeSet::new(), Vec::new());
        open.extend(self.cast.founders.iter().filter_map(|f| self.cast.pid(*f)));
        while let Some(pid) = open.pop() {
            let agency = self.known.contains(&pid) && self.class(pid) == Some(Class::Agency);
            if agency && Target::Participant(pid) != target && electors.insert(pid) {
                open.extend(self.passes_on(pid, target).into_iter().filter_map(|t| match t {
                    Target::Participant(pid) => Some(pid),
                    Target::Motion(_) => None,
                }));
            }
        }
        electors
    }

    /// The officers' word that rules: the highest number; at the same number object > withdraw > consent. Under the
    /// entry rule, and of motions, an objection after one's own clearance is none. Of what a contested stretch says nobody
    /// knows the order: there only a clearance from before it makes an objection late.
    fn ruling(&self, author: Pid, target: Target) -> Option<(u64, Act)> {
        let weight = |act: Act| match act {
            Act::Object => 2,
            Act::Withdraw => 1,
            _ => 0,
        };
        let mut ruling: Option<(u64, Act)> = None;
        let mut agreed = false;
        let book = self.books.get(&author)?;
        for (said, in_order) in book.chain.iter().map(|s| (s, true)).chain(book.set.iter().map(|s| (s, false))) {
            match said {
                Saying::Node(What::Clear, of) if *of == target => agreed |= in_order,
                Saying::Officers(act, of, n) if *of == target => {
                    if *act == Act::Object && agreed && self.entry_rule(target) {
                        continue;
                    }
                    agreed |= in_order && *act == Act::Consent;
                    if ruling.is_none_or(|(m, old)| (*n, weight(*act)) > (m, weight(old))) {
                        ruling = Some((*n, *act));
                    }
                }
                _ => {}
            }
        }
        ruling
    }

    fn entry_rule(&self, target: Target) -> bool {
        self.cast.veto == Veto::Entry || matches!(target, Target::Motion(_))
    }

    fn objects(&self, author: Pid, target: Target) -> bool {
        matches!(self.ruling(author, target), Some((_, Act::Object)))
    }

    fn agrees(&self, author: Pid, target: Target) -> bool {
        let cleared = self.said(author).any(|said| matches!(said, Saying::Node(What::Clear, of) if *of == target));
        matches!(self.ruling(author, target), Some((_, Act::Consent))) || cleared && !self.objects(author, target)
    }

    fn excuses(&self, author: Pid, target: Target, whom: Pid) -> bool {
        self.said(author)
            .any(|said| matches!(said, Saying::Excuse(of, silent) if *of == target && silent.contains(&whom)))
    }

    /// Electors of each other, by way of others or not: only liars can be.
    fn fellows(&self, of: Pid) -> BTreeSet<Pid> {
        let joined = |pid: &Pid| !self.cast.founders.iter().any(|f| self.cast.pid(*f) == Some(*pid));
        let senior = |pid: Pid| -> BTreeSet<Pid> {
            let (mut found, mut open) = (BTreeSet::new(), vec![pid]);
            while let Some(pid) = open.pop() {
                for elector in self.electors(Target::Participant(pid)).into_iter().filter(|e| joined(e)) {
                    if found.insert(elector) {
                        open.push(elector);
                    }
                }
            }
            found
        };
        let mine = senior(of);
        mine.into_iter().filter(|other| *other != of && senior(*other).contains(&of)).collect()
    }

    /// What the electors in full standing say of a target.
    fn verdict(&self, target: Target, full: &BTreeSet<Pid>, fellows: &BTreeSet<Pid>) -> Verdict {
        let electors = self.electors(target);
        let live: BTreeSet<Pid> =
            electors.iter().filter(|e| full.contains(e) && !fellows.contains(e)).copied().collect();
        let agree: BTreeSet<Pid> = live.iter().filter(|e| self.agrees(**e, target)).copied().collect();
        let object: BTreeSet<Pid> = live.iter().filter(|e| self.objects(**e, target)).copied().collect();
        let excused = |e: &Pid| agree.iter().filter(|a| self.excuses(**a, target, *e)).count() >= quorum(live.len());
        let owed = |e: &&Pid| !agree.contains(e) && !object.contains(e) && !excused(e);
        let missing = live.iter().filter(owed).copied().collect();
        let founders = self.cast.founders.iter().filter_map(|f| self.cast.pid(*f));
        let spoke = !agree.is_empty() || founders.into_iter().any(|f| f_agrees(self, f, target, &electors));
        Verdict { live, object, missing, spoke }
    }
}

fn f_agrees(opinion: &Opinion<'_>, founder: Pid, target: Target, electors: &BTreeSet<Pid>) -> bool {
    electors.contains(&founder) && opinion.agrees(founder, target)
}

struct Verdict {
    live: BTreeSet<Pid>,
    object: BTreeSet<Pid>,
    missing: BTreeSet<Pid>,
    spoke: bool,
}

impl Verdict {
    fn complete(&self) -> bool {
        self.missing.is_empty() && self.spoke
    }
}

/// A set of entries and a fold of it, judged by the invariants of docs/protocol.md §7.
pub struct Judged<'a> {
    /// What the entries say.
    pub opinion: &'a Opinion<'a>,
    /// What the fold says.
    pub fold: &'a Fold,
    /// The motions that the scenario can move.
    pub motions: &'a [EntryId],
}

type Judge = fn(&Judged<'_>) -> Result<(), String>;

/// The invariants judged of one set, facts before what follows from them. 1 is what the orders show; 2, 5 and 6 ask for more than one fold.
pub const JUDGES: &[(&str, Judge)] = &[
    ("electors_are_who_the_entries_say", electors_are_who_the_entries_say),
    ("invariant_18_whom_nobody_introduced_has_no_standing", only_the_introduced_stand),
    ("invariant_12_the_highest_number_rules", the_highest_number_rules),
    ("invariant_30_a_leave_is_for_good", a_leave_is_for_good),
    ("invariant_04_an_electors_objection_bars", an_electors_objection_bars),
    ("invariant_04_nobody_elses_objection_bars", nobody_elses_objection_bars),
    ("invariant_07_no_admission_without_every_elector", no_admission_without_every_elector),
    ("invariant_07_the_complete_are_not_kept_waiting", the_complete_are_not_kept_waiting),
    ("motions_are_judged_by_their_electors", motions_are_judged_by_their_electors),
];

impl Judged<'_> {
    /// Everything.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn judge(&self) -> Result<(), Broken> {
        JUDGES.iter().try_for_each(|(name, judge)| judge(self).map_err(|why| (*name, why)))
    }

    fn full(&self) -> BTreeSet<Pid> {
        self.fold.agencies()
    }

    fn letter(&self, pid: Pid) -> char {
        self.opinion.cast.letter(&pid)
    }

    fn founder(&self, pid: Pid) -> bool {
        self.opinion.cast.founders.iter().any(|f| self.opinion.cast.pid(*f) == Some(pid))
    }

    /// Those who joined and have not left, with their verdicts, who objects beyond the electors, and where they stand.
    fn joined(&self) -> impl Iterator<Item = (Pid, Verdict, BTreeSet<Pid>, Standing)> + '_ {
        let (o, full) = (self.opinion, self.full());
        let joined = o.known.iter().copied().filter(|pid| !self.founder(*pid) && !o.left.contains(pid));
        joined.filter_map(move |pid| {
            let target = Target::Participant(pid);
            let (agency, standing) = (o.class(pid) == Some(Class::Agency), self.fold.standing(pid)?);
            let fellows = if agency { o.fellows(pid) } else { BTreeSet::new() };
            let electors = o.electors(target);
            let others = if agency {
                fellows.into_iter().filter(|f| electors.contains(f)).collect::<BTreeSet<_>>()
            } else {
                full.clone()
            };
            let beyond = others.iter().filter(|a| o.objects(**a, target)).copied().collect();
            let fellows = if agency { others } else { BTreeSet::new() };
            Some((pid, o.verdict(target, &full, &fellows), beyond, standing))
        })
    }

    fn name_all(&self, pids: &BTreeSet<Pid>) -> String {
        pids.iter().map(|pid| self.letter(*pid)).collect()
    }
}

/// 4: an objection of a live elector bars; of a private-sector participant or observer, any full agency's.
fn an_electors_objection_bars(judged: &Judged<'_>) -> Result<(), String> {
    let full = judged.full();
    for (pid, verdict, beyond, standing) in judged.joined() {
        let objectors = &verdict.object | &(&beyond & &full);
        // an objecting fellow of a ring keeps out; until the words are complete its objection is not shown
        let shown = judged.opinion.class(pid) != Some(Class::Agency) || !verdict.object.is_empty();
        let barred = standing != Standing::Participant && (standing != Standing::Candidate || !shown);
        if !objectors.is_empty() && !barred {
            let (x, by) = (judged.letter(pid), judged.name_all(&objectors));
            return Err(format!("{x} is a {standing} although {by} objects"));
        }
    }
    Ok(())
}

/// 4, its other half: somebody is barred only by an objection that counts.
fn nobody_elses_objection_bars(judged: &Judged<'_>) -> Result<(), String> {
    for (pid, verdict, beyond, standing) in judged.joined() {
        let barred = matches!(standing, Standing::Suspended | Standing::Objected);
        if barred && verdict.object.is_empty() && beyond.is_empty() {
            return Err(format!("{} is {standing}, and nobody who may objects", judged.letter(pid)));
        }
    }
    Ok(())
}

/// 7: nobody in full standing without the word, or the quorum's excuse, of every live elector.
fn no_admission_without_every_elector(judged: &Judged<'_>) -> Result<(), String> {
    for (pid, verdict, _, standing) in judged.joined() {
        if matches!(standing, Standing::Participant | Standing::Suspended) && !verdict.complete() {
            let (x, missing) = (judged.letter(pid), judged.name_all(&verdict.missing));
            return Err(format!("{x} is a {standing}; missing: {missing}; somebody spoke: {}", verdict.spoke));
        }
    }
    Ok(())
}

/// 7, its other half: who has every word is not left waiting.
fn the_complete_are_not_kept_waiting(judged: &Judged<'_>) -> Result<(), String> {
    for (pid, verdict, _, standing) in judged.joined() {
        if matches!(standing, Standing::Candidate | Standing::Objected) && verdict.complete() {
            return Err(format!("{} is {standing}, and no word is missing", judged.letter(pid)));
        }
    }
    Ok(())
}

/// 12: only officers' signatures make or end an officers' act, and the highest number rules wherever it stands.
fn the_highest_number_rules(judged: &Judged<'_>) -> Result<(), String> {
    let o = judged.opinion;
    let motions = judged.motions.iter().map(|m| Target::Motion(*m));
    let targets: Vec<Target> = o.known.iter().map(|p| Target::Participant(*p)).chain(motions).collect();
    for author in o.books.keys() {
        for target in &targets {
            let contested = o.books.get(author).is_some_and(|book| !book.set.is_empty());
            if o.entry_rule(*target) && contested {
                continue;
            }
            let theirs = judged.fold.ruling(*author, *target).map(|r| (r.rank.n, format!("{:?}", r.act)));
            let ours = o.ruling(*author, *target).map(|(n, act)| (n, format!("{act:?}")));
            if theirs != ours {
                let a = judged.letter(*author);
                return Err(format!("{a} of {target:?}: the entries say {ours:?}, the fold {theirs:?}"));
            }
        }
    }
    Ok(())
}

/// 18: only founders, and whom one introduced whose introductions count, stand anywhere.
fn only_the_introduced_stand(judged: &Judged<'_>) -> Result<(), String> {
    let standing: BTreeSet<Pid> = judged.fold.standings().into_keys().collect();
    if standing == judged.opinion.known {
        return Ok(());
    }
    let (known, has) = (judged.name_all(&judged.opinion.known), judged.name_all(&standing));
    Err(format!("by the entries {known} are known, in the fold {has}"))
}

/// 30: whoever has left has left, whatever else is held; and nobody else has.
fn a_leave_is_for_good(judged: &Judged<'_>) -> Result<(), String> {
    for pid in &judged.opinion.known {
        let left = judged.opinion.left.contains(pid);
        let standing = judged.fold.standing(*pid);
        if left != (standing == Some(Standing::Left)) {
            return Err(format!("{} has left: {left}, and stands as {standing:?}", judged.letter(*pid)));
        }
        if judged.founder(*pid) && !left && standing != Some(Standing::Participant) {
            return Err(format!("{} founded and stands as {standing:?}", judged.letter(*pid)));
        }
    }
    Ok(())
}

/// §4.4: computed from positions in logs, never declared.
fn electors_are_who_the_entries_say(judged: &Judged<'_>) -> Result<(), String> {
    let joined = judged.opinion.known.iter().filter(|pid| !judged.founder(**pid)).map(|pid| Target::Participant(*pid));
    for target in joined.chain(judged.motions.iter().map(|m| Target::Motion(*m))) {
        let (ours, theirs) = (judged.opinion.electors(target), judged.fold.electors(target));
        if ours != theirs {
            let (ours, theirs) = (judged.name_all(&ours), judged.name_all(&theirs));
            return Err(format!("of {target:?}: by the entries {ours}, in the fold {theirs}"));
        }
    }
    Ok(())
}

/// §4.6: a motion is complete as an applicant would be, and adopted once a quorum of its electors has seated it.
fn motions_are_judged_by_their_electors(judged: &Judged<'_>) -> Result<(), String> {
    for motion in judged.motions {
        let target = Target::Motion(*motion);
        let verdict = judged.opinion.verdict(target, &judged.full(), &BTreeSet::new());
        let complete = verdict.complete() && verdict.object.is_empty();
        let electors = judged.opinion.electors(target);
        let seated = electors.iter().filter(|e| judged.opinion.seats(**e).contains(&target)).count();
        let adopted = !verdict.live.is_empty() && seated >= quorum(verdict.live.len());
        let theirs = (judged.fold.complete(*motion), judged.fold.passed(*motion));
        if (complete, adopted) != theirs {
            return Err(format!(
                "complete and adopted: by the entries {:?}, in the fold {theirs:?}",
                (complete, adopted)
            ));
        }
    }
    Ok(())
}
