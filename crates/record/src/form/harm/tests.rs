//! The bands, and what holds of every score.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::cbor::encode;
use crate::charter::Params;
use crate::form::{Continuing, Gravity, Injury, Vulnerable, sample};
use proptest::prelude::*;

const WEIGHTS: [u64; 6] = [25, 25, 15, 15, 10, 10];

fn dollars(amount: u64) -> Option<Loss> {
    Some(Loss { amount: amount * 100, currency: "USD".into(), usd_cents: None, rate_date: None })
}

fn median(country: &str, dollars_lost: u64) -> HarmFacts {
    HarmFacts {
        median_loss: dollars(dollars_lost),
        victims_country: Some(country.into()),
        income_table: Some(income::TABLE),
        ..HarmFacts::default()
    }
}

fn form_of(harm: Vec<HarmFactor>) -> Form {
    Form { harm: Some(harm), ..sample() }
}

fn band(factor: Factor, facts: HarmFacts) -> (u64, u64) {
    score(factor, 100, Some(&HarmFactor::of_facts(factor, facts, Basis::CountedComplaints))).band
}

#[test]
fn the_default_weights_are_those_of_the_charter() {
    assert_eq!(Params::default().harm_weights, WEIGHTS);
}

#[test]
fn persons_harmed_give_the_band_of_their_power_of_ten() {
    for (persons, expected) in [
        (0, 0),
        (1, 1),
        (9, 1),
        (10, 2),
        (99, 2),
        (100, 3),
        (999, 3),
        (1_000, 4),
        (9_999, 4),
        (10_000, 5),
        (u64::MAX, 5),
    ] {
        let facts = HarmFacts { persons: Some(persons), ..HarmFacts::default() };
        assert_eq!(band(Factor::Victims, facts), (expected, expected), "{persons}");
    }
}

#[test]
fn the_total_loss_gives_the_band_of_its_power_of_ten() {
    for (lost, expected) in
        [(999, 0), (1_000, 1), (9_999, 1), (10_000, 2), (100_000, 3), (999_999, 3), (1_000_000, 4), (10_000_000, 5)]
    {
        assert_eq!(of_total(lost * 100), expected, "{lost}");
    }
    assert_eq!(of_total(u64::MAX), 5);
}

#[test]
fn the_median_loss_is_held_against_the_monthly_income_and_the_edges_count() {
    let income = Income { dollars_a_year: 1_200, year: 2019 }; // 100 dollars a month
    for (cents, expected) in [
        (0, 0),
        (499, 0),
        (500, 1),
        (2_499, 1),
        (2_500, 2),
        (9_999, 2),
        (10_000, 3),
        (30_000, 4),
        (59_999, 4),
        (60_000, 5),
    ] {
        assert_eq!(of_median(cents, income), expected, "{cents}");
    }
    assert_eq!(of_median(u64::MAX, income), 5);
}

#[test]
fn the_greater_of_both_terms_counts_and_one_that_is_not_known_may_be_anything() {
    let both = HarmFacts { total_loss: dollars(9_000), ..median("KE", 1_000) };
    assert_eq!(band(Factor::Financial, both), (5, 5), "six monthly incomes of Kenya");
    let rich = HarmFacts { total_loss: dollars(1_200_000), ..median("NL", 100) };
    assert_eq!(band(Factor::Financial, rich), (4, 4));
    assert_eq!(band(Factor::Financial, HarmFacts { total_loss: dollars(9_000), ..HarmFacts::default() }), (1, 5));
    assert_eq!(band(Factor::Financial, median("NL", 100)), (0, 5));
    assert_eq!(band(Factor::Financial, HarmFacts { total_loss: dollars(9_000), ..median("ZZ", 1) }), (1, 5));
    let most = HarmFacts { total_loss: dollars(10_000_000), ..HarmFacts::default() };
    assert_eq!(band(Factor::Financial, most), (5, 5), "no term adds to the top");
    let euros =
        Loss { amount: 1, currency: "EUR".into(), usd_cents: Some(100_000), rate_date: Some("2026-01-02".into()) };
    assert_eq!(euros.cents(), Some(100_000));
}

/// Plan A.7: what is little money in one country is half a year's income in another.
#[test]
fn a_hundred_and_forty_poor_victims_rank_above_a_great_campaign_in_a_rich_country() {
    let rest = |gravity| {
        vec![HarmFactor::of_facts(
            Factor::Gravity,
            HarmFacts { gravest: Some(gravity), ..HarmFacts::default() },
            Basis::CountedComplaints,
        )]
    };
    let case = |persons, total, country: &str, each, gravity| {
        let financial = HarmFacts { total_loss: dollars(total), ..median(country, each) };
        let persons = HarmFacts { persons: Some(persons), ..HarmFacts::default() };
        let mut harm = vec![
            HarmFactor::of_facts(Factor::Victims, persons, Basis::CountedComplaints),
            HarmFactor::of_facts(Factor::Financial, financial, Basis::PaymentRecords),
        ];
        harm.extend(rest(gravity));
        Harm::of(&form_of(harm), &WEIGHTS).low
    };
    let poor = case(140, 126_000, "KE", 900, Gravity::PhishingOrIdentityTheft);
    let rich = case(900, 1_200_000, "NL", 600, Gravity::DeceptiveOffer);
    assert!(poor > rich, "{poor} {rich}");
}

#[test]
fn choices_give_their_band() {
    let facts = HarmFacts::default;
    let injuries = Some(vec![Injury::DataTaken, Injury::DistressOrExtortion]);
    assert_eq!(band(Factor::NonFinancial, HarmFacts { injuries, ..facts() }), (2, 2));
    assert_eq!(band(Factor::NonFinancial, HarmFacts { injuries: Some(Injury::ALL.to_vec()), ..facts() }), (5, 5));
    for gravity in Gravity::ALL {
        let band = band(Factor::Gravity, HarmFacts { gravest: Some(*gravity), ..facts() });
        assert_eq!(band, (gravity.number(), gravity.number()));
    }
    assert_eq!(band(Factor::Vulnerability, HarmFacts { groups: Some(Vulnerable::ALL.to_vec()), ..facts() }), (3, 3));
    let twice = Some(vec![Vulnerable::Minors, Vulnerable::Minors]);
    assert_eq!(band(Factor::Vulnerability, HarmFacts { groups: twice, ..facts() }), (1, 1), "a group counts once");
    assert_eq!(band(Factor::Exposure, HarmFacts { state: Some(Continuing::Accelerating), ..facts() }), (4, 4));
    assert_eq!(Continuing::ALL.len() as u64, Factor::Exposure.top() + 1);
    assert_eq!(Gravity::ALL.len() as u64, Factor::Gravity.top() + 1);
    assert_eq!(Injury::ALL.len() as u64, Factor::NonFinancial.top());
}

#[test]
fn a_sample_that_was_extrapolated_counts_one_band_less_and_not_below_none() {
    let of = |basis, band| Harm::of(&form_of(vec![HarmFactor::of_band(Factor::Victims, band, basis)]), &WEIGHTS).low;
    assert_eq!(of(Basis::SampledExtrapolated, 3), of(Basis::CountedComplaints, 2));
    assert_eq!(of(Basis::SampledExtrapolated, 0), 0);
    let facts = HarmFacts { persons: Some(500), ..HarmFacts::default() };
    let facts = HarmFactor::of_facts(Factor::Victims, facts, Basis::SampledExtrapolated);
    assert_eq!(score(Factor::Victims, 25, Some(&facts)).band, (2, 2));
}

#[test]
fn what_could_make_it_critical_is_named() {
    let all = |factor: &Factor| HarmFactor::of_band(*factor, factor.top(), Basis::PaymentRecords);
    let mut known: Vec<HarmFactor> = Factor::ALL.iter().map(all).collect();
    assert_eq!(could_be(&factors(&form_of(known.clone()), &WEIGHTS)), None);
    known[1] = HarmFactor::of_facts(
        Factor::Financial,
        HarmFacts { total_loss: dollars(1_000), ..HarmFacts::default() },
        Basis::PaymentRecords,
    );
    known[0] = HarmFactor::unknown(Factor::Victims);
    let form = form_of(known);
    assert_eq!(Harm::of(&form, &WEIGHTS), Harm { low: 55, high: 100 });
    assert_eq!(
        could_be(&factors(&form, &WEIGHTS)).unwrap(),
        "could be critical if what is not known turns out high: the number of persons harmed; the median loss against \
         the income per head"
    );
}

#[test]
fn classes_begin_where_they_are_said_to() {
    let at = [100, 70, 69, 45, 44, 25, 24, 0].map(Harm::class);
    assert_eq!(at, ["critical", "critical", "serious", "serious", "substantial", "substantial", "limited", "limited"]);
}

fn any_factor(factor: Factor) -> impl Strategy<Value = Option<HarmFactor>> {
    let band = prop_oneof![Just(None), (0..=factor.top()).prop_map(Some)];
    (band, 0..5u64, any::<bool>()).prop_map(move |(band, basis, stated)| {
        let basis = Basis::from_number(basis).unwrap();
        let made = band.map_or_else(|| HarmFactor::unknown(factor), |band| HarmFactor::of_band(factor, band, basis));
        stated.then_some(made)
    })
}

fn any_harm() -> impl Strategy<Value = Vec<HarmFactor>> {
    let all: Vec<_> = Factor::ALL.iter().map(|f| any_factor(*f)).collect();
    all.prop_map(|factors| factors.into_iter().flatten().collect())
}

/// Six weights whose sum is 100, as a charter has them.
fn any_weights() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(0..=100u64, 5).prop_map(|mut cuts| {
        cuts.sort_unstable();
        let ends: Vec<u64> = cuts.iter().copied().chain([100]).collect();
        let begins = std::iter::once(0).chain(cuts);
        ends.into_iter().zip(begins).map(|(end, begin)| end - begin).collect()
    })
}

proptest! {
    #[test]
    fn every_score_is_within_its_bounds_and_read_again_from_the_bytes(harm in any_harm(), weights in any_weights()) {
        let form = form_of(harm);
        let score = Harm::of(&form, &weights);
        prop_assert!(score.low <= score.high && score.high <= 100);
        let read = Form::decode(&encode(&form)).unwrap();
        prop_assert_eq!(Harm::of(&read, &weights), score);
        prop_assert_eq!(factors(&read, &weights), factors(&form, &weights));
    }

    #[test]
    fn a_higher_band_never_lowers_the_score(harm in any_harm(), weights in any_weights(), which in 0..6usize) {
        let Some(at) = harm.iter().position(|h| h.factor == Factor::ALL[which]) else { return Ok(()) };
        let Some(band) = harm[at].band.filter(|band| *band < harm[at].factor.top()) else { return Ok(()) };
        let before = Harm::of(&form_of(harm.clone()), &weights);
        let mut more = harm;
        more[at].band = Some(band + 1);
        let after = Harm::of(&form_of(more), &weights);
        prop_assert!(after.low >= before.low && after.high >= before.high);
    }

    #[test]
    fn the_interval_holds_whatever_the_unknown_turns_out_to_be(
        harm in any_harm(), weights in any_weights(), found in proptest::collection::vec(0..=5u64, 6),
    ) {
        let interval = Harm::of(&form_of(harm.clone()), &weights);
        let all = Factor::ALL.iter().zip(found).map(|(factor, band)| {
            let stated = harm.iter().find(|h| h.factor == *factor && h.band.is_some()).cloned();
            stated.unwrap_or_else(|| HarmFactor::of_band(*factor, band.min(factor.top()), Basis::ProviderData))
        });
        let exact = Harm::of(&form_of(all.collect()), &weights);
        prop_assert_eq!(exact.low, exact.high);
        prop_assert!((interval.low..=interval.high).contains(&exact.low));
    }

    #[test]
    fn the_interval_of_a_loss_holds_whatever_its_other_term_turns_out_to_be(total in any::<u64>(), each in any::<u64>()) {
        let loss = |amount| Some(Loss { amount, currency: "USD".into(), usd_cents: None, rate_date: None });
        let whole = HarmFacts { total_loss: loss(total), median_loss: loss(each), ..median("BR", 0) };
        let whole = HarmFacts { median_loss: loss(each), ..whole };
        let exact = band(Factor::Financial, whole.clone());
        prop_assert_eq!(exact.0, exact.1);
        for part in [HarmFacts { total_loss: None, ..whole.clone() }, HarmFacts { median_loss: None, ..whole }] {
            let open = band(Factor::Financial, part);
            prop_assert!((open.0..=open.1).contains(&exact.0));
        }
    }
}
