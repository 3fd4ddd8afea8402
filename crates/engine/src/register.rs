//! Arrangements as they stand among their parties (plan row 25).
//!
//! An arrangement is what all of its parties have published alike: one that is published by one party alone is claimed,
//! one that any party has ended counts no longer.

use crate::federation::Federation;
use crate::listing::Listed;
use lapwing_record::id::{Digest, Pid};
use lapwing_record::register::Arrangement;
use std::collections::{BTreeMap, BTreeSet};

/// How an arrangement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Every party that takes part here has published it.
    Agreed,
    /// Some parties have not (yet).
    Claimed,
    /// A party has ended it.
    Ended,
    /// Its day has passed.
    Expired,
}

impl Standing {
    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Agreed => "agreed",
            Standing::Claimed => "claimed",
            Standing::Ended => "ended",
            Standing::Expired => "expired",
        }
    }

    /// Every standing.
    pub const ALL: [Standing; 4] = [Standing::Agreed, Standing::Claimed, Standing::Ended, Standing::Expired];
}

/// An arrangement of the register.
#[derive(Clone, Debug)]
pub struct Registered {
    /// What was published.
    pub arrangement: Listed<Arrangement>,
    /// The parties that published it.
    pub published_by: BTreeSet<Pid>,
    /// Parties that take part here and have not.
    pub missing: BTreeSet<Pid>,
    /// How it stands.
    pub standing: Standing,
}

/// Who published it, and what.
type Published = (Pid, Listed<Arrangement>);

/// The register at `now` (milliseconds UTC): by code, and, where parties published different terms under one code, each.
pub fn arrangements(federation: &Federation, now: u64) -> Vec<Registered> {
    let mut by_terms: BTreeMap<(String, Digest), Vec<Published>> = BTreeMap::new();
    for pid in federation.pids() {
        for listed in federation.listing(&pid).into_iter().flat_map(|l| l.arrangements.values()) {
            let key = (listed.record.code.clone(), listed.record.terms());
            by_terms.entry(key).or_default().push((pid, listed.clone()));
        }
    }
    by_terms.into_values().map(|published| registered(federation, published, now)).collect()
}

fn registered(federation: &Federation, published: Vec<Published>, now: u64) -> Registered {
    let published_by: BTreeSet<Pid> = published.iter().map(|(pid, _)| *pid).collect();
    let ended = published.iter().any(|(_, listed)| listed.record.ended);
    // the same terms, whoever's copy it is: the lowest author's, so that every node shows the same
    let (_, arrangement) = published.into_iter().next().expect("a group holds at least one");
    let here = arrangement.record.parties.iter().filter(|pid| federation.is_participant(pid));
    let missing: BTreeSet<Pid> = here.filter(|pid| !published_by.contains(pid)).copied().collect();
    let until = arrangement.record.valid_until.as_deref().and_then(lapwing_record::form::when::span);
    let over = until.is_some_and(|(_, last)| u64::try_from(last).is_ok_and(|last| last * 1000 < now));
    let standing = match () {
        () if ended => Standing::Ended,
        () if over => Standing::Expired,
        () if missing.is_empty() => Standing::Agreed,
        () => Standing::Claimed,
    };
    Registered { arrangement, published_by, missing, standing }
}

/// The arrangements that stand and that a participant is party to: its fellow parties by code.
pub fn agreed_with(federation: &Federation, pid: &Pid, now: u64) -> BTreeMap<String, Vec<Pid>> {
    let agreed = arrangements(federation, now).into_iter().filter(|r| r.standing == Standing::Agreed);
    let own = agreed.map(|r| r.arrangement.record).filter(|a| a.parties.contains(pid));
    own.map(|a| (a.code.clone(), a.parties.clone())).collect()
}
