//! What every operation takes and answers, and how it can fail: the one place where that stands.
//!
//! [`crate::ops`] says where an operation lives and who may use it; this table says the rest. Its match has no arm for
//! "others": a new operation does not compile until it says what it takes and answers. The document of [`crate::openapi`]
//! is made of both, and the tests hold the running node to it.

use crate::ops::{Access, Body, Method, Op, Role, Row};
use crate::problem::Code;
use crate::types::*;
use lapwing_record::directory::{Channel, LawArea, Measure, Profile, Role as ContactRole};
use lapwing_record::legal::LegalProfile;
use lapwing_record::register::Action;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Makes the schema of a type, with what it refers to put among the generator's definitions.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What an operation is sent.
#[derive(Clone, Copy)]
pub enum Takes {
    /// Nothing: a `GET`, or a `POST` of `{}`.
    Nothing,
    /// JSON of this type.
    Json(SchemaOf),
    /// Bytes.
    Bytes,
}

/// What an operation answers when it works.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this type, with this status.
    Json(u16, SchemaOf),
    /// A page of items of this type, as JSON or JSON Lines.
    List(SchemaOf),
    /// Bytes.
    Bytes,
    /// A file of this media type.
    File(&'static str),
    /// Text of this media type.
    Text(&'static str),
    /// A stream of server-sent events.
    Events,
    /// The document of the API.
    Document,
    /// A page to read.
    Html,
}

/// What an operation takes and answers.
#[derive(Clone, Copy)]
pub struct Contract {
    /// What it is sent.
    pub takes: Takes,
    /// What it answers.
    pub gives: Gives,
    /// Another status that it answers with in the same form: what was asked for was done before, or is not so.
    pub again: Option<u16>,
    /// How it can fail, beyond what its row says already (see [`codes`]).
    pub fails: &'static [Code],
}

impl Contract {
    const fn new(takes: Takes, gives: Gives) -> Self {
        Contract { takes, gives, again: None, fails: &[] }
    }

    fn gives<A: JsonSchema>() -> Self {
        Contract::new(Takes::Nothing, Gives::Json(200, schema::<A>))
    }

    fn list<A: JsonSchema>() -> Self {
        Contract::new(Takes::Nothing, Gives::List(schema::<A>))
    }

    fn call<T: JsonSchema, A: JsonSchema>(status: u16) -> Self {
        Contract::new(Takes::Json(schema::<T>), Gives::Json(status, schema::<A>))
    }

    const fn fails(self, fails: &'static [Code]) -> Self {
        Contract { fails, ..self }
    }
}

/// The contract of an operation.
pub fn contract(op: Op) -> Contract {
    use Code::*;
    match op {
        Op::Live => Contract::gives::<Done>(),
        Op::Ready => Contract { again: Some(503), ..Contract::gives::<Ready>() },
        Op::Health => Contract::gives::<Health>(),
        Op::Metrics => Contract::new(Takes::Nothing, Gives::Text("text/plain")),
        Op::Reach => Contract::gives::<Reach>().fails(&[NotFound, Ambiguous, Conflict, Unreachable, Stopping]),
        Op::NotifyTest => Contract::gives::<NotifyTested>().fails(&[Conflict]),
        Op::Status => Contract::gives::<Status>(),
        Op::WhoAmI => Contract::gives::<WhoAmI>(),
        Op::Tokens => Contract::list::<Token>(),
        Op::TokenNew => Contract::call::<TokenNew, TokenMade>(201).fails(&[Invalid, Conflict]),
        Op::TokenRevoke => Contract::gives::<Done>().fails(&[NotFound]),
        Op::Peers => Contract::list::<Peer>(),
        Op::Shutdown => Contract::gives::<Done>(),
        Op::AssertCurrent => Contract::gives::<Done>().fails(&[Stopping, DiskFull]),

        Op::Members => Contract::list::<Member>(),
        Op::Member => Contract::gives::<MemberDetail>().fails(&[NotFound, Ambiguous]),
        Op::Explain => Contract::gives::<Explained>().fails(&[NotFound, Ambiguous]),
        Op::Exposure => Contract::gives::<Exposure>().fails(&[NotFound, Ambiguous]),
        Op::Charter => Contract::gives::<CharterView>(),
        Op::Log => Contract::list::<LogRow>().fails(&[NotFound, Ambiguous]),

        Op::Contacts => Contract::list::<ContactRow>().fails(&[NotFound, Ambiguous]),
        Op::ContactPublish => Contract::call::<ContactIn, Written>(200).fails(OWN_ENTRY),
        Op::ProfilePublish => Contract::call::<Profile, Written>(200).fails(OWN_ENTRY),
        Op::LegalPublish => Contract::call::<LegalProfile, Written>(200).fails(OWN_ENTRY),
        Op::Arrangements => Contract::list::<ArrangementRow>().fails(&[NotFound, Ambiguous]),
        Op::ArrangementPublish => Contract::call::<ArrangementIn, Written>(200).fails(OWN_ENTRY),
        Op::Outcomes => Contract::list::<OutcomeRow>().fails(&[NotFound, Ambiguous]),
        Op::OutcomePublish => Contract::call::<OutcomeIn, Written>(200).fails(OWN_ENTRY),

        Op::Application => Contract::gives::<ApplicationState>(),
        Op::Applications => Contract::list::<ApplicationRow>(),
        Op::Introduce => Contract::gives::<Written>().fails(ABOUT_SOMEBODY),
        Op::Proposals => Contract::list::<ProposalView>(),
        Op::Propose => Contract::call::<Propose, ProposalView>(201).fails(ABOUT_SOMEBODY),
        Op::Proposal => Contract::gives::<ProposalView>().fails(&[NotFound, Ambiguous]),
        Op::Approve => Contract::call::<ApprovalIn, ApprovalOut>(200).fails(APPROVED),
        Op::DropProposal => Contract::gives::<Done>().fails(&[NotFound, Ambiguous, Conflict, Stopping, DiskFull]),
        Op::Motions => Contract::list::<MotionView>(),
        Op::Objection => Contract::gives::<ObjectionState>().fails(&[NotFound, Ambiguous]),
        Op::IdEntry => Contract::call::<EntryIn, Written>(200).fails(OWN_ENTRY),
        Op::Identity => Contract::gives::<IdentityView>(),
        Op::Notices => Contract::list::<NoticeView>(),

        Op::ReferralCheck => Contract::call::<Check, Checked>(200),
        Op::WhoCanAct => Contract::call::<WhoCanAct, Candidates>(200),
        Op::Drafts => {
            Contract::call::<DraftNew, Draft>(201).fails(&[NotFound, Ambiguous, Conflict, ContentGone, DiskFull])
        }
        Op::DraftList => Contract::list::<DraftRow>(),
        Op::DraftShow => Contract::gives::<DraftDetail>().fails(&[NotFound, Ambiguous, ContentGone]),
        Op::DraftSave => Contract::call::<DraftSave, DraftRow>(200).fails(DRAFT),
        Op::DraftApprove => Contract::gives::<DraftRow>().fails(DRAFT),
        Op::DraftDrop => Contract::gives::<Done>().fails(&[NotFound, Ambiguous, Conflict]),
        Op::EvidencePut => Contract::new(Takes::Bytes, Gives::Json(201, schema::<EvidenceView>)).fails(&[
            NotFound,
            Ambiguous,
            Invalid,
            Conflict,
            TooLarge,
            ContentGone,
            DiskFull,
        ]),
        Op::Submit => Contract { again: Some(200), ..Contract::call::<Submit, Said>(202) }.fails(SUBMIT),
        Op::Referrals => Contract::list::<ReferralRow>().fails(&[NotFound, Ambiguous]),
        Op::Referral => Contract::gives::<ReferralDetail>().fails(&[NotFound, Ambiguous, NotReleased]),
        Op::Prepare => Contract::call::<Saying, Prepared>(200).fails(PREPARED),
        Op::Say => Contract::call::<Saying, Said>(202).fails(LIFE),
        Op::PassOn => Contract { again: Some(200), ..Contract::call::<PassOn, Said>(202) }.fails(PASSED_ON),
        Op::EvidenceFetch => Contract::gives::<Done>().fails(&[NotFound, Ambiguous, ContentGone]),
        Op::EvidenceGet => Contract::new(Takes::Nothing, Gives::Bytes).fails(&[
            NotFound,
            Ambiguous,
            EvidenceNotHere,
            ContentGone,
            NotReleased,
        ]),
        Op::Export => Contract::new(Takes::Nothing, Gives::Bytes).fails(&[
            NotFound,
            Ambiguous,
            Conflict,
            ContentGone,
            NotReleased,
        ]),
        Op::ExportPdf => Contract::new(Takes::Nothing, Gives::File("application/pdf")).fails(EXPORTED),
        Op::ExportCsv => Contract::new(Takes::Nothing, Gives::File("text/csv")).fails(EXPORTED),
        Op::ExportXarf => Contract::new(Takes::Nothing, Gives::File("application/json")).fails(&[
            NotFound,
            Ambiguous,
            Invalid,
            EvidenceNotHere,
            ContentGone,
            NotReleased,
        ]),

        Op::Notes => Contract::list::<NoteView>().fails(&[NotFound, Ambiguous, NotReleased]),
        Op::NoteWrite => Contract::call::<NoteNew, Done>(200).fails(KEPT),
        Op::CaseAssign => Contract::call::<Assign, Done>(200).fails(KEPT),
        Op::Absences => Contract::list::<AbsenceView>(),
        Op::AbsenceSet => Contract::call::<AbsenceNew, Done>(200).fails(&[Invalid, Conflict, Stopping, DiskFull]),
        Op::Search => Contract::list::<ReferralRow>().fails(&[NotFound, Ambiguous, SearchNotReady]),
        Op::SearchFacets => Contract::gives::<SearchFacets>().fails(&[NotFound, Ambiguous, SearchNotReady]),
        Op::Seen => Contract::call::<SeenRequest, Seen>(200).fails(&[Invalid, SearchNotReady]),
        Op::SavedSearches => Contract::list::<SavedSearch>(),
        Op::SearchSave => {
            Contract::call::<SearchSave, SavedSearch>(200).fails(&[Invalid, Conflict, Stopping, DiskFull])
        }
        Op::SearchRun => {
            Contract::gives::<SavedRun>().fails(&[NotFound, Ambiguous, Conflict, SearchNotReady, Stopping, DiskFull])
        }
        Op::SearchDrop => Contract::gives::<Done>().fails(&[NotFound, Stopping, DiskFull]),
        Op::Joints => Contract::list::<JointRow>(),
        Op::Joint => Contract::gives::<JointDetail>().fails(&[NotFound, Ambiguous]),
        Op::CaseErase => Contract::gives::<Done>().fails(&[NotFound, Ambiguous, Conflict, Stopping, DiskFull]),
        Op::CaseHold => {
            Contract::call::<HoldRequest, Done>(200).fails(&[NotFound, Ambiguous, Conflict, Stopping, DiskFull])
        }
        Op::Erasures => Contract::list::<ErasedCase>(),
        Op::Audit => Contract::list::<AuditRow>(),
        Op::Backup => Contract::new(Takes::Nothing, Gives::Bytes).fails(&[Config, Stopping, DiskFull]),
        Op::OpenApi => Contract::new(Takes::Nothing, Gives::Document),
        Op::Docs => Contract::new(Takes::Nothing, Gives::Html),
        Op::Events => Contract::new(Takes::Nothing, Gives::Events),
    }
}

/// Pages and tables of a case.
const EXPORTED: &[Code] = &[Code::NotFound, Code::Ambiguous, Code::TooLarge, Code::ContentGone, Code::NotReleased];
/// An own entry: what stands in it may be refused, and the node may not be able to sign or write.
const OWN_ENTRY: &[Code] = &[
    Code::Invalid,
    Code::Conflict,
    Code::Standing,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];
/// One about somebody who is named.
const ABOUT_SOMEBODY: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Conflict,
    Code::Standing,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];
/// One that officers approve.
const APPROVED: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Approval,
    Code::Conflict,
    Code::Standing,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];
/// A draft.
const DRAFT: &[Code] =
    &[Code::NotFound, Code::Ambiguous, Code::Invalid, Code::Conflict, Code::ContentGone, Code::DiskFull];
/// Something internal to a case.
const KEPT: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Conflict,
    Code::ContentGone,
    Code::Stopping,
    Code::DiskFull,
];
/// A referral.
const SUBMIT: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Approval,
    Code::Conflict,
    Code::LessHarmfulFirst,
    Code::Standing,
    Code::ContentGone,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];

/// A statement of a case's life: the case's own rules may refuse it.
const LIFE: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Approval,
    Code::Conflict,
    Code::NotYourTurn,
    Code::WrongState,
    Code::WrongGround,
    Code::WrongReference,
    Code::NotAssured,
    Code::ConsentNeeded,
    Code::TooSoon,
    Code::Standing,
    Code::ContentGone,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];
/// Passing a case on: markings may forbid it.
const PASSED_ON: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Approval,
    Code::Conflict,
    Code::NotReleased,
    Code::NotYourTurn,
    Code::WrongState,
    Code::WrongGround,
    Code::WrongReference,
    Code::NotAssured,
    Code::ConsentNeeded,
    Code::TooSoon,
    Code::Standing,
    Code::ContentGone,
    Code::HeadUnchecked,
    Code::Unconfirmed,
    Code::Stopping,
    Code::DiskFull,
];
/// The same, before officers are asked.
const PREPARED: &[Code] = &[
    Code::NotFound,
    Code::Ambiguous,
    Code::Invalid,
    Code::Conflict,
    Code::NotYourTurn,
    Code::WrongState,
    Code::WrongGround,
    Code::WrongReference,
    Code::Standing,
];

/// Every code that an operation can answer with: what follows from its row, and what its contract adds.
///
/// `no_route` and `bad_method` are answers to requests that reach no operation.
pub fn codes(row: &Row) -> Vec<Code> {
    let mut codes = vec![Code::Malformed, Code::BadHost, Code::TooManyRequests, Code::Internal];
    if row.access != Access::Open {
        codes.push(Code::Unauthenticated);
    }
    if Role::ALL.iter().any(|role| !row.access.allows(*role)) {
        codes.push(Code::Forbidden);
    }
    match row.body {
        Body::Json if row.method == Method::Post => {
            codes.extend([Code::BadMediaType, Code::TooLarge, Code::Timeout]);
        }
        Body::Json | Body::List | Body::Download => codes.push(Code::Timeout),
        Body::Upload => codes.extend([Code::TooLarge, Code::Timeout, Code::DiskFull]),
        Body::Events | Body::Reference => {}
    }
    codes.extend(contract(row.op).fails);
    codes.sort_by_key(|code| (code.status(), *code));
    codes.dedup();
    codes
}

/// A parameter of a path or query.
pub struct Parameter {
    /// What it may be.
    pub schema: Schema,
    /// What it means.
    pub what: &'static str,
    /// Whether it must be there. Parameters of a path always are.
    pub required: bool,
}

/// Stages of a referral, as `GET /referrals` filters by them (referral.md §2).
pub const STAGES: [&str; 10] = [
    "submitted",
    "acknowledged",
    "info_needed",
    "partly_decided",
    "decided",
    "answered",
    "transferred",
    "closed",
    "withdrawn",
    "recalled",
];
/// Standings of a participant (protocol §4); `unknown` before anyone introduced it.
pub const STANDINGS: [&str; 6] = ["participant", "suspended", "objected", "candidate", "left", "unknown"];

/// A parameter of an operation by its name in the row; none where it is not described yet, which a test refuses.
pub fn parameter(op: Op, name: &str, generator: &mut SchemaGenerator) -> Option<Parameter> {
    let text = |schema: Schema, what: &'static str| Some(Parameter { schema, what, required: false });
    let plain = || json_schema!({ "type": "string", "minLength": 1 });
    let one_of = |codes: &[&str]| json_schema!({ "type": "string", "enum": codes });
    let flag = || json_schema!({ "type": "boolean" });
    let of_search = matches!(op, Op::Search | Op::SearchFacets);
    if let Some(parameter) = of_search.then(|| crate::search::parameter(name)).flatten() {
        return Some(parameter);
    }
    match (op, name) {
        (_, "limit") => text(
            json_schema!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 100 }),
            "Items of a page at most.",
        ),
        (_, "cursor") => {
            text(plain(), "Where the page before ended: its `next`, as it came. Left out for the first page.")
        }
        (Op::SearchRun | Op::SearchDrop, "name") => text(plain(), "The saved search's name."),
        (Op::TokenRevoke, "name") => text(plain(), "The token's name."),
        (Op::EvidencePut, "name") => Some(Parameter {
            schema: json_schema!({ "type": "string", "minLength": 1, "maxLength": 255 }),
            what: "The item's name in the manifest.",
            required: true,
        }),
        (Op::EvidencePut, "media_type") => Some(Parameter {
            schema: json_schema!({ "type": "string", "minLength": 1, "maxLength": 127 }),
            what: "Its media type.",
            required: true,
        }),
        (Op::EvidencePut, "sha256") => Some(Parameter {
            schema: json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
            what: "SHA-256 of the content, hex: what arrives must be that.",
            required: true,
        }),
        (_, "name") => text(plain(), "NAME of a participant: its short name, or at least 8 characters of its id."),
        (Op::DraftList, "template") => text(flag(), "Templates only, or none of them."),
        (Op::DraftShow | Op::DraftDrop, "thread") => {
            text(plain(), "The draft: at least 8 characters of its id, or a template's name.")
        }
        (Op::Submit | Op::DraftSave | Op::DraftApprove, "thread") => {
            text(plain(), "The draft: at least 8 characters of its id.")
        }
        (Op::EvidencePut, "thread") => text(plain(), "The draft or case: at least 8 characters of its id."),
        (_, "thread") => text(plain(), "The case: at least 8 characters of its thread's id."),
        (_, "joint") => text(plain(), "The joint case: at least 8 characters of its id."),
        (_, "lead") => {
            text(plain(), "NAME of its lead, where more than one participant claims to lead a joint case of this id.")
        }
        (_, "blob") => text(plain(), "The item of evidence: at least 8 characters of its `blob`."),
        (_, "id") => text(plain(), "The proposal: at least 8 characters of its id."),
        (_, "entry") => text(plain(), "The entry that objects: at least 8 characters of its id."),
        (_, "class") => text(one_of(&["agency", "private", "observer"]), "Class of the participant."),
        (_, "country") => {
            text(json_schema!({ "type": "string", "pattern": "^[A-Za-z]{2}$" }), "Country, ISO 3166-1 alpha-2.")
        }
        (Op::Arrangements, "standing") => {
            text(one_of(&["agreed", "claimed", "ended", "expired"]), "Whether the arrangement stands.")
        }
        (_, "code") => text(plain(), "The arrangement's code."),
        (Op::Arrangements, "with") => text(plain(), "NAME of a party."),
        (_, "action") => text(generator.subschema_for::<Action>(), "What was done."),
        (Op::Outcomes, "since") => {
            text(json_schema!({ "type": "string", "format": "date" }), "Actions from this day on.")
        }
        (_, "standing") => text(one_of(&STANDINGS), "Where the participant stands."),
        (_, "log") => text(
            json_schema!({ "type": "string", "enum": ["id", "pub", "agy"], "default": "pub" }),
            "Which log: identity, public, or for agencies.",
        ),
        (Op::Log, "after") => text(
            json_schema!({ "type": "integer", "format": "uint64", "minimum": 0 }),
            "Entries beyond this place only.",
        ),
        (Op::Events, "after") => text(
            json_schema!({ "type": "string", "pattern": crate::service::EventId::PATTERN }),
            "The last event that was seen: those after it follow. The header `last-event-id` says the same, and wins.",
        ),
        (_, "area") => text(generator.subschema_for::<LawArea>(), "Area of law."),
        (_, "channel") => text(generator.subschema_for::<Channel>(), "Channel by which the spam came."),
        (_, "measure") => text(generator.subschema_for::<Measure>(), "What the agency can do about it."),
        (_, "language") => text(plain(), "Language tag (BCP 47): `pt` finds `pt-BR` too."),
        (Op::Contacts, "role") => text(generator.subschema_for::<ContactRole>(), "What the contact is for."),
        (Op::Referrals, "role") => text(one_of(&["requester", "target"]), "Our own part in the case."),
        (_, "open") => text(flag(), "Whether it is open now."),
        (_, "stale") => text(flag(), "Whether it should have been confirmed anew by now."),
        (_, "stage") => text(one_of(&STAGES), "Where the referral is."),
        (_, "with") => text(plain(), "NAME of the other side."),
        (_, "by") => text(plain(), "NAME of the member whose node is to try; any connected one where it is left out."),
        (Op::Audit, "after") => {
            text(json_schema!({ "type": "integer", "format": "uint64", "minimum": 0 }), "Rows beyond this number only.")
        }
        (Op::Audit, "who") => text(plain(), "A token's name, a participant's id, or `node`."),
        (Op::Audit, "act") => text(plain(), "An operation by its name, such as `Submit`."),
        (Op::Audit, "outcome") => text(plain(), "`done`, or the code of a refusal."),
        (Op::Audit, "since") => {
            text(json_schema!({ "type": "string", "format": "date-time" }), "Rows from this moment on.")
        }
        (Op::Audit, "until") => {
            text(json_schema!({ "type": "string", "format": "date-time" }), "Rows before this moment.")
        }
        (Op::Backup, "part") => text(
            json_schema!({ "type": "string", "enum": ["data", "keyring"], "default": "data" }),
            "Which part: a whole backup is one of each.",
        ),
        (_, "purpose") => text(
            json_schema!({ "type": "string", "enum": ["own", "court"], "default": "own" }),
            "What it is made for: this agency's own use, or a court's. Markings may forbid either.",
        ),
        (Op::ExportCsv, "table") => text(
            json_schema!({ "type": "string", "enum": ["parties", "timeline", "evidence"], "default": "parties" }),
            "Which table.",
        ),
        (Op::ExportXarf, "item") => {
            text(plain(), "A message of the evidence, by its name or blob; the first that is here if left out.")
        }
        (_, "assigned") => text(plain(), "The name of the token that works on it or stands in; `none`: nobody does."),
        (_, "overdue") => text(flag(), "Whether something in it is overdue by the published targets."),
        (_, "order") => text(
            json_schema!({ "type": "string", "enum": ["changed", "harm"], "default": "changed" }),
            "`changed`: the last change first. `harm`: what the target works through, the gravest first.",
        ),
        (_, "stuck") => text(flag(), "Whether something in it waits for delivery although it was tried."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::OPS;

    #[test]
    fn the_table_of_operations_and_the_contract_say_the_same() {
        for row in OPS {
            let contract = contract(row.op);
            let fits = matches!(
                (row.body, contract.gives),
                (Body::Json | Body::Upload, Gives::Json(..))
                    | (Body::List, Gives::List(_))
                    | (Body::Download, Gives::Bytes | Gives::File(_) | Gives::Text(_))
                    | (Body::Events, Gives::Events)
                    | (Body::Reference, Gives::Document | Gives::Html)
            );
            assert!(fits, "{} answers otherwise than its row says", row.name);
            let sent = match contract.takes {
                Takes::Nothing => row.body != Body::Upload && row.method != Method::Put,
                Takes::Json(_) => row.body == Body::Json && row.method == Method::Post,
                Takes::Bytes => row.body == Body::Upload,
            };
            assert!(sent, "{} is sent otherwise than its row says", row.name);
            assert_eq!(row.query.contains(&"limit"), row.query.contains(&"cursor"), "{}", row.name);
        }
    }

    #[test]
    fn every_parameter_is_described() {
        let mut generator = SchemaGenerator::default();
        for row in OPS {
            let of_path = row.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
            for name in of_path.chain(row.query.iter().copied()) {
                assert!(parameter(row.op, name, &mut generator).is_some(), "{}: `{name}` is not described", row.name);
            }
        }
    }

    #[test]
    fn nothing_fails_in_a_way_that_only_its_caller_knows() {
        for row in OPS {
            for code in [Code::Unreachable, Code::NoRoute, Code::BadMethod] {
                // the member that is asked to dial back may be out of reach itself
                let of_another = row.op == Op::Reach && code == Code::Unreachable;
                assert!(of_another || !codes(row).contains(&code), "{} cannot answer {}", row.name, code.as_str());
            }
        }
    }
}
