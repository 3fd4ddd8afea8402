//! The model's own worlds: `membership_cases.py` says how the fixture was made and what a line means.

use crate::world::{World, class, pid, said, target};
use lapwing_engine::membership::{Item, Rank, Standing, Veto, Word};
use lapwing_record::id::{EntryId, Pid};
use std::collections::{BTreeMap, BTreeSet};

pub struct Case {
    pub world: World,
    pub standing: BTreeMap<Pid, Standing>,
    pub adopted: BTreeSet<EntryId>,
    pub standing_entry: BTreeMap<Pid, Standing>,
}

pub fn cases() -> impl Iterator<Item = Case> {
    include_str!("../data/membership_cases.txt").lines().map(parse)
}

fn parse(line: &str) -> Case {
    let fields: Vec<&str> = line.split(';').collect();
    let [founders, classes, logs, standing, adopted, entry] = fields[..] else { panic!("{line}") };
    let who: Vec<Pid> = founders.chars().chain(classes.chars()).map(pid).collect();
    let standings =
        |codes: &str| -> BTreeMap<Pid, Standing> { who.iter().copied().zip(codes.chars().map(standing_of)).collect() };
    Case {
        world: World {
            founders: founders.chars().map(pid).collect(),
            classes: classes.chars().map(|c| (pid(c), class(c))).collect(),
            logs: logs.split(',').map(log).collect(),
        },
        standing: standings(standing),
        adopted: adopted.chars().map(|c| EntryId([c as u8; 32])).collect(),
        standing_entry: standings(entry),
    }
}

fn standing_of(code: char) -> Standing {
    match code {
        'p' => Standing::Participant,
        's' => Standing::Suspended,
        'o' => Standing::Objected,
        'c' => Standing::Candidate,
        'l' => Standing::Left,
        other => panic!("standing {other}"),
    }
}

fn log(text: &str) -> (Pid, Vec<Vec<Item>>) {
    let author = text.chars().next().expect("an author");
    (pid(author), text[1..].split('/').map(branch).collect())
}

fn branch(text: &str) -> Vec<Item> {
    let (mut items, mut verb, mut excused) = (Vec::new(), ' ', Vec::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_uppercase() {
            verb = c;
            if c == 'L' {
                items.push(Item::Leave);
            }
            continue;
        }
        let mut ranked = || {
            let mut digits = String::new();
            while let Some(d) = rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                digits.push(d);
            }
            let (epoch, n) = digits.split_once('.').unwrap_or(("0", &digits));
            let rank = Rank { epoch: epoch.parse().expect("an epoch"), n: n.parse().expect("a number") };
            (rank, rest.next_if_eq(&'!').is_some())
        };
        let word = match verb {
            'N' => Word::Noted,
            'C' => Word::Clear,
            'S' => Word::Seat,
            'K' => Some(ranked()).map(|(rank, disavowed)| Word::Consent { rank, disavowed }).expect("it"),
            'O' => Some(ranked()).map(|(rank, disavowed)| Word::Object { rank, disavowed }).expect("it"),
            'W' => Some(ranked()).map(|(rank, disavowed)| Word::Withdraw { rank, disavowed }).expect("it"),
            'E' => {
                if rest.next_if_eq(&'(').is_some() {
                    excused = rest.by_ref().take_while(|c| *c != ')').map(pid).collect();
                }
                Word::Excuse(excused.clone())
            }
            other => panic!("verb {other} in {text}"),
        };
        items.push(said(target(c), word));
    }
    items
}

#[test]
fn the_fold_agrees_with_the_executable_model_on_five_thousand_worlds() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, case) in cases().enumerate() {
        let fold = case.world.fold(Veto::Standing);
        assert_eq!(fold.standings(), case.standing, "world {at}");
        assert_eq!(fold.adopted(), case.adopted, "motions of world {at}");
        assert_eq!(case.world.fold(Veto::Entry).standings(), case.standing_entry, "world {at}, entry rule");
        *met.entry("worlds").or_default() += 1;
        *met.entry("forked worlds").or_default() += usize::from(case.world.is_forked());
        *met.entry("adopted").or_default() += case.adopted.len();
        *met.entry("differ under the entry rule").or_default() += usize::from(case.standing != case.standing_entry);
        for standing in case.standing.values() {
            *met.entry(standing.as_str()).or_default() += 1;
        }
    }
    println!("the model's worlds: {met:?}");
    assert_eq!(met["worlds"], 5000);
    let kinds = ["participant", "candidate", "suspended", "objected", "left", "forked worlds", "adopted"];
    for kind in kinds.into_iter().chain(["differ under the entry rule"]) {
        assert!(met.get(kind).is_some_and(|n| *n > 0), "no {kind} among the model's worlds: {met:?}");
    }
}
