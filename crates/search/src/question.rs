//! What is asked of the index, and what is found.

use crate::index::{Exact, Fields, Index, IndexError, Label, guarded};
use crate::words::{Ask, Part};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::collector::{Collector, Count, SegmentCollector, TopDocs};
use tantivy::columnar::ColumnValues;
use tantivy::index::SegmentId;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, FuzzyTermQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query, RangeQuery,
    TermQuery,
};
use tantivy::schema::{IndexRecordOption, OwnedValue};
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentReader, TantivyDocument, Term};

/// Whose score makes no difference.
const NO_SCORE: Score = 0.0;
/// The furthest that a question in order of relevance is leafed through.
pub const MAX_OFFSET: u64 = 10_000;

/// A question: all of it must hold. An empty one finds everything.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Words.
    pub text: Option<Ask>,
    /// Of each list, one of its things at least.
    pub exact: Vec<Vec<Exact>>,
    /// Of each label here, one of its values at least.
    pub labels: Vec<(Label, Vec<u64>)>,
    /// Milliseconds UTC of the beginning: from, and before.
    pub submitted: (Option<u64>, Option<u64>),
    /// Milliseconds UTC of the last change: from, and before.
    pub changed: (Option<u64>, Option<u64>),
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The best first (BM25): rare words count for more.
    Relevance,
    /// By a time.
    Time {
        /// Of submission; else of the last change.
        submitted: bool,
        /// The latest first.
        newest: bool,
    },
}

impl Order {
    /// The last changed first.
    pub const NEWEST: Order = Order::Time { submitted: false, newest: true };
}

/// Where an answer ended: the next one goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct After(pub u64, pub u64);

/// A document that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its name.
    pub id: [u8; 32],
    /// What was stored with it.
    pub stored: Vec<u8>,
    /// Its place in the order.
    pub at: After,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was found, in order.
    pub hits: Vec<Hit>,
    /// Whether there is more behind the last.
    pub more: bool,
}

/// Columns of times and ties as they were opened, by segment: opening one copies all of it.
#[derive(Default)]
pub(crate) struct Columns(Mutex<HashMap<(SegmentId, &'static str), Column>>);

type Column = Arc<dyn ColumnValues<u64>>;

impl Columns {
    fn get(&self, reader: &SegmentReader, name: &'static str) -> tantivy::Result<Column> {
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (reader.segment_id(), name);
        if let Some(column) = columns.get(&key) {
            return Ok(column.clone());
        }
        let column = reader.fast_fields().column_first_or_default(name)?;
        columns.insert(key, column.clone());
        Ok(column)
    }

    /// Lets go of those of other segments than these.
    pub(crate) fn keep(&self, segments: &HashSet<SegmentId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(segment, _), _| segments.contains(segment));
    }
}

impl Question {
    /// As tantivy asks it; without the range of the time that the answer is ordered by, which its collector checks.
    fn query(&self, index: &Index, ordered: Option<bool>) -> Box<dyn Query> {
        let fields = &index.fields;
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let filter = |query: Box<dyn Query>| (Occur::Must, Box::new(ConstScoreQuery::new(query, NO_SCORE)) as _);
        for things in &self.exact {
            let terms = things.iter().map(|e| Term::from_field_bytes(fields.exact, &index.hash(e)));
            clauses.push(filter(any(terms.collect())));
        }
        for (label, values) in &self.labels {
            let terms = values.iter().map(|v| Term::from_field_u64(fields.label(*label), *v));
            clauses.push(filter(any(terms.collect())));
        }
        let times = [(true, fields.submitted, self.submitted), (false, fields.changed, self.changed)];
        for (submitted, field, (from, before)) in times {
            if ordered == Some(submitted) {
                continue;
            }
            if from.is_some() || before.is_some() {
                let from = from.map_or(Bound::Unbounded, |t| Bound::Included(Term::from_field_u64(field, t)));
                let before = before.map_or(Bound::Unbounded, |t| Bound::Excluded(Term::from_field_u64(field, t)));
                clauses.push(filter(Box::new(RangeQuery::new(from, before))));
            }
        }
        if let Some(ask) = &self.text {
            clauses.extend(ask.must.iter().map(|p| (Occur::Must, part(fields, p))));
            if clauses.is_empty() {
                clauses.push(filter(Box::new(AllQuery)));
            }
            clauses.extend(ask.not.iter().map(|p| (Occur::MustNot, part(fields, p))));
        }
        match clauses.len() {
            0 => Box::new(AllQuery),
            1 => clauses.remove(0).1,
            _ => Box::new(BooleanQuery::new(clauses)),
        }
    }
}

fn any(mut terms: Vec<Term>) -> Box<dyn Query> {
    let one = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>;
    match terms.len() {
        1 => one(terms.remove(0)),
        _ => Box::new(BooleanQuery::union(terms.into_iter().map(one).collect())),
    }
}

fn part(fields: &Fields, part: &Part) -> Box<dyn Query> {
    let mut terms: Vec<Term> = part.words.iter().map(|w| Term::from_field_text(fields.text, w)).collect();
    match (terms.len(), part.prefix) {
        (1, false) => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::WithFreqs)),
        (1, true) => Box::new(FuzzyTermQuery::new_prefix(terms.remove(0), 0, false)),
        (_, false) => Box::new(PhraseQuery::new(terms)),
        (_, true) => Box::new(PhrasePrefixQuery::new(terms)),
    }
}

/// The first so many by a time, then by name.
struct ByTime<'a> {
    columns: &'a Columns,
    submitted: bool,
    newest: bool,
    /// Only what lies from the first on and before the second.
    within: (u64, u64),
    after: Option<After>,
    limit: usize,
}

struct InSegment {
    times: Column,
    ties: Column,
    newest: bool,
    within: (u64, u64),
    after: Option<After>,
    limit: usize,
    segment: u32,
    /// The last of the first so many on top.
    best: BinaryHeap<(After, DocAddress)>,
}

impl InSegment {
    fn take(&mut self, doc: DocId, time: u64) {
        if time < self.within.0 || time >= self.within.1 {
            return;
        }
        let time = if self.newest { !time } else { time };
        if self.best.len() == self.limit && self.best.peek().is_some_and(|(last, _)| last.0 < time) {
            return;
        }
        let at = After(time, self.ties.get_val(doc));
        if self.after.is_some_and(|after| at <= after) {
            return;
        }
        self.best.push((at, DocAddress::new(self.segment, doc)));
        if self.best.len() > self.limit {
            self.best.pop();
        }
    }
}

impl SegmentCollector for InSegment {
    type Fruit = Vec<(After, DocAddress)>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.take(doc, self.times.get_val(doc));
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        let mut times = [0; 256];
        for docs in docs.chunks(times.len()) {
            let times = &mut times[..docs.len()];
            self.times.get_vals(docs, times);
            for (doc, time) in docs.iter().zip(times) {
                self.take(*doc, *time);
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        self.best.into_vec()
    }
}

impl Collector for ByTime<'_> {
    type Fruit = Vec<(After, DocAddress)>;
    type Child = InSegment;

    fn for_segment(&self, segment: u32, reader: &SegmentReader) -> tantivy::Result<InSegment> {
        let field = if self.submitted { "submitted" } else { "changed" };
        let (times, ties) = (self.columns.get(reader, field)?, self.columns.get(reader, "tie")?);
        let (newest, within, after, limit) = (self.newest, self.within, self.after, self.limit);
        Ok(InSegment { times, ties, newest, within, after, limit, segment, best: BinaryHeap::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all: Vec<(After, DocAddress)> = fruits.into_iter().flatten().collect();
        all.sort_unstable();
        all.truncate(self.limit);
        Ok(all)
    }
}

/// How many documents have each value of each label.
pub type Counts = BTreeMap<Label, Vec<(u64, u64)>>;

struct ByLabel<'a>(&'a [Label]);

struct InLabels {
    columns: Vec<(Label, tantivy::columnar::Column<u64>)>,
    counts: Vec<HashMap<u64, u64>>,
}

impl SegmentCollector for InLabels {
    type Fruit = HashMap<(Label, u64), u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        for ((_, column), counts) in self.columns.iter().zip(&mut self.counts) {
            for value in column.values_for_doc(doc) {
                *counts.entry(value).or_default() += 1;
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        let columns = self.columns.into_iter().zip(self.counts);
        columns.flat_map(|((label, _), counts)| counts.into_iter().map(move |(v, n)| ((label, v), n))).collect()
    }
}

impl Collector for ByLabel<'_> {
    type Fruit = HashMap<(Label, u64), u64>;
    type Child = InLabels;

    fn for_segment(&self, _: u32, reader: &SegmentReader) -> tantivy::Result<InLabels> {
        let column = |label: &Label| Ok((*label, reader.fast_fields().u64(label.name())?));
        let columns = self.0.iter().map(column).collect::<tantivy::Result<Vec<_>>>()?;
        Ok(InLabels { counts: vec![HashMap::new(); columns.len()], columns })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all = HashMap::new();
        for (key, n) in fruits.into_iter().flatten() {
            *all.entry(key).or_default() += n;
        }
        Ok(all)
    }
}

impl Index {
    fn ask<T>(&self, work: impl FnOnce(&Searcher) -> tantivy::Result<T>) -> Result<T, IndexError> {
        let searcher = self.searcher()?;
        guarded(|| work(&searcher)).inspect_err(|error| self.distrust(&error.to_string()))
    }

    /// What fits, in order, behind `after`: at most `limit`.
    ///
    /// In order of a time, what is put in meanwhile neither doubles nor hides anything else. In order of relevance places
    /// are counted, [`MAX_OFFSET`] at most.
    pub fn search(
        &self,
        question: &Question,
        order: Order,
        after: Option<After>,
        limit: usize,
    ) -> Result<Found, IndexError> {
        let ordered = match order {
            Order::Relevance => None,
            Order::Time { submitted, .. } => Some(submitted),
        };
        let query = question.query(self, ordered);
        self.ask(|searcher| {
            let mut found = match order {
                Order::Relevance => {
                    let skip = after.map_or(0, |a| a.0.min(MAX_OFFSET));
                    let top = TopDocs::with_limit(limit + 1).and_offset(skip as usize).order_by_score();
                    let found = searcher.search(&query, &top)?;
                    let at = |i: usize| After(skip + i as u64 + 1, 0);
                    found.into_iter().enumerate().map(|(i, (_, doc))| (at(i), doc)).collect()
                }
                Order::Time { submitted, newest } => {
                    let (from, before) = if submitted { question.submitted } else { question.changed };
                    let within = (from.unwrap_or(0), before.unwrap_or(u64::MAX));
                    let columns = &self.columns;
                    searcher.search(&query, &ByTime { columns, submitted, newest, within, after, limit: limit + 1 })?
                }
            };
            let more = found.len() > limit;
            found.truncate(limit);
            let hits =
                found.into_iter().map(|(at, doc)| self.hit(searcher, doc, at)).collect::<tantivy::Result<_>>()?;
            Ok(Found { hits, more })
        })
    }

    fn hit(&self, searcher: &Searcher, doc: DocAddress, at: After) -> tantivy::Result<Hit> {
        let document: TantivyDocument = searcher.doc(doc)?;
        let bytes = |field| {
            document.get_first(field).map(OwnedValue::from).and_then(|value| match value {
                OwnedValue::Bytes(bytes) => Some(bytes),
                _ => None,
            })
        };
        let id = bytes(self.fields.id).and_then(|b| b.try_into().ok());
        let (Some(id), Some(stored)) = (id, bytes(self.fields.stored)) else {
            return Err(tantivy::TantivyError::InternalError("a document without its name".into()));
        };
        Ok(Hit { id, stored, at })
    }

    /// How many documents fit.
    pub fn count(&self, question: &Question) -> Result<u64, IndexError> {
        let query = question.query(self, None);
        self.ask(|searcher| Ok(searcher.search(&query, &Count)? as u64))
    }

    /// How many documents fit, and how many of them have each value of these labels.
    pub fn counts(&self, question: &Question, labels: &[Label]) -> Result<(u64, Counts), IndexError> {
        let query = question.query(self, None);
        self.ask(|searcher| {
            let (all, found) = searcher.search(&query, &(Count, ByLabel(labels)))?;
            let mut counts = Counts::new();
            for ((label, value), n) in found {
                counts.entry(label).or_default().push((value, n));
            }
            for values in counts.values_mut() {
                values.sort_by_key(|(value, n)| (u64::MAX - n, *value));
            }
            Ok((all as u64, counts))
        })
    }
}
