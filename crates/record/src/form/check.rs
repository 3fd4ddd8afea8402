//! What a form must say, every fault at once, by field path (docs/protocol.md §6.2).
//!
//! The same check runs where a form is written and where it arrives. What the *minimum* lacks is a fault; what the full
//! form asks for and the minimum does not is told by [`may_follow`].

mod complaints;
mod harm;
mod items;
mod parties;

pub use parties::check_identifier;

use super::when::{is_before, is_date};
use super::{FORM_VERSION, Form};
use crate::cbor::{Fault, encode};
use crate::directory::is_language;
use crate::identity::{check_text, is_short_name};

/// Every fault of a form; empty = it can be submitted.
pub fn check(form: &Form) -> Vec<Fault> {
    let mut c = Check { faults: Vec::new() };
    c.header(form);
    c.authority(form);
    c.handling(form);
    c.conduct(form);
    c.parties(form);
    c.harm(form);
    c.assistance(form);
    c.urgency(form);
    c.evidence(form);
    c.deconfliction(form);
    c.declarations(form);
    c.complaints(form);
    if encode(form).len() > super::MAX_FORM {
        c.fault("form", format!("is longer than {} bytes as encoded", super::MAX_FORM));
    }
    c.faults
}

/// What the full form asks for and the minimum does not: field names that are still empty. They may follow as a
/// supplement.
pub fn may_follow(form: &Form) -> Vec<&'static str> {
    let asked = [
        ("preliminary_inquiry", form.preliminary_inquiry.is_none()),
        ("stage", form.stage.is_none()),
        ("matter", form.matter.is_none()),
        ("pap", form.pap.is_none()),
        ("confidentiality_requested", form.confidentiality_requested.is_none()),
        ("permitted_purpose", form.permitted_purpose.is_none()),
        ("notify_on_compelled_disclosure", form.notify_on_compelled_disclosure.is_none()),
        ("subject_may_be_told", form.subject_may_be_told.is_none()),
        ("personal_data", form.personal_data.is_none()),
        ("period", form.period.is_none()),
        ("law_breached", form.law_breached.is_none()),
        ("urgency", form.urgency.is_none()),
        ("other_agencies_contacted", form.other_agencies_contacted.is_none()),
    ];
    let batch = form.kind == Some(super::ReferralKind::ComplaintBatch);
    let asked = asked.into_iter().chain([("complaints", batch && form.complaints.is_none())]);
    asked.filter(|(_, open)| *open).map(|(name, _)| name).collect()
}

/// Faults of handling codes that stand elsewhere than in a form.
pub fn handling_code_faults(path: &str, codes: &[String]) -> Vec<Fault> {
    let mut c = Check { faults: Vec::new() };
    c.handling_codes(path, codes);
    c.faults
}

/// Faults of factors of harm that stand elsewhere than in a form: at least one, and none names evidence by its place in
/// a manifest.
pub fn harm_faults(factors: &[super::HarmFactor]) -> Vec<Fault> {
    let mut c = Check { faults: Vec::new() };
    let kind = Some(super::ReferralKind::RequestEnforcement);
    c.harm(&Form { kind, harm: Some(factors.to_vec()), ..Form::default() });
    c.faults
}

struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn fault(&mut self, path: &str, what: impl Into<String>) {
        self.faults.push(Fault::here(what).within(path));
    }

    fn required<T>(&mut self, path: &str, value: &Option<T>) {
        if value.is_none() {
            self.fault(path, "is required");
        }
    }

    fn text(&mut self, path: &str, value: &Option<String>, required: bool, max: usize) {
        match value {
            None if required => self.fault(path, "is required"),
            None => {}
            Some(text) => self.faults.extend(check_text(path, text, 1, max).err()),
        }
    }

    fn texts(&mut self, path: &str, values: &[String], max_items: usize, max: usize) {
        self.at_most(path, values, max_items);
        for (i, text) in values.iter().enumerate() {
            self.faults.extend(check_text(&format!("{path}.{i}"), text, 1, max).err());
        }
    }

    fn at_most<T>(&mut self, path: &str, values: &[T], max_items: usize) {
        if values.len() > max_items {
            self.fault(path, format!("has {} items, at most {max_items}", values.len()));
        }
    }

    /// A set has one order.
    fn ascending<T: PartialOrd>(&mut self, path: &str, values: &[T]) {
        if values.windows(2).any(|w| w[0] >= w[1]) {
            self.fault(path, "must name each once, ascending");
        }
    }

    /// A list whose order means something, or nothing.
    fn each_once(&mut self, path: &str, values: &[String]) {
        let mut seen = std::collections::BTreeSet::new();
        for (i, _) in values.iter().enumerate().filter(|(_, v)| !seen.insert(*v)) {
            self.fault(&format!("{path}.{i}"), "stands in the list twice");
        }
    }

    fn date(&mut self, path: &str, value: Option<&String>, required: bool) {
        match value {
            None if required => self.fault(path, "is required: a date such as 2027-01-31"),
            Some(text) if !is_date(text) => self.fault(path, format!("{text:?} is not a date such as 2027-01-31")),
            _ => {}
        }
    }

    /// `path` must not lie before `floor`, which is called `name`.
    fn not_before(&mut self, path: &str, value: Option<&String>, floor: Option<&String>, name: &str) {
        if let (Some(value), Some(floor)) = (value, floor)
            && is_before(value, floor)
        {
            self.fault(path, format!("{value} lies before {name}, {floor}"));
        }
    }

    fn languages(&mut self, path: &str, tags: &[String]) {
        self.at_most(path, tags, 32);
        for (i, tag) in tags.iter().enumerate().filter(|(_, tag)| !is_language(tag)) {
            self.fault(&format!("{path}.{i}"), format!("{tag:?} is not a language tag (BCP 47)"));
        }
        self.each_once(path, tags);
    }

    fn header(&mut self, form: &Form) {
        match form.pro_forma_version {
            Some(FORM_VERSION) => {}
            Some(other) => self.fault("pro_forma_version", format!("is {other}; this node reads {FORM_VERSION}")),
            None => self.fault("pro_forma_version", "is required"),
        }
        self.required("kind", &form.kind);
        self.text("subject_line", &form.subject_line, true, 160);
        self.text("requester_ref", &form.requester_ref, true, 100);
        self.text("campaign_ref", &form.campaign_ref, false, 100);
        match &form.language {
            None => self.fault("language", "is required: a tag such as en or pt-BR"),
            Some(tag) if !is_language(tag) => self.fault("language", format!("{tag:?} is not a language tag (BCP 47)")),
            _ => {}
        }
        self.date("created_at", form.created_at.as_ref(), true);
        let related = form.related.as_deref().unwrap_or_default();
        self.texts("related", related, 50, 100);
        self.each_once("related", related);
    }

    fn authority(&mut self, form: &Form) {
        match &form.poc_ref {
            None => self.fault("poc_ref", "is required: the slot of one of your points of contact"),
            Some(slot) if !is_short_name(slot) => self.fault("poc_ref", "must be 2 to 32 characters of a-z, 0-9 and -"),
            _ => {}
        }
        self.text("case_officer", &form.case_officer, false, 100);
        match &form.legal_authority {
            None => self.fault("legal_authority", "is required: the law that you act under"),
            Some(a) => {
                self.text("legal_authority.law", &Some(a.law.clone()), true, 300);
                self.text("legal_authority.article", &a.article, false, 100);
                self.text("legal_authority.url", &a.url, false, 500);
            }
        }
        let arrangement = form.arrangement.as_deref().unwrap_or_default();
        self.at_most("arrangement", arrangement, 16);
        self.ascending("arrangement", arrangement);
        for (i, code) in arrangement.iter().enumerate().filter(|(_, code)| !is_code(code)) {
            self.fault(&format!("arrangement.{i}"), format!("{code:?} is no code such as lap_best_efforts"));
        }
    }

    fn handling(&mut self, form: &Form) {
        self.required("tlp", &form.tlp);
        self.date("retention_until", form.retention_until.as_ref(), true);
        self.not_before("retention_until", form.retention_until.as_ref(), form.created_at.as_ref(), "created_at");
        self.handling_codes("handling_codes", form.handling_codes.as_deref().unwrap_or_default());
        self.text("permitted_purpose", &form.permitted_purpose, false, 500);
    }

    fn handling_codes(&mut self, path: &str, codes: &[String]) {
        self.texts(path, codes, 4, 300);
        self.ascending(path, codes);
        for (i, code) in codes.iter().enumerate() {
            let words = code.strip_prefix("H3:").is_some_and(|words| !words.trim().is_empty());
            if !(words || matches!(code.as_str(), "H0" | "H1" | "H2")) {
                self.fault(&format!("{path}.{i}"), format!("{code:?} is not H0, H1, H2 or H3: and a condition"));
            }
        }
        if codes.iter().filter(|code| code.starts_with("H3:")).count() > 1 {
            self.fault(path, "must name each code once: H3 stands there twice");
        }
    }

    fn conduct(&mut self, form: &Form) {
        self.required("channel", &form.channel);
        match form.conduct.as_deref() {
            None => self.fault("conduct", "is required: at least one code"),
            Some(list) if list.is_empty() || list.len() > 17 => self.fault("conduct", "must have 1 to 17 codes"),
            Some(list) => self.ascending("conduct", list),
        }
        if let Some(period) = &form.period {
            self.date("period.from", Some(&period.from), true);
            self.date("period.to", period.to.as_ref(), false);
            self.not_before("period.to", period.to.as_ref(), Some(&period.from), "its beginning");
            self.not_before("created_at", form.created_at.as_ref(), Some(&period.from), "the beginning of the period");
        }
        if form.volume.is_none() && form.volume_basis.is_some() {
            self.fault("volume_basis", "is stated without a volume");
        }
        self.languages("message_languages", form.message_languages.as_deref().unwrap_or_default());
        self.text("narrative", &form.narrative, true, 4000);
        self.text("law_breached", &form.law_breached, false, 500);
        self.text("similar_target_law", &form.similar_target_law, false, 500);
    }

    fn deconfliction(&mut self, form: &Form) {
        let names = form.agencies_contacted.as_deref().unwrap_or_default();
        match form.other_agencies_contacted.as_deref() {
            Some("listed") if names.is_empty() => {
                self.fault("agencies_contacted", "is required where other_agencies_contacted is `listed`");
            }
            Some("listed") => {}
            Some("none" | "withheld") | None if names.is_empty() => {}
            Some("none" | "withheld") | None => {
                self.fault("agencies_contacted", "needs `listed` in other_agencies_contacted");
            }
            Some(_) => self.fault("other_agencies_contacted", "is one of: none, withheld, listed"),
        }
        let not = form.do_not_contact.as_deref().unwrap_or_default();
        for (path, list) in [("agencies_contacted", names), ("do_not_contact", not)] {
            self.texts(path, list, 50, 300);
            self.each_once(path, list);
        }
        let elsewhere = form.proceedings_elsewhere.as_deref().unwrap_or_default();
        self.texts("proceedings_elsewhere", elsewhere, 20, 500);
    }

    fn declarations(&mut self, form: &Form) {
        let Some(d) = &form.declarations else { return self.fault("declarations", "are required") };
        for (path, said) in [
            ("declarations.accuracy", d.accuracy),
            ("declarations.authority", d.authority),
            ("declarations.confidentiality", d.confidentiality),
        ] {
            if !said {
                self.fault(path, "must be declared (true)");
            }
        }
        self.text("declarations.second_approver", &d.second_approver, false, 200);
    }
}

/// Whether a text has the form of a code of an arrangement: 2 to 60 of `A-Z a-z 0-9 _ . -`.
fn is_code(code: &str) -> bool {
    (2..=60).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests;
