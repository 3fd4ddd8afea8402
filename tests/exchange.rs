//! Two nodes exchange referrals while either is killed at random: nothing acknowledged is lost, nothing is there twice,
//! every receipt verifies, and a transfer fetches again what was in flight and no more.
//!
//! `LAPWING_KILLS`, `LAPWING_CASES`, `LAPWING_BIG_MIB` and `LAPWING_SEED` make it longer; one case in ten is big.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::types::{Draft, EvidenceView, Page, ReferralDetail, ReferralRow, Said};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Running, Town, until};

const MIB: u64 = 1024 * 1024;
const NODES: [&str; 2] = ["harbour", "polder"];

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Numbers that look random and come again with the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The content of a case's evidence: bytes that do not repeat.
#[derive(Clone, Copy)]
struct Noise {
    of: u64,
    at: u64,
    size: u64,
}

impl Read for Noise {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(usize::try_from(self.size - self.at).unwrap());
        for (i, b) in out[..n].iter_mut().enumerate() {
            *b = ((self.at + i as u64 + (self.of << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
        self.at += n as u64;
        Ok(n)
    }
}

fn sha256(mut from: impl Read) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return hash.finalize().into(),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn base32(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    lapwing_record::id::base32(&bytes)
}

struct Scene {
    town: Town,
    nodes: [Mutex<Option<Running>>; 2],
    kills: AtomicU64,
    wanted: u64,
    cases: u64,
    big: u64,
    /// Cases whose submission was acknowledged, by their reference.
    acknowledged: Mutex<BTreeMap<String, String>>,
    /// Bytes of each item that were seen to be durable at polder: at the latest look, and at the one before its last kill.
    have: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Scene {
    fn new() -> Scene {
        let town = Town::founded(&NODES);
        let first = town.start("harbour", &[]);
        let second = town.start("polder", &town.address("harbour"));
        until("referrals can go", 60, || {
            let of: Value = town.client("harbour", Op::Member)?.read(Op::Member, &["polder"], &[]).ok()?;
            (of["sealable"] == true && town.status("harbour")?.signing == "ok").then_some(())
        });
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
            "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
            "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
        });
        let _: Value =
            town.client("harbour", Op::ContactPublish).unwrap().call(Op::ContactPublish, &[], &[], &contact).unwrap();
        Scene {
            town,
            nodes: [Mutex::new(Some(first)), Mutex::new(Some(second))],
            kills: AtomicU64::new(0),
            wanted: asked("LAPWING_KILLS", 10),
            cases: asked("LAPWING_CASES", 20),
            big: asked("LAPWING_BIG_MIB", 6) * MIB,
            acknowledged: Mutex::default(),
            have: Mutex::default(),
        }
    }

    fn content(&self, n: u64) -> Noise {
        Noise { of: n, at: 0, size: if n.is_multiple_of(10) { self.big } else { 2000 } }
    }

    /// Kills either node at random moments and starts it again.
    fn killing(&self) {
        let mut dice = Dice(asked("LAPWING_SEED", 1));
        while self.kills.load(Ordering::SeqCst) < self.wanted {
            std::thread::sleep(Duration::from_millis(150 + dice.roll(1200)));
            let victim = dice.roll(2) as usize;
            let mut node = self.nodes[victim].lock().unwrap();
            if victim == 1 {
                self.have.lock().unwrap().values_mut().for_each(|(latest, before)| *before = *latest);
            }
            node.take().unwrap().kill();
            std::thread::sleep(Duration::from_millis(dice.roll(400)));
            *node = Some(self.town.start(NODES[victim], &self.town.address(NODES[1 - victim])));
            self.kills.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Submits one case after the other, each until its acknowledgement; then goes on until the killing is over.
    fn submitting(&self) {
        for n in 0..self.cases {
            let (content, mut draft) = (self.content(n), None::<String>);
            let sum = hex(&sha256(content));
            let begun = Instant::now();
            while !self.submit(n, content, &sum, &mut draft).unwrap_or(false) {
                assert!(begun.elapsed() < Duration::from_secs(300), "case {n} is not taken");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn submit(&self, n: u64, content: Noise, sum: &str, draft: &mut Option<String>) -> Option<bool> {
        let client = self.town.client("harbour", Op::Drafts)?;
        if draft.is_none() {
            let opened: Draft = client.call(Op::Drafts, &[], &[], &json!({})).ok()?;
            *draft = Some(opened.thread);
        }
        let thread = draft.clone()?;
        let query = [
            ("name", "dump.bin".to_owned()),
            ("media_type", "application/octet-stream".into()),
            ("sha256", sum.to_owned()),
        ];
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["requester_ref"] = json!(format!("X-{n}"));
        // what is submitted already takes no upload: then the same submission is asked for again
        let item: Option<EvidenceView> = client.upload(Op::EvidencePut, &[&thread], &query, content, content.size).ok();
        if let Some(item) = item {
            form["evidence"] = json!([{
                "name": item.name, "media_type": item.media_type, "size": item.size, "blake3": base32(&item.blake3),
                "sha256": base32(sum), "method": "seized", "original": true,
            }]);
        }
        let submit = json!({ "to": "polder", "form": form });
        let said: Said = client.call(Op::Submit, &[&thread], &[], &submit).ok()?;
        self.acknowledged.lock().unwrap().insert(format!("X-{n}"), said.thread);
        Some(true)
    }

    fn case(&self, at: &str, thread: &str) -> Option<ReferralDetail> {
        self.town.client(at, Op::Referral)?.read(Op::Referral, &[thread], &[]).ok()
    }

    fn threads(&self, at: &str) -> Option<Vec<String>> {
        let (mut all, mut query) = (Vec::new(), vec![("limit", "500".to_owned())]);
        loop {
            let page: Page<ReferralRow> = self.town.client(at, Op::Referrals)?.read(Op::Referrals, &[], &query).ok()?;
            all.extend(page.items.into_iter().map(|r| r.thread));
            match page.next {
                Some(next) => query = vec![("limit", "500".into()), ("cursor", next)],
                None => return Some(all),
            }
        }
    }

    /// Polder asks back in every case, once, and fetches all evidence; until everything is here and was asked.
    fn answering(&self) {
        let (mut settled, begun) = (BTreeSet::new(), Instant::now());
        while settled.len() < self.cases as usize {
            for thread in self.threads("polder").unwrap_or_default() {
                if !settled.contains(&thread) && self.tend(&thread) == Some(true) {
                    settled.insert(thread);
                }
            }
            let limit = Duration::from_secs(300 + 10 * self.wanted);
            assert!(begun.elapsed() < limit, "{} of {} cases are whole at polder", settled.len(), self.cases);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn tend(&self, thread: &str) -> Option<bool> {
        let case = self.case("polder", thread)?;
        if !case.timeline.iter().any(|s| s.kind == "need_info") {
            let say = json!({ "kind": "need_info", "text": "Is this all?" });
            let _: Value = self.town.client("polder", Op::Say)?.call(Op::Say, &[thread], &[], &say).ok()?;
        }
        let item = case.evidence.first()?;
        if item.state == "here" {
            // by this process, since its start; what was seen to be durable before it was not fetched again
            let before = self.have.lock().unwrap().get(&item.blob).map_or(0, |(_, before)| *before);
            assert!(
                item.fetched <= item.of - before.min(item.of) + MIB,
                "{} of {} fetched, {before} were here",
                item.fetched,
                item.of
            );
            return Some(case.timeline.iter().any(|s| s.kind == "need_info"));
        }
        self.have.lock().unwrap().entry(item.blob.clone()).or_default().0 = item.have;
        if item.state != "announced" {
            let fetch = self.town.client("polder", Op::EvidenceFetch)?;
            let _: Value = fetch.call(Op::EvidenceFetch, &[thread, &item.blob], &[], &json!({})).ok()?;
        }
        Some(false)
    }

    /// What must hold once the dust has settled.
    fn judged(&self) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        assert_eq!(acknowledged.len() as u64, self.cases);
        for at in NODES {
            let threads = until("the list", 60, || self.threads(at));
            let distinct: BTreeSet<&String> = threads.iter().collect();
            assert_eq!((threads.len(), distinct.len()), (self.cases as usize, self.cases as usize), "at {at}");
            assert!(acknowledged.values().all(|t| distinct.contains(t)), "a case is missing at {at}");
        }
        for (reference, thread) in &acknowledged {
            let settled = |at: &str| {
                self.case(at, thread)
                    .filter(|c| c.timeline.iter().all(|s| matches!(s.delivery.as_str(), "stored" | "received")))
            };
            let (ours, theirs) = until(&format!("{reference} is the same at both"), 120, || {
                let (ours, theirs) = (settled("harbour")?, settled("polder")?);
                let ids = |c: &ReferralDetail| c.timeline.iter().map(|s| s.id.clone()).collect::<BTreeSet<_>>();
                (ids(&ours) == ids(&theirs)).then_some((ours, theirs))
            });
            for case in [&ours, &theirs] {
                let kinds: Vec<&str> = case.timeline.iter().map(|s| s.kind.as_str()).collect();
                for once in ["submit", "blob_grant", "need_info"] {
                    assert_eq!(kinds.iter().filter(|k| **k == once).count(), 1, "{reference}: {kinds:?}");
                }
                assert_eq!(case.form.as_ref().unwrap().requester_ref.as_ref(), Some(reference));
            }
            for at in NODES {
                let bundle = self.town.text(&format!("{at}-{reference}.bundle"));
                self.town.of(at, &["case", "export", thread, "-o", &bundle]);
                let report = support::json(&["verify", &bundle]);
                let statements = report["report"]["statements"].as_array().unwrap();
                assert!(statements.len() == 3 && statements.iter().all(|s| s["received"].is_number()), "{report}");
            }
        }
        for n in (0..self.cases).step_by(10) {
            let (thread, content) = (&acknowledged[&format!("X-{n}")], self.content(n));
            let blob = &self.case("polder", thread).unwrap().evidence[0].blob;
            let client = self.town.client("polder", Op::EvidenceGet).unwrap();
            let (got, len) = client.download(Op::EvidenceGet, &[thread, blob], &[]).unwrap();
            assert_eq!((sha256(got), len), (sha256(content), Some(content.size)), "X-{n} is not what was sent");
        }
    }
}

#[test]
fn kills_of_either_node_lose_nothing_double_nothing_and_refetch_a_piece_at_most() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        scope.spawn(|| scene.killing());
        scope.spawn(|| scene.submitting());
        scope.spawn(|| scene.answering());
    });
    assert_eq!(scene.kills.load(Ordering::SeqCst), scene.wanted);
    scene.judged();
    println!("{} kills, {} cases, {} MiB in the big ones", scene.wanted, scene.cases, scene.big / MIB);
}
