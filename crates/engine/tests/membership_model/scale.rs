//! What an item costs among two hundred agencies.

use crate::world::said;
use lapwing_engine::membership::{Class, Item, Rank, Roster, Standing, Target, Veto, Word};
use lapwing_record::id::Pid;

fn pid(n: usize) -> Pid {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Pid(bytes)
}

/// Founders, and one agency after another admitted by everyone before it.
fn federation(founders: usize, agencies: usize) -> Roster {
    let mut roster = Roster::new(Veto::Standing);
    for n in 0..founders {
        roster.add_founder(pid(n));
    }
    for n in founders..agencies {
        admit(&mut roster, n);
    }
    roster
}

fn admit(roster: &mut Roster, n: usize) {
    roster.add_participant(pid(n), Class::Agency);
    for word in [Word::Noted, Word::Clear, Word::Seat] {
        for author in 0..n {
            roster.append(pid(author), said(Target::Participant(pid(n)), word.clone()));
        }
    }
}

#[test]
fn among_two_hundred_agencies_an_item_re_judges_only_what_it_can_change() {
    let mut roster = federation(4, 200);
    assert_eq!((roster.agency_count(), roster.electors(Target::Participant(pid(199))).len()), (200, 199));
    let next = Target::Participant(pid(200));
    let cost = |roster: &mut Roster, author: usize, item: Item| {
        let before = roster.verdicts();
        let changes = roster.append(pid(author), item).len();
        (roster.verdicts() - before, changes)
    };
    roster.add_participant(pid(200), Class::Agency);
    for author in 0..199 {
        assert_eq!(cost(&mut roster, author, said(next, Word::Noted)), (0, 0));
        assert_eq!(cost(&mut roster, author, said(next, Word::Clear)), (1, 0));
    }
    assert_eq!(cost(&mut roster, 199, said(next, Word::Clear)), (1, 1));
    assert_eq!(roster.standing(pid(200)), Some(Standing::Participant));
    assert_eq!(cost(&mut roster, 0, said(next, Word::Seat)), (0, 0));
    // an objection to the last is one verdict; to one in the middle, those who came after it are judged again
    let object = Word::Object { rank: Rank { epoch: 0, n: 1 }, disavowed: false };
    assert_eq!(cost(&mut roster, 7, said(next, object.clone())), (1, 1));
    let (verdicts, changes) = cost(&mut roster, 7, said(Target::Participant(pid(150)), object));
    assert_eq!(changes, 1);
    assert!((2..=51).contains(&verdicts), "{verdicts} verdicts");
}

/// `cargo test --release -p lapwing-engine --test membership_model curve -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a check"]
fn curve() {
    for agencies in [50, 100, 200, 400, 800] {
        let begun = std::time::Instant::now();
        let mut roster = federation(4, agencies);
        let grown = begun.elapsed();
        roster.add_participant(pid(agencies), Class::Agency);
        let begun = std::time::Instant::now();
        for author in 0..agencies {
            roster.append(pid(author), said(Target::Participant(pid(agencies)), Word::Clear));
        }
        let cleared = begun.elapsed() / agencies as u32;
        let begun = std::time::Instant::now();
        for author in 0..agencies {
            roster.append(pid(author), said(Target::Participant(pid(agencies)), Word::Seat));
        }
        let seated = begun.elapsed() / agencies as u32;
        let items = 3 * agencies * agencies / 2;
        println!("{agencies} agencies: {items} items in {grown:?}; a clear {cleared:?}, a seat {seated:?}");
    }
}
