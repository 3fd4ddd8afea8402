//! `kill -9` of real processes under a load with many requests in flight: nothing acknowledged is lost, nothing is there
//! twice, every node starts again, and in the end all agree (docs/faults.md).
//!
//! `LAPWING_KILLS` (50; 1,000 in the long run), `LAPWING_ACKED` (2,500; 50,000): as often, and at least so many referrals
//! and entries acknowledged meanwhile; `LAPWING_SEED`. A round is 250 kills of one federation.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::client::Client;
use lapwing_api::ops::Op;
use lapwing_api::types::{Draft, LogRow, Page, ReferralDetail, ReferralRow, Said, Written};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Running, Stops, Town, until};

const NODES: [&str; 3] = ["harbour", "polder", "fjord"];
/// Requests in flight at each node.
const IN_FLIGHT: usize = 6;
/// Kills of one federation: what it has to replay at each start stays small.
const ROUND: u64 = 250;

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

/// A referral that was acknowledged.
#[derive(Clone, Debug)]
struct Referral {
    from: usize,
    to: usize,
    thread: String,
    reference: String,
}

struct Scene {
    town: Town,
    boot: Vec<String>,
    nodes: [Mutex<Option<Running>>; 3],
    stop: AtomicBool,
    kills: AtomicU64,
    referrals: Mutex<Vec<Referral>>,
    /// Entries that were acknowledged, and whose they are.
    entries: Mutex<Vec<(usize, String)>>,
    /// Acknowledged for each kill, about: more would only make the starts slow.
    pace: u64,
    /// Answers that were none: the outcome was unknown then, or a refusal while the node looked for its own head.
    unknown: Mutex<BTreeMap<String, u64>>,
}

/// A referral on its way: asked for again, the same, until it is acknowledged.
struct Underway {
    to: usize,
    reference: String,
    draft: Option<String>,
}

fn contact(slot: u64, n: u64) -> Value {
    json!({
        "slot": format!("s{slot}"), "role": "case_intake", "name": format!("Intake {n}"), "areas": [], "channels": [],
        "languages": ["en"], "hours": [], "time_zone": "Europe/London", "deputy": null, "withdrawn": false,
        "ways": [{ "kind": "email", "value": "x@harbour.example" }], "reconfirm_by": 4_102_444_800_000_u64,
    })
}

impl Scene {
    fn new(pace: u64) -> Scene {
        let town = Town::founded(&NODES);
        let first = town.start(NODES[0], &[]);
        let mut boot = town.address(NODES[0]);
        let second = town.start(NODES[1], &boot);
        boot.extend(town.address(NODES[1]));
        let third = town.start(NODES[2], &boot);
        boot.extend(town.address(NODES[2]));
        let scene = Scene {
            town,
            boot,
            nodes: [first, second, third].map(|n| Mutex::new(Some(n))),
            stop: AtomicBool::new(false),
            kills: AtomicU64::new(0),
            referrals: Mutex::default(),
            entries: Mutex::default(),
            pace,
            unknown: Mutex::default(),
        };
        for from in NODES {
            for to in NODES.into_iter().filter(|to| *to != from) {
                until("each can be sealed to", 60, || {
                    let of: Value = scene.town.client(from, Op::Member)?.read(Op::Member, &[to], &[]).ok()?;
                    (of["sealable"] == true && scene.town.status(from)?.signing == "ok").then_some(())
                });
            }
            // a referral names a point of contact
            let mut intake = contact(0, 0);
            intake["slot"] = json!("intake");
            let client = scene.town.client(from, Op::ContactPublish).unwrap();
            let _: Value = client.call(Op::ContactPublish, &[], &[], &intake).unwrap();
        }
        scene
    }

    fn acknowledged(&self) -> u64 {
        (self.referrals.lock().unwrap().len() + self.entries.lock().unwrap().len()) as u64
    }

    /// Kills at random moments until it was often enough, and enough was acknowledged.
    fn killing(&self, kills: u64, acked: u64, seed: u64) {
        let mut dice = Dice(seed);
        let begun = Instant::now();
        loop {
            let done = self.kills.load(Ordering::Relaxed);
            if done >= kills && self.acknowledged() >= acked {
                return;
            }
            let limit = Duration::from_secs(120 + 6 * kills);
            assert!(begun.elapsed() < limit, "{done} kills, {} acknowledged: too slow", self.acknowledged());
            // so that kills and load come out about even
            let behind = done * acked > self.acknowledged() * kills;
            std::thread::sleep(Duration::from_millis(20 + dice.roll(if behind { 600 } else { 150 })));
            if done >= kills {
                continue;
            }
            let victim = dice.roll(3) as usize;
            let mut node = self.nodes[victim].lock().unwrap();
            node.take().unwrap().kill();
            std::thread::sleep(Duration::from_millis(dice.roll(60)));
            *node = Some(self.town.start(NODES[victim], &self.boot(victim)));
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ports change with each start: where the others are now.
    fn boot(&self, of: usize) -> Vec<String> {
        let others = NODES.iter().enumerate().filter(|(i, _)| *i != of);
        let now: Vec<String> =
            others.filter_map(|(_, n)| self.town.status(n)).flat_map(|status| status.listening).collect();
        if now.is_empty() { self.boot.clone() } else { now }
    }

    /// One of the people who work at a node, without a pause unless the load is ahead of the kills.
    fn working(&self, at: usize, desk: usize, round: u64) {
        let mut dice = Dice((at * 100 + desk) as u64 + 7 + round);
        let (mut client, mut underway, mut n) = (None::<Client>, None::<Underway>, 0);
        // what is under way is brought to its end before anyone goes home
        while !self.stop.load(Ordering::Relaxed) || underway.is_some() {
            let kills = self.kills.load(Ordering::Relaxed);
            let Some(node) = client.clone().or_else(|| self.town.client(NODES[at], Op::Submit)) else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            if underway.is_none() && self.acknowledged() > (kills + 2) * self.pace {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let done = match dice.roll(10) {
                0 if underway.is_none() => {
                    n += 1;
                    self.publish(&node, at, desk as u64, n)
                }
                _ => {
                    let case = underway.get_or_insert_with(|| {
                        n += 1;
                        let to = (at + 1 + dice.roll(2) as usize) % 3;
                        Underway { to, reference: format!("{round}-{at}-{desk}-{n}"), draft: None }
                    });
                    self.refer(&node, at, case).map(|()| underway = None)
                }
            };
            client = done.is_some().then_some(node);
            if done.is_none() {
                std::thread::sleep(Duration::from_millis(30 + dice.roll(60)));
            }
        }
    }

    /// What the node answered, where that is an acknowledgement.
    fn told<T>(&self, answer: Result<T, lapwing_api::problem::Problem>) -> Option<T> {
        answer
            .map_err(|problem| {
                *self.unknown.lock().unwrap().entry(problem.code.as_str().to_owned()).or_default() += 1;
            })
            .ok()
    }

    fn publish(&self, node: &Client, at: usize, desk: u64, n: u64) -> Option<()> {
        let written: Written = self.told(node.call(Op::ContactPublish, &[], &[], &contact(desk, n)))?;
        self.entries.lock().unwrap().push((at, written.entry));
        Some(())
    }

    fn refer(&self, node: &Client, from: usize, case: &mut Underway) -> Option<()> {
        if case.draft.is_none() {
            let draft: Draft = self.told(node.call(Op::Drafts, &[], &[], &json!({})))?;
            case.draft = Some(draft.thread);
        }
        let draft = case.draft.clone()?;
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["evidence"] = Value::Null;
        form["requester_ref"] = json!(case.reference);
        let submit = json!({ "to": NODES[case.to], "form": form });
        let said: Said = self.told(node.call(Op::Submit, &[&draft], &[], &submit))?;
        let referral = Referral { from, to: case.to, thread: said.thread, reference: case.reference.clone() };
        self.referrals.lock().unwrap().push(referral);
        Some(())
    }

    fn threads(&self, at: &str) -> Option<Vec<(String, String)>> {
        let (mut all, mut query) = (Vec::new(), vec![("limit", "500".to_owned())]);
        let client = self.town.client(at, Op::Referrals)?;
        loop {
            let page: Page<ReferralRow> = client.read(Op::Referrals, &[], &query).ok()?;
            all.extend(page.items.into_iter().map(|r| (r.thread, r.role)));
            match page.next {
                Some(next) => query = vec![("limit", "500".into()), ("cursor", next)],
                None => return Some(all),
            }
        }
    }

    fn log(&self, at: &str, of: &str) -> Option<Vec<String>> {
        let (mut all, mut query) = (Vec::new(), vec![("limit", "500".to_owned())]);
        let client = self.town.client(at, Op::Log)?;
        loop {
            let page: Page<LogRow> = client.read(Op::Log, &[of], &query).ok()?;
            all.extend(page.items.into_iter().map(|r| r.id));
            match page.next {
                Some(next) => query = vec![("limit", "500".into()), ("cursor", next)],
                None => return Some(all),
            }
        }
    }

    /// What must hold once the dust has settled.
    fn judged(&self) {
        let (referrals, entries) = (self.referrals.lock().unwrap().clone(), self.entries.lock().unwrap().clone());
        until("every statement is receipted", 300, || {
            NODES.iter().try_for_each(|n| (self.town.status(n)?.outbox == 0).then_some(()))
        });
        until("all agree", 120, || {
            let all: Option<Vec<_>> = NODES.iter().map(|n| self.town.status(n)).collect();
            let said: BTreeSet<_> =
                all?.into_iter().map(|s| (s.heads, s.heads_agency, s.state, s.entries, s.confirmed)).collect();
            (said.len() == 1 && said.iter().all(|s| s.4)).then_some(())
        });
        let mut held: Vec<BTreeSet<String>> = Vec::new();
        for at in NODES {
            let threads = until("the list", 60, || self.threads(at));
            let distinct: BTreeSet<String> = threads.iter().map(|(thread, _)| thread.clone()).collect();
            assert_eq!(threads.len(), distinct.len(), "{at} lists a case twice");
            held.push(distinct);
        }
        // everything that was begun was acknowledged: there is nothing else
        let cases: BTreeSet<&String> = held.iter().flatten().collect();
        assert_eq!(cases.len(), referrals.len(), "cases that nobody was told of, or told of twice");
        let lost = referrals.iter().filter(|r| !held[r.from].contains(&r.thread) || !held[r.to].contains(&r.thread));
        assert_eq!(lost.count(), 0, "of {} acknowledged referrals", referrals.len());
        // their contents, at the side that did not write them; every tenth at the other too
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let clients = NODES.map(|n| self.town.client(n, Op::Referral).unwrap());
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed) as usize;
                        let Some(r) = referrals.get(n) else { return };
                        for at in [Some(r.to), n.is_multiple_of(10).then_some(r.from)].into_iter().flatten() {
                            let case: ReferralDetail = clients[at].read(Op::Referral, &[&r.thread], &[]).unwrap();
                            assert_eq!(case.form.unwrap().requester_ref.as_ref(), Some(&r.reference));
                            let submits = case.timeline.iter().filter(|s| s.kind == "submit").count();
                            assert_eq!(submits, 1, "{} is there twice", r.reference);
                        }
                    }
                });
            }
        });
        for at in NODES {
            for (n, of) in NODES.iter().enumerate() {
                let log = until("the log", 60, || self.log(at, of));
                let distinct: BTreeSet<&String> = log.iter().collect();
                assert_eq!(log.len(), distinct.len(), "{at} holds an entry of {of} twice");
                let lost = entries.iter().filter(|(by, id)| *by == n && !distinct.contains(id)).count();
                assert_eq!(lost, 0, "entries of {of} at {at}");
                assert_eq!(self.town.standing(at, of).as_deref(), Some("participant"), "{of} at {at}");
            }
        }
    }
}

#[test]
fn kills_under_load_lose_nothing_acknowledged_and_double_nothing_and_all_agree() {
    let (kills, acked, seed) = (asked("LAPWING_KILLS", 50), asked("LAPWING_ACKED", 2_500), asked("LAPWING_SEED", 1));
    let rounds = kills.div_ceil(ROUND);
    let (mut killed, mut referred, mut published, begun) = (0, 0, 0, Instant::now());
    for round in 0..rounds {
        let scene = Scene::new(acked.div_ceil(kills));
        std::thread::scope(|scope| {
            let _stops = Stops(&scene.stop);
            for at in 0..NODES.len() {
                for desk in 0..IN_FLIGHT {
                    let scene = &scene;
                    scope.spawn(move || scene.working(at, desk, round));
                }
            }
            scene.killing(kills.div_ceil(rounds), acked.div_ceil(rounds), seed + round);
        });
        let loaded = begun.elapsed();
        scene.judged();
        killed += scene.kills.load(Ordering::Relaxed);
        let (r, e) = (scene.referrals.lock().unwrap().len(), scene.entries.lock().unwrap().len());
        (referred, published) = (referred + r as u64, published + e as u64);
        let unknown = scene.unknown.lock().unwrap().clone();
        println!(
            "round {round}: {} kills, {r} referrals and {e} entries acknowledged, {} answers that were none {:?}, {:.0} s + {:.0} s",
            scene.kills.load(Ordering::Relaxed),
            unknown.values().sum::<u64>(),
            unknown,
            loaded.as_secs_f64(),
            (begun.elapsed() - loaded).as_secs_f64(),
        );
    }
    println!(
        "{killed} kills, {referred} referrals and {published} entries acknowledged: 0 lost, 0 doubled, 0 unopenable, equal \
         digests, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(killed >= kills && referred + published >= acked);
}
