//! Applications in the inbox, and introductions.

use super::names::{self, Looks, name};
use super::time::rfc3339;
use super::{Answer, Desk, internal, json, path, whole};
use lapwing_api::service::Call;
use lapwing_api::types::{ApplicationRow, Written};
use lapwing_engine::step::{Answer as Done, Command};
use lapwing_record::identity::{Inception, words};
use lapwing_record::membership::Application;

/// Who applies, by what it submitted. (Checked when it came in.)
pub(super) fn inception(application: &Application) -> Option<Inception> {
    Inception::decode(application.id_log.first()?.body()?).ok()
}

impl Desk {
    pub(super) fn applications(&self, _: &Call) -> Answer {
        let view = self.view();
        let looks = Looks::of(&view.state);
        let mut rows: Vec<(u64, ApplicationRow)> = Vec::new();
        for (pid, inbox) in view.state.inbox.iter() {
            let Some(inception) = inception(&inbox.application) else { continue };
            let row = ApplicationRow {
                name: name(pid, &inception),
                category: inception.category.to_string(),
                words: words(&pid.0),
                statement: inbox.application.statement.clone(),
                at: rfc3339(inbox.at),
                confusable_with: looks.like(pid, &inception.short_name),
            };
            rows.push((inbox.at, row));
        }
        rows.sort_by_key(|(at, _)| *at);
        whole(rows.into_iter().map(|(_, row)| row).collect(), &view)
    }

    pub(super) async fn introduce(&self, call: Call) -> Answer {
        let pid = names::applicant(&self.view().state, path(&call, "name"))?;
        match self.office.command(Command::Introduce(pid)).await? {
            Done::Entry(id) => json(&Written { entry: id.to_string() }),
            other => Err(internal("introducing an applicant", format!("{other:?}"))),
        }
    }
}
