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
    ($($(#[$doc:meta])* $code:literal $name:ident $status:literal $audience:ident $title:literal;)+) => {
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
        }
    };
}

codes! {
    "malformed" Malformed 400 User "The request is malformed.";
    "unauthenticated" Unauthenticated 401 User "No valid token was given.";
    "forbidden" Forbidden 403 User "This token's role may not do that.";
    "bad_host" BadHost 403 User "The request was not made to this node's own address.";
    "not_found" NotFound 404 User "There is no such thing here.";
    "no_route" NoRoute 404 User "The API has no such path.";
    "bad_method" BadMethod 405 User "The path does not take this method.";
    "ambiguous" Ambiguous 409 User "The name stands for more than one participant.";
    "conflict" Conflict 409 User "The state of things does not allow it.";
    "standing" Standing 409 User "Somebody's standing forbids it.";
    "too_large" TooLarge 413 User "The request is too large.";
    "bad_media_type" BadMediaType 415 User "The body must be JSON.";
    "invalid" Invalid 422 User "The content has faults.";
    "approval" Approval 422 User "The approval does not hold.";
    "evidence_not_here" EvidenceNotHere 409 User "The item of evidence is not here yet.";
    "content_gone" ContentGone 410 User "The content can no longer be read on this node.";
    "too_many_requests" TooManyRequests 429 Unavailable "Too many requests.";
    "head_unchecked" HeadUnchecked 503 Unavailable "The node may not sign yet.";
    "unconfirmed" Unconfirmed 503 Unavailable "The node's state is not confirmed by other agencies yet.";
    "timeout" Timeout 503 Unavailable "It took too long; what was asked may still be done.";
    "stopping" Stopping 503 Unavailable "The node is stopping.";
    "unreachable" Unreachable 503 Unavailable "The node cannot be reached.";
    "disk_full" DiskFull 507 Unavailable "The node's disk is full.";
    "config" Config 500 Config "The node's configuration has faults.";
    "internal" Internal 500 Internal "The node failed.";
}

impl Code {
    /// From the stable token.
    pub fn from_token(text: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.as_str() == text)
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// Dotted path.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

/// An error at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every fault at once, where the content has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FieldFault>,
}

impl Problem {
    /// A problem.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem {
            code,
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            hint: None,
            faults: Vec::new(),
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
