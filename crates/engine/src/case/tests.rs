//! The rules of a case's life, each as a sentence.

#![allow(clippy::unwrap_used)]
use super::*;
use lapwing_record::id::Digest;
use lapwing_record::statement::{Assurance, ComplaintOutcome, Extended, Kind, RecallReason, Signer, TaskState};
use proptest::prelude::*;

const ME: Pid = Pid([1; 32]);
const THEM: Pid = Pid([2; 32]);

/// A statement of one side that has seen so many of the other's.
fn of(case: &Case, requester: bool, kind: Kind, seen: usize) -> Open {
    let (from, to) = if requester { (ME, THEM) } else { (THEM, ME) };
    let (own, other) = if requester { (&case.asked, &case.answered) } else { (&case.answered, &case.asked) };
    let mut id = [0; 32];
    (id[0], id[1], id[2]) = (u8::from(requester), own.len() as u8, kind.number() as u8);
    Open {
        thread: ThreadId([3; 32]),
        id: MsgId(id),
        msg_no: own.len() as u64,
        prev_own: own.last().map(|t| t.open.id),
        seen_peer: seen.checked_sub(1).map(|i| other[i].open.id),
        from,
        to,
        kind,
        clock: 0,
        expires: 0,
        handling: Tlp::Amber,
        items: if kind == Kind::Submit { 2 } else { 0 },
        decisions: vec![],
        blobs: vec![],
        detail: None,
        unknown: vec![],
    }
}

fn open(case: &Case, kind: Kind, seen: usize) -> Open {
    of(case, kind.signer() != Signer::Target, kind, seen)
}

fn tell(case: &mut Case, open: Open) {
    case.side_mut(&open.from.clone()).push(Told::heard(open, 0));
}

/// Says something with all that its sender can have seen.
fn detailed(case: &mut Case, kind: Kind, detail: Detail) -> Result<MsgId, Refusal> {
    let requester = kind.signer() != Signer::Target;
    let seen = if requester { case.answered.len() } else { case.asked.len() };
    let next = Open { detail: Some(detail), ..of(case, requester, kind, seen) };
    case.allows(&next).map_err(|(refusal, _)| refusal)?;
    let id = next.id;
    tell(case, next);
    Ok(id)
}

fn decided(case: &mut Case, items: &[(u64, Decision)]) {
    let items: Vec<(u64, Decision, bool)> = items.iter().map(|(item, d)| (*item, *d, false)).collect();
    let next = decide(case, &items);
    case.allows(&next).unwrap();
    tell(case, next);
}

fn begun() -> Case {
    let empty = Case {
        thread: ThreadId([3; 32]),
        requester: ME,
        target: THEM,
        asked: vec![],
        answered: vec![],
        changed: 0,
        erased: None,
        held: false,
    };
    let mut case = empty.clone();
    let submit = open(&empty, Kind::Submit, 0);
    case.allows(&submit).unwrap();
    tell(&mut case, submit);
    case
}

#[test]
fn a_referral_that_asks_for_nothing_is_answered_but_never_decided() {
    let mut case = begun();
    case.asked[0].open.items = 0;
    let bare = Case { asked: vec![], ..case.clone() };
    bare.allows(&Open { items: 0, ..open(&bare, Kind::Submit, 0) }).unwrap();
    assert!(bare.allows(&Open { items: 0, msg_no: 1, ..open(&bare, Kind::Submit, 0) }).is_err());
    assert_eq!(case.stage(), Stage::Submitted);
    let item = OpenDecision { item: 0, decision: Decision::Accept, for_want_of_information: false };
    let decide = Open { decisions: vec![item], ..open(&case, Kind::Decide, 1) };
    assert!(case.allows(&decide).unwrap_err().1.contains("no assistance item 0"));
    say(&mut case, Kind::Acknowledge).unwrap();
    assert_eq!(case.stage(), Stage::Acknowledged);
    say(&mut case, Kind::Close).unwrap();
    assert_eq!(case.stage(), Stage::Closed);
}

fn say(case: &mut Case, kind: Kind) -> Result<(), (Refusal, String)> {
    let seen = if kind.signer() != Signer::Target { case.answered.len() } else { case.asked.len() };
    let next = open(case, kind, seen);
    case.allows(&next)?;
    tell(case, next);
    Ok(())
}

fn decide(case: &Case, items: &[(u64, Decision, bool)]) -> Open {
    let decision = |(item, decision, want): &(u64, Decision, bool)| OpenDecision {
        item: *item,
        decision: *decision,
        for_want_of_information: *want,
    };
    Open { decisions: items.iter().map(decision).collect(), ..open(case, Kind::Decide, case.asked.len()) }
}

#[test]
fn a_case_goes_from_submit_to_decide() {
    let mut case = begun();
    assert_eq!(case.stage(), Stage::Submitted);
    say(&mut case, Kind::Acknowledge).unwrap();
    assert_eq!(case.stage(), Stage::Acknowledged);
    say(&mut case, Kind::NeedInfo).unwrap();
    assert_eq!(case.stage(), Stage::InfoNeeded);
    say(&mut case, Kind::Supplement).unwrap();
    assert_eq!(case.stage(), Stage::Acknowledged);
    let some = decide(&case, &[(0, Decision::Accept, false)]);
    case.allows(&some).unwrap();
    tell(&mut case, some);
    assert_eq!(case.stage(), Stage::PartlyDecided);
    let rest = decide(&case, &[(1, Decision::Refuse, true)]);
    case.allows(&rest).unwrap();
    tell(&mut case, rest);
    assert_eq!(case.stage(), Stage::Decided);
    say(&mut case, Kind::Close).unwrap();
    assert!(say(&mut case, Kind::NeedInfo).is_err(), "it has ended");
}

#[test]
fn each_side_says_only_what_is_its_own_to_say() {
    let mut case = begun();
    for kind in Kind::ALL {
        for requester in [true, false].into_iter().filter(|r| !kind.signer().fits(*r)) {
            let forged = of(&case, requester, *kind, if requester { 0 } else { 1 });
            assert_eq!(case.allows(&forged).unwrap_err().0, Refusal::NotYourTurn, "{kind}");
        }
    }
    assert!(say(&mut case, Kind::Submit).is_err(), "submitted twice");
}

#[test]
fn want_of_information_is_a_ground_only_after_asking() {
    let mut case = begun();
    assert!(case.allows(&decide(&case, &[(0, Decision::Refuse, true)])).is_err());
    assert!(case.allows(&decide(&case, &[(2, Decision::Accept, false)])).is_err(), "no such item");
    say(&mut case, Kind::NeedInfo).unwrap();
    case.allows(&decide(&case, &[(0, Decision::Refuse, true)])).unwrap();
}

#[test]
fn a_gap_is_told_apart_from_what_is_not_allowed() {
    let case = begun();
    let ahead = Open { msg_no: 3, prev_own: Some(MsgId([9; 32])), ..open(&case, Kind::Supplement, 0) };
    assert_eq!(case.allows(&ahead).unwrap_err().0, Refusal::Gap);
    let unseen = Open { seen_peer: Some(MsgId([9; 32])), ..open(&case, Kind::Supplement, 0) };
    assert_eq!(case.allows(&unseen).unwrap_err().0, Refusal::Gap);
}

#[test]
fn results_are_of_items_that_were_accepted_and_the_last_one_answers_the_case() {
    let mut case = begun();
    let items = |items: &[u64]| Detail::Items(items.to_vec());
    assert_eq!(detailed(&mut case, Kind::ResultFinal, items(&[0])), Err(Refusal::WrongState), "not accepted");
    assert_eq!(detailed(&mut case, Kind::ResultInterim, items(&[2])), Err(Refusal::WrongReference), "no such item");
    assert_eq!(say(&mut case, Kind::Feedback).unwrap_err().0, Refusal::WrongState, "nothing to give feedback on");
    decided(&mut case, &[(0, Decision::Accept), (1, Decision::Refuse)]);
    assert_eq!(detailed(&mut case, Kind::ResultFinal, items(&[0, 1])), Err(Refusal::WrongState), "one is refused");
    detailed(&mut case, Kind::ResultInterim, items(&[0])).unwrap();
    assert_eq!(case.stage(), Stage::Decided);
    detailed(&mut case, Kind::ResultFinal, items(&[0])).unwrap();
    assert_eq!(case.stage(), Stage::Answered);
    assert_eq!(detailed(&mut case, Kind::ResultFinal, items(&[0])), Err(Refusal::WrongState), "it was the last");
    say(&mut case, Kind::Feedback).unwrap();
}

#[test]
fn reopening_takes_back_what_was_said_without_having_seen_it() {
    let mut case = begun();
    let reopen = |items: &[u64]| Detail::Items(items.to_vec());
    assert_eq!(detailed(&mut case, Kind::Reopen, reopen(&[0])), Err(Refusal::WrongState), "nothing was decided");
    decided(&mut case, &[(0, Decision::Refuse), (1, Decision::Refuse)]);
    assert_eq!(detailed(&mut case, Kind::Reopen, reopen(&[])), Err(Refusal::WrongReference), "which of them?");
    detailed(&mut case, Kind::Reopen, reopen(&[0])).unwrap();
    assert_eq!((case.stage(), case.decisions().len()), (Stage::PartlyDecided, 1));
    // one that crossed with it stays in the file and decides nothing
    let crossed = Open {
        decisions: vec![OpenDecision { item: 0, decision: Decision::Accept, for_want_of_information: false }],
        ..open(&case, Kind::Decide, 1)
    };
    case.allows(&crossed).unwrap();
    tell(&mut case, crossed);
    assert_eq!(case.stage(), Stage::PartlyDecided);
    decided(&mut case, &[(0, Decision::Accept)]);
    assert_eq!(case.stage(), Stage::Decided);
    say(&mut case, Kind::Close).unwrap();
    detailed(&mut case, Kind::Reopen, reopen(&[])).unwrap();
    assert_eq!(case.stage(), Stage::Decided, "its decisions stand");
    say(&mut case, Kind::Withdraw).unwrap();
    assert_eq!(detailed(&mut case, Kind::Reopen, reopen(&[])), Err(Refusal::WrongState), "taken back for good");
}

#[test]
fn a_recall_wins_and_is_answered_once_and_one_for_a_suspension_ends() {
    let mut case = begun();
    say(&mut case, Kind::Close).unwrap();
    say(&mut case, Kind::Withdraw).unwrap();
    let recall = detailed(&mut case, Kind::Recall, Detail::Recall(RecallReason::SentInError)).unwrap();
    assert_eq!(case.stage(), Stage::Recalled);
    assert_eq!(say(&mut case, Kind::Withdraw).unwrap_err().0, Refusal::WrongState);
    let names = Detail::Names;
    assert_eq!(detailed(&mut case, Kind::RecallAnswer, names(MsgId([9; 32]))), Err(Refusal::WrongReference));
    assert!(case.world().recall_unanswered());
    detailed(&mut case, Kind::RecallAnswer, names(recall)).unwrap();
    assert!(!case.world().recall_unanswered());
    assert_eq!(detailed(&mut case, Kind::RecallAnswer, names(recall)), Err(Refusal::WrongState));
    assert_eq!(detailed(&mut case, Kind::Reopen, Detail::Items(vec![])), Err(Refusal::WrongState));

    let mut case = begun();
    detailed(&mut case, Kind::Recall, Detail::Recall(RecallReason::Suspended)).unwrap();
    assert!(say(&mut case, Kind::Acknowledge).is_err());
    detailed(&mut case, Kind::Reopen, Detail::Items(vec![])).unwrap();
    assert_eq!(case.stage(), Stage::Submitted);
    say(&mut case, Kind::Acknowledge).unwrap();
}

#[test]
fn a_transfer_follows_its_proposal_and_the_consent_that_the_markings_ask_for() {
    let third = Pid([7; 32]);
    let carried_out =
        |proposal| Detail::Transferred(OpenTransferred { proposal, thread: ThreadId([8; 32]), to: third });
    let proposal = |to, items: &[u64]| Detail::Proposal(OpenProposal { to, items: items.to_vec() });
    let answer = |proposal, granted| Detail::Answer(OpenAnswer { proposal, granted, conditional: false });
    let mut case = begun();
    let mut free = begun();
    let onward = Some(lapwing_record::form::Onward::DomesticCompetentAgencies);
    free.asked[0].open.detail = Some(Detail::Form(OpenForm { onward, items: Some(2), ..OpenForm::default() }));
    let mut red = free.clone();
    red.asked[0].open.handling = Tlp::Red;

    assert_eq!(detailed(&mut case, Kind::Transferred, carried_out(MsgId([9; 32]))), Err(Refusal::WrongReference));
    assert_eq!(detailed(&mut case, Kind::TransferProposed, proposal(ME, &[0])), Err(Refusal::WrongReference));
    assert_eq!(detailed(&mut case, Kind::TransferConsent, answer(MsgId([9; 32]), true)), Err(Refusal::WrongReference));
    let id = detailed(&mut case, Kind::TransferProposed, proposal(third, &[0])).unwrap();
    assert_eq!(detailed(&mut case, Kind::Transferred, carried_out(id)), Err(Refusal::ConsentNeeded));
    detailed(&mut case, Kind::TransferConsent, answer(id, true)).unwrap();
    assert_eq!(detailed(&mut case, Kind::TransferConsent, answer(id, false)), Err(Refusal::WrongState), "answered");
    assert_eq!(case.consents(&ME)[0].onward, [third]);
    detailed(&mut case, Kind::Transferred, carried_out(id)).unwrap();
    assert_eq!(case.stage(), Stage::PartlyDecided);
    assert_eq!(detailed(&mut case, Kind::Transferred, carried_out(id)), Err(Refusal::WrongState), "carried out");
    let decision = decide(&case, &[(0, Decision::Accept, false)]);
    assert_eq!(case.allows(&decision).unwrap_err().0, Refusal::WrongState, "another agency's by now");

    let id = detailed(&mut free, Kind::TransferProposed, proposal(third, &[0, 1])).unwrap();
    detailed(&mut free, Kind::Transferred, carried_out(id)).unwrap();
    assert_eq!(free.stage(), Stage::Transferred);
    let id = detailed(&mut red, Kind::TransferProposed, proposal(third, &[0, 1])).unwrap();
    assert_eq!(detailed(&mut red, Kind::Transferred, carried_out(id)), Err(Refusal::ConsentNeeded), "TLP:RED");
}

#[test]
fn held_back_evidence_goes_out_once_confidentiality_is_assured() {
    let blob = Digest([5; 32]);
    let grant = || Detail::Blobs(vec![blob]);
    let mut case = begun();
    case.asked[0].open.blobs = vec![OpenBlob { b3_cipher: blob, sealed_len: 1 }];
    let form = OpenForm { confidential: Some(true), held_back: Some(vec![blob]), ..OpenForm::default() };
    case.asked[0].open.detail = Some(Detail::Form(form));
    assert_eq!(detailed(&mut case, Kind::BlobGrant, grant()), Err(Refusal::NotAssured));
    assert_eq!(
        detailed(&mut case, Kind::BlobGrant, Detail::Blobs(vec![Digest([6; 32])])),
        Err(Refusal::WrongReference)
    );
    let request = Open { detail: Some(grant()), ..of(&case, false, Kind::BlobRequest, 1) };
    case.allows(&request).unwrap();
    let of_own = Open { detail: Some(grant()), ..of(&case, true, Kind::BlobRequest, 0) };
    assert_eq!(case.allows(&of_own).unwrap_err().0, Refusal::WrongReference, "its own it has");
    let assured = |assurance| Detail::Acknowledge(OpenAcknowledge { decision_by: None, assurance });
    let mut unable = case.clone();
    detailed(&mut unable, Kind::Acknowledge, assured(Assurance::NotPossible)).unwrap();
    assert_eq!(detailed(&mut unable, Kind::BlobGrant, grant()), Err(Refusal::NotAssured));
    detailed(&mut case, Kind::Acknowledge, assured(Assurance::AssuredSubjectTo)).unwrap();
    detailed(&mut case, Kind::BlobGrant, grant()).unwrap();
    assert_eq!(case.world().granted(true).into_iter().collect::<Vec<_>>(), [blob]);
}

#[test]
fn a_reminder_comes_once_a_day() {
    let mut case = begun();
    let at = |case: &Case, clock| Open { clock, ..open(case, Kind::Reminder, 0) };
    let first = at(&case, 1_000);
    case.allows(&first).unwrap();
    tell(&mut case, first);
    let day = lapwing_record::charter::DAY_MS;
    assert_eq!(case.allows(&at(&case, 999 + day)).unwrap_err().0, Refusal::TooSoon);
    case.allows(&at(&case, 1_000 + day)).unwrap();
}

#[test]
fn a_consent_is_the_signers_own_and_a_no_ends_it() {
    let mut case = begun();
    let yes = |request, granted| {
        Detail::Consent(OpenConsent {
            request,
            granted,
            onward: vec![],
            domestic: granted,
            dissemination: false,
            judicial_use: false,
            until: None,
            conditional: false,
        })
    };
    assert_eq!(detailed(&mut case, Kind::Consent, yes(Some(MsgId([9; 32])), true)), Err(Refusal::WrongReference));
    let asks = of(&case, false, Kind::ConsentRequest, 1);
    let request = asks.id;
    case.allows(&asks).unwrap();
    tell(&mut case, asks);
    detailed(&mut case, Kind::Consent, yes(Some(request), true)).unwrap();
    detailed(&mut case, Kind::Consent, yes(None, true)).unwrap();
    assert_eq!((case.consents(&ME).len(), case.consents(&THEM).len()), (2, 0));
    detailed(&mut case, Kind::Consent, yes(None, false)).unwrap();
    assert_eq!(case.consents(&ME).iter().map(|c| c.request).collect::<Vec<_>>(), [Some(request)]);
}

/// Says something of a joint case with all that its sender can have seen, or with nothing of the other side.
fn jointly(case: &mut Case, requester: bool, blind: bool, detail: Detail) -> Result<(), Refusal> {
    let kind = if matches!(detail, Detail::JointPlan(_)) { Kind::JointPlan } else { Kind::JointTask };
    let seen = match (requester, blind) {
        (true, true) => 0,
        (true, false) => case.answered.len(),
        (false, true) => 1,
        (false, false) => case.asked.len(),
    };
    let next = Open { detail: Some(detail), ..of(case, requester, kind, seen) };
    case.allows(&next).map_err(|(refusal, _)| refusal)?;
    tell(case, next);
    Ok(())
}

#[test]
fn a_joint_case_is_planned_by_its_lead_and_reported_on_by_whose_tasks_they_are() {
    let (id, other) = (Digest([1; 32]), Digest([2; 32]));
    let plan = |joint, version, tasks: &[u64]| Detail::JointPlan(OpenPlan { joint, version, tasks: tasks.to_vec() });
    let task = |joint, n, state| Detail::JointTask(OpenTask { joint, n, state });
    let mut case = begun();
    let c = &mut case;
    assert_eq!(jointly(c, false, false, task(id, 1, TaskState::Taken)), Err(Refusal::WrongReference), "no plan");
    assert_eq!(jointly(c, true, false, plan(id, 2, &[1])), Err(Refusal::WrongState), "the first version is 1");
    jointly(c, true, false, plan(id, 1, &[1, 2])).unwrap();
    assert_eq!(jointly(c, true, false, plan(id, 1, &[1])), Err(Refusal::WrongState), "2 is next");
    assert_eq!(jointly(c, false, false, plan(id, 2, &[1])), Err(Refusal::NotYourTurn), "only the lead plans");
    assert_eq!(jointly(c, true, false, task(id, 1, TaskState::Done)), Err(Refusal::NotYourTurn), "not the lead's");
    assert_eq!(jointly(c, false, false, task(id, 3, TaskState::Done)), Err(Refusal::WrongReference), "no such task");
    jointly(c, false, false, task(id, 1, TaskState::Taken)).unwrap();
    jointly(c, false, false, task(id, 2, TaskState::Declined)).unwrap();
    jointly(c, false, false, task(id, 1, TaskState::Done)).unwrap();
    let states = |case: &Case| -> Vec<(u64, Option<TaskState>)> {
        case.world().joints()[&id].tasks.iter().map(|(n, s)| (*n, s.map(|(state, _)| state))).collect()
    };
    assert_eq!(states(c), [(1, Some(TaskState::Done)), (2, Some(TaskState::Declined))]);
    // a later version keeps what was reported on what stays; a number is never given to another task
    jointly(c, true, false, plan(id, 2, &[1, 3])).unwrap();
    assert_eq!(states(c), [(1, Some(TaskState::Done)), (3, None)]);
    assert_eq!(jointly(c, true, false, plan(id, 3, &[2])), Err(Refusal::WrongReference), "2 was another task's");
    assert_eq!(jointly(c, false, false, task(id, 2, TaskState::Done)), Err(Refusal::WrongReference), "dropped");
    // the other side may lead another joint case in the same thread
    jointly(c, false, false, plan(other, 1, &[1])).unwrap();
    jointly(c, true, false, task(other, 1, TaskState::InProgress)).unwrap();
    say(c, Kind::Close).unwrap();
    assert_eq!(jointly(c, true, false, plan(id, 3, &[1])), Err(Refusal::WrongState), "it has ended");
    assert_eq!(jointly(c, false, false, task(id, 1, TaskState::Taken)), Err(Refusal::WrongState), "it has ended");
}

#[test]
fn outcomes_are_of_complaints_that_the_batch_has_and_the_latest_counts() {
    let mut case = begun();
    case.asked[0].open.items = 0;
    case.asked[0].open.detail = Some(Detail::Form(OpenForm { complaints: Some(2), ..OpenForm::default() }));
    let result =
        |all: &[(u64, ComplaintOutcome)]| Detail::Result(OpenResult { items: vec![], complaints: all.to_vec() });
    let (pending, done) = (ComplaintOutcome::Pending, ComplaintOutcome::ActionTaken);
    assert_eq!(detailed(&mut case, Kind::ResultInterim, result(&[(2, pending)])), Err(Refusal::WrongReference));
    detailed(&mut case, Kind::ResultInterim, result(&[(0, pending), (1, pending)])).unwrap();
    detailed(&mut case, Kind::ResultFinal, result(&[(1, done)])).unwrap();
    let outcomes: Vec<_> = case.world().complaint_outcomes().into_iter().map(|(n, (o, _))| (n, o)).collect();
    assert_eq!(outcomes, [(0, pending), (1, done)]);
    let fewer = Detail::Form(OpenForm { complaints: Some(1), ..OpenForm::default() });
    assert_eq!(detailed(&mut case, Kind::Supplement, fewer), Err(Refusal::WrongReference));
    let more = Detail::Form(OpenForm { complaints: Some(3), ..OpenForm::default() });
    detailed(&mut case, Kind::Supplement, more).unwrap();
    detailed(&mut case, Kind::ResultInterim, result(&[(2, pending)])).unwrap();
}

#[test]
fn of_two_leads_that_crossed_the_requester_leads() {
    let id = Digest([1; 32]);
    let plan = |version, tasks: &[u64]| Detail::JointPlan(OpenPlan { joint: id, version, tasks: tasks.to_vec() });
    let mut case = begun();
    jointly(&mut case, false, true, plan(1, &[7])).unwrap();
    assert!(!case.world().joints()[&id].requester_leads);
    jointly(&mut case, true, true, plan(1, &[1])).unwrap();
    let joint = case.world().joints()[&id].clone();
    assert!(joint.requester_leads && joint.tasks.contains_key(&1) && !joint.tasks.contains_key(&7), "{joint:?}");
    assert_eq!(jointly(&mut case, false, false, plan(2, &[7])), Err(Refusal::NotYourTurn));
    jointly(&mut case, true, false, plan(2, &[1])).unwrap();
}

#[test]
fn what_was_refused_for_good_keeps_its_place_and_decides_nothing() {
    let mut case = begun();
    say(&mut case, Kind::Close).unwrap();
    case.asked[1].refused = Some((Refusal::WrongState, "no".into()));
    assert_eq!(case.stage(), Stage::Submitted);
    say(&mut case, Kind::Supplement).unwrap();
    say(&mut case, Kind::Acknowledge).unwrap();
    assert_eq!(case.stage(), Stage::Acknowledged);
}

#[test]
fn what_earlier_programs_kept_of_a_statement_reads_as_before() {
    use lapwing_record::cbor::{decode, encode};
    let case = begun();
    let old = Open { detail: None, ..case.asked[0].open.clone() };
    let bytes = encode(&old);
    assert_eq!(bytes[0], 0x8e, "an array of fourteen, as it always was");
    assert_eq!(decode::<Open>(&bytes, 4096).unwrap(), old);
    let grown = Open { detail: Some(Detail::Expected(7)), ..old };
    let bytes = encode(&grown);
    assert_eq!((bytes[0], decode::<Open>(&bytes, 4096).unwrap()), (0x8f, grown));
}

#[test]
fn one_does_not_unsee_what_one_has_seen() {
    let mut case = begun();
    say(&mut case, Kind::Acknowledge).unwrap();
    say(&mut case, Kind::Supplement).unwrap();
    assert_eq!(case.allows(&open(&case, Kind::Supplement, 0)).unwrap_err().0, Refusal::WrongReference);
}

/// Any statement: of any kind and side, naming anything that is there, or nothing.
fn any_open(case: &Case, kind: Kind, requester: bool, seen: usize, item: u64, pick: &prop::sample::Index) -> Open {
    let all: Vec<MsgId> = case.asked.iter().chain(&case.answered).map(|t| t.open.id).collect();
    let id = all[pick.index(all.len())];
    let decision = Decision::ALL[pick.index(Decision::ALL.len())];
    let third = Pid([7; 32]);
    let detail = match kind {
        Kind::Submit | Kind::Supplement => Detail::Form(OpenForm {
            items: Some(2 + item),
            confidential: Some(item == 0),
            complaints: Some(item),
            ..OpenForm::default()
        }),
        Kind::Acknowledge => Detail::Acknowledge(OpenAcknowledge { decision_by: None, assurance: Assurance::Assured }),
        Kind::Progress => Detail::Expected(item),
        Kind::Extend => Detail::Extend(OpenExtend { what: Extended::Deliver, until: item }),
        Kind::ResultInterim if pick.index(2) == 0 => Detail::Result(OpenResult {
            items: vec![],
            complaints: vec![(item, ComplaintOutcome::ALL[pick.index(ComplaintOutcome::ALL.len())])],
        }),
        Kind::ResultInterim | Kind::ResultFinal | Kind::Reopen => Detail::Items(vec![item]),
        Kind::TransferProposed => Detail::Proposal(OpenProposal { to: third, items: vec![item] }),
        Kind::TransferConsent => Detail::Answer(OpenAnswer { proposal: id, granted: item == 0, conditional: false }),
        Kind::Transferred => {
            Detail::Transferred(OpenTransferred { proposal: id, thread: ThreadId([8; 32]), to: third })
        }
        Kind::Recall => Detail::Recall(RecallReason::ALL[pick.index(RecallReason::ALL.len())]),
        Kind::RecallAnswer | Kind::Seen => Detail::Names(id),
        Kind::Consent => Detail::Consent(OpenConsent {
            request: (item == 0).then_some(id),
            granted: pick.index(2) == 0,
            onward: vec![third],
            domestic: false,
            dissemination: false,
            judicial_use: false,
            until: None,
            conditional: false,
        }),
        Kind::JointPlan => Detail::JointPlan(OpenPlan {
            joint: Digest([pick.index(2) as u8; 32]),
            version: 1 + item,
            tasks: (1..=1 + pick.index(3) as u64).collect(),
        }),
        Kind::JointTask => Detail::JointTask(OpenTask {
            joint: Digest([pick.index(2) as u8; 32]),
            n: 1 + item,
            state: TaskState::ALL[pick.index(TaskState::ALL.len())],
        }),
        Kind::BlobGrant | Kind::BlobRequest => Detail::Blobs(vec![]),
        Kind::Dispute => Detail::Dispute(OpenDispute { item: Some(item) }),
        _ => {
            return Open {
                clock: pick.index(200_000_000) as u64,
                decisions: match kind {
                    Kind::Decide => vec![OpenDecision { item, decision, for_want_of_information: item == 1 }],
                    _ => vec![],
                },
                ..of(case, requester, kind, seen)
            };
        }
    };
    Open { detail: Some(detail), ..of(case, requester, kind, seen) }
}

/// Keeps a statement as its receiver does: where it may not be said it stays in its place and decides nothing.
fn take(case: &mut Case, next: Open) -> Result<(), Refusal> {
    match case.allows(&next) {
        Err((Refusal::Gap, _)) => return Err(Refusal::Gap),
        Ok(()) => tell(case, next),
        Err(why) => case.side_mut(&next.from.clone()).push(Told { refused: Some(why), ..Told::heard(next, 0) }),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Both sides reach the same state from the same statements, in whatever order those arrive: of every kind, crossing
    /// each other, right and wrong ones.
    #[test]
    fn both_sides_compute_the_same_state(
        steps in prop::collection::vec((0..Kind::ALL.len(), any::<bool>(), any::<bool>(), 0u64..3, any::<prop::sample::Index>()), 0..40),
        order in prop::collection::vec(any::<bool>(), 1..80),
    ) {
        // one world in which statements cross: each side sees the other's only sometimes
        let mut case = begun();
        let mut seen = [0usize, 1usize]; // requester has seen of the target, target of the requester
        for (kind, sync, requester, item, pick) in steps {
            let kind = Kind::ALL[kind];
            let requester = match kind.signer() {
                Signer::Either => requester,
                signer => signer == Signer::Requester,
            };
            if sync {
                seen = [case.answered.len(), case.asked.len()];
            }
            let next = any_open(&case, kind, requester, seen[usize::from(!requester)], item, &pick);
            prop_assert_eq!(take(&mut case, next), Ok(()));
        }
        // the same statements in another order, each side's own order kept
        let mut other = Case { asked: vec![], answered: vec![], ..case.clone() };
        let mut left = [case.asked.clone(), case.answered.clone()];
        let mut order = order.into_iter().cycle();
        while left.iter().any(|l| !l.is_empty()) {
            let first = usize::from(order.next().unwrap());
            let mut progress = false;
            for side in [first, 1 - first] {
                if let Some(next) = left[side].first().map(|t| t.open.clone())
                    && take(&mut other, next).is_ok()
                {
                    left[side].remove(0);
                    progress = true;
                    break;
                }
            }
            prop_assert!(progress, "stuck");
        }
        let refused = |case: &Case| -> Vec<Option<(Refusal, String)>> {
            case.asked.iter().chain(&case.answered).map(|t| t.refused.clone()).collect()
        };
        prop_assert_eq!(refused(&other), refused(&case));
        prop_assert_eq!(other.stage(), case.stage());
        prop_assert_eq!(other.world().fates(), case.world().fates());
        prop_assert_eq!(other.decisions(), case.decisions());
        prop_assert_eq!(other.world().joints(), case.world().joints());
        prop_assert_eq!(other.world().complaint_outcomes(), case.world().complaint_outcomes());
        for who in [ME, THEM] {
            prop_assert_eq!(other.consents(&who), case.consents(&who));
        }
        // whatever was said, taking a living referral back is always possible, and so is refusing what still lives
        if !matches!(case.stage(), Stage::Recalled | Stage::Withdrawn) {
            let withdraw = of(&case, true, Kind::Withdraw, case.answered.len());
            prop_assert!(case.allows(&withdraw).is_ok());
        }
        if !case.stage().is_end() {
            let open_items = case.world().fates().into_iter().filter(|(_, f)| *f != Fate::Transferred);
            let refusals: Vec<(u64, Decision, bool)> = open_items.map(|(i, _)| (i, Decision::Refuse, false)).collect();
            prop_assert!(case.allows(&decide(&case, &refusals)).is_ok());
        }
    }
}

#[test]
fn what_was_said_is_given_back_in_an_order_in_which_it_can_be_taken_whatever_the_clocks_did() {
    let mut case = Case::new(&first());
    // (by the requester, having seen so many of the other's, at): the clocks go back all the time
    let said =
        [(true, 0, 90), (true, 0, 10), (false, 2, 80), (false, 2, 5), (true, 1, 3), (true, 2, 70), (false, 4, 1)];
    for (requester, seen, at) in said {
        let open = of(&case, requester, if requester { Kind::Supplement } else { Kind::Progress }, seen);
        let side = if requester { &mut case.asked } else { &mut case.answered };
        side.push(Told::heard(open, at));
    }
    let order = case.in_order();
    assert_eq!(order.len(), said.len());
    let at = |id: MsgId| order.iter().position(|t| t.open.id == id).unwrap();
    for told in &order {
        for earlier in told.open.prev_own.into_iter().chain(told.open.seen_peer) {
            assert!(at(earlier) < at(told.open.id), "it comes after all that its sender had seen");
        }
    }
}

fn first() -> Open {
    let (from, to) = (ME, THEM);
    Open {
        thread: ThreadId([3; 32]),
        id: MsgId([0; 32]),
        msg_no: 0,
        prev_own: None,
        seen_peer: None,
        from,
        to,
        kind: Kind::Submit,
        clock: 0,
        expires: 0,
        handling: Tlp::Amber,
        items: 2,
        decisions: vec![],
        blobs: vec![],
        detail: None,
        unknown: vec![],
    }
}
