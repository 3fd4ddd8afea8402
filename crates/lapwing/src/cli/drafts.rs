//! `lapwing draft`: pro formas that lie at the node, to be gone on with by whoever has the time.

use super::Ctx;
use super::fail::{self, Done, wrong};
use super::member::filters;
use super::node::{items, typed};
use super::out::{or_dash, short};
use super::refer::template_text;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::types::{Done as Answer, Draft as Opened, DraftDetail, DraftNew, DraftRow, Said, Submit};
use lapwing_node::folder;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Drafts that lie at the node, and templates to begin with.
#[derive(Debug, Subcommand)]
pub enum Draft {
    /// Lists drafts that are not submitted yet.
    #[command(after_help = "Examples:\n  lapwing draft list\n  lapwing draft list --templates")]
    List {
        /// Templates only.
        #[arg(long)]
        templates: bool,
    },
    /// Shows a draft: what is filled in, its evidence, who approved it.
    #[command(after_help = "Examples:\n  lapwing draft show 4k3mzx7q")]
    Show {
        /// The draft: 8 characters of its id or more; or a template's name.
        draft: String,
    },
    /// Writes a draft's pro forma into a file, to go on with it. `lapwing refer save` puts it back.
    #[command(after_help = "Examples:\n  lapwing draft open 4k3mzx7q -o ./case-9/referral.toml")]
    Open {
        /// The draft, or a template's name.
        draft: String,
        /// The file to write.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Opens a new draft with what another draft, a template or an own case holds: pro forma and evidence.
    #[command(after_help = "Examples:
  lapwing draft copy 4k3mzx7q --to savanna
  lapwing draft copy parcel-fraud --to polder")]
    Copy {
        /// A draft, a template's name, or an own case.
        from: String,
        /// NAME of the agency that is asked.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
    },
    /// Approves a draft exactly as it stands, where the agency asks for a second officer.
    #[command(after_help = "Examples:\n  lapwing draft approve 4k3mzx7q")]
    Approve {
        /// The draft.
        draft: String,
    },
    /// Submits a draft as it was saved.
    #[command(after_help = "Examples:\n  lapwing draft submit 4k3mzx7q")]
    Submit {
        /// The draft.
        draft: String,
        /// Why it goes ahead of a more harmful draft; kept with the case.
        #[arg(long, value_name = "REASON")]
        ahead_because: Option<String>,
    },
    /// Drops a draft or template, with its evidence and its keys.
    #[command(after_help = "Examples:\n  lapwing draft drop 4k3mzx7q")]
    Drop {
        /// The draft, or a template's name.
        draft: String,
    },
}

fn cells(row: DraftRow) -> Vec<String> {
    let stands = row.approvals.iter().filter(|a| a.stands).map(|a| a.by.clone()).collect::<Vec<_>>();
    vec![
        short(&row.thread),
        or_dash(&row.template),
        row.to.map_or_else(|| "-".into(), |to| to.short_name),
        row.harm.map_or_else(|| "-".into(), |h| format!("{} {}", h.low, h.class)),
        row.evidence.to_string(),
        or_dash(&row.by),
        if stands.is_empty() { "-".into() } else { stands.join(", ") },
        row.subject.unwrap_or_else(|| "(nothing saved yet)".into()),
    ]
}

const HEADER: [&str; 8] = ["draft", "template", "to", "harm", "items", "saved by", "approved by", "subject"];

impl Draft {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Draft::List { templates } => {
                let query = filters(&[("template", templates.then(|| "true".to_owned()))]);
                let list = node.list(Op::DraftList, &[], &query)?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                ctx.out.table(&HEADER, items(&list)?.into_iter().map(cells).collect(), "no drafts");
            }
            Draft::Show { draft } => {
                let value: Value = node.read(Op::DraftShow, &[&draft], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                let detail: DraftDetail = typed(&value)?;
                let saved = ctx.out.maybe_time(&detail.row.saved);
                let approvals = detail.row.approvals.clone();
                ctx.out.table(&HEADER, vec![cells(detail.row)], "");
                ctx.out.line(format!("saved: {saved}"));
                for approval in approvals {
                    let stands = if approval.stands { "stands" } else { "for an earlier version" };
                    ctx.out.line(format!("approved by {} at {}: {stands}", approval.by, ctx.out.time(&approval.at)));
                }
                detail.items.iter().for_each(|item| ctx.out.line(format!("item: {} ({})", item.name, item.size)));
                if let Some(form) = detail.form {
                    ctx.out.line(format!("\n{}", template_text(None, &form)?));
                }
            }
            Draft::Open { draft, out } => {
                fail::free(&out)?;
                let detail: DraftDetail = node.read(Op::DraftShow, &[&draft], &Vec::new())?;
                let form = detail.form.ok_or_else(|| wrong("nothing was saved in this draft yet"))?;
                let text = template_text(detail.row.to.as_ref(), &form)?;
                folder::write_new(&out, text.as_bytes()).map_err(fail::file)?;
                ctx.out.answer(&json!({ "file": out, "thread": detail.row.thread }), || {
                    ctx.out.line(format!("written: {}", out.display()));
                });
            }
            Draft::Copy { from, to } => {
                let opened: Opened = node.call(Op::Drafts, &[], &DraftNew { from: Some(from), to })?;
                ctx.out.answer(&opened, || {
                    ctx.out.line(format!("draft {}", opened.thread));
                    ctx.out.line(format!("next: lapwing draft open {} -o FILE", short(&opened.thread)));
                });
            }
            Draft::Approve { draft } => {
                let row: DraftRow = node.call(Op::DraftApprove, &[&draft], &json!({}))?;
                ctx.out.answer(&row, || ctx.out.line("approved as it stands now; a change ends the approval"));
            }
            Draft::Submit { draft, ahead_because } => {
                let body = Submit { to: None, form: None, ahead_because, give_up_days: None };
                let said: Said = node.call(Op::Submit, &[&draft], &body)?;
                ctx.out.answer(&said, || ctx.out.line(format!("submitted: case {}", said.thread)));
            }
            Draft::Drop { draft } => {
                let done: Answer = node.call(Op::DraftDrop, &[&draft], &json!({}))?;
                ctx.out.answer(&done, || ctx.out.line("dropped"));
            }
        }
        Ok(())
    }
}
