//! What nodes say to each other here: the messages of the wire, already decoded and unsealed.

use lapwing_engine::federation::Plane;
use lapwing_record::cbor::Bytes;
use lapwing_record::entry::Entry;
use lapwing_record::id::{Digest, EntryId};
use lapwing_record::membership::Application;
use lapwing_record::sign::Sign1;
use lapwing_record::statement::Delivered;
use lapwing_record::wire::{HeadRow, ThreadHeads, Want};

/// Numbers a request of one node; its answer carries it back.
pub type Req = u64;

/// A message.
#[derive(Clone, Debug)]
pub enum Message {
    /// A new entry, as gossip carries it.
    Gossip(Box<Entry>),
    /// An objection, to be signed for.
    Push(Box<Entry>),
    /// A signature for it.
    Ack(EntryId, Box<Sign1>),
    /// The root of a plane's heads here.
    Ask(Req, Plane, Digest),
    /// The heads there; none if the roots are equal.
    Heads(Req, Option<Vec<HeadRow>>),
    /// Ranges of logs.
    Want(Req, Vec<Want>),
    /// The entries asked for.
    Batch(Req, Vec<Entry>),
    /// A sync request that is not served.
    NotForYou(Req),
    /// An application.
    Apply(Box<Application>),
    /// A signed statement of a case.
    Case(Req, Vec<u8>),
    /// The answer to it.
    Delivered(Req, Box<Delivered>),
    /// What a restored node has of its cases with the other.
    Level(Req, Vec<ThreadHeads>),
    /// What it lacks, as it was signed, with the receipts that it gave; and whether there is more.
    Returned(Req, Vec<(Vec<u8>, Option<Bytes>)>, bool),
}

impl Message {
    /// The entries that it carries.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Message::Gossip(entry) | Message::Push(entry) => std::slice::from_ref(entry),
            Message::Batch(_, entries) => entries,
            _ => &[],
        }
    }

    /// What it is, for the trace.
    pub fn words(&self) -> String {
        match self {
            Message::Gossip(e) => format!("gossip {}", entry(e)),
            Message::Push(e) => format!("push {}", entry(e)),
            Message::Ack(id, _) => format!("signed for {}", id.short()),
            Message::Ask(req, plane, root) => format!("#{req} heads of {plane:?}? mine: {}", root.short()),
            Message::Heads(req, None) => format!("#{req} equal"),
            Message::Heads(req, Some(rows)) => format!("#{req} {} heads", rows.len()),
            Message::Want(req, wants) => format!("#{req} wants {} ranges", wants.len()),
            Message::Batch(req, entries) => {
                format!("#{req} entries: {}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Message::NotForYou(req) => format!("#{req} not for you"),
            Message::Apply(a) => format!("applies: {}", a.statement),
            Message::Case(req, _) => format!("#{req} statement"),
            Message::Delivered(req, answer) => match &**answer {
                Delivered::Receipt(_) => format!("#{req} receipt"),
                Delivered::Nack(_) => format!("#{req} cannot open it"),
                Delivered::Refused((why, words)) => format!("#{req} refused: {why}: {words}"),
            },
            Message::Level(req, heads) => format!("#{req} compares {} cases", heads.len()),
            Message::Returned(req, signed, _) => format!("#{req} returns {} statements", signed.len()),
        }
    }
}

/// An entry in words.
pub fn entry(entry: &Entry) -> String {
    let h = entry.header();
    let kind = h.entry_type().map_or("unknown", |t| t.code());
    format!("{}/{}/{} {kind} {}", h.pid.short(), h.log.number(), h.seq, entry.id().short())
}
