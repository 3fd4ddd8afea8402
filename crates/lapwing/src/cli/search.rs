//! `lapwing search` and `lapwing seen`: own cases by words, identifiers, states and times; searches that are kept.

use super::Ctx;
use super::audit::ago;
use super::fail::{self, Done, wrong};
use super::node::{Node, Query, typed};
use super::out::{Out, or_dash, short};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::search::MAX_SEEN;
use lapwing_api::types::{
    Done as DoneBody, Filters, Page, ReferralRow, SavedRun, SavedSearch, SearchFacets, SearchSave, Seen as SeenBody,
    SeenAsk, SeenRequest,
};
use lapwing_record::form::IdentifierKind;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Bytes of a file of identifiers at most.
const MAX_FILE: u64 = 64 << 20;
/// Identifiers of one run of `seen` at most.
const MAX_ASKED: usize = 100_000;
/// Rows of a page.
const PAGE: usize = 500;

/// Finds own cases: by words, identifiers, state, class of harm, country, counterpart, times. All filters must hold.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  lapwing search 'prize office'                   both words
  lapwing search '\"advance fee\" -lottery collect*' a phrase, without a word, with a beginning
  lapwing search --domain prize.example           the domain and everything below it
  lapwing search --ip 192.0.2.0/24 --since 90d
  lapwing search --stage acknowledged,info_needed --class critical --with polder --facets
  lapwing search save prizes --domain prize.example
  lapwing search run prizes                       what is new since it was last run")]
pub struct Search {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    how: How,
}

/// Searches that are kept.
#[derive(Debug, Subcommand)]
pub enum Act {
    /// Keeps a search under a name; the same name again replaces it.
    #[command(after_help = "Examples:
  lapwing search save prizes --domain prize.example
  lapwing search save urgent --class critical,serious --stage submitted --shared")]
    Save(Box<Save>),
    /// Lists the searches that are kept: one's own, and the agency's.
    #[command(after_help = "Examples:\n  lapwing search saved")]
    Saved,
    /// Runs a search that is kept: what is new or has changed since it was last run.
    #[command(after_help = "Examples:\n  lapwing search run prizes\n  lapwing search run prizes --json")]
    Run {
        /// Its name.
        name: String,
    },
    /// Drops a search that is kept.
    #[command(after_help = "Examples:\n  lapwing search drop prizes")]
    Drop {
        /// Its name.
        name: String,
    },
}

/// What to keep.
#[derive(Debug, Args)]
pub struct Save {
    /// Its name.
    name: String,
    #[command(flatten)]
    what: What,
    /// For the whole agency; else for the token's holder only.
    #[arg(long)]
    shared: bool,
}

/// How to show what is found.
#[derive(Debug, Args)]
pub struct How {
    /// The order: relevance, changed, changed_oldest, submitted, submitted_oldest.
    #[arg(long)]
    order: Option<String>,
    /// Cases shown at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Count instead: by stage, class, country, counterpart, conduct, channel and month.
    #[arg(long, conflicts_with_all = ["order"])]
    facets: bool,
}

/// What to search for.
#[derive(Debug, Args)]
pub struct What {
    /// Words that must all occur, "exact phrases", begin*, -without.
    text: Option<String>,
    /// The stage; several with commas.
    #[arg(long)]
    stage: Option<String>,
    /// Class of harm: critical, serious, substantial, limited; several with commas.
    #[arg(long)]
    class: Option<String>,
    /// requester or target: our own part.
    #[arg(long)]
    role: Option<String>,
    /// NAME of the other side; several with commas.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// Country of the other side or of a party; several with commas.
    #[arg(long)]
    country: Option<String>,
    /// What was done; several with commas.
    #[arg(long)]
    conduct: Option<String>,
    /// By which channel; several with commas.
    #[arg(long)]
    channel: Option<String>,
    /// Changed here from this time on: a date, a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    since: Option<u64>,
    /// Changed here before this time.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    until: Option<u64>,
    /// Submitted from this time on, by the requester's clock.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    submitted_since: Option<u64>,
    /// Submitted before this time.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    submitted_until: Option<u64>,
    /// Our own reference, or the campaign's.
    #[arg(long, value_name = "REF")]
    own_ref: Option<String>,
    /// The other side's reference.
    #[arg(long, value_name = "REF")]
    other_ref: Option<String>,
    #[command(flatten)]
    identifiers: Identifiers,
}

/// Identifiers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identifiers")]
pub struct Identifiers {
    /// An identifier of any kind.
    #[arg(long, value_name = "VALUE")]
    identifier: Option<String>,
    /// A domain with everything below it.
    #[arg(long)]
    domain: Option<String>,
    /// A URL.
    #[arg(long)]
    url: Option<String>,
    /// An IP address, or a network such as 192.0.2.0/24.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// An autonomous system.
    #[arg(long)]
    asn: Option<String>,
    /// An e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// A telephone number with its country code.
    #[arg(long)]
    phone: Option<String>,
    /// A Message-ID.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// A domain that signed messages (DKIM).
    #[arg(long, value_name = "DOMAIN")]
    dkim_domain: Option<String>,
    /// SHA-256 of a file.
    #[arg(long, value_name = "HASH")]
    sha256: Option<String>,
    /// A wallet of a virtual currency.
    #[arg(long)]
    wallet: Option<String>,
    /// A bank account.
    #[arg(long, value_name = "NUMBER")]
    bank_account: Option<String>,
    /// A merchant's number.
    #[arg(long, value_name = "NUMBER")]
    merchant_id: Option<String>,
    /// A number in a register of companies.
    #[arg(long, value_name = "NUMBER")]
    company_no: Option<String>,
    /// A handle on a platform.
    #[arg(long)]
    handle: Option<String>,
    /// A sender's name in text messages.
    #[arg(long, value_name = "NAME")]
    sender_id: Option<String>,
}

impl What {
    /// The filters by their names.
    fn filters(self) -> Filters {
        let i = self.identifiers;
        let time = |at: Option<u64>| at.map(lapwing_node::office::rfc3339);
        let all = [
            ("text", self.text),
            ("stage", self.stage),
            ("class", self.class),
            ("role", self.role),
            ("with", self.with),
            ("country", self.country),
            ("conduct", self.conduct),
            ("channel", self.channel),
            ("changed_since", time(self.since)),
            ("changed_until", time(self.until)),
            ("submitted_since", time(self.submitted_since)),
            ("submitted_until", time(self.submitted_until)),
            ("own_ref", self.own_ref),
            ("other_ref", self.other_ref),
            ("identifier", i.identifier),
            ("domain", i.domain),
            ("url", i.url),
            ("ip", i.ip),
            ("asn", i.asn),
            ("email", i.email),
            ("phone", i.phone),
            ("message_id", i.message_id),
            ("dkim_domain", i.dkim_domain),
            ("sha256", i.sha256),
            ("wallet", i.wallet),
            ("bank_account", i.bank_account),
            ("merchant_id", i.merchant_id),
            ("company_no", i.company_no),
            ("handle", i.handle),
            ("sender_id", i.sender_id),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Search {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self.act {
            None if self.how.facets => count(ctx, &node, &self.what.filters()),
            None => find(ctx, &node, &self.what.filters(), self.how),
            Some(Act::Save(save)) => save.run(ctx, &node),
            Some(Act::Saved) => saved(ctx, &node),
            Some(Act::Run { name }) => run(ctx, &node, &name),
            Some(Act::Drop { name }) => {
                let value: Value = node.call(Op::SearchDrop, &[&name], &json!({}))?;
                typed::<DoneBody>(&value)?;
                ctx.out.answer(&value, || ctx.out.line(format!("the search `{name}` is dropped")));
                Ok(())
            }
        }
    }
}

fn query(filters: &Filters) -> Query<'_> {
    filters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

fn find(ctx: &Ctx, node: &Node, filters: &Filters, how: How) -> Done {
    let most = how.limit as usize;
    let mut query = query(filters);
    query.extend(how.order.map(|order| ("order", order)));
    let mut all = Page { items: Vec::new(), next: None, as_of: 0 };
    loop {
        let mut query = query.clone();
        query.push(("limit", (most - all.items.len()).min(PAGE).to_string()));
        query.extend(all.next.take().map(|next| ("cursor", next)));
        let page: Page<Value> = node.read(Op::Search, &[], &query)?;
        all.items.extend(page.items);
        (all.next, all.as_of) = (page.next, page.as_of);
        if all.next.is_none() || all.items.len() >= most {
            break;
        }
    }
    if ctx.out.json {
        ctx.out.value(&all);
        return Ok(());
    }
    let rows = all.items.iter().map(|r| Ok(row(ctx.out, &typed::<ReferralRow>(r)?))).collect::<Result<_, Problem>>()?;
    ctx.out.table(&HEADER, rows, "no case of ours");
    if all.next.is_some() {
        ctx.out.note(format!("There are more; these are the first {most}. `--limit N` shows more of them."));
    }
    Ok(())
}

const HEADER: [&str; 7] = ["case", "with", "stage", "harm", "TLP", "subject", "changed"];

fn row(out: Out, r: &ReferralRow) -> Vec<String> {
    let side = if r.role == "target" { "from" } else { "to" };
    vec![
        short(&r.thread),
        format!("{side} {}", r.with.short_name),
        r.stage.clone(),
        r.harm.as_ref().map_or_else(|| "-".into(), |h| format!("{} {}", h.low, h.class)),
        r.tlp.clone(),
        r.subject.clone().unwrap_or_else(|| "(content cannot be read)".into()),
        out.time(&r.changed),
    ]
}

fn count(ctx: &Ctx, node: &Node, filters: &Filters) -> Done {
    let value: Value = node.read(Op::SearchFacets, &[], &query(filters))?;
    let counted: SearchFacets = typed(&value)?;
    ctx.out.answer(&value, || {
        let word = if counted.total == 1 { "case" } else { "cases" };
        ctx.out.line(format!("{} {word}", counted.total));
        let rows = counted.facets.iter().flat_map(|(by, values)| {
            values.iter().map(move |v| vec![by.clone(), v.value.clone(), v.count.to_string()])
        });
        let rows: Vec<Vec<String>> = rows.collect();
        if !rows.is_empty() {
            ctx.out.table(&["by", "value", "cases"], rows, "");
        }
    });
    Ok(())
}

impl Save {
    fn run(self, ctx: &Ctx, node: &Node) -> Done {
        let body = SearchSave { name: self.name, shared: self.shared, filters: self.what.filters() };
        let value: Value = node.call(Op::SearchSave, &[], &body)?;
        let saved: SavedSearch = typed(&value)?;
        ctx.out.answer(&value, || {
            let whose = if saved.shared { "the agency" } else { "you" };
            ctx.out.line(format!("kept for {whose}: `lapwing search run {}` tells what is new", saved.name));
        });
        Ok(())
    }
}

fn words(filters: &Filters) -> String {
    filters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn saved(ctx: &Ctx, node: &Node) -> Done {
    let list = node.list(Op::SavedSearches, &[], &Vec::new())?;
    if ctx.out.json {
        ctx.out.value(&list);
        return Ok(());
    }
    let row = |s: SavedSearch| {
        let whose = if s.shared { "agency" } else { "own" };
        let found = s.found.map(|n| n.to_string());
        vec![s.name, whose.into(), words(&s.filters), ctx.out.maybe_time(&s.ran), or_dash(&found)]
    };
    let rows = super::node::items(&list)?.into_iter().map(row).collect();
    ctx.out.table(&["name", "whose", "search", "last run", "found"], rows, "no search is kept");
    Ok(())
}

fn run(ctx: &Ctx, node: &Node, name: &str) -> Done {
    let value: Value = node.call(Op::SearchRun, &[name], &json!({}))?;
    let ran: SavedRun = typed(&value)?;
    ctx.out.answer(&value, || {
        let since = match &ran.before {
            Some(at) => format!("since {}", ctx.out.time(at)),
            None => "in its first run".into(),
        };
        let gone = if ran.gone > 0 { format!(", {} found no more", ran.gone) } else { String::new() };
        ctx.out.line(format!("{} found, {} new or changed {since}{gone}", ran.found, ran.news_count));
        let rows: Vec<Vec<String>> =
            ran.news.iter().map(|n| [vec![n.news.clone()], row(ctx.out, &n.case)].concat()).collect();
        if !rows.is_empty() {
            ctx.out.table(&[&["news"][..], &HEADER].concat(), rows, "");
        }
        if (ran.news.len() as u64) < ran.news_count {
            ctx.out.note(format!("These are the last changed {}.", ran.news.len()));
        }
        if ran.more {
            ctx.out.note("More cases fit than one run looks at: narrow the search.");
        }
    });
    Ok(())
}

/// Tells whether identifiers occur in own cases: in which, when, as what, with whom; and which were never seen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing seen prize.example 192.0.2.7
  lapwing seen --kind domain a.b.prize.example      parents of the host too
  lapwing seen --file suspects.txt --json           one a line; empty lines and those that begin with # do not count")]
pub struct Seen {
    /// Identifiers, however they are typed.
    #[arg(required_unless_present = "file")]
    value: Vec<String>,
    /// A file of them, one a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What all of them are: domain, url, ip, email, …; else whatever each can be.
    #[arg(long, value_name = "KIND")]
    kind: Option<IdentifierKind>,
    /// Cases shown of each at most.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    cases: u64,
}

impl Seen {
    fn values(&self) -> Result<Vec<String>, Problem> {
        let mut values = self.value.clone();
        if let Some(file) = &self.file {
            let bytes = if file.as_os_str() == "-" {
                use std::io::Read;
                let mut bytes = Vec::new();
                let read = std::io::stdin().take(MAX_FILE + 1).read_to_end(&mut bytes);
                read.map_err(|e| wrong(format!("standard input cannot be read: {e}")))?;
                bytes
            } else {
                lapwing_node::folder::read(file, MAX_FILE).map_err(fail::file)?
            };
            let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{} is not text", file.display())))?;
            let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
            values.extend(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
        }
        match values.len() {
            0 => Err(wrong("there is no identifier to ask about").hint("One a line.")),
            n if n > MAX_ASKED => {
                Err(wrong(format!("{n} identifiers, at most {MAX_ASKED}")).hint("Ask in several runs."))
            }
            _ => Ok(values),
        }
    }

    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let (values, mut all) = (self.values()?, SeenBody { items: Vec::new(), as_of: 0 });
        for chunk in values.chunks(MAX_SEEN) {
            let asks = chunk.iter().map(|value| SeenAsk { kind: self.kind, value: value.clone() });
            let body = SeenRequest { identifiers: asks.collect(), cases: Some(self.cases) };
            let seen: SeenBody = node.call(Op::Seen, &[], &body).map_err(|p| named(p, chunk))?;
            all.items.extend(seen.items);
            all.as_of = seen.as_of;
        }
        ctx.out.answer(&all, || show(ctx.out, &all));
        Ok(())
    }
}

/// A fault of the n-th identifier, by its value.
fn named(mut problem: Problem, values: &[String]) -> Problem {
    for fault in &mut problem.faults {
        let at = fault.path.strip_prefix("identifiers.").and_then(|p| p.split('.').next()?.parse::<usize>().ok());
        if let Some(value) = at.and_then(|at| values.get(at)) {
            fault.path = value.chars().take(80).collect();
        }
    }
    problem
}

fn show(out: Out, seen: &SeenBody) {
    let mut rows = Vec::new();
    for answer in &seen.items {
        if !answer.seen {
            rows.push(vec![answer.value.clone(), "not seen".into(), "-".into(), "-".into(), "-".into(), "-".into()]);
        }
        for (i, case) in answer.cases.iter().enumerate() {
            let name = if i == 0 { answer.value.clone() } else { String::new() };
            let found = case.identifiers.iter().map(|f| match f.relation.as_str() {
                "same" => f.party.clone(),
                relation => format!("{} {} ({relation})", f.party, f.value),
            });
            let found: Vec<String> = found.collect();
            let side = if case.case.role == "target" { "from" } else { "to" };
            rows.push(vec![
                name,
                format!("{}, {}", short(&case.case.thread), case.case.stage),
                format!("{side} {}", case.case.with.short_name),
                out.time(&case.case.submitted),
                found.join(", "),
                case.case.subject.clone().unwrap_or_else(|| "-".into()),
            ]);
        }
        let more = answer.count.saturating_sub(answer.cases.len() as u64);
        if more > 0 {
            let (value, dash) = (String::new(), || "-".to_owned());
            rows.push(vec![value, format!("and {more} more"), dash(), dash(), dash(), dash()]);
        }
    }
    out.table(&["identifier", "case", "with", "submitted", "as", "subject"], rows, "nothing was asked");
    let unseen = seen.items.iter().filter(|a| !a.seen).count();
    out.note(format!("{} of {} seen in cases of ours", seen.items.len() - unseen, seen.items.len()));
}
