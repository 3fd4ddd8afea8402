//! `lapwing case`: what is said in a case after the referral, and its evidence.

mod consent;
mod evidence;
mod export;
mod harm;
mod officer;
mod recall;
mod result;
mod supplement;
mod talk;
mod transfer;

pub use officer::decision;

use super::Ctx;
use super::erasure;
use super::fail::{Done, wrong};
use super::node::{Node, typed};
use clap::Subcommand;
use consent::Consent;
use evidence::Evidence;
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{MemberDetail, ReferralDetail, Said, Saying, StatementView};
use lapwing_record::id::Pid;
use lapwing_record::statement::Kind;
use officer::{Acknowledge, Decide};
use serde_json::Value;
use transfer::Transfer;

/// What is said in a case after the referral; its evidence; its export.
#[derive(Debug, Subcommand)]
pub enum Case {
    /// Says that a person has seen the referral: own reference, when it will be decided, confidentiality.
    #[command(after_help = "Examples:
  lapwing case acknowledge 4k3mzx7q --reference PO-2026-9 --officer-key officer-1.key
  lapwing case acknowledge 4k3mzx7q --reference PO-9 --decide-by 14d --assurance assured --officer-key officer-1.key")]
    Acknowledge(Acknowledge),
    /// Asks the requester; its clock stops meanwhile.
    #[command(after_help = "Examples:\n  lapwing case ask 4k3mzx7q 'Which of the numbers received the messages?'")]
    Ask {
        /// The case.
        thread: String,
        /// The questions.
        text: String,
    },
    /// Answers the target, or adds to the referral: words, changed fields of the pro forma, more evidence.
    #[command(after_help = "Examples:
  lapwing case answer 4k3mzx7q 'The first three.'
  lapwing case answer 4k3mzx7q 'Twelve more complaints.' --form change.toml --evidence complaint-13.eml")]
    Answer(supplement::Answer),
    /// Decides on assistance items, each on its own.
    #[command(after_help = "Examples:
  lapwing case decide 4k3mzx7q --item 0=accept --officer-key officer-1.key
  lapwing case decide 4k3mzx7q --item 0=accept_in_part --note '0=the registrant only' \\
      --item 1=refuse:outside_competence --item 2=defer:2027-01-31 --officer-key officer-1.key

Decisions: accept, accept_in_part, accept_with_conditions (both with a note), refuse:GROUND, defer:DATE.")]
    Decide(Decide),
    /// Tells how far one is.
    #[command(
        after_help = "Examples:\n  lapwing case progress 4k3mzx7q 'The provider answered.' --expected 2027-01-31"
    )]
    Progress(result::Progress),
    /// Says that a decision or result comes later, and when.
    #[command(after_help = "Examples:
  lapwing case extend 4k3mzx7q --what deliver --until 2027-06-30 --reason 'A court is asked.'")]
    Extend(result::Extend),
    /// Says why it takes long.
    #[command(after_help = "Examples:\n  lapwing case delay 4k3mzx7q 'Two people are ill.'")]
    Delay {
        /// The case.
        thread: String,
        /// The reasons.
        text: String,
    },
    /// Delivers a result on accepted items.
    #[command(after_help = "Examples:
  lapwing case result 4k3mzx7q --item 0 --measure 'Order to the provider' --outcome identified \\
      --text 'A company of this country.' --tlp red --evidence answer.pdf --final

  lapwing case result pf6wq2ab --measure 'Letters to the senders' --outcome warned --text 'Two of three.' \\
      --complaint 0=action_taken --complaint 1=merged_with:PO-77 --complaint 2=pending

Without --final it is an interim result. Outcomes: identified, not_identified, evidence_provided, evidence_preserved,
assets_frozen, stopped, warned, sanctioned, proceedings_opened, victims_notified, answered, none, other.")]
    Result(result::Deliver),
    #[command(subcommand)]
    Transfer(Transfer),
    /// Reminds the target; once a day at most.
    #[command(after_help = "Examples:\n  lapwing case remind 4k3mzx7q 'The logs expire on Friday.'")]
    Remind {
        /// The case.
        thread: String,
        /// What is waited for.
        text: Option<String>,
    },
    /// Wants back what was sent: the target is asked to destroy it and says what became of it. Nothing is done by
    /// remote hand.
    #[command(after_help = "Examples:
  lapwing case recall 4k3mzx7q --reason sent_in_error
  lapwing case recall 4k3mzx7q --reason other --note 'The complaint was withdrawn.'

Reasons: suspended, sent_in_error, court_order, other (with a note).")]
    Recall(recall::Recall),
    /// Says what became of content that was recalled.
    #[command(after_help = "Examples:
  lapwing case recall-answer 4k3mzx7q --destroyed
  lapwing case recall-answer 4k3mzx7q --retained-under 'Archives Act, section 3'")]
    RecallAnswer(recall::RecallAnswer),
    /// Says what the results were good for.
    #[command(after_help = "Examples:\n  lapwing case feedback 4k3mzx7q 'It led to a fine.'")]
    Feedback {
        /// The case.
        thread: String,
        /// The text.
        text: String,
    },
    /// Opens a closed case, or decided items, again.
    #[command(after_help = "Examples:
  lapwing case reopen 4k3mzx7q --reason 'He goes on.'
  lapwing case reopen 4k3mzx7q --item 0 --item 2 --reason 'New evidence.'")]
    Reopen {
        /// The case.
        thread: String,
        /// Items to be looked at again; none: the case, its decisions standing.
        #[arg(long, value_name = "N")]
        item: Vec<u64>,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Disagrees about the urgency, a decision, the harm, or something else.
    #[command(after_help = "Examples:\n  lapwing case dispute 4k3mzx7q --about decision --item 1 'We are competent.'")]
    Dispute(talk::Dispute),
    /// Tells the requester that a court or an information law forced content out.
    #[command(after_help = "Examples:
  lapwing case disclosed 4k3mzx7q --law 'Freedom of Information Act' --to 'A newspaper' --what 'The subject line.'")]
    Disclosed(talk::Disclosed),
    /// States the harm as this agency sees it, beside the other side's.
    #[command(after_help = "Examples:
  lapwing case assess 4k3mzx7q --factor victims=3:provider_data --factor gravity=4:counted_complaints --factor financial=unknown

A factor is NAME=BAND:BASIS or NAME=unknown. Names: victims, financial, non_financial, gravity, vulnerability, exposure.")]
    Assess(harm::Assess),
    /// Says that a person has read what the other side said: a proof, never made by itself.
    #[command(after_help = "Examples:\n  lapwing case seen 4k3mzx7q")]
    Seen {
        /// The case.
        thread: String,
        /// The newest statement that was read; the newest there is where it is left out.
        #[arg(long, value_name = "ID")]
        upto: Option<String>,
    },
    #[command(subcommand)]
    Consent(Consent),
    /// Takes the referral back. Always succeeds.
    #[command(after_help = "Examples:\n  lapwing case withdraw 4k3mzx7q --note 'settled'")]
    Withdraw {
        /// The case.
        thread: String,
        /// Why; not owed.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Closes the case.
    #[command(after_help = "Examples:\n  lapwing case close 4k3mzx7q --note 'thank you'")]
    Close {
        /// The case.
        thread: String,
        /// A last word.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    #[command(subcommand)]
    Evidence(Evidence),
    /// Writes the case as a file: a bundle that `lapwing verify` checks anywhere, offline; pages for people; a table; a
    /// report for an abuse desk. Its markings decide whether it may leave.
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Erases the content of a case on this node for good: destroys its key. Ids, hashes and receipts stay.
    ///
    /// The other side keeps what it has. A legal hold (`lapwing case hold`) wins over erasure.
    #[command(after_help = "Examples:\n  lapwing case erase 4k3mzx7q\n  lapwing case erase 4k3mzx7q --yes")]
    Erase {
        /// The case.
        thread: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Begins a legal hold on a case, or ends it: while it stands the case is not erased.
    #[command(after_help = "Examples:\n  lapwing case hold 4k3mzx7q\n  lapwing case hold 4k3mzx7q --end")]
    Hold {
        /// The case.
        thread: String,
        /// End it.
        #[arg(long)]
        end: bool,
    },
}

/// Says something that needs no officer.
pub(super) fn say(ctx: &Ctx, thread: &str, saying: &Saying, words: &str) -> Done {
    let value: Value = ctx.node()?.call(Op::Say, &[thread], saying)?;
    tell(ctx, &value, words);
    Ok(())
}

fn tell(ctx: &Ctx, value: &Value, words: &str) {
    ctx.out.answer(value, || {
        let id = typed::<Said>(value).map(|s| s.id).unwrap_or_default();
        ctx.out.line(format!("{words}: statement {id}, durable here and on its way"));
    });
}

fn detail(node: &Node, thread: &str) -> Result<ReferralDetail, Problem> {
    node.read(Op::Referral, &[thread], &Vec::new())
}

/// The participant that a name stands for.
pub(super) fn participant(ctx: &Ctx, name: &str) -> Result<Pid, Problem> {
    let detail: MemberDetail = ctx.node()?.read(Op::Member, &[name], &Vec::new())?;
    detail.member.name.pid.parse().map_err(|e| wrong(format!("{e}")))
}

/// The newest statement of some kinds in a case, or the one that an id's beginning names.
fn statement(
    detail: &ReferralDetail,
    given: Option<&str>,
    of: impl Fn(&StatementView) -> bool,
    what: &str,
) -> Result<String, Problem> {
    let mut all = detail.timeline.iter().filter(|s| s.delivery != "refused" && of(s));
    let found = match given {
        Some(id) => all.find(|s| id.len() >= 8 && s.id.starts_with(id)),
        None => all.next_back(),
    };
    found.map(|s| s.id.clone()).ok_or_else(|| {
        Problem::new(lapwing_api::problem::Code::NotFound, format!("the case has no such {what}"))
            .hint("`lapwing refer show THREAD --json` lists statements with their ids.")
    })
}

/// Says that a person has read what the other side said.
pub fn seen(ctx: &Ctx, thread: &str, upto: Option<&str>) -> Result<Value, Problem> {
    let detail = detail(&ctx.node()?, thread)?;
    let theirs = |s: &StatementView| s.from == detail.row.with.short_name;
    let upto = statement(&detail, upto, theirs, "statement of the other side")?;
    let upto = upto.parse().map_err(|e| wrong(format!("{e}")))?;
    ctx.node()?.call(Op::Say, &[thread], &Saying::Seen { upto })
}

impl Case {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Case::Acknowledge(a) => a.run(ctx),
            Case::Decide(d) => d.run(ctx),
            Case::Ask { thread, text } => say(ctx, &thread, &Saying::NeedInfo { text }, "asked"),
            Case::Answer(a) => a.run(ctx),
            Case::Progress(p) => p.run(ctx),
            Case::Extend(e) => e.run(ctx),
            Case::Delay { thread, text } => say(ctx, &thread, &Saying::DelayReasons { text }, "told"),
            Case::Result(r) => r.run(ctx),
            Case::Transfer(t) => t.run(ctx),
            Case::Remind { thread, text } => say(ctx, &thread, &Saying::Reminder { text }, "reminded"),
            Case::Recall(r) => r.run(ctx),
            Case::RecallAnswer(r) => r.run(ctx),
            Case::Feedback { thread, text } => say(ctx, &thread, &Saying::Feedback { text }, "told"),
            Case::Reopen { thread, item, reason } => {
                let mut items = item;
                items.sort_unstable();
                items.dedup();
                let body = lapwing_record::statement::Reopen { items, reason };
                say(ctx, &thread, &Saying::Reopen { body }, "opened again")
            }
            Case::Dispute(d) => d.run(ctx),
            Case::Disclosed(d) => d.run(ctx),
            Case::Assess(a) => a.run(ctx),
            Case::Seen { thread, upto } => {
                tell(ctx, &seen(ctx, &thread, upto.as_deref())?, "seen");
                Ok(())
            }
            Case::Consent(c) => c.run(ctx),
            Case::Withdraw { thread, note } => say(ctx, &thread, &Saying::Withdraw { note }, "withdrawn"),
            Case::Close { thread, note } => say(ctx, &thread, &Saying::Close { note }, "closed"),
            Case::Evidence(e) => e.run(ctx),
            Case::Export(export) => export.run(ctx),
            Case::Erase { thread, yes } => erasure::erase(ctx, &thread, yes),
            Case::Hold { thread, end } => erasure::hold(ctx, &thread, end),
        }
    }
}

/// Whether a statement is of a kind.
fn of_kind(statement: &StatementView, kind: Kind) -> bool {
    statement.kind == kind.code()
}
