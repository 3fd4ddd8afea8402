//! The scenarios: for each danger who there is, and what each may write. All combinations of one row each are tried.

use super::script::Script;
use lapwing_record::charter::Veto;
use std::collections::{BTreeMap, BTreeSet};

/// One danger, and what everybody may write in it.
pub struct Family {
    /// What could go wrong.
    pub danger: &'static str,
    /// Letters of the founders.
    pub founders: &'static str,
    /// Letters of the others: `P` is of the private sector, `O` observes.
    pub applicants: &'static str,
    /// How long an objection may be made.
    pub veto: Veto,
    /// Who writes, and what. Authors with the very same choices are interchangeable: of two scenarios that differ by
    /// their exchange one is tried.
    pub scripts: &'static [(char, &'static [&'static str])],
}

/// What a founder may say of X in two entries.
const OF_X: &[&str] = &[
    "",
    "clear X",
    "object1 X",
    "consent1 X",
    "object1 X; withdraw2 X",
    "object2 X; withdraw1 X",
    "object1 X; withdraw1 X",
    "withdraw1 X; object1 X",
    "clear X; object1 X",
    "object1 X; clear X",
    "object2 X; consent1 X",
    "object1 X; stolen-withdraw9 X",
    "stolen-consent9 X",
    "clear X; leave",
];

/// The same, after the introduction.
const INTRODUCES_X: &[&str] = &[
    "intro X",
    "intro X; clear X",
    "intro X; consent1 X",
    "intro X; object1 X; clear X",
    "intro X; clear X; object1 X",
    "intro X; object2 X; withdraw1 X; clear X",
    "intro X; object1 X; withdraw2 X; clear X",
    "intro X; clear X; leave",
];

const FORKS: &[&str] = &[
    "/ object1 X | clear X",
    "/ object1 X | clear X; withdraw2 X",
    "/ object2 X; noted X | clear X; withdraw1 X",
    "object1 X / clear X | noted X",
    "clear X / seat X | object1 X",
    "/ seat Y; clear X | object1 X",
    "noted X; clear X / object1 X | withdraw1 X",
    "/ object1 X | stolen-withdraw9 X; clear X",
    "/ object1 X | clear X; leave",
    "/ profile; object1 X | clear X",
    "/ object1 X | clear X | noted X",
];

/// A founder of four that does not stay silent.
const EXCUSES: &[&str] =
    &["clear X; excuse X D", "excuse X D; clear X", "clear X", "excuse X D; consent1 X", "clear X; excuse X D; leave"];

const OF_M: &[&str] = &[
    "",
    "clear M; seat M",
    "seat M",
    "object1 M",
    "object1 M; seat M",
    "clear M; object1 M",
    "object2 M; withdraw1 M",
    "object1 M; withdraw2 M; seat M",
    "consent1 M; seat M",
];

/// All of them.
pub const FAMILIES: &[Family] = &[
    Family {
        danger: "an admission against an objection, in any order",
        founders: "ABC",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[('A', INTRODUCES_X), ('B', OF_X), ('C', OF_X)],
    },
    Family {
        danger: "the same where an objection after one's own clearance is late",
        founders: "ABC",
        applicants: "X",
        veto: Veto::Entry,
        scripts: &[('A', INTRODUCES_X), ('B', OF_X), ('C', OF_X)],
    },
    Family {
        danger: "a fork against an objection",
        founders: "ABC",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["intro X; clear X", "intro X; consent1 X; intro Y", "intro X; clear X; proof B"]),
            ('B', FORKS),
            ('C', &["", "clear X", "proof B; clear X", "clear X; proof B; proof B", "object1 X; proof B"]),
            ('X', &["", "proof B"]),
        ],
    },
    Family {
        danger: "a fork where an objection can be late",
        founders: "ABC",
        applicants: "XY",
        veto: Veto::Entry,
        scripts: &[
            ('A', &["intro X; clear X", "intro X; clear X; proof B"]),
            ('B', FORKS),
            ('C', &["clear X", "clear X; proof B", "object1 X; proof B"]),
        ],
    },
    Family {
        danger: "a proof of what is no fork",
        founders: "ABC",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["intro X; clear X; false-proof B", "intro X; false-proof B; false-proof B; clear X"]),
            ('B', &["noted X; clear X", "clear X; object1 X", "object2 X; withdraw1 X", "object1 X; clear X; leave"]),
            ('C', &["", "clear X", "false-proof B; clear X", "clear X; false-proof A; object1 X"]),
            ('X', &["", "false-proof B", "false-proof A; leave"]),
        ],
    },
    Family {
        danger: "an objector that was excused",
        founders: "ABCD",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["intro X; clear X; excuse X D", "intro X; consent1 X"]),
            ('B', EXCUSES),
            ('C', EXCUSES),
            (
                'D',
                &[
                    "",
                    "object1 X",
                    "clear X",
                    "leave",
                    "object1 X; withdraw2 X",
                    "object2 X; withdraw1 X",
                    "clear X; object1 X",
                ],
            ),
            ('X', &["", "clear X"]),
        ],
    },
    Family {
        danger: "a veto by the private sector, and against it",
        founders: "AB",
        applicants: "XPO",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro P; intro X; clear X + clear P; seat X",
                    "intro X; clear X; seat X; intro P; clear P",
                    "intro O; clear O; intro X; clear X",
                ],
            ),
            (
                'B',
                &[
                    "clear X + clear P",
                    "clear P; clear X; seat X",
                    "object1 P + clear X",
                    "clear O + clear X",
                    "clear X",
                ],
            ),
            (
                'P',
                &[
                    "",
                    "object1 X",
                    "clear X; seat X",
                    "seat X; excuse X A",
                    "consent1 X; intro X",
                    "object1 P; leave",
                    "clear P / noted X | object1 X",
                ],
            ),
            ('O', &["", "object1 X; clear X"]),
            ('X', &["", "object1 P", "clear P; object2 P", "object1 O; object2 P"]),
        ],
    },
    Family {
        danger: "a first word against a seat",
        founders: "AB",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro X; intro Y; clear X; seat X; clear Y",
                    "intro X; intro Y; noted Y + clear X; seat X; clear Y",
                    "intro X; intro Y; clear X + clear Y; seat X",
                    "intro X; intro Y; clear X / seat X; clear Y | noted Y",
                    "seat X + clear X; intro Y + clear Y; intro X",
                    "seat X; intro X + clear X; intro Y; clear Y",
                    "seat X; intro X; clear X; intro Y; clear Y",
                ],
            ),
            (
                'B',
                &[
                    "clear X; seat X; clear Y",
                    "clear X + clear Y; seat X",
                    "clear X + clear Y",
                    "noted Y; clear X; seat X; clear Y",
                ],
            ),
            ('X', &["", "clear Y", "object1 Y", "object1 Y; withdraw2 Y", "object1 Y; leave"]),
            ('Y', &["", "clear X", "object1 X"]),
        ],
    },
    Family {
        danger: "a ring of applicants that seat each other",
        founders: "AB",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro X; intro Y; clear X + clear Y",
                    "intro X; intro Y; seat X + seat Y + clear X + clear Y",
                    "intro X; intro Y; seat X + clear X; clear Y",
                    "intro X; intro Y; seat X + seat Y; consent1 X + clear Y",
                ],
            ),
            (
                'B',
                &["clear X + clear Y", "seat Y + clear X + clear Y", "object1 X + clear Y", "clear X + clear Y; leave"],
            ),
            (
                'X',
                &[
                    "",
                    "seat Y",
                    "seat Y; object1 Y",
                    "object1 Y; seat Y",
                    "seat Y; clear Y",
                    "seat Y; object1 Y; leave",
                ],
            ),
            ('Y', &["", "seat X", "seat X; object1 X", "object1 X; seat X", "seat X; clear X", "object1 X"]),
        ],
    },
    Family {
        danger: "a motion adopted against an objection",
        founders: "ABC",
        applicants: "",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "motion",
                    "motion; clear M; seat M",
                    "motion; consent2 M; seat M",
                    "motion; object2 M; seat M",
                    "motion; clear M; seat M; leave",
                    "motion / clear M; seat M | object2 M",
                ],
            ),
            ('B', OF_M),
            ('C', OF_M),
        ],
    },
    Family {
        danger: "four electors, one motion, a fork",
        founders: "ABCD",
        applicants: "",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["motion; clear M; seat M", "motion; clear M + seat M"]),
            ('B', &["clear M; seat M", "clear M + seat M", "object1 M"]),
            ('C', &["clear M; seat M", "clear M + seat M", "object1 M"]),
            (
                'D',
                &[
                    "",
                    "object1 M",
                    "/ object1 M | clear M",
                    "/ object1 M | seat M; clear M",
                    "object1 M / clear M | noted M",
                    "leave",
                    "clear M; object1 M",
                ],
            ),
        ],
    },
    Family {
        danger: "two motions on one base",
        founders: "ABC",
        applicants: "",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["motion; clear M + clear N; seat M + seat N", "motion; clear M; seat M", "motion; seat N; seat M"]),
            (
                'B',
                &[
                    "motion2; clear M + clear N; seat N + seat M",
                    "motion2; clear N; seat N",
                    "motion2; clear M; seat M; seat N",
                ],
            ),
            (
                'C',
                &[
                    "",
                    "clear M + clear N; seat M",
                    "clear N; seat N",
                    "seat M + seat N",
                    "object1 M; seat N",
                    "seat N; leave",
                ],
            ),
        ],
    },
    Family {
        danger: "a motion while somebody joins",
        founders: "AB",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "motion; intro X; clear X; seat X; clear M + seat M",
                    "intro X; clear X; seat X; motion; clear M + seat M",
                    "intro X; clear X; motion; clear M; seat X + seat M",
                ],
            ),
            (
                'B',
                &[
                    "clear X; seat X; clear M + seat M",
                    "clear X; clear M; seat M",
                    "clear M; object1 X",
                    "clear X; object1 M; seat M",
                ],
            ),
            ('X', &["", "clear M + seat M", "object1 M", "object1 M; withdraw2 M", "seat M; leave"]),
        ],
    },
    Family {
        danger: "what comes too early",
        founders: "AB",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "seat X",
                    "seat X + clear X",
                    "clear X; seat X",
                    "seat X @B0",
                    "clear X @B0; seat X",
                    "clear Y @X0; seat X",
                    "object1 X @B0; seat X; withdraw2 X",
                ],
            ),
            (
                'B',
                &[
                    "intro X",
                    "intro X; clear X",
                    "intro X @A0; clear X",
                    "clear X; intro X; seat X",
                    "clear X + clear Y; intro X",
                ],
            ),
            (
                'X',
                &["", "intro Y", "intro Y; clear Y", "intro Y @A0", "seat Y; intro Y @B0", "noted Y; intro Y; leave"],
            ),
            ('Y', &["", "clear X", "object1 X; noted X", "intro X", "leave"]),
        ],
    },
    Family {
        danger: "a proof of a fork of somebody who comes later",
        founders: "AB",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &["proof X", "proof X; clear X", "clear X; proof X; seat X", "proof X @B0; clear X", "seat X; proof X"],
            ),
            ('B', &["intro X; clear X", "intro X; clear X; proof X", "clear X; intro X; seat X"]),
            (
                'X',
                &[
                    "/ noted Y | clear Y",
                    "/ intro Y | object1 Y",
                    "noted Y / seat Y | object1 Y",
                    "/ intro Y; leave | clear Y",
                ],
            ),
        ],
    },
    Family {
        danger: "an introduction that brings a leave along",
        founders: "AB",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            ('A', &["intro X; clear X", "intro X; clear X; seat X", "seat X; intro X; clear X"]),
            (
                'B',
                &[
                    "intro-left X",
                    "intro-left X; clear X",
                    "clear X @X0; intro-left X",
                    "clear X; intro-left X; seat X",
                ],
            ),
            ('X', &["", "leave", "copy", "copy; leave", "leave; clear X", "leave; copy; noted X"]),
        ],
    },
    // A grant and a leave at one place of log 0 contest it, and an epoch ends that entries were kept of: see "Open" in
    // docs/simulation.md. So no scenario has both.
    Family {
        danger: "an introduction that brings new keys along",
        founders: "AB",
        applicants: "XY",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro X; clear X",
                    "intro X; clear X; seat X",
                    "seat X; intro X; clear X",
                    "intro X; clear X @X0; seat X",
                ],
            ),
            (
                'B',
                &[
                    "intro-grant X; clear X",
                    "clear X; intro-grant X",
                    "clear X @X0; intro-grant X",
                    "seat X; intro-grant X",
                ],
            ),
            (
                'X',
                &[
                    "",
                    "grant",
                    "grant; intro Y",
                    "copy",
                    "copy; grant",
                    "grant; intro Y; seat Y",
                    "grant; copy; object1 Y",
                ],
            ),
        ],
    },
    Family {
        danger: "a leave, and what should undo it",
        founders: "ABC",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro X; clear X; leave",
                    "intro X; clear X; leave; copy",
                    "intro X; leave; clear X",
                    "leave; intro X; clear X",
                ],
            ),
            (
                'B',
                &[
                    "clear X",
                    "object1 X; leave",
                    "copy; leave; clear X",
                    "object1 X; leave; withdraw2 X",
                    "leave; seat X; clear X",
                ],
            ),
            ('C', &["clear X", "", "object1 X; withdraw2 X", "copy; clear X"]),
            ('X', &["", "leave", "leave; copy", "copy; leave; clear X"]),
        ],
    },
    Family {
        danger: "new keys, and a fork that they heal",
        founders: "ABC",
        applicants: "X",
        veto: Veto::Standing,
        scripts: &[
            (
                'A',
                &[
                    "intro X; clear X",
                    "intro X; grant; clear X",
                    "intro X; clear X; grant; object2 X",
                    "grant; intro X; clear X",
                ],
            ),
            (
                'B',
                &[
                    "object1 X; grant; clear X",
                    "/ object1 X | clear X; heal; noted X",
                    "/ clear X | object1 X; heal",
                    "/ consent1 X | noted X; heal; object2 X",
                    "noted X; grant / clear X | object1 X",
                ],
            ),
            ('C', &["clear X", "clear X; proof B", "proof B; object1 X", ""]),
        ],
    },
];

/// One choice for each author.
pub type Scripts = BTreeMap<char, Script>;

/// All combinations of a family with at most so many entries, up to the exchange of authors with the same choices.
///
/// # Errors
/// A row that is no script.
pub fn combinations(family: &Family, most: usize) -> Result<Vec<Scripts>, String> {
    let mut rows: Vec<(char, Vec<Script>)> = Vec::new();
    for (author, texts) in family.scripts {
        let scripts = texts.iter().map(|t| Script::parse(t)).collect::<Result<_, _>>();
        rows.push((*author, scripts.map_err(|why| format!("{}: {author}: {why}", family.danger))?));
    }
    let mut all: Vec<(Vec<usize>, usize)> = vec![(Vec::new(), 0)];
    for (at, (_, scripts)) in rows.iter().enumerate() {
        let twin = (0..at).rev().find(|before| rows[*before].1 == *scripts);
        let mut longer = Vec::new();
        for (chosen, entries) in &all {
            let from = twin.map_or(0, |twin| chosen[twin]);
            for (i, script) in scripts.iter().enumerate().skip(from) {
                if entries + script.len() <= most {
                    longer.push(([&chosen[..], &[i]].concat(), entries + script.len()));
                }
            }
        }
        all = longer;
    }
    let made = all.into_iter().map(|(chosen, _)| {
        let of = rows.iter().zip(chosen).map(|((author, scripts), i)| (*author, scripts[i].clone()));
        of.filter(|(_, script)| !script.is_empty()).collect::<Scripts>()
    });
    // a row may be written twice by way of another author's
    let mut seen = BTreeSet::new();
    Ok(made.filter(|scripts| seen.insert(format!("{scripts:?}"))).collect())
}
