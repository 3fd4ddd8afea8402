//! `lapwing token`: who may call the API.

use super::Ctx;
use super::fail::{self, Done};
use super::node::{items, typed};
use clap::Subcommand;
use lapwing_api::ops::{Op, Role};
use lapwing_api::types::{self, TokenMade, TokenNew};
use lapwing_node::folder;
use serde_json::Value;
use std::path::PathBuf;

/// API tokens: analyst reads, officer also drafts and proposes, admin keeps the node, auditor reads the audit trail.
///
/// No role casts a vote: that takes an officer's key.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Makes a token; its secret is shown this once.
    #[command(after_help = "Examples:
  lapwing token new desk --role analyst
  lapwing token new intake --role officer -o intake.token")]
    New {
        /// Its name: a-z, 0-9 and -.
        name: String,
        /// analyst, officer, admin or auditor.
        #[arg(long)]
        role: Role,
        /// Write the secret to a new file (0600) instead of showing it.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Lists tokens; never their secrets.
    #[command(after_help = "Examples:\n  lapwing token list")]
    List,
    /// Revokes a token at once.
    #[command(after_help = "Examples:\n  lapwing token revoke desk")]
    Revoke {
        /// Its name.
        name: String,
    },
}

impl Token {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Token::New { name, role, out } => {
                out.as_deref().map_or(Ok(()), fail::free)?;
                let value: Value = node.call(Op::TokenNew, &[], &TokenNew { name, role: role.to_string() })?;
                let made: TokenMade = typed(&value)?;
                match &out {
                    Some(path) => {
                        if let Err(e) = folder::write_new(path, format!("{}\n", made.secret).as_bytes()) {
                            // nobody knows its secret: a token that opens nothing must not stay
                            node.call::<Value>(Op::TokenRevoke, &[&made.name], &serde_json::json!({}))?;
                            return Err(fail::file(e));
                        }
                        let shown = serde_json::json!({ "name": made.name, "role": made.role, "file": path });
                        ctx.out.answer(&shown, || {
                            ctx.out.line(format!("{} ({}) is in {}", made.name, made.role, path.display()))
                        });
                    }
                    None => ctx.out.answer(&value, || {
                        ctx.out.note(format!("{} ({}); the secret is shown this once:", made.name, made.role));
                        ctx.out.line(&made.secret);
                    }),
                }
            }
            Token::List => {
                let list = node.list(Op::Tokens, &[], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let row = |t: types::Token| vec![t.name, t.role, ctx.out.time(&t.made)];
                ctx.out.table(&["name", "role", "made"], items(&list)?.into_iter().map(row).collect(), "no tokens");
            }
            Token::Revoke { name } => {
                let value: Value = node.call(Op::TokenRevoke, &[&name], &serde_json::json!({}))?;
                ctx.out.answer(&value, || ctx.out.line(format!("{name} is revoked")));
            }
        }
        Ok(())
    }
}
