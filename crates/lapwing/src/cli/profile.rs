//! `lapwing profile`: how this participant describes itself.

use super::Ctx;
use super::fail::{self, Done, wrong};
use super::node::typed;
use super::when;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::Written;
use lapwing_node::folder;
use lapwing_record::directory::{self, Channel, Competence, LawArea, Measure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What `profile template` prints.
const TEMPLATE: &str = r#"# The profile of this participant: `lapwing profile publish FILE`. Everyone in the federation reads it.

display_name = "Harbor Authority"
languages = ["en"]
time_zone = "Europe/London"
website = "https://harbor.example"

# What it is competent for: an area of law, a channel, and what it can do there.
# area:    consumer_protection data_protection telecommunications criminal trade other
# channel: email sms voice_call robocall im social push web other
# measure: warning injunction fine civil_action prosecution takedown search_and_seizure production_order
#          asset_recovery advice
[[competence]]
area = "consumer_protection"
channel = "email"
measures = ["warning", "fine", "civil_action"]

# When its office is open: weekdays 1 (Monday) to 7, times in its time zone.
[[hours]]
days = [1, 2, 3, 4, 5]
from = "09:00"
to = "17:00"
"#;

/// How this participant describes itself.
#[derive(Debug, Subcommand)]
pub enum Profile {
    /// Prints a commented profile to begin with.
    #[command(after_help = "Examples:\n  lapwing profile template > profile.toml")]
    Template,
    /// Publishes the profile; a newer one supersedes it.
    #[command(after_help = "Examples:\n  lapwing profile publish profile.toml")]
    Publish {
        /// The profile.
        file: PathBuf,
    },
}

/// Opening hours as people write them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    days: Vec<u64>,
    from: String,
    to: String,
}

impl Hours {
    /// As meant.
    pub fn read(&self) -> Result<directory::Hours, Problem> {
        let time = |text: &str| when::minutes(text).map_err(|e| wrong(format!("hours: {e}")));
        Ok(directory::Hours { days: self.days.clone(), from_min: time(&self.from)?, to_min: time(&self.to)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    area: LawArea,
    channel: Channel,
    #[serde(default)]
    measures: Vec<Measure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileToml {
    display_name: String,
    #[serde(default)]
    competence: Vec<Field>,
    #[serde(default)]
    languages: Vec<String>,
    #[serde(default)]
    hours: Vec<Hours>,
    time_zone: String,
    website: Option<String>,
}

impl ProfileToml {
    fn read(self) -> Result<directory::Profile, Problem> {
        let competence = self.competence.into_iter();
        let competence = competence.map(|f| Competence { area: f.area, channel: f.channel, measures: f.measures });
        let profile = directory::Profile {
            display_name: self.display_name,
            competence: competence.collect(),
            languages: self.languages,
            hours: self.hours.iter().map(Hours::read).collect::<Result<_, _>>()?,
            time_zone: self.time_zone,
            website: self.website,
        };
        profile.check().map_err(|f| wrong(f.to_string()))?;
        Ok(profile)
    }
}

/// Reads a TOML file.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, Problem> {
    let bytes = folder::read(path, 4 << 20).map_err(fail::file)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{} is not UTF-8 text", path.display())))?;
    toml::from_str(&text).map_err(|e| wrong(format!("{}: {e}", path.display())))
}

impl Profile {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Profile::Template => ctx.out.raw(TEMPLATE),
            Profile::Publish { file } => {
                let profile = read_toml::<ProfileToml>(&file)?.read()?;
                let value: Value = ctx.node()?.call(Op::ProfilePublish, &[], &profile)?;
                ctx.out.answer(&value, || {
                    let entry = typed::<Written>(&value).map(|w| w.entry).unwrap_or_default();
                    ctx.out.line(format!("published: entry {entry}"));
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_template_is_a_valid_profile() {
        let profile = toml::from_str::<ProfileToml>(TEMPLATE).unwrap().read().unwrap();
        assert_eq!((profile.hours[0].from_min, profile.competence[0].measures.len()), (540, 3));
    }
}
