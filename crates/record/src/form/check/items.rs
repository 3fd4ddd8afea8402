//! G assistance, H urgency, I the evidence manifest.

use super::Check;
use crate::form::{EvidenceItem, Form, Formality, Perishability, UrgencyLevel};
use crate::identity::check_text;
use crate::statement::{MAX_BLOBS, MAX_ITEMS};

impl Check {
    pub(super) fn assistance(&mut self, form: &Form) {
        let items = form.assistance.as_deref().unwrap_or_default();
        if items.is_empty() && form.kind.is_none_or(|k| k.is_request()) {
            self.fault("assistance", "is required: at least one item");
        }
        self.at_most("assistance", items, usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX));
        for (i, item) in items.iter().enumerate() {
            let at = |field: &str| format!("assistance.{i}.{field}");
            self.faults.extend(check_text(&at("description"), &item.description, 1, 2000).err());
            self.texts(&at("questions"), &item.questions, 50, 500);
            self.date(&at("needed_by"), item.needed_by.as_ref(), false);
            self.not_before(&at("needed_by"), item.needed_by.as_ref(), form.created_at.as_ref(), "created_at");
            self.text(&at("format"), &item.format, false, 300);
            match (item.formality, &item.format) {
                (Some(Formality::Admissible), None) => {
                    self.fault(&at("format"), "is required where the formality is admissible");
                }
                (Some(Formality::Admissible), Some(_)) | (_, None) => {}
                (_, Some(_)) => self.fault(&at("format"), "needs the formality admissible"),
            }
        }
    }

    pub(super) fn urgency(&mut self, form: &Form) {
        let Some(urgency) = &form.urgency else { return };
        self.text("urgency.reasons", &urgency.reasons, urgency.level == UrgencyLevel::TimeCritical, 1000);
        let dated = matches!(urgency.perishability, Some(Perishability::LogExpiry | Perishability::CourtDate));
        let nothing = matches!(urgency.perishability, None | Some(Perishability::None));
        match &urgency.date {
            None if dated => self.fault("urgency.date", "is required for log_expiry and court_date"),
            Some(_) if nothing => self.fault("urgency.date", "needs a perishability: what runs out then?"),
            date => self.date("urgency.date", date.as_ref(), false),
        }
    }

    pub(super) fn evidence(&mut self, form: &Form) {
        let items = form.evidence.as_deref().unwrap_or_default();
        self.at_most("evidence", items, MAX_BLOBS);
        let mut marks = std::collections::BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let path = format!("evidence.{i}");
            self.item(&path, item, form);
            if item.id.as_ref().is_some_and(|id| !marks.insert(id)) {
                self.fault(&format!("{path}.id"), "stands in the manifest twice");
            }
            let Some(of) = item.redaction_of else { continue };
            if !items.iter().enumerate().any(|(j, other)| j != i && other.sha256 == of) {
                self.fault(&format!("{path}.redaction_of"), "is the sha256 of no other item of this manifest");
            }
            if item.original {
                self.fault(&format!("{path}.original"), "cannot be true of a redacted copy");
            }
        }
    }

    fn item(&mut self, path: &str, item: &EvidenceItem, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        self.faults.extend(check_text(&at("name"), &item.name, 1, 255).err());
        self.faults.extend(check_text(&at("media_type"), &item.media_type, 1, 127).err());
        self.text(&at("description"), &item.description, false, 1000);
        self.text(&at("id"), &item.id, false, 60);
        self.date(&at("collected_at"), item.collected_at.as_ref(), false);
        self.not_before("created_at", form.created_at.as_ref(), item.collected_at.as_ref(), &at("collected_at"));
        let custody = item.custody.as_deref().unwrap_or_default();
        self.at_most(&at("custody"), custody, 50);
        for (j, step) in custody.iter().enumerate() {
            let at = |field: &str| format!("{path}.custody.{j}.{field}");
            self.date(&at("at"), Some(&step.at), true);
            let before = j.checked_sub(1).map(|before| &custody[before].at);
            self.not_before(&at("at"), Some(&step.at), before, "the step before it");
            self.faults.extend(check_text(&at("by"), &step.by, 1, 200).err());
            self.text(&at("note"), &step.note, false, 500);
        }
    }
}
