//! The jobs, one file each.

mod catchup;
mod idle;
mod nothing;
mod propagation;
mod query;
mod referral;
mod roundtrips;
mod throughput;

use crate::federation::Federation;
use crate::machine::Machine;
use crate::measure::{Report, Row};
use crate::nodes::{Links, Pair, Process};
use std::path::PathBuf;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// A referral and its receipt, without and with evidence.
    Referral,
    /// Many at a time.
    Throughput,
    /// How often something crosses the network.
    Roundtrips,
    /// A fresh node takes what the others hold.
    Catchup,
    /// Two nodes that are equal find out.
    Nothing,
    /// One entry to many nodes.
    Propagation,
    /// Searching own cases.
    Query,
    /// A node that has nothing to do.
    Idle,
}

/// What a job found, before it is put into a report.
pub struct Found {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Job {
    /// Every job.
    pub const ALL: [Job; 8] = [
        Job::Referral,
        Job::Throughput,
        Job::Roundtrips,
        Job::Catchup,
        Job::Nothing,
        Job::Propagation,
        Job::Query,
        Job::Idle,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Job::Referral => "referral",
            Job::Throughput => "throughput",
            Job::Roundtrips => "roundtrips",
            Job::Catchup => "catchup",
            Job::Nothing => "nothing",
            Job::Propagation => "propagation",
            Job::Query => "query",
            Job::Idle => "idle",
        }
    }

    const fn work(self) -> &'static str {
        match self {
            Job::Referral => "draft opened at A, submitted; sealed, signed, durable at B; signed receipt durable at A",
            Job::Throughput => "64 referrals in flight against the plain pipeline in series: time per referral",
            Job::Roundtrips => "round trips of 100 ms that a referral takes, from the API call to the receipt",
            Job::Catchup => "a fresh node takes entries, each strictly verified, durable, folded",
            Job::Nothing => "two equal nodes find out that there is nothing to exchange",
            Job::Propagation => "one entry, from the API call until the last of the other nodes holds it",
            Job::Query => {
                "one search over own cases through the API, 20 rows, against PostgreSQL or bare tantivy over TCP"
            }
            Job::Idle => "memory, processor and start of a node with nothing to do",
        }
    }
}

/// How to measure.
pub struct Bench {
    /// The program.
    pub binary: PathBuf,
    /// Where files lie.
    pub dir: PathBuf,
    /// Samples, if said.
    pub n: Option<usize>,
    /// Few and small.
    pub quick: bool,
    /// The largest too.
    pub full: bool,
}

impl Bench {
    /// Runs a job.
    pub fn run(&self, job: Job) -> anyhow::Result<Report> {
        eprintln!("{} …", job.name());
        let mut machine = Machine::now(&self.dir);
        let dir = tempfile::Builder::new().prefix("lapwing-bench-").tempdir_in(&self.dir)?;
        let run = match job {
            Job::Referral => referral::run,
            Job::Throughput => throughput::run,
            Job::Roundtrips => roundtrips::run,
            Job::Catchup => catchup::run,
            Job::Nothing => nothing::run,
            Job::Propagation => propagation::run,
            Job::Query => query::run,
            Job::Idle => idle::run,
        };
        let found = run(self, dir.path())?;
        machine.end();
        Ok(Report { job: job.name(), work: job.work(), rows: found.rows, notes: found.notes, machine })
    }

    /// Samples of a row: as asked, else few or many.
    fn samples(&self, quick: usize, many: usize) -> usize {
        self.n.unwrap_or(if self.quick { quick } else { many })
    }

    /// Two connected nodes that have exchanged a first referral.
    fn pair(&self, federation: &Federation) -> anyhow::Result<Pair> {
        let b = Process::start(&self.binary, &federation.settle(1, "")?, &Links::default())?;
        let links = Links { bootstrap: vec![b.address()?], ..Links::default() };
        let a = Process::start(&self.binary, &federation.settle(0, "")?, &links)?;
        Pair::ready(a, b, "agency-1")
    }
}

/// Tells how far a row is, on standard error.
fn progress(job: &str, case: &str, done: usize, of: usize) {
    if done == of || done.is_multiple_of(10) {
        eprintln!("  {job}, {case}: {done} of {of}");
    }
}
