//! The evidence of a case.

use super::{detail, say};
use crate::cli::fail::{self, Done, wrong};
use crate::cli::node::Node;
use crate::cli::out::{one_line, size};
use crate::cli::refer::evidence_table;
use crate::cli::transfer::{bar, save};
use crate::cli::vote::seconds;
use crate::cli::{Ctx, hex, wait};
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{EvidenceView, Saying};
use lapwing_record::form::{CollectionMethod, EvidenceItem};
use lapwing_record::id::Digest;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The evidence of a case.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Lists the items and how much of each is here.
    #[command(after_help = "Examples:\n  lapwing case evidence list 4k3mzx7q")]
    List {
        /// The case.
        thread: String,
    },
    /// Fetches items from the other node; goes on where an earlier transfer stopped.
    #[command(after_help = "Examples:
  lapwing case evidence fetch 4k3mzx7q
  lapwing case evidence fetch 4k3mzx7q sample-1.eml --wait 2h")]
    Fetch {
        /// The case.
        thread: String,
        /// The item's name or id; all of them where none is given.
        item: Option<String>,
        /// How long to wait for them; 0 only starts the transfer.
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = seconds)]
        wait: Duration,
    },
    /// Writes an item that is here to a new file, after comparing it with the hashes that the requester signed.
    #[command(after_help = "Examples:\n  lapwing case evidence get 4k3mzx7q sample-1.eml -o sample-1.eml")]
    Get {
        /// The case.
        thread: String,
        /// The item's name or id.
        item: String,
        /// Where to write it.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Asks the other side for the keys of items.
    #[command(after_help = "Examples:\n  lapwing case evidence request 4k3mzx7q dump.bin")]
    Request {
        /// The case.
        thread: String,
        /// Names or ids of items.
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Hands over the keys of own items, held-back ones too: where the form asks for confidentiality, once it is assured.
    #[command(after_help = "Examples:\n  lapwing case evidence release 4k3mzx7q dump.bin")]
    Release {
        /// The case.
        thread: String,
        /// Names or ids of items.
        #[arg(required = true)]
        items: Vec<String>,
    },
}

/// One item by its name or the beginning of its id.
fn find<'a>(evidence: &'a [EvidenceView], text: &str) -> Result<&'a EvidenceView, Problem> {
    let by_id = |e: &&EvidenceView| text.len() >= 8 && e.blob.starts_with(text);
    let found: Vec<&EvidenceView> = match evidence.iter().filter(|e| e.name == text).collect::<Vec<_>>() {
        by_name if !by_name.is_empty() => by_name,
        _ => evidence.iter().filter(by_id).collect(),
    };
    match found[..] {
        [one] => Ok(one),
        [] => Err(Problem::new(Code::NotFound, format!("no item of evidence goes by `{}`", one_line(text)))
            .hint("`lapwing case evidence list THREAD` shows names and ids.")),
        _ => Err(Problem::new(Code::Ambiguous, format!("several items go by `{}`; give the id", one_line(text)))),
    }
}

/// The ids of items by name or id.
fn blobs(node: &Node, thread: &str, items: &[String]) -> Result<Vec<Digest>, Problem> {
    let detail = detail(node, thread)?;
    let id = |item: &String| find(&detail.evidence, item)?.blob.parse().map_err(|e| wrong(format!("{e}")));
    items.iter().map(id).collect()
}

/// A file on its way into a case: uploaded, and described as an item of a manifest.
pub(super) fn upload(
    ctx: &Ctx,
    node: &Node,
    thread: &str,
    file: &Path,
    method: CollectionMethod,
) -> Result<EvidenceItem, Problem> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| wrong(format!("{} is no file", file.display())))?;
    let open = || std::fs::File::open(file).map_err(|e| fail::io("open", file, e));
    let (sha256, blake3, len) = hashes(&mut open()?).map_err(|e| fail::io("read", file, e))?;
    let media = "application/octet-stream";
    let query = vec![("name", name.clone()), ("media_type", media.into()), ("sha256", hex::encode(&sha256.0))];
    let bar = bar(ctx.out, &one_line(&name), len);
    let _: EvidenceView = node.upload(Op::EvidencePut, &[thread], &query, bar.wrap_read(open()?), len)?;
    bar.finish_and_clear();
    Ok(EvidenceItem::new(name, media, len, blake3, sha256, method))
}

fn hashes(from: &mut impl Read) -> std::io::Result<(Digest, Digest, u64)> {
    use sha2::Digest as _;
    let (mut sha256, mut b3, mut len) = (sha2::Sha256::new(), blake3::Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((Digest(sha256.finalize().into()), Digest(*b3.finalize().as_bytes()), len)),
            n => {
                sha256.update(&buffer[..n]);
                b3.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

impl Evidence {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Evidence::Request { thread, items } => {
                let blobs = blobs(&node, &thread, &items)?;
                say(ctx, &thread, &Saying::BlobRequest { blobs }, "asked for")
            }
            Evidence::Release { thread, items } => {
                let blobs = blobs(&node, &thread, &items)?;
                say(ctx, &thread, &Saying::BlobGrant { blobs }, "released")
            }
            Evidence::List { thread } => {
                let detail = detail(&node, &thread)?;
                ctx.out.answer(&detail.evidence, || evidence_table(ctx.out, &detail.evidence));
                Ok(())
            }
            Evidence::Fetch { thread, item, wait } => fetch(ctx, &node, &thread, item.as_deref(), wait),
            Evidence::Get { thread, item, out } => {
                let detail = detail(&node, &thread)?;
                let view = find(&detail.evidence, &item)?;
                let (content, len) = node.download(Op::EvidenceGet, &[&detail.row.thread, &view.blob], &Vec::new())?;
                let bar = bar(ctx.out, &view.name, len.unwrap_or(view.size));
                save(&out, bar.wrap_read(content), |found| {
                    let same = hex::encode(&found.sha256) == view.sha256 && hex::encode(&found.blake3) == view.blake3;
                    match same {
                        true => Ok(()),
                        false => Err(Problem::new(
                            Code::Internal,
                            format!(
                                "{}: the content is not the one that was signed; nothing was written",
                                one_line(&view.name)
                            ),
                        )),
                    }
                })?;
                bar.finish_and_clear();
                let value = json!({ "file": out, "item": view });
                ctx.out.answer(&value, || ctx.out.line(format!("{} ({}), as signed", out.display(), size(view.size))));
                Ok(())
            }
        }
    }
}

fn fetch(ctx: &Ctx, node: &Node, thread: &str, item: Option<&str>, limit: Duration) -> Done {
    let before = detail(node, thread)?;
    let thread = before.row.thread.clone();
    let wanted: Vec<String> = match item {
        Some(text) => vec![find(&before.evidence, text)?.blob.clone()],
        None => before.evidence.iter().map(|e| e.blob.clone()).collect(),
    };
    let missing = |e: &&EvidenceView| wanted.contains(&e.blob) && e.state != "here";
    for view in before.evidence.iter().filter(missing) {
        let _: Value = node.call(Op::EvidenceFetch, &[&thread, &view.blob], &json!({}))?;
    }
    let total = before.evidence.iter().filter(|e| wanted.contains(&e.blob)).map(|e| e.of).sum();
    let bar = bar(ctx.out, "fetching", total);
    wait::until_interrupted("stopped waiting; the node goes on fetching");
    let mut last = before;
    let done = match limit.is_zero() {
        true => false,
        false => wait::poll(limit, || {
            last = detail(node, &thread)?;
            let ours = last.evidence.iter().filter(|e| wanted.contains(&e.blob));
            bar.set_position(ours.map(|e| e.have).sum());
            Ok(last.evidence.iter().find(missing).is_none().then_some(()))
        })?
        .is_some(),
    };
    bar.finish_and_clear();
    let items: Vec<&EvidenceView> = last.evidence.iter().filter(|e| wanted.contains(&e.blob)).collect();
    if !done && !limit.is_zero() {
        let trouble = items.iter().find_map(|e| e.trouble.clone());
        let why = trouble.map(|t| format!(": {t}")).unwrap_or_default();
        return Err(Problem::new(Code::Unreachable, format!("not everything has come yet{why}"))
            .hint("The node goes on by itself; the same command waits again."));
    }
    ctx.out.answer(&items, || {
        let items: Vec<EvidenceView> = items.iter().map(|e| (*e).clone()).collect();
        evidence_table(ctx.out, &items);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_item_of_evidence_is_found_by_its_name_or_id_but_never_guessed() {
        let view = |name: &str, blob: &str| -> EvidenceView {
            serde_json::from_value(json!({
                "name": name, "media_type": "", "size": 0, "sha256": "", "blake3": "", "blob": blob, "state": "here",
                "have": 0, "of": 0, "fetched": 0, "trouble": null,
            }))
            .unwrap()
        };
        let all = [
            view("a", "aaaaaaaaaaaa"),
            view("b", "aaaaaaaabbbb"),
            view("c", "cccccccccccc"),
            view("c", "dddddddddddd"),
        ];
        assert_eq!(find(&all, "a").unwrap().blob, "aaaaaaaaaaaa");
        assert_eq!(find(&all, "aaaaaaaab").unwrap().name, "b");
        assert_eq!(find(&all, "aaaaaaaa").unwrap_err().code, Code::Ambiguous);
        assert_eq!(find(&all, "c").unwrap_err().code, Code::Ambiguous);
        assert_eq!(find(&all, "ccc").unwrap_err().code, Code::NotFound);
    }
}
