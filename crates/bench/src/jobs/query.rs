//! Searches over an agency's own cases, through the API, against PostgreSQL (things, states, dates, words) and against
//! bare tantivy (words), each in another process' or thread's hands over TCP, interleaved, the same rows, 20 shown.

use super::idle::resident;
use super::{Bench, Found, progress};
use crate::bare::{self, Bare};
use crate::cases::{Made, refer, thread};
use crate::federation::Federation;
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, PATIENCE, Process, form};
use crate::postgres::{self, Postgres};
use anyhow::{Context, ensure};
use lapwing_api::ops::Op;
use lapwing_api::problem::Code;
use lapwing_api::types::{Page, ReferralRow, SeenAsk, SeenRequest};
use lapwing_record::charter::DAY_MS;
use lapwing_record::directory::Channel;
use lapwing_record::form::{Form, Identifier, IdentifierKind, Party, PartyRole};
use lapwing_record::statement::Kind;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows of an answer.
const LIMIT: usize = 20;
/// Words that there are.
const WORDS: u64 = 40_000;
/// Words of a narrative.
const NARRATIVE: usize = 120;
/// Cases that share a rare word.
const RARE: usize = 5;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn of(i: usize, what: u64) -> Self {
        Dice((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A word: few are frequent, most are rare, as in any language (rank by a law of powers).
    fn word(&mut self) -> String {
        let share = self.below(1 << 30) as f64 / (1u64 << 30) as f64;
        word(((WORDS as f64).powf(share) - 1.0) as u64)
    }
}

/// The word of a rank.
fn word(mut rank: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "re", "mi", "to", "lu", "sen", "kor", "pa", "vi", "do", "na", "ter", "fos", "gi", "hul", "ze"];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(rank % 16) as usize]);
        rank /= 16;
        if rank == 0 {
            return word + "x";
        }
    }
}

/// One case as all three get it.
struct Sample {
    domains: Vec<String>,
    ips: Vec<String>,
    emails: Vec<String>,
    urls: Vec<String>,
    subject: String,
    narrative: String,
    channel: Channel,
    ended: Option<Kind>,
    at: u64,
}

impl Sample {
    fn of(i: usize, count: usize, now: u64) -> Self {
        let mut dice = Dice::of(i, 1);
        let words = |dice: &mut Dice, n: usize| (0..n).map(|_| dice.word()).collect::<Vec<_>>().join(" ");
        let hosts = count as u64 * 3;
        let domain = |dice: &mut Dice| format!("www.{}.example", word(dice.below(hosts) + 10_000));
        let ip = |dice: &mut Dice| {
            let n = dice.below(1 << 24).to_be_bytes();
            format!("10.{}.{}.{}", n[5], n[6], n[7])
        };
        let channels = [Channel::Email, Channel::Email, Channel::Sms, Channel::Social];
        Sample {
            domains: (0..4).map(|_| domain(&mut dice)).collect(),
            ips: (0..4).map(|_| ip(&mut dice)).collect(),
            emails: vec![format!("{}@{}", dice.word(), domain(&mut dice))],
            urls: vec![format!("https://{}/{}", domain(&mut dice), dice.word())],
            subject: words(&mut dice, 8),
            narrative: format!("{} rare{}q", words(&mut dice, NARRATIVE), i / RARE),
            channel: channels[dice.below(4) as usize],
            ended: match dice.below(10) {
                0..7 => None,
                7..9 => Some(Kind::Close),
                _ => Some(Kind::Withdraw),
            },
            // three years, evenly
            at: now - (count - i) as u64 * (1095 * DAY_MS / count as u64),
        }
    }

    fn made(&self, base: &Form) -> Made {
        let mut party = Party::new(PartyRole::SuspectedSender);
        let kinds = [
            (IdentifierKind::Domain, &self.domains),
            (IdentifierKind::Ip, &self.ips),
            (IdentifierKind::Email, &self.emails),
            (IdentifierKind::Url, &self.urls),
        ];
        let of = |(kind, values): (IdentifierKind, &Vec<String>)| {
            values.iter().map(move |v| Identifier::new(kind, v.clone())).collect::<Vec<_>>()
        };
        party.identifiers = kinds.into_iter().flat_map(of).collect();
        let form = Form {
            subject_line: Some(self.subject.clone()),
            narrative: Some(self.narrative.clone()),
            channel: Some(self.channel),
            parties: Some(vec![party]),
            ..base.clone()
        };
        Made { form, at: self.at, ended: self.ended }
    }

    fn stage(&self) -> &'static str {
        match self.ended {
            None => "submitted",
            Some(Kind::Close) => "closed",
            Some(_) => "withdrawn",
        }
    }

    /// What else of the form is words.
    fn text(&self, base: &Form) -> Vec<String> {
        let mut text = vec![self.subject.clone(), self.narrative.clone()];
        text.extend(base.requester_ref.clone());
        text.extend(base.legal_authority.iter().map(|l| l.law.clone()));
        text.extend(base.assistance.iter().flatten().map(|a| a.description.clone()));
        text
    }
}

/// The node that is asked.
struct Ours<'a>(&'a Process);

impl Ours<'_> {
    fn ask(&self, filters: &[(&str, String)]) -> anyhow::Result<(Duration, usize)> {
        let mut query = filters.to_vec();
        query.push(("limit", LIMIT.to_string()));
        let begun = Instant::now();
        let page: Page<ReferralRow> = self.0.client.read(Op::Search, &[], &query)?;
        Ok((begun.elapsed(), page.items.len()))
    }
}

/// How long a question took, and how many rows came.
type Asked = anyhow::Result<(Duration, usize)>;

fn until_searchable(node: &Process) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    loop {
        let asked: Result<Page<ReferralRow>, _> = node.client.read(Op::Search, &[], &[("limit", "1".to_owned())]);
        match asked {
            Ok(_) => return Ok(begun.elapsed()),
            Err(problem) if problem.code == Code::SearchNotReady && begun.elapsed() < 5 * PATIENCE => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(problem) => return Err(problem.into()),
        }
    }
}

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let count = if bench.quick { 2_000 } else { 100_000 };
    let n = bench.samples(30, 200);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let base = form(None);
    let sample = |i: usize| Sample::of(i, count, now);
    eprintln!("  query: making {count} referrals with {} identifiers", count * 10);
    let federation = Federation::found(dir, 2)?;
    let folder = federation.settle(0, "")?;
    refer(&federation, &folder, count, |i| sample(i).made(&base))?;
    let node = Process::start(&bench.binary, &folder, &Links::default())?;
    let mut built = Samples::default();
    built.add_time(until_searchable(&node)?);
    progress("query", "the index is made", 1, 1);
    // merges that go on behind it end with the node: searches are measured on an index that rests
    node.stop()?;
    let node = Process::start(&bench.binary, &folder, &Links::default())?;
    until_searchable(&node)?;
    let bare_rows = (0..count).map(|i| {
        let s = sample(i);
        bare::Row {
            thread: thread(i).to_string(),
            text: s.text(&base),
            stage: u64::from(s.ended.is_some()),
            channel: s.channel.number(),
            changed: s.at,
            subject: s.subject,
        }
    });
    let mut bare = Bare::begin(bare_rows)?;
    progress("query", "bare tantivy has its rows", 1, 1);
    let rows = (0..count).map(|i| {
        let s = sample(i);
        let hosts = s.emails.iter().chain(&s.urls).filter_map(|v| host(v));
        postgres::Row {
            thread: thread(i).to_string(),
            stage: s.stage(),
            channel: s.channel.code(),
            submitted: s.at as i64,
            changed: s.at as i64,
            text: s.text(&base).join(" "),
            domains: s.domains.iter().cloned().chain(hosts).collect(),
            others: s.emails.iter().chain(&s.urls).cloned().collect(),
            ips: s.ips,
            subject: s.subject,
        }
    });
    let mut postgres = Postgres::begin(dir, rows)?;
    progress("query", "PostgreSQL has its rows, or is not here", 1, 1);

    let (mut found, limit) = (Vec::new(), LIMIT as i64);
    let ours = Ours(&node);
    let mut dice = Dice::of(0, 2);
    let mut pick = |_: usize| (dice.below(count as u64) as usize, dice.next());
    let questions: Vec<(usize, u64)> = (0..n).map(&mut pick).collect();
    let day = |ago: u64| now - ago * DAY_MS;
    let rfc = lapwing_node::office::rfc3339;
    // frequent, not the most frequent: the 20 commonest of a language are in every text
    let common = |dice: u64| (word(20 + dice % 60), word(90 + (dice >> 20) % 200));

    let mut exact = |name: &str,
                     mine: &dyn Fn(usize, u64) -> Vec<(&'static str, String)>,
                     theirs: &dyn Fn(&mut Postgres, usize, u64) -> Asked|
     -> anyhow::Result<()> {
        let (mut a, mut b, mut rows) = (Samples::default(), Samples::default(), 0);
        for (i, dice) in &questions {
            let (took, shown) = ours.ask(&mine(*i, *dice))?;
            a.add_time(took);
            rows += shown;
            if let Some(postgres) = &mut postgres {
                let (took, theirs) = theirs(postgres, *i, *dice)?;
                ensure!(shown == theirs, "{name}: {shown} rows here, {theirs} at PostgreSQL");
                b.add_time(took);
            }
        }
        ensure!(rows > 0, "{name}: nothing was found");
        let plain = (b.len() > 0).then_some(&b);
        found.push(Row::of(format!("{name}, PostgreSQL"), "ms", &a, plain, Goal::Ratio(1.0)));
        progress("query", name, n, n);
        Ok(())
    };
    exact(
        "by domain",
        &|i, d| vec![("domain", sample(i).domains[d as usize % 4].trim_start_matches("www.").to_owned())],
        &|p, i, d| p.by_domain(sample(i).domains[d as usize % 4].trim_start_matches("www."), limit),
    )?;
    exact("by ip", &|i, d| vec![("ip", sample(i).ips[d as usize % 4].clone())], &|p, i, d| {
        p.by_ip(&sample(i).ips[d as usize % 4], limit)
    })?;
    let stages = ["submitted", "closed", "withdrawn"];
    exact(
        "state + date",
        &|_, d| vec![("stage", stages[d as usize % 3].to_owned()), ("changed_since", rfc(day(d % 1000)))],
        &|p, _, d| p.by_stage(stages[d as usize % 3], day(d % 1000) as i64, limit),
    )?;
    let rare = |i: usize| format!("rare{}q", i / RARE);
    exact("rare word", &|i, _| vec![("text", rare(i))], &|p, i, _| p.by_words(&rare(i), None, limit))?;
    let two = |d: u64| format!("{} {}", common(d).0, common(d).1);
    exact("two common words", &|_, d| vec![("text", two(d))], &|p, _, d| p.by_words(&two(d), None, limit))?;
    exact(
        "text + filters",
        &|_, d| {
            let filters = [("stage", "submitted".to_owned()), ("channel", "email".into())];
            let more = [("text", common(d).0), ("changed_since", rfc(day(200 + d % 800)))];
            filters.into_iter().chain(more).collect()
        },
        &|p, _, d| p.by_words(&common(d).0, Some(("submitted", "email", day(200 + d % 800) as i64)), limit),
    )?;

    type Words<'a> = (&'a str, Box<dyn Fn(usize, u64) -> (String, Value) + 'a>);
    let none = || json!({});
    let texts: [Words<'_>; 3] = [
        ("rare word", Box::new(|i, _| (rare(i), none()))),
        ("two common words", Box::new(|_, d| (two(d), none()))),
        (
            "text + filters",
            Box::new(|_, d| {
                let filters =
                    json!({ "stage": 0, "channel": Channel::Email.number(), "changed_since": day(200 + d % 800) });
                (common(d).0, filters)
            }),
        ),
    ];
    for (name, question) in &texts {
        let (mut a, mut b) = (Samples::default(), Samples::default());
        for (i, dice) in &questions {
            let (words, filters) = question(*i, *dice);
            let mut query = vec![("text", words.clone())];
            if let Some(since) = filters["changed_since"].as_u64() {
                let more = [("stage", "submitted".into()), ("channel", "email".into()), ("changed_since", rfc(since))];
                query.extend(more);
            }
            let (took, shown) = ours.ask(&query)?;
            a.add_time(took);
            let (took, theirs) = bare.ask(&words, &filters, LIMIT)?;
            ensure!(shown == theirs, "{name}: {shown} rows here, {theirs} of bare tantivy");
            b.add_time(took);
        }
        found.push(Row::of(format!("{name}, bare tantivy"), "ms", &a, Some(&b), Goal::Ratio(2.0)));
        progress("query", &format!("{name}, bare"), n, n);
    }

    let mut floor = Samples::default();
    for _ in 0..n {
        let begun = Instant::now();
        let _: Value = node.client.read(Op::WhoAmI, &[], &[])?;
        floor.add_time(begun.elapsed());
    }
    found.push(Row::of("a call that asks for nothing", "ms", &floor, None, Goal::Value(1.0)));
    let mut seen = Samples::default();
    for (i, _) in questions.iter().take(20) {
        let ask = |j: usize| SeenAsk { kind: None, value: sample((i + j * 31) % count).domains[0].clone() };
        let body = SeenRequest { identifiers: (0..100).map(ask).collect(), cases: Some(3) };
        let begun = Instant::now();
        let _: Value = node.client.call(Op::Seen, &[], &[], &body)?;
        seen.add(begun.elapsed().as_secs_f64() * 1e3 / 100.0);
    }
    found.push(Row::of("seen: one identifier of a hundred", "ms", &seen, None, Goal::Value(1.0)));
    found.push(Row::of("the index made anew", "ms", &built, None, Goal::Value(60_000.0)));
    let busy = resident(node.id())?;
    let size = folder_size(&folder.search())? as f64 / 1e6;
    let mut notes = vec![format!(
        "{count} referrals, {} identifiers, {LIMIT} rows an answer; {busy:.0} MB resident while asked; {size:.0} MB of index",
        count * 10
    )];
    if postgres.is_none() {
        notes.push("PostgreSQL: skipped: build with `--features postgres` where it is installed".into());
    }
    node.stop()?;
    let again = Process::start(&bench.binary, &folder, &Links::default())?;
    let mut restart = Samples::default();
    restart.add_time(until_searchable(&again)?);
    found.push(Row::of("searchable after a restart, from ready", "ms", &restart, None, Goal::Value(1000.0)));
    // what was opened for a search is let go after half a minute
    for (i, _) in questions.iter().take(20) {
        Ours(&again).ask(&[("text", rare(*i))])?;
    }
    let mut memory = Samples::default();
    std::thread::sleep(Duration::from_secs(if bench.quick { 1 } else { 40 }));
    memory.add(resident(again.id())?);
    found.push(Row::of("resident, searched and idle again", "MB", &memory, None, Goal::Value(60.0)));
    again.stop().context("stopping")?;
    Ok(Found { rows: found, notes })
}

fn host(value: &str) -> Option<String> {
    let rest = value.rsplit_once('@').map(|(_, h)| h).or_else(|| value.strip_prefix("https://"))?;
    Some(rest.split('/').next()?.to_owned())
}

fn folder_size(dir: &Path) -> anyhow::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}
