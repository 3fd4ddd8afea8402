//! `lapwing status`, `peers`, `whoami`, `stop`, `assert-current`, `notice`: the node itself.

use super::Ctx;
use super::ask;
use super::fail::Done;
use super::node::{items, typed};
use super::out::{or_dash, short, yes_no};
use super::wait;
use clap::{Args, Subcommand};
use lapwing_api::ops::{OPS, Op, Row};
use lapwing_api::problem::{Audience, Problem};
use lapwing_api::types::{self, NoticeView};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Shows how the node is and what needs doing, most urgent first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing status\n  lapwing --data ./harbor status --json")]
pub struct Status {}

impl Status {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let value: Value = ctx.node()?.read(Op::Status, &[], &Vec::new())?;
        if ctx.out.json {
            ctx.out.value(&value);
            return Ok(());
        }
        let s: types::Status = typed(&value)?;
        let out = ctx.out;
        out.pairs(&[
            ("participant", format!("{} ({})", s.me.short_name, s.me.legal_name)),
            ("id", s.me.pid.clone()),
            ("federation", format!("{} ({})", s.network, short(&s.network_id))),
            ("standing", s.standing.clone().unwrap_or_else(|| "not introduced yet".into())),
            ("confirmed", if s.confirmed { "yes" } else { "not by enough agencies yet" }.into()),
            ("signing", s.signing.clone()),
            ("clock", s.clock_doubt.clone().unwrap_or_default()),
            ("connected", format!("{} nodes; {} participants in full standing", s.connected, s.participants)),
            ("listening", s.listening.join("  ")),
            ("held", format!("{} entries, state {}, heads {}", s.entries, short(&s.state), short(&s.heads))),
            ("cases", format!("{}, {} statements without a receipt", s.cases, s.outbox)),
            ("running", format!("version {} since {}", s.version, out.time(&s.started))),
        ]);
        if out.verbose > 0 {
            out.pairs(&[
                ("peer id", s.peer_id.clone()),
                ("network id", s.network_id.clone()),
                ("state", s.state.clone()),
                ("heads", s.heads.clone()),
                ("heads, agencies", or_dash(&s.heads_agency)),
                ("as of", s.as_of.to_string()),
            ]);
            out.table(
                &["counter", "value"],
                s.counters.iter().map(|(k, v)| vec![k.clone(), v.to_string()]).collect(),
                "",
            );
        }
        out.line("");
        out.line(if s.todo.is_empty() { "nothing needs doing" } else { "needs doing" });
        for todo in s.todo {
            out.hanging("  * ", &format!("{} [{}]", todo.what, todo.code));
            out.hanging("    ", &todo.fix);
        }
        Ok(())
    }
}

/// Lists nodes: connected ones, and known ones that are not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing peers")]
pub struct Peers {}

impl Peers {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = ctx.node()?.list(Op::Peers, &[], &Vec::new())?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |p: types::Peer| {
            // who has not proved whose it is goes by its peer id
            let who = p.participant.map_or_else(|| p.peer_id.clone(), |n| n.short_name);
            let level = ctx.out.maybe_time(&p.level_at);
            let id = if ctx.out.verbose > 0 { p.peer_id } else { String::new() };
            let program = or_dash(&p.program);
            vec![who, p.class, yes_no(p.connected), p.addrs.join(" "), program, level, or_dash(&p.trouble), id]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        let header = ["node of", "class", "connected", "addresses", "program", "level at", "trouble", "peer id"];
        ctx.out.table(&header, rows, "no other node is known; `--bootstrap` or the directory names some");
        Ok(())
    }
}

/// Shows the token in use: its name, its role, and what it may do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing whoami
  lapwing whoami --can
  lapwing --token-file desk.token whoami --can Submit && echo yes")]
pub struct WhoAmI {
    /// List what it may do, one operation a line; or whether it may do OP (exit code 0 or 2).
    #[arg(long, value_name = "OP", num_args = 0..=1)]
    can: Option<Option<String>>,
}

impl WhoAmI {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        let value: Value = ctx.node()?.read(Op::WhoAmI, &[], &Vec::new())?;
        let who: types::WhoAmI = typed(&value)?;
        match self.can {
            None => ctx.out.answer(&value, || {
                ctx.out.pairs(&[("token", who.name), ("role", who.role), ("may", who.can.join(", "))]);
            }),
            Some(None) => {
                let rows: Vec<&Row> = OPS.iter().filter(|row| who.can.iter().any(|name| name == row.name)).collect();
                let list = rows.iter().map(|r| json!({ "op": r.name, "path": r.path, "summary": r.summary }));
                ctx.out.answer(&list.collect::<Value>(), || {
                    let rows = rows.iter().map(|r| vec![r.name.to_owned(), r.summary.to_owned()]).collect();
                    ctx.out.table(&["operation", "what it does"], rows, "nothing");
                });
            }
            Some(Some(op)) => return may(ctx, &who, &op),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn may(ctx: &Ctx, who: &types::WhoAmI, op: &str) -> Result<ExitCode, Problem> {
    let row = OPS.iter().find(|row| row.name.eq_ignore_ascii_case(op)).ok_or_else(|| {
        super::fail::wrong(format!("`{op}` is no operation")).hint("`lapwing whoami --can` lists those that it may do.")
    })?;
    let may = who.can.iter().any(|name| name == row.name);
    ctx.out.answer(&json!({ "op": row.name, "may": may, "summary": row.summary }), || {
        let word = if may { "may" } else { "may not" };
        ctx.out.line(format!("{} ({}) {word}: {}", who.name, who.role, row.summary));
    });
    Ok(if may { ExitCode::SUCCESS } else { ExitCode::from(Audience::User.exit_code()) })
}

/// Stops the node gracefully and waits until it is gone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing stop")]
pub struct Stop {}

impl Stop {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let value: Value = node.call(Op::Shutdown, &[], &serde_json::json!({}))?;
        wait::until_interrupted("stopped waiting; the node goes on stopping");
        let gone = wait::poll(Duration::from_secs(30), || {
            Ok(node.read::<Value>(Op::Live, &[], &Vec::new()).err().map(|_| ()))
        })?;
        ctx.out.answer(&value, || {
            ctx.out.line(if gone.is_some() { "stopped" } else { "it is stopping, and takes its time" });
        });
        Ok(())
    }
}

/// Asserts that the node holds its own latest entries, although no peer could confirm it.
///
/// Needed after a restore when nobody else holds this participant's log. If it is not true, the log forks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing assert-current --yes")]
pub struct AssertCurrent {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl AssertCurrent {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        ask::go_on(self.yes, "Are this node's own latest entries here? If not, its log forks")?;
        let value: Value = node.call(Op::AssertCurrent, &[], &serde_json::json!({}))?;
        ctx.out.answer(&value, || ctx.out.line("taken: the node signs again"));
        Ok(())
    }
}

/// What people were told, by what and when.
#[derive(Debug, Subcommand)]
pub enum Notice {
    /// Lists notices.
    #[command(after_help = "Examples:\n  lapwing notice list")]
    List,
}

impl Notice {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = ctx.node()?.list(Op::Notices, &[], &Vec::new())?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |n: NoticeView| {
            let told = match (&n.told_at, &n.failure) {
                (Some(at), _) => format!("{} by {}", ctx.out.time(at), or_dash(&n.told_by)),
                (None, Some(why)) => format!("failed {} times: {why}", n.failures),
                (None, None) => "not yet".into(),
            };
            // the sentence ends with the time that has a column of its own
            let end = n.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            let words = n.words.strip_suffix(&end).unwrap_or(&n.words).to_owned();
            vec![ctx.out.time(&n.at), words, ctx.out.maybe_time(&n.until), told]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        ctx.out.table(&["at", "what", "act until", "told"], rows, "no notices");
        Ok(())
    }
}
