//! A case as tables for other programs: one table a file, RFC 4180, no cell that a spreadsheet would take for a formula.

use super::{Leaving, words};
use crate::desk::hex;

lapwing_record::codes! {
    /// A table of a case.
    pub enum Table {
        /// Persons and infrastructure, one row an identifier.
        0 "parties" => Parties,
        /// What was said, in order.
        1 "timeline" => Timeline,
        /// The evidence manifest and where each item is.
        2 "evidence" => Evidence,
    }
}

type Row = Vec<String>;

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|c| (*c).to_owned()).collect()
}

fn code<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(T::to_string).unwrap_or_default()
}

impl Table {
    /// Its head and its rows.
    pub fn rows(self, leaving: &Leaving) -> Vec<Row> {
        match self {
            Table::Parties => parties(leaving),
            Table::Timeline => timeline(leaving),
            Table::Evidence => evidence(leaving),
        }
    }
}

fn parties(leaving: &Leaving) -> Vec<Row> {
    let mut rows = vec![row(&[
        "thread",
        "case_tlp",
        "party",
        "role",
        "names",
        "country",
        "locations",
        "confidence",
        "source_reliability",
        "information_accuracy",
        "tlp",
        "identifier_kind",
        "identifier",
        "port",
        "time",
    ])];
    let (thread, tlp) = (&leaving.detail.row.thread, leaving.tlp.to_string());
    let parties = leaving.detail.form.iter().flat_map(|f| f.parties.iter().flatten());
    for (number, party) in parties.enumerate() {
        let locations = party.locations.iter().flatten().map(|l| format!("{}:{}", l.role, l.country));
        let of = vec![
            thread.clone(),
            tlp.clone(),
            number.to_string(),
            party.role.to_string(),
            party.names.join("; "),
            code(&party.country),
            locations.collect::<Vec<_>>().join("; "),
            code(&party.confidence),
            code(&party.source_reliability),
            code(&party.information_accuracy),
            code(&party.tlp),
        ];
        if party.identifiers.is_empty() {
            rows.push([of.clone(), vec![String::new(); 4]].concat());
        }
        for id in &party.identifiers {
            let identifier = vec![id.kind.to_string(), id.value.clone(), code(&id.port), code(&id.time)];
            rows.push([of.clone(), identifier].concat());
        }
    }
    for _ in 0..leaving.detail.withheld_parties {
        let mut withheld = vec![String::new(); 15];
        withheld[..4].clone_from_slice(&row(&[thread, &tlp, "", "withheld"]));
        rows.push(withheld);
    }
    rows
}

fn timeline(leaving: &Leaving) -> Vec<Row> {
    let mut rows = vec![row(&[
        "thread",
        "case_tlp",
        "from",
        "number",
        "kind",
        "said",
        "here_since",
        "delivery",
        "received",
        "approved_by",
        "statement",
        "signed_blake3",
        "receipt_blake3",
        "withheld",
        "content",
    ])];
    for said in &leaving.detail.timeline {
        let proof = leaving.proofs.get(&said.id);
        rows.push(vec![
            leaving.detail.row.thread.clone(),
            leaving.tlp.to_string(),
            said.from.clone(),
            said.msg_no.to_string(),
            said.kind.clone(),
            said.said.to_string(),
            said.at.to_string(),
            said.delivery.clone(),
            proof.and_then(|p| p.received.clone()).unwrap_or_default(),
            proof.map(|p| p.approved_by.join("; ")).unwrap_or_default(),
            said.id.clone(),
            proof.map(|p| p.signed.clone()).unwrap_or_default(),
            proof.and_then(|p| p.receipt.clone()).unwrap_or_default(),
            said.withheld.clone().unwrap_or_default(),
            words::parts(&said.body),
        ]);
    }
    rows
}

fn evidence(leaving: &Leaving) -> Vec<Row> {
    let mut rows = vec![row(&[
        "thread",
        "case_tlp",
        "item",
        "own_mark",
        "name",
        "media_type",
        "bytes",
        "sha256",
        "blake3",
        "blob",
        "state",
        "method",
        "original",
        "redaction_of",
        "collected_at",
        "collected_by",
        "personal_data",
        "held_back",
        "description",
    ])];
    let (thread, tlp) = (&leaving.detail.row.thread, leaving.tlp.to_string());
    let manifest: Vec<_> = leaving.detail.form.iter().flat_map(|f| f.evidence.iter().flatten()).collect();
    for (number, item) in manifest.iter().enumerate() {
        let sha256 = hex::encode(&item.sha256.0);
        let here = leaving.detail.evidence.iter().find(|e| e.sha256 == sha256);
        rows.push(vec![
            thread.clone(),
            tlp.clone(),
            number.to_string(),
            code(&item.id),
            item.name.clone(),
            item.media_type.clone(),
            item.size.to_string(),
            sha256,
            hex::encode(&item.blake3.0),
            here.map(|e| e.blob.clone()).unwrap_or_default(),
            here.map_or_else(|| "announced".to_owned(), |e| e.state.clone()),
            item.method.to_string(),
            item.original.to_string(),
            item.redaction_of.map(|d| hex::encode(&d.0)).unwrap_or_default(),
            code(&item.collected_at),
            code(&item.collected_by),
            code(&item.personal_data),
            item.is_held_back().to_string(),
            code(&item.description),
        ]);
    }
    // what came with later statements is in no manifest
    let later = leaving.detail.evidence.iter();
    for item in later.filter(|e| !manifest.iter().any(|m| hex::encode(&m.sha256.0) == e.sha256)) {
        let mut cells = vec![String::new(); 19];
        let known = [
            thread,
            &tlp,
            "",
            "",
            &item.name,
            &item.media_type,
            &item.size.to_string(),
            &item.sha256,
            &item.blake3,
            &item.blob,
            &item.state,
        ];
        cells[..11].clone_from_slice(&row(&known));
        rows.push(cells);
    }
    rows
}

/// Rows as RFC 4180 has them: CRLF, quotes where they are needed. What a spreadsheet would run is text behind a `'`.
pub fn csv(rows: &[Row]) -> String {
    let cell = |text: &String| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if formula { format!("'{text}") } else { text.clone() };
        match text.contains([',', '"', '\r', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        }
    };
    let line = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n";
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_cell_comes_back() {
        let rows = [
            row(&["=1+1", "+49", "-1", "@a", "\tx", "\rx"]),
            row(&["a,b", "say \"no\"", "two\nlines", "", "ü", "a=b"]),
        ];
        assert_eq!(
            csv(&rows),
            "'=1+1,'+49,'-1,'@a,'\tx,\"'\rx\"\r\n\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",,ü,a=b\r\n"
        );
    }
}
