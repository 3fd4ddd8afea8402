//! What is wrong at each operation. The match is exhaustive: a new operation does not compile until it has its rows.

use crate::http::{Request, ask};
use crate::world::{EVIDENCE, World, arrangement, contact, hex, legal, outcome, sha256};
use lapwing_api::ops::{Access, Body, Method, OPS, Op, Role, Row};
use lapwing_api::problem::Code;
use lapwing_record::charter::CharterFile;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NOBODY: &str = "abcdefgh2345abcdefgh2345abcdefgh2345abcdefgh2345abca";

/// A right request, of which everything else is a bent copy.
#[derive(Clone)]
struct Good {
    at: &'static str,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// A field without which the body is none.
    needs: &'static str,
}

/// A wrong request and what it is answered with.
struct Wrong {
    what: String,
    method: String,
    at: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    code: Code,
    says: String,
}

fn long(n: usize) -> String {
    "x".repeat(n)
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn good(w: &World, op: Op) -> Good {
    let none = Good { at: "harbour", path: vec![], query: vec![], body: None, needs: "" };
    let path = |ids: &[&str]| Good { path: ids.iter().map(|i| (*i).to_owned()).collect(), ..none.clone() };
    let with = |path: &[&str], needs, body: Value| Good {
        path: path.iter().map(|i| (*i).to_owned()).collect(),
        body: Some(body),
        needs,
        ..none.clone()
    };
    let case = w.thread.as_str();
    let acknowledge =
        json!({ "kind": "acknowledge", "body": { "own_reference": "P-1", "assurance": "not_requested" } });
    match op {
        Op::TokenNew => with(&[], "role", json!({ "name": "desk", "role": "analyst" })),
        Op::TokenRevoke => path(&["nobody"]),
        Op::Member | Op::Explain | Op::Exposure | Op::Log => path(&["polder"]),
        Op::ContactPublish => with(&[], "slot", contact()),
        Op::ProfilePublish => with(
            &[],
            "display_name",
            json!({ "display_name": "H", "competence": [], "languages": ["en"], "hours": [], "time_zone": "UTC",
                    "website": null }),
        ),
        Op::LegalPublish => with(&[], "as_of", legal()),
        Op::ArrangementPublish => with(&[], "code", arrangement()),
        Op::OutcomePublish => with(&[], "slot", outcome()),
        Op::WhoCanAct => with(&[], "form", json!({ "form": {} })),
        Op::Notes => path(&[case]),
        Op::NoteWrite => with(&[case], "text", json!({ "text": "x" })),
        Op::CaseAssign => with(&[case], "to", json!({ "to": "local-officer" })),
        Op::AbsenceSet => with(&[], "until", json!({ "until": "2099-01-01T00:00:00Z", "delegate": "local-officer" })),
        Op::Introduce => path(&["nobody"]),
        Op::Propose => with(&[], "target", json!({ "act": "consent", "target": w.savanna })),
        Op::Proposal | Op::DropProposal => path(&[&w.proposal]),
        Op::Approve => with(&[&w.proposal], "kid", json!({ "kid": NOBODY, "signature": "ab".repeat(64) })),
        Op::Objection => path(&[NOBODY]),
        Op::IdEntry => with(&[], "entry", json!({ "entry": "00" })),
        Op::ReferralCheck => with(&[], "form", json!({ "form": {} })),
        Op::EvidencePut => Good {
            query: vec![("name", "a".into()), ("media_type", "text/plain".into()), ("sha256", sha256(b"x"))],
            ..path(&[NOBODY])
        },
        Op::Submit => with(&[NOBODY], "", json!({ "to": "polder", "form": {} })),
        Op::DraftSave => with(&[NOBODY], "form", json!({ "to": "polder", "form": {} })),
        Op::Drafts => with(&[], "", json!({ "to": "polder" })),
        Op::DraftShow | Op::DraftApprove | Op::DraftDrop => path(&[NOBODY]),
        Op::Prepare | Op::Say => Good { at: "polder", ..with(&[case], "kind", acknowledge) },
        Op::PassOn => {
            let body = json!({ "proposal": NOBODY, "poc_ref": "intake" });
            Good { at: "polder", ..with(&[case], "proposal", body) }
        }
        Op::Referral | Op::Export | Op::ExportPdf | Op::ExportCsv | Op::CaseErase => path(&[case]),
        Op::ExportXarf => Good { query: vec![("item", w.blob.clone())], ..path(&[case]) },
        Op::CaseHold => with(&[case], "stands", json!({ "stands": true })),
        Op::Seen => with(&[], "identifiers", json!({ "identifiers": [{ "value": "prize.example" }] })),
        Op::SearchSave => with(&[], "name", json!({ "name": "bent", "filters": { "text": "prize" } })),
        Op::SearchRun | Op::SearchDrop => path(&["nobody"]),
        Op::Joint => path(&[NOBODY]),
        Op::EvidenceFetch | Op::EvidenceGet => path(&[case, &w.blob]),
        Op::Live
        | Op::Ready
        | Op::Health
        | Op::Metrics
        | Op::Reach
        | Op::NotifyTest
        | Op::Status
        | Op::WhoAmI
        | Op::Tokens
        | Op::Peers
        | Op::Shutdown
        | Op::AssertCurrent
        | Op::Members
        | Op::Charter
        | Op::Contacts
        | Op::Arrangements
        | Op::Absences
        | Op::Outcomes
        | Op::Application
        | Op::Applications
        | Op::Proposals
        | Op::Motions
        | Op::Identity
        | Op::Notices
        | Op::DraftList
        | Op::Referrals
        | Op::Search
        | Op::SearchFacets
        | Op::Joints
        | Op::SavedSearches
        | Op::Erasures
        | Op::Audit
        | Op::Backup
        | Op::OpenApi
        | Op::Docs
        | Op::Events => none,
    }
}

struct Rows<'a> {
    w: &'a World,
    row: &'static Row,
    good: Good,
    all: Vec<Wrong>,
}

impl Rows<'_> {
    /// The token of a role, at the node that is asked. Only harbour has named ones.
    fn token(&self, role: Role) -> String {
        let local = |file: &str| std::fs::read_to_string(self.w.town.path("polder").join("run").join(file)).unwrap();
        let secret = match (self.good.at, role) {
            ("harbour", _) => self.w.tokens[role.as_str()].clone(),
            (_, Role::Admin) => local("admin.token"),
            _ => local("api.token"),
        };
        format!("Bearer {}", secret.trim())
    }

    fn allowed(&self) -> Option<(&'static str, String)> {
        // officer first: the one role that every node of this world has a local token for
        let roles = [Role::Officer, Role::Admin, Role::Analyst, Role::Auditor];
        let role = roles.into_iter().find(|r| self.row.access.allows(*r)).unwrap();
        (self.row.access != Access::Open).then(|| ("authorization", self.token(role)))
    }

    fn url(path: &'static str, values: &[String], query: &[(&str, String)]) -> String {
        let mut values = values.iter();
        let mut url = String::new();
        for part in path.split('/').skip(1) {
            url += "/";
            url += &if part.starts_with('{') { escape(values.next().unwrap()) } else { part.to_owned() };
        }
        for (i, (key, value)) in query.iter().enumerate() {
            url += &format!("{}{}={}", if i == 0 { "?" } else { "&" }, escape(key), escape(value));
        }
        url.replace("%5F", "_")
    }

    fn raw(&self, what: &str, code: Code) -> Wrong {
        let mut headers: Vec<_> = self.allowed().into_iter().collect();
        let body = match (self.row.method, self.row.body, &self.good.body) {
            (Method::Get, ..) => Vec::new(),
            (_, Body::Upload, _) => b"x".to_vec(),
            (_, _, Some(body)) => serde_json::to_vec(body).unwrap(),
            _ => b"{}".to_vec(),
        };
        if self.row.method == Method::Post {
            headers.push(("content-type", "application/json".into()));
        }
        Wrong {
            what: format!("{}: {what}", self.row.name),
            method: format!("{:?}", self.row.method).to_uppercase(),
            at: self.good.at,
            path: Self::url(self.row.path, &self.good.path, &self.good.query),
            headers,
            body,
            code,
            says: String::new(),
        }
    }

    fn push(&mut self, wrong: Wrong) {
        self.all.push(wrong);
    }

    /// Another value in the path.
    fn path(&mut self, what: &str, values: &[&str], code: Code) {
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        let path = Self::url(self.row.path, &values, &self.good.query);
        let wrong = Wrong { path, ..self.raw(what, code) };
        self.push(wrong);
    }

    fn query(&mut self, key: &'static str, value: &str, code: Code) {
        let mut query = self.good.query.clone();
        query.retain(|(k, _)| *k != key);
        query.push((key, value.to_owned()));
        let path = Self::url(self.row.path, &self.good.path, &query);
        let shown: String = value.chars().take(20).collect();
        let wrong = Wrong { path, says: key.into(), ..self.raw(&format!("{key}={shown}"), code) };
        self.push(wrong);
    }

    /// Another body, which must be answered in words that say `says`.
    fn body(&mut self, what: &str, body: &Value, code: Code, says: &str) {
        let wrong = Wrong { body: serde_json::to_vec(body).unwrap(), says: says.into(), ..self.raw(what, code) };
        self.push(wrong);
    }

    /// The right body with one value replaced.
    fn bent(&mut self, pointer: &str, value: Value, code: Code, says: &str) {
        let mut body = self.good.body.clone().unwrap();
        let what = format!("{pointer} = {}", value.to_string().chars().take(30).collect::<String>());
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value;
        self.body(&what, &body, code, says);
    }

    /// What can be wrong at any operation, from its row alone.
    fn general(&mut self) {
        let post = self.row.method == Method::Post;
        if self.row.access != Access::Open {
            for (what, value) in [
                ("no token", None),
                ("a wrong token", Some("Bearer lw-wrong".to_owned())),
                ("another scheme", Some("Basic b2ZmaWNlcjo=".into())),
                ("an empty token", Some("Bearer ".into())),
            ] {
                let mut wrong = self.raw(what, Code::Unauthenticated);
                wrong.headers.retain(|(k, _)| *k != "authorization");
                wrong.headers.extend(value.map(|v| ("authorization", v)));
                self.push(wrong);
            }
        }
        for role in Role::ALL.into_iter().filter(|r| !self.row.access.allows(*r)) {
            let known = self.good.at == "harbour" || matches!(role, Role::Admin | Role::Officer);
            let mut wrong = self.raw(&format!("the role {role}"), Code::Forbidden);
            wrong.headers.retain(|(k, _)| *k != "authorization");
            wrong.headers.push(("authorization", self.token(role)));
            if known {
                self.push(wrong);
            }
        }
        let deleted = Wrong { method: "DELETE".into(), ..self.raw("another method", Code::BadMethod) };
        self.push(deleted);
        for (header, value) in
            [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")]
        {
            let mut wrong = self.raw(&format!("{header}: {value}"), Code::BadHost);
            wrong.headers.push((header, value.into()));
            self.push(wrong);
        }
        let mut lost = self.raw("a path that goes on", Code::NoRoute);
        lost.path = format!("{}/x/y", lost.path.split('?').next().unwrap());
        self.push(lost);
        for (bad, says) in [("colour=red", "colour"), ("x=1&x=2", "x"), ("a=%ff", "percent")] {
            let mut wrong = self.raw(&format!("the query {bad}"), Code::Malformed);
            let sign = if wrong.path.contains('?') { "&" } else { "?" };
            wrong.path = format!("{}{sign}{bad}", wrong.path);
            wrong.says = says.into();
            self.push(wrong);
        }
        if post {
            let typed = |media: &str| vec![("content-type", media.to_owned())];
            for (what, headers) in [
                ("no content type", vec![]),
                ("a form", typed("application/x-www-form-urlencoded")),
                ("text", typed("text/plain")),
            ] {
                let mut wrong = self.raw(what, Code::BadMediaType);
                wrong.headers.retain(|(k, _)| *k != "content-type");
                wrong.headers.extend(headers);
                self.push(wrong);
            }
            for (what, body) in [
                ("half an object", &b"{\"a\":"[..]),
                ("no JSON", b"hello"),
                ("no UTF-8", b"{\"a\":\"\xff\"}"),
                ("two objects", b"{} {}"),
            ] {
                let wrong = Wrong { body: body.to_vec(), ..self.raw(what, Code::Malformed) };
                self.push(wrong);
            }
            let deep = Wrong { body: vec![b'['; 100_000], ..self.raw("very deep", Code::Malformed) };
            self.push(deep);
            let large = Wrong { body: vec![b' '; (1 << 20) + 1], ..self.raw("a mebibyte and a byte", Code::TooLarge) };
            self.push(large);
            for (what, body) in [("a list", json!([])), ("a number", json!(7)), ("a text", json!("x"))] {
                self.body(what, &body, Code::Malformed, "");
            }
            match self.good.body.clone() {
                None => {
                    self.body("content where none is taken", &json!({ "surprise": 1 }), Code::Malformed, "no content")
                }
                Some(body) => {
                    self.body("null", &Value::Null, Code::Malformed, "");
                    let mut more = body.clone();
                    more["surprise"] = json!(1);
                    self.body("an unknown field", &more, Code::Malformed, "surprise");
                    if !self.good.needs.is_empty() {
                        let mut less = body;
                        less.as_object_mut().unwrap().remove(self.good.needs).unwrap();
                        self.body("a missing field", &less, Code::Malformed, self.good.needs);
                    }
                }
            }
        }
        if self.row.body == Body::List {
            for key in self.row.query {
                self.query(key, "", Code::Malformed);
            }
        }
        if self.row.query.contains(&"limit") {
            for bad in ["0", "501", "-1", "x", "99999999999999999999"] {
                self.query("limit", bad, Code::Malformed);
            }
            for bad in ["x", "ff", "zz"] {
                self.query("cursor", bad, Code::Malformed);
            }
        }
    }

    /// A name of a participant in the path.
    fn names(&mut self) {
        let prefix = &self.w.savanna[..7];
        for bad in ["nobody", "Polder", "", " ", prefix, NOBODY, "../status", "ü\u{202e}x", &long(5000)] {
            // without its name, /members/ is no path at all
            let lost = bad.is_empty() && self.row.op == Op::Member;
            let code = if lost { Code::NoRoute } else { Code::NotFound };
            self.path(&format!("the name `{}`", bad.chars().take(12).collect::<String>()), &[bad], code);
        }
        self.path("a name that two have", &["savanna"], Code::Ambiguous);
    }

    /// An id in the path that stands for nothing, in place `at`.
    fn ids(&mut self, at: usize) {
        let mut bad: Vec<String> = vec![NOBODY.into(), "x".into(), long(5000), "%00".into()];
        bad.push(self.good.path[at].chars().take(7).collect());
        for bad in bad {
            let mut values = self.good.path.clone();
            values[at] = bad.clone();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            self.path(&format!("the id `{}`", bad.chars().take(12).collect::<String>()), &values, Code::NotFound);
        }
    }

    /// What only this operation can be asked wrongly.
    fn particular(&mut self) {
        let (malformed, invalid) = (Code::Malformed, Code::Invalid);
        match self.row.op {
            Op::Live
            | Op::Ready
            | Op::Health
            | Op::Metrics
            | Op::Status
            | Op::WhoAmI
            | Op::Tokens
            | Op::Peers
            | Op::Shutdown
            | Op::AssertCurrent
            | Op::Charter
            | Op::Application
            | Op::Applications
            | Op::Absences
            | Op::Proposals
            | Op::Motions
            | Op::Identity
            | Op::Notices
            | Op::Erasures
            | Op::Joints
            | Op::SavedSearches
            | Op::OpenApi
            | Op::Docs
            | Op::Drafts => {}
            Op::Search | Op::SearchFacets => {
                self.query("own_ref", &long(2049), malformed);
                for (key, bad) in [
                    ("text", "\"open"),
                    ("text", "!!"),
                    ("stage", "limbo"),
                    ("stage", "closed,limbo"),
                    ("class", "grave"),
                    ("role", "judge"),
                    ("country", "Kenya"),
                    ("conduct", "spam"),
                    ("channel", "pigeon"),
                    ("domain", "no domain"),
                    ("ip", "192.0.2.1/24"),
                    ("ip", "::/0"),
                    ("email", "nobody"),
                    ("phone", "call me"),
                    ("sha256", "ab"),
                    ("asn", "ASx"),
                    ("own_ref", " "),
                    ("submitted_since", "soon"),
                    ("changed_until", "2026-13-01"),
                ] {
                    self.query(key, bad, malformed);
                }
                let (key, bad) = if self.row.op == Op::Search { ("order", "best") } else { ("facets", "colour") };
                self.query(key, bad, malformed);
                self.query("with", "nobody", Code::NotFound);
                self.all.last_mut().unwrap().says = "nobody".into();
            }
            Op::Seen => {
                self.bent("/identifiers", json!([]), invalid, "identifiers");
                self.bent("/identifiers", json!([{ "value": "" }]), invalid, "identifiers.0.value");
                self.bent("/identifiers", json!([{ "kind": "ip", "value": "x" }]), invalid, "identifiers.0.value");
                self.bent("/identifiers", json!([{ "kind": "shoe", "value": "x" }]), malformed, "");
                self.bent("/cases", json!(0), invalid, "cases");
            }
            Op::SearchSave => {
                for bad in ["", "a\u{1b}[2J", &long(61)] {
                    self.bent("/name", json!(bad), invalid, "name");
                }
                self.bent("/filters", json!({}), invalid, "filters");
                self.bent("/filters", json!({ "colour": "red" }), invalid, "filters.colour");
                self.bent("/filters", json!({ "stage": "limbo" }), invalid, "filters.stage");
                self.bent("/filters", json!({ "with": "nobody" }), invalid, "filters.with");
            }
            Op::SearchRun | Op::SearchDrop => {
                for bad in ["nobody", &long(5000), "%00"] {
                    self.path("no search of that name", &[bad], Code::NotFound);
                }
            }
            Op::CaseErase | Op::Joint => self.ids(0),
            Op::CaseHold => {
                self.ids(0);
                self.bent("/stands", json!("yes"), malformed, "");
            }
            Op::Backup => {
                self.query("part", "soup", malformed);
                self.query("part", "", malformed);
            }
            Op::Audit => {
                for (key, bad) in [("since", "soon"), ("until", "2026-13-01"), ("after", "-1"), ("after", "x")] {
                    self.query(key, bad, malformed);
                }
            }
            // no command is set here
            Op::NotifyTest => {
                let none = Wrong { says: "[notify] command".into(), ..self.raw("no command is set", Code::Conflict) };
                self.push(none);
            }
            Op::Reach => {
                self.query("by", "nobody", Code::NotFound);
                self.query("by", "savanna", Code::Ambiguous);
                let last = self.all.len();
                // these speak of who is meant, not of the parameter
                self.all[last - 2].says = "nobody".into();
                self.all[last - 1].says = "savanna".into();
            }
            Op::TokenNew => {
                for bad in ["", "x", "Desk!", "-a", &long(33), "a/b"] {
                    self.bent("/name", json!(bad), invalid, "a-z");
                }
                self.bent("/name", json!("test-admin"), Code::Conflict, "already");
                self.bent("/name", json!("local-admin"), Code::Conflict, "already");
                self.bent("/role", json!("king"), invalid, "officer");
                self.bent("/role", json!(1), malformed, "");
            }
            Op::TokenRevoke => {
                for bad in ["nobody", "local-admin", &long(5000)] {
                    self.path("no token of that name", &[bad], Code::NotFound);
                }
            }
            Op::Members => {
                for (key, bad) in [("class", "king"), ("country", "Kenya"), ("country", "K1"), ("standing", "sitting")]
                {
                    self.query(key, bad, malformed);
                }
            }
            Op::Member | Op::Explain | Op::Exposure => self.names(),
            Op::Log => {
                self.names();
                for (key, bad) in [("log", "all"), ("after", "-1"), ("after", "x"), ("after", "99999999999999999999")] {
                    self.query(key, bad, malformed);
                }
            }
            Op::Contacts => {
                for key in ["area", "channel", "measure", "role"] {
                    self.query(key, "tea", malformed);
                }
                for (key, bad) in [("language", "!!"), ("open", "maybe"), ("stale", "1"), ("country", "Kenya")] {
                    self.query(key, bad, malformed);
                }
                self.query("name", "nobody", Code::NotFound);
                self.query("name", "savanna", Code::Ambiguous);
                let last = self.all.len();
                // these speak of who is meant, not of the parameter
                self.all[last - 2].says = "nobody".into();
                self.all[last - 1].says = "savanna".into();
            }
            Op::ContactPublish => {
                self.bent("/slot", json!("In take"), invalid, "slot");
                self.bent("/slot", json!(long(33)), invalid, "slot");
                self.bent("/name", json!(long(100_000)), invalid, "name");
                self.bent("/time_zone", json!("Mars/Base"), invalid, "time_zone");
                self.bent("/languages", json!(["!"]), invalid, "languages");
                self.bent("/hours", json!([{ "days": [1], "from_min": 1020, "to_min": 540 }]), invalid, "hours");
                self.bent("/hours", json!([{ "days": [8], "from_min": 540, "to_min": 1020 }]), invalid, "hours");
                self.bent("/hours", json!([{ "days": [1], "from_min": 540, "to_min": 1441 }]), invalid, "hours");
                self.bent("/ways", json!([]), invalid, "ways");
                self.bent("/role", json!("king"), malformed, "king");
                self.bent("/reconfirm_by", json!("soon"), malformed, "soon");
                self.bent("/withdrawn", json!("no"), malformed, "");
                self.bent("/hours/0/lunch", json!(12), malformed, "hours.0.lunch");
            }
            Op::ProfilePublish => {
                self.bent("/display_name", json!(""), invalid, "display_name");
                self.bent("/display_name", json!(long(100_000)), invalid, "display_name");
                self.bent("/time_zone", json!("Mars/Base"), invalid, "time_zone");
                self.bent("/languages", json!(["english please"]), invalid, "languages");
                self.bent(
                    "/competence",
                    json!([{ "area": "tea", "channel": "email", "measures": [] }]),
                    malformed,
                    "tea",
                );
                self.bent("/website", json!("javascript:alert(1)"), invalid, "website");
            }
            Op::Notes => self.ids(0),
            Op::NoteWrite => {
                self.ids(0);
                self.bent("/text", json!(""), invalid, "text");
                self.bent("/text", json!(long(8193)), invalid, "text");
                self.bent("/text", json!("a\u{202e}b"), invalid, "text");
            }
            Op::CaseAssign => {
                self.ids(0);
                self.bent("/to", json!("nobody"), invalid, "to");
                self.bent("/to", json!("test-analyst"), invalid, "to");
            }
            Op::AbsenceSet => {
                self.bent("/until", json!("soon"), invalid, "until");
                self.bent("/until", json!("1999-01-01T00:00:00Z"), invalid, "until");
                self.bent("/delegate", json!("nobody"), invalid, "delegate");
                self.bent("/delegate", json!("test-officer"), invalid, "delegate");
                self.bent("/delegate", json!(null), invalid, "delegate");
                self.bent("/who", json!("nobody"), invalid, "who");
            }
            Op::LegalPublish => {
                self.bent("/as_of", json!("2026-02-30"), invalid, "as_of");
                self.bent("/note", json!(long(2001)), invalid, "note");
                self.bent("/laws/0/name", json!(""), invalid, "laws.0.name");
                self.bent("/laws/0/channels", json!([]), invalid, "laws.0.channels");
                self.bent("/laws/0/channels", json!(["pigeon"]), malformed, "pigeon");
                self.bent("/laws/0/facts_needed", json!(["everything"]), malformed, "everything");
                self.bent("/laws/0/colour", json!("red"), malformed, "colour");
                self.bent("/laws", json!(vec![legal()["laws"][0].clone(); 33]), invalid, "laws");
            }
            Op::ArrangementPublish => {
                self.bent("/code", json!("Lap!"), invalid, "code");
                self.bent("/parties", json!(["nobody", "harbour"]), invalid, "parties.0");
                self.bent("/parties", json!(["polder"]), invalid, "others");
                self.bent("/others", json!(["Elsewhere", long(201)]), invalid, "others");
                self.bent("/signed_on", json!("yesterday"), invalid, "signed_on");
                self.bent("/valid_until", json!("2020-01-01"), invalid, "valid_until");
                self.bent("/kind", json!("handshake"), malformed, "handshake");
            }
            Op::OutcomePublish => {
                self.bent("/slot", json!("X"), invalid, "slot");
                self.bent("/on", json!("2026-13-01"), invalid, "on");
                self.bent("/sanction/currency", json!("euro"), invalid, "sanction.currency");
                self.bent("/with", json!(["nobody"]), invalid, "with.0");
                self.bent("/countries", json!(["Holland"]), invalid, "countries");
                self.bent("/action", json!("shrug"), malformed, "shrug");
                self.bent("/summary", json!(long(4001)), invalid, "summary");
            }
            Op::Arrangements => {
                self.query("standing", "perhaps", malformed);
                self.query("with", "nobody", Code::NotFound);
                self.all.last_mut().unwrap().says = "nobody".into();
            }
            Op::Outcomes => {
                for (key, bad) in [("area", "tea"), ("channel", "pigeon"), ("action", "shrug"), ("since", "soon")] {
                    self.query(key, bad, malformed);
                }
                self.query("country", "Holland", malformed);
                self.query("name", "nobody", Code::NotFound);
                self.all.last_mut().unwrap().says = "nobody".into();
            }
            Op::WhoCanAct => {
                self.bent("/form", json!({ "narative": "x" }), malformed, "narative");
                self.bent("/form", json!({ "channel": "pigeon" }), malformed, "pigeon");
            }
            Op::Introduce => {
                for bad in ["nobody", NOBODY, &self.w.savanna.clone(), "harbour", &long(5000)] {
                    self.path("nobody who applies", &[bad], Code::NotFound);
                }
            }
            Op::Propose => {
                let target = |act: &str, target: &str| json!({ "act": act, "target": target });
                self.bent("/act", json!("dance"), malformed, "dance");
                self.bent("/target", json!(7), malformed, "");
                self.bent("/target", json!("nobody"), Code::NotFound, "nobody");
                self.bent("/target", json!("savanna"), Code::Ambiguous, "savanna");
                self.bent("/target", json!(format!("motion:{NOBODY}")), Code::NotFound, "motion");
                self.bent("/target", json!("motion:"), Code::NotFound, "motion");
                self.bent("/reason", json!("a consent has none"), malformed, "reason");
                for act in ["consent", "object", "withdraw"] {
                    self.body(&format!("{act} oneself"), &target(act, "harbour"), invalid, "itself");
                    self.body(&format!("{act} a founder"), &target(act, "polder"), invalid, "ounders");
                }
                let savanna = self.w.savanna.clone();
                self.body("withdraw nothing", &target("withdraw", &savanna), Code::Conflict, "no objection");
                let reason = json!({ "act": "object", "target": savanna, "reason": long(8001) });
                self.body("a reason without end", &reason, invalid, "reason");
                let amend = |more: Value| {
                    let mut body = json!({ "act": "amend", "expires_in_ms": 86_400_000, "statement": "because" });
                    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                    body
                };
                self.body("an amendment of nothing", &amend(json!({})), invalid, "nothing");
                for weights in [json!([100]), json!([1, 2, 3, 4, 5, 6]), json!([])] {
                    self.body("bad weights", &amend(json!({ "harm_weights": weights })), invalid, "harm_weights");
                }
                self.body("no weights", &amend(json!({ "harm_weights": "all" })), malformed, "");
                self.body("a window of 0", &amend(json!({ "window_ms": 0 })), invalid, "window");
                self.body("expired", &amend(json!({ "window_ms": 5000, "expires_in_ms": 0 })), invalid, "expired");
                self.body("no reason why", &amend(json!({ "window_ms": 5000, "statement": "" })), invalid, "statement");
                let essay = amend(json!({ "window_ms": 5000, "statement": long(9000) }));
                self.body("an essay", &essay, invalid, "statement");
                let veto = amend(json!({ "window_ms": 5000, "veto": "entry" }));
                self.body("the veto itself", &veto, malformed, "veto");
            }
            Op::Proposal | Op::DropProposal => self.ids(0),
            Op::Approve => {
                self.ids(0);
                self.bent("/kid", json!("me"), Code::Approval, "kid");
                self.bent("/signature", json!("zz"), Code::Approval, "signature");
                self.bent("/signature", json!("ab"), Code::Approval, "signature");
                self.bent("/signature", json!(1), malformed, "");
                let foreign = self.good.body.clone().unwrap();
                self.body("a key that is no officer's", &foreign, Code::Approval, "");
                let own = self.officer();
                self.bent("/kid", json!(own), Code::Approval, "");
            }
            Op::Objection => self.ids(0),
            Op::IdEntry => {
                let file = std::fs::read(self.w.town.path("charter.lapwing")).unwrap();
                let file = CharterFile::open(&file).unwrap();
                let pid = self.status_pid();
                let other = file.first_entries.iter().find(|e| e.header().pid.to_string() != pid).unwrap();
                for bad in ["", "0", "zz", "00", &long(100)] {
                    self.bent("/entry", json!(bad), invalid, "entry");
                }
                self.bent("/entry", json!(hex(&other.encode())), invalid, "log 0");
            }
            Op::ReferralCheck => {
                self.bent("/form", json!("x"), malformed, "");
                self.bent("/form", json!({ "narative": "x" }), malformed, "narative");
                self.bent("/form", json!({ "kind": "tea" }), malformed, "tea");
                self.bent("/form", json!({ "volume": -1 }), malformed, "");
                self.bent("/to", json!(["polder"]), malformed, "");
            }
            Op::EvidencePut => {
                self.ids(0);
                let draft = self.draft();
                self.good.path = vec![draft];
                for (key, bad) in [
                    ("name", ""),
                    ("name", &long(256)),
                    ("name", "a\u{1b}[2Jb"),
                    ("media_type", ""),
                    ("media_type", &long(128)),
                    ("sha256", ""),
                    ("sha256", "zz"),
                    ("sha256", &long(64)),
                ] {
                    self.query(key, bad, invalid);
                }
                // the right form, of other bytes
                let other = sha256(EVIDENCE);
                self.query("sha256", &other, invalid);
                let mut large = self.raw("an upload beyond every limit", Code::TooLarge);
                large.headers.push(("content-length", (65_u64 << 30).to_string()));
                self.push(large);
            }
            Op::DraftList => self.query("template", "perhaps", malformed),
            Op::DraftShow | Op::DraftDrop => self.ids(0),
            Op::DraftApprove => {
                self.ids(0);
                let draft = self.draft();
                self.path("nothing was saved in it", &[&draft], Code::Conflict);
                self.all.last_mut().unwrap().says = "nothing to approve".into();
            }
            Op::DraftSave => {
                self.ids(0);
                let draft = self.draft();
                self.good.path = vec![draft];
                self.bent("/to", json!("nobody"), invalid, "to");
                self.bent("/form", json!({ "narative": "x" }), malformed, "narative");
                self.bent("/template", json!("Not a name"), invalid, "template");
            }
            Op::Submit => {
                self.ids(0);
                let draft = self.draft();
                self.good.path = vec![draft];
                self.bent("/to", json!(null), invalid, "not whole");
                self.bent("/form", json!(null), invalid, "not whole");
                self.bent("/ahead_because", json!(""), invalid, "ahead_because");
                let form = self.good.body.clone().unwrap();
                self.body("an empty form", &form, invalid, "assistance");
                self.bent("/to", json!("nobody"), Code::NotFound, "nobody");
                self.bent("/to", json!("savanna"), Code::Ambiguous, "savanna");
                self.bent("/to", json!("harbour"), invalid, "another participant");
                self.bent("/give_up_days", json!(0), invalid, "give_up_days");
                self.bent("/give_up_days", json!(366), invalid, "give_up_days");
                self.bent("/give_up_days", json!("soon"), malformed, "");
                self.bent("/form", json!({ "narative": "x" }), malformed, "narative");
                let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
                form["narrative"] = json!(long(5000));
                self.bent("/form", form.clone(), invalid, "narrative");
                form["narrative"] = json!("x");
                form["poc_ref"] = json!("nowhere");
                form["retention_until"] = json!("2999-01-01");
                self.bent("/form", form, invalid, "retention_until");
            }
            Op::Referrals => {
                for (key, bad) in
                    [("stage", "limbo"), ("role", "judge"), ("stuck", "very"), ("overdue", "late"), ("order", "luck")]
                {
                    self.query(key, bad, malformed);
                }
                self.query("with", "nobody", Code::NotFound);
                self.all.last_mut().unwrap().says = "nobody".into();
            }
            Op::Referral => self.ids(0),
            Op::Export | Op::ExportPdf => {
                self.ids(0);
                self.query("purpose", "leisure", malformed);
            }
            Op::ExportCsv => {
                self.ids(0);
                self.query("purpose", "leisure", malformed);
                self.query("table", "chairs", malformed);
            }
            Op::ExportXarf => {
                self.ids(0);
                self.query("item", "nobody", Code::NotFound);
            }
            Op::Prepare => {
                self.ids(0);
                self.statements();
                self.body(
                    "what needs no officer",
                    &json!({ "kind": "need_info", "text": "who?" }),
                    invalid,
                    "approval",
                );
                self.good.at = "harbour";
                let body = self.good.body.clone().unwrap();
                self.body("by the requester", &body, Code::NotYourTurn, "side");
            }
            Op::PassOn => {
                self.ids(0);
                let body = self.good.body.clone().unwrap();
                self.body("what was never proposed", &body, Code::WrongReference, "proposal");
                self.bent("/proposal", json!("short"), Code::NotFound, "short");
                self.bent("/poc_ref", json!(7), malformed, "");
            }
            Op::Say => {
                self.ids(0);
                self.statements();
                let body = self.good.body.clone().unwrap();
                self.body("without an officer", &body, Code::Approval, "");
                let bad = json!([{ "kid": NOBODY, "signature": "ab".repeat(64) }]);
                self.bent("/approvals", bad, Code::Approval, "");
                self.bent("/approvals", json!([{ "kid": "me", "signature": "" }]), Code::Approval, "kid");
                self.bent("/approvals", json!([{ "kid": NOBODY, "signature": "ab", "x": 1 }]), malformed, "x");
                let text = |kind: &str, text: String| json!({ "kind": kind, "text": text });
                self.body("an empty question", &text("need_info", String::new()), invalid, "text");
                self.body("an endless question", &text("need_info", long(40_000)), invalid, "text");
                self.body("hidden characters", &text("need_info", "a\u{1b}[2J".into()), invalid, "text");
                for kind in ["withdraw", "close"] {
                    let side = self.good.at;
                    self.body(&format!("{kind} by the target"), &json!({ "kind": kind }), Code::NotYourTurn, "side");
                    self.body("an endless note", &json!({ "kind": kind, "note": long(40_000) }), invalid, "note");
                    self.good.at = side;
                }
                self.body("supplement by the target", &text("supplement", "x".into()), Code::NotYourTurn, "side");
                self.good.at = "harbour";
                self.body("need_info by the requester", &text("need_info", "x".into()), Code::NotYourTurn, "side");
                self.body("acknowledge by the requester", &body, Code::NotYourTurn, "side");
                self.good.at = "polder";
                let of = |kind: &str, body: Value| json!({ "kind": kind, "body": body });
                let result = json!({ "items": [0], "measure": "x", "outcome": "none", "text": "x" });
                self.body(
                    "a result on nothing accepted",
                    &of("result_final", result.clone()),
                    Code::WrongState,
                    "accepted",
                );
                self.body(
                    "evidence that is none",
                    &json!({ "kind": "result_final", "body": result, "evidence": ["x"] }),
                    invalid,
                    "evidence",
                );
                let duplicate = json!({ "items": [{ "item": 0, "decision": "refuse", "ground": "duplicate_of" }] });
                self.body("a duplicate of what?", &of("decide", duplicate), invalid, "duplicate_of");
                let want =
                    json!({ "items": [{ "item": 0, "decision": "refuse", "ground": "insufficient_information" }] });
                self.body("want of information unasked", &of("decide", want), Code::WrongGround, "need_info");
                let seen = json!({ "kind": "seen", "upto": NOBODY });
                self.body("what nobody said is seen", &seen, Code::WrongReference, "");
                let nothing = json!({ "scope": {}, "reason": "x" });
                self.body("a consent to nothing", &of("consent_request", nothing), invalid, "scope");
                self.body("no evidence", &json!({ "kind": "blob_request", "blobs": [] }), invalid, "blobs");
                let harm = json!({ "harm": [{ "factor": "victims", "band": 9, "basis": "provider_data" }] });
                self.body("a band that is none", &of("assess", harm), invalid, "harm.0.band");
                let fixed = json!({ "kind": "supplement", "text": "x", "form": { "kind": "joint_action_proposal" } });
                self.good.at = "harbour";
                self.body("another kind of referral", &fixed, invalid, "form.kind");
                let faulty = json!({ "kind": "supplement", "text": "x", "form": { "retention_until": "soon" } });
                self.body("a supplement that spoils the form", &faulty, invalid, "form.retention_until");
                let other = of("recall", json!({ "reason": "other" }));
                self.body("a recall for no reason", &other, invalid, "note");
            }
            Op::EvidenceFetch | Op::EvidenceGet => {
                self.ids(0);
                self.ids(1);
                if self.row.op == Op::EvidenceGet {
                    self.good.at = "polder";
                    let wrong = self.raw("what was never fetched", Code::EvidenceNotHere);
                    self.push(wrong);
                }
            }
            Op::Events => {
                for bad in ["x", "-1", "7", "000000000000-", "000000000000-99999999999999999999"] {
                    self.query("after", bad, malformed);
                }
                let mut wrong = self.raw("last-event-id: x", malformed);
                wrong.headers.push(("last-event-id", "x".into()));
                self.push(wrong);
            }
        }
    }

    /// Statements whose content is wrong, whoever says them.
    fn statements(&mut self) {
        let (malformed, invalid) = (Code::Malformed, Code::Invalid);
        self.bent("/kind", json!("shout"), malformed, "shout");
        self.bent("/body/own_reference", json!(""), invalid, "own_reference");
        self.bent("/body/own_reference", json!(long(101)), invalid, "own_reference");
        self.bent("/body/assurance", json!("perhaps"), malformed, "perhaps");
        self.bent("/body/decision_by", json!("soon"), malformed, "");
        self.bent("/body/ownreference", json!("x"), malformed, "body.ownreference");
        let decide = |items: Value| json!({ "kind": "decide", "body": { "items": items } });
        let item =
            |item: u64, decision: &str, ground: Value| json!({ "item": item, "decision": decision, "ground": ground });
        self.body("no decision", &decide(json!([])), invalid, "items");
        self.body("a refusal without ground", &decide(json!([item(0, "refuse", Value::Null)])), invalid, "ground");
        self.body("an unknown ground", &decide(json!([item(0, "refuse", json!("tea"))])), malformed, "tea");
        self.body("an unknown decision", &decide(json!([item(0, "shrug", Value::Null)])), malformed, "shrug");
        self.body("a deferral without date", &decide(json!([item(0, "defer", Value::Null)])), invalid, "until");
        let twice = json!([item(0, "accept", Value::Null), item(0, "accept", Value::Null)]);
        self.body("one item twice", &decide(twice), invalid, "items");
        let accepted = decide(json!([item(7, "accept", Value::Null)]));
        self.body("an item that is not there", &accepted, Code::WrongReference, "item 7");
        let lacking = decide(json!([item(0, "refuse", json!("insufficient_information"))]));
        self.body("for want of information, unasked", &lacking, Code::WrongGround, "need_info");
    }

    fn officer(&self) -> String {
        let view: Value = self.w.town.client("harbour", Op::Identity).unwrap().read(Op::Identity, &[], &[]).unwrap();
        view["officers"][0]["kid"].as_str().unwrap().to_owned()
    }

    fn status_pid(&self) -> String {
        self.w.town.status("harbour").unwrap().me.pid
    }

    /// A draft to be wrong about: opened before anything is compared.
    fn draft(&self) -> String {
        let draft: Value =
            self.w.town.client("harbour", Op::Drafts).unwrap().call(Op::Drafts, &[], &[], &json!({})).unwrap();
        draft["thread"].as_str().unwrap().to_owned()
    }
}

/// Sends everything that is wrong to every operation; how many requests for each, and what codes they were answered with.
pub fn sweep(w: &World) -> BTreeMap<&'static str, (usize, BTreeSet<Code>)> {
    let mut counts = BTreeMap::new();
    let mut failures = Vec::new();
    for row in OPS {
        let mut rows = Rows { w, row, good: good(w, row.op), all: Vec::new() };
        rows.general();
        rows.particular();
        counts.insert(row.name, (rows.all.len(), rows.all.iter().map(|wrong| wrong.code).collect()));
        let mut answers = BTreeSet::new();
        let changed = w.unchanged(row.name, || answers.extend(rows.all.iter().filter_map(|wrong| refused(w, wrong))));
        failures.extend(answers.into_iter().chain(changed));
    }
    assert!(failures.is_empty(), "{} answers are wrong:\n{}", failures.len(), failures.join("\n"));
    counts
}

/// Sends one wrong request; what is wrong with its answer, if anything.
fn refused(w: &World, wrong: &Wrong) -> Option<String> {
    let request =
        Request { method: &wrong.method, path: &wrong.path, headers: wrong.headers.clone(), body: &wrong.body };
    let answer = ask(&w.api(wrong.at), &request);
    if answer.status < 400 {
        return Some(format!(
            "{}: taken with {}: {}",
            wrong.what,
            answer.status,
            String::from_utf8_lossy(&answer.body)
        ));
    }
    let problem = answer.problem(&wrong.what);
    if problem.code != wrong.code {
        return Some(format!(
            "{}: {} instead of {}: {}",
            wrong.what,
            problem.code.as_str(),
            wrong.code.as_str(),
            problem.detail
        ));
    }
    let said = serde_json::to_string(&problem).unwrap();
    (!said.contains(&wrong.says)).then(|| format!("{}: says nothing of `{}`: {said}", wrong.what, wrong.says))
}
