//! What happened, step by step: kept while a run goes on, saved when it fails, shown as arrows.

use serde_json::{Value, json};
use std::fmt::Write;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Milliseconds of virtual time since the start.
    pub at: u64,
    /// Who.
    pub who: String,
    /// To whom; none where it concerns nobody else.
    pub whom: Option<String>,
    /// What.
    pub what: String,
}

impl Row {
    fn to_json(&self) -> Value {
        json!({"at": self.at, "who": self.who, "whom": self.whom, "what": self.what})
    }

    fn from_json(value: &Value) -> Option<Row> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Row { at: value.get("at")?.as_u64()?, who: text("who")?, whom: text("whom"), what: text("what")? })
    }

    /// The step as a line with an arrow.
    pub fn arrow(&self) -> String {
        let whom = self.whom.as_ref().map_or_else(|| "•".to_owned(), |w| format!("──▶ {w}"));
        let (seconds, ms) = (self.at / 1000, self.at % 1000);
        format!("{seconds:>6}.{ms:03}  {:>10} {whom:<14} {}", self.who, self.what)
    }
}

/// What a saved run says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The seed.
    pub seed: u64,
    /// The commit of the program, or `unknown`.
    pub commit: String,
    /// The mutant that was in it, by name.
    pub mutant: Option<String>,
    /// What did not hold.
    pub failure: String,
}

/// A run as JSON lines: the header, then each step.
pub fn to_json_lines(header: &Header, rows: &[Row]) -> String {
    let Header { seed, commit, mutant, failure } = header;
    let mut out = json!({"seed": seed, "commit": commit, "mutant": mutant, "failure": failure}).to_string();
    for row in rows {
        let _ = write!(out, "\n{}", row.to_json());
    }
    out.push('\n');
    out
}

/// Reads what [`to_json_lines`] wrote.
///
/// # Errors
/// The line that is not of that form, by its number.
pub fn from_json_lines(text: &str) -> Result<(Header, Vec<Row>), String> {
    let mut lines = text.lines().enumerate().map(|(n, line)| {
        let value = serde_json::from_str::<Value>(line).map_err(|e| format!("line {}: {e}", n + 1))?;
        Ok::<_, String>((n + 1, value))
    });
    let (_, first) = lines.next().ok_or("the file is empty")??;
    let text = |key: &str| first.get(key).and_then(Value::as_str).map(str::to_owned);
    let header = Header {
        seed: first.get("seed").and_then(Value::as_u64).ok_or("line 1: no seed; is this a saved run?")?,
        commit: text("commit").ok_or("line 1: no commit")?,
        mutant: text("mutant"),
        failure: text("failure").ok_or("line 1: no failure")?,
    };
    let rows = lines.map(|line| {
        let (n, value) = line?;
        Row::from_json(&value).ok_or(format!("line {n}: not a step"))
    });
    Ok((header, rows.collect::<Result<_, _>>()?))
}
