//! What is due in a case, by the targets that are published (docs/protocol.md §6.1). They bind nobody: what is overdue is
//! shown and told, and nothing follows from it by itself.
//!
//! ```text
//! stored ──5 working days (3 if time critical)──▶ acknowledge
//!        ──14 days──────────────────────────────▶ decide          the clock stands still while the requester is asked;
//!        ──30 days, of enforcement 6 months─────▶ deliver         a later date that the target announced holds instead
//! ```

use crate::case::{Case, Detail, Fate, Told, World};
use crate::engine::Engine;
use crate::fact::{Notice, NoticeKind};
use crate::step::Step;
use lapwing_record::cbor::{decode, encode};
use lapwing_record::charter::DAY_MS;
use lapwing_record::codes;
use lapwing_record::form::ReferralKind;
use lapwing_record::id::{Digest, EntryId, HashOf, Pid};
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{Extended, Kind, Receipt};

/// Working days within which a referral is acknowledged.
pub const ACKNOWLEDGE_WORKING_DAYS: u64 = 5;
/// The same of one that is time critical.
pub const URGENT_WORKING_DAYS: u64 = 3;
/// Milliseconds within which items are decided on.
pub const DECIDE_MS: u64 = 14 * DAY_MS;
/// Milliseconds within which information is delivered.
pub const INFORMATION_MS: u64 = 30 * DAY_MS;
/// Milliseconds within which enforcement has a result: six months.
pub const ENFORCEMENT_MS: u64 = 183 * DAY_MS;
/// Milliseconds between two looks at what is overdue.
const LOOK_MS: u64 = 60 * 60 * 1000;

codes! {
    /// What is due.
    pub enum Owed {
        /// A person's word that the referral is seen.
        0 "acknowledge" => Acknowledge,
        /// A decision on every item.
        1 "decide" => Decide,
        /// The last result on every accepted item.
        2 "deliver" => Deliver,
    }
}

/// Something that the target owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub owed: Owed,
    /// Milliseconds UTC by the published target, what the clock stood still left out.
    pub target: u64,
    /// Milliseconds UTC that hold: the target, or a later date that was announced.
    pub by: u64,
    /// Whether the clock stands still: the requester is asked.
    pub stopped: bool,
}

impl Due {
    /// Whether it is late.
    pub fn is_overdue(&self, now: u64) -> bool {
        !self.stopped && now > self.by
    }
}

/// What is due in a case at `now`, in the order of a case's life. Nothing of one that has ended, or is not stored yet.
pub fn due(case: &Case, me: &Pid, now: u64) -> Vec<Due> {
    let world = case.world();
    let Some(stored) = case.asked.first().and_then(|t| stored_at(t, case.target == *me)) else { return Vec::new() };
    if case.stage().is_end() {
        return Vec::new();
    }
    let form = world.form();
    let (stood, stopped) = stood_still(world, stored, now);
    let fates = world.fates();
    let has = |fate: Fate| fates.values().any(|f| *f == fate);
    let mut all = Vec::new();
    let mut owe = |owed, target: u64, announced: Option<u64>| {
        let target = target.saturating_add(stood);
        all.push(Due { owed, target, by: announced.map_or(target, |date| date.max(target)), stopped });
    };
    if world.said(false, Kind::Acknowledge).next().is_none() && (fates.is_empty() || has(Fate::Open)) {
        let days = if form.urgent == Some(true) { URGENT_WORKING_DAYS } else { ACKNOWLEDGE_WORKING_DAYS };
        owe(Owed::Acknowledge, working_days(stored, days), None);
    }
    if has(Fate::Open) {
        owe(Owed::Decide, stored.saturating_add(DECIDE_MS), announced(world, Owed::Decide));
    }
    if has(Fate::Accepted) {
        let time = match form.kind {
            Some(ReferralKind::RequestInformation | ReferralKind::PrivateAssistanceRequest) => INFORMATION_MS,
            _ => ENFORCEMENT_MS,
        };
        owe(Owed::Deliver, stored.saturating_add(time), announced(world, Owed::Deliver));
    }
    all
}

/// When the target's node made the submit durable: by its own journal, or by its receipt.
fn stored_at(submit: &Told, here: bool) -> Option<u64> {
    if here {
        return Some(submit.at);
    }
    let receipt = submit.delivery.as_ref()?.receipt.as_ref()?;
    // after a restore there may be no receipt: then by the requester's own clock
    let received = decode::<Sign1>(receipt, 4096).ok().and_then(|s| Receipt::claimed(&s).ok()).map(|r| r.received);
    Some(received.unwrap_or(submit.open.clock))
}

/// The newest date that the target announced.
fn announced(world: World<'_>, owed: Owed) -> Option<u64> {
    let date = |told: &Told| match (&told.open.detail, owed) {
        (Some(Detail::Acknowledge(a)), Owed::Decide) => a.decision_by,
        (Some(Detail::Extend(e)), Owed::Decide) if e.what == Extended::Decide => Some(e.until),
        (Some(Detail::Extend(e)), Owed::Deliver) if e.what == Extended::Deliver => Some(e.until),
        // of a decision: until when items are deferred; of progress: when a result is expected
        (Some(Detail::Expected(until)), Owed::Decide) if told.open.kind == Kind::Decide => Some(*until),
        (Some(Detail::Expected(until)), Owed::Deliver) if told.open.kind == Kind::Progress => Some(*until),
        _ => None,
    };
    world.of(false).rev().find_map(date)
}

/// Milliseconds that the clock stood still since `from`, and whether it does now: while any question waits.
fn stood_still(world: World<'_>, from: u64, now: u64) -> (u64, bool) {
    let (mut sum, mut reached) = (0u64, from);
    for question in world.said(false, Kind::NeedInfo) {
        let begin = question.open.clock.max(reached);
        let end = world.answer_to(question).map_or(now, |answer| answer.open.clock).min(now);
        sum = sum.saturating_add(end.saturating_sub(begin));
        reached = reached.max(end);
    }
    (sum, world.waits_for_answer())
}

/// The moment so many working days later: Saturdays and Sundays (UTC) do not count. No calendar of holidays is kept.
fn working_days(from: u64, days: u64) -> u64 {
    // 1 January 1970 was a Thursday
    let weekend = |day: u64| matches!((day + 3) % 7, 5 | 6);
    let (mut day, mut left) = (from / DAY_MS, days);
    while left > 0 && day < u64::MAX / DAY_MS {
        day += 1;
        left -= u64::from(!weekend(day));
    }
    day.saturating_mul(DAY_MS).saturating_add(from % DAY_MS)
}

impl Engine {
    /// Tells people what is overdue, each item and date once.
    pub(crate) fn overdue_notices(&mut self, now: u64, step: &mut Step) {
        if self.state.cases.is_empty() || now < self.next_look() {
            return;
        }
        self.looked_for_overdue = Some(now);
        let me = self.state.me;
        let mut late = Vec::new();
        for case in self.state.cases.values().filter(|c| c.erased.is_none()) {
            for due in due(case, &me, now).into_iter().filter(|d| d.is_overdue(now)) {
                late.push((case.thread, case.peer(&me), due));
            }
        }
        for (thread, peer, due) in late {
            let which = EntryId(HashOf::Body.hash(&encode(&(thread, due.owed, due.by))));
            let subject = Some(Digest(thread.0));
            let kind = NoticeKind::ItemOverdue;
            self.raise(
                Notice { at: now, kind, about: Some(peer), subject, entry: Some(which), until: Some(due.by) },
                step,
            );
        }
    }

    fn next_look(&self) -> u64 {
        self.looked_for_overdue.map_or(0, |at| at.saturating_add(LOOK_MS))
    }

    /// When it is looked for what is overdue next.
    pub(crate) fn next_overdue(&self, now: u64) -> Option<u64> {
        let living = !self.state.cases.is_empty();
        living.then(|| self.next_look().max(now + 1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::case::{Open, OpenAcknowledge, OpenDecision, OpenExtend, OpenForm};
    use lapwing_record::id::{MsgId, ThreadId};
    use lapwing_record::statement::{Assurance, Decision, Tlp};

    const ASKS: Pid = Pid([1; 32]);
    const ACTS: Pid = Pid([2; 32]);
    /// Friday, 2026-11-20, 12:00 UTC.
    const FRIDAY: u64 = 1_795_176_000_000;

    fn say(case: &mut Case, requester: bool, kind: Kind, clock: u64, detail: Option<Detail>) {
        let (from, to) = if requester { (ASKS, ACTS) } else { (ACTS, ASKS) };
        let id = MsgId([(case.asked.len() * 16 + case.answered.len()) as u8; 32]);
        let open = Open {
            thread: case.thread,
            id,
            msg_no: case.side(&from).len() as u64,
            prev_own: None,
            seen_peer: case.side(&to).last().map(|t| t.open.id),
            from,
            to,
            kind,
            clock,
            expires: u64::MAX,
            handling: Tlp::Amber,
            items: u64::from(kind == Kind::Submit),
            decisions: match kind {
                Kind::Decide => {
                    vec![OpenDecision { item: 0, decision: Decision::Accept, for_want_of_information: false }]
                }
                _ => vec![],
            },
            blobs: vec![],
            detail,
            unknown: vec![],
        };
        case.side_mut(&from).push(Told::heard(open, clock));
    }

    fn submitted(form: OpenForm) -> Case {
        let mut case = Case {
            thread: ThreadId([3; 32]),
            requester: ASKS,
            target: ACTS,
            asked: vec![],
            answered: vec![],
            changed: 0,
            erased: None,
            held: false,
        };
        say(&mut case, true, Kind::Submit, FRIDAY, Some(Detail::Form(form)));
        case
    }

    fn days(case: &Case, now: u64) -> Vec<(Owed, u64, bool)> {
        due(case, &ACTS, now).into_iter().map(|d| (d.owed, (d.by - FRIDAY) / DAY_MS, d.is_overdue(now))).collect()
    }

    #[test]
    fn a_person_answers_within_five_working_days_and_within_three_where_it_is_urgent() {
        let calm = submitted(OpenForm::default());
        let urgent = submitted(OpenForm { urgent: Some(true), ..OpenForm::default() });
        // a weekend lies in between
        assert_eq!(days(&calm, FRIDAY)[0], (Owed::Acknowledge, 7, false));
        assert_eq!(days(&urgent, FRIDAY + 6 * DAY_MS)[0], (Owed::Acknowledge, 5, true));
        assert_eq!(working_days(FRIDAY + DAY_MS, 1), FRIDAY + 3 * DAY_MS, "from a Saturday the next one is Monday");
    }

    #[test]
    fn what_is_done_is_due_no_more_and_what_is_accepted_is_to_be_delivered() {
        let mut case = submitted(OpenForm { kind: Some(ReferralKind::RequestInformation), ..OpenForm::default() });
        let ack = OpenAcknowledge { decision_by: None, assurance: Assurance::NotRequested };
        say(&mut case, false, Kind::Acknowledge, FRIDAY + 1, Some(Detail::Acknowledge(ack)));
        assert_eq!(days(&case, FRIDAY + 15 * DAY_MS), [(Owed::Decide, 14, true)]);
        say(&mut case, false, Kind::Decide, FRIDAY + 2, None);
        assert_eq!(days(&case, FRIDAY + 15 * DAY_MS), [(Owed::Deliver, 30, false)]);
        say(&mut case, false, Kind::ResultFinal, FRIDAY + 3, Some(Detail::Items(vec![0])));
        assert_eq!(days(&case, u64::MAX), []);
    }

    #[test]
    fn the_clock_stands_still_while_the_requester_is_asked() {
        let mut case = submitted(OpenForm::default());
        say(&mut case, false, Kind::NeedInfo, FRIDAY + DAY_MS, None);
        // a second question in the same days stops nothing twice
        say(&mut case, false, Kind::NeedInfo, FRIDAY + 2 * DAY_MS, None);
        assert!(
            due(&case, &ACTS, FRIDAY + 90 * DAY_MS).iter().all(|d| d.stopped && !d.is_overdue(FRIDAY + 90 * DAY_MS))
        );
        say(&mut case, true, Kind::Supplement, FRIDAY + 11 * DAY_MS, None);
        assert_eq!(days(&case, FRIDAY + 20 * DAY_MS)[1], (Owed::Decide, 24, false));
        assert_eq!(days(&case, FRIDAY + 25 * DAY_MS)[1], (Owed::Decide, 24, true));
    }

    #[test]
    fn a_later_date_that_was_announced_holds_and_the_target_stays_shown() {
        let mut case = submitted(OpenForm::default());
        let until = FRIDAY + 40 * DAY_MS;
        say(&mut case, false, Kind::Extend, FRIDAY, Some(Detail::Extend(OpenExtend { what: Extended::Decide, until })));
        let decide = due(&case, &ACTS, FRIDAY).pop().unwrap();
        assert_eq!((decide.by, decide.target), (until, FRIDAY + DECIDE_MS));
        say(&mut case, true, Kind::Withdraw, FRIDAY, None);
        assert_eq!(due(&case, &ACTS, FRIDAY), [], "nothing is owed in a case that has ended");
    }

    #[test]
    fn for_the_requester_time_runs_from_the_receipt() {
        let case = submitted(OpenForm::default());
        assert_eq!(due(&case, &ASKS, u64::MAX), [], "not delivered yet");
    }
}
