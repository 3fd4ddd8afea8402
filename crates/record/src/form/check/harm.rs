//! F: harm.

use super::Check;
use crate::form::income;
use crate::form::{Basis, Factor, Form, HarmFactor, HarmFacts, Loss};
use crate::identity::is_country;

impl Check {
    pub(super) fn harm(&mut self, form: &Form) {
        let needed = form.kind.is_some_and(|k| k.is_request());
        let harm = form.harm.as_deref().unwrap_or_default();
        if harm.is_empty() && needed {
            self.fault("harm", "is required for a request: state the factors, `unknown` where you do not know");
        }
        let factors: Vec<Factor> = harm.iter().map(|h| h.factor).collect();
        self.ascending("harm", &factors);
        for (i, factor) in harm.iter().enumerate() {
            self.factor(&format!("harm.{i}"), factor, form);
        }
    }

    fn factor(&mut self, path: &str, stated: &HarmFactor, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        let factor = stated.factor;
        match (stated.band, &stated.facts, stated.basis) {
            (Some(_), _, Basis::Unknown) => self.fault(&at("band"), "cannot be stated on basis `unknown`"),
            (None, Some(_), Basis::Unknown) => self.fault(&at("facts"), "cannot be stated on basis `unknown`"),
            (Some(_), Some(_), _) => self.fault(&at("band"), "follows from the facts: state one of the two"),
            (None, None, basis) if basis != Basis::Unknown => {
                self.fault(&at("band"), "is required, or facts, unless the basis is `unknown`");
            }
            (Some(band), None, _) if band > factor.top() => {
                self.fault(&at("band"), format!("is {band}; {factor} goes from 0 to {}", factor.top()));
            }
            _ => {}
        }
        if let Some(facts) = &stated.facts {
            self.facts(&at("facts"), factor, facts, form);
        }
        let shown = stated.evidence.as_deref().unwrap_or_default();
        let items = form.evidence.as_ref().map_or(0, Vec::len) as u64;
        self.ascending(&at("evidence"), shown);
        for (j, item) in shown.iter().enumerate().filter(|(_, item)| **item >= items) {
            self.fault(&at(&format!("evidence.{j}")), format!("the manifest has no item {item}: it has {items}"));
        }
    }

    fn facts(&mut self, path: &str, factor: Factor, facts: &HarmFacts, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        let stated = [
            ("persons", Factor::Victims, facts.persons.is_some()),
            ("total_loss", Factor::Financial, facts.total_loss.is_some()),
            ("median_loss", Factor::Financial, facts.median_loss.is_some()),
            ("victims_country", Factor::Financial, facts.victims_country.is_some()),
            ("income_table", Factor::Financial, facts.income_table.is_some()),
            ("injuries", Factor::NonFinancial, facts.injuries.is_some()),
            ("gravest", Factor::Gravity, facts.gravest.is_some()),
            ("groups", Factor::Vulnerability, facts.groups.is_some()),
            ("state", Factor::Exposure, facts.state.is_some()),
        ];
        let said: Vec<&(&str, Factor, bool)> = stated.iter().filter(|(_, _, said)| *said).collect();
        if !said.iter().any(|(_, of, _)| *of == factor) {
            self.fault(path, format!("say nothing of {factor}"));
        }
        for (field, of, _) in said.into_iter().filter(|(_, of, _)| *of != factor) {
            self.fault(&at(field), format!("belongs to {of}"));
        }
        for (field, loss) in [("total_loss", &facts.total_loss), ("median_loss", &facts.median_loss)] {
            if let Some(loss) = loss {
                self.loss(&at(field), loss, form);
            }
        }
        for (field, missing) in
            [("victims_country", facts.victims_country.is_none()), ("income_table", facts.income_table.is_none())]
        {
            match facts.median_loss.is_some() {
                true if missing => self.fault(&at(field), "is required with median_loss"),
                false if !missing => self.fault(&at(field), "is stated without median_loss"),
                _ => {}
            }
        }
        if facts.victims_country.as_ref().is_some_and(|c| !is_country(c)) {
            self.fault(&at("victims_country"), "must be two capital letters (ISO 3166-1)");
        }
        if let Some(other) = facts.income_table.filter(|t| *t != income::TABLE) {
            self.fault(&at("income_table"), format!("is {other}; this node knows {}", income::TABLE));
        }
        self.ascending(&at("injuries"), facts.injuries.as_deref().unwrap_or_default());
        self.ascending(&at("groups"), facts.groups.as_deref().unwrap_or_default());
    }

    pub(super) fn loss(&mut self, path: &str, loss: &Loss, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        if !(loss.currency.len() == 3 && loss.currency.bytes().all(|b| b.is_ascii_uppercase())) {
            self.fault(&at("currency"), "must be three capital letters (ISO 4217)");
        }
        for (field, said) in [("usd_cents", loss.usd_cents.is_some()), ("rate_date", loss.rate_date.is_some())] {
            match loss.currency == "USD" {
                true if said => self.fault(&at(field), "is left out where the currency is USD"),
                false if !said => self.fault(&at(field), "is required where the currency is not USD"),
                _ => {}
            }
        }
        self.date(&at("rate_date"), loss.rate_date.as_ref(), false);
        self.not_before("created_at", form.created_at.as_ref(), loss.rate_date.as_ref(), &at("rate_date"));
    }
}
