//! DNS records at hand: what `--keys FILE` gives, so that signatures can be verified without asking the network.

use crate::domain::Domain;
use std::collections::BTreeMap;

/// Bytes of a file of records.
pub const MAX_BYTES: usize = 256 * 1024;

/// TXT records by name, lower case, without the last dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    records: BTreeMap<String, String>,
}

/// What is wrong with a file of records.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// More bytes than are taken.
    #[error("the records are longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A line is no record.
    #[error("line {line} is no TXT record: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Keys {
    /// Reads records, one to a line, as zone files and `dig +noall +answer NAME TXT` have them:
    /// `s1._domainkey.spam.example. 300 IN TXT "v=DKIM1; p=…" "…"`. Lines that begin with `;` or `#` say nothing.
    ///
    /// # Errors
    /// If a line is no TXT record; which and why.
    pub fn parse(text: &str) -> Result<Keys, KeysError> {
        if text.len() > MAX_BYTES { Err(KeysError::TooLong) } else { Keys::read(text) }
    }

    /// The same of what [`Keys::lines`] wrote, which may be longer for its quotation marks.
    pub(crate) fn read(text: &str) -> Result<Keys, KeysError> {
        let mut records = BTreeMap::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            let wrong = |why| KeysError::Line { line: i + 1, why };
            let (name, mut rest) = line.split_once(char::is_whitespace).ok_or(wrong("there is only a name"))?;
            let name = Domain::parse(name).ok_or(wrong("it does not begin with a name"))?.ascii;
            // What may stand before the data: time to live, class, type.
            while let Some((word, after)) = rest.trim_start().split_once(char::is_whitespace) {
                let known = word.eq_ignore_ascii_case("IN")
                    || word.eq_ignore_ascii_case("TXT")
                    || word.bytes().all(|b| b.is_ascii_digit());
                if !known {
                    break;
                }
                rest = after;
            }
            let data = strings(rest.trim()).ok_or(wrong("a quotation mark is not closed"))?;
            if data.is_empty() {
                return Err(wrong("there is no data"));
            }
            records.insert(name, data);
        }
        Ok(Keys { records })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.records.iter().map(|(name, data)| (name.as_str(), data.as_str()))
    }

    /// One record to a line, as [`Keys::parse`] reads them: how they travel to a worker.
    pub(crate) fn lines(&self) -> String {
        let quoted = |data: &str| data.replace('\\', "\\\\").replace('"', "\\\"");
        self.iter().map(|(name, data)| format!("{name} TXT \"{}\"\n", quoted(data))).collect()
    }
}

/// The character strings of a record, joined; without quotation marks the data is taken as it stands.
fn strings(data: &str) -> Option<String> {
    if !data.starts_with('"') {
        return Some(data.to_owned());
    }
    let (mut joined, mut inside) = (String::new(), false);
    let mut chars = data.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => joined.extend(chars.next()),
            c if inside => joined.push(c),
            _ => {}
        }
    }
    (!inside).then_some(joined)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_are_read_as_zone_files_and_dig_write_them() {
        let keys = Keys::parse(
            "; answer\n# mine\nS1._domainkey.Spam.Example. 300 IN TXT \"v=DKIM1; k=rsa; \" \"p=AB\\\"C\"\n\n\
            spam.example TXT v=spf1 ip4:192.0.2.0/24 -all\n",
        )
        .unwrap();
        let all: Vec<_> = keys.iter().collect();
        assert_eq!(
            all,
            [
                ("s1._domainkey.spam.example", "v=DKIM1; k=rsa; p=AB\"C"),
                ("spam.example", "v=spf1 ip4:192.0.2.0/24 -all")
            ]
        );
        assert_eq!(Keys::read(&keys.lines()).unwrap(), keys);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        for (text, line) in
            [("x", 1), ("\na.example TXT \"open", 2), ("a.example 300 IN TXT \"\"", 1), ("localhost x y", 1)]
        {
            assert!(matches!(Keys::parse(text), Err(KeysError::Line { line: l, .. }) if l == line), "{text:?}");
        }
        assert_eq!(Keys::parse(&"#".repeat(MAX_BYTES + 1)), Err(KeysError::TooLong));
    }
}
