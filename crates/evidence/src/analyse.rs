//! One sample in, what is known of it out. In process: run it in a worker ([`crate::worker`]) on anything hostile.

use crate::analysis::Analysis;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::reading::Reading;
use crate::report::{self, Around, Report};
use crate::verify::{NotVerified, verify};
use crate::warning::Warning;
use crate::{outlook, xarf};
use mail_parser::{HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A message of the Internet (RFC 5322), headers alone, or a complaint in the Abuse Reporting Format around one.
    #[default]
    Message,
    /// A report in XARF v4.
    Xarf,
    /// A message as Outlook saves it (MS-OXMSG).
    Outlook,
}

/// Analyses one message; nothing is verified.
pub fn analyse(bytes: &[u8], limits: &Limits) -> Analysis {
    analyse_as(Input::Message, bytes, limits, &Keys::default())
}

/// Analyses one sample. Never panics and never fails: what cannot be read is a warning. Signatures are verified where
/// `keys` holds any.
///
/// No file, no network; a clock only to tell whether a signature has expired. Bounded by `limits` in depth and count;
/// time and memory are the worker's to bound. One thing is left to the worker's death: messages nested many thousand
/// deep inside an *encoded* message can exhaust the stack of the mail library.
pub fn analyse_as(input: Input, bytes: &[u8], limits: &Limits, keys: &Keys) -> Analysis {
    let kept = bytes.len().min(usize::try_from(limits.max_bytes).unwrap_or(usize::MAX));
    let cut = kept < bytes.len();
    let bytes = &bytes[..kept];
    // The libraries state that they never panic; the mail library has been wrong before (its changelog: 0.11.3, 0.11.5,
    // 0.11.6).
    let found = std::panic::catch_unwind(|| match input {
        Input::Message => message(bytes, limits, keys),
        Input::Xarf => xarf::read(bytes, limits),
        Input::Outlook => outlook::read(bytes, limits),
    });
    let mut found =
        found.unwrap_or_else(|_| Analysis { warnings: BTreeSet::from([Warning::ParserFailed]), ..Analysis::default() });
    if cut {
        found.warnings.insert(Warning::Truncated);
    }
    found
}

fn message(bytes: &[u8], limits: &Limits, keys: &Keys) -> Analysis {
    let mut reading = Reading::new(limits, BTreeSet::new());
    let Some(outer) = parse(bytes, limits, &mut reading) else {
        return Analysis { warnings: BTreeSet::from([Warning::NotAMessage]), ..Analysis::default() };
    };
    if let Some(report) = xarf_inside(&outer) {
        return xarf::read(report, limits);
    }
    let mut own: Option<Message<'_>> = None;
    let inner = match complaint(&outer) {
        None => Some(&outer),
        Some(Complaint { report, around, message, headers }) => {
            reading.report(report, around);
            own = headers.and_then(|h| parse(h, limits, &mut reading)).filter(|_| message.is_none());
            message
        }
    };
    let Some(message) = inner.or(own.as_ref()) else {
        reading.warn(Warning::NoMessageInside);
        return reading.finish();
    };
    reading.headers(message);
    reading.parts(message);
    let raw = message.raw_message();
    let mut found = reading.finish();
    if !keys.is_empty() {
        let envelope = found.return_path.as_ref().map(|a| a.email.as_str());
        match verify(raw, keys, envelope, found.sending_ip.as_ref()) {
            Ok(verified) => found.verified = Some(verified),
            Err(NotVerified::TooMany) => drop(found.warnings.insert(Warning::TooManySignatures)),
            Err(NotVerified::Failed) => drop(found.warnings.insert(Warning::ParserFailed)),
        }
    }
    found
}

/// A message, parsed; none where it is none.
pub(crate) fn parse<'x>(bytes: &'x [u8], limits: &Limits, reading: &mut Reading<'_>) -> Option<Message<'x>> {
    let (bytes, cut) = cut_at_too_many_parts(without_separator(bytes), limits);
    if cut {
        reading.warn(Warning::TooManyParts);
    }
    MessageParser::default().parse(bytes).filter(has_headers)
}

/// A message saved out of a mailbox may still begin with its `From ` line, one saved by an editor with a byte order
/// mark, one pasted with empty lines.
fn without_separator(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    // A first line that goes on nothing is no header line; blanks before the first one are only in the way.
    let bytes = &bytes[blank..];
    if bytes.starts_with(b"From ") || bytes.starts_with(b">From ") {
        return bytes.iter().position(|b| *b == b'\n').map_or(b"", |end| &bytes[end + 1..]);
    }
    bytes
}

/// Cuts before the part that is one too many, so that the library's tree stays small. Each nested part needs a
/// Content-Type line of its own and each sibling a boundary line.
fn cut_at_too_many_parts<'a>(bytes: &'a [u8], limits: &Limits) -> (&'a [u8], bool) {
    let (mut types, mut boundaries, mut at) = (0, 0, 0);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let text = line.trim_ascii_start();
        types += usize::from(text.get(..12).is_some_and(|t| t.eq_ignore_ascii_case(b"content-type")));
        boundaries += usize::from(line.starts_with(b"--"));
        // Dashes also rule off plain text; they get more room than parts do.
        if types > limits.max_parts || boundaries > limits.max_parts.saturating_mul(10) {
            return (&bytes[..at], true);
        }
        at += line.len();
    }
    (bytes, false)
}

/// Anything parses as a message to a lenient library: some header that mail has must be there.
fn has_headers(message: &Message<'_>) -> bool {
    message.headers().iter().any(|h| {
        let known = !matches!(h.name, HeaderName::Other(_));
        known && !matches!(h.value, HeaderValue::Empty)
    })
}

/// A complaint in the Abuse Reporting Format, taken apart.
struct Complaint<'a, 'x> {
    report: Report,
    around: Around,
    /// The message that it is about.
    message: Option<&'a Message<'x>>,
    /// Or only its headers (RFC 5965 §2: `text/rfc822-headers`).
    headers: Option<&'a [u8]>,
}

/// A report in XARF that travels in a complaint: it says more than the complaint around it. Only there: a sender who
/// attaches one to his spam must not hide behind it.
fn xarf_inside<'a>(message: &'a Message<'_>) -> Option<&'a [u8]> {
    let parts = || message.parts.iter().map(MessagePart::contents);
    is_complaint(message).then(|| parts().find(|content| xarf::is_report(content))).flatten()
}

fn is_complaint(message: &Message<'_>) -> bool {
    message.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind.subtype().is_some_and(|s| s.eq_ignore_ascii_case("report"))
            && kind.attribute("report-type").is_some_and(|t| t.eq_ignore_ascii_case("feedback-report"))
    })
}

fn complaint<'a, 'x>(message: &'a Message<'x>) -> Option<Complaint<'a, 'x>> {
    let is = |part: &MessagePart<'_>, kind: &str, sub: &str| {
        part.content_type().is_some_and(|c| {
            c.ctype().eq_ignore_ascii_case(kind) && c.subtype().is_some_and(|s| s.eq_ignore_ascii_case(sub))
        })
    };
    if !is_complaint(message) {
        return None;
    }
    let (report, around) = message
        .parts
        .iter()
        .find(|p| is(p, "message", "feedback-report"))
        .map_or_else(|| report::feedback(b""), |p| report::feedback(p.contents()));
    let inner = message.parts.iter().find_map(MessagePart::message).filter(|m| has_headers(m));
    let headers = message.parts.iter().find(|p| is(p, "text", "rfc822-headers")).map(MessagePart::contents);
    let samples = u32::from(inner.is_some() || headers.is_some());
    Some(Complaint { report: Report { samples, ..report }, around, message: inner, headers })
}
