//! The commented `referral.toml` that `refer new` writes.

use crate::cli::fail::wrong;
use crate::cli::hex;
use lapwing_api::problem::Problem;
use lapwing_evidence::draft::{DraftParts, DraftParty};
use lapwing_record::form::{CollectionMethod, Continuing, FORM_VERSION, Factor, Gravity, Injury, Vulnerable, income};
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
    put(w, "# the same in every referral of one campaign, where several agencies are asked");
    put(w, "#campaign_ref = \"\"");
    put(w, "# references of related cases");
    put(w, "#related = [\"HB-2025-117\"]");
    put(w, "# the case (its whole id) that this referral replaces");
    put(w, &format!("#supersedes = {}", text(&"a".repeat(52))));
    put(w, &format!("language = {}", text(language)));
    put(w, &format!("created_at = {}", text(&today.to_string())));
    put(w, "");
    put(w, "# ---- B  requesting authority");
    put(w, "# R  the slot of one of your points of contact (lapwing contact list)");
    put(w, "#poc_ref = \"intake\"");
    put(w, "#case_officer = \"\"");
    put(w, "# R  the law that you act under");
    put(w, "#legal_authority = { law = \"\", article = \"\" }");
    put(w, "# codes of memoranda, ascending; lap_best_efforts is the Plan itself");
    put(w, "#arrangement = [\"lap_best_efforts\"]");
    put(w, "# true: nothing is asked yet but whether you may and would");
    put(w, "#preliminary_inquiry = false");
    put(w, "# preliminary open_investigation litigation post_judgment");
    put(w, "#stage = \"preliminary\"");
    put(w, "# administrative civil criminal mixed");
    put(w, "#matter = \"administrative\"");
    put(w, "");
    put(w, "# ---- C  handling");
    put(w, "# R  clear green amber amber+strict red");
    put(w, "tlp = \"amber+strict\"");
    put(w, "# what may be done with it: clear green amber red");
    put(w, "#pap = \"amber\"");
    put(
        w,
        "# ascending: H0 crime prevention only, H1 no judicial use without permission, H2 no dissemination without permission,",
    );
    put(w, "#   H3: and a condition in words");
    put(w, "#handling_codes = [\"H1\", \"H3:not to be shown to the host\"]");
    put(w, "#confidentiality_requested = true");
    put(w, "#permitted_purpose = \"\"");
    put(w, "# before a court: yes ask no");
    put(w, "#judicial_use = \"ask\"");
    put(w, "# passed on: no ask domestic_competent_agencies");
    put(w, "#onward = \"no\"");
    put(w, "# R  a date");
    put(w, "#retention_until = \"2028-12-31\"");
    put(w, "#personal_data = true");
    put(w, "#subject_may_be_told = false");
    put(w, "# tell us when a court or an information law forces you to disclose it");
    put(w, "#notify_on_compelled_disclosure = true");
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
    put(w, "# counted_complaints records_seized payment_records provider_data sampled_extrapolated unknown");
    put(w, "#volume_basis = \"sampled_extrapolated\"");
    match parts.languages.is_empty() {
        false => put(w, &format!("message_languages = {}", texts(&parts.languages))),
        true => put(w, "#message_languages = [\"en\"]"),
    }
    for group in parts.groups.iter().take(10) {
        let domains = group.domains.iter().map(|d| remark(d)).collect::<Vec<_>>().join(", ");
        let (id, subject) = (remark(&group.id), remark(&group.subject));
        put(w, &format!("# campaign {id} of {} messages: {subject} → {domains}", group.messages));
    }
    if parts.groups.len() > 10 {
        put(w, &format!("# and {} smaller ones", parts.groups.len() - 10));
    }
    for name in parts.left_out.iter().take(200) {
        put(w, &format!("# left out: {}", remark(name)));
    }
    if parts.left_out.len() > 200 {
        put(w, &format!("# and {} more left out", parts.left_out.len() - 200));
    }
    for (code, samples) in &parts.warnings {
        let some = samples.iter().take(3).map(|s| remark(s)).collect::<Vec<_>>().join(", ");
        put(w, &format!("# odd: {} in {some}", remark(code)));
    }
    put(w, "# R  at most 4,000 characters");
    put(w, "#narrative = \"\"\"");
    put(w, "#\"\"\"");
    put(w, "#law_breached = \"\"");
    put(w, "# the law of the agency that is asked which is substantially similar");
    put(w, "#similar_target_law = \"\"");
    put(w, "");
    put(w, "# ---- J  deconfliction: none, withheld, or listed and then their names");
    put(w, "#other_agencies_contacted = \"none\"");
    put(w, "#agencies_contacted = [\"\"]");
    put(w, "# court or authority, reference, state");
    put(w, "#proceedings_elsewhere = [\"\"]");
    put(w, "#do_not_contact = []");
    put(w, "");
    put(w, "# ---- E  persons and infrastructure; strike out what is not to be said");
    put(w, "# role: suspected_sender advertiser affiliate payment_recipient registrar host isp reseller witness");
    put(
        w,
        "# identifiers: domain url ip (with port and time) asn email phone message_id dkim_domain sha256 wallet bank_account",
    );
    put(w, "#   merchant_id company_no handle sender_id");
    put(w, "# locations: origin transit destination hosting payment, ascending; confidence: low medium high");
    put(
        w,
        "# source_reliability: A always B mostly C sometimes X cannot be judged; information_accuracy: 1 certain to 4",
    );
    put(w, "# tlp: its own, only stricter than that of the form");
    for found in &parts.parties {
        party(w, found);
    }
    if parts.parties.is_empty() {
        put(w, "#[[form.parties]]");
        put(w, "#role = \"suspected_sender\"");
        put(
            w,
            "#identifiers = [{ kind = \"ip\", value = \"192.0.2.7\", port = 25, time = \"2026-01-01T08:00:00Z\" }, { kind = \"domain\", value = \"spam.example\" }]",
        );
        put(w, "");
    }
    put(
        w,
        "# ---- F  harm to victims. R for requests. For each factor facts, or a band from 0 up to the top; and what it rests",
    );
    put(
        w,
        "#         on: counted_complaints records_seized payment_records provider_data sampled_extrapolated (one band less)",
    );
    put(w, "#         unknown (then neither). evidence: items of the manifest that show it, by place, the first is 0.");
    for factor in Factor::ALL {
        put(w, "[[form.harm]]");
        put(w, &format!("factor = {}", text(factor.code())));
        facts(w, *factor);
        put(w, &format!("#band = {}", factor.top()));
        put(w, "basis = \"unknown\"");
        put(w, "#evidence = [0]");
    }
    put(w, "");
    put(
        w,
        "# ---- L  complaints of a complaint_batch, in an order that stays (lapwing refer new --complaints fills them in)",
    );
    put(w, "#[[form.complaints]]");
    put(w, "#reference = \"C-1\"");
    put(w, "#received = \"2026-01-01\"");
    put(w, "#channel = \"sms\"");
    put(w, "#sender = { kind = \"sender_id\", value = \"PRIZES\" }");
    put(w, "#conduct = [\"no_consent\"]");
    put(w, "#country = \"NL\"");
    put(w, "#loss = { amount = 90000, currency = \"USD\" }");
    put(w, "# the item of the manifest that belongs to it, by place, the first is 0");
    put(w, "#evidence = 0");
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
    put(w, "#questions = [\"\"]");
    put(w, "#needed_by = \"2027-01-31\"");
    put(w, "# intelligence_only, or admissible and in which form");
    put(w, "#formality = \"admissible\"");
    put(w, "#format = \"certified copy\"");
    put(w, "");
    put(
        w,
        "# ---- H  urgency: routine or time_critical; what runs out: log_expiry asset_flight ongoing_loss court_date none",
    );
    put(w, "#[form.urgency]");
    put(w, "#level = \"routine\"");
    put(w, "#perishability = \"log_expiry\"");
    put(w, "# R  for log_expiry and court_date");
    put(w, "#date = \"2027-01-20\"");
    put(w, "#reasons = \"\"");
    put(w, "");
    put(
        w,
        "# ---- I  evidence: the files lie in evidence/ beside this one and are compared with these hashes before they go.",
    );
    put(w, "# method: spamtrap user_complaint seized provider_production open_source honeypot other");
    put(w, "# collected_by: requester other_agency complainant provider private_participant other");
    put(w, "# custody, oldest first: collected received stored copied redacted transferred");
    put(w, "# redaction_of: sha256 of the item that this one is a redacted copy of (then original = false)");
    put(
        w,
        "# held_back = true: announced; its key goes out when the target accepts (without a file here it is announced only)",
    );
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
        put(w, "#id = \"\"");
        // The receiving server's own time; the form refuses what was collected after it was made.
        match item.collected_at.as_ref().filter(|at| at.get(..10).is_some_and(|day| *day < *today.to_string())) {
            Some(at) => put(w, &format!("collected_at = {}", text(at))),
            None => put(w, &format!("#collected_at = {}", text(&today.to_string()))),
        }
        put(w, "#collected_by = \"requester\"");
        match item.personal_data {
            Some(inside) => put(w, &format!("personal_data = {inside}")),
            None => put(w, "#personal_data = true"),
        }
        put(w, &format!("#redaction_of = {}", digest(&item.sha256)?));
        put(
            w,
            &format!(
                "#custody = [{{ at = {}, what = \"received\", by = \"\", note = \"\" }}]",
                text(&today.to_string())
            ),
        );
        put(w, "#held_back = true");
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
    put(w, "# where two people have to approve");
    put(w, "#second_approver = \"\"");
    Ok(t)
}

/// The facts of a factor, left out, with the choices there are.
fn facts(w: &mut String, factor: Factor) {
    fn codes<T: std::fmt::Display>(all: &[T]) -> String {
        all.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
    }
    let (about, line) = match factor {
        Factor::Victims => ("persons harmed, not recipients".to_owned(), "persons = 140".to_owned()),
        Factor::Financial => (
            format!(
                "minor units; another currency than USD with its worth in US cents and the day of the rate. The median loss \
                 goes with the\n# country of the victims and the table of incomes, {}",
                income::TABLE
            ),
            format!(
                "total_loss = {{ amount = 900000, currency = \"EUR\", usd_cents = 980000, rate_date = \"2026-01-02\" }}, \
                 median_loss = {{ amount = 6400, currency = \"USD\" }}, victims_country = \"KE\", income_table = {}",
                income::TABLE
            ),
        ),
        Factor::NonFinancial => {
            (format!("each once, ascending: {}", codes(Injury::ALL)), "injuries = [\"data_taken\"]".to_owned())
        }
        Factor::Gravity => (format!("the gravest: {}", codes(Gravity::ALL)), "gravest = \"fraud\"".to_owned()),
        Factor::Vulnerability => {
            (format!("each once, ascending: {}", codes(Vulnerable::ALL)), "groups = [\"elderly\"]".to_owned())
        }
        Factor::Exposure => (codes(Continuing::ALL), "state = \"ongoing\"".to_owned()),
    };
    let _ = writeln!(w, "# {about}\n#facts = {{ {line} }}");
}

fn party(w: &mut String, found: &DraftParty) {
    let _ = writeln!(w, "[[form.parties]]\nrole = {}", text(&found.role));
    let _ = writeln!(w, "names = {}", texts(&found.names));
    let _ = writeln!(w, "identifiers = [");
    for id in &found.identifiers {
        let seen = if id.seen == 1 { "1 message".to_owned() } else { format!("{} messages", id.seen) };
        let port = id.port.map(|p| format!(", port = {p}")).unwrap_or_default();
        let time = id.time.as_ref().map(|t| format!(", time = {}", text(t))).unwrap_or_default();
        let _ = writeln!(w, "  {{ kind = {}, value = {}{port}{time} }}, # {seen}", text(&id.kind), text(&id.value));
    }
    let _ = writeln!(w, "]");
    if found.left_out > 0 {
        let _ = writeln!(w, "# {} more, seen least, are left out", found.left_out);
    }
    let _ = writeln!(w, "#country = \"NL\"\n#locations = [{{ role = \"origin\", country = \"NL\" }}]");
    let _ = writeln!(
        w,
        "#confidence = \"medium\"\n#source_reliability = \"B\"\n#information_accuracy = 2\n#tlp = \"red\"\n"
    );
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
                    port: Some(4711),
                    time: Some("2026-01-02T10:00:00Z".into()),
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
                collected_at: Some("2026-01-02T10:00:00Z".into()),
                personal_data: Some(true),
            }],
            left_out: vec![nasty.into()],
            groups: vec![lapwing_evidence::draft::DraftGroup {
                id: "c-aaaaaaaa".into(),
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
    fn every_line_that_is_left_out_reads_when_it_is_put_in_and_every_field_of_the_form_has_one() {
        let mut told = std::collections::BTreeSet::new();
        for parts in [DraftParts::default(), parts()] {
            let text = toml_of("polder", "en", CollectionMethod::Spamtrap, &parts).unwrap();
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
            told.extend(fields(&serde_json::to_value(&read.form).unwrap()));
        }
        let all = fields(&serde_json::to_value(lapwing_record::form::whole()).unwrap());
        // where a referral was passed on from is no person's to fill in: the node does
        let missing: Vec<&String> = all.difference(&told).filter(|f| !f.starts_with("transferred_from")).collect();
        assert_eq!(missing, Vec::<&String>::new());
    }

    /// The paths of all fields that say something, whatever their place in a list.
    fn fields(value: &serde_json::Value) -> std::collections::BTreeSet<String> {
        use serde_json::Value;
        match value {
            Value::Null => Default::default(),
            Value::Object(map) => {
                let below = |(key, value): (&String, &Value)| {
                    let inner = fields(value);
                    let own = (!value.is_null()).then(|| key.clone());
                    inner.into_iter().map(|path| format!("{key}.{path}")).chain(own).collect::<Vec<_>>()
                };
                map.iter().flat_map(below).collect()
            }
            Value::Array(items) => items.iter().flat_map(fields).collect(),
            _ => Default::default(),
        }
    }
}
