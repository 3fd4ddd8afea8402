//! Who can act on this, and why: agencies in the order in which they fit a pro forma (plan rows 11, 22, 23).
//!
//! Nothing is decided here: the answer names reasons and gaps, an officer chooses.

use crate::federation::Federation;
use crate::register;
use lapwing_record::directory::Role;
use lapwing_record::form::{Conduct, Form, LocationRole};
use lapwing_record::id::Pid;
use lapwing_record::identity::Class;
use lapwing_record::legal::{Comparison, compare, measures};
use std::collections::{BTreeMap, BTreeSet};

/// Why an agency fits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A party of the pro forma has something in its country.
    Located(LocationRole),
    /// A party of the pro forma has its seat there.
    Seat,
    /// Its profile names the channel.
    Competent,
    /// Its law covers so many of the kinds of conduct.
    Law {
        /// Covered.
        covered: usize,
        /// Of so many.
        of: usize,
    },
    /// It has the powers for so many of the things asked for.
    Powers {
        /// Within its powers.
        within: usize,
        /// Of so many.
        of: usize,
    },
    /// It reads the language of the pro forma.
    Language,
    /// An arrangement stands between the two.
    Arrangement(String),
}

/// What speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Nothing of the pro forma is in its country.
    NoLink,
    /// Neither profile nor law names the channel.
    ChannelUnknown,
    /// Its law covers none of the conduct, or it has said that it has none.
    NoLaw,
    /// It has not published what its law covers.
    LawUnknown,
    /// It does not read the language.
    OtherLanguage,
    /// It has no point of contact that takes referrals.
    NoIntake,
    /// Nothing can be sealed to it now.
    Unreachable,
    /// The requester does not want it to be contacted.
    DoNotContact,
}

impl Gap {
    /// The stable token.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Gap::NoLink => "no_link",
            Gap::ChannelUnknown => "channel_unknown",
            Gap::NoLaw => "no_law",
            Gap::LawUnknown => "law_unknown",
            Gap::OtherLanguage => "other_language",
            Gap::NoIntake => "no_intake",
            Gap::Unreachable => "unreachable",
            Gap::DoNotContact => "do_not_contact",
        }
    }
}

/// An agency, and how it fits.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The agency.
    pub pid: Pid,
    /// What speaks for it.
    pub reasons: Vec<Reason>,
    /// What speaks against it.
    pub gaps: Vec<Gap>,
    /// How the pro forma stands to its law; none where it published nothing.
    pub law: Option<Comparison>,
}

impl Candidate {
    /// Whether it can be asked and has something to act on: a link to its country or the channel, and law or competence.
    pub fn can_act(&self) -> bool {
        let bars = [Gap::Unreachable, Gap::DoNotContact, Gap::NoLaw];
        let linked = self.reasons.iter().any(|r| matches!(r, Reason::Located(_) | Reason::Seat));
        let able = self.reasons.iter().any(|r| matches!(r, Reason::Competent | Reason::Law { .. }));
        linked && able && !bars.iter().any(|bar| self.gaps.contains(bar))
    }

    /// Greater fits better: whether it can act, links to its country, law, powers, then the rest.
    fn rank(&self) -> (bool, usize, usize, usize, usize) {
        let count = |of: &dyn Fn(&Reason) -> usize| self.reasons.iter().map(of).sum::<usize>();
        let links = count(&|r| match r {
            // who sends and who is paid weigh more than what merely passes through
            Reason::Located(LocationRole::Transit | LocationRole::Destination) => 1,
            Reason::Located(_) | Reason::Seat => 3,
            _ => 0,
        });
        let law = count(&|r| match r {
            Reason::Law { covered, of } => 100 * covered / of.max(&1),
            Reason::Competent => 50,
            _ => 0,
        });
        let powers = count(&|r| if let Reason::Powers { within, of } = r { 100 * within / of.max(&1) } else { 0 });
        let rest = count(&|r| usize::from(matches!(r, Reason::Language | Reason::Arrangement(_))));
        (self.can_act(), links, law, powers, rest)
    }
}

/// Every agency in full standing but `me`, the one that fits best first; among equals by id.
pub fn who_can_act(federation: &Federation, me: &Pid, form: &Form, now: u64) -> Vec<Candidate> {
    let arrangements = register::agreed_with(federation, me, now);
    let agencies = federation.pids().filter(|pid| {
        let agency = federation.inception(pid).is_some_and(|i| i.class == Class::Agency);
        pid != me && agency && federation.is_participant(pid)
    });
    let mut found: Vec<Candidate> = agencies.map(|pid| candidate(federation, pid, &arrangements, form, now)).collect();
    found.sort_by(|a, b| b.rank().cmp(&a.rank()).then(a.pid.cmp(&b.pid)));
    found
}

fn candidate(
    federation: &Federation,
    pid: Pid,
    arrangements: &BTreeMap<String, Vec<Pid>>,
    form: &Form,
    now: u64,
) -> Candidate {
    let (mut reasons, mut gaps) = (BTreeSet::new(), BTreeSet::new());
    let inception = federation.inception(&pid);
    let country = inception.map(|i| i.country.as_str()).unwrap_or_default();
    for party in form.parties.iter().flatten() {
        let here = party.locations.iter().flatten().filter(|l| l.country == country);
        reasons.extend(here.map(|l| Reason::Located(l.role)));
        if party.country.as_deref() == Some(country) {
            reasons.insert(Reason::Seat);
        }
    }
    if reasons.is_empty() {
        gaps.insert(Gap::NoLink);
    }
    let listing = federation.listing(&pid);
    let profile = listing.and_then(|l| l.profile.as_ref()).map(|p| &*p.record);
    let on_channel = profile.map(|p| p.competence.iter().filter(|c| form.channel.is_none_or(|ch| c.channel == ch)));
    let competent: Vec<_> = on_channel.into_iter().flatten().collect();
    if !competent.is_empty() {
        reasons.insert(Reason::Competent);
    }
    let law = listing.and_then(|l| l.legal.as_ref()).map(|l| compare(form, &l.record));
    let kinds: BTreeSet<Conduct> = form.conduct.iter().flatten().copied().collect();
    match &law {
        Some(law) if !law.laws().is_empty() => {
            reasons.insert(Reason::Law { covered: law.covered.len(), of: kinds.len() });
        }
        Some(_) => drop(gaps.insert(Gap::NoLaw)),
        None => drop(gaps.insert(Gap::LawUnknown)),
    }
    if competent.is_empty() && law.as_ref().is_none_or(|l| l.laws().is_empty()) {
        gaps.insert(Gap::ChannelUnknown);
    }
    let asked: Vec<_> = form.assistance.iter().flatten().filter(|a| !measures(a.kind).is_empty()).collect();
    let within = match &law {
        Some(law) if !law.laws().is_empty() => asked.len() - law.powerless.len(),
        // without a law published, what its profile says it can do
        _ => {
            let can = |m| competent.iter().any(|c| c.measures.contains(m));
            asked.iter().filter(|a| measures(a.kind).iter().any(can)).count()
        }
    };
    if within > 0 {
        reasons.insert(Reason::Powers { within, of: asked.len() });
    }
    let languages = profile.map(|p| &p.languages[..]).unwrap_or_default();
    if let (Some(wanted), false) = (&form.language, languages.is_empty()) {
        let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        if languages.iter().any(|l| base(l) == base(wanted)) {
            reasons.insert(Reason::Language);
        } else {
            gaps.insert(Gap::OtherLanguage);
        }
    }
    let shared = arrangements.iter().filter(|(_, parties)| parties.contains(&pid));
    reasons.extend(shared.map(|(code, _)| Reason::Arrangement(code.clone())));
    let takes = |role| matches!(role, Role::CaseIntake | Role::General | Role::Urgent);
    let contacts = listing.map(|l| l.contacts.values().chain(l.agency_contacts.values()));
    if !contacts.into_iter().flatten().any(|c| takes(c.record.role)) {
        gaps.insert(Gap::NoIntake);
    }
    if listing.is_none_or(|l| l.kem_key(now).is_none()) {
        gaps.insert(Gap::Unreachable);
    }
    let named = |text: &String| inception.is_some_and(|i| *text == i.short_name || *text == i.legal_name);
    if form.do_not_contact.iter().flatten().any(named) {
        gaps.insert(Gap::DoNotContact);
    }
    Candidate { pid, reasons: reasons.into_iter().collect(), gaps: gaps.into_iter().collect(), law }
}
