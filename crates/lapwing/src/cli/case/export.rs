//! The whole case as one file.

use crate::cli::fail::Done;
use crate::cli::out::size;
use crate::cli::transfer::{bar, save};
use crate::cli::{Ctx, hex};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use serde_json::json;

pub(super) fn export(ctx: &Ctx, thread: &str, out: &std::path::Path) -> Done {
    let (content, len) = ctx.node()?.download(Op::Export, &[thread], &Vec::new())?;
    let bar = bar(ctx.out, "exporting", len.unwrap_or(0));
    let complete = |found: &crate::cli::transfer::Hashes| match len {
        Some(len) if len != found.len => {
            Err(Problem::new(Code::Unreachable, "the bundle was cut short; nothing was written"))
        }
        _ => Ok(()),
    };
    let found = save(out, bar.wrap_read(content), complete)?;
    bar.finish_and_clear();
    let value = json!({ "file": out, "bytes": found.len, "blake3": hex::encode(&found.blake3), "sha256": hex::encode(&found.sha256) });
    ctx.out.answer(&value, || {
        ctx.out.line(format!(
            "{} ({}); check it anywhere: lapwing verify {}",
            out.display(),
            size(found.len),
            out.display()
        ));
    });
    Ok(())
}
