//! Searching own cases: filters as they were typed become a question to the index, hits become rows.
//!
//! What [`Desk::rows`] makes of hits is all that leaves the node of them: whatever decides what may be shown stands there.

use super::names;
use super::release::reader;
use super::time::{day, moment};
use super::{Answer, Desk, cursor, json, paging};
use crate::office::View;
use crate::search::document::{self, Shown};
use crate::search::things::{Asked, reference_of};
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::search::{self, CLASSES, FACETS, FILTERS, FilterKind, MAX_FILTER, ORDERS};
use lapwing_api::service::Call;
use lapwing_api::types::{FacetCount, Filters, Page, ReferralRow, SearchFacets};
use lapwing_engine::case::{Case, Stage};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::directory::Channel;
use lapwing_record::form::Conduct;
use lapwing_record::id::ThreadId;
use lapwing_search::index::{Index, IndexError, Label};
use lapwing_search::question::{After, Hit, MAX_OFFSET, Order, Question};
use lapwing_search::words::Ask;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// The orders of the API, as the index knows them.
fn order_of(name: &str) -> Option<Order> {
    let time = |submitted, newest| Order::Time { submitted, newest };
    let orders = [Order::Relevance, time(false, true), time(false, false), time(true, true), time(true, false)];
    ORDERS.iter().zip(orders).find(|(n, _)| **n == name).map(|(_, order)| order)
}

/// The label that cases are counted by.
fn label_of(facet: &str) -> Option<Label> {
    use Label::*;
    let labels = [Stage, Class, Country, Counterpart, Conduct, Channel, Month];
    FACETS.iter().zip(labels).find(|(n, _)| **n == facet).map(|(_, label)| label)
}

/// What is wrong with a question: every fault, and what a name that stands for nobody was answered with.
struct Faults {
    /// Where the filters stand in what was sent.
    within: &'static str,
    all: Vec<FieldFault>,
    name: Option<Problem>,
}

impl Faults {
    fn add(&mut self, path: &str, what: impl Into<String>) {
        self.all.push(FieldFault { path: format!("{}{path}", self.within), what: what.into() });
    }

    /// A value, or the note of what is wrong with it.
    fn take<T>(&mut self, path: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|what| self.add(path, what)).ok()
    }

    /// Nothing, or all of it as one problem.
    fn done(mut self, code: Code) -> Result<(), Problem> {
        match (self.all.len(), self.name.take()) {
            (0, _) => Ok(()),
            // a name alone is answered as everywhere else
            (1, Some(problem)) => Err(problem.faults(self.all)),
            (_, _) => {
                let names: Vec<&str> = self.all.iter().map(|f| f.path.as_str()).collect();
                let what = match &self.all[..] {
                    [one] => format!("`{}`: {}", one.path, one.what),
                    _ => format!("wrong filters: {}", names.join(", ")),
                };
                Err(Problem::new(code, what).faults(self.all))
            }
        }
    }
}

fn codes<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(|one| read(one.trim())).collect()
}

fn one_of(all: &[&str], code: &str) -> Result<u64, String> {
    let found = all.iter().position(|c| *c == code).map(|at| at as u64);
    found.ok_or_else(|| format!("`{code}` is not one of: {}", all.join(", ")))
}

fn number<T: FromStr<Err = String>>(code: &str, number: impl Fn(T) -> u64) -> Result<u64, String> {
    code.parse().map(number)
}

fn time(text: &str) -> Result<u64, String> {
    let at = moment(text).or_else(|| (text.len() == 10).then(|| day(text)).flatten());
    at.ok_or_else(|| format!("{text:?} is neither a date such as 2026-11-30 nor a time of RFC 3339"))
}

/// The question that filters ask.
fn question(state: &State, filters: &Filters, faults: &mut Faults) -> Question {
    let mut question = Question::default();
    for (name, value) in filters {
        let Some(kind) = search::filter(name) else {
            let known: Vec<&str> = FILTERS.iter().map(|(n, _, _)| *n).collect();
            faults.add(name, format!("there is no such filter; these are: {}", known.join(", ")));
            continue;
        };
        if value.chars().count() > MAX_FILTER {
            faults.add(name, format!("must have at most {MAX_FILTER} characters"));
            continue;
        }
        match kind {
            FilterKind::Text => {
                question.text = faults.take(name, Ask::parse(value).map_err(|e| e.to_string()));
            }
            FilterKind::Codes(all) => {
                let label = match name.as_str() {
                    "stage" => Label::Stage,
                    "class" => Label::Class,
                    _ => Label::Role,
                };
                let values = faults.take(name, codes(value, |code| one_of(all, code)));
                question.labels.extend(values.map(|v| (label, v)));
            }
            FilterKind::Conduct => {
                let values = faults.take(name, codes(value, |code| number(code, Conduct::number)));
                question.labels.extend(values.map(|v| (Label::Conduct, v)));
            }
            FilterKind::Channel => {
                let values = faults.take(name, codes(value, |code| number(code, Channel::number)));
                question.labels.extend(values.map(|v| (Label::Channel, v)));
            }
            FilterKind::Country => {
                let read = |code: &str| {
                    document::country(code).ok_or_else(|| format!("`{code}` is not two letters (ISO 3166-1)"))
                };
                let values = faults.take(name, codes(value, read));
                question.labels.extend(values.map(|v| (Label::Country, v)));
            }
            FilterKind::Participant => {
                let found: Result<Vec<_>, Problem> =
                    value.split(',').map(|one| names::participant(state, one.trim())).collect();
                match found {
                    Ok(pids) => {
                        let values = pids.iter().map(document::counterpart).collect();
                        question.labels.push((Label::Counterpart, values));
                    }
                    Err(problem) => {
                        faults.add(name, problem.detail.clone());
                        faults.name = Some(problem);
                    }
                }
            }
            FilterKind::Identifier(kind) => {
                let asked = faults.take(name, Asked::new(kind, value));
                question.exact.extend(asked.map(|a| a.things(false)));
            }
            FilterKind::Reference => {
                if value.trim().is_empty() {
                    faults.add(name, "must not be empty");
                }
                question.exact.push(vec![reference_of(name == "own_ref", value)]);
            }
            FilterKind::Moment => {
                let at = faults.take(name, time(value));
                match name.as_str() {
                    "submitted_since" => question.submitted.0 = at,
                    "submitted_until" => question.submitted.1 = at,
                    "changed_since" => question.changed.0 = at,
                    _ => question.changed.1 = at,
                }
            }
        }
    }
    for (path, (from, before)) in [("submitted_until", question.submitted), ("changed_until", question.changed)] {
        if from.zip(before).is_some_and(|(from, before)| before <= from) {
            faults.add(path, "must lie after the time since when");
        }
    }
    question
}

/// A question that finds only what who asks may see: a case with anything in it that TLP:RED keeps to officers is not even
/// found by others, whatever was consented to since.
pub(super) fn within_reach(mut question: Question, exit: Exit) -> Question {
    if exit != Exit::Officer {
        question.labels.push((Label::Red, vec![0]));
    }
    question
}

/// The question of saved filters, or everything that is wrong with them.
pub(super) fn saved_question(state: &State, filters: &Filters) -> Result<Question, Problem> {
    let mut faults = Faults { within: "filters.", all: Vec::new(), name: None };
    let question = question(state, filters, &mut faults);
    if filters.is_empty() {
        faults.add("", "at least one filter");
    }
    faults.done(Code::Invalid).map(|()| question)
}

/// A failure of the index as callers see it.
pub(super) fn unusable(error: &IndexError) -> Problem {
    tracing::error!(%error, "a search failed");
    Problem::new(Code::SearchNotReady, "the search index is damaged and is being made anew")
}

/// What a search is asked by its query.
struct Asking {
    question: Question,
    order: Order,
}

fn asking(state: &State, call: &Call) -> Result<Asking, Problem> {
    let mut faults = Faults { within: "", all: Vec::new(), name: None };
    let of_search = |(name, _): &(&String, &String)| search::filter(name).is_some();
    let filters = call.params.iter().filter(of_search).map(|(n, v)| (n.clone(), v.clone())).collect();
    let question = question(state, &filters, &mut faults);
    let usual = if question.text.is_some() { Order::Relevance } else { Order::NEWEST };
    let order = match call.params.get("order") {
        None => Some(usual),
        Some(name) => {
            faults.take("order", order_of(name).ok_or_else(|| format!("`{name}` is not one of: {}", ORDERS.join(", "))))
        }
    };
    // without words all is equally relevant
    let order = order.filter(|o| *o != Order::Relevance || question.text.is_some()).unwrap_or(usual);
    faults.done(Code::Malformed).map(|()| Asking { question, order })
}

fn name_of(order: Order) -> &'static str {
    ORDERS.iter().find(|n| order_of(n) == Some(order)).expect("every order has a name")
}

fn cursor(order: Order, at: After) -> String {
    cursor::of_place(name_of(order), (at.0, at.1))
}

fn after(order: Order, cursor: &str) -> Option<After> {
    cursor::place(name_of(order), cursor).map(|(first, second)| After(first, second))
}

impl Desk {
    /// The index, with everything in it that was acknowledged before, and the view that it reflects.
    pub(super) fn index(&self) -> Result<(&Index, Arc<View>), Problem> {
        self.office.search.current(&self.office)
    }

    /// Hits as rows: the one place where what was found becomes what is shown.
    pub(super) fn rows<'a>(&self, state: &'a State, hits: Vec<Hit>, exit: Exit) -> Vec<(&'a Case, ReferralRow)> {
        let row = |hit: Hit| {
            let case = state.case(&ThreadId(hit.id))?;
            let shown: Shown = serde_json::from_slice(&hit.stored).unwrap_or_default();
            Some((case, self.row_of(state, case, shown.subject, shown.harm, exit)))
        };
        hits.into_iter().filter_map(row).collect()
    }

    pub(super) fn search(&self, call: &Call) -> Answer {
        let (index, view) = self.index()?;
        let (Asking { question, order }, exit) = (asking(&view.state, call)?, reader(call));
        let question = within_reach(question, exit);
        let limit = paging::limit(call)?;
        let bad = || {
            Problem::new(Code::Malformed, "`cursor` is not one that this search gave").hint("Begin without a cursor.")
        };
        let behind = call.params.get("cursor").map(|c| after(order, c).ok_or_else(bad)).transpose()?;
        let found = index.search(&question, order, behind, limit).map_err(|e| unusable(&e))?;
        let last = found.hits.last().map(|h| h.at);
        let last = last.filter(|at| found.more && (order != Order::Relevance || at.0 < MAX_OFFSET));
        let items = self.rows(&view.state, found.hits, exit).into_iter().map(|(_, row)| row).collect();
        json(&Page { items, next: last.map(|at| cursor(order, at)), as_of: view.state.as_of })
    }

    pub(super) fn search_facets(&self, call: &Call) -> Answer {
        let (index, view) = self.index()?;
        let wanted = match call.params.get("facets") {
            None => Ok(FACETS.to_vec()),
            Some(text) => codes(text, |name| one_of(&FACETS, name).map(|at| FACETS[at as usize])),
        };
        let bad = |what: String| {
            let fault = FieldFault { path: "facets".into(), what: what.clone() };
            Problem::new(Code::Malformed, format!("`facets`: {what}")).faults(vec![fault])
        };
        let wanted = wanted.map_err(bad)?;
        let question = within_reach(asking(&view.state, call)?.question, reader(call));
        let labels: Vec<Label> = wanted.iter().filter_map(|name| label_of(name)).collect();
        let (total, counts) = index.counts(&question, &labels).map_err(|e| unusable(&e))?;
        let names = Names::of(&view.state);
        let facet = |name: &&str| {
            let values = label_of(name).and_then(|l| counts.get(&l)).map_or(&[][..], |v| v);
            let count = |(value, count): &(u64, u64)| FacetCount { value: names.value(name, *value), count: *count };
            ((*name).to_owned(), values.iter().map(count).collect())
        };
        json(&SearchFacets { total, facets: wanted.iter().map(facet).collect(), as_of: view.state.as_of })
    }
}

/// Labels in words.
struct Names(BTreeMap<u64, String>);

impl Names {
    fn of(state: &State) -> Self {
        let peers = names::everyone(state).into_iter();
        Names(peers.map(|(pid, i)| (document::counterpart(&pid), i.short_name.clone())).collect())
    }

    fn value(&self, facet: &str, value: u64) -> String {
        let found = match facet {
            "stage" => Stage::ALL.get(value as usize).map(|s| s.as_str().to_owned()),
            "class" => CLASSES.get(value as usize).map(|c| (*c).to_owned()),
            "country" => Some(document::country_of(value)),
            "with" => self.0.get(&value).cloned(),
            "conduct" => Conduct::from_number(value).map(|c| c.to_string()),
            "channel" => Channel::from_number(value).map(|c| c.to_string()),
            _ => Some(document::month_of(value)),
        };
        found.unwrap_or_else(|| "unknown".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;

    fn filters(pairs: &[(&str, &str)]) -> Filters {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_wrong_filter_is_named_at_once_by_its_path() {
        let world = World::of(&["harbor", "polder"]);
        let wrong = [
            ("text", "\"open"),
            ("stage", "lost"),
            ("class", "grave"),
            ("role", "both"),
            ("with", "nobody"),
            ("country", "NLD"),
            ("conduct", "spam"),
            ("channel", "pigeon"),
            ("domain", "no domain"),
            ("ip", "192.0.2.1/24"),
            ("sha256", "ab"),
            ("own_ref", " "),
            ("changed_since", "soon"),
            ("nonsense", "x"),
        ];
        let problem = saved_question(world.state(), &filters(&wrong)).map(|_| ()).unwrap_err();
        assert_eq!(problem.code, Code::Invalid);
        let mut paths: Vec<&str> = wrong.iter().map(|(n, _)| *n).collect();
        paths.sort_unstable();
        assert_eq!(
            problem.faults.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
            paths.iter().map(|p| format!("filters.{p}")).collect::<Vec<_>>()
        );
        let alone = saved_question(world.state(), &filters(&[("with", "nobody")])).map(|_| ()).unwrap_err();
        assert_eq!((alone.code, alone.faults[0].path.as_str()), (Code::NotFound, "filters.with"));
        let backwards = filters(&[("changed_since", "2026-11-02"), ("changed_until", "2026-11-01T00:00:00Z")]);
        assert_eq!(
            saved_question(world.state(), &backwards).map(|_| ()).unwrap_err().faults[0].path,
            "filters.changed_until"
        );
        assert!(saved_question(world.state(), &Filters::new()).is_err());
        let right = [
            ("text", "prize"),
            ("stage", "closed,decided"),
            ("with", "polder"),
            ("country", "nl,GB"),
            ("ip", "192.0.2.0/24"),
            ("channel", "email"),
            ("submitted_since", "2026-11-01"),
        ];
        saved_question(world.state(), &filters(&right)).unwrap();
    }

    #[test]
    fn a_cursor_leads_on_in_its_own_order_alone() {
        let at = After(u64::MAX, 7);
        for name in ORDERS {
            let order = order_of(name).unwrap();
            assert_eq!(after(order, &cursor(order, at)), Some(at));
        }
        assert_eq!(after(Order::Relevance, &cursor(Order::NEWEST, at)), None);
        for bad in ["", "zz", "61"] {
            assert_eq!(after(Order::NEWEST, bad), None, "{bad}");
        }
        assert!(FACETS.iter().all(|f| label_of(f).is_some()));
        assert_eq!(CLASSES, document::CLASSES);
    }
}
