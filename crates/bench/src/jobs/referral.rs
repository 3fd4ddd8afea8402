//! A referral and its receipt, without and with evidence.

use super::{Bench, Found, progress};
use crate::federation::Federation;
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Evidence, form};
use crate::plain::Plain;
use lapwing_record::cbor::encode;
use std::path::Path;

/// Bytes of evidence, the case's name, the goal, samples: few and many.
const CASES: [(usize, &str, f64, usize, usize); 3] = [
    (0, "form, 2 KB", 2.0, 10, 60),
    (1 << 20, "and 1 MB evidence", 1.0, 5, 30),
    (50 << 20, "and 50 MB evidence", 0.6, 1, 30),
];

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let pair = bench.pair(&Federation::found(dir, 2)?)?;
    let mut plain = Plain::begin(&dir.join("plain"))?;
    let mut rows = Vec::new();
    for (len, case, goal, quick, many) in CASES {
        let n = bench.samples(quick, many);
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for i in 0..n {
            let evidence = (len > 0).then(|| Evidence::of(len, i as u64));
            let body = encode(&form(evidence.as_ref().map(|e| e.item.clone())));
            ours.add_time(match &evidence {
                None => pair.refer(&form(None))?,
                Some(evidence) => pair.refer_with(evidence)?,
            });
            theirs.add_time(plain.refer(&body, evidence.as_ref().map(|e| &e.bytes[..]))?);
            progress("referral", case, i + 1, n);
        }
        rows.push(Row::of(case, "ms", &ours, Some(&theirs), Goal::Ratio(goal)));
    }
    Ok(Found { rows, notes: Vec::new() })
}
