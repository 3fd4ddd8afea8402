//! The command line: one file per noun. Verbs ask the node over its API or work offline on files; none touches a data
//! folder in use.
//!
//! ```text
//! clap ──► Verb ──► offline: init, key, charter, config, verify, evidence
//!              ├──► the node's API: everything else (node.rs finds address and token)
//!              └──► run, demo: the daemon itself
//! every failure is a Problem (fail.rs), everything shown passes out.rs
//! ```

mod application;
mod approve;
mod ask;
mod audit;
mod backup;
mod case;
mod charter;
mod config;
mod contact;
mod doctor;
mod drafts;
mod erasure;
mod evidence;
pub mod fail;
mod health;
pub mod hex;
mod identity;
mod init;
mod internal;
mod invite;
mod joint;
mod key;
mod legal;
mod manual;
mod member;
mod node;
mod out;
mod profile;
mod proposal;
mod refer;
mod register;
mod repair;
pub mod run_options;
mod search;
mod status;
mod table;
mod token;
mod transfer;
mod tree;
mod verify;
mod vote;
mod wait;
mod when;

pub use self::evidence::{WORKER, worker};

use self::fail::Done;
use self::node::Node;
use self::out::Out;
use clap::{Args, Parser, Subcommand};
use lapwing_api::problem::{Audience, Code, Problem};
use lapwing_node::folder::Folder;
use std::path::PathBuf;
use std::process::ExitCode;

/// Lapwing: agencies that enforce the law against spam know each other, agree on who takes part, and refer cases.
#[derive(Debug, Parser)]
#[command(name = "lapwing", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Examples:
  lapwing demo                                   a federation of invented agencies on this machine, in a minute
  lapwing init --founder                         a data folder for an agency that founds a federation
  lapwing init --charter federation.lapwing      a data folder for one that applies to a federation
  lapwing run                                    the node
  lapwing status                                 how it is, and what needs doing

Exit codes: 0 done, 2 the caller's to mend, 3 the set-up's, 4 not now (try again), 5 a fault of the program.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// The data folder [default: $LAPWING_DATA, else ./lapwing-data].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The node's API, where it is not the one of the data folder.
    #[arg(long, global = true, value_name = "ADDR")]
    api: Option<String>,
    /// File with an API token, where it is not the local one.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Answer in JSON, problems too.
    #[arg(long, global = true)]
    json: bool,
    /// Show times in UTC.
    #[arg(long, global = true)]
    utc: bool,
    /// Say more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What a verb works with.
struct Ctx {
    global: Global,
    out: Out,
}

impl Ctx {
    fn folder(&self) -> Folder {
        let given = self.global.data.clone();
        let path = given.or_else(|| std::env::var_os("LAPWING_DATA").map(PathBuf::from));
        Folder::new(path.unwrap_or_else(|| "lapwing-data".into()))
    }

    fn node(&self) -> Result<Node, Problem> {
        Node::open(self.folder(), self.global.api.as_deref(), self.global.token_file.clone())
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    // setting up
    Init(Box<init::Init>),
    Invite(invite::Invite),
    Join(Box<invite::Join>),
    #[command(subcommand)]
    Charter(charter::Charter),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Config(config::Config),
    // the node
    /// Runs the node until it is stopped (SIGTERM, Ctrl-C or `lapwing stop`).
    #[command(after_help = "Examples:
  lapwing run
  lapwing --data /var/lib/lapwing run --passphrase-file /etc/lapwing/passphrase
  lapwing run --bootstrap /dns4/lapwing.other.example/tcp/7420")]
    Run(run_options::RunOptions),
    /// Shows a federation of invented agencies on this machine: admission, veto, a referral and its receipt.
    #[command(after_help = "Examples:
  lapwing demo
  lapwing demo --exit --json
  lapwing demo --keep ./demo-data --kills 30")]
    Demo(run_options::DemoOptions),
    Status(status::Status),
    Health(health::Health),
    Doctor(doctor::Doctor),
    Peers(status::Peers),
    Whoami(status::WhoAmI),
    Stop(status::Stop),
    AssertCurrent(status::AssertCurrent),
    #[command(subcommand)]
    Notice(status::Notice),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Backup(backup::Backup),
    Restore(backup::Restore),
    Repair(repair::Repair),
    #[command(subcommand)]
    Erasure(erasure::Erasure),
    // members and directory
    #[command(subcommand)]
    Member(member::Member),
    Log(member::Log),
    #[command(subcommand)]
    Contact(contact::Contact),
    #[command(subcommand)]
    Profile(profile::Profile),
    #[command(subcommand)]
    Legal(legal::Legal),
    #[command(subcommand)]
    Arrangement(register::Arrangement),
    #[command(subcommand)]
    Outcome(register::Outcome),
    // joining, voting
    #[command(subcommand)]
    Application(application::Application),
    #[command(subcommand)]
    Vote(vote::Vote),
    #[command(subcommand)]
    Proposal(proposal::Proposal),
    Amend(proposal::Amend),
    #[command(subcommand)]
    Motion(proposal::Motion),
    // own identity
    #[command(subcommand)]
    Officer(identity::Officer),
    Heal(identity::Heal),
    Leave(identity::Leave),
    // cases
    #[command(subcommand)]
    Refer(refer::Refer),
    #[command(subcommand)]
    Case(case::Case),
    #[command(subcommand)]
    Joint(joint::Joint),
    #[command(subcommand)]
    Draft(drafts::Draft),
    #[command(subcommand)]
    Note(internal::Note),
    Assign(internal::Assign),
    #[command(subcommand)]
    Absence(internal::Absence),
    Search(Box<search::Search>),
    Seen(search::Seen),
    Verify(verify::Verify),
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    // the program itself
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Runs the command line; the process's exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    let out = Out { json: cli.global.json, utc: cli.global.utc, verbose: cli.global.verbose };
    let ctx = Ctx { global: cli.global, out };
    match dispatch(cli.verb, &ctx) {
        Ok(code) => code,
        Err(problem) => {
            out.problem(&problem);
            fail::exit_code(&problem)
        }
    }
}

/// What was typed is no command: for people as clap tells it, for programs as a problem like any other.
fn usage(e: &clap::Error) -> ExitCode {
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if !json || !e.use_stderr() {
        // nothing is left to say if it cannot be said
        let _ = e.print();
        return if e.use_stderr() { ExitCode::from(Audience::User.exit_code()) } else { ExitCode::SUCCESS };
    }
    let problem = usage_problem(e);
    Out { json, utc: false, verbose: 0 }.problem(&problem);
    fail::exit_code(&problem)
}

fn usage_problem(e: &clap::Error) -> Problem {
    if e.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Problem::new(Code::Malformed, "the command ends where a verb is due")
            .hint("`lapwing --help`, or `--help` after what was typed, lists the verbs.");
    }
    let text = e.render().to_string();
    let (what, usage) = text.split_once("\n\nUsage:").unwrap_or((&text, ""));
    let what = what.trim().trim_start_matches("error: ");
    let problem = Problem::new(Code::Malformed, what.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    match usage.lines().next().map(str::trim).filter(|u| !u.is_empty()) {
        Some(usage) => problem.hint(format!("Usage: {usage}. `--help` says more.")),
        None => problem,
    }
}

fn dispatch(verb: Verb, ctx: &Ctx) -> Result<ExitCode, Problem> {
    let done: Done = match verb {
        Verb::Run(options) => return crate::run::run(ctx.folder(), options).map_err(fail::any),
        Verb::Demo(options) => {
            let options = run_options::DemoOptions { json: ctx.out.json, ..options };
            return crate::demo::demo(options).map_err(fail::any);
        }
        Verb::Init(v) => v.run(ctx),
        Verb::Invite(v) => v.run(ctx),
        Verb::Join(v) => v.run(ctx),
        Verb::Charter(v) => v.run(ctx),
        Verb::Key(v) => v.run(ctx),
        Verb::Config(v) => v.run(ctx),
        Verb::Status(v) => v.run(ctx),
        Verb::Health(v) => return v.run(ctx),
        Verb::Doctor(v) => return v.run(ctx),
        Verb::Peers(v) => v.run(ctx),
        Verb::Whoami(v) => return v.run(ctx),
        Verb::Stop(v) => v.run(ctx),
        Verb::AssertCurrent(v) => v.run(ctx),
        Verb::Notice(v) => v.run(ctx),
        Verb::Token(v) => v.run(ctx),
        Verb::Audit(v) => v.run(ctx),
        Verb::Backup(v) => v.run(ctx),
        Verb::Restore(v) => v.run(ctx),
        Verb::Repair(v) => return v.run(ctx),
        Verb::Erasure(v) => v.run(ctx),
        Verb::Member(v) => v.run(ctx),
        Verb::Log(v) => v.run(ctx),
        Verb::Contact(v) => v.run(ctx),
        Verb::Profile(v) => v.run(ctx),
        Verb::Legal(v) => v.run(ctx),
        Verb::Arrangement(v) => v.run(ctx),
        Verb::Outcome(v) => v.run(ctx),
        Verb::Application(v) => v.run(ctx),
        Verb::Vote(v) => v.run(ctx),
        Verb::Proposal(v) => v.run(ctx),
        Verb::Amend(v) => v.run(ctx),
        Verb::Motion(v) => v.run(ctx),
        Verb::Officer(v) => v.run(ctx),
        Verb::Heal(v) => v.run(ctx),
        Verb::Leave(v) => v.run(ctx),
        Verb::Refer(v) => return v.run(ctx),
        Verb::Case(v) => v.run(ctx),
        Verb::Joint(v) => v.run(ctx),
        Verb::Draft(v) => v.run(ctx),
        Verb::Note(v) => v.run(ctx),
        Verb::Assign(v) => v.run(ctx),
        Verb::Absence(v) => v.run(ctx),
        Verb::Search(v) => v.run(ctx),
        Verb::Seen(v) => v.run(ctx),
        Verb::Verify(v) => return v.run(ctx),
        Verb::Evidence(v) => v.run(ctx),
        Verb::Completions(v) => v.run(ctx),
        Verb::Man(v) => v.run(ctx),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_no_command_is_a_problem_with_its_usage() {
        let problem = |args: &[&str]| usage_problem(&Cli::try_parse_from(args).unwrap_err());
        let unknown = problem(&["lapwing", "vote", "object", "x"]);
        assert_eq!(unknown.code, Code::Malformed);
        assert!(unknown.detail.contains("--officer-key") && !unknown.detail.contains('\n'), "{unknown:?}");
        assert!(unknown.hint.unwrap().contains("lapwing vote object"));
        for args in [&["lapwing", "danse"][..], &["lapwing"], &["lapwing", "member"], &["lapwing", "run", "--nope"]] {
            let problem = problem(args);
            assert!(!problem.detail.is_empty() && problem.hint.is_some(), "{args:?}");
        }
    }

    #[test]
    fn the_help_of_every_verb_says_what_it_does_and_shows_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "`{path}` does not say what it does");
            let verbs: Vec<_> =
                command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()).collect();
            if verbs.is_empty() {
                let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let shown = examples.contains("Example") && examples.contains(&format!("lapwing {path}"));
                let with_global = path.split(' ').all(|word| examples.contains(word)) && examples.contains("lapwing ");
                assert!(shown || with_global, "`{path}` shows no example of itself");
            }
            for verb in verbs {
                walk(verb, format!("{path} {}", verb.get_name()).trim());
            }
        }
        walk(&Cli::command(), "");
    }
}
