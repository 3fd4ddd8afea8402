//! What makes a message recognisable among others, whatever name, number and address each copy bears.
//! [`crate::campaign`] groups by it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Words looked at.
const MAX_WORDS: usize = 20_000;
/// Values of a sketch at most.
pub const SKETCH: usize = 64;

/// What makes a message recognisable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Simhash over shingles of three normalised words, 16 hex digits. Near-identical texts differ in few bits.
    pub simhash: String,
    /// The smallest hashes of the shingles, ascending, at most [`SKETCH`]: how much two texts have in common can be
    /// estimated from them, and is exact for short ones.
    pub sketch: Vec<u32>,
    /// How many shingles went in; 0 = no text.
    pub shingles: u32,
    /// The subject without case, digits, punctuation and `Re:`.
    pub subject: String,
    /// Registrable domains that the message links to.
    pub domains: BTreeSet<String>,
}

/// Words without what differs from copy to copy: case, digits, addresses, long tokens.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace()
        .filter(|w| !w.contains('@') && !w.contains("://"))
        .map(|w| w.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect::<String>())
        .filter(|w| (1..=40).contains(&w.len()))
        .take(MAX_WORDS)
}

/// The fingerprint of a message.
pub(crate) fn fingerprint(subject: &str, visible: &str, domains: BTreeSet<String>) -> Fingerprint {
    let words: Vec<String> = words(visible).collect();
    let mut votes = [0i32; 64];
    let mut shingles = BTreeSet::new();
    for shingle in words.windows(3.min(words.len()).max(1)) {
        let digest = blake3::hash(shingle.join(" ").as_bytes());
        let bits = digest.as_bytes().first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b));
        // Each shingle votes once: a footer repeated a hundred times is one footer.
        if shingles.insert(bits) {
            for (i, vote) in votes.iter_mut().enumerate() {
                *vote += if bits >> i & 1 == 1 { 1 } else { -1 };
            }
        }
    }
    // The upper half: as even as the whole, and half as long to carry.
    let sketch: BTreeSet<u32> = shingles.iter().map(|s: &u64| (s >> 32) as u32).collect();
    let simhash = votes.iter().enumerate().filter(|(_, v)| **v > 0).fold(0u64, |hash, (i, _)| hash | 1 << i);
    Fingerprint {
        simhash: format!("{simhash:016x}"),
        sketch: sketch.into_iter().take(SKETCH).collect(),
        shingles: u32::try_from(shingles.len()).unwrap_or(u32::MAX),
        subject: subject_key(subject),
        domains,
    }
}

fn subject_key(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((prefix, after)) = rest.split_once(':') {
        if !["re", "fw", "fwd", "aw", "wg", "tr", "sv"].contains(&prefix.trim().to_lowercase().as_str()) {
            break;
        }
        rest = after;
    }
    words(rest).collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

impl Fingerprint {
    /// How much of both texts is in common, 0 to 100 (Jaccard index of their shingles, estimated from the sketches).
    pub fn likeness(&self, other: &Fingerprint) -> u32 {
        let (mut a, mut b) = (self.sketch.iter().peekable(), other.sketch.iter().peekable());
        let (mut union, mut common) = (0u32, 0u32);
        // The smallest values of the union: beyond a full sketch's last value nothing is known of its text.
        while union < SKETCH as u32 {
            match (a.peek(), b.peek()) {
                (None, None) => break,
                (None, Some(_)) if self.sketch.len() == SKETCH => break,
                (Some(_), None) if other.sketch.len() == SKETCH => break,
                (Some(x), Some(y)) if x == y => {
                    common += 1;
                    a.next();
                    b.next();
                }
                (Some(x), Some(y)) if x < y => drop(a.next()),
                (Some(_), None) => drop(a.next()),
                _ => drop(b.next()),
            }
            union += 1;
        }
        (common * 100).checked_div(union).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str) -> Fingerprint {
        fingerprint("", text, BTreeSet::new())
    }

    #[test]
    fn copies_that_differ_in_numbers_names_and_addresses_have_one_text() {
        let a = print("Dear customer 4711, pay 1.99 at once to https://a.example/1 or write to me@a.example please");
        let b = print("dear CUSTOMER 0815 pay 2.99 at once to https://b.example/2 or write to me@b.example please");
        assert_eq!((a.likeness(&b), a.simhash == b.simhash), (100, true));
        assert_eq!(print("").likeness(&print("")), 0);
    }

    #[test]
    fn likeness_follows_what_is_in_common_for_short_and_long_texts() {
        let words = |from: usize, to: usize| {
            let word = |n: usize| (0..4).map(|i| char::from(b'a' + (n >> (4 * i) & 15) as u8)).collect::<String>();
            (from..to).map(word).collect::<Vec<_>>().join(" ")
        };
        for (n, slack) in [(40, 3), (2_000, 15)] {
            let (a, b, c) = (print(&words(0, n)), print(&words(n / 4, n + n / 4)), print(&words(n, 2 * n)));
            let half = a.likeness(&b);
            assert!(half.abs_diff(60) <= slack, "three quarters of each are shared, three fifths of both: {half}");
            assert!(a.likeness(&c) <= 3 && a.likeness(&a) == 100);
            assert_eq!(a.likeness(&b), b.likeness(&a));
        }
    }
}
