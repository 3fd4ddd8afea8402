//! The open index: batches go in with the mark that they bring it to; what is erased is gone from the files too.
//!
//! ```text
//! owner's facts ─▶ Batch ─▶ apply: one commit, with the mark ─▶ found by the next question
//!                        └▶ erase: removed, and every segment that ever held it written anew without it
//! idle ─▶ settle: writer, threads, heap and opened blocks let go, files synced
//! any doubt ─▶ Broken, until clear ─▶ mark() is none: fill it from the start
//! ```
//!
//! Exact terms (identifiers, references) are keyed hashes of 16 bytes: even who opened the blocks could only try values.

use crate::folder::Folder;
use crate::question::Columns;
use crate::split::Splitter;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use tantivy::directory::Directory;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, NoMergePolicy};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, OwnedValue, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::Compressor;
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term};
use zeroize::Zeroizing;

/// Tantivy's list of segments, and of its files.
const META: &str = "meta.json";
const MANAGED: &str = ".managed.json";
/// The form of the index: another one is made anew.
const FORM: &str = "1";
/// Bytes that a writer gathers before it writes a segment, while it runs.
const HEAP: usize = 32 << 20;
/// The share of a segment's documents that may be outdated before it is merged.
const OUTDATED: f32 = 0.3;
/// Documents of a segment that is merged no further: erasing one writes no more than such a segment anew.
const MERGED: usize = 20_000;
/// Bytes of a block of what is stored beside the words.
const STORED_BLOCK: usize = 4096;
/// Blocks of that kind that a reader keeps.
const STORED_KEPT: usize = 8;

/// The index could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// It is not to be believed any more: [`Index::clear`] it and fill it anew.
    #[error("the search index is unusable and must be made anew: {0}")]
    Broken(String),
    /// The disk is full. What was to go in may go in later.
    #[error("the search index cannot be written: the disk is full")]
    Full,
    /// Its folder cannot be used.
    #[error("the search index folder cannot be used: {0}")]
    Folder(String),
}

macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident $name:literal)+) => {
        /// What a document is labelled with: numbers whose meaning is the owner's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Label { $($(#[$doc])* $label),+ }

        impl Label {
            /// Every label.
            pub const ALL: &'static [Label] = &[$(Label::$label),+];
            pub(crate) const fn name(self) -> &'static str { match self { $(Label::$label => $name),+ } }
        }
    };
}

labels! {
    /// Where the case is.
    Stage "stage"
    /// How grave its harm is.
    Class "class"
    /// Our own part.
    Role "role"
    /// The other side.
    Counterpart "counterpart"
    /// Countries.
    Country "country"
    /// What was done.
    Conduct "conduct"
    /// By which channel.
    Channel "channel"
    /// The month of submission.
    Month "month"
    /// Whether something in it is for the fewest only: 1, else 0.
    Red "red"
}

/// Something that is found whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact {
    /// What kind of thing: things of two kinds never meet.
    pub kind: &'static str,
    /// The thing, in the one form in which it is compared.
    pub value: Vec<u8>,
}

impl Exact {
    /// A thing of a kind.
    pub fn new(kind: &'static str, value: impl AsRef<[u8]>) -> Self {
        Exact { kind, value: value.as_ref().to_vec() }
    }
}

/// What can be found.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name. A document replaces the one of the same name.
    pub id: [u8; 32],
    /// Texts that are found by their words.
    pub text: Vec<String>,
    /// What is found whole.
    pub exact: Vec<Exact>,
    /// Labels.
    pub labels: Vec<(Label, u64)>,
    /// Milliseconds UTC of its beginning.
    pub submitted: u64,
    /// Milliseconds UTC of its last change.
    pub changed: u64,
    /// What comes back when it is found.
    pub stored: Vec<u8>,
}

impl Document {
    /// A document of which nothing is known yet.
    pub fn new(id: [u8; 32]) -> Self {
        let (text, exact, labels, stored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Document { id, text, exact, labels, submitted: 0, changed: 0, stored }
    }
}

/// Changes that take effect together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Documents that are new or replace the one of the same name.
    pub put: Vec<Document>,
    /// Names of documents that are not to be found any more. Their words stay in the files until they are
    /// [erased](Index::erase).
    pub remove: Vec<[u8; 32]>,
}

/// Where everything of a document stands.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub id: Field,
    pub text: Field,
    pub exact: Field,
    pub labels: Vec<Field>,
    pub submitted: Field,
    pub changed: Field,
    pub tie: Field,
    pub stored: Field,
}

impl Fields {
    fn schema() -> (Schema, Fields) {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let fast = NumericOptions::default().set_fast();
        let fields = Fields {
            id: schema.add_bytes_field("id", BytesOptions::default().set_indexed() | STORED),
            text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
            exact: schema.add_bytes_field("exact", BytesOptions::default().set_indexed()),
            labels: Label::ALL.iter().map(|l| schema.add_u64_field(l.name(), fast.clone().set_indexed())).collect(),
            submitted: schema.add_u64_field("submitted", fast.clone()),
            changed: schema.add_u64_field("changed", fast.clone()),
            tie: schema.add_u64_field("tie", fast),
            stored: schema.add_bytes_field("stored", STORED),
        };
        (schema.build(), fields)
    }

    pub(crate) fn label(&self, label: Label) -> Field {
        self.labels[label as usize]
    }
}

struct Live {
    index: tantivy::Index,
    reader: IndexReader,
    writer: Option<IndexWriter>,
    mark: Option<Vec<u8>>,
}

impl Live {
    fn current(&self) -> Current {
        Current { reader: self.reader.clone(), mark: self.mark.clone() }
    }
}

enum State {
    Live(Box<Live>),
    Broken(String),
}

/// The open index. Questions may come from any thread, and are never behind a write.
pub struct Index {
    folder: Folder,
    terms: Zeroizing<[u8; 32]>,
    stamp: String,
    pub(crate) fields: Fields,
    /// One writes at a time; questions take what stands below.
    state: Mutex<State>,
    current: RwLock<Result<Current, String>>,
    pub(crate) columns: Columns,
}

/// What questions see, whoever writes meanwhile.
struct Current {
    reader: IndexReader,
    mark: Option<Vec<u8>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| Some((char::from(pair[0]).to_digit(16)? * 16 + char::from(pair[1]).to_digit(16)?) as u8);
    (digits.len().is_multiple_of(2)).then(|| digits.chunks_exact(2).map(pair).collect::<Option<_>>())?
}

fn is_full(error: &TantivyError) -> bool {
    let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    match error {
        TantivyError::IoError(e) => full(e),
        TantivyError::OpenWriteError(tantivy::directory::error::OpenWriteError::IoError { io_error, .. }) => {
            full(io_error)
        }
        _ => false,
    }
}

/// Runs what tantivy does: its errors, and its panics over files that are not what they should be, are doubts.
pub(crate) fn guarded<T>(work: impl FnOnce() -> tantivy::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if is_full(&error) => Err(IndexError::Full),
        Ok(Err(error)) => Err(IndexError::Broken(error.to_string())),
        Err(_) => Err(IndexError::Broken("reading it failed".to_owned())),
    }
}

impl Live {
    fn open(folder: &Folder, fields: &Schema, stamp: &str) -> Result<Live, IndexError> {
        guarded(|| {
            if !folder.exists(Path::new(META))? && !folder.names()?.is_empty() {
                return Err(TantivyError::InvalidArgument("its list of segments is missing".into()));
            }
            let tokenizers = TokenizerManager::default();
            tokenizers.register("words", TextAnalyzer::from(Splitter));
            let settings = IndexSettings {
                docstore_compression: Compressor::None,
                docstore_compress_dedicated_thread: false,
                docstore_blocksize: STORED_BLOCK,
                ..IndexSettings::default()
            };
            let index = tantivy::Index::builder()
                .schema(fields.clone())
                .settings(settings)
                .tokenizers(tokenizers)
                .open_or_create(folder.clone())?;
            let reader = index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .doc_store_cache_num_blocks(STORED_KEPT)
                .try_into()?;
            let mark = match index.load_metas()?.payload {
                None => None,
                Some(payload) => match payload.split_once(' ') {
                    Some((s, mark)) if s == stamp => unhex(mark),
                    _ => return Err(TantivyError::InvalidArgument("it was made otherwise".into())),
                },
            };
            // what a lost list would have named: it may hold what was erased since
            let mut living: BTreeSet<PathBuf> = [META, MANAGED].map(PathBuf::from).into();
            living.extend(index.load_metas()?.list_segment_files());
            for stray in folder.names()?.iter().filter(|name| !living.contains(*name)) {
                folder.drop_stray(stray)?;
            }
            Ok(Live { index, reader, writer: None, mark })
        })
    }

    fn writer(&mut self, merging: bool) -> tantivy::Result<&mut IndexWriter> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .memory_budget_per_thread(HEAP)
                .num_worker_threads(1)
                .num_merge_threads(1)
                .build();
            self.writer = Some(self.index.writer_with_options(options)?);
        }
        let writer = self.writer.as_mut().expect("it was just made");
        if merging {
            let mut policy = LogMergePolicy::default();
            policy.set_del_docs_ratio_before_merge(OUTDATED);
            policy.set_max_docs_before_merge(MERGED);
            writer.set_merge_policy(Box::new(policy));
        } else {
            writer.set_merge_policy(Box::new(NoMergePolicy));
        }
        Ok(writer)
    }

    fn commit(&mut self, stamp: &str, mark: &[u8]) -> tantivy::Result<()> {
        let writer = self.writer.as_mut().expect("a batch has just gone into it");
        let mut prepared = writer.prepare_commit()?;
        prepared.set_payload(&format!("{stamp} {}", hex(mark)));
        prepared.commit()?;
        self.mark = Some(mark.to_vec());
        self.reader.reload()
    }

    /// Waits for merges under way, and lets go of the writer.
    fn rest(&mut self) -> tantivy::Result<()> {
        match self.writer.take() {
            Some(writer) => {
                writer.wait_merging_threads()?;
                self.reader.reload()
            }
            None => Ok(()),
        }
    }
}

impl Index {
    /// Opens (or creates) the index in `folder`, whose parent must exist, under `key`. What does not open, or was made with
    /// another `stamp`, is emptied; why is told. The caller holds the data folder's lock.
    pub fn open(folder: &Path, key: &[u8; 32], stamp: &[u8]) -> Result<(Self, Option<String>), IndexError> {
        let blocks = Zeroizing::new(blake3::derive_key("lapwing/1 search index blocks", key));
        let terms = Zeroizing::new(blake3::derive_key("lapwing/1 search index terms", key));
        let folder = Folder::open(folder, blocks).map_err(|e| IndexError::Folder(e.to_string()))?;
        let stamp = format!("{FORM}-{}", hex(stamp));
        let (schema, fields) = Fields::schema();
        let (opened, why) = match Live::open(&folder, &schema, &stamp) {
            Err(IndexError::Broken(why)) => {
                folder.clear().map_err(|e| IndexError::Folder(e.to_string()))?;
                (Live::open(&folder, &schema, &stamp), Some(why))
            }
            opened => (opened, None),
        };
        let (state, current) = match opened {
            Ok(live) => {
                let current = live.current();
                (State::Live(Box::new(live)), Ok(current))
            }
            // there may be room later: it is there, and unusable until it is cleared
            Err(error @ IndexError::Full) => (State::Broken(error.to_string()), Err(error.to_string())),
            Err(error) => return Err(error),
        };
        let (state, current, columns) = (Mutex::new(state), RwLock::new(current), Columns::default());
        Ok((Index { folder, terms, stamp, fields, state, current, columns }, why))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something. After a failure nothing is believed any more.
    fn change<T>(&self, work: impl FnOnce(&mut Live) -> tantivy::Result<T>) -> Result<T, IndexError> {
        let mut state = self.state();
        let live = match &mut *state {
            State::Live(live) => live,
            State::Broken(why) => return Err(IndexError::Broken(why.clone())),
        };
        match guarded(|| work(live)) {
            Ok(value) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                // what a question has found damaged meanwhile stays in doubt
                if let Ok(current) = &mut *current {
                    *current = live.current();
                }
                let searcher = live.reader.searcher();
                self.columns.keep(&searcher.segment_readers().iter().map(|s| s.segment_id()).collect());
                Ok(value)
            }
            Err(IndexError::Full) => {
                // what is half written goes with the writer
                drop(live.writer.take());
                Err(IndexError::Full)
            }
            Err(error) => {
                let why = error.to_string();
                *state = State::Broken(why.clone());
                drop(state);
                self.distrust(&why);
                Err(error)
            }
        }
    }

    /// Every call fails from now on, until it is cleared.
    pub(crate) fn distrust(&self, why: &str) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Err(why.to_owned());
    }

    /// Why it can no longer be used, if it cannot.
    pub fn trouble(&self) -> Option<String> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).as_ref().err().cloned()
    }

    pub(crate) fn searcher(&self) -> Result<Searcher, IndexError> {
        match &*self.current.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(current) => Ok(current.reader.searcher()),
            Err(why) => Err(IndexError::Broken(why.clone())),
        }
    }

    /// The mark of the last batch; none: it is empty, and everything is to be put in.
    pub fn mark(&self) -> Option<Vec<u8>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).as_ref().ok().and_then(|c| c.mark.clone())
    }

    /// How many documents can be found.
    pub fn len(&self) -> u64 {
        self.searcher().map_or(0, |s| s.num_docs())
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An exact term as it lies in the index.
    pub(crate) fn hash(&self, exact: &Exact) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.terms);
        hasher.update(&[exact.kind.len() as u8]).update(exact.kind.as_bytes()).update(&exact.value);
        let hash = hasher.finalize();
        *hash.as_bytes().first_chunk::<16>().expect("a hash has 32 bytes")
    }

    fn name(&self, id: &[u8; 32]) -> Term {
        Term::from_field_bytes(self.fields.id, id)
    }

    fn document(&self, document: Document) -> TantivyDocument {
        let fields = &self.fields;
        let mut out = TantivyDocument::new();
        out.add_bytes(fields.id, &document.id);
        for text in &document.text {
            out.add_text(fields.text, text);
        }
        let exact: BTreeSet<[u8; 16]> = document.exact.iter().map(|e| self.hash(e)).collect();
        for hash in &exact {
            out.add_bytes(fields.exact, hash);
        }
        let labels: BTreeSet<(Label, u64)> = document.labels.iter().copied().collect();
        for (label, value) in labels {
            out.add_u64(fields.label(label), value);
        }
        out.add_u64(fields.submitted, document.submitted);
        out.add_u64(fields.changed, document.changed);
        let tie = document.id.first_chunk::<8>().expect("32 bytes have 8");
        out.add_u64(fields.tie, u64::from_be_bytes(*tie));
        out.add_field_value(fields.stored, &OwnedValue::Bytes(document.stored));
        out
    }

    /// Puts a batch in and moves the mark, in one commit: a kill leaves all of it or nothing. Not durable before
    /// [`Index::settle`]: what a power cut takes shows by the mark, or as damage.
    pub fn apply(&self, batch: Batch, mark: &[u8]) -> Result<(), IndexError> {
        self.change(|live| {
            self.write(live, batch)?;
            live.commit(&self.stamp, mark)
        })
    }

    /// Puts a batch in that is found only after the next [`Index::apply`], with its mark: where much goes in at once.
    pub fn add(&self, batch: Batch) -> Result<(), IndexError> {
        self.change(|live| self.write(live, batch))
    }

    /// As [`Index::add`], of documents whose names were never put in since the index was emptied: nothing is replaced, which
    /// spares looking for each of them everywhere.
    pub fn add_new(&self, documents: Vec<Document>) -> Result<(), IndexError> {
        self.change(|live| {
            let writer = live.writer(true)?;
            for document in documents {
                writer.add_document(self.document(document))?;
            }
            Ok(())
        })
    }

    fn write(&self, live: &mut Live, batch: Batch) -> tantivy::Result<()> {
        let writer = live.writer(true)?;
        for id in &batch.remove {
            writer.delete_term(self.name(id));
        }
        for document in batch.put {
            writer.delete_term(self.name(&document.id));
            writer.add_document(self.document(document))?;
        }
        Ok(())
    }

    /// Which of these documents some file still holds something of, found or not.
    pub fn held(&self, ids: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, IndexError> {
        let searcher = self.searcher()?;
        guarded(|| {
            let dictionaries = searcher.segment_readers().iter().map(|s| s.inverted_index(self.fields.id));
            let dictionaries = dictionaries.collect::<tantivy::Result<Vec<_>>>()?;
            let mut held = Vec::new();
            for id in ids {
                for dictionary in &dictionaries {
                    if dictionary.get_term_info(&self.name(id))?.is_some() {
                        held.push(*id);
                        break;
                    }
                }
            }
            Ok(held)
        })
    }

    /// Removes documents and writes every segment that ever held one of them anew; the old files are made unreadable and
    /// removed before it returns. The mark stays as `mark`.
    pub fn erase(&self, ids: &[[u8; 32]], mark: &[u8]) -> Result<(), IndexError> {
        let folder = self.folder.clone();
        self.change(|live| {
            live.rest()?;
            let writer = live.writer(false)?;
            for id in ids {
                writer.delete_term(self.name(id));
            }
            live.commit(&self.stamp, mark)?;
            let mut with = Vec::new();
            for segment in live.reader.searcher().segment_readers() {
                let dictionary = segment.inverted_index(self.fields.id)?;
                for id in ids {
                    if dictionary.get_term_info(&self.name(id))?.is_some() {
                        with.push(segment.segment_id());
                        break;
                    }
                }
            }
            for segment in with {
                live.writer(false)?.merge(&[segment]).wait()?;
            }
            live.reader.reload()?;
            live.writer(false)?.garbage_collect_files().wait()?;
            drop(live.writer.take());
            folder.sweep()?;
            Ok(())
        })?;
        match self.held(ids)? {
            left if left.is_empty() => Ok(()),
            _ => {
                let why = "an erased document is still held by a file".to_owned();
                self.distrust(&why);
                Err(IndexError::Broken(why))
            }
        }
    }

    /// Lets go of everything that an idle index does not need, makes files durable and removes those that are done with.
    /// Returns after merges under way.
    pub fn settle(&self) -> Result<(), IndexError> {
        let folder = self.folder.clone();
        self.change(|live| {
            live.rest()?;
            folder.sweep()?;
            Ok(folder.settle()?)
        })?;
        self.columns.keep(&HashSet::new());
        Ok(())
    }

    /// Empties it: every file is made unreadable and removed.
    pub fn clear(&self) -> Result<(), IndexError> {
        let mut state = self.state();
        self.distrust("it is being emptied");
        *state = State::Broken("it is being emptied".to_owned());
        self.folder.clear().map_err(|e| IndexError::Folder(e.to_string()))?;
        let live = Live::open(&self.folder, &Fields::schema().0, &self.stamp)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Ok(live.current());
        *state = State::Live(Box::new(live));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
