//! Hostile messages, made here: each is survived in bounded time and space, with a warning.

use lapwing_evidence::analyse::analyse;
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::warning::Warning;
use lapwing_evidence::worker::MAX_ANSWER;
use proptest::prelude::*;
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
