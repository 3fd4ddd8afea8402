//! `lapwing key`: key files.

use super::Ctx;
use super::ask::{self, Unlock};
use super::fail::{self, Done};
use super::hex;
use super::identity::{hand_in, identity};
use clap::Subcommand;
use lapwing_api::problem::Audience;
use lapwing_node::folder;
use lapwing_node::founding;
use lapwing_node::keys::{self, KdfCost, KeyKind};
use lapwing_record::sign::{PublicKey, SecretKey};
use serde_json::json;
use std::path::PathBuf;

/// Key files: what they are, and new ones for officers.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Shows what a key file is for and its public key; needs no passphrase.
    #[command(after_help = "Examples:\n  lapwing key show lapwing-data-keys/officer-1.key")]
    Show {
        /// The key file.
        file: PathBuf,
    },
    /// Makes an officer's key. `lapwing officer add` gives it its power.
    #[command(after_help = "Examples:
  lapwing key new-officer /media/usb/officer-anna.key
  lapwing key new-officer officer-2.key --passphrase-file pass")]
    NewOfficer {
        /// Where to write it; never overwritten.
        out: PathBuf,
        /// File whose first line is the new key's passphrase; else it is asked for, twice.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Leave the key in clear. For trials only.
        #[arg(long)]
        insecure_no_passphrase: bool,
        #[arg(long, hide = true)]
        trial_kdf: bool,
    },
    /// Puts the next root keys in force, and makes the set after them: when root keys are lost, stolen or old.
    #[command(after_help = "Examples:
  lapwing key rotate-roots --next-root-key keys/next-root-1.key --keys-out new-keys

All keys of the next set are needed, for all of them are revealed. Whoever stole the root keys in force cannot do this.")]
    RotateRoots(RotateRoots),
}

/// Arguments of `key rotate-roots`.
#[derive(Debug, clap::Args)]
pub struct RotateRoots {
    /// A key of the next root set, as `init` or the last rotation wrote it; give all of them.
    #[arg(long, value_name = "FILE", required = true)]
    next_root_key: Vec<PathBuf>,
    /// Where the keys of the set after that go; nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    keys_out: PathBuf,
    /// Of the set after that, keys that must sign.
    #[arg(long, value_name = "M", default_value_t = 1)]
    threshold: u8,
    /// Do not ask before signing.
    #[arg(long)]
    yes: bool,
    /// Leave the new keys in clear. For trials only.
    #[arg(long)]
    insecure_no_passphrase: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// The work of guessing a passphrase.
pub fn cost(trial: bool) -> KdfCost {
    if trial { KdfCost::Trial } else { KdfCost::Default }
}

impl Key {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let path = match self {
            Key::RotateRoots(rotate) => return rotate.run(ctx),
            Key::Show { file } => file,
            Key::NewOfficer { out, passphrase_file, insecure_no_passphrase, trial_kdf } => {
                let passphrase = ask::new_passphrase(passphrase_file.as_deref(), insecure_no_passphrase)?;
                let officer = SecretKey::from_seed(keys::random().map_err(fail::key)?);
                let cost = cost(trial_kdf);
                keys::write_key(&out, KeyKind::Officer, officer.seed(), passphrase.as_ref(), cost)
                    .map_err(fail::key)?;
                // the key is of use only after the root keys have granted it
                ctx.out.note(format!("next: lapwing officer add {} --root-key FILE", out.display()));
                out
            }
        };
        let info = keys::read_info(&path).map_err(fail::key)?;
        let public = info.public.map(|p| hex::encode(&p));
        let kid = info.public.and_then(|p| PublicKey::new(p).ok()).map(|p| p.kid().to_string());
        let value = json!({
            "file": path, "kind": info.kind, "public": public, "kid": kid, "encrypted": info.encrypted,
            "created_ms": info.created,
        });
        ctx.out.answer(&value, || {
            ctx.out.pairs(&[
                ("file", path.display().to_string()),
                ("kind", info.kind.to_string()),
                ("key id", kid.unwrap_or_default()),
                ("public key", public.unwrap_or_default()),
                ("created", ctx.out.time_ms(info.created)),
                ("passphrase", if info.encrypted { "needed" } else { "NONE: the key lies in clear" }.into()),
            ]);
        });
        Ok(())
    }
}

impl RotateRoots {
    fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let view = identity(&node)?;
        let revealed = self.unlock.open_all(&self.next_root_key, KeyKind::Root)?;
        ask::go_on(
            self.yes,
            &format!("Put {} next root key(s) of {} in force?", revealed.len(), view.name.short_name),
        )?;
        let mut next: Vec<(PathBuf, SecretKey)> = Vec::new();
        for number in 1..=self.next_root_key.len() {
            let path = self.keys_out.join(format!("next-root-{}-{number}.key", view.id_head.seq + 1));
            fail::free(&path)?;
            next.push((path, SecretKey::from_seed(keys::random().map_err(fail::key)?)));
        }
        let publics: Vec<PublicKey> = next.iter().map(|(_, key)| key.public()).collect();
        let threshold = u64::from(self.threshold);
        let entry = founding::rotate(&view, &revealed, &publics, threshold, keys::now_ms()).map_err(fail::founding)?;
        let passphrase = ask::new_passphrase(None, self.insecure_no_passphrase)?;
        let made = !self.keys_out.exists();
        folder::create_dir(&self.keys_out).map_err(fail::file)?;
        // they are on disk before the entry that commits to them; if it is refused, they are of no use to anyone
        for (path, key) in &next {
            keys::write_key(path, KeyKind::Root, key.seed(), passphrase.as_ref(), KdfCost::Default)
                .map_err(fail::key)?;
        }
        let done = hand_in(ctx, &node, &entry, "the next root keys are in force; keep the new ones apart from them");
        if done.as_ref().is_err_and(|p| p.code.audience() == Audience::User) {
            next.iter().for_each(|(path, _)| drop(std::fs::remove_file(path)));
            if made {
                let _ = std::fs::remove_dir(&self.keys_out);
            }
        }
        done
    }
}
