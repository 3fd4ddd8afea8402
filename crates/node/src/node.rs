//! A node from its data folder to its last breath: open, replay, start the parts, run, stop.
//!
//! ```text
//! lock ─▶ charter, identity, keys ─▶ journal (verified) ─▶ replay into engine, index follows
//!      ─▶ high-water file: is this an older copy? ─▶ driver, links, upkeep, API ─▶ until stopped
//! ```

use crate::book::{self, Book, BookError};
use crate::checked;
use crate::config::Settings;
use crate::cores::{self, on_all_cores};
use crate::desk::Desk;
use crate::driver::{Driver, DriverError, Outward};
use crate::folder::{self, Folder};
use crate::founding::{FoundingError, Identity};
use crate::keys::{self, KeyFileError, KeyKind, Passphrase};
use crate::links::Links;
use crate::office::{Office, Parts, View, now_ms};
use crate::search::saved::{SavedError, SavedSearches};
use crate::search::{self, Search, Since};
use crate::tokens::{TokenError, Tokens};
use crate::transfer::Transfers;
use crate::vault::Vault;
use crate::watch::Watch;
use crate::{applicant, clerk, erasure, post, tell, upkeep};
use lapwing_engine::author::Chain;
use lapwing_engine::engine::{Config as EngineConfig, Engine};
use lapwing_engine::fact::{FORMAT, Fact};
use lapwing_engine::step::{Command, Input};
use lapwing_net::config::{Limits as NetLimits, NetConfig};
use lapwing_record::audit::{Attempt, DONE};
use lapwing_record::cbor::{decode, encode};
use lapwing_record::charter::{CharterError, CharterFile, MAX_CHARTER_FILE};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::idlog::{IdLog, IdLogError};
use lapwing_record::membership::Application;
use lapwing_record::sign::SecretKey;
use lapwing_store::blobs::BlobStore;
use lapwing_store::disk::os::OsDisk;
use lapwing_store::index::{Batch, Index};
use lapwing_store::journal::{Journal, JournalReader, Options, Position};
use lapwing_store::keyring::Keyring;
use lapwing_store::lock::DataLock;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bytes of the index's cache.
const INDEX_CACHE: u64 = 16 << 20;
/// Facts read at a time when the journal is replayed, and their bytes, about.
const REPLAY_BATCH: usize = 4096;
const REPLAY_BYTES: usize = 8 << 20;

/// Why a node does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file of the data folder.
    #[error(transparent)]
    File(#[from] folder::FileError),
    /// Another process uses the folder.
    #[error(transparent)]
    Lock(#[from] lapwing_store::lock::LockError),
    /// The charter.
    #[error("{0}")]
    Charter(#[from] CharterError),
    /// There is no charter yet.
    #[error("this node has no charter yet")]
    NoCharter,
    /// The identity.
    #[error(transparent)]
    Identity(#[from] FoundingError),
    /// Log 0.
    #[error("this participant's log 0 does not fit the charter: {0}")]
    IdLog(#[from] IdLogError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The feed key is not the one of the identity.
    #[error("keys/feed.key is not the feed key of this participant's newest epoch")]
    OtherFeed,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] lapwing_store::journal::OpenError),
    /// A repair was interrupted between two steps.
    #[error("a repair was interrupted: the journal lies in {}", .0.display())]
    RepairInterrupted(std::path::PathBuf),
    /// Records.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The index.
    #[error(transparent)]
    Index(#[from] lapwing_store::index::IndexError),
    /// What searches look in.
    #[error(transparent)]
    Search(#[from] lapwing_search::index::IndexError),
    /// Saved searches.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// The keyring.
    #[error(transparent)]
    Keyring(#[from] lapwing_store::keyring::OpenError),
    /// Evidence.
    #[error(transparent)]
    Blobs(#[from] lapwing_store::blobs::BlobError),
    /// The keyring, written to.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// An erasure that was interrupted could not be finished.
    #[error(transparent)]
    Erasure(#[from] erasure::ErasureError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The network part.
    #[error("the network part does not start: {0}")]
    Net(#[from] lapwing_net::config::StartError),
    /// The API.
    #[error("the API cannot listen on {0}: {1}")]
    Api(std::net::SocketAddr, #[source] std::io::Error),
    /// The driver.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A part of the node ended by a panic.
    #[error("a part of the node failed: {0}")]
    Part(String),
    /// The high-water file.
    #[error("the high-water file {0} cannot be read: {1}")]
    HighWater(String, String),
}

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Assert that our own logs are complete here.
    pub assert_current: bool,
}

/// A running node.
pub struct Node {
    /// What its parts share.
    pub office: Arc<Office>,
    /// Its connections.
    pub links: Arc<Links>,
    /// Where the API listens.
    pub api: std::net::SocketAddr,
    parts: JoinSet<Result<(), NodeError>>,
    _lock: DataLock,
}

struct Keys {
    feed: SecretKey,
    node: zeroize::Zeroizing<[u8; 32]>,
    at_rest: zeroize::Zeroizing<[u8; 32]>,
}

fn read_keys(folder: &Folder, passphrase: Option<&Passphrase>) -> Result<Keys, KeyFileError> {
    let feed = keys::read_key(&folder.feed_key(), KeyKind::Feed, passphrase)?;
    Ok(Keys {
        feed: SecretKey::from_seed(*feed),
        node: keys::read_key(&folder.node_key(), KeyKind::Node, passphrase)?,
        at_rest: keys::read_key(&folder.at_rest_key(), KeyKind::AtRest, passphrase)?,
    })
}

/// The charter of a data folder, verified.
pub fn read_charter(folder: &Folder) -> Result<CharterFile, NodeError> {
    match folder::read(&folder.charter(), MAX_CHARTER_FILE as u64) {
        Ok(bytes) => Ok(CharterFile::open(&bytes)?),
        Err(e) if e.is_missing() => Err(NodeError::NoCharter),
        Err(e) => Err(e.into()),
    }
}

/// This participant's log 0 as the charter or the identity file has it.
pub(crate) fn own_log(charter: &CharterFile, identity: &Identity) -> Result<(IdLog, Vec<Entry>), NodeError> {
    let pid = identity.pid();
    let network = charter.charter.network_id();
    let founding = charter.first_entries.iter().filter(|e| e.header().pid == pid).cloned();
    let entries: Vec<Entry> = founding.chain(identity.entries.iter().cloned()).collect();
    Ok((IdLog::fold(pid, &entries, &network)?, entries))
}

/// Makes the engine and replays the journal into it. `index` follows where it is behind; `each` sees every fact.
fn replay(
    charter: &CharterFile,
    own: &(IdLog, Vec<Entry>),
    config: &EngineConfig,
    journal: &JournalReader,
    index: Option<&Index>,
    mut each: impl FnMut(&Fact, Position),
) -> Result<Engine, BookError> {
    let mut engine = Engine::new(charter, own.0.clone(), own.1.clone(), config.clone());
    let noted = index.and_then(Index::position);
    let mut records = journal.replay(None);
    loop {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while some.len() < REPLAY_BATCH && bytes < REPLAY_BYTES {
            let Some(record) = records.next().transpose()? else { break };
            bytes += record.1.len();
            some.push(record);
        }
        if some.is_empty() {
            return Ok(engine);
        }
        let federation = &engine.state().federation;
        let facts = on_all_cores(&some, |(position, bytes)| {
            let fact = book::read_fact(*position, bytes)?;
            if let Fact::Entry(kept) = &fact {
                cores::check(federation, &kept.entry);
            }
            Ok::<_, BookError>(fact)
        });
        let (mut batch, mut last) = (Batch::new(), None);
        for ((position, _), fact) in some.iter().zip(facts) {
            let fact = fact?;
            engine.replay(&fact);
            each(&fact, *position);
            if index.is_some() && noted.is_none_or(|n| *position > n) {
                book::note(&fact, *position, &mut batch);
                last = Some(*position);
            }
        }
        if let (Some(index), Some(last)) = (index, last) {
            index.apply(batch, last)?;
        }
    }
}

/// How far own logs went, as the file beside the data folder has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HighWater {
    /// Whose they are; none in files of the first format.
    pub pid: Option<Pid>,
    /// The newest entry of each log.
    pub heads: Vec<(LogKind, u64, EntryId)>,
}

impl HighWater {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self.pid {
            Some(pid) => checked::seal(encode(&(pid, self.heads.clone()))),
            None => encode(&self.heads),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let of = |bytes: &[u8]| decode(bytes, 4096).map(|(pid, heads)| HighWater { pid: Some(pid), heads });
        match checked::open(bytes, 4096) {
            Some(opened) => of(&opened?).map_err(|e| e.to_string()),
            // of earlier programs: without a hash, and before that without the participant
            None => of(bytes).or_else(|e| {
                let heads = decode(bytes, 4096).map_err(|_| e.to_string())?;
                Ok(HighWater { pid: None, heads })
            }),
        }
    }
}

pub(crate) fn read_highwater(path: &Path) -> Result<HighWater, NodeError> {
    let fault = |e: String| NodeError::HighWater(path.display().to_string(), e);
    match lapwing_store::atomic_file::read(&OsDisk, path).map_err(|e| fault(e.to_string()))? {
        None => Ok(HighWater::default()),
        Some(bytes) => HighWater::decode(&bytes).map_err(fault),
    }
}

/// Whether the journal lacks an own entry that the high-water file names: then this is an older copy.
fn is_older_copy(engine: &Engine, highwater: &[(LogKind, u64, EntryId)], me: &Pid) -> bool {
    let author = engine.state().federation.author(me).expect("the node hosts its own participant");
    let here = |(log, seq, id): &(LogKind, u64, EntryId)| {
        let held = author.log(*log).values().flat_map(Chain::lines).any(|l| l.seq == *seq && l.id == *id);
        held || engine.state().reserved.iter().any(|r| r.header.id() == *id)
    };
    !highwater.iter().all(here)
}

impl Node {
    /// Opens a data folder and starts everything. The caller is on a tokio runtime of several threads.
    pub async fn start(
        folder: Folder,
        settings: Settings,
        passphrase: Option<&Passphrase>,
        options: StartOptions,
    ) -> Result<Node, NodeError> {
        let disk: Arc<dyn lapwing_store::disk::Disk> = Arc::new(OsDisk);
        folder::create_dir(&folder.run())?;
        let lock = DataLock::acquire(&*disk, &folder.lock())?;
        let charter = read_charter(&folder)?;
        let identity = Identity::read(&folder.identity())?;
        let own = own_log(&charter, &identity)?;
        let keys = read_keys(&folder, passphrase)?;
        let (me, network) = (own.0.pid, charter.charter.network_id());

        if folder.repaired_journal().exists() && !folder.journal().exists() {
            return Err(NodeError::RepairInterrupted(folder.repaired_journal()));
        }
        let journal_options = Options { at_rest_key: Some(*keys.at_rest), format: FORMAT, ..Options::default() };
        let (journal, opened) = Journal::open(disk.clone(), &folder.journal(), journal_options)?;
        if let Some(cut) = &opened.cut {
            tracing::warn!(file = %cut.file.display(), bytes = cut.bytes, "an unfinished write at the journal's end was cut");
        }
        let master = blake3::derive_key("lapwing/1 keyring", &*keys.at_rest);
        let keyring = Keyring::open(disk.clone(), &folder.keyring(), master)?;
        let blobs = BlobStore::open(disk.clone(), &folder.blobs())?;
        folder::create_dir(&folder.uploads())?;
        let index = Index::open(&folder.index(), INDEX_CACHE)?;

        let config =
            EngineConfig { auto_clear: settings.policy.auto_clear, seed: u64::from_le_bytes(keys::random::<8>()?) };
        let search = Search::open(&folder.search(), &keys.at_rest)?;
        let mut since = Since::new(search.position());
        let mut engine = replay(&charter, &own, &config, &journal.reader(), Some(&index), |fact, position| {
            since.add(fact, position)
        })?;
        if engine.state().my_id().current().feed != keys.feed.public() {
            return Err(NodeError::OtherFeed);
        }
        let highwater = read_highwater(&folder.highwater())?;
        if highwater.pid.is_some_and(|pid| pid != me) {
            let of = "it is of another participant's node; move it away with that node's folder".to_owned();
            return Err(NodeError::HighWater(folder.highwater().display().to_string(), of));
        }
        let highwater = highwater.heads;
        let marked = folder.restored().exists();
        let restored = marked || is_older_copy(&engine, &highwater, &me);
        if restored && !marked {
            // it stays one until its own head is back and its cases are compared, whatever happens in between
            folder::replace(&folder.restored(), b"an older copy")?;
        }
        if restored {
            tracing::warn!(
                "this is an older copy of the node's data: nothing is signed until its own entries are back"
            );
        }
        let vault = Vault::new(me, network, keys.feed.clone(), keyring)?;
        erasure::apply_list(&vault, &folder)?;
        let mut first = engine.resume(now_ms(), highwater, restored, &vault.erased_cases());
        if options.assert_current {
            tracing::warn!("an administrator asserts that this node holds its own latest entries");
            let asserted = Attempt {
                who: "node".into(),
                role: "node".into(),
                act: "AssertCurrent".into(),
                on: "run --assert-current".into(),
                outcome: DONE.into(),
                request: None,
            };
            let step = engine.handle(
                Input::Local { command: Box::new(Command::AssertCurrent), by: Some(Box::new(asserted)), reply: 0 },
                now_ms(),
            );
            first.facts.extend(step.facts);
            first.effects.extend(step.effects);
        } else if restored {
            let of = folder::read(&folder.restored(), 256).unwrap_or_default();
            let attempt = Attempt {
                who: "node".into(),
                role: "node".into(),
                act: "start from a restored copy".into(),
                on: String::from_utf8_lossy(&of).into_owned(),
                outcome: DONE.into(),
                request: None,
            };
            let step = engine.handle(Input::Audit { attempt: Box::new(attempt), reply: None }, now_ms());
            first.facts.extend(step.facts);
            first.effects.extend(step.effects);
        }

        search.begin(engine.state(), since);
        let searches = SavedSearches::open(&folder.searches(), &keys.at_rest)?;
        let (office, orders) = Office::new(Parts {
            me,
            network,
            settings: settings.clone(),
            vault,
            book: Book { journal: journal.reader(), index, places: Default::default() },
            blobs,
            search,
            searches,
            erasures: folder.erasures(),
            view: View::of(&engine, None),
        });
        erasure::finish(&office)?;
        let mut net = NetConfig::new(*keys.node, network.to_string()[..13].to_owned());
        net.program = concat!("lapwing/", env!("CARGO_PKG_VERSION")).into();
        net.listen = settings.node.listen.clone();
        net.limits = NetLimits {
            strangers: settings.limits.strangers,
            members: settings.limits.members,
            outbound: settings.limits.outbound,
            ..NetLimits::default()
        };
        let (links, events) = Links::start(office.clone(), net)?;
        let transfers = Transfers::new(office.clone(), links.clone());

        let mut tokens = Tokens::load(&folder)?;
        tokens.write_local(&folder)?;
        let wanted = settings.api.listen;
        let listener = lapwing_http::listen(wanted).map_err(|e| NodeError::Api(wanted, e))?;
        let api = listener.local_addr().map_err(|e| NodeError::Api(wanted, e))?;
        folder::replace(&folder.api_address(), api.to_string().as_bytes())?;

        let (outward, effects) = mpsc::unbounded_channel();
        let rebuild = {
            let (reader, config) = (journal.reader(), config.clone());
            let (charter, own) = (charter.clone(), own.clone());
            Box::new(move || replay(&charter, &own, &config, &reader, None, |_, _| {}))
        };
        let driver = Driver {
            engine,
            journal,
            office: office.clone(),
            orders,
            outward,
            highwater: folder.highwater(),
            lagging: false,
            index_behind: None,
            rebuild,
            waiting: Default::default(),
            next_reply: 1,
            own: Default::default(),
        };
        let watch = Watch::new(office.clone(), links.clone(), folder.clone());
        let desk = Arc::new(Desk::new(
            office.clone(),
            Arc::new(tokens),
            links.clone(),
            transfers.clone(),
            folder.uploads(),
            watch.clone(),
        ));
        let mut parts: JoinSet<Result<(), NodeError>> = JoinSet::new();
        // a thread of its own: it waits for the disk most of the time, and handing a worker over costs more than the wait
        let runtime = tokio::runtime::Handle::current();
        parts.spawn_blocking(move || {
            let journal = runtime.block_on(driver.run(first))?;
            journal.close().map_err(DriverError::from)?;
            Ok(())
        });
        parts.spawn(links.clone().run(events).then_ok());
        parts.spawn(outwards(office.clone(), links.clone(), effects).then_ok());
        parts.spawn(upkeep::run(office.clone(), links.clone(), folder.restored()).then_ok());
        parts.spawn(clerk::run(office.clone()).then_ok());
        parts.spawn(watch.run().then_ok());
        parts.spawn(search::run(office.clone()).then_ok());
        if !identity.founder {
            let application = Application {
                id_log: identity.entries.clone(),
                endorsement: identity.endorsement.clone(),
                statement: identity.statement.clone(),
            };
            parts.spawn(applicant::run(office.clone(), links.clone(), application).then_ok());
        }
        let http_office = office.clone();
        let limits = lapwing_http::Limits {
            hosts: settings.api.hosts.clone(),
            upload_bytes: settings.limits.upload_bytes,
            ..lapwing_http::Limits::default()
        };
        parts.spawn(async move {
            let stop = http_office.stopped();
            let served = lapwing_http::serve(listener, desk, limits, stop).await;
            // those who asked have their answers: the driver may end
            http_office.end();
            served.map_err(|e| NodeError::Api(api, e))
        });
        transfers.resume();
        tracing::info!(%api, me = %me.short(), "the node runs");
        Ok(Node { office, links, api, parts, _lock: lock })
    }

    /// Runs until every part has stopped; the first failure stops the others. Then the index is closed, so that the next
    /// start need not walk it; the driver has settled the journal.
    pub async fn wait(mut self) -> Result<(), NodeError> {
        let mut failure = None;
        while let Some(ended) = self.parts.join_next().await {
            let result = ended.map_err(|e| NodeError::Part(e.to_string())).and_then(|r| r);
            if let Err(error) = result {
                tracing::error!(%error, "the node stops");
                failure.get_or_insert(error);
                // of a part that failed nobody waits for more
                self.office.end();
            }
            self.office.stop();
        }
        if let Err(error) = tokio::task::block_in_place(|| self.office.book.index.close()) {
            tracing::warn!(%error, "the index could not be closed; it is looked through at the next start");
        }
        match failure {
            None => tracing::info!("the node has stopped"),
            Some(error) => return Err(error),
        }
        Ok(())
    }
}

/// A part that cannot fail.
trait ThenOk: std::future::Future<Output = ()> + Sized {
    fn then_ok(self) -> impl std::future::Future<Output = Result<(), NodeError>> + Send
    where
        Self: Send,
    {
        async move {
            self.await;
            Ok(())
        }
    }
}
impl<F: std::future::Future<Output = ()>> ThenOk for F {}

/// Performs what leaves the node, each thing in its own task: nothing here may hold another back.
async fn outwards(office: Arc<Office>, links: Arc<Links>, mut effects: mpsc::UnboundedReceiver<Outward>) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = office.stopped() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            effect = effects.recv() => {
                let Some(effect) = effect else { break };
                let (office, links) = (office.clone(), links.clone());
                match effect {
                    Outward::Spread(entry) => { tasks.spawn(async move { links.gossip(&entry).await }); }
                    Outward::Push(entry) => { tasks.spawn(crate::push::push(office, links, *entry)); }
                    Outward::Deliver { thread, id, to } => { tasks.spawn(post::deliver(office, links, thread, id, to)); }
                    Outward::Notify(notice) => { tasks.spawn(tell::tell(office, *notice)); }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn high_water_files_of_every_form_so_far_are_read() {
        let heads = vec![(LogKind::Pub, 3, EntryId([7; 32]))];
        let now = HighWater { pid: Some(Pid([1; 32])), heads: heads.clone() };
        let without_hash = encode(&(Pid([1; 32]), heads.clone()));
        for (bytes, pid) in [(now.encode(), now.pid), (without_hash, now.pid), (encode(&heads), None)] {
            let read = HighWater::decode(&bytes).unwrap();
            assert_eq!((read.pid, read.heads), (pid, heads.clone()));
        }
    }
}
