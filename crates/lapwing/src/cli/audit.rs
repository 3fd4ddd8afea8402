//! `lapwing audit`: who did what here, and whether the trail is whole.

use super::fail::{self, Done, wrong};
use super::node::{Query, items};
use super::out::{or_dash, short};
use super::{Ctx, when};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{AuditRow, LogRow, Status};
use lapwing_record::audit::{Break, Row, Trail};
use lapwing_record::id::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Bytes of a trail in a file at most.
const MAX_FILE: u64 = 1 << 30;

/// The audit trail: every change and every refused attempt, as a chain of hashes.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Lists the trail, oldest first.
    #[command(after_help = "Examples:
  lapwing audit list --since 7d
  lapwing audit list --outcome forbidden
  lapwing audit list --who desk --act Submit
  lapwing audit list --lines > trail.jsonl        a copy that `lapwing audit verify` checks anywhere")]
    List(List),
    /// Checks that no row was changed, left out or cut off; names the first bad one.
    #[command(after_help = "Examples:
  lapwing audit verify                            the trail of the running node, with its own checkpoints
  lapwing audit verify trail.jsonl                a copy, anywhere and offline
  lapwing audit verify trail.jsonl --head HASH    and that it holds this head: of a checkpoint that another agency
                                                  has (`lapwing log NAME`), or of an earlier look")]
    Verify(Verify),
}

/// Filters.
#[derive(Debug, Args)]
pub struct List {
    /// Of this token, participant or `node` only.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// This operation only.
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// This outcome only: `done`, or the code of a refusal.
    #[arg(long, value_name = "CODE")]
    outcome: Option<String>,
    /// From this time on: a date, a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    since: Option<u64>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = ago)]
    until: Option<u64>,
    /// One JSON object a line, as it is kept in a file.
    #[arg(long)]
    lines: bool,
}

/// What is checked.
#[derive(Debug, Args)]
pub struct Verify {
    /// A file made by `lapwing audit list --lines`; without it the running node is asked.
    file: Option<PathBuf>,
    /// A head that the trail must hold.
    #[arg(long, value_name = "HASH")]
    head: Vec<Digest>,
}

/// A point in time: a date or time, or how long before now.
pub(super) fn ago(text: &str) -> Result<u64, String> {
    match when::duration(text) {
        Ok(duration) => Ok(lapwing_node::office::now_ms().saturating_sub(when::ms(duration))),
        Err(_) => when::point(text),
    }
}

impl Audit {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Audit::List(list) => list.run(ctx),
            Audit::Verify(verify) => verify.run(ctx),
        }
    }
}

impl List {
    fn run(self, ctx: &Ctx) -> Done {
        let mut query: Query<'_> = vec![("limit", "500".into())];
        let texts = [("who", self.who), ("act", self.act), ("outcome", self.outcome)];
        query.extend(texts.into_iter().filter_map(|(key, value)| Some((key, value?))));
        let times = [("since", self.since), ("until", self.until)];
        query.extend(times.into_iter().filter_map(|(key, at)| Some((key, lapwing_node::office::rfc3339(at?)))));
        let list = ctx.node()?.list(Op::Audit, &[], &query)?;
        if self.lines {
            items::<Value>(&list)?.iter().for_each(|row| ctx.out.raw(&format!("{row}\n")));
            return Ok(());
        }
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |r: AuditRow| {
            let on = r.on.split(' ').map(ids_short).collect::<Vec<_>>().join(" ");
            vec![
                r.n.to_string(),
                ctx.out.time(&r.at),
                ids_short(&r.who),
                r.role,
                r.act,
                on,
                r.outcome,
                or_dash(&r.request),
            ]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        ctx.out.table(&["row", "at", "who", "role", "act", "on", "outcome", "request"], rows, "nothing of that kind");
        Ok(())
    }
}

/// An id shortened; names and paths as they are.
fn ids_short(text: &str) -> String {
    if text.parse::<Digest>().is_ok() { short(text) } else { text.to_owned() }
}

/// A row as it was hashed.
fn read(row: &AuditRow) -> Result<Row, Problem> {
    let bad =
        |what: &str| wrong(format!("row {}: {what}", row.n)).hint("The first bad row is named; those before it hold.");
    let at: jiff::Timestamp = row.at.parse().map_err(|_| bad("its time is none"))?;
    Ok(Row {
        n: row.n,
        at: u64::try_from(at.as_millisecond()).map_err(|_| bad("its time is none"))?,
        prev: row.prev.parse().map_err(|_| bad("`prev` is no hash"))?,
        who: row.who.clone(),
        role: row.role.clone(),
        act: row.act.clone(),
        on: row.on.clone(),
        outcome: row.outcome.clone(),
        request: row.request.clone(),
    })
}

fn rows_of(file: &Path) -> Result<Vec<AuditRow>, Problem> {
    let bytes = lapwing_node::folder::read(file, MAX_FILE).map_err(fail::file)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{} is not text", file.display())))?;
    let line = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            wrong(format!("{}, line {}: {e}", file.display(), i + 1))
                .hint("`lapwing audit list --lines` makes such a file.")
        })
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(line).collect()
}

impl Verify {
    fn run(self, ctx: &Ctx) -> Done {
        let mut heads = self.head;
        let rows = match &self.file {
            Some(file) => rows_of(file)?,
            None => {
                let node = ctx.node()?;
                // what is signed before the rows are read is in them
                let me: Status = node.read(Op::Status, &[], &Vec::new())?;
                let log = node.list(Op::Log, &[&me.me.pid], &vec![("log", "pub".into()), ("limit", "500".into())])?;
                let named = items::<LogRow>(&log)?.into_iter().filter_map(|l| l.audit);
                heads.extend(named.filter_map(|head| head.parse::<Digest>().ok()));
                items(&node.list(Op::Audit, &[], &vec![("limit", "500".into())])?)?
            }
        };
        let mut trail = Trail::default();
        for shown in &rows {
            let row = read(shown)?;
            trail.check(&row).map_err(broken)?;
            if row.hash().to_string() != shown.hash {
                return Err(broken(Break::Chain(row.n)));
            }
            heads.retain(|head| *head != row.hash());
        }
        if let Some(missing) = heads.first() {
            return Err(wrong(format!(
                "a head that was signed or given, {missing}, is the hash of none of the {} rows",
                trail.rows
            ))
            .hint("Rows were cut off after it was written, or the trail is another's."));
        }
        ctx.out.answer(&json!({ "rows": trail.rows, "head": trail.head, "holds": true }), || {
            ctx.out.line(format!("{} rows, each follows from the one before; head {}", trail.rows, trail.head));
        });
        Ok(())
    }
}

fn broken(error: Break) -> Problem {
    wrong(error.to_string()).hint("The first bad row is named; those before it hold. Compare with another copy.")
}
