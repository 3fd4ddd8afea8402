//! The commented `referral.toml` that `refer new` writes.

use crate::cli::fail::wrong;
use crate::cli::hex;
use lapwing_api::problem::Problem;
use lapwing_evidence::draft::{DraftParts, DraftParty};
use lapwing_record::form::{CollectionMethod, FORM_VERSION, Factor};
use lapwing_record::id::base32;
use std::fmt::Write;

/// A string as TOML writes it.
fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

fn texts(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|v| text(v)).collect::<Vec<_>>().join(", "))
}

/// Text from outside in a comment: on one line, nothing hidden.
fn remark(value: &str) -> String {
    crate::cli::out::one_line(value)
}

/// The draft, with what the samples tell filled in.
pub fn toml_of(to: &str, language: &str, method: CollectionMethod, parts: &DraftParts) -> Result<String, Problem> {
    let today = jiff::Zoned::now().date();
    let mut t = String::new();
    let w = &mut t;
    let put = |w: &mut String, line: &str| {
        w.push_str(line);
        w.push('\n');
    };
    put(
        w,
        "# A referral: what one agency asks of another. Fill in, strike out, then: lapwing refer check, lapwing refer submit.",
    );
    put(
        w,
        "# R = required. Lines that begin with # are left out. The form is reconstructed from neighbouring instruments.",
    );
    put(w, "");
    put(w, "# R  The agency that is asked: its NAME, or 8 characters of its id or more.");
    put(w, &format!("to = {}", text(to)));
    put(w, "# Days until delivery is given up; 30 where nothing is said.");
    put(w, "#give_up_days = 30");
    put(w, "");
    put(w, "[form]");
    put(w, "# ---- A  header");
    put(w, &format!("pro_forma_version = {FORM_VERSION}"));
    put(w, "# R  request_information request_enforcement request_evidence_preservation spontaneous_information");
    put(w, "#    complaint_batch coordination_alert joint_action_proposal private_assistance_request");
    put(w, "#kind = \"request_enforcement\"");
    put(w, "# R  at most 160 characters");
    put(w, "#subject_line = \"\"");
    put(w, "# R  your own reference");
    put(w, "#requester_ref = \"\"");
    put(w, "#campaign_ref = \"\"");
    put(w, &format!("language = {}", text(language)));
    put(w, &format!("created_at = {}", text(&today.to_string())));
    put(w, "");
    put(w, "# ---- B  requesting authority");
    put(w, "# R  the slot of one of your points of contact (lapwing contact list)");
    put(w, "#poc_ref = \"intake\"");
    put(w, "#case_officer = \"\"");
    put(w, "# R  the law that you act under");
    put(w, "#legal_authority = { law = \"\", article = \"\" }");
    put(w, "# preliminary open_investigation litigation post_judgment");
    put(w, "#stage = \"preliminary\"");
    put(w, "# administrative civil criminal mixed");
    put(w, "#matter = \"administrative\"");
    put(w, "");
    put(w, "# ---- C  handling");
    put(w, "# R  clear green amber amber+strict red");
    put(w, "tlp = \"amber+strict\"");
    put(
        w,
        "# H0 crime prevention only, H1 no judicial use without permission, H2 no dissemination without permission, H3:text",
    );
    put(w, "#handling_codes = [\"H1\"]");
    put(w, "#confidentiality_requested = true");
    put(w, "#permitted_purpose = \"\"");
    put(w, "# no ask domestic_competent_agencies");
    put(w, "#onward = \"no\"");
    put(w, "# R  a date");
    put(w, "#retention_until = \"2028-12-31\"");
    put(w, "#personal_data = true");
    put(w, "#subject_may_be_told = false");
    put(w, "");
    put(w, "# ---- D  conduct");
    put(w, "# R  email sms voice_call robocall im social push web other");
    match &parts.channel {
        Some(channel) => put(w, &format!("channel = {}", text(channel))),
        None => put(w, "#channel = \"email\""),
    }
    put(
        w,
        "# R  in this order: no_consent no_opt_out false_header misleading_subject false_sender_id harvested_addresses",
    );
    put(w, "#    deceptive_offer advance_fee phishing identity_theft malware botnet_relay open_relay_or_proxy");
    put(w, "#    counterfeit_health extortion affiliate_promotion other");
    put(w, "#conduct = [\"no_consent\"]");
    put(w, "# yes no unclear");
    put(w, "#commercial = \"yes\"");
    put(w, "# opt_in opt_out either n_a");
    put(w, "#consent_regime_breached = \"opt_in\"");
    match &parts.period {
        Some(p) => put(w, &format!("period = {{ from = {}, to = {} }}", text(&p.from), text(&p.to))),
        None => put(w, "#period = { from = \"2026-01-01\" }"),
    }
    put(w, &format!("# how many messages in all; the samples hold {}", parts.messages));
    put(w, "#volume = 1000");
    match parts.languages.is_empty() {
        false => put(w, &format!("message_languages = {}", texts(&parts.languages))),
        true => put(w, "#message_languages = [\"en\"]"),
    }
    for group in parts.groups.iter().take(10) {
        let domains = group.domains.iter().map(|d| remark(d)).collect::<Vec<_>>().join(", ");
        put(w, &format!("# campaign of {} messages: {} → {domains}", group.messages, remark(&group.subject)));
    }
    for (code, samples) in &parts.warnings {
        let some = samples.iter().take(3).map(|s| remark(s)).collect::<Vec<_>>().join(", ");
        put(w, &format!("# odd: {} in {some}", remark(code)));
    }
    put(w, "# R  at most 4,000 characters");
    put(w, "#narrative = \"\"\"");
    put(w, "#\"\"\"");
    put(w, "#law_breached = \"\"");
    put(w, "");
    put(w, "# ---- J  deconfliction: \"none\", \"withheld\", or their names");
    put(w, "#other_agencies_contacted = \"none\"");
    put(w, "#do_not_contact = []");
    put(w, "");
    put(w, "# ---- E  persons and infrastructure; strike out what is not to be said");
    put(w, "# role: suspected_sender advertiser affiliate payment_recipient registrar host isp reseller witness");
    for found in &parts.parties {
        party(w, found);
    }
    if parts.parties.is_empty() {
        put(w, "#[[form.parties]]");
        put(w, "#role = \"suspected_sender\"");
        put(w, "#identifiers = [{ kind = \"domain\", value = \"spam.example\" }]");
        put(w, "");
    }
    put(
        w,
        "# ---- F  harm to victims. R for requests. band: 0 up to the top; basis: counted_complaints records_seized",
    );
    put(w, "#         payment_records provider_data sampled_extrapolated unknown (then without a band)");
    for factor in Factor::ALL {
        put(w, "[[form.harm]]");
        put(w, &format!("factor = {}", text(factor.code())));
        put(w, &format!("#band = {}", factor.top()));
        put(w, "basis = \"unknown\"");
    }
    put(w, "");
    put(
        w,
        "# ---- G  assistance. R at least one; each is decided on its own. kind: identify obtain_evidence share_evidence",
    );
    put(
        w,
        "#         recover_assets prevent_further_misconduct preserve_evidence interview inspect warn_or_injunct takedown",
    );
    put(w, "#         joint_investigation advice_on_law victim_notification");
    put(w, "#[[form.assistance]]");
    put(w, "#kind = \"identify\"");
    put(w, "#description = \"\"");
    put(w, "#needed_by = \"2027-01-31\"");
    put(w, "");
    put(
        w,
        "# ---- H  urgency: routine or time_critical; what runs out: log_expiry asset_flight ongoing_loss court_date none",
    );
    put(w, "#[form.urgency]");
    put(w, "#level = \"routine\"");
    put(w, "#perishability = \"log_expiry\"");
    put(w, "#reasons = \"\"");
    put(w, "");
    put(
        w,
        "# ---- I  evidence: the files lie in evidence/ beside this one and are compared with these hashes before they go.",
    );
    put(w, "# method: spamtrap user_complaint seized provider_production open_source honeypot other");
    for item in &parts.manifest {
        let digest = |digits: &str| -> Result<String, Problem> {
            let bytes = hex::decode(digits).filter(|b| b.len() == 32);
            bytes.map(|b| text(&base32(&b))).ok_or_else(|| wrong("a hash of the samples does not read"))
        };
        put(w, "[[form.evidence]]");
        put(w, &format!("name = {}", text(&item.name)));
        put(w, &format!("media_type = {}", text(&item.media_type)));
        put(w, &format!("size = {}", item.size));
        put(w, &format!("blake3 = {}", digest(&item.blake3)?));
        put(w, &format!("sha256 = {}", digest(&item.sha256)?));
        match &item.description {
            Some(description) => put(w, &format!("description = {}", text(description))),
            None => put(w, "#description = \"\""),
        }
        put(w, &format!("method = {}", text(method.code())));
        put(w, "original = true");
    }
    put(w, "");
    put(
        w,
        "# ---- K  declarations. R all three, true: accurate to the best of our knowledge; we have the authority to ask;",
    );
    put(w, "#         what comes back is kept confidential.");
    put(w, "[form.declarations]");
    put(w, "accuracy = false");
    put(w, "authority = false");
    put(w, "confidentiality = false");
    Ok(t)
}

fn party(w: &mut String, found: &DraftParty) {
    let _ = writeln!(w, "[[form.parties]]\nrole = {}", text(&found.role));
    let _ = writeln!(w, "names = {}", texts(&found.names));
    let _ = writeln!(w, "identifiers = [");
    for id in &found.identifiers {
        let seen = if id.seen == 1 { "1 message".to_owned() } else { format!("{} messages", id.seen) };
        let _ = writeln!(w, "  {{ kind = {}, value = {} }}, # {seen}", text(&id.kind), text(&id.value));
    }
    let _ = writeln!(w, "]");
    if found.left_out > 0 {
        let _ = writeln!(w, "# {} more, seen least, are left out", found.left_out);
    }
    let _ = writeln!(w, "#country = \"NL\"\n#source_reliability = \"B\"\n#information_accuracy = 2\n");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::refer::ReferralToml;
    use lapwing_evidence::draft::{DraftIdentifier, DraftPeriod, ManifestItem};
    use lapwing_record::form::check::check;

    fn parts() -> DraftParts {
        let nasty = "x\"\n[form]\nkind = \"y\" \u{1b}[2J";
        DraftParts {
            channel: Some("email".into()),
            period: Some(DraftPeriod { from: "2026-01-01".into(), to: "2026-01-02".into() }),
            messages: 2,
            languages: vec!["en".into()],
            parties: vec![DraftParty {
                role: "suspected_sender".into(),
                names: vec!["Bank".into()],
                identifiers: vec![DraftIdentifier {
                    kind: "ip".into(),
                    value: "192.0.2.7".into(),
                    seen: 2,
                    samples: vec![],
                }],
                left_out: 1,
            }],
            manifest: vec![ManifestItem {
                name: "a\".eml".into(),
                media_type: "message/rfc822".into(),
                size: 3,
                blake3: "00".repeat(32),
                sha256: "11".repeat(32),
                description: None,
            }],
            groups: vec![lapwing_evidence::draft::DraftGroup {
                subject: nasty.into(),
                messages: 2,
                domains: vec![nasty.into()],
                samples: vec![],
            }],
            warnings: [("odd".to_owned(), vec![nasty.to_owned()])].into(),
            ..DraftParts::default()
        }
    }

    #[test]
    fn a_draft_reads_whatever_the_samples_hold_and_says_what_is_missing() {
        for parts in [parts(), DraftParts::default()] {
            let text = toml_of("polder", "en", CollectionMethod::Spamtrap, &parts).unwrap();
            let read: ReferralToml = toml::from_str(&text).unwrap();
            assert_eq!((read.to.as_str(), read.form.kind), ("polder", None));
            let paths: Vec<String> = check(&read.form).into_iter().map(|f| f.path).collect();
            for path in ["kind", "subject_line", "poc_ref", "legal_authority", "narrative", "assistance"] {
                assert!(paths.iter().any(|p| p == path), "{path} missing in {paths:?}");
            }
            assert_eq!(read.form.evidence.unwrap_or_default().len(), parts.manifest.len());
        }
    }

    #[test]
    fn every_line_that_is_left_out_reads_when_it_is_put_in() {
        let text = toml_of("polder", "en", CollectionMethod::Spamtrap, &DraftParts::default()).unwrap();
        let all: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            // a band and the basis `unknown` exclude each other, which is the check's to say, not the reader's
            .collect();
        let read: ReferralToml = toml::from_str(&all).unwrap();
        assert!(read.form.urgency.is_some() && read.form.volume == Some(1000));
    }
}
