//! Prints what is found in a folder of samples: `cargo run -p lapwing-evidence --example analyse -- DIR [--json]`.
//! Its workers are itself.

use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::worker::{Item, WorkerCommand, analyse_scan, serve};
use lapwing_evidence::{draft::draft, scan::scan};
use std::error::Error;
use std::io::{stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

const WORKER: &str = "evidence-worker";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WORKER] => serve(stdin(), stdout()).map_err(Into::into),
        [folder] => table(Path::new(folder)),
        [folder, "--json"] => json(Path::new(folder)),
        _ => Err("usage: analyse DIR [--json]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn json(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (found, items) = read(folder)?;
    println!(
        "{}",
        serde_json::to_string_pretty(&serde_json::json!({ "draft": draft(&found, &items), "items": items }))?
    );
    Ok(())
}

fn read(folder: &Path) -> Result<(lapwing_evidence::scan::Scan, Vec<Item>), Box<dyn Error>> {
    let found = scan(folder)?;
    let worker = WorkerCommand::current_exe([WORKER])?;
    let items = analyse_scan(&worker, &found, &Limits::default(), &Keys::default(), |_, _| {});
    Ok((found, items))
}

fn table(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (found, items) = read(folder)?;
    println!("{:<24} {:<18} {:<36} {:>4} {:>4}  warnings", "sample", "sending ip", "from", "urls", "att.");
    let mut counts = [0usize; 9];
    for item in &items {
        let Some(a) = &item.analysis else {
            println!("{:<24} {:?}", item.name, item.warnings);
            continue;
        };
        let ip = a.sending_ip.as_ref().map(|s| s.ip.to_string()).unwrap_or_default();
        let from = a.from.first().map(|f| f.email.as_str()).unwrap_or_default();
        let warnings: Vec<&str> = item.all_warnings().into_iter().map(|w| w.code()).collect();
        println!(
            "{:<24} {ip:<18} {from:<36} {:>4} {:>4}  {}",
            item.name,
            a.urls.len(),
            a.attachments_total,
            warnings.join(" ")
        );
        let present = [
            true,
            a.sending_ip.is_some(),
            !a.from.is_empty(),
            a.return_path.is_some(),
            !a.urls.is_empty(),
            !a.domains.is_empty(),
            a.auth.spf.is_some(),
            !a.dkim_domains.is_empty(),
            a.language.is_some(),
        ];
        counts.iter_mut().zip(present).for_each(|(n, p)| *n += usize::from(p));
    }
    let names = ["analysed", "sending ip", "from", "return path", "urls", "domains", "spf", "dkim domain", "language"];
    println!("\nof {} messages:", items.len());
    names.iter().zip(counts).for_each(|(name, n)| println!("{n:>6} {name}"));
    let parts = draft(&found, &items);
    println!("\n{} campaigns; the largest:", parts.groups.len());
    parts.groups.iter().take(10).for_each(|g| println!("{:>6} {}", g.messages, g.subject));
    Ok(())
}
