//! Erasing a case, and the legal hold that wins over it.

use super::drafts::disk_full;
use super::time::rfc3339;
use super::{Answer, Desk, body, internal, json, names, paging, path};
use lapwing_api::service::Call;
use lapwing_api::types::{Done, ErasedCase, HoldRequest};
use lapwing_engine::step::Command;

impl Desk {
    pub(super) async fn erase_case(&self, call: Call) -> Answer {
        let thread = names::thread(&self.view().state, path(&call, "thread"))?;
        let held = self.view().state.case(&thread).is_some_and(|c| c.held);
        self.office.command(Command::Erase(thread)).await.map_err(|refused| match held {
            true => {
                refused.hint("`lapwing case hold CASE --end` ends the hold; whoever set it stands in the audit trail.")
            }
            false => refused,
        })?;
        let office = self.office.clone();
        let work = tokio::task::spawn_blocking(move || {
            crate::erasure::destroy(&office, &[thread])?;
            if !office.search.cleaned() {
                // it goes on by itself, after a restart too; what it holds is not found any more
                tracing::info!(case = %thread.short(), "the search index is still being written anew without the case");
            }
            Ok::<_, crate::erasure::ErasureError>(())
        });
        let done = work.await.map_err(|e| internal("erasing a case", e))?;
        // noted for good already: after a failure the next start destroys the key, or the same call again
        done.map_err(|e| if e.is_full() { disk_full() } else { internal("erasing a case", e) })?;
        tracing::info!(case = %thread.short(), "a case was erased");
        json(&Done { ok: true })
    }

    pub(super) async fn hold_case(&self, call: Call) -> Answer {
        let thread = names::thread(&self.view().state, path(&call, "thread"))?;
        let wanted: HoldRequest = body(&call)?;
        self.office.command(Command::Hold { thread, stands: wanted.stands }).await?;
        json(&Done { ok: true })
    }

    pub(super) fn erasures(&self, call: &Call) -> Answer {
        let view = self.view();
        let erased = view.state.cases.values().filter_map(|c| Some((c.erased?, c.thread)));
        let keys = erased.map(|(at, thread)| (format!("{:020} {thread}", u64::MAX - at), (at, thread))).collect();
        paging::page(call, &view, keys, |(at, thread)| Ok(ErasedCase { thread: thread.to_string(), at: rfc3339(at) }))
    }
}
