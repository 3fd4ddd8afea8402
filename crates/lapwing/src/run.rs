//! `lapwing run`: the daemon, from its data folder until it is told to stop.

use crate::cli::run_options::RunOptions;
use crate::log;
use anyhow::Context;
use lapwing_api::problem::{Code, Problem};
use lapwing_node::config::{Settings, multiaddr};
use lapwing_node::folder::Folder;
use lapwing_node::keys::{KeyFileError, Passphrase};
use lapwing_node::node::{Node, NodeError, StartOptions};
use sd_notify::NotifyState;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal.
const ENDED_AT_ONCE: i32 = 130;

/// Runs a node until SIGINT or SIGTERM, or until it fails.
pub fn run(folder: Folder, options: RunOptions) -> anyhow::Result<ExitCode> {
    let settings = settings(&folder, &options)?;
    log::begin(&settings.log).map_err(|e| {
        let file = settings.log.file.as_deref().map(|f| f.display().to_string()).unwrap_or_default();
        Problem::new(Code::Config, format!("the log file {file} cannot be opened: {e}"))
            .hint("Make its folder writable for the node's user, or change `[log] file`.")
    })?;
    let passphrase = passphrase(&folder, &settings, &options)?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.context("no threads for the node")?;
    let outcome: anyhow::Result<()> = runtime.block_on(async {
        let start = StartOptions { assert_current: options.assert_current };
        let node = Node::start(folder, settings, passphrase.as_ref(), start).await.map_err(problem)?;
        println!("The node runs. Its API listens on {}; `lapwing status` tells how it is. Ctrl-C stops it.", node.api);
        tell_manager(&[NotifyState::Ready, NotifyState::Status("the node runs; `lapwing status` tells how it is")]);
        let office = node.office.clone();
        let mut signals = Signals::new().context("signals cannot be waited for")?;
        tokio::spawn(async move {
            let signal = signals.next().await;
            tell_manager(&[NotifyState::Stopping]);
            tracing::info!(signal, "told to stop; a second signal ends it at once");
            office.stop();
            signals.next().await;
            tracing::warn!(
                "ended at once: what was acknowledged is durable, the index is looked through at the next start"
            );
            std::process::exit(ENDED_AT_ONCE);
        });
        Ok(node.wait().await.map_err(problem)?)
    });
    // handlers that still block are waited for no longer: nobody waits for their answers
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Tells the service manager, where one waits to hear it (systemd's `Type=notify`).
fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// The signals that stop a node.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

fn settings(folder: &Folder, options: &RunOptions) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(folder).map_err(crate::cli::fail::config)?;
    let invalid = |what: String| Problem::new(Code::Invalid, what);
    if let Some(listen) = &options.listen {
        settings.node.listen = vec![multiaddr(listen).map_err(|e| invalid(format!("--listen: {e}")))?];
    }
    if let Some(listen) = &options.api_listen {
        let parsed = listen.parse().map_err(|_| invalid(format!("--api-listen: `{listen}` is not ip:port")))?;
        settings.api.listen = parsed;
    }
    for addr in &options.bootstrap {
        settings.node.bootstrap.push(multiaddr(addr).map_err(|e| invalid(format!("--bootstrap: {e}")))?);
    }
    if let Some(file) = &options.passphrase_file {
        settings.keys.passphrase_file = Some(file.clone());
    }
    Ok(settings)
}

/// Where the passphrase comes from: a file, the service manager, or a prompt if the keys ask for one.
fn passphrase(folder: &Folder, settings: &Settings, options: &RunOptions) -> anyhow::Result<Option<Passphrase>> {
    let found = Passphrase::find(settings.keys.passphrase_file.as_deref()).map_err(crate::cli::fail::passphrase)?;
    if found.is_some() {
        return Ok(found);
    }
    match lapwing_node::keys::read_info(&folder.feed_key()) {
        Ok(info) if !info.encrypted && options.insecure_no_passphrase => Ok(None),
        Ok(info) if !info.encrypted => {
            tracing::warn!(
                "this node's keys are NOT encrypted: whoever can read the folder can speak for it. For trials only."
            );
            Ok(None)
        }
        Ok(_) if std::io::stdin().is_terminal() => {
            let text = rpassword::prompt_password("Passphrase of the node's keys: ").context("no passphrase")?;
            Ok(Some(Passphrase::new(text).map_err(crate::cli::fail::passphrase)?))
        }
        Ok(_) => Err(crate::cli::fail::key(KeyFileError::PassphraseNeeded(folder.feed_key())).into()),
        Err(e) => Err(crate::cli::fail::key(e).into()),
    }
}

/// An error with its causes, where they say more.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// What an administrator can do about it.
fn problem(error: NodeError) -> Problem {
    let text = with_causes(&error);
    match error {
        NodeError::NoCharter => Problem::new(Code::Config, text).hint(
            "Founders: `lapwing charter install FILE` once all have signed. Others: `lapwing init --charter FILE`.",
        ),
        NodeError::Lock(_) => {
            Problem::new(Code::Conflict, text).hint("Another lapwing uses this folder; `lapwing stop` stops it.")
        }
        NodeError::Key(e) => crate::cli::fail::key(e),
        NodeError::File(e) => crate::cli::fail::file(e),
        NodeError::Charter(_) | NodeError::Identity(_) | NodeError::IdLog(_) | NodeError::OtherFeed => {
            Problem::new(Code::Config, text)
        }
        NodeError::Api(..) | NodeError::Net(_) => Problem::new(Code::Config, text)
            .hint("Is the port taken? Choose others with --listen and --api-listen, or in config.toml."),
        NodeError::Journal(lapwing_store::journal::OpenError::Version { .. }) => Problem::new(Code::Config, text)
            .hint("A later version of lapwing has written to this folder: use that version, or a later one."),
        NodeError::Journal(_) | NodeError::Keyring(_) | NodeError::HighWater(..) => Problem::new(Code::Internal, text)
            .hint("The data folder is damaged at the place named. Nothing was changed: `lapwing repair` looks for all that \
                   is damaged, and mends what other nodes have; the rest is in a backup."),
        NodeError::RepairInterrupted(_) => Problem::new(Code::Config, text).hint("Run `lapwing repair --yes` again."),
        _ => Problem::new(Code::Internal, text),
    }
}
