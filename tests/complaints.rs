//! A batch of complaints between two nodes: out of a table, to the target, and its outcomes back, complaint by complaint.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::Code;
use lapwing_api::types::{MemberDetail, ReferralDetail, Seen};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::{LAPWING, Town, until};

const TABLE: &str = "received,reference,channel,sender_kind,sender,conduct,country\r\n\
    2026-10-21,C-1,sms,phone,+254700000001,no_consent;advance_fee,KE\r\n\
    2026-10-22,C-2,sms,sender_id,\"PRIZES, \"\"Ltd\"\"\",no_consent,KE\r\n\
    2026-10-22,C-3,email,email,prize@offer.example,phishing,NL\r\n";

#[test]
fn outcomes_of_a_batch_come_back_complaint_by_complaint() {
    let town = Town::founded(&["harbour", "polder"]);
    let _harbour = town.start("harbour", &[]);
    let _polder = town.start("polder", &town.address("harbour"));
    for (at, of) in [("harbour", "polder"), ("polder", "harbour")] {
        until(&format!("{at} can seal to {of}"), 60, || {
            let detail: MemberDetail = town.client(at, Op::Member)?.read(Op::Member, &[of], &[]).ok()?;
            detail.sealable.then_some(())
        });
    }
    let contact = json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    });
    let client = |at: &str, op| town.client(at, op).unwrap();
    let _: Value = client("harbour", Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact).unwrap();

    // out of a table into a draft; what a person fills in; sent
    let printed = Command::new(LAPWING).args(["refer", "new", "--complaints-template"]).stdin(Stdio::null()).output();
    assert!(printed.unwrap().stdout.starts_with(b"reference,received,channel"));
    let (table, draft) = (town.text("complaints.csv"), town.text("batch"));
    std::fs::write(&table, TABLE.replace("sms", "pigeon")).unwrap();
    let args = ["refer", "new", "--to", "polder", "-o", &draft, "--complaints", &table];
    let (_, problem) = support::problem(&args);
    let lines: Vec<&str> = problem.faults.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(lines, ["line 2: channel", "line 3: channel"], "{problem:?}");
    std::fs::write(&table, TABLE).unwrap();
    assert_eq!(support::json(&args)["complaints"], 3);
    let file = format!("{draft}/referral.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (field, value) in [
        ("subject_line", "\"Three complaints\""),
        ("requester_ref", "\"HB-3\""),
        ("poc_ref", "\"intake\""),
        ("legal_authority", "{ law = \"Spam Act\" }"),
        ("retention_until", "\"2028-01-31\""),
        ("channel", "\"sms\""),
        ("conduct", "[\"no_consent\"]"),
        ("narrative", "\"Three people complained.\""),
    ] {
        let line = text.lines().find(|l| l.trim_start_matches('#').starts_with(&format!("{field} = "))).unwrap();
        text = text.replacen(&format!("{line}\n"), &format!("{field} = {value}\n"), 1);
    }
    for declared in ["accuracy", "authority", "confidentiality"] {
        text = text.replace(&format!("{declared} = false"), &format!("{declared} = true"));
    }
    std::fs::write(&file, text).unwrap();
    let said = town.of("harbour", &["refer", "submit", &file]);
    let thread = said["thread"].as_str().unwrap().to_owned();
    let t = thread.as_str();
    let detail =
        |at: &str| -> Option<ReferralDetail> { town.client(at, Op::Referral)?.read(Op::Referral, &[t], &[]).ok() };
    let there = until("the batch is at polder", 60, || detail("polder"));
    let complaints = there.form.unwrap().complaints.unwrap();
    assert_eq!((complaints.len(), complaints[1].sender.value.as_str()), (3, "PRIZES, \"Ltd\""));

    // what the target has seen before it finds by who sent it
    let asked = json!({ "identifiers": [{ "value": "+254700000001" }] });
    until("polder knows the number", 30, || {
        let seen: Seen = town.client("polder", Op::Seen)?.call(Op::Seen, &[], &[], &asked).ok()?;
        (seen.items[0].count == 1).then_some(())
    });

    // outcomes: the latest of each counts, and only of those that are there
    let head = ["case", "result", t, "--measure", "Letters", "--outcome", "warned", "--text", "Some of them."];
    fn joined<'a>(head: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
        [head, args].concat()
    }
    town.of("polder", &joined(&head, &["--complaint", "0=pending", "--complaint", "1=merged_with:PO-77"]));
    town.of("polder", &joined(&head, &["--complaint", "0=action_taken", "--complaint-note", "0=Warned.", "--final"]));
    let data = town.text("polder");
    let wrong = joined(&head, &["--complaint", "3=no_action"]);
    let (_, problem) = support::problem(&[&["--data", data.as_str()], &wrong[..]].concat());
    assert_eq!(problem.code, Code::WrongReference, "{problem:?}");
    for (bad, code) in [("1=merged_with", Code::Invalid), ("1=shrug", Code::Malformed), ("x=pending", Code::Malformed)]
    {
        let wrong = joined(&head, &["--complaint", bad]);
        let (_, problem) = support::problem(&[&["--data", data.as_str()], &wrong[..]].concat());
        assert_eq!(problem.code, code, "{bad}: {problem:?}");
    }
    let here = until("both results are at harbour", 60, || {
        detail("harbour").filter(|d| d.life.complaints.iter().any(|c| c.outcome == "action_taken"))
    });
    let told: Vec<_> = here
        .life
        .complaints
        .iter()
        .map(|c| (c.complaint, c.reference.as_deref(), c.outcome.as_str(), c.merged_with.as_deref(), c.note.as_deref()))
        .collect();
    assert_eq!(
        told,
        [(0, Some("C-1"), "action_taken", None, Some("Warned.")), (1, Some("C-2"), "merged_with", Some("PO-77"), None),]
    );
    let shown = Command::new(LAPWING).args(["--data", &town.text("harbour"), "refer", "show", t]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("merged_with PO-77") && shown.contains("C-1"), "{shown}");
    // a supplement adds complaints and takes none away
    let fewer = json!({ "kind": "supplement", "text": "x", "form": { "complaints": [complaints[0]] } });
    let said = client("harbour", Op::Say).call::<Value>(Op::Say, &[t], &[], &fewer);
    assert_eq!(said.unwrap_err().code, Code::WrongReference);
}
