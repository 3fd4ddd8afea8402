//! Whose part in the conduct which trace of a message shows: typed identifiers with roles, as the pro forma has them
//! (docs/protocol.md §6.2, E).
//!
//! | role | what |
//! |---|---|
//! | `suspected_sender` | the sending address with its time; addresses and their domains; signing domains; Message-ID; what it links to; telephone numbers, accounts on services; attachments by hash |
//! | `payment_recipient` | wallets, bank accounts |
//! | `host` | what the message only loads or does not show (often the imitated brand's own pictures: not the suspect's, but whoever hosts them has logs); addresses in URLs; services shared by everybody that a link goes through |
//! | `isp` | services that send for anybody, by their signature or bounce address; autonomous systems that a complaint names |
//!
//! Victims are never among them: an identifier that contains a recipient's address is left out or cut.

use crate::address::Address;
use crate::analysis::{Analysis, DomainRole};
use crate::domain::Domain;
use crate::links::{FoundUrl, Host, UrlSource, percent_decoded};
use crate::received::is_large_provider;
use lapwing_record::form::check::check_identifier;
use lapwing_record::form::{IdentifierKind, PartyRole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Services that stand between a link and its target, or hold anybody's files: their domain tells nothing of the sender,
/// their logs do.
const SHARED: &[&str] = &[
    "bit.ly",
    "cutt.ly",
    "dropbox.com",
    "facebook.com",
    "forms.gle",
    "github.com",
    "goo.gl",
    "google.com",
    "googleapis.com",
    "imgur.com",
    "instagram.com",
    "is.gd",
    "linkedin.com",
    "linktr.ee",
    "live.com",
    "lnkd.in",
    "office.com",
    "ow.ly",
    "rb.gy",
    "rebrand.ly",
    "sendgrid.net",
    "t.co",
    "t.me",
    "telegram.me",
    "tinyurl.com",
    "twitter.com",
    "wa.me",
    "whatsapp.com",
    "x.com",
    "youtube.com",
    "1drv.ms",
];

/// Services that send mail for anybody: their signature and their bounce addresses tell nothing of the sender, their
/// records do.
const TRANSMITTERS: &[&str] = &[
    "amazonses.com",
    "hubspotemail.net",
    "mailchimpapp.net",
    "mailgun.net",
    "mailgun.org",
    "mailjet.com",
    "mandrillapp.com",
    "mcsv.net",
    "rsgsv.net",
    "sendgrid.net",
    "sendinblue.com",
    "sparkpostmail.com",
    "zendesk.com",
];

/// A typed identifier and the part of whoever it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identified {
    /// The part in the conduct.
    pub role: PartyRole,
    /// What it is.
    pub kind: IdentifierKind,
    /// Its value, normalised.
    pub value: String,
    /// Of an address: the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// When it was seen in use, RFC 3339 UTC, by the receiver's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// The identifiers of a message, sorted, each once. All fit the pro forma.
pub fn identify(found: &Analysis) -> Vec<Identified> {
    let mut ids = Ids { found, out: BTreeSet::new() };
    ids.sender();
    ids.said();
    for url in &found.urls {
        ids.url(url);
    }
    let mut out = ids.out;
    // What the suspect points at itself is not repeated as a mere host.
    let own: BTreeSet<(IdentifierKind, String)> =
        out.iter().filter(|i| i.role == PartyRole::SuspectedSender).map(|i| (i.kind, i.value.clone())).collect();
    out.retain(|i| i.role != PartyRole::Host || !own.contains(&(i.kind, i.value.clone())));
    out.into_iter().filter(|i| check_identifier(i.kind, &i.value).is_ok()).collect()
}

/// Whether an address is, or contains, a recipient's: senders put the victim's address into bounce addresses
/// (`bounce+victim=home.example@spam.example`) and forge it as From.
pub(crate) fn names_recipient(email: &str, recipients: &BTreeSet<String>) -> bool {
    let email = email.to_lowercase();
    recipients.iter().any(|r| email.contains(r.as_str()) || email.contains(&r.replace('@', "=")))
}

struct Ids<'a> {
    found: &'a Analysis,
    out: BTreeSet<Identified>,
}

impl Ids<'_> {
    fn add(&mut self, role: PartyRole, kind: IdentifierKind, value: impl Into<String>) {
        self.out.insert(Identified { role, kind, value: value.into(), port: None, time: None });
    }

    fn sender(&mut self) {
        let suspect = PartyRole::SuspectedSender;
        if let Some(sender) = &self.found.sending_ip {
            self.out.insert(Identified {
                role: suspect,
                kind: IdentifierKind::Ip,
                value: sender.ip.to_string(),
                port: sender.port,
                time: sender.time.clone(),
            });
        }
        let found = self.found;
        for address in found.from.iter().chain(&found.sender).chain(&found.reply_to).chain(&found.return_path) {
            self.address(address);
        }
        for email in &found.body_emails {
            if !names_recipient(email, &found.recipients) {
                self.add(suspect, IdentifierKind::Email, email.clone());
            }
        }
        for found in &found.domains {
            if found.roles.contains(&DomainRole::Dkim) && !is_large_provider(&found.domain) {
                let role = if transmits(&found.domain) { PartyRole::Isp } else { suspect };
                self.add(role, IdentifierKind::DkimDomain, found.domain.ascii.clone());
            }
            if found.roles.contains(&DomainRole::Reported) && !shared(&found.domain) {
                self.add(suspect, IdentifierKind::Domain, found.domain.ascii.clone());
            }
        }
        if let Some(id) = found.message_id.as_ref().filter(|id| !names_recipient(id, &found.recipients)) {
            self.add(suspect, IdentifierKind::MessageId, id.clone());
        }
    }

    fn address(&mut self, address: &Address) {
        if !names_recipient(&address.email, &self.found.recipients) {
            self.add(PartyRole::SuspectedSender, IdentifierKind::Email, address.email.clone());
        }
        // The victims' own domain, forged or as a bounce, is not the suspect's; nor is `gmail.com` a customer's.
        let own =
            |d: &Domain| self.found.recipients.iter().filter_map(|r| r.rsplit_once('@')).any(|(_, own)| own == d.ascii);
        if let Some(domain) = address.domain.as_ref().filter(|d| !own(d) && !is_large_provider(d)) {
            let role = if transmits(domain) { PartyRole::Isp } else { PartyRole::SuspectedSender };
            self.add(role, IdentifierKind::Domain, domain.ascii.clone());
        }
    }

    /// What is said in the text, attached, and in the complaint around.
    fn said(&mut self) {
        let found = self.found;
        let suspect = PartyRole::SuspectedSender;
        found.phones.iter().for_each(|p| self.add(suspect, IdentifierKind::Phone, p.clone()));
        found.handles.iter().for_each(|h| self.add(suspect, IdentifierKind::Handle, h.clone()));
        // A file without content has the hash of nothing, which everybody has.
        let files = found.attachments.iter().filter(|a| a.size > 0 && a.media_type != "message/rfc822");
        files.for_each(|a| self.add(suspect, IdentifierKind::Sha256, a.sha256.clone()));
        let payee = PartyRole::PaymentRecipient;
        found.wallets.iter().for_each(|w| self.add(payee, IdentifierKind::Wallet, w.clone()));
        found.bank_accounts.iter().for_each(|b| self.add(payee, IdentifierKind::BankAccount, b.clone()));
        if let Some(report) = &found.report {
            report.hashes.iter().for_each(|h| self.add(suspect, IdentifierKind::Sha256, h.clone()));
            report.asns.iter().for_each(|a| self.add(PartyRole::Isp, IdentifierKind::Asn, a.clone()));
        }
    }

    fn url(&mut self, url: &FoundUrl) {
        let loaded =
            url.sources.iter().all(|s| matches!(s, UrlSource::Embedded | UrlSource::Attribute | UrlSource::Hidden));
        let role = if loaded { PartyRole::Host } else { PartyRole::SuspectedSender };
        match &url.host {
            Host::Domain(domain) if shared(domain) => {
                self.add(PartyRole::Host, IdentifierKind::Domain, domain.ascii.clone());
            }
            Host::Domain(domain) => self.add(role, IdentifierKind::Domain, domain.ascii.clone()),
            Host::Ip(ip) => self.add(PartyRole::Host, IdentifierKind::Ip, ip.to_string()),
            Host::Other(_) => {}
        }
        if let Some(value) = without_recipient(url, &self.found.recipients) {
            self.add(role, IdentifierKind::Url, value);
        }
    }
}

/// Whether a name is that of a service which anybody uses.
pub(crate) fn is_shared(name: &str) -> bool {
    under(name, SHARED)
}

/// A name under which anybody is given one (public suffix list): the service's own, whoever uses it.
fn is_suffix(domain: &Domain) -> bool {
    domain.registrable.is_none() && psl::suffix_str(&domain.ascii) == Some(domain.ascii.as_str())
}

fn transmits(domain: &Domain) -> bool {
    under(&domain.ascii, TRANSMITTERS) || is_suffix(domain)
}

fn shared(domain: &Domain) -> bool {
    is_suffix(domain) || under(&domain.ascii, SHARED) || is_large_provider(domain)
}

/// Whether a name is one of a list, or lies under one.
fn under(name: &str, list: &[&str]) -> bool {
    list.iter().any(|service| name.strip_suffix(service).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// A victim's address does not travel in the form: what carries it is cut, and the sample keeps the URL whole.
pub(crate) fn without_recipient<'u>(url: &'u FoundUrl, recipients: &BTreeSet<String>) -> Option<&'u str> {
    if !url.names_recipient {
        return Some(&url.url);
    }
    let end = url.url.find(['?', '#']).unwrap_or(url.url.len());
    let plain = &url.url[..end];
    let decoded = percent_decoded(plain).to_lowercase();
    (!recipients.iter().any(|r| decoded.contains(r.as_str()))).then_some(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::analyse;
    use crate::limits::Limits;

    const SPAM: &str = "Received: from bad.example ([192.0.2.7]:4711 helo=bad.example) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0100\r\n\
        Return-Path: <bounce+victim=home.example@spam.example>\r\nFrom: Bank <office@spam.example>\r\nReply-To: y@gmail.com\r\n\
        To: victim@home.example\r\nMessage-ID: <1@spam.example>\r\nContent-Type: text/html\r\n\r\n\
        <a href='https://login.example/?u=victim@home.example'>log in</a> <a href='https://login.example/victim@home.example'>x</a>\
        <a href='https://t.co/abc'>short</a> <a href='http://192.0.2.80/x'>y</a><a href='https://t.me/prize_office'>chat</a>\
        <img src='https://brand.example/logo.png'><img src='https://login.example/logo.png'>\r\n\
        Call +49 30 901820. Pay to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa or GB82 WEST 1234 5698 7654 32.\r\n";

    #[test]
    fn whoever_sends_or_hosts_for_anybody_is_not_the_suspect() {
        let mail = "From: Prize <noreply@prize-1.firebaseapp.com>\r\nReturn-Path: <0100@amazonses.com>\r\n\
            DKIM-Signature: v=1; d=firebaseapp.com; s=x\r\nDKIM-Signature: v=1; d=prize.test; s=x\r\n\r\n\
            https://storage.googleapis.com/bucket/a.html https://prize-2.firebaseapp.com/\r\n";
        let ids = identify(&analyse(mail.as_bytes(), &Limits::default()));
        let of = |role: PartyRole, kind: IdentifierKind| -> Vec<&str> {
            ids.iter().filter(|i| i.role == role && i.kind == kind).map(|i| i.value.as_str()).collect()
        };
        use IdentifierKind as K;
        use PartyRole as R;
        assert_eq!(of(R::SuspectedSender, K::Domain), ["prize-1.firebaseapp.com", "prize-2.firebaseapp.com"]);
        assert_eq!(of(R::SuspectedSender, K::DkimDomain), ["prize.test"]);
        assert_eq!(of(R::Isp, K::DkimDomain), ["firebaseapp.com"]);
        assert_eq!(of(R::Isp, K::Domain), ["amazonses.com"]);
        assert_eq!(of(R::Host, K::Domain), ["storage.googleapis.com"]);
    }

    #[test]
    fn every_trace_has_the_part_of_whom_it_belongs_to_and_the_victim_has_none() {
        let found = analyse(SPAM.as_bytes(), &Limits::default());
        let ids = identify(&found);
        let of = |role: PartyRole, kind: IdentifierKind| -> Vec<&str> {
            ids.iter().filter(|i| i.role == role && i.kind == kind).map(|i| i.value.as_str()).collect()
        };
        use IdentifierKind as K;
        use PartyRole as R;
        let ip = ids.iter().find(|i| i.role == R::SuspectedSender && i.kind == K::Ip).unwrap();
        assert_eq!(
            (ip.value.as_str(), ip.port, ip.time.as_deref()),
            ("192.0.2.7", Some(4711), Some("2024-01-02T09:00:00Z"))
        );
        assert_eq!(of(R::SuspectedSender, K::Email), ["office@spam.example", "y@gmail.com"]);
        assert_eq!(of(R::SuspectedSender, K::Domain), ["login.example", "spam.example"]);
        assert_eq!(
            of(R::SuspectedSender, K::Url),
            ["http://192.0.2.80/x", "https://login.example/", "https://t.co/abc", "https://t.me/prize_office"]
        );
        assert_eq!(of(R::SuspectedSender, K::Phone), ["+4930901820"]);
        assert_eq!(of(R::SuspectedSender, K::Handle), ["telegram:prize_office"]);
        assert_eq!(of(R::SuspectedSender, K::MessageId), ["1@spam.example"]);
        assert_eq!(of(R::PaymentRecipient, K::Wallet).len() + of(R::PaymentRecipient, K::BankAccount).len(), 2);
        assert_eq!(of(R::Host, K::Domain), ["brand.example", "t.co", "t.me"]);
        assert_eq!(of(R::Host, K::Ip), ["192.0.2.80"]);
        assert!(ids.iter().all(|i| !i.value.contains("victim")), "{ids:?}");
        assert!(ids.iter().all(|i| check_identifier(i.kind, &i.value).is_ok()));
    }
}
