//! What officers approve: acknowledgements and decisions.

use super::tell;
use crate::cli::approve::{self, OfficerKeys};
use crate::cli::fail::{Done, wrong};
use crate::cli::out::{Out, one_line};
use crate::cli::{Ctx, ask, tree, vote, when};
use clap::Args;
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{ApprovalIn, Prepared, Saying};
use lapwing_record::cbor::encode;
use lapwing_record::identity::Act;
use lapwing_record::statement::{
    Acknowledge as AckBody, Assurance, Decide as DecideBody, Decision, Ground, ItemDecision,
};
use serde_json::{Value, json};

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
    /// Of `outside_competence`: an agency that may be competent.
    #[arg(long, value_name = "N=NAME", value_parser = note)]
    suggest: Vec<(u64, String)>,
    /// Of `duplicate_of`: the case or reference of the other referral.
    #[arg(long, value_name = "N=REF", value_parser = note)]
    duplicate_of: Vec<(u64, String)>,
    /// Of `resources_unavailable`: from when it may be asked again.
    #[arg(long, value_name = "N=DATE", value_parser = note)]
    retry_after: Vec<(u64, String)>,
    #[command(flatten)]
    keys: OfficerKeys,
}

fn item(text: &str) -> Result<ItemDecision, String> {
    let (number, said) = text.split_once('=').ok_or_else(|| format!("`{text}`: write N=DECISION, such as 0=accept"))?;
    let number = number.parse().map_err(|_| format!("`{number}` is no number of an item"))?;
    let (decision, more) = said.split_once(':').map_or((said, None), |(d, m)| (d, Some(m)));
    let decision: Decision = decision.parse()?;
    let mut item = ItemDecision::new(number, decision);
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
    let content = tree::lines(&in_words).join("\n            ");
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

impl Acknowledge {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
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
    fn body(&self, ctx: &Ctx) -> Result<DecideBody, Problem> {
        let mut items = self.item.clone();
        items.sort_by_key(|i| i.item);
        let of = |option: &str, number: u64| {
            let item = items.iter().position(|i| i.item == number);
            item.ok_or_else(|| wrong(format!("--{option} {number}: there is no --item {number}")))
        };
        let mut notes = Vec::new();
        for (number, text) in &self.note {
            notes.push((of("note", *number)?, text.clone()));
        }
        let mut suggested = Vec::new();
        for (number, name) in &self.suggest {
            suggested.push((of("suggest", *number)?, super::participant(ctx, name)?));
        }
        let mut duplicates = Vec::new();
        for (number, text) in &self.duplicate_of {
            duplicates.push((of("duplicate-of", *number)?, text.clone()));
        }
        let mut retries = Vec::new();
        for (number, text) in &self.retry_after {
            retries.push((of("retry-after", *number)?, when::point(text).map_err(wrong)?));
        }
        notes.into_iter().for_each(|(i, note)| items[i].note = Some(note));
        suggested.into_iter().for_each(|(i, pid)| items[i].suggested = Some(pid));
        duplicates.into_iter().for_each(|(i, of)| items[i].duplicate_of = Some(of));
        retries.into_iter().for_each(|(i, at)| items[i].retry_after = Some(at));
        let body = DecideBody { items };
        body.check().map_err(|f| wrong(f.to_string()))?;
        Ok(body)
    }

    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = self.body(ctx)?;
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
    let suggested = i.suggested.map(|pid| format!(", perhaps {pid}")).unwrap_or_default();
    let same = i.duplicate_of.as_ref().map(|of| format!(" of {}", one_line(of))).unwrap_or_default();
    let retry = i.retry_after.map(|ms| format!(", again from {}", out.time_ms(ms))).unwrap_or_default();
    format!("item {}: {}{ground}{same}{suggested}{retry}{until}{note}", i.item, i.decision)
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
}
