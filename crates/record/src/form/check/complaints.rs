//! L: the complaints of a batch.

use super::Check;
use crate::form::{Complaint, Form, MAX_COMPLAINTS, ReferralKind};
use crate::identity::{check_text, is_country};

impl Check {
    pub(super) fn complaints(&mut self, form: &Form) {
        let Some(complaints) = &form.complaints else { return };
        if form.kind.is_some_and(|kind| kind != ReferralKind::ComplaintBatch) {
            self.fault("complaints", "belong to a complaint_batch");
        }
        if complaints.is_empty() {
            self.fault("complaints", "must have at least one, or be left out");
        }
        self.at_most("complaints", complaints, MAX_COMPLAINTS);
        let mut references = std::collections::BTreeSet::new();
        for (i, complaint) in complaints.iter().enumerate().take(MAX_COMPLAINTS) {
            let path = format!("complaints.{i}");
            self.complaint(&path, complaint, form);
            if !references.insert(&complaint.reference) {
                self.fault(&format!("{path}.reference"), "stands in the batch twice");
            }
        }
    }

    fn complaint(&mut self, path: &str, complaint: &Complaint, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        self.faults.extend(check_text(&at("reference"), &complaint.reference, 1, 60).err());
        self.date(&at("received"), Some(&complaint.received), true);
        self.not_before("created_at", form.created_at.as_ref(), Some(&complaint.received), &at("received"));
        self.identifier(&at("sender"), &complaint.sender);
        match complaint.conduct.len() {
            1..=17 => self.ascending(&at("conduct"), &complaint.conduct),
            _ => self.fault(&at("conduct"), "must have 1 to 17 codes"),
        }
        if !is_country(&complaint.country) {
            self.fault(&at("country"), "must be two capital letters (ISO 3166-1)");
        }
        if let Some(loss) = &complaint.loss {
            self.loss(&at("loss"), loss, form);
        }
        let items = form.evidence.as_ref().map_or(0, Vec::len) as u64;
        if let Some(item) = complaint.evidence.filter(|item| *item >= items) {
            self.fault(&at("evidence"), format!("the manifest has no item {item}: it has {items}"));
        }
    }
}
