//! A batch of complaints out of a table: RFC 4180, with a header row. Every fault is told at once, with its line.

use crate::cli::fail;
use lapwing_api::problem::{Code, Problem};
use lapwing_record::form::Complaint;
use std::collections::BTreeMap;
use std::path::Path;
use table::read;

mod table;

/// Bytes of a table at most.
const MAX_TABLE: u64 = 16 << 20;
/// What `--complaints-template` prints.
pub const TEMPLATE: &str = "\
reference,received,channel,sender_kind,sender,conduct,country,loss_amount,loss_currency,loss_usd_cents,loss_rate_date,evidence
C-1,2026-10-21,sms,phone,+254700000001,no_consent;advance_fee,KE,90000,USD,,,
C-2,2026-10-22,email,email,prize@offer.example,no_consent,NL,,,,,0
";

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
    use lapwing_record::form::{Form, IdentifierKind};

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
