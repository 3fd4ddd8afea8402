//! Cases: the list, and one of them whole.

use super::drafts::vault_problem;
use super::internal::{assigned, is_assigned};
use super::life::{inbox_order, is_overdue};
use super::names::{self, id_only, name_of};
use super::paging::page;
use super::release::{consents, not_released, reader, shows, withhold_parties};
use super::time::rfc3339;
use super::{Answer, Desk, filter, flag, internal, json, parsed, path};
use crate::forms;
use crate::office::now_ms;
use crate::post::PostError;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{HarmTable, HarmView, ReferralDetail, ReferralRow, StatementView, Stuck};
use lapwing_engine::case::{Case, Consent, Delivery, Stage, Told};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::cbor::decode;
use lapwing_record::form::Form;
use lapwing_record::id::{Digest, Pid};
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{BlobRef, Body, Receipt, SignedStmt, Stmt};
use std::sync::Arc;

/// Our part in a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Requester,
    Target,
}

impl Part {
    fn of(case: &Case, me: &Pid) -> Self {
        if case.requester == *me { Part::Requester } else { Part::Target }
    }

    fn as_str(self) -> &'static str {
        match self {
            Part::Requester => "requester",
            Part::Target => "target",
        }
    }
}

impl std::str::FromStr for Part {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Part::Requester, Part::Target].into_iter().find(|p| p.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not one of: requester, target"))
    }
}

/// How a list is ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Changed,
    Harm,
}

impl std::str::FromStr for Order {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "changed" => Ok(Order::Changed),
            "harm" => Ok(Order::Harm),
            _ => Err(format!("`{text}` is not one of: changed, harm")),
        }
    }
}

impl Desk {
    pub(super) fn referrals(&self, call: &Call) -> Answer {
        let view = self.view();
        let (state, now) = (&view.state, now_ms());
        let stage = filter(call, "stage").map(stage).transpose()?;
        let with = filter(call, "with").map(|name| names::participant(state, name)).transpose()?;
        let role: Option<Part> = parsed(call, "role")?;
        let stuck_only = flag(call, "stuck")?;
        let by = filter(call, "assigned");
        let overdue_only = flag(call, "overdue")?;
        let order: Order = parsed(call, "order")?.unwrap_or(Order::Changed);
        let chosen = state.cases.values().filter(|case| {
            stage.is_none_or(|s| s == case.stage())
                && with.is_none_or(|w| w == case.peer(&state.me))
                && role.is_none_or(|r| r == Part::of(case, &state.me))
                && by.is_none_or(|by| is_assigned(state, &case.thread, by, now))
                && stuck_only.is_none_or(|s| s == stuck(case, &state.me).is_some())
                && overdue_only.is_none_or(|o| o == is_overdue(state, case, now))
        });
        let keys: Vec<(String, Arc<Case>)> = match order {
            // newest change first
            Order::Changed => {
                chosen.map(|c| (format!("{:020} {}", u64::MAX - c.changed, c.thread), c.clone())).collect()
            }
            Order::Harm => {
                let scored = chosen.map(|c| (c.clone(), self.score(state, c)));
                let ordered = inbox_order(scored.collect(), now);
                ordered.into_iter().enumerate().map(|(i, c)| (format!("{i:020}"), c)).collect()
            }
        };
        let exit = reader(call);
        page(call, &view, keys, |case| Ok(self.row(state, &case, self.shown_form(&case, exit).as_ref(), exit)))
    }

    pub(super) fn referral(&self, call: &Call) -> Answer {
        let view = self.view();
        let thread = names::thread(&view.state, path(call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        json(&self.detail(&view.state, case, reader(call))?)
    }

    /// A case for whom `exit` stands for: what its markings keep from them is left out, and said so.
    pub(super) fn detail(&self, state: &State, case: &Case, exit: Exit) -> Result<ReferralDetail, Problem> {
        let now = now_ms();
        let consents = consents(case, state.me);
        let submit = case.asked.first().map_or(Ok(()), |told| shows(state.me, case, told, &consents, exit));
        submit.map_err(|rules| not_released(exit, &rules))?;
        let mut versions = self.shown_versions(case, &consents, exit);
        let left_out =
            versions.iter_mut().map(|v| withhold_parties(&mut v.stated, state.me, case.requester, &consents, exit));
        let withheld_parties = left_out.max().unwrap_or_default();
        let form = forms::current(&versions);
        let items = self.evidence_named_to(case, &consents, exit).unwrap_or_default();
        let decisions = case.decisions().into_iter().map(|(item, d)| (item.to_string(), d.to_string())).collect();
        Ok(ReferralDetail {
            row: self.row(state, case, form.as_ref(), exit),
            life: self.life(state, case, &versions, &consents, exit, now),
            harm_table: form.as_ref().map(|form| harm_table(state, form)),
            form,
            timeline: case
                .timeline()
                .into_iter()
                .map(|told| self.statement(state, case, told, &consents, exit))
                .collect(),
            withheld_parties,
            decisions,
            evidence: self.evidence_of(state, case, &items),
            as_of: state.as_of,
        })
    }

    /// A statement as it was signed, by either side.
    pub(super) fn signed(&self, told: &Told) -> Result<SignedStmt, Problem> {
        forms::signed(&self.office, told).map_err(post_problem)
    }

    pub(super) fn content(&self, told: &Told) -> Result<Stmt, Problem> {
        self.signed(told)?.claimed().map_err(|e| internal("reading a statement", e))
    }

    /// The pro forma as it stands now.
    pub(super) fn form(&self, case: &Case) -> Result<Form, Problem> {
        let versions = forms::versions(&self.office, case).map_err(post_problem)?;
        forms::current(&versions).ok_or_else(|| super::not_found("the referral itself is not here"))
    }

    /// The versions of the pro forma that who reads may see; none where the first is kept from it.
    fn shown_versions<'a>(&self, case: &'a Case, consents: &[Consent], exit: Exit) -> Vec<forms::Version<'a>> {
        let shown = |told: &Told| shows(self.office.me, case, told, consents, exit).is_ok();
        if !case.asked.first().is_some_and(shown) {
            return Vec::new();
        }
        let mut versions = forms::versions(&self.office, case).unwrap_or_default();
        versions.retain(|v| shown(v.told));
        versions
    }

    /// The pro forma as far as who reads may see it.
    fn shown_form(&self, case: &Case, exit: Exit) -> Option<Form> {
        forms::current(&self.shown_versions(case, &consents(case, self.office.me), exit))
    }

    /// The evidence that statements of a case name, in their order.
    pub(super) fn named_evidence(&self, case: &Case) -> Result<Vec<BlobRef>, Problem> {
        self.evidence_named_to(case, &[], Exit::Officer)
    }

    /// The same, for somebody who may not see everything: what any statement keeps from it is left out.
    pub(super) fn evidence_named_to(
        &self,
        case: &Case,
        consents: &[Consent],
        exit: Exit,
    ) -> Result<Vec<BlobRef>, Problem> {
        let (mut items, mut withheld): (Vec<BlobRef>, Vec<Digest>) = (Vec::new(), Vec::new());
        for told in case.asked.iter().chain(&case.answered).filter(|t| !t.open.blobs.is_empty()) {
            match shows(self.office.me, case, told, consents, exit) {
                Ok(()) => items.extend(self.content(told)?.blobs),
                Err(_) => withheld.extend(told.open.blobs.iter().map(|b| b.b3_cipher)),
            }
        }
        items.retain(|item| !withheld.contains(&item.b3_cipher));
        Ok(items)
    }

    fn row(&self, state: &State, case: &Case, form: Option<&Form>, exit: Exit) -> ReferralRow {
        let subject = form.and_then(|f| f.subject_line.clone());
        self.row_of(state, case, subject, form.map(|f| harm(state, f)), exit)
    }

    /// A row of a list, with what it shows of the content.
    pub(super) fn row_of(
        &self,
        state: &State,
        case: &Case,
        subject: Option<String>,
        harm: Option<HarmView>,
        exit: Exit,
    ) -> ReferralRow {
        let peer = case.peer(&state.me);
        let internal = state.internal(&case.thread);
        let (assigned, acting) = assigned(state, &internal, now_ms());
        let submit = case.asked.first();
        let withheld = submit.and_then(|told| withheld(state.me, case, told, &consents(case, state.me), exit));
        ReferralRow {
            erased: case.erased.map(rfc3339),
            held: case.held,
            thread: case.thread.to_string(),
            role: Part::of(case, &state.me).as_str().into(),
            with: name_of(state, &peer).unwrap_or_else(|| id_only(&peer)),
            stage: case.stage().as_str().into(),
            subject,
            tlp: case.handling().to_string(),
            harm,
            submitted: rfc3339(case.asked.first().map_or(0, |t| t.open.clock)),
            changed: rfc3339(case.changed),
            stuck: stuck(case, &state.me),
            overdue: is_overdue(state, case, now_ms()),
            assigned,
            acting,
            notes: internal.notes.len(),
            withheld,
        }
    }

    fn statement(&self, state: &State, case: &Case, told: &Told, consents: &[Consent], exit: Exit) -> StatementView {
        let withheld = withheld(state.me, case, told, consents, exit);
        let body = match withheld {
            Some(_) => None,
            None => self.content(told).ok().and_then(|stmt| {
                let mut body = Body::decode(stmt.kind, &stmt.body).ok()?;
                if let Body::Supplement(more) = &mut body
                    && let Some(form) = &mut more.form
                {
                    withhold_parties(form, state.me, told.open.from, consents, exit);
                }
                // keys are never shown, and the form stands whole in the field `form`
                serde_json::to_value(body).ok()
            }),
        };
        let delivery = told.delivery.as_ref();
        StatementView {
            id: told.open.id.to_string(),
            from: names::named(state, &told.open.from).short_name,
            msg_no: told.open.msg_no,
            kind: told.open.kind.to_string(),
            said: rfc3339(told.open.clock),
            at: rfc3339(told.at),
            delivery: match &told.refused {
                Some(_) => "refused".into(),
                None => delivery.map_or("received", delivered).into(),
            },
            tries: delivery.map_or(0, |d| d.tries),
            why: match &told.refused {
                Some((refusal, words)) => Some(format!("{refusal}: {words}")),
                None => delivery.and_then(|d| d.why.clone()),
            },
            next: delivery.and_then(|d| d.next).map(rfc3339),
            stored: delivery.and_then(|d| stored_at(d.receipt.as_deref()?)).map(rfc3339),
            body: body.unwrap_or_default(),
            withheld,
        }
    }
}

/// The rule that keeps a statement from who reads.
fn withheld(me: Pid, case: &Case, told: &Told, consents: &[Consent], exit: Exit) -> Option<String> {
    shows(me, case, told, consents, exit).err().and_then(|rules| Some(rules.first()?.to_string()))
}

fn stage(text: &str) -> Result<Stage, Problem> {
    Stage::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = Stage::ALL.iter().map(|s| s.as_str()).collect();
        Problem::new(Code::Malformed, format!("`stage` is one of: {}", all.join(", ")))
    })
}

/// Harm as the federation's weights have it.
pub(super) fn harm(state: &State, form: &Form) -> HarmView {
    HarmView::of(form, &state.federation.params().harm_weights)
}

/// What it is made of.
pub(super) fn harm_table(state: &State, form: &Form) -> HarmTable {
    HarmTable::of(form, &state.federation.params().harm_weights)
}

fn delivered(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery { receipt: Some(_), .. } => "stored",
        Delivery { failed: true, .. } => "failed",
        _ => "queued",
    }
}

/// When the other node made a statement durable; none where there is no receipt, or only the other side's word for it
/// after a restore.
pub(super) fn stored_at(receipt: &[u8]) -> Option<u64> {
    let sign1: Sign1 = decode(receipt, 4096).ok()?;
    Receipt::claimed(&sign1).ok().map(|r| r.received)
}

/// What waits in a case although it was tried.
pub(super) fn stuck(case: &Case, me: &Pid) -> Option<Stuck> {
    let waiting: Vec<&Told> = case.side(me).iter().filter(|t| t.waits()).collect();
    let oldest = waiting.first()?.delivery.as_ref()?;
    let why = oldest.why.clone()?;
    Some(Stuck { waiting: waiting.len(), why, next: oldest.next.map(rfc3339), failed: oldest.failed })
}

pub(super) fn post_problem(error: PostError) -> Problem {
    match error {
        PostError::Vault(error) => vault_problem(error),
        PostError::Missing => super::not_found("the statement is not on this node"),
        other => internal("reading a statement", other),
    }
}
