//! Everyone's logs, and the state of the federation that follows from them: a pure function of the set of entries
//! held (protocol §2).
//!
//! ```text
//! entry ──place──▶ author's logs ──┬──▶ roster     (who takes part)
//!                                  ├──▶ listings   (how to reach them)
//!                                  ├──▶ introductions ──▶ new authors
//!                                  └──▶ heads      (what anti-entropy compares)
//! ```
//!
//! **Whose logs are held** depends only on facts that are never withdrawn: the founders', and those of every applicant
//! introduced by a founder or by an agency that a founder (or one so seated) has ever seated. Standing decides what
//! counts and who is served, never what is stored: otherwise two nodes' heads would never be equal.

mod canon;

use crate::author::{Author, Head, Placed};
use crate::line::{Line, Says};
use crate::listing::Listing;
use crate::membership::{Change, Class, Item, Roster, Standing, Target, Word};
use lapwing_record::cbor::encode;
use lapwing_record::charter::{Charter, CharterFile, Params};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::{Digest, EntryId, HashOf, NetworkId, Pid};
use lapwing_record::identity::Inception;
use lapwing_record::idlog::{Epoch, IdLog, check_application};
use lapwing_record::membership::{ForkProof, Motion};
use lapwing_record::sign::Sign1;
pub use lapwing_record::wire::Plane;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Buckets that heads are compared in, by the first byte of the pid.
pub const BUCKETS: usize = 256;

#[derive(Clone)]
struct Member {
    author: Arc<Author>,
    listing: Arc<Listing>,
    /// Whether it belongs to what everyone holds (not so one's own logs before one is introduced).
    shared: bool,
}

/// The state of the federation. Cloning is cheap: what did not change is shared.
#[derive(Clone)]
pub struct Federation {
    network: NetworkId,
    charter: Arc<Charter>,
    founders: Arc<BTreeSet<Pid>>,
    members: RedBlackTreeMapSync<Pid, Member>,
    roster: Arc<Roster>,
    /// Agencies whose introductions count, for good.
    vouched: RedBlackTreeSetSync<Pid>,
    /// Whom one of these has seated, known here or not yet.
    seated: RedBlackTreeSetSync<Pid>,
    held: RedBlackTreeSetSync<EntryId>,
    /// Applicant → who introduced it.
    introducers: Arc<BTreeMap<Pid, BTreeSet<Pid>>>,
    /// Missing entry → authors with lines that wait for it.
    waiting: Arc<BTreeMap<EntryId, BTreeSet<Pid>>>,
    motions: RedBlackTreeMapSync<EntryId, (Pid, Arc<Motion>)>,
    /// Proofs of forks by author and epoch: one may be here before the keys that judge it.
    proofs: RedBlackTreeMapSync<(Pid, u64), Arc<Proofs>>,
    buckets: [Arc<Vec<[u8; 32]>>; 2],
    entries: u64,
}

/// Proofs of forks in one epoch, by the two entries.
type Proofs = BTreeMap<(EntryId, EntryId), Arc<ForkProof>>;

/// What placing an entry changed, for those who tell people.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Applicants introduced by it.
    pub introduced: Vec<Pid>,
    /// Who stands elsewhere than before.
    pub standings: Vec<Change>,
    /// Whether the author's log became contested.
    pub forked: bool,
    /// Objections that it holds: the objector, the target, the entry.
    pub objections: Vec<(Pid, Target, EntryId)>,
    /// Whether logs were read again because of it: what waited for it, or what an introduction brought.
    pub reread: bool,
}

impl Changes {
    fn add(&mut self, more: Changes) {
        self.introduced.extend(more.introduced);
        self.standings.extend(more.standings);
        self.forked |= more.forked;
        self.objections.extend(more.objections);
        self.reread |= more.reread;
    }
}

impl Federation {
    /// The state at the founding.
    pub fn found(file: &CharterFile) -> Self {
        let charter = file.charter.clone();
        let network = charter.network_id();
        let veto = charter.params.veto;
        let mut federation = Federation {
            network,
            founders: Arc::default(),
            members: RedBlackTreeMapSync::new_sync(),
            roster: Arc::new(Roster::new(veto)),
            vouched: RedBlackTreeSetSync::new_sync(),
            seated: RedBlackTreeSetSync::new_sync(),
            held: RedBlackTreeSetSync::new_sync(),
            introducers: Arc::default(),
            waiting: Arc::default(),
            motions: RedBlackTreeMapSync::new_sync(),
            proofs: RedBlackTreeMapSync::new_sync(),
            buckets: [Arc::new(vec![[0; 32]; BUCKETS]), Arc::new(vec![[0; 32]; BUCKETS])],
            entries: 0,
            charter: Arc::new(charter),
        };
        let mut founders = BTreeSet::new();
        for first in &file.first_entries {
            let pid = first.header().pid;
            let id = IdLog::fold(pid, [first], &network).expect("an opened charter file holds valid first entries");
            founders.insert(pid);
            federation.add_author(Author::new(id, [first.clone()]), true);
            Arc::make_mut(&mut federation.roster).add_founder(pid);
            federation.vouched.insert_mut(pid);
        }
        federation.founders = Arc::new(founders);
        (0..BUCKETS).for_each(|b| federation.hash_bucket(b));
        federation
    }

    /// Adds the logs of this node's own participant, so that it can write before it is introduced.
    pub fn host(&mut self, id: IdLog, entries: Vec<Entry>) {
        if self.members.get(&id.pid).is_none() {
            self.add_author(Author::new(id, entries), false);
        }
    }

    fn add_author(&mut self, author: Author, shared: bool) {
        let pid = author.pid;
        self.entries += if shared { author.entries() } else { 0 };
        author.id_entries().for_each(|e| self.held.insert_mut(e.id()));
        let member = Member { author: Arc::new(author), listing: Arc::default(), shared };
        self.members.insert_mut(pid, member);
        self.hash_bucket(pid.0[0] as usize);
    }

    /// The federation's id.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }
    /// The founding document.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }
    /// The founders.
    pub fn founders(&self) -> &BTreeSet<Pid> {
        &self.founders
    }
    /// Who takes part.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }
    /// The logs of a participant or applicant.
    pub fn author(&self, pid: &Pid) -> Option<&Author> {
        self.members.get(pid).map(|m| &*m.author)
    }
    /// The directory records of one.
    pub fn listing(&self, pid: &Pid) -> Option<&Listing> {
        self.members.get(pid).map(|m| &*m.listing)
    }
    /// Every participant and applicant that everyone holds, by pid.
    pub fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        self.members.iter().filter(|(_, m)| m.shared).map(|(pid, _)| *pid)
    }
    /// The inception of one.
    pub fn inception(&self, pid: &Pid) -> Option<&Inception> {
        self.author(pid).map(|a| &a.id.inception)
    }
    /// Where one stands; none for those never introduced.
    pub fn standing(&self, pid: &Pid) -> Option<Standing> {
        self.roster.standing(*pid)
    }
    /// Whether it takes part in full.
    pub fn is_participant(&self, pid: &Pid) -> bool {
        self.standing(pid) == Some(Standing::Participant)
    }
    /// Whether it is an agency in full standing.
    pub fn is_full_agency(&self, pid: &Pid) -> bool {
        self.is_participant(pid) && self.is_agency(pid)
    }
    /// Whether it is an agency, whatever its standing.
    pub fn is_agency(&self, pid: &Pid) -> bool {
        self.inception(pid).is_some_and(|i| i.class == Class::Agency)
    }
    /// Entries held of every log that everyone holds.
    pub fn entries(&self) -> u64 {
        self.entries
    }
    /// The agencies in full standing.
    pub fn full_agencies(&self) -> Vec<Pid> {
        self.pids().filter(|p| self.is_full_agency(p)).collect()
    }
    /// Motions held, whatever became of them.
    pub fn motions(&self) -> impl Iterator<Item = (EntryId, Pid, &Motion)> {
        self.motions.iter().map(|(id, (by, m))| (*id, *by, &**m))
    }

    /// The Params in force: the charter's, and each adopted amendment of what was in force before it.
    pub fn params(&self) -> Params {
        self.amendments().1
    }

    /// The amendments in force, in order, and the Params that they lead to.
    pub fn amendments(&self) -> (Vec<EntryId>, Params) {
        let mut params = self.charter.params.clone();
        let mut done = Vec::new();
        let adopted: BTreeSet<EntryId> = self.roster.adopted().into_iter().collect();
        if adopted.is_empty() {
            return (done, params);
        }
        loop {
            let base = params.digest();
            // one per base: honest nodes seat one, so that two can be adopted only where a third of them lie
            let next = adopted.iter().filter(|id| !done.contains(*id)).find_map(|id| {
                self.motions
                    .get(id)
                    .filter(|(_, m)| m.base == base && m.params.veto == params.veto)
                    .map(|(_, m)| (*id, m))
            });
            let Some((id, motion)) = next else { return (done, params) };
            params = motion.params.clone();
            done.push(id);
        }
    }

    /// Names the state: everyone's standing, and the amendments in force. Equal sets of entries, equal digests.
    pub fn state_digest(&self) -> Digest {
        let mut rows: Vec<u8> = Vec::new();
        for pid in self.pids() {
            let class = self.inception(&pid).map_or(9, |i| i.class.number());
            let standing = self.standing(&pid).map_or("", Standing::as_str).to_owned();
            rows.extend(encode(&(pid, class, standing)));
        }
        let (amendments, params) = self.amendments();
        rows.extend(encode(&(params.digest(), amendments)));
        Digest(HashOf::State.hash(&rows))
    }

    /// Takes an entry, from whatever road: the one door (architecture: "one door for every record").
    pub fn place(&mut self, entry: &Entry) -> (Placed, Changes) {
        let header = entry.header();
        let mut changes = Changes::default();
        let Some(member) = self.members.get(&header.pid) else { return (Placed::UnknownAuthor, changes) };
        let (mut member, plain) = (member.clone(), member.author.plain());
        let entries = member.author.entries();
        let epochs = if header.log == LogKind::Id { member.author.id.epochs.clone() } else { Vec::new() };
        let author = Arc::make_mut(&mut member.author);
        let placed = match header.log {
            LogKind::Id => author.place_id(entry.clone(), &self.network),
            LogKind::Pub | LogKind::Agy => author.place(entry, &self.network),
        };
        if !matches!(placed, Placed::New | Placed::Forks { .. }) {
            return (placed, changes);
        }
        let line = match header.log {
            LogKind::Id => None,
            log => {
                author.log(log).get(&header.epoch).and_then(|c| c.stem.last()).filter(|l| l.id == entry.id()).cloned()
            }
        };
        changes.forked = matches!(placed, Placed::Forks { .. });
        let pid = header.pid;
        if member.shared {
            self.entries = self.entries + member.author.entries() - entries;
        }
        let is_new = |(at, epoch): &(usize, &Epoch)| header.log == LogKind::Id && epochs.get(*at) != Some(epoch);
        let new_keys = member.author.id.epochs.iter().enumerate().filter(is_new).map(|(at, _)| at as u64);
        let new_keys: Vec<u64> = new_keys.collect();
        self.members.insert_mut(pid, member);
        self.held.insert_mut(entry.id());
        match line.filter(|_| plain && placed == Placed::New) {
            Some(line) => self.extend(pid, header.log, &line, &mut changes),
            None => self.reread(pid, &mut changes),
        }
        self.release(entry.id(), &mut changes);
        changes.forked |= self.take_proofs(pid, &new_keys);
        self.hash_bucket(pid.0[0] as usize);
        (placed, changes)
    }

    /// A line that only extends what was read before.
    fn extend(&mut self, pid: Pid, log: LogKind, line: &Line, changes: &mut Changes) {
        if !self.ready_or_wait(pid, line) {
            return;
        }
        let mut member = self.members.get(&pid).expect("just inserted").clone();
        Arc::make_mut(&mut member.listing).read(log, line);
        self.members.insert_mut(pid, member);
        if log == LogKind::Pub {
            let roster = Arc::make_mut(&mut self.roster);
            for item in line.items() {
                changes.standings.extend(roster.append(pid, item.clone()));
            }
            self.consequences(pid, line, changes);
        }
    }

    /// A log that became contested, was healed, or has entries that waited: read again from its beginning.
    fn reread(&mut self, pid: Pid, changes: &mut Changes) {
        changes.reread = true;
        let mut member = self.members.get(&pid).expect("known").clone();
        let lines: Vec<Line> = [LogKind::Pub, LogKind::Agy]
            .into_iter()
            .flat_map(|log| {
                member.author.log(log).values().flat_map(crate::author::Chain::lines).cloned().collect::<Vec<_>>()
            })
            .collect();
        let ready: BTreeSet<EntryId> = lines.iter().filter(|l| self.ready_or_wait(pid, l)).map(|l| l.id).collect();
        let is_ready = |l: &Line| ready.contains(&l.id);
        member.listing = Arc::new(Listing::of(&member.author, &is_ready));
        let segments = member.author.segments(&is_ready);
        self.members.insert_mut(pid, member);
        changes.standings.extend(Arc::make_mut(&mut self.roster).replace(pid, segments));
        for line in lines.iter().filter(|l| ready.contains(&l.id)) {
            self.consequences(pid, line, changes);
        }
    }

    fn ready_or_wait(&mut self, pid: Pid, line: &Line) -> bool {
        let missing: Vec<EntryId> = line.refs.iter().filter(|id| !self.held.contains(*id)).copied().collect();
        for id in &missing {
            Arc::make_mut(&mut self.waiting).entry(*id).or_default().insert(pid);
        }
        missing.is_empty()
    }

    fn release(&mut self, id: EntryId, changes: &mut Changes) {
        if self.waiting.contains_key(&id) {
            let authors = Arc::make_mut(&mut self.waiting).remove(&id).unwrap_or_default();
            authors.into_iter().for_each(|pid| self.reread(pid, changes));
        }
    }

    /// What a line of log 1 brings about beyond its author's own words. Everything here only ever grows.
    fn consequences(&mut self, pid: Pid, line: &Line, changes: &mut Changes) {
        match &line.says {
            Says::Introduce(_) if self.vouched.contains(&pid) => self.introduce_from(pid, line, changes),
            Says::Motion(motion) if self.is_agency(&pid) => self.motions.insert_mut(line.id, (pid, motion.clone())),
            Says::ForkProof(proof) => changes.forked |= self.take_proof(proof),
            Says::Items(items) => {
                for item in items.iter() {
                    match item {
                        Item::Said { target: Target::Participant(seated), word: Word::Seat }
                            if self.vouched.contains(&pid) =>
                        {
                            self.vouch(*seated, changes);
                        }
                        Item::Said { target, word: Word::Object { .. } } => {
                            changes.objections.push((pid, *target, line.id))
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Seated by one whose introductions count: from here on, and from when it is introduced itself, so do its own.
    fn vouch(&mut self, pid: Pid, changes: &mut Changes) {
        self.seated.insert_mut(pid);
        let known = self.members.get(&pid).is_some_and(|m| m.shared);
        if !known || !self.is_agency(&pid) || self.vouched.contains(&pid) {
            return;
        }
        self.vouched.insert_mut(pid);
        let author = self.members.get(&pid).expect("its inception is here").author.clone();
        for line in author.public.values().flat_map(crate::author::Chain::lines) {
            if matches!(line.says, Says::Introduce(_) | Says::Items(_)) && self.ready_or_wait(pid, line) {
                self.consequences(pid, line, changes);
            }
        }
    }

    fn introduce_from(&mut self, by: Pid, line: &Line, changes: &mut Changes) {
        let Says::Introduce(application) = &line.says else { return };
        let Ok(id) = check_application(application, &self.network) else { return };
        let pid = id.pid;
        if self.founders.contains(&pid) || id.inception.plan_text_hash != self.charter.plan_text_hash {
            return;
        }
        Arc::make_mut(&mut self.introducers).entry(pid).or_default().insert(by);
        match self.members.get(&pid).cloned() {
            Some(mut member) => {
                if !member.shared {
                    member.shared = true;
                    self.entries += member.author.entries();
                    self.members.insert_mut(pid, member);
                }
            }
            None => self.add_author(Author::new(id.clone(), application.id_log.clone()), true),
        }
        self.hash_bucket(pid.0[0] as usize);
        if self.roster.standing(pid).is_none() {
            let class = id.inception.class;
            changes.standings.extend(Arc::make_mut(&mut self.roster).add_participant(pid, class));
            changes.introduced.push(pid);
            // its own logs may have been here before it was introduced, or hold a leave
            self.reread(pid, changes);
            // and what others said of it, or waits for its log 0
            let epochs: Vec<u64> = (0..=id.epoch()).collect();
            changes.forked |= self.take_proofs(pid, &epochs);
            application.id_log.iter().for_each(|entry| self.release(entry.id(), changes));
            if self.seated.contains(&pid) {
                self.vouch(pid, changes);
            }
        }
        // what another application brings along of its log 0 is placed like what comes by itself
        for entry in &application.id_log {
            let (_, more) = self.place(entry);
            changes.add(more);
        }
    }

    fn take_proof(&mut self, proof: &Arc<ForkProof>) -> bool {
        let of = |sign1: &Sign1| Entry::new(vec![sign1.clone()], None).ok();
        let (Some(a), Some(b)) = (of(&proof.a), of(&proof.b)) else { return false };
        let (pid, epoch) = (a.header().pid, a.header().epoch);
        let mut proofs = self.proofs.get(&(pid, epoch)).cloned().unwrap_or_default();
        Arc::make_mut(&mut proofs).insert((a.id(), b.id()), proof.clone());
        self.proofs.insert_mut((pid, epoch), proofs);
        self.prove(pid, proof)
    }

    /// Judges the proofs held of forks in epochs whose keys have just become known; true if one was news.
    fn take_proofs(&mut self, pid: Pid, epochs: &[u64]) -> bool {
        let held = epochs.iter().filter_map(|epoch| self.proofs.get(&(pid, *epoch)).cloned());
        let held: Vec<Arc<Proofs>> = held.collect();
        let mut news = false;
        for proof in held.iter().flat_map(|proofs| proofs.values()) {
            news |= self.prove(pid, proof);
        }
        news
    }

    fn prove(&mut self, pid: Pid, proof: &ForkProof) -> bool {
        let Some(mut member) = self.members.get(&pid).cloned() else { return false };
        let news = Arc::make_mut(&mut member.author).prove(&proof.a, &proof.b, &self.network);
        if news != Ok(true) {
            return false;
        }
        self.members.insert_mut(pid, member);
        self.reread(pid, &mut Changes::default());
        self.hash_bucket(pid.0[0] as usize);
        true
    }

    // -- heads ------------------------------------------------------------------------------------------------------

    fn hash_bucket(&mut self, bucket: usize) {
        for plane in [Plane::Pub, Plane::Agy] {
            let mut bytes = Vec::new();
            for (pid, heads) in self.heads_of_bucket(plane, bucket) {
                for head in heads {
                    let row = (pid, (head.log, head.epoch, head.next), head.id, head.contested);
                    bytes.extend(encode(&row));
                }
            }
            let hash = if bytes.is_empty() { [0; 32] } else { HashOf::Heads.hash(&bytes) };
            Arc::make_mut(&mut self.buckets[plane.number() as usize])[bucket] = hash;
        }
    }

    /// The heads of everyone whose pid begins with the byte `bucket`.
    pub(crate) fn heads_of_bucket(&self, plane: Plane, bucket: usize) -> Vec<(Pid, Vec<Head>)> {
        let (mut low, mut high) = ([0; 32], [0xff; 32]);
        low[0] = bucket as u8;
        high[0] = bucket as u8;
        let members = self.members.range(Pid(low)..=Pid(high)).filter(|(_, m)| m.shared);
        let heads = members.map(|(pid, m)| (*pid, m.author.heads(plane == Plane::Agy)));
        heads.filter(|(_, heads)| !heads.is_empty()).collect()
    }

    /// The hashes of all buckets of a plane.
    pub fn bucket_hashes(&self, plane: Plane) -> &[[u8; 32]] {
        &self.buckets[plane.number() as usize]
    }

    /// One hash over a plane's heads: equal here and there means nothing to exchange.
    pub fn heads_root(&self, plane: Plane) -> Digest {
        Digest(HashOf::Heads.hash(&self.bucket_hashes(plane).concat()))
    }

    /// Entries that lines held refer to and that are not here.
    pub(crate) fn waited_for(&self) -> impl Iterator<Item = &EntryId> {
        self.waiting.keys()
    }

    /// The logs of a participant or applicant, to be made wrong by a test.
    #[cfg(test)]
    pub(crate) fn author_mut(&mut self, pid: &Pid) -> &mut Author {
        Arc::make_mut(&mut self.members.get_mut(pid).expect("known").author)
    }

    /// Logs that nobody introduced, for a test.
    #[cfg(test)]
    pub(crate) fn smuggle(&mut self, author: Author) {
        self.add_author(author, true);
    }

    /// The roster, to be made wrong by a test.
    #[cfg(test)]
    pub(crate) fn roster_mut(&mut self) -> &mut Roster {
        Arc::make_mut(&mut self.roster)
    }

    /// Whether the entry is held, by its id.
    pub fn holds(&self, id: &EntryId) -> bool {
        self.held.contains(id)
    }

    /// The entry in which `author` says `wanted` of `target`, for explanations.
    pub fn entry_saying(&self, author: &Pid, target: Target, wanted: &dyn Fn(&Word) -> bool) -> Option<EntryId> {
        let author = self.author(author)?;
        let lines: Vec<&Line> = author.public.values().flat_map(crate::author::Chain::lines).collect();
        let says = |line: &&&Line| {
            line.items().iter().any(|i| matches!(i, Item::Said { target: t, word } if *t == target && wanted(word)))
        };
        lines.iter().rev().find(says).map(|l| l.id)
    }

    /// Who introduced an applicant, in order of pid.
    pub fn introducers(&self, applicant: &Pid) -> Vec<Pid> {
        self.introducers.get(applicant).into_iter().flatten().copied().collect()
    }
}
