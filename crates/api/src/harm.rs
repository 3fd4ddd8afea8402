//! Harm to victims as the API shows it (Plan A.5; docs/protocol.md §6.2): the score, what it is made of, and what could
//! still change it. Made from the form alone, so that a node and a command line without one say the same.

use lapwing_record::form::harm::{FactorScore, Given, Harm, could_be, factors};
use lapwing_record::form::{Form, HarmFacts, income};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Harm to victims (Plan A.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HarmView {
    /// With unknown factors at their lowest.
    pub low: u64,
    /// With unknown factors at their highest.
    pub high: u64,
    /// The class of the low end.
    pub class: String,
    /// The class of the high end.
    pub could_be: String,
}

impl HarmView {
    /// Of a form, under the charter's weights.
    pub fn of(form: &Form, weights: &[u64]) -> Self {
        let Harm { low, high } = Harm::of(form, weights);
        HarmView { low, high, class: Harm::class(low).into(), could_be: Harm::class(high).into() }
    }
}

/// What a harm score is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HarmTable {
    /// The six factors, in the order of the charter's weights.
    pub factors: Vec<HarmRow>,
    /// Which class it could be and what would have to be known, in words; null where that changes nothing.
    pub could_be_if: Option<String>,
    /// The income per head that the median loss is held against; null where none is.
    pub income: Option<IncomeView>,
}

/// One factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HarmRow {
    /// Which.
    pub factor: String,
    /// Its weight in the charter: its points at the highest band.
    pub weight: u64,
    /// What the form states, in words; null where it is not known.
    pub given: Option<String>,
    /// What that rests on; null where the factor is not in the form.
    pub basis: Option<String>,
    /// The band that counts, with what is unknown at its lowest.
    pub band_low: u64,
    /// The same with what is unknown at its highest.
    pub band_high: u64,
    /// The highest band there is.
    pub top: u64,
    /// Points of the low band.
    pub points_low: u64,
    /// Points of the high band.
    pub points_high: u64,
    /// What is not known, in words.
    pub unknown: Vec<String>,
    /// Items of the manifest that show it: places in the list, from 0.
    pub evidence: Vec<u64>,
}

/// A country's income per head, and where the figure is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncomeView {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// US dollars in a year for each person; null where the table has no figure.
    pub dollars_a_year: Option<u64>,
    /// The year that it is of; null where the table has no figure.
    pub year: Option<u64>,
    /// Number of the table.
    pub table: u64,
    /// Where the table is from.
    pub source: String,
}

impl HarmTable {
    /// Of a form, under the charter's weights.
    pub fn of(form: &Form, weights: &[u64]) -> Self {
        let scored = factors(form, weights);
        HarmTable {
            could_be_if: could_be(&scored),
            income: scored.iter().find_map(income_of),
            factors: scored.iter().map(row).collect(),
        }
    }
}

fn row(score: &FactorScore) -> HarmRow {
    HarmRow {
        factor: score.factor.code().into(),
        weight: score.weight,
        given: given(&score.given),
        basis: score.basis.map(|b| b.code().into()),
        band_low: score.band.0,
        band_high: score.band.1,
        top: score.factor.top(),
        points_low: score.points.0,
        points_high: score.points.1,
        unknown: score.unknown.iter().map(|what| (*what).to_owned()).collect(),
        evidence: score.evidence.clone(),
    }
}

fn income_of(score: &FactorScore) -> Option<IncomeView> {
    let Given::Facts(facts) = &score.given else { return None };
    let country = facts.median_loss.as_ref().and(facts.victims_country.clone())?;
    Some(IncomeView {
        country,
        dollars_a_year: score.income.map(|i| i.dollars_a_year),
        year: score.income.map(|i| i.year),
        table: facts.income_table?,
        source: income::SOURCE.into(),
    })
}

fn given(given: &Given) -> Option<String> {
    match given {
        Given::Unknown => None,
        Given::Band(band) => Some(format!("band {band}")),
        Given::Facts(facts) => Some(in_words(facts)),
    }
}

/// Facts in a line.
fn in_words(facts: &HarmFacts) -> String {
    fn codes<T: ToString>(list: &[T]) -> String {
        if list.is_empty() { "none".into() } else { list.iter().map(T::to_string).collect::<Vec<_>>().join(" ") }
    }
    let loss = |name: &str, loss: &lapwing_record::form::Loss| match loss.cents() {
        Some(cents) => format!("{name} {}.{:02} USD", cents / 100, cents % 100),
        None => format!("{name} in {} without a rate", loss.currency),
    };
    let words = [
        facts.persons.map(|n| format!("{n} persons")),
        facts.total_loss.as_ref().map(|l| loss("total", l)),
        facts.median_loss.as_ref().map(|l| loss("median", l)),
        facts.victims_country.as_ref().map(|c| format!("in {c}")),
        facts.injuries.as_deref().map(codes),
        facts.gravest.map(|g| g.to_string()),
        facts.groups.as_deref().map(codes),
        facts.state.map(|s| s.to_string()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::charter::Params;
    use lapwing_record::form::{Basis, Factor, HarmFactor, Loss};

    #[test]
    fn the_table_adds_up_to_the_score_and_names_the_income_with_its_year() {
        let dollars = |cents| Loss { amount: cents, currency: "USD".into(), usd_cents: None, rate_date: None };
        let facts = HarmFacts {
            total_loss: Some(dollars(900_005)),
            median_loss: Some(dollars(6_400)),
            victims_country: Some("KE".into()),
            income_table: Some(income::TABLE),
            ..HarmFacts::default()
        };
        let harm = vec![
            HarmFactor::of_band(Factor::Victims, 3, Basis::SampledExtrapolated),
            HarmFactor::of_facts(Factor::Financial, facts, Basis::PaymentRecords),
        ];
        let form = Form { harm: Some(harm), ..Form::default() };
        let weights = Params::default().harm_weights;
        let (view, table) = (HarmView::of(&form, &weights), HarmTable::of(&form, &weights));
        assert_eq!(table.factors.iter().map(|f| f.points_low).sum::<u64>(), view.low);
        assert_eq!(table.factors.iter().map(|f| f.points_high).sum::<u64>(), view.high);
        assert_eq!(table.factors[0].band_low, 2);
        let financial = &table.factors[1];
        assert_eq!(financial.given.as_deref(), Some("total 9000.05 USD, median 64.00 USD, in KE"));
        assert_eq!((financial.band_low, financial.band_high), (2, 2));
        let income = table.income.unwrap();
        assert_eq!((income.country.as_str(), income.year, income.table), ("KE", Some(2019), 1));
        assert!(table.could_be_if.unwrap().contains("the gravity of the conduct"));
        assert_eq!(table.factors[5].given, None);
    }
}
