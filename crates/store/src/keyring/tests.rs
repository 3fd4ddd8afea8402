#![allow(clippy::unwrap_used)]
use super::*;
use crate::disk::forgetful::ForgetfulDisk;
use crate::disk::os::OsDisk;

const MASTER: [u8; 32] = [5; 32];

fn try_open(disk: &ForgetfulDisk) -> Result<Keyring, OpenError> {
    Keyring::open(Arc::new(disk.clone()), Path::new("/keyring"), MASTER)
}

fn secret(n: u8) -> Vec<u8> {
    vec![n ^ 0x5a; 32]
}

fn holds(keyring: &Keyring) -> Vec<u8> {
    (0..20).filter(|n| keyring.get(&[*n]).is_some_and(|found| found.as_bytes() == secret(*n))).collect()
}

#[test]
fn secrets_come_back_and_destroyed_ones_do_not() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("keyring");
    let mut keyring = Keyring::open(Arc::new(OsDisk), &dir, MASTER).unwrap();
    for n in 0..5 {
        keyring.put(&[n], &secret(n)).unwrap();
    }
    keyring.put_all(&[(&[5], &secret(5)), (&[6], &secret(6))]).unwrap();
    assert!(keyring.destroy(&[2], 77).unwrap());
    assert!(!keyring.destroy(&[2], 99).unwrap());
    keyring.put(&[7], &secret(7)).unwrap();
    assert!(matches!(keyring.put(&[2], &secret(2)), Err(PutError::Erased)));
    drop(keyring);
    let keyring = Keyring::open(Arc::new(OsDisk), &dir, MASTER).unwrap();
    assert_eq!(holds(&keyring), [0, 1, 3, 4, 5, 6, 7]);
    assert_eq!(keyring.names().count(), 7);
    assert_eq!(keyring.erasures().collect::<Vec<_>>(), [Erasure { name: vec![2], time_ms: 77 }]);
    assert!(!format!("{keyring:?} {:?}", keyring.get(&[1])).contains("91"), "secret bytes in Debug");
    drop(keyring);
    let other = Keyring::open(Arc::new(OsDisk), &dir, [6; 32]);
    assert!(matches!(other, Err(OpenError::WrongKey { .. })));
}

#[test]
fn sizes_are_bounded() {
    let mut keyring = try_open(&ForgetfulDisk::new()).unwrap();
    assert!(matches!(keyring.put(b"", b"x"), Err(PutError::Size { .. })));
    assert!(matches!(keyring.put(&[1; 65], b"x"), Err(PutError::Size { .. })));
    assert!(matches!(keyring.put(b"n", &[1; 4097]), Err(PutError::Size { .. })));
    keyring.put(&[1; 64], &[1; 4096]).unwrap();
    assert!(keyring.destroy(&[1; 65], 0).is_err());
}

#[test]
fn a_destroyed_secret_and_its_wrapping_key_are_nowhere_on_the_disk() {
    let disk = ForgetfulDisk::new();
    disk.keep_remnants();
    let mut keyring = try_open(&disk).unwrap();
    keyring.put(b"a", b"the secret to destroy").unwrap();
    keyring.put(b"b", b"another one").unwrap();
    let sealed_key = disk.contents(&wrap_path(Path::new("/keyring"), 1)).unwrap();
    let wrapping = read_wrap(&disk, Path::new("/keyring"), 1, &MASTER).unwrap();
    keyring.destroy(b"a", 1).unwrap();
    let mut everything: Vec<Vec<u8>> = disk.files().iter().map(|path| disk.contents(path).unwrap()).collect();
    assert!(disk.files().iter().all(|path| !path.starts_with("/keyring/0000000000000001")), "{:?}", disk.files());
    everything.extend(disk.remnants());
    let found = |needle: &[u8]| everything.iter().any(|bytes| bytes.windows(needle.len()).any(|w| w == needle));
    assert!(!found(b"the secret to destroy") && !found(b"another one"));
    assert!(!found(&*wrapping), "the wrapping key itself");
    assert!(!found(&sealed_key[32..80]), "the old wrapping key, sealed");
    assert!(everything.iter().any(|bytes| bytes.starts_with(MAGIC)), "the new one is there");
}

#[test]
fn a_cut_at_every_sync_keeps_what_was_put_and_destroys_what_was_destroyed() {
    for seed in 0..12 {
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            disk.power_off_at_sync(nth);
            let (mut put, mut destroyed, mut trying) = (Vec::new(), Vec::new(), None);
            let mut done = false;
            if let Ok(mut keyring) = try_open(&disk) {
                let mut step = || -> Result<(), ()> {
                    for n in 0..6_u8 {
                        keyring.put(&[n], &secret(n)).map_err(drop)?;
                        put.push(n);
                        if n % 2 == 1 {
                            trying = Some(n - 1);
                            keyring.destroy(&[n - 1], 9).map_err(drop)?;
                            trying = None;
                            put.retain(|kept| *kept != n - 1);
                            destroyed.push(n - 1);
                        }
                    }
                    Ok(())
                };
                done = step().is_ok();
            }
            if seed == 0 {
                disk.crash()
            } else {
                disk.crash_torn(seed * 100 + nth);
            }
            let mut keyring = try_open(&disk).unwrap();
            let held = holds(&keyring);
            assert!(put.iter().all(|n| held.contains(n) || trying == Some(*n)), "{put:?} {held:?}");
            assert!(destroyed.iter().all(|n| !held.contains(n)));
            keyring.put(&[19], &secret(19)).unwrap();
            disk.crash();
            assert!(holds(&try_open(&disk).unwrap()).contains(&19));
            if done {
                break;
            }
        }
    }
}

#[test]
fn a_destruction_that_fails_at_any_operation_succeeds_when_it_is_repeated() {
    for (lasting, restart) in [(false, false), (false, true), (true, false), (true, true)] {
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            disk.keep_remnants();
            let mut keyring = try_open(&disk).unwrap();
            keyring.put_all(&[(&[0], &secret(0)), (&[1], &secret(1))]).unwrap();
            let sealed_key = disk.contents(&wrap_path(Path::new("/keyring"), 1)).unwrap();
            if lasting {
                disk.fail_from(None, nth)
            } else {
                disk.fail_nth(None, nth)
            };
            let outcome = keyring.destroy(&[0], 1);
            disk.heal();
            if restart {
                drop(keyring);
                keyring = try_open(&disk).unwrap();
            }
            keyring.put(&[2], &secret(2)).unwrap();
            for seed in 0..6 {
                let copy = disk.snapshot();
                match seed {
                    0 => {}
                    1 => copy.crash(),
                    seed => drop(copy.crash_torn(seed)),
                }
                assert!(holds(&try_open(&copy).unwrap()).ends_with(&[1, 2]), "operation {nth}, seed {seed}");
            }
            keyring.destroy(&[0], 1).unwrap();
            let files = disk.files();
            let mut kept = files.iter().map(|path| disk.contents(path).unwrap()).chain(disk.remnants());
            assert!(kept.all(|bytes| !bytes.windows(48).any(|window| window == &sealed_key[32..80])));
            disk.crash();
            assert_eq!(holds(&try_open(&disk).unwrap()), [1, 2], "operation {nth}");
            if outcome.is_ok() && nth > 40 {
                break;
            }
        }
    }
}

#[test]
fn a_keyring_whose_creation_failed_at_any_operation_keeps_what_is_put_after_the_next_open() {
    for nth in 0..60 {
        let disk = ForgetfulDisk::new();
        disk.fail_nth(None, nth);
        if let Err(error) = try_open(&disk) {
            assert!(error.to_string().contains('/') || matches!(error, OpenError::Journal(_)), "{error}");
        }
        disk.heal();
        try_open(&disk).unwrap().put(&[1], &secret(1)).unwrap();
        disk.crash();
        assert_eq!(holds(&try_open(&disk).unwrap()), [1], "operation {nth}");
    }
}

#[test]
fn every_flipped_byte_is_named_or_changes_nothing() {
    let disk = ForgetfulDisk::new();
    let mut keyring = try_open(&disk).unwrap();
    keyring.put_all(&[(&[0], &secret(0)), (&[1], &secret(1))]).unwrap();
    keyring.destroy(&[0], 1).unwrap();
    keyring.put(&[2], &secret(2)).unwrap();
    drop(keyring);
    for path in disk.files() {
        for offset in 0..disk.contents(&path).unwrap().len() as u64 {
            let copy = disk.snapshot();
            copy.flip(&path, offset, 0x20);
            if let Ok(keyring) = try_open(&copy) {
                assert!(path.ends_with("mark"), "{} byte {offset}", path.display());
                assert_eq!(holds(&keyring), [1, 2]);
                assert_eq!(keyring.erasures().count(), 1);
            }
        }
    }
}

#[test]
fn a_restored_keyring_takes_the_newest_erasure_list_first() {
    let disk = ForgetfulDisk::new();
    let mut keyring = try_open(&disk).unwrap();
    keyring.put_all(&[(&[0], &secret(0)), (&[1], &secret(1))]).unwrap();
    let backup = disk.snapshot();
    keyring.destroy(&[0], 4).unwrap();
    let list: Vec<Erasure> = keyring.erasures().collect();
    let mut restored = try_open(&backup).unwrap();
    assert_eq!(holds(&restored), [0, 1]);
    assert_eq!(restored.apply_erasures(&list).unwrap(), 1);
    assert_eq!(holds(&restored), [1]);
    assert_eq!(restored.erasures().collect::<Vec<_>>(), list);
}
