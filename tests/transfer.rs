//! A kill in the middle of a transfer of evidence costs one piece at most, and memory stays flat.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::types::{Draft, EvidenceView, ReferralDetail, Said};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::Read;
use support::{Town, until};

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 64 * MIB;

/// Bytes that do not repeat, made as they are read.
struct Noise {
    at: u64,
}

impl Read for Noise {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(usize::try_from(SIZE - self.at).unwrap());
        for (i, b) in out[..n].iter_mut().enumerate() {
            let x = (self.at + i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            *b = (x >> 56) as u8;
        }
        self.at += n as u64;
        Ok(n)
    }
}

fn sha256(mut from: impl Read) -> String {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_kill_in_the_middle_refetches_one_piece_at_most_and_memory_stays_flat() {
    let town = Town::founded(&["harbour", "polder"]);
    let from = town.start("harbour", &[]);
    let boot = town.address("harbour");
    let mut to = town.start("polder", &boot);
    until("both are connected and can be sealed to", 60, || {
        let detail: serde_json::Value = town.client("harbour", Op::Member)?.read(Op::Member, &["polder"], &[]).ok()?;
        (detail["sealable"] == true && town.status("polder")?.connected > 0).then_some(())
    });
    let sum = sha256(Noise { at: 0 });
    let client = || town.client("harbour", Op::EvidencePut).unwrap();
    let draft: Draft = client().call(Op::Drafts, &[], &[], &json!({})).unwrap();
    let query =
        [("name", "dump.bin".to_owned()), ("media_type", "application/octet-stream".into()), ("sha256", sum.clone())];
    let item: EvidenceView = client().upload(Op::EvidencePut, &[&draft.thread], &query, Noise { at: 0 }, SIZE).unwrap();
    let after_upload = from.resident_kib();
    assert!(after_upload < 200 * 1024, "the sender holds {after_upload} KiB after an upload of 64 MiB");

    let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
    form["evidence"] = json!([{
        "name": "dump.bin", "media_type": "application/octet-stream", "size": SIZE,
        "blake3": base32_of_hex(&item.blake3), "sha256": base32_of_hex(&sum),
        "method": "seized", "original": true,
    }]);
    // the contact that the form names
    let contact = json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    });
    let _: serde_json::Value = client().call(Op::ContactPublish, &[], &[], &contact).unwrap();
    let submit = json!({ "to": "polder", "form": form });
    let said: Said = client().call(Op::Submit, &[&draft.thread], &[], &submit).unwrap();

    let case = || -> Option<ReferralDetail> {
        town.client("polder", Op::Referral)?.read(Op::Referral, &[&said.thread], &[]).ok()
    };
    until("the keys are granted", 60, || case()?.evidence.first().filter(|e| e.state == "granted").cloned());
    let fetch = || -> Option<serde_json::Value> {
        town.client("polder", Op::EvidenceFetch)?
            .call(Op::EvidenceFetch, &[&said.thread, &item.blob], &[], &json!({}))
            .ok()
    };
    until("the transfer begins", 30, fetch);
    // killed when about half of it is here
    let half = until("half of it", 60, || {
        case()?.evidence.first().map(|e| (e.have, e.fetched)).filter(|(have, _)| *have > SIZE / 4)
    });
    to.kill();
    let to = town.start("polder", &boot);
    let done = until("all of it", 120, || case()?.evidence.first().filter(|e| e.state == "here").cloned());
    // this process fetched what the killed one had not made durable: `half` is what was seen at the latest look before
    assert!(done.fetched <= done.of - half.0 + MIB, "{} fetched again, {} were here", done.fetched, half.0);
    assert!(done.fetched > 0 || half.0 + 2 * MIB > done.of, "the kill came too late to show anything");
    let (content, len) = town
        .client("polder", Op::EvidenceGet)
        .unwrap()
        .download(Op::EvidenceGet, &[&said.thread, &item.blob], &[])
        .unwrap();
    assert_eq!(len, Some(SIZE));
    assert_eq!(sha256(content), sum, "byte for byte what was sent");
    for (name, node) in [("sender", &from), ("receiver", &to)] {
        let kib = node.resident_kib();
        assert!(kib < 200 * 1024, "the {name} holds {kib} KiB after a transfer of 64 MiB");
    }
}

fn base32_of_hex(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    lapwing_record::id::base32(&bytes)
}
