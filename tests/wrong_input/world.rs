//! A federation to be wrong at: two founders, a third agency that was admitted, an observer of the same short name, a
//! case between the founders, a proposal that waits.

#![allow(dead_code)]

use crate::support::{LAPWING, Running, Town, json, until};
use lapwing_api::ops::{Op, Role};
use lapwing_api::types::{Draft, EvidenceView, MemberDetail, Page, ReferralDetail, Said, TokenMade};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub struct World {
    pub town: Town,
    /// Secrets of harbour's tokens by role.
    pub tokens: BTreeMap<&'static str, String>,
    /// The third agency, by id: its short name is not enough.
    pub savanna: String,
    /// A case of harbour with polder.
    pub thread: String,
    /// Its item of evidence, which polder has not fetched.
    pub blob: String,
    /// A proposal that waits at harbour.
    pub proposal: String,
    /// The nodes; they end with it.
    pub running: Vec<Running>,
}

pub const EVIDENCE: &[u8] =
    b"From: prize@offer.example\r\nDate: Tue, 20 Oct 2026 08:15:30 +0000\r\n\r\nPay the fee.\r\n";

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn contact() -> Value {
    json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [{ "days": [1, 2], "from_min": 540, "to_min": 1020 }], "time_zone": "Europe/London",
        "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    })
}

/// A pro forma that names the evidence.
pub fn legal() -> Value {
    json!({ "as_of": "2026-11-01", "note": null, "laws": [{
        "name": "Spam Act", "article": "12", "url": null, "area": "consumer_protection", "channels": ["email", "sms"],
        "conduct": ["advance_fee"], "consent_regime": "opt_in", "commercial_only": true, "powers": ["warning", "fine"],
        "evidence_formats": ["Certified copy"], "facts_needed": ["message_sample"] }] })
}

pub fn arrangement() -> Value {
    json!({ "code": "harbour-polder", "title": "Memorandum", "kind": "memorandum", "parties": ["harbour", "polder"],
        "others": [], "areas": ["consumer_protection"], "signed_on": "2025-04-20", "valid_until": "2030-04-19",
        "url": null, "ended": false })
}

pub fn outcome() -> Value {
    json!({ "slot": "prize-2026", "title": "Sender fined", "on": "2026-10-02", "action": "fine",
        "area": "consumer_protection", "channel": "email", "conduct": ["advance_fee"],
        "sanction": { "amount": 2500, "currency": "EUR" }, "redress": null, "redressed": null, "with": ["polder"],
        "countries": ["NL"], "summary": null, "url": null, "withdrawn": false, "agency_only": false })
}

pub fn form(item: &EvidenceView) -> Value {
    let digest = |hex: &str| {
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        lapwing_record::id::base32(&bytes)
    };
    let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
    form["evidence"] = json!([{
        "name": item.name, "media_type": item.media_type, "size": item.size, "blake3": digest(&item.blake3),
        "sha256": digest(&item.sha256), "method": "spamtrap", "original": true,
    }]);
    form
}

impl World {
    pub fn new() -> World {
        let town = Town::founded(&["harbour", "polder"]);
        let mut running = vec![town.start("harbour", &[])];
        let boot = town.address("harbour");
        running.push(town.start("polder", &boot));
        let confirmed = |name: &str| town.status(name).filter(|s| s.confirmed && s.connected > 0).map(|_| ());
        until("both founders are confirmed", 60, || confirmed("harbour").and_then(|()| confirmed("polder")));
        let client = |op| town.client("harbour", op).unwrap();
        let _: Value = client(Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact()).unwrap();
        let mut tokens = BTreeMap::new();
        for role in Role::ALL {
            let wanted = json!({ "name": format!("test-{role}"), "role": role });
            let made: TokenMade = client(Op::TokenNew).call(Op::TokenNew, &[], &[], &wanted).unwrap();
            tokens.insert(role.as_str(), made.secret);
        }

        let savanna = join(&town, "savanna", "telecommunications_authority", &boot, &mut running);
        // a folder of another name, but whoever is in it calls itself the same
        let _twin = join(&town, "twin", "prospective_agency", &boot, &mut running);
        running.pop();

        let draft: Draft = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
        let query =
            [("name", "one.eml".to_owned()), ("media_type", "message/rfc822".into()), ("sha256", sha256(EVIDENCE))];
        let len = EVIDENCE.len() as u64;
        let item: EvidenceView =
            client(Op::EvidencePut).upload(Op::EvidencePut, &[&draft.thread], &query, EVIDENCE, len).unwrap();
        until("polder can be sealed to", 30, || {
            let detail: MemberDetail = client(Op::Member).read(Op::Member, &["polder"], &[]).ok()?;
            detail.sealable.then_some(())
        });
        let submit = json!({ "to": "polder", "form": form(&item) });
        let said: Said = client(Op::Submit).call(Op::Submit, &[&draft.thread], &[], &submit).unwrap();
        until("the case is at polder, its keys too", 60, || {
            let at = town.client("polder", Op::Referral)?;
            let case: ReferralDetail = at.read(Op::Referral, &[&said.thread], &[]).ok()?;
            (case.evidence.first()?.state == "granted" && town.status("harbour")?.outbox == 0).then_some(())
        });
        let propose = json!({ "act": "consent", "target": savanna });
        let proposal: Value = client(Op::Propose).call(Op::Propose, &[], &[], &propose).unwrap();
        let proposal = proposal["id"].as_str().unwrap().to_owned();
        World { tokens, savanna, thread: said.thread, blob: item.blob, proposal, running, town }
    }

    pub fn api(&self, name: &str) -> String {
        std::fs::read_to_string(self.town.path(name).join("run/api.address")).unwrap().trim().to_owned()
    }

    /// What wrong input must not change: the journal's end, the heads, everyone's standing, cases, tokens, drafts.
    pub fn print(&self) -> Value {
        let of = |name: &str| {
            let s = self.town.status(name).unwrap();
            let tokens = std::fs::read(self.town.path(name).join("run/tokens.json")).unwrap_or_default();
            let mut uploads: Vec<PathBuf> = crate::support::files(&self.town.path(name).join("uploads"));
            uploads.extend(crate::support::files(&self.town.path(name).join("blobs")));
            uploads.sort();
            json!({
                "as_of": s.as_of, "heads": s.heads, "heads_agency": s.heads_agency, "state": s.state,
                "outbox": s.outbox, "cases": s.cases, "tokens": sha256(&tokens), "files": uploads,
            })
        };
        json!({ "harbour": of("harbour"), "polder": of("polder") })
    }

    /// Does what must change nothing. A node has work of its own, so that a difference is looked at again: wrong input
    /// that changes something changes it each time.
    pub fn unchanged(&self, what: &str, mut act: impl FnMut()) -> Option<String> {
        let mut seen = None;
        for _ in 0..4 {
            let before = self.print();
            act();
            let after = self.print();
            if before == after {
                return None;
            }
            seen = Some(format!("{what} changes something: {before} became {after}"));
            std::thread::sleep(Duration::from_secs(1));
        }
        seen
    }
}

/// Lets somebody apply and be introduced; its id. Everyone calls itself savanna.
fn join(town: &Town, folder: &str, category: &str, boot: &[String], running: &mut Vec<Running>) -> String {
    let made = json(&[
        "--data",
        &town.text(folder),
        "init",
        "--charter",
        &town.text("charter.lapwing"),
        "--short-name",
        "savanna",
        "--legal-name",
        folder,
        "--country",
        "KE",
        "--category",
        category,
        "--insecure-no-passphrase",
    ]);
    let pid = made["pid"].as_str().unwrap().to_owned();
    running.push(town.start(folder, boot));
    let client = |op| town.client("harbour", op).unwrap();
    until("the application is there", 60, || {
        let list: Page<Value> = client(Op::Applications).read(Op::Applications, &[], &[]).ok()?;
        list.items.iter().any(|a| a["pid"] == pid.as_str()).then_some(())
    });
    let _: Value = client(Op::Introduce).call(Op::Introduce, &[&pid], &[], &json!({})).unwrap();
    until("it takes part", 60, || {
        let both = town.standing("harbour", &pid).zip(town.standing("polder", &pid));
        both.filter(|(a, b)| a == "participant" && b == "participant").map(|_| ())
    });
    pid
}

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program in a folder. It must end by itself.
pub fn run(dir: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(LAPWING);
    command.args(args).current_dir(dir).env_remove("LAPWING_DATA").env_remove("CREDENTIALS_DIRECTORY");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("lapwing {} goes on and on", args.join(" "));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Every file below a folder with what is in it, but for what a process leaves in `run/`.
pub fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let kept = |p: &PathBuf| !p.components().any(|c| c.as_os_str() == "run");
    crate::support::files(dir).into_iter().filter(kept).map(|p| (p.clone(), std::fs::read(&p).unwrap())).collect()
}
