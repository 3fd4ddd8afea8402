//! One participant's logs as held here: chains, forks, and what is read from them (protocol §2, §3).
//!
//! ```text
//! log 0:   a set of entries  ──IdLog::fold──▶  epochs, keys, left
//! log 1/2: epoch 0  ●─●─●─●─●            stem: one chain
//!                       └──▶ anchor of epoch 1; what stands after it in epoch 0 is disavowed
//!          epoch 1        ●─●─┬●─●       fork: from the lowest forked place on, a set of statements
//!                             └●
//! ```
//!
//! Everything here is a function of the set of entries held. An entry that does not fit yet (a gap, an unknown epoch)
//! is not kept: the one who sent it is asked for what comes before.

use crate::line::{self, Line, Says};
use crate::membership::{Item, Segment};
use crate::mutation::{Mutation, broken};
use lapwing_record::entry::{Entry, EntryError, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, HashOf, NetworkId, Pid};
use lapwing_record::idlog::IdLog;
use lapwing_record::sign::Sign1;
use rpds::VectorSync;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Forked entries kept of one log at most; beyond it, more of them are not news.
pub const MAX_FORKED: usize = 1024;

/// Entries of one kind kept at one place of log 0 at most, beside the one that is read: honest owners write one.
pub const MAX_ID_COPIES: usize = 4;

/// Drops what is more than [`MAX_ID_COPIES`] of one kind at one place, highest ids first; true if anything was. What is
/// `read` stays: root keys that were rotated out still sign what is valid on branches of theirs, as much as they like.
fn bounded(entries: &mut BTreeMap<EntryId, Entry>, read: &BTreeSet<EntryId>) -> bool {
    let mut seen: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let before = entries.len();
    // ids ascend: the lowest of each kind come first
    entries.retain(|id, e| {
        if read.contains(id) {
            return true;
        }
        let count = seen.entry((e.header().seq, e.header().kind)).or_default();
        *count += 1;
        *count <= MAX_ID_COPIES
    });
    entries.len() != before
}

/// What is read of a log 0, from its head back.
fn read_of<'a>(id: &IdLog, entries: &'a BTreeMap<EntryId, Entry>) -> Vec<&'a Entry> {
    let head = entries.get(&id.head.1);
    std::iter::successors(head, |e| entries.get(&e.header().prev?)).collect()
}

/// Where an entry landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// New, and kept.
    New,
    /// New, and it contradicts what is held: the log is contested from `seq` on.
    Forks {
        /// The place.
        seq: u64,
    },
    /// Already held.
    Duplicate,
    /// What comes before it is missing here.
    Gap {
        /// The next place that can be filled.
        want: u64,
    },
    /// Its author was never introduced here.
    UnknownAuthor,
    /// Its epoch is not known here: log 0 must come first.
    UnknownEpoch,
    /// Not kept: the log is contested and full.
    Full,
    /// Not valid.
    Invalid(String),
}

/// A contested stretch.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The lowest forked place.
    pub seq: u64,
    /// Two headers that contradict each other, lower id first.
    pub proof: (Sign1, Sign1),
    /// Every entry held at or after that place, on all branches.
    pub lines: BTreeMap<EntryId, Line>,
}

/// One epoch of log 1 or 2.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The entry that the epoch follows; none at the very beginning.
    pub base: Option<(u64, EntryId)>,
    /// The stem: entries in order, from the base on.
    pub stem: VectorSync<Line>,
    /// The contested stretch after it.
    pub fork: Option<Arc<Fork>>,
    /// Headers of the stem, to prove a fork with.
    signed: VectorSync<Sign1>,
}

impl Chain {
    fn new(base: Option<(u64, EntryId)>) -> Self {
        Chain { base, stem: VectorSync::new_sync(), fork: None, signed: VectorSync::new_sync() }
    }

    /// The first place of the epoch.
    pub fn first_seq(&self) -> u64 {
        self.base.map_or(0, |(seq, _)| seq + 1)
    }

    /// The place after the stem.
    pub fn next_seq(&self) -> u64 {
        self.first_seq() + self.stem.len() as u64
    }

    /// The last entry of the stem, or the base.
    pub fn tip(&self) -> Option<(u64, EntryId)> {
        self.stem.last().map(|l| (l.seq, l.id)).or(self.base)
    }

    fn at(&self, seq: u64) -> Option<&Line> {
        self.stem.get(usize::try_from(seq.checked_sub(self.first_seq())?).ok()?)
    }

    /// Whether the entry is held.
    pub fn holds(&self, seq: u64, id: EntryId) -> bool {
        self.at(seq).is_some_and(|l| l.id == id) || self.fork.as_ref().is_some_and(|f| f.lines.contains_key(&id))
    }

    /// The header of the stem's last entry, as it was signed.
    pub(crate) fn last_signed(&self) -> Option<&Sign1> {
        self.signed.last()
    }

    /// Every line held, forked ones after the stem.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.stem.iter().chain(self.fork.iter().flat_map(|f| f.lines.values()))
    }

    fn place(&mut self, line: Line, sign1: &Sign1) -> Placed {
        let (seq, id) = (line.seq, line.id);
        if seq < self.first_seq() {
            return Placed::Invalid("stands before the beginning of its epoch".into());
        }
        if self.holds(seq, id) {
            return Placed::Duplicate;
        }
        if broken(Mutation::FirstBranchKept) && self.at(seq).is_some() {
            return Placed::Full;
        }
        if let Some(held) = self.at(seq) {
            // two strict-valid entries at one place: the log is contested from here on
            let index = usize::try_from(seq - self.first_seq()).expect("it is on the stem");
            let other = (held.id, self.signed.get(index).expect("one header a line").clone());
            self.fork_at(seq, other, (id, sign1.clone()));
            let fork = Arc::make_mut(self.fork.as_mut().expect("just made"));
            fork.lines.insert(id, line);
            return Placed::Forks { seq };
        }
        // a proof can come before the entries: what stands before the contested place still belongs to the stem
        if let Some(fork) = self.fork.as_mut().filter(|fork| seq >= fork.seq) {
            if fork.lines.len() >= MAX_FORKED {
                return Placed::Full;
            }
            Arc::make_mut(fork).lines.insert(id, line);
            return Placed::New;
        }
        if seq > self.next_seq() || line.prev != self.tip().map(|(_, id)| id) {
            // beyond the end, or grown on an entry that we do not have: its branch must come first
            return Placed::Gap { want: if seq > self.next_seq() { self.next_seq() } else { self.first_seq() } };
        }
        self.stem.push_back_mut(line);
        self.signed.push_back_mut(sign1.clone());
        Placed::New
    }

    /// Cuts the stem at `seq` and makes what stood there part of the contested set.
    fn fork_at(&mut self, seq: u64, a: (EntryId, Sign1), b: (EntryId, Sign1)) {
        let keep = usize::try_from(seq - self.first_seq()).expect("on the stem");
        let mut lines = self.fork.as_ref().map(|f| f.lines.clone()).unwrap_or_default();
        while self.stem.len() > keep {
            let line = self.stem.last().expect("longer than keep").clone();
            self.stem.drop_last_mut();
            self.signed.drop_last_mut();
            lines.insert(line.id, line);
        }
        let proof = if a.0 < b.0 { (a.1, b.1) } else { (b.1, a.1) };
        self.fork = Some(Arc::new(Fork { seq, proof, lines }));
    }

    /// Marks the chain contested from a proof alone.
    fn prove(&mut self, seq: u64, proof: (Sign1, Sign1)) -> bool {
        if seq < self.first_seq() || self.fork.as_ref().is_some_and(|f| f.seq <= seq) {
            return false;
        }
        if seq < self.next_seq() {
            let ids = [&proof.0, &proof.1].map(|s| EntryId(HashOf::Entry.hash(&s.payload)));
            self.fork_at(seq, (ids[0], proof.0), (ids[1], proof.1));
        } else {
            let lines = self.fork.as_ref().map(|f| f.lines.clone()).unwrap_or_default();
            self.fork = Some(Arc::new(Fork { seq, proof, lines }));
        }
        true
    }
}

/// The head of one epoch of one log, as anti-entropy compares it (annex §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The log.
    pub log: LogKind,
    /// The epoch.
    pub epoch: u64,
    /// Places held: of log 0, entries held.
    pub next: u64,
    /// The last entry; of log 0 and of a contested log, a hash over all that is held there.
    pub id: Digest,
    /// Whether the log is contested.
    pub contested: bool,
}

/// One participant's logs.
#[derive(Clone, Debug)]
pub struct Author {
    /// The participant.
    pub pid: Pid,
    /// Log 0 as read.
    pub id: IdLog,
    id_entries: Arc<BTreeMap<EntryId, Entry>>,
    /// Log 1 by epoch.
    pub public: BTreeMap<u64, Chain>,
    /// Log 2 by epoch.
    pub agency: BTreeMap<u64, Chain>,
}

impl Author {
    /// From a log 0 that was read before.
    pub fn new(id: IdLog, entries: impl IntoIterator<Item = Entry>) -> Self {
        let id_entries: BTreeMap<EntryId, Entry> = entries.into_iter().map(|e| (e.id(), e)).collect();
        let mut author = Author {
            pid: id.pid,
            id,
            id_entries: Arc::new(id_entries),
            public: BTreeMap::new(),
            agency: BTreeMap::new(),
        };
        author.open_epochs();
        author
    }

    /// The entries of log 0.
    pub fn id_entries(&self) -> impl Iterator<Item = &Entry> {
        self.id_entries.values()
    }

    /// Log 0 in order, without what stands on lost branches.
    pub fn id_chain(&self) -> Vec<Entry> {
        let mut chain: Vec<Entry> = read_of(&self.id, &self.id_entries).into_iter().cloned().collect();
        if chain.last().is_some_and(|e| e.header().seq == 1) {
            // it names a copy of the inception that is not here: any other is the same
            chain.extend(self.id_entries.values().find(|e| e.header().seq == 0).cloned());
        }
        chain.reverse();
        chain
    }

    /// How many entries of all logs are held.
    pub fn entries(&self) -> u64 {
        let held = |chain: &Chain| chain.stem.len() + chain.fork.as_ref().map_or(0, |fork| fork.lines.len());
        let chains = self.public.values().chain(self.agency.values());
        (self.id_entries.len() + chains.map(held).sum::<usize>()) as u64
    }

    /// Keeps an entry of log 0 beyond every bound, for a test.
    #[cfg(test)]
    pub(crate) fn hoard(&mut self, entry: Entry) {
        Arc::make_mut(&mut self.id_entries).insert(entry.id(), entry);
    }

    /// The chains of log 1 or 2.
    pub fn log(&self, log: LogKind) -> &BTreeMap<u64, Chain> {
        if log == LogKind::Agy { &self.agency } else { &self.public }
    }

    fn log_mut(&mut self, log: LogKind) -> &mut BTreeMap<u64, Chain> {
        if log == LogKind::Agy { &mut self.agency } else { &mut self.public }
    }

    /// The chain of the newest epoch.
    pub fn newest(&self, log: LogKind) -> &Chain {
        self.log(log).get(&self.id.epoch()).expect("every epoch has its chains")
    }

    /// Whether the newest epoch of either log is contested, or log 0 is.
    pub fn contested(&self) -> bool {
        self.id.trouble.is_some() || [LogKind::Pub, LogKind::Agy].into_iter().any(|log| self.newest(log).fork.is_some())
    }

    /// Whether an entry of a critical type that this version does not know was read.
    pub fn needs_upgrade(&self) -> bool {
        self.public.values().flat_map(Chain::lines).any(|l| matches!(l.says, Says::Unknown { crit: true }))
    }

    /// Chains for epochs that log 0 has opened; a chain whose grant was displaced begins anew.
    fn open_epochs(&mut self) {
        for log in [LogKind::Pub, LogKind::Agy] {
            let bases: Vec<Option<(u64, EntryId)>> =
                self.id.epochs.iter().map(|e| e.grant.as_ref().and_then(|g| g.anchor(log))).collect();
            let chains = self.log_mut(log);
            chains.retain(|epoch, chain| bases.get(*epoch as usize) == Some(&chain.base));
            for (epoch, base) in bases.into_iter().enumerate() {
                chains.entry(epoch as u64).or_insert_with(|| Chain::new(base));
            }
        }
    }

    /// Takes an entry of log 0. What is valid where it stands is kept, on whatever branch, so that all nodes keep the
    /// same: what is read, and beside it of each kind at each place the [`MAX_ID_COPIES`] of lowest id.
    pub fn place_id(&mut self, entry: Entry, network: &NetworkId) -> Placed {
        let (id, seq) = (entry.id(), entry.header().seq);
        if self.id_entries.contains_key(&id) {
            return Placed::Duplicate;
        }
        // whichever copy of the inception is named, it is the one place
        if seq > 1 && entry.header().prev.is_some_and(|prev| !self.id_entries.contains_key(&prev)) {
            return Placed::Gap { want: 0 };
        }
        let mut entries = (*self.id_entries).clone();
        entries.insert(id, entry);
        let folded = match IdLog::fold(self.pid, entries.values(), network) {
            Ok(folded) if folded.valid.contains(&id) => folded,
            Ok(_) => return Placed::Invalid("not valid where it stands in log 0".into()),
            Err(e) => return Placed::Invalid(e.to_string()),
        };
        let read: BTreeSet<EntryId> = read_of(&folded, &entries).into_iter().map(Entry::id).collect();
        let folded = match bounded(&mut entries, &read) {
            false => folded,
            true => match IdLog::fold(self.pid, entries.values(), network) {
                Ok(again) => again,
                Err(e) => return Placed::Invalid(e.to_string()),
            },
        };
        // what stood on an entry that is kept no more stands on nothing
        entries.retain(|id, _| folded.valid.contains(id));
        if !entries.contains_key(&id) {
            return Placed::Full;
        }
        let forks = folded.trouble.is_some_and(|t| Some(t) != self.id.trouble);
        self.id_entries = Arc::new(entries);
        self.id = folded;
        self.open_epochs();
        if forks { Placed::Forks { seq } } else { Placed::New }
    }

    /// Takes an entry of log 1 or 2: signature, form, place.
    pub fn place(&mut self, entry: &Entry, network: &NetworkId) -> Placed {
        let header = entry.header();
        let Some(keys) = self.id.keys(header.epoch).cloned() else { return Placed::UnknownEpoch };
        let chain = self.log_mut(header.log).get_mut(&header.epoch).expect("every epoch has its chains");
        if chain.holds(header.seq, entry.id()) {
            return Placed::Duplicate;
        }
        if let Err(e) = entry.verify(&[keys.feed], 1, network) {
            return Placed::Invalid(e.to_string());
        }
        if entry.body().is_none() && header.log == LogKind::Pub && header.entry_type().is_some() {
            return Placed::Invalid("its body is missing".into());
        }
        match line::read(entry, &keys, network) {
            Ok(line) => chain.place(line, &entry.signatures()[0]),
            Err(e) => Placed::Invalid(e.to_string()),
        }
    }

    /// Takes a fork proof; true if it was news.
    pub fn prove(&mut self, a: &Sign1, b: &Sign1, network: &NetworkId) -> Result<bool, EntryError> {
        let (ea, eb) = (Entry::new(vec![a.clone()], None)?, Entry::new(vec![b.clone()], None)?);
        let (ha, hb) = (ea.header().clone(), eb.header().clone());
        let proven = (ha.pid, ha.log, ha.epoch, ha.seq) == (hb.pid, hb.log, hb.epoch, hb.seq) && ea.id() < eb.id();
        if (!proven && !broken(Mutation::AnyProofCounts)) || ha.pid != self.pid || ha.log == LogKind::Id {
            return Err(EntryError::Form("no proof: not two different entries of one author at one place"));
        }
        let Some(keys) = self.id.keys(ha.epoch).cloned() else { return Ok(false) };
        ea.open(&[keys.feed], 1, network)?;
        eb.open(&[keys.feed], 1, network)?;
        let chain = self.log_mut(ha.log).get_mut(&ha.epoch).expect("every epoch has its chains");
        Ok(chain.prove(ha.seq, (a.clone(), b.clone())))
    }

    /// The heads of this author's logs in one plane (pub: logs 0 and 1; agy: log 2).
    pub fn heads(&self, agency: bool) -> Vec<Head> {
        let mut heads = Vec::new();
        if !agency {
            let ids: Vec<u8> = self.id_entries.keys().flat_map(|id| id.0).collect();
            heads.push(Head {
                log: LogKind::Id,
                epoch: 0,
                next: self.id_entries.len() as u64,
                id: Digest(HashOf::Heads.hash(&ids)),
                contested: self.id.trouble.is_some(),
            });
        }
        let log = if agency { LogKind::Agy } else { LogKind::Pub };
        for (epoch, chain) in self.log(log) {
            if chain.stem.is_empty() && chain.fork.is_none() {
                continue;
            }
            let tip = chain.tip().map_or([0; 32], |(_, id)| id.0);
            let (id, next) = match &chain.fork {
                None => (Digest(tip), chain.next_seq()),
                Some(fork) => {
                    let all: Vec<u8> = tip.into_iter().chain(fork.lines.keys().flat_map(|id| id.0)).collect();
                    (Digest(HashOf::Heads.hash(&all)), chain.next_seq() + fork.lines.len() as u64)
                }
            };
            heads.push(Head { log, epoch: *epoch, next, id, contested: chain.fork.is_some() });
        }
        heads
    }

    /// Log 1 (and the leave of log 0) as the membership fold reads it. `ready` says whether an entry's references are
    /// here; those that wait are left out.
    pub fn segments(&self, ready: &dyn Fn(&Line) -> bool) -> Vec<Segment> {
        let mut out = Vec::new();
        for (epoch, chain) in &self.public {
            let anchored = self.anchored(*epoch, LogKind::Pub, chain);
            let items = |line: &Line| -> Vec<Item> {
                let keep = anchored.as_ref().is_none_or(|a| a.contains(&line.id));
                line.items().iter().map(|i| if keep { i.clone() } else { line::disavow(i) }).collect()
            };
            let stem = chain.stem.iter().filter(|l| ready(l)).flat_map(items);
            out.push(Segment::Chain(stem.collect()));
            let Some(fork) = &chain.fork else { continue };
            // the branch that the next epoch anchors is a chain again; the others are a set of statements
            let healed = self.healed(*epoch, LogKind::Pub, chain);
            out.push(Segment::Chain(healed.iter().filter(|l| ready(l)).flat_map(|l| items(l)).collect()));
            let rest = fork.lines.values().filter(|l| !healed.iter().any(|h| h.id == l.id) && ready(l));
            out.push(Segment::Set(rest.flat_map(items).collect()));
        }
        if self.id.left.is_some() {
            out.push(Segment::Chain(vec![Item::Leave]));
        }
        out
    }

    /// The entries of an epoch that the next one stands by; none while it is the newest.
    fn anchored(&self, epoch: u64, log: LogKind, chain: &Chain) -> Option<BTreeSet<EntryId>> {
        let next = self.id.epochs.get(epoch as usize + 1)?.grant.as_ref()?;
        let mut kept = BTreeSet::new();
        let mut at = next.anchor(log).map(|(_, id)| id);
        if let Some(fork) = &chain.fork {
            while let Some(line) = at.and_then(|id| fork.lines.get(&id)) {
                kept.insert(line.id);
                at = line.prev;
            }
        }
        if let Some(end) = at.and_then(|id| chain.stem.iter().position(|l| l.id == id)) {
            kept.extend(chain.stem.iter().take(end + 1).map(|l| l.id));
        }
        Some(kept)
    }

    /// Whether appending to log 1 only extends what [`Author::segments`] returned before.
    pub fn plain(&self) -> bool {
        self.public.len() == 1 && self.public.values().all(|c| c.fork.is_none()) && self.id.left.is_none()
    }

    /// The lines whose records count for the directory, in order of epoch and place: the stems, and of a contested
    /// stretch the branch that the next epoch anchors. What is contested is not folded (protocol §3).
    pub fn listed(&self, log: LogKind) -> impl Iterator<Item = &Line> {
        self.log(log).iter().flat_map(move |(epoch, chain)| chain.stem.iter().chain(self.healed(*epoch, log, chain)))
    }

    /// The lines of a contested stretch that the next epoch stands by, in order.
    fn healed<'a>(&self, epoch: u64, log: LogKind, chain: &'a Chain) -> Vec<&'a Line> {
        let (Some(fork), Some(anchored)) = (&chain.fork, self.anchored(epoch, log, chain)) else { return Vec::new() };
        let mut lines: Vec<&Line> = fork.lines.values().filter(|l| anchored.contains(&l.id)).collect();
        lines.sort_by_key(|l| l.seq);
        lines
    }

    /// The highest officers' counter used in the epoch.
    pub fn last_number(&self, epoch: u64) -> u64 {
        let lines = self.public.get(&epoch).into_iter().flat_map(Chain::lines);
        lines.flat_map(|l| l.numbers().collect::<Vec<_>>()).max().unwrap_or(0)
    }

    /// The entry type's name, for people.
    pub fn type_name(kind: u64) -> String {
        EntryType::from_number(kind).map_or_else(|| format!("type {kind}"), |t| t.code().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::cbor::encode;
    use lapwing_record::membership::{Stance, Stances, Target, What};
    use lapwing_record::testkit::TestAgency;

    const NET: NetworkId = NetworkId([1; 32]);

    fn noted(n: u8) -> Stances {
        Stances { items: vec![Stance::by_node(What::Noted, Target::Participant(Pid([n; 32])))] }
    }

    fn author(a: &TestAgency) -> Author {
        let first = a.first_entry(&NET);
        Author::new(IdLog::fold(a.pid(), [&first], &NET).unwrap(), [first])
    }

    fn chain(a: &TestAgency, notes: &[u8]) -> Vec<Entry> {
        let mut after = None;
        let mut out = Vec::new();
        for n in notes {
            let entry = a.entry(&NET, after, EntryType::Stances, &noted(*n));
            after = Some((entry.header().seq, entry.id()));
            out.push(entry);
        }
        out
    }

    fn all(_: &Line) -> bool {
        true
    }

    #[test]
    fn a_proof_that_comes_before_the_entries_gives_what_it_gives_after_them() {
        let a = TestAgency::named("harbor");
        let (one, two) = (chain(&a, &[1, 2, 3, 4, 5]), chain(&a, &[1, 2, 3, 9]));
        let (twin, other) = (one[3].signatures()[0].clone(), two[3].signatures()[0].clone());
        let (low, high) = if one[3].id() < two[3].id() { (twin, other) } else { (other, twin) };
        let everything: Vec<Entry> = one.iter().chain(&two[3..]).cloned().collect();
        let after = {
            let mut author = author(&a);
            everything.iter().for_each(|e| drop(author.place(e, &NET)));
            author
        };
        for held in 0..=3 {
            let mut author = author(&a);
            one[..held].iter().for_each(|e| drop(author.place(e, &NET)));
            assert_eq!(author.prove(&low, &high, &NET), Ok(true));
            for _ in 0..2 {
                everything.iter().rev().for_each(|e| drop(author.place(e, &NET)));
                everything.iter().for_each(|e| drop(author.place(e, &NET)));
            }
            assert_eq!(author.heads(false), after.heads(false), "with {held} entries before the proof");
            assert_eq!(author.newest(LogKind::Pub).stem.len(), 3);
        }
    }

    #[test]
    fn entries_are_taken_in_order_and_gaps_say_what_they_want() {
        let a = TestAgency::named("harbor");
        let mut author = author(&a);
        let entries = chain(&a, &[1, 2, 3]);
        assert_eq!(author.place(&entries[1], &NET), Placed::Gap { want: 0 });
        assert_eq!(author.place(&entries[0], &NET), Placed::New);
        assert_eq!(author.place(&entries[0], &NET), Placed::Duplicate);
        assert_eq!(author.place(&entries[2], &NET), Placed::Gap { want: 1 });
        assert_eq!(author.place(&entries[1], &NET), Placed::New);
        assert!(matches!(
            author.place(&TestAgency::named("x1").entry(&NET, None, EntryType::Stances, &noted(1)), &NET),
            Placed::Invalid(_)
        ));
    }

    #[test]
    fn a_fork_is_the_same_whatever_the_order_of_its_branches() {
        let a = TestAgency::named("harbor");
        let (one, two) = (chain(&a, &[1, 2, 3]), chain(&a, &[1, 4, 5]));
        let orders: [Vec<&Entry>; 3] = [
            one.iter().chain(&two[1..]).collect(),
            two.iter().chain(&one[1..]).collect(),
            vec![&one[0], &two[1], &one[1], &two[2], &one[2]],
        ];
        let mut seen = Vec::new();
        for order in orders {
            let mut author = author(&a);
            for entry in order {
                author.place(entry, &NET);
            }
            assert!(author.contested());
            assert_eq!(author.newest(LogKind::Pub).fork.as_ref().unwrap().seq, 1);
            seen.push((author.heads(false), author.segments(&all)));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0], seen[2]);
    }

    #[test]
    fn a_proof_alone_marks_a_log_and_a_false_one_does_not() {
        let a = TestAgency::named("harbor");
        let (one, two) = (chain(&a, &[1, 2]), chain(&a, &[1, 4]));
        let mut author = author(&a);
        let (mut x, mut y) = (one[1].clone(), two[1].clone());
        if x.id() > y.id() {
            std::mem::swap(&mut x, &mut y);
        }
        assert!(author.prove(&x.signatures()[0], &x.signatures()[0], &NET).is_err(), "the same entry twice");
        assert!(author.prove(&one[0].signatures()[0], &one[1].signatures()[0], &NET).is_err(), "two places");
        assert_eq!(author.prove(&x.signatures()[0], &y.signatures()[0], &NET), Ok(true));
        assert!(author.contested());
        assert_eq!(author.prove(&x.signatures()[0], &y.signatures()[0], &NET), Ok(false));
    }

    #[test]
    fn log_0_keeps_the_same_whatever_the_order_and_no_copy_or_fork_undoes_a_leave_or_a_rotation() {
        use lapwing_record::identity::{GrantReason, KeyGrant, Leave};
        let a = TestAgency::named("harbor");
        let first = a.first_entry(&NET);
        let grant = |n: u8| {
            let keys =
                lapwing_record::identity::EpochKeys { feed: TestAgency::key(n).public(), ..a.inception.first.clone() };
            let grant = KeyGrant { epoch: 1, keys, anchors: vec![], reason: GrantReason::Routine };
            a.id_entry(&NET, &first, EntryType::KeyGrant, &grant)
        };
        let mut entries: Vec<Entry> = (20..29).map(grant).collect();
        let leave = Leave { heads: vec![], note: None };
        entries.push(a.id_entry(&NET, &entries[0].clone(), EntryType::Leave, &leave));
        entries.push(a.rotate_entry(&NET, &first, &a.rotation(60)));
        let copy = lapwing_record::entry::Draft {
            pid: a.pid(),
            epoch: 0,
            after: None,
            clock: 77,
            kind: EntryType::Inception,
            refs: vec![],
        };
        let body = encode(&a.inception);
        entries.push(Entry::new(vec![copy.header(&body).sign(&a.root, &NET)], Some(body)).unwrap());
        let mut seen = Vec::new();
        for seed in 0..40u8 {
            let mut author = author(&a);
            let mut order: Vec<&Entry> = entries.iter().collect();
            order.sort_by_key(|e| HashOf::Msg.hash(&[&e.id().0[..], &[seed]].concat()));
            for _ in 0..3 {
                for entry in &order {
                    author.place_id((*entry).clone(), &NET);
                }
            }
            let leaves_on_a_kept_branch =
                author.id_entries().any(|e| e.header().entry_type() == Some(EntryType::Leave));
            assert_eq!(author.id.left.is_some(), leaves_on_a_kept_branch);
            assert_eq!(author.id.roots, vec![a.next.public()], "the rotation stands");
            seen.push((author.heads(false), author.id));
        }
        assert!(seen.iter().all(|s| *s == seen[0]), "what is kept depends on the order");
    }

    #[test]
    fn what_a_displaced_grants_feed_key_signed_is_not_held_under_the_next_ones() {
        use lapwing_record::identity::{EpochKeys, GrantReason, KeyGrant};
        let a = TestAgency::named("harbor");
        let first = a.first_entry(&NET);
        let grant = |feed: u8| {
            let keys = EpochKeys { feed: TestAgency::key(feed).public(), ..a.inception.first.clone() };
            KeyGrant { epoch: 1, keys, anchors: vec![], reason: GrantReason::Compromise }
        };
        // a thief of the root keys opens an epoch with its own feed key, and writes in it
        let stolen = a.id_entry(&NET, &first, EntryType::KeyGrant, &grant(66));
        let written = a.signed(&NET, &TestAgency::key(66), 1, None, EntryType::Stances, encode(&noted(1)));
        // the owner rotates in its place, and opens the epoch anew
        let rotation = a.rotate_entry(&NET, &first, &a.rotation(60));
        let place = Some((rotation.header().seq, rotation.id()));
        let own = a.signed(&NET, &a.next, 0, place, EntryType::KeyGrant, encode(&grant(67)));
        let heads = |order: &[&Entry]| {
            let mut author = author(&a);
            for entry in order {
                match entry.header().log {
                    LogKind::Id => author.place_id((*entry).clone(), &NET),
                    _ => author.place(entry, &NET),
                };
            }
            (author.heads(false), author.newest(LogKind::Pub).stem.len())
        };
        let late = heads(&[&rotation, &own, &stolen, &written]);
        assert_eq!(late.1, 0);
        assert_eq!(heads(&[&stolen, &written, &rotation, &own]), late);
    }

    #[test]
    fn old_root_keys_displace_neither_the_inception_nor_what_follows_the_rotation() {
        lapwing_record::testkit::remember_verified();
        use lapwing_record::identity::{GrantReason, KeyGrant};
        let a = TestAgency::named("harbor");
        let first = a.first_entry(&NET);
        let keys =
            lapwing_record::identity::EpochKeys { feed: TestAgency::key(67).public(), ..a.inception.first.clone() };
        let grant = |epoch: u64| KeyGrant { epoch, keys: keys.clone(), anchors: vec![], reason: GrantReason::Routine };
        let rotation = a.rotate_entry(&NET, &first, &a.rotation(60));
        let place = Some((rotation.header().seq, rotation.id()));
        let own = a.signed(&NET, &a.next, 0, place, EntryType::KeyGrant, encode(&grant(1)));
        let clocked = |clock: u64, after: Option<&Entry>, kind: EntryType, body: Vec<u8>| {
            let after = after.map(|e| (e.header().seq, e.id()));
            let draft = lapwing_record::entry::Draft { pid: a.pid(), epoch: 0, after, clock, kind, refs: vec![] };
            Entry::new(vec![draft.header(&body).sign(&a.root, &NET)], Some(body)).unwrap()
        };
        // whoever has the old roots signs the inception over and over, and goes on from it beside the rotation
        let copies = (1..200).map(|n| clocked(n, None, EntryType::Inception, encode(&a.inception)));
        let copies = copies.filter(|e| e.id() < first.id()).take(8);
        let beside = clocked(1, Some(&first), EntryType::KeyGrant, encode(&grant(1)));
        let more = (1..200).map(|n| clocked(n, Some(&beside), EntryType::KeyGrant, encode(&grant(2))));
        let more = more.filter(|e| e.id() < own.id()).take(8);
        let forged: Vec<Entry> = copies.chain([beside.clone()]).chain(more).collect();
        assert_eq!(forged.len(), 17, "more of lower id than are kept");
        let own = [rotation, own];
        let mut seen = Vec::new();
        for seed in 0..8u8 {
            // whatever the order, each once it can be placed; the owner's first, last, or in between
            let mut order: Vec<&Entry> = forged.iter().chain(&own).collect();
            order.sort_by_key(|e| HashOf::Msg.hash(&[&e.id().0[..], &[seed]].concat()));
            let mut author = match seed {
                // a node that learns of it by a forged copy
                0 => Author::new(IdLog::fold(a.pid(), [&forged[0]], &NET).unwrap(), [forged[0].clone()]),
                _ => author(&a),
            };
            for _ in 0..3 {
                order.iter().chain([&&first]).for_each(|e| drop(author.place_id((*e).clone(), &NET)));
            }
            assert_eq!(author.id.roots, vec![a.next.public()], "the rotation stands");
            assert_eq!(author.id.current().feed, keys.feed, "and so does the epoch after it");
            assert_eq!(author.id_chain().len(), 3);
            seen.push((author.heads(false), author.id));
        }
        assert!(seen.iter().all(|s| s.0 == seen[0].0), "what is kept depends on the order");
    }

    #[test]
    fn a_grant_that_anchors_one_branch_heals_the_log() {
        use lapwing_record::identity::{Anchor, GrantReason, KeyGrant};
        let a = TestAgency::named("harbor");
        let (one, two) = (chain(&a, &[1, 2, 3]), chain(&a, &[1, 4]));
        let mut author = author(&a);
        one.iter().chain(&two[1..]).for_each(|e| assert_ne!(author.place(e, &NET), Placed::Full));
        let keys =
            lapwing_record::identity::EpochKeys { feed: TestAgency::key(9).public(), ..a.inception.first.clone() };
        let anchors = vec![Anchor { log: LogKind::Pub, seq: 2, id: one[2].id() }];
        let grant = KeyGrant { epoch: 1, keys, anchors, reason: GrantReason::ForkHeal };
        let entry = a.id_entry(&NET, &a.first_entry(&NET), EntryType::KeyGrant, &grant);
        assert_eq!(author.place_id(entry, &NET), Placed::New);
        assert!(!author.contested());
        let segments = author.segments(&all);
        assert!(matches!(&segments[1], Segment::Chain(items) if items.len() == 2), "the anchored branch");
        assert!(matches!(&segments[2], Segment::Set(items) if items.len() == 1), "the other one");
        let next =
            a.signed(&NET, &TestAgency::key(9), 1, Some((2, one[2].id())), EntryType::Stances, encode(&noted(7)));
        assert_eq!(author.place(&next, &NET), Placed::New);
    }
}
