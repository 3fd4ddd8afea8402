//! Samples, quantiles, ratios, and the table of a job.

use crate::machine::Machine;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use std::time::Duration;

/// What was measured of one thing, in the row's unit.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds a time, in milliseconds.
    pub fn add_time(&mut self, time: Duration) {
        self.add(time.as_secs_f64() * 1e3);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each value, changed.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Samples {
        Samples(self.0.iter().map(|v| change(*v)).collect())
    }

    /// The value that a share `q` of the samples does not exceed (nearest rank); NaN of none.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }
}

/// What the goal is set on.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// The ratio of the medians, ours to plain.
    Ratio(f64),
    /// Our own median.
    Value(f64),
}

/// One row of a job's table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which case of the job.
    pub case: String,
    /// Unit of the four quantiles.
    pub unit: &'static str,
    /// Samples of each.
    pub n: usize,
    /// Our median.
    pub ours_p50: f64,
    /// Ours, 99th percentile.
    pub ours_p99: f64,
    /// The plain pipeline's median, where there is one.
    pub plain_p50: Option<f64>,
    /// The plain pipeline's 99th percentile.
    pub plain_p99: Option<f64>,
    /// Ours to plain, medians.
    pub ratio_p50: Option<f64>,
    /// Ours to plain, 99th percentiles.
    pub ratio_p99: Option<f64>,
    /// The goal, in words.
    pub goal: String,
    /// Whether the goal is met.
    pub within_goal: bool,
    /// Whether it is off by no more than five times.
    pub within_5x: bool,
}

impl Row {
    /// Puts a row together.
    pub fn of(case: impl Into<String>, unit: &'static str, ours: &Samples, plain: Option<&Samples>, goal: Goal) -> Row {
        let of = |s: &Samples| (s.quantile(0.5), s.quantile(0.99));
        let (ours_p50, ours_p99) = of(ours);
        let plain = plain.map(of);
        let ratio_p50 = plain.map(|p| ours_p50 / p.0);
        let (measured, limit, goal) = match goal {
            Goal::Ratio(limit) => (ratio_p50.unwrap_or(f64::NAN), limit, format!("ratio ≤ {limit}")),
            Goal::Value(limit) => (ours_p50, limit, format!("≤ {limit} {unit}")),
        };
        Row {
            case: case.into(),
            unit,
            n: ours.len(),
            ours_p50,
            ours_p99,
            plain_p50: plain.map(|p| p.0),
            plain_p99: plain.map(|p| p.1),
            ratio_p50,
            ratio_p99: plain.map(|p| ours_p99 / p.1),
            goal,
            within_goal: measured <= limit,
            within_5x: measured <= limit * 5.0,
        }
    }
}

/// What a job found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The job.
    pub job: &'static str,
    /// What one sample is.
    pub work: &'static str,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Anything that the numbers do not say.
    pub notes: Vec<String>,
    /// On what.
    #[serde(flatten)]
    pub machine: Machine,
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header([
            "case",
            "n",
            "unit",
            "ours p50",
            "p99",
            "plain p50",
            "p99",
            "ratio p50",
            "p99",
            "goal",
            "met",
        ]);
        let some = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), number);
        for row in &self.rows {
            let met = match (row.within_goal, row.within_5x) {
                (true, _) => "yes",
                (false, true) => "within 5×",
                (false, false) => "NO",
            };
            table.add_row([
                row.case.clone(),
                row.n.to_string(),
                row.unit.to_owned(),
                number(row.ours_p50),
                number(row.ours_p99),
                some(row.plain_p50),
                some(row.plain_p99),
                some(row.ratio_p50),
                some(row.ratio_p99),
                row.goal.clone(),
                met.to_owned(),
            ]);
        }
        let m = &self.machine;
        let mut text = format!(
            "{}: {}\n{table}\n{} cores, {}, load {} before, {} after",
            self.job, self.work, m.cores, m.file_system, m.load_before, m.load_after
        );
        for note in &self.notes {
            text.push_str("\n  ");
            text.push_str(note);
        }
        text.push('\n');
        text
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let s = samples(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((s.quantile(0.5), s.quantile(0.99), s.quantile(0.0)), (3.0, 5.0, 1.0));
        assert!(samples(&[]).quantile(0.5).is_nan());
    }

    #[test]
    fn a_goal_is_on_the_ratio_or_on_the_value_and_nothing_measured_meets_none() {
        let row = |goal| Row::of("x", "ms", &samples(&[6.0]), Some(&samples(&[2.0])), goal);
        let met = |r: Row| (r.within_goal, r.within_5x);
        assert_eq!(met(row(Goal::Ratio(3.0))), (true, true));
        assert_eq!(met(row(Goal::Ratio(2.0))), (false, true));
        assert_eq!(met(row(Goal::Ratio(0.5))), (false, false));
        assert_eq!(met(row(Goal::Value(6.0))), (true, true));
        let none = Row::of("x", "ms", &samples(&[]), None, Goal::Value(1.0));
        assert_eq!(met(none), (false, false));
    }
}
