//! An invitation: how an agency tells another, by e-mail or on a stick, which federation it means and where to find it.
//!
//! `[version, charter, by, members, addrs, made, expires]`
//!
//! It grants nothing: whoever has the charter may apply, and whether it is admitted the agencies decide. It is not
//! signed either: what proves the federation is its id, which two people compare as twelve words on the telephone.
//! Members are as the inviter's node saw them; the joining node learns them anew from the logs.

use crate::cbor::{Bytes, DecodeError, Fault, decode};
use crate::cbor_array;
use crate::charter::{CharterFile, MAX_CHARTER_FILE};
use crate::id::Pid;
use crate::identity::{Class, check_text, is_country, is_short_name};

/// Members listed at most; more are counted by the joining node.
pub const MAX_MEMBERS: usize = 1000;
/// Addresses at most.
pub const MAX_ADDRS: usize = 16;
/// Bytes of an invitation at most.
pub const MAX_INVITATION: usize = MAX_CHARTER_FILE + (1 << 20);

cbor_array! {
    /// A member, as the inviter sees it.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
    pub struct Member {
        /// Who.
        pub pid: Pid,
        /// Its short name.
        pub short_name: String,
        /// Its legal name.
        pub legal_name: String,
        /// Its country.
        pub country: String,
        /// Its class.
        pub class: Class,
    }
}

cbor_array! {
    /// An invitation.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Invitation {
        /// Format version, 1.
        pub version: u64,
        /// The charter's file.
        pub charter: Bytes,
        /// Who invites.
        pub by: Pid,
        /// Participants in full standing.
        pub members: Vec<Member>,
        /// Multiaddrs of nodes to begin with.
        pub addrs: Vec<String>,
        /// Milliseconds UTC.
        pub made: u64,
        /// Milliseconds UTC from which its addresses are not to be relied on.
        pub expires: u64,
    }
}

impl Invitation {
    /// Reads an invitation and the charter in it, all of whose signatures must hold.
    pub fn open(bytes: &[u8]) -> Result<(Self, CharterFile), InvitationError> {
        let invitation: Invitation = decode(bytes, MAX_INVITATION)?;
        let fault = |what: &str| InvitationError::Form(Fault::here(what));
        if invitation.version != 1 {
            return Err(fault("it has another version; this program reads version 1"));
        }
        if invitation.members.len() > MAX_MEMBERS || invitation.addrs.len() > MAX_ADDRS {
            return Err(fault("it has too many members or addresses"));
        }
        for member in &invitation.members {
            if !is_short_name(&member.short_name) || !is_country(&member.country) {
                return Err(fault("a member has no proper name or country"));
            }
            check_text("legal_name", &member.legal_name, 1, 200).map_err(InvitationError::Form)?;
        }
        if invitation.addrs.iter().any(|a| a.len() > 512 || a.chars().any(char::is_control)) {
            return Err(fault("an address is none"));
        }
        let charter = CharterFile::open(&invitation.charter)?;
        Ok((invitation, charter))
    }
}

/// Why an invitation is none.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// It does not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its content has another form.
    #[error("{0}")]
    Form(Fault),
    /// The charter in it does not hold.
    #[error("its charter: {0}")]
    Charter(#[from] crate::charter::CharterError),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cbor::encode;
    use crate::testkit::{TestAgency, charter_of};

    fn invitation() -> Invitation {
        let agencies = [TestAgency::named("harbor"), TestAgency::named("polder")];
        let charter = charter_of(&[&agencies[0], &agencies[1]]);
        let parts = agencies.iter().map(|a| a.found(&charter)).collect();
        let charter = CharterFile::join(charter, parts).unwrap();
        let member = Member {
            pid: agencies[0].pid(),
            short_name: "harbor".into(),
            legal_name: "Harbor".into(),
            country: "GB".into(),
            class: Class::Agency,
        };
        Invitation {
            version: 1,
            charter: Bytes(encode(&charter)),
            by: agencies[0].pid(),
            members: vec![member],
            addrs: vec!["/ip4/192.0.2.1/tcp/7420".into()],
            made: 1,
            expires: 2,
        }
    }

    #[test]
    fn an_invitation_comes_back_with_the_charter_whose_signatures_hold() {
        let (read, charter) = Invitation::open(&encode(&invitation())).unwrap();
        assert_eq!(read, invitation());
        assert_eq!(charter.charter.founders().unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_invitation_is_refused_with_what_is_wrong() {
        let refused = |change: &dyn Fn(&mut Invitation)| {
            let mut bent = invitation();
            change(&mut bent);
            Invitation::open(&encode(&bent)).unwrap_err().to_string()
        };
        assert!(refused(&|i| i.version = 2).contains("version"));
        assert!(refused(&|i| i.members[0].short_name = "Harbor\u{202e}".into()).contains("name"));
        assert!(refused(&|i| i.members[0].legal_name = "x\u{202e}y".into()).contains("202E"));
        assert!(refused(&|i| i.addrs = vec![String::new(); 17]).contains("too many"));
        assert!(refused(&|i| i.addrs = vec!["/ip4/\u{1b}[2J".into()]).contains("address"));
        assert!(refused(&|i| *i.charter.0.last_mut().unwrap() ^= 1).contains("charter"));
        assert!(matches!(Invitation::open(b"tea"), Err(InvitationError::Decode(_))));
    }
}
