//! What one author writes, in words: `intro X; clear X / object1 X | clear X` is a stem of two entries and two branches
//! that fork after it. Each act is one entry, or no more than the items of one (`noted X + clear X`).
//!
//! | act | entry |
//! |---|---|
//! | `intro X` | introduces the applicant; `intro-left X`, `intro-grant X`: with a log 0 that goes on so |
//! | `noted`, `clear`, `seat` X | said by the node |
//! | `consent1`, `object1`, `withdraw1` X | said by officers, with that number |
//! | `stolen-consent9`, `stolen-withdraw9` X | the same, approved by the feed key alone, as a thief of it can |
//! | `excuse X D` | D need not speak of X |
//! | `motion`, `motion2` | moves M, or N |
//! | `proof A` | two headers by which A forked; `false-proof A`: two headers of A that prove nothing |
//! | `profile` | a record of the directory |
//! | `leave`, `copy`, `grant`, `heal` | log 0: leaves; its inception signed again; a new epoch after the last entry; one after the first branch |
//!
//! `… @B0` refers to the first entry of B's stem: kept, and not read until that is here.

use lapwing_record::membership::What;

/// One thing that is said in an entry of stances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// What.
    pub what: What,
    /// Of whom: a participant's letter, or a motion's.
    pub of: char,
    /// The officers' counter.
    pub n: u64,
    /// Approved by the feed key only.
    pub stolen: bool,
}

/// How far an applicant's log 0 goes in an introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Further {
    /// Its inception alone.
    No,
    /// To its leave.
    Left,
    /// To its grant.
    Grant,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Introduces an applicant.
    Introduce(char, Further),
    /// Stances.
    Say(Vec<Say>),
    /// Excuses from speaking: of whom, who.
    Excuse(char, char),
    /// Moves M or N.
    Motion(char),
    /// Shows that somebody forked; whether that is so.
    Proof(char, bool),
    /// A directory record.
    Profile,
    /// Leaves.
    Leave,
    /// Its inception, signed again.
    Copy,
    /// A new epoch; whether it is after the first branch.
    Grant(bool),
}

/// An act, and what must be here first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub act: Act,
    /// In words.
    pub words: String,
    /// The author, and the number of its stem's entry, that it refers to.
    pub after: Option<(char, usize)>,
}

/// What one author writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In order.
    pub stem: Vec<Step>,
    /// Each goes on where the stem ends.
    pub branches: Vec<Vec<Step>>,
}

impl Script {
    /// Reads one.
    ///
    /// # Errors
    /// The act that is none.
    pub fn parse(text: &str) -> Result<Script, String> {
        let steps = |text: &str| -> Result<Vec<Step>, String> {
            text.split(';').map(str::trim).filter(|t| !t.is_empty()).map(step).collect()
        };
        let (stem, branches) = text.split_once('/').unwrap_or((text, ""));
        let branches: Vec<_> = branches.split('|').map(steps).collect::<Result<_, _>>()?;
        Ok(Script { stem: steps(stem)?, branches: branches.into_iter().filter(|b| !b.is_empty()).collect() })
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.stem.len() + self.branches.iter().map(Vec::len).sum::<usize>()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn step(text: &str) -> Result<Step, String> {
    let none = || format!("`{text}` is no act");
    let (words, after) = match text.split_once('@') {
        None => (text, None),
        Some((words, at)) => {
            let mut at = at.trim().chars();
            let author = at.next().ok_or_else(none)?;
            (words.trim(), Some((author, at.as_str().parse().map_err(|_| none())?)))
        }
    };
    let mut parts = words.split(' ');
    let verb = parts.next().unwrap_or_default();
    let mut letter = || parts.next().and_then(|p| p.chars().next()).ok_or_else(none);
    let act = match verb {
        "intro" => Act::Introduce(letter()?, Further::No),
        "intro-left" => Act::Introduce(letter()?, Further::Left),
        "intro-grant" => Act::Introduce(letter()?, Further::Grant),
        "excuse" => Act::Excuse(letter()?, letter()?),
        "motion" => Act::Motion('M'),
        "motion2" => Act::Motion('N'),
        "proof" => Act::Proof(letter()?, true),
        "false-proof" => Act::Proof(letter()?, false),
        "profile" => Act::Profile,
        "leave" => Act::Leave,
        "copy" => Act::Copy,
        "grant" => Act::Grant(false),
        "heal" => Act::Grant(true),
        _ => Act::Say(words.split('+').map(|item| say(item.trim()).ok_or_else(none)).collect::<Result<_, _>>()?),
    };
    Ok(Step { act, words: text.to_owned(), after })
}

fn say(text: &str) -> Option<Say> {
    let (verb, of) = text.split_once(' ')?;
    let (stolen, verb) = verb.strip_prefix("stolen-").map_or((false, verb), |verb| (true, verb));
    let digits = verb.find(|c: char| c.is_ascii_digit()).unwrap_or(verb.len());
    let what = match &verb[..digits] {
        "noted" => What::Noted,
        "clear" => What::Clear,
        "seat" => What::Seat,
        "consent" => What::Consent,
        "object" => What::Object,
        "withdraw" => What::Withdraw,
        _ => return None,
    };
    let n = if digits == verb.len() { 0 } else { verb[digits..].parse().ok()? };
    Some(Say { what, of: of.chars().next()?, n, stolen })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_is_read_as_it_is_written() {
        let script = Script::parse("intro X; noted X + clear X @B0 / object1 X | stolen-withdraw9 X; leave").unwrap();
        assert_eq!((script.len(), script.stem.len(), script.branches.len()), (5, 2, 2));
        assert_eq!(script.stem[0].act, Act::Introduce('X', Further::No));
        assert_eq!(script.stem[1].after, Some(('B', 0)));
        let stolen = Say { what: What::Withdraw, of: 'X', n: 9, stolen: true };
        assert_eq!(script.branches[1][0].act, Act::Say(vec![stolen]));
        assert_eq!(Script::parse("").unwrap(), Script::default());
        for wrong in ["cheer X", "clear", "object X; intro", "clear X @", "excuse X"] {
            assert!(Script::parse(wrong).is_err(), "{wrong}");
        }
    }
}
