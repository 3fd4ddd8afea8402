//! Errors at the edge: `application/problem+json` (RFC 9457) with stable codes.

use serde::{Deserialize, Serialize};

/// Who can do something about it; the command line's exit codes follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The caller gave something wrong. Exit code 2.
    User,
    /// The node or the call is set up wrongly. Exit code 3.
    Config,
    /// Not now; the same call may work later. Exit code 4.
    Unavailable,
    /// A fault of the node. Exit code 5.
    Internal,
}

impl Audience {
    /// The command line's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Audience::User => 2,
            Audience::Config => 3,
            Audience::Unavailable => 4,
            Audience::Internal => 5,
        }
    }
}

macro_rules! codes {
    ($($code:literal $name:ident $status:literal $audience:ident $title:literal $remedy:literal;)+) => {
        /// What went wrong. The codes are stable: the same in API, log, metrics and documents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $name),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];
            /// The stable token.
            pub const fn as_str(self) -> &'static str { match self { $(Code::$name => $code),+ } }
            /// The HTTP status.
            pub const fn status(self) -> u16 { match self { $(Code::$name => $status),+ } }
            /// Who can do something about it.
            pub const fn audience(self) -> Audience { match self { $(Code::$name => Audience::$audience),+ } }
            /// In words.
            pub const fn title(self) -> &'static str { match self { $(Code::$name => $title),+ } }
            /// What to do about it, where nothing more particular is known.
            pub const fn remedy(self) -> &'static str { match self { $(Code::$name => $remedy),+ } }
        }
    };
}

codes! {
    "malformed" Malformed 400 User "The request is malformed."
        "Mend what is named and send it again. `lapwing VERB --help` shows what a verb takes.";
    "unauthenticated" Unauthenticated 401 User "No valid token was given."
        "Send `authorization: Bearer TOKEN`; `lapwing token new` makes a token.";
    "forbidden" Forbidden 403 User "This token's role may not do that."
        "Use a token with another role; `lapwing whoami` lists what a token may do.";
    "bad_host" BadHost 403 User "The request was not made to this node's own address."
        "Use the node's loopback address (`127.0.0.1:PORT`). A name that a proxy passes on must stand in `[api] hosts`.";
    "not_found" NotFound 404 User "There is no such thing here."
        "Look for it with the verb or path that lists such things; an id needs 8 characters or more.";
    "no_route" NoRoute 404 User "The API has no such path."
        "Every path begins with /api/v1.";
    "bad_method" BadMethod 405 User "The path does not take this method."
        "The header `allow` of the answer says which methods the path takes.";
    "ambiguous" Ambiguous 409 User "The name stands for more than one participant."
        "Give more characters of the id.";
    "conflict" Conflict 409 User "The state of things does not allow it."
        "Look at how things stand now (`lapwing status` says what waits), and whether it is still needed.";
    "less_harmful_first" LessHarmfulFirst 409 User "A more harmful referral waits to be sent."
        "Send that one first, or say why this one goes ahead (`--ahead-because REASON`); the reason is kept with the case.";
    "standing" Standing 409 User "Somebody's standing forbids it."
        "`lapwing member explain NAME` says why somebody stands where it stands.";
    "not_your_turn" NotYourTurn 409 User "This side of the case does not say that."
        "`lapwing refer show THREAD` tells which side this agency is on.";
    "wrong_state" WrongState 409 User "The case is not at that point of its life."
        "`lapwing refer show THREAD` tells its stage and what was said.";
    "wrong_ground" WrongGround 409 User "The ground does not hold here."
        "Name another ground, or do first what it rests on.";
    "wrong_reference" WrongReference 409 User "It names something that is not in the case."
        "`lapwing refer show THREAD --json` lists statements, assistance items and evidence with their ids.";
    "not_assured" NotAssured 409 User "Confidentiality was asked for and is not assured."
        "Held-back evidence goes out once the target acknowledges with `assured` or `assured_subject_to`.";
    "consent_needed" ConsentNeeded 409 User "The originator has not consented."
        "Propose it, and wait for the requester's `transfer_consent`.";
    "too_soon" TooSoon 409 User "The last one of its kind is too recent."
        "Try again a day after the last one.";
    "too_large" TooLarge 413 User "The request is too large."
        "Send less at a time.";
    "bad_media_type" BadMediaType 415 User "The body must be JSON."
        "Send it with the header `content-type: application/json`.";
    "invalid" Invalid 422 User "The content has faults."
        "Mend what is named and try again.";
    "not_released" NotReleased 403 User "The marking of the content does not let it out this way."
        "Ask its originator for a consent (`lapwing case consent ask`); what TLP:RED keeps is for officers.";
    "approval" Approval 422 User "The approval does not hold."
        "Officers sign exactly what the node proposes; `lapwing officer list` shows whose keys count.";
    "evidence_not_here" EvidenceNotHere 409 User "The item of evidence is not here yet."
        "`lapwing case evidence fetch` starts or resumes its transfer.";
    "content_gone" ContentGone 410 User "The content can no longer be read on this node."
        "Ask the other side for it again.";
    "too_many_requests" TooManyRequests 429 Unavailable "Too many requests."
        "Try again shortly.";
    "head_unchecked" HeadUnchecked 503 Unavailable "The node may not sign yet."
        "Wait until a peer is connected (`lapwing peers`).";
    "unconfirmed" Unconfirmed 503 Unavailable "The node's state is not confirmed by other agencies yet."
        "Other agencies' checkpoints confirm it, usually within seconds of being connected.";
    "search_not_ready" SearchNotReady 503 Unavailable "What searches look in is not up to date."
        "Try again shortly; `lapwing health` shows how far it is. Nothing is answered from an index that lacks something.";
    "timeout" Timeout 503 Unavailable "It took too long; what was asked may still be done."
        "See whether it was done before it is tried again.";
    "stopping" Stopping 503 Unavailable "The node is stopping."
        "Start the node and try again.";
    "unreachable" Unreachable 503 Unavailable "The node cannot be reached."
        "Is it running? `lapwing run` starts it; `--data DIR` or `--api ADDR` tell which node is meant.";
    "disk_full" DiskFull 507 Unavailable "The node's disk is full."
        "Free some room on the data disk.";
    "config" Config 500 Config "The node's configuration has faults."
        "Mend the file that is named, or take the copy that was kept of it. `lapwing config check` looks at the configuration.";
    "internal" Internal 500 Internal "The node failed."
        "A fault of the program or of its data, not of what was asked; the node's log says more.";
}

impl Code {
    /// From the stable token.
    pub fn from_token(text: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.as_str() == text)
    }
}

impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        schemars::json_schema!({ "type": "string", "enum": codes, "description": "What went wrong: a stable code." })
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Ok(Code::from_token(&text).unwrap_or(Code::Internal))
    }
}

/// One fault of a record, by field path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FieldFault {
    /// Dotted path.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

/// An error at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here.
    pub detail: String,
    /// What to do about it: always there in what this program makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every fault at once, where the content has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FieldFault>,
    /// Names the request in the node's log; absent where no node was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
}

impl Problem {
    /// A problem, with its code's remedy as the hint.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem {
            code,
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            hint: Some(code.remedy().into()),
            faults: Vec::new(),
            request_id: None,
        }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With every fault.
    pub fn faults(mut self, faults: Vec<FieldFault>) -> Self {
        self.faults = faults;
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_problem_survives_json_and_codes_are_distinct() {
        let problem = Problem::new(Code::Invalid, "two faults").hint("mend them");
        let back: Problem = serde_json::from_str(&serde_json::to_string(&problem).unwrap()).unwrap();
        assert_eq!(back, problem);
        let tokens: std::collections::BTreeSet<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(tokens.len(), Code::ALL.len());
    }
}
