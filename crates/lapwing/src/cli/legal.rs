//! `lapwing legal`: what agencies' laws cover (plan row 22).

use super::Ctx;
use super::fail::{Done, wrong};
use super::node::typed;
use super::out::{Out, or_dash};
use super::profile::read_toml;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::types::{LegalView, MemberDetail, Written};
use lapwing_record::legal::LegalProfile;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What `legal template` prints.
const TEMPLATE: &str = r#"# What this agency's law covers: `lapwing legal publish FILE`. Everyone in the federation reads it, and is told by it
# before sending what is covered, what is not, and which facts you will ask for. No [[laws]]: there is none yet.

# The day of which it tells.
as_of = "2026-11-01"
#note = "Whether calls by machines are covered is before the courts."

[[laws]]
name = "Spam Act"
article = "12"
url = "https://law.example/spam-act"
# consumer_protection data_protection telecommunications criminal trade other
area = "consumer_protection"
# email sms voice_call robocall im social push web other
channels = ["email", "sms"]
# Kinds of conduct; empty = any on these channels.
# no_consent no_opt_out false_header misleading_subject false_sender_id harvested_addresses deceptive_offer advance_fee
# phishing identity_theft malware botnet_relay open_relay_or_proxy counterfeit_health extortion affiliate_promotion other
conduct = []
# opt_in opt_out either n_a
consent_regime = "opt_in"
commercial_only = true
# warning injunction fine civil_action prosecution takedown search_and_seizure production_order asset_recovery advice
powers = ["warning", "fine", "production_order"]
# In which forms evidence stands before your courts.
evidence_formats = ["Certified copy"]
# What you need to know before you can act.
# message_sample ip_with_time sender_identity advertiser payment_recipient period volume victims loss complaint
# consent_regime commercial law_breached authority_article evidence_format proceedings
facts_needed = ["message_sample", "period"]
"#;

/// What agencies' laws cover: channels, consent, powers, the facts they need.
#[derive(Debug, Subcommand)]
pub enum Legal {
    /// Prints a commented legal profile to begin with.
    #[command(after_help = "Examples:\n  lapwing legal template > legal.toml")]
    Template,
    /// Publishes this agency's legal profile; a newer one supersedes it.
    #[command(after_help = "Examples:\n  lapwing legal publish legal.toml")]
    Publish {
        /// The legal profile.
        file: PathBuf,
    },
    /// Shows what a participant's law covers.
    #[command(after_help = "Examples:\n  lapwing legal show polder")]
    Show {
        /// NAME of the participant.
        name: String,
    },
}

impl Legal {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Legal::Template => ctx.out.raw(TEMPLATE),
            Legal::Publish { file } => {
                let profile = read_toml::<LegalProfile>(&file)?.in_order();
                profile.check().map_err(|f| wrong(f.to_string()))?;
                published(ctx, Op::LegalPublish, &profile)?;
            }
            Legal::Show { name } => {
                let detail: MemberDetail = ctx.node()?.read(Op::Member, &[&name], &Vec::new())?;
                ctx.out.answer(&json!({ "of": detail.member.name, "legal": detail.legal }), || {
                    show(ctx.out, &detail.member.name.short_name, detail.legal.as_ref());
                });
            }
        }
        Ok(())
    }
}

/// Publishes a record, and says which entry it stands in.
pub fn published(ctx: &Ctx, op: Op, record: &impl serde::Serialize) -> Done {
    let value: Value = ctx.node()?.call(op, &[], record)?;
    ctx.out.answer(&value, || {
        let entry = typed::<Written>(&value).map(|w| w.entry).unwrap_or_default();
        ctx.out.line(format!("published: entry {entry}"));
    });
    Ok(())
}

fn codes<T: std::fmt::Display>(items: &[T], none: &str) -> String {
    if items.is_empty() {
        return none.into();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn show(out: Out, of: &str, profile: Option<&LegalProfile>) {
    let Some(profile) = profile else {
        out.line(format!("{of} has not published what its law covers"));
        return;
    };
    if profile.laws.is_empty() {
        out.line(format!("{of}: no law yet, as of {}", profile.as_of));
    }
    for law in &profile.laws {
        out.pairs(&[
            ("law", law.title()),
            ("where", or_dash(&law.url)),
            ("area", law.area.to_string()),
            ("channels", codes(&law.channels, "-")),
            ("conduct", codes(&law.conduct, "any")),
            ("consent", law.consent_regime.to_string()),
            ("commercial only", super::out::yes_no(law.commercial_only)),
            ("powers", codes(&law.powers, "none")),
            ("evidence", codes(&law.evidence_formats, "-")),
            ("needs to know", codes(&law.facts_needed, "-")),
        ]);
        out.line("");
    }
    if let Some(note) = &profile.note {
        out.line(format!("note: {note}"));
    }
    out.line(format!("as of {}", profile.as_of));
}

/// How a pro forma stands to the target's law, in lines.
pub fn lines(target: &str, legal: Option<&LegalView>) -> Vec<String> {
    let Some(legal) = legal else {
        return vec![format!("law of {target}: it has not published what its law covers")];
    };
    let mut lines = vec![match legal.laws.is_empty() {
        true => format!("law of {target}: none that applies (as of {})", legal.told),
        false => format!("law of {target}: {} (as of {})", legal.laws.join("; "), legal.told),
    }];
    if !legal.not_covered.is_empty() {
        lines.push(format!("  not covered there: {}", codes(&legal.not_covered, "")));
    }
    for barred in &legal.not_applicable {
        lines.push(format!("  does not apply: {} ({})", barred.law, barred.why));
    }
    for item in &legal.without_power {
        lines.push(format!("  no power there for item {}: {}", item.item, item.kind));
    }
    let asked: Vec<String> = legal.will_ask.iter().map(|f| format!("{} (field {})", f.fact, f.field)).collect();
    if !asked.is_empty() {
        lines.push(format!("  it will ask for: {}", asked.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_template_is_a_valid_legal_profile_also_with_its_options() {
        let read = |text: &str| toml::from_str::<LegalProfile>(text).unwrap().in_order();
        read(TEMPLATE).check().unwrap();
        let noted = read(&TEMPLATE.replace("#note", "note"));
        noted.check().unwrap();
        assert!(noted.note.is_some() && noted.laws[0].commercial_only);
    }
}
