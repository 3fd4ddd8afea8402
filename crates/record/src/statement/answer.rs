//! Bodies of the first nine kinds: acknowledging, asking, deciding, ending, keys of evidence (docs/protocol.md §6.1).

use crate::cbor::Fault;
use crate::id::{Digest, Pid};
use crate::identity::check_text;
use crate::{cbor_array, cbor_grown, codes};

codes! {
    /// Confidentiality that the target assures (referral.md C).
    pub enum Assurance {
        /// As requested.
        0 "assured" => Assured,
        /// As far as a named law allows.
        1 "assured_subject_to" => AssuredSubjectTo,
        /// Not possible.
        2 "not_possible" => NotPossible,
        /// None was requested.
        3 "not_requested" => NotRequested,
    }
}

codes! {
    /// What the target decides about one assistance item.
    pub enum Decision {
        /// It will be done.
        0 "accept" => Accept,
        /// Some of it will be done.
        1 "accept_in_part" => AcceptInPart,
        /// It will be done under conditions.
        2 "accept_with_conditions" => AcceptWithConditions,
        /// It will not be done.
        3 "refuse" => Refuse,
        /// Not decided until a date.
        4 "defer" => Defer,
    }
}

codes! {
    /// Why an item is refused (referral.md §2).
    pub enum Ground {
        /// Another agency is competent.
        0 "outside_competence" => OutsideCompetence,
        /// The conduct is lawful here.
        1 "conduct_not_covered_here" => ConductNotCovered,
        /// Law or an international obligation forbids it.
        2 "contrary_to_law_or_international_obligation" => ContraryToLaw,
        /// Confidential or commercially sensitive.
        3 "confidential_or_commercially_sensitive" => Confidential,
        /// Sovereignty, security, public policy.
        4 "sovereignty_security_public_policy" => Sovereignty,
        /// Proceedings on the same facts are pending.
        5 "proceedings_pending_same_facts" => ProceedingsPending,
        /// A final decision exists.
        6 "final_decision_exists" => FinalDecision,
        /// Confidentiality is not assured.
        7 "confidentiality_not_assured" => ConfidentialityNotAssured,
        /// Not enough information, also after asking.
        8 "insufficient_information" => InsufficientInformation,
        /// An own investigation would suffer.
        9 "prejudices_own_investigation" => PrejudicesInvestigation,
        /// Too much work for the harm.
        10 "disproportionate_burden_for_harm" => Disproportionate,
        /// No resources now.
        11 "resources_unavailable" => ResourcesUnavailable,
        /// No reciprocity or arrangement.
        12 "no_reciprocity_or_arrangement" => NoReciprocity,
        /// The requester is suspended.
        13 "participant_suspended" => ParticipantSuspended,
        /// The same as another referral.
        14 "duplicate_of" => DuplicateOf,
        /// Reasons are withheld, explicitly.
        15 "reasons_withheld" => ReasonsWithheld,
    }
}

cbor_array! {
    /// Body of `acknowledge`.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Acknowledge {
        /// The target's own reference.
        pub own_reference: String,
        /// Milliseconds UTC by which it expects to decide.
        pub decision_by: Option<u64>,
        /// Whether it takes the urgency as stated; null where none was stated.
        pub urgency_accepted: Option<bool>,
        /// Confidentiality.
        pub assurance: Assurance,
        /// The law that limits it, or a note.
        pub note: Option<String>,
    }
}

cbor_array! {
    /// Body of `need_info` and `delay_reasons`.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    pub struct Text {
        /// Questions, or reasons.
        pub text: String,
    }
}

cbor_array! {
    /// Body of `withdraw` and `close`.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    pub struct Ending {
        /// Why; not owed.
        pub note: Option<String>,
    }
}

cbor_grown! {
    /// One decided item.
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct ItemDecision {
        /// The assistance item, from 0.
        pub item: u64,
        /// What is decided.
        pub decision: Decision,
        /// The ground of a refusal.
        pub ground: Option<Ground>,
        /// Milliseconds UTC until which it is deferred.
        pub until: Option<u64>,
        /// Conditions, the part accepted, the suggested agency: what the decision needs to be understood.
        pub note: Option<String>;
        /// Of `outside_competence`: an agency that may be competent.
        1 => pub suggested: Pid,
        /// Of `duplicate_of`: the case, or the reference, of the other referral.
        2 => pub duplicate_of: String,
        /// Of `resources_unavailable`: milliseconds UTC from when it may be asked again.
        3 => pub retry_after: u64,
    }
}

impl ItemDecision {
    /// A decision on an item, nothing else said of it.
    pub fn new(item: u64, decision: Decision) -> Self {
        ItemDecision {
            item,
            decision,
            ground: None,
            until: None,
            note: None,
            suggested: None,
            duplicate_of: None,
            retry_after: None,
            unknown: Vec::new(),
        }
    }

    /// A refusal.
    pub fn refuse(item: u64, ground: Ground) -> Self {
        ItemDecision { ground: Some(ground), ..Self::new(item, Decision::Refuse) }
    }

    /// What a ground needs, and what belongs to another.
    fn check_ground(&self) -> Result<(), Fault> {
        let fault = |path: &str, what: String| Err(Fault::here(what).within(path));
        let of = |ground: Ground| self.ground == Some(ground);
        for (path, said, ground) in [
            ("suggested", self.suggested.is_some(), Ground::OutsideCompetence),
            ("duplicate_of", self.duplicate_of.is_some(), Ground::DuplicateOf),
            ("retry_after", self.retry_after.is_some(), Ground::ResourcesUnavailable),
        ] {
            if said && !of(ground) {
                return fault(path, format!("belongs to the ground `{ground}`"));
            }
            if !said && of(ground) && ground != Ground::OutsideCompetence {
                return fault(path, format!("is required by the ground `{ground}`"));
            }
        }
        check_text("duplicate_of", self.duplicate_of.as_deref().unwrap_or_default(), 0, 100)
    }
}

cbor_array! {
    /// Body of `decide`.
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Decide {
        /// One or more items, ascending.
        pub items: Vec<ItemDecision>,
    }
}

impl Decide {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.items.is_empty() || self.items.windows(2).any(|w| w[0].item >= w[1].item) {
            return Err(Fault::here("one or more items, each once, ascending").within("items"));
        }
        for item in &self.items {
            let at = |f: Fault| f.within(&format!("items.{}", item.item));
            if (item.decision == Decision::Refuse) != item.ground.is_some() {
                return Err(at(Fault::here("a refusal, and only a refusal, names its ground").within("ground")));
            }
            if (item.decision == Decision::Defer) != item.until.is_some() {
                return Err(at(Fault::here("a deferral, and only a deferral, names its date").within("until")));
            }
            let needs_note = matches!(item.decision, Decision::AcceptInPart | Decision::AcceptWithConditions);
            if needs_note && item.note.is_none() {
                return Err(at(Fault::here("say which part, or which conditions").within("note")));
            }
            item.check_ground().map_err(at)?;
            check_text("note", item.note.as_deref().unwrap_or(""), 0, 4000).map_err(at)?;
        }
        Ok(())
    }
}

cbor_array! {
    /// One key of a `blob_grant`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct GrantedKey {
        /// The blob, by its ciphertext.
        pub b3_cipher: Digest,
        /// Its key.
        pub key: [u8; 32],
    }
}

impl std::fmt::Debug for GrantedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GrantedKey({})", self.b3_cipher.short())
    }
}

cbor_array! {
    /// Body of `blob_grant`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct BlobGrant {
        /// The keys.
        pub keys: Vec<GrantedKey>,
    }
}

cbor_array! {
    /// Body of `blob_request`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct BlobRequest {
        /// The blobs, by their ciphertext.
        pub blobs: Vec<Digest>,
    }
}
