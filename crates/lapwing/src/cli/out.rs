//! What people and programs see: tables, lines, JSON, problems.
//!
//! Everything for people passes [`escape`]: names, subjects and reasons were written by others, and a terminal obeys
//! what it is sent. A reader that closes its end of the pipe has seen enough: that is no error.

use super::table;
use lapwing_api::problem::{Code, Problem};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// How to show things.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// JSON instead of words.
    pub json: bool,
    /// Times in UTC instead of the local zone.
    pub utc: bool,
    /// How talkative.
    pub verbose: u8,
}

/// Text as it may be sent to a terminal: control characters and those that reorder or hide others become `\u{..}`.
/// Line ends stay.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if lapwing_record::identity::is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Text from outside on one line.
pub fn one_line(text: &str) -> String {
    escape(text).replace('\n', "\\n")
}

/// Text from outside that may have several lines: each is set off, so that none passes for a line of ours.
pub fn quote(text: &str) -> String {
    escape(text).lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written =
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    match written {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "error: cannot write the answer: {e}");
            std::process::exit(5);
        }
        Ok(()) => {}
    }
}

impl Out {
    /// A line (or several) for people.
    pub fn line(&self, text: impl AsRef<str>) {
        write(&escape(text.as_ref()));
    }

    /// Text exactly as it is: templates of our own.
    pub fn raw(&self, text: &str) {
        if self.json {
            return self.value(&serde_json::json!({ "template": text }));
        }
        write(text.trim_end_matches('\n'));
    }

    /// A remark beside the answer: standard error, and only for people.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{}", escape(text.as_ref()));
        }
    }

    /// JSON for programs.
    pub fn value(&self, value: &impl Serialize) {
        write(&serde_json::to_string_pretty(value).expect("plain data is JSON"));
    }

    /// JSON where it is asked for, else what `people` prints.
    pub fn answer(&self, value: &impl Serialize, people: impl FnOnce()) {
        if self.json { self.value(value) } else { people() }
    }

    /// A table; `none` stands for an empty one.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<String>>, none: &str) {
        if rows.is_empty() {
            return self.line(none);
        }
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
        write(&table::lines(header, &rows, table::terminal()).join("\n"));
    }

    /// Names and values under each other; empty values are left out.
    pub fn pairs(&self, pairs: &[(&str, String)]) {
        let width = pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, _)| k.len()).max().unwrap_or(0);
        for (key, value) in pairs.iter().filter(|(_, v)| !v.is_empty()) {
            self.hanging(&format!("{key:<width$}  "), value);
        }
    }

    /// Text from outside behind a prefix of ours, its further lines set in as far.
    pub fn hanging(&self, prefix: &str, text: &str) {
        write(&table::hanging(prefix, &one_line(text), table::terminal()).join("\n"));
    }

    /// A time of the API for people.
    pub fn time(&self, rfc3339: &str) -> String {
        match rfc3339.parse::<jiff::Timestamp>() {
            Ok(at) => self.at(at),
            Err(_) => one_line(rfc3339),
        }
    }

    /// Milliseconds UTC for people.
    pub fn time_ms(&self, ms: u64) -> String {
        let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or_else(|| "-".into(), |at| self.at(at))
    }

    fn at(&self, at: jiff::Timestamp) -> String {
        let zone = if self.utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
        at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// An optional time.
    pub fn maybe_time(&self, rfc3339: &Option<String>) -> String {
        rfc3339.as_ref().map_or_else(|| "-".into(), |t| self.time(t))
    }

    /// A problem: for people on standard error, for programs on standard output.
    pub fn problem(&self, problem: &Problem) {
        if self.json {
            return self.value(problem);
        }
        let mut text = format!("error[{}]: {}\n", problem.code.as_str(), escape(&problem.detail));
        for fault in &problem.faults {
            text.push_str(&format!("  - {}: {}\n", one_line(&fault.path), one_line(&fault.what)));
        }
        if let Some(hint) = &problem.hint {
            text.push_str(&format!("hint: {}\n", escape(hint)));
        }
        if let Some(id) = problem.request_id.as_ref().filter(|_| problem.code == Code::Internal) {
            text.push_str(&format!("request: {} (the node's log has it)\n", one_line(id)));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// `yes` or `no`.
pub fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

/// An optional text, or a dash.
pub fn or_dash(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "-".into())
}

/// The first eight characters of an id.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_sent_what_others_wrote_to_command_it() {
        assert_eq!(escape("a\u{1b}[2Jb\u{202e}c\u{7}\r"), "a\\u{1b}[2Jb\\u{202e}c\\u{7}\\u{d}");
        assert_eq!(escape("häfen\n漢字"), "häfen\n漢字");
        assert_eq!(one_line("a\nb"), "a\\nb");
        assert_eq!(quote("x\nerror: forged"), "  | x\n  | error: forged");
        assert_eq!(escape("\u{9b}31m\u{200b}"), "\\u{9b}31m\\u{200b}");
    }

    #[test]
    fn times_are_shown_in_a_zone_that_they_name() {
        let out = Out { json: false, utc: true, verbose: 0 };
        assert_eq!(out.time("2026-11-21T20:45:07.123Z"), "2026-11-21 20:45:07 UTC");
        assert_eq!(out.time("\u{1b}soon"), "\\u{1b}soon");
        assert_eq!(out.time_ms(u64::MAX), "-");
    }
}
