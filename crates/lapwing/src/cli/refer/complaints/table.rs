//! The table itself: bytes in, complaints or every fault out. Knows no file and no terminal.

use lapwing_api::problem::FieldFault;
use lapwing_record::form::check::check;
use lapwing_record::form::{Complaint, Form, Identifier, Loss, MAX_COMPLAINTS, ReferralKind};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The columns; a table has them in any order.
const COLUMNS: [&str; 12] = [
    "reference",
    "received",
    "channel",
    "sender_kind",
    "sender",
    "conduct",
    "country",
    "loss_amount",
    "loss_currency",
    "loss_usd_cents",
    "loss_rate_date",
    "evidence",
];
/// How many of them, from the first on, must be there.
const REQUIRED: usize = 7;

/// One row: fields by column, and where it begins.
struct Row {
    line: u64,
    fields: BTreeMap<&'static str, String>,
}

impl Row {
    fn said(&self, column: &str) -> Option<&str> {
        self.fields.get(column).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// A field that is read; a fault where it is not.
    fn read<T: FromStr>(&self, column: &str, faults: &mut Vec<FieldFault>) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        self.said(column)?.parse().map_err(|e: T::Err| faults.push(at(self.line, column, e.to_string()))).ok()
    }

    /// One that must be there.
    fn need<T: FromStr>(&self, column: &str, faults: &mut Vec<FieldFault>) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        if self.said(column).is_none() {
            faults.push(at(self.line, column, "is required"));
        }
        self.read(column, faults)
    }

    fn complaint(&self, faults: &mut Vec<FieldFault>) -> Option<Complaint> {
        let mut conduct = Vec::new();
        for code in self.said("conduct").unwrap_or_default().split([';', ' ']).filter(|code| !code.is_empty()) {
            match code.parse() {
                Ok(code) => conduct.push(code),
                Err(e) => faults.push(at(self.line, "conduct", e)),
            }
        }
        conduct.sort_unstable();
        conduct.dedup();
        let loss = self.loss(faults);
        let (reference, received) = (self.need("reference", faults), self.need("received", faults));
        let (channel, kind) = (self.need("channel", faults), self.need("sender_kind", faults));
        let (sender, country) = (self.need::<String>("sender", faults), self.need("country", faults));
        Some(Complaint {
            reference: reference?,
            received: received?,
            channel: channel?,
            sender: Identifier::new(kind?, sender?),
            conduct,
            country: country?,
            loss,
            evidence: self.read("evidence", faults),
            unknown: Vec::new(),
        })
    }

    fn loss(&self, faults: &mut Vec<FieldFault>) -> Option<Loss> {
        let (usd_cents, rate_date) = (self.read("loss_usd_cents", faults), self.read("loss_rate_date", faults));
        if self.said("loss_amount").is_none() && self.said("loss_currency").is_none() {
            let rest = ["loss_usd_cents", "loss_rate_date"].into_iter().find(|column| self.said(column).is_some());
            faults.extend(rest.map(|column| at(self.line, column, "is stated without a loss_amount")));
            return None;
        }
        let (amount, currency) = (self.need("loss_amount", faults), self.need("loss_currency", faults));
        Some(Loss { amount: amount?, currency: currency?, usd_cents, rate_date })
    }
}

fn at(line: u64, column: &str, what: impl Into<String>) -> FieldFault {
    FieldFault { path: format!("line {line}: {column}"), what: what.into() }
}

/// The complaints of a table; or every fault that it has.
pub fn read(bytes: &[u8], items: usize) -> Result<Vec<Complaint>, Vec<FieldFault>> {
    let (rows, mut faults) = rows(bytes)?;
    if rows.is_empty() && faults.is_empty() {
        return Err(vec![at(1, COLUMNS[0], "the table has no complaint")]);
    }
    if rows.len() > MAX_COMPLAINTS {
        let what = format!("the table has {} complaints, a batch at most {MAX_COMPLAINTS}", rows.len());
        return Err(vec![at(rows[MAX_COMPLAINTS].line, COLUMNS[0], what)]);
    }
    let (mut complaints, mut lines) = (Vec::new(), Vec::new());
    for row in &rows {
        if let Some(complaint) = row.complaint(&mut faults) {
            complaints.push(complaint);
            lines.push(row.line);
        }
    }
    // the rules of the form itself, told by line; of the evidence only its number is known yet
    let kind = Some(ReferralKind::ComplaintBatch);
    for fault in check(&Form { kind, complaints: Some(complaints.clone()), ..Form::default() }) {
        let mut path = fault.path.splitn(3, '.');
        if let (Some("complaints"), Some(n), Some(field)) = (path.next(), path.next(), path.next())
            && let Some(line) = n.parse::<usize>().ok().and_then(|n| lines.get(n))
        {
            let known = n.parse::<usize>().ok().and_then(|n| complaints.get(n)?.evidence);
            if field != "evidence" || known.is_some_and(|item| item >= items as u64) {
                let column = field.replace('.', "_");
                faults.push(at(*line, &column, fault.what.replace("it has 0", &format!("it has {items}"))));
            }
        }
    }
    if faults.is_empty() { Ok(complaints) } else { Err(faults) }
}

/// Lines of a table as an editor counts them: the reader takes the end of a line, and empty lines, for a part of the row
/// that follows.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which the row at a position begins. Positions only go forward.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let begin = position.and_then(|p| usize::try_from(p.byte()).ok()).unwrap_or(self.at);
        while let Some(byte) = self.bytes.get(self.at) {
            if self.at >= begin && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// Rows by column; faults of the table itself.
fn rows(bytes: &[u8]) -> Result<(Vec<Row>, Vec<FieldFault>), Vec<FieldFault>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|e| vec![at(1, "header", e.to_string())])?.clone();
    let mut columns = Vec::new();
    let mut faults = Vec::new();
    for name in &header {
        let name = name.trim();
        match COLUMNS.iter().find(|column| **column == name) {
            Some(column) if columns.contains(column) => faults.push(at(1, column, "stands there twice")),
            Some(column) => columns.push(*column),
            None => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                faults.push(at(1, "header", format!("`{name}` is not one of: {}", COLUMNS.join(", "))));
            }
        }
    }
    let missing = COLUMNS[..REQUIRED].iter().filter(|column| !columns.contains(column));
    faults.extend(missing.map(|column| at(1, column, "the column is missing")));
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut all = Vec::new();
    let mut lines = Lines { bytes, at: 0, line: 1 };
    for record in reader.records() {
        match record {
            Err(e) => faults.push(at(lines.of(e.position()), "row", e.to_string())),
            Ok(record) => {
                let line = lines.of(record.position());
                if record.len() != columns.len() {
                    let what = format!("has {} fields, the header has {}", record.len(), columns.len());
                    faults.push(at(line, "row", what));
                    continue;
                }
                let fields = columns.iter().copied().zip(record.iter().map(str::to_owned)).collect();
                all.push(Row { line, fields });
            }
        }
    }
    Ok((all, faults))
}
