//! What is known of one message. Plain data: the worker's answer in JSON is exactly this.

use crate::address::Address;
use crate::auth::AuthResults;
use crate::domain::Domain;
use crate::fingerprint::Fingerprint;
use crate::links::FoundUrl;
use crate::received::{Hop, SendingIp};
use crate::report::Report;
use crate::verify::Verified;
use crate::warning::Warning;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Where a domain was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainRole {
    /// From.
    From,
    /// Sender.
    Sender,
    /// Reply-To.
    ReplyTo,
    /// Return-Path.
    ReturnPath,
    /// An address in the text.
    Text,
    /// The host of a URL.
    Url,
    /// A DKIM signature.
    Dkim,
    /// Named in a complaint around the message.
    Reported,
}

/// A domain of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundDomain {
    /// The domain.
    #[serde(flatten)]
    pub domain: Domain,
    /// Where it was met.
    pub roles: BTreeSet<DomainRole>,
    /// The names of the list at hand that it looks like ([`crate::lookalike`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks_like: Vec<String>,
}

/// An attachment: what it says it is, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Made fit to be shown; never a path.
    pub name: String,
    /// The declared media type.
    pub media_type: String,
    /// Bytes, decoded.
    pub size: u64,
    /// SHA-256 of the decoded content, hex.
    pub sha256: String,
    /// BLAKE3 of the decoded content, hex.
    pub blake3: String,
}

/// The analysis of one message (referral.md §4). Addresses, subjects and URLs are text from outside: cleaned of
/// control and reordering characters, bounded, but to be shown as text only. Times are RFC 3339 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// The sender's Date: a claim.
    pub date: Option<String>,
    /// When the receiving side got it (topmost Received with a date).
    pub received_at: Option<String>,
    /// Decoded, at most 500 characters.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<Address>,
    /// Sender.
    pub sender: Vec<Address>,
    /// Reply-To: where answers go, often the only live address.
    pub reply_to: Vec<Address>,
    /// The envelope sender.
    pub return_path: Option<Address>,
    /// To, Cc, Delivered-To and the like, lower case: victims. Never an identifier of a suspect.
    pub recipients: BTreeSet<String>,
    /// Addresses in the text and in `mailto:` links, recipients left out.
    pub body_emails: BTreeSet<String>,
    /// The Received chain, topmost first.
    pub received: Vec<Hop>,
    /// Who handed it to the receiving side.
    pub sending_ip: Option<SendingIp>,
    /// Addresses further down the chain and in X-Originating-IP, nearest first: claims that came with the message.
    pub claimed_origins: Vec<IpAddr>,
    /// What the receiver says that it verified: claims.
    pub auth: AuthResults,
    /// What was verified here, with keys at hand; absent where none were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// Signing domains (`d=`), sorted.
    pub dkim_domains: BTreeSet<String>,
    /// URLs, sorted.
    pub urls: Vec<FoundUrl>,
    /// URLs seen, duplicates and those not kept included.
    pub urls_total: u64,
    /// Domains of addresses, URLs and signatures, sorted.
    pub domains: Vec<FoundDomain>,
    /// Telephone numbers, E.164.
    pub phones: BTreeSet<String>,
    /// Wallets whose own checksum holds, and Ethereum addresses by form.
    pub wallets: BTreeSet<String>,
    /// Bank accounts (IBAN) whose own checksum holds.
    pub bank_accounts: BTreeSet<String>,
    /// Accounts on a service that a link leads to, as `telegram:name`.
    pub handles: BTreeSet<String>,
    /// At most 200.
    pub attachments: Vec<Attachment>,
    /// Attachments, those not kept included.
    pub attachments_total: u64,
    /// Messages inside the message.
    pub nested_messages: u32,
    /// MIME parts.
    pub parts: u32,
    /// Charsets declared, lower case.
    pub charsets: BTreeSet<String>,
    /// Language of the text, BCP 47, where clear.
    pub language: Option<String>,
    /// Whether there is a List-Unsubscribe header.
    pub list_unsubscribe: bool,
    /// The complaint that the message was inside; everything else here is of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// What makes it recognisable.
    pub fingerprint: Fingerprint,
    /// What was odd, sorted.
    pub warnings: BTreeSet<Warning>,
}
