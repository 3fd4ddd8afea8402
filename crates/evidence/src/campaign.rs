//! Which messages are of one campaign: texts that are near-identical, or alike and pointing at the same domains, or the
//! same subject towards the same domains.
//!
//! Neither the groups nor their ids depend on the order or the names of the files: messages are taken in the order of
//! their own content.

use crate::analysis::Analysis;
use crate::fingerprint::Fingerprint;
use crate::identify::is_shared;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Texts of fewer shingles carry too little to be alike by more than chance; they must be equal.
const MIN_SHINGLES: u32 = 8;
/// From this likeness on (of 100) texts are of one campaign.
pub const NEAR_IDENTICAL: u32 = 70;
/// From this likeness on they are, if they also point at the same domains or bear the same subject: one kit, other words.
pub const ALIKE: u32 = 45;
/// Subjects of fewer characters say nothing.
const MIN_SUBJECT: usize = 8;
/// Leaders that one message is compared with.
const MAX_CANDIDATES: usize = 2_000;

/// Messages of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// `c-` and eight characters: the same for the same set of messages, whatever their order and names.
    pub id: String,
    /// Indexes into what was grouped, ascending.
    pub members: Vec<usize>,
    /// A subject of it: that of the message by whose content it is named.
    pub subject: String,
    /// Domains that its members link to.
    pub domains: BTreeSet<String>,
}

/// Groups messages; every message is in exactly one group, groups of one included. Largest first.
pub fn group<'a>(analyses: impl IntoIterator<Item = &'a Analysis>) -> Vec<Campaign> {
    let all: Vec<&Analysis> = analyses.into_iter().collect();
    let keys: Vec<[u8; 32]> = all.iter().map(|a| content(a)).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|i| (keys[*i], *i));
    let mut leaders: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut index = Index::default();
    for i in order {
        // Against leaders only, never from neighbour to neighbour: a chain of small steps must not join strangers.
        let candidates = index.candidates(&keys[i], &all[i].fingerprint);
        let best = candidates
            .into_iter()
            .filter(|l| keys[leaders[*l].0] == keys[i] || alike(&all[leaders[*l].0].fingerprint, &all[i].fingerprint))
            .max_by_key(|l| {
                let leader = &all[leaders[*l].0].fingerprint;
                (leader.likeness(&all[i].fingerprint), std::cmp::Reverse(*l))
            });
        match best {
            Some(l) => leaders[l].1.push(i),
            None => {
                index.add(leaders.len(), keys[i], &all[i].fingerprint);
                leaders.push((i, vec![i]));
            }
        }
    }
    let campaign = |(leader, mut members): (usize, Vec<usize>)| {
        members.sort_unstable();
        Campaign {
            id: format!("c-{}", BASE32_NOPAD.encode(&keys[leader][..5]).to_lowercase()),
            subject: all[leader].subject.clone().unwrap_or_default(),
            domains: members.iter().flat_map(|i| all[*i].fingerprint.domains.iter().cloned()).collect(),
            members,
        }
    };
    let mut campaigns: Vec<Campaign> = leaders.into_iter().map(campaign).collect();
    campaigns.sort_by(|a, b| (b.members.len(), &a.id).cmp(&(a.members.len(), &b.id)));
    campaigns
}

/// What the message is, beyond its fingerprint: by it messages are put in order and campaigns named.
fn content(found: &Analysis) -> [u8; 32] {
    let said = (
        &found.fingerprint,
        &found.message_id,
        (&found.date, &found.received_at),
        (&found.from, &found.return_path),
        &found.received,
        (&found.attachments, &found.urls),
    );
    *blake3::hash(&serde_json::to_vec(&said).unwrap_or_default()).as_bytes()
}

fn alike(a: &Fingerprint, b: &Fingerprint) -> bool {
    let likeness = a.likeness(b);
    let texts = a.shingles.min(b.shingles);
    if texts >= MIN_SHINGLES && likeness >= NEAR_IDENTICAL {
        return true;
    }
    let shared = a.domains.intersection(&b.domains).next().is_some();
    // That both go through the same shortener says nothing.
    let place = a.domains.intersection(&b.domains).any(|d| !is_shared(d));
    let subject = a.subject == b.subject && a.subject.chars().count() >= MIN_SUBJECT;
    let equal = texts > 0 && a.shingles == b.shingles && likeness == 100;
    (texts >= MIN_SHINGLES && likeness >= ALIKE && (place || subject)) || (subject && (shared || equal))
}

/// Leaders by what a message that is alike must share with them: a shingle or the subject.
#[derive(Default)]
struct Index {
    shingles: HashMap<u32, Vec<usize>>,
    subjects: HashMap<String, Vec<usize>>,
    contents: HashMap<[u8; 32], usize>,
}

impl Index {
    fn add(&mut self, leader: usize, content: [u8; 32], print: &Fingerprint) {
        self.contents.insert(content, leader);
        print.sketch.iter().for_each(|s| self.shingles.entry(*s).or_default().push(leader));
        if print.subject.chars().count() >= MIN_SUBJECT {
            self.subjects.entry(print.subject.clone()).or_default().push(leader);
        }
    }

    /// Those with the most in common first, where there are more than are looked at.
    fn candidates(&self, content: &[u8; 32], print: &Fingerprint) -> Vec<usize> {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let posts = print.sketch.iter().filter_map(|s| self.shingles.get(s)).flatten();
        posts.for_each(|l| *counts.entry(*l).or_default() += 1);
        for leader in self.subjects.get(&print.subject).into_iter().flatten() {
            *counts.entry(*leader).or_default() += 1;
        }
        if let Some(leader) = self.contents.get(content) {
            *counts.entry(*leader).or_default() += 100;
        }
        let mut found: Vec<(u32, usize)> = counts.into_iter().map(|(leader, n)| (n, leader)).collect();
        found.sort_by_key(|(n, leader)| (std::cmp::Reverse(*n), *leader));
        found.into_iter().take(MAX_CANDIDATES).map(|(_, leader)| leader).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::fingerprint;
    use proptest::prelude::*;

    const TEXT: &str = "Dear customer, your parcel 4711 could not be delivered because the address is not complete. \
        Please confirm your address within 24 hours and pay the small fee of 1.99 so that we can deliver it tomorrow.";
    /// The same kit with half of its words exchanged.
    const KIT: &str = "Dear customer, your payment could not be accepted because the card is not valid. \
        Please confirm your card within two days and pay the small fee of 1.99 so that we can deliver it tomorrow.";

    fn message(subject: &str, text: &str, domains: &[&str]) -> Analysis {
        let domains = domains.iter().map(|d| d.to_string()).collect();
        Analysis {
            subject: Some(subject.into()),
            fingerprint: fingerprint(subject, text, domains),
            ..Analysis::default()
        }
    }

    /// The groups as sets of members.
    fn members(groups: &[Campaign]) -> BTreeSet<Vec<usize>> {
        groups.iter().map(|g| g.members.clone()).collect()
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
        let groups = group(&all);
        assert_eq!(members(&groups), BTreeSet::from([vec![0, 2], vec![1]]));
        assert_eq!((groups[0].members.len(), groups[0].domains.len()), (2, 2));
    }

    #[test]
    fn a_kit_with_other_words_is_one_campaign_only_where_it_leads_to_the_same_place() {
        let a = message("Your parcel", TEXT, &["bad.example"]);
        let b = message("Your card", KIT, &["bad.example"]);
        let likeness = a.fingerprint.likeness(&b.fingerprint);
        assert!((20..ALIKE).contains(&likeness), "{likeness}");
        let half = format!("{} {}", &TEXT[..TEXT.len() / 2], KIT);
        let c = message("Something", &half, &["bad.example"]);
        assert!((ALIKE..NEAR_IDENTICAL).contains(&c.fingerprint.likeness(&b.fingerprint)));
        assert_eq!(group([&b, &c]).len(), 1);
        assert_eq!(group([&b, &message("Something", &half, &["other.example"])]).len(), 2);
        let short = |a: &Analysis| {
            let mut a = a.clone();
            a.fingerprint.domains = BTreeSet::from(["t.co".to_owned()]);
            a
        };
        assert_eq!(group([&short(&b), &short(&c)]).len(), 2, "everybody uses that service");
    }

    #[test]
    fn the_same_subject_towards_the_same_domain_is_one_campaign_whatever_the_filler() {
        let a = message("Re: Your account is locked", "one two three", &["bad.example"]);
        let b = message("your ACCOUNT is locked 77", "four five six seven", &["bad.example", "x.example"]);
        let c = message("Your account is locked", "eight nine", &["other.example"]);
        assert_eq!(members(&group([&a, &b, &c])).len(), 2);
        let shared_host = message("Meet singles near you", "ten eleven twelve", &["bad.example"]);
        assert_eq!(group([&a, &shared_host]).len(), 2, "a domain alone joins nothing: it may be anybody's pictures");
    }

    #[test]
    fn messages_without_text_are_not_alike_for_that_but_a_copy_of_a_file_is() {
        let a = Analysis { message_id: Some("1".into()), ..message("", "", &[]) };
        let b = Analysis { message_id: Some("2".into()), ..message("", "", &[]) };
        let groups = group([&a, &b, &a]);
        assert_eq!(members(&groups), BTreeSet::from([vec![0, 2], vec![1]]));
        assert_ne!(groups[0].id, groups[1].id);
    }

    #[test]
    fn ten_thousand_strangers_and_ten_thousand_copies_are_grouped_in_bounded_time() {
        let word = |n: usize| (0..4).map(|i| char::from(b'a' + (n >> (4 * i) & 15) as u8)).collect::<String>();
        let text = |i: usize| (0..40).map(|w| word((i * 7_919 + w * 104_729) % 65_536)).collect::<Vec<_>>().join(" ");
        let strangers = (0..10_000).map(|i| message("", &text(i), &[]));
        let copies = (0..10_000).map(|i| message(&format!("no {i}"), TEXT, &["a.example"]));
        let all: Vec<Analysis> = strangers.chain(copies).collect();
        let start = std::time::Instant::now();
        let groups = group(&all);
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
        assert_eq!(groups[0].members.len(), 10_000);
        assert_eq!(groups.iter().map(|g| g.members.len()).sum::<usize>(), 20_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn groups_and_their_ids_do_not_depend_on_the_order_of_the_messages(
            seeds in proptest::collection::vec((0usize..4, 0usize..6, 0usize..3, 0usize..30), 0..25),
            keys in proptest::collection::vec(any::<u64>(), 25),
        ) {
            let of = |(text, filler, domain, cut): &(usize, usize, usize, usize)| {
                let words = [TEXT, KIT, "short", ""][*text];
                let body = format!("{} {}", &words[..words.len().saturating_sub(*cut)], "tail words here ".repeat(*filler));
                message(["Your parcel is here", "x", ""][*domain], &body, &[["a.example", "b.example", "c.example"][*domain]])
            };
            let all: Vec<Analysis> = seeds.iter().map(of).collect();
            let mut shuffled: Vec<usize> = (0..all.len()).collect();
            shuffled.sort_by_key(|i| keys[*i]);
            let ids = |order: &[usize]| -> BTreeMap<String, BTreeSet<usize>> {
                let groups = group(order.iter().map(|i| &all[*i]));
                let groups = groups.into_iter().map(|g| (g.id, g.members.iter().map(|m| order[*m]).collect()));
                groups.collect()
            };
            let straight: Vec<usize> = (0..all.len()).collect();
            prop_assert_eq!(ids(&straight), ids(&shuffled));
        }
    }
}
