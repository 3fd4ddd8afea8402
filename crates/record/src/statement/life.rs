//! Bodies of what is said in a case beyond the first nine kinds (docs/protocol.md §6.1): progress and results, transfer,
//! recall, feedback, disputes, harm assessed, consent. A fault of form is told by the body's own field path.

use super::{MAX_ITEMS, Tlp};
use crate::cbor::{Bytes, Fault};
use crate::form::check::{handling_code_faults, harm_faults};
use crate::form::{Form, HarmFactor, MAX_COMPLAINTS};
use crate::id::{MsgId, Pid, ThreadId};
use crate::identity::check_text;
use crate::{cbor_array, cbor_grown, codes};
use serde::{Deserialize, Serialize};

/// Characters of a text or note at most.
pub const MAX_TEXT: usize = 32 * 1024;
/// Participants that one consent names at most.
const MAX_ONWARD: usize = 32;

/// A text of 1 to [`MAX_TEXT`] characters.
pub(super) fn text(path: &str, text: &str) -> Result<(), Fault> {
    check_text(path, text, 1, MAX_TEXT)
}

/// A text that may be left out, but not be empty.
pub(super) fn maybe(path: &str, text: &Option<String>, max: usize) -> Result<(), Fault> {
    text.as_deref().map_or(Ok(()), |text| check_text(path, text, 1, max))
}

/// Numbers of assistance items: each once, ascending.
fn items(items: &[u64], min: usize) -> Result<(), Fault> {
    let at = |what: &str| Err(Fault::here(what).within("items"));
    if items.len() < min {
        return at("name at least one assistance item");
    }
    if items.windows(2).any(|w| w[0] >= w[1]) {
        return at("must name each once, ascending");
    }
    if items.last().is_some_and(|last| *last >= MAX_ITEMS) {
        return at("an assistance item has a number from 0 to 63");
    }
    Ok(())
}

cbor_grown! {
    /// Body of `supplement`: answers, and what of the pro forma changes. The form in force is that of the submit with
    /// those of all supplements laid over it in order ([`Form::supplemented`]).
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Supplement {
        /// In words.
        pub text: String;
        /// Fields of the pro forma that change. Items of evidence are added to the manifest; whatever else is stated
        /// replaces what was there.
        1 => pub form: Form,
    }
}

impl Supplement {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        text("text", &self.text)?;
        let Some(form) = &self.form else { return Ok(()) };
        let fixed = [
            ("form.pro_forma_version", form.pro_forma_version.is_some()),
            ("form.kind", form.kind.is_some()),
            ("form.created_at", form.created_at.is_some()),
            ("form.transferred_from", form.transferred_from.is_some()),
        ];
        match fixed.into_iter().find(|(_, said)| *said) {
            Some((path, _)) => Err(Fault::here("stays as it was submitted").within(path)),
            None => Ok(()),
        }
    }
}

cbor_array! {
    /// Body of `progress`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Progress {
        /// What was done, what comes next.
        pub text: String,
        /// Milliseconds UTC by which a result is expected.
        pub expected: Option<u64>,
    }
}

impl Progress {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        text("text", &self.text)
    }
}

codes! {
    /// What an `extend` puts off.
    pub enum Extended {
        /// The decision.
        0 "decide" => Decide,
        /// The results.
        1 "deliver" => Deliver,
    }
}

cbor_array! {
    /// Body of `extend`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Extend {
        /// What is put off.
        pub what: Extended,
        /// Milliseconds UTC by which it is expected.
        pub until: u64,
        /// Why.
        pub reason: String,
    }
}

impl Extend {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        text("reason", &self.reason)
    }
}

codes! {
    /// What came of a measure.
    pub enum Outcome {
        /// Somebody was identified.
        0 "identified" => Identified,
        /// Nobody could be identified.
        1 "not_identified" => NotIdentified,
        /// Evidence is handed over.
        2 "evidence_provided" => EvidenceProvided,
        /// Evidence is preserved.
        3 "evidence_preserved" => EvidencePreserved,
        /// Assets are frozen or recovered.
        4 "assets_frozen" => AssetsFrozen,
        /// The conduct has stopped.
        5 "stopped" => Stopped,
        /// Somebody was warned.
        6 "warned" => Warned,
        /// Somebody was sanctioned.
        7 "sanctioned" => Sanctioned,
        /// Proceedings were opened.
        8 "proceedings_opened" => ProceedingsOpened,
        /// Victims were told.
        9 "victims_notified" => VictimsNotified,
        /// The questions are answered.
        10 "answered" => Answered,
        /// Nothing came of it.
        11 "none" => None,
        /// Something else, in words.
        12 "other" => Other,
    }
}

cbor_array! {
    /// How a result may be used: the target's own markings.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Limits {
        /// TLP 2.0; null: as the case.
        #[serde(default)]
        pub tlp: Option<Tlp>,
        /// `H0`, `H1`, `H2`, `H3:` and a condition, ascending, as in the pro forma.
        #[serde(default)]
        pub handling_codes: Vec<String>,
        /// In words.
        #[serde(default)]
        pub words: Option<String>,
    }
}

codes! {
    /// What became of a complaint of a batch.
    pub enum ComplaintOutcome {
        /// Something was done about it.
        0 "action_taken" => ActionTaken,
        /// It goes on under another reference.
        1 "merged_with" => MergedWith,
        /// Nothing will be done about it.
        2 "no_action" => NoAction,
        /// The target is not competent for it.
        3 "not_competent" => NotCompetent,
        /// Nothing came of it yet.
        4 "pending" => Pending,
    }
}

cbor_array! {
    /// What became of one complaint of a batch.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct ComplaintResult {
        /// Its place in the batch, from 0.
        pub complaint: u64,
        /// What became of it.
        pub outcome: ComplaintOutcome,
        /// Of `merged_with`, and only there: the target's reference that it goes on under.
        #[serde(default)]
        pub merged_with: Option<String>,
        /// In words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl ComplaintResult {
    fn check(&self) -> Result<(), Fault> {
        if self.complaint >= MAX_COMPLAINTS as u64 {
            return Err(Fault::here("a complaint has a place from 0 to 999").within("complaint"));
        }
        if (self.outcome == ComplaintOutcome::MergedWith) != self.merged_with.is_some() {
            return Err(Fault::here("a merged complaint, and only that, names what with").within("merged_with"));
        }
        maybe("merged_with", &self.merged_with, 100)?;
        maybe("note", &self.note, 500)
    }
}

cbor_grown! {
    /// Body of `result_interim` and `result_final`. Evidence stands in the statement's own list.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Outcomes {
        /// The assistance items, accepted before, ascending; may be empty where it is on complaints of a batch.
        #[serde(default)]
        pub items: Vec<u64>,
        /// The measure taken.
        pub measure: String,
        /// What came of it.
        pub outcome: Outcome,
        /// In words.
        pub text: String,
        /// How it may be used.
        #[serde(default)]
        pub limits: Limits;
        /// What became of complaints of the batch, ascending, each once.
        1 => pub complaints: Vec<ComplaintResult>,
    }
}

impl Outcomes {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        items(&self.items, usize::from(self.complaints.is_none()))?;
        if let Some(complaints) = &self.complaints {
            if complaints.is_empty() || complaints.windows(2).any(|w| w[0].complaint >= w[1].complaint) {
                return Err(Fault::here("must name at least one, each once, ascending").within("complaints"));
            }
            for (i, complaint) in complaints.iter().enumerate() {
                complaint.check().map_err(|f| f.within(&format!("complaints.{i}")))?;
            }
        }
        check_text("measure", &self.measure, 1, 500)?;
        text("text", &self.text)?;
        maybe("limits.words", &self.limits.words, 2000)?;
        handling_code_faults("limits.handling_codes", &self.limits.handling_codes)
            .into_iter()
            .next()
            .map_or(Ok(()), Err)
    }
}

cbor_array! {
    /// Body of `transfer_proposed`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct TransferProposed {
        /// The agency that shall act instead.
        pub to: Pid,
        /// The assistance items that go there, ascending.
        pub items: Vec<u64>,
        /// Why there.
        pub why: String,
    }
}

impl TransferProposed {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        items(&self.items, 1)?;
        text("why", &self.why)
    }
}

cbor_array! {
    /// Body of `transfer_consent`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct TransferConsent {
        /// The proposal that it answers.
        pub proposal: MsgId,
        /// Yes or no.
        pub granted: bool,
        /// Conditions of a yes, reasons of a no.
        #[serde(default)]
        pub conditions: Option<String>,
    }
}

impl TransferConsent {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        maybe("conditions", &self.conditions, 4000)
    }
}

cbor_array! {
    /// Body of `transferred`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Transferred {
        /// The proposal that was carried out.
        pub proposal: MsgId,
        /// The new case, between the target and the new agency.
        pub thread: ThreadId,
        /// The new agency.
        pub to: Pid,
        /// Its node's receipt of the submit: the bytes of its Sign1 over [`super::Receipt`].
        #[serde(with = "as_hex")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        pub receipt: Bytes,
    }
}

impl Transferred {
    /// The rules of form. Whether the receipt holds needs the new agency's keys, and is not judged here.
    pub fn check(&self) -> Result<(), Fault> {
        match self.receipt.len() {
            1..=4096 => Ok(()),
            _ => Err(Fault::here("must be 1 to 4096 bytes").within("receipt")),
        }
    }
}

/// Bytes as hexadecimal digits in JSON.
mod as_hex {
    use crate::cbor::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
        match digits {
            Some(digits) if digits.len() % 2 == 0 => Ok(Bytes(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect())),
            _ => Err(D::Error::custom("must be hexadecimal digits")),
        }
    }
}

cbor_array! {
    /// Body of `reminder`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Reminder {
        /// What is waited for, and why it matters now.
        #[serde(default)]
        pub text: Option<String>,
    }
}

impl Reminder {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        maybe("text", &self.text, 4000)
    }
}

codes! {
    /// Why a referral is recalled.
    pub enum RecallReason {
        /// The target does not take part in full any more (docs/protocol.md §4.7).
        0 "suspended" => Suspended,
        /// It should not have been sent.
        1 "sent_in_error" => SentInError,
        /// A court ordered it.
        2 "court_order" => CourtOrder,
        /// Something else, in words.
        3 "other" => Other,
    }
}

cbor_array! {
    /// Body of `recall`: a request to give back or destroy, never more.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Recall {
        /// Why.
        pub reason: RecallReason,
        /// In words; owed for `other`.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl Recall {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.reason == RecallReason::Other && self.note.is_none() {
            return Err(Fault::here("say why, where the reason is `other`").within("note"));
        }
        maybe("note", &self.note, 4000)
    }
}

codes! {
    /// What became of content that was recalled.
    pub enum Attested {
        /// It was destroyed.
        0 "destroyed" => Destroyed,
        /// A law keeps it.
        1 "retained_under" => RetainedUnder,
    }
}

cbor_array! {
    /// Body of `recall_answer`: what the target says it did. Nothing is done by remote hand.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct RecallAnswer {
        /// The recall.
        pub recall: MsgId,
        /// What became of the content.
        pub attested: Attested,
        /// The law that keeps it, of `retained_under`.
        #[serde(default)]
        pub law: Option<String>,
        /// In words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl RecallAnswer {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if (self.attested == Attested::RetainedUnder) != self.law.is_some() {
            return Err(Fault::here("content retained, and only that, names its law").within("law"));
        }
        maybe("law", &self.law, 500)?;
        maybe("note", &self.note, 4000)
    }
}

cbor_array! {
    /// Body of `feedback`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Feedback {
        /// What the results were good for.
        pub text: String,
    }
}

impl Feedback {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        text("text", &self.text)
    }
}

cbor_array! {
    /// Body of `reopen`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Reopen {
        /// The assistance items to be looked at again, ascending; empty: the case, its decisions standing.
        #[serde(default)]
        pub items: Vec<u64>,
        /// Why.
        pub reason: String,
    }
}

impl Reopen {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        items(&self.items, 0)?;
        text("reason", &self.reason)
    }
}

codes! {
    /// What is disputed.
    pub enum Disputed {
        /// The urgency as stated, or as taken.
        0 "urgency" => Urgency,
        /// A decision.
        1 "decision" => Decision,
        /// The harm as stated, or as assessed.
        2 "harm" => Harm,
        /// Something else.
        3 "other" => Other,
    }
}

cbor_array! {
    /// Body of `dispute`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Dispute {
        /// About what.
        pub about: Disputed,
        /// The assistance item, of a decision.
        #[serde(default)]
        pub item: Option<u64>,
        /// Why.
        pub text: String,
    }
}

impl Dispute {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if (self.about == Disputed::Decision) != self.item.is_some() {
            return Err(Fault::here("a disputed decision, and only that, names its item").within("item"));
        }
        text("text", &self.text)
    }
}

cbor_array! {
    /// Body of `compelled_disclosure_notice`: a court or an information law forced content out.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct CompelledDisclosure {
        /// The law or order.
        pub law: String,
        /// To whom, in words.
        pub to_whom: String,
        /// What was, or will be, disclosed.
        pub what: String,
        /// Milliseconds UTC of the disclosure, where it is known.
        #[serde(default)]
        pub at: Option<u64>,
    }
}

impl CompelledDisclosure {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        check_text("law", &self.law, 1, 500)?;
        check_text("to_whom", &self.to_whom, 1, 500)?;
        text("what", &self.what)
    }
}

cbor_array! {
    /// Body of `assess`: the harm as this side sees it, by the factors of the pro forma (docs/protocol.md §6.2).
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Assessment {
        /// The factors, ascending, each once.
        pub harm: Vec<HarmFactor>,
        /// What it rests on, in words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl Assessment {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        maybe("note", &self.note, 4000)?;
        harm_faults(&self.harm).into_iter().next().map_or(Ok(()), Err)
    }
}

cbor_array! {
    /// Body of `seen`: a person of this side has read what the other said, up to and with a statement.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Seen {
        /// The newest that was read.
        pub upto: MsgId,
    }
}

cbor_array! {
    /// What a consent covers, beyond the markings.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Scope {
        /// Participants that it may be passed on to, ascending.
        #[serde(default)]
        pub onward: Vec<Pid>,
        /// Whether it may be passed on to competent agencies of one's own country.
        #[serde(default)]
        pub domestic: bool,
        /// To whom else, or how, in words.
        #[serde(default)]
        pub dissemination: Option<String>,
        /// Whether it may be used before a court.
        #[serde(default)]
        pub judicial_use: bool,
    }
}

impl Scope {
    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.onward.is_empty() && !self.domestic && self.dissemination.is_none() && !self.judicial_use
    }

    fn check(&self) -> Result<(), Fault> {
        if self.onward.len() > MAX_ONWARD || self.onward.windows(2).any(|w| w[0] >= w[1]) {
            let what = format!("must name at most {MAX_ONWARD} participants, each once, ascending");
            return Err(Fault::here(what).within("scope.onward"));
        }
        maybe("scope.dissemination", &self.dissemination, 2000)
    }
}

cbor_array! {
    /// Body of `consent_request`.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct ConsentRequest {
        /// What is asked for.
        pub scope: Scope,
        /// What for.
        pub reason: String,
    }
}

impl ConsentRequest {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.scope.is_empty() {
            return Err(Fault::here("asks for nothing").within("scope"));
        }
        self.scope.check()?;
        text("reason", &self.reason)
    }
}

cbor_array! {
    /// Body of `consent`: the signer releases its own content beyond the markings, asked or unasked, or says no.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct ConsentGiven {
        /// The request that it answers; null where it is volunteered.
        #[serde(default)]
        pub request: Option<MsgId>,
        /// Yes, or no. A no without a request ends what was volunteered before.
        pub granted: bool,
        /// What it covers; of a no: nothing.
        #[serde(default)]
        pub scope: Scope,
        /// Milliseconds UTC until which it holds.
        #[serde(default)]
        pub until: Option<u64>,
        /// Conditions of a yes, reasons of a no.
        #[serde(default)]
        pub conditions: Option<String>,
    }
}

impl ConsentGiven {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.granted == self.scope.is_empty() {
            return Err(Fault::here("a yes, and only a yes, says what it covers").within("scope"));
        }
        if !self.granted && self.until.is_some() {
            return Err(Fault::here("a no has no end").within("until"));
        }
        self.scope.check()?;
        maybe("conditions", &self.conditions, 4000)
    }
}
