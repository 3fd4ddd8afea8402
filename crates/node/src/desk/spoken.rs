//! What a caller wants said: its body by kind, faults told by the path of the request, and what goes with it.

use super::contacts::{fault, refuse};
use super::hex;
use lapwing_api::problem::{FieldFault, Problem};
use lapwing_api::types::{ApprovalIn, Saying};
use lapwing_record::id::Digest;
use lapwing_record::statement::*;

/// What is to be said: its body, who approved it, and what was uploaded for it.
pub(super) struct Spoken {
    pub(super) body: Body,
    pub(super) approvals: Vec<ApprovalIn>,
    /// SHA-256 of items that were uploaded into the case.
    pub(super) evidence: Vec<Digest>,
    /// Own items whose keys are handed over.
    pub(super) grants: Vec<Digest>,
}

impl Spoken {
    /// The marking that the content itself asks for: the statement is never sent under a lesser one.
    pub(super) fn own_tlp(&self) -> Option<Tlp> {
        match &self.body {
            Body::ResultInterim(result) | Body::ResultFinal(result) => result.limits.tlp,
            Body::Supplement(more) => more.form.as_ref()?.tlp,
            _ => None,
        }
    }

    /// Reads a request; every fault of form is told with its path in it.
    pub(super) fn of(saying: Saying) -> Result<Self, Problem> {
        let (mut approved, mut evidence, mut grants) = (Vec::new(), Vec::new(), Vec::new());
        // where the body's fields stand in the request
        let mut within = Some("body");
        let mut flat = |body| {
            within = None;
            body
        };
        let body = match saying {
            Saying::Acknowledge { body, approvals } => {
                approved = approvals;
                Body::Acknowledge(body.into())
            }
            Saying::Decide { body, approvals } => {
                approved = approvals;
                Body::Decide(body.into())
            }
            Saying::NeedInfo { text } => flat(Body::NeedInfo(Text { text }.into())),
            Saying::DelayReasons { text } => flat(Body::DelayReasons(Text { text }.into())),
            Saying::Supplement { text, form } => {
                flat(Body::Supplement(Supplement { text, form: form.map(|f| *f), unknown: Vec::new() }.into()))
            }
            Saying::Withdraw { note } => flat(Body::Withdraw(Ending { note }.into())),
            Saying::Close { note } => flat(Body::Close(Ending { note }.into())),
            Saying::Reminder { text } => flat(Body::Reminder(Reminder { text }.into())),
            Saying::Feedback { text } => flat(Body::Feedback(Feedback { text }.into())),
            Saying::Seen { upto } => flat(Body::Seen(Seen { upto }.into())),
            Saying::BlobRequest { blobs } => flat(Body::BlobRequest(BlobRequest { blobs: listed(blobs)? }.into())),
            Saying::BlobGrant { blobs } => {
                grants = listed(blobs)?;
                // the keys are put in where they are
                flat(Body::BlobGrant(BlobGrant { keys: Vec::new() }.into()))
            }
            Saying::ResultInterim { body, evidence: named } => {
                evidence = hashes(&named)?;
                Body::ResultInterim(body.into())
            }
            Saying::ResultFinal { body, evidence: named } => {
                evidence = hashes(&named)?;
                Body::ResultFinal(body.into())
            }
            Saying::Progress { body } => Body::Progress(body.into()),
            Saying::Extend { body } => Body::Extend(body.into()),
            Saying::TransferProposed { body } => Body::TransferProposed(body.into()),
            Saying::TransferConsent { body } => Body::TransferConsent(body.into()),
            Saying::Recall { body } => Body::Recall(body.into()),
            Saying::RecallAnswer { body } => Body::RecallAnswer(body.into()),
            Saying::Reopen { body } => Body::Reopen(body.into()),
            Saying::Dispute { body } => Body::Dispute(body.into()),
            Saying::CompelledDisclosureNotice { body } => Body::CompelledDisclosureNotice(body.into()),
            Saying::Assess { body } => Body::Assess(body.into()),
            Saying::ConsentRequest { body } => Body::ConsentRequest(body.into()),
            Saying::Consent { body } => Body::Consent(body.into()),
            Saying::JointPlan { body } => Body::JointPlan(body.into()),
            Saying::JointTask { body } => Body::JointTask(body.into()),
        };
        let faults = body.check().err().map(|f| within.map_or(f.clone(), |path| f.within(path)));
        refuse(faults.into_iter().map(fault).collect(), &format!("the statement `{}`", body.kind()))?;
        Ok(Spoken { body, approvals: approved, evidence, grants })
    }

    /// A marking that its content brings along.
    pub(super) fn marking(&self) -> Option<Tlp> {
        match &self.body {
            Body::Supplement(s) => s.form.as_ref()?.tlp,
            Body::ResultInterim(r) | Body::ResultFinal(r) => r.limits.tlp,
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.body.kind()
    }
}

fn bad(path: &str, what: &str) -> Problem {
    let fault = FieldFault { path: path.into(), what: what.into() };
    refuse(vec![fault], "the statement").expect_err("it has a fault")
}

/// One or more items of evidence.
fn listed(blobs: Vec<Digest>) -> Result<Vec<Digest>, Problem> {
    match blobs.len() {
        1..=MAX_BLOBS => Ok(blobs),
        _ => Err(bad("blobs", "must name 1 to 256 items of evidence")),
    }
}

fn hashes(named: &[String]) -> Result<Vec<Digest>, Problem> {
    let read = |text: &String| hex::decode(text).and_then(|b| b.try_into().ok()).map(Digest);
    let all: Option<Vec<Digest>> = named.iter().map(read).collect();
    all.filter(|all| all.len() <= MAX_BLOBS)
        .ok_or_else(|| bad("evidence", "must be up to 256 times 64 hexadecimal digits: SHA-256 of each item"))
}
