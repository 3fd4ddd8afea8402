//! Real processes of the `lapwing` binary, reached as any user reaches them.

use crate::federation::contact;
use crate::watch::Watch;
use anyhow::{Context, bail, ensure};
use lapwing_api::client::Client;
use lapwing_api::ops::Op;
use lapwing_api::types::{ContactIn, Done, Draft, EvidenceView, ReferralDetail, Said, Status, Submit, Written};
use lapwing_node::folder::Folder;
use lapwing_record::form::{CollectionMethod, EvidenceItem, Form, sample};
use lapwing_record::id::Digest;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a job gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program to measure: the one named, else the one beside this program.
pub fn binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: its numbers mean nothing. Use `cargo run --release -p lapwing-bench`.");
    }
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("lapwing"));
    let path = named.map(Path::to_owned).or_else(beside).context("this program cannot find itself")?;
    ensure!(
        path.is_file(),
        "{} is not there; build it with `cargo build --release`, or name one with --binary",
        path.display()
    );
    Ok(path.canonicalize()?)
}

/// Tries until something is there.
pub fn until<T>(
    what: &str,
    every: Duration,
    mut attempt: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(every);
    }
}

/// How a node is reached and whom it reaches first.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Multiaddrs that others are told; empty: what it listens on.
    pub external: Vec<String>,
    /// Multiaddrs to begin with.
    pub bootstrap: Vec<String>,
    /// Whether it dials only.
    pub silent: bool,
}

/// A running node.
pub struct Process {
    /// Its folder.
    pub folder: Folder,
    /// A client with its officer's token.
    pub client: Client,
    /// From the start of the process until its API answered.
    pub ready: Duration,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may be gone already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts a node on a folder and waits until its API answers.
    pub fn start(binary: &Path, folder: &Folder, links: &Links) -> anyhow::Result<Self> {
        let list = |items: &[String]| items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ");
        let listen = if links.silent { "" } else { "\"/ip4/127.0.0.1/tcp/0\"" };
        let (external, bootstrap) = (list(&links.external), list(&links.bootstrap));
        let config = format!("[node]\nlisten = [{listen}]\nexternal = [{external}]\nbootstrap = [{bootstrap}]\n");
        std::fs::write(folder.config(), config + "[log]\nlevel = \"warn\"\n")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.root().join("log"))?;
        // a former process's address must not be taken for this one's
        let _ = std::fs::remove_file(folder.api_address());
        let begun = Instant::now();
        let mut command = Command::new(binary);
        command.arg("--data").arg(folder.root());
        command.args(["run", "--insecure-no-passphrase", "--api-listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().with_context(|| format!("{} does not start", binary.display()))?;
        let found = until("the node's API", Duration::from_millis(1), || {
            if let Some(status) = child.try_wait()? {
                bail!("a node ended by itself with {status}; see {}", folder.root().join("log").display());
            }
            let (Ok(address), Ok(token)) =
                (std::fs::read_to_string(folder.api_address()), std::fs::read_to_string(folder.api_token()))
            else {
                return Ok(None);
            };
            let client = Client::new(address.trim(), &token);
            Ok(client.read::<Done>(Op::Live, &[], &[]).is_ok().then_some(client))
        });
        let ready = begun.elapsed();
        match found {
            Ok(client) => Ok(Process { folder: folder.clone(), client, ready, child }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Another client with the officer's token, and connections of its own.
    pub fn caller(&self) -> anyhow::Result<Client> {
        let token = std::fs::read_to_string(self.folder.api_token())?;
        Ok(Client::new(std::fs::read_to_string(self.folder.api_address())?.trim(), &token))
    }

    /// Stops it as an administrator would, and waits until it is gone.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let token = std::fs::read_to_string(self.folder.admin_token())?;
        let address = std::fs::read_to_string(self.folder.api_address())?;
        let admin = Client::new(address.trim(), &token);
        admin.call::<Done>(Op::Shutdown, &[], &[], &serde_json::json!({}))?;
        until("the end of a node", Duration::from_millis(5), || Ok(self.child.try_wait()?)).map(drop)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it is.
    pub fn status(&self) -> anyhow::Result<Status> {
        Ok(self.client.read(Op::Status, &[], &[])?)
    }

    /// A multiaddr that it listens on.
    pub fn address(&self) -> anyhow::Result<String> {
        until("an address", Duration::from_millis(20), || Ok(self.status()?.listening.first().cloned()))
    }

    /// Publishes a point of contact.
    pub fn publish(&self, slot: &str, version: usize) -> anyhow::Result<()> {
        let record = ContactIn { contact: contact(slot, version), agency_only: false };
        let written: Result<Written, _> = self.client.call(Op::ContactPublish, &[], &[], &record);
        written.map(drop).context("a point of contact was not published")
    }

    /// Uploads evidence into a draft.
    pub fn upload(&self, thread: &str, evidence: &Evidence) -> anyhow::Result<String> {
        let query = [
            ("name", evidence.item.name.clone()),
            ("media_type", evidence.item.media_type.clone()),
            ("sha256", hex(&evidence.item.sha256.0)),
        ];
        let (bytes, len) = (&evidence.bytes[..], evidence.bytes.len() as u64);
        let view: EvidenceView = self.client.upload(Op::EvidencePut, &[thread], &query, bytes, len)?;
        Ok(view.blob)
    }

    /// A case as it stands here.
    pub fn case(&self, thread: &str) -> anyhow::Result<ReferralDetail> {
        Ok(self.client.read(Op::Referral, &[thread], &[])?)
    }

    /// Waits until every statement of an own case has its receipt; when the last came.
    pub fn receipted(&self, watch: &Watch, thread: &str, statements: usize) -> anyhow::Result<Instant> {
        // of each statement two events: it is said, its receipt is here
        let mut nth = 2 * statements;
        loop {
            let at = watch.nth(thread, nth)?;
            let case = self.case(thread)?;
            let stored = case.timeline.iter().filter(|s| s.delivery == "stored").count();
            if stored >= statements {
                return Ok(at);
            }
            // an attempt failed: that was an event too
            nth += 1;
        }
    }
}

/// Two agencies that are connected, ready to exchange referrals.
pub struct Pair {
    /// The requester.
    pub a: Process,
    /// The target.
    pub b: Process,
    /// Events at the requester.
    pub at_a: Watch,
    /// Events at the target.
    pub at_b: Watch,
    /// The target's name.
    pub to: String,
}

impl Pair {
    /// From two started nodes: waits until a first referral has gone through.
    pub fn ready(a: Process, b: Process, to: &str) -> anyhow::Result<Self> {
        let may_sign = |p: &Process| Ok((p.status()?.signing == "ok").then_some(()));
        until("the requester may sign", Duration::from_millis(50), || may_sign(&a))?;
        until("a point of contact", Duration::from_millis(100), || Ok(a.publish("intake", 0).ok()))?;
        until("the nodes are connected", Duration::from_millis(50), || {
            Ok((a.status()?.connected > 0 && b.status()?.connected > 0).then_some(()))
        })?;
        // keys to seal to are published moments after the start
        std::thread::sleep(Duration::from_secs(2));
        let pair = Pair { at_a: Watch::begin(&a.client)?, at_b: Watch::begin(&b.client)?, a, b, to: to.into() };
        pair.refer(&form(None))?;
        Ok(pair)
    }

    /// One referral without evidence, from the opening of the draft until its receipt is durable.
    pub fn refer(&self, form: &Form) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        Ok(self.receipt_of(&self.say(&self.a.client, form)?)?.duration_since(begun))
    }

    /// Opens a draft and submits it: the case.
    pub fn say(&self, caller: &Client, form: &Form) -> anyhow::Result<String> {
        let thread = draft(caller)?;
        submit(caller, &thread, &self.to, form)?;
        Ok(thread)
    }

    /// When the receipt of a referral without evidence was durable.
    pub fn receipt_of(&self, thread: &str) -> anyhow::Result<Instant> {
        self.a.receipted(&self.at_a, thread, 1)
    }

    /// One referral with evidence, until its receipts are durable and the evidence lies verified at the target, with its
    /// key.
    pub fn refer_with(&self, evidence: &Evidence) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let thread = draft(&self.a.client)?;
        let blob = self.a.upload(&thread, evidence)?;
        submit(&self.a.client, &thread, &self.to, &form(Some(evidence.item.clone())))?;
        self.at_b.nth(&thread, 1)?;
        self.b.client.call::<Done>(Op::EvidenceFetch, &[&thread, &blob], &[], &serde_json::json!({}))?;
        // at the target: the submission, the key, the evidence
        let mut nth = 3;
        let here = loop {
            let at = self.at_b.nth(&thread, nth)?;
            if self.b.case(&thread)?.evidence.iter().all(|e| e.state == "here") {
                break at;
            }
            nth += 1;
        };
        let receipts = self.a.receipted(&self.at_a, &thread, 2)?;
        Ok(receipts.max(here).duration_since(begun))
    }
}

fn draft(caller: &Client) -> anyhow::Result<String> {
    let draft: Draft = caller.call(Op::Drafts, &[], &[], &serde_json::json!({}))?;
    Ok(draft.thread)
}

fn submit(caller: &Client, thread: &str, to: &str, form: &Form) -> anyhow::Result<()> {
    let submit = Submit { to: Some(to.into()), form: Some(form.clone()), ahead_because: None, give_up_days: None };
    let said: Result<Said, _> = caller.call(Op::Submit, &[thread], &[], &submit);
    said.map(drop).context("a referral was not submitted")
}

/// Content to send along.
pub struct Evidence {
    /// The content.
    pub bytes: Vec<u8>,
    /// Its place in the manifest.
    pub item: EvidenceItem,
}

impl Evidence {
    /// So many bytes, never the same twice.
    pub fn of(len: usize, number: u64) -> Self {
        let mut bytes = vec![0; len];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
        let (blake3, sha256) = (Digest(*blake3::hash(&bytes).as_bytes()), Digest(Sha256::digest(&bytes).into()));
        let name = format!("sample-{number}.eml");
        let method = CollectionMethod::Spamtrap;
        let item = EvidenceItem::new(name, "message/rfc822", len as u64, blake3, sha256, method);
        Evidence { bytes, item }
    }
}

/// A pro forma of about 2 KB.
pub fn form(evidence: Option<EvidenceItem>) -> Form {
    let narrative = "Forty complaints within a week; the replies lead to one collector. ".repeat(22);
    Form { narrative: Some(narrative.trim().to_owned()), evidence: evidence.map(|item| vec![item]), ..sample() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
