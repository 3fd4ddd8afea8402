//! "Have we seen this?": identifiers, and the own cases that have them.

use super::release::reader;
use super::search::{unusable, within_reach};
use super::{Answer, Desk, body, json};
use crate::search::document;
use crate::search::things::Asked;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::search::MAX_SEEN;
use lapwing_api::service::Call;
use lapwing_api::types::{Seen, SeenAnswer, SeenCase, SeenIdentifier, SeenRequest};
use lapwing_engine::case::Case;
use lapwing_search::question::{Order, Question};

/// Cases shown of each, unless the caller says otherwise, and at most.
const CASES: u64 = 10;
const MAX_CASES: u64 = 100;
/// Identifiers shown of one case.
const MAX_IDENTIFIERS: usize = 50;

impl Desk {
    pub(super) fn seen(&self, call: &Call) -> Answer {
        let wanted: SeenRequest = body(call)?;
        let mut faults = Vec::new();
        let mut fault = |path: String, what: String| faults.push(FieldFault { path, what });
        if wanted.identifiers.is_empty() || wanted.identifiers.len() > MAX_SEEN {
            fault("identifiers".into(), format!("must have 1 to {MAX_SEEN} items"));
        }
        let limit = wanted.cases.unwrap_or(CASES);
        if !(1..=MAX_CASES).contains(&limit) {
            fault("cases".into(), format!("must be 1 to {MAX_CASES}"));
        }
        let mut asked = Vec::new();
        for (i, ask) in wanted.identifiers.iter().enumerate().take(MAX_SEEN) {
            match Asked::new(ask.kind, &ask.value) {
                Ok(one) => asked.push((ask, one)),
                Err(what) => fault(format!("identifiers.{i}.value"), what),
            }
        }
        if !faults.is_empty() {
            return Err(Problem::new(Code::Invalid, "the question has faults").faults(faults));
        }
        let (index, view) = self.index()?;
        let exit = reader(call);
        let mut items = Vec::with_capacity(asked.len());
        for (ask, one) in asked {
            let question = Question { exact: vec![one.things(true)], ..Question::default() };
            let question = within_reach(question, exit);
            let found = index.search(&question, Order::NEWEST, None, limit as usize).map_err(|e| unusable(&e))?;
            let shown = found.hits.len() as u64;
            let count = if found.more { index.count(&question).map_err(|e| unusable(&e))? } else { shown };
            let mut cases = Vec::new();
            for (case, row) in self.rows(&view.state, found.hits, exit) {
                cases.push(SeenCase { case: row, identifiers: self.identifiers(case, &one)? });
            }
            items.push(SeenAnswer { kind: ask.kind, value: ask.value.clone(), seen: count > 0, count, cases });
        }
        json(&Seen { items, as_of: view.state.as_of })
    }

    /// The identifiers of a case that answer a question.
    fn identifiers(&self, case: &Case, asked: &Asked) -> Result<Vec<SeenIdentifier>, Problem> {
        let mut found = Vec::new();
        // erased between index and now: nothing of it is left to show
        let form = document::form(&self.office, case).map_err(|why| super::internal("reading a pro forma", why))?;
        if let Some(form) = form {
            document::identifiers(&form, |kind, value, party, time, port| {
                let relation = asked.relation(kind, value);
                if let Some(relation) = relation.filter(|_| found.len() < MAX_IDENTIFIERS) {
                    found.push(SeenIdentifier {
                        relation: relation.as_str().into(),
                        kind,
                        value: value.into(),
                        party: party.into(),
                        time: time.cloned(),
                        port,
                    });
                }
            });
        }
        found.sort_by_key(|f| f.relation != "same");
        Ok(found)
    }
}
