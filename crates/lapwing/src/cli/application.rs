//! `lapwing application`: joining, and letting others be known.

use super::Ctx;
use super::fail::Done;
use super::node::{items, typed};
use super::out::{one_line, quote, short};
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{ApplicationRow, ApplicationState, Written};
use serde_json::Value;

/// Applications: this node's own, and those in the inbox.
#[derive(Debug, Subcommand)]
pub enum Application {
    /// Shows where this node's own application stands.
    #[command(after_help = "Examples:\n  lapwing application status")]
    Status,
    /// Lists applications in the inbox.
    #[command(after_help = "Examples:\n  lapwing application list")]
    List,
    /// Shows one application and what it says about itself.
    #[command(after_help = "Examples:\n  lapwing application show hangang")]
    Show {
        /// The applicant.
        name: String,
    },
    /// Introduces an applicant to the federation: a clerical act, no sponsorship. Then every agency's window runs.
    #[command(after_help = "Examples:\n  lapwing application introduce hangang")]
    Introduce {
        /// The applicant.
        name: String,
    },
}

impl Application {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Application::Status => {
                let value: Value = node.read(Op::Application, &[], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                let state: ApplicationState = typed(&value)?;
                ctx.out.pairs(&[
                    ("state", state.state),
                    ("submitted to", state.submitted_to.join(", ")),
                    ("next", state.next),
                ]);
            }
            Application::List => {
                let list = node.list(Op::Applications, &[], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let row = |a: ApplicationRow| {
                    let n = a.name;
                    let alike = a.confusable_with.join(", ");
                    vec![
                        n.short_name,
                        n.class,
                        a.category,
                        n.country,
                        n.legal_name,
                        ctx.out.time(&a.at),
                        short(&n.pid),
                        alike,
                    ]
                };
                let rows = items(&list)?.into_iter().map(row).collect();
                let header = ["name", "class", "category", "country", "legal name", "came", "id", "looks like"];
                ctx.out.table(&header, rows, "no applications");
            }
            Application::Show { name } => {
                let list = node.list(Op::Applications, &[], &Vec::new())?;
                let rows: Vec<Value> = items(&list)?;
                let is = |v: &&Value| {
                    let text = |key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default();
                    text("short_name") == name || (name.len() >= 8 && text("pid").starts_with(&name))
                };
                let found: Vec<&Value> = rows.iter().filter(is).collect();
                let hint = "`lapwing application list` shows names and ids; 8 characters of an id or more are enough.";
                let one = match found[..] {
                    [one] => one,
                    [] => {
                        let what = format!("no application in the inbox goes by `{}`", one_line(&name));
                        return Err(Problem::new(Code::NotFound, what).hint(hint));
                    }
                    _ => {
                        let what = format!("{} applications go by `{}`", found.len(), one_line(&name));
                        return Err(Problem::new(Code::Ambiguous, what).hint(hint));
                    }
                };
                if ctx.out.json {
                    ctx.out.value(one);
                    return Ok(());
                }
                let a: ApplicationRow = typed(one)?;
                ctx.out.pairs(&[
                    ("name", a.name.short_name),
                    ("legal name", a.name.legal_name),
                    ("country", a.name.country),
                    ("class", format!("{}, {}", a.name.class, a.category)),
                    ("came", ctx.out.time(&a.at)),
                    ("id", a.name.pid),
                    ("words", a.words),
                    ("looks like", a.confusable_with.join(", ")),
                ]);
                ctx.out.line("it says:");
                ctx.out.line(quote(&a.statement));
            }
            Application::Introduce { name } => {
                let value: Value = node.call(Op::Introduce, &[&name], &serde_json::json!({}))?;
                ctx.out.answer(&value, || {
                    let entry = typed::<Written>(&value).map(|w| w.entry).unwrap_or_default();
                    ctx.out.line(format!("{name} is introduced: entry {entry}"));
                });
            }
        }
        Ok(())
    }
}
