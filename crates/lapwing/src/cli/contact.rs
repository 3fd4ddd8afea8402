//! `lapwing contact`: whom to turn to (Plan A.1).

use super::Ctx;
use super::fail::{Done, wrong};
use super::member::{contacts, filters};
use super::node::{items, typed};
use super::profile::{Hours, read_toml};
use super::when;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{ContactIn, Written};
use lapwing_record::directory::{self, Channel, LawArea, Role, Way};
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// What `contact template` prints.
const TEMPLATE: &str = r#"# A point of contact: `lapwing contact publish FILE`. A newer record of the same slot supersedes it.
# Role data only: no more of a person than the work needs.

slot = "intake"
# general, urgent_24x7, case_intake, legal, technical, training or calls
role = "case_intake"
name = "Case intake"
languages = ["en"]
time_zone = "Europe/London"
# Confirm it by then, or it counts as stale: a date, or a duration from now.
reconfirm_by = "180d"
# Empty: all areas and channels of the participant.
areas = []
channels = ["email", "sms"]
# The slot of its deputy.
#deputy = "desk"
# Only agencies get to read it.
#agency_only = true
# Take the slot back.
#withdrawn = true

[[ways]]
kind = "email"
value = "intake@harbor.example"

[[ways]]
kind = "phone"
value = "+44 20 7946 0000"

# Open hours: weekdays 1 (Monday) to 7. None: not stated. urgent_24x7 is open at any hour.
[[hours]]
days = [1, 2, 3, 4, 5]
from = "09:00"
to = "17:00"
"#;

/// Points of contact: found by country, area, channel, measure, language; offline, from what the node holds.
#[derive(Debug, Subcommand)]
pub enum Contact {
    /// Lists this federation's points of contact, or one participant's.
    #[command(after_help = "Examples:\n  lapwing contact list\n  lapwing contact list polder")]
    List {
        /// Only of this participant.
        name: Option<String>,
    },
    /// Finds points of contact.
    #[command(after_help = "Examples:
  lapwing contact find --country NL --channel email --measure takedown
  lapwing contact find --area data_protection --language pt --open-now
  lapwing contact find --stale")]
    Find(Find),
    /// Prints a commented record to begin with.
    #[command(after_help = "Examples:\n  lapwing contact template > intake.toml")]
    Template,
    /// Publishes a point of contact of this participant.
    #[command(after_help = "Examples:\n  lapwing contact publish intake.toml")]
    Publish {
        /// The record.
        file: PathBuf,
    },
}

/// What to look for; all that is given must fit.
#[derive(Debug, Args)]
pub struct Find {
    /// ISO 3166-1 alpha-2.
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// Area of law.
    #[arg(long)]
    area: Option<LawArea>,
    /// Channel.
    #[arg(long)]
    channel: Option<Channel>,
    /// What the agency can do.
    #[arg(long)]
    measure: Option<directory::Measure>,
    /// Language, BCP 47.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// What the contact is for.
    #[arg(long)]
    role: Option<Role>,
    /// Only of this participant.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those that are open now.
    #[arg(long)]
    open_now: bool,
    /// Only those that should have been confirmed anew by now.
    #[arg(long)]
    stale: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactToml {
    slot: String,
    role: Role,
    name: String,
    #[serde(default)]
    areas: Vec<LawArea>,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    languages: Vec<String>,
    #[serde(default)]
    hours: Vec<Hours>,
    time_zone: String,
    #[serde(default)]
    ways: Vec<Way>,
    deputy: Option<String>,
    reconfirm_by: String,
    #[serde(default)]
    withdrawn: bool,
    #[serde(default)]
    agency_only: bool,
}

impl ContactToml {
    fn read(self) -> Result<ContactIn, Problem> {
        let contact = directory::Contact {
            slot: self.slot,
            role: self.role,
            name: self.name,
            areas: self.areas,
            channels: self.channels,
            languages: self.languages,
            hours: self.hours.iter().map(Hours::read).collect::<Result<_, _>>()?,
            time_zone: self.time_zone,
            ways: self.ways,
            deputy: self.deputy,
            reconfirm_by: when::point(&self.reconfirm_by).map_err(|e| wrong(format!("reconfirm_by: {e}")))?,
            withdrawn: self.withdrawn,
        };
        contact.check().map_err(|f| wrong(f.to_string()))?;
        Ok(ContactIn { contact, agency_only: self.agency_only })
    }
}

impl Contact {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let query = match self {
            Contact::Template => {
                ctx.out.raw(TEMPLATE);
                return Ok(());
            }
            Contact::Publish { file } => {
                let body = read_toml::<ContactToml>(&file)?.read()?;
                let value: Value = ctx.node()?.call(Op::ContactPublish, &[], &body)?;
                ctx.out.answer(&value, || {
                    let entry = typed::<Written>(&value).map(|w| w.entry).unwrap_or_default();
                    ctx.out.line(format!("published: entry {entry}"));
                });
                return Ok(());
            }
            Contact::List { name } => filters(&[("name", name)]),
            Contact::Find(f) => {
                let yes = |flag: bool| flag.then(|| "true".to_owned());
                filters(&[
                    ("country", f.country.map(|c| c.to_ascii_uppercase())),
                    ("area", f.area.map(|a| a.to_string())),
                    ("channel", f.channel.map(|c| c.to_string())),
                    ("measure", f.measure.map(|m| m.to_string())),
                    ("language", f.language),
                    ("role", f.role.map(|r| r.to_string())),
                    ("name", f.name),
                    ("open", yes(f.open_now)),
                    ("stale", yes(f.stale)),
                ])
            }
        };
        let list = ctx.node()?.list(Op::Contacts, &[], &query)?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        contacts(ctx.out, &items(&list)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_template_is_a_valid_contact_also_with_its_options() {
        toml::from_str::<ContactToml>(TEMPLATE).unwrap().read().unwrap();
        let all = TEMPLATE
            .replace("#deputy", "deputy")
            .replace("#agency_only", "agency_only")
            .replace("#withdrawn", "withdrawn");
        assert!(toml::from_str::<ContactToml>(&all).unwrap().read().unwrap().agency_only);
    }
}
