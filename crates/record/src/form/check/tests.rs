//! What the check finds.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::form::*;
use crate::id::Digest;
use crate::statement::Tlp;

#[test]
fn a_minimum_referral_has_no_fault_and_survives_its_bytes() {
    let form = sample();
    assert_eq!(check(&form), vec![]);
    assert_eq!(Form::decode(&encode(&form)).unwrap(), form);
}

#[test]
fn an_empty_form_lists_everything_at_once_by_path() {
    let paths: Vec<String> = check(&Form::default()).into_iter().map(|f| f.path).collect();
    for path in [
        "kind",
        "subject_line",
        "poc_ref",
        "legal_authority",
        "tlp",
        "retention_until",
        "channel",
        "conduct",
        "narrative",
        "assistance",
        "declarations",
    ] {
        assert!(paths.iter().any(|p| p == path), "{path} missing in {paths:?}");
    }
}

#[test]
fn wrong_values_are_named_where_they_stand() {
    let mut form = sample();
    form.subject_line = Some("x".repeat(161));
    form.retention_until = Some("2027-02-30".into());
    form.harm.as_mut().unwrap()[0].band = Some(9);
    form.parties.as_mut().unwrap()[0].identifiers[0].value = "not an ip".into();
    let paths: Vec<String> = check(&form).into_iter().map(|f| f.path).collect();
    assert_eq!(paths, ["subject_line", "retention_until", "parties.0.identifiers.0", "harm.0.band"]);
}

#[test]
fn unknown_fields_of_a_later_version_survive() {
    use crate::cbor::Value;
    let mut form = sample();
    form.unknown = vec![(999, Value::Text("later".into()))];
    let bytes = encode(&form);
    assert_eq!(encode(&Form::decode(&bytes).unwrap()), bytes);
}

fn paths(form: &Form) -> Vec<String> {
    check(form).into_iter().map(|f| f.path).collect()
}

/// A form with every field of every section filled in, and no fault.
#[test]
fn a_whole_form_has_no_fault_nothing_that_may_follow_and_survives_its_bytes() {
    let form = whole();
    assert_eq!(check(&form), vec![]);
    assert_eq!(may_follow(&form), Vec::<&str>::new());
    assert_eq!(Form::decode(&encode(&form)).unwrap(), form);
    let json = serde_json::to_value(&form).unwrap();
    assert_eq!(serde_json::from_value::<Form>(json.clone()).unwrap(), form);
    let empty: Vec<&String> = json.as_object().unwrap().iter().filter(|(_, v)| v.is_null()).map(|(k, _)| k).collect();
    assert_eq!(empty, Vec::<&String>::new(), "every field of the form is filled in");
}

#[test]
fn the_minimum_is_enough_and_what_may_follow_is_named() {
    let open = may_follow(&sample());
    for field in ["stage", "matter", "pap", "permitted_purpose", "period", "other_agencies_contacted"] {
        assert!(open.contains(&field), "{field} missing in {open:?}");
    }
}

#[test]
fn what_is_asked_for_needs_harm_and_assistance_and_what_is_given_needs_neither() {
    for kind in ReferralKind::ALL {
        let bare = Form { kind: Some(*kind), harm: None, assistance: None, ..sample() };
        let expected: &[&str] = if kind.is_request() { &["harm", "assistance"] } else { &[] };
        assert_eq!(paths(&bare), expected, "{kind}");
    }
    let given: Vec<&str> = ReferralKind::ALL.iter().filter(|k| !k.is_request()).map(|k| k.code()).collect();
    assert_eq!(given, ["spontaneous_information", "complaint_batch", "coordination_alert"]);
}

#[test]
fn a_batch_of_complaints_is_checked_one_by_one() {
    let batch = sample_batch();
    assert_eq!(check(&batch), vec![]);
    assert_eq!(Form::decode(&encode(&batch)).unwrap(), batch);
    assert!(may_follow(&Form { complaints: None, ..batch.clone() }).contains(&"complaints"));
    type Case = (&'static [&'static str], fn(&mut Form));
    let cases: &[Case] = &[
        (&["complaints"], |f| f.complaints = Some(vec![])),
        (&["complaints"], |f| f.kind = Some(ReferralKind::CoordinationAlert)),
        (&["complaints.1.reference"], |f| complaint(f).reference = "C-1".into()),
        (&["complaints.1.reference"], |f| complaint(f).reference = "x".repeat(61)),
        (&["complaints.1.received"], |f| complaint(f).received = "soon".into()),
        (&["created_at"], |f| complaint(f).received = "2026-11-02".into()),
        (&["complaints.1.sender"], |f| complaint(f).sender = Identifier::new(IdentifierKind::Phone, "0800")),
        (&["complaints.1.conduct"], |f| complaint(f).conduct = vec![]),
        (&["complaints.1.conduct"], |f| complaint(f).conduct.reverse()),
        (&["complaints.1.country"], |f| complaint(f).country = "Kenya".into()),
        (&["complaints.1.loss.usd_cents", "complaints.1.loss.rate_date"], |f| {
            complaint(f).loss = Some(Loss { amount: 1, currency: "EUR".into(), usd_cents: None, rate_date: None });
        }),
        (&["complaints.1.evidence"], |f| complaint(f).evidence = Some(0)),
        (&["complaints.0.country", "complaints.1.country"], |f| {
            f.complaints.as_mut().unwrap().iter_mut().for_each(|c| c.country = "k".into());
        }),
    ];
    for (expected, change) in cases {
        let mut form = batch.clone();
        change(&mut form);
        assert_eq!(paths(&form), *expected);
    }
    let one = batch.complaints.as_ref().unwrap()[1].clone();
    let many = |n: usize| Form {
        complaints: Some((0..n).map(|i| Complaint { reference: format!("C-{i}"), ..one.clone() }).collect()),
        ..batch.clone()
    };
    assert_eq!(paths(&many(MAX_COMPLAINTS)), [] as [&str; 0], "a thousand fit into a form");
    assert_eq!(paths(&many(MAX_COMPLAINTS + 1)), ["complaints"]);
}

fn complaint(form: &mut Form) -> &mut Complaint {
    &mut form.complaints.as_mut().unwrap()[1]
}

/// Changes a form, and says which paths are at fault then.
type Case = (&'static str, fn(&mut Form));

#[test]
fn every_rule_is_held_at_its_own_path() {
    let cases: &[Case] = &[
        ("related.1", |f| f.related = Some(vec!["a".into(), "a".into()])),
        ("arrangement", |f| f.arrangement = Some(vec!["b1".into(), "a1".into()])),
        ("arrangement.0", |f| f.arrangement = Some(vec!["two words".into()])),
        ("handling_codes", |f| f.handling_codes = Some(vec!["H1".into(), "H0".into()])),
        ("handling_codes.0", |f| f.handling_codes = Some(vec!["H3".into()])),
        ("handling_codes.0", |f| f.handling_codes = Some(vec!["H3: ".into()])),
        ("handling_codes.0", |f| f.handling_codes = Some(vec!["H1:text".into()])),
        ("handling_codes", |f| f.handling_codes = Some(vec!["H3:a".into(), "H3:b".into()])),
        ("retention_until", |f| f.retention_until = Some("2026-10-31".into())),
        ("conduct", |f| f.conduct = Some(vec![Conduct::Phishing, Conduct::NoConsent])),
        ("period.to", |f| f.period = Some(Period { from: "2026-10-02".into(), to: Some("2026-10-01".into()) })),
        ("created_at", |f| f.period = Some(Period { from: "2026-11-02".into(), to: None })),
        ("volume_basis", |f| f.volume = None),
        ("message_languages.1", |f| f.message_languages = Some(vec!["en".into(), "en".into()])),
        ("message_languages.0", |f| f.message_languages = Some(vec!["e".into()])),
        ("narrative", |f| f.narrative = Some("pay\u{202E}pal".into())),
        ("similar_target_law", |f| f.similar_target_law = Some("x".repeat(501))),
        ("parties.0.tlp", |f| party(f).tlp = Some(Tlp::AmberStrict)),
        ("parties.0.locations", |f| party(f).locations.as_mut().unwrap().reverse()),
        ("parties.0.locations.0.country", |f| party(f).locations.as_mut().unwrap()[0].country = "Xx".into()),
        ("parties.0.identifiers.0.port", |f| party(f).identifiers[0].port = Some(65_536)),
        ("parties.0.identifiers.0.time", |f| party(f).identifiers[0].time = Some("noon".into())),
        ("parties.0.identifiers.1.port", |f| party(f).identifiers[1].port = Some(25)),
        ("harm", |f| f.harm.as_mut().unwrap().reverse()),
        ("harm.0.band", |f| factor(f, 0).band = Some(2)),
        ("harm.0.band", |f| factor(f, 0).facts = None),
        ("harm.0.facts", |f| factor(f, 0).basis = Basis::Unknown),
        ("harm.0.evidence.1", |f| factor(f, 0).evidence = Some(vec![0, 2])),
        ("harm.0.evidence", |f| factor(f, 0).evidence = Some(vec![1, 0])),
        ("harm.0.facts", |f| facts(f, 0).persons = None),
        ("harm.0.facts.gravest", |f| facts(f, 0).gravest = Some(Gravity::Fraud)),
        ("harm.1.facts.victims_country", |f| facts(f, 1).victims_country = None),
        ("harm.1.facts.victims_country", |f| facts(f, 1).victims_country = Some("ken".into())),
        ("harm.1.facts.income_table", |f| facts(f, 1).income_table = Some(2)),
        ("harm.1.facts.total_loss.currency", |f| loss(f).currency = "Euro".into()),
        ("harm.1.facts.total_loss.usd_cents", |f| loss(f).usd_cents = None),
        ("harm.1.facts.total_loss.rate_date", |f| loss(f).rate_date = None),
        ("harm.1.facts.total_loss.rate_date", |f| loss(f).rate_date = Some("2026".into())),
        ("created_at", |f| loss(f).rate_date = Some("2026-11-02".into())),
        ("harm.2.facts.injuries", |f| facts(f, 2).injuries.as_mut().unwrap().reverse()),
        ("harm.4.facts.groups", |f| facts(f, 4).groups = Some(vec![Vulnerable::Minors, Vulnerable::Minors])),
        ("assistance.0.needed_by", |f| help(f).needed_by = Some("2026-10-01".into())),
        ("assistance.0.format", |f| help(f).format = None),
        ("assistance.0.format", |f| help(f).formality = Some(Formality::IntelligenceOnly)),
        ("urgency.date", |f| f.urgency.as_mut().unwrap().date = None),
        ("urgency.date", |f| f.urgency.as_mut().unwrap().perishability = None),
        ("urgency.reasons", |f| f.urgency.as_mut().unwrap().reasons = None),
        ("evidence.1.id", |f| item(f, 1).id = Some("E1".into())),
        ("evidence.1.redaction_of", |f| item(f, 1).redaction_of = Some(Digest([9; 32]))),
        ("evidence.1.redaction_of", |f| item(f, 1).redaction_of = Some(item(f, 1).sha256)),
        ("evidence.1.original", |f| item(f, 1).original = true),
        ("evidence.0.collected_at", |f| item(f, 0).collected_at = Some("2026-02-30".into())),
        ("created_at", |f| item(f, 0).collected_at = Some("2026-11-02".into())),
        ("evidence.0.custody.1.at", |f| item(f, 0).custody.as_mut().unwrap()[1].at = "2026-01-01".into()),
        ("evidence.0.custody.0.by", |f| item(f, 0).custody.as_mut().unwrap()[0].by = String::new()),
        ("agencies_contacted", |f| f.agencies_contacted = None),
        ("agencies_contacted", |f| f.other_agencies_contacted = Some("none".into())),
        ("other_agencies_contacted", |f| f.other_agencies_contacted = Some("Polder".into())),
        ("do_not_contact.1", |f| f.do_not_contact = Some(vec!["a".into(), "a".into()])),
        ("declarations.second_approver", |f| f.declarations.as_mut().unwrap().second_approver = Some("\u{7}".into())),
    ];
    for (path, change) in cases {
        let mut form = whole();
        change(&mut form);
        assert_eq!(paths(&form), [*path]);
    }
    let mut every = whole();
    every.related = Some(vec!["a".into(), "a".into()]);
    every.urgency.as_mut().unwrap().date = None;
    item(&mut every, 1).original = true;
    assert_eq!(paths(&every), ["related.1", "urgency.date", "evidence.1.original"], "every fault at once");
}

fn party(form: &mut Form) -> &mut Party {
    &mut form.parties.as_mut().unwrap()[0]
}

fn factor(form: &mut Form, at: usize) -> &mut HarmFactor {
    &mut form.harm.as_mut().unwrap()[at]
}

fn facts(form: &mut Form, at: usize) -> &mut HarmFacts {
    factor(form, at).facts.as_mut().unwrap()
}

fn loss(form: &mut Form) -> &mut Loss {
    facts(form, 1).total_loss.as_mut().unwrap()
}

fn help(form: &mut Form) -> &mut Assistance {
    &mut form.assistance.as_mut().unwrap()[0]
}

fn item(form: &mut Form, at: usize) -> &mut EvidenceItem {
    &mut form.evidence.as_mut().unwrap()[at]
}

#[test]
fn a_record_that_has_grown_has_one_encoding_and_keeps_what_a_later_version_says() {
    use crate::cbor::{Value, decode};
    let plain = encode(&Identifier::new(IdentifierKind::Domain, "a.example"));
    assert_eq!(decode::<Identifier>(&plain, 99).unwrap(), Identifier::new(IdentifierKind::Domain, "a.example"));
    let with = |more: Vec<Value>| {
        let array = Value::Array(vec![Value::Integer(0.into()), Value::Text("a.example".into()), Value::Array(more)]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&array, &mut bytes).unwrap();
        bytes
    };
    let pair = |no: u64, value| Value::Array(vec![Value::Integer(no.into()), value]);
    let time = || Value::Text("2026-01-01".into());
    assert_eq!(decode::<Identifier>(&with(vec![pair(2, time())]), 99).unwrap().time.as_deref(), Some("2026-01-01"));
    let later = with(vec![pair(2, time()), pair(77, Value::Bool(true))]);
    assert_eq!(encode(&decode::<Identifier>(&later, 99).unwrap()), later);
    for bad in [
        vec![],
        vec![pair(2, time()), pair(1, Value::Integer(25.into()))],
        vec![pair(2, time()), pair(2, time())],
        vec![pair(1, Value::Null)],
        vec![pair(2, Value::Integer(1.into()))],
        vec![pair(77, Value::Float(1.5))],
        vec![Value::Integer(2.into())],
    ] {
        assert!(decode::<Identifier>(&with(bad.clone()), 99).is_err(), "{bad:?}");
    }
}
