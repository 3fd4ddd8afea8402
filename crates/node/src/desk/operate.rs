//! The administrator's questions: is it ready, what is wrong, what was counted, is it reached, are people told.

use super::names::participant;
use super::time::rfc3339;
use super::{Answer, Desk, json, status_json};
use crate::office::now_ms;
use crate::{health, tell};
use lapwing_api::service::{Call, Reply};
use lapwing_api::types::{Health, HealthItem, Ready, Severity, Todo};

/// What Prometheus asks for: its text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A health item as a line of what needs doing.
pub(super) fn line(item: HealthItem) -> Todo {
    let fix = match item.depends_on.first() {
        Some(cause) => format!("Follows from `{cause}`: mend that first."),
        None => item.fix,
    };
    Todo { code: item.code, what: item.what, fix }
}

impl Desk {
    pub(super) fn ready(&self, _: &Call) -> Answer {
        let items = self.watch.items();
        let ready = health::ready(&items);
        let items = items.into_iter().filter(|i| i.severity == Severity::Down).map(line).collect();
        status_json(if ready { 200 } else { 503 }, &Ready { ready, items })
    }

    pub(super) fn health(&self, _: &Call) -> Answer {
        let items = self.watch.items();
        let version = env!("CARGO_PKG_VERSION").into();
        json(&Health { ready: health::ready(&items), time: rfc3339(now_ms()), version, items })
    }

    pub(super) fn metrics(&self, _: &Call) -> Answer {
        Ok(Reply::Text { media_type: TEXT_FORMAT, text: self.watch.metrics() })
    }

    pub(super) async fn reach(&self, call: &Call) -> Answer {
        let by = call.params.get("by").map(|name| participant(&self.view().state, name)).transpose()?;
        json(&self.peers.clone().reach(by).await?)
    }

    pub(super) async fn test_notify(&self) -> Answer {
        json(&tell::test(&self.office.settings.notify).await?)
    }
}
