//! Hashes and the identifiers made of them (protocol §1).
//!
//! Every identifier is a BLAKE3-256 hash under a derive-key context of its own, so that the hash of one kind of
//! thing can never be taken for another's. People see them as lower-case base32 without padding.

use std::fmt;
use std::str::FromStr;

/// What a hash is of. The strings are part of the protocol and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// A log entry's header bytes → [`EntryId`].
    Entry,
    /// An entry's body bytes.
    Body,
    /// A charter's bytes → [`NetworkId`].
    Charter,
    /// An inception body's bytes → [`Pid`].
    Inception,
    /// A verifying key's 32 bytes → [`Kid`].
    Key,
    /// Heads of logs, as compared by anti-entropy.
    Heads,
    /// The state digest of a roster.
    State,
    /// A referral statement's bytes → [`MsgId`].
    Msg,
    /// What officers approve, as shown to them.
    Proposal,
    /// A row of the audit trail.
    Audit,
}

impl HashOf {
    /// The BLAKE3 derive-key context.
    pub const fn context(self) -> &'static str {
        match self {
            HashOf::Entry => "lapwing/1 entry",
            HashOf::Body => "lapwing/1 body",
            HashOf::Charter => "lapwing/1 charter",
            HashOf::Inception => "lapwing/1 inception",
            HashOf::Key => "lapwing/1 key",
            HashOf::Heads => "lapwing/1 heads",
            HashOf::State => "lapwing/1 state",
            HashOf::Msg => "lapwing/1 msg",
            HashOf::Proposal => "lapwing/1 proposal",
            HashOf::Audit => "lapwing/1 audit",
        }
    }

    /// Hashes `bytes` under this context.
    pub fn hash(self, bytes: &[u8]) -> [u8; 32] {
        blake3::derive_key(self.context(), bytes)
    }
}

/// A string that is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identifier: expected 52 characters of base32 (a-z, 2-7)")]
pub struct ParseIdError(pub String);

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The first eight characters, for people and logs. Never for deciding.
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                unbase32(text).map(Self).ok_or_else(|| ParseIdError(text.chars().take(64).collect()))
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool { true }
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[a-z2-7]{52}$" })
            }
        }
    };
}

identifier!(
    /// A participant: the hash of its inception body.
    Pid
);
identifier!(
    /// A federation: the hash of its charter.
    NetworkId
);
identifier!(
    /// A log entry: the hash of its header.
    EntryId
);
identifier!(
    /// A key: the hash of its public bytes.
    Kid
);
identifier!(
    /// A referral statement.
    MsgId
);
identifier!(
    /// A referral's thread between two participants: chosen at random by the one who opens it.
    ThreadId
);
identifier!(
    /// Any other hash (bodies, digests, blobs).
    Digest
);

/// Lower-case base32 without padding (RFC 4648 alphabet).
pub fn base32(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_lowercase()
}

fn unbase32(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    data_encoding::BASE32_NOPAD.decode(text.to_uppercase().as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_its_own_text() {
        let pid = Pid(HashOf::Inception.hash(b"x"));
        assert_eq!(pid.to_string().parse::<Pid>(), Ok(pid));
        assert_eq!(pid.to_string().len(), 52);
    }

    #[test]
    fn text_that_is_not_canonical_is_refused() {
        let text = Pid([7; 32]).to_string();
        assert!(text.to_uppercase().parse::<Pid>().is_err());
        assert!(text[..51].parse::<Pid>().is_err());
        // the last character carries four unused bits: they must be zero
        let bent = format!("{}b", &text[..51]);
        assert!(bent == text || bent.parse::<Pid>().is_err());
    }

    #[test]
    fn contexts_keep_hashes_apart() {
        assert_ne!(HashOf::Entry.hash(b"x"), HashOf::Body.hash(b"x"));
    }
}
