//! The open part of a statement: ids, kinds, hashes, deadlines and transitions, which alone decide where a case is.

use lapwing_record::cbor::DecodeError;
use lapwing_record::form::{Form, Onward, ReferralKind, UrgencyLevel};
use lapwing_record::id::{Digest, MsgId, Pid, ThreadId};
use lapwing_record::membership::ApprovalError;
use lapwing_record::statement::{
    Assurance, BlobRef, Body, ComplaintOutcome, Decision, Extended, Ground, Kind, MAX_ITEMS, RecallReason, Stmt,
    TaskState, Tlp,
};
use lapwing_record::{blob, cbor_array, cbor_form, cbor_grown, cbor_tagged};
use serde::{Deserialize, Serialize};

cbor_array! {
    /// A piece of evidence in the open part: what transfers need to know.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenBlob {
        /// Its name on the network.
        pub b3_cipher: Digest,
        /// Ciphertext bytes.
        pub sealed_len: u64,
    }
}

cbor_array! {
    /// A decided item in the open part.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenDecision {
        /// The item.
        pub item: u64,
        /// The decision.
        pub decision: Decision,
        /// Whether the ground is `insufficient_information`, which needs a question first.
        pub for_want_of_information: bool,
    }
}

cbor_form! {
    /// Of a submit, and of a supplement that changes the form: what of the pro forma decides what may follow.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct OpenForm {
        /// The kind of referral: deadlines.
        1 => pub kind: ReferralKind,
        /// Whether it is time critical: deadlines.
        2 => pub urgent: bool,
        /// Whether confidentiality is asked for: held-back evidence.
        3 => pub confidential: bool,
        /// TLP 2.0: transfer.
        4 => pub tlp: Tlp,
        /// Whether it may be passed on: transfer.
        5 => pub onward: Onward,
        /// Whether `H2`, no dissemination without permission, stands: transfer.
        6 => pub no_dissemination: bool,
        /// Assistance items.
        7 => pub items: u64,
        /// Evidence whose key is held back, by its name on the network.
        8 => pub held_back: Vec<Digest>,
        /// Complaints of a batch.
        9 => pub complaints: u64,
    }
}

impl OpenForm {
    fn of(form: &Form, blobs: &[BlobRef]) -> Self {
        let held = form.evidence.iter().flatten().filter(|item| item.is_held_back());
        let held_back: Vec<Digest> =
            held.filter_map(|item| blobs.iter().find(|b| b.sha256_plain == item.sha256)).map(|b| b.b3_cipher).collect();
        OpenForm {
            kind: form.kind,
            urgent: form.urgency.as_ref().map(|u| u.level == UrgencyLevel::TimeCritical),
            confidential: form.confidentiality_requested,
            tlp: form.tlp,
            onward: form.onward,
            no_dissemination: form.handling_codes.as_ref().map(|codes| codes.iter().any(|c| c == "H2")),
            items: form.assistance.as_ref().map(|a| a.len() as u64),
            held_back: Some(held_back).filter(|h| !h.is_empty()),
            complaints: form.complaints.as_ref().map(|c| c.len() as u64),
            unknown: Vec::new(),
        }
    }

    /// What a later one says is laid over it.
    pub(super) fn amend(&mut self, later: &OpenForm) {
        fn over<T: Clone>(before: &mut Option<T>, later: &Option<T>) {
            if later.is_some() {
                before.clone_from(later);
            }
        }
        over(&mut self.kind, &later.kind);
        over(&mut self.urgent, &later.urgent);
        over(&mut self.confidential, &later.confidential);
        over(&mut self.tlp, &later.tlp);
        over(&mut self.onward, &later.onward);
        over(&mut self.no_dissemination, &later.no_dissemination);
        over(&mut self.items, &later.items);
        over(&mut self.complaints, &later.complaints);
        if let Some(more) = &later.held_back {
            self.held_back.get_or_insert_default().extend(more);
        }
    }

    /// Whether passing the referral on needs its requester's consent. What is not stated is not permitted.
    pub fn transfer_needs_consent(&self) -> bool {
        self.tlp == Some(Tlp::Red)
            || self.no_dissemination == Some(true)
            || self.onward != Some(Onward::DomesticCompetentAgencies)
    }
}

cbor_array! {
    /// Of an acknowledgement.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenAcknowledge {
        /// Milliseconds UTC by which it expects to decide.
        pub decision_by: Option<u64>,
        /// Confidentiality.
        pub assurance: Assurance,
    }
}

cbor_array! {
    /// Of an extend.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenExtend {
        /// What is put off.
        pub what: Extended,
        /// Milliseconds UTC.
        pub until: u64,
    }
}

cbor_array! {
    /// Of a transfer_proposed.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenProposal {
        /// The other agency.
        pub to: Pid,
        /// The assistance items.
        pub items: Vec<u64>,
    }
}

cbor_array! {
    /// Of a transfer_consent.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenAnswer {
        /// The proposal.
        pub proposal: MsgId,
        /// Yes or no.
        pub granted: bool,
        /// Whether there are conditions, which stand in the content.
        pub conditional: bool,
    }
}

cbor_array! {
    /// Of a transferred.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenTransferred {
        /// The proposal.
        pub proposal: MsgId,
        /// The new case.
        pub thread: ThreadId,
        /// The new agency.
        pub to: Pid,
    }
}

cbor_array! {
    /// Of a consent.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenConsent {
        /// The request that it answers.
        pub request: Option<MsgId>,
        /// Yes or no.
        pub granted: bool,
        /// Participants that it names.
        pub onward: Vec<Pid>,
        /// Competent agencies of the receiver's own country.
        pub domestic: bool,
        /// Others, in words that stand in the content.
        pub dissemination: bool,
        /// Before a court.
        pub judicial_use: bool,
        /// Milliseconds UTC until which it holds.
        pub until: Option<u64>,
        /// Whether there are conditions, which stand in the content.
        pub conditional: bool,
    }
}

cbor_array! {
    /// Of a dispute.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenDispute {
        /// The item of a disputed decision.
        pub item: Option<u64>,
    }
}

cbor_array! {
    /// Of a joint_plan. The texts, and whom the lead discloses, stand in the content.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenPlan {
        /// The joint case.
        pub joint: Digest,
        /// The plan's version.
        pub version: u64,
        /// Numbers of the tasks, ascending.
        pub tasks: Vec<u64>,
    }
}

cbor_array! {
    /// Of a joint_task.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenTask {
        /// The joint case.
        pub joint: Digest,
        /// The task's number.
        pub n: u64,
        /// How far it is.
        pub state: TaskState,
    }
}

cbor_array! {
    /// Of a result on complaints of a batch.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct OpenResult {
        /// Assistance items.
        pub items: Vec<u64>,
        /// Complaints by their places, and what became of each.
        pub complaints: Vec<(u64, ComplaintOutcome)>,
    }
}

cbor_tagged! {
    /// What of a statement decides beyond its kind. Absent in what programs before it wrote.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub enum Detail {
        /// Of submit and supplement.
        0 => Form(OpenForm),
        /// Of acknowledge.
        1 => Acknowledge(OpenAcknowledge),
        /// Of progress: milliseconds UTC at which a result is expected. Of decide: until when items are deferred.
        2 => Expected(u64),
        /// Of extend.
        3 => Extend(OpenExtend),
        /// Of results and reopen: assistance items.
        4 => Items(Vec<u64>),
        /// Of transfer_proposed.
        5 => Proposal(OpenProposal),
        /// Of transfer_consent.
        6 => Answer(OpenAnswer),
        /// Of transferred.
        7 => Transferred(OpenTransferred),
        /// Of recall.
        8 => Recall(RecallReason),
        /// Of recall_answer and seen: the statement that it names.
        9 => Names(MsgId),
        /// Of consent.
        10 => Consent(OpenConsent),
        /// Of blob_grant and blob_request: the blobs.
        11 => Blobs(Vec<Digest>),
        /// Of dispute.
        12 => Dispute(OpenDispute),
        /// Of joint_plan.
        13 => JointPlan(OpenPlan),
        /// Of joint_task.
        14 => JointTask(OpenTask),
        /// Of results that speak of complaints.
        15 => Result(OpenResult),
    }
}

cbor_grown! {
    /// What of a statement decides the case's state.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Open {
        /// The case.
        pub thread: ThreadId,
        /// The statement.
        pub id: MsgId,
        /// Number among its sender's.
        pub msg_no: u64,
        /// Its sender's before.
        pub prev_own: Option<MsgId>,
        /// The newest of the other side's that its sender had.
        pub seen_peer: Option<MsgId>,
        /// The sender.
        pub from: Pid,
        /// The recipient.
        pub to: Pid,
        /// What it is.
        pub kind: Kind,
        /// The sender's milliseconds UTC.
        pub clock: u64,
        /// Milliseconds UTC after which delivery is given up.
        pub expires: u64,
        /// How it may be handled.
        pub handling: Tlp,
        /// Of a submit: assistance items asked for.
        pub items: u64,
        /// Of a decide: the decisions.
        pub decisions: Vec<OpenDecision>,
        /// Evidence named.
        pub blobs: Vec<OpenBlob>;
        /// What its kind decides with.
        1 => pub detail: Detail,
    }
}

/// Why the content of a statement does not fit its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The body does not decode or breaks a rule of form.
    #[error("{kind}: {why}")]
    Body {
        /// The kind's token.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Approvals.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
}

impl Open {
    /// What a statement says of itself around its body: all that is known of one whose body does not read.
    pub fn bare(stmt: &Stmt) -> Open {
        let blob = |b: &BlobRef| OpenBlob { b3_cipher: b.b3_cipher, sealed_len: blob::sealed_len(b.size) };
        Open {
            thread: stmt.thread,
            id: stmt.id(),
            msg_no: stmt.msg_no,
            prev_own: stmt.prev_own,
            seen_peer: stmt.seen_peer,
            from: stmt.from,
            to: stmt.to,
            kind: stmt.kind,
            clock: stmt.clock,
            expires: stmt.expires,
            handling: stmt.handling,
            items: 0,
            decisions: Vec::new(),
            blobs: stmt.blobs.iter().map(blob).collect(),
            detail: None,
            unknown: Vec::new(),
        }
    }

    /// The open part of a statement.
    pub fn of(stmt: &Stmt) -> Result<Open, OpenError> {
        let fault = |why: String| OpenError::Body { kind: stmt.kind.code(), why };
        let body = Body::decode(stmt.kind, &stmt.body).map_err(|e: DecodeError| fault(e.to_string()))?;
        body.check().map_err(|f| fault(f.to_string()))?;
        let mut open = Open::bare(stmt);
        match &body {
            Body::Submit(form) => {
                open.items = form.assistance.as_ref().map_or(0, |a| a.len() as u64);
                if open.items > MAX_ITEMS {
                    return Err(fault(format!("more than {MAX_ITEMS} assistance items")));
                }
            }
            Body::Decide(decide) => {
                let decision = |d: &lapwing_record::statement::ItemDecision| OpenDecision {
                    item: d.item,
                    decision: d.decision,
                    for_want_of_information: d.ground == Some(Ground::InsufficientInformation),
                };
                open.decisions = decide.items.iter().map(decision).collect();
            }
            _ => {}
        }
        open.detail = detail(&body, &stmt.blobs);
        Ok(open)
    }
}

fn detail(body: &Body, blobs: &[BlobRef]) -> Option<Detail> {
    Some(match body {
        Body::Submit(form) => Detail::Form(OpenForm::of(form, blobs)),
        Body::Supplement(s) => Detail::Form(OpenForm::of(s.form.as_ref()?, blobs)),
        Body::Acknowledge(a) => {
            Detail::Acknowledge(OpenAcknowledge { decision_by: a.decision_by, assurance: a.assurance })
        }
        Body::Progress(p) => Detail::Expected(p.expected?),
        Body::Decide(d) => Detail::Expected(d.items.iter().filter_map(|item| item.until).max()?),
        Body::Extend(e) => Detail::Extend(OpenExtend { what: e.what, until: e.until }),
        Body::ResultInterim(r) | Body::ResultFinal(r) => match &r.complaints {
            None => Detail::Items(r.items.clone()),
            Some(complaints) => Detail::Result(OpenResult {
                items: r.items.clone(),
                complaints: complaints.iter().map(|c| (c.complaint, c.outcome)).collect(),
            }),
        },
        Body::Reopen(r) => Detail::Items(r.items.clone()),
        Body::TransferProposed(t) => Detail::Proposal(OpenProposal { to: t.to, items: t.items.clone() }),
        Body::TransferConsent(t) => {
            Detail::Answer(OpenAnswer { proposal: t.proposal, granted: t.granted, conditional: t.conditions.is_some() })
        }
        Body::Transferred(t) => {
            Detail::Transferred(OpenTransferred { proposal: t.proposal, thread: t.thread, to: t.to })
        }
        Body::Recall(r) => Detail::Recall(r.reason),
        Body::RecallAnswer(r) => Detail::Names(r.recall),
        Body::Seen(s) => Detail::Names(s.upto),
        Body::Dispute(d) => Detail::Dispute(OpenDispute { item: d.item }),
        Body::Consent(c) => Detail::Consent(OpenConsent {
            request: c.request,
            granted: c.granted,
            onward: c.scope.onward.clone(),
            domestic: c.scope.domestic,
            dissemination: c.scope.dissemination.is_some(),
            judicial_use: c.scope.judicial_use,
            until: c.until,
            conditional: c.conditions.is_some(),
        }),
        Body::JointPlan(p) => Detail::JointPlan(OpenPlan {
            joint: p.joint,
            version: p.version,
            tasks: p.tasks.iter().map(|t| t.n).collect(),
        }),
        Body::JointTask(t) => Detail::JointTask(OpenTask { joint: t.joint, n: t.n, state: t.state }),
        Body::BlobGrant(g) => Detail::Blobs(g.keys.iter().map(|k| k.b3_cipher).collect()),
        Body::BlobRequest(r) => Detail::Blobs(r.blobs.clone()),
        Body::NeedInfo(_)
        | Body::DelayReasons(_)
        | Body::Withdraw(_)
        | Body::Close(_)
        | Body::Reminder(_)
        | Body::Feedback(_)
        | Body::CompelledDisclosureNotice(_)
        | Body::Assess(_)
        | Body::ConsentRequest(_) => return None,
    })
}
