//! What log 0 says: who a participant is, and with which keys it speaks (protocol §3).
//!
//! ```text
//! root keys (offline, threshold; the next set pre-committed by digest)
//!    └─ epoch: feed key + officers' keys + approval policy, fixed together, anchored in the epoch before
//!          ├─ feed key (online): signs logs 1 and 2
//!          └─ officers' keys (never on a node): approve consents, objections, withdrawals, motions
//! ```

use crate::cbor::{self, DecodeError, Fault, encode};
use crate::entry::LogKind;
use crate::id::{Digest, EntryId, HashOf, Kid, Pid};
use crate::sign::PublicKey;
use crate::{cbor_array, codes};

/// Root keys of a participant at most.
pub const MAX_ROOTS: usize = 5;
/// Officers of an epoch at most.
pub const MAX_OFFICERS: usize = 64;

codes! {
    /// What kind of participant this is (Plan, "Participation"). Fixed by the inception for good.
    pub enum Class {
        /// A government or public agency: may object.
        0 "agency" => Agency,
        /// A private-sector representative.
        1 "private" => Private,
        /// An observer.
        2 "observer" => Observer,
    }
}

codes! {
    /// Categories of participants: of agencies, and the Plan's list of private-sector representatives.
    pub enum Category {
        /// A consumer-protection agency.
        0 "consumer_protection" => ConsumerProtection,
        /// A data-protection authority.
        1 "data_protection" => DataProtection,
        /// A telecommunications authority.
        2 "telecommunications_authority" => TelecommunicationsAuthority,
        /// Another public agency.
        3 "other_agency" => OtherAgency,
        /// A financial institution.
        16 "financial_institution" => FinancialInstitution,
        /// An internet service provider.
        17 "internet_service_provider" => InternetServiceProvider,
        /// A telecommunications company.
        18 "telecommunications" => Telecommunications,
        /// An information-security software company.
        19 "information_security_software" => InformationSecuritySoftware,
        /// A mobile operator.
        20 "mobile_operator" => MobileOperator,
        /// A courier.
        21 "courier" => Courier,
        /// A commercial mail receiving agency.
        22 "commercial_mail_receiving_agency" => CommercialMailReceivingAgency,
        /// An industry membership organization.
        23 "industry_membership_organization" => IndustryMembershipOrganization,
        /// A consumer organization.
        24 "consumer_organization" => ConsumerOrganization,
        /// A payment-system provider.
        25 "payment_system_provider" => PaymentSystemProvider,
        /// A credit-reporting agency.
        26 "credit_reporting_agency" => CreditReportingAgency,
        /// A domain registrar or registry.
        27 "domain_registrar_or_registry" => DomainRegistrarOrRegistry,
        /// An alternative dispute resolution service.
        28 "alternative_dispute_resolution" => AlternativeDisputeResolution,
        /// Another private-sector representative.
        29 "other" => Other,
        /// An international organisation observing.
        48 "international_organisation" => InternationalOrganisation,
        /// A country that would like to know how best to participate.
        49 "prospective_agency" => ProspectiveAgency,
    }
}

impl Category {
    /// The class that this category belongs to.
    pub const fn class(self) -> Class {
        match self.number() {
            0..=15 => Class::Agency,
            16..=47 => Class::Private,
            _ => Class::Observer,
        }
    }
}

codes! {
    /// An act that officers approve (protocol §3).
    pub enum Act {
        /// Consent to a participant or motion.
        3 "consent" => Consent,
        /// Object.
        4 "object" => Object,
        /// Withdraw an objection.
        5 "withdraw" => Withdraw,
        /// Propose an amendment.
        6 "motion" => Motion,
        /// Acknowledge a referral in person.
        7 "acknowledge" => Acknowledge,
        /// Decide on a referral's assistance items.
        8 "decide" => Decide,
    }
}

codes! {
    /// Why a new epoch was opened.
    pub enum GrantReason {
        /// A regular change.
        0 "routine" => Routine,
        /// The feed key was lost.
        1 "loss" => Loss,
        /// The feed key, or an officer's, is in other hands.
        2 "compromise" => Compromise,
        /// One branch of a forked log is chosen.
        3 "fork_heal" => ForkHeal,
        /// Officers joined or left.
        4 "people" => People,
    }
}

cbor_array! {
    /// An officer's key in one epoch.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Officer {
        /// The key.
        pub key: PublicKey,
        /// Milliseconds UTC after which the agency does not mean to use it. For people; the fold reads no clock.
        pub not_after: u64,
    }
}

cbor_array! {
    /// How many officers must approve an act.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PolicyRule {
        /// The act.
        pub act: Act,
        /// Distinct officers' approvals needed, at least 1.
        pub m: u64,
    }
}

cbor_array! {
    /// What one epoch fixes together; a change of any part opens a new one.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EpochKeys {
        /// Signs logs 1 and 2.
        pub feed: PublicKey,
        /// Who approves.
        pub officers: Vec<Officer>,
        /// How many approve what; acts not named need one.
        pub policy: Vec<PolicyRule>,
    }
}

impl EpochKeys {
    /// Approvals that `act` needs.
    pub fn needed(&self, act: Act) -> usize {
        let m = self.policy.iter().find(|r| r.act == act).map_or(1, |r| r.m);
        usize::try_from(m.max(1)).unwrap_or(usize::MAX)
    }

    /// The officer with this key id.
    pub fn officer(&self, kid: &Kid) -> Option<&Officer> {
        self.officers.iter().find(|o| o.key.kid() == *kid)
    }

    fn check(&self) -> Result<(), Fault> {
        if self.officers.len() > MAX_OFFICERS {
            return Err(Fault::here(format!("more than {MAX_OFFICERS} officers")).within("officers"));
        }
        let mut kids: Vec<Kid> = self.officers.iter().map(|o| o.key.kid()).collect();
        kids.sort();
        if kids.windows(2).any(|w| w[0] == w[1]) || kids.contains(&self.feed.kid()) {
            return Err(Fault::here("every officer's key, and the feed key, must differ").within("officers"));
        }
        let mut acts: Vec<Act> = self.policy.iter().map(|r| r.act).collect();
        acts.sort();
        if let Some(twice) = acts.windows(2).find(|w| w[0] == w[1]) {
            return Err(Fault::here(format!("has two rules for {}", twice[0])).within("policy"));
        }
        match self.policy.iter().find(|r| r.m == 0 || r.m as usize > self.officers.len().max(1)) {
            Some(rule) => Err(Fault::here(format!("{} asks for {} approvals", rule.act, rule.m)).within("policy")),
            None => Ok(()),
        }
    }
}

cbor_array! {
    /// Log 0, entry 0. Its hash is the participant's [`Pid`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Inception {
        /// Agency, private-sector representative or observer.
        pub class: Class,
        /// A category of that class.
        pub category: Category,
        /// The full name.
        pub legal_name: String,
        /// The name on the command line: `[a-z0-9-]{2,32}`.
        pub short_name: String,
        /// ISO 3166-1 alpha-2, upper case.
        pub country: String,
        /// The law or statute that it acts under.
        pub authority_basis: String,
        /// 1 to 5 root keys.
        pub roots: Vec<PublicKey>,
        /// Root keys that must sign.
        pub threshold: u64,
        /// Hashes of the keys of the next root set.
        pub next: Vec<Kid>,
        /// Of the next root set, keys that must sign.
        pub next_threshold: u64,
        /// The first epoch.
        pub first: EpochKeys,
        /// The text that it endorses.
        pub plan_text_hash: Digest,
        /// The pid that it had before, if it left and applies anew.
        pub predecessor: Option<Pid>,
    }
}

/// Bytes of an inception body at most.
pub const MAX_INCEPTION: usize = 16 * 1024;

impl Inception {
    /// The participant's id.
    pub fn pid(&self) -> Pid {
        Pid(HashOf::Inception.hash(&encode(self)))
    }

    /// Reads a body and checks every rule of form.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let inception: Inception = cbor::decode(bytes, MAX_INCEPTION)?;
        inception.check()?;
        Ok(inception)
    }

    /// The rules of form that the types do not hold by themselves.
    pub fn check(&self) -> Result<(), Fault> {
        let fault = |path: &str, what: &str| Err(Fault::here(what).within(path));
        if self.category.class() != self.class {
            return fault("category", "belongs to another class of participant");
        }
        if !is_short_name(&self.short_name) {
            return fault("short_name", "must be 2 to 32 characters of a-z, 0-9 and - (not first or last)");
        }
        if !is_country(&self.country) {
            return fault("country", "must be two capital letters (ISO 3166-1 alpha-2)");
        }
        check_text("legal_name", &self.legal_name, 1, 200)?;
        check_text("authority_basis", &self.authority_basis, 0, 1000)?;
        check_set("roots", self.roots.iter().map(PublicKey::kid), self.threshold)?;
        check_set("next", self.next.iter().copied(), self.next_threshold)?;
        self.first.check().map_err(|f| f.within("first"))
    }
}

fn check_set(path: &str, kids: impl Iterator<Item = Kid>, threshold: u64) -> Result<(), Fault> {
    let kids: Vec<Kid> = kids.collect();
    let distinct: std::collections::BTreeSet<Kid> = kids.iter().copied().collect();
    if kids.is_empty() || kids.len() > MAX_ROOTS || distinct.len() != kids.len() {
        return Err(Fault::here(format!("must be 1 to {MAX_ROOTS} different keys")).within(path));
    }
    if threshold == 0 || threshold > kids.len() as u64 {
        return Err(Fault::here("threshold must be from 1 to the number of keys").within(path));
    }
    Ok(())
}

/// Text that people will read: a length in characters, no control or direction-changing characters.
pub fn check_text(path: &str, text: &str, min: usize, max: usize) -> Result<(), Fault> {
    let chars = text.chars().count();
    if chars < min || chars > max {
        return Err(Fault::here(format!("must have {min} to {max} characters, has {chars}")).within(path));
    }
    if let Some(c) = text.chars().find(|c| is_hidden(*c) && *c != '\n') {
        return Err(Fault::here(format!("holds the invisible character U+{:04X}", c as u32)).within(path));
    }
    Ok(())
}

/// Control characters, and those that reorder or hide what stands around them.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
}

/// Whether `name` is a name for the command line.
pub fn is_short_name(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Whether `code` has the form of an ISO 3166-1 alpha-2 code.
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}

cbor_array! {
    /// The pre-committed keys take over as roots; a new next set is committed to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RootRotate {
        /// The keys of the set that was committed to.
        pub revealed: Vec<PublicKey>,
        /// Hashes of the keys of the set after that.
        pub next: Vec<Kid>,
        /// Its threshold.
        pub next_threshold: u64,
    }
}

impl RootRotate {
    /// Whether the revealed keys are just those that `next` committed to, and the new set is well-formed.
    pub fn check(&self, next: &[Kid]) -> Result<(), Fault> {
        let mut revealed: Vec<Kid> = self.revealed.iter().map(PublicKey::kid).collect();
        let mut committed = next.to_vec();
        revealed.sort();
        committed.sort();
        if revealed != committed {
            return Err(Fault::here("not the keys that were committed to").within("revealed"));
        }
        check_set("next", self.next.iter().copied(), self.next_threshold)
    }
}

cbor_array! {
    /// A place in a log.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Anchor {
        /// The log.
        pub log: LogKind,
        /// The position.
        pub seq: u64,
        /// The entry there.
        pub id: EntryId,
    }
}

cbor_array! {
    /// A new epoch.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KeyGrant {
        /// One more than the epoch before.
        pub epoch: u64,
        /// Its keys and policy.
        pub keys: EpochKeys,
        /// The last entries of the epoch before that the owner stands by, one per log; a log without an anchor starts
        /// anew at its beginning.
        pub anchors: Vec<Anchor>,
        /// Why.
        pub reason: GrantReason,
    }
}

impl KeyGrant {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        let logs: Vec<LogKind> = self.anchors.iter().map(|a| a.log).collect();
        if logs.contains(&LogKind::Id) || logs.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Fault::here("one anchor per log, for logs 1 and 2, in that order").within("anchors"));
        }
        self.keys.check().map_err(|f| f.within("keys"))
    }

    /// Where the epoch begins in `log`: after this entry, or at the very beginning.
    pub fn anchor(&self, log: LogKind) -> Option<(u64, EntryId)> {
        self.anchors.iter().find(|a| a.log == log).map(|a| (a.seq, a.id))
    }
}

cbor_array! {
    /// The participant leaves: at once, with no reason owed (Plan D).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Leave {
        /// Its logs' last entries.
        pub heads: Vec<Anchor>,
        /// What it likes to say.
        pub note: Option<String>,
    }
}

/// Twelve words for the first 128 bits of an id, for two officers on the telephone (BIP-39 list and checksum).
pub fn words(id: &[u8; 32]) -> String {
    let mnemonic = bip39::Mnemonic::from_entropy(&id[..16]).expect("16 bytes are twelve words");
    mnemonic.words().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit::TestAgency;

    #[test]
    fn an_inception_survives_its_bytes_and_fixes_the_pid() {
        let inception = TestAgency::named("harbor").inception;
        let bytes = encode(&inception);
        assert_eq!(Inception::decode(&bytes).unwrap().pid(), inception.pid());
        let other = Inception { country: "NL".into(), ..inception.clone() };
        assert_ne!(other.pid(), inception.pid());
    }

    #[test]
    fn every_rule_of_form_is_held() {
        let good = TestAgency::named("harbor").inception;
        good.check().unwrap();
        let faults: Vec<(&str, Inception)> = vec![
            ("category", Inception { category: Category::Courier, ..good.clone() }),
            ("short_name", Inception { short_name: "Harbor".into(), ..good.clone() }),
            ("country", Inception { country: "gb".into(), ..good.clone() }),
            ("legal_name", Inception { legal_name: "x\u{202e}y".into(), ..good.clone() }),
            ("roots", Inception { threshold: 2, ..good.clone() }),
            ("next", Inception { next: vec![], ..good.clone() }),
            ("first.officers", {
                let mut bad = good.clone();
                bad.first.officers[0].key = bad.first.feed;
                bad
            }),
        ];
        for (path, bad) in faults {
            assert_eq!(bad.check().unwrap_err().path, path);
        }
    }

    #[test]
    fn twelve_words_stand_for_an_id() {
        assert_eq!(words(&[0; 32]).split(' ').count(), 12);
        assert_ne!(words(&[0; 32]), words(&[1; 32]));
    }
}
