#![allow(clippy::unwrap_used)]

use super::*;
use crate::question::{After, Order, Question};
use crate::words::Ask;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

const KEY: [u8; 32] = [9; 32];

fn id(n: u32) -> [u8; 32] {
    *blake3::hash(&n.to_le_bytes()).as_bytes()
}

fn document(n: u32, text: &str) -> Document {
    Document {
        text: vec![text.to_owned()],
        exact: vec![Exact::new("n", n.to_le_bytes()), Exact::new("even", [u8::from(n.is_multiple_of(2))])],
        labels: vec![(Label::Stage, u64::from(n % 3)), (Label::Conduct, 1), (Label::Conduct, u64::from(n % 5) + 2)],
        submitted: 1000 + u64::from(n),
        changed: 5000 - u64::from(n),
        stored: n.to_le_bytes().to_vec(),
        ..Document::new(id(n))
    }
}

fn put(index: &Index, documents: impl IntoIterator<Item = Document>, mark: u8) -> Result<(), IndexError> {
    index.apply(Batch { put: documents.into_iter().collect(), remove: vec![] }, &[mark])
}

fn words(text: &str) -> Question {
    Question { text: Some(Ask::parse(text).unwrap()), ..Question::default() }
}

fn exact(n: u32) -> Question {
    Question { exact: vec![vec![Exact::new("n", n.to_le_bytes())]], ..Question::default() }
}

fn numbers(index: &Index, question: &Question, order: Order) -> Result<Vec<u32>, IndexError> {
    let found = index.search(question, order, None, 1000)?;
    Ok(found.hits.iter().map(|h| u32::from_le_bytes(h.stored[..].try_into().unwrap())).collect())
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }
    fn dir(&self) -> PathBuf {
        self.0.path().join("search")
    }
    fn open(&self) -> Index {
        let (index, why) = Index::open(&self.dir(), &KEY, b"1").unwrap();
        assert_eq!(why, None);
        index
    }
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all: Vec<PathBuf> = fs::read_dir(self.dir()).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all.into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect()
    }
}

#[test]
fn what_was_put_in_is_found_by_words_things_labels_and_times() {
    let place = Place::new();
    let index = place.open();
    assert_eq!(index.mark(), None);
    let texts = ["prize office", "advance fee prize", "the office of parcels"];
    put(&index, (0..3).map(|n| document(n, texts[n as usize])), 1).unwrap();
    assert_eq!((index.mark(), index.len()), (Some(vec![1]), 3));
    let of = |q: &Question| numbers(&index, q, Order::NEWEST).unwrap();
    assert_eq!(of(&Question::default()), [0, 1, 2], "the last changed first");
    assert_eq!(of(&words("prize")), [0, 1]);
    assert_eq!(of(&words("PRIZE -fee")), [0]);
    assert_eq!(of(&words("-prize")), [2]);
    assert_eq!(of(&words("\"office of parcels\"")), [2]);
    assert!(of(&words("\"parcels of office\"")).is_empty());
    assert_eq!(of(&words("parc*")), [2]);
    assert_eq!(of(&words("\"advance fee\" pri*")), [1]);
    assert_eq!(of(&exact(1)), [1]);
    assert!(of(&exact(7)).is_empty());
    let even = Question { exact: vec![vec![Exact::new("even", [1])]], ..words("office") };
    assert_eq!(of(&even), [0, 2]);
    let either = vec![vec![Exact::new("n", 1_u32.to_le_bytes()), Exact::new("n", 2_u32.to_le_bytes())]];
    assert_eq!(of(&Question { exact: either, ..Question::default() }), [1, 2]);
    let labelled = |values: Vec<u64>| Question { labels: vec![(Label::Stage, values)], ..Question::default() };
    assert_eq!((of(&labelled(vec![1])), of(&labelled(vec![0, 2]))), (vec![1], vec![0, 2]));
    let since = |from, before| Question { submitted: (from, before), ..Question::default() };
    assert_eq!(of(&since(Some(1001), None)), [1, 2]);
    assert_eq!(of(&since(Some(1001), Some(1002))), [1]);
    assert_eq!(of(&since(None, Some(1000))), [] as [u32; 0]);
    let kind = Question { exact: vec![vec![Exact::new("even", 1_u32.to_le_bytes())]], ..Question::default() };
    assert!(of(&kind).is_empty(), "things of two kinds never meet");
}

#[test]
fn what_is_added_without_a_mark_is_found_with_the_next_mark_and_a_kill_in_between_leaves_nothing_of_it() {
    let place = Place::new();
    let index = place.open();
    put(&index, [document(1, "spam")], 1).unwrap();
    index.add(Batch { put: vec![document(2, "spam")], remove: vec![id(1)] }).unwrap();
    assert_eq!((numbers(&index, &words("spam"), Order::NEWEST).unwrap(), index.mark()), (vec![1], Some(vec![1])));
    drop(index);
    let index = place.open();
    assert_eq!(numbers(&index, &words("spam"), Order::NEWEST).unwrap(), [1]);
    index.add(Batch { put: vec![document(2, "spam")], remove: vec![id(1)] }).unwrap();
    index.add_new(vec![document(3, "ham")]).unwrap();
    put(&index, [], 2).unwrap();
    assert_eq!(numbers(&index, &words("ham"), Order::NEWEST).unwrap(), [3]);
    assert_eq!((numbers(&index, &words("spam"), Order::NEWEST).unwrap(), index.mark()), (vec![2], Some(vec![2])));
}

#[test]
fn a_document_replaces_the_one_of_its_name_and_a_removed_one_is_not_found() {
    let place = Place::new();
    let index = place.open();
    put(&index, [document(1, "before"), document(2, "other")], 1).unwrap();
    put(&index, [document(1, "after")], 2).unwrap();
    assert!(numbers(&index, &words("before"), Order::NEWEST).unwrap().is_empty());
    assert_eq!(numbers(&index, &words("after"), Order::NEWEST).unwrap(), [1]);
    index.apply(Batch { put: vec![], remove: vec![id(1)] }, &[3]).unwrap();
    assert_eq!(numbers(&index, &Question::default(), Order::NEWEST).unwrap(), [2]);
    drop(index);
    let index = place.open();
    assert_eq!((index.mark(), index.len()), (Some(vec![3]), 1));
}

#[test]
fn pages_follow_each_other_in_every_order_without_gaps_or_twins() {
    let place = Place::new();
    let index = place.open();
    // ties, several segments, and replaced documents in between
    for chunk in (0..60).collect::<Vec<u32>>().chunks(7) {
        put(&index, chunk.iter().map(|n| Document { changed: u64::from(n / 4), ..document(*n, "spam mail") }), 1)
            .unwrap();
    }
    put(&index, (0..10).map(|n| Document { changed: u64::from(n / 4), ..document(n, "spam mail") }), 2).unwrap();
    let orders = [true, false].map(|submitted| [true, false].map(|newest| Order::Time { submitted, newest }));
    for order in orders.into_iter().flatten().chain([Order::Relevance]) {
        let whole: Vec<_> = index.search(&words("spam"), order, None, 100).unwrap().hits;
        assert_eq!(whole.len(), 60);
        let (mut paged, mut after): (Vec<_>, Option<After>) = (Vec::new(), None);
        loop {
            let page = index.search(&words("spam"), order, after, 7).unwrap();
            after = page.hits.last().map(|h| h.at);
            paged.extend(page.hits);
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, whole, "{order:?}");
        if let Order::Time { submitted: true, newest } = order {
            let mut numbers: Vec<u32> =
                whole.iter().map(|h| u32::from_le_bytes(h.stored[..].try_into().unwrap())).collect();
            if newest {
                numbers.reverse();
            }
            assert!(numbers.is_sorted());
        }
    }
}

#[test]
fn labels_are_counted_over_what_fits() {
    let place = Place::new();
    let index = place.open();
    put(&index, (0..30).map(|n| document(n, if n < 20 { "spam" } else { "ham" })), 1).unwrap();
    let (all, counts) = index.counts(&words("spam"), &[Label::Stage, Label::Conduct, Label::Country]).unwrap();
    assert_eq!(all, 20);
    assert_eq!(counts[&Label::Stage], [(0, 7), (1, 7), (2, 6)]);
    assert_eq!(counts[&Label::Conduct], [(1, 20), (2, 4), (3, 4), (4, 4), (5, 4), (6, 4)]);
    assert!(!counts.contains_key(&Label::Country));
    assert_eq!(index.count(&words("ham")).unwrap(), 10);
}

#[test]
fn nothing_put_in_lies_on_the_disk_in_the_clear() {
    let place = Place::new();
    let index = place.open();
    let stored = b"storedmarker".to_vec();
    let exact = vec![Exact::new("domain", b"exactmarker.example")];
    for n in 0..20 {
        let text = vec!["textmarker and more".to_owned()];
        put(&index, [Document { stored: stored.clone(), exact: exact.clone(), text, ..document(n, "") }], 1).unwrap();
    }
    index.settle().unwrap();
    for (path, bytes) in place.files() {
        for marker in ["textmarker", "storedmarker", "exactmarker", "marker", "stage"] {
            assert!(!bytes.windows(marker.len()).any(|w| w == marker.as_bytes()), "{marker} in {}", path.display());
        }
    }
}

/// Every word and exact term in any file of the index, of documents that are found and of those that are not.
fn every_term(index: &Index) -> BTreeSet<Vec<u8>> {
    let mut terms = BTreeSet::new();
    for segment in index.searcher().unwrap().segment_readers() {
        for field in [index.fields.text, index.fields.exact, index.fields.id] {
            let dictionary = segment.inverted_index(field).unwrap();
            let mut stream = dictionary.terms().stream().unwrap();
            while stream.advance() {
                terms.insert(stream.key().to_vec());
            }
        }
    }
    terms
}

#[test]
fn what_is_erased_is_in_no_file_any_more_and_the_old_files_open_no_more() {
    let place = Place::new();
    let index = place.open();
    // an older form of the document in one segment, the newer in another, others around them
    put(&index, (0..50).map(|n| document(n, "common words")), 1).unwrap();
    put(&index, (95..99).map(|n| document(n, "beside")).chain([document(7, "oldsecret")]), 2).unwrap();
    put(&index, [document(7, "newsecret"), document(99, "beside")], 3).unwrap();
    put(&index, (100..110).map(|n| document(n, "more common words")), 4).unwrap();
    let terms = every_term(&index);
    let (hash, name) = (index.hash(&Exact::new("n", 7_u32.to_le_bytes())), id(7));
    assert!(terms.contains(&b"oldsecret"[..]) && terms.contains(&hash[..]) && terms.contains(&name[..]));
    let before = place.files();
    assert_eq!(index.held(&[id(7), id(8), id(1000)]).unwrap(), [id(7), id(8)]);

    index.erase(&[id(7)], &[5]).unwrap();

    assert!(index.held(&[id(7)]).unwrap().is_empty());
    let terms = every_term(&index);
    for gone in [&b"oldsecret"[..], b"newsecret", &hash, &name] {
        assert!(!terms.contains(gone));
    }
    let held = |name: &str| before.iter().any(|(p, b)| p.ends_with(name) && fs::read(p).is_ok_and(|now| now == *b));
    let with = before.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "term")).count();
    let left = before.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "term") && p.exists()).count();
    assert!(left < with && with - left >= 2, "{left} of {with}");
    assert!(!held("meta.json"));
    assert_eq!(index.len(), 64, "the others are all there");
    assert_eq!(numbers(&index, &words("beside"), Order::NEWEST).unwrap(), [95, 96, 97, 98, 99]);
    assert_eq!((index.mark(), place.open_again(index)), (Some(vec![5]), 64));
}

impl Place {
    fn open_again(&self, index: Index) -> u64 {
        index.settle().unwrap();
        drop(index);
        let index = self.open();
        assert!(index.held(&[id(7)]).unwrap().is_empty());
        index.len()
    }
}

#[test]
fn a_file_that_is_done_with_loses_its_salt_before_it_loses_its_name() {
    let place = Place::new();
    let index = place.open();
    put(&index, [document(1, "secret")], 1).unwrap();
    let (path, bytes) = place.files().into_iter().find(|(p, _)| p.extension().is_some_and(|e| e == "term")).unwrap();
    // a second name for the same bytes: what undelete would find
    let kept = place.0.path().join("kept");
    fs::hard_link(&path, &kept).unwrap();
    index.erase(&[id(1)], &[2]).unwrap();
    assert!(!path.exists());
    let now = fs::read(&kept).unwrap();
    assert_eq!((now.len(), &now[8..40]), (bytes.len(), &[0; 32][..]));
    let name = path.file_name().unwrap().to_str().unwrap();
    let blocks = blake3::derive_key("lapwing/1 search index blocks", &KEY);
    assert!(crate::seal::open(&blocks, name, fs::File::open(&kept).unwrap()).is_err());
    fs::write(&kept, &bytes).unwrap();
    assert!(crate::seal::open(&blocks, name, fs::File::open(&kept).unwrap()).is_ok(), "with its salt it would open");
}

#[test]
fn an_index_under_another_key_or_of_another_stamp_is_emptied_and_says_why() {
    let place = Place::new();
    put(&place.open(), [document(1, "x")], 1).unwrap();
    for (key, stamp) in [([1; 32], b"1"), (KEY, b"2")] {
        let (index, why) = Index::open(&place.dir(), &key, stamp).unwrap();
        assert!(why.is_some());
        assert_eq!((index.mark(), index.len()), (None, 0));
        put(&index, [document(1, "x")], 1).unwrap();
        drop(index);
        let (index, why) = Index::open(&place.dir(), &key, stamp).unwrap();
        assert_eq!((why, index.len()), (None, 1));
    }
}

/// Everything that a small index can be asked.
fn answers(index: &Index) -> Result<Vec<Vec<u32>>, IndexError> {
    let mut out = Vec::new();
    for question in [Question::default(), words("spam"), words("\"spam mail\""), words("ma*"), exact(3), exact(11)] {
        out.push(numbers(index, &question, Order::NEWEST)?);
    }
    let labelled = Question { labels: vec![(Label::Stage, vec![1])], submitted: (Some(1003), None), ..words("mail") };
    out.push(numbers(index, &labelled, Order::Relevance)?);
    let (all, counts) = index.counts(&Question::default(), Label::ALL)?;
    out.push(vec![all as u32, counts.len() as u32]);
    Ok(out)
}

#[test]
fn a_flipped_byte_anywhere_and_a_missing_file_never_change_an_answer() {
    let place = Place::new();
    let index = place.open();
    for n in 0..12 {
        put(&index, [document(n, "spam mail of many kinds")], n as u8).unwrap();
    }
    let right = answers(&index).unwrap();
    index.settle().unwrap();
    drop(index);
    let (mut found, mut whole) = (0, 0);
    for (path, bytes) in place.files() {
        let step = (bytes.len() / 12).max(1);
        for at in (0..bytes.len()).step_by(step).chain([bytes.len() - 1, usize::MAX]) {
            match bytes.clone().get_mut(at) {
                Some(_) => {
                    let mut bent = bytes.clone();
                    bent[at] ^= 0x20;
                    fs::write(&path, bent).unwrap();
                }
                None => fs::remove_file(&path).unwrap(),
            }
            let saved: Vec<_> = place.files();
            let (index, why) = Index::open(&place.dir(), &KEY, b"1").unwrap();
            let doubt = why.is_some() || {
                let answers = answers(&index);
                if let Ok(answers) = &answers {
                    assert_eq!(*answers, right, "{} at {at}", path.display());
                }
                // once in doubt, for good
                assert_eq!(answers.is_err(), index.trouble().is_some());
                assert_eq!(answers.is_err(), index.mark().is_none());
                answers.is_err()
            };
            (found, whole) = (found + usize::from(doubt), whole + 1);
            drop(index);
            for (path, _) in place.files() {
                fs::remove_file(path).unwrap();
            }
            for (path, bytes) in saved {
                fs::write(path, bytes).unwrap();
            }
            fs::write(&path, &bytes).unwrap();
        }
    }
    // what is not found lies where no question reads: positions, norms, lists of files
    assert!(found * 3 > whole * 2, "{found} of {whole}");
}

#[test]
fn a_file_that_no_list_names_is_removed_at_the_next_start() {
    let place = Place::new();
    let index = place.open();
    put(&index, [document(1, "x")], 1).unwrap();
    drop(index);
    let term = |place: &Place| {
        let files = place.files();
        files.into_iter().find(|(p, _)| p.extension().is_some_and(|e| e == "term")).unwrap()
    };
    let (path, bytes) = term(&place);
    let stray = path.with_file_name("0123456789abcdef0123456789abcdef.term");
    fs::write(&stray, &bytes).unwrap();
    fs::remove_file(place.dir().join(".managed.json")).unwrap();
    let index = place.open();
    assert!(!stray.exists() && path.exists());
    put(&index, [document(2, "x")], 2).unwrap();
    assert_eq!(numbers(&index, &words("x"), Order::NEWEST).unwrap(), [1, 2]);
    drop(index);
    fs::remove_file(place.dir().join("meta.json")).unwrap();
    let (index, why) = Index::open(&place.dir(), &KEY, b"1").unwrap();
    assert!(why.is_some() && !path.exists() && index.mark().is_none());
}

#[test]
fn after_doubt_it_can_be_emptied_and_filled_anew() {
    let place = Place::new();
    let index = place.open();
    put(&index, [document(1, "x")], 1).unwrap();
    index.distrust("a test");
    assert!(matches!(index.search(&words("x"), Order::NEWEST, None, 1), Err(IndexError::Broken(_))));
    assert_eq!(index.mark(), None);
    index.clear().unwrap();
    assert_eq!((index.trouble(), index.mark(), index.len()), (None, None, 0));
    put(&index, [document(2, "x")], 2).unwrap();
    assert_eq!(numbers(&index, &words("x"), Order::NEWEST).unwrap(), [2]);
}

#[test]
fn wherever_the_power_is_cut_the_index_is_as_of_one_mark_or_says_that_it_is_not() {
    let (mut marks, mut emptied) = (BTreeSet::new(), 0);
    for cut in (0..50).chain((50..400).step_by(4)) {
        let place = Place::new();
        let index = place.open();
        put(&index, (0..4).map(|n| document(n, "spam")), 4).unwrap();
        index.folder.cut_after(cut);
        let work = || {
            put(&index, (4..6).map(|n| document(n, "spam")), 6)?;
            put(&index, [document(0, "changed")], 7)?;
            index.erase(&[id(1)], &[8])?;
            index.settle()
        };
        let done = work().is_ok();
        // the process is gone: what it holds must not reach the disk
        index.folder.cut_after(0);
        drop(index);
        let (index, why) = Index::open(&place.dir(), &KEY, b"1").unwrap();
        let (found, changed) = (index.len(), numbers(&index, &words("changed"), Order::NEWEST).unwrap().len());
        match index.mark().as_deref() {
            None => {
                assert!(why.is_some() && found == 0);
                emptied += 1;
            }
            Some([4]) => assert_eq!((found, changed), (4, 0), "cut at {cut}"),
            Some([6]) => assert_eq!((found, changed), (6, 0), "cut at {cut}"),
            Some([7]) => assert_eq!((found, changed), (6, 1), "cut at {cut}"),
            Some([8]) => assert_eq!((found, changed), (5, 1), "cut at {cut}"),
            other => panic!("{other:?}"),
        }
        marks.insert(index.mark());
        put(&index, [document(50, "after")], 9).unwrap();
        assert_eq!(numbers(&index, &words("after"), Order::NEWEST).unwrap(), [50]);
        if done {
            assert_eq!(marks.len() - usize::from(emptied > 0), 4, "every mark was seen on the way: {marks:?}");
            return;
        }
    }
    panic!("the work never ended");
}

#[test]
fn many_batches_are_merged_and_an_idle_index_holds_no_writer() {
    let place = Place::new();
    let index = place.open();
    for n in 0..40 {
        put(&index, [document(n, "spam")], n as u8).unwrap();
    }
    index.settle().unwrap();
    assert!(index.searcher().unwrap().segment_readers().len() < 12);
    assert!(matches!(&*index.state(), State::Live(live) if live.writer.is_none()));
    assert!(place.files().iter().all(|(p, _)| !p.to_string_lossy().ends_with(".gone")));
    assert_eq!(numbers(&index, &words("spam"), Order::NEWEST).unwrap().len(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Whatever is put, replaced, removed and erased, what is found is what a plain map would find.
    #[test]
    fn it_answers_as_a_plain_map_would(steps in prop::collection::vec((0u8..4, 0u32..12, 0usize..4), 1..24)) {
        let place = Place::new();
        let index = place.open();
        let texts = ["alpha beta", "beta gamma", "gamma", "alpha delta"];
        let mut map = std::collections::BTreeMap::new();
        for (act, n, text) in steps {
            match act {
                0 | 1 => {
                    put(&index, [document(n, texts[text])], 1).unwrap();
                    map.insert(n, text);
                }
                2 => {
                    index.apply(Batch { put: vec![], remove: vec![id(n)] }, &[1]).unwrap();
                    map.remove(&n);
                }
                _ => {
                    index.erase(&[id(n)], &[1]).unwrap();
                    map.remove(&n);
                }
            }
            for word in ["alpha", "beta", "gamma", "delta"] {
                let expected: Vec<u32> = map.iter().filter(|(_, t)| texts[**t].contains(word)).map(|(n, _)| *n).collect();
                let order = Order::Time { submitted: true, newest: false };
                prop_assert_eq!(&numbers(&index, &words(word), order).unwrap(), &expected);
                prop_assert_eq!(index.count(&words(word)).unwrap(), expected.len() as u64);
            }
        }
    }
}
