//! A batch of complaints out of a table: RFC 4180, with a header row. Every fault is told at once, with its line.

use crate::cli::fail;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_record::form::check::check;
use lapwing_record::form::{Complaint, Form, Identifier, Loss, MAX_COMPLAINTS, ReferralKind};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// Bytes of a table at most.
const MAX_TABLE: u64 = 16 << 20;
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

/// What `--complaints-template` prints.
pub const TEMPLATE: &str = "\
reference,received,channel,sender_kind,sender,conduct,country,loss_amount,loss_currency,loss_usd_cents,loss_rate_date,evidence
C-1,2026-10-21,sms,phone,+254700000001,no_consent;advance_fee,KE,90000,USD,,,
C-2,2026-10-22,email,email,prize@offer.example,no_consent,NL,,,,,0
";

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
fn read(bytes: &[u8], items: usize) -> Result<Vec<Complaint>, Vec<FieldFault>> {
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

/// The complaints of a file, for a draft whose manifest has so many items.
pub fn of_file(path: &Path, items: usize) -> Result<Vec<Complaint>, Problem> {
    let size = std::fs::metadata(path).map_err(|e| fail::io("read", path, e))?.len();
    if size > MAX_TABLE {
        return Err(Problem::new(Code::Invalid, format!("{} is longer than {MAX_TABLE} bytes", path.display())));
    }
    let bytes = std::fs::read(path).map_err(|e| fail::io("read", path, e))?;
    read(&bytes, items).map_err(|faults| {
        Problem::new(Code::Invalid, format!("{} has {} fault(s)", path.display(), faults.len()))
            .hint("`lapwing refer new --complaints-template` prints a table to begin with.")
            .faults(faults)
    })
}

/// The complaints as a draft has them.
pub fn toml_of(complaints: &[Complaint]) -> Result<String, Problem> {
    let form = BTreeMap::from([("form", BTreeMap::from([("complaints", complaints)]))]);
    let text = toml::to_string(&form);
    text.map_err(|e| fail::wrong(format!("the complaints cannot be written as TOML: {e}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::form::IdentifierKind;

    fn paths(table: &str) -> Vec<String> {
        read(table.as_bytes(), 1).unwrap_err().into_iter().map(|f| f.path).collect()
    }

    #[test]
    fn the_template_reads_and_goes_through_a_draft_unchanged() {
        let complaints = read(TEMPLATE.as_bytes(), 1).unwrap();
        assert_eq!(complaints.len(), 2);
        assert_eq!(
            (complaints[0].sender.kind, complaints[0].loss.as_ref().unwrap().amount),
            (IdentifierKind::Phone, 90_000)
        );
        assert_eq!((complaints[1].evidence, complaints[1].loss.is_none()), (Some(0), true));
        #[derive(serde::Deserialize)]
        struct Draft {
            form: Form,
        }
        let draft: Draft = toml::from_str(&toml_of(&complaints).unwrap()).unwrap();
        assert_eq!(draft.form.complaints.unwrap(), complaints);
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let table = "reference,received,channel,sender_kind,sender,conduct,country,loss_amount,evidence\r\n\
            C-1,soon,sms,phone,+254700000001,no_consent,KE,,\r\n\
            \"C\n2\",2026-10-21,pigeon,phone,+254700000001,tea,Kenya,,\r\n\
            C-1,2026-10-21,sms,phone,0800,,KE,12,7\r\n\
            C-4,2026-10-21,sms\r\n";
        let told = paths(table);
        for path in [
            "line 5: loss_currency",
            "line 3: channel",
            "line 3: conduct",
            "line 6: row",
            "line 2: received",
            "line 5: sender",
            "line 5: conduct",
            "line 5: evidence",
            "line 5: reference",
        ] {
            assert!(told.contains(&path.to_owned()), "{path} missing in {told:?}");
        }
        assert_eq!(
            paths("reference,colour\n"),
            [
                "line 1: header",
                "line 1: received",
                "line 1: channel",
                "line 1: sender_kind",
                "line 1: sender",
                "line 1: conduct",
                "line 1: country"
            ]
        );
        let header = TEMPLATE.lines().next().unwrap();
        assert_eq!(paths(header), ["line 1: reference"]);
        let many: String =
            (0..1001).map(|i| format!("C-{i},2026-10-21,sms,phone,+254700000001,other,KE,,,,,\n")).collect();
        assert_eq!(paths(&format!("{header}\n{many}")), ["line 1002: reference"]);
        assert!(!read(&[0xff, b'\n', 0xfe], 0).unwrap_err().is_empty());
    }
}
