//! A statement's body by its kind: one place that knows which record stands where.

use super::life::text;
use super::*;
use crate::form::Form;
use crate::identity::check_text;

macro_rules! bodies {
    ($($kind:ident($ty:ty)),+ $(,)?) => {
        /// The body of a statement.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Body {
            $(#[doc = concat!("Of ", stringify!($kind), ".")] $kind(Box<$ty>)),+
        }

        impl Body {
            /// Reads the body of a statement of this kind. Its rules of form are [`Body::check`]'s.
            pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Body, DecodeError> {
                Ok(match kind { $(Kind::$kind => Body::$kind(Box::new(cbor::decode::<$ty>(bytes, MAX_PLAIN)?))),+ })
            }

            /// The kind whose body it is.
            pub const fn kind(&self) -> Kind {
                match self { $(Body::$kind(_) => Kind::$kind),+ }
            }

            /// Its bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self { $(Body::$kind(body) => encode(&**body)),+ }
            }
        }
    };
}

bodies! {
    Submit(Form),
    Acknowledge(Acknowledge),
    NeedInfo(Text),
    Supplement(Supplement),
    Decide(Decide),
    Withdraw(Ending),
    Close(Ending),
    BlobGrant(BlobGrant),
    BlobRequest(BlobRequest),
    Progress(Progress),
    Extend(Extend),
    DelayReasons(Text),
    ResultInterim(Outcomes),
    ResultFinal(Outcomes),
    TransferProposed(TransferProposed),
    TransferConsent(TransferConsent),
    Transferred(Transferred),
    Reminder(Reminder),
    Recall(Recall),
    RecallAnswer(RecallAnswer),
    Feedback(Feedback),
    Reopen(Reopen),
    Dispute(Dispute),
    CompelledDisclosureNotice(CompelledDisclosure),
    Assess(Assessment),
    Seen(Seen),
    ConsentRequest(ConsentRequest),
    Consent(ConsentGiven),
    JointPlan(JointPlan),
    JointTask(JointTask),
}

impl Body {
    /// The rules of form that the body shows by itself. Of a pro forma: [`crate::form::check::check`] says more.
    pub fn check(&self) -> Result<(), Fault> {
        match self {
            Body::Submit(_) | Body::BlobGrant(_) | Body::BlobRequest(_) | Body::Seen(_) => Ok(()),
            Body::Acknowledge(a) => {
                check_text("own_reference", &a.own_reference, 1, 100)?;
                check_text("note", a.note.as_deref().unwrap_or_default(), 0, 4000)
            }
            Body::NeedInfo(t) | Body::DelayReasons(t) => text("text", &t.text),
            Body::Supplement(s) => s.check(),
            Body::Decide(d) => d.check(),
            Body::Withdraw(e) | Body::Close(e) => {
                check_text("note", e.note.as_deref().unwrap_or_default(), 0, MAX_TEXT)
            }
            Body::Progress(p) => p.check(),
            Body::Extend(e) => e.check(),
            Body::ResultInterim(r) | Body::ResultFinal(r) => r.check(),
            Body::TransferProposed(t) => t.check(),
            Body::TransferConsent(t) => t.check(),
            Body::Transferred(t) => t.check(),
            Body::Reminder(r) => r.check(),
            Body::Recall(r) => r.check(),
            Body::RecallAnswer(r) => r.check(),
            Body::Feedback(f) => f.check(),
            Body::Reopen(r) => r.check(),
            Body::Dispute(d) => d.check(),
            Body::CompelledDisclosureNotice(c) => c.check(),
            Body::Assess(a) => a.check(),
            Body::ConsentRequest(c) => c.check(),
            Body::Consent(c) => c.check(),
            Body::JointPlan(p) => p.check(),
            Body::JointTask(t) => t.check(),
        }
    }
}

/// As people and programs read it; of keys, only what they open. A pro forma by its subject line alone.
impl serde::Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Body::Submit(form) => s.collect_map([("subject_line", &form.subject_line)]),
            Body::BlobGrant(b) => s.collect_map([("blobs", b.keys.iter().map(|k| k.b3_cipher).collect::<Vec<_>>())]),
            Body::BlobRequest(b) => s.collect_map([("blobs", &b.blobs)]),
            Body::Acknowledge(b) => b.serialize(s),
            Body::NeedInfo(b) | Body::DelayReasons(b) => b.serialize(s),
            Body::Supplement(b) => b.serialize(s),
            Body::Decide(b) => b.serialize(s),
            Body::Withdraw(b) | Body::Close(b) => b.serialize(s),
            Body::Progress(b) => b.serialize(s),
            Body::Extend(b) => b.serialize(s),
            Body::ResultInterim(b) | Body::ResultFinal(b) => b.serialize(s),
            Body::TransferProposed(b) => b.serialize(s),
            Body::TransferConsent(b) => b.serialize(s),
            Body::Transferred(b) => b.serialize(s),
            Body::Reminder(b) => b.serialize(s),
            Body::Recall(b) => b.serialize(s),
            Body::RecallAnswer(b) => b.serialize(s),
            Body::Feedback(b) => b.serialize(s),
            Body::Reopen(b) => b.serialize(s),
            Body::Dispute(b) => b.serialize(s),
            Body::CompelledDisclosureNotice(b) => b.serialize(s),
            Body::Assess(b) => b.serialize(s),
            Body::Seen(b) => b.serialize(s),
            Body::ConsentRequest(b) => b.serialize(s),
            Body::Consent(b) => b.serialize(s),
            Body::JointPlan(b) => b.serialize(s),
            Body::JointTask(b) => b.serialize(s),
        }
    }
}
