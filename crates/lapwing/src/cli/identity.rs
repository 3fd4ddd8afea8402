//! `lapwing officer`, `lapwing heal`, `lapwing leave`: what root keys sign. The node says where the logs stand; the entry
//! is made and signed here, with keys that the node never sees, and handed in.

use super::Ctx;
use super::ask::{self, Unlock};
use super::fail::{self, Done, wrong};
use super::hex;
use super::node::{Node, typed};
use super::out::short;
use super::when;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{EntryIn, IdentityView, Written};
use lapwing_node::founding::{self, Change};
use lapwing_node::keys::{self, KeyKind};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::Kid;
use lapwing_record::identity::{Anchor, Officer as Key};
use lapwing_record::sign::{PublicKey, SecretKey};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Root keys on the command line.
#[derive(Clone, Debug, Args)]
pub struct RootKeys {
    /// A root key; give as many as the threshold asks for.
    #[arg(long, value_name = "FILE", required = true)]
    root_key: Vec<PathBuf>,
    /// Do not ask before signing.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// Whose approvals count: each change opens a new epoch, signed with root keys.
#[derive(Debug, Subcommand)]
pub enum Officer {
    /// Lists officers' keys and how many approvals each act needs.
    #[command(after_help = "Examples:\n  lapwing officer list")]
    List,
    /// Adds an officer.
    #[command(after_help = "Examples:
  lapwing officer add officer-anna.key --root-key lapwing-data-keys/root-1.key")]
    Add {
        /// The officer's key file (its passphrase is not needed), or the public key in hex.
        key: String,
        /// How long the key is meant to be used.
        #[arg(long, value_name = "DURATION", default_value = "730d", value_parser = when::duration)]
        valid: Duration,
        #[command(flatten)]
        roots: RootKeys,
    },
    /// Removes an officer: who leaves, or lost a laptop. What was approved before stays said.
    #[command(after_help = "Examples:\n  lapwing officer remove 4k3mzx7q --root-key lapwing-data-keys/root-1.key")]
    Remove {
        /// The key's id (8 characters or more), or the key file.
        key: String,
        #[command(flatten)]
        roots: RootKeys,
    },
}

/// Heals a forked log: opens a new epoch that stands by one branch of it. What the other branch holds is disavowed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing heal --root-key lapwing-data-keys/root-1.key
  lapwing heal --root-key root-1.key --anchor pub:41:4k3mzx7q… --anchor agy:7:abcdefgh…")]
pub struct Heal {
    /// The last entry to stand by: `[LOG:]SEQ:ID`, LOG being pub (default) or agy. Without it: the node's own heads.
    #[arg(long, value_name = "[LOG:]SEQ:ID", value_parser = anchor)]
    anchor: Vec<Anchor>,
    #[command(flatten)]
    roots: RootKeys,
}

/// Leaves the federation: at once, for good, with no reason owed (Plan D).
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lapwing leave --root-key lapwing-data-keys/root-1.key --yes")]
pub struct Leave {
    /// What to say at parting.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    roots: RootKeys,
}

fn anchor(text: &str) -> Result<Anchor, String> {
    let bad = || format!("`{text}`: write [LOG:]SEQ:ID, such as pub:41:4k3mzx7q…");
    let parts: Vec<&str> = text.split(':').collect();
    let (log, seq, id) = match parts[..] {
        [seq, id] => (LogKind::Pub, seq, id),
        [log, seq, id] => (log.parse::<LogKind>()?, seq, id),
        _ => return Err(bad()),
    };
    if log == LogKind::Id {
        return Err("log id has no anchor: it is the root keys' own".into());
    }
    Ok(Anchor { log, seq: seq.parse().map_err(|_| bad())?, id: id.parse().map_err(|_| bad())? })
}

/// The public key of a key file or of hexadecimal digits.
fn public_key(text: &str) -> Result<PublicKey, Problem> {
    let path = Path::new(text);
    if !path.exists() {
        return founding::public_key(text).map_err(|_| {
            wrong(format!(
                "`{}` is neither a key file nor a public key in hex",
                text.chars().take(100).collect::<String>()
            ))
        });
    }
    let info = keys::read_info(path).map_err(fail::key)?;
    if info.kind != KeyKind::Officer {
        let error = keys::KeyFileError::WrongKind { path: path.into(), found: info.kind, wanted: KeyKind::Officer };
        return Err(fail::key(error));
    }
    let key = info.public.and_then(|p| PublicKey::new(p).ok());
    key.ok_or_else(|| wrong(format!("{} holds no usable public key", path.display())))
}

/// An officer's key by the beginning of its id, or by its file.
fn kid(text: &str, view: &IdentityView) -> Result<Kid, Problem> {
    if Path::new(text).exists() {
        return public_key(text).map(|key| key.kid());
    }
    let found: Vec<&str> = view.officers.iter().map(|o| o.kid.as_str()).filter(|k| k.starts_with(text)).collect();
    match found[..] {
        [one] if text.len() >= 8 => one.parse().map_err(|e| wrong(format!("the node's answer does not read: {e}"))),
        _ => Err(wrong(format!("`{text}` names no officer's key; give 8 characters of its id or more"))
            .hint("`lapwing officer list` shows them.")),
    }
}

pub(super) fn identity(node: &Node) -> Result<IdentityView, Problem> {
    node.read(Op::Identity, &[], &Vec::new())
}

fn open(roots: &RootKeys, view: &IdentityView) -> Result<Vec<SecretKey>, Problem> {
    let open = roots.unlock.open_all(&roots.root_key, KeyKind::Root)?;
    if let Some(key) = open.iter().find(|k| !view.roots.contains(&k.public().kid().to_string())) {
        return Err(wrong(format!(
            "key {} is no root key of {} in force",
            key.public().kid().short(),
            view.name.short_name
        )));
    }
    Ok(open)
}

/// Hands an entry in and tells what it did.
pub(super) fn hand_in(ctx: &Ctx, node: &Node, entry: &Entry, said: &str) -> Done {
    let written: Value = node.call(Op::IdEntry, &[], &EntryIn { entry: hex::encode(&entry.encode()) })?;
    ctx.out.answer(&written, || {
        let id = typed::<Written>(&written).map(|w| w.entry).unwrap_or_else(|_| entry.id().to_string());
        ctx.out.line(format!("{said}: entry {id}"));
    });
    Ok(())
}

fn grant(
    ctx: &Ctx,
    roots: &RootKeys,
    question: &str,
    change: impl FnOnce(&IdentityView) -> Result<Change, Problem>,
) -> Done {
    let node = ctx.node()?;
    let view = identity(&node)?;
    let change = change(&view)?;
    let open = open(roots, &view)?;
    ask::go_on(roots.yes, &format!("{question} ({}, epoch {} follows)?", view.name.short_name, view.epoch + 1))?;
    let entry = founding::grant(&view, &change, &open, keys::now_ms()).map_err(fail::founding)?;
    hand_in(ctx, &node, &entry, &format!("epoch {} is open", view.epoch + 1))
}

impl Officer {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Officer::List => list(ctx),
            Officer::Add { key, valid, roots } => {
                let key = public_key(&key)?;
                let not_after = keys::now_ms().saturating_add(when::ms(valid));
                let question = format!("Add the officer with the key {}", key.kid().short());
                grant(ctx, &roots, &question, |_| Ok(Change::AddOfficer(Key { key, not_after })))
            }
            Officer::Remove { key, roots } => {
                let question = format!("Remove the officer with the key {}", short(&key));
                grant(ctx, &roots, &question, |view| kid(&key, view).map(Change::RemoveOfficer))
            }
        }
    }
}

fn list(ctx: &Ctx) -> Done {
    let value: Value = ctx.node()?.read(Op::Identity, &[], &Vec::new())?;
    if ctx.out.json {
        ctx.out.value(&value);
        return Ok(());
    }
    let view: IdentityView = typed(&value)?;
    let heads: Vec<String> = view.heads.iter().map(|h| format!("{}:{}:{}", h.log, h.seq, short(&h.id))).collect();
    let policy: Vec<String> = view.policy.iter().map(|(act, m)| format!("{act}={m}")).collect();
    ctx.out.pairs(&[
        ("participant", format!("{} ({})", view.name.short_name, view.name.pid)),
        ("words", view.words.clone()),
        ("root keys", format!("{}, {} must sign", view.roots.len(), view.threshold)),
        ("epoch", view.epoch.to_string()),
        ("approvals", if policy.is_empty() { "one for every act".into() } else { policy.join(", ") }),
        ("heads", heads.join("  ")),
        ("trouble", view.trouble.clone().unwrap_or_default()),
    ]);
    let row = |o: &lapwing_api::types::OfficerView| {
        let key = if ctx.out.verbose > 0 { o.key.clone() } else { String::new() };
        vec![o.kid.clone(), ctx.out.time(&o.not_after), key]
    };
    let rows = view.officers.iter().map(row).collect();
    ctx.out.table(&["officer's key id", "until", "public key"], rows, "no officers: nobody can vote");
    Ok(())
}

impl Heal {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let question = "Open a new epoch and disavow what lies beyond its anchors";
        grant(ctx, &self.roots, question, |_| Ok(Change::Heal(self.anchor)))
    }
}

impl Leave {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        if !self.roots.yes && !ask::somebody() {
            return Err(wrong("leaving is for good: say so with `--yes`"));
        }
        let node = ctx.node()?;
        let view = identity(&node)?;
        let open = open(&self.roots, &view)?;
        ask::go_on(self.roots.yes, &format!("Leave as {}, for good?", view.name.short_name))?;
        let entry = founding::leave(&view, &open, self.note, keys::now_ms()).map_err(fail::founding)?;
        hand_in(ctx, &node, &entry, &format!("{} has left", view.name.short_name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::id::EntryId;

    #[test]
    fn anchors_name_a_log_a_place_and_an_entry() {
        let id = EntryId([3; 32]);
        assert_eq!(anchor(&format!("41:{id}")), Ok(Anchor { log: LogKind::Pub, seq: 41, id }));
        assert_eq!(anchor(&format!("agy:7:{id}")), Ok(Anchor { log: LogKind::Agy, seq: 7, id }));
        assert!(anchor("41").is_err() && anchor("41:x").is_err() && anchor(&format!("id:1:{id}")).is_err());
    }
}
