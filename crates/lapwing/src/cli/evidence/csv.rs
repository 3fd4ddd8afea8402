//! One row for each message as CSV (RFC 4180). Cells were written by opponents: none is taken for a formula.

use super::Samples;
use crate::cli::out::{Out, one_line};
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::auth::Verdict;
use lapwing_evidence::scan::{FileKind, ScannedFile};
use lapwing_evidence::worker::Item;
use std::collections::BTreeMap;

const HEADER: [&str; 36] = [
    "sample",
    "media_type",
    "size",
    "sha256",
    "sending_ip",
    "sending_port",
    "sending_time",
    "confidence",
    "claimed_origins",
    "from",
    "from_name",
    "reply_to",
    "return_path",
    "subject",
    "message_id",
    "date",
    "received_at",
    "urls",
    "domains",
    "look_alike",
    "attachments",
    "phones",
    "wallets",
    "bank_accounts",
    "handles",
    "claimed_spf",
    "claimed_dkim",
    "claimed_dmarc",
    "claimed_arc",
    "verified",
    "language",
    "list_unsubscribe",
    "campaign",
    "warnings",
    "ms",
    "peak_bytes",
];

/// Prints the table.
pub fn print(out: Out, samples: &Samples) {
    out.line(line(HEADER.map(str::to_owned)));
    let files: BTreeMap<&str, &ScannedFile> = samples.scan.files.iter().map(|f| (f.name.as_str(), f)).collect();
    for (item, campaign) in samples.items.iter().zip(samples.campaign_of()) {
        out.line(line(row(item, files.get(item.name.as_str()).copied(), campaign)));
    }
    for file in samples.scan.files.iter().filter(|f| f.kind == FileKind::Other) {
        let mut cells = [const { String::new() }; 36];
        (cells[0], cells[1]) = (file.name.clone(), file.media_type.to_owned());
        (cells[2], cells[3]) = (file.size.to_string(), file.sha256.clone());
        cells[33] = file.warnings.iter().map(|w| w.code()).collect::<Vec<_>>().join(" ");
        out.line(line(cells));
    }
}

fn row(item: &Item, file: Option<&ScannedFile>, campaign: Option<&str>) -> [String; 36] {
    let nothing = Analysis::default();
    let a = item.analysis.as_ref().unwrap_or(&nothing);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let many = |values: Vec<String>| values.join(" ");
    let verdict = |v: &Verdict| match &v.about {
        Some(about) => format!("{} {about}", v.result),
        None => v.result.clone(),
    };
    let one = |v: &Option<Verdict>| v.as_ref().map(verdict).unwrap_or_default();
    let sender = a.sending_ip.as_ref();
    let verified = a.verified.iter().flat_map(|v| {
        let spf = v.spf.iter().map(|v| format!("spf={}", verdict(v)));
        let dkim = v.dkim.iter().map(|v| format!("dkim={}", verdict(v)));
        let arc = v.arc.iter().map(|v| format!("arc={}", verdict(v)));
        spf.chain(dkim).chain(arc).collect::<Vec<_>>()
    });
    let like = a.domains.iter().filter(|d| !d.looks_like.is_empty());
    [
        item.label(),
        file.map(|f| f.media_type.to_owned()).unwrap_or_default(),
        file.map(|f| f.size.to_string()).unwrap_or_default(),
        file.map(|f| f.sha256.clone()).unwrap_or_default(),
        sender.map(|s| s.ip.to_string()).unwrap_or_default(),
        sender.and_then(|s| s.port).map(|p| p.to_string()).unwrap_or_default(),
        sender.and_then(|s| s.time.clone()).unwrap_or_default(),
        sender.map(|s| format!("{:?}", s.confidence).to_lowercase()).unwrap_or_default(),
        many(a.claimed_origins.iter().map(ToString::to_string).collect()),
        many(a.from.iter().map(|x| x.email.clone()).collect()),
        a.from.iter().filter_map(|x| x.name.clone()).collect::<Vec<_>>().join("; "),
        many(a.reply_to.iter().map(|x| x.email.clone()).collect()),
        a.return_path.as_ref().map(|x| x.email.clone()).unwrap_or_default(),
        text(&a.subject),
        text(&a.message_id),
        text(&a.date),
        text(&a.received_at),
        many(a.urls.iter().map(|u| u.url.clone()).collect()),
        many(a.domains.iter().map(|d| d.domain.ascii.clone()).collect()),
        many(like.map(|d| format!("{}~{}", d.domain.ascii, d.looks_like.join("~"))).collect()),
        many(a.attachments.iter().map(|x| x.sha256.clone()).collect()),
        many(a.phones.iter().cloned().collect()),
        many(a.wallets.iter().cloned().collect()),
        many(a.bank_accounts.iter().cloned().collect()),
        many(a.handles.iter().cloned().collect()),
        one(&a.auth.spf),
        a.auth.dkim.iter().map(verdict).collect::<Vec<_>>().join("; "),
        one(&a.auth.dmarc),
        one(&a.auth.arc),
        verified.collect::<Vec<_>>().join("; "),
        text(&a.language),
        if item.analysis.is_some() { a.list_unsubscribe.to_string() } else { String::new() },
        campaign.unwrap_or_default().to_owned(),
        item.all_warnings().into_iter().map(|w| w.code()).collect::<Vec<_>>().join(" "),
        item.cost.ms.to_string(),
        item.cost.peak_bytes.map(|b| b.to_string()).unwrap_or_default(),
    ]
}

fn line(cells: [String; 36]) -> String {
    cells.map(|cell| quoted(&cell)).join(",")
}

/// A cell in quotation marks; one that a spreadsheet would calculate begins with an apostrophe, which it does not show.
fn quoted(cell: &str) -> String {
    let cell = one_line(cell);
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '|', '%']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_out_of_its_quotation_marks() {
        for (cell, written) in [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+49301", "\"'+49301\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            (" =1", "\"' =1\""),
            ("-1", "\"'-1\""),
            ("a,b\nc", "\"a,b\\nc\""),
            ("", "\"\""),
            ("plain", "\"plain\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
