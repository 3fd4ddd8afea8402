//! Mail and reports, as the analysis reads them in its child process: here without the process, so that what only the
//! child's death would hide is seen.

use lapwing_evidence::analyse::{Input, analyse_as};
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::redact::redact;
use lapwing_evidence::worker::MAX_ANSWER;
use lapwing_evidence::xarf::rules;
use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// Panics of this thread: the analysis survives those of the libraries that it uses, and they are findings all the same.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn panics() -> u32 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    PANICS.get()
}

/// What must hold of every analysis, whatever it is of.
fn holds(input: Input, bytes: &[u8]) -> Analysis {
    let limits = Limits::default();
    let keys = Keys::parse(
        "s._domainkey.spam.example. 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
    );
    let before = panics();
    let found = analyse_as(input, bytes, &limits, &keys.expect("a record"));
    assert_eq!(panics(), before, "a parser panicked");
    assert!(found.urls.len() <= limits.max_urls && found.received.len() <= 100 && found.attachments.len() <= 200);
    let json = serde_json::to_vec(&found).expect("plain data");
    assert!((json.len() as u64) < MAX_ANSWER, "an answer of {} bytes", json.len());
    assert_eq!(serde_json::from_slice::<Analysis>(&json).expect("a round trip"), found);
    for file in &found.attachments {
        assert!(!file.name.is_empty() && file.name.chars().count() <= 255, "{:?}", file.name);
        assert!(!file.name.starts_with('.') && !file.name.contains(['/', '\\']), "a path: {:?}", file.name);
        assert!(file.name.chars().all(|c| !c.is_control()), "{:?}", file.name);
    }
    let texts = found.subject.iter().chain(found.from.iter().filter_map(|a| a.name.as_ref()));
    let bidi = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(texts.flat_map(|t| t.chars()).all(|c| !c.is_control() && !bidi(c)), "a terminal would obey it");
    found
}

/// A message, its signatures, and a copy without some of its words.
pub fn mail(bytes: &[u8]) {
    let found = holds(Input::Message, bytes);
    let texts: Vec<String> = found.recipients.iter().cloned().chain(["spam.example".to_owned()]).take(100).collect();
    if let Ok(copy) = redact(bytes, &texts) {
        assert_eq!((copy.bytes.len(), copy.counts.len()), (bytes.len(), texts.len()));
    }
}

/// A message as Outlook saves it.
pub fn outlook(bytes: &[u8]) {
    holds(Input::Outlook, bytes);
}

/// A report in XARF.
pub fn xarf(bytes: &[u8]) {
    holds(Input::Xarf, bytes);
    if let Ok(value) = serde_json::from_slice(bytes) {
        rules::check(&value);
    }
}
