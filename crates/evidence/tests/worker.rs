//! The worker as a real process. This program is its own worker, which is why it has a `main` of its own.

use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::scan::{FileKind, MAX_MESSAGES, Scan, scan, scan_all};
use lapwing_evidence::warning::Warning;
use lapwing_evidence::worker::{WorkerCommand, analyse_bytes, analyse_file, analyse_scan, serve};
use std::io::{stdin, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const WORKER: &str = "evidence-worker";
const MAIL: &[u8] =
    b"Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; 2 Jan 2024 10:00:00 +0000\r\n\
    From: <a@spam.example>\r\nDate: 2 Jan 2024 10:00:00 +0000\r\nSubject: hello\r\n\r\nSee https://login.example/\r\n";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WORKER) {
        return match serve(stdin(), stdout()) {
            // What confines the worker holds for the rest of this process.
            Ok(()) if std::env::args().nth(2).as_deref() == Some(CURIOUS) => curious(),
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let tests: &[(&str, fn())] = &[
        ("an_honest_worker_gives_the_analysis", an_honest_worker_gives_the_analysis),
        ("a_worker_that_dies_is_a_warning", a_worker_that_dies_is_a_warning),
        (
            "a_worker_that_hangs_is_ended_with_all_that_it_started",
            a_worker_that_hangs_is_ended_with_all_that_it_started,
        ),
        ("a_worker_that_floods_its_pipes_is_cut_off", a_worker_that_floods_its_pipes_is_cut_off),
        (
            "a_worker_that_reads_nothing_does_not_block_its_parent",
            a_worker_that_reads_nothing_does_not_block_its_parent,
        ),
        ("a_worker_that_cannot_start_is_a_warning", a_worker_that_cannot_start_is_a_warning),
        ("a_worker_inherits_no_environment", a_worker_inherits_no_environment),
        ("the_largest_message_fits_into_the_default_limits", the_largest_message_fits_into_the_default_limits),
        (
            "a_message_that_needs_more_memory_than_allowed_is_a_warning",
            a_message_that_needs_more_memory_than_allowed_is_a_warning,
        ),
        (
            "messages_nested_in_an_encoded_message_kill_at_most_their_worker",
            messages_nested_in_an_encoded_message_kill_at_most_their_worker,
        ),
        (
            "a_folder_is_analysed_in_order_and_one_bad_message_spoils_only_itself",
            a_folder_is_analysed_in_order_and_one_bad_message_spoils_only_itself,
        ),
        ("a_file_beyond_the_limit_is_read_to_the_limit", a_file_beyond_the_limit_is_read_to_the_limit),
        ("a_worker_can_open_no_file_and_no_socket", a_worker_can_open_no_file_and_no_socket),
        (
            "every_kind_of_input_is_told_apart_and_analysed_in_its_worker",
            every_kind_of_input_is_told_apart_and_analysed_in_its_worker,
        ),
        ("hostile_files_are_bounded_named_and_left_as_they_are", hostile_files_are_bounded_named_and_left_as_they_are),
        ("a_mailbox_of_a_million_separators_is_cut_and_named", a_mailbox_of_a_million_separators_is_cut_and_named),
    ];
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&filter)) {
        // A test that fails panics, and with it this program.
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn myself() -> WorkerCommand {
    WorkerCommand::current_exe([WORKER]).expect("a test has a path")
}

fn shell(script: &str) -> WorkerCommand {
    WorkerCommand::new("/bin/sh", ["-c", script])
}

fn quick() -> Limits {
    Limits { wall_ms: 500, ..Limits::default() }
}

/// Runs and holds that the answer came in time.
fn within(limit: Duration, worker: &WorkerCommand, bytes: &[u8], limits: &Limits) -> Result<(), Warning> {
    let start = Instant::now();
    let outcome = analyse_bytes(worker, bytes, limits).map(drop);
    assert!(start.elapsed() < limit, "took {:?}", start.elapsed());
    outcome
}

fn an_honest_worker_gives_the_analysis() {
    let found = analyse_bytes(&myself(), MAIL, &Limits::default()).expect("an analysis");
    assert_eq!(found, lapwing_evidence::analyse::analyse(MAIL, &Limits::default()));
    assert_eq!(found.urls[0].url, "https://login.example/");
    let garbage = analyse_bytes(&myself(), &[0xff; 100_000], &Limits::default()).expect("an answer");
    assert!(garbage.warnings.contains(&Warning::NotAMessage));
}

fn a_worker_that_dies_is_a_warning() {
    for script in
        ["kill -9 $$", "kill -SEGV $$", "exit 1", "exit 0", "echo '{}' ; exit 3", "cat >/dev/null; echo nonsense"]
    {
        let outcome = within(Duration::from_secs(2), &shell(script), MAIL, &quick());
        let expected = if script.contains("exit 0") || script.contains("nonsense") {
            Warning::WorkerBadAnswer
        } else {
            Warning::WorkerCrashed
        };
        assert_eq!(outcome, Err(expected), "{script}");
    }
}

fn a_worker_that_hangs_is_ended_with_all_that_it_started() {
    let marker = tempfile::tempdir().expect("a folder");
    let file = marker.path().join("alive");
    let script = format!("(sleep 1.5; touch {}) & sleep 60", file.display());
    assert_eq!(within(Duration::from_secs(2), &shell(&script), MAIL, &quick()), Err(Warning::WorkerTimeout));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!file.exists(), "a grandchild lived on");
}

fn a_worker_that_floods_its_pipes_is_cut_off() {
    // The flood ends when the pipe is closed on it, so this is no matter of time.
    let outcome = within(Duration::from_secs(5), &shell("cat /dev/zero"), MAIL, &Limits::default());
    assert_eq!(outcome, Err(Warning::WorkerBadAnswer));
    let outcome = within(Duration::from_secs(2), &shell("cat /dev/zero >&2"), MAIL, &quick());
    assert_eq!(outcome, Err(Warning::WorkerCrashed));
}

fn a_worker_that_reads_nothing_does_not_block_its_parent() {
    let big = vec![b'a'; 8 << 20];
    assert_eq!(within(Duration::from_secs(2), &shell("sleep 60"), &big, &quick()), Err(Warning::WorkerTimeout));
}

fn a_worker_that_cannot_start_is_a_warning() {
    let none = WorkerCommand::new("/nonexistent/worker", [""; 0]);
    assert_eq!(within(Duration::from_secs(1), &none, MAIL, &quick()), Err(Warning::WorkerUnavailable));
}

fn a_worker_inherits_no_environment() {
    assert!(std::env::vars().next().is_some(), "there is something to inherit");
    // PWD and the like are set by the shell itself.
    let script =
        "cat >/dev/null; if env | grep -qv -e '^PWD=' -e '^OLDPWD=' -e '^_=' -e '^SHLVL='; then exit 1; fi; echo '{}'";
    assert_eq!(within(Duration::from_secs(2), &shell(script), MAIL, &Limits::default()), Ok(()));
    let inheriting = "cat >/dev/null; export X=1; if env | grep -q '^X='; then exit 1; fi";
    let outcome = within(Duration::from_secs(2), &shell(inheriting), MAIL, &Limits::default());
    assert_eq!(outcome, Err(Warning::WorkerCrashed), "the check itself would see a variable");
}

fn the_largest_message_fits_into_the_default_limits() {
    let content = data_encoding::BASE64.encode(&vec![b'x'; 22 << 20]);
    let mail = format!(
        "From: <a@spam.example>\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{content}"
    );
    // Hashing unoptimised takes its time; memory is what this is about.
    let limits = Limits { wall_ms: 30_000, ..Limits::default() };
    let found = analyse_bytes(&myself(), mail.as_bytes(), &limits).expect("an analysis");
    assert_eq!(found.attachments[0].size, 22 << 20);
    let text = format!(
        "From: <a@spam.example>\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n{}",
        "<p>x\u{e9}</p>\r\n".repeat(2_500_000)
    );
    let found = analyse_bytes(&myself(), text.as_bytes(), &limits).expect("an analysis");
    assert!(found.warnings.contains(&Warning::Truncated));
}

fn a_message_that_needs_more_memory_than_allowed_is_a_warning() {
    let mut mail = MAIL.to_vec();
    mail.resize(24 << 20, b'x');
    let limits = Limits { memory_bytes: 40 << 20, ..Limits::default() };
    assert_eq!(within(Duration::from_secs(4), &myself(), &mail, &limits), Err(Warning::WorkerOutOfMemory));
}

fn messages_nested_in_an_encoded_message_kill_at_most_their_worker() {
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(400_000);
    let encoded = data_encoding::BASE64.encode(inner.as_bytes());
    let mail =
        format!("Subject: x\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}");
    let outcome = within(Duration::from_secs(4), &myself(), mail.as_bytes(), &Limits::default());
    let died = [Warning::WorkerCrashed, Warning::WorkerOutOfMemory, Warning::WorkerTimeout];
    assert!(outcome.is_ok_and(|()| true) || outcome.is_err_and(|w| died.contains(&w)), "{outcome:?}");
}

fn a_folder_is_analysed_in_order_and_one_bad_message_spoils_only_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let mail = String::from_utf8_lossy(MAIL).into_owned();
    let mbox = format!(
        "From x Mon Jan  1 10:00:00 2024\n{mail}\nFrom y Mon Jan  1 10:00:00 2024\n{}",
        mail.replace("hello", "two")
    );
    std::fs::write(dir.path().join("b.mbox"), mbox).expect("written");
    std::fs::write(dir.path().join("a.eml"), MAIL).expect("written");
    std::fs::write(dir.path().join("c.eml"), "no mail at all").expect("written");
    std::fs::write(dir.path().join("d.pdf"), "%PDF-1.4").expect("written");
    let found = scan(dir.path()).expect("a scan");
    let steps = std::sync::atomic::AtomicUsize::new(0);
    let items = analyse_scan(&myself(), &found, &Limits::default(), &Keys::default(), |_, of| {
        assert_eq!(of, 4);
        steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(steps.into_inner(), 4);
    let table: Vec<_> = items
        .iter()
        .map(|i| (i.name.as_str(), i.index, i.analysis.as_ref().and_then(|a| a.subject.as_deref())))
        .collect();
    assert_eq!(
        table,
        [
            ("a.eml", None, Some("hello")),
            ("b.mbox", Some(0), Some("hello")),
            ("b.mbox", Some(1), Some("two")),
            ("c.eml", None, None),
        ]
    );
    assert!(items[3].all_warnings().contains(&Warning::NotAMessage));
    std::fs::write(dir.path().join("a.eml"), [MAIL, b"more"].concat()).expect("written");
    let items = analyse_scan(&myself(), &found, &Limits::default(), &Keys::default(), |_, _| {});
    assert!(items[0].warnings.contains(&Warning::ChangedSinceScan));
    let items = analyse_scan(&shell("kill -9 $$"), &found, &Limits::default(), &Keys::default(), |_, _| {});
    assert!(items.iter().all(|i| i.analysis.is_none() && i.warnings.contains(&Warning::WorkerCrashed)));
}

fn a_file_beyond_the_limit_is_read_to_the_limit() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.eml");
    std::fs::write(&path, [MAIL, &[b'x'; 100_000]].concat()).expect("written");
    let item = analyse_file(&myself(), &path, &Limits { max_bytes: 10_000, ..Limits::default() });
    assert_eq!(item.warnings.into_iter().collect::<Vec<_>>(), [Warning::TooLarge]);
    assert!(item.analysis.is_some_and(|a| a.subject.as_deref() == Some("hello")));
    let missing = analyse_file(&myself(), &dir.path().join("none"), &Limits::default());
    assert_eq!(missing.warnings.into_iter().collect::<Vec<_>>(), [Warning::Unreadable]);
}

/// A worker that looks around after its work.
const CURIOUS: &str = "curious";

fn curious() -> ExitCode {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").is_ok() || std::net::TcpListener::bind("127.0.0.1:0").is_ok();
    let file = std::fs::File::open("/dev/null").is_ok();
    if socket || file { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn a_worker_can_open_no_file_and_no_socket() {
    let worker = WorkerCommand::current_exe([WORKER, CURIOUS]).expect("a test has a path");
    assert!(analyse_bytes(&worker, MAIL, &Limits::default()).is_ok(), "it could");
    // The check itself would notice: unconfined, all of it works.
    assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_ok() && std::fs::File::open("/dev/null").is_ok());
}

fn every_kind_of_input_is_told_apart_and_analysed_in_its_worker() {
    let dir = tempfile::tempdir().expect("a folder");
    let mail = String::from_utf8_lossy(MAIL).into_owned();
    let report = serde_json::json!({
        "xarf_version": "4.2.0", "category": "messaging", "type": "spam", "source_identifier": "192.0.2.9",
        "evidence": [{ "content_type": "message/rfc822", "payload": data_encoding::BASE64.encode(MAIL) }],
    });
    let mut saved = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).expect("a file in memory");
    let header: Vec<u8> = mail.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::io::Write::write_all(&mut saved.create_stream("/__substg1.0_007D001F").expect("a stream"), &header)
        .expect("written");
    saved.flush().expect("written");
    let complaint = format!(
        "From: x@y.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{mail}\r\n--b--\r\n"
    );
    for (name, content) in [
        ("a.eml", mail.clone().into_bytes()),
        ("b.eml", complaint.into_bytes()),
        ("c.json", report.to_string().into_bytes()),
        ("d.msg", saved.into_inner().into_inner()),
        ("e.txt", format!("X-Pasted: yes\r\n{}", mail.split("\r\n\r\n").next().unwrap_or_default()).into_bytes()),
        ("f.mbox", format!("From x Mon Jan  1 10:00:00 2024\n{mail}").into_bytes()),
        ("g.bin", b"\x7fELF".to_vec()),
        ("h.json", b"{\"other\": 1}".to_vec()),
        ("i.msg", b"no compound file".to_vec()),
    ] {
        std::fs::write(dir.path().join(name), content).expect("written");
    }
    let found = scan(dir.path()).expect("a scan");
    let kinds: Vec<&FileKind> = found.files.iter().map(|f| &f.kind).collect();
    assert!(
        matches!(
            kinds.as_slice(),
            [
                FileKind::Eml,
                FileKind::Eml,
                FileKind::Xarf,
                FileKind::Outlook,
                FileKind::Headers,
                FileKind::Mbox { .. },
                FileKind::Other,
                FileKind::Other,
                FileKind::Other
            ]
        ),
        "{kinds:?}"
    );
    assert!(found.files[8].warnings.contains(&Warning::OutlookDamaged));
    let items = analyse_scan(&myself(), &found, &Limits::default(), &Keys::default(), |_, _| {});
    assert_eq!(items.len(), 6);
    for item in &items {
        let analysis = item.analysis.as_ref().expect("an analysis");
        assert_eq!(
            analysis.sending_ip.as_ref().map(|s| s.ip.to_string()).as_deref(),
            Some("192.0.2.7"),
            "{}",
            item.name
        );
        assert_eq!(analysis.from[0].email, "a@spam.example", "{}", item.name);
        assert!(item.cost.peak_bytes.is_some_and(|b| b > 0 && b < 256 << 20), "{:?}", item.cost);
    }
    let again = scan_all(&[dir.path().join("a.eml"), dir.path().to_owned()], |_| ()).expect("a scan");
    assert_eq!(again.files.len(), 9, "a file that is named twice is one");
}

/// Unoptimised code is allowed five times what a worker is.
fn hostile_limits() -> Limits {
    let wall_ms = if cfg!(debug_assertions) { 10_000 } else { Limits::default().wall_ms };
    Limits { wall_ms, ..Limits::default() }
}

fn hostile_files_are_bounded_named_and_left_as_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let head = "From: a@b.example\r\nSubject: x\r\n";
    let attached = |name: &str| {
        format!("{head}Content-Type: application/x; name=\"{name}\"\r\nContent-Disposition: attachment\r\n\r\nx")
    };
    let sample = |bytes: usize| {
        let payload = data_encoding::BASE64.encode(&vec![b'x'; bytes]);
        format!(
            "{{\"xarf_version\": 4, \"evidence\": [{{\"content_type\": \"text/plain\", \"payload\": \"{payload}\"}}]}}"
        )
    };
    let parts = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(100_000);
    let nested: String =
        (0..10_000).map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")).collect();
    let cases: Vec<(&str, Vec<u8>, Option<Warning>)> = vec![
        (
            "parts.eml",
            format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}").into(),
            Some(Warning::TooManyParts),
        ),
        ("header.eml", format!("{head}X-Long: {}\r\n\r\nx", "x".repeat(10 << 20)).into(), None),
        ("nested.eml", format!("{head}{nested}").into(), Some(Warning::TooDeep)),
        (
            "messages.eml",
            format!("{head}{}", "Content-Type: message/rfc822\r\n\r\n".repeat(10_000)).into(),
            Some(Warning::TooDeep),
        ),
        ("bomb.zip", b"PK\x03\x04".repeat(100_000), None),
        ("up.eml", attached("../../../etc/passwd").into(), Some(Warning::NameSanitised)),
        ("nul.eml", attached("a\0b.exe").into(), Some(Warning::NameSanitised)),
        ("rtl.eml", attached("invoice\u{202e}fdp.exe").into(), Some(Warning::NameSanitised)),
        ("long.eml", attached(&"n".repeat(4_096)).into(), Some(Warning::NameSanitised)),
        (
            "charset.eml",
            format!("{head}Content-Type: text/plain; charset=klingon-8\r\n\r\nx").into(),
            Some(Warning::BadCharset),
        ),
        ("date.eml", format!("{head}Date: the day after\r\n\r\nx").into(), Some(Warning::BadDate)),
        (
            "base64.eml",
            format!("{head}Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!aGVsbG8!!\u{1}")
                .into(),
            Some(Warning::BadEncoding),
        ),
        (
            "types.json",
            b"{\"xarf_version\": [], \"evidence\": 7, \"reporter\": true}".to_vec(),
            Some(Warning::ReportInvalid),
        ),
        ("deep.xarf", "{\"a\":".repeat(1 << 20).into(), Some(Warning::ReportUnreadable)),
        ("sample.json", sample(20 << 20).into(), Some(Warning::ReportInvalid)),
        ("values.json", format!("{{\"xarf_version\": [{}0]}}", "0,".repeat(15 << 20)).into(), None),
        (
            "broken.msg",
            [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0x5a; 100_000]].concat(),
            Some(Warning::OutlookDamaged),
        ),
    ];
    for (name, content, _) in &cases {
        std::fs::write(dir.path().join(name), content).expect("written");
    }
    let before = scan(dir.path()).expect("a scan");
    let start = Instant::now();
    let items = analyse_scan(&myself(), &before, &hostile_limits(), &Keys::default(), |_, _| {});
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    for (name, _, warning) in &cases {
        let Some(item) = items.iter().find(|i| i.name == *name) else {
            assert_eq!(*name, "bomb.zip", "{name} gave no item");
            continue;
        };
        let codes = item.all_warnings();
        assert!(warning.is_none_or(|w| codes.contains(&w)), "{name}: {codes:?}");
        assert!(item.analysis.is_some() || !item.warnings.is_empty(), "{name} ended without a word");
        assert!(item.cost.ms < hostile_limits().wall_ms + 2_000, "{name}: {:?}", item.cost);
        assert!(item.cost.peak_bytes.is_none_or(|b| b <= 256 << 20), "{name}: {:?}", item.cost);
    }
    let after = scan(dir.path()).expect("a scan");
    let hashes =
        |s: &Scan| s.files.iter().map(|f| (f.name.clone(), f.sha256.clone(), f.blake3.clone())).collect::<Vec<_>>();
    assert_eq!(hashes(&before), hashes(&after));
}

fn a_mailbox_of_a_million_separators_is_cut_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("box.mbox");
    std::fs::write(&path, "From x Mon Jan  1 10:00:00 2024\nSubject: y\n\n".repeat(1_000_000)).expect("written");
    let start = Instant::now();
    let mut found = scan(dir.path()).expect("a scan");
    let limit = if cfg!(debug_assertions) { 30 } else { 2 };
    assert!(start.elapsed() < Duration::from_secs(limit), "{:?}", start.elapsed());
    assert!(found.files[0].warnings.contains(&Warning::TooManyMessages));
    let FileKind::Mbox { messages } = &mut found.files[0].kind else { panic!("a mailbox") };
    assert_eq!(messages.len(), MAX_MESSAGES);
    messages.truncate(20);
    let items = analyse_scan(&myself(), &found, &Limits::default(), &Keys::default(), |_, _| {});
    assert!(items.iter().all(|i| i.analysis.as_ref().is_some_and(|a| a.subject.as_deref() == Some("y"))));

    // A million separators and no header: no mailbox at all.
    std::fs::write(&path, "From x Mon Jan  1 10:00:00 2024\n\n".repeat(1_000_000)).expect("written");
    assert_eq!(scan(dir.path()).expect("a scan").files[0].kind, FileKind::Other);
}
