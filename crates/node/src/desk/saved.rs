//! Saved searches: kept, listed, run, dropped. What a run tells is what the run before did not.

use super::drafts::disk_full;
use super::search::{saved_question, unusable};
use super::time::rfc3339;
use super::{Answer, Desk, body, done, internal, json, name_of_caller, not_found, path, whole};
use crate::office::now_ms;
use crate::search::saved::{MAX_FOUND, Run, Saved, SavedError, remembered};
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{SavedNews, SavedRun, SavedSearch, SearchSave};
use lapwing_record::id::ThreadId;
use lapwing_record::identity::check_text;
use lapwing_search::question::{Hit, Order};
use std::collections::BTreeMap;

/// Characters of a name at most.
const MAX_NAME: usize = 60;
/// Cases of a run that are shown at most.
const MAX_NEWS: usize = 500;

fn problem(error: SavedError) -> Problem {
    match error {
        SavedError::TooMany => {
            Problem::new(Code::Conflict, error.to_string()).hint("`lapwing search drop NAME` makes room.")
        }
        error if error.is_full() => disk_full(),
        error => internal("keeping a saved search", error),
    }
}

fn shown(saved: &Saved) -> SavedSearch {
    SavedSearch {
        name: saved.name.clone(),
        shared: saved.owner.is_none(),
        filters: saved.filters.clone(),
        saved: rfc3339(saved.made),
        ran: saved.last.as_ref().map(|r| rfc3339(r.at)),
        found: saved.last.as_ref().map(|r| r.found.len() as u64),
    }
}

impl Desk {
    pub(super) fn saved_searches(&self, call: &Call) -> Answer {
        let list = self.office.searches.list(name_of_caller(call));
        whole(list.iter().map(shown).collect(), &self.view())
    }

    pub(super) fn save_search(&self, call: &Call) -> Answer {
        let wanted: SearchSave = body(call)?;
        if let Err(fault) = check_text("name", &wanted.name, 1, MAX_NAME) {
            let fault = FieldFault { path: "name".into(), what: fault.to_string() };
            return Err(Problem::new(Code::Invalid, "the search has faults").faults(vec![fault]));
        }
        let refused = saved_question(&self.view().state, &wanted.filters);
        refused.map_err(|p| Problem { code: Code::Invalid, status: Code::Invalid.status(), ..p })?;
        let owner = (!wanted.shared).then(|| name_of_caller(call).to_owned());
        let saved = Saved { name: wanted.name, owner, filters: wanted.filters, made: now_ms(), last: None };
        self.office.searches.keep(saved.clone()).map_err(problem)?;
        json(&shown(&saved))
    }

    fn saved(&self, call: &Call) -> Result<Saved, Problem> {
        let name = path(call, "name");
        self.office.searches.find(name, name_of_caller(call)).ok_or_else(|| {
            not_found("there is no saved search of that name").hint("`lapwing search saved` lists them.")
        })
    }

    pub(super) fn run_search(&self, call: &Call) -> Answer {
        let mut saved = self.saved(call)?;
        let (index, view) = self.index()?;
        let question = saved_question(&view.state, &saved.filters).map_err(|p| {
            if p.code == Code::Invalid { Problem { code: Code::Conflict, status: 409, ..p } } else { p }
        })?;
        let found = index.search(&question, Order::NEWEST, None, MAX_FOUND).map_err(|e| unusable(&e))?;
        let before = saved.last.take();
        let known = before.as_ref().map(|r| &r.found);
        let (mut now, mut news) = (BTreeMap::new(), Vec::new());
        for hit in found.hits {
            let thread = ThreadId(hit.id);
            let Some(case) = view.state.case(&thread) else { continue };
            let key = remembered(&thread);
            match known.and_then(|k| k.get(&key)) {
                None => news.push(("new", hit)),
                Some(changed) if *changed != case.changed => news.push(("changed", hit)),
                Some(_) => {}
            }
            now.insert(key, case.changed);
        }
        let gone = known.map_or(0, |k| k.keys().filter(|key| !now.contains_key(*key)).count() as u64);
        let (count, found_count, ran) = (news.len() as u64, now.len() as u64, now_ms());
        let before = before.as_ref().map(|r| rfc3339(r.at));
        saved.last = Some(Run { at: ran, found: now });
        // what is told now is known next time, not before it is told
        let name = saved.name.clone();
        let (what, hits): (Vec<&str>, Vec<Hit>) = news.into_iter().take(MAX_NEWS).unzip();
        let rows = self.rows(&view.state, hits);
        let news = what.into_iter().zip(rows).map(|(news, (_, case))| SavedNews { news: news.into(), case }).collect();
        self.office.searches.keep(saved).map_err(problem)?;
        json(&SavedRun {
            name,
            before,
            ran: rfc3339(ran),
            found: found_count,
            more: found.more,
            gone,
            news_count: count,
            news,
            as_of: view.state.as_of,
        })
    }

    pub(super) fn drop_search(&self, call: &Call) -> Answer {
        self.office.searches.drop(&self.saved(call)?).map_err(problem)?;
        done()
    }
}
