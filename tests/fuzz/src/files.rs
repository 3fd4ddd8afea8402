//! Files and texts that people bring: backups, configuration, tables, cursors, questions.

use crate::seeds::ARCHIVE_KEY;
use crate::{config as settings, cursor as place, table, words};
use lapwing_api::service::EventId;
use lapwing_record::cbor::{decode, encode};
use lapwing_record::form::Form;
use lapwing_store::archive::{check, header, unpack};
use std::collections::BTreeMap;
use std::path::Path;

/// A backup: only what was packed is unpacked, and no name leads out of a folder.
pub fn archive(bytes: &[u8]) {
    read_archive(bytes);
}

/// Whether it is whole.
pub fn read_archive(bytes: &[u8]) -> bool {
    let front = header(bytes);
    let checked = check(bytes);
    if let (Ok(front), Ok(checked)) = (&front, &checked) {
        assert_eq!(front, checked);
    }
    let mut read = 0_u64;
    let opened = unpack(bytes, &ARCHIVE_KEY, |name, _, content| {
        let parts: Vec<&str> = name.split('/').collect();
        assert!(!name.starts_with('/') && parts.iter().all(|p| !p.is_empty() && *p != ".." && *p != "."), "{name:?}");
        read += std::io::copy(content, &mut std::io::sink())?;
        Ok(())
    });
    assert!(read <= bytes.len() as u64);
    assert!(opened.is_err() || checked.is_ok(), "what opens with its key is whole without it too");
    opened.is_ok()
}

/// `config.toml`.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match settings::Settings::parse(text, Path::new("/data")) {
        Ok(read) => {
            let listens = [&read.node.listen, &read.node.external, &read.node.bootstrap];
            assert!(listens.iter().all(|l| l.len() <= 64 && l.iter().all(|a| a.starts_with('/'))));
            assert!(read.api.listen.ip().is_loopback() || read.api.allow_remote, "open to others unasked");
            serde_json::to_value(&read).expect("settings are shown as JSON");
        }
        Err(faults) => assert!(!faults.0.is_empty() && !faults.to_string().is_empty()),
    }
}

/// A table of complaints; what is taken goes through a draft and over the wire unchanged.
pub fn complaints(bytes: &[u8]) {
    match table::read(bytes, 3) {
        Ok(complaints) => {
            let text = toml::to_string(&BTreeMap::from([("complaints", &complaints)])).expect("complaints are TOML");
            let draft: Form = toml::from_str(&text).expect("what was written reads");
            assert_eq!(draft.complaints.as_ref(), Some(&complaints));
            let again: Form = decode(&encode(&draft), 1 << 24).expect("it travels");
            assert_eq!(again.complaints, draft.complaints);
        }
        Err(faults) => assert!(faults.iter().all(|f| !f.what.is_empty())),
    }
}

/// What callers hand back: cursors of lists and of searches, and ids of events.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(key) = place::key(text) {
        assert_eq!(place::of_key(&key), text);
    }
    for order in ["relevance", "changed", "changed_oldest", "submitted"] {
        if let Some(at) = place::place(order, text) {
            assert_eq!(place::of_place(order, at), text);
        }
    }
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// What somebody types to find something.
pub fn search(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for word in words::words(text) {
        assert!(!word.is_empty() && word.chars().count() <= 64);
    }
    match words::Ask::parse(text) {
        Ok(ask) => {
            let parts = || ask.must.iter().chain(&ask.not);
            assert!((1..=words::MAX_PARTS).contains(&parts().count()));
            assert!(parts().all(|p| !p.words.is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
