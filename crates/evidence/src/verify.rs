//! DKIM (RFC 6376), ARC (RFC 8617) and SPF (RFC 7208) verified with records at hand.
//!
//! Done by `mail-auth`, which asks a cache before it asks a resolver. The cache here answers *every* question: with the
//! record at hand, or with "not at hand". So no question ever reaches the resolver, which has no server to ask besides,
//! and a worker can open no socket. Where an answer would have needed an address or MX record, there is no verdict.

use crate::auth::Verdict;
use crate::keys::Keys;
use crate::received::SendingIp;
use crate::text::clean;
use mail_auth::arc::ArcError;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use mail_auth::spf::Spf;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimResult, DnsError, Error, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache,
    SpfResult, Txt,
};
use serde::{Deserialize, Serialize};
use std::borrow::{Borrow, Cow};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Signatures looked at.
const MAX_SIGNATURES: usize = 20;

/// What was verified here. `unknown` is the verdict where the record is not at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// DKIM, one for each signature, in their order.
    pub dkim: Vec<Verdict>,
    /// ARC, where there is a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<Verdict>,
    /// SPF of the envelope sender and the sending address, where both are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<Verdict>,
}

/// Why nothing was verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// Too many signatures: hashing the body for each is what an opponent would like.
    TooMany,
    /// The library failed on it.
    Failed,
}

/// Records at hand, as the library's caches.
struct AtHand {
    records: HashMap<Box<str>, Txt>,
    /// An address or MX record was asked for, of which there is none here.
    asked_more: Cell<bool>,
}

impl AtHand {
    fn new(keys: &Keys) -> AtHand {
        let read = |name: &str, data: &str| {
            let key = name.contains("._domainkey.");
            if key { as_txt(DomainKey::parse(data.as_bytes())) } else { as_txt(Spf::parse(data.as_bytes())) }
        };
        let records = keys.iter().map(|(name, data)| (format!("{name}.").into_boxed_str(), read(name, data))).collect();
        AtHand { records, asked_more: Cell::new(false) }
    }

    fn none<T>(&self) -> RecordSet<T>
    where
        std::sync::Arc<[T]>: FromIterator<T>,
    {
        self.asked_more.set(true);
        RecordSet { rrset: std::iter::empty().collect(), dnssec_status: Default::default() }
    }
}

fn as_txt<T: Into<Txt>>(parsed: Result<T, Error>) -> Txt {
    parsed.map_or_else(Txt::Error, Into::into)
}

/// The words of the error that says that a record is not at hand.
const NOT_AT_HAND: &str = "not at hand";

impl ResolverCache<Box<str>, Txt> for AtHand {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let missing = || Txt::Error(Error::Dns(DnsError::Resolver(NOT_AT_HAND.into())));
        Some(self.records.get(name).cloned().unwrap_or_else(missing))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

macro_rules! nothing_at_hand {
    ($($key:ty => $value:ty),*) => {$(
        impl ResolverCache<$key, RecordSet<$value>> for AtHand {
            fn get<Q>(&self, _: &Q) -> Option<RecordSet<$value>>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                Some(self.none())
            }

            fn remove<Q>(&self, _: &Q) -> Option<RecordSet<$value>>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn insert(&self, _: $key, _: RecordSet<$value>, _: Instant) {}
        }
    )*};
}

nothing_at_hand!(Box<str> => MX, Box<str> => Ipv4Addr, Box<str> => Ipv6Addr, IpAddr => Box<str>);

/// Verifies what can be verified. `message`: its exact bytes; `envelope`: the envelope sender; `sender`: who handed it
/// over. The library's own clock decides whether a signature has expired.
pub(crate) fn verify(
    message: &[u8],
    keys: &Keys,
    envelope: Option<&str>,
    sender: Option<&SendingIp>,
) -> Result<Verified, NotVerified> {
    let message = with_line_ends(message);
    if signatures(&message) > MAX_SIGNATURES {
        return Err(NotVerified::TooMany);
    }
    std::panic::catch_unwind(|| run(&message, keys, envelope, sender)).ok().flatten().ok_or(NotVerified::Failed)
}

fn run(message: &[u8], keys: &Keys, envelope: Option<&str>, sender: Option<&SendingIp>) -> Option<Verified> {
    let at_hand = AtHand::new(keys);
    let mut options = ResolverOpts::default();
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = 0;
    let nobody = MessageAuthenticator::new(ResolverConfig::default(), options).ok()?;
    let parsed = AuthenticatedMessage::parse(message)?;
    fn of<'a, P>(params: P, at_hand: &'a AtHand) -> Parameters<'a, P, AtHand, AtHand, AtHand, AtHand, AtHand> {
        Parameters {
            params,
            cache_txt: Some(at_hand),
            cache_mx: Some(at_hand),
            cache_ptr: Some(at_hand),
            cache_ipv4: Some(at_hand),
            cache_ipv6: Some(at_hand),
        }
    }
    let dkim = at_once(nobody.verify_dkim(of(&parsed, &at_hand)))?
        .iter()
        .map(|output| verdict(output.result(), output.signature().map(|s| s.d.as_str())))
        .collect();
    let arc = at_once(nobody.verify_arc(of(&parsed, &at_hand)))?;
    let sealer = arc.sets().last().map(|set| set.seal.header.d.clone());
    let arc = (*arc.result() != DkimResult::None).then(|| verdict(arc.result(), sealer.as_deref()));
    let spf = envelope.zip(sender).and_then(|(envelope, sender)| {
        at_hand.asked_more.set(false);
        let helo = sender.host.as_deref().unwrap_or("unknown.invalid");
        let asked = SpfParameters::verify_mail_from(sender.ip, helo, "localhost", envelope);
        let output = at_once(nobody.verify_spf(of(asked, &at_hand)))?;
        let result = match output.result() {
            _ if at_hand.asked_more.get() => "unknown",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::Neutral => "neutral",
            SpfResult::PermError => "permerror",
            SpfResult::None => "none",
            SpfResult::TempError => "unknown",
        };
        let domain = envelope.rsplit_once('@').map_or(envelope, |(_, domain)| domain);
        Some(Verdict { result: result.into(), about: Some(clean(domain, 320).0), why: None })
    });
    Some(Verified { dkim, arc, spf })
}

fn verdict(result: &DkimResult, about: Option<&str>) -> Verdict {
    let (result, why) = match result {
        DkimResult::Pass => ("pass", None),
        DkimResult::None => ("none", None),
        DkimResult::TempError(Error::Dns(DnsError::Resolver(why))) if why == NOT_AT_HAND => ("unknown", None),
        // RFC 6376 §6.1.3: a body that was changed is a failure like any other.
        DkimResult::Neutral(
            why @ (Error::Dkim(DkimError::FailedBodyHashMatch) | Error::Arc(ArcError::FailedBodyHashMatch)),
        ) => ("fail", Some(why)),
        DkimResult::Neutral(why) => ("neutral", Some(why)),
        DkimResult::Fail(why) => ("fail", Some(why)),
        DkimResult::PermError(why) => ("permerror", Some(why)),
        DkimResult::TempError(why) => ("temperror", Some(why)),
    };
    let why = why.map(|why| clean(&why.to_string(), 100).0);
    Verdict { result: result.into(), about: about.map(|d| clean(d, 320).0), why }
}

/// The output of a future that has nothing to wait for; none where it would wait, which would be for the network.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Mail travels with CR LF and is signed so; many programs store it with LF alone.
fn with_line_ends(message: &[u8]) -> Cow<'_, [u8]> {
    if message.windows(2).any(|w| w == b"\r\n") || !message.contains(&b'\n') {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    for line in message.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => out.extend_from_slice(&[line, b"\r\n"].concat()),
            None => out.extend_from_slice(line),
        }
    }
    Cow::Owned(out)
}

fn signatures(message: &[u8]) -> usize {
    let header = message.split(|b| *b == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let signs = |line: &[u8]| {
        [&b"dkim-signature:"[..], b"arc-message-signature:", b"arc-seal:"]
            .iter()
            .any(|name| line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name)))
    };
    header.filter(|line| signs(line)).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::{Input, analyse, analyse_as};
    use crate::limits::Limits;
    use crate::warning::Warning;
    use data_encoding::BASE64;
    use mail_auth::common::crypto::Ed25519Key;
    use mail_auth::common::headers::HeaderWriter;
    use mail_auth::dkim::DkimSigner;

    const BODY: &str =
        "From: Office <office@spam.example>\r\nTo: victim@home.example\r\nSubject: hello\r\n\r\nbuy now\r\n";
    const RECEIVED: &str = "Return-Path: <bounce@spam.example>\r\n\
        Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000\r\n";
    /// The key pair of RFC 8032, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn key() -> Ed25519Key {
        let hex = |digits: &str| data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
        Ed25519Key::from_seed_and_public_key(&hex(SEED), &hex(PUBLIC)).unwrap()
    }

    fn record() -> String {
        let public = data_encoding::HEXLOWER.decode(PUBLIC.as_bytes()).unwrap();
        format!("s1._domainkey.spam.example. 300 IN TXT \"v=DKIM1; k=ed25519; p={}\"\n", BASE64.encode(&public))
    }

    fn signed() -> String {
        let signer =
            DkimSigner::from_key(key()).domain("spam.example").selector("s1").headers(["From", "To", "Subject"]);
        format!("{RECEIVED}{}{BODY}", signer.sign(BODY.as_bytes()).unwrap().to_header())
    }

    fn found(mail: &str, keys: &str) -> Verified {
        let keys = Keys::parse(keys).unwrap();
        analyse_as(Input::Message, mail.as_bytes(), &Limits::default(), &keys).verified.unwrap()
    }

    fn results(verified: &Verified) -> (Vec<&str>, Option<&str>) {
        (verified.dkim.iter().map(|v| v.result.as_str()).collect(), verified.spf.as_ref().map(|v| v.result.as_str()))
    }

    #[test]
    fn a_signature_holds_with_the_key_at_hand_and_not_once_the_message_is_changed() {
        let keys = record();
        let verified = found(&signed(), &keys);
        assert_eq!(results(&verified).0, ["pass"]);
        assert_eq!(verified.dkim[0].about.as_deref(), Some("spam.example"));
        assert_eq!(results(&found(&signed().replace("\r\n", "\n"), &keys)).0, ["pass"], "stored with LF alone");
        let changed = found(&signed().replace("buy now", "buy later"), &keys);
        assert_eq!(results(&changed).0, ["fail"]);
        assert!(changed.dkim[0].why.is_some());
        let changed = found(&signed().replace("Subject: hello", "Subject: hallo"), &keys);
        assert_eq!(results(&changed).0, ["fail"]);
    }

    #[test]
    fn without_the_key_nothing_is_known_and_without_any_nothing_is_said() {
        let other = "s2._domainkey.spam.example TXT \"v=DKIM1; p=\"\n";
        assert_eq!(results(&found(&signed(), other)), (vec!["unknown"], Some("unknown")));
        assert_eq!(analyse(signed().as_bytes(), &Limits::default()).verified, None);
    }

    #[test]
    fn spf_is_decided_only_by_what_the_records_at_hand_can_decide() {
        for (records, result) in [
            ("spam.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"", "pass"),
            ("spam.example TXT \"v=spf1 ip4:198.51.100.0/24 -all\"", "fail"),
            ("spam.example TXT \"v=spf1 ip4:198.51.100.0/24 ~all\"", "softfail"),
            (
                "spam.example TXT \"v=spf1 include:mail.example -all\"\nmail.example TXT \"v=spf1 ip4:192.0.2.7 -all\"",
                "pass",
            ),
            ("spam.example TXT \"v=spf1 include:mail.example -all\"", "unknown"),
            ("spam.example TXT \"v=spf1 a mx -all\"", "unknown"),
            ("spam.example TXT \"v=spf1 exists:%{i}.x.example -all\"", "unknown"),
            ("spam.example TXT \"v=spf1 ip4:192.0.2.7 mx -all\"", "pass"),
        ] {
            assert_eq!(results(&found(&signed(), records)).1, Some(result), "{records}");
        }
    }

    #[test]
    fn a_sealed_chain_is_verified_as_well() {
        use mail_auth::arc::ArcSealer;
        use mail_auth::{AuthenticatedMessage, AuthenticationResults};
        let mail = signed();
        let parsed = AuthenticatedMessage::parse(mail.as_bytes()).unwrap();
        let results = AuthenticationResults::new("mx.home.example");
        let sealer = ArcSealer::from_key(key()).domain("spam.example").selector("s1").headers(["From", "Subject"]);
        let set = sealer.seal(&parsed, &results, &mail_auth::ArcOutput::default()).unwrap();
        let sealed = format!("{}{mail}", set.to_header());
        let verdict = found(&sealed, &record()).arc.unwrap();
        assert_eq!((verdict.result.as_str(), verdict.about.as_deref()), ("pass", Some("spam.example")));
        let broken = found(&sealed.replace("Subject: hello", "Subject: hallo"), &record()).arc.unwrap();
        assert_eq!(broken.result, "fail");
    }

    #[test]
    fn a_message_of_many_signatures_is_not_hashed_for_each() {
        let mail = format!(
            "{}{}",
            "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=; b=\r\n".repeat(500),
            signed()
        );
        let keys = Keys::parse(&record()).unwrap();
        let found = analyse_as(Input::Message, mail.as_bytes(), &Limits::default(), &keys);
        assert!(found.warnings.contains(&Warning::TooManySignatures) && found.verified.is_none());
        assert_eq!(found.from[0].email, "office@spam.example");
    }
}
