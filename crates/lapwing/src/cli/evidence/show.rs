//! What samples tell, for people.

use super::Samples;
use crate::cli::out::{Out, one_line, size};
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::auth::Verdict;
use lapwing_evidence::draft::{DraftGroup, DraftIdentifier, DraftParts};
use lapwing_evidence::scan::FileKind;
use lapwing_evidence::worker::Item;
use serde::Serialize;

/// Sums over all messages.
#[derive(Serialize)]
pub struct Totals {
    files: usize,
    messages: usize,
    not_analysed: usize,
    with_sending_ip: usize,
    with_verdicts_claimed: usize,
    with_verdicts_verified: usize,
    urls: u64,
    domains: usize,
    attachments: u64,
    campaigns: usize,
    in_campaigns_of_several: usize,
    with_warnings: usize,
    slowest_ms: u64,
    largest_peak_bytes: u64,
}

impl Totals {
    /// The sums.
    pub fn of(samples: &Samples) -> Totals {
        let found: Vec<&Analysis> = samples.items.iter().filter_map(|i| i.analysis.as_ref()).collect();
        let count = |of: fn(&Analysis) -> bool| found.iter().filter(|a| of(a)).count();
        let domains: std::collections::BTreeSet<&str> =
            found.iter().flat_map(|a| &a.domains).map(|d| d.domain.ascii.as_str()).collect();
        let several = samples.campaigns.iter().filter(|c| c.members.len() > 1);
        Totals {
            files: samples.scan.files.len(),
            messages: samples.items.len(),
            not_analysed: samples.items.len() - found.len(),
            with_sending_ip: count(|a| a.sending_ip.is_some()),
            with_verdicts_claimed: count(|a| a.auth.spf.is_some() || !a.auth.dkim.is_empty() || a.auth.dmarc.is_some()),
            with_verdicts_verified: count(|a| a.verified.is_some()),
            urls: found.iter().map(|a| a.urls.len() as u64).sum(),
            domains: domains.len(),
            attachments: found.iter().map(|a| a.attachments_total).sum(),
            campaigns: samples.campaigns.len(),
            in_campaigns_of_several: several.map(|c| c.members.len()).sum(),
            with_warnings: samples.items.iter().filter(|i| !i.all_warnings().is_empty()).count(),
            slowest_ms: samples.items.iter().map(|i| i.cost.ms).max().unwrap_or(0),
            largest_peak_bytes: samples.items.iter().filter_map(|i| i.cost.peak_bytes).max().unwrap_or(0),
        }
    }
}

/// The table of messages, the campaigns, the sums, and what was odd.
pub fn whole(out: Out, samples: &Samples, with_parties: bool) {
    let rows: Vec<Vec<String>> =
        samples.items.iter().zip(samples.campaign_of()).map(|(item, campaign)| row(item, campaign)).collect();
    let header = ["sample", "sending ip", "from", "urls", "domains", "results", "campaign", "took", "peak", "warnings"];
    out.table(&header, rows, "no message");
    let others = samples.scan.files.iter().filter(|f| f.kind == FileKind::Other);
    let others: Vec<Vec<String>> =
        others.map(|f| vec![f.name.clone(), f.media_type.to_owned(), size(f.size), f.sha256.clone()]).collect();
    if !others.is_empty() {
        out.line("\nother files");
        out.table(&["name", "type", "size", "sha256"], others, "");
    }
    if with_parties {
        parties(out, &samples.parts);
    }
    out.line("");
    several(out, &samples.parts);
    totals(out, samples);
    odd(out, &samples.parts);
}

fn row(item: &Item, campaign: Option<&str>) -> Vec<String> {
    let warnings: Vec<&str> = item.all_warnings().into_iter().map(|w| w.code()).collect();
    let peak = item.cost.peak_bytes.map(size).unwrap_or_default();
    let took = format!("{} ms", item.cost.ms);
    let Some(found) = &item.analysis else {
        let dash = || "-".to_owned();
        return vec![item.label(), dash(), dash(), dash(), dash(), dash(), dash(), took, peak, warnings.join(" ")];
    };
    let ip = found.sending_ip.as_ref().map(|s| s.ip.to_string());
    let from = found.from.first().map(|a| a.email.clone());
    vec![
        item.label(),
        ip.unwrap_or_else(|| "-".into()),
        from.unwrap_or_else(|| "-".into()),
        found.urls.len().to_string(),
        found.domains.len().to_string(),
        results(found),
        campaign.unwrap_or("-").to_owned(),
        took,
        peak,
        warnings.join(" "),
    ]
}

/// What the receiver claims, and what was verified here.
fn results(found: &Analysis) -> String {
    let one = |name: &str, verdict: &Verdict| format!("{name}={}", verdict.result);
    let of = |spf: &Option<Verdict>, dkim: &[Verdict], more: &[(&str, &Option<Verdict>)]| {
        let more = more.iter().filter_map(|(name, v)| Some(one(name, v.as_ref()?)));
        spf.iter()
            .map(|v| one("spf", v))
            .chain(dkim.iter().take(3).map(|v| one("dkim", v)))
            .chain(more)
            .collect::<Vec<_>>()
    };
    let auth = &found.auth;
    let claimed = of(&auth.spf, &auth.dkim, &[("dmarc", &auth.dmarc), ("arc", &auth.arc)]);
    let verified = found.verified.as_ref().map(|v| of(&v.spf, &v.dkim, &[("arc", &v.arc)])).unwrap_or_default();
    let said = |name: &str, list: Vec<String>| (!list.is_empty()).then(|| format!("{name} {}", list.join(" ")));
    let all = [said("verified", verified), said("claimed", claimed)];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Every campaign.
pub fn campaigns(out: Out, parts: &DraftParts) {
    let row = |g: &DraftGroup| {
        let samples = g.samples.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        vec![g.id.clone(), g.messages.to_string(), g.subject.clone(), g.domains.join(", "), samples]
    };
    let header = ["campaign", "messages", "a subject", "leads to", "such as"];
    out.table(&header, parts.groups.iter().map(row).collect(), "no message");
}

/// The campaigns of several messages.
fn several(out: Out, parts: &DraftParts) {
    let rows: Vec<Vec<String>> = parts
        .groups
        .iter()
        .filter(|g| g.messages > 1)
        .map(|g| vec![g.id.clone(), g.messages.to_string(), g.subject.clone(), g.domains.join(", ")])
        .collect();
    if !rows.is_empty() {
        out.line("campaigns of several messages");
        out.table(&["campaign", "messages", "a subject", "leads to"], rows, "");
        out.line("");
    }
}

fn totals(out: Out, samples: &Samples) {
    let t = Totals::of(samples);
    let period = samples.parts.period.as_ref().map(|p| format!("{} to {}", p.from, p.to)).unwrap_or_default();
    out.pairs(&[
        ("files", t.files.to_string()),
        ("messages", format!("{}, of which {} could not be read", t.messages, t.not_analysed)),
        ("period", period),
        ("languages", samples.parts.languages.join(", ")),
        ("sending ip", format!("in {} of {}", t.with_sending_ip, t.messages)),
        ("results", format!("claimed in {}, verified in {}", t.with_verdicts_claimed, t.with_verdicts_verified)),
        ("urls", format!("{} to or by way of {} domains", t.urls, t.domains)),
        ("attachments", t.attachments.to_string()),
        ("campaigns", format!("{}; {} messages are in one of several", t.campaigns, t.in_campaigns_of_several)),
        ("slowest", format!("{} ms; at most {} of memory", t.slowest_ms, size(t.largest_peak_bytes))),
    ]);
}

/// What samples tell, without a row for each: what a draft is made of.
pub fn summary(out: Out, parts: &DraftParts) {
    let period = parts.period.as_ref().map(|p| format!("{} to {}", p.from, p.to)).unwrap_or_default();
    out.pairs(&[
        ("files", parts.manifest.len().to_string()),
        ("messages", format!("{} read, {} not readable", parts.messages, parts.failed)),
        ("period", period),
        ("languages", parts.languages.join(", ")),
    ]);
    parties(out, parts);
    if !parts.groups.is_empty() {
        out.line("");
        campaigns(out, parts);
    }
    odd(out, parts);
}

fn parties(out: Out, parts: &DraftParts) {
    for party in &parts.parties {
        let names = party.names.iter().map(|n| one_line(n)).collect::<Vec<_>>().join(", ");
        out.line(format!("\n{}{}{names}", party.role, if names.is_empty() { "" } else { ": " }));
        let row = |i: &DraftIdentifier| {
            let port = i.port.map(|p| p.to_string()).unwrap_or_default();
            let time = i.time.as_deref().map(|t| out.time(t)).unwrap_or_default();
            let samples = i.samples.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            vec![i.kind.clone(), i.value.clone(), port, time, i.seen.to_string(), samples]
        };
        let header = ["kind", "value", "port", "last seen", "messages", "such as"];
        out.table(&header, party.identifiers.iter().map(row).collect(), "  nothing");
        if party.left_out > 0 {
            out.line(format!("  and {} more, seen least", party.left_out));
        }
    }
}

fn odd(out: Out, parts: &DraftParts) {
    for (code, samples) in &parts.warnings {
        out.line(format!(
            "odd: {code} in {}",
            samples.iter().take(5).map(|s| one_line(s)).collect::<Vec<_>>().join(", ")
        ));
    }
    for skipped in &parts.skipped {
        out.line(format!("passed over: {} ({:?})", one_line(&skipped.name), skipped.reason));
    }
    for name in parts.left_out.iter().take(50) {
        out.line(format!("left out: {}", one_line(name)));
    }
    if parts.left_out.len() > 50 {
        out.line(format!("and {} more left out", parts.left_out.len() - 50));
    }
}
