//! `lapwing member`, `lapwing log`: who takes part, and why.

use super::Ctx;
use super::fail::Done;
use super::node::{Query, items, typed};
use super::out::{Out, quote, short, yes_no};
use super::when;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::types::{self, ContactRow, Explained, LogRow, MemberDetail};
use serde_json::Value;

/// Participants and applicants.
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Lists participants and applicants with their standing.
    #[command(after_help = "Examples:\n  lapwing member list\n  lapwing member list --class agency --country NL")]
    List {
        /// agency, private or observer.
        #[arg(long, value_name = "CLASS")]
        class: Option<String>,
        /// ISO 3166-1 alpha-2.
        #[arg(long, value_name = "CC")]
        country: Option<String>,
        /// participant, suspended, objected, candidate or left.
        #[arg(long, value_name = "STANDING")]
        standing: Option<String>,
    },
    /// Shows one participant: profile, points of contact, keys, objections.
    #[command(after_help = "Examples:\n  lapwing member show polder")]
    Show {
        /// Its name, or 8 characters of its id or more.
        name: String,
    },
    /// Explains why it stands where it stands, with the entries that decide it.
    #[command(after_help = "Examples:\n  lapwing member explain nimbus\n  lapwing member explain nimbus --json")]
    Explain {
        /// Its name, or 8 characters of its id or more.
        name: String,
    },
    /// Lists what it has already received from this node: asked for when one is suspended.
    #[command(after_help = "Examples:\n  lapwing member exposure nimbus\n  lapwing member exposure nimbus --json")]
    Exposure {
        /// Its name, or 8 characters of its id or more.
        name: String,
    },
}

/// The filters that are given.
pub fn filters<'a>(given: &[(&'a str, Option<String>)]) -> Query<'a> {
    given.iter().filter_map(|(key, value)| value.clone().map(|v| (*key, v))).collect()
}

impl Member {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Member::List { class, country, standing } => {
                let country = country.map(|c| c.to_ascii_uppercase());
                let query = filters(&[("class", class), ("country", country), ("standing", standing)]);
                let list = node.list(Op::Members, &[], &query)?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let row = |m: types::Member| {
                    let mut marks = Vec::new();
                    if m.founder {
                        marks.push("founder".to_owned());
                    }
                    if m.contested {
                        marks.push("LOG CONTESTED".into());
                    }
                    if !m.confusable_with.is_empty() {
                        marks.push(format!("looks like {}", m.confusable_with.join(", ")));
                    }
                    let n = m.name;
                    let category = if ctx.out.verbose > 0 { m.category } else { String::new() };
                    let id = short(&n.pid);
                    vec![n.short_name, m.standing, n.class, n.country, n.legal_name, id, marks.join("; "), category]
                };
                let rows = items(&list)?.into_iter().map(row).collect();
                let header = ["name", "standing", "class", "country", "legal name", "id", "marks", "category"];
                ctx.out.table(&header, rows, "nobody");
            }
            Member::Show { name } => {
                let value: Value = node.read(Op::Member, &[&name], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                show(ctx.out, &typed(&value)?);
            }
            Member::Explain { name } => {
                let value: Value = node.read(Op::Explain, &[&name], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                explain(ctx.out, &typed(&value)?);
            }
            Member::Exposure { name } => {
                let value: Value = node.read(Op::Exposure, &[&name], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                exposure(ctx.out, &typed(&value)?);
            }
        }
        Ok(())
    }
}

fn exposure(out: Out, told: &types::Exposure) {
    let standing = told.standing.as_deref().unwrap_or("not introduced");
    out.line(format!("{} ({standing}) has received from this node:", told.of.short_name));
    let row = |c: &types::Exposed| {
        let keys = if c.keys_granted { "with keys" } else { "no keys" };
        let evidence = if c.evidence == 0 { "-".to_owned() } else { format!("{} items, {keys}", c.evidence) };
        vec![short(&c.thread), c.tlp.clone(), c.stored.to_string(), c.withheld.to_string(), evidence]
    };
    let header = ["case", "TLP", "stored there", "held back", "evidence"];
    out.table(&header, told.cases.iter().map(row).collect(), "no case");
    out.line(format!("Entries for agencies only that it may hold: {}.", told.agency_entries));
}

fn explain(out: Out, why: &Explained) {
    out.hanging("", &why.words);
    let row = |e: &types::ElectorView| {
        let entry = e.entry.as_deref().map(short).unwrap_or_else(|| "-".into());
        let seated = match (&e.seated_by, &e.seated_in) {
            (Some(by), Some(entry)) => format!("seated by {by} in {}", short(entry)),
            (Some(by), None) => format!("seated by {by}"),
            _ => e.why.clone(),
        };
        let more = |text: String| if out.verbose > 0 { text } else { String::new() };
        let (word, counts) = (more(e.word.clone()), more(e.counts.clone()));
        vec![e.name.short_name.clone(), e.standing.clone(), entry, e.words.clone(), more(seated), word, counts]
    };
    let header = ["elector", "standing", "said in", "in words", "elector since", "word", "counts"];
    out.table(&header, why.electors.iter().map(row).collect(), "it has no electors");
    for objector in &why.other_objectors {
        let entry = objector.entry.as_deref().map(short).unwrap_or_else(|| "-".into());
        out.line(format!("objects too, though no elector: {} (entry {entry})", objector.by.short_name));
    }
    if out.verbose > 0 {
        out.line(format!("asked for a word: {}; so many may excuse the silent: {}", why.asked, why.excuse_needs));
    }
}

fn hours(h: &lapwing_record::directory::Hours) -> String {
    let day = |d: &u64| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][(d.saturating_sub(1) % 7) as usize];
    let days: Vec<&str> = h.days.iter().map(day).collect();
    format!("{} {}-{}", days.join(" "), when::clock(h.from_min), when::clock(h.to_min))
}

fn show(out: Out, detail: &MemberDetail) {
    let m = &detail.member;
    let profile = detail.profile.as_ref();
    let competence = |c: &lapwing_record::directory::Competence| {
        let measures: Vec<&str> = c.measures.iter().map(|m| m.code()).collect();
        format!("{} × {} ({})", c.area, c.channel, measures.join(", "))
    };
    let competences = profile.map(|p| p.competence.iter().map(competence).collect::<Vec<_>>().join("; "));
    out.pairs(&[
        ("name", m.name.short_name.clone()),
        ("legal name", m.name.legal_name.clone()),
        ("country", m.name.country.clone()),
        ("class", format!("{}, {}", m.name.class, m.category)),
        ("standing", m.standing.clone()),
        ("founder", if m.founder { "yes".into() } else { String::new() }),
        ("introduced by", m.introduced_by.join(", ")),
        ("acts under", detail.authority_basis.clone()),
        ("competence", competences.unwrap_or_default()),
        ("languages", profile.map(|p| p.languages.join(", ")).unwrap_or_default()),
        ("hours", profile.map(|p| p.hours.iter().map(hours).collect::<Vec<_>>().join("; ")).unwrap_or_default()),
        ("time zone", profile.map(|p| p.time_zone.clone()).unwrap_or_default()),
        ("web site", profile.and_then(|p| p.website.clone()).unwrap_or_default()),
        ("id", m.name.pid.clone()),
        ("words", detail.words.clone()),
        ("epoch", detail.epoch.to_string()),
        ("nodes", detail.nodes.join(", ")),
        ("can be sealed to", yes_no(detail.sealable)),
        ("looks like", m.confusable_with.join(", ")),
        ("TROUBLE", detail.trouble.clone().unwrap_or_default()),
    ]);
    contacts(out, &detail.contacts);
    for objection in &detail.objections {
        out.line(format!("objects to {}:", super::out::one_line(&objection.target)));
        match &objection.reason {
            Some(reason) => out.line(quote(reason)),
            None => out.line("  no reason given, or not for this node to know"),
        }
    }
}

/// A table of points of contact.
pub fn contacts(out: Out, rows: &[ContactRow]) {
    let row = |r: &ContactRow| {
        let c = &r.contact;
        let ways: Vec<String> = c.ways.iter().map(|w| format!("{}:{}", w.kind, w.value)).collect();
        let mut marks = vec![if r.open_now { "open" } else { "closed" }.to_owned()];
        if r.stale {
            marks.push("STALE".into());
        }
        if r.agency_only {
            marks.push("agencies only".into());
        }
        if c.withdrawn {
            marks.push("withdrawn".into());
        }
        let of = format!("{} ({})", r.of.short_name, r.of.country);
        vec![
            of,
            c.slot.clone(),
            c.role.to_string(),
            c.name.clone(),
            ways.join(" "),
            c.languages.join(","),
            marks.join(", "),
        ]
    };
    let header = ["of", "slot", "role", "name", "ways", "languages", "now"];
    out.table(&header, rows.iter().map(row).collect(), "no points of contact");
}

/// Shows the entries of one participant's logs, oldest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing log harbor\n  lapwing log harbor --log pub --after 40")]
pub struct Log {
    /// The participant.
    name: String,
    /// id, pub or agy.
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
    /// Only entries after this place.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

impl Log {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let query = filters(&[("log", self.log), ("after", self.after.map(|a| a.to_string()))]);
        let list = ctx.node()?.list(Op::Log, &[&self.name], &query)?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |r: LogRow| {
            vec![r.log, r.epoch.to_string(), r.seq.to_string(), ctx.out.time(&r.clock), r.kind, r.says, short(&r.id)]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        ctx.out.table(&["log", "epoch", "seq", "author's clock", "kind", "says", "id"], rows, "no entries");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_filters_are_asked_for() {
        assert_eq!(filters(&[("a", None), ("b", Some("x".into()))]), vec![("b", "x".to_owned())]);
    }
}
