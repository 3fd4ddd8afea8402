//! What follows from everything that was said, for people.

use super::check::harm_words;
use crate::cli::out::{Out, or_dash};
use lapwing_api::types::{AssessmentView, ComplaintView, ConsentView, DueView, Life};

fn due(out: Out, due: &DueView) -> Vec<String> {
    let state = match (due.overdue, due.stopped) {
        (true, _) => "OVERDUE",
        (_, true) => "the clock stands still: the requester is asked",
        _ => "",
    };
    let later =
        if due.by == due.target { String::new() } else { format!("announced; target {}", out.time(&due.target)) };
    vec![due.what.clone(), out.time(&due.by), later, state.to_owned()]
}

fn consent(out: Out, c: &ConsentView) -> Vec<String> {
    let mut covers: Vec<String> =
        c.onward.iter().map(|pid| format!("onward to {}", crate::cli::out::short(pid))).collect();
    covers.extend(c.domestic.then(|| "agencies of the receiver's country".to_owned()));
    covers.extend(c.dissemination.then(|| "others, see the statement".to_owned()));
    covers.extend(c.judicial_use.then(|| "use before a court".to_owned()));
    covers.extend(c.conditional.then(|| "under conditions".to_owned()));
    vec![c.by.clone(), covers.join("; "), c.until.as_ref().map(|at| out.time(at)).unwrap_or_default()]
}

/// Both sides' assessments, factor by factor.
fn harm(out: Out, all: &[AssessmentView]) {
    let [first, second] = all else { return };
    out.line("\nharm, as each side sees it");
    let points = |a: &AssessmentView, i: usize| {
        a.table.factors.get(i).map_or_else(String::new, |f| match f.points_low == f.points_high {
            true => f.points_low.to_string(),
            false => format!("{} to {}", f.points_low, f.points_high),
        })
    };
    let mut rows: Vec<Vec<String>> = first
        .table
        .factors
        .iter()
        .enumerate()
        .map(|(i, f)| vec![f.factor.clone(), points(first, i), points(second, i)])
        .collect();
    rows.push(vec!["together".into(), harm_words(&first.harm), harm_words(&second.harm)]);
    out.table(&["factor", &first.by, &second.by], rows, "");
}

/// Shows what is due, harm side by side, transfers and releases.
pub fn show(out: Out, life: &Life) {
    if !life.due.is_empty() {
        out.line("\ndue");
        out.table(&["what", "by", "", ""], life.due.iter().map(|d| due(out, d)).collect(), "");
    }
    harm(out, &life.assessments);
    if !life.transfers.is_empty() {
        out.line("\ntransfers");
        let row = |t: &lapwing_api::types::TransferView| {
            let items: Vec<String> = t.items.iter().map(ToString::to_string).collect();
            vec![t.to.clone(), items.join(", "), t.state.clone(), t.thread.clone().unwrap_or_default()]
        };
        out.table(&["to", "items", "state", "case there"], life.transfers.iter().map(row).collect(), "");
    }
    if !life.complaints.is_empty() {
        out.line("\ncomplaints");
        let row = |c: &ComplaintView| {
            let outcome = match &c.merged_with {
                Some(with) => format!("{} {with}", c.outcome),
                None => c.outcome.clone(),
            };
            vec![c.complaint.to_string(), or_dash(&c.reference), outcome, or_dash(&c.note), out.time(&c.said)]
        };
        let header = ["n", "reference", "outcome", "note", "said"];
        out.table(&header, life.complaints.iter().map(row).collect(), "");
    }
    if !life.consents.is_empty() {
        out.line("\nreleased beyond the markings");
        out.table(&["by", "what", "until"], life.consents.iter().map(|c| consent(out, c)).collect(), "");
    }
    if life.form_history.len() > 1 {
        out.line(format!("\nthe pro forma stands in version {}; `--json` has its history", life.form_history.len()));
    }
}
