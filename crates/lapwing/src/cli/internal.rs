//! `lapwing note`, `lapwing assign`, `lapwing absence`: what an agency keeps to itself about its work.

use super::Ctx;
use super::fail::Done;
use super::node::items;
use super::when;
use super::{fail::wrong, member::filters};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::types::{AbsenceNew, AbsenceView, Assign as AssignBody, Done as Answer, NoteNew, NoteView};
use serde_json::json;

/// Internal notes of a case: they stay on this node and are never sent.
#[derive(Debug, Subcommand)]
pub enum Note {
    /// Writes a note.
    #[command(
        after_help = "Examples:\n  lapwing note write 4k3mzx7q \"Called their desk: they wait for the registrar.\""
    )]
    Write {
        /// The case: 8 characters of its id or more.
        thread: String,
        /// The text.
        text: String,
    },
    /// Lists the notes of a case, oldest first.
    #[command(after_help = "Examples:\n  lapwing note list 4k3mzx7q")]
    List {
        /// The case.
        thread: String,
    },
}

/// Says who works on a case here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing assign 4k3mzx7q anna
  lapwing assign 4k3mzx7q --nobody
  lapwing refer list --assigned anna")]
pub struct Assign {
    /// The case.
    thread: String,
    /// The name of an officer's token.
    #[arg(required_unless_present = "nobody")]
    name: Option<String>,
    /// Nobody works on it any more.
    #[arg(long, conflicts_with = "name")]
    nobody: bool,
}

/// Who is away, until when, and who acts meanwhile.
#[derive(Debug, Subcommand)]
pub enum Absence {
    /// Lists absences, those to come too.
    #[command(after_help = "Examples:\n  lapwing absence list")]
    List,
    /// Says that an officer is away.
    #[command(after_help = "Examples:
  lapwing absence set --until 14d --delegate ben
  lapwing absence set --who anna --from 2026-12-20 --until 2027-01-07 --delegate ben")]
    Set {
        /// The name of an officer's token; one's own where it is left out.
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        /// From when on: a date, or a duration from now; now where it is left out.
        #[arg(long, value_name = "WHEN")]
        from: Option<String>,
        /// Until when: a date, or a duration from now.
        #[arg(long, value_name = "WHEN")]
        until: String,
        /// Who acts meanwhile.
        #[arg(long, value_name = "NAME")]
        delegate: String,
    },
    /// Says that an officer is back.
    #[command(after_help = "Examples:\n  lapwing absence end\n  lapwing absence end --who anna")]
    End {
        /// The name of an officer's token; one's own where it is left out.
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
    },
}

impl Note {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Note::Write { thread, text } => {
                let done: Answer = ctx.node()?.call(Op::NoteWrite, &[&thread], &NoteNew { text })?;
                ctx.out.answer(&done, || ctx.out.line("noted; it stays on this node"));
            }
            Note::List { thread } => {
                let list = ctx.node()?.list(Op::Notes, &[&thread], &filters(&[]))?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let row = |n: NoteView| {
                    let text = n.text.unwrap_or_else(|| "(content cannot be read)".into());
                    vec![ctx.out.time(&n.at), n.by, if n.kind == "note" { text } else { format!("{}: {text}", n.kind) }]
                };
                ctx.out.table(&["at", "by", "note"], items(&list)?.into_iter().map(row).collect(), "no notes");
            }
        }
        Ok(())
    }
}

impl Assign {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let to = self.name.filter(|_| !self.nobody);
        let done: Answer = ctx.node()?.call(Op::CaseAssign, &[&self.thread], &AssignBody { to: to.clone() })?;
        ctx.out.answer(&json!({ "ok": done.ok, "assigned": to }), || match &to {
            Some(name) => ctx.out.line(format!("{name} works on it")),
            None => ctx.out.line("nobody works on it"),
        });
        Ok(())
    }
}

impl Absence {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let time = |at: Result<u64, String>| at.map(lapwing_node::office::rfc3339).map_err(wrong);
        let wanted = match self {
            Absence::List => {
                let list = ctx.node()?.list(Op::Absences, &[], &filters(&[]))?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let row = |a: AbsenceView| {
                    let now = if a.now { format!("away: {} acts", a.acting) } else { "to come".into() };
                    vec![a.who, ctx.out.time(&a.from), ctx.out.time(&a.until), a.delegate, now]
                };
                let header = ["who", "from", "until", "delegate", "now"];
                ctx.out.table(&header, items(&list)?.into_iter().map(row).collect(), "nobody is away");
                return Ok(());
            }
            Absence::Set { who, from, until, delegate } => AbsenceNew {
                who,
                from: from.as_deref().map(when::begin).map(time).transpose()?,
                until: Some(time(when::point(&until))?),
                delegate: Some(delegate),
            },
            Absence::End { who } => AbsenceNew { who, from: None, until: None, delegate: None },
        };
        let done: Answer = ctx.node()?.call(Op::AbsenceSet, &[], &wanted)?;
        ctx.out.answer(&done, || ctx.out.line(if wanted.until.is_some() { "noted" } else { "noted: back" }));
        Ok(())
    }
}
