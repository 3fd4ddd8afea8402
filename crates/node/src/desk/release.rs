//! The one door by which anything of a case leaves this node: who reads it, which file is made of it, whom it goes to.
//!
//! The rules are `lapwing_engine::release`'s; here they meet the caller, the case and its content. What is refused is a
//! problem `not_released` whose faults name the rules, and a row of the audit trail that names them too.

use super::Desk;
use crate::office::now_ms;
use lapwing_api::ops::Role;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_engine::case::{Case, Consent, Told};
use lapwing_engine::release::{Exit, Marking, Part, Rule, check, originator};
use lapwing_record::form::Form;
use lapwing_record::id::Pid;
use lapwing_record::statement::{Body, Kind, Tlp};

/// What a caller who reads is to a marking.
pub(super) fn reader(call: &Call) -> Exit {
    match call.caller.as_ref().map(|c| c.role) {
        Some(Role::Officer) => Exit::Officer,
        _ => Exit::Staff,
    }
}

/// The refusal that names every rule.
pub(super) fn not_released(exit: Exit, rules: &[Rule]) -> Problem {
    let fault = |r: &Rule| FieldFault { path: r.field().into(), what: format!("{r}: {}", r.words()) };
    let what = match exit {
        Exit::Officer | Exit::Staff => "its marking keeps this from your role",
        Exit::File => "its marking lets no file be made of it",
        Exit::Court => "its marking does not let it be used before a court",
        Exit::Agency { .. } => "its marking does not let it be passed on to that agency",
        Exit::Outside => "its marking does not let it go outside the federation",
    };
    Problem::new(Code::NotReleased, what).faults(rules.iter().map(fault).collect())
}

/// Whether a statement may be shown, by what stands openly on it.
pub(super) fn shows(me: Pid, case: &Case, told: &Told, consents: &[Consent], exit: Exit) -> Result<(), Vec<Rule>> {
    let part = Part { by: originator(case, told), marking: Marking::of_tlp(told.open.handling) };
    check(me, [&part], consents, exit, now_ms())
}

/// What the originator of the other side consented to.
pub(super) fn consents(case: &Case, me: Pid) -> Vec<Consent> {
    case.consents(&case.peer(&me))
}

/// Leaves out of a pro forma the parties whose own marking keeps them from who would have it; how many.
pub(super) fn withhold_parties(form: &mut Form, me: Pid, by: Pid, consents: &[Consent], exit: Exit) -> usize {
    let Some(parties) = form.parties.as_mut() else { return 0 };
    let before = parties.len();
    parties.retain(|party| {
        let part = Part { by, marking: Marking::of_tlp(party.tlp.unwrap_or(Tlp::Clear)) };
        check(me, [&part], consents, exit, now_ms()).is_ok()
    });
    before - parties.len()
}

impl Desk {
    /// Whether a whole case may leave by `exit`: everything that anybody said in it.
    pub(super) fn release(&self, case: &Case, exit: Exit) -> Result<(), Problem> {
        self.release_what(case, exit, |_| true)
    }

    /// Whether so much of a case may leave by `exit`.
    pub(super) fn release_what(&self, case: &Case, exit: Exit, what: impl Fn(&Told) -> bool) -> Result<(), Problem> {
        let me = self.office.me;
        let mut parts = Vec::new();
        for told in case.asked.iter().chain(&case.answered).filter(|told| what(told)) {
            parts.extend(self.parts(case, told)?);
        }
        check(me, &parts, &consents(case, me), exit, now_ms()).map_err(|rules| not_released(exit, &rules))
    }

    /// The markings on a statement: that of the case when it was said, and that of its own content.
    pub(super) fn parts(&self, case: &Case, told: &Told) -> Result<Vec<Part>, Problem> {
        let under = Part { by: originator(case, told), marking: Marking::of_tlp(told.open.handling) };
        let own = self.own_marking(told)?.map(|marking| Part { by: told.open.from, marking });
        Ok([under].into_iter().chain(own).collect())
    }

    /// The marking that stands in a statement's content, where its kind has one.
    fn own_marking(&self, told: &Told) -> Result<Option<Marking>, Problem> {
        if !matches!(told.open.kind, Kind::Submit | Kind::Supplement | Kind::ResultInterim | Kind::ResultFinal) {
            return Ok(None);
        }
        let stmt = self.content(told)?;
        let body = Body::decode(stmt.kind, &stmt.body).map_err(|e| super::internal("reading a statement", e))?;
        Ok(match body {
            Body::Submit(form) => Some(Marking::of_form(&form, Tlp::Clear)),
            Body::Supplement(more) => more.form.map(|form| Marking::of_form(&form, Tlp::Clear)),
            Body::ResultInterim(result) | Body::ResultFinal(result) => {
                Some(Marking::of_limits(&result.limits, Tlp::Clear))
            }
            _ => None,
        })
    }
}
