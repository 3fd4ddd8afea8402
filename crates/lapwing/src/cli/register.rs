//! `lapwing arrangement` and `lapwing outcome`: what agencies publish about their work together (plan rows 25, 27).

use super::Ctx;
use super::fail::Done;
use super::legal::published;
use super::member::filters;
use super::node::items;
use super::out::or_dash;
use super::profile::read_toml;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::types::{ArrangementIn, ArrangementRow, OutcomeIn, OutcomeRow};
use lapwing_record::directory::{Channel, LawArea};
use lapwing_record::register::{Action, Money};
use std::path::PathBuf;

/// What `arrangement template` prints.
const ARRANGEMENT: &str = r#"# An arrangement between agencies: `lapwing arrangement publish FILE`. It stands once every party that takes part here
# has published the same; then a referral between two of them may name its code.

code = "harbor-polder-2025"
title = "Memorandum on unsolicited messages"
# memorandum multilateral_memorandum treaty informal
kind = "memorandum"
# Participants, this one too.
parties = ["harbor", "polder"]
# Parties that take no part in the federation.
others = []
# consumer_protection data_protection telecommunications criminal trade other
areas = ["consumer_protection"]
signed_on = "2025-04-20"
#valid_until = "2030-04-19"
#url = "https://harbor.example/mou"
# It counts no longer.
#ended = true
"#;

/// What `outcome template` prints.
const OUTCOME: &str = r#"# What became of a case: `lapwing outcome publish FILE`. No persons in it. A newer one of the same slot supersedes it.

slot = "prize-2026"
title = "Sender of prize mails fined"
on = "2026-10-02"
# warning injunction fine civil_judgment conviction settlement takedown proceedings_opened closed_without_measure
action = "fine"
area = "consumer_protection"
channel = "email"
conduct = ["no_consent", "advance_fee"]
# Amounts in minor units: 25,000.00 EUR.
sanction = { amount = 2500000, currency = "EUR" }
#redress = { amount = 900000, currency = "USD" }
#redressed = 140
# Agencies that helped.
with = []
countries = ["NL"]
#summary = "Found with the help of a provider abroad."
#url = "https://harbor.example/decisions/17"
# Only agencies get to read it.
#agency_only = true
# Take it back.
#withdrawn = true
"#;

/// Arrangements between agencies: memoranda, treaties; and whether they stand.
#[derive(Debug, Subcommand)]
pub enum Arrangement {
    /// Lists the register.
    #[command(after_help = "Examples:\n  lapwing arrangement list\n  lapwing arrangement list --with polder")]
    List(Arrangements),
    /// Prints a commented arrangement to begin with.
    #[command(after_help = "Examples:\n  lapwing arrangement template > mou.toml")]
    Template,
    /// Publishes an arrangement that this agency is party to.
    #[command(after_help = "Examples:\n  lapwing arrangement publish mou.toml")]
    Publish {
        /// The arrangement.
        file: PathBuf,
    },
}

/// Filters.
#[derive(Debug, Args)]
pub struct Arrangements {
    /// Only of this code.
    #[arg(long)]
    code: Option<String>,
    /// Only those that this participant is party to.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// agreed, claimed, ended or expired.
    #[arg(long)]
    standing: Option<String>,
}

/// What became of cases: action, sanction, redress.
#[derive(Debug, Subcommand)]
pub enum Outcome {
    /// Lists outcomes, the newest action first.
    #[command(after_help = "Examples:
  lapwing outcome list --channel sms --since 2026-01-01
  lapwing outcome list --name polder --json")]
    List(Outcomes),
    /// Prints a commented outcome to begin with.
    #[command(after_help = "Examples:\n  lapwing outcome template > outcome.toml")]
    Template,
    /// Publishes what became of a case.
    #[command(after_help = "Examples:\n  lapwing outcome publish outcome.toml")]
    Publish {
        /// The outcome.
        file: PathBuf,
    },
}

/// Filters.
#[derive(Debug, Args)]
pub struct Outcomes {
    /// Only of this participant.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Area of law.
    #[arg(long)]
    area: Option<LawArea>,
    /// Channel.
    #[arg(long)]
    channel: Option<Channel>,
    /// What was done.
    #[arg(long)]
    action: Option<Action>,
    /// A country that it touched.
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// Actions from this day on.
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
}

impl Arrangement {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = match self {
            Arrangement::Template => {
                ctx.out.raw(ARRANGEMENT);
                return Ok(());
            }
            Arrangement::Publish { file } => {
                return published(ctx, Op::ArrangementPublish, &read_toml::<ArrangementIn>(&file)?);
            }
            Arrangement::List(list) => list,
        };
        let query = filters(&[("code", list.code), ("with", list.with), ("standing", list.standing)]);
        let list = ctx.node()?.list(Op::Arrangements, &[], &query)?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |r: ArrangementRow| {
            let parties = r.parties.into_iter().map(|p| p.short_name).chain(r.others);
            let standing = match r.missing.is_empty() {
                true => r.standing,
                false => format!("{} (not yet by {})", r.standing, r.missing.join(", ")),
            };
            vec![
                r.code,
                r.title,
                r.kind.to_string(),
                parties.collect::<Vec<_>>().join(", "),
                r.signed_on,
                or_dash(&r.valid_until),
                standing,
            ]
        };
        let header = ["code", "title", "kind", "parties", "signed", "until", "stands"];
        ctx.out.table(&header, items(&list)?.into_iter().map(row).collect(), "no arrangements");
        Ok(())
    }
}

impl Outcome {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = match self {
            Outcome::Template => {
                ctx.out.raw(OUTCOME);
                return Ok(());
            }
            Outcome::Publish { file } => {
                return published(ctx, Op::OutcomePublish, &read_toml::<OutcomeIn>(&file)?);
            }
            Outcome::List(list) => list,
        };
        let query = filters(&[
            ("name", list.name),
            ("area", list.area.map(|a| a.to_string())),
            ("channel", list.channel.map(|c| c.to_string())),
            ("action", list.action.map(|a| a.to_string())),
            ("country", list.country.map(|c| c.to_ascii_uppercase())),
            ("since", list.since),
        ]);
        let list = ctx.node()?.list(Op::Outcomes, &[], &query)?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |r: OutcomeRow| {
            let o = r.outcome;
            vec![
                o.on,
                format!("{} ({})", r.of.short_name, r.of.country),
                o.action.to_string(),
                o.channel.to_string(),
                money(&o.sanction),
                money(&o.redress),
                o.countries.join(","),
                if r.agency_only { format!("{} (agencies only)", o.title) } else { o.title },
            ]
        };
        let header = ["on", "of", "action", "channel", "sanction", "redress", "countries", "title"];
        ctx.out.table(&header, items(&list)?.into_iter().map(row).collect(), "no outcomes");
        Ok(())
    }
}

/// An amount as it was stated: minor units stay minor units, since not every currency has two digits of them.
fn money(money: &Option<Money>) -> String {
    money.as_ref().map_or_else(|| "-".into(), |m| format!("{} {} (minor units)", m.amount, m.currency))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_templates_are_valid_also_with_their_options() {
        let all = |text: &str| text.replace("#valid", "valid").replace("#url", "url").replace("#ended", "ended");
        assert!(toml::from_str::<ArrangementIn>(&all(ARRANGEMENT)).unwrap().ended);
        toml::from_str::<ArrangementIn>(ARRANGEMENT).unwrap();
        let mut all = all(OUTCOME);
        for field in ["redress ", "redressed", "summary", "agency_only", "withdrawn"] {
            all = all.replace(&format!("#{field}"), field);
        }
        let outcome = toml::from_str::<OutcomeIn>(&all).unwrap();
        assert!(outcome.agency_only && outcome.redress.is_some() && outcome.redressed == Some(140));
        toml::from_str::<OutcomeIn>(OUTCOME).unwrap();
    }
}
