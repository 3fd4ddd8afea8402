//! Made-up federations on disk: founders' folders, and journals that were written in no time.

use anyhow::Context;
use lapwing_engine::fact::{Fact, Kept};
use lapwing_node::book::write_fact;
use lapwing_node::folder::Folder;
use lapwing_node::founding::Identity;
use lapwing_node::keys::{KdfCost, KeyKind, write_key};
use lapwing_record::cbor::encode;
use lapwing_record::charter::CharterFile;
use lapwing_record::directory::{Contact, Role, Way};
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::id::NetworkId;
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_store::disk::os::OsDisk;
use lapwing_store::journal::{Journal, Options};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Facts of one batch when a journal is made.
const BATCH: usize = 4096;
/// Points of contact that one author of a made-up log keeps up.
const SLOTS: usize = 20;

/// A federation whose members are all founders.
pub struct Federation {
    /// Where the members' folders lie.
    pub root: PathBuf,
    /// The members, with all their keys.
    pub members: Vec<TestAgency>,
    charter: CharterFile,
}

impl Federation {
    /// Founds it: `count` agencies called `agency-0`, `agency-1` and so on.
    pub fn found(root: &Path, count: usize) -> anyhow::Result<Self> {
        let members: Vec<TestAgency> = (0..count).map(|i| TestAgency::named(&format!("agency-{i}"))).collect();
        let charter = charter_of(&members.iter().collect::<Vec<_>>());
        let parts = members.iter().map(|m| m.found(&charter)).collect();
        let charter = CharterFile::join(charter, parts).context("the charter")?;
        Ok(Federation { root: root.to_owned(), members, charter })
    }

    /// Its id.
    pub fn network(&self) -> NetworkId {
        self.charter.charter.network_id()
    }

    /// A new data folder of a member; `label` tells several of one member apart.
    pub fn settle(&self, member: usize, label: &str) -> anyhow::Result<Folder> {
        let agency = &self.members[member];
        let folder = Folder::new(self.root.join(format!("{}{label}", agency.inception.short_name)));
        folder.create()?;
        std::fs::write(folder.charter(), encode(&self.charter))?;
        let identity = Identity {
            inception: agency.inception.clone(),
            entries: vec![],
            endorsement: vec![],
            statement: String::new(),
            founder: true,
        };
        identity.write_new(&folder.identity())?;
        write_key(&folder.feed_key(), KeyKind::Feed, agency.feed.seed(), None, KdfCost::Default)?;
        write_key(&folder.node_key(), KeyKind::Node, &seed(agency, "node"), None, KdfCost::Default)?;
        write_key(&folder.at_rest_key(), KeyKind::AtRest, &at_rest(agency), None, KdfCost::Default)?;
        Ok(folder)
    }

    /// Entries of the members from `first` on, `total` in all: points of contact, each author's own chain.
    pub fn entries(&self, first: usize, total: usize) -> Vec<Entry> {
        let (network, authors) = (self.network(), &self.members[first..]);
        let mut out = Vec::with_capacity(total);
        for (i, author) in authors.iter().enumerate() {
            let own = total / authors.len() + usize::from(i < total % authors.len());
            let mut after = None;
            for k in 0..own {
                let slot = format!("desk-{}", k % SLOTS);
                let entry = author.entry(&network, after, EntryType::Contact, &contact(&slot, k));
                after = Some((entry.header().seq, entry.id()));
                out.push(entry);
            }
        }
        out
    }

    /// Writes facts into the journal of a folder that no node has used yet.
    pub fn write_journal(&self, member: usize, folder: &Folder, facts: &[Fact]) -> anyhow::Result<()> {
        let options = Options { at_rest_key: Some(at_rest(&self.members[member])), ..Options::default() };
        let (mut journal, _) = Journal::open(Arc::new(OsDisk), &folder.journal(), options)?;
        for chunk in facts.chunks(BATCH) {
            journal.append(&chunk.iter().map(write_fact).collect::<Vec<_>>())?;
        }
        Ok(journal.close()?)
    }
}

/// Entries as the journal holds them.
pub fn kept(entries: &[Entry]) -> Vec<Fact> {
    entries.iter().map(|entry| Fact::Entry(Kept { at: 1, entry: entry.clone() })).collect()
}

fn seed(agency: &TestAgency, what: &str) -> [u8; 32] {
    blake3::derive_key("lapwing bench node key", format!("{what} {}", agency.inception.short_name).as_bytes())
}

/// The key that a member's disk lies under.
pub fn at_rest(agency: &TestAgency) -> [u8; 32] {
    seed(agency, "at rest")
}

/// A point of contact; `version` makes it another record in the same slot.
pub fn contact(slot: &str, version: usize) -> Contact {
    Contact {
        slot: slot.into(),
        role: Role::CaseIntake,
        name: format!("Intake desk {version}"),
        areas: vec![],
        channels: vec![],
        languages: vec!["en".into()],
        hours: vec![],
        time_zone: "Europe/London".into(),
        ways: vec![Way { kind: "email".into(), value: "intake@agency.example".into() }],
        deputy: None,
        reconfirm_by: 4_102_444_800_000,
        withdrawn: false,
    }
}
