//! Submitting a referral: every fault at once, durable before the answer, the keys of its evidence right behind it.

use super::contacts::fault;
use super::drafted::less_harmful_first;
use super::names;
use super::referrals::{harm, harm_table};
use super::register::arrangement_faults;
use super::time::day;
use super::who::legal_of;
use super::{Answer, Desk, SUBMITTING, body, internal, json, path, status_json};
use crate::clerk::{self, GIVE_UP_DAYS};
use crate::office::now_ms;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{Check, Checked, Said, Submit};
use lapwing_engine::case::Case;
use lapwing_engine::internal::NoteKind;
use lapwing_engine::state::State;
use lapwing_engine::step::{Answer as Done, Command, Lock, Saying};
use lapwing_record::cbor::encode;
use lapwing_record::charter::DAY_MS;
use lapwing_record::directory::Contact;
use lapwing_record::form::check::{check, may_follow};
use lapwing_record::form::{EvidenceItem, Form, ReferralKind};
use lapwing_record::id::{MsgId, Pid, ThreadId};
use lapwing_record::identity::{Class, check_text};
use lapwing_record::statement::{BlobRef, Kind, Tlp};

/// At most.
const MAX_GIVE_UP_DAYS: u64 = 365;

impl Desk {
    pub(super) fn check_referral(&self, call: &Call) -> Answer {
        let wanted: Check = body(call)?;
        let view = self.view();
        let mut faults = form_faults(&view.state, &wanted.form, now_ms());
        let mut legal = None;
        if let Some(to) = &wanted.to {
            match names::participant(&view.state, to) {
                Ok(target) => {
                    faults.extend(target_faults(&view.state, &target, &wanted.form));
                    legal = legal_of(&view.state, &target, &wanted.form);
                }
                Err(problem) => faults.push(FieldFault { path: "to".into(), what: problem.detail }),
            }
        }
        json(&Checked {
            ok: faults.is_empty(),
            faults,
            harm: harm(&view.state, &wanted.form),
            harm_table: harm_table(&view.state, &wanted.form),
            may_follow: may_follow(&wanted.form).into_iter().map(str::to_owned).collect(),
            legal,
        })
    }

    pub(super) async fn submit(&self, call: Call) -> Answer {
        let wanted: Submit = body(&call)?;
        let text = path(&call, "thread");
        // while it is being submitted a thread is a draft, a case, or for a moment both
        let thread = match self.draft(text) {
            Ok(thread) => thread,
            Err(none) => names::thread(&self.view().state, text).map_err(|_| none)?,
        };
        let _one_at_a_time = self.submitting[usize::from(thread.0[0]) % SUBMITTING].lock().await;
        let view = self.view();
        // the same submission again, after an answer that was lost
        if let Some(case) = view.state.case(&thread).filter(|c| c.requester == view.state.me) {
            self.note_ahead(thread, super::name_of_caller(&call), wanted.ahead_because.as_deref()).await?;
            clerk::grant_due(&self.office, &thread).await?;
            let id = case
                .asked
                .first()
                .map(|t| t.open.id)
                .ok_or_else(|| super::not_found("the referral itself is not here"))?;
            return json(&Said { thread: thread.to_string(), id: id.to_string() });
        }
        let (to, mut form) = self.as_saved(&view.state, &thread, wanted.to.as_deref(), wanted.form)?;
        let uploaded = tokio::task::block_in_place(|| self.draft_evidence(&thread))?;
        let mut faults = form_faults(&view.state, &form, now_ms());
        faults.extend(target_faults(&view.state, &to, &form));
        let (blobs, missing) = matched(&form, &uploaded);
        faults.extend(missing);
        let ahead_because = wanted.ahead_because.as_deref();
        faults.extend(ahead_because.and_then(|why| check_text("ahead_because", why, 1, 4000).err()).map(fault));
        if form.transferred_from.is_some() {
            let what = "is filled in by the node that passes a referral on (`lapwing case transfer send`)".to_owned();
            faults.push(FieldFault { path: "transferred_from".into(), what });
        }
        let days = wanted.give_up_days.unwrap_or(GIVE_UP_DAYS);
        if !(1..=MAX_GIVE_UP_DAYS).contains(&days) {
            faults.push(FieldFault { path: "give_up_days".into(), what: format!("must be 1 to {MAX_GIVE_UP_DAYS}") });
        }
        if !faults.is_empty() {
            return Err(Problem::new(Code::Invalid, format!("the referral has {} fault(s)", faults.len()))
                .hint("`lapwing refer check FILE` lists them too, before anything is submitted.")
                .faults(faults));
        }
        let by = super::name_of_caller(&call).to_owned();
        tokio::task::block_in_place(|| {
            let waiting = self.more_harmful(&view.state, &thread, &form);
            if !waiting.is_empty() && ahead_because.is_none() {
                return Err(less_harmful_first(&waiting));
            }
            let second = self.second_approver(&by, &thread, &to, &form, &uploaded)?;
            if let (Some(second), Some(declarations)) = (second, form.declarations.as_mut()) {
                declarations.second_approver.get_or_insert(second);
            }
            Ok(())
        })?;
        let handling = form.tlp.unwrap_or(Tlp::AmberStrict);
        let said = Saying {
            thread,
            to,
            kind: Kind::Submit,
            handling,
            body: encode(&form),
            blobs,
            approvals: None,
            ttl_ms: days * DAY_MS,
            lock: self.case_lock(&thread)?,
        };
        let id = self.utter(said).await?;
        self.note_ahead(thread, &by, ahead_because).await?;
        tokio::task::block_in_place(|| self.end_draft(&thread));
        clerk::grant_due(&self.office, &thread).await?;
        tracing::info!(case = %thread.short(), "a referral was submitted");
        status_json(202, &Said { thread: thread.to_string(), id: id.to_string() })
    }

    /// Keeps why a referral went ahead of a more harmful one, once: the same submission again finds it, or makes up for it.
    async fn note_ahead(&self, thread: ThreadId, by: &str, why: Option<&str>) -> Result<(), Problem> {
        let noted = self.view().state.internal(&thread).notes.iter().any(|n| n.kind == NoteKind::SentAhead);
        match why.filter(|_| !noted) {
            Some(why) => self.keep_note(thread, by, NoteKind::SentAhead, why).await,
            None => Ok(()),
        }
    }

    /// Whom it goes to and what it says: as asked for, else as it was saved in the draft.
    fn as_saved(
        &self,
        state: &State,
        thread: &ThreadId,
        to: Option<&str>,
        form: Option<Form>,
    ) -> Result<(Pid, Form), Problem> {
        let saved = self.saved_form(thread)?;
        if saved.as_ref().is_some_and(|s| s.template.is_some()) {
            return Err(Problem::new(Code::Conflict, "this is a template: open a draft from it"));
        }
        let to = to.map(|to| names::participant(state, to)).transpose()?.or(saved.as_ref().and_then(|s| s.to));
        let form = match (form, saved) {
            (Some(form), _) => Some(form),
            (None, Some(saved)) => Some(Form::decode(&saved.form).map_err(|e| internal("reading a draft", e))?),
            (None, None) => None,
        };
        let missing =
            |path: &str| FieldFault { path: path.into(), what: "is neither given nor saved in the draft".into() };
        match (to, form) {
            (Some(to), Some(form)) => Ok((to, form)),
            (to, form) => {
                let faults = [to.is_none().then(|| missing("to")), form.is_none().then(|| missing("form"))];
                Err(Problem::new(Code::Invalid, "the referral is not whole")
                    .faults(faults.into_iter().flatten().collect()))
            }
        }
    }

    /// Says something in a case, durably.
    pub(super) async fn utter(&self, saying: Saying) -> Result<MsgId, Problem> {
        match self.office.command(Command::Say(Box::new(saying))).await? {
            Done::Said(id) => Ok(id),
            other => Err(internal("saying something", format!("{other:?}"))),
        }
    }

    /// The key of a case with a nonce for one statement.
    pub(super) fn case_lock(&self, thread: &ThreadId) -> Result<Lock, Problem> {
        clerk::case_lock(&self.office, thread)
    }

    /// A plain statement in a case.
    pub(super) fn saying(&self, case: &Case, kind: Kind, body: Vec<u8>) -> Result<Saying, Problem> {
        clerk::saying(&self.office, case, kind, body)
    }
}

/// Faults of a pro forma, those that only this federation knows included.
pub(super) fn form_faults(state: &State, form: &Form, now: u64) -> Vec<FieldFault> {
    let mut faults: Vec<FieldFault> = check(form).into_iter().map(fault).collect();
    let listing = state.federation.listing(&state.me);
    let live = |slot: &str| {
        let contact =
            |c: &std::collections::BTreeMap<String, lapwing_engine::listing::Listed<Contact>>| c.contains_key(slot);
        listing.is_some_and(|l| contact(&l.contacts) || contact(&l.agency_contacts))
    };
    if let Some(slot) = form.poc_ref.as_deref().filter(|s| !live(s)) {
        let what =
            format!("`{}` is not one of your published points of contact", slot.chars().take(32).collect::<String>());
        faults.push(FieldFault { path: "poc_ref".into(), what });
    }
    let max = state.federation.params().retention_max_ms;
    if let Some(until) = form.retention_until.as_deref().and_then(day) {
        if until > now.saturating_add(max) {
            let what = format!("is further away than this federation allows ({} days)", max / DAY_MS);
            faults.push(FieldFault { path: "retention_until".into(), what });
        } else if until < now {
            faults.push(FieldFault { path: "retention_until".into(), what: "has passed already".into() });
        }
    }
    faults
}

/// Why this target takes no such referral.
pub(super) fn target_faults(state: &State, to: &Pid, form: &Form) -> Vec<FieldFault> {
    let at = |path: &str, what: String| FieldFault { path: path.into(), what };
    let name = names::named(state, to).short_name;
    let mut faults = Vec::new();
    if *to == state.me {
        return vec![at("to", "a referral goes to another participant".into())];
    }
    if !state.federation.is_participant(to) {
        let standing = state.federation.standing(to).map_or("unknown", lapwing_engine::membership::Standing::as_str);
        faults.push(at("to", format!("{name} does not take part in full ({standing})")));
    }
    let theirs = state.federation.inception(to).map(|i| i.class);
    let assistance = form.kind == Some(ReferralKind::PrivateAssistanceRequest);
    match theirs {
        Some(Class::Private) if !assistance => {
            faults.push(at(
                "kind",
                format!("{name} is a private-sector participant: it takes private_assistance_request only"),
            ));
        }
        Some(Class::Observer) => faults.push(at("to", format!("{name} is an observer: it takes no referrals"))),
        _ => {}
    }
    faults.extend(arrangement_faults(state, to, form.arrangement.as_deref().unwrap_or_default(), now_ms()));
    if state.my_id().inception.class == Class::Private && form.kind != Some(ReferralKind::SpontaneousInformation) {
        faults.push(at("kind", "a private-sector participant sends spontaneous_information only".into()));
    }
    faults
}

/// The manifest's items as uploaded, in the manifest's order; and what does not fit.
pub(super) fn matched(form: &Form, uploaded: &[BlobRef]) -> (Vec<BlobRef>, Vec<FieldFault>) {
    let manifest = form.evidence.as_deref().unwrap_or_default();
    let (mut blobs, mut faults): (Vec<BlobRef>, Vec<FieldFault>) = (Vec::new(), Vec::new());
    for (i, item) in manifest.iter().enumerate() {
        let at = |field: &str, what: &str| FieldFault { path: format!("evidence.{i}.{field}"), what: what.into() };
        match uploaded.iter().find(|b| b.sha256_plain == item.sha256) {
            // announced only; of one that was uploaded the key is held back
            None if item.is_held_back() => {}
            None => faults.push(at("sha256", "nothing with this SHA-256 was uploaded into the draft")),
            Some(_) if blobs.iter().any(|b| b.sha256_plain == item.sha256) => {
                faults.push(at("sha256", "stands in the manifest twice"));
            }
            Some(blob) => {
                faults
                    .extend(differs(item, blob).into_iter().map(|field| at(field, "is not that of what was uploaded")));
                blobs.push(BlobRef { name: item.name.clone(), media: item.media_type.clone(), ..blob.clone() });
            }
        }
    }
    for blob in uploaded.iter().filter(|b| !manifest.iter().any(|i| i.sha256 == b.sha256_plain)) {
        let what = format!("`{}` was uploaded into the draft and does not stand in the manifest", blob.name);
        faults.push(FieldFault { path: "evidence".into(), what });
    }
    (blobs, faults)
}

fn differs(item: &EvidenceItem, blob: &BlobRef) -> Vec<&'static str> {
    let fields = [("size", item.size == blob.size), ("blake3", item.blake3 == blob.b3_plain)];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::form::{CollectionMethod, sample};
    use lapwing_record::id::Digest;

    fn blob(n: u8) -> BlobRef {
        BlobRef {
            name: format!("{n}.eml"),
            media: "message/rfc822".into(),
            size: 5,
            b3_plain: Digest([n; 32]),
            sha256_plain: Digest([n; 32]),
            b3_cipher: Digest([n + 100; 32]),
            salt: Digest([0; 32]),
        }
    }

    fn item(n: u8) -> EvidenceItem {
        let (digest, method) = (Digest([n; 32]), CollectionMethod::Spamtrap);
        EvidenceItem::new(format!("renamed {n}"), "text/plain", 5, digest, digest, method)
    }

    fn paths(faults: &[FieldFault]) -> Vec<&str> {
        faults.iter().map(|f| f.path.as_str()).collect()
    }

    #[test]
    fn manifest_and_uploads_must_be_the_same_things() {
        let form = |items: Vec<EvidenceItem>| Form { evidence: Some(items), ..sample() };
        let (blobs, faults) = matched(&form(vec![item(2), item(1)]), &[blob(1), blob(2)]);
        assert!(faults.is_empty());
        assert_eq!(blobs.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["renamed 2", "renamed 1"]);
        let bent = EvidenceItem { size: 6, blake3: Digest([9; 32]), ..item(1) };
        let held = |n| EvidenceItem { held_back: Some(true), ..item(n) };
        let (blobs, faults) = matched(&form(vec![item(1), held(2)]), &[blob(1)]);
        assert_eq!((blobs.len(), paths(&faults).len()), (1, 0), "what is held back is announced only");
        let (blobs, faults) = matched(&form(vec![item(1), held(2)]), &[blob(1), blob(2)]);
        assert_eq!((blobs.len(), paths(&faults).len()), (2, 0), "its key is held back, not the item");
        let (_, faults) = matched(&form(vec![bent, item(3), item(2), item(2)]), &[blob(1), blob(2), blob(4)]);
        assert_eq!(
            paths(&faults),
            ["evidence.0.size", "evidence.0.blake3", "evidence.1.sha256", "evidence.3.sha256", "evidence"]
        );
    }

    #[test]
    fn what_only_the_federation_knows_is_checked_with_the_form() {
        let world = World::of(&["harbor", "polder"]);
        let now = day("2026-11-20").unwrap();
        let form = Form { retention_until: Some("2999-01-01".into()), ..sample() };
        assert_eq!(paths(&form_faults(world.state(), &form, now)), ["poc_ref", "retention_until"]);
        let late = Form { retention_until: Some("2026-11-19".into()), ..sample() };
        assert_eq!(paths(&form_faults(world.state(), &late, now)), ["poc_ref", "retention_until"]);
    }

    #[test]
    fn a_target_that_takes_no_such_referral_is_a_fault_of_the_form() {
        let world = World::with(&["harbor", "polder"], &[("northbank", "NL")]);
        let faults = |to: &str| target_faults(world.state(), &world.pid(to), &sample());
        assert!(faults("polder").is_empty());
        assert_eq!(paths(&faults("harbor")), ["to"]);
        assert!(faults("northbank")[0].what.contains("candidate"));
    }
}
