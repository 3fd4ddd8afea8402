//! From words to ids: NAME of a participant, THREAD of a case, and names that could be taken for each other.

use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::Name;
use lapwing_engine::membership::Standing;
use lapwing_engine::state::State;
use lapwing_record::id::{EntryId, Pid, ThreadId};
use lapwing_record::identity::{Inception, is_country, words};
use std::collections::BTreeMap;

/// Characters of an id that stand for it at least.
const MIN_PREFIX: usize = 8;
/// Names proposed when one is not known.
const MAX_NEAR: usize = 5;

/// How a participant is named.
pub(super) fn name_of(state: &State, pid: &Pid) -> Option<Name> {
    state.federation.inception(pid).map(|i| name(pid, i))
}

/// The name of one whose inception is not here.
pub(super) fn id_only(pid: &Pid) -> Name {
    Name {
        pid: pid.to_string(),
        short_name: pid.short(),
        legal_name: String::new(),
        country: String::new(),
        class: String::new(),
    }
}

/// How a participant is named, or its id.
pub(crate) fn named(state: &State, pid: &Pid) -> Name {
    name_of(state, pid).unwrap_or_else(|| id_only(pid))
}

/// The name in an inception.
pub(super) fn name(pid: &Pid, inception: &Inception) -> Name {
    Name {
        pid: pid.to_string(),
        short_name: inception.short_name.clone(),
        legal_name: inception.legal_name.clone(),
        country: inception.country.clone(),
        class: inception.class.to_string(),
    }
}

/// Everyone known here, this participant included.
pub(super) fn everyone(state: &State) -> Vec<(Pid, &Inception)> {
    let mut all: Vec<Pid> = state.federation.pids().collect();
    if !all.contains(&state.me) {
        all.push(state.me);
    }
    all.into_iter().filter_map(|pid| Some((pid, state.federation.inception(&pid)?))).collect()
}

/// The participant that NAME stands for: its short name, or at least eight characters of its id.
pub(super) fn participant(state: &State, name: &str) -> Result<Pid, Problem> {
    let gone = |pid: &Pid| state.federation.standing(pid) == Some(Standing::Left);
    find(&everyone(state), name, &gone)
}

/// As [`participant`], among applicants in the inbox.
pub(super) fn applicant(state: &State, name: &str) -> Result<Pid, Problem> {
    let inceptions: Vec<(Pid, Inception)> = state
        .inbox
        .iter()
        .filter_map(|(pid, i)| Some((*pid, super::applications::inception(&i.application)?)))
        .collect();
    let all: Vec<(Pid, &Inception)> = inceptions.iter().map(|(pid, i)| (*pid, i)).collect();
    find(&all, name, &|_| false)
}

fn find(all: &[(Pid, &Inception)], name: &str, gone: &dyn Fn(&Pid) -> bool) -> Result<Pid, Problem> {
    let named: Vec<&(Pid, &Inception)> = all.iter().filter(|(_, i)| i.short_name == name).collect();
    let here: Vec<&(Pid, &Inception)> = named.iter().filter(|(pid, _)| !gone(pid)).copied().collect();
    // one that left keeps its name in the logs; whoever applies anew may take it again
    let mut found = if here.is_empty() { named } else { here };
    if found.is_empty() && name.len() >= MIN_PREFIX {
        found = all.iter().filter(|(pid, _)| pid.to_string().starts_with(name)).collect();
    }
    match found[..] {
        [(pid, _)] => Ok(*pid),
        [] => Err(unknown(all, name)),
        _ => {
            let row =
                |(pid, i): &&(Pid, &Inception)| format!("{pid} ({}, {}): {}", i.legal_name, i.country, words(&pid.0));
            let list: Vec<String> = found.iter().take(MAX_NEAR).map(row).collect();
            Err(Problem::new(Code::Ambiguous, format!("`{}` stands for {} participants", shown(name), found.len()))
                .hint(format!(
                    "Use at least {MIN_PREFIX} characters of the id. Compare the words by telephone: {}",
                    list.join("; ")
                )))
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn unknown(all: &[(Pid, &Inception)], name: &str) -> Problem {
    let mut near: Vec<(usize, &str)> = all
        .iter()
        .map(|(_, i)| (distance(name, &i.short_name), i.short_name.as_str()))
        .filter(|(d, short)| *d <= 2 || (name.len() >= 3 && short.contains(name)) || skeleton(short) == skeleton(name))
        .collect();
    near.sort();
    near.dedup();
    let near: Vec<&str> = near.into_iter().take(MAX_NEAR).map(|(_, short)| short).collect();
    let hint = match near[..] {
        [] => format!(
            "A NAME is a short name, or at least {MIN_PREFIX} characters of an id. `lapwing member list` shows everyone."
        ),
        _ => format!("Did you mean {}?", near.join(", ")),
    };
    Problem::new(Code::NotFound, format!("nobody here is called `{}`", shown(name))).hint(hint)
}

/// Edits between two names, at most 64 characters of each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// What a short name looks like at a glance: two that look alike have the same. Names are `[a-z0-9-]`, so the general
/// tables of Unicode (UTS 39) have nothing to add but these.
pub(super) fn skeleton(name: &str) -> String {
    let name = name.replace("rn", "m").replace("vv", "w").replace("cl", "d");
    let look = |c: char| match c {
        '1' | 'i' | 'j' => 'l',
        '0' => 'o',
        '5' => 's',
        '2' => 'z',
        '8' => 'b',
        other => other,
    };
    name.chars().filter(|c| *c != '-').map(look).collect()
}

/// Everyone's short names by what they look like.
pub(super) struct Looks(BTreeMap<String, Vec<(Pid, String)>>);

impl Looks {
    /// Of everyone here.
    pub(super) fn of(state: &State) -> Self {
        let mut looks: BTreeMap<String, Vec<(Pid, String)>> = BTreeMap::new();
        for (pid, i) in everyone(state) {
            looks.entry(skeleton(&i.short_name)).or_default().push((pid, i.short_name.clone()));
        }
        Looks(looks)
    }

    /// Others whose names could be taken for this one: their short names, or ids where the names are equal.
    pub(super) fn like(&self, pid: &Pid, short_name: &str) -> Vec<String> {
        let alike = self.0.get(&skeleton(short_name)).into_iter().flatten();
        let others = alike.filter(|(other, _)| other != pid);
        others.map(|(other, name)| if name == short_name { other.to_string() } else { name.clone() }).collect()
    }
}

/// A filter of countries: two letters, of either case.
pub(super) fn country(call: &Call) -> Result<Option<String>, Problem> {
    let Some(text) = super::filter(call, "country") else { return Ok(None) };
    let code = text.to_ascii_uppercase();
    match is_country(&code) {
        true => Ok(Some(code)),
        false => Err(Problem::new(
            Code::Malformed,
            format!("`country`: `{}` is not a country: two letters (ISO 3166-1 alpha-2), such as NL", shown(text)),
        )),
    }
}

/// The case that THREAD stands for: at least eight characters of its id.
pub(super) fn thread(state: &State, text: &str) -> Result<ThreadId, Problem> {
    match text.parse() {
        Ok(whole) if state.cases.contains_key(&whole) => Ok(whole),
        _ => by_prefix(state.cases.keys().copied(), text, "case"),
    }
}

/// One of `all` whose text begins with `text`.
pub(super) fn by_prefix<T: Copy + std::fmt::Display>(
    all: impl Iterator<Item = T>,
    text: &str,
    what: &str,
) -> Result<T, Problem> {
    let unknown = || {
        Problem::new(Code::NotFound, format!("there is no {what} `{}` here", shown(text)))
            .hint(format!("At least {MIN_PREFIX} characters of its id are needed."))
    };
    if text.len() < MIN_PREFIX {
        return Err(unknown());
    }
    let found: Vec<T> = all.filter(|id| id.to_string().starts_with(text)).take(MAX_NEAR + 1).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown()),
        _ => {
            let list: Vec<String> = found.iter().map(T::to_string).collect();
            Err(Problem::new(Code::Ambiguous, format!("`{}` stands for more than one {what}", shown(text)))
                .hint(format!("Use more characters: {}", list.join(", "))))
        }
    }
}

/// What a vote is about: NAME, or `motion:ID`.
pub(super) fn target(state: &State, text: &str) -> Result<lapwing_record::membership::Target, Problem> {
    use lapwing_record::membership::Target;
    match text.strip_prefix("motion:") {
        Some(id) => motion(state, id).map(Target::Motion),
        None => participant(state, text).map(Target::Participant),
    }
}

/// A motion by the beginning of its id.
pub(super) fn motion(state: &State, text: &str) -> Result<EntryId, Problem> {
    by_prefix(state.federation.motions().map(|(id, _, _)| id), text, "motion")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;

    #[test]
    fn a_name_is_a_short_name_or_the_beginning_of_an_id() {
        let world = World::of(&["harbor", "polder", "harbour"]);
        let pid = world.pid("polder");
        assert_eq!(participant(world.state(), "polder").unwrap(), pid);
        assert_eq!(participant(world.state(), &pid.to_string()).unwrap(), pid);
        assert_eq!(participant(world.state(), &pid.to_string()[..8]).unwrap(), pid);
        for bad in [&pid.to_string()[..7], "", "nobody", "Polder"] {
            assert_eq!(participant(world.state(), bad).unwrap_err().code, Code::NotFound, "{bad}");
        }
        let near = participant(world.state(), "harbr").unwrap_err().hint.unwrap();
        assert!(near.contains("harbor") && near.contains("harbour") && !near.contains("polder"), "{near}");
    }

    #[test]
    fn equal_short_names_are_told_apart_by_twelve_words() {
        let world = World::with(&["harbor"], &[("harbor", "NL")]);
        let problem = participant(world.state(), "harbor").unwrap_err();
        assert_eq!(problem.code, Code::Ambiguous);
        let hint = problem.hint.unwrap();
        for pid in world.state().federation.pids() {
            assert!(hint.contains(&pid.to_string()) && hint.contains(&words(&pid.0)), "{hint}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (a, b) in [
            ("modern", "modem"),
            ("paypal", "paypa1"),
            ("ico", "1c0"),
            ("acm-uk", "acmuk"),
            ("vvatch", "watch"),
            ("ceel", "cee1"),
        ] {
            assert_eq!(skeleton(a), skeleton(b), "{a} {b}");
        }
        assert_ne!(skeleton("harbor"), skeleton("polder"));
        let world = World::of(&["harbor", "harb0r", "polder"]);
        let looks = Looks::of(world.state());
        assert_eq!(looks.like(&world.pid("harbor"), "harbor"), ["harb0r"]);
        assert!(looks.like(&world.pid("polder"), "polder").is_empty());
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, n) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "ab", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), n, "{a} {b}");
        }
    }

    #[test]
    fn an_id_needs_eight_characters_and_no_twin() {
        let ids = [ThreadId([7; 32]), ThreadId([7; 32]), ThreadId([9; 32])];
        let text = |id: &ThreadId| id.to_string();
        assert_eq!(by_prefix(ids.iter().copied(), &text(&ids[2])[..8], "case").unwrap(), ids[2]);
        assert_eq!(by_prefix(ids.iter().copied(), &text(&ids[2])[..7], "case").unwrap_err().code, Code::NotFound);
        assert_eq!(by_prefix(ids.iter().copied(), &text(&ids[0]), "case").unwrap_err().code, Code::Ambiguous);
    }
}
