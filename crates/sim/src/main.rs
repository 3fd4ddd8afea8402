//! The simulator's command line.

mod small;

use clap::{Parser, Subcommand};
use lapwing_sim::counts::Counts;
use lapwing_sim::mutant::Mutant;
use lapwing_sim::run::{Outcome, run};
use lapwing_sim::trace::{Header, from_json_lines, to_json_lines};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Many engines, one virtual clock, one seed (docs/simulation.md).
#[derive(Parser)]
#[command(name = "lapwing-sim", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs seeds; a failure is saved, with its seed, its commit and every step.
    #[command(after_help = "Example: cargo run --release -p lapwing-sim -- run --seeds 1000")]
    Run {
        /// How many seeds.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// A mutant in every honest node, by name.
        #[arg(long)]
        mutant: Option<String>,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        threads: u64,
        /// The commit that this program was built from, for what is saved.
        #[arg(long, default_value = "unknown")]
        commit: String,
        /// Where failures are saved.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        /// Go on after a failure.
        #[arg(long)]
        keep_going: bool,
        /// The result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows a saved run step by step as arrows, and whether this program takes the same steps.
    Replay {
        /// The file.
        file: PathBuf,
    },
    /// Small scope, all orders: few participants, few entries, every order of arrival. Nothing is random.
    #[command(after_help = "Example: cargo run --release -p lapwing-sim -- exhaustive --events 8 --threads 2")]
    Exhaustive(small::Args),
    /// Runs each mutant until an invariant catches it.
    Mutants {
        /// Seeds tried for each at most.
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// Threads: as many mutants at a time.
        #[arg(long, default_value_t = 1)]
        threads: u64,
        /// The result as JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Run { seeds, from, mutant, threads, commit, out, keep_going, json } => {
            named(mutant.as_deref()).and_then(|mutant| {
                let job = Job { seeds, from, mutant, threads: threads.max(1), commit, out, keep_going, json };
                job.run()
            })
        }
        Verb::Replay { file } => replay(&file),
        Verb::Exhaustive(args) => small::run(&args),
        Verb::Mutants { seeds, threads, json } => mutants(seeds, threads.max(1), json),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("lapwing-sim: {why}");
            ExitCode::from(2)
        }
    }
}

fn named(name: Option<&str>) -> Result<Option<Mutant>, String> {
    let Some(name) = name else { return Ok(None) };
    let names = || Mutant::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
    Mutant::named(name).map(Some).ok_or_else(|| format!("no mutant is called `{name}`; there are: {}", names()))
}

struct Job {
    seeds: u64,
    from: u64,
    mutant: Option<Mutant>,
    threads: u64,
    commit: String,
    out: PathBuf,
    keep_going: bool,
    json: bool,
}

impl Job {
    fn run(&self) -> Result<bool, String> {
        let begun = Instant::now();
        let (next, end) = (AtomicU64::new(self.from), self.from.saturating_add(self.seeds));
        let (stop, finished) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        let shown = std::io::stderr().is_terminal();
        let work = || {
            let (mut counts, mut failed, mut done) = (Counts::default(), Vec::new(), 0);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end || seed >= stop.load(Ordering::Relaxed) {
                    return (counts, failed, done);
                }
                let outcome = run(seed, self.mutant);
                done += 1;
                counts.add(&outcome.counts);
                let so_far = finished.fetch_add(1, Ordering::Relaxed) + 1;
                if shown && (so_far.is_multiple_of(10) || so_far == self.seeds) {
                    let _ = write!(std::io::stderr(), "\r{so_far} of {} seeds\x1b[K", self.seeds);
                }
                if outcome.failure.is_some() {
                    if !self.keep_going {
                        stop.fetch_min(seed, Ordering::Relaxed);
                    }
                    // at once: a long run may be ended from outside
                    let saved = self.save(&outcome);
                    failed.push((outcome, saved));
                }
            }
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|t| t.join()).collect()
        });
        let (mut counts, mut failed, mut done) = (Counts::default(), Vec::new(), 0u64);
        for result in results {
            let (c, f, d) = result.map_err(|_| "a run panicked; its seed is among the last ones".to_owned())?;
            counts.add(&c);
            failed.extend(f);
            done += d;
        }
        if shown {
            eprintln!();
        }
        failed.sort_by_key(|(outcome, _)| outcome.seed);
        let seconds = begun.elapsed().as_secs_f64();
        let (failed, saved): (Vec<Outcome>, Vec<_>) = failed.into_iter().unzip();
        let saved = saved.into_iter().collect::<Result<Vec<String>, String>>()?;
        if self.json {
            let failures: Vec<_> = failed
                .iter()
                .zip(&saved)
                .filter_map(|(o, path)| {
                    let (invariant, why) = o.failure.as_ref()?;
                    Some(json!({"seed": o.seed, "invariant": invariant, "why": why, "saved": path}))
                })
                .collect();
            let rate = done as f64 / seconds;
            let counts = counts.to_json();
            println!(
                "{}",
                json!({"seeds": done, "from": self.from, "seconds": seconds, "seeds_per_second": rate,
                       "commit": self.commit, "counts": counts, "failures": failures})
            );
        } else {
            println!("{done} seeds in {seconds:.1} s: {:.1} a second", done as f64 / seconds);
            counts.rows().iter().for_each(|(name, n)| println!("{name:>18} {n}"));
            for (outcome, path) in failed.iter().zip(&saved) {
                let (invariant, why) = outcome.failure.clone().unwrap_or_default();
                println!("seed {} commit {}: {invariant}: {why}", outcome.seed, self.commit);
                println!("  saved: {path}; look at it with: lapwing-sim replay {path}");
            }
        }
        Ok(failed.is_empty())
    }

    fn save(&self, outcome: &Outcome) -> Result<String, String> {
        let (invariant, why) = outcome.failure.clone().unwrap_or_default();
        let header = Header {
            seed: outcome.seed,
            commit: self.commit.clone(),
            mutant: self.mutant.map(|m| m.name().to_owned()),
            failure: format!("{invariant}: {why}"),
        };
        let path = self.out.join(format!("sim-{}.jsonl", outcome.seed));
        let text = to_json_lines(&header, &outcome.trace);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path.display().to_string())
    }
}

fn replay(file: &Path) -> Result<bool, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let (header, rows) = from_json_lines(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    rows.iter().for_each(|row| println!("{}", row.arrow()));
    println!("seed {} commit {}: {}", header.seed, header.commit, header.failure);
    let again = run(header.seed, named(header.mutant.as_deref())?);
    let differs = rows.iter().zip(&again.trace).position(|(a, b)| a != b);
    match differs {
        None if rows.len() == again.trace.len() => println!("This program takes the same {} steps.", rows.len()),
        None => println!("This program takes {} steps instead of {}.", again.trace.len(), rows.len()),
        Some(at) => println!("This program differs from step {} on: {}", at + 1, again.trace[at].arrow()),
    }
    Ok(true)
}

/// Until the invariant that is meant to catch it does; what another one says on the way is passed over.
fn caught(mutant: Mutant, seeds: u64) -> Option<(u64, &'static str)> {
    let meant = |seed| run(seed, Some(mutant)).failure.map(|(by, _)| by).filter(|by| mutant.caught_by(by));
    (0..seeds).find_map(|seed| Some((seed + 1, meant(seed)?)))
}

fn mutants(seeds: u64, threads: u64, json: bool) -> Result<bool, String> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut rows = Vec::new();
        while let Some(mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            rows.push((*mutant, caught(*mutant, seeds)));
        }
        rows
    };
    let mut rows = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|t| t.join().map_err(|_| "a run panicked".to_owned()));
        joined.collect::<Result<Vec<_>, _>>().map(|parts| parts.concat())
    })?;
    rows.sort_by_key(|(mutant, _)| Mutant::ALL.iter().position(|m| m == mutant));
    let all = rows.iter().all(|(_, caught)| caught.is_some());
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(m, caught)| {
                let (seeds, by) = caught.unzip();
                json!({"mutant": m.name(), "does": m.sentence().trim(), "invariant": by, "seeds": seeds})
            })
            .collect();
        println!("{}", json!({"caught": all, "mutants": rows}));
    } else {
        println!("{:<26} {:<48} seeds needed", "mutant", "caught by");
        for (mutant, caught) in rows {
            match caught {
                Some((seeds, by)) => println!("{:<26} {by:<48} {seeds}", mutant.name()),
                None => println!("{:<26} {:<48} not within {seeds}", mutant.name(), "nothing"),
            }
        }
    }
    Ok(all)
}
