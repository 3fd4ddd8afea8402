//! What is said in a case after the referral, and what officers approve for it.

use super::contacts::refuse;
use super::names;
use super::proposals::signature;
use super::spoken::Spoken;
use super::submit::{form_faults, matched};
use super::{Answer, Desk, body, hex, internal, json, path, status_json};
use crate::office::now_ms;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{Prepared, Said};
use lapwing_engine::case::{Case, Detail, Open};
use lapwing_engine::state::State;
use lapwing_record::cbor::{Bytes, decode};
use lapwing_record::form::Form;
use lapwing_record::id::Digest;
use lapwing_record::identity::words;
use lapwing_record::membership::Approval;
use lapwing_record::statement::{BlobRef, Body, Kind, Stmt, Tlp};

impl Desk {
    pub(super) fn prepare(&self, call: &Call) -> Answer {
        let spoken = Spoken::of(body(call)?)?;
        let view = self.view();
        let thread = names::thread(&view.state, path(call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        json(&prepared(&view.state, case, &spoken)?)
    }

    pub(super) async fn say(&self, call: Call) -> Answer {
        let mut spoken = Spoken::of(body(&call)?)?;
        let view = self.view();
        let thread = names::thread(&view.state, path(&call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        allowed(&view.state, case, &spoken)?;
        let blobs = tokio::task::block_in_place(|| self.attached(case, &spoken))?;
        if !spoken.grants.is_empty() {
            let keys = crate::clerk::grant(&self.office, &spoken.grants)?;
            let keys = decode(&keys, keys.len()).map_err(|e| internal("granting keys", e))?;
            spoken.body = Body::BlobGrant(Box::new(keys));
        }
        let kind = spoken.kind();
        let mut saying = self.saying(case, kind, spoken.body.encode())?;
        saying.handling = saying.handling.max(spoken.own_tlp().unwrap_or(Tlp::Clear));
        saying.blobs = blobs.clone();
        saying.handling = saying.handling.max(spoken.marking().unwrap_or(saying.handling));
        if kind.act().is_some() {
            saying.approvals = Some(spoken.approvals.iter().map(signature).collect::<Result<_, _>>()?);
        }
        let id = self.utter(saying).await.map_err(|problem| match problem.code {
            Code::Approval => problem.hint(
                "Officers approve exactly what `prepare` answers. If the case went on meanwhile, prepare it anew and have it signed again.",
            ),
            _ => problem,
        })?;
        tokio::task::block_in_place(|| self.used(&thread, &blobs))?;
        if !blobs.is_empty() {
            crate::clerk::grant_due(&self.office, &thread).await?;
        }
        tracing::info!(case = %thread.short(), %kind, "said");
        status_json(202, &Said { thread: thread.to_string(), id: id.to_string() })
    }

    /// The evidence that goes with a statement: what was uploaded into the case and is named by it.
    fn attached(&self, case: &Case, spoken: &Spoken) -> Result<Vec<BlobRef>, Problem> {
        if let Body::Supplement(supplement) = &spoken.body
            && let Some(change) = &supplement.form
        {
            return self.supplemented(case, change);
        }
        if spoken.evidence.is_empty() {
            return Ok(Vec::new());
        }
        let uploaded = self.draft_evidence(&case.thread)?;
        let find = |(i, sha256): (usize, &Digest)| {
            let found = uploaded.iter().find(|b| b.sha256_plain == *sha256).cloned();
            let what = "nothing with this SHA-256 was uploaded into the case".to_owned();
            found.ok_or_else(|| FieldFault { path: format!("evidence.{i}"), what })
        };
        let found: Vec<Result<BlobRef, FieldFault>> = spoken.evidence.iter().enumerate().map(find).collect();
        refuse(found.iter().filter_map(|f| f.as_ref().err().cloned()).collect(), "the evidence")?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The evidence of a supplement that changes the form; every fault of the form that it makes.
    fn supplemented(&self, case: &Case, change: &Form) -> Result<Vec<BlobRef>, Problem> {
        let form = self.form(case)?.supplemented(change);
        let mut faults = form_faults(&self.view().state, &form, now_ms());
        let (blobs, missing) = match &change.evidence {
            None => (Vec::new(), Vec::new()),
            Some(_) => matched(change, &self.draft_evidence(&case.thread)?),
        };
        faults.extend(missing);
        faults.iter_mut().for_each(|f| f.path = format!("form.{}", f.path));
        refuse(faults, "the pro forma with this supplement")?;
        Ok(blobs)
    }
}

/// What officers sign for a statement that would be made now.
fn prepared(state: &State, case: &Case, spoken: &Spoken) -> Result<Prepared, Problem> {
    let act = spoken.kind().act().ok_or_else(|| {
        Problem::new(Code::Invalid, format!("`{}` needs no officer's approval", spoken.kind())).hint("Say it at once.")
    })?;
    allowed(state, case, spoken)?;
    let id = state.my_id();
    let body = spoken.body.encode();
    let approval = Approval {
        pid: state.me,
        epoch: id.epoch(),
        n: case.side(&state.me).len() as u64,
        act,
        target: Bytes(case.thread.0.to_vec()),
        body_hash: Some(lapwing_record::entry::body_hash(&body)),
    };
    Ok(Prepared {
        pid: state.me.to_string(),
        network_id: state.federation.network().to_string(),
        epoch: approval.epoch,
        n: approval.n,
        act: act.to_string(),
        thread: case.thread.to_string(),
        body: hex::encode(&body),
        bytes: hex::encode(&approval.bytes()),
        words: in_words(state, case, spoken),
        needed: id.current().needed(act),
    })
}

/// Whether the statement could be made now: officers are not asked to sign what would be refused.
fn allowed(state: &State, case: &Case, spoken: &Spoken) -> Result<(), Problem> {
    let (me, peer) = (state.me, case.peer(&state.me));
    let (own, theirs) = (case.side(&me), case.side(&peer));
    let stmt = Stmt {
        version: 1,
        network_id: *state.federation.network(),
        thread: case.thread,
        msg_no: own.len() as u64,
        prev_own: own.last().map(|t| t.open.id),
        seen_peer: theirs.last().map(|t| t.open.id),
        from: me,
        epoch: state.my_id().epoch(),
        to: peer,
        clock: now_ms(),
        expires: u64::MAX,
        kind: spoken.kind(),
        handling: case.handling(),
        body: Bytes(spoken.body.encode()),
        blobs: Vec::new(),
    };
    let mut open = Open::of(&stmt).map_err(|e| Problem::new(Code::Invalid, e.to_string()))?;
    if spoken.kind() == Kind::BlobGrant {
        open.detail = Some(Detail::Blobs(spoken.grants.clone()));
    }
    state.may_say(case, &stmt, &open).map_err(crate::office::problem)
}

fn in_words(state: &State, case: &Case, spoken: &Spoken) -> String {
    let me = names::named(state, &state.me).legal_name;
    let them = names::named(state, &case.requester);
    let what = match &spoken.body {
        Body::Decide(decide) => {
            let item = |d: &lapwing_record::statement::ItemDecision| match &d.ground {
                Some(ground) => format!("item {}: {} ({ground})", d.item, d.decision),
                None => format!("item {}: {}", d.item, d.decision),
            };
            let items: Vec<String> = decide.items.iter().map(item).collect();
            format!("decides {}", items.join("; "))
        }
        _ => "acknowledges".to_owned(),
    };
    format!(
        "{me} {what}, in the referral {} of {} ({}), whose twelve words are \"{}\".",
        case.thread.short(),
        them.legal_name,
        them.short_name,
        words(&case.thread.0)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_api::types::Saying;
    use lapwing_engine::case::Told;
    use lapwing_record::cbor::encode;
    use lapwing_record::form::sample;
    use lapwing_record::id::ThreadId;
    use lapwing_record::statement::{Acknowledge, Assurance, Decide, Ground, ItemDecision, Tlp};

    fn submitted(world: &World) -> (Case, Stmt) {
        let stmt = Stmt {
            version: 1,
            network_id: *world.state().federation.network(),
            thread: ThreadId([5; 32]),
            msg_no: 0,
            prev_own: None,
            seen_peer: None,
            from: world.pid("polder"),
            epoch: 0,
            to: world.pid("harbor"),
            clock: 1,
            expires: 2,
            kind: Kind::Submit,
            handling: Tlp::Amber,
            body: Bytes(encode(&sample())),
            blobs: vec![],
        };
        let open = Open::of(&stmt).unwrap();
        let mut case = Case::new(&open);
        case.asked.push(Told::heard(open, 1));
        (case, stmt)
    }

    fn decide() -> Saying {
        let item = ItemDecision::refuse(0, Ground::OutsideCompetence);
        Saying::Decide { body: Decide { items: vec![item] }, approvals: vec![] }
    }

    #[test]
    fn what_is_prepared_is_what_the_statement_will_ask_officers_for() {
        let world = World::of(&["harbor", "polder"]);
        let (case, submit) = submitted(&world);
        let spoken = Spoken::of(decide()).unwrap();
        let prepared = prepared(world.state(), &case, &spoken).unwrap();
        let stmt = Stmt {
            from: world.pid("harbor"),
            to: world.pid("polder"),
            seen_peer: Some(submit.id()),
            kind: Kind::Decide,
            body: Bytes(spoken.body.encode()),
            ..submit
        };
        assert_eq!(prepared.bytes, hex::encode(&stmt.approval().unwrap().bytes()));
        assert!(prepared.words.contains("item 0: refuse (outside_competence)"), "{}", prepared.words);
        assert!(prepared.words.contains("polder"));
        let other = Case { requester: case.target, target: case.requester, ..case };
        let spoken = Spoken::of(decide()).unwrap();
        assert_eq!(super::prepared(world.state(), &other, &spoken).unwrap_err().code, Code::NotYourTurn);
    }

    #[test]
    fn officers_are_not_asked_for_what_would_be_refused() {
        let world = World::of(&["harbor", "polder"]);
        let (case, _) = submitted(&world);
        let decide = |item, ground| {
            let item = ItemDecision::refuse(item, ground);
            let spoken = Spoken::of(Saying::Decide { body: Decide { items: vec![item] }, approvals: vec![] }).unwrap();
            prepared(world.state(), &case, &spoken).map(|_| ()).unwrap_err()
        };
        assert_eq!(decide(7, Ground::OutsideCompetence).detail, "the referral has no assistance item 7");
        assert_eq!(decide(0, Ground::InsufficientInformation).code, Code::WrongGround);
        assert_eq!(decide(0, Ground::ParticipantSuspended).code, Code::WrongGround, "it is not");
    }

    #[test]
    fn what_needs_no_officer_is_not_prepared_and_faults_have_their_path() {
        let world = World::of(&["harbor", "polder"]);
        let (case, _) = submitted(&world);
        let spoken = Spoken::of(Saying::NeedInfo { text: "who?".into() }).unwrap();
        assert_eq!(prepared(world.state(), &case, &spoken).map(|_| ()).unwrap_err().code, Code::Invalid);
        let empty = Spoken::of(Saying::NeedInfo { text: String::new() }).map(|_| ()).unwrap_err();
        assert_eq!((empty.code, empty.faults[0].path.as_str()), (Code::Invalid, "text"));
        let bare = Acknowledge {
            own_reference: String::new(),
            decision_by: None,
            urgency_accepted: None,
            assurance: Assurance::Assured,
            note: None,
        };
        let faults = Spoken::of(Saying::Acknowledge { body: bare, approvals: vec![] }).map(|_| ()).unwrap_err().faults;
        assert_eq!(faults[0].path, "body.own_reference");
        let none = Saying::Decide { body: Decide { items: vec![] }, approvals: vec![] };
        assert_eq!(Spoken::of(none).map(|_| ()).unwrap_err().faults[0].path, "body.items");
    }
}
