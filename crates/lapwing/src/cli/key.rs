//! `lapwing key`: key files.

use super::Ctx;
use super::ask;
use super::fail::{self, Done};
use super::hex;
use clap::Subcommand;
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
}

/// The work of guessing a passphrase.
pub fn cost(trial: bool) -> KdfCost {
    if trial { KdfCost::Trial } else { KdfCost::Default }
}

impl Key {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let path = match self {
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
