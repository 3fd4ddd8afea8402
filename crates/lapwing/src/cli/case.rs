//! `lapwing case`: what is said in a case after the referral, and its evidence.

use super::Ctx;
use super::approve::{self, OfficerKeys};
use super::ask;
use super::erasure;
use super::fail::{Done, wrong};
use super::node::{Node, typed};
use super::out::{Out, one_line, size};
use super::refer::evidence_table;
use super::transfer::{bar, save};
use super::vote::{self, seconds};
use super::wait;
use super::{hex, when};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{ApprovalIn, EvidenceView, Prepared, ReferralDetail, Said, Saying};
use lapwing_record::cbor::encode;
use lapwing_record::identity::Act;
use lapwing_record::statement::{
    Acknowledge as AckBody, Assurance, Decide as DecideBody, Decision, Ground, ItemDecision,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What is said in a case after the referral; its evidence; its export.
#[derive(Debug, Subcommand)]
pub enum Case {
    /// Says that a person has seen the referral: own reference, when it will be decided, confidentiality.
    #[command(after_help = "Examples:
  lapwing case acknowledge 4k3mzx7q --reference PO-2026-9 --officer-key officer-1.key
  lapwing case acknowledge 4k3mzx7q --reference PO-9 --decide-by 14d --assurance assured --officer-key officer-1.key")]
    Acknowledge(Acknowledge),
    /// Asks the requester; its clock stops meanwhile.
    #[command(after_help = "Examples:\n  lapwing case ask 4k3mzx7q 'Which of the numbers received the messages?'")]
    Ask {
        /// The case.
        thread: String,
        /// The questions.
        text: String,
    },
    /// Answers the target, or adds to the referral.
    #[command(after_help = "Examples:\n  lapwing case answer 4k3mzx7q 'The first three.'")]
    Answer {
        /// The case.
        thread: String,
        /// The answer.
        text: String,
    },
    /// Decides on assistance items, each on its own.
    #[command(after_help = "Examples:
  lapwing case decide 4k3mzx7q --item 0=accept --officer-key officer-1.key
  lapwing case decide 4k3mzx7q --item 0=accept_in_part --note '0=the registrant only' \\
      --item 1=refuse:outside_competence --item 2=defer:2027-01-31 --officer-key officer-1.key

Decisions: accept, accept_in_part, accept_with_conditions (both with a note), refuse:GROUND, defer:DATE.")]
    Decide(Decide),
    /// Takes the referral back. Always succeeds.
    #[command(after_help = "Examples:\n  lapwing case withdraw 4k3mzx7q --note 'settled'")]
    Withdraw {
        /// The case.
        thread: String,
        /// Why; not owed.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Closes the case.
    #[command(after_help = "Examples:\n  lapwing case close 4k3mzx7q --note 'thank you'")]
    Close {
        /// The case.
        thread: String,
        /// A last word.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    #[command(subcommand)]
    Evidence(Evidence),
    /// Writes the whole case as one bundle that `lapwing verify` checks anywhere, offline.
    #[command(after_help = "Examples:\n  lapwing case export 4k3mzx7q -o case-7.bundle")]
    Export {
        /// The case.
        thread: String,
        /// Where to write it.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Erases the content of a case on this node for good: destroys its key. Ids, hashes and receipts stay.
    ///
    /// The other side keeps what it has. A legal hold (`lapwing case hold`) wins over erasure.
    #[command(after_help = "Examples:\n  lapwing case erase 4k3mzx7q\n  lapwing case erase 4k3mzx7q --yes")]
    Erase {
        /// The case.
        thread: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Begins a legal hold on a case, or ends it: while it stands the case is not erased.
    #[command(after_help = "Examples:\n  lapwing case hold 4k3mzx7q\n  lapwing case hold 4k3mzx7q --end")]
    Hold {
        /// The case.
        thread: String,
        /// End it.
        #[arg(long)]
        end: bool,
    },
}

/// An acknowledgement.
#[derive(Debug, Args)]
pub struct Acknowledge {
    /// The case.
    thread: String,
    /// This agency's own reference.
    #[arg(long, value_name = "REF")]
    reference: String,
    /// When it expects to decide: a date, or a duration from now.
    #[arg(long, value_name = "DATE", value_parser = when::point)]
    decide_by: Option<u64>,
    /// Whether the urgency is taken as stated.
    #[arg(long, value_name = "BOOL")]
    urgency_accepted: Option<bool>,
    /// Confidentiality: assured, assured_subject_to, not_possible or not_requested.
    #[arg(long, default_value = "not_requested")]
    assurance: Assurance,
    /// The law that limits confidentiality, or a note.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    keys: OfficerKeys,
}

/// Decisions.
#[derive(Debug, Args)]
pub struct Decide {
    /// The case.
    thread: String,
    /// An item, from 0, and what is decided on it.
    #[arg(long, value_name = "N=DECISION", required = true, value_parser = item)]
    item: Vec<ItemDecision>,
    /// What a decision needs to be understood: conditions, the part accepted.
    #[arg(long, value_name = "N=TEXT", value_parser = note)]
    note: Vec<(u64, String)>,
    #[command(flatten)]
    keys: OfficerKeys,
}

/// The evidence of a case.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Lists the items and how much of each is here.
    #[command(after_help = "Examples:\n  lapwing case evidence list 4k3mzx7q")]
    List {
        /// The case.
        thread: String,
    },
    /// Fetches items from the other node; goes on where an earlier transfer stopped.
    #[command(after_help = "Examples:
  lapwing case evidence fetch 4k3mzx7q
  lapwing case evidence fetch 4k3mzx7q sample-1.eml --wait 2h")]
    Fetch {
        /// The case.
        thread: String,
        /// The item's name or id; all of them where none is given.
        item: Option<String>,
        /// How long to wait for them; 0 only starts the transfer.
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = seconds)]
        wait: Duration,
    },
    /// Writes an item that is here to a new file, after comparing it with the hashes that the requester signed.
    #[command(after_help = "Examples:\n  lapwing case evidence get 4k3mzx7q sample-1.eml -o sample-1.eml")]
    Get {
        /// The case.
        thread: String,
        /// The item's name or id.
        item: String,
        /// Where to write it.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
}

fn item(text: &str) -> Result<ItemDecision, String> {
    let (number, said) = text.split_once('=').ok_or_else(|| format!("`{text}`: write N=DECISION, such as 0=accept"))?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number of an item"))?;
    let (decision, more) = said.split_once(':').map_or((said, None), |(d, m)| (d, Some(m)));
    let decision: Decision = decision.parse()?;
    let mut item = ItemDecision { item: number, decision, ground: None, until: None, note: None };
    match (decision, more) {
        (Decision::Refuse, Some(ground)) => item.ground = Some(ground.parse::<Ground>()?),
        (Decision::Refuse, None) => return Err("a refusal names its ground: N=refuse:GROUND".into()),
        (Decision::Defer, Some(date)) => item.until = Some(when::point(date)?),
        (Decision::Defer, None) => return Err("a deferral names its date: N=defer:DATE".into()),
        (_, None) => {}
        (_, Some(more)) => {
            return Err(format!("`{more}`: only a refusal or a deferral has more to say here; use --note"));
        }
    }
    Ok(item)
}

fn note(text: &str) -> Result<(u64, String), String> {
    let (number, said) = text.split_once('=').ok_or_else(|| format!("`{text}`: write N=TEXT"))?;
    Ok((number.parse().map_err(|_| format!("`{number}` is no number of an item"))?, said.to_owned()))
}

/// Says something that needs no officer.
fn say(ctx: &Ctx, thread: &str, saying: &Saying, words: &str) -> Done {
    let value: Value = ctx.node()?.call(Op::Say, &[thread], saying)?;
    tell(ctx, &value, words);
    Ok(())
}

fn tell(ctx: &Ctx, value: &Value, words: &str) {
    ctx.out.answer(value, || {
        let id = typed::<Said>(value).map(|s| s.id).unwrap_or_default();
        ctx.out.line(format!("{words}: statement {id}, durable here and on its way"));
    });
}

/// Prepares, rebuilds, shows, asks, signs, says.
fn say_approved(
    ctx: &Ctx,
    thread: &str,
    act: Act,
    (body, in_words): (Vec<u8>, Value),
    keys: &OfficerKeys,
    saying: impl Fn(Vec<ApprovalIn>) -> Saying,
) -> Result<Value, Problem> {
    let node = ctx.node()?;
    let officers = vote::officers(&node, keys)?;
    let prepared: Prepared = node.call(Op::Prepare, &[thread], &saying(Vec::new()))?;
    let rebuilt = approve::rebuild_statement(&prepared, act, thread, &body)?;
    rebuilt.is_ours(vote::own(&node))?;
    let statement = rebuilt.words(|pid| vote::name_of(&node, pid));
    let content = super::tree::lines(&in_words).join("\n            ");
    ctx.out.note(format!("This is what you sign:\n\n{statement}\ncontent     {content}\n"));
    if keys.officer_key.len() < prepared.needed {
        let what =
            format!("{} officers must approve `{act}`, {} keys are given", prepared.needed, keys.officer_key.len());
        return Err(wrong(what).hint("Give `--officer-key` once for each officer."));
    }
    ask::go_on(keys.yes, "Sign it?")?;
    let mut approvals: Vec<ApprovalIn> = officers.iter().map(|officer| rebuilt.sign(officer)).collect();
    approvals.sort_by(|a, b| a.kid.cmp(&b.kid));
    node.call(Op::Say, &[&prepared.thread], &saying(approvals))
}

impl Case {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Case::Acknowledge(a) => a.run(ctx),
            Case::Decide(d) => d.run(ctx),
            Case::Ask { thread, text } => say(ctx, &thread, &Saying::NeedInfo { text }, "asked"),
            Case::Answer { thread, text } => say(ctx, &thread, &Saying::Supplement { text }, "answered"),
            Case::Withdraw { thread, note } => say(ctx, &thread, &Saying::Withdraw { note }, "withdrawn"),
            Case::Close { thread, note } => say(ctx, &thread, &Saying::Close { note }, "closed"),
            Case::Evidence(e) => e.run(ctx),
            Case::Export { thread, out } => export(ctx, &thread, &out),
            Case::Erase { thread, yes } => erasure::erase(ctx, &thread, yes),
            Case::Hold { thread, end } => erasure::hold(ctx, &thread, end),
        }
    }
}

impl Acknowledge {
    fn run(self, ctx: &Ctx) -> Done {
        let body = AckBody {
            own_reference: self.reference,
            decision_by: self.decide_by,
            urgency_accepted: self.urgency_accepted,
            assurance: self.assurance,
            note: self.note,
        };
        let in_words = json!({
            "own reference": body.own_reference,
            "decision by": body.decision_by.map(|ms| ctx.out.time_ms(ms)),
            "urgency accepted": body.urgency_accepted,
            "confidentiality": body.assurance,
            "note": body.note,
        });
        let saying = |approvals| Saying::Acknowledge { body: body.clone(), approvals };
        let content = (encode(&body), in_words);
        let value = say_approved(ctx, &self.thread, Act::Acknowledge, content, &self.keys, saying)?;
        tell(ctx, &value, "acknowledged");
        Ok(())
    }
}

impl Decide {
    fn body(&self) -> Result<DecideBody, Problem> {
        let mut items = self.item.clone();
        items.sort_by_key(|i| i.item);
        for (number, text) in &self.note {
            let item = items.iter_mut().find(|i| i.item == *number);
            item.ok_or_else(|| wrong(format!("--note {number}: there is no --item {number}")))?.note =
                Some(text.clone());
        }
        let body = DecideBody { items };
        body.check().map_err(|f| wrong(f.to_string()))?;
        Ok(body)
    }

    fn run(self, ctx: &Ctx) -> Done {
        let body = self.body()?;
        let in_words = json!({ "decisions": body.items.iter().map(|i| decision(ctx.out, i)).collect::<Vec<_>>() });
        let saying = |approvals| Saying::Decide { body: body.clone(), approvals };
        let content = (encode(&body), in_words);
        let value = say_approved(ctx, &self.thread, Act::Decide, content, &self.keys, saying)?;
        tell(ctx, &value, "decided");
        Ok(())
    }
}

/// A decision in a line.
pub fn decision(out: Out, i: &ItemDecision) -> String {
    let ground = i.ground.map(|g| format!(": {g}")).unwrap_or_default();
    let until = i.until.map(|ms| format!(" until {}", out.time_ms(ms))).unwrap_or_default();
    let note = i.note.as_ref().map(|n| format!(" ({})", one_line(n))).unwrap_or_default();
    format!("item {}: {}{ground}{until}{note}", i.item, i.decision)
}

fn detail(node: &Node, thread: &str) -> Result<ReferralDetail, Problem> {
    node.read(Op::Referral, &[thread], &Vec::new())
}

/// One item by its name or the beginning of its id.
fn find<'a>(evidence: &'a [EvidenceView], text: &str) -> Result<&'a EvidenceView, Problem> {
    let by_id = |e: &&EvidenceView| text.len() >= 8 && e.blob.starts_with(text);
    let found: Vec<&EvidenceView> = match evidence.iter().filter(|e| e.name == text).collect::<Vec<_>>() {
        by_name if !by_name.is_empty() => by_name,
        _ => evidence.iter().filter(by_id).collect(),
    };
    match found[..] {
        [one] => Ok(one),
        [] => Err(Problem::new(Code::NotFound, format!("no item of evidence goes by `{}`", one_line(text)))
            .hint("`lapwing case evidence list THREAD` shows names and ids.")),
        _ => Err(Problem::new(Code::Ambiguous, format!("several items go by `{}`; give the id", one_line(text)))),
    }
}

impl Evidence {
    fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Evidence::List { thread } => {
                let detail = detail(&node, &thread)?;
                ctx.out.answer(&detail.evidence, || evidence_table(ctx.out, &detail.evidence));
                Ok(())
            }
            Evidence::Fetch { thread, item, wait } => fetch(ctx, &node, &thread, item.as_deref(), wait),
            Evidence::Get { thread, item, out } => {
                let detail = detail(&node, &thread)?;
                let view = find(&detail.evidence, &item)?;
                let (content, len) = node.download(Op::EvidenceGet, &[&detail.row.thread, &view.blob], &Vec::new())?;
                let bar = bar(ctx.out, &view.name, len.unwrap_or(view.size));
                save(&out, bar.wrap_read(content), |found| {
                    let same = hex::encode(&found.sha256) == view.sha256 && hex::encode(&found.blake3) == view.blake3;
                    match same {
                        true => Ok(()),
                        false => Err(Problem::new(
                            Code::Internal,
                            format!(
                                "{}: the content is not the one that was signed; nothing was written",
                                one_line(&view.name)
                            ),
                        )),
                    }
                })?;
                bar.finish_and_clear();
                let value = json!({ "file": out, "item": view });
                ctx.out.answer(&value, || ctx.out.line(format!("{} ({}), as signed", out.display(), size(view.size))));
                Ok(())
            }
        }
    }
}

fn fetch(ctx: &Ctx, node: &Node, thread: &str, item: Option<&str>, limit: Duration) -> Done {
    let before = detail(node, thread)?;
    let thread = before.row.thread.clone();
    let wanted: Vec<String> = match item {
        Some(text) => vec![find(&before.evidence, text)?.blob.clone()],
        None => before.evidence.iter().map(|e| e.blob.clone()).collect(),
    };
    let missing = |e: &&EvidenceView| wanted.contains(&e.blob) && e.state != "here";
    for view in before.evidence.iter().filter(missing) {
        let _: Value = node.call(Op::EvidenceFetch, &[&thread, &view.blob], &json!({}))?;
    }
    let total = before.evidence.iter().filter(|e| wanted.contains(&e.blob)).map(|e| e.of).sum();
    let bar = bar(ctx.out, "fetching", total);
    wait::until_interrupted("stopped waiting; the node goes on fetching");
    let mut last = before;
    let done = match limit.is_zero() {
        true => false,
        false => wait::poll(limit, || {
            last = detail(node, &thread)?;
            let ours = last.evidence.iter().filter(|e| wanted.contains(&e.blob));
            bar.set_position(ours.map(|e| e.have).sum());
            Ok(last.evidence.iter().find(missing).is_none().then_some(()))
        })?
        .is_some(),
    };
    bar.finish_and_clear();
    let items: Vec<&EvidenceView> = last.evidence.iter().filter(|e| wanted.contains(&e.blob)).collect();
    if !done && !limit.is_zero() {
        let trouble = items.iter().find_map(|e| e.trouble.clone());
        let why = trouble.map(|t| format!(": {t}")).unwrap_or_default();
        return Err(Problem::new(Code::Unreachable, format!("not everything has come yet{why}"))
            .hint("The node goes on by itself; the same command waits again."));
    }
    ctx.out.answer(&items, || {
        let items: Vec<EvidenceView> = items.iter().map(|e| (*e).clone()).collect();
        evidence_table(ctx.out, &items);
    });
    Ok(())
}

fn export(ctx: &Ctx, thread: &str, out: &std::path::Path) -> Done {
    let (content, len) = ctx.node()?.download(Op::Export, &[thread], &Vec::new())?;
    let bar = bar(ctx.out, "exporting", len.unwrap_or(0));
    let complete = |found: &super::transfer::Hashes| match len {
        Some(len) if len != found.len => {
            Err(Problem::new(Code::Unreachable, "the bundle was cut short; nothing was written"))
        }
        _ => Ok(()),
    };
    let found = save(out, bar.wrap_read(content), complete)?;
    bar.finish_and_clear();
    let value = json!({ "file": out, "bytes": found.len, "blake3": hex::encode(&found.blake3), "sha256": hex::encode(&found.sha256) });
    ctx.out.answer(&value, || {
        ctx.out.line(format!(
            "{} ({}); check it anywhere: lapwing verify {}",
            out.display(),
            size(found.len),
            out.display()
        ));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decisions_are_read_with_what_they_need() {
        let refuse = item("1=refuse:outside_competence").unwrap();
        assert_eq!((refuse.item, refuse.ground), (1, Some(Ground::OutsideCompetence)));
        assert!(item("2=defer:2027-01-31").unwrap().until.is_some());
        for bad in ["accept", "x=accept", "0=maybe", "0=refuse", "0=refuse:because", "0=defer", "0=accept:now"] {
            assert!(item(bad).is_err(), "{bad}");
        }
        assert_eq!(note("0=a=b"), Ok((0, "a=b".into())));
    }

    #[test]
    fn an_item_of_evidence_is_found_by_its_name_or_id_but_never_guessed() {
        let view = |name: &str, blob: &str| -> EvidenceView {
            serde_json::from_value(json!({
                "name": name, "media_type": "", "size": 0, "sha256": "", "blake3": "", "blob": blob, "state": "here",
                "have": 0, "of": 0, "fetched": 0, "trouble": null,
            }))
            .unwrap()
        };
        let all = [
            view("a", "aaaaaaaaaaaa"),
            view("b", "aaaaaaaabbbb"),
            view("c", "cccccccccccc"),
            view("c", "dddddddddddd"),
        ];
        assert_eq!(find(&all, "a").unwrap().blob, "aaaaaaaaaaaa");
        assert_eq!(find(&all, "aaaaaaaab").unwrap().name, "b");
        assert_eq!(find(&all, "aaaaaaaa").unwrap_err().code, Code::Ambiguous);
        assert_eq!(find(&all, "c").unwrap_err().code, Code::Ambiguous);
        assert_eq!(find(&all, "ccc").unwrap_err().code, Code::NotFound);
    }
}
