//! The harm as this agency sees it.

use super::say;
use crate::cli::Ctx;
use crate::cli::fail::Done;
use clap::Args;
use lapwing_api::types::Saying;
use lapwing_record::form::{Basis, Factor, HarmFactor};
use lapwing_record::statement::Assessment;

/// An assessment.
#[derive(Debug, Args)]
pub struct Assess {
    /// The case.
    thread: String,
    /// A factor: NAME=BAND:BASIS, or NAME=unknown.
    #[arg(long, value_name = "FACTOR", required = true, value_parser = factor)]
    factor: Vec<HarmFactor>,
    /// What it rests on, in words.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

fn factor(text: &str) -> Result<HarmFactor, String> {
    let bad = || format!("`{text}`: write NAME=BAND:BASIS, such as victims=3:provider_data, or NAME=unknown");
    let (name, said) = text.split_once('=').ok_or_else(bad)?;
    let factor: Factor = name.parse()?;
    if said == "unknown" {
        return Ok(HarmFactor::unknown(factor));
    }
    let (band, basis) = said.split_once(':').ok_or_else(bad)?;
    Ok(HarmFactor::of_band(factor, band.parse().map_err(|_| bad())?, basis.parse::<Basis>()?))
}

impl Assess {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let mut harm = self.factor;
        harm.sort_by_key(|f| f.factor);
        say(ctx, &self.thread, &Saying::Assess { body: Assessment { harm, note: self.note } }, "assessed")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_factor_is_a_band_with_its_basis_or_unknown() {
        let read = factor("victims=3:provider_data").unwrap();
        assert_eq!((read.factor, read.band, read.basis), (Factor::Victims, Some(3), Basis::ProviderData));
        assert_eq!(factor("gravity=unknown").unwrap().basis, Basis::Unknown);
        for bad in ["victims", "victims=3", "victims=x:provider_data", "luck=1:provider_data", "victims=1:rumour"] {
            assert!(factor(bad).is_err(), "{bad}");
        }
    }
}
