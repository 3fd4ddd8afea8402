//! Passing items of a case on to another agency: the new case is opened there with what was asked here, where it comes
//! from, and the evidence that is here under its own hashes (docs/protocol.md §6.1).
//!
//! The new case's id follows from the old one and the proposal, so that what a crash or a lost answer interrupted is
//! found again; `transferred` is said by [`crate::clerk`] once the new agency's receipt is here.

use super::contacts::refuse;
use super::drafts::vault_problem;
use super::submit::{form_faults, target_faults};
use super::time::rfc3339;
use super::{Answer, Desk, SUBMITTING, body, json, names, path, status_json};
use crate::clerk::{self, GIVE_UP_DAYS};
use crate::office::now_ms;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{PassOn, Said};
use lapwing_engine::case::Case;
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_engine::step::Saying;
use lapwing_record::cbor::encode;
use lapwing_record::charter::DAY_MS;
use lapwing_record::form::{CustodyAct, CustodyStep, Form, Origin};
use lapwing_record::id::MsgId;
use lapwing_record::statement::{BlobRef, Kind, Tlp};

impl Desk {
    pub(super) async fn pass_on(&self, call: Call) -> Answer {
        let wanted: PassOn = body(&call)?;
        let thread = names::thread(&self.view().state, path(&call, "thread"))?;
        let _one_at_a_time = self.submitting[usize::from(thread.0[0]) % SUBMITTING].lock().await;
        let view = self.view();
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let proposal = proposal(case, &wanted.proposal)?;
        let new = clerk::thread_of(&self.office.network, &thread, &proposal);
        if let Some(id) = view.state.case(&new).and_then(|c| c.asked.first()).map(|t| t.open.id) {
            clerk::grant_due(&self.office, &new).await?;
            return json(&Said { thread: new.to_string(), id: id.to_string() });
        }
        may_go(&view.state, case, &proposal)?;
        let to = case.world().proposal(&proposal).map_or(case.requester, |p| p.to);
        let country = |pid| view.state.federation.inception(pid).map(|i| &i.country);
        let domestic = country(&to) == country(&view.state.me);
        tokio::task::block_in_place(|| self.release(case, Exit::Agency { to, domestic }))?;
        let (form, blobs) = tokio::task::block_in_place(|| self.passed_on(&view.state, case, &proposal, &wanted))?;
        let mut faults = form_faults(&view.state, &form, now_ms());
        faults.extend(target_faults(&view.state, &to, &form));
        refuse(faults, "the referral as it would be passed on")?;
        tokio::task::block_in_place(|| self.office.vault.case_key_or_new(&new)).map_err(vault_problem)?;
        let id = self
            .utter(Saying {
                thread: new,
                to,
                kind: Kind::Submit,
                handling: form.tlp.unwrap_or(Tlp::AmberStrict),
                body: encode(&form),
                blobs,
                approvals: None,
                ttl_ms: GIVE_UP_DAYS * DAY_MS,
                lock: self.case_lock(&new)?,
            })
            .await?;
        clerk::grant_due(&self.office, &new).await?;
        tracing::info!(case = %thread.short(), new = %new.short(), "a referral was passed on");
        status_json(202, &Said { thread: new.to_string(), id: id.to_string() })
    }

    /// The form and the evidence for the new agency.
    fn passed_on(
        &self,
        state: &State,
        case: &Case,
        proposal: &MsgId,
        wanted: &PassOn,
    ) -> Result<(Form, Vec<BlobRef>), Problem> {
        let world = case.world();
        let items = world.proposal(proposal).map(|p| p.items.clone()).unwrap_or_default();
        let mut form = self.form(case)?;
        let submit = case.asked.first().map(|t| t.open.id);
        form.transferred_from = Some(Origin {
            requester: case.requester,
            thread: case.thread,
            submit: submit.ok_or_else(|| super::not_found("the referral itself is not here"))?,
            proposal: *proposal,
            consent: world.transfer_answer(proposal).map(|(id, _)| *id),
        });
        form.supersedes = None;
        form.poc_ref = Some(wanted.poc_ref.clone());
        if wanted.requester_ref.is_some() {
            form.requester_ref.clone_from(&wanted.requester_ref);
        }
        let asked = form.assistance.take().unwrap_or_default();
        let chosen = asked.into_iter().enumerate().filter(|(i, _)| items.contains(&(*i as u64)));
        form.assistance = Some(chosen.map(|(_, item)| item).collect());
        let named = self.named_evidence(case)?;
        let mut blobs: Vec<BlobRef> = Vec::new();
        let by = names::named(state, &state.me).legal_name.chars().take(200).collect::<String>();
        for item in form.evidence.iter_mut().flatten() {
            let step = CustodyStep { at: rfc3339(now_ms()), what: CustodyAct::Transferred, by: by.clone(), note: None };
            item.custody.get_or_insert_default().push(step);
            let blob = named.iter().find(|b| b.sha256_plain == item.sha256).filter(|b| self.holds(state, b));
            // what is not here is announced only
            item.held_back = blob.is_none().then_some(true);
            blobs.extend(blob.map(|b| BlobRef {
                name: item.name.clone(),
                media: item.media_type.clone(),
                ..b.clone()
            }));
        }
        Ok((form, blobs))
    }

    /// Whether an item's sealed content and its key are here.
    fn holds(&self, state: &State, blob: &BlobRef) -> bool {
        state.blobs.get(&blob.b3_cipher).is_some() && self.office.vault.blob_key(&blob.b3_cipher).is_some()
    }
}

/// Our own proposal that the text names.
fn proposal(case: &Case, text: &str) -> Result<MsgId, Problem> {
    let ours = case.answered.iter().filter(|t| t.open.kind == Kind::TransferProposed && t.refused.is_none());
    let ids: Vec<MsgId> = ours.map(|t| t.open.id).collect();
    match text.parse::<MsgId>() {
        Ok(whole) if ids.contains(&whole) => Ok(whole),
        Ok(_) => Err(Problem::new(Code::WrongReference, "the case has no such proposal")
            .hint("`lapwing refer show THREAD --json` lists proposals under `life.transfers`.")),
        Err(_) => {
            let bytes: Vec<lapwing_record::id::Digest> =
                ids.iter().map(|id| lapwing_record::id::Digest(id.0)).collect();
            Ok(MsgId(names::by_prefix(bytes.into_iter(), text, "proposal in this case")?.0))
        }
    }
}

/// Whether a proposal may be carried out now.
fn may_go(state: &State, case: &Case, id: &MsgId) -> Result<(), Problem> {
    let case_says = |(refusal, why): (_, String)| Problem::new(crate::office::of_case(refusal), why);
    if case.target != state.me {
        return Err(Problem::new(Code::NotYourTurn, "the agency that was asked passes a case on"));
    }
    if case.erased.is_some() {
        return Err(Problem::new(Code::ContentGone, "the content of this case is erased here"));
    }
    if case.stage().is_end() {
        return Err(Problem::new(Code::WrongState, format!("the case has ended: {}", case.stage().as_str())));
    }
    if case.world().transfer_answer(id).is_some_and(|(_, answer)| !answer.granted) {
        return Err(Problem::new(Code::ConsentNeeded, "the requester said no to this proposal"));
    }
    state.may_pass_on(case, id).map_err(case_says)
}
