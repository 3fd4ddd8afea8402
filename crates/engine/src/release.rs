//! Whether something of a case may leave: the one release check of every exit (docs/protocol.md §6.7).
//!
//! ```text
//! markings of every part (TLP, PAP, handling codes, onward, judicial use, retention) ─┐
//! the exit: who would have it, and what for ───────────────────────────────────────────┼─▶ free, or every rule that blocks it
//! consents that the originator signed ─────────────────────────────────────────────────┘
//! ```
//!
//! The originator of a part decides about it: its own exits are free, except that TLP:RED keeps to officers at both ends.
//! Only a consent that the originator signed lifts a rule; nothing that anybody here sets does. A stricter marking never
//! frees an exit, and a consent never blocks one.

use crate::case::{Case, Consent, Told};
use lapwing_record::form::{Form, JudicialUse, Onward, Pap, when};
use lapwing_record::id::Pid;
use lapwing_record::statement::{Limits, Tlp};
use std::collections::BTreeSet;

/// A way out: who would have it, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// An officer of this agency reads it: those who handle referrals.
    Officer,
    /// Another role of this agency reads or finds it.
    Staff,
    /// A file for this agency's own use: bundle, PDF, table.
    File,
    /// The same, to be used before a court.
    Court,
    /// A transfer to another agency.
    Agency {
        /// The agency.
        to: Pid,
        /// Whether it is of this agency's own country.
        domestic: bool,
    },
    /// A report for somebody outside the federation, such as a provider's abuse desk.
    Outside,
}

impl Exit {
    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Exit::Officer => "officer",
            Exit::Staff => "staff",
            Exit::File => "file",
            Exit::Court => "court",
            Exit::Agency { .. } => "agency",
            Exit::Outside => "outside",
        }
    }

    /// Whether it goes beyond this agency.
    const fn leaves(self) -> bool {
        matches!(self, Exit::Agency { .. } | Exit::Outside)
    }
}

/// A rule that blocks an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// TLP:RED: the officers who handle it, nobody else.
    TlpRed,
    /// TLP:AMBER+STRICT: the organisation only.
    TlpAmberStrict,
    /// TLP:AMBER: the organisation and its clients.
    TlpAmber,
    /// TLP:GREEN: the community of agencies, not the public.
    TlpGreen,
    /// It may not be passed on.
    OnwardNo,
    /// It may be passed on only after asking.
    OnwardAsk,
    /// It may be passed on to competent agencies of the same country only.
    OnwardDomestic,
    /// H1: no judicial use without permission.
    H1,
    /// H2: no dissemination without permission.
    H2,
    /// H3: a condition in words, which no program can judge.
    H3,
    /// It may not be used before a court, or only after asking.
    JudicialUse,
    /// PAP:RED or PAP:AMBER: nothing that the subject could notice.
    Pap,
    /// It was to be kept until a day that has passed.
    RetentionOver,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 13] = [
        Rule::TlpRed,
        Rule::TlpAmberStrict,
        Rule::TlpAmber,
        Rule::TlpGreen,
        Rule::OnwardNo,
        Rule::OnwardAsk,
        Rule::OnwardDomestic,
        Rule::H1,
        Rule::H2,
        Rule::H3,
        Rule::JudicialUse,
        Rule::Pap,
        Rule::RetentionOver,
    ];

    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::TlpRed => "tlp_red",
            Rule::TlpAmberStrict => "tlp_amber_strict",
            Rule::TlpAmber => "tlp_amber",
            Rule::TlpGreen => "tlp_green",
            Rule::OnwardNo => "onward_no",
            Rule::OnwardAsk => "onward_ask",
            Rule::OnwardDomestic => "onward_domestic",
            Rule::H1 => "h1",
            Rule::H2 => "h2",
            Rule::H3 => "h3",
            Rule::JudicialUse => "judicial_use",
            Rule::Pap => "pap",
            Rule::RetentionOver => "retention_over",
        }
    }

    /// The field of the pro forma that it stands in.
    pub const fn field(self) -> &'static str {
        match self {
            Rule::TlpRed | Rule::TlpAmberStrict | Rule::TlpAmber | Rule::TlpGreen => "tlp",
            Rule::OnwardNo | Rule::OnwardAsk | Rule::OnwardDomestic => "onward",
            Rule::H1 | Rule::H2 | Rule::H3 => "handling_codes",
            Rule::JudicialUse => "judicial_use",
            Rule::Pap => "pap",
            Rule::RetentionOver => "retention_until",
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Rule::TlpRed => "TLP:RED keeps it to the officers who handle it",
            Rule::TlpAmberStrict => "TLP:AMBER+STRICT keeps it to this organisation",
            Rule::TlpAmber => "TLP:AMBER keeps it to this organisation and its clients",
            Rule::TlpGreen => "TLP:GREEN keeps it to the community of agencies",
            Rule::OnwardNo => "the originator does not let it be passed on",
            Rule::OnwardAsk => "the originator wants to be asked before it is passed on",
            Rule::OnwardDomestic => "the originator lets it be passed on to competent agencies of this country only",
            Rule::H1 => "handling code H1: no judicial use without permission",
            Rule::H2 => "handling code H2: no dissemination without permission",
            Rule::H3 => "handling code H3: a condition in words stands on it, which the originator must say is met",
            Rule::JudicialUse => "the originator does not let it be used before a court without being asked",
            Rule::Pap => "its PAP marking forbids what the subject could notice",
            Rule::RetentionOver => "the day until which it was to be kept has passed",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a consent that the originator signed frees an exit at `now`. Its conditions, where it has some, are for people.
fn frees(consent: &Consent, exit: Exit, now: u64) -> bool {
    consent.until.is_none_or(|until| now < until)
        && match exit {
            Exit::Officer => true,
            Exit::Agency { to, domestic } => consent.onward.contains(&to) || (consent.domestic && domestic),
            Exit::Staff | Exit::File | Exit::Outside => consent.dissemination,
            Exit::Court => consent.judicial_use,
        }
}

/// What a part's originator has set on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marking {
    /// Traffic Light Protocol.
    pub tlp: Tlp,
    /// Permissible Actions Protocol.
    pub pap: Option<Pap>,
    /// Handling codes: `H0`, `H1`, `H2`, `H3:condition`.
    pub codes: Vec<String>,
    /// Whether it may be passed on.
    pub onward: Option<Onward>,
    /// Whether it may be used before a court.
    pub judicial: Option<JudicialUse>,
    /// Milliseconds UTC at which its retention ends.
    pub retention: Option<u64>,
}

impl Marking {
    /// The marking of a part that has nothing but its TLP.
    pub fn of_tlp(tlp: Tlp) -> Self {
        Marking { tlp, pap: None, codes: Vec::new(), onward: None, judicial: None, retention: None }
    }

    /// The marking of a result: how far its author lets it be used.
    pub fn of_limits(limits: &Limits, statement: Tlp) -> Self {
        let tlp = limits.tlp.map_or(statement, |tlp| tlp.max(statement));
        Marking { codes: limits.handling_codes.clone(), ..Marking::of_tlp(tlp) }
    }

    /// The marking of a pro forma as a whole: its own, as strict as the strictest of the parties in it. `statement` is
    /// the TLP that it was sent under.
    pub fn of_form(form: &Form, statement: Tlp) -> Self {
        let parties = form.parties.iter().flatten().filter_map(|p| p.tlp);
        let whole = form.tlp.unwrap_or(Tlp::AmberStrict);
        let last_second = form.retention_until.as_deref().and_then(when::span).map(|(_, last)| last);
        Marking {
            tlp: parties.chain([whole]).fold(statement, Tlp::max),
            pap: form.pap,
            codes: form.handling_codes.clone().unwrap_or_default(),
            onward: form.onward,
            judicial: form.judicial_use,
            retention: last_second.and_then(|last| u64::try_from(last + 1).ok()).map(|end| end * 1000),
        }
    }

    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code || (code == "H3" && c.starts_with("H3")))
    }

    /// The rules that block an exit, consents left aside.
    fn rules(&self, exit: Exit, now: u64) -> BTreeSet<Rule> {
        let mut rules = BTreeSet::new();
        let mut set = |holds: bool, rule| holds.then(|| rules.insert(rule));
        set(self.tlp == Tlp::Red && exit != Exit::Officer, Rule::TlpRed);
        if exit.leaves() {
            // the originator's `domestic_competent_agencies` is the permission that AMBER and AMBER+STRICT ask for
            let domestic = matches!(exit, Exit::Agency { domestic: true, .. });
            let passed_on = self.onward == Some(Onward::DomesticCompetentAgencies) && domestic;
            set(self.tlp == Tlp::AmberStrict && !passed_on, Rule::TlpAmberStrict);
            set(self.tlp == Tlp::Amber && !passed_on, Rule::TlpAmber);
            set(self.tlp == Tlp::Green && exit == Exit::Outside, Rule::TlpGreen);
            set(self.onward == Some(Onward::No), Rule::OnwardNo);
            set(self.onward == Some(Onward::Ask), Rule::OnwardAsk);
            set(self.onward == Some(Onward::DomesticCompetentAgencies) && !domestic, Rule::OnwardDomestic);
            set(self.has("H2"), Rule::H2);
            set(self.has("H3"), Rule::H3);
            set(self.retention.is_some_and(|end| now >= end), Rule::RetentionOver);
        }
        if exit == Exit::Outside {
            set(matches!(self.pap, Some(Pap::Red | Pap::Amber)), Rule::Pap);
        }
        if exit == Exit::Court {
            set(self.has("H1"), Rule::H1);
            set(self.has("H3"), Rule::H3);
            set(matches!(self.judicial, Some(JudicialUse::No | JudicialUse::Ask)), Rule::JudicialUse);
        }
        rules
    }
}

/// A part of a case: who said it, and under which marking.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its originator.
    pub by: Pid,
    /// What the originator set on it.
    pub marking: Marking,
}

/// Whose the marking of a statement is. One who answers under the marking of what was said before adds none of its own: it
/// stays with the one who set it.
pub fn originator(case: &Case, told: &Told) -> Pid {
    let (own, theirs) = (case.side(&told.open.from), case.side(&case.peer(&told.open.from)));
    let seen = told.open.seen_peer.and_then(|id| theirs.iter().position(|t| t.open.id == id));
    let before = own.iter().take_while(|t| t.open.msg_no < told.open.msg_no);
    // what its sender knew: each step goes back to an earlier statement, so it ends
    let known = before.chain(seen.map_or(&[][..], |last| &theirs[..=last]));
    let as_strict = known.into_iter().find(|t| t.open.handling >= told.open.handling);
    as_strict.map_or(told.open.from, |earlier| originator(case, earlier))
}

/// Whether these parts may leave by `exit` from the node of `me` at `now`, given what their originators consented to.
///
/// # Errors
/// Every rule that blocks it, each once.
pub fn check<'a>(
    me: Pid,
    parts: impl IntoIterator<Item = &'a Part>,
    consents: &[Consent],
    exit: Exit,
    now: u64,
) -> Result<(), Vec<Rule>> {
    let consented = consents.iter().any(|c| frees(c, exit, now));
    let mut blocked = BTreeSet::new();
    for part in parts {
        let rules = part.marking.rules(exit, now);
        if part.by == me {
            // one's own: free, but RED is for officers here too
            blocked.extend(rules.into_iter().filter(|r| *r == Rule::TlpRed && exit == Exit::Staff));
        } else if !consented {
            blocked.extend(rules);
        }
    }
    if blocked.is_empty() { Ok(()) } else { Err(blocked.into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::case::Open;
    use lapwing_record::form::{Party, PartyRole, sample};
    use lapwing_record::id::{MsgId, ThreadId};
    use lapwing_record::statement::Kind;
    use proptest::prelude::*;

    const ME: Pid = Pid([1; 32]);
    const THEM: Pid = Pid([2; 32]);
    const THIRD: Pid = Pid([3; 32]);
    const NOW: u64 = 1_000;
    const ABROAD: Exit = Exit::Agency { to: THIRD, domestic: false };
    const AT_HOME: Exit = Exit::Agency { to: THIRD, domestic: true };
    const EXITS: [Exit; 7] = [Exit::Officer, Exit::Staff, Exit::File, Exit::Court, ABROAD, AT_HOME, Exit::Outside];

    fn of(by: Pid, marking: Marking, consents: &[Consent], exit: Exit) -> Vec<Rule> {
        check(ME, [&Part { by, marking }], consents, exit, NOW).err().unwrap_or_default()
    }

    fn tlp(tlp: Tlp) -> Marking {
        Marking::of_tlp(tlp)
    }

    /// What a consent may cover.
    #[derive(Clone, Copy)]
    enum Scope {
        Agency(Pid),
        DomesticAgencies,
        Dissemination,
        JudicialUse,
    }

    fn consent(scope: Scope) -> Consent {
        Consent {
            id: MsgId([0; 32]),
            request: None,
            at: 0,
            onward: if let Scope::Agency(pid) = scope { vec![pid] } else { vec![] },
            domestic: matches!(scope, Scope::DomesticAgencies),
            dissemination: matches!(scope, Scope::Dissemination),
            judicial_use: matches!(scope, Scope::JudicialUse),
            until: None,
            conditional: false,
        }
    }

    #[test]
    fn red_has_no_road_out_but_the_officers_eyes() {
        for exit in EXITS {
            let blocked = of(THEM, tlp(Tlp::Red), &[], exit);
            assert_eq!(blocked.contains(&Rule::TlpRed), exit != Exit::Officer, "{exit:?}");
        }
    }

    #[test]
    fn each_tlp_has_its_circle() {
        let open = |marking: Tlp| -> Vec<&str> {
            EXITS.iter().filter(|e| of(THEM, tlp(marking), &[], **e).is_empty()).map(|e| e.as_str()).collect()
        };
        assert_eq!(open(Tlp::Red), ["officer"]);
        assert_eq!(open(Tlp::AmberStrict), ["officer", "staff", "file", "court"]);
        assert_eq!(open(Tlp::Amber), ["officer", "staff", "file", "court"]);
        assert_eq!(open(Tlp::Green), ["officer", "staff", "file", "court", "agency", "agency"]);
        assert_eq!(open(Tlp::Clear).len(), EXITS.len());
    }

    #[test]
    fn what_the_originator_says_about_passing_on_decides_within_the_tlp() {
        let onward = |onward, level| Marking { onward: Some(onward), ..tlp(level) };
        assert_eq!(of(THEM, onward(Onward::No, Tlp::Clear), &[], ABROAD), [Rule::OnwardNo]);
        assert_eq!(of(THEM, onward(Onward::Ask, Tlp::Clear), &[], AT_HOME), [Rule::OnwardAsk]);
        let home = onward(Onward::DomesticCompetentAgencies, Tlp::AmberStrict);
        assert!(of(THEM, home.clone(), &[], AT_HOME).is_empty());
        assert_eq!(of(THEM, home.clone(), &[], ABROAD), [Rule::TlpAmberStrict, Rule::OnwardDomestic]);
        assert_eq!(of(THEM, Marking { tlp: Tlp::Red, ..home }, &[], AT_HOME), [Rule::TlpRed]);
    }

    #[test]
    fn handling_codes_and_judicial_use_block_what_they_name() {
        let coded = |code: &str| Marking { codes: vec![code.into()], ..tlp(Tlp::Clear) };
        assert_eq!(of(THEM, coded("H1"), &[], Exit::Court), [Rule::H1]);
        assert!(of(THEM, coded("H1"), &[], Exit::File).is_empty());
        assert_eq!(of(THEM, coded("H2"), &[], AT_HOME), [Rule::H2]);
        assert_eq!(of(THEM, coded("H3:not for hosts"), &[], Exit::Outside), [Rule::H3]);
        assert!(of(THEM, coded("H0"), &[], ABROAD).is_empty());
        for judicial in [JudicialUse::No, JudicialUse::Ask] {
            let marking = Marking { judicial: Some(judicial), ..tlp(Tlp::Clear) };
            assert_eq!(of(THEM, marking, &[], Exit::Court), [Rule::JudicialUse]);
        }
        let quiet = Marking { pap: Some(Pap::Amber), ..tlp(Tlp::Clear) };
        assert_eq!(of(THEM, quiet.clone(), &[], Exit::Outside), [Rule::Pap]);
        assert!(of(THEM, quiet, &[], ABROAD).is_empty());
        let over = Marking { retention: Some(NOW), ..tlp(Tlp::Clear) };
        assert_eq!(of(THEM, over.clone(), &[], ABROAD), [Rule::RetentionOver]);
        assert!(of(THEM, over, &[], Exit::File).is_empty());
    }

    #[test]
    fn a_consent_frees_what_it_names_and_only_until_its_end() {
        let red = || tlp(Tlp::Red);
        assert!(of(THEM, red(), &[consent(Scope::Agency(THIRD))], ABROAD).is_empty());
        assert!(!of(THEM, red(), &[consent(Scope::Agency(ME))], ABROAD).is_empty(), "another agency");
        assert!(!of(THEM, red(), &[consent(Scope::Agency(THIRD))], Exit::File).is_empty(), "another exit");
        assert!(of(THEM, red(), &[consent(Scope::DomesticAgencies)], AT_HOME).is_empty());
        assert!(!of(THEM, red(), &[consent(Scope::DomesticAgencies)], ABROAD).is_empty());
        assert!(of(THEM, red(), &[consent(Scope::Dissemination)], Exit::Staff).is_empty());
        assert!(!of(THEM, red(), &[consent(Scope::Dissemination)], Exit::Court).is_empty());
        assert!(of(THEM, red(), &[consent(Scope::JudicialUse)], Exit::Court).is_empty());
        let ended = Consent { until: Some(NOW), ..consent(Scope::Dissemination) };
        assert!(!of(THEM, red(), &[ended], Exit::File).is_empty());
    }

    #[test]
    fn ones_own_part_is_ones_own_to_release() {
        for exit in EXITS {
            let blocked = of(ME, tlp(Tlp::Red), &[], exit);
            assert_eq!(blocked, if exit == Exit::Staff { vec![Rule::TlpRed] } else { vec![] }, "{exit:?}");
        }
    }

    #[test]
    fn a_form_is_as_strict_as_its_strictest_party() {
        let mut form = sample();
        assert_eq!(Marking::of_form(&form, Tlp::Green).tlp, Tlp::AmberStrict);
        form.parties = Some(vec![Party { tlp: Some(Tlp::Red), ..Party::new(PartyRole::Witness) }]);
        assert_eq!(Marking::of_form(&form, Tlp::Green).tlp, Tlp::Red);
        assert!(Marking::of_form(&form, Tlp::Green).retention.is_some());
    }

    #[test]
    fn one_who_answers_under_a_marking_does_not_make_it_its_own() {
        let open = |from: Pid, to: Pid, n: u8, seen: Option<u8>, handling| Open {
            // numbered by who says it: 1, 4, 5 and 2, 3, 6
            msg_no: [0, 0, 0, 1, 1, 2, 2][usize::from(n)],
            thread: ThreadId([9; 32]),
            id: MsgId([n; 32]),
            prev_own: None,
            seen_peer: seen.map(|n| MsgId([n; 32])),
            from,
            to,
            kind: Kind::Submit,
            clock: 0,
            expires: 0,
            handling,
            items: 0,
            decisions: vec![],
            blobs: vec![],
            detail: None,
            unknown: vec![],
        };
        let submit = open(ME, THEM, 1, None, Tlp::Amber);
        let mut case = Case::new(&submit);
        case.asked.push(Told::heard(submit, 0));
        let of = |case: &Case, by: Pid, at: usize| originator(case, &case.side(&by)[at]);
        case.answered.push(Told::heard(open(THEM, ME, 2, Some(1), Tlp::Amber), 0));
        assert_eq!((of(&case, ME, 0), of(&case, THEM, 0)), (ME, ME));
        case.answered.push(Told::heard(open(THEM, ME, 3, Some(1), Tlp::Red), 0));
        case.asked.push(Told::heard(open(ME, THEM, 4, Some(2), Tlp::Red), 0));
        case.asked.push(Told::heard(open(ME, THEM, 5, Some(3), Tlp::Red), 0));
        assert_eq!((of(&case, THEM, 1), of(&case, ME, 1)), (THEM, ME), "set by both at once: each its own");
        case.answered.push(Told::heard(open(THEM, ME, 6, Some(5), Tlp::Red), 0));
        assert_eq!(of(&case, THEM, 2), THEM, "not handed back and forth");
    }

    fn marking() -> impl Strategy<Value = Marking> {
        let codes = prop::sample::subsequence(vec!["H0", "H1", "H2", "H3:x"], 0..=4);
        let any = (0usize..5, 0usize..5, codes, 0usize..4, 0usize..4, any::<bool>());
        any.prop_map(|(tlp, pap, codes, onward, judicial, over)| Marking {
            tlp: [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red][tlp],
            pap: [None, Some(Pap::Clear), Some(Pap::Green), Some(Pap::Amber), Some(Pap::Red)][pap],
            codes: codes.into_iter().map(str::to_owned).collect(),
            onward: [None, Some(Onward::No), Some(Onward::Ask), Some(Onward::DomesticCompetentAgencies)][onward],
            judicial: [None, Some(JudicialUse::Yes), Some(JudicialUse::Ask), Some(JudicialUse::No)][judicial],
            retention: over.then_some(NOW - 1),
        })
    }

    proptest! {
        /// A stricter marking never frees an exit, a second part never does, and a consent never blocks one.
        #[test]
        fn stricter_is_never_freer(a in marking(), b in marking(), e in 0usize..7, scope in 0usize..4) {
            let exit = EXITS[e];
            let one = of(THEM, a.clone(), &[], exit);
            if let Some(stricter) = [Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red].into_iter().find(|t| *t > a.tlp) {
                let stricter = of(THEM, Marking { tlp: stricter, ..a.clone() }, &[], exit);
                prop_assert!(one.is_empty() || !stricter.is_empty());
            }
            let parts = [Part { by: THEM, marking: a.clone() }, Part { by: THEM, marking: b.clone() }];
            let both = check(ME, &parts, &[], exit, NOW).err().unwrap_or_default();
            prop_assert!(one.iter().all(|r| both.contains(r)));
            let scope = [Scope::Agency(THIRD), Scope::DomesticAgencies, Scope::Dissemination, Scope::JudicialUse][scope];
            let with = check(ME, &parts, &[consent(scope)], exit, NOW).err().unwrap_or_default();
            prop_assert!(with.iter().all(|r| both.contains(r)));
            prop_assert!(check(ME, &parts, &[], Exit::Officer, NOW).is_ok(), "officers handle what they were sent");
        }
    }
}
