//! `lapwing-sim exhaustive`: what it is asked, and what it prints.

use clap::Args as Arguments;
use lapwing_sim::exhaustive::{MOST_EVENTS, Row, Scope, Tried, run as try_all};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// How much is tried.
#[derive(Arguments)]
pub struct Args {
    /// Scenarios of at most so many entries beyond the founding.
    #[arg(long, default_value_t = MOST_EVENTS as u64, value_parser = clap::value_parser!(u64).range(1..=MOST_EVENTS as u64))]
    events: u64,
    /// Of scenarios with at most so many entries, every order is tried one by one, too.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(0..=8))]
    literal: u64,
    /// Of each danger, one scenario in so many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// Tries everything; true if it holds.
///
/// # Errors
/// The table cannot be read.
pub fn run(args: &Args) -> Result<bool, String> {
    let begun = Instant::now();
    let scope = Scope {
        events: args.events as usize,
        literal: args.literal as usize,
        every: args.every as usize,
        threads: args.threads,
    };
    let shown = std::io::stderr().is_terminal();
    let progress = |done: usize, of: usize| {
        if shown && (done.is_multiple_of(50) || done == of) {
            let _ = write!(std::io::stderr(), "\r{done} of {of} scenarios{}", if done == of { "\n" } else { "" });
        }
    };
    let rows = try_all(scope, &progress)?;
    let (seconds, failed) = (begun.elapsed().as_secs_f64(), rows.iter().filter(|r| r.failure.is_some()).count());
    let mut all = Tried::default();
    rows.iter().for_each(|row| all.add(&row.tried));
    if args.json {
        let dangers: Vec<Value> = rows.iter().map(|row| to_json(row.danger, &row.tried, row)).collect();
        let failures: Vec<Value> = rows.iter().filter_map(|r| r.failure.as_ref()).map(|f| f.to_json()).collect();
        println!(
            "{}",
            json!({"events": args.events, "literal": args.literal, "every": args.every, "seconds": seconds,
                   "counts": counts(&all), "dangers": dangers, "failures": failures})
        );
        return Ok(failed == 0);
    }
    println!("{:>9} {:>9}  danger", "scenarios", "sets");
    for row in &rows {
        let mark = if row.failure.is_some() { "  FAILED" } else { "" };
        println!("{:>9} {:>9}  {}{mark}", row.tried.scenarios, row.tried.sets, row.danger);
    }
    println!("at most {} entries each, in {seconds:.1} s", args.events);
    all.rows().iter().for_each(|(name, n)| println!("{name:>24} {n}"));
    rows.iter().filter_map(|r| r.failure.as_ref()).for_each(|f| print!("\n{}", f.text()));
    Ok(failed == 0)
}

fn counts(tried: &Tried) -> Value {
    tried
        .rows()
        .iter()
        .map(|(name, n)| (name.replace(' ', "_"), json!(*n as u64)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn to_json(danger: &str, tried: &Tried, row: &Row) -> Value {
    json!({"danger": danger, "counts": counts(tried), "holds": row.failure.is_none()})
}
