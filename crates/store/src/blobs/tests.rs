#![allow(clippy::unwrap_used)]
use super::*;
use crate::disk::Op;
use crate::disk::forgetful::ForgetfulDisk;
use crate::disk::os::OsDisk;

const MIB: usize = PIECE_LEN as usize;

fn store(disk: &ForgetfulDisk) -> BlobStore {
    BlobStore::open(Arc::new(disk.clone()), Path::new("/blobs")).unwrap()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 1021 + i * 3) as u8).collect()
}

fn put(store: &BlobStore, bytes: &[u8]) -> Root {
    let mut writer = store.create().unwrap();
    bytes.chunks(70_001).for_each(|chunk| writer.write(chunk).unwrap());
    let (root, len) = writer.finish().unwrap();
    assert_eq!(len, bytes.len() as u64);
    root
}

fn get(store: &BlobStore, root: &Root) -> Vec<u8> {
    let mut reader = store.open_blob(root).unwrap();
    let count = reader.pieces().unwrap().count();
    (0..count).flat_map(|piece| reader.read_piece(piece).unwrap()).collect()
}

fn piece(bytes: &[u8], piece: u64) -> &[u8] {
    let start = piece as usize * MIB;
    &bytes[start..start + piece_len(bytes.len() as u64, piece)]
}

/// Hands in missing pieces until `until` is left or the disk fails; how many were handed in.
fn fetch(partial: &mut Partial, from: &[u8], until: u64) -> Result<u64, BlobError> {
    let mut fetched = 0;
    while partial.missing() > until {
        let next = partial.next_missing(0).unwrap();
        partial.write_piece(next, piece(from, next))?;
        fetched += 1;
    }
    Ok(fetched)
}

#[test]
fn blobs_are_named_by_their_hash_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(Arc::new(OsDisk), &dir.path().join("blobs")).unwrap();
    let mut roots = Vec::new();
    for len in [0, 5, MIB, 2 * MIB + 17] {
        let bytes = bytes(len);
        let root = put(&store, &bytes);
        assert_eq!(root, *blake3::hash(&bytes).as_bytes());
        assert_eq!(put(&store, &bytes), root);
        assert_eq!(get(&store, &root), bytes);
        assert!(store.contains(&root).unwrap());
        let reader = store.open_blob(&root).unwrap();
        let mut some = [0; 3];
        assert_eq!(reader.read_at(&mut some, 2).unwrap(), 3.min(len.saturating_sub(2)));
        assert_eq!(reader.len(), len as u64);
        roots.push(root);
    }
    roots.sort();
    assert_eq!(store.list().unwrap(), roots);
    store.remove(&roots[0]).unwrap();
    assert!(!store.contains(&roots[0]).unwrap());
    assert!(matches!(store.open_blob(&roots[0]), Err(BlobError::Missing { .. })));
    assert_eq!(store.list().unwrap(), roots[1..]);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let disk = ForgetfulDisk::new();
    let store = store(&disk);
    let mut writer = store.create().unwrap();
    writer.write(&bytes(MIB)).unwrap();
    drop(writer);
    assert_eq!(disk.files().len(), 0);
}

#[test]
fn a_writer_cut_at_every_sync_leaves_the_whole_blob_or_none() {
    let bytes = bytes(MIB + 9);
    let root = *blake3::hash(&bytes).as_bytes();
    for seed in 0..8 {
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            let store = store(&disk);
            disk.power_off_at_sync(nth);
            let mut writer = store.create().unwrap();
            writer.write(&bytes).unwrap();
            let outcome = writer.finish();
            if seed == 0 {
                disk.crash()
            } else {
                disk.crash_torn(seed);
            }
            let store = self::store(&disk);
            assert!(!disk.files().iter().any(|path| path.to_string_lossy().contains("new-")));
            if store.contains(&root).unwrap() {
                assert_eq!(get(&store, &root), bytes);
            } else {
                assert!(outcome.is_err());
            }
            if outcome.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_a_blob_is_named_by_its_piece() {
    let disk = ForgetfulDisk::new();
    let store = store(&disk);
    let bytes = bytes(2 * MIB + 100);
    let root = put(&store, &bytes);
    let path = store.path(&root, "");
    disk.flip(&path, MIB as u64 + 77, 4);
    let mut reader = store.open_blob(&root).unwrap();
    assert_eq!(reader.read_piece(0).unwrap(), piece(&bytes, 0));
    assert!(matches!(reader.read_piece(1), Err(BlobError::Damaged { piece: 1, file }) if file == path));
    assert!(reader.verify().is_err());
    assert!(matches!(reader.read_piece(3), Err(BlobError::NoSuchPiece(3))));
    disk.flip(&path, MIB as u64 + 77, 4);
    // Damaged piece hashes are not believed but computed anew.
    disk.flip(&store.path(&root, ".cvs"), 33, 1);
    assert_eq!(get(&store, &root), bytes);
    disk.cut(&path, 2 * MIB as u64);
    assert!(store.open_blob(&root).unwrap().verify().is_err());
}

#[test]
fn a_download_takes_pieces_in_any_order_and_only_the_right_ones() {
    let disk = ForgetfulDisk::new();
    let bytes = bytes(3 * MIB + 5);
    let sender = put(&store(&ForgetfulDisk::new()), &bytes);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    assert_eq!(*pieces.root(), sender);
    let store = store(&disk);
    let mut partial = store.partial(sender, pieces.len(), pieces.cvs().to_vec()).unwrap();
    let mut wrong = piece(&bytes, 2).to_vec();
    wrong[1000] ^= 1;
    assert!(matches!(partial.write_piece(2, &wrong), Err(BlobError::WrongPiece(2))));
    assert!(matches!(partial.write_piece(1, piece(&bytes, 2)), Err(BlobError::WrongPiece(1))));
    assert!(matches!(partial.write_piece(4, b""), Err(BlobError::NoSuchPiece(4))));
    assert!(matches!(partial.finish(), Err(BlobError::Incomplete(4))));
    for n in [3, 0, 2, 2, 1] {
        partial.write_piece(n, piece(&bytes, n)).unwrap();
    }
    assert!(!store.contains(&sender).unwrap());
    assert_eq!(store.list_partial().unwrap(), [sender]);
    assert_eq!(partial.finish().unwrap(), (sender, bytes.len() as u64));
    assert_eq!(partial.finish().unwrap(), (sender, bytes.len() as u64));
    assert_eq!(get(&store, &sender), bytes);
    assert_eq!(store.pieces(&sender).unwrap(), pieces);
    assert!(store.list_partial().unwrap().is_empty());
    disk.crash();
    assert_eq!(get(&self::store(&disk), &sender), bytes);
}

#[test]
fn a_download_of_one_or_no_piece_has_the_root_as_its_hash() {
    for len in [0, 12, MIB] {
        let bytes = bytes(len);
        let root = *blake3::hash(&bytes).as_bytes();
        let store = store(&ForgetfulDisk::new());
        let mut partial = store.partial(root, len as u64, vec![root]).unwrap();
        partial.write_piece(0, &bytes).unwrap();
        partial.finish().unwrap();
        assert_eq!(get(&store, &root), bytes);
    }
}

#[test]
fn piece_hashes_of_another_blob_are_refused() {
    let pieces = piece_cvs(&bytes(2 * MIB)[..]).unwrap();
    let store = store(&ForgetfulDisk::new());
    let outcome = store.partial([1; 32], pieces.len(), pieces.cvs().to_vec());
    assert!(matches!(outcome, Err(BlobError::Pieces(PiecesError::Root))));
    let outcome = store.partial(*pieces.root(), pieces.len() + 1, pieces.cvs().to_vec());
    assert!(matches!(outcome, Err(BlobError::Pieces(PiecesError::Count { .. }))));
    assert!(matches!(store.partial([1; 32], u64::MAX, vec![]), Err(BlobError::TooLong)));
}

#[test]
fn a_download_cut_at_every_sync_fetches_at_most_one_piece_again() {
    let bytes = bytes(3 * MIB + 500);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    let root = *pieces.root();
    for seed in 0..3 {
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            let store = store(&disk);
            disk.power_off_at_sync(nth);
            let mut kept = 0;
            let mut run = || -> Result<(), BlobError> {
                let mut partial = store.partial(root, pieces.len(), pieces.cvs().to_vec())?;
                for n in 0..4 {
                    partial.write_piece(n, piece(&bytes, n))?;
                    kept += 1;
                }
                partial.finish()?;
                Ok(())
            };
            let done = run().is_ok();
            if seed == 0 {
                disk.crash()
            } else {
                disk.crash_torn(seed * 31 + nth);
            }
            let store = self::store(&disk);
            if !store.contains(&root).unwrap() {
                assert!(!done);
                let mut partial = match store.resume(&root).unwrap() {
                    Some(partial) => partial,
                    None => {
                        assert_eq!(kept, 0, "the description is durable before the first piece");
                        store.partial(root, pieces.len(), pieces.cvs().to_vec()).unwrap()
                    }
                };
                assert!(partial.missing() <= 4 - kept, "a durable piece was lost");
                fetch(&mut partial, &bytes, 0).unwrap();
                partial.finish().unwrap();
            }
            assert_eq!(get(&store, &root), bytes);
            disk.crash();
            let store = self::store(&disk);
            assert_eq!(get(&store, &root), bytes);
            assert_eq!(disk.files().len(), 2, "the blob and its piece hashes, and nothing else: {:?}", disk.files());
            if done {
                break;
            }
        }
    }
}

#[test]
fn names_that_a_power_cut_keeps_in_any_order_cost_a_download_no_piece() {
    let bytes = bytes(MIB + 500);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    let root = *pieces.root();
    for nth in 0..3 {
        let disk = ForgetfulDisk::new();
        let store = store(&disk);
        let mut partial = store.partial(root, pieces.len(), pieces.cvs().to_vec()).unwrap();
        fetch(&mut partial, &bytes, 0).unwrap();
        disk.power_off_at_sync(nth);
        let finished = partial.finish().is_ok();
        for seed in 0..40 {
            let copy = disk.snapshot();
            copy.crash_torn(seed);
            let store = self::store(&copy);
            let missing = || store.resume(&root).unwrap().map(|p| p.missing());
            assert!(store.contains(&root).unwrap() || missing() == Some(0), "sync {nth}, seed {seed}");
        }
        assert!(finished == (nth == 2), "sync {nth}");
    }
}

#[test]
fn a_damaged_blob_is_set_aside_and_fetched_again() {
    let disk = ForgetfulDisk::new();
    let store = store(&disk);
    let bytes = bytes(MIB + 500);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    let root = put(&store, &bytes);
    disk.flip(&store.file(&root), 77, 1);
    assert!(store.open_blob(&root).unwrap().verify().is_err());
    store.set_aside(&root).unwrap();
    store.set_aside(&root).unwrap();
    disk.crash();
    let store = self::store(&disk);
    assert!(!store.contains(&root).unwrap() && store.list().unwrap().is_empty());
    let mut partial = store.partial(root, pieces.len(), pieces.cvs().to_vec()).unwrap();
    fetch(&mut partial, &bytes, 0).unwrap();
    partial.finish().unwrap();
    assert_eq!(get(&store, &root), bytes);
    store.remove(&root).unwrap();
    assert_eq!(disk.files().len(), 0, "nothing of it is left: {:?}", disk.files());
}

#[test]
fn a_piece_that_rots_before_the_end_is_named_and_fetched_again() {
    let disk = ForgetfulDisk::new();
    let bytes = bytes(2 * MIB + 1);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    let root = *pieces.root();
    let store = store(&disk);
    fetch(&mut store.partial(root, pieces.len(), pieces.cvs().to_vec()).unwrap(), &bytes, 0).unwrap();
    disk.flip(&store.path(&root, ".part"), MIB as u64 + 9, 1);
    let mut partial = store.resume(&root).unwrap().unwrap();
    assert_eq!(partial.missing(), 0, "the notes are believed until the end");
    assert!(matches!(partial.finish(), Err(BlobError::Damaged { piece: 1, .. })));
    assert_eq!(fetch(&mut partial, &bytes, 0).unwrap(), 1);
    partial.finish().unwrap();
    assert_eq!(get(&store, &root), bytes);
}

#[test]
fn every_failing_operation_of_a_download_is_named_and_it_succeeds_when_repeated() {
    let bytes = bytes(MIB + 500);
    let pieces = piece_cvs(&bytes[..]).unwrap();
    let root = *pieces.root();
    for nth in 0.. {
        let disk = ForgetfulDisk::new();
        let store = store(&disk);
        let run = || -> Result<(), BlobError> {
            let mut partial = store.partial(root, pieces.len(), pieces.cvs().to_vec())?;
            fetch(&mut partial, &bytes, 0)?;
            partial.finish()?;
            Ok(())
        };
        disk.fail_nth(None, nth);
        let outcome = run();
        disk.heal();
        if let Err(error) = &outcome {
            assert!(error.to_string().contains("/blobs"), "{error}");
            if !store.contains(&root).unwrap() {
                run().unwrap();
            }
            self::store(&disk);
        }
        assert_eq!(get(&store, &root), bytes);
        disk.crash();
        assert_eq!(get(&self::store(&disk), &root), bytes);
        if outcome.is_ok() && nth > 30 {
            break;
        }
    }
}

#[test]
fn a_full_disk_refuses_a_blob_and_takes_it_when_there_is_room() {
    let disk = ForgetfulDisk::new();
    let store = store(&disk);
    let bytes = bytes(MIB);
    disk.fill_after(1000);
    let mut writer = store.create().unwrap();
    let error = writer.write(&bytes).unwrap_err();
    assert!(matches!(error, BlobError::Disk(error) if error.is_full() && error.op == Op::Write));
    drop(writer);
    assert_eq!(disk.files().len(), 0);
    disk.free_room();
    assert_eq!(get(&store, &put(&store, &bytes)), bytes);
}
