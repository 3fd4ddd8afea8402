//! Which messages are of one campaign: near-identical text (simhash), or the same subject towards the same domains.

use crate::analysis::Analysis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Words looked at.
const MAX_WORDS: usize = 20_000;
/// Texts of fewer shingles carry too little to be near-identical by chance; they must be equal.
const MIN_SHINGLES: u32 = 8;

/// What makes a message recognisable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Simhash over shingles of three normalised words, 16 hex digits. Near-identical texts differ in few bits.
    pub simhash: String,
    /// How many shingles went in; 0 = no text.
    pub shingles: u32,
    /// The subject without case, digits, punctuation and `Re:`.
    pub subject: String,
    /// Registrable domains that the message links to.
    pub domains: BTreeSet<String>,
}

/// Messages of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Indexes into what was grouped, ascending.
    pub members: Vec<usize>,
    /// The subject of the first member.
    pub subject: String,
    /// Domains that its members link to.
    pub domains: BTreeSet<String>,
}

/// How alike messages of one group are, by default: differing bits of 64.
pub const DEFAULT_DISTANCE: u32 = 6;

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
    let simhash = votes.iter().enumerate().filter(|(_, v)| **v > 0).fold(0u64, |hash, (i, _)| hash | 1 << i);
    Fingerprint {
        simhash: format!("{simhash:016x}"),
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

fn alike(a: (&Fingerprint, u64), b: (&Fingerprint, u64), distance: u32) -> bool {
    let bits = (a.1 ^ b.1).count_ones();
    let texts = a.0.shingles.min(b.0.shingles);
    if texts >= MIN_SHINGLES && bits <= distance {
        return true;
    }
    let equal = bits == 0 && a.0.shingles == b.0.shingles && texts > 0;
    let subject = a.0.subject == b.0.subject && a.0.subject.chars().count() >= 8;
    let shared = a.0.domains.intersection(&b.0.domains).next().is_some();
    subject && (equal || shared || (texts >= MIN_SHINGLES && bits <= 2 * distance))
}

/// Groups messages; every message is in exactly one group, groups of one included. Largest first.
/// `distance`: differing bits of 64 up to which texts count as near-identical ([`DEFAULT_DISTANCE`]).
pub fn group<'a>(analyses: impl IntoIterator<Item = &'a Analysis>, distance: u32) -> Vec<Group> {
    let all: Vec<&Analysis> = analyses.into_iter().collect();
    let prints: Vec<(&Fingerprint, u64)> = all
        .iter()
        .map(|a| (&a.fingerprint, u64::from_str_radix(&a.fingerprint.simhash, 16).unwrap_or_default()))
        .collect();
    let mut leader: Vec<usize> = (0..all.len()).collect();
    for i in 0..all.len() {
        // Against leaders only, never from neighbour to neighbour: a chain of small steps must not join strangers.
        if let Some(first) = (0..i).find(|&j| leader[j] == j && alike(prints[j], prints[i], distance)) {
            leader[i] = first;
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (i, first) in leader.into_iter().enumerate() {
        let group = groups.entry(first).or_insert_with(|| Group {
            members: Vec::new(),
            subject: all[first].subject.clone().unwrap_or_default(),
            domains: BTreeSet::new(),
        });
        group.members.push(i);
        group.domains.extend(all[i].fingerprint.domains.iter().cloned());
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|g| (usize::MAX - g.members.len(), g.members.first().copied()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Dear customer, your parcel 4711 could not be delivered because the address is not complete. \
        Please confirm your address within 24 hours and pay the small fee of 1.99 so that we can deliver it tomorrow.";

    fn message(subject: &str, text: &str, domains: &[&str]) -> Analysis {
        let domains = domains.iter().map(|d| d.to_string()).collect();
        Analysis {
            subject: Some(subject.into()),
            fingerprint: fingerprint(subject, text, domains),
            ..Analysis::default()
        }
    }

    #[test]
    fn copies_that_differ_in_numbers_and_names_fall_into_one_group() {
        let all = [
            message("Your parcel 1", TEXT, &["a.example"]),
            message("Invoice", "Attached you find the invoice for the services of last month, payable at once.", &[]),
            message(
                "Parcel!",
                &TEXT.replace("4711", "0815").replace("customer", "customer victim@home.example"),
                &["b.example"],
            ),
        ];
        let groups = group(&all, DEFAULT_DISTANCE);
        assert_eq!(groups.iter().map(|g| g.members.clone()).collect::<Vec<_>>(), [vec![0, 2], vec![1]]);
        assert_eq!(groups[0].domains.len(), 2);
    }

    #[test]
    fn the_same_subject_towards_the_same_domain_is_one_campaign_whatever_the_filler() {
        let a = message("Re: Your account is locked", "one two three", &["bad.example"]);
        let b = message("your ACCOUNT is locked 77", "four five six seven", &["bad.example", "x.example"]);
        let c = message("Your account is locked", "eight nine", &["other.example"]);
        let groups = group([&a, &b, &c], DEFAULT_DISTANCE);
        assert_eq!(groups.iter().map(|g| g.members.clone()).collect::<Vec<_>>(), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn messages_without_text_are_not_alike_for_that() {
        let groups = group([&message("", "", &[]), &message("", "", &[])], DEFAULT_DISTANCE);
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn three_thousand_strangers_are_grouped_in_bounded_time() {
        let all: Vec<Analysis> = (0..3_000u64)
            .map(|i| {
                let simhash = format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                Analysis {
                    fingerprint: Fingerprint { simhash, shingles: 50, ..Fingerprint::default() },
                    ..Analysis::default()
                }
            })
            .collect();
        let start = std::time::Instant::now();
        assert_eq!(group(&all, DEFAULT_DISTANCE).iter().map(|g| g.members.len()).sum::<usize>(), 3_000);
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{:?}", start.elapsed());
    }
}
