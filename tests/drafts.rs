//! Drafts lie at the node and are gone on with by others: saved, resumed, copied for another target, made templates of,
//! approved by a second officer, and sent in the order of harm unless somebody says why not.

#![allow(clippy::unwrap_used)]

mod support;
#[path = "wrong_input/world.rs"]
mod world;

use lapwing_api::client::Client;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use serde_json::{Value, json};
use support::{Town, json as verb, problem, until};
use world::{World, contact, sha256};

const EVIDENCE: &[u8] = b"Subject: prize\r\n\r\nYou have won.\r\n";

/// An officer of harbour.
struct Desk(Client);

impl Desk {
    fn call(&self, op: Op, path: &[&str], body: &Value) -> Result<Value, Problem> {
        self.0.call(op, path, &[], body)
    }

    fn read(&self, op: Op, path: &[&str]) -> Value {
        self.0.read(op, path, &[]).unwrap()
    }

    /// A draft with one item; its thread, and a form that fits.
    fn draft(&self) -> (String, Value) {
        let draft = self.call(Op::Drafts, &[], &json!({})).unwrap();
        let thread = draft["thread"].as_str().unwrap().to_owned();
        let query =
            [("name", "one.eml".to_owned()), ("media_type", "message/rfc822".to_owned()), ("sha256", sha256(EVIDENCE))];
        let item = self.0.upload(Op::EvidencePut, &[&thread], &query, EVIDENCE, EVIDENCE.len() as u64).unwrap();
        (thread, world::form(&item))
    }
}

fn officer(town: &Town, name: &str) -> Desk {
    let wanted = json!({ "name": name, "role": "officer" });
    let made: Value = town.client("harbour", Op::TokenNew).unwrap().call(Op::TokenNew, &[], &[], &wanted).unwrap();
    let address = std::fs::read_to_string(town.path("harbour").join("run/api.address")).unwrap();
    Desk(Client::new(address.trim(), made["secret"].as_str().unwrap()))
}

fn harm(band: u64) -> Value {
    json!([{ "factor": "victims", "band": band, "basis": "payment_records" },
        { "factor": "financial", "band": band, "basis": "payment_records" }])
}

#[test]
fn a_draft_is_saved_resumed_copied_and_sent_in_the_order_of_harm() {
    let world = World::new();
    let (anna, ben) = (officer(&world.town, "anna"), officer(&world.town, "ben"));
    anna.call(Op::ContactPublish, &[], &contact()).unwrap();

    // saved as far as it is, gone on with by another
    let (grave, mut form) = anna.draft();
    form["harm"] = harm(5);
    form["subject_line"] = json!("the grave one");
    let whole = form.clone();
    form["narrative"] = json!(null);
    let row = anna.call(Op::DraftSave, &[&grave], &json!({ "form": form })).unwrap();
    assert_eq!((&row["by"], &row["to"], &row["evidence"]), (&json!("anna"), &json!(null), &json!(1)));
    let detail = ben.read(Op::DraftShow, &[&grave[..8]]);
    assert_eq!(detail["form"]["subject_line"], "the grave one");
    assert_eq!(detail["items"][0]["sha256"], json!(sha256(EVIDENCE)));
    let missing = ben.call(Op::Submit, &[&grave], &json!({})).unwrap_err();
    assert!(missing.code == Code::Invalid && missing.faults.iter().any(|f| f.path == "to"), "{missing:?}");
    ben.call(Op::DraftSave, &[&grave], &json!({ "to": "polder", "form": whole })).unwrap();

    // a less harmful one is not sent ahead of it without a reason, which stays with the case
    let (slight, mut form) = ben.draft();
    form["harm"] = harm(1);
    let submit = json!({ "to": "polder", "form": form });
    let warned = ben.call(Op::Submit, &[&slight], &submit).unwrap_err();
    assert_eq!(warned.code, Code::LessHarmfulFirst);
    assert!(
        warned.faults.iter().any(|f| f.path.contains(&grave[..8]) && f.what.contains("the grave one")),
        "{warned:?}"
    );
    let mut said = submit;
    said["ahead_because"] = json!("The log of the provider ends today.");
    ben.call(Op::Submit, &[&slight], &said).unwrap();
    let note = &ben.read(Op::Notes, &[&slight])["items"][0];
    assert_eq!(
        (&note["kind"], &note["by"], &note["text"]),
        (&json!("sent_ahead"), &json!("ben"), &said["ahead_because"])
    );

    // sent as it was saved; then it is no draft any more
    let sent = anna.call(Op::Submit, &[&grave], &json!({})).unwrap();
    assert_eq!(sent["thread"], json!(grave));
    assert_eq!(anna.read(Op::DraftList, &[])["items"].as_array().unwrap().len(), 0);
    let late = anna.call(Op::DraftSave, &[&grave], &json!({ "form": whole })).unwrap_err();
    assert!(matches!(late.code, Code::NotFound | Code::Conflict), "{late:?}");
    until("polder has both", 60, || {
        let list: Value = world.town.client("polder", Op::Referrals)?.read(Op::Referrals, &[], &[]).ok()?;
        (list["items"].as_array()?.len() >= 3).then_some(())
    });

    // copied for another target: the same content under another key, one campaign
    let copy = anna.call(Op::Drafts, &[], &json!({ "from": grave, "to": world.savanna })).unwrap();
    let copy = copy["thread"].as_str().unwrap();
    let of = anna.read(Op::DraftShow, &[copy]);
    assert_eq!(of["items"][0]["sha256"], json!(sha256(EVIDENCE)));
    assert_ne!(of["items"][0]["blob"], ben.read(Op::Referral, &[&grave])["evidence"][0]["blob"]);
    assert_eq!(of["form"]["campaign_ref"], whole["requester_ref"]);
    assert_eq!(of["to"]["pid"], json!(world.savanna));

    // a template is to begin with, and never sent
    let (parcel, mut form) = anna.draft();
    form["evidence"] = json!(null);
    let named = json!({ "form": form, "template": "parcel-fraud" });
    anna.call(Op::DraftSave, &[&parcel], &named).unwrap();
    let refused = anna.call(Op::Submit, &[&parcel], &json!({ "to": "polder" })).unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    let begun = ben.call(Op::Drafts, &[], &json!({ "from": "parcel-fraud", "to": "polder" })).unwrap();
    let begun = ben.read(Op::DraftShow, &[begun["thread"].as_str().unwrap()]);
    assert_eq!((&begun["template"], &begun["form"]["narrative"]), (&json!(null), &form["narrative"]));
    let twice = ben.call(Op::DraftSave, &[copy], &named).unwrap_err();
    assert_eq!(twice.faults[0].path, "template");

    // the same on the command line
    let data = world.town.text("harbour");
    let file = world.town.text("again.toml");
    verb(&["--data", &data, "draft", "open", copy, "-o", &file]);
    let checked = problem(&["--data", &data, "refer", "check", &file]).1;
    assert!(checked.faults.iter().all(|f| f.path.starts_with("evidence") || f.path == "created_at"), "{checked:?}");
    let saved = verb(&["--data", &data, "refer", "save", &file, "--template", "again"]);
    assert_eq!(saved["template"], "again");
    verb(&["--data", &data, "draft", "drop", "again"]);
    verb(&["--data", &data, "draft", "drop", copy]);
    let (_, gone) = problem(&["--data", &data, "draft", "show", copy]);
    assert_eq!(gone.code, Code::NotFound);
}

#[test]
fn where_the_agency_asks_for_two_nothing_goes_out_that_a_second_officer_has_not_approved_as_it_is() {
    let town = Town::founded(&["harbour", "polder"]);
    let config = town.path("harbour").join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("two_person_submit = false"));
    std::fs::write(&config, text.replace("two_person_submit = false", "two_person_submit = true")).unwrap();
    let _harbour = town.start("harbour", &[]);
    let _polder = town.start("polder", &town.address("harbour"));
    until("referrals can go", 60, || {
        let of: Value = town.client("harbour", Op::Member)?.read(Op::Member, &["polder"], &[]).ok()?;
        let signing = town.status("harbour").filter(|s| s.signing == "ok");
        (of["sealable"] == true).then_some(()).and(signing).map(drop)
    });
    let (anna, ben) = (officer(&town, "anna"), officer(&town, "ben"));
    anna.call(Op::ContactPublish, &[], &contact()).unwrap();
    let (thread, form) = anna.draft();
    let submit = json!({ "to": "polder", "form": form });
    let alone = anna.call(Op::Submit, &[&thread], &submit).unwrap_err();
    assert_eq!(alone.code, Code::Approval, "{alone:?}");
    // the other officer reads what was to be sent
    assert_eq!(ben.read(Op::DraftShow, &[&thread])["form"]["narrative"], form["narrative"]);
    anna.call(Op::DraftApprove, &[&thread], &json!({})).unwrap();
    assert_eq!(
        anna.call(Op::Submit, &[&thread], &submit).unwrap_err().code,
        Code::Approval,
        "one's own does not count"
    );
    ben.call(Op::DraftApprove, &[&thread], &json!({})).unwrap();
    let mut changed = submit.clone();
    changed["form"]["narrative"] = json!("Something else.");
    assert_eq!(anna.call(Op::Submit, &[&thread], &changed).unwrap_err().code, Code::Approval, "of another text");
    anna.call(Op::DraftSave, &[&thread], &submit).unwrap();
    let row = ben.read(Op::DraftShow, &[&thread]);
    assert!(row["approvals"].as_array().unwrap().iter().any(|a| a["by"] == "ben" && a["stands"] == true), "{row}");
    anna.call(Op::Submit, &[&thread], &submit).unwrap();
    let sent = anna.read(Op::Referral, &[&thread]);
    assert_eq!(sent["form"]["declarations"]["second_approver"], "ben");
}
