//! `lapwing refer`: asking an agency abroad to act on a case (docs/protocol.md §6).
//!
//! ```text
//! refer new --from SAMPLES ──► DRAFT/referral.toml + DRAFT/evidence/…   people fill in and strike out
//! refer check              ──► every fault at once, the harm score
//! refer submit             ──► hashes compared, evidence uploaded, durable; `--wait` for the other node's receipt
//! ```

use super::Ctx;
use super::fail::{self, Done, wrong};
use super::hex;
use super::member::filters;
use super::node::{Node, items, typed};
use super::out::{Out, one_line, or_dash, quote, short, size};
use super::profile::read_toml;
use super::transfer::bar;
use super::vote::seconds;
use super::wait;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{
    Check, Checked, Draft, DraftRow, DraftSave, EvidenceView, Name, ReferralDetail, ReferralRow, Said, Stuck,
    Submit as SubmitBody,
};
use lapwing_evidence::draft::{DraftParts, draft_of};
use lapwing_evidence::keys::Keys;
use lapwing_evidence::lookalike::LookAlikes;
use lapwing_node::folder;
use lapwing_record::form::{CollectionMethod, EvidenceItem, Form};
use lapwing_record::statement::{Acknowledge, Decide, Kind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

mod check;
mod complaints;
mod draft;
mod life;
mod who;

use check::{check_draft, check_items, faulty, harm_lines, harm_words};

/// A referral on its way from draft to decision. (What is said in a case afterwards: `lapwing case`.)
#[derive(Debug, Subcommand)]
pub enum Refer {
    /// Makes a draft from a folder of samples: conduct, persons and infrastructure, and evidence are filled in.
    #[command(after_help = "Examples:
  lapwing refer new --from ./samples --to polder -o ./case-7
  lapwing refer new --to polder -o ./case-8
  lapwing refer new --complaints-template > complaints.csv
  lapwing refer new --to polder -o ./batch-9 --complaints complaints.csv")]
    New(New),
    /// Checks a draft: every fault at once, by field, and its harm score.
    #[command(after_help = "Examples:\n  lapwing refer check ./case-7/referral.toml")]
    Check {
        /// The referral.toml.
        file: PathBuf,
    },
    /// Who can act on a draft: agencies by how they fit it, with reasons.
    #[command(after_help = "Examples:\n  lapwing refer who ./case-7/referral.toml")]
    Who {
        /// The referral.toml.
        file: PathBuf,
    },
    /// Saves a draft at the node with its evidence: others go on with it, and it counts among what waits to be sent.
    #[command(after_help = "Examples:
  lapwing refer save ./case-7/referral.toml
  lapwing refer save ./case-7/referral.toml --template parcel-fraud")]
    Save {
        /// The referral.toml.
        file: PathBuf,
        /// Makes it a template of this name: to begin with, never sent itself. Its evidence stays here.
        #[arg(long, value_name = "NAME")]
        template: Option<String>,
    },
    /// Submits a draft with its evidence. Durable on this node before the answer; running it again submits nothing twice.
    #[command(after_help = "Examples:
  lapwing refer submit ./case-7/referral.toml
  lapwing refer submit ./case-7/referral.toml --wait 5m")]
    Submit(Submit),
    /// Lists referrals, in order of their last change.
    #[command(
        after_help = "Examples:\n  lapwing refer list\n  lapwing refer list --role target --stage stored\n  lapwing refer list --stuck\n  lapwing refer list --role target --order harm\n  lapwing refer list --overdue"
    )]
    List(List),
    /// Shows one referral: pro forma, timeline, decisions, evidence, delivery.
    #[command(after_help = "Examples:\n  lapwing refer show 4k3mzx7q\n  lapwing refer show 4k3mzx7q --seen")]
    Show {
        /// The case: 8 characters of its id or more.
        thread: String,
        /// And say to the other side that a person has read it (`lapwing case seen`).
        #[arg(long)]
        seen: bool,
    },
}

/// Where a draft comes from and goes to.
#[derive(Debug, Args)]
pub struct New {
    /// Folder of samples: .eml, mailboxes, anything else. Copied; the originals stay untouched.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Only one campaign of the samples, by its id (lapwing evidence analyse DIR --campaigns); the rest is left out and
    /// named.
    #[arg(long, value_name = "ID", requires = "from")]
    campaign: Option<String>,
    /// A table of complaints that makes it a complaint batch: RFC 4180, with a header row.
    #[arg(long, value_name = "FILE")]
    complaints: Option<PathBuf>,
    /// Prints a table of complaints to begin with, and nothing else.
    #[arg(long, exclusive = true)]
    complaints_template: bool,
    /// NAME of the agency that is asked.
    #[arg(long, value_name = "NAME", required_unless_present = "complaints_template")]
    to: Option<String>,
    /// Folder to make for the draft.
    #[arg(short, long, value_name = "DIR", required_unless_present = "complaints_template")]
    out: Option<PathBuf>,
    /// How the samples were come by.
    #[arg(long, default_value = "user_complaint")]
    method: CollectionMethod,
    /// Language of the form, BCP 47.
    #[arg(long, value_name = "TAG", default_value = "en")]
    language: String,
}

/// What to submit.
#[derive(Debug, Args)]
pub struct Submit {
    /// The referral.toml.
    file: PathBuf,
    /// Wait for the other node's receipt, at most so long (an hour where nothing is said).
    #[arg(long, value_name = "DURATION", value_parser = seconds, num_args = 0..=1, default_missing_value = "1h")]
    wait: Option<Duration>,
    /// Why it goes ahead of a more harmful draft; kept with the case.
    #[arg(long, value_name = "REASON")]
    ahead_because: Option<String>,
}

/// Filters.
#[derive(Debug, Args)]
pub struct List {
    /// The stage it is in.
    #[arg(long)]
    stage: Option<String>,
    /// The other side.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// requester or target: this node's side.
    #[arg(long)]
    role: Option<String>,
    /// Only those whose delivery waits.
    #[arg(long)]
    stuck: bool,
    /// Only those that this officer works on or stands in for; `none`: nobody does.
    #[arg(long, value_name = "NAME")]
    assigned: Option<String>,
    /// Only those in which something is overdue by the published targets.
    #[arg(long)]
    overdue: bool,
    /// changed: the last change first; harm: the gravest first, as a target works through them.
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
}

/// A draft as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferralToml {
    to: String,
    give_up_days: Option<u64>,
    form: Form,
}

impl ReferralToml {
    fn wanted(&self) -> Check {
        Check { to: Some(self.to.clone()), form: self.form.clone() }
    }
}

/// Where an item of a draft lies: in `evidence/` beside the file. A name is never a path.
fn place(file: &Path, item: &EvidenceItem) -> Option<PathBuf> {
    let plain = !item.name.contains(['/', '\\', '\0']) && !matches!(item.name.as_str(), "" | "." | "..");
    plain.then(|| file.parent().unwrap_or(Path::new(".")).join("evidence").join(&item.name))
}

impl Refer {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        match self {
            Refer::New(new) => new.run(ctx)?,
            Refer::Check { file } => return check_draft(ctx, &file),
            Refer::Who { file } => who::who(ctx, &file)?,
            Refer::Save { file, template } => save(ctx, file, template)?,
            Refer::Submit(submit) => submit.run(ctx)?,
            Refer::List(list) => list.run(ctx)?,
            Refer::Show { thread, seen } => {
                let value: Value = ctx.node()?.read(Op::Referral, &[&thread], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                } else {
                    show(ctx.out, &typed(&value)?);
                }
                if seen {
                    super::case::seen(ctx, &thread, None)?;
                    ctx.out.note("the other side is told that a person has read it");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Saves a draft at the node.
fn save(ctx: &Ctx, file: PathBuf, template: Option<String>) -> Done {
    let mut draft: ReferralToml = read_toml(&file)?;
    let node = ctx.node()?;
    let thread = match &template {
        Some(_) => {
            draft.form.evidence = None;
            node.call::<Draft>(Op::Drafts, &[], &json!({}))?.thread
        }
        None => {
            let submit = Submit { file, wait: None, ahead_because: None };
            submit.upload_all(ctx, &node, &draft.form)?
        }
    };
    let body = DraftSave { to: template.is_none().then_some(draft.to), form: draft.form, template };
    let row: DraftRow = match node.call(Op::DraftSave, &[&thread], &body) {
        // one that was opened for a template that cannot be kept
        Err(problem) if body.template.is_some() => {
            let _: Result<Value, Problem> = node.call(Op::DraftDrop, &[&thread], &json!({}));
            return Err(problem);
        }
        other => other?,
    };
    ctx.out.answer(&row, || {
        ctx.out.line(format!("saved: draft {}", short(&row.thread)));
    });
    Ok(())
}

/// A pro forma as a file that can be gone on with.
pub fn template_text(to: Option<&Name>, form: &Form) -> Result<String, Problem> {
    let file = BTreeMap::from([("form", form)]);
    let form = toml::to_string(&file).map_err(|e| wrong(format!("the draft cannot be written as TOML: {e}")))?;
    let called = to.map(|to| format!("  # {}", one_line(&to.short_name))).unwrap_or_default();
    let to = toml::Value::from(to.map(|to| to.pid.as_str()).unwrap_or_default());
    Ok(format!("# The agency that is asked: its NAME, or 8 characters of its id or more.\nto = {to}{called}\n\n{form}"))
}

impl New {
    fn run(self, ctx: &Ctx) -> Done {
        let (Some(to), Some(out)) = (&self.to, &self.out) else {
            ctx.out.raw(complaints::TEMPLATE);
            return Ok(());
        };
        fail::free(out)?;
        let read = |dir| super::evidence::read(ctx.out, &[dir], &Keys::default(), &LookAlikes::default());
        let samples = self.from.as_deref().map(read).transpose()?;
        let parts = match (&samples, &self.campaign) {
            (Some(samples), Some(id)) => draft_of(&samples.scan, &samples.items, id).ok_or_else(|| {
                wrong(format!("the samples hold no campaign {id}"))
                    .hint("`lapwing evidence analyse DIR --campaigns` lists them.")
            })?,
            (Some(samples), None) => samples.parts.clone(),
            (None, _) => DraftParts::default(),
        };
        let kept: BTreeSet<&str> = parts.manifest.iter().map(|item| item.name.as_str()).collect();
        let mut text = draft::toml_of(to, &self.language, self.method, &parts)?;
        let batch =
            self.complaints.as_deref().map(|path| complaints::of_file(path, parts.manifest.len())).transpose()?;
        if let Some(batch) = &batch {
            text = text.replacen("#kind = \"request_enforcement\"", "kind = \"complaint_batch\"", 1);
            text += "\n# ---- L  the complaints of the batch, in an order that stays: outcomes name them by place\n";
            text += &complaints::toml_of(batch)?;
        }
        folder::create_dir(&out.join("evidence")).map_err(fail::file)?;
        let files = samples.iter().flat_map(|s| &s.scan.files).filter(|f| kept.contains(f.name.as_str()));
        for file in files {
            let to = out.join("evidence").join(&file.name);
            let content = std::fs::File::open(&file.path).map_err(|e| fail::io("open", &file.path, e))?;
            super::transfer::save(&to, content, |hashes| match hex::encode(&hashes.sha256) == file.sha256 {
                true => Ok(()),
                false => Err(wrong(format!("{} changed while it was read", one_line(&file.name)))),
            })?;
        }
        let path = out.join("referral.toml");
        folder::write_new(&path, text.as_bytes()).map_err(fail::file)?;
        let value = json!({
            "file": path, "messages": parts.messages, "items": parts.manifest.len(), "parties": parts.parties.len(),
            "campaigns": parts.groups, "left_out": parts.left_out, "complaints": batch.as_ref().map_or(0, Vec::len),
        });
        ctx.out.answer(&value, || {
            if samples.is_some() {
                super::evidence::summary(ctx.out, &parts);
                let several = parts.groups.iter().filter(|g| g.messages > 1).count();
                if several > 1 {
                    ctx.out.line(format!(
                        "\nnote: {several} campaigns of several messages are in this one draft; `--campaign ID` drafts one \
                         of them",
                    ));
                }
            }
            ctx.out.line(format!("\nnext: fill in {}, then: lapwing refer check {}", path.display(), path.display()));
        });
        Ok(())
    }
}

impl Submit {
    /// Beside the draft, the thread that it was or is being submitted in: so that a second run resumes the first.
    fn marker(&self) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(".thread");
        PathBuf::from(name)
    }

    fn run(self, ctx: &Ctx) -> Done {
        let draft: ReferralToml = read_toml(&self.file)?;
        let node = ctx.node()?;
        if let Some(thread) = self.submitted(&node)? {
            ctx.out.note("note: this draft has been submitted before; nothing is sent again");
            return self.finish(ctx, &node, json!({ "thread": thread, "again": true }), &thread);
        }
        let faults = check_items(ctx.out, &self.file, &draft.form);
        if !faults.is_empty() {
            let what = format!("the evidence beside {} has {} fault(s)", self.file.display(), faults.len());
            let hint = "The manifest in the file and the files in `evidence/` must be the same things: mend either.";
            return Err(Problem::new(Code::Invalid, what).hint(hint).faults(faults));
        }
        let checked: Checked = node.call(Op::ReferralCheck, &[], &draft.wanted())?;
        if !checked.ok {
            return Err(faulty(&self.file, checked.faults));
        }
        if !ctx.out.json {
            ctx.out.line(format!("harm to victims: {}", harm_words(&checked.harm)));
            super::legal::lines(&draft.to, checked.legal.as_ref()).iter().for_each(|line| ctx.out.line(line));
        }
        wait::until_interrupted("stopped; run it again to go on");
        let thread = self.upload_all(ctx, &node, &draft.form)?;
        let body = SubmitBody {
            to: Some(draft.to),
            form: Some(draft.form),
            ahead_because: self.ahead_because.clone(),
            give_up_days: draft.give_up_days,
        };
        let said: Said = node.call(Op::Submit, &[&thread], &body)?;
        let value = serde_json::to_value(&said).expect("plain data is JSON");
        if !ctx.out.json {
            ctx.out.line(format!("submitted: case {}", said.thread));
        }
        self.finish(ctx, &node, value, &said.thread)
    }

    /// The thread of an earlier run that got as far as submitting.
    fn submitted(&self, node: &Node) -> Result<Option<String>, Problem> {
        let Some(thread) = self.earlier() else { return Ok(None) };
        match node.read::<ReferralDetail>(Op::Referral, &[&thread], &Vec::new()) {
            Ok(detail) if detail.timeline.iter().any(|s| s.kind == Kind::Submit.code()) => Ok(Some(thread)),
            Ok(_) => Ok(None),
            Err(p) if p.code == Code::NotFound => Ok(None),
            Err(p) => Err(p),
        }
    }

    fn earlier(&self) -> Option<String> {
        let bytes = folder::read(&self.marker(), 256).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|t| !t.is_empty())
    }

    /// Uploads everything into the draft of an earlier run, or into a new one where the node has forgotten it.
    fn upload_all(&self, ctx: &Ctx, node: &Node, form: &Form) -> Result<String, Problem> {
        if let Some(thread) = self.earlier() {
            match self.upload(ctx, node, form, &thread) {
                Err(p) if p.code == Code::NotFound => {}
                done => return done.map(|()| thread),
            }
        }
        let opened: Draft = node.call(Op::Drafts, &[], &json!({}))?;
        folder::replace(&self.marker(), format!("{}\n", opened.thread).as_bytes()).map_err(fail::file)?;
        self.upload(ctx, node, form, &opened.thread)?;
        Ok(opened.thread)
    }

    fn upload(&self, ctx: &Ctx, node: &Node, form: &Form, thread: &str) -> Done {
        // of what is held back the node keeps the key until the target accepts; without a file it is announced only
        let there = |item: &&EvidenceItem| place(&self.file, item).is_some_and(|path| path.exists());
        let travels = || form.evidence.iter().flatten().filter(|item| !item.is_held_back() || there(item));
        let bar = bar(ctx.out, "uploading", travels().map(|item| item.size).sum());
        for item in travels() {
            let path = place(&self.file, item).ok_or_else(|| wrong(format!("`{}` is no name of a file", item.name)))?;
            bar.set_message(one_line(&item.name));
            let file = std::fs::File::open(&path).map_err(|e| fail::io("open", &path, e))?;
            let query = vec![
                ("name", item.name.clone()),
                ("media_type", item.media_type.clone()),
                ("sha256", hex::encode(&item.sha256.0)),
            ];
            let view: EvidenceView = node.upload(Op::EvidencePut, &[thread], &query, bar.wrap_read(file), item.size)?;
            if view.sha256 != hex::encode(&item.sha256.0) {
                return Err(wrong(format!("{}: what arrived at the node is not what was sent", one_line(&item.name))));
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits for the receipt, where that is wanted, and answers.
    fn finish(&self, ctx: &Ctx, node: &Node, mut value: Value, thread: &str) -> Done {
        if let Some(limit) = self.wait {
            wait::until_interrupted("stopped waiting; the node goes on delivering");
            let delivered = wait::poll(limit, || {
                let detail: ReferralDetail = node.read(Op::Referral, &[thread], &Vec::new())?;
                let submit = detail.timeline.into_iter().find(|s| s.kind == Kind::Submit.code());
                Ok(submit.filter(|s| s.delivery != "queued"))
            })?;
            let state = delivered.as_ref().map_or("queued", |s| s.delivery.as_str());
            value["delivery"] = json!(state);
            value["stored"] = json!(delivered.as_ref().and_then(|s| s.stored.clone()));
            let why = delivered.as_ref().and_then(|s| s.why.clone()).unwrap_or_default();
            if state != "stored" {
                let what = format!(
                    "the case {thread} is durable here, but {}",
                    match state {
                        "failed" => format!("its delivery was given up: {why}"),
                        _ => "no receipt has come yet; the node goes on trying".into(),
                    }
                );
                let hint = format!("`lapwing refer show {}` tells why it waits.", short(thread));
                return Err(Problem::new(Code::Unreachable, what).hint(hint));
            }
        }
        ctx.out.answer(&value, || match value["stored"].as_str() {
            Some(at) => ctx.out.line(format!("receipt: the other node has it on disk since {}", ctx.out.time(at))),
            None => ctx.out.line(format!("next: lapwing refer show {}", short(thread))),
        });
        Ok(())
    }
}

impl List {
    fn run(self, ctx: &Ctx) -> Done {
        let stuck = self.stuck.then(|| "true".to_owned());
        let overdue = self.overdue.then(|| "true".to_owned());
        let query = filters(&[
            ("stage", self.stage),
            ("with", self.with),
            ("role", self.role),
            ("stuck", stuck),
            ("assigned", self.assigned),
            ("overdue", overdue),
            ("order", self.order),
        ]);
        let list = ctx.node()?.list(Op::Referrals, &[], &query)?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |r: ReferralRow| {
            let harm = r.harm.map_or_else(|| "-".into(), |h| format!("{} {}", h.low, h.class));
            let side = if r.role == "target" { "from" } else { "to" };
            vec![
                short(&r.thread),
                format!("{side} {}", r.with.short_name),
                if r.overdue { format!("{} OVERDUE", r.stage) } else { r.stage },
                harm,
                r.tlp,
                r.subject.unwrap_or_else(|| match r.erased {
                    Some(_) => "(erased here)".into(),
                    None => "(content cannot be read)".into(),
                }),
                ctx.out.time(&r.changed),
                r.stuck.map(|s| stuck_words(ctx.out, &s)).unwrap_or_default(),
            ]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        ctx.out.table(&["case", "with", "stage", "harm", "TLP", "subject", "changed", "waits"], rows, "no referrals");
        Ok(())
    }
}

fn stuck_words(out: Out, stuck: &Stuck) -> String {
    match (&stuck.next, stuck.failed) {
        (_, true) => format!("GIVEN UP: {}", stuck.why),
        (Some(next), false) => format!("{} ({} waiting, next try {})", stuck.why, stuck.waiting, out.time(next)),
        (None, false) => format!("{} ({} waiting)", stuck.why, stuck.waiting),
    }
}

/// A statement's content in a line.
fn in_words(out: Out, kind: &str, body: &Value) -> String {
    let words = match Kind::from_code(kind) {
        _ if body.is_null() => Some("(cannot be read on this node)".to_owned()),
        Some(Kind::Submit) => Some("the pro forma".into()),
        Some(Kind::BlobGrant) => Some("keys of evidence".into()),
        Some(Kind::BlobRequest) => Some("asks for keys of evidence".into()),
        Some(Kind::Decide) => serde_json::from_value(body.clone())
            .ok()
            .map(|d: Decide| d.items.iter().map(|i| super::case::decision(out, i)).collect::<Vec<_>>().join("; ")),
        Some(Kind::Acknowledge) => serde_json::from_value(body.clone()).ok().map(|a: Acknowledge| {
            let by = a.decision_by.map(|ms| format!(", decides by {}", out.time_ms(ms))).unwrap_or_default();
            let note = a.note.map(|n| format!(", {n}")).unwrap_or_default();
            format!("{}, confidentiality {}{by}{note}", a.own_reference, a.assurance)
        }),
        _ => body.get("text").or(body.get("note")).map(|t| t.as_str().unwrap_or_default().to_owned()),
    };
    let words = words.unwrap_or_else(|| super::tree::lines(body).join("; "));
    words.chars().take(300).collect()
}

/// A whole case for people.
fn show(out: Out, detail: &ReferralDetail) {
    let row = &detail.row;
    let side = if row.role == "target" { "from" } else { "to" };
    out.pairs(&[
        ("case", row.thread.clone()),
        ("subject", row.subject.clone().unwrap_or_else(|| "(the content cannot be read on this node)".into())),
        (side, format!("{} ({}, {})", row.with.short_name, row.with.legal_name, row.with.country)),
        ("stage", row.stage.clone()),
        ("TLP", row.tlp.clone()),
        ("submitted", out.time(&row.submitted)),
        ("changed", out.time(&row.changed)),
        ("erased here", row.erased.as_ref().map(|at| out.time(at)).unwrap_or_default()),
        ("legal hold", if row.held { "stands: the case is not erased".into() } else { String::new() }),
        ("WAITS", row.stuck.as_ref().map(|s| stuck_words(out, s)).unwrap_or_default()),
    ]);
    if let (Some(harm), Some(table)) = (&row.harm, &detail.harm_table) {
        out.line("");
        harm_lines(harm, table).iter().for_each(|line| out.line(line));
    }
    if let Some(form) = &detail.form {
        out.line("\npro forma");
        let mut value = serde_json::to_value(form).unwrap_or_default();
        super::tree::prune(&mut value);
        if let Some(map) = value.as_object_mut() {
            map.retain(|key, _| key != "evidence" && key != "narrative");
        }
        for line in super::tree::lines(&value) {
            out.line(format!("  {line}"));
        }
        if let Some(narrative) = &form.narrative {
            out.line("  narrative:");
            out.line(quote(narrative));
        }
    }
    out.line("\ntimeline");
    let said = |s: &lapwing_api::types::StatementView| {
        let delivery = match (&s.stored, &s.why) {
            (Some(at), _) => format!("{} {}", s.delivery, out.time(at)),
            (None, Some(why)) => format!("{}: {why} ({} tries, next {})", s.delivery, s.tries, out.maybe_time(&s.next)),
            (None, None) => s.delivery.clone(),
        };
        vec![out.time(&s.at), s.from.clone(), s.kind.clone(), in_words(out, &s.kind, &s.body), delivery]
    };
    out.table(
        &["here since", "from", "says", "what", "delivery"],
        detail.timeline.iter().map(said).collect(),
        "nothing was said",
    );
    if !detail.decisions.is_empty() {
        out.line("\ndecisions");
        let rows = detail.decisions.iter().map(|(item, d)| vec![item.clone(), d.clone()]).collect();
        out.table(&["item", "decision"], rows, "");
    }
    life::show(out, &detail.life);
    out.line("\nevidence");
    evidence_table(out, &detail.evidence);
}

/// A table of evidence.
pub fn evidence_table(out: Out, evidence: &[EvidenceView]) {
    let row = |e: &EvidenceView| {
        let have = match e.of {
            0 => String::new(),
            of => format!("{}%", e.have.saturating_mul(100) / of),
        };
        vec![
            e.name.clone(),
            e.media_type.clone(),
            size(e.size),
            e.state.clone(),
            have,
            short(&e.blob),
            or_dash(&e.trouble),
        ]
    };
    let header = ["name", "type", "size", "state", "here", "id", "trouble"];
    out.table(&header, evidence.iter().map(row).collect(), "no evidence");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::id::Digest;

    fn item(name: &str) -> EvidenceItem {
        EvidenceItem::new(name, "text/plain", 1, Digest([0; 32]), Digest([0; 32]), CollectionMethod::Other)
    }

    #[test]
    fn a_name_in_a_manifest_never_leads_out_of_the_evidence_folder() {
        let file = Path::new("/case/referral.toml");
        assert_eq!(place(file, &item("a.eml")), Some(PathBuf::from("/case/evidence/a.eml")));
        for bad in ["../a", "/etc/passwd", "a/b", "..", "", "a\\b"] {
            assert_eq!(place(file, &item(bad)), None, "{bad}");
        }
    }

    #[test]
    fn changed_missing_and_doubled_items_are_all_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("evidence")).unwrap();
        std::fs::write(dir.path().join("evidence/a"), "x").unwrap();
        let form = Form { evidence: Some(vec![item("a"), item("b"), item("b"), item("../c")]), ..Form::default() };
        let out = Out { json: true, utc: true, verbose: 0 };
        let faults = check_items(out, &dir.path().join("referral.toml"), &form);
        let paths: Vec<&str> = faults.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            paths,
            ["evidence.0.sha256", "evidence.1.name", "evidence.2.name", "evidence.2.name", "evidence.3.name"]
        );
    }
}
