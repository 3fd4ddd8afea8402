//! Redacted copies: named strings replaced by blocks of the same length, everything else byte for byte as it was.
//!
//! What stands in a message only once it is decoded (base64, quoted-printable, encoded words) cannot be taken out that
//! way; where it stands is said, so that nobody passes on a copy that still tells it.

use crate::analyse::parse;
use crate::limits::Limits;
use crate::reading::Reading;
use mail_parser::{Encoding, HeaderValue, Message, PartType};
use serde::{Deserialize, Serialize};
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
    /// `header`, or how the part is encoded: `base64`, `quoted_printable`, `none`.
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

/// Where `texts` stand in a message once it is decoded. Nothing of a file that is no message, beyond its bytes.
pub(crate) fn places(bytes: &[u8], texts: &[String], limits: &Limits) -> Vec<Place> {
    let lower: Vec<String> = texts.iter().map(|t| t.to_lowercase()).collect();
    let mut finding = Finding { lower, found: Vec::new() };
    finding.look(&String::from_utf8_lossy(bytes), 0, "none");
    let mut reading = Reading::new(limits, BTreeSet::new());
    if let Some(message) = parse(bytes, limits, &mut reading) {
        finding.message(&message, limits);
    }
    finding.found
}

struct Finding {
    lower: Vec<String>,
    found: Vec<Place>,
}

impl Finding {
    fn message(&mut self, message: &Message<'_>, limits: &Limits) {
        let mut waiting = vec![(message, 0)];
        let mut number = 0;
        while let Some((message, depth)) = waiting.pop() {
            for part in message.parts.iter() {
                if number as usize >= limits.max_parts {
                    return;
                }
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
                    _ => {}
                }
                number += 1;
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
    }
}
