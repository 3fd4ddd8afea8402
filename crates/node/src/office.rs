//! What the parts of a running node share: the published view, the way into the driver, keys, records, evidence.

use crate::audit::{self, Refusals};
use crate::book::Book;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::search::saved::SavedSearches;
use crate::search::{Search, Touched};
use crate::vault::Vault;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::EventId;
use lapwing_engine::engine::Engine;
use lapwing_engine::head::HeadCheck;
use lapwing_engine::state::State;
use lapwing_engine::step::{Answer, Command, Event, Input, Refused, ReplyTo};
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::statement::Refusal;
use lapwing_store::blobs::BlobStore;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

/// The state as of the last commit: reads never enter the loop.
#[derive(Clone)]
pub struct View {
    /// What follows from the journal.
    pub state: State,
    /// Whether the node may sign.
    pub head: HeadCheck,
    /// Why automatic signing pauses because of the clock.
    pub clock_doubt: Option<String>,
    /// Why nothing can be written now: the disk is full.
    pub full: Option<String>,
    /// After a restore: the participants whose cases with us were compared.
    pub leveled: Option<BTreeSet<Pid>>,
}

impl View {
    /// What the engine says, after a commit.
    pub fn of(engine: &Engine, full: Option<String>) -> Self {
        View {
            state: engine.state().clone(),
            head: engine.head().clone(),
            clock_doubt: engine.clock_doubt().map(str::to_owned),
            full,
            leveled: engine.leveled().cloned(),
        }
    }

    /// Whether cases with `peer` must still be compared, after a restore.
    pub fn must_level(&self, peer: &Pid) -> bool {
        self.leveled.as_ref().is_some_and(|l| !l.contains(peer))
    }
}

/// What a waiting caller gets.
pub type Outcome = Result<Answer, Refused>;

/// Something for the driver.
pub struct Order {
    /// Makes the input, given the name of the waiting caller.
    pub make: Box<dyn FnOnce(ReplyTo) -> Input + Send>,
    /// The waiting caller.
    pub reply: Option<oneshot::Sender<Result<Outcome, Problem>>>,
}

/// What the parts of a node share.
pub struct Office {
    /// This participant.
    pub me: Pid,
    /// The federation.
    pub network: NetworkId,
    /// The configuration as meant.
    pub settings: Settings,
    /// Keys.
    pub vault: Vault,
    /// Records.
    pub book: Book,
    /// Evidence.
    pub blobs: BlobStore,
    /// What searches look in.
    pub search: Search,
    /// Saved searches.
    pub searches: SavedSearches,
    /// The erasure list beside the data folder.
    pub erasures: PathBuf,
    /// Milliseconds UTC of the start.
    pub started: u64,
    /// When it started, by a clock that nobody sets.
    since: std::time::Instant,
    /// Bounds what refusals cost in the audit trail.
    pub(crate) refusals: Refusals,
    /// What is counted.
    pub metrics: Metrics,
    /// Keys of evidence are handed over by one at a time, so that they are handed over once.
    pub(crate) granting: tokio::sync::Mutex<()>,
    view: RwLock<Arc<View>>,
    changed: watch::Sender<u64>,
    orders: mpsc::Sender<Order>,
    events: Events,
    phase: watch::Sender<Phase>,
}

/// How far the node is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It runs.
    Running,
    /// Nothing new is begun; requests under way may end.
    Stopping,
    /// Nobody waits for the driver any more.
    Ending,
}

/// Recent events with their numbers, kept for those who resume.
pub struct Events {
    /// Drawn at each start: numbers of another run name other events.
    run: u64,
    recent: Mutex<(u64, std::collections::VecDeque<(u64, Event)>)>,
    latest: watch::Sender<u64>,
}

/// Events kept for watchers that resume.
const EVENTS_KEPT: usize = 4096;

impl Default for Events {
    fn default() -> Self {
        let mut run = [0; 8];
        // a name only: without randomness, the start's own time
        if getrandom::fill(&mut run[2..]).is_err() {
            run = (now_ms() & ((1 << 48) - 1)).to_be_bytes();
        }
        Events { run: u64::from_be_bytes(run), recent: Mutex::default(), latest: watch::channel(0).0 }
    }
}

impl Events {
    fn push(&self, event: Event) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.0 += 1;
        let id = recent.0;
        recent.1.push_back((id, event));
        if recent.1.len() > EVENTS_KEPT {
            recent.1.pop_front();
        }
        self.latest.send_replace(id);
    }

    /// The first event after `last`, waiting for it.
    pub async fn after(&self, last: u64) -> Option<(u64, Event)> {
        let mut latest = self.latest.subscribe();
        loop {
            {
                let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = recent.1.iter().find(|(id, _)| *id > last) {
                    return Some(found.clone());
                }
            }
            latest.changed().await.ok()?;
        }
    }

    /// The newest event.
    pub fn latest(&self) -> EventId {
        EventId { run: self.run, n: *self.latest.borrow() }
    }
}

/// What [`Office::new`] puts together.
pub struct Parts {
    /// This participant.
    pub me: Pid,
    /// The federation.
    pub network: NetworkId,
    /// The configuration.
    pub settings: Settings,
    /// Keys.
    pub vault: Vault,
    /// Records.
    pub book: Book,
    /// Evidence.
    pub blobs: BlobStore,
    /// What searches look in.
    pub search: Search,
    /// Saved searches.
    pub searches: SavedSearches,
    /// The erasure list beside the data folder.
    pub erasures: PathBuf,
    /// The first view.
    pub view: View,
}

impl Office {
    /// The office, and the driver's end of it.
    pub fn new(parts: Parts) -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(1024);
        let office = Office {
            me: parts.me,
            network: parts.network,
            settings: parts.settings,
            vault: parts.vault,
            book: parts.book,
            blobs: parts.blobs,
            search: parts.search,
            searches: parts.searches,
            erasures: parts.erasures,
            started: now_ms(),
            since: std::time::Instant::now(),
            refusals: Refusals::default(),
            metrics: Metrics::default(),
            granting: tokio::sync::Mutex::default(),
            view: RwLock::new(Arc::new(parts.view)),
            changed: watch::channel(0).0,
            orders,
            events: Events::default(),
            phase: watch::channel(Phase::Running).0,
        };
        (Arc::new(office), receiver)
    }

    /// Milliseconds UTC as they would be had nobody set the clock since the start.
    pub fn steady_ms(&self) -> u64 {
        self.started + u64::try_from(self.since.elapsed().as_millis()).unwrap_or_default()
    }

    /// The state as of the last commit.
    pub fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes a view: the driver's, after a commit that changed what is `touched`.
    pub(crate) fn publish(&self, view: View, events: Vec<Event>, touched: Touched) {
        self.search.note(touched, || *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view));
        events.into_iter().for_each(|e| self.events.push(e));
        self.changed.send_modify(|n| *n += 1);
    }

    /// Follows the view's changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Events for watchers.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Hands something to the driver without waiting for what becomes of it.
    pub async fn tell(&self, input: Input) {
        let order = Order { make: Box::new(move |_| input), reply: None };
        // a closed channel means that the node stops: nothing is owed to anyone then
        let _ = self.orders.send(order).await;
    }

    /// Hands something to the driver and waits until it is durable.
    pub async fn ask(&self, make: impl FnOnce(ReplyTo) -> Input + Send + 'static) -> Result<Outcome, Problem> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Problem::new(Code::Stopping, "the node is stopping");
        self.orders.send(Order { make: Box::new(make), reply: Some(reply) }).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Carries out a command; refusals become problems.
    pub async fn command(&self, command: Command) -> Result<Answer, Problem> {
        let by = audit::current();
        self.ask(move |reply| Input::Local { command: Box::new(command), by, reply }).await?.map_err(problem)
    }

    /// How many inputs wait for the driver, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        let bound = self.orders.max_capacity();
        (bound - self.orders.capacity(), bound)
    }

    /// Asks the node to stop: nothing new is begun, what is under way may end, then the driver ends.
    pub fn stop(&self) {
        self.enter(Phase::Stopping);
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.phase.borrow() >= Phase::Stopping
    }

    /// Completes when the node is to stop.
    pub async fn stopped(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Nobody waits for an answer of the driver any more.
    pub(crate) fn end(&self) {
        self.enter(Phase::Ending);
    }

    /// Completes when the driver is to end.
    pub(crate) async fn ended(&self) {
        self.reached(Phase::Ending).await;
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    async fn reached(&self, phase: Phase) {
        // the sender lives as long as the office
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }
}

/// A refusal as callers of the API see it.
pub fn problem(refused: Refused) -> Problem {
    let (code, hint) = match &refused {
        Refused::HeadUnchecked(_) => (
            Code::HeadUnchecked,
            Some(
                "Wait until a peer is connected (`lapwing peers`). If no peer can ever answer, an administrator can assert it: `lapwing run --assert-current`.",
            ),
        ),
        Refused::Unconfirmed => (
            Code::Unconfirmed,
            Some("Other agencies' checkpoints confirm it, usually within seconds of being connected."),
        ),
        Refused::Unknown(_) => (Code::NotFound, None),
        Refused::Conflict(_) => (Code::Conflict, None),
        Refused::Invalid(_) => (Code::Invalid, None),
        Refused::Approval(_) => (Code::Approval, Some("Officers' keys are listed by `lapwing officer list`.")),
        Refused::Standing(_) => (Code::Standing, Some("`lapwing member explain NAME` says why.")),
        Refused::Case(refusal, _) => (of_case(*refusal), None),
    };
    let problem = Problem::new(code, refused.to_string());
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// The problem that a rule of a case is told as.
pub fn of_case(refusal: Refusal) -> Code {
    match refusal {
        Refusal::NotYourTurn => Code::NotYourTurn,
        Refusal::WrongState => Code::WrongState,
        Refusal::WrongGround => Code::WrongGround,
        Refusal::WrongReference => Code::WrongReference,
        Refusal::NotAssured => Code::NotAssured,
        Refusal::ConsentNeeded => Code::ConsentNeeded,
        Refusal::TooSoon => Code::TooSoon,
        Refusal::Invalid => Code::Invalid,
        Refusal::SenderStanding => Code::Standing,
        Refusal::Erased => Code::ContentGone,
        Refusal::TryLater | Refusal::NotMine | Refusal::Gap | Refusal::NotNow => Code::Conflict,
    }
}

/// A moment as people and programs read it: RFC 3339, UTC, milliseconds. Beyond the year 9999 (an author's clock may say
/// anything) the last moment of it.
pub fn rfc3339(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(jiff::Timestamp::MAX))
}

/// This machine's milliseconds since 1970 UTC.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
