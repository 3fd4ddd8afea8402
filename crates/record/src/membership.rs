//! What agencies say about participants and motions (protocol §3, §4): log 1.

use crate::cbor::{self, Bytes, Cbor, DecodeError, Fault, Value, array_of, encode};
use crate::charter::Params;
use crate::entry::{Entry, MAX_BODY};
use crate::id::{Digest, EntryId, HashOf, Kid, NetworkId, Pid};
use crate::identity::{Act, Category, Class, EpochKeys};
use crate::sign::{Context, Detached, SecretKey, Sign1};
use crate::{cbor_array, codes};

/// Items of one stances entry at most.
pub const MAX_STANCES: usize = 64;
/// Bytes of an applicant's log 0 at most.
pub const MAX_ID_LOG: usize = 16 * 1024;
/// Bytes of an applicant's statement at most.
pub const MAX_STATEMENT: usize = 32 * 1024;

/// Whom or what a stance speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A participant or applicant.
    Participant(Pid),
    /// A motion, by the id of its entry.
    Motion(EntryId),
}

impl Cbor for Target {
    fn to_value(&self) -> Value {
        match self {
            Target::Participant(pid) => (0u64, *pid).to_value(),
            Target::Motion(id) => (1u64, *id).to_value(),
        }
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        let [kind, id]: [Value; 2] = array_of(value, 2)?.try_into().expect("length checked");
        match u64::from_value(kind)? {
            0 => Pid::from_value(id).map(Target::Participant),
            1 => EntryId::from_value(id).map(Target::Motion),
            other => Err(Fault::here(format!("{other} is no kind of target"))),
        }
    }
}

codes! {
    /// What a stance says.
    pub enum What {
        /// The node has seen the candidate; its window runs.
        0 "noted" => Noted,
        /// The window has run and the people did not object.
        1 "clear" => Clear,
        /// The node's own fold shows an agency in full standing, or a motion complete.
        2 "seat" => Seat,
        /// The officers consent.
        3 "consent" => Consent,
        /// The officers object.
        4 "object" => Object,
        /// The officers withdraw their objection.
        5 "withdraw" => Withdraw,
    }
}

impl What {
    /// The officers' act, where it is theirs and not the node's.
    pub const fn act(self) -> Option<Act> {
        match self {
            What::Consent => Some(Act::Consent),
            What::Object => Some(Act::Object),
            What::Withdraw => Some(Act::Withdraw),
            What::Noted | What::Clear | What::Seat => None,
        }
    }
}

cbor_array! {
    /// One item of a stances entry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Stance {
        /// What is said.
        pub what: What,
        /// Of whom.
        pub target: Target,
        /// The officers' counter; null for what the node says.
        pub n: Option<u64>,
        /// The officers' approvals; null for what the node says.
        pub approvals: Option<Vec<Detached>>,
    }
}

impl Stance {
    /// Something that the node says by itself.
    pub fn by_node(what: What, target: Target) -> Self {
        Stance { what, target, n: None, approvals: None }
    }
}

cbor_array! {
    /// What this agency says, in the order in which it says it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Stances {
        /// 1 to 64 items.
        pub items: Vec<Stance>,
    }
}

impl Stances {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let stances: Stances = cbor::decode(bytes, 16 * 1024)?;
        if stances.items.is_empty() || stances.items.len() > MAX_STANCES {
            return Err(Fault::here("must be 1 to 64 items").within("items").into());
        }
        for (i, item) in stances.items.iter().enumerate() {
            let officers = item.what.act().is_some();
            if officers != item.n.is_some() || officers != item.approvals.is_some() {
                let what = "officers' words carry a counter and approvals, a node's words neither";
                return Err(Fault::here(what).within(&i.to_string()).within("items").into());
            }
        }
        Ok(stances)
    }
}

cbor_array! {
    /// What an officer signs: the one act, for one target, once (protocol §3).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Approval {
        /// The agency.
        pub pid: Pid,
        /// The epoch whose officers these are.
        pub epoch: u64,
        /// Counts up with each act of the epoch.
        pub n: u64,
        /// The act.
        pub act: Act,
        /// The bytes of the target: of a [`Target`], or a referral's thread.
        pub target: Bytes,
        /// The body that the act stands in, approvals left out; null where the act says all.
        pub body_hash: Option<Digest>,
    }
}

impl Approval {
    /// An approval of a stance.
    pub fn of_stance(pid: Pid, epoch: u64, n: u64, act: Act, target: Target) -> Self {
        Approval { pid, epoch, n, act, target: Bytes(encode(&target)), body_hash: None }
    }

    /// The exact bytes that officers sign.
    pub fn bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Names the bytes, for people who compare screens.
    pub fn digest(&self) -> Digest {
        Digest(HashOf::Proposal.hash(&self.bytes()))
    }

    /// Signs as an officer.
    pub fn sign(&self, officer: &SecretKey, network: &NetworkId) -> Detached {
        Detached::sign(officer, network, Context::Approve, &self.bytes())
    }

    /// Which officers of `keys` approved by `signatures`; the first that does not hold is named.
    pub fn approved_by(
        &self,
        signatures: &[Detached],
        keys: &EpochKeys,
        network: &NetworkId,
    ) -> Result<Vec<Kid>, ApprovalError> {
        let bytes = self.bytes();
        let mut officers = Vec::new();
        for signature in signatures {
            let officer = keys.officer(&signature.kid).ok_or(ApprovalError::NotAnOfficer(signature.kid))?;
            let valid = signature.verify(&officer.key, network, Context::Approve, &bytes);
            valid.map_err(|_| ApprovalError::Invalid(signature.kid))?;
            if officers.contains(&signature.kid) {
                return Err(ApprovalError::Twice(signature.kid));
            }
            officers.push(signature.kid);
        }
        Ok(officers)
    }

    /// Whether enough officers approved.
    pub fn check(&self, signatures: &[Detached], keys: &EpochKeys, network: &NetworkId) -> Result<(), ApprovalError> {
        let have = self.approved_by(signatures, keys, network)?.len();
        let need = keys.needed(self.act);
        if have < need { Err(ApprovalError::TooFew { have, need }) } else { Ok(()) }
    }
}

/// Why approvals do not carry an act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// Signed with a key that is no officer's in this epoch.
    #[error("key {} is no officer's in this epoch", .0.short())]
    NotAnOfficer(Kid),
    /// The signature is not over these bytes.
    #[error("the signature by officer {} is not over this act", .0.short())]
    Invalid(Kid),
    /// One officer twice.
    #[error("officer {} signed twice", .0.short())]
    Twice(Kid),
    /// Not enough officers.
    #[error("{have} of {need} officers have approved")]
    TooFew {
        /// Distinct officers that approved.
        have: usize,
        /// Officers that must.
        need: usize,
    },
}

cbor_array! {
    /// What an applicant's root keys sign: that it endorses this text in this federation (protocol §4.2).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Endorsement {
        /// The applicant. (The annex leaves it out; a root key may serve two inceptions, so it is named here.)
        pub pid: Pid,
        /// The federation.
        pub network_id: NetworkId,
        /// The text endorsed.
        pub plan_text_hash: Digest,
        /// As in the inception.
        pub class: Class,
        /// As in the inception.
        pub category: Category,
    }
}

cbor_array! {
    /// What an applicant submits, and what an introduction carries whole.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Application {
        /// The applicant's log 0.
        pub id_log: Vec<Entry>,
        /// Its endorsement, signed by its root keys.
        pub endorsement: Vec<Sign1>,
        /// What it says about itself, for people.
        pub statement: String,
    }
}

/// Bytes of an application at most.
pub const MAX_APPLICATION: usize = MAX_BODY;

/// Why an application cannot be introduced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationError {
    /// The bytes do not decode.
    #[error("application: {0}")]
    Decode(#[from] DecodeError),
    /// Its log 0 is not a valid one.
    #[error("application: the applicant's log 0 is not valid: {0}")]
    IdLog(String),
    /// Its endorsement is not its own, not for this federation or not of this text.
    #[error("application: the endorsement is not valid: {0}")]
    Endorsement(String),
}

impl Application {
    /// Reads and checks sizes; the engine checks the log and the endorsement ([`crate::idlog::IdLog`]).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let application: Application = cbor::decode(bytes, MAX_APPLICATION)?;
        application.check_sizes()?;
        Ok(application)
    }

    /// Whether an introduction may carry it: log 0 up to 16 KiB, the statement up to 32 KiB, all of it up to 64 KiB
    /// (protocol §1).
    ///
    /// # Errors
    /// The part that is too long.
    pub fn check_sizes(&self) -> Result<(), DecodeError> {
        if encode(&self.id_log).len() > MAX_ID_LOG {
            return Err(Fault::here("log 0 is longer than 16 KiB").within("id_log").into());
        }
        if self.statement.len() > MAX_STATEMENT {
            return Err(Fault::here("longer than 32 KiB").within("statement").into());
        }
        if encode(self).len() > MAX_APPLICATION {
            return Err(Fault::here("the application is longer than 64 KiB").into());
        }
        Ok(())
    }
}

cbor_array! {
    /// Agencies that this one excuses from speaking on the target (protocol §4.5).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Excuse {
        /// The candidate or motion.
        pub target: Target,
        /// The silent agencies, ascending.
        pub silent: Vec<Pid>,
    }
}

cbor_array! {
    /// An amendment of the Params (protocol §4.6).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Motion {
        /// As they shall be.
        pub params: Params,
        /// The Params that it changes: [`Params::digest`].
        pub base: Digest,
        /// Milliseconds UTC after which nodes do not seat it.
        pub expires: u64,
        /// Why, for people.
        pub statement: String,
        /// The officers' counter.
        pub n: u64,
        /// The officers' approvals.
        pub approvals: Vec<Detached>,
    }
}

impl Motion {
    /// The hash that officers approve: of the motion without approvals.
    pub fn body_hash(&self) -> Digest {
        let bare = Motion { approvals: Vec::new(), ..self.clone() };
        crate::entry::body_hash(&encode(&bare))
    }

    /// What officers sign to propose it.
    pub fn approval(&self, pid: Pid, epoch: u64) -> Approval {
        let target = Bytes(self.base.0.to_vec());
        Approval { pid, epoch, n: self.n, act: Act::Motion, target, body_hash: Some(self.body_hash()) }
    }
}

/// The state that a node has reached (protocol §5, "Confirmed"): `[frontier, state, entries, agencies, schema, audit?]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Hash over the heads of logs 0 and 1.
    pub frontier: Digest,
    /// The roster's digest.
    pub state: Digest,
    /// Entries held in logs 0 and 1.
    pub entries: u64,
    /// Agencies in full standing.
    pub agencies: u64,
    /// The schema that this node reads.
    pub schema: u64,
    /// The head of the node's audit trail ([`crate::audit`]), so that it cannot be rewritten unseen. Left out by nodes
    /// that keep none.
    pub audit: Option<Digest>,
}

impl Cbor for Checkpoint {
    fn to_value(&self) -> Value {
        let mut items = vec![
            self.frontier.to_value(),
            self.state.to_value(),
            self.entries.to_value(),
            self.agencies.to_value(),
            self.schema.to_value(),
        ];
        items.extend(self.audit.as_ref().map(Cbor::to_value));
        Value::Array(items)
    }

    fn from_value(value: Value) -> Result<Self, Fault> {
        let mut items = cbor::array(value)?;
        let audit = match items.len() {
            6 => items.pop().map(|v| Digest::from_value(v).map_err(|f| f.within("audit"))).transpose()?,
            _ => None,
        };
        let [frontier, state, entries, agencies, schema] = cbor::array_of(Value::Array(items), 5)?
            .try_into()
            .map_err(|_| Fault::here("expected an array of 5 or 6"))?;
        Ok(Checkpoint {
            frontier: Digest::from_value(frontier).map_err(|f| f.within("frontier"))?,
            state: Digest::from_value(state).map_err(|f| f.within("state"))?,
            entries: u64::from_value(entries).map_err(|f| f.within("entries"))?,
            agencies: u64::from_value(agencies).map_err(|f| f.within("agencies"))?,
            schema: u64::from_value(schema).map_err(|f| f.within("schema"))?,
            audit,
        })
    }
}

cbor_array! {
    /// Two headers of one author at one place that differ.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ForkProof {
        /// The header with the lower id.
        pub a: Sign1,
        /// The other.
        pub b: Sign1,
    }
}

cbor_array! {
    /// Why an agency objects: log 2, for agencies only.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ObjectionReason {
        /// Whom the objection is about.
        pub target: Target,
        /// Random bytes, so that the body's hash in the header tells nobody what the text may be.
        pub salt: [u8; 16],
        /// The reason.
        pub text: String,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit::TestAgency;

    const NET: NetworkId = NetworkId([1; 32]);

    #[test]
    fn an_approval_counts_for_its_epoch_number_act_and_target_only() {
        let agency = TestAgency::named("harbor");
        let keys = &agency.inception.first;
        let target = Target::Participant(Pid([5; 32]));
        let approval = Approval::of_stance(agency.pid(), 0, 1, Act::Consent, target);
        let signed = vec![approval.sign(&agency.officers[0], &NET)];
        approval.check(&signed, keys, &NET).unwrap();
        for other in [
            Approval { epoch: 1, ..approval.clone() },
            Approval { n: 2, ..approval.clone() },
            Approval { act: Act::Object, ..approval.clone() },
            Approval::of_stance(agency.pid(), 0, 1, Act::Consent, Target::Participant(Pid([6; 32]))),
            Approval::of_stance(Pid([7; 32]), 0, 1, Act::Consent, target),
        ] {
            assert!(matches!(other.check(&signed, keys, &NET), Err(ApprovalError::Invalid(_))));
        }
        assert!(approval.check(&signed, keys, &NetworkId([2; 32])).is_err(), "another network");
        assert!(matches!(approval.check(&[], keys, &NET), Err(ApprovalError::TooFew { have: 0, need: 1 })));
        let twice = vec![signed[0], signed[0]];
        assert!(matches!(approval.check(&twice, keys, &NET), Err(ApprovalError::Twice(_))));
        let stranger = vec![approval.sign(&agency.feed, &NET)];
        assert!(matches!(approval.check(&stranger, keys, &NET), Err(ApprovalError::NotAnOfficer(_))));
    }

    #[test]
    fn officers_words_need_approvals_and_node_words_carry_none() {
        let target = Target::Participant(Pid([5; 32]));
        let read = |items| Stances::decode(&encode(&Stances { items }));
        read(vec![Stance::by_node(What::Noted, target)]).unwrap();
        assert!(read(vec![Stance::by_node(What::Object, target)]).is_err());
        assert!(read(vec![Stance { n: Some(1), ..Stance::by_node(What::Clear, target) }]).is_err());
        assert!(read(vec![]).is_err());
        assert!(read(vec![Stance::by_node(What::Noted, target); 65]).is_err());
    }
}
