//! What is said in a case after the referral, and what officers approve for it.

use super::contacts::{fault, refuse};
use super::names;
use super::proposals::signature;
use super::{Answer, Desk, body, hex, json, path, status_json};
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{ApprovalIn, Prepared, Said, Saying};
use lapwing_engine::case::{Case, Open};
use lapwing_engine::state::State;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::identity::{check_text, words};
use lapwing_record::membership::Approval;
use lapwing_record::statement::{Acknowledge, Decide, Ending, Kind, Stmt, Text};

/// Characters of a text or note at most.
const MAX_TEXT: usize = 32 * 1024;

/// What is to be said: its kind, its bytes, and who approved it.
struct Spoken {
    kind: Kind,
    body: Vec<u8>,
    approvals: Vec<ApprovalIn>,
}

impl Spoken {
    fn of(saying: Saying) -> Result<Self, Problem> {
        let text = |text: String, kind| -> Result<Spoken, Problem> {
            refuse(text_fault("text", &text, 1), "the statement")?;
            Ok(Spoken { kind, body: encode(&Text { text }), approvals: Vec::new() })
        };
        let ending = |note: Option<String>, kind| -> Result<Spoken, Problem> {
            refuse(text_fault("note", note.as_deref().unwrap_or_default(), 0), "the statement")?;
            Ok(Spoken { kind, body: encode(&Ending { note }), approvals: Vec::new() })
        };
        match saying {
            Saying::Acknowledge { body, approvals } => {
                refuse(acknowledge_faults(&body), "the acknowledgement")?;
                Ok(Spoken { kind: Kind::Acknowledge, body: encode(&body), approvals })
            }
            Saying::Decide { body, approvals } => {
                refuse(decide_faults(&body), "the decision")?;
                Ok(Spoken { kind: Kind::Decide, body: encode(&body), approvals })
            }
            Saying::NeedInfo { text: t } => text(t, Kind::NeedInfo),
            Saying::Supplement { text: t } => text(t, Kind::Supplement),
            Saying::Withdraw { note } => ending(note, Kind::Withdraw),
            Saying::Close { note } => ending(note, Kind::Close),
        }
    }
}

fn text_fault(path: &str, text: &str, min: usize) -> Vec<FieldFault> {
    check_text(path, text, min, MAX_TEXT).err().map(fault).into_iter().collect()
}

fn acknowledge_faults(body: &Acknowledge) -> Vec<FieldFault> {
    let reference = check_text("body.own_reference", &body.own_reference, 1, 100).err();
    let note = check_text("body.note", body.note.as_deref().unwrap_or_default(), 0, 4000).err();
    reference.into_iter().chain(note).map(fault).collect()
}

fn decide_faults(body: &Decide) -> Vec<FieldFault> {
    body.check().err().map(|f| fault(f.within("body"))).into_iter().collect()
}

impl Desk {
    pub(super) fn prepare(&self, call: &Call) -> Answer {
        let spoken = Spoken::of(body(call)?)?;
        let view = self.view();
        let thread = names::thread(&view.state, path(call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        json(&prepared(&view.state, case, &spoken)?)
    }

    pub(super) async fn say(&self, call: Call) -> Answer {
        let spoken = Spoken::of(body(&call)?)?;
        let view = self.view();
        let thread = names::thread(&view.state, path(&call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let mut saying = self.saying(case, spoken.kind, spoken.body)?;
        if spoken.kind.act().is_some() {
            saying.approvals = Some(spoken.approvals.iter().map(signature).collect::<Result<_, _>>()?);
        }
        let id = self.utter(saying).await.map_err(|problem| match problem.code {
            Code::Approval => problem.hint(
                "Officers approve exactly what `prepare` answers. If the case went on meanwhile, prepare it anew and have it signed again.",
            ),
            _ => problem,
        })?;
        tracing::info!(case = %thread.short(), kind = %spoken.kind, "said");
        status_json(202, &Said { thread: thread.to_string(), id: id.to_string() })
    }
}

/// What officers sign for a statement that would be made now.
fn prepared(state: &State, case: &Case, spoken: &Spoken) -> Result<Prepared, Problem> {
    let act = spoken.kind.act().ok_or_else(|| {
        Problem::new(Code::Invalid, format!("`{}` needs no officer's approval", spoken.kind)).hint("Say it at once.")
    })?;
    if case.target != state.me {
        return Err(Problem::new(Code::Conflict, "only the side that was asked acknowledges and decides"));
    }
    allowed(state, case, spoken)?;
    let id = state.my_id();
    let approval = Approval {
        pid: state.me,
        epoch: id.epoch(),
        n: case.side(&state.me).len() as u64,
        act,
        target: Bytes(case.thread.0.to_vec()),
        body_hash: Some(lapwing_record::entry::body_hash(&spoken.body)),
    };
    Ok(Prepared {
        pid: state.me.to_string(),
        network_id: state.federation.network().to_string(),
        epoch: approval.epoch,
        n: approval.n,
        act: act.to_string(),
        thread: case.thread.to_string(),
        body: hex::encode(&spoken.body),
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
        clock: 0,
        expires: 1,
        kind: spoken.kind,
        handling: case.handling(),
        body: Bytes(spoken.body.clone()),
        blobs: Vec::new(),
    };
    let open = Open::of(&stmt).map_err(|e| Problem::new(Code::Invalid, e.to_string()))?;
    case.allows(&open).map_err(|(_, why)| Problem::new(Code::Conflict, why))
}

fn in_words(state: &State, case: &Case, spoken: &Spoken) -> String {
    let me = names::named(state, &state.me).legal_name;
    let them = names::named(state, &case.requester);
    let what = match spoken.kind {
        Kind::Decide => {
            let decide = lapwing_record::cbor::decode::<Decide>(&spoken.body, spoken.body.len()).ok();
            let item = |d: &lapwing_record::statement::ItemDecision| match &d.ground {
                Some(ground) => format!("item {}: {} ({ground})", d.item, d.decision),
                None => format!("item {}: {}", d.item, d.decision),
            };
            let items: Vec<String> = decide.iter().flat_map(|d| d.items.iter().map(item)).collect();
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
    use lapwing_engine::case::Told;
    use lapwing_record::form::sample;
    use lapwing_record::id::ThreadId;
    use lapwing_record::statement::{Assurance, Decision, Ground, ItemDecision, Tlp};

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
        case.asked.push(Told { open, at: 1, delivery: None, receipt: None });
        (case, stmt)
    }

    fn decide() -> Saying {
        let item = ItemDecision {
            item: 0,
            decision: Decision::Refuse,
            ground: Some(Ground::OutsideCompetence),
            until: None,
            note: None,
        };
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
            body: Bytes(spoken.body),
            ..submit
        };
        assert_eq!(prepared.bytes, hex::encode(&stmt.approval().unwrap().bytes()));
        assert!(prepared.words.contains("item 0: refuse (outside_competence)"), "{}", prepared.words);
        assert!(prepared.words.contains("polder"));
        let other = Case { requester: case.target, target: case.requester, ..case };
        let spoken = Spoken::of(decide()).unwrap();
        assert_eq!(super::prepared(world.state(), &other, &spoken).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn officers_are_not_asked_for_what_would_be_refused() {
        let world = World::of(&["harbor", "polder"]);
        let (case, _) = submitted(&world);
        let decide = |item, ground| {
            let decision = Decision::Refuse;
            let item = ItemDecision { item, decision, ground: Some(ground), until: None, note: None };
            let spoken = Spoken::of(Saying::Decide { body: Decide { items: vec![item] }, approvals: vec![] }).unwrap();
            prepared(world.state(), &case, &spoken).map(|_| ()).unwrap_err()
        };
        assert_eq!(decide(7, Ground::OutsideCompetence).detail, "the referral has no assistance item 7");
        assert_eq!(decide(0, Ground::InsufficientInformation).code, Code::Conflict);
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
