//! A case as pages for people.

use super::{Leaving, words};
use crate::desk::hex;
use lapwing_api::types::AssessmentView;
use lapwing_paper::{Block, Column, Document, Marking};
use lapwing_record::form::{EvidenceItem, Form};
use lapwing_record::statement::Tlp;
use serde_json::Value;

/// The sections of the pro forma and their fields, by their names in JSON. What has a table of its own is not listed.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "A  Header",
        &[
            "pro_forma_version",
            "kind",
            "subject_line",
            "requester_ref",
            "campaign_ref",
            "language",
            "created_at",
            "related",
            "supersedes",
            "transferred_from",
        ],
    ),
    (
        "B  Requesting authority",
        &["poc_ref", "case_officer", "legal_authority", "arrangement", "stage", "matter", "preliminary_inquiry"],
    ),
    (
        "C  Handling",
        &[
            "tlp",
            "pap",
            "handling_codes",
            "confidentiality_requested",
            "permitted_purpose",
            "onward",
            "judicial_use",
            "notify_on_compelled_disclosure",
            "subject_may_be_told",
            "retention_until",
            "personal_data",
        ],
    ),
    (
        "D  Conduct",
        &[
            "channel",
            "conduct",
            "commercial",
            "consent_regime_breached",
            "period",
            "volume",
            "volume_basis",
            "message_languages",
            "narrative",
            "law_breached",
            "similar_target_law",
        ],
    ),
    ("E  Persons and infrastructure", &["parties"]),
    ("F  Harm to victims", &["harm"]),
    ("G  Assistance", &["assistance"]),
    ("H  Urgency", &["urgency"]),
    ("I  Evidence", &["evidence"]),
    (
        "J  Deconfliction",
        &["other_agencies_contacted", "agencies_contacted", "proceedings_elsewhere", "do_not_contact"],
    ),
    ("K  Declarations", &["declarations"]),
    ("L  Complaints of a batch", &["complaints"]),
];

/// The pages.
pub fn document(leaving: &Leaving) -> Document {
    let detail = &leaving.detail;
    let mut blocks = cover(leaving);
    blocks.push(Block::Chapter("The pro forma".into()));
    match &detail.form {
        Some(form) => blocks.extend(pro_forma(leaving, form)),
        None => blocks.push(Block::Text("The content cannot be read on this node.".into())),
    }
    blocks.extend(changes(leaving));
    blocks.push(Block::Chapter("What was said".into()));
    blocks.push(timeline(leaving));
    blocks.push(Block::Chapter("Consents and transfers".into()));
    blocks.extend(consents(leaving));
    Document {
        title: format!("Referral {}", detail.row.thread.chars().take(10).collect::<String>()),
        language: "en".into(),
        marking: marking(leaving),
        foot: format!("case {}", detail.row.thread),
        blocks,
    }
}

fn marking(leaving: &Leaving) -> Marking {
    let form = leaving.detail.form.as_ref();
    let mut more = Vec::new();
    if let Some(form) = form {
        more.extend(form.pap.map(|pap| format!("PAP:{}", pap.code().to_uppercase())));
        more.extend(form.handling_codes.iter().flatten().map(|code| handling(code)));
        more.extend(form.onward.map(|onward| format!("onward: {}", words::coded(onward.code()))));
        more.extend(form.judicial_use.map(|judicial| format!("judicial use: {}", words::coded(judicial.code()))));
        more.extend(form.retention_until.iter().map(|day| format!("to be kept until {day}")));
    }
    let colour = match leaving.tlp {
        Tlp::Red => [255, 43, 43],
        Tlp::Amber | Tlp::AmberStrict => [255, 192, 0],
        Tlp::Green => [51, 255, 0],
        Tlp::Clear => [255, 255, 255],
    };
    Marking { label: format!("TLP:{}", leaving.tlp.code().to_uppercase()), colour, more: more.join("  ·  ") }
}

/// A handling code in words.
fn handling(code: &str) -> String {
    let words = match code {
        "H0" => "for the prevention of crime only",
        "H1" => "no judicial use without permission",
        "H2" => "no dissemination without permission",
        _ => return code.to_owned(),
    };
    format!("{code}: {words}")
}

fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

fn columns(names: &[(&str, u16)]) -> Vec<Column> {
    names.iter().map(|(name, weight)| Column { name: (*name).into(), weight: *weight }).collect()
}

fn table(names: &[(&str, u16)], rows: Vec<Vec<String>>) -> Block {
    Block::Table { columns: columns(names), rows }
}

fn text<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(T::to_string).unwrap_or_default()
}

/// Lines that are not empty.
fn lines(lines: &[String]) -> String {
    lines.iter().filter(|l| !l.is_empty()).cloned().collect::<Vec<_>>().join("\n")
}

fn named(name: &str, value: String) -> String {
    if value.is_empty() { value } else { format!("{name}: {value}") }
}

fn cover(leaving: &Leaving) -> Vec<Block> {
    let (detail, row) = (&leaving.detail, &leaving.detail.row);
    let party = |n: usize| {
        let p = &leaving.parties[n];
        format!("{} ({}, {})\n{}", p.legal_name, p.short_name, p.country, p.pid)
    };
    let acknowledged = detail.timeline.iter().filter(|s| s.kind == "acknowledge");
    let theirs = acknowledged.filter_map(|s| s.body["own_reference"].as_str()).next_back().unwrap_or_default();
    let own = detail.form.as_ref().and_then(|f| f.requester_ref.clone()).unwrap_or_default();
    let withheld = detail.timeline.iter().filter(|s| s.withheld.is_some()).count();
    let mut fields = vec![
        field("Subject", row.subject.clone().unwrap_or_default()),
        field("Case", row.thread.clone()),
        field("Federation", format!("{}\n{}", leaving.federation.0, leaving.federation.1)),
        field("Requester", party(0)),
        field("Target", party(1)),
        field("Requester's reference", own),
        field("Target's reference", theirs),
        field("Stage", words::coded(&row.stage)),
        field("Submitted", row.submitted.to_string()),
        field("Last change", row.changed.to_string()),
        field("Made for", if leaving.court { "use before a court" } else { "the agency's own use" }),
        field("Made by the node of", leaving.by.legal_name.clone()),
    ];
    if detail.withheld_parties > 0 || withheld > 0 {
        let what = format!(
            "{} part(ies) of the pro forma and the content of {withheld} statement(s): their markings keep them from this \
             paper. Each withheld statement stands in the timeline with the rule.",
            detail.withheld_parties
        );
        fields.push(field("Withheld", what));
    }
    fields.retain(|(_, value)| !value.is_empty());
    let proof = "This paper is for reading and proves nothing by itself. The signed statements and receipts are in the \
                 bundle of this case (`lapwing case export`), which anybody checks offline with `lapwing verify`; ids and \
                 hashes on this paper are those of the bundle.";
    vec![Block::Fields(fields), Block::Text(proof.into())]
}

fn pro_forma(leaving: &Leaving, form: &Form) -> Vec<Block> {
    let json = serde_json::to_value(form).unwrap_or_default();
    let mut blocks = Vec::new();
    for (title, names) in SECTIONS {
        let inside = match *names {
            ["parties"] => parties(leaving, form),
            ["harm"] => harm(&leaving.detail.life.assessments),
            ["assistance"] => assistance(leaving, form),
            ["evidence"] => evidence(leaving, form),
            ["complaints"] => complaints(leaving, form),
            _ => fields(&json, names),
        };
        if !inside.is_empty() {
            blocks.push(Block::Section((*title).into()));
            blocks.extend(inside);
        }
    }
    blocks
}

fn fields(form: &Value, names: &[&str]) -> Vec<Block> {
    let said = names.iter().map(|name| {
        let value = match *name {
            "handling_codes" => {
                let codes = form[*name].as_array().into_iter().flatten().filter_map(Value::as_str);
                codes.map(handling).collect::<Vec<_>>().join("\n")
            }
            _ => words::value(name, &form[*name]),
        };
        (words::field(name), value)
    });
    let said: Vec<_> = said.filter(|(_, value)| !value.is_empty()).collect();
    if said.is_empty() { Vec::new() } else { vec![Block::Fields(said)] }
}

fn parties(leaving: &Leaving, form: &Form) -> Vec<Block> {
    let mut blocks = Vec::new();
    let rows: Vec<Vec<String>> = form
        .parties
        .iter()
        .flatten()
        .enumerate()
        .map(|(number, party)| {
            let identifiers = party.identifiers.iter().map(|id| {
                let port = id.port.map(|p| format!(", port {p}")).unwrap_or_default();
                let time = id.time.as_ref().map(|t| format!(", seen {t}")).unwrap_or_default();
                format!("{}: {}{port}{time}", words::coded(id.kind.code()), id.value)
            });
            let places =
                party.locations.iter().flatten().map(|l| format!("{}: {}", words::coded(l.role.code()), l.country));
            vec![
                number.to_string(),
                lines(&[words::coded(party.role.code()), party.names.join("\n")]),
                identifiers.collect::<Vec<_>>().join("\n"),
                lines(&[named("Seat", text(&party.country)), places.collect::<Vec<_>>().join("\n")]),
                lines(&[
                    named("Confidence", party.confidence.map(|c| words::coded(c.code())).unwrap_or_default()),
                    named("Source", text(&party.source_reliability)),
                    named("Accuracy", text(&party.information_accuracy)),
                    named("TLP", text(&party.tlp)),
                ]),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let names = [("No.", 1), ("Role, names", 4), ("Identifiers", 7), ("Places", 4), ("Grading", 4)];
        blocks.push(table(&names, rows));
    }
    if leaving.detail.withheld_parties > 0 {
        let words = format!("{} part(ies) withheld by their own marking.", leaving.detail.withheld_parties);
        blocks.push(Block::Text(words));
    }
    blocks
}

/// Both sides' assessments beside each other.
fn harm(assessments: &[AssessmentView]) -> Vec<Block> {
    let Some(first) = assessments.first() else { return Vec::new() };
    let mut names = vec![("Factor".to_owned(), 3), ("Weight".to_owned(), 1)];
    names.extend(assessments.iter().map(|a| (format!("{}, {}", a.by, a.said), 6)));
    let span = |low: u64, high: u64| if low == high { low.to_string() } else { format!("{low} to {high}") };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (number, factor) in first.table.factors.iter().enumerate() {
        let mut row = vec![words::coded(&factor.factor), factor.weight.to_string()];
        row.extend(assessments.iter().map(|a| {
            a.table.factors.get(number).map_or_else(String::new, |f| {
                lines(&[
                    f.given.clone().unwrap_or_else(|| "unknown".into()),
                    named("Basis", f.basis.as_deref().map(words::coded).unwrap_or_default()),
                    format!(
                        "Band {} of {}: {} points",
                        span(f.band_low, f.band_high),
                        f.top,
                        span(f.points_low, f.points_high)
                    ),
                    named("Not known", f.unknown.join(", ")),
                    named("Shown by items", f.evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
                ])
            })
        }));
        rows.push(row);
    }
    let mut total = vec!["Score".to_owned(), "100".to_owned()];
    total.extend(assessments.iter().map(|a| {
        let could = if a.harm.class == a.harm.could_be { String::new() } else { a.harm.could_be.clone() };
        lines(&[
            format!("{}: {}", span(a.harm.low, a.harm.high), a.harm.class),
            named("Could be", could),
            named("If", a.table.could_be_if.clone().unwrap_or_default()),
            named("Note", a.note.clone().unwrap_or_default()),
            named("Statement", a.statement.clone()),
        ])
    }));
    rows.push(total);
    let columns = names.into_iter().map(|(name, weight)| Column { name, weight }).collect();
    vec![Block::Table { columns, rows }]
}

/// Each complaint of a batch, with what became of it.
fn complaints(leaving: &Leaving, form: &Form) -> Vec<Block> {
    let outcomes = &leaving.detail.life.complaints;
    let row = |(number, complaint): (usize, &lapwing_record::form::Complaint)| {
        let conduct: Vec<String> = complaint.conduct.iter().map(|c| words::coded(c.code())).collect();
        let loss = complaint.loss.as_ref().map(|l| format!("{} {} (minor units)", l.amount, l.currency));
        let outcome = outcomes.iter().find(|o| o.complaint == number as u64).map(|o| {
            lines(&[
                words::coded(&o.outcome),
                named("With", text(&o.merged_with)),
                o.note.clone().unwrap_or_default(),
                named("Said", o.said.clone()),
            ])
        });
        vec![
            number.to_string(),
            lines(&[complaint.reference.clone(), complaint.received.clone()]),
            lines(&[
                words::coded(complaint.channel.code()),
                format!("{}: {}", words::coded(complaint.sender.kind.code()), complaint.sender.value),
            ]),
            conduct.join("\n"),
            lines(&[
                complaint.country.clone(),
                named("Loss", loss.unwrap_or_default()),
                named("Shown by item", text(&complaint.evidence)),
            ]),
            outcome.unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = form.complaints.iter().flatten().enumerate().map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let names = [("No.", 1), ("Reference, day", 4), ("Sender", 5), ("Conduct", 5), ("From, loss", 4), ("Outcome", 5)];
    vec![table(&names, rows)]
}

fn assistance(leaving: &Leaving, form: &Form) -> Vec<Block> {
    let rows: Vec<Vec<String>> = form
        .assistance
        .iter()
        .flatten()
        .enumerate()
        .map(|(number, item)| {
            let key = number.to_string();
            let of = |map: &std::collections::BTreeMap<String, String>| map.get(&key).map(|code| words::coded(code));
            let answer = lines(&[
                item.formality.map(|f| words::coded(f.code())).unwrap_or_default(),
                named("Format", text(&item.format)),
                named("Needed by", text(&item.needed_by)),
            ]);
            let decision = lines(&[
                of(&leaving.detail.decisions).unwrap_or_default(),
                named("Now", of(&leaving.detail.life.items).unwrap_or_default()),
            ]);
            let wanted = lines(&[item.description.clone(), item.questions.join("\n")]);
            vec![key, words::coded(item.kind.code()), wanted, answer, decision]
        })
        .collect();
    let names = [("Item", 1), ("What", 3), ("Description, questions", 7), ("The answer", 3), ("Decision", 4)];
    if rows.is_empty() { Vec::new() } else { vec![table(&names, rows)] }
}

fn evidence(leaving: &Leaving, form: &Form) -> Vec<Block> {
    let state = |sha256: &str| {
        let here = leaving.detail.evidence.iter().find(|e| e.sha256 == sha256);
        here.map_or_else(|| "announced".to_owned(), |e| format!("{}\nblob {}", e.state, e.blob))
    };
    let manifest: Vec<&EvidenceItem> = form.evidence.iter().flatten().collect();
    let mut rows = Vec::new();
    for (number, item) in manifest.iter().enumerate() {
        let sha256 = hex::encode(&item.sha256.0);
        let flags = [
            if item.original { "original" } else { "copy" },
            match item.personal_data {
                Some(true) => "personal data",
                Some(false) => "no personal data",
                None => "",
            },
            if item.is_held_back() { "held back" } else { "" },
        ];
        let redaction = item.redaction_of.map(|d| hex::encode(&d.0)).unwrap_or_default();
        rows.push(vec![
            lines(&[number.to_string(), text(&item.id)]),
            lines(&[item.name.clone(), format!("{}, {} bytes", item.media_type, item.size), text(&item.description)]),
            lines(&[
                named("SHA-256", sha256.clone()),
                named("BLAKE3", hex::encode(&item.blake3.0)),
                named("Redaction of", redaction),
            ]),
            lines(&[
                words::coded(item.method.code()),
                named("At", text(&item.collected_at)),
                named("By", item.collected_by.map(|c| words::coded(c.code())).unwrap_or_default()),
                flags.iter().filter(|f| !f.is_empty()).copied().collect::<Vec<_>>().join(", "),
            ]),
            state(&sha256),
        ]);
    }
    let later = leaving.detail.evidence.iter();
    for item in later.filter(|e| !manifest.iter().any(|m| hex::encode(&m.sha256.0) == e.sha256)) {
        rows.push(vec![
            "–".into(),
            lines(&[item.name.clone(), format!("{}, {} bytes", item.media_type, item.size)]),
            lines(&[named("SHA-256", item.sha256.clone()), named("BLAKE3", item.blake3.clone())]),
            "with a later statement".into(),
            format!("{}\nblob {}", item.state, item.blob),
        ]);
    }
    let mut custody = Vec::new();
    for (number, item) in manifest.iter().enumerate() {
        custody.extend(item.custody.iter().flatten().map(|step| {
            vec![number.to_string(), step.at.clone(), words::coded(step.what.code()), step.by.clone(), text(&step.note)]
        }));
    }
    let mut blocks = Vec::new();
    if !rows.is_empty() {
        let names = [("Item", 1), ("Name", 4), ("Hashes", 6), ("Collected", 4), ("Here", 3)];
        blocks.push(table(&names, rows));
    }
    if !custody.is_empty() {
        blocks.push(Block::Section("Custody".into()));
        let names = [("Item", 1), ("When", 3), ("What", 3), ("By", 4), ("Note", 5)];
        blocks.push(table(&names, custody));
    }
    blocks
}

/// What supplements changed: each version against the one before.
fn changes(leaving: &Leaving) -> Vec<Block> {
    let mut versions = leaving.detail.life.form_history.iter();
    let Some(first) = versions.next() else { return Vec::new() };
    let mut form = first.stated.clone();
    let mut rows = Vec::new();
    for version in versions {
        let before = serde_json::to_value(&form).unwrap_or_default();
        let stated = serde_json::to_value(&version.stated).unwrap_or_default();
        for (key, value) in stated.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let by = format!("{}\n{}", version.said, version.statement);
            rows.push(vec![by, words::field(key), words::value(key, &before[key]), words::value(key, value)]);
        }
        form = form.supplemented(&version.stated);
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let names = [("Supplement", 4), ("Field", 3), ("Before", 5), ("Stated", 5)];
    vec![Block::Chapter("Changes of the pro forma".into()), table(&names, rows)]
}

fn timeline(leaving: &Leaving) -> Block {
    let rows = leaving.detail.timeline.iter().map(|said| {
        let proof = leaving.proofs.get(&said.id);
        let approved = proof.map(|p| p.approved_by.join("\n")).unwrap_or_default();
        let mut body = said.body.clone();
        if said.kind == "supplement"
            && let Some(form) = body.get_mut("form")
        {
            // the values stand in the pro forma and its changes
            let names =
                form.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()).map(|(k, _)| words::field(k));
            *form = Value::String(names.collect::<Vec<_>>().join(", "));
        }
        let content = match &said.withheld {
            Some(rule) => format!("Withheld: {rule}"),
            None => words::parts(&body),
        };
        let receipt = proof.and_then(|p| p.receipt.clone()).unwrap_or_default();
        vec![
            lines(&[
                format!("{} {}", said.from, said.msg_no),
                words::coded(&said.kind),
                named("Approved by", approved),
            ]),
            lines(&[
                named("Said", said.said.to_string()),
                named("Here", said.at.to_string()),
                words::coded(&said.delivery),
                named("Received", proof.and_then(|p| p.received.clone()).unwrap_or_default()),
                text(&said.why),
            ]),
            content,
            lines(&[
                named("Statement", said.id.clone()),
                named("Signed bytes", proof.map(|p| p.signed.clone()).unwrap_or_default()),
                named("Receipt", receipt),
            ]),
        ]
    });
    let names = [("Who, what", 4), ("When", 4), ("Content", 7), ("Ids, BLAKE3", 5)];
    table(&names, rows.collect())
}

fn consents(leaving: &Leaving) -> Vec<Block> {
    let life = &leaving.detail.life;
    let yes = |yes: bool, words: &str| if yes { words.to_owned() } else { String::new() };
    let consents: Vec<Vec<String>> = life
        .consents
        .iter()
        .map(|c| {
            let scope = lines(&[
                named("Onward to", c.onward.join("\n")),
                yes(c.domestic, "competent agencies of the receiver's country"),
                yes(c.dissemination, "dissemination"),
                yes(c.judicial_use, "judicial use"),
                yes(c.conditional, "under conditions, which stand in the statement"),
            ]);
            vec![
                c.by.clone(),
                scope,
                c.until.as_ref().map(ToString::to_string).unwrap_or_default(),
                c.statement.clone(),
                text(&c.answers),
            ]
        })
        .collect();
    let transfers: Vec<Vec<String>> = life
        .transfers
        .iter()
        .map(|t| {
            let items = t.items.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            vec![t.to.clone(), items, words::coded(&t.state), t.proposal.clone(), text(&t.thread)]
        })
        .collect();
    if consents.is_empty() && transfers.is_empty() {
        return vec![Block::Text("None.".into())];
    }
    let mut blocks = Vec::new();
    if !consents.is_empty() {
        let names = [("By", 2), ("To what", 6), ("Until", 4), ("Statement", 5), ("Answers", 5)];
        blocks.push(table(&names, consents));
    }
    if !transfers.is_empty() {
        let names = [("To", 3), ("Items", 2), ("State", 4), ("Proposal", 5), ("New case", 5)];
        blocks.push(table(&names, transfers));
    }
    blocks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::desk::export::Proof;
    use lapwing_api::types::{HarmTable, HarmView, Name, ReferralDetail};
    use lapwing_record::form::whole;
    use serde_json::json;

    fn statement(n: usize) -> Value {
        json!({
            "id": format!("{n:052}"), "from": "harbour", "msg_no": n, "kind": "supplement", "at": "2026-11-01T10:00:00.000Z",
            "said": "2026-11-01T10:00:00.000Z", "delivery": "stored", "tries": 1, "why": null, "next": null,
            "stored": "2026-11-01T10:00:01.000Z", "body": { "text": format!("Statement {n}: ещё, 更多.") },
            "withheld": if n == 3 { json!("tlp_red") } else { Value::Null },
        })
    }

    fn leaving(form: &Form, statements: usize) -> Leaving {
        let weights = lapwing_record::charter::Params::default().harm_weights;
        let (harm, table) = (HarmView::of(form, &weights), HarmTable::of(form, &weights));
        let assessment = |by: &str| json!({ "by": by, "statement": "s", "said": "2026-11-01T10:00:00.000Z", "harm": harm, "table": table, "note": null });
        let name =
            json!({ "pid": "p", "short_name": "polder", "legal_name": "Polder", "country": "NL", "class": "agency" });
        let detail: ReferralDetail = serde_json::from_value(json!({
            "erased": null, "held": false, "thread": "4k3mzx7q", "role": "requester", "with": name, "stage": "decided",
            "subject": "x", "tlp": "amber", "harm": harm, "submitted": "2026-11-01T10:00:00.000Z",
            "changed": "2026-11-01T10:00:00.000Z", "stuck": null, "overdue": false, "form": form, "harm_table": table,
            "life": { "items": { "0": "accepted" }, "due": [], "form_history": [],
                "assessments": [assessment("requester"), assessment("target")], "consents": [], "transfers": [], "complaints": [],
                "read_by_requester": null, "read_by_target": null },
            "timeline": (0..statements).map(statement).collect::<Vec<_>>(), "withheld_parties": 1,
            "decisions": { "0": "accept" }, "evidence": [], "as_of": 0,
        }))
        .unwrap();
        let proof = |s: &lapwing_api::types::StatementView| {
            let proof = Proof {
                signed: "ab".repeat(32),
                approved_by: vec!["officer".into()],
                received: Some("2026-11-01T10:00:01.000Z".into()),
                receipt: Some("cd".repeat(32)),
            };
            (s.id.clone(), proof)
        };
        let name: Name = serde_json::from_value(name).unwrap();
        Leaving {
            proofs: detail.timeline.iter().map(proof).collect(),
            detail,
            parties: [name.clone(), name.clone()],
            by: name,
            federation: ("Test".into(), "network".into()),
            tlp: Tlp::Red,
            court: false,
        }
    }

    /// Everything that stands on the pages.
    fn printed(document: &Document) -> String {
        let block = |block: &Block| match block {
            Block::Chapter(t) | Block::Section(t) | Block::Text(t) => t.clone(),
            Block::Fields(fields) => fields.iter().map(|(n, v)| format!("{n}: {v}\n")).collect(),
            Block::Table { rows, .. } => rows.iter().map(|r| r.join(" | ") + "\n").collect(),
        };
        document.blocks.iter().map(block).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_field_of_the_pro_forma_stands_in_one_section_and_every_value_on_the_pages() {
        let form = whole();
        let json = serde_json::to_value(&form).unwrap();
        for key in json.as_object().unwrap().keys() {
            let places = SECTIONS.iter().filter(|(_, names)| names.contains(&key.as_str())).count();
            assert_eq!(places, 1, "{key}");
        }
        let text = printed(&document(&leaving(&form, 5)));
        let mut todo = vec![(String::new(), &json)];
        while let Some((path, value)) = todo.pop() {
            match value {
                Value::Object(o) => todo.extend(o.iter().map(|(k, v)| (format!("{path}.{k}"), v))),
                Value::Array(a) => todo.extend(a.iter().map(|v| (path.clone(), v))),
                // hashes of evidence stand in hexadecimal digits, the facts of harm in words of their own
                Value::String(said)
                    if !path.contains("harm")
                        && !matches!(
                            path.as_str(),
                            ".evidence.sha256" | ".evidence.blake3" | ".evidence.redaction_of"
                        ) =>
                {
                    assert!(text.contains(said.as_str()), "{path}: {said}");
                }
                _ => {}
            }
        }
        for said in [
            "Deceptive offer (deceptive_offer)",
            "officer",
            &"ab".repeat(32),
            &"cd".repeat(32),
            "Withheld: tlp_red",
            "1 part(ies)",
        ] {
            assert!(text.contains(said), "{said}");
        }
        assert!(!text.contains("Statement 3:"), "what is withheld is not printed");
        let marking = document(&leaving(&form, 1)).marking;
        assert_eq!(marking.label, "TLP:RED");
        assert!(marking.more.contains("PAP:AMBER") && marking.more.contains("H1: no judicial use"), "{}", marking.more);
    }

    #[test]
    fn ten_thousand_statements_and_a_word_of_four_thousand_characters_become_pages() {
        let mut form = whole();
        form.narrative = Some("w".repeat(4_000));
        let pages = document(&leaving(&form, 10_000));
        let first = lapwing_paper::pdf(&pages).unwrap();
        assert!(first.len() > 100_000);
        let short = document(&leaving(&form, 10));
        assert!(lapwing_paper::pdf(&short).unwrap() == lapwing_paper::pdf(&short).unwrap());
    }
}
