//! `refer check`: every fault by field, and what the harm score is made of.

use super::{ReferralToml, place};
use crate::cli::Ctx;
use crate::cli::fail;
use crate::cli::legal;
use crate::cli::out::{Out, one_line};
use crate::cli::profile::read_toml;
use crate::cli::table as columns;
use crate::cli::transfer::hash_file;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::types::{Checked, HarmRow, HarmTable, HarmView};
use lapwing_record::charter::Params;
use lapwing_record::form::Form;
use lapwing_record::form::check::{check, may_follow};
use std::path::Path;
use std::process::ExitCode;

/// Every fault of the items: missing, changed, twice, or of a name that is no file's.
pub fn check_items(out: Out, file: &Path, form: &Form) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (i, item) in form.evidence.iter().flatten().enumerate() {
        let mut fault = |field: &str, what: String| {
            faults.push(FieldFault { path: format!("evidence.{i}.{field}"), what });
        };
        if !seen.insert(&item.name) {
            fault("name", format!("`{}` is listed twice", item.name));
        }
        let Some(path) = place(file, item) else {
            fault("name", format!("`{}` is no name of a file", item.name));
            continue;
        };
        match hash_file(out, &path) {
            Err(problem) => fault("name", problem.detail),
            Ok(found) if found.sha256 != item.sha256.0 || found.blake3 != item.blake3.0 || found.len != item.size => {
                fault(
                    "sha256",
                    format!("{} is not the file that the manifest names: its content differs", path.display()),
                );
            }
            Ok(_) => {}
        }
    }
    faults
}

fn local_check(form: &Form) -> Checked {
    let weights = Params::default().harm_weights;
    let faults: Vec<FieldFault> = check(form).into_iter().map(|f| FieldFault { path: f.path, what: f.what }).collect();
    Checked {
        ok: faults.is_empty(),
        faults,
        harm: HarmView::of(form, &weights),
        harm_table: HarmTable::of(form, &weights),
        may_follow: may_follow(form).into_iter().map(str::to_owned).collect(),
        legal: None,
    }
}

/// The harm score in a few words.
pub fn harm_words(harm: &HarmView) -> String {
    match harm.low == harm.high {
        true => format!("{} ({})", harm.low, harm.class),
        false => format!(
            "{} ({}), up to {} ({}) depending on what is unknown",
            harm.low, harm.class, harm.high, harm.could_be
        ),
    }
}

/// The factors of a score in a table, what could still change it, and where the income is from.
pub fn harm_lines(harm: &HarmView, table: &HarmTable) -> Vec<String> {
    let span = |low: u64, high: u64| if low == high { low.to_string() } else { format!("{low} to {high}") };
    let row = |f: &HarmRow| {
        vec![
            f.factor.clone(),
            f.given.as_deref().map_or_else(|| "not known".into(), one_line),
            format!("{} of {}", span(f.band_low, f.band_high), f.top),
            format!("{} of {}", span(f.points_low, f.points_high), f.weight),
            f.basis.clone().unwrap_or_else(|| "-".into()),
        ]
    };
    let rows: Vec<Vec<String>> = table.factors.iter().map(row).collect();
    let mut lines = vec![format!("harm to victims: {}", harm_words(harm))];
    lines.extend(columns::lines(&["factor", "given", "band", "points", "basis"], &rows, columns::terminal()));
    lines.extend(table.could_be_if.clone());
    lines.extend(table.income.as_ref().map(|i| match (i.dollars_a_year, i.year) {
        (Some(dollars), Some(year)) => {
            format!("income per head in {}: {dollars} USD in {year}; table {}: {}", i.country, i.table, i.source)
        }
        _ => format!("no income per head of {} in table {}: {}", i.country, i.table, i.source),
    }));
    lines
}

/// Checks a draft. Where it has faults, programs get the problem with the harm beside it.
pub fn check_draft(ctx: &Ctx, file: &Path) -> Result<ExitCode, Problem> {
    let draft: ReferralToml = read_toml(file)?;
    let mut checked = match ctx.node().and_then(|node| node.call::<Checked>(Op::ReferralCheck, &[], &draft.wanted())) {
        Ok(checked) => checked,
        Err(problem) if problem.code == Code::Unreachable => {
            ctx.out.note("note: the node does not answer; checked here, harm by the default weights");
            local_check(&draft.form)
        }
        Err(problem) => return Err(problem),
    };
    checked.faults.extend(check_items(ctx.out, file, &draft.form));
    checked.ok = checked.faults.is_empty();
    let mut lines = harm_lines(&checked.harm, &checked.harm_table);
    lines.extend(legal::lines(&draft.to, checked.legal.as_ref()));
    if !checked.may_follow.is_empty() {
        lines.push(format!("empty, may follow as a supplement: {}", checked.may_follow.join(", ")));
    }
    if checked.ok {
        ctx.out.answer(&checked, || {
            lines.iter().for_each(|line| ctx.out.line(line));
            ctx.out.line(format!("no faults; next: lapwing refer submit {}", file.display()));
        });
        return Ok(ExitCode::SUCCESS);
    }
    let problem = faulty(file, checked.faults);
    if !ctx.out.json {
        lines.iter().for_each(|line| ctx.out.note(line));
        return Err(problem);
    }
    let mut value = serde_json::to_value(&problem).expect("plain data is JSON");
    value["harm"] = serde_json::to_value(&checked.harm).expect("plain data is JSON");
    value["harm_table"] = serde_json::to_value(&checked.harm_table).expect("plain data is JSON");
    value["legal"] = serde_json::to_value(&checked.legal).expect("plain data is JSON");
    value["may_follow"] = serde_json::to_value(&checked.may_follow).expect("plain data is JSON");
    ctx.out.value(&value);
    Ok(fail::exit_code(&problem))
}

/// A draft that cannot be submitted.
pub fn faulty(file: &Path, faults: Vec<FieldFault>) -> Problem {
    let what = format!("{} has {} fault(s)", file.display(), faults.len());
    let hint = format!("Mend each in the file, then: lapwing refer check {}", file.display());
    Problem::new(Code::Invalid, what).hint(hint).faults(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_record::form::{sample, whole};

    #[test]
    fn a_check_shows_each_factor_what_it_rests_on_and_what_could_change_it() {
        let checked = local_check(&sample());
        let text = harm_lines(&checked.harm, &checked.harm_table).join("\n");
        for words in [
            "harm to victims: 19 (limited), up to 79 (critical)",
            "victims",
            "band 2",
            "2 of 5",
            "10 of 25",
            "counted_complaints",
            "0 to 5 of 5",
            "could be critical",
            "the financial loss",
        ] {
            assert!(text.contains(words), "`{words}` missing in\n{text}");
        }
        let checked = local_check(&whole());
        let text = harm_lines(&checked.harm, &checked.harm_table).join("\n");
        assert!(text.contains("income per head in KE: 1817 USD in 2019; table 1: Natural Earth"), "{text}");
        assert!(checked.ok && checked.may_follow.is_empty() && !text.contains("could be"));
    }
}
