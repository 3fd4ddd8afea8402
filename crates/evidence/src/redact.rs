//! Redacted copies: named strings replaced by blocks of the same length, everything else byte for byte as it was.
//!
//! What stands in a message only once it is decoded (base64, quoted-printable, encoded words) cannot be taken out that
//! way; where it stands is said, so that nobody passes on a copy that still tells it.

use crate::analyse::parse;
use crate::limits::Limits;
use crate::reading::Reading;
use crate::warning::Warning;
use crate::{scan, xarf};
use mail_parser::{Encoding, HeaderValue, Message, PartType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands where something was taken out.
pub const BLOCK: u8 = b'X';
/// Texts that can be taken out at once.
pub const MAX_TEXTS: usize = 100;
/// Bytes of one text, from and up to.
pub const TEXT_BYTES: std::ops::RangeInclusive<usize> = 3..=500;
const MAX_PLACES: usize = 100;

/// Where a text still stands, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which text, from 0.
    pub text: usize,
    /// In which part of the message, from 0; the header of the message is part 0's.
    pub part: u32,
    /// `header`, or how the part is encoded: `base64`, `quoted_printable`, `none`; `not_searched` where there are more
    /// parts or levels than are looked at, whatever stands there.
    pub encoding: String,
}

/// A copy without some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The bytes, as many as before.
    pub bytes: Vec<u8>,
    /// How often each text was taken out.
    pub counts: Vec<u64>,
}

/// A text cannot be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Too short to mean anything, or too long.
    #[error("a text to remove has from {} to {} bytes", TEXT_BYTES.start(), TEXT_BYTES.end())]
    Length,
    /// Too many of them.
    #[error("at most {MAX_TEXTS} texts are removed at once")]
    TooMany,
    /// There is none.
    #[error("there is nothing to remove")]
    None,
}

/// Replaces `texts`, whatever the case of their ASCII letters, wherever they stand byte for byte.
///
/// # Errors
/// If a text is too short or too long, or there are too many or none.
pub fn redact(bytes: &[u8], texts: &[String]) -> Result<Copy, TextError> {
    if texts.is_empty() {
        return Err(TextError::None);
    }
    if texts.len() > MAX_TEXTS {
        return Err(TextError::TooMany);
    }
    if texts.iter().any(|t| !TEXT_BYTES.contains(&t.len())) {
        return Err(TextError::Length);
    }
    let mut out = bytes.to_vec();
    let mut counts = Vec::with_capacity(texts.len());
    for text in texts {
        let mut count = 0;
        // Looked for in the original: one text may overlap another.
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], text.as_bytes()) {
            let begin = at + found;
            // Line ends keep the lines what they were.
            for byte in out[begin..begin + text.len()].iter_mut().filter(|b| !matches!(**b, b'\r' | b'\n')) {
                *byte = BLOCK;
            }
            count += 1;
            at = begin + 1;
        }
        counts.push(count);
    }
    Ok(Copy { bytes: out, counts })
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = text.first()?.to_ascii_lowercase();
    let last = bytes.len().checked_sub(text.len())?;
    (0..=last)
        .find(|at| bytes[*at].to_ascii_lowercase() == first && bytes[*at..*at + text.len()].eq_ignore_ascii_case(text))
}

/// Where `texts` stand once everything is decoded: in a message, in each of a mailbox, in a report and its samples. Of
/// any other file only the bytes are looked at.
pub(crate) fn places(bytes: &[u8], texts: &[String], limits: &Limits) -> Vec<Place> {
    let lower: Vec<String> = texts.iter().map(|t| t.to_lowercase()).collect();
    let mut finding = Finding { lower, found: Vec::new(), part: 0 };
    finding.look(&String::from_utf8_lossy(bytes), 0, "none");
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => finding.value(&value, limits),
        Err(_) => finding.mail(bytes, limits),
    }
    finding.found
}

struct Finding {
    lower: Vec<String>,
    found: Vec<Place>,
    /// The part that comes next, over all messages.
    part: u32,
}

impl Finding {
    /// A message, or the messages of a mailbox.
    fn mail(&mut self, bytes: &[u8], limits: &Limits) {
        let messages = scan::split(bytes);
        let slice = |m: &scan::MessageRange| {
            let begin = usize::try_from(m.offset).ok()?;
            bytes.get(begin..begin.checked_add(usize::try_from(m.length).ok()?)?)
        };
        let several: Vec<&[u8]> = messages.iter().filter_map(slice).collect();
        for one in if several.is_empty() { vec![bytes] } else { several } {
            let mut reading = Reading::new(limits, BTreeSet::new());
            let parsed = parse(one, limits, &mut reading);
            if reading.has(Warning::TooManyParts) {
                self.unknown();
            }
            if let Some(message) = parsed {
                self.message(&message, limits);
            }
        }
    }

    /// A report: its texts without their escapes, and its samples.
    fn value(&mut self, value: &Value, limits: &Limits) {
        match value {
            Value::String(text) => self.look(text, self.part, "none"),
            Value::Array(items) => items.iter().for_each(|item| self.value(item, limits)),
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.value(field, limits);
                    if let Some(sample) = field.as_str().filter(|_| key == "payload").and_then(xarf::rules::decoded) {
                        self.look(&String::from_utf8_lossy(&sample), self.part, "base64");
                        self.mail(&sample, limits);
                        self.part += 1;
                    }
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, message: &Message<'_>, limits: &Limits) {
        let mut waiting = vec![(message, 0)];
        while let Some((message, depth)) = waiting.pop() {
            for part in message.parts.iter() {
                let number = self.part;
                for header in &part.headers {
                    self.header(&header.value, number);
                }
                let encoding = match part.encoding {
                    Encoding::Base64 => "base64",
                    Encoding::QuotedPrintable => "quoted_printable",
                    Encoding::None => "none",
                };
                match &part.body {
                    PartType::Text(text) | PartType::Html(text) => self.look(text, number, encoding),
                    PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                        self.look(&String::from_utf8_lossy(bytes), number, encoding);
                    }
                    PartType::Message(inner) if depth < limits.max_depth => waiting.push((inner, depth + 1)),
                    PartType::Message(_) => self.unknown(),
                    _ => {}
                }
                self.part += 1;
            }
        }
    }

    fn header(&mut self, value: &HeaderValue<'_>, part: u32) {
        match value {
            HeaderValue::Text(text) => self.look(text, part, "header"),
            HeaderValue::TextList(texts) => texts.iter().for_each(|t| self.look(t, part, "header")),
            HeaderValue::Address(addresses) => addresses.iter().for_each(|a| {
                a.name().into_iter().chain(a.address()).for_each(|t| self.look(t, part, "header"));
            }),
            HeaderValue::ContentType(kind) => {
                kind.attributes().into_iter().flatten().for_each(|a| self.look(&a.value, part, "header"))
            }
            _ => {}
        }
    }

    /// What is not looked at may hold anything.
    fn unknown(&mut self) {
        self.found.truncate(MAX_PLACES - 1);
        self.found.push(Place { text: 0, part: self.part, encoding: "not_searched".into() });
    }

    fn look(&mut self, text: &str, part: u32, encoding: &str) {
        let text = text.to_lowercase();
        for (i, wanted) in self.lower.iter().enumerate() {
            let place = || Place { text: i, part, encoding: encoding.to_owned() };
            if self.found.len() < MAX_PLACES && text.contains(wanted) && !self.found.contains(&place()) {
                self.found.push(place());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::Limits;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn a_copy_is_as_long_as_the_original_and_differs_only_where_something_was_taken_out() {
        let mail = b"To: Victim@Home.example\r\nSubject: x\r\n\r\nDear victim@home.example, your number 4711";
        let copy = redact(mail, &texts(&["victim@home.example", "4711", "absent"])).unwrap();
        assert_eq!(copy.counts, [2, 1, 0]);
        assert_eq!(
            copy.bytes,
            b"To: XXXXXXXXXXXXXXXXXXX\r\nSubject: x\r\n\r\nDear XXXXXXXXXXXXXXXXXXX, your number XXXX"
        );
        let overlapping = redact(b"ababab", &texts(&["abab", "bab"])).unwrap();
        assert_eq!(
            (overlapping.bytes.as_slice(), overlapping.counts.as_slice()),
            (b"XXXXXX".as_slice(), [2, 2].as_slice())
        );
        assert_eq!(redact(mail, &[]), Err(TextError::None));
        assert_eq!(redact(mail, &texts(&["ab"])), Err(TextError::Length));
        assert_eq!(redact(mail, &vec!["abc".to_owned(); 101]), Err(TextError::TooMany));
    }

    #[test]
    fn what_stands_there_only_once_it_is_decoded_is_found() {
        let mail = "From: =?utf-8?B?VmljdGlt?= <a@b.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nRGVhciBWaWN0aW0h\r\n\
            --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDear vic=\r\ntim\r\n--b--\r\n";
        let wanted = texts(&["victim"]);
        let copy = redact(mail.as_bytes(), &wanted).unwrap();
        assert_eq!(copy.counts, [0]);
        let places = places(&copy.bytes, &wanted, &Limits::default());
        let found: Vec<_> = places.iter().map(|p| (p.part, p.encoding.as_str())).collect();
        assert_eq!(found, [(0, "header"), (1, "base64"), (2, "quoted_printable")]);
        assert!(super::places(b"no message", &wanted, &Limits::default()).is_empty());

        let parts = format!(
            "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n{}",
            "--b\nContent-Type: text/plain\n\nx\n".repeat(2_000)
        );
        assert_eq!(super::places(parts.as_bytes(), &wanted, &Limits::default())[0].encoding, "not_searched");
        let encoded = "Subject: x\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nRGVhciBWaWN0aW0h\n";
        let mailbox = format!(
            "From x Mon Jan  1 10:00:00 2024\nSubject: one\n\nhi\n\nFrom y Mon Jan  1 10:00:00 2024\n{encoded}"
        );
        assert_eq!(super::places(mailbox.as_bytes(), &wanted, &Limits::default())[0].encoding, "base64");
        let sample = data_encoding::BASE64.encode(encoded.as_bytes());
        let report = format!(
            "{{\"xarf_version\": \"4.2.0\", \"evidence\": [{{\"payload\": \"{sample}\"}}], \"subject\": \"v\\u0069ctim\"}}"
        );
        let found = super::places(report.as_bytes(), &wanted, &Limits::default());
        let found: Vec<_> = found.iter().map(|p| p.encoding.as_str()).collect();
        assert_eq!(found, ["base64", "none"]);
    }
}
