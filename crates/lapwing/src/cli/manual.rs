//! `lapwing completions`, `lapwing man`: what shells and manual readers want of the command line, made from its one
//! definition. The reference in `docs/cli.md` is made from it too, by a test.

use super::fail::{self, Done};
use super::{Cli, Ctx};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

/// Prints what a shell needs to complete verbs and flags.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing completions bash > /usr/share/bash-completion/completions/lapwing
  lapwing completions zsh > \"${fpath[1]}/_lapwing\"
  lapwing completions fish > ~/.config/fish/completions/lapwing.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lapwing", &mut text);
        ctx.out.raw(&String::from_utf8_lossy(&text));
        Ok(())
    }
}

/// Writes the manual: a page for each verb.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lapwing man --out /usr/local/share/man/man1\n  lapwing man --out . && man ./lapwing-run.1"
)]
pub struct Man {
    /// The folder for the pages; it is made, and pages of the same name are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        std::fs::create_dir_all(&self.out).map_err(|e| fail::io("make the folder", &self.out, e))?;
        clap_mangen::generate_to(Cli::command(), &self.out).map_err(|e| fail::io("write pages into", &self.out, e))?;
        let pages = std::fs::read_dir(&self.out).map_err(|e| fail::io("read the folder", &self.out, e))?;
        let mut pages: Vec<String> =
            pages.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.ends_with(".1")).collect();
        pages.sort();
        let value = json!({ "folder": self.out, "pages": pages });
        ctx.out.answer(&value, || {
            ctx.out.line(format!("{} pages in {}; begin with lapwing.1", pages.len(), self.out.display()));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Command;

    /// The reference: the help of every verb, in the order of the program's own help.
    fn reference() -> String {
        let mut text =
            "# Command line\n\nMade from the program's own help by a test; `UPDATE_CLI=1 cargo test -p lapwing \
                        reference` writes it anew.\n"
                .to_owned();
        let command = Cli::command().version("VERSION").term_width(100).max_term_width(100);
        page(&command, "lapwing", &mut text);
        for verb in verbs(&command) {
            // the flags of every verb stand on the first page only
            let verb = verb.clone().mut_args(|a| if a.is_global_set() { a.hide(true) } else { a });
            walk(&verb, "lapwing", &mut text);
        }
        text
    }

    fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
        command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set())
    }

    fn walk(command: &Command, above: &str, text: &mut String) {
        let path = format!("{above} {}", command.get_name());
        page(command, &path, text);
        for verb in verbs(command) {
            walk(verb, &path, text);
        }
    }

    fn page(command: &Command, path: &str, text: &mut String) {
        let named = command.clone().bin_name(path).term_width(100).disable_help_subcommand(true);
        let help = named.clone().render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let hashes = "#".repeat(path.split(' ').count() + 1);
        text.push_str(&format!("\n{hashes} {path}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    }

    #[test]
    fn the_reference_of_the_command_line_is_as_the_program_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let now = reference();
        if std::env::var_os("UPDATE_CLI").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == now, "docs/cli.md is not of this program: UPDATE_CLI=1 cargo test -p lapwing reference");
    }

    #[test]
    fn every_shell_completes_the_newest_verbs_too() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lapwing", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("doctor") && text.contains("completions"), "{shell}");
        }
    }

    #[test]
    fn every_verb_has_its_page() {
        let dir = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(Cli::command(), dir.path()).unwrap();
        let mut open = vec![(Cli::command(), "lapwing".to_owned())];
        while let Some((command, name)) = open.pop() {
            let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).expect(&name);
            assert!(page.starts_with(".ie") || page.contains(".TH"), "{name}");
            open.extend(verbs(&command).map(|verb| (verb.clone(), format!("{name}-{}", verb.get_name()))));
        }
    }
}
