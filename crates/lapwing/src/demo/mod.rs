//! `lapwing demo`: a federation of invented agencies on this machine. Real processes, nothing mocked; it acts through the
//! command line and the API only, with the tokens that a user has.

mod cast;
mod killer;
mod samples;
mod stage;
mod story;
mod teller;

use crate::cli::run_options::DemoOptions;
use anyhow::Context;
use killer::Killer;
use serde_json::json;
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;
use story::Story;
use teller::Teller;

/// Plays the story. Exit code 0 only if every step held.
pub fn demo(options: DemoOptions) -> anyhow::Result<ExitCode> {
    let root = options
        .keep
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("lapwing-demo-{}", std::process::id())));
    let stage = Stage::new(&root)?;
    let teller = Teller::new(options.json);
    if !options.json {
        println!(
            "Invented agencies in real countries; no such body exists. Keys without a passphrase: for this demo only."
        );
        println!("Everything lies in {}", root.display());
    }
    let killer = Killer::new(stage.clone(), options.seed.unwrap_or(1), options.kills);
    let outcome = play(&Story { stage: &stage, teller: &teller }, &killer);
    if let Err(error) = &outcome {
        teller.failed(&format!("{error:#}"));
    }
    let ok = outcome.is_ok();
    let summary = json!({
        "ok": ok, "seconds": teller.seconds(), "kills": killer.killed(), "seed": options.seed.unwrap_or(1),
        "folder": root.display().to_string(), "steps": teller.steps(),
    });
    if options.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        let steps = teller.steps();
        let held = steps.iter().filter(|s| s["ok"] == true).count();
        println!("\n{held} of {} steps held, in {:.1} s, {} kills.", steps.len(), teller.seconds(), killer.killed());
    }
    if ok && !options.exit {
        linger(&stage)?;
    }
    drop(killer);
    drop(stage);
    if ok && options.keep.is_none() {
        // what cannot be removed is a temporary folder: no harm
        let _ = std::fs::remove_dir_all(&root);
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn play(story: &Story<'_>, killer: &Killer) -> anyhow::Result<()> {
    let charter = story.found()?;
    story.raise()?;
    killer.begin();
    story.directory()?;
    story.consent(&charter)?;
    story.silence(&charter)?;
    story.private(&charter)?;
    story.veto(&charter)?;
    story.teller.scene("A referral", "sealed, signed, direct; nobody else learns that it exists");
    let thread = story.referral(1)?;
    story.answer(&thread)?;
    let mut threads = vec![thread];
    story.teller.scene(
        "A crash in the middle",
        "the target's node is killed without warning; the referral waits, and arrives once",
    );
    if !killer.works() {
        story.stage.kill("ipe-amarelo", Duration::from_millis(300))?;
        threads.push(story.referral(2)?);
    }
    while killer.works() && !killer.done() {
        threads.push(story.referral(threads.len() + 1)?);
    }
    killer.end();
    for name in story.stage.names() {
        story.stage.up(name)?;
    }
    for thread in &threads {
        story.once("ipe-amarelo", thread)?;
        story.export("harbour", thread)?;
        story.export("ipe-amarelo", thread)?;
    }
    story
        .teller
        .held(&format!("{} referral(s), each there exactly once, every receipt verifies at both ends", threads.len()));
    story.equal()
}

/// Keeps the nodes up until Ctrl-C, and says what to try.
fn linger(stage: &Stage) -> anyhow::Result<()> {
    let data = stage.data("harbour");
    let data = data.display();
    println!("\nThe nodes stay up. In another terminal, try:");
    println!("  lapwing --data {data} status");
    println!("  lapwing --data {data} member explain megareach");
    println!("  lapwing --data {data} contact find --country BR --channel email");
    println!("  lapwing --data {data} refer list");
    println!("  lapwing --data {data} search prize --facets");
    println!("  lapwing --data {data} seen premio-rapido.example");
    println!("Ctrl-C ends it.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).context("no signals")?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.context("no Ctrl-C"),
            _ = term.recv() => Ok(()),
        }
    })
}
