//! How long content stays: erasure of a case, and the legal hold that wins over it (protocol §6).
//!
//! Erasing is a fact like any other: it is durable first, then the caller destroys the case key, and after a crash it is
//! destroyed at the next start. Ids, hashes, transitions and receipts stay: they prove what was sent, not what it said.

use crate::engine::Engine;
use crate::fact::{self, Fact};
use crate::step::{Answer, Effect, Event, Refused, Step};
use lapwing_record::id::ThreadId;

impl Engine {
    pub(crate) fn erase(&mut self, thread: ThreadId, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        let case = self.state.case(&thread).ok_or_else(|| Refused::Unknown("there is no such case here".into()))?;
        if case.held {
            return Err(Refused::Conflict("a legal hold stands on this case; it is not erased while it stands".into()));
        }
        if case.erased.is_none() {
            self.commit(Fact::Erased(fact::Erased { at: now, thread }), step);
            step.effects.push(Effect::Event(Event::Case(thread)));
        }
        Ok(Answer::Done)
    }

    pub(crate) fn hold(
        &mut self,
        thread: ThreadId,
        stands: bool,
        now: u64,
        step: &mut Step,
    ) -> Result<Answer, Refused> {
        let case = self.state.case(&thread).ok_or_else(|| Refused::Unknown("there is no such case here".into()))?;
        if case.erased.is_some() {
            return Err(Refused::Conflict("the content of this case is erased; there is nothing left to hold".into()));
        }
        if case.held != stands {
            self.commit(Fact::Held(fact::Held { at: now, thread, stands }), step);
            step.effects.push(Effect::Event(Event::Case(thread)));
        }
        Ok(Answer::Done)
    }
}
