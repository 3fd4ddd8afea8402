//! Hostile messages, made here: each is survived in bounded time and space, with a warning.

use lapwing_evidence::analyse::{Input, analyse, analyse_as};
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::warning::Warning;
use lapwing_evidence::worker::MAX_ANSWER;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

/// Analyses, and holds what must hold for every message whatever it is. Unoptimised code on a busy machine is allowed
/// ten times what a worker is.
fn survive(bytes: &[u8]) -> Analysis {
    let limits = Limits::default();
    let start = Instant::now();
    let found = analyse(bytes, &limits);
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    assert!(found.urls.len() <= limits.max_urls && found.received.len() <= 100 && found.attachments.len() <= 200);
    let json = serde_json::to_vec(&found).expect("plain data");
    assert!((json.len() as u64) < MAX_ANSWER, "an answer of {} bytes", json.len());
    assert_eq!(serde_json::from_slice::<Analysis>(&json).expect("a round trip"), found);
    found
}

fn warned(found: &Analysis, warning: Warning) {
    assert!(found.warnings.contains(&warning), "{warning} missing in {:?}", found.warnings);
}

#[test]
fn a_hundred_thousand_parts_are_cut() {
    let mut mail = String::from("Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
    mail.push_str(&"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(100_000));
    let found = survive(mail.as_bytes());
    warned(&found, Warning::TooManyParts);
    assert!(found.parts <= 1_000);
    assert_eq!(found.subject.as_deref(), Some("x"));
    let bare = format!(
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(100_000)
    );
    warned(&survive(bare.as_bytes()), Warning::TooManyParts);
}

#[test]
fn ten_thousand_levels_of_multipart_and_of_messages_are_cut() {
    let mut parts = String::from("Subject: x\r\n");
    (0..10_000)
        .for_each(|i| parts.push_str(&format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")));
    let found = survive(parts.as_bytes());
    warned(&found, Warning::TooManyParts);
    warned(&found, Warning::TooDeep);
    let messages = format!("Subject: x\r\n{}", "Content-Type: message/rfc822\r\n\r\n".repeat(10_000));
    let found = survive(messages.as_bytes());
    warned(&found, Warning::TooDeep);
    assert!(found.nested_messages <= 40);
}

#[test]
fn a_header_of_ten_megabytes_and_an_endless_line_are_bounded() {
    let long = "x".repeat(10 << 20);
    let found = survive(format!("From: a@b.example\r\nSubject: {long}\r\nX-Long: {long}\r\n\r\nhi").as_bytes());
    assert_eq!(found.subject.map(|s| s.chars().count()), Some(500));
    let found = survive(format!("From: a@b.example\r\n\r\n{long}").as_bytes());
    warned(&found, Warning::Truncated);
    survive(long.as_bytes());
    survive("\r\n".repeat(1 << 20).as_bytes());
    survive("Received: ".repeat(1 << 18).as_bytes());
    survive(format!("To: {}\r\n\r\n", "a@b.example, ".repeat(100_000)).as_bytes());
    survive("Received: from a (192.0.2.1) by b.example; 1 Jan 2024 00:00:00 +0000\r\n".repeat(50_000).as_bytes());
    survive("DKIM-Signature: d=a.example\r\n".repeat(50_000).as_bytes());
}

#[test]
fn broken_encodings_charsets_and_dates_are_named() {
    let mail = "From: a@b.example\r\nDate: Thirtysecond of Never 99999\r\nContent-Type: text/plain; charset=klingon-8\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n!!!! this is not base64 \u{1}\u{2} ====\r\n";
    let found = survive(mail.as_bytes());
    for warning in [Warning::BadDate, Warning::BadCharset, Warning::BadEncoding, Warning::NoReceived] {
        warned(&found, warning);
    }
    for date in [
        "Mon, 99 Jan 2024 99:99:99 +9999",
        "31 Feb 2024 00:00:00",
        "1 Jan 0001 00:00:00",
        "-1",
        "1 Jan 65535 00:00:00 +0000",
    ] {
        let found = survive(format!("From: a@b.example\r\nDate: {date}\r\n\r\n").as_bytes());
        assert!(found.date.is_none() || found.date.is_some_and(|d| d.starts_with("20")), "{date}");
    }
}

#[test]
fn names_of_attachments_are_never_paths_and_never_reorder() {
    let long = format!("{}.exe", "a".repeat(4_096));
    for name in [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "a\0b.exe",
        "invoice\u{202e}fdp.exe",
        "/",
        "..",
        &long,
        "C:x",
        "\u{1b}[2Jx",
    ] {
        let mail = format!(
            "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/x-thing\r\n\
             Content-Disposition: attachment; filename=\"{}\"\r\n\r\ncontent\r\n--b--\r\n",
            name.replace('\\', "\\\\"),
        );
        let found = survive(mail.as_bytes());
        warned(&found, Warning::NameSanitised);
        let shown = &found.attachments[0].name;
        assert!(!shown.contains(['/', '\\', '\0', '\u{202e}', '\u{1b}']) && !shown.starts_with('.'), "{shown:?}");
        assert!((1..=255).contains(&shown.chars().count()), "{shown:?}");
        assert_eq!(found.attachments[0].size, 7);
    }
}

#[test]
fn the_largest_answer_stays_under_its_bound() {
    let mut mail = String::from("Subject: x\r\n");
    for i in 0..300 {
        let host = format!("h{i}.{}.example", "\u{fc}x".repeat(20));
        mail.push_str(&format!("Received: from {host} ([192.0.2.1]) by {host}; 1 Jan 2024 00:00:00 +0000\r\n"));
        mail.push_str(&format!(
            "Reply-To: \"{}\" <{}@{host}>\r\nTo: {}@{host}\r\n",
            "\\\"".repeat(400),
            "q".repeat(250),
            "r".repeat(250)
        ));
    }
    mail.push_str("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for i in 0..400 {
        mail.push_str(&format!(
            "--b\r\nContent-Type: application/x; name=\"{}{i}\"\r\n\r\nx\r\n--b\r\nContent-Type: text/plain; charset=\"{i}\"\r\n\r\n",
            "\u{1F600}".repeat(255),
        ));
        for j in 0..20 {
            mail.push_str(&format!("https://{i}-{j}.{}.example/{} ", "\u{fc}".repeat(50), "\u{1F600}".repeat(150)));
            mail.push_str(&format!("{}{i}x{j}@{}.example +4930{i:04}{j:04}\r\n", "m".repeat(60), "n".repeat(60)));
        }
    }
    let found = survive(mail.as_bytes());
    warned(&found, Warning::TooManyUrls);
    assert!(found.urls_total >= 4_000, "{}", found.urls_total);
}

#[test]
fn markup_made_to_be_slow_is_read_in_bounded_time() {
    let n = 1 << 18;
    for body in [
        "<".repeat(n),
        "<a href=".repeat(n / 8),
        "<a ".repeat(n / 3),
        format!("<a {}>", (0..n / 8).map(|i| format!("a{i}=x ")).collect::<String>()),
        "<div style='display:none'>".repeat(n / 20),
        "&".repeat(n),
        "&#x110000;".repeat(n / 10),
        "@".repeat(n),
        "a@".repeat(n / 2),
        "http://".repeat(n / 7),
        "://".repeat(n / 3),
        "www.".repeat(n / 4),
        "a.".repeat(n / 2),
        "+1".repeat(n / 2),
        "(".repeat(n),
        "<!--".repeat(n / 4),
        "<script>".repeat(n / 8),
        "https://a.example/?".repeat(n / 19),
        "xn--".repeat(n / 4),
    ] {
        for kind in ["html", "plain"] {
            survive(format!("From: a@b.example\r\nContent-Type: text/{kind}\r\n\r\n{body}").as_bytes());
        }
        survive(
            format!(
                "From: {body}\r\nReceived: {body}\r\nAuthentication-Results: {body}\r\nContent-Type: {body}\r\n\r\nx"
            )
            .as_bytes(),
        );
    }
}

/// As a report in XARF.
fn survive_report(bytes: &[u8]) -> Analysis {
    let start = Instant::now();
    let found = analyse_as(Input::Xarf, bytes, &Limits::default(), &Keys::default());
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    assert!((serde_json::to_vec(&found).expect("plain data").len() as u64) < MAX_ANSWER);
    found
}

#[test]
fn reports_of_wrong_types_depth_and_size_are_named_for_what_they_are() {
    for text in ["", "{", "[]", "null", "{\"xarf_version\": 1", &"[".repeat(100_000), &"{\"a\":".repeat(100_000)] {
        warned(&survive_report(text.as_bytes()), Warning::ReportUnreadable);
    }
    let all = ["xarf_version", "report_id", "timestamp", "reporter", "sender", "source_identifier", "source_port"];
    let more = ["category", "type", "protocol", "smtp_from", "evidence", "tags", "url", "asn", "spam_indicators"];
    for wrong in
        ["null", "true", "-1", "1e400", "[]", "{}", "\"\\u0000\\u202e\"", "[[[[]]]]", "{\"payload\": {}}", "[7, {}]"]
    {
        let fields: Vec<String> = all.iter().chain(&more).map(|f| format!("\"{f}\": {wrong}")).collect();
        let found = survive_report(format!("{{{}}}", fields.join(",")).as_bytes());
        let unreadable = found.warnings.contains(&Warning::ReportUnreadable);
        assert!(unreadable || found.warnings.contains(&Warning::ReportInvalid), "{wrong}: {:?}", found.warnings);
        assert!(found.report.is_none_or(|r| r.faults.len() <= 50 && r.urls.len() <= 50));
    }
    let item = "{\"content_type\": \"message/rfc822\", \"payload\": \"RnJvbTogYUBiLmV4YW1wbGUNCg0KaGk=\"}";
    let many = format!("{{\"evidence\": [{}]}}", vec![item; 5_000].join(","));
    let found = survive_report(many.as_bytes());
    warned(&found, Warning::Truncated);
    assert!(found.attachments_total <= 50);
}

#[test]
fn a_huge_sample_inside_a_report_is_passed_over_and_a_large_one_read() {
    let report = |bytes: usize| {
        let payload = data_encoding::BASE64.encode(&vec![b'x'; bytes]);
        format!(
            "{{\"xarf_version\": \"4.2.0\", \"evidence\": [{{\"content_type\": \"text/plain\", \"payload\": \"{payload}\"}}]}}"
        )
    };
    let found = survive_report(report(23 << 20).as_bytes());
    assert_eq!((found.attachments[0].size, found.report.map(|r| r.samples)), (23 << 20, Some(1)));
    warned(&survive_report(report(6 << 20).as_bytes()), Warning::ReportInvalid);
    let limits = Limits { max_bytes: 64 << 20, ..Limits::default() };
    let small = Limits { max_bytes: 1 << 20, ..limits };
    let whole = report(800_000);
    let found = analyse_as(Input::Xarf, whole.as_bytes(), &small, &Keys::default());
    warned(&found, Warning::Truncated);
    let truncated =
        "{\"xarf_version\": \"4.2.0\", \"evidence\": [{\"content_type\": \"text/plain\", \"payload\": \"AAA\"}]}";
    warned(&survive_report(truncated.as_bytes()), Warning::SampleUnreadable);
}

#[test]
fn a_saved_message_with_any_bits_turned_over_is_survived() {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("a file in memory");
    let headers: Vec<u8> = "From: a@b.example\r\nSubject: x\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    file.create_storage("/__attach_version1.0_#00000000").expect("a storage");
    for (path, content) in [
        ("/__properties_version1.0", vec![0; 64]),
        ("/__substg1.0_007D001F", headers),
        ("/__substg1.0_1000001F", vec![b'a'; 9_000]),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", vec![7; 5_000]),
    ] {
        file.create_stream(path).and_then(|mut s| s.write_all(&content)).expect("written");
    }
    file.flush().expect("written");
    let whole = file.into_inner().into_inner();
    let read = |bytes: &[u8]| analyse_as(Input::Outlook, bytes, &Limits::default(), &Keys::default());
    assert_eq!(read(&whole).subject.as_deref(), Some("x"));
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (1 << 30)).unwrap_or(0)
    };
    let start = Instant::now();
    let (mut damaged, mut whole_still) = (0, 0);
    for round in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=round % 12 {
            // The first half of the rounds turns bits of the container's own tables.
            let at = next() % if round < 300 { bytes.len().min(2_048) } else { bytes.len() };
            bytes[at] ^= 1 << (next() % 8);
        }
        bytes.truncate(if round % 7 == 0 { next() % bytes.len() } else { bytes.len() });
        let found = read(&bytes);
        let named = [Warning::OutlookDamaged, Warning::ParserFailed].iter().any(|w| found.warnings.contains(w));
        damaged += usize::from(named);
        whole_still += usize::from(found.subject.is_some());
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(damaged > 50 && whole_still > 50, "{damaged} named, {whole_still} still read");
}

#[test]
fn what_an_attachment_is_packed_with_is_never_unpacked() {
    // The first bytes of a zip archive that claims four gigabytes, again and again.
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\xff\xff\0\0\xff\xff\xff\xff\x01\0\0\0a\x4b\x4c\x04\0"
        .repeat(2_000);
    let mail = format!(
        "From: a@b.example\r\nContent-Type: application/zip; name=b.zip\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        data_encoding::BASE64.encode(&zip)
    );
    let found = survive(mail.as_bytes());
    assert_eq!((found.attachments[0].size, found.attachments_total, found.urls_total), (zip.len() as u64, 1, 0));
}

#[test]
fn a_base64_text_that_is_cut_off_is_read_as_far_as_it_goes() {
    let whole = data_encoding::BASE64.encode(b"see https://first.example/ and then https://second.example/ and more");
    let mail = format!(
        "From: a@b.example\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        &whole[..51]
    );
    let found = survive(mail.as_bytes());
    assert_eq!(found.urls[0].url, "https://first.example/");
}

#[test]
fn a_complaint_with_headers_only_or_with_nothing_is_still_read() {
    let report = |third: &str| {
        format!(
            "From: abuse@provider.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
             User-Agent: x/1\r\nVersion: 1\r\nSource-IP: 192.0.2.7\r\nSource-Port: 4711\r\n\
             Arrival-Date: Tue, 2 Jan 2024 10:00:00 +0000\r\nOriginal-Mail-From: <a@spam.example>\r\n\
             Original-Rcpt-To: <me@home.example>\r\nReported-Domain: spam.example\r\n\r\n{third}--b--\r\n"
        )
    };
    let third = "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: bad@spam.example\r\nSubject: inner\r\nTo: me@home.example\r\n\r\n";
    let found = survive(report(third).as_bytes());
    assert_eq!((found.subject.as_deref(), found.from[0].email.as_str()), (Some("inner"), "bad@spam.example"));
    let sender = found.sending_ip.expect("the report names it");
    assert_eq!((sender.ip.to_string().as_str(), sender.port), ("192.0.2.7", Some(4711)));
    assert_eq!(sender.time.as_deref(), Some("2024-01-02T10:00:00Z"));
    assert_eq!(found.return_path.map(|a| a.email).as_deref(), Some("a@spam.example"));

    let alone = survive(report("").as_bytes());
    warned(&alone, Warning::NoMessageInside);
    assert!(alone.sending_ip.is_some() && alone.recipients.contains("me@home.example"));
    assert!(alone.domains.iter().any(|d| d.domain.ascii == "spam.example"));
}

#[test]
fn a_report_in_xarf_inside_a_complaint_is_read_and_one_attached_to_spam_hides_nothing() {
    let mail = |kind: &str| {
        format!(
            "From: abuse@provider.example\r\nSubject: outer\r\nContent-Type: {kind}; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n\
             --b\r\nContent-Type: application/json; name=xarf.json\r\n\r\n\
             {{\"xarf_version\": \"4.2.0\", \"category\": \"messaging\", \"type\": \"spam\", \"source_identifier\": \"192.0.2.9\"}}\r\n--b--\r\n"
        )
    };
    let found = survive(mail("multipart/report; report-type=feedback-report").as_bytes());
    assert_eq!(found.sending_ip.map(|s| s.ip.to_string()).as_deref(), Some("192.0.2.9"));
    assert_eq!(found.report.and_then(|r| r.kind).as_deref(), Some("messaging/spam"));
    let spam = survive(mail("multipart/mixed").as_bytes());
    assert_eq!((spam.report, spam.from[0].email.as_str()), (None, "abuse@provider.example"));
}

#[test]
fn an_abuse_report_is_about_the_message_inside() {
    let mail = "From: abuse@provider.example\r\nTo: agency@home.example\r\nSubject: report\r\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n\
        --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: bad@spam.example\r\nSubject: inner\r\n\r\nhttps://inner.example/\r\n--b--\r\n";
    let found = survive(mail.as_bytes());
    assert!(found.report.is_some());
    assert_eq!((found.subject.as_deref(), found.from[0].email.as_str()), (Some("inner"), "bad@spam.example"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..4_096)) {
        survive(&bytes);
    }

    #[test]
    fn arbitrary_values_in_a_report_are_survived(
        values in proptest::collection::vec(
            prop_oneof![
                Just("null".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()), Just("1e9".to_owned()),
                Just("\"192.0.2.7\"".to_owned()), Just("\"2024-13-45T99:99:99Z\"".to_owned()),
                Just("\"RnJvbTogYQ==\"".to_owned()), Just("\"https://a.example/\"".to_owned()),
                "[a-z@.:/ ]{0,20}".prop_map(|t| format!("\"{t}\"")),
            ],
            16,
        )
    ) {
        const FIELDS: [&str; 16] = [
            "xarf_version", "report_id", "timestamp", "reporter", "source_identifier", "source_port", "category", "type",
            "smtp_from", "smtp_to", "evidence", "url", "domain", "asn", "file_hashes", "subject",
        ];
        let fields: Vec<String> = FIELDS.iter().zip(values).map(|(f, v)| format!("\"{f}\":{v}")).collect();
        survive_report(format!("{{{}}}", fields.join(",")).as_bytes());
    }

    #[test]
    fn arbitrary_mixtures_of_what_mail_is_made_of_are_survived(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("Content-Type: multipart/mixed; boundary=b\r\n".to_owned()),
                Just("Content-Type: message/rfc822\r\n".to_owned()),
                Just("Content-Type: multipart/digest; boundary=\"b\"\n".to_owned()),
                Just("Content-Type: text/html; charset=utf-16\r\n".to_owned()),
                Just("Content-Transfer-Encoding: base64\r\n".to_owned()),
                Just("Content-Transfer-Encoding: quoted-printable\r\n".to_owned()),
                Just("Content-Disposition: attachment; filename*=utf-8''%2e%2e%2fx\r\n".to_owned()),
                Just("Received: from x ([192.0.2.1]) by y.example; 1 Jan 2024 00:00:00 +0000\r\n".to_owned()),
                Just("Authentication-Results: mx.example; spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=\u{e9}\r\n".to_owned()),
                Just("Received-SPF: pass (domain of transitioning".to_owned()),
                Just("From: =?utf-8?B?4p2k?= <a@b.example>,\r\n ;:<>\"\\\r\n".to_owned()),
                Just("Subject: =?utf-7?Q?+AGEAYg-?=\r\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("\r\n--b\r\n".to_owned()),
                Just("\r\n--b--\r\n".to_owned()),
                Just("<a href='https://x.example'>\u{202e}".to_owned()),
                Just("PGEgaHJlZj0iaHR0cHM6Ly94LmV4YW1wbGUiPg==".to_owned()),
                ".{0,20}",
            ],
            0..40,
        )
    ) {
        survive(pieces.concat().as_bytes());
    }
}
