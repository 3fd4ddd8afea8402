//! What `run` and `demo` are given.

use clap::Args;
use std::path::PathBuf;

/// Flags of `lapwing run`. What is given here wins over the configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct RunOptions {
    /// File whose first line is the passphrase of the node's keys; else the configuration's, the service manager's
    /// credential, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where other nodes reach this one: ip:port or a multiaddr.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where the local API listens: ip:port.
    #[arg(long, value_name = "ADDR")]
    pub api_listen: Option<String>,
    /// A node to begin with, beside those of the configuration. May be given several times.
    #[arg(long, value_name = "ADDR")]
    pub bootstrap: Vec<String>,
    /// Assert that this folder holds this node's own latest entries (after a restore, when no peer can confirm it).
    #[arg(long)]
    pub assert_current: bool,
    /// Accept keys that lie in clear, without a word of warning.
    #[arg(long)]
    pub insecure_no_passphrase: bool,
}

/// Flags of `lapwing demo`.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoOptions {
    /// End when the story ends; else the nodes stay up until Ctrl-C.
    #[arg(long)]
    pub exit: bool,
    /// One JSON object per step.
    #[arg(skip)]
    pub json: bool,
    /// Keep the data folders here.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Seed of what is left to chance.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Kill and restart nodes at random, so many times in all.
    #[arg(long, value_name = "N")]
    pub kills: Option<usize>,
}
