//! One message being read: its headers, its parts, what they point at. In process; [`crate::analyse`] is the way in.

use crate::address::{Address, broken, of_header};
use crate::analysis::{Analysis, Attachment, DomainRole, FoundDomain};
use crate::auth::{self, Stated, Verdict};
use crate::domain::Domain;
use crate::fingerprint::fingerprint;
use crate::limits::Limits;
use crate::links::{Host, Links, UrlSource};
use crate::received::{self, IpSource, MAX_HOPS, PlacedHop, Statement};
use crate::report::{Around, Report};
use crate::text::{self, clean};
use crate::warning::Warning;
use crate::{hashes, html};
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::{DateTime, Header, HeaderName, HeaderValue, Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const MAX_ATTACHMENTS: usize = 200;
const MAX_ADDRESSES: usize = 50;
const MAX_RECIPIENTS: usize = 200;

/// RFC 3339 in UTC. `None` for what is no date or lies outside the age of mail.
pub(crate) fn utc(date: &DateTime) -> Option<String> {
    let plausible = date.is_valid() && (1980..=2200).contains(&date.year);
    plausible.then(|| DateTime::from_timestamp(date.to_timestamp()).to_rfc3339())
}

fn raw<'a>(message: &'a Message<'_>, header: &Header<'_>) -> Cow<'a, str> {
    let range = header.offset_start() as usize..header.offset_end() as usize;
    let bytes = message.raw_message.get(range).unwrap_or_default();
    String::from_utf8_lossy(&bytes[..bytes.len().min(16_384)])
}

/// A message while it is read.
pub(crate) struct Reading<'l> {
    pub out: Analysis,
    warnings: BTreeSet<Warning>,
    links: Links,
    visible: String,
    text_left: usize,
    trace: Trace,
    /// Whether there was a message's header: else its gaps are nobody's fault.
    header: bool,
    limits: &'l Limits,
}

impl<'l> Reading<'l> {
    pub fn new(limits: &'l Limits, warnings: BTreeSet<Warning>) -> Reading<'l> {
        Reading {
            out: Analysis::default(),
            warnings,
            links: Links::new(limits.max_urls),
            visible: String::new(),
            text_left: limits.max_text_bytes,
            trace: Trace::default(),
            header: false,
            limits,
        }
    }

    pub fn has(&self, warning: Warning) -> bool {
        self.warnings.contains(&warning)
    }

    pub fn warn(&mut self, warning: Warning) {
        self.warnings.insert(warning);
    }

    /// What the complaint around the message says. The reporter is the receiving side, so its word on where the message
    /// came from counts as that of the topmost server.
    pub fn report(&mut self, report: Report, around: Around) {
        if let Some(ip) = report.source_ip {
            self.trace.statements.push(Statement { ip, source: IpSource::Report, at: 0 });
        }
        self.trace.reported.extend(around.authentication.iter().map(|raw| auth::authentication_results(raw)));
        for recipient in around.recipients {
            self.recipient(&recipient);
        }
        for url in &report.urls {
            self.links.add(url, None, UrlSource::Reported);
        }
        self.warn_if(!report.faults.is_empty(), Warning::ReportInvalid);
        self.out.report = Some(report);
    }

    pub fn recipient(&mut self, email: &str) {
        if self.out.recipients.len() < MAX_RECIPIENTS {
            self.out.recipients.insert(email.to_lowercase());
        }
    }

    fn warn_if(&mut self, condition: bool, warning: Warning) {
        if condition {
            self.warnings.insert(warning);
        }
    }

    pub fn clean(&mut self, text: &str, max: usize) -> Option<String> {
        let (text, hidden) = clean(text, max);
        self.warn_if(hidden, Warning::NameSanitised);
        Some(text).filter(|t| !t.is_empty())
    }

    pub fn headers(&mut self, message: &Message<'_>) {
        let mut trace = std::mem::take(&mut self.trace);
        let mut date_seen = false;
        self.header = true;
        for (at, header) in message.headers().iter().enumerate().take(2_000) {
            let addresses = || of_header(&header.value, MAX_ADDRESSES);
            match &header.name {
                HeaderName::Subject if self.out.subject.is_none() => {
                    self.out.subject = header.value.as_text().and_then(|t| self.clean(t, 500));
                }
                HeaderName::MessageId if self.out.message_id.is_none() => {
                    let id = header.value.as_text().map(|t| t.trim_matches(['<', '>', ' ']));
                    self.out.message_id = id.and_then(|t| self.clean(t, 500));
                }
                HeaderName::Date if !date_seen => {
                    date_seen = true;
                    self.out.date = header.value.as_datetime().and_then(utc);
                }
                HeaderName::From => {
                    let names = header.value.as_address().into_iter().flat_map(|a| a.iter().filter_map(|a| a.name()));
                    let strewn = names.take(MAX_ADDRESSES).any(|name| clean(name, 300).1);
                    self.warn_if(strewn, Warning::NameSanitised);
                    let mut from = addresses();
                    if from.is_empty() {
                        from.extend(broken(&raw(message, header)));
                    }
                    extend(&mut self.out.from, from);
                }
                HeaderName::Sender => extend(&mut self.out.sender, addresses()),
                HeaderName::ReplyTo => extend(&mut self.out.reply_to, addresses()),
                HeaderName::ReturnPath if self.out.return_path.is_none() => {
                    self.out.return_path = addresses().pop().or_else(|| Address::bare(&raw(message, header)));
                }
                HeaderName::To | HeaderName::Cc | HeaderName::Bcc | HeaderName::ResentTo | HeaderName::DeliveredTo => {
                    self.recipients(&header.value, &raw(message, header));
                }
                HeaderName::ListUnsubscribe => {
                    self.out.list_unsubscribe = true;
                    self.links.text(&raw(message, header).replace(['<', '>', ','], " "), UrlSource::Unsubscribe);
                }
                HeaderName::Received => self.received(message, header, at, &mut trace),
                _ => {
                    let name = header.name().to_ascii_lowercase();
                    if matches!(
                        name.as_str(),
                        "x-original-to" | "envelope-to" | "x-envelope-to" | "x-forwarded-to" | "apparently-to"
                    ) {
                        self.recipients(&header.value, &raw(message, header));
                    } else {
                        trace.header(&name, &raw(message, header), at);
                    }
                }
            }
        }
        self.warn_if(message.headers().len() > 2_000, Warning::Truncated);
        self.trace = trace;
    }

    /// What follows from all headers together.
    fn settle(&mut self) {
        let trace = std::mem::take(&mut self.trace);
        self.warn_if(self.header && self.out.date.is_none(), Warning::BadDate);
        self.warn_if(self.header && self.out.from.is_empty(), Warning::NoFrom);
        self.warn_if(self.header && trace.hops.is_empty(), Warning::NoReceived);
        self.out.received_at = trace.hops.iter().find_map(|h| h.hop.date.clone());
        let mut walk = received::walk(&trace.hops, &trace.statements);
        if let Some(report) = &self.out.report {
            if let Some(sender) = walk.sending_ip.as_mut().filter(|s| report.source_ip == Some(s.ip)) {
                sender.port = sender.port.or(report.source_port);
                sender.time = sender.time.take().or_else(|| report.at.clone());
            }
            self.out.received_at = self.out.received_at.take().or_else(|| report.at.clone());
            let envelope = report.mail_from.as_deref().and_then(Address::bare);
            self.out.return_path = self.out.return_path.take().or(envelope);
        }
        self.warn_if(walk.disputed, Warning::SendingIpDisputed);
        let mut claimed = walk.claimed;
        // A hop before the receiver may have noted whom it was handed the message by: nearest first.
        claimed.extend(trace.statements.iter().map(|s| s.ip).filter(|ip| crate::domain::is_public(*ip)));
        claimed.extend(trace.originating);
        let mut seen: BTreeSet<IpAddr> = walk.sending_ip.iter().map(|s| s.ip).collect();
        claimed.retain(|ip| seen.insert(*ip));
        claimed.truncate(10);
        self.out.claimed_origins = claimed;
        self.out.sending_ip = walk.sending_ip;
        let from_arc = trace.stated.is_empty() && trace.reported.is_empty();
        // Many receivers state what became of the chain only in the set that they add to it.
        let newest = trace.sealed.first().and_then(|s| s.results.arc.clone());
        let stated = match (trace.stated.is_empty(), from_arc) {
            (false, _) => trace.stated,
            (true, false) => trace.reported,
            (true, true) => trace.sealed,
        };
        self.out.auth = auth::combine(stated, trace.spf, from_arc);
        self.out.auth.arc = self.out.auth.arc.take().or(newest);
        self.out.dkim_domains = trace.dkim_domains;
        self.out.received = trace.hops.into_iter().map(|h| h.hop).collect();
    }

    fn recipients(&mut self, value: &HeaderValue<'_>, raw: &str) {
        let mut found: Vec<String> = of_header(value, MAX_RECIPIENTS).into_iter().map(|a| a.email).collect();
        if found.is_empty() {
            found.extend(raw.split([',', ' ', ';', '\n']).filter_map(crate::address::normalise).take(MAX_RECIPIENTS));
        }
        found.iter().for_each(|email| self.recipient(email));
    }

    fn received(&mut self, message: &Message<'_>, header: &Header<'_>, at: usize, trace: &mut Trace) {
        if trace.hops.len() == MAX_HOPS {
            return self.warn_if(true, Warning::Truncated);
        }
        let Some(received) = header.value.as_received() else { return };
        if let Some(to) = received.for_().and_then(crate::address::normalise) {
            self.recipient(&to);
        }
        let hop = received::hop(received, &raw(message, header), received.date().as_ref().and_then(utc));
        trace.hops.push(PlacedHop { hop, at });
    }

    /// Every part of the message and of the messages inside it, breadth first.
    pub fn parts(&mut self, message: &Message<'_>) {
        let mut waiting = vec![(message, 0)];
        let mut next = 0;
        while let Some(&(message, depth)) = waiting.get(next) {
            next += 1;
            self.warn_if(depth + multipart_depth(message) > self.limits.max_depth, Warning::TooDeep);
            let attachments: BTreeSet<u32> = message.attachments.iter().copied().collect();
            for (id, part) in message.parts.iter().enumerate() {
                if self.out.parts as usize >= self.limits.max_parts {
                    return self.warn_if(true, Warning::TooManyParts);
                }
                self.out.parts += 1;
                let attached = u32::try_from(id).is_ok_and(|id| attachments.contains(&id));
                self.part(part, attached);
                if let PartType::Message(inner) = &part.body {
                    self.out.nested_messages += 1;
                    if depth < self.limits.max_depth {
                        waiting.push((inner, depth + 1));
                    } else {
                        self.warn_if(true, Warning::TooDeep);
                    }
                }
            }
        }
    }

    fn part(&mut self, part: &MessagePart<'_>, attached: bool) {
        self.warn_if(part.is_encoding_problem && !part.is_empty(), Warning::BadEncoding);
        if let Some(charset) = part.content_type().and_then(|c| c.attribute("charset")) {
            self.charset(charset);
        }
        match &part.body {
            PartType::Html(html) => self.html(html),
            PartType::Text(text) if is_html(part) => self.html(text),
            PartType::Text(text) => self.text(text),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) if is_html(part) => {
                let end = bytes.len().min(self.text_left);
                self.html(&String::from_utf8_lossy(&bytes[..end]));
            }
            _ => {}
        }
        if attached {
            self.attachment(part);
        }
    }

    fn charset(&mut self, charset: &str) {
        let name = clean(charset, 40).0.to_ascii_lowercase();
        let known = matches!(name.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii")
            || charset_decoder(name.as_bytes()).is_some();
        self.warn_if(!known, Warning::BadCharset);
        if self.out.charsets.len() < 20 && !name.is_empty() {
            self.out.charsets.insert(name);
        }
    }

    /// Takes from the allowance of text; what goes beyond is not looked at.
    fn allowed<'t>(&mut self, text: &'t str) -> &'t str {
        let mut end = text.len().min(self.text_left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.warn_if(end < text.len(), Warning::Truncated);
        self.text_left -= end;
        &text[..end]
    }

    pub fn html(&mut self, html: &str) {
        let html = self.allowed(html);
        let visible = html::scan(html, &mut self.links);
        self.see(&visible);
    }

    pub fn text(&mut self, text: &str) {
        let text = self.allowed(text);
        self.links.text(text, UrlSource::Text);
        self.see(text);
    }

    fn see(&mut self, visible: &str) {
        self.visible.push('\n');
        self.visible.push_str(visible);
    }

    fn attachment(&mut self, part: &MessagePart<'_>) {
        let media_type = part.content_type().map(|c| format!("{}/{}", c.ctype(), c.subtype().unwrap_or("*")));
        let content = match &part.body {
            PartType::Message(inner) => inner.raw_message(),
            _ => part.contents(),
        };
        self.attach(part.attachment_name(), media_type.as_deref(), content);
    }

    /// Something that the message carries, by its hashes.
    pub fn attach(&mut self, name: Option<&str>, media_type: Option<&str>, content: &[u8]) {
        self.out.attachments_total += 1;
        if self.out.attachments.len() == MAX_ATTACHMENTS {
            return self.warn_if(true, Warning::Truncated);
        }
        let (shown, changed) = text::file_name(name.unwrap_or_default());
        self.warn_if(changed && name.is_some(), Warning::NameSanitised);
        let (sha256, blake3) = hashes::of(content);
        self.out.attachments.push(Attachment {
            name: shown,
            media_type: clean(media_type.unwrap_or("application/octet-stream"), 127).0.to_lowercase(),
            size: content.len() as u64,
            sha256,
            blake3,
        });
    }

    pub fn finish(mut self) -> Analysis {
        self.settle();
        let mut out = self.out;
        // A name that is itself an address is what the reader sees of the sender.
        for name in out.from.iter().chain(&out.reply_to).filter_map(|a| a.name.as_deref()) {
            self.links.addresses(name);
        }
        let names = out.from.iter().filter_map(|a| a.name.as_deref()).chain(out.subject.as_deref());
        if names.flat_map(str::split_whitespace).any(crate::domain::imitates) {
            self.warnings.insert(Warning::MixedScript);
        }
        out.urls_total = self.links.total;
        if self.links.left_out {
            self.warnings.insert(Warning::TooManyUrls);
        }
        out.body_emails = std::mem::take(&mut self.links.emails);
        let senders: BTreeSet<String> = out.from.iter().map(|a| a.email.to_lowercase()).collect();
        out.body_emails.retain(|e| {
            let e = e.to_lowercase();
            !out.recipients.contains(&e) && !senders.contains(&e)
        });
        out.phones = text::phones(&self.visible);
        out.phones.append(&mut self.links.phones);
        out.wallets = text::wallets(&self.visible);
        out.bank_accounts = text::bank_accounts(&self.visible);
        out.handles = std::mem::take(&mut self.links.handles);
        out.language = text::language(&self.visible);
        out.urls = self.links.finish(&out.recipients);
        out.domains = domains(&out);
        if out.domains.iter().any(|d| d.domain.homograph) {
            self.warnings.insert(Warning::Homograph);
        }
        let linked = out.domains.iter().filter(|d| d.roles.contains(&DomainRole::Url));
        let linked = linked.map(|d| d.domain.owner().to_owned()).take(50).collect();
        out.fingerprint = fingerprint(out.subject.as_deref().unwrap_or_default(), &self.visible, linked);
        out.warnings = self.warnings;
        out
    }
}

fn extend(into: &mut Vec<Address>, more: Vec<Address>) {
    for address in more {
        if into.len() < MAX_ADDRESSES && !into.iter().any(|a| a.email == address.email) {
            into.push(address);
        }
    }
}

/// An HTML page or a vector image that calls itself something else: phishing pages travel as attachments.
fn is_html(part: &MessagePart<'_>) -> bool {
    let name = part.attachment_name().unwrap_or_default().to_ascii_lowercase();
    let kind = part.content_type().and_then(|c| c.subtype()).unwrap_or_default();
    [".htm", ".html", ".shtml", ".xhtml", ".svg"].iter().any(|end| name.ends_with(end))
        || ["svg+xml", "xhtml+xml", "html"].iter().any(|k| kind.eq_ignore_ascii_case(k))
}

fn multipart_depth(message: &Message<'_>) -> usize {
    // Children come after their parent, so one pass is enough.
    let mut depths = vec![0usize; message.parts.len()];
    for id in 0..message.parts.len() {
        let below = depths[id] + 1;
        for child in message.parts[id].sub_parts().unwrap_or_default() {
            if let Some(slot) = depths.get_mut(*child as usize).filter(|_| *child as usize > id) {
                *slot = below;
            }
        }
    }
    depths.into_iter().max().unwrap_or_default()
}

fn domains(found: &Analysis) -> Vec<FoundDomain> {
    let mut all: BTreeMap<Domain, BTreeSet<DomainRole>> = BTreeMap::new();
    let mut add = |domain: Option<Domain>, role| {
        if let Some(domain) = domain {
            all.entry(domain).or_default().insert(role);
        }
    };
    let of = |addresses: &[Address]| addresses.iter().map(|a| a.domain.clone()).collect::<Vec<_>>();
    of(&found.from).into_iter().for_each(|d| add(d, DomainRole::From));
    of(&found.sender).into_iter().for_each(|d| add(d, DomainRole::Sender));
    of(&found.reply_to).into_iter().for_each(|d| add(d, DomainRole::ReplyTo));
    found.return_path.iter().for_each(|a| add(a.domain.clone(), DomainRole::ReturnPath));
    found
        .body_emails
        .iter()
        .filter_map(|e| e.rsplit_once('@'))
        .for_each(|(_, d)| add(Domain::parse(d), DomainRole::Text));
    found.dkim_domains.iter().for_each(|d| add(Domain::parse(d), DomainRole::Dkim));
    let reported = found.report.iter().flat_map(|r| &r.domains);
    reported.for_each(|d| add(Domain::parse(d), DomainRole::Reported));
    for url in &found.urls {
        if let Host::Domain(domain) = &url.host {
            add(Some(domain.clone()), DomainRole::Url);
        }
    }
    all.into_iter().map(|(domain, roles)| FoundDomain { domain, roles, looks_like: Vec::new() }).collect()
}

/// What the headers say about the way of the message.
#[derive(Default)]
struct Trace {
    hops: Vec<PlacedHop>,
    statements: Vec<Statement>,
    stated: Vec<Stated>,
    /// What a complaint around the message repeats.
    reported: Vec<Stated>,
    sealed: Vec<Stated>,
    spf: Option<Verdict>,
    dkim_domains: BTreeSet<String>,
    originating: Vec<IpAddr>,
}

impl Trace {
    fn header(&mut self, name: &str, raw: &str, at: usize) {
        let ip = || raw.trim().trim_matches(['[', ']', '(', ')']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        match name {
            "authentication-results" if self.stated.len() < 20 => {
                let stated = auth::authentication_results(raw);
                self.state(stated.client_ip, IpSource::AuthenticationResults, at);
                self.stated.push(stated);
            }
            "arc-authentication-results" if self.sealed.len() < 20 => {
                let stated = auth::authentication_results(raw);
                let public = stated.client_ip.filter(|ip| crate::domain::is_public(*ip));
                self.originating.extend(public.map(|ip| ip.to_canonical()));
                self.sealed.push(stated);
            }
            "received-spf" => {
                let (verdict, ip) = auth::received_spf(raw);
                self.spf = self.spf.take().or(verdict);
                self.state(ip, IpSource::ReceivedSpf, at);
            }
            "dkim-signature" if self.dkim_domains.len() < 20 => self.dkim_domains.extend(auth::dkim_domain(raw)),
            "x-sender-ip" | "x-ms-exchange-organization-connectingip" => self.state(ip(), IpSource::ReceiverHeader, at),
            "x-originating-ip" | "x-source-ip" => {
                self.originating.extend(ip().filter(|ip| crate::domain::is_public(*ip)));
            }
            _ => {}
        }
    }

    fn state(&mut self, ip: Option<IpAddr>, source: IpSource, at: usize) {
        if let Some(ip) = ip
            && self.statements.len() < 50
        {
            self.statements.push(Statement { ip: ip.to_canonical(), source, at });
        }
    }
}
