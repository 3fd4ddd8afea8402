//! Search over one's own cases: the filters, once, and what searches answer.
//!
//! The same names stand in the query of `GET /search`, in saved searches, and behind the flags of `lapwing search`.

use crate::contract::{Parameter, STAGES};
use crate::types::{ReferralRow, Time};
use lapwing_record::directory::Channel;
use lapwing_record::form::{Conduct, IdentifierKind};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Filters of a search by name. All of them must hold.
pub type Filters = BTreeMap<String, String>;

/// Classes of harm, the gravest first.
pub const CLASSES: [&str; 4] = ["critical", "serious", "substantial", "limited"];
/// In which order hits come: by relevance, by the last change or the submission, the latest first or the oldest.
pub const ORDERS: [&str; 5] = ["relevance", "changed", "changed_oldest", "submitted", "submitted_oldest"];
/// What cases are counted by.
pub const FACETS: [&str; 7] = ["stage", "class", "country", "with", "conduct", "channel", "month"];
/// Identifiers of one `POST /search/seen` at most.
pub const MAX_SEEN: usize = 1000;

/// What a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// Words.
    Text,
    /// One or more of these codes, with commas in between.
    Codes(&'static [&'static str]),
    /// One or more codes of a list of the pro forma.
    Conduct,
    /// The same, of channels.
    Channel,
    /// One or more countries.
    Country,
    /// One or more participants.
    Participant,
    /// An identifier of this kind; of any kind that it can be where it is none.
    Identifier(Option<IdentifierKind>),
    /// A reference.
    Reference,
    /// A time.
    Moment,
}

macro_rules! filters {
    ($($name:literal $kind:expr, $what:literal;)+) => {
        /// Every filter: its name, what it is, and what it means.
        pub const FILTERS: &[(&str, FilterKind, &str)] = &[$(($name, $kind, $what)),+];
    };
}

use FilterKind::{Codes, Identifier, Moment, Reference};
filters! {
    "text" FilterKind::Text, "Words that must all occur, `\"exact phrases\"`, `begin*`, `-without`: in subject, narrative, names, statements and descriptions.";
    "stage" Codes(&STAGES), "Where the case is; several with commas.";
    "class" Codes(&CLASSES), "Class of harm; several with commas.";
    "role" Codes(&["requester", "target"]), "Our own part.";
    "with" FilterKind::Participant, "NAME of the other side; several with commas.";
    "country" FilterKind::Country, "Country of the other side, of a party, or where a party acts (ISO 3166-1 alpha-2); several with commas.";
    "conduct" FilterKind::Conduct, "What was done, by the codes of the pro forma; several with commas.";
    "channel" FilterKind::Channel, "By which channel; several with commas.";
    "identifier" Identifier(None), "An identifier of any kind.";
    "domain" Identifier(Some(IdentifierKind::Domain)), "A domain with everything below it: also hosts of URLs, domains of e-mail addresses and of DKIM.";
    "url" Identifier(Some(IdentifierKind::Url)), "A URL.";
    "ip" Identifier(Some(IdentifierKind::Ip)), "An IP address, or a network such as `192.0.2.0/24` or `2001:db8::/32`.";
    "asn" Identifier(Some(IdentifierKind::Asn)), "An autonomous system.";
    "email" Identifier(Some(IdentifierKind::Email)), "An e-mail address.";
    "phone" Identifier(Some(IdentifierKind::Phone)), "A telephone number with its country code.";
    "message_id" Identifier(Some(IdentifierKind::MessageId)), "A Message-ID.";
    "dkim_domain" Identifier(Some(IdentifierKind::DkimDomain)), "A domain that signed messages (DKIM), with everything below it.";
    "sha256" Identifier(Some(IdentifierKind::Sha256)), "SHA-256 of a file, hex; of evidence too.";
    "wallet" Identifier(Some(IdentifierKind::Wallet)), "A wallet of a virtual currency.";
    "bank_account" Identifier(Some(IdentifierKind::BankAccount)), "A bank account.";
    "merchant_id" Identifier(Some(IdentifierKind::MerchantId)), "A merchant's number at a payment service.";
    "company_no" Identifier(Some(IdentifierKind::CompanyNo)), "A number in a register of companies.";
    "handle" Identifier(Some(IdentifierKind::Handle)), "A handle on a platform.";
    "sender_id" Identifier(Some(IdentifierKind::SenderId)), "A sender's name in text messages.";
    "own_ref" Reference, "Our own reference, or the campaign's of our own referral.";
    "other_ref" Reference, "The other side's reference, or the campaign's of its referral.";
    "submitted_since" Moment, "Submitted from this time on, by the requester's clock.";
    "submitted_until" Moment, "Submitted before this time.";
    "changed_since" Moment, "Changed here from this time on.";
    "changed_until" Moment, "Changed here before this time.";
}

/// Characters of a filter's value at most.
pub const MAX_FILTER: usize = 2048;

/// What a filter is, by its name.
pub fn filter(name: &str) -> Option<FilterKind> {
    FILTERS.iter().find(|(n, _, _)| *n == name).map(|(_, kind, _)| *kind)
}

/// A parameter of the query of a search.
pub(crate) fn parameter(name: &str) -> Option<Parameter> {
    let plain = || json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_FILTER });
    let list = |codes: &[&str]| {
        let one = codes.join("|");
        json_schema!({ "type": "string", "pattern": format!("^({one})(,({one}))*$") })
    };
    let some = |schema: Schema, what: &'static str| Some(Parameter { schema, what, required: false });
    if let Some((_, kind, what)) = FILTERS.iter().find(|(n, _, _)| *n == name) {
        let schema = match kind {
            FilterKind::Codes(codes) => list(codes),
            FilterKind::Conduct => list(&Conduct::ALL.iter().map(|c| c.code()).collect::<Vec<_>>()),
            FilterKind::Channel => list(&Channel::ALL.iter().map(|c| c.code()).collect::<Vec<_>>()),
            FilterKind::Country => json_schema!({ "type": "string", "pattern": "^[A-Za-z]{2}(,[A-Za-z]{2})*$" }),
            FilterKind::Moment => json_schema!({ "type": "string", "format": "date-time" }),
            _ => plain(),
        };
        return some(schema, what);
    }
    match name {
        "order" => some(
            json_schema!({ "type": "string", "enum": ORDERS }),
            "In which order; else by relevance where words are searched for. Without words, relevance is the last change.",
        ),
        "facets" => some(list(&FACETS), "What to count by, with commas; else by everything."),
        _ => None,
    }
}

/// One value that cases were counted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FacetCount {
    /// The value: a code, a country, a participant's short name, a month as `2026-11`.
    pub value: String,
    /// Cases that have it.
    pub count: u64,
}

/// How many cases a search finds, and how they are spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchFacets {
    /// Cases found.
    pub total: u64,
    /// By what they were counted, and each value's cases, most first. A case with several values counts for each.
    pub facets: BTreeMap<String, Vec<FacetCount>>,
    /// Journal position that the answer reflects.
    pub as_of: u64,
}

/// An identifier that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenAsk {
    /// Its kind; null for any that it can be.
    #[serde(default)]
    pub kind: Option<IdentifierKind>,
    /// Its value, however it was typed; of an IP address a network too.
    pub value: String,
}

/// "Have we seen this?"
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenRequest {
    /// What is asked about: 1,000 at most.
    pub identifiers: Vec<SeenAsk>,
    /// Cases shown for each at most, the last changed first: 1 to 100, 10 where it is left out.
    #[serde(default)]
    pub cases: Option<u64>,
}

/// An identifier in a case that answers a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenIdentifier {
    /// `same`; `below` or `above` the host that was asked about; `inside` the network.
    pub relation: String,
    /// Its kind.
    pub kind: IdentifierKind,
    /// Its value.
    pub value: String,
    /// The part of the party that it belongs to, or `evidence`.
    pub party: String,
    /// When it was seen in use, as the pro forma has it.
    pub time: Option<String>,
    /// The port, of an IP address.
    pub port: Option<u64>,
}

/// A case in which it was seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeenCase {
    /// The case, as in the list.
    pub case: ReferralRow,
    /// As what it stands there.
    pub identifiers: Vec<SeenIdentifier>,
}

/// What is known of one identifier.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeenAnswer {
    /// Its kind as it was asked; null for any.
    pub kind: Option<IdentifierKind>,
    /// Its value as it was asked.
    pub value: String,
    /// Whether any of our own cases has it.
    pub seen: bool,
    /// How many have.
    pub count: u64,
    /// The last changed of them.
    pub cases: Vec<SeenCase>,
}

/// What is known of what was asked, in that order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// One answer each.
    pub items: Vec<SeenAnswer>,
    /// Journal position that the answer reflects.
    pub as_of: u64,
}

/// Saves a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchSave {
    /// Its name: 1 to 60 characters.
    pub name: String,
    /// For the whole agency; else for the token's holder only.
    #[serde(default)]
    pub shared: bool,
    /// The filters, by the names that the query of a search has.
    pub filters: Filters,
}

/// A saved search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedSearch {
    /// Its name.
    pub name: String,
    /// Whether it is the agency's; else the token's holder's.
    pub shared: bool,
    /// The filters.
    pub filters: Filters,
    /// When it was saved.
    #[schemars(extend("format" = "date-time"))]
    pub saved: Time,
    /// When it was last run; null before the first run.
    #[schemars(extend("format" = "date-time"))]
    pub ran: Option<Time>,
    /// Cases that the last run found.
    pub found: Option<u64>,
}

/// A case that is news to a saved search.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SavedNews {
    /// `new` where the last run did not find it, `changed` where it has changed since.
    pub news: String,
    /// The case, as in the list.
    pub case: ReferralRow,
}

/// What a run of a saved search found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SavedRun {
    /// The search.
    pub name: String,
    /// The run before; null where this was the first.
    #[schemars(extend("format" = "date-time"))]
    pub before: Option<Time>,
    /// This run.
    #[schemars(extend("format" = "date-time"))]
    pub ran: Time,
    /// Cases found.
    pub found: u64,
    /// Whether more fit than one run looks at: the last changed 10,000 count.
    pub more: bool,
    /// Cases that the last run had found and this one has not.
    pub gone: u64,
    /// How many cases are new or have changed.
    pub news_count: u64,
    /// The first 500 of them, the last changed first.
    pub news: Vec<SavedNews>,
    /// Journal position that the answer reflects.
    pub as_of: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;

    #[test]
    fn the_query_of_a_search_has_every_filter_and_no_other() {
        for op in [Op::Search, Op::SearchFacets] {
            let query = op.row().query;
            for (name, _, _) in FILTERS {
                assert!(query.contains(name), "{op:?} does not take `{name}`");
            }
            let others = query.iter().filter(|name| filter(name).is_none());
            let expected: &[&str] = if op == Op::Search { &["order", "limit", "cursor"] } else { &["facets"] };
            assert_eq!(others.copied().collect::<Vec<_>>(), expected);
        }
        for kind in IdentifierKind::ALL {
            assert_eq!(filter(kind.code()), Some(FilterKind::Identifier(Some(*kind))));
        }
    }
}
