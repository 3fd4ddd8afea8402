//! Scripts made real: the entries that their authors sign.

use super::script::{Act, Further, Say, Script, Step};
use lapwing_engine::federation::Federation;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::{Charter, CharterFile, Params, Veto};
use lapwing_record::directory::Profile;
use lapwing_record::entry::{Draft, Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, NetworkId, Pid};
use lapwing_record::identity::{Anchor, Category, EpochKeys, GrantReason, KeyGrant, Leave};
use lapwing_record::membership::{Approval, Excuse, ForkProof, Motion, Stance, Stances, Target};
use lapwing_record::sign::{SecretKey, Sign1};
use lapwing_record::testkit::{TestAgency, charter_of};
use std::collections::BTreeMap;

/// Who there is: founders and applicants by their letters, and the federation at its founding.
pub struct Cast {
    /// Everybody.
    pub agencies: BTreeMap<char, TestAgency>,
    /// The letters of the founders.
    pub founders: Vec<char>,
    /// The federation's id.
    pub network: NetworkId,
    /// How long an objection may be made.
    pub veto: Veto,
    /// The state that every order begins with.
    pub founding: Federation,
    charter: Charter,
}

/// Entries by author, and whom they are by, in words.
pub struct Play {
    /// In the order of authors, stem before branches.
    pub entries: Vec<Entry>,
    /// What each says.
    pub words: Vec<String>,
    /// The motions moved.
    pub motions: BTreeMap<char, EntryId>,
}

impl Cast {
    /// Founders `A` on; applicants: `P` and `Q` are of the private sector, `O` observes, the others are agencies.
    ///
    /// # Errors
    /// They cannot found.
    pub fn new(founders: &str, applicants: &str, veto: Veto) -> Result<Cast, String> {
        let category = |letter: char| match letter {
            'P' | 'Q' => Category::Courier,
            'O' => Category::InternationalOrganisation,
            _ => Category::ConsumerProtection,
        };
        let made = |letter: char| {
            let name = format!("small-{}", letter.to_ascii_lowercase());
            (letter, TestAgency::of_class(&name, category(letter)))
        };
        let agencies: BTreeMap<char, TestAgency> = founders.chars().chain(applicants.chars()).map(made).collect();
        let founding: Vec<&TestAgency> = founders.chars().filter_map(|f| agencies.get(&f)).collect();
        let mut charter = charter_of(&founding);
        charter.params.veto = veto;
        let parts = founding.iter().map(|f| f.found(&charter)).collect();
        let file = CharterFile::join(charter.clone(), parts).map_err(|e| e.to_string())?;
        let (network, founders) = (charter.network_id(), founders.chars().collect());
        Ok(Cast { founding: Federation::found(&file), agencies, founders, network, veto, charter })
    }

    /// The pid of a letter.
    pub fn pid(&self, letter: char) -> Option<Pid> {
        self.agencies.get(&letter).map(TestAgency::pid)
    }

    /// The letter of a pid.
    pub fn letter(&self, pid: &Pid) -> char {
        self.agencies.iter().find(|(_, a)| a.pid() == *pid).map_or('?', |(letter, _)| *letter)
    }

    /// Signs what the scripts say; nothing if one names what another does not hold (a fork, a motion, an entry).
    pub fn play(&self, scripts: &BTreeMap<char, Script>) -> Option<Play> {
        let mut pens: BTreeMap<char, Pen> = BTreeMap::new();
        for (letter, script) in scripts {
            pens.insert(*letter, Pen::new(self.agencies.get(letter)?, &self.network, script));
        }
        loop {
            let mut wrote = false;
            let letters: Vec<char> = pens.keys().copied().collect();
            for letter in letters {
                while let Some((branch, step)) = pens[&letter].next() {
                    let Some(entry) = self.entry(&pens, letter, branch, &step) else { break };
                    pens.get_mut(&letter)?.write(branch, &step, entry);
                    wrote = true;
                }
            }
            if !wrote {
                break;
            }
        }
        if pens.values().any(|pen| pen.next().is_some()) {
            return None;
        }
        let motions = pens.values().flat_map(|pen| pen.motions.clone()).collect();
        let written = pens.into_values().flat_map(|pen| pen.written);
        let (entries, words) = written.unzip();
        Some(Play { entries, words, motions })
    }

    /// The next entry of an author; nothing while something that it speaks of is not written.
    fn entry(&self, pens: &BTreeMap<char, Pen>, letter: char, branch: usize, step: &Step) -> Option<Entry> {
        let (pen, agency) = (pens.get(&letter)?, self.agencies.get(&letter)?);
        let refs = match step.after {
            None => Vec::new(),
            Some((author, at)) => vec![pens.get(&author)?.stem.get(at)?.id()],
        };
        let target = |of: char| match of {
            'M' | 'N' => pens.values().find_map(|pen| pen.motions.get(&of)).map(|id| Target::Motion(*id)),
            _ => self.pid(of).map(Target::Participant),
        };
        let (kind, body) = match &step.act {
            Act::Introduce(of, further) => (EntryType::Introduce, encode(&self.application(*of, *further)?)),
            Act::Say(items) => {
                let items: Option<Vec<Stance>> =
                    items.iter().map(|say| Some(self.stance(agency, pen.epoch, say, target(say.of)?))).collect();
                (EntryType::Stances, encode(&Stances { items: items? }))
            }
            Act::Excuse(of, silent) => {
                (EntryType::Excuse, encode(&Excuse { target: target(*of)?, silent: vec![self.pid(*silent)?] }))
            }
            Act::Motion(name) => (EntryType::Motion, encode(&self.motion(agency, pen.epoch, *name))),
            Act::Proof(of, true) => {
                let [a, b] = pens.get(of)?.forked()?;
                (EntryType::ForkProof, encode(&ForkProof { a, b }))
            }
            Act::Proof(of, false) => {
                let [a, b, ..] = pens.get(of)?.stem.as_slice() else { return None };
                let (a, b) = if a.id() < b.id() { (a, b) } else { (b, a) };
                let (a, b) = (a.signatures()[0].clone(), b.signatures()[0].clone());
                (EntryType::ForkProof, encode(&ForkProof { a, b }))
            }
            Act::Profile => (EntryType::Profile, encode(&profile())),
            Act::Leave => return Some(leave(agency, &self.network, &pen.id_tip)),
            Act::Copy => return Some(copy(agency, &self.network)),
            Act::Grant(heal) => {
                let tip = if *heal { pen.branch_tip(0)? } else { pen.branch_tip(branch)? };
                return Some(grant(agency, &self.network, &pen.id_tip, pen.epoch + 1, tip));
            }
        };
        let after = pen.tip(branch);
        let draft = Draft { pid: agency.pid(), epoch: pen.epoch, after, clock: 1, kind, refs };
        Entry::new(vec![draft.header(&body).sign(&pen.feed, &self.network)], Some(body)).ok()
    }

    fn stance(&self, agency: &TestAgency, epoch: u64, say: &Say, target: Target) -> Stance {
        let Some(act) = say.what.act() else { return Stance::by_node(say.what, target) };
        let approval = Approval::of_stance(agency.pid(), epoch, say.n, act, target);
        let by = if say.stolen { &agency.feed } else { &agency.officers[0] };
        let approvals = Some(vec![approval.sign(by, &self.network)]);
        Stance { what: say.what, target, n: Some(say.n), approvals }
    }

    fn motion(&self, agency: &TestAgency, epoch: u64, name: char) -> Motion {
        let base = self.charter.params.digest();
        let params = Params { grace_ms: 600 + u64::from(name as u32), ..self.charter.params.clone() };
        let mut motion =
            Motion { params, base, expires: u64::MAX >> 1, statement: name.into(), n: 1, approvals: Vec::new() };
        let approval = Approval {
            pid: agency.pid(),
            epoch,
            n: 1,
            act: lapwing_record::identity::Act::Motion,
            target: Bytes(base.0.to_vec()),
            body_hash: Some(motion.body_hash()),
        };
        motion.approvals = vec![approval.sign(&agency.officers[0], &self.network)];
        motion
    }

    fn application(&self, of: char, further: Further) -> Option<lapwing_record::membership::Application> {
        let agency = self.agencies.get(&of)?;
        let mut application = agency.application(&self.network);
        let first = application.id_log.first()?.clone();
        match further {
            Further::No => {}
            Further::Left => application.id_log.push(leave(agency, &self.network, &first)),
            Further::Grant => application.id_log.push(grant(agency, &self.network, &first, 1, None)),
        }
        Some(application)
    }
}

fn profile() -> Profile {
    Profile {
        display_name: "Small".into(),
        competence: Vec::new(),
        languages: vec!["en".into()],
        hours: Vec::new(),
        time_zone: "UTC".into(),
        website: None,
    }
}

fn leave(agency: &TestAgency, network: &NetworkId, after: &Entry) -> Entry {
    agency.id_entry(network, after, EntryType::Leave, &Leave { heads: Vec::new(), note: None })
}

fn copy(agency: &TestAgency, network: &NetworkId) -> Entry {
    let body = encode(&agency.inception);
    let draft =
        Draft { pid: agency.pid(), epoch: 0, after: None, clock: 77, kind: EntryType::Inception, refs: Vec::new() };
    Entry::new(vec![draft.header(&body).sign(&agency.root, network)], Some(body)).expect("well-formed")
}

fn feed(epoch: u64) -> SecretKey {
    TestAgency::key(100 + epoch as u8)
}

fn grant(agency: &TestAgency, network: &NetworkId, after: &Entry, epoch: u64, tip: Option<(u64, EntryId)>) -> Entry {
    let keys = EpochKeys { feed: feed(epoch).public(), ..agency.inception.first.clone() };
    let anchors = tip.map(|(seq, id)| Anchor { log: LogKind::Pub, seq, id }).into_iter().collect();
    agency.id_entry(
        network,
        after,
        EntryType::KeyGrant,
        &KeyGrant { epoch, keys, anchors, reason: GrantReason::Routine },
    )
}

/// One author writing.
struct Pen {
    script: Script,
    /// The stem's entries, log 0 included.
    stem: Vec<Entry>,
    /// How many steps of each branch are written, and its last entry of log 1.
    branches: Vec<(usize, Option<(u64, EntryId)>)>,
    first_of_branch: Vec<Option<Sign1>>,
    stem_tip: Option<(u64, EntryId)>,
    id_tip: Entry,
    epoch: u64,
    feed: SecretKey,
    /// Where the log goes on after a grant.
    anchored: Option<Option<(u64, EntryId)>>,
    motions: BTreeMap<char, EntryId>,
    written: Vec<(Entry, String)>,
}

/// Of the stem itself.
const STEM: usize = usize::MAX;

impl Pen {
    fn new(agency: &TestAgency, network: &NetworkId, script: &Script) -> Pen {
        Pen {
            script: script.clone(),
            stem: Vec::new(),
            branches: vec![(0, None); script.branches.len()],
            first_of_branch: vec![None; script.branches.len()],
            stem_tip: None,
            id_tip: agency.first_entry(network),
            epoch: 0,
            feed: agency.feed.clone(),
            anchored: None,
            motions: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    fn next(&self) -> Option<(usize, Step)> {
        if let Some(step) = self.script.stem.get(self.stem.len()) {
            return Some((STEM, step.clone()));
        }
        let mut branches = self.script.branches.iter().zip(&self.branches).enumerate();
        branches.find_map(|(b, (steps, (done, _)))| Some((b, steps.get(*done)?.clone())))
    }

    fn branch_tip(&self, branch: usize) -> Option<Option<(u64, EntryId)>> {
        if branch == STEM {
            Some(self.stem_tip)
        } else {
            self.branches.get(branch).map(|(_, tip)| tip.or(self.stem_tip))
        }
    }

    fn tip(&self, branch: usize) -> Option<(u64, EntryId)> {
        self.anchored.unwrap_or_else(|| self.branch_tip(branch).flatten())
    }

    /// The two headers by which it forked, lower id first.
    fn forked(&self) -> Option<[Sign1; 2]> {
        let id = |sign1: &Sign1| Entry::new(vec![sign1.clone()], None).ok().map(|e| e.id());
        let [Some(a), Some(b), ..] = self.first_of_branch.as_slice() else { return None };
        Some(if id(a)? < id(b)? { [a.clone(), b.clone()] } else { [b.clone(), a.clone()] })
    }

    fn write(&mut self, branch: usize, step: &Step, entry: Entry) {
        let tip = (entry.header().seq, entry.id());
        let in_log_0 = entry.header().log == LogKind::Id;
        let mark = if branch == STEM { String::new() } else { format!(" (branch {})", branch + 1) };
        self.written.push((entry.clone(), format!("{}{mark}", step.words)));
        if let Act::Motion(name) = step.act {
            self.motions.insert(name, tip.1);
        }
        if let Act::Grant(heal) = step.act {
            self.anchored = Some(self.branch_tip(if heal { 0 } else { branch }).flatten());
            self.epoch += 1;
            self.feed = feed(self.epoch);
        }
        if in_log_0 && step.act != Act::Copy {
            self.id_tip = entry.clone();
        }
        match branch {
            STEM => self.stem.push(entry.clone()),
            b => {
                self.branches[b].0 += 1;
                if !in_log_0 && self.first_of_branch[b].is_none() {
                    self.first_of_branch[b] = entry.signatures().first().cloned();
                }
            }
        }
        match (in_log_0, self.anchored.is_some(), branch) {
            (true, ..) => {}
            (_, true, _) => self.anchored = Some(Some(tip)),
            (_, _, STEM) => self.stem_tip = Some(tip),
            (_, _, b) => self.branches[b].1 = Some(tip),
        }
    }
}
