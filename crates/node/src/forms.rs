//! The pro forma of a case through time: the submit, and each supplement that changed it (docs/protocol.md §6.1).

use crate::office::Office;
use crate::post::{self, PostError};
use lapwing_engine::case::{Case, Detail, Told};
use lapwing_record::cbor::decode;
use lapwing_record::form::{Form, check};
use lapwing_record::seal::MAX_PLAIN;
use lapwing_record::statement::{Kind, SignedStmt, Stmt, Supplement};

/// One version: the statement that made it, and the fields that it stated.
pub struct Version<'a> {
    /// The statement.
    pub told: &'a Told,
    /// What it stated.
    pub stated: Form,
}

/// A statement as it was signed, by either side.
pub fn signed(office: &Office, told: &Told) -> Result<SignedStmt, PostError> {
    let (thread, id) = (&told.open.thread, &told.open.id);
    match told.open.from == office.me {
        true => post::own_signed(office, thread, id),
        false => post::their_signed(office, thread, id),
    }
}

fn content(office: &Office, told: &Told) -> Result<Stmt, PostError> {
    Ok(decode(&signed(office, told)?.sign1.payload, MAX_PLAIN)?)
}

/// Every version, oldest first. Statements that were refused made none.
pub fn versions<'a>(office: &Office, case: &'a Case) -> Result<Vec<Version<'a>>, PostError> {
    let mut all = Vec::new();
    for told in case.asked.iter().filter(|t| t.refused.is_none()) {
        match (told.open.kind, &told.open.detail) {
            (Kind::Submit, _) => {
                let stated = Form::decode(&content(office, told)?.body)?;
                all.push(Version { told, stated });
            }
            (Kind::Supplement, Some(Detail::Form(_))) => {
                let body: Supplement = decode(&content(office, told)?.body, MAX_PLAIN)?;
                all.extend(body.form.map(|stated| Version { told, stated }));
            }
            _ => {}
        }
    }
    Ok(all)
}

/// The form as it stands with these versions; none without a submit.
pub fn current(versions: &[Version<'_>]) -> Option<Form> {
    let (first, later) = versions.split_first()?;
    Some(later.iter().fold(first.stated.clone(), |form, version| form.supplemented(&version.stated)))
}

/// What is wrong with a supplement that came in: the form that it would make has faults. None where it changes no form,
/// or the form before cannot be read here.
pub fn unfit(office: &Office, stmt: &Stmt) -> Option<String> {
    if stmt.kind != Kind::Supplement {
        return None;
    }
    let change = decode::<Supplement>(&stmt.body, MAX_PLAIN).ok()?.form?;
    let view = office.view();
    let before = current(&versions(office, view.state.case(&stmt.thread)?).ok()?)?;
    let faults = check::check(&before.supplemented(&change));
    let words: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
    (!words.is_empty()).then(|| format!("the pro forma would have {} fault(s): {}", faults.len(), words.join("; ")))
}
