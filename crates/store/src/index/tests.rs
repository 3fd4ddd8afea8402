#![allow(clippy::unwrap_used)]
use super::*;

fn at(n: u64) -> Position {
    Position::new(1, n)
}

fn fill(index: &Index, from: u64, to: u64) {
    for n in from..to {
        let mut batch = Batch::new();
        batch.put("cases", &n.to_be_bytes(), format!("case {n}").as_bytes());
        batch.put("by-state", &[(n % 3) as u8, n as u8], b"");
        if n % 5 == 4 {
            batch.delete("cases", &(n - 1).to_be_bytes());
        }
        index.apply(batch, at(n)).unwrap();
    }
}

fn everything(index: &Index) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = |tree| {
        let page = index.range(tree, Bound::Unbounded, Bound::Unbounded, Order::Ascending, MAX_PAGE);
        page.unwrap().entries
    };
    [all("cases"), all("by-state")].concat()
}

#[test]
fn pages_run_both_ways_and_stay_in_their_tree() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&dir.path().join("index"), CACHE_BYTES).unwrap();
    assert_eq!(index.position(), None);
    let mut batch = Batch::new();
    for key in [&b"a"[..], b"a1", b"a2", b"b", b"\xff", b"\xff\xff"] {
        batch.put("t", key, key);
    }
    batch.put("s", b"z", b"s");
    batch.put("u", b"", b"u");
    index.apply(batch, at(9)).unwrap();
    let keys = |page: Page| -> Vec<Vec<u8>> {
        assert_eq!(page.as_of, Some(at(9)));
        page.entries.into_iter().map(|(key, _)| key).collect()
    };
    let range = |from, to, order, limit| keys(index.range("t", from, to, order, limit).unwrap());
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(range(Unbounded, Unbounded, Order::Ascending, 9).len(), 6);
    assert_eq!(range(Unbounded, Unbounded, Order::Descending, 2), [&b"\xff\xff"[..], b"\xff"]);
    assert_eq!(range(Excluded(b"a1"), Unbounded, Order::Ascending, 2), [&b"a2"[..], b"b"]);
    assert_eq!(range(Unbounded, Excluded(b"b"), Order::Descending, 2), [b"a2", b"a1"]);
    assert_eq!(range(Included(b"b"), Included(b"a"), Order::Ascending, 9).len(), 0);
    assert_eq!(range(Excluded(b"b"), Excluded(b"b"), Order::Ascending, 9).len(), 0);
    let prefixed = |after, order| keys(index.prefixed("t", b"a", after, order, 2).unwrap());
    assert_eq!(prefixed(None, Order::Ascending), [&b"a"[..], b"a1"]);
    assert_eq!(prefixed(Some(b"a1"), Order::Ascending), [b"a2"]);
    assert_eq!(prefixed(None, Order::Descending), [b"a2", b"a1"]);
    assert_eq!(prefixed(Some(b"a1"), Order::Descending), [b"a"]);
    assert_eq!(prefixed(Some(b"zz"), Order::Descending), [b"a2", b"a1"], "a cursor from elsewhere");
    assert_eq!(prefixed(Some(b"zz"), Order::Ascending).len(), 0);
    assert_eq!(prefixed(Some(b"A"), Order::Descending).len(), 0);
    assert_eq!(keys(index.prefixed("t", b"\xff", None, Order::Ascending, 9).unwrap()).len(), 2);
    assert_eq!(index.get("u", b"").unwrap().unwrap(), b"u");
    assert_eq!(index.get("v", b"").unwrap(), None);
}

#[test]
fn it_reopens_with_its_position_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    fill(&index, 0, 50);
    let before = everything(&index);
    assert!(matches!(Index::open(&path, CACHE_BYTES), Err(IndexError::InUse { .. })));
    drop(index);
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    assert_eq!(index.position(), Some(at(49)));
    assert_eq!(everything(&index), before);
    fill(&index, 50, 60);
    index.clear().unwrap();
    assert_eq!(index.position(), None);
    assert_eq!(everything(&index).len(), 0);
    fill(&index, 0, 50);
    assert_eq!(everything(&index), before);
}

#[test]
fn a_closed_index_reopens_and_a_change_to_its_files_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    fill(&index, 0, 50);
    let before = everything(&index);
    index.close().unwrap();
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    assert_eq!((index.position(), everything(&index)), (Some(at(49)), before.clone()));
    fill(&index, 50, 51);
    drop(index);
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    assert_eq!(index.position(), Some(at(50)), "the hash of an earlier close is not believed");
    index.close().unwrap();
    let pristine = save(&path);
    assert!(pristine.len() > 2);
    for (damaged, bytes) in pristine.iter().filter(|(file, bytes)| !file.ends_with("clean") && !bytes.is_empty()) {
        restore(&path, &pristine);
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(damaged, flipped).unwrap();
        let index = Index::open(&path, CACHE_BYTES).unwrap();
        assert_eq!(index.position(), None, "{}", damaged.display());
        fill(&index, 0, 50);
        assert_eq!(everything(&index), before);
    }
    restore(&path, &pristine);
    let moved = dir.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(Index::open(&moved, CACHE_BYTES).unwrap().position(), Some(at(50)));
}

fn save(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    collect(dir, &mut files);
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

fn restore(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    let _ = fs::remove_dir_all(dir);
    for (file, bytes) in files {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

#[test]
fn sizes_are_bounded_and_a_refused_batch_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&dir.path().join("index"), CACHE_BYTES).unwrap();
    let oversized: [(&str, usize, usize); 4] =
        [("", 1, 1), ("t", MAX_KEY + 1, 1), ("t", 1, MAX_VALUE + 1), ("t", 1, 1)];
    for (i, (tree, key, value)) in oversized.into_iter().enumerate() {
        let mut batch = Batch::new();
        batch.put("t", b"other", b"x");
        batch.put(tree, &vec![1; key], &vec![2; value]);
        let outcome = index.apply(batch, at(1));
        assert_eq!(outcome.is_ok(), i == 3);
        assert_eq!(index.get("t", b"other").unwrap().is_some(), i == 3);
    }
    assert!(index.get("", b"x").is_err());
}

#[test]
fn damage_anywhere_in_the_folder_ends_in_the_same_entries_after_replay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = Index::open(&path, CACHE_BYTES).unwrap();
    fill(&index, 0, 100);
    let whole = everything(&index);
    drop(index);
    let pristine = save(&path);
    let mut rebuilt = 0;
    for round in 0..120_usize {
        let mut damaged = pristine.clone();
        let bytes = &mut damaged[round % pristine.len()].1;
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let place = round * 7919 % used;
        if !bytes.is_empty() {
            match round % 4 {
                0 => bytes.truncate(place),
                1 => bytes[place..used].fill(0xa5),
                2 => bytes[place] ^= 0xff,
                _ => bytes[place] ^= 1,
            }
        }
        restore(&path, &damaged);
        let index = Index::open(&path, CACHE_BYTES).unwrap();
        let from = index.position().map_or(0, |position| position.offset() + 1);
        rebuilt += usize::from(from != 100);
        fill(&index, from, 100);
        assert_eq!(everything(&index), whole, "round {round}");
    }
    assert!(rebuilt > 10, "the damage was noticed {rebuilt} times");
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Index::open(&dir.path().join("file/index"), CACHE_BYTES);
    drop(error);
    fs::write(dir.path().join("index"), b"a file").unwrap();
    let error = Index::open(&dir.path().join("index"), CACHE_BYTES).unwrap_err();
    assert!(error.to_string().contains("index"), "{error}");
}
