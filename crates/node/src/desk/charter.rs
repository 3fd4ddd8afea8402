//! The founding document and the Params in force.

use super::names::name;
use super::time::rfc3339;
use super::{Answer, Desk, internal, json};
use lapwing_api::service::Call;
use lapwing_api::types::CharterView;
use lapwing_record::identity::words;

impl Desk {
    pub(super) fn charter(&self, _: &Call) -> Answer {
        let view = self.view();
        let federation = &view.state.federation;
        let charter = federation.charter();
        let founders = charter.founders().map_err(|e| internal("reading the charter", e))?;
        let (amendments, params) = federation.amendments();
        json(&CharterView {
            name: charter.name.clone(),
            network_id: federation.network().to_string(),
            words: words(&federation.network().0),
            created: rfc3339(charter.created),
            plan_text_hash: charter.plan_text_hash.to_string(),
            founders: founders.iter().map(|(pid, i)| name(pid, i)).collect(),
            params,
            amendments: amendments.iter().map(ToString::to_string).collect(),
        })
    }
}
