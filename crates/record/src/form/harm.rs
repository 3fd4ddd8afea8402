//! Harm to victims, 0 to 100 (Plan A.5, docs/protocol.md §6.2): integer arithmetic over the form's bytes, so that both
//! sides and anyone else get the same number.
//!
//! ```text
//! factor   band stated, or facts ─► band      basis sampled_extrapolated ─► one less      nothing known ─► 0 … top
//! score    Σ ⌊weight × band ÷ top⌋, once with every unknown at its lowest, once at its highest
//! ```
//!
//! Ranking uses the low end: nobody gains by not knowing. What the unknown factors could make of it is said in words.

use super::income::{self, Income};
use super::{Basis, Factor, Form, HarmFactor, HarmFacts, Loss};

/// The score of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Harm {
    /// With every unknown factor at its lowest. Ranking uses this one.
    pub low: u64,
    /// With every unknown factor at its highest.
    pub high: u64,
}

impl Harm {
    /// The score of a form under the charter's weights.
    pub fn of(form: &Form, weights: &[u64]) -> Harm {
        let factors = factors(form, weights);
        Harm { low: factors.iter().map(|f| f.points.0).sum(), high: factors.iter().map(|f| f.points.1).sum() }
    }

    /// The class of a score.
    pub const fn class(score: u64) -> &'static str {
        match score {
            70.. => "critical",
            45..=69 => "serious",
            25..=44 => "substantial",
            _ => "limited",
        }
    }
}

/// What a factor was given as.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Nothing, or on basis `unknown`.
    Unknown,
    /// A band.
    Band(u64),
    /// Facts.
    Facts(Box<HarmFacts>),
}

/// One factor's part in the score. Pairs are (lowest, highest).
#[derive(Clone, Debug, PartialEq)]
pub struct FactorScore {
    /// Which.
    pub factor: Factor,
    /// Its weight.
    pub weight: u64,
    /// What was stated.
    pub given: Given,
    /// What that rests on; none where the factor is not in the form.
    pub basis: Option<Basis>,
    /// The band that counts, after the basis.
    pub band: (u64, u64),
    /// Its points.
    pub points: (u64, u64),
    /// What is not known, in words; empty where the band is certain.
    pub unknown: Vec<&'static str>,
    /// The income that a median loss was held against.
    pub income: Option<Income>,
    /// Items of the manifest that show it.
    pub evidence: Vec<u64>,
}

/// The six factors of a form under the charter's weights.
pub fn factors(form: &Form, weights: &[u64]) -> Vec<FactorScore> {
    let stated = |factor: Factor| form.harm.iter().flatten().find(|h| h.factor == factor);
    Factor::ALL.iter().zip(weights).map(|(factor, weight)| score(*factor, *weight, stated(*factor))).collect()
}

fn score(factor: Factor, weight: u64, stated: Option<&HarmFactor>) -> FactorScore {
    let top = factor.top();
    let mut score = FactorScore {
        factor,
        weight,
        given: Given::Unknown,
        basis: stated.map(|h| h.basis),
        band: (0, top),
        points: (0, 0),
        unknown: vec![whole(factor)],
        income: None,
        evidence: stated.and_then(|h| h.evidence.clone()).unwrap_or_default(),
    };
    match stated {
        Some(HarmFactor { band: Some(band), .. }) => {
            score.given = Given::Band(*band);
            (score.band, score.unknown) = ((*band, *band), Vec::new());
        }
        Some(HarmFactor { facts: Some(facts), .. }) => {
            score.given = Given::Facts(Box::new(facts.clone()));
            score.income = income_of(facts);
            (score.band, score.unknown) = bands(factor, facts);
        }
        _ => {}
    }
    let less = u64::from(score.basis == Some(Basis::SampledExtrapolated) && score.given != Given::Unknown);
    let counted = |band: u64| band.saturating_sub(less).min(top);
    let points = |band: u64| weight.saturating_mul(band) / top;
    score.band = (counted(score.band.0), counted(score.band.1));
    score.points = (points(score.band.0), points(score.band.1));
    score
}

/// The bands that facts allow, and what they leave open.
fn bands(factor: Factor, facts: &HarmFacts) -> ((u64, u64), Vec<&'static str>) {
    let certain = match factor {
        Factor::Financial => return financial(facts),
        Factor::Victims => facts.persons.map(|n| reached(n, &[1, 10, 100, 1_000, 10_000])),
        Factor::NonFinancial => facts.injuries.as_deref().map(distinct),
        Factor::Gravity => facts.gravest.map(|g| g.number()),
        Factor::Vulnerability => facts.groups.as_deref().map(distinct),
        Factor::Exposure => facts.state.map(|s| s.number()),
    };
    match certain.map(|band| band.min(factor.top())) {
        Some(band) => ((band, band), Vec::new()),
        None => ((0, factor.top()), vec![whole(factor)]),
    }
}

/// The greater of the two terms; one that is not known may be anything.
fn financial(facts: &HarmFacts) -> ((u64, u64), Vec<&'static str>) {
    let top = Factor::Financial.top();
    let total = facts.total_loss.as_ref().and_then(Loss::cents).map(of_total);
    let median = facts.median_loss.as_ref().and_then(Loss::cents);
    let median = median.zip(income_of(facts)).map(|(cents, income)| of_median(cents, income));
    let low = total.unwrap_or(0).max(median.unwrap_or(0));
    if low == top || (total.is_some() && median.is_some()) {
        return ((low, low), Vec::new());
    }
    let open = [(total.is_none(), "the total loss"), (median.is_none(), "the median loss against the income per head")];
    ((low, top), open.into_iter().filter(|(open, _)| *open).map(|(_, what)| what).collect())
}

/// The income that the facts' median loss is held against.
fn income_of(facts: &HarmFacts) -> Option<Income> {
    facts.median_loss.as_ref()?;
    income::of(facts.income_table?, facts.victims_country.as_deref()?)
}

/// How many of these steps a number reaches.
fn reached(n: u64, steps: &[u64]) -> u64 {
    steps.iter().filter(|step| n >= **step).count() as u64
}

/// Band of a total loss in cents of a US dollar: from 1,000, 10,000, 100,000, 1,000,000 and 10,000,000 dollars.
pub fn of_total(cents: u64) -> u64 {
    reached(cents, &[100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000])
}

/// Band of a median loss in cents of a US dollar: from 5 %, 25 %, one, three and six times the monthly income.
pub fn of_median(cents: u64, income: Income) -> u64 {
    // cents ÷ (dollars a year × 100 ÷ 12) ≥ percent ÷ 100, multiplied out
    let reaches = |percent: u128| u128::from(cents) * 12 >= percent * u128::from(income.dollars_a_year);
    [5, 25, 100, 300, 600].into_iter().filter(|percent| reaches(*percent)).count() as u64
}

fn distinct<T: Ord>(list: &[T]) -> u64 {
    list.iter().collect::<std::collections::BTreeSet<_>>().len() as u64
}

/// A factor that is not known at all, in words.
const fn whole(factor: Factor) -> &'static str {
    match factor {
        Factor::Victims => "the number of persons harmed",
        Factor::Financial => "the financial loss",
        Factor::NonFinancial => "harm other than financial",
        Factor::Gravity => "the gravity of the conduct",
        Factor::Vulnerability => "the vulnerability of the victims",
        Factor::Exposure => "whether it goes on",
    }
}

/// What the unknown factors could make of it: none where they cannot change the class.
pub fn could_be(factors: &[FactorScore]) -> Option<String> {
    let sum = |end: fn(&FactorScore) -> u64| Harm::class(factors.iter().map(end).sum());
    let (low, high) = (sum(|f| f.points.0), sum(|f| f.points.1));
    let open: Vec<&str> = factors.iter().flat_map(|f| f.unknown.iter().copied()).collect();
    (low != high).then(|| format!("could be {high} if what is not known turns out high: {}", open.join("; ")))
}

#[cfg(test)]
mod tests;
