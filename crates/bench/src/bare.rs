//! Bare tantivy behind a socket: the least code that answers a client in another process. One segment's worth of care: an
//! index in memory, in the clear, one connection, a line of JSON each way, no tokens, no filters but those asked for.

use crate::plain::{connect, read_frame, write_frame};
use anyhow::Context;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, RangeQuery, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, TEXT, Value as _,
};
use tantivy::{Index, Searcher, TantivyDocument, Term};

/// Bytes of the writer's heap.
const HEAP: usize = 256 << 20;

#[derive(Clone, Copy)]
struct Fields {
    thread: Field,
    shown: Field,
    text: Field,
    stage: Field,
    channel: Field,
    changed: Field,
}

/// A client of it.
pub struct Bare {
    stream: TcpStream,
}

/// One case, for it.
pub struct Row {
    /// The thread.
    pub thread: String,
    /// What is shown.
    pub subject: String,
    /// Everything that can be found by words.
    pub text: Vec<String>,
    /// The stage's number.
    pub stage: u64,
    /// The channel's.
    pub channel: u64,
    /// Milliseconds UTC.
    pub changed: u64,
}

impl Bare {
    /// Makes the index and serves one connection.
    pub fn begin(rows: impl Iterator<Item = Row>) -> anyhow::Result<Self> {
        let mut schema = Schema::builder();
        let number = || NumericOptions::from(INDEXED | FAST);
        let fields = Fields {
            thread: schema.add_text_field("thread", STRING | STORED),
            shown: schema.add_text_field("shown", STORED),
            text: schema.add_text_field("text", TEXT),
            stage: schema.add_u64_field("stage", number()),
            channel: schema.add_u64_field("channel", number()),
            changed: schema.add_u64_field("changed", FAST | STORED),
        };
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, HEAP)?;
        for row in rows {
            let mut doc = TantivyDocument::new();
            doc.add_text(fields.thread, &row.thread);
            doc.add_text(fields.shown, &row.subject);
            row.text.iter().for_each(|t| doc.add_text(fields.text, t));
            doc.add_u64(fields.stage, row.stage);
            doc.add_u64(fields.channel, row.channel);
            doc.add_u64(fields.changed, row.changed);
            writer.add_document(doc)?;
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        let searcher = index.reader()?.searcher();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = connect(&listener)?;
        let (mut served, _) = listener.accept()?;
        served.set_nodelay(true)?;
        std::thread::spawn(move || {
            // ends with the client
            while let Ok(question) = read_frame(&mut served) {
                let Ok(answer) = answer(&searcher, fields, &question) else { return };
                if write_frame(&mut served, &answer).is_err() {
                    return;
                }
            }
        });
        Ok(Bare { stream })
    }

    /// Words that must all occur, and filters: how long it took, how many rows came.
    pub fn ask(&mut self, words: &str, filters: &Value, limit: usize) -> anyhow::Result<(Duration, usize)> {
        let begun = Instant::now();
        write_frame(
            &mut self.stream,
            json!({ "words": words, "filters": filters, "limit": limit }).to_string().as_bytes(),
        )?;
        let rows: Vec<Value> = serde_json::from_slice(&read_frame(&mut self.stream)?)?;
        Ok((begun.elapsed(), rows.len()))
    }
}

fn answer(searcher: &Searcher, fields: Fields, question: &[u8]) -> anyhow::Result<Vec<u8>> {
    let question: Value = serde_json::from_slice(question)?;
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    for word in question["words"].as_str().context("words")?.split(' ') {
        let term = Term::from_field_text(fields.text, word);
        clauses.push((Occur::Must, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))));
    }
    let filters = &question["filters"];
    for (name, field) in [("stage", fields.stage), ("channel", fields.channel)] {
        if let Some(value) = filters[name].as_u64() {
            let term = TermQuery::new(Term::from_field_u64(field, value), IndexRecordOption::Basic);
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(term), 0.0))));
        }
    }
    if let Some(since) = filters["changed_since"].as_u64() {
        let from = std::ops::Bound::Included(Term::from_field_u64(fields.changed, since));
        let range = RangeQuery::new(from, std::ops::Bound::Unbounded);
        clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(range), 0.0))));
    }
    let query: Box<dyn Query> =
        if clauses.len() == 1 { clauses.remove(0).1 } else { Box::new(BooleanQuery::new(clauses)) };
    let limit = question["limit"].as_u64().context("limit")? as usize;
    let mut rows = Vec::new();
    for (score, at) in searcher.search(&query, &TopDocs::with_limit(limit).order_by_score())? {
        let doc: TantivyDocument = searcher.doc(at)?;
        let text = |field| doc.get_first(field).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        rows.push(json!({ "thread": text(fields.thread), "subject": text(fields.shown), "score": score }));
    }
    Ok(serde_json::to_vec(&rows)?)
}
