//! An entry as the folds read it: its place, and what it says once its form is checked.

use crate::membership::{Item, Rank, Word};
use crate::mutation::{Mutation, broken};
use lapwing_record::cbor;
use lapwing_record::directory::{Contact, KemKey, NodeBinding, Profile};
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::id::{EntryId, NetworkId, Pid};
use lapwing_record::identity::EpochKeys;
use lapwing_record::legal::LegalProfile;
use lapwing_record::membership::{
    Application, Approval, Checkpoint, Excuse, ForkProof, Motion, ObjectionReason, Stances, What,
};
use lapwing_record::register::{Arrangement, Outcome};
use std::sync::Arc;

/// One entry of log 1 or 2 in memory.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its place in the epoch's chain.
    pub seq: u64,
    /// The entry.
    pub id: EntryId,
    /// The entry before.
    pub prev: Option<EntryId>,
    /// The author's milliseconds UTC.
    pub clock: u64,
    /// Entries that must be here first.
    pub refs: Arc<[EntryId]>,
    /// What it says.
    pub says: Says,
}

/// What an entry says.
#[derive(Clone, Debug)]
pub enum Says {
    /// Stances and excuses.
    Items(Arc<[Item]>),
    /// A profile.
    Profile(Arc<Profile>),
    /// A point of contact; in log 2, one for agencies only.
    Contact(Arc<Contact>),
    /// A node.
    Binding(Arc<NodeBinding>),
    /// An encryption key.
    Kem(Arc<KemKey>),
    /// An applicant made known.
    Introduce(Arc<Application>),
    /// An amendment, properly approved.
    Motion(Arc<Motion>),
    /// A state reached.
    Checkpoint(Arc<Checkpoint>),
    /// A contradiction shown.
    ForkProof(Arc<ForkProof>),
    /// Why its author objects.
    Reason(Arc<ObjectionReason>),
    /// What its author's law covers.
    Legal(Arc<LegalProfile>),
    /// An arrangement that its author is party to.
    Arrangement(Arc<Arrangement>),
    /// What became of a case; in log 2, for agencies only.
    Outcome(Arc<Outcome>),
    /// A type that this version does not know.
    Unknown {
        /// Whether the author's later entries may then be misread.
        crit: bool,
    },
    /// The body is not here.
    Withheld,
}

/// The body of an entry of a known type is not of its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body of a {kind} entry: {why}")]
pub struct BodyError {
    /// The type's token.
    pub kind: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Reads an entry whose signature held. `keys` are those of the entry's epoch: they judge officers' approvals.
///
/// A stance whose approvals do not hold is not counted; it does not make its entry invalid (a later officer's key
/// change must never turn an accepted log into a refused one).
pub fn read(entry: &Entry, keys: &EpochKeys, network: &NetworkId) -> Result<Line, BodyError> {
    let header = entry.header();
    let says = match (header.entry_type(), entry.body()) {
        (None, _) => Says::Unknown { crit: header.crit },
        (Some(_), None) => Says::Withheld,
        (Some(kind), Some(body)) => says(kind, body, header.pid, header.epoch, keys, network)?,
    };
    Ok(Line {
        seq: header.seq,
        id: entry.id(),
        prev: header.prev,
        clock: header.clock,
        refs: header.refs.clone().into(),
        says,
    })
}

fn says(
    kind: EntryType,
    body: &[u8],
    author: Pid,
    epoch: u64,
    keys: &EpochKeys,
    network: &NetworkId,
) -> Result<Says, BodyError> {
    let limit = kind.limit();
    let fault = |e: &dyn std::fmt::Display| BodyError { kind: kind.code(), why: e.to_string() };
    macro_rules! decode {
        ($t:ty) => {
            cbor::decode::<$t>(body, limit).map_err(|e| fault(&e))?
        };
    }
    Ok(match kind {
        EntryType::Stances => {
            let stances = Stances::decode(body).map_err(|e| fault(&e))?;
            let items = stances.items.iter().filter_map(|s| item(s, author, epoch, keys, network));
            Says::Items(items.collect())
        }
        EntryType::Excuse => {
            let excuse = decode!(Excuse);
            if excuse.silent.windows(2).any(|w| w[0] >= w[1]) {
                return Err(fault(&"the excused are not in ascending order"));
            }
            let word = Word::Excuse(excuse.silent);
            Says::Items(Arc::new([Item::Said { target: excuse.target, word }]))
        }
        EntryType::Profile => Says::Profile(Arc::new(Profile::decode(body).map_err(|e| fault(&e))?)),
        EntryType::Contact | EntryType::AgencyContact => {
            Says::Contact(Arc::new(Contact::decode(body).map_err(|e| fault(&e))?))
        }
        EntryType::NodeBinding => Says::Binding(Arc::new(NodeBinding::decode(body).map_err(|e| fault(&e))?)),
        EntryType::KemKey => {
            let kem = decode!(KemKey);
            if kem.kid != lapwing_record::seal::kem_kid(&kem.key) {
                return Err(fault(&"the key is not the one that its id names"));
            }
            Says::Kem(Arc::new(kem))
        }
        EntryType::Introduce => Says::Introduce(Arc::new(Application::decode(body).map_err(|e| fault(&e))?)),
        EntryType::Motion => {
            let motion = decode!(Motion);
            motion.params.check().map_err(|e| fault(&e))?;
            match motion.approval(author, epoch).check(&motion.approvals, keys, network) {
                Ok(()) => Says::Motion(Arc::new(motion)),
                Err(_) => Says::Items(Arc::new([])),
            }
        }
        EntryType::Checkpoint => Says::Checkpoint(Arc::new(decode!(Checkpoint))),
        EntryType::ForkProof => Says::ForkProof(Arc::new(decode!(ForkProof))),
        EntryType::LegalProfile => Says::Legal(Arc::new(LegalProfile::decode(body).map_err(|e| fault(&e))?)),
        EntryType::Arrangement => {
            let arrangement = Arrangement::decode(body).map_err(|e| fault(&e))?;
            if !arrangement.parties.contains(&author) {
                return Err(fault(&"its author is not among the parties"));
            }
            Says::Arrangement(Arc::new(arrangement))
        }
        EntryType::Outcome | EntryType::AgencyOutcome => {
            Says::Outcome(Arc::new(Outcome::decode(body).map_err(|e| fault(&e))?))
        }
        EntryType::ObjectionReason => Says::Reason(Arc::new(decode!(ObjectionReason))),
        EntryType::Inception | EntryType::RootRotate | EntryType::KeyGrant | EntryType::Leave => {
            return Err(fault(&"belongs to log 0"));
        }
    })
}

/// A stance as the membership fold takes it; none if its officers' approvals do not hold.
fn item(
    stance: &lapwing_record::membership::Stance,
    author: Pid,
    epoch: u64,
    keys: &EpochKeys,
    network: &NetworkId,
) -> Option<Item> {
    let word = match (stance.what, stance.n) {
        (What::Noted, _) => Word::Noted,
        (What::Clear, _) => Word::Clear,
        (What::Seat, _) => Word::Seat,
        (officers, n) => {
            let (act, n) = (officers.act()?, n?);
            let approval = Approval::of_stance(author, epoch, n, act, stance.target);
            let approved = approval.check(stance.approvals.as_deref()?, keys, network);
            if approved.is_err() && !broken(Mutation::ApprovalsUnchecked) {
                return None;
            }
            let (rank, disavowed) = (Rank { epoch, n }, false);
            match officers {
                What::Consent => Word::Consent { rank, disavowed },
                What::Object => Word::Object { rank, disavowed },
                _ => Word::Withdraw { rank, disavowed },
            }
        }
    };
    Some(Item::Said { target: stance.target, word })
}

/// The same item, beyond its epoch's anchor: what officers approved there does not count (protocol §3).
pub fn disavow(item: &Item) -> Item {
    let mut item = item.clone();
    if let Item::Said {
        word: Word::Consent { disavowed, .. } | Word::Object { disavowed, .. } | Word::Withdraw { disavowed, .. },
        ..
    } = &mut item
    {
        *disavowed = true;
    }
    item
}

impl Line {
    /// The items that the membership fold reads.
    pub fn items(&self) -> &[Item] {
        match &self.says {
            Says::Items(items) => items,
            _ => &[],
        }
    }

    /// The officers' counters used in this line.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        let motion = if let Says::Motion(m) = &self.says { Some(m.n) } else { None };
        let stances = self.items().iter().filter_map(|item| match item {
            Item::Said {
                word: Word::Consent { rank, .. } | Word::Object { rank, .. } | Word::Withdraw { rank, .. },
                ..
            } => Some(rank.n),
            _ => None,
        });
        motion.into_iter().chain(stances)
    }
}
