//! `lapwing invite`, `lapwing join`: from one agency's node to another's data folder.

use super::ask;
use super::fail::{self, Done, conflict, wrong};
use super::init::{Federation, Participant};
use super::node::items;
use super::out::one_line;
use super::{Ctx, when};
use clap::Args;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{self, Peer, Status};
use lapwing_node::folder;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::{CharterFile, DAY_MS, MAX_CHARTER_FILE};
use lapwing_record::identity::words;
use lapwing_record::invite::{Invitation, InvitationError, MAX_ADDRS, MAX_INVITATION, MAX_MEMBERS, Member};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Writes an invitation: a short-lived file with the charter, the members and addresses of nodes, for an agency that
/// wants to take part.
///
/// It grants nothing and is no secret: whoever gets it may apply, and whether it is admitted the agencies decide. Read out
/// the twelve words on the telephone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing invite -o harbor.invitation
  lapwing invite -o harbor.invitation --valid 14d --address /dns4/lapwing.harbor.example/tcp/7420")]
pub struct Invite {
    /// Where to write it.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// How long its addresses are to be relied on.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = when::duration)]
    valid: Duration,
    /// Addresses to name, instead of this node's published ones and those of connected members.
    #[arg(long, value_name = "ADDR")]
    address: Vec<String>,
}

/// Joins a federation by an invitation: shows the twelve words and the members before it writes anything, then makes the
/// data folder as `lapwing init` does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing join harbor.invitation
  lapwing join harbor.invitation --show
  lapwing --data /var/lib/lapwing/data join harbor.invitation --short-name polder --legal-name 'Polder Authority' \\
      --country NL --category telecommunications_authority --words 'able acid … zoo' --passphrase-file pass

The words must be the ones that somebody of the inviting agency reads out: they prove that the file names the federation
that they mean.")]
pub struct Join {
    /// The invitation.
    file: PathBuf,
    /// Only show what it says; write nothing.
    #[arg(long)]
    show: bool,
    /// The twelve words as they were read out, instead of being asked.
    #[arg(long, value_name = "WORDS")]
    words: Option<String>,
    #[command(flatten)]
    participant: Participant,
}

impl Invite {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        fail::free(&self.out)?;
        let node = ctx.node()?;
        let path = node.folder.charter();
        let charter = folder::read(&path, MAX_CHARTER_FILE as u64).map_err(|e| {
            fail::file(e).hint("An invitation is written on the node's own machine, where its charter lies.")
        })?;
        let file = CharterFile::open(&charter).map_err(|e| fail::charter(&path, e))?;
        let status: Status = node.read(Op::Status, &[], &Vec::new())?;
        let members =
            items::<types::Member>(&node.list(Op::Members, &[], &vec![("standing", "participant".into())])?)?;
        let addrs = match self.address.is_empty() {
            true => addresses(&status, items(&node.list(Op::Peers, &[], &Vec::new())?)?),
            false => {
                let read: Result<Vec<String>, String> =
                    self.address.iter().map(|a| lapwing_node::config::multiaddr(a)).collect();
                read.map_err(|e| wrong(format!("--address: {e}")))?
            }
        };
        if addrs.is_empty() {
            return Err(conflict("no address of any node is known that others could reach")
                .hint("Name one: --address /dns4/lapwing.agency.example/tcp/7420"));
        }
        let bad = |what: String| Problem::new(Code::Internal, what);
        let member = |m: types::Member| -> Result<Member, Problem> {
            Ok(Member {
                pid: m.name.pid.parse().map_err(|_| bad(format!("`{}` is no id", m.name.pid)))?,
                short_name: m.name.short_name,
                legal_name: m.name.legal_name,
                country: m.name.country,
                class: m.name.class.parse().map_err(bad)?,
            })
        };
        let now = lapwing_node::office::now_ms();
        let invitation = Invitation {
            version: 1,
            charter: Bytes(charter),
            by: status.me.pid.parse().map_err(|_| bad("the node's own id is none".into()))?,
            members: members.into_iter().take(MAX_MEMBERS).map(member).collect::<Result<_, _>>()?,
            addrs,
            made: now,
            expires: now + when::ms(self.valid).min(365 * DAY_MS),
        };
        folder::write_new(&self.out, &encode(&invitation)).map_err(fail::file)?;
        let words = words(&file.charter.network_id().0);
        let shown = json!({
            "file": self.out, "network_id": file.charter.network_id(), "words": words, "addresses": invitation.addrs,
            "expires": lapwing_node::office::rfc3339(invitation.expires),
        });
        ctx.out.answer(&shown, || {
            ctx.out.line(format!("{} invites to {}", self.out.display(), one_line(&file.charter.name)));
            ctx.out.pairs(&[
                ("read out on the telephone", words),
                ("addresses", invitation.addrs.join("  ")),
                ("until", ctx.out.time_ms(invitation.expires)),
            ]);
        });
        Ok(())
    }
}

/// Where a newcomer can begin: this node, then connected members.
fn addresses(status: &Status, peers: Vec<Peer>) -> Vec<String> {
    let mut addrs: Vec<String> = status.published.clone();
    addrs.extend(peers.into_iter().filter(|p| p.connected && p.class != "stranger").flat_map(|p| p.addrs));
    addrs.dedup();
    addrs.truncate(MAX_ADDRS);
    addrs
}

/// The founders' short names.
fn founders(charter: &CharterFile) -> Vec<String> {
    charter.charter.founders().unwrap_or_default().into_iter().map(|(_, i)| i.short_name).collect()
}

impl Join {
    fn open(&self) -> Result<(Invitation, CharterFile), Problem> {
        let bytes = folder::read(&self.file, MAX_INVITATION as u64).map_err(fail::file)?;
        Invitation::open(&bytes).map_err(|e| match e {
            InvitationError::Charter(e) => fail::charter(&self.file, e),
            e => wrong(format!("{} is no invitation: {e}", self.file.display()))
                .hint("Ask for it again; `lapwing invite -o FILE` makes one."),
        })
    }

    fn show(&self, ctx: &Ctx, invitation: &Invitation, charter: &CharterFile) {
        let out = ctx.out;
        let network = charter.charter.network_id();
        let inviter = invitation.members.iter().find(|m| m.pid == invitation.by);
        let params = &charter.charter.params;
        out.note(format!("{} invites to:", inviter.map_or_else(|| "somebody".into(), |m| one_line(&m.legal_name))));
        out.pairs(&[
            ("federation", one_line(&charter.charter.name)),
            ("twelve words", words(&network.0)),
            ("founders", founders(charter).join(", ")),
            ("time for objections", when::show(params.window_ms)),
            ("addresses", invitation.addrs.join("  ")),
            ("good until", out.time_ms(invitation.expires)),
        ]);
        let row = |m: &Member| {
            vec![m.short_name.clone(), one_line(&m.legal_name), m.country.clone(), m.class.to_string(), m.pid.short()]
        };
        let rows = invitation.members.iter().map(row).collect();
        out.table(&["member", "legal name", "country", "class", "id"], rows, "no members are listed");
    }

    fn as_json(invitation: &Invitation, charter: &CharterFile) -> Value {
        json!({
            "federation": charter.charter.name, "network_id": charter.charter.network_id(),
            "words": words(&charter.charter.network_id().0), "by": invitation.by, "members": invitation.members,
            "founders": founders(charter),
            "addresses": invitation.addrs, "expires": lapwing_node::office::rfc3339(invitation.expires),
        })
    }

    /// Whether the words are the ones that were read out.
    fn compare(&self, charter: &CharterFile) -> Done {
        let meant = words(&charter.charter.network_id().0);
        let tidy = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let given = match &self.words {
            Some(words) => words.clone(),
            None if !ask::somebody() => {
                return Err(wrong("--words is missing")
                    .hint("Give the twelve words as they were read out, or run at a terminal to be asked."));
            }
            None => ask::value(None, "--words", "The twelve words, as they were read out", |t| {
                Ok::<_, String>(t.to_owned())
            })?,
        };
        if tidy(&given).to_lowercase() != tidy(&meant).to_lowercase() {
            return Err(wrong("these are not the words of this invitation; nothing was written")
                .hint("Have them read out once more. If they differ, the file names another federation."));
        }
        Ok(())
    }

    /// Carries it out.
    pub fn run(mut self, ctx: &Ctx) -> Done {
        let (invitation, charter) = self.open()?;
        if self.show {
            ctx.out.answer(&Self::as_json(&invitation, &charter), || self.show(ctx, &invitation, &charter));
            return Ok(());
        }
        if invitation.expires <= lapwing_node::office::now_ms() {
            let at = lapwing_node::office::rfc3339(invitation.expires);
            return Err(wrong(format!("the invitation was good until {at}")).hint("Ask for a new one."));
        }
        // who is asked must see what it is about; a script has said it already
        let asked = self.words.is_none() && ask::somebody();
        if asked {
            self.show(ctx, &invitation, &charter);
        }
        self.compare(&charter)?;
        if !asked && !ctx.out.json {
            self.show(ctx, &invitation, &charter);
        }
        if self.participant.bootstrap.is_empty() {
            self.participant.bootstrap = invitation.addrs;
        }
        self.participant.set_up(ctx, &Federation::Applying(invitation.charter.0, Box::new(charter)))
    }
}
