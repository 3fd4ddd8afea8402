//! Benchmarks against the **plain pipeline**: the least honest code that does the same durable, signed, sealed work over
//! loopback TCP. The results are ratios, not times: both run interleaved, in one run, on one file system.
//!
//! ```text
//! job ──▶ nodes   real processes of the `lapwing` binary, driven through their API
//!     ├─▶ plain   threads, files, sockets
//!     └─▶ table   p50 and p99 of both, ratios, goal (docs/performance.md)
//! ```

mod bare;
mod cases;
mod federation;
mod jobs;
mod machine;
mod measure;
mod nodes;
mod plain;
mod postgres;
mod proxy;
mod watch;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use jobs::Job;
use std::path::PathBuf;

/// Measures Lapwing against the least honest code that keeps the same promises.
///
/// Build both first: `cargo build --release --workspace`. Example: `lapwing-bench referral nothing --n 50`.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure; `all` for everything.
    #[arg(required = true, value_enum)]
    jobs: Vec<Wanted>,
    /// One JSON object a job on standard output; the tables go to standard error.
    #[arg(long)]
    json: bool,
    /// Samples of each row, instead of the job's own number.
    #[arg(long, value_name = "N")]
    n: Option<usize>,
    /// A minute's look: few samples, small sizes.
    #[arg(long)]
    quick: bool,
    /// The largest sizes too, where they take long.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// The `lapwing` program to measure; else the one beside this program.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the nodes' folders and the plain pipeline's files lie; else the folder for temporary files.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A job's name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    All,
    Referral,
    Throughput,
    Roundtrips,
    Catchup,
    Nothing,
    Propagation,
    Query,
    Idle,
}

impl Wanted {
    fn jobs(self) -> Vec<Job> {
        match self {
            Wanted::All => Job::ALL.to_vec(),
            Wanted::Referral => vec![Job::Referral],
            Wanted::Throughput => vec![Job::Throughput],
            Wanted::Roundtrips => vec![Job::Roundtrips],
            Wanted::Catchup => vec![Job::Catchup],
            Wanted::Nothing => vec![Job::Nothing],
            Wanted::Propagation => vec![Job::Propagation],
            Wanted::Query => vec![Job::Query],
            Wanted::Idle => vec![Job::Idle],
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let bench = jobs::Bench {
        binary: nodes::binary(options.binary.as_deref())?,
        dir,
        n: options.n,
        quick: options.quick,
        full: options.full,
    };
    for wanted in options.jobs {
        for job in wanted.jobs() {
            let report = bench.run(job).with_context(|| format!("job {}", job.name()))?;
            if options.json {
                eprintln!("{}", report.table());
                println!("{}", serde_json::to_string(&report)?);
            } else {
                println!("{}", report.table());
            }
        }
    }
    Ok(())
}
