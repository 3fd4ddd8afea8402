//! `lapwing config`: settings.

use super::Ctx;
use super::fail::{self, Done};
use clap::Subcommand;
use lapwing_node::config::Settings;
use serde_json::json;

/// The commented example: every key with its default.
pub const EXAMPLE: &str = include_str!("../../../../config/lapwing.toml");

/// The settings of a data folder.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Names every fault of the configuration at once.
    #[command(after_help = "Examples:\n  lapwing config check\n  lapwing --data /var/lib/lapwing config check --json")]
    Check,
    /// Shows the settings as they are meant: defaults filled in, paths absolute.
    #[command(after_help = "Examples:\n  lapwing config show\n  lapwing config show --example > config.toml")]
    Show {
        /// Print the commented example file instead.
        #[arg(long)]
        example: bool,
    },
}

impl Config {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        if matches!(self, Config::Show { example: true }) {
            ctx.out.raw(EXAMPLE);
            return Ok(());
        }
        let folder = ctx.folder();
        let settings = Settings::load(&folder).map_err(fail::config)?;
        match self {
            Config::Check => {
                let path = folder.config();
                let value = json!({ "ok": true, "file": path });
                ctx.out.answer(&value, || ctx.out.line(format!("{} has no faults", path.display())));
            }
            Config::Show { .. } => {
                let value = serde_json::to_value(&settings).expect("settings are plain data");
                ctx.out.answer(&value, || ctx.out.tree(&value));
            }
        }
        Ok(())
    }
}
