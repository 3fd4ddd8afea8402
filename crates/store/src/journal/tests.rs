#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::disk::Op;
use crate::disk::forgetful::ForgetfulDisk;
use crate::disk::os::OsDisk;

const DIR: &str = "/journal";

fn dir() -> &'static Path {
    Path::new(DIR)
}

fn options() -> Options {
    Options { at_rest_key: Some([7; 32]), segment_bytes: 2048, format: 1, writer_epoch: 1, salvage: false }
}

fn try_open(disk: &ForgetfulDisk, options: Options) -> Result<(Journal, Opened), OpenError> {
    Journal::open(Arc::new(disk.clone()), dir(), options)
}

fn open(disk: &ForgetfulDisk) -> (Journal, Opened) {
    try_open(disk, options()).unwrap()
}

fn contents(journal: &Journal) -> Vec<Vec<u8>> {
    journal.reader().replay(None).map(|item| item.unwrap().1).collect()
}

fn payload(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (n * 31 + i * 7) as u8).collect()
}

fn segment(number: u64) -> PathBuf {
    segment_path(dir(), number)
}

/// What a workload was told.
#[derive(Debug, Default)]
struct Said {
    acknowledged: Vec<Vec<u8>>,
    /// Batches that failed since: at most one of them may be there after a restart, whole.
    failed: Vec<Vec<Vec<u8>>>,
    attempts: usize,
}

impl Said {
    fn append(&mut self, journal: &mut Journal, lens: &[usize]) -> Result<(), AppendError> {
        self.attempts += 1;
        let n = self.attempts;
        let batch: Vec<Vec<u8>> = lens.iter().enumerate().map(|(i, len)| payload(n * 5 + i, *len)).collect();
        match journal.append(&batch) {
            Ok(_) => {
                self.acknowledged.extend(batch);
                self.failed.clear();
                Ok(())
            }
            Err(error) => {
                self.failed.push(batch);
                Err(error)
            }
        }
    }
}

/// Opens, and appends until the disk fails.
fn work(disk: &ForgetfulDisk, batches: &[Vec<usize>]) -> Said {
    let mut said = Said::default();
    if let Ok((mut journal, _)) = try_open(disk, options()) {
        let _ = batches.iter().try_for_each(|lens| said.append(&mut journal, lens));
    }
    said
}

fn assert_keeps(disk: &ForgetfulDisk, said: &Said) {
    let (mut journal, opened) = open(disk);
    let found = contents(&journal);
    assert_eq!(found.len() as u64, opened.records);
    assert!(found.starts_with(&said.acknowledged), "lost: {} of {}", found.len(), said.acknowledged.len());
    let rest = &found[said.acknowledged.len()..];
    assert!(rest.is_empty() || said.failed.iter().any(|batch| batch == rest), "{} records more", rest.len());
    // And it goes on from there.
    journal.append(&[b"after".to_vec()]).unwrap();
    drop(journal);
    disk.crash();
    let (journal, opened) = open(disk);
    assert_eq!(opened.records as usize, found.len() + 1);
    assert_eq!(contents(&journal).last().unwrap(), b"after");
}

#[test]
fn what_was_appended_comes_back_in_order_and_by_position() {
    for key in [None, Some([9; 32])] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("journal");
        let options = Options { at_rest_key: key, ..options() };
        let (mut journal, opened) = Journal::open(Arc::new(OsDisk), &dir, options.clone()).unwrap();
        assert_eq!(opened.records, 0);
        let reader = journal.reader();
        let mut all = Vec::new();
        for n in 0..40 {
            let batch: Vec<Vec<u8>> = (0..n % 4).map(|i| payload(n, n * 17 + i)).collect();
            let positions = journal.append(&batch).unwrap();
            all.extend(positions.into_iter().zip(batch));
        }
        assert!(all.is_sorted_by_key(|(position, _)| *position));
        assert_eq!(journal.count(), 60);
        assert_eq!(journal.last(), Some(all[59].0));
        let chain = journal.chain();
        journal.close().unwrap();
        let (journal, opened) = Journal::open(Arc::new(OsDisk), &dir, options).unwrap();
        assert_eq!((opened.records, opened.cut, opened.copied, opened.epoch), (60, None, false, 1));
        assert!(opened.segments > 3);
        assert_eq!(journal.chain(), chain);
        assert_eq!(journal.last(), Some(all[59].0));
        for reader in [reader, journal.reader()] {
            let replayed: Vec<_> = reader.replay(None).map(Result::unwrap).collect();
            assert_eq!(replayed, all);
            for (i, (position, payload)) in all.iter().enumerate() {
                assert_eq!(reader.read(*position).unwrap(), *payload);
                let rest: Vec<_> = reader.replay(Some(*position)).map(Result::unwrap).collect();
                assert_eq!(rest, all[i + 1..]);
                let bytes = Position::from_bytes(position.to_bytes());
                assert_eq!(bytes, *position);
            }
        }
    }
}

#[test]
fn a_replay_follows_the_writer_into_new_segments() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    let mut replay = journal.reader().replay(None);
    for n in 0..20 {
        assert!(replay.next().is_none());
        journal.append(&[payload(n, 500)]).unwrap();
        assert_eq!(replay.next().unwrap().unwrap().1, payload(n, 500));
    }
}

#[test]
fn positions_that_lead_nowhere_are_errors() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[payload(1, 100), payload(2, 3)]).unwrap();
    let reader = journal.reader();
    let real: Vec<Position> = reader.replay(None).map(|item| item.unwrap().0).collect();
    for segment in [0, 1, 2, u64::MAX] {
        for offset in (0..600).chain([u64::MAX - 3, u64::MAX]) {
            let position = Position::new(segment, offset);
            if !real.contains(&position) {
                assert!(reader.read(position).is_err());
                let mut replay = reader.replay(Some(position));
                assert!(replay.next().unwrap().is_err());
                assert!(replay.next().is_none());
            }
        }
    }
}

#[test]
fn a_cut_at_every_sync_loses_nothing_acknowledged() {
    let batches: Vec<Vec<usize>> = (0..12).map(|n| (0..=n % 3).map(|i| 40 + 173 * ((n + i) % 5)).collect()).collect();
    for seed in 0..30 {
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            disk.power_off_at_sync(nth);
            let said = work(&disk, &batches);
            if seed == 0 {
                disk.crash()
            } else {
                disk.crash_torn(seed * 1000 + nth);
            }
            assert_keeps(&disk, &said);
            if said.attempts == batches.len() && said.failed.is_empty() {
                break;
            }
        }
    }
}

#[test]
fn every_failing_operation_is_named_and_what_was_acknowledged_stays() {
    let batches: Vec<Vec<usize>> = (0..8).map(|n| vec![300; 1 + n % 2]).collect();
    for crash in [false, true] {
        for lasting in [false, true] {
            for nth in 0.. {
                let disk = ForgetfulDisk::new();
                if lasting {
                    disk.fail_from(None, nth)
                } else {
                    disk.fail_nth(None, nth)
                };
                let mut said = Said::default();
                let mut failed = false;
                match try_open(&disk, options()) {
                    Err(error) => {
                        failed = true;
                        assert!(error.to_string().contains('/'), "{error}");
                    }
                    Ok((mut journal, _)) => {
                        for lens in &batches {
                            if let Err(error) = said.append(&mut journal, lens) {
                                failed = true;
                                assert!(error.to_string().contains(DIR), "{error}");
                            }
                        }
                    }
                }
                disk.heal();
                if crash {
                    disk.crash();
                }
                assert_keeps(&disk, &said);
                if !failed && nth > 100 {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_failed_append_is_gone_once_a_later_one_has_returned() {
    for op in [Op::Write, Op::Sync] {
        for crash in [false, true] {
            let disk = ForgetfulDisk::new();
            let (mut journal, _) = open(&disk);
            journal.append(&[b"one"]).unwrap();
            disk.fail_nth(Some(op), 0);
            assert!(matches!(journal.append(&[b"two"]), Err(AppendError::Disk(_))));
            journal.append(&[b"three"]).unwrap();
            assert_eq!(contents(&journal), [&b"one"[..], b"three"]);
            drop(journal);
            if crash {
                disk.crash();
            }
            let (journal, opened) = open(&disk);
            assert_eq!(contents(&journal), [&b"one"[..], b"three"]);
            assert_eq!(opened.segments, 2);
        }
    }
}

#[test]
fn an_append_that_failed_at_the_sync_is_there_whole_or_not_at_all_and_then_durable() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"one"]).unwrap();
    disk.fail_nth(Some(Op::Sync), 0);
    journal.append(&[b"two"]).unwrap_err();
    drop(journal);
    // Not a power cut: the bytes read back, but the disk has forgotten that they must be written.
    let (journal, opened) = open(&disk);
    assert_eq!(contents(&journal), [b"one", b"two"]);
    assert!(opened.copied);
    disk.crash();
    assert_eq!(contents(&open(&disk).0), [b"one", b"two"]);
}

#[test]
fn a_full_disk_is_told_apart_and_appends_resume_by_themselves() {
    for room in (0..1500).step_by(37) {
        let disk = ForgetfulDisk::new();
        let (mut journal, _) = open(&disk);
        journal.append(&[payload(0, 1500)]).unwrap();
        disk.fill_after(room);
        let mut kept = vec![payload(0, 1500)];
        for n in 1..6 {
            match journal.append(&[payload(n, 400)]) {
                Ok(_) => kept.push(payload(n, 400)),
                Err(error) => assert!(matches!(error, AppendError::Full(_)), "{error}"),
            }
            assert_eq!(contents(&journal), kept, "reads answer on a full disk");
        }
        assert!(kept.len() < 6);
        disk.free_room();
        journal.append(&[payload(9, 400)]).unwrap();
        kept.push(payload(9, 400));
        drop(journal);
        disk.crash();
        assert_eq!(contents(&open(&disk).0), kept);
    }
}

#[test]
fn repeated_failures_leave_a_journal_that_opens_after_any_power_cut() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    let mut kept = Vec::new();
    for n in 0..5 {
        disk.fail_nth(Some(if n % 2 == 0 { Op::Sync } else { Op::Write }), 0);
        journal.append(&[payload(n, 700)]).unwrap_err();
        disk.fill_after(300);
        journal.append(&[payload(n, 2500)]).unwrap_err();
        disk.free_room();
        journal.append(&[payload(n, 600)]).unwrap();
        kept.push(payload(n, 600));
    }
    disk.fail_nth(Some(Op::Sync), 0);
    journal.append(&[payload(9, 900)]).unwrap_err();
    drop(journal);
    for seed in 0..50 {
        let copy = disk.snapshot();
        copy.crash_torn(seed);
        assert_eq!(contents(&open(&copy).0)[..5], kept);
    }
}

/// Flips every byte of every file; each flip must be named at open, or leave all that was acknowledged.
fn flip_every_byte(disk: &ForgetfulDisk, whole: &[Vec<u8>]) {
    for path in disk.files() {
        for offset in 0..disk.contents(&path).unwrap().len() as u64 {
            for mask in [0x01, 0x80, 0xff] {
                let copy = disk.snapshot();
                copy.flip(&path, offset, mask);
                match try_open(&copy, options()) {
                    Err(OpenError::Damaged(damage)) => assert_eq!(damage.file, path),
                    Err(OpenError::Disk(error)) => panic!("{error}"),
                    Err(error) => panic!("{} byte {offset}: {error}", path.display()),
                    Ok((journal, opened)) => {
                        assert!(opened.mark_repaired, "{} byte {offset}", path.display());
                        assert_eq!(contents(&journal), whole);
                    }
                }
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_named_also_in_the_last_batch() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    for n in 0..6 {
        journal.append(&[payload(n, 200 + n), payload(n, 0)]).unwrap();
    }
    assert!(segment_numbers(&disk.list(dir()).unwrap()).len() > 1);
    let whole = contents(&journal);
    // Without a settle and after a power cut the mark lags; flips are told all the same.
    let lagging = disk.snapshot();
    lagging.crash();
    flip_every_byte(&lagging, &whole);
    journal.close().unwrap();
    flip_every_byte(&disk, &whole);
}

#[test]
fn flips_are_named_without_an_at_rest_key_and_with_payloads_of_zeros() {
    let plain = Options { at_rest_key: None, ..options() };
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = try_open(&disk, plain.clone()).unwrap();
    journal.append(&[vec![0; 1400]]).unwrap();
    disk.crash();
    for offset in 0..disk.contents(&segment(1)).unwrap().len() as u64 {
        let copy = disk.snapshot();
        copy.flip(&segment(1), offset, 0x10);
        assert!(matches!(try_open(&copy, plain.clone()), Err(OpenError::Damaged(_))), "byte {offset}");
    }
}

#[test]
fn a_flip_after_open_is_named_by_the_read() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    let positions = journal.append(&[payload(1, 100), payload(2, 100)]).unwrap();
    disk.flip(&segment(1), positions[1].offset() + 20, 1);
    let reader = journal.reader();
    assert_eq!(reader.read(positions[0]).unwrap(), payload(1, 100));
    assert!(matches!(reader.read(positions[1]), Err(ReadError::Damaged(damage)) if damage.file == segment(1)));
    let replayed: Vec<_> = reader.replay(None).collect();
    assert_eq!(replayed.len(), 2, "it ends after the error");
    assert!(replayed[1].is_err());
}

#[test]
fn a_file_cut_anywhere_below_the_mark_is_named() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    for n in 0..8 {
        journal.append(&[payload(n, 300)]).unwrap();
    }
    journal.close().unwrap();
    for path in disk.files() {
        for len in 0..disk.contents(&path).unwrap().len() as u64 {
            let copy = disk.snapshot();
            copy.cut(&path, len);
            match try_open(&copy, options()) {
                Err(OpenError::Damaged(damage)) => assert_eq!(damage.file, path),
                Err(error) => panic!("{error}"),
                Ok((journal, opened)) => {
                    assert!(opened.mark_repaired && path.ends_with("mark"));
                    assert_eq!(journal.count(), 8);
                }
            }
        }
        let copy = disk.snapshot();
        copy.remove(&path).unwrap();
        assert!(matches!(try_open(&copy, options()), Err(OpenError::Damaged(damage)) if damage.file == path));
    }
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"one"]).unwrap();
    let end = journal.end;
    disk.power_off_at_sync(0);
    journal.append(&[payload(5, 1500)]).unwrap_err();
    let (mut cut, mut whole) = (0, 0);
    for seed in 0..200 {
        let copy = disk.snapshot();
        copy.crash_torn(seed);
        let (journal, opened) = open(&copy);
        match (opened.records, opened.cut) {
            (2, None) => whole += 1,
            (1, found) => {
                cut += usize::from(found.is_some());
                assert!(found.is_none_or(|cut| cut.offset == end && cut.file == segment(1)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(contents(&journal)[0], b"one");
    }
    assert!(cut > 50 && whole > 0, "{cut} cut, {whole} whole");
}

#[test]
fn a_sector_of_zeros_is_taken_for_tearing_only_in_the_last_batch_beyond_the_mark() {
    let options = Options { segment_bytes: SEGMENT_BYTES, ..options() };
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = try_open(&disk, options.clone()).unwrap();
    journal.append(&[payload(1, 1500)]).unwrap();
    let middle = journal.end as usize;
    journal.append(&[payload(2, 1500)]).unwrap();
    let last = journal.end as usize;
    journal.append(&[payload(3, 1500)]).unwrap();
    let settled = disk.snapshot();
    disk.crash();
    let len = disk.contents(&segment(1)).unwrap().len();
    for (disk, lagging) in [(disk, true), (settled, false)] {
        for start in
            (SEGMENT_HEADER as usize..len).step_by(ALIGN).filter(|at| at % 512 == 0 || [middle, last].contains(at))
        {
            let end = len.min((start / 512 + 1) * 512);
            let copy = disk.snapshot();
            let file = copy.open(&segment(1), Access::ReadWrite).unwrap();
            file.write_at(&vec![0; end - start], start as u64).unwrap();
            let outcome = try_open(&copy, options.clone());
            if lagging && start >= last {
                assert_eq!(outcome.unwrap().1.cut.unwrap().offset as usize, last);
            } else {
                assert!(matches!(outcome, Err(OpenError::Damaged(_))), "zeros at {start} of {len}");
            }
        }
    }
}

#[test]
fn garbage_behind_the_end_is_refused_until_an_operator_decides() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"one"]).unwrap();
    let end = journal.end;
    journal.close().unwrap();
    let file = disk.open(&segment(1), Access::ReadWrite).unwrap();
    file.write_at(&[0xa5; 300], end).unwrap();
    assert!(matches!(try_open(&disk, options()), Err(OpenError::Damaged(_))));
    let (journal, opened) = try_open(&disk, Options { salvage: true, ..options() }).unwrap();
    assert_eq!(contents(&journal), [b"one"]);
    assert_eq!(opened.cut.unwrap().bytes, 300);
    assert_eq!(open(&disk).1.cut, None);
}

#[test]
fn another_key_is_told_from_damage() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"one"]).unwrap();
    drop(journal);
    for key in [None, Some([8; 32])] {
        let outcome = try_open(&disk, Options { at_rest_key: key, ..options() });
        assert!(matches!(outcome, Err(OpenError::WrongKey { .. })));
    }
    open(&disk);
}

#[test]
fn a_predecessor_is_fenced() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = try_open(&disk, Options { writer_epoch: 5, ..options() }).unwrap();
    journal.append(&[b"one"]).unwrap();
    drop(journal);
    let outcome = try_open(&disk, Options { writer_epoch: 4, ..options() });
    assert!(matches!(outcome, Err(OpenError::Fenced { found: 5, ours: 4, .. })));
    let (mut journal, opened) = try_open(&disk, Options { writer_epoch: 6, ..options() }).unwrap();
    assert_eq!(opened.epoch, 5);
    journal.append(&[b"two"]).unwrap();
    drop(journal);
    assert!(matches!(try_open(&disk, Options { writer_epoch: 5, ..options() }), Err(OpenError::Fenced { .. })));
}

#[test]
fn nothing_of_a_payload_is_readable_on_disk_under_an_at_rest_key() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"the quick brown fox".to_vec()]).unwrap();
    for path in disk.files() {
        let bytes = disk.contents(&path).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"quick"));
    }
}

#[test]
fn a_restored_copy_that_is_written_on_seals_under_other_nonces() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[b"one"]).unwrap();
    journal.close().unwrap();
    let copy = disk.snapshot();
    let (mut original, _) = open(&disk);
    let (mut restored, _) = open(&copy);
    let at = original.append(&[vec![0; 100]]).unwrap()[0];
    assert_eq!(restored.append(&[vec![0; 100]]).unwrap()[0], at);
    let sealed = |disk: &ForgetfulDisk| {
        let start = at.offset() as usize + RECORD_HEADER;
        disk.contents(&segment(1)).unwrap()[start..start + 100].to_vec()
    };
    assert_ne!(sealed(&disk), sealed(&copy));
}

#[test]
fn a_batch_that_is_too_large_is_refused_and_nothing_is_written() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    let operations = disk.operations();
    assert!(matches!(journal.append(&[vec![0; MAX_PAYLOAD + 1]]), Err(AppendError::TooLarge { .. })));
    let big = vec![0; MAX_PAYLOAD];
    assert!(matches!(journal.append(&[&big, &big, &big, &big]), Err(AppendError::TooLarge { .. })));
    assert_eq!(disk.operations(), operations);
    journal.append(&[&big]).unwrap();
    assert_eq!(journal.reader().read(journal.last().unwrap()).unwrap(), big);
}

#[test]
fn one_append_costs_one_sync() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = try_open(&disk, Options { segment_bytes: SEGMENT_BYTES, ..options() }).unwrap();
    let before = disk.syncs();
    for n in 0..10 {
        journal.append(&[payload(n, 100), payload(n, 50)]).unwrap();
    }
    assert_eq!(disk.syncs() - before, 10);
}

#[test]
fn a_segment_of_another_journal_is_noticed() {
    let (one, two) = (ForgetfulDisk::new(), ForgetfulDisk::new());
    for disk in [&one, &two] {
        let (mut journal, _) = open(disk);
        for n in 0..12 {
            journal.append(&[payload(n, 400)]).unwrap();
        }
        journal.close().unwrap();
    }
    for number in [1, 2, 3] {
        let copy = one.snapshot();
        atomic_file::replace(&copy, &segment(number), &two.contents(&segment(number)).unwrap()).unwrap();
        assert!(matches!(try_open(&copy, options()), Err(OpenError::Damaged(_))), "segment {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_workload_cut_anywhere_keeps_what_was_acknowledged(
        batches in prop::collection::vec(prop::collection::vec(0_usize..1500, 1..4), 1..8),
        nth in 0_u64..24,
        seed: u64,
        second in 0_u64..6,
    ) {
        let disk = ForgetfulDisk::new();
        disk.power_off_at_sync(nth);
        let said = work(&disk, &batches);
        disk.crash_torn(seed);
        // The restart may be cut as well.
        disk.power_off_at_sync(second);
        let _ = try_open(&disk, options());
        disk.crash_torn(seed ^ 1);
        assert_keeps(&disk, &said);
    }
}

#[test]
fn a_later_format_is_refused_and_an_earlier_one_goes_on_in_a_new_segment() {
    let disk = ForgetfulDisk::new();
    let at = |format| Options { format, ..options() };
    let (mut journal, _) = try_open(&disk, at(1)).unwrap();
    journal.append(&[b"of the first format"]).unwrap();
    drop(journal);

    let (mut journal, opened) = try_open(&disk, at(2)).unwrap();
    assert_eq!(opened.segments, 1);
    // only what is written makes it unreadable for the earlier program
    drop(journal);
    journal = try_open(&disk, at(1)).unwrap().0;
    drop(journal);
    journal = try_open(&disk, at(2)).unwrap().0;
    journal.append(&[b"of the second"]).unwrap();
    drop(journal);

    let before = disk.list(dir()).unwrap();
    let refused = try_open(&disk, at(1)).unwrap_err();
    assert!(matches!(refused, OpenError::Version { found: 2, known: 1, .. }), "{refused}");
    assert_eq!(disk.list(dir()).unwrap(), before);
    let (journal, opened) = try_open(&disk, at(3)).unwrap();
    assert_eq!(contents(&journal), [b"of the first format".to_vec(), b"of the second".to_vec()]);
    assert_eq!(opened.segments, 2);
}

#[test]
fn a_snapshot_taken_beside_the_writer_opens_as_the_journal_was_then() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    for n in 0..30 {
        journal.append(&[payload(n, 200)]).unwrap();
    }
    let then = contents(&journal);
    let snapshot = journal.reader().snapshot();
    assert_eq!((snapshot.records, snapshot.files.len() > 2), (30, true));
    for n in 30..40 {
        journal.append(&[payload(n, 200)]).unwrap();
    }
    // what a backup does: so many bytes of each file, and the mark
    let copy = ForgetfulDisk::new();
    copy.create_dir(dir()).unwrap();
    for file in &snapshot.files {
        let mut bytes = vec![0; file.len as usize];
        disk.open(&file.path, Access::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        atomic_file::replace(&copy, &dir().join(&file.name), &bytes).unwrap();
    }
    atomic_file::replace(&copy, &dir().join(MARK_NAME), &snapshot.mark).unwrap();
    let (mut restored, opened) = open(&copy);
    assert_eq!(contents(&restored), then);
    assert_eq!(opened.cut, None);
    restored.append(&[b"on it goes"]).unwrap();
    // and a file cut by a byte is named, since the mark knows better
    let cut = copy.open(&segment(opened.segments), Access::ReadWrite).unwrap();
    drop(restored);
    cut.truncate(cut.len().unwrap() - 64 - 200).unwrap();
    assert!(matches!(try_open(&copy, options()), Err(OpenError::Damaged(_))));
}

fn rescued(disk: &ForgetfulDisk) -> (Rescued, Vec<Vec<u8>>) {
    let mut all = Vec::new();
    let found = rescue(disk, dir(), &options(), |_, bytes| {
        all.push(bytes);
        Ok::<_, OpenError>(())
    });
    (found.unwrap(), all)
}

#[test]
fn all_that_verifies_around_a_damaged_byte_is_rescued_and_what_is_lost_is_counted() {
    let disk = ForgetfulDisk::new();
    let (mut journal, _) = open(&disk);
    for n in 0..12 {
        journal.append(&[payload(n, 150 + n), payload(n, 90), payload(n, 0)]).unwrap();
    }
    let whole = contents(&journal);
    journal.close().unwrap();
    assert_eq!(rescued(&disk), (Rescued { records: 36, lost: 0, damage: vec![] }, whole.clone()));
    let (mut partly, mut flips) = (0, 0);
    for path in disk.files() {
        let header = if path.ends_with("mark") { 0 } else { SEGMENT_HEADER };
        for offset in (header..disk.contents(&path).unwrap().len() as u64).step_by(3) {
            let copy = disk.snapshot();
            copy.flip(&path, offset, 0x40);
            let before: Vec<_> = copy.files().iter().map(|p| copy.contents(p)).collect();
            let (found, all) = rescued(&copy);
            assert_eq!(before, copy.files().iter().map(|p| copy.contents(p)).collect::<Vec<_>>(), "nothing is changed");
            // in order, nothing but what was written, and what is missing is counted: a batch at most
            let mut rest = whole.iter();
            assert!(all.iter().all(|found| rest.any(|written| written == found)), "{} {offset}", path.display());
            assert_eq!(found.records + found.lost, 36, "{} {offset}: {found:?}", path.display());
            assert!(found.lost <= 3);
            assert_eq!(found.records, all.len() as u64);
            match try_open(&copy, options()) {
                Ok(_) => assert!(path.ends_with("mark") && found.damage.is_empty()),
                Err(_) => {
                    assert!(found.damage.iter().any(|d| d.file == path), "{} {offset}: {found:?}", path.display())
                }
            }
            flips += 1;
            partly += u64::from(found.lost > 0 && found.lost < 3);
        }
    }
    assert!(partly > 100 && flips > 1000, "{partly} of {flips}");
    // a whole segment, or its header, is gone with what it holds and no more
    for gone in [false, true] {
        let copy = disk.snapshot();
        match gone {
            true => copy.remove(&segment(2)).unwrap(),
            false => copy.flip(&segment(2), 60, 1),
        }
        let (found, all) = rescued(&copy);
        assert!(found.records + found.lost == 36 && found.lost > 0 && all.len() as u64 == found.records, "{found:?}");
        assert!(all.starts_with(&whole[..3]) && all.ends_with(&whole[33..]));
    }
    let other = Options { at_rest_key: Some([8; 32]), ..options() };
    let refused = rescue(&disk, dir(), &other, |_, _| Ok::<_, OpenError>(()));
    assert!(matches!(refused, Err(OpenError::WrongKey { .. })));
}
