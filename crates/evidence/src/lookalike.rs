//! Domains that look like those of a list at hand (`--look-alike FILE`): by letters that only look the same, by one letter
//! more, less or other, or because they carry the name inside.

use crate::analysis::Analysis;
use crate::domain::Domain;
use crate::warning::Warning;
use std::collections::BTreeSet;
use unicode_security::skeleton;

/// Domains of a list at most.
pub const MAX_NAMES: usize = 10_000;
/// Names shorter than this are only compared letter by letter: `ing` is inside many words.
const MIN_INSIDE: usize = 5;

/// A list of domains that are imitated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookAlikes {
    names: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// As the list has it.
    domain: Domain,
    /// The registered label, as the eye reads it.
    label: String,
}

/// What is wrong with a list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// Too many.
    #[error("the list has more than {MAX_NAMES} domains")]
    TooMany,
    /// A line is no domain.
    #[error("line {line} is no domain name")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
}

impl LookAlikes {
    /// Reads a list: one domain to a line, `#` begins a remark.
    ///
    /// # Errors
    /// If a line is no domain name, or there are too many.
    pub fn parse(text: &str) -> Result<LookAlikes, ListError> {
        let mut names = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let word = line.split('#').next().unwrap_or_default().trim();
            if word.is_empty() {
                continue;
            }
            let domain = Domain::parse(word).ok_or(ListError::Line { line: i + 1 })?;
            if names.len() == MAX_NAMES {
                return Err(ListError::TooMany);
            }
            names.push(Name { label: seen(label(&domain)), domain });
        }
        Ok(LookAlikes { names })
    }

    /// The domains of the list that `domain` looks like; none for one of them and what lies under it.
    pub fn of(&self, domain: &Domain) -> Vec<String> {
        if self.names.iter().any(|n| n.domain.owner() == domain.owner()) {
            return Vec::new();
        }
        let own = seen(label(domain));
        // Sub-domains carry names as well: `brand.example.login.bad.example`.
        let whole: BTreeSet<String> = shown(domain).split(['.', '-']).map(seen).collect();
        let like = |name: &&Name| {
            let long = name.label.len() >= MIN_INSIDE;
            own == name.label
                || whole.contains(&name.label) && name.label.len() >= 4
                || long && (one_apart(&own, &name.label) || own.contains(&name.label))
        };
        self.names.iter().filter(like).map(|n| n.domain.ascii.clone()).take(10).collect()
    }

    /// Marks the domains of a message.
    pub fn mark(&self, found: &mut Analysis) {
        for domain in &mut found.domains {
            domain.looks_like = self.of(&domain.domain);
            if !domain.looks_like.is_empty() {
                found.warnings.insert(Warning::LookAlike);
            }
        }
    }
}

fn shown(domain: &Domain) -> &str {
    domain.unicode.as_deref().unwrap_or(&domain.ascii)
}

/// The label that somebody registered.
fn label(domain: &Domain) -> &str {
    let suffix = domain.registrable.as_deref().and_then(|r| r.split_once('.')).map_or("", |(_, suffix)| suffix);
    let labels = suffix.split('.').filter(|l| !l.is_empty()).count().max(1);
    shown(domain).rsplit('.').nth(labels).unwrap_or_default()
}

/// A label as the eye reads it: letters that look the same are one, and so are the digits and pairs put for letters.
fn seen(label: &str) -> String {
    let plain: String = skeleton(&label.to_lowercase()).collect();
    // What the table of confusables makes of `m` is `rn`; digits are read as the letters they resemble.
    plain
        .to_lowercase()
        .replace("rn", "m")
        .replace("vv", "w")
        .chars()
        .filter(|c| *c != '-')
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' | '|' => 'l',
            '3' => 'e',
            '5' => 's',
            c => c,
        })
        .collect()
}

/// Whether two words differ by one letter more, less, other, or two neighbours exchanged.
fn one_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (long, short) = if a.len() >= b.len() { (&a, &b) } else { (&b, &a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let head = long.iter().zip(short.iter()).take_while(|(x, y)| x == y).count();
    if long.len() > short.len() {
        return long[head + 1..] == short[head..];
    }
    let swapped = head + 1 < long.len() && long[head] == short[head + 1] && long[head + 1] == short[head];
    head == long.len() || long[head + 1..] == short[head + 1..] || (swapped && long[head + 2..] == short[head + 2..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::analyse;
    use crate::limits::Limits;

    fn of(list: &LookAlikes, domain: &str) -> Vec<String> {
        list.of(&Domain::parse(domain).unwrap())
    }

    #[test]
    fn imitations_are_named_and_the_imitated_itself_is_none() {
        let list = LookAlikes::parse("# banks\nharbourbank.example\nparcel.co.uk  # post\n\nmiro.example\n").unwrap();
        for imitation in [
            "harb0urbank.test",
            "harbuorbank.test",
            "harbourbanc.test",
            "harbourbank.test",
            "h\u{0430}rbourbank.test",
            "harbourbank-login.test",
            "secure-harbourbank.test",
            "www.harbourbank.example.evil.test",
            "harbour-bank.test",
        ] {
            assert_eq!(of(&list, imitation), ["harbourbank.example"], "{imitation}");
        }
        assert_eq!(of(&list, "parce1.test"), ["parcel.co.uk"]);
        assert_eq!(of(&list, "rniro.test"), ["miro.example"], "r and n for m");
        for other in
            ["harbourbank.example", "www.harbourbank.example", "river.test", "mirror.test", "shop.parcel.co.uk"]
        {
            assert_eq!(of(&list, other), [""; 0], "{other}");
        }
        assert_eq!(LookAlikes::parse("a.example\nno domain\n"), Err(ListError::Line { line: 2 }));
    }

    #[test]
    fn a_message_that_links_to_an_imitation_is_marked() {
        let list = LookAlikes::parse("harbourbank.example").unwrap();
        let mail = "From: a@b.example\r\n\r\nhttps://harbourbank-login.test/ https://river.test/";
        let mut found = analyse(mail.as_bytes(), &Limits::default());
        list.mark(&mut found);
        assert!(found.warnings.contains(&Warning::LookAlike));
        let marked: Vec<_> = found.domains.iter().filter(|d| !d.looks_like.is_empty()).collect();
        assert_eq!(marked.len(), 1);
        assert_eq!(marked[0].looks_like, ["harbourbank.example"]);
    }
}
