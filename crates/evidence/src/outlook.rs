//! A message as Outlook saves it (`.msg`, MS-OXMSG): properties in a compound file. `cfb` reads the container, the mail
//! library the headers of transport; here only the names of a few properties are known.
//!
//! `msg_parser`, the other library of the field, keeps four of the transport headers and drops the Received chain, which
//! is what evidence needs most.

use crate::address::Address;
use crate::analysis::Analysis;
use crate::limits::Limits;
use crate::reading::{Reading, utc};
use crate::warning::Warning;
use cfb::CompoundFile;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::{DateTime, MessageParser};
use std::collections::BTreeSet;
use std::io::{Cursor, Read};

/// Attachments and recipients looked at.
const MAX_CHILDREN: usize = 200;

/// Property ids (MS-OXPROPS).
mod id {
    pub const SUBJECT: u16 = 0x0037;
    pub const CLIENT_SUBMIT_TIME: u16 = 0x0039;
    pub const TRANSPORT_HEADERS: u16 = 0x007D;
    pub const SENDER_NAME: u16 = 0x0C1A;
    pub const SENDER_EMAIL: u16 = 0x0C1F;
    pub const SENDER_SMTP: u16 = 0x5D01;
    pub const DELIVERY_TIME: u16 = 0x0E06;
    pub const BODY: u16 = 0x1000;
    pub const RTF: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const INTERNET_MESSAGE_ID: u16 = 0x1035;
    pub const EMAIL: u16 = 0x3003;
    pub const ATTACH_DATA: u16 = 0x3701;
    pub const ATTACH_FILENAME: u16 = 0x3704;
    pub const ATTACH_LONG_FILENAME: u16 = 0x3707;
    pub const ATTACH_MIME: u16 = 0x370E;
    pub const SMTP: u16 = 0x39FE;
    pub const INTERNET_CODEPAGE: u16 = 0x3FDE;
    pub const MESSAGE_CODEPAGE: u16 = 0x3FFD;
}

type Container<'b> = CompoundFile<Cursor<&'b [u8]>>;

/// Analyses a message of Outlook. Never fails: what cannot be read is a warning.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Analysis {
    let mut reading = Reading::new(limits, BTreeSet::new());
    let Ok(container) = CompoundFile::open(Cursor::new(bytes)) else {
        return Analysis { warnings: BTreeSet::from([Warning::OutlookDamaged]), ..Analysis::default() };
    };
    let mut file = Msg { container, left: limits.max_bytes, damaged: false };
    file.message("", 0, limits, &mut reading);
    if file.damaged {
        reading.warn(Warning::OutlookDamaged);
    }
    reading.finish()
}

struct Msg<'b> {
    container: Container<'b>,
    /// Bytes of streams that may still be read.
    left: u64,
    damaged: bool,
}

impl Msg<'_> {
    /// The message in the storage `at` (the root's path is empty); messages attached to it are read as nested ones.
    fn message(&mut self, at: &str, depth: usize, limits: &Limits, reading: &mut Reading<'_>) {
        // The properties' header is longer at the root (MS-OXMSG §2.4.1).
        let fixed = self.fixed(at, if depth == 0 { 32 } else { 24 });
        let charset = fixed.codepage();
        if depth == 0 {
            self.header(at, &fixed, charset, reading);
        } else {
            reading.out.nested_messages += 1;
        }
        let body = self.text(at, id::BODY, charset);
        let html = self.text(at, id::HTML, charset).or_else(|| {
            let bytes = self.binary(at, id::HTML)?;
            Some(decode(&bytes, charset))
        });
        if body.is_none() && html.is_none() && self.has(at, id::RTF) {
            reading.warn(Warning::RtfOnly);
        }
        if let Some(html) = &html {
            reading.html(html);
        }
        // The same words a second time would count every link twice.
        if let Some(body) = body.filter(|_| html.is_none()) {
            reading.text(&body);
        }
        for child in self.children(at, "__attach_version1.0_", reading) {
            reading.out.parts += 1;
            self.attachment(&child, depth, limits, charset, reading);
        }
    }

    fn header(&mut self, at: &str, fixed: &Fixed, charset: &str, reading: &mut Reading<'_>) {
        let transport = self.text(at, id::TRANSPORT_HEADERS, charset).unwrap_or_default();
        let raw = format!("{}\r\n\r\n", transport.trim());
        match MessageParser::default().parse(raw.as_bytes()).filter(|_| !transport.trim().is_empty()) {
            Some(message) => reading.headers(&message),
            // Never sent through the Internet: nothing but what Outlook itself noted.
            None => reading.warn(Warning::NoReceived),
        }
        if reading.out.subject.is_none() {
            let subject = self.text(at, id::SUBJECT, charset);
            reading.out.subject = subject.and_then(|t| reading.clean(&t, 500));
        }
        if reading.out.message_id.is_none() {
            let value = self.text(at, id::INTERNET_MESSAGE_ID, charset);
            reading.out.message_id = value.and_then(|t| reading.clean(t.trim_matches(['<', '>', ' ']), 500));
        }
        if reading.out.from.is_empty() {
            let email = [id::SENDER_SMTP, id::SENDER_EMAIL].into_iter().find_map(|p| self.text(at, p, charset));
            if let Some(mut address) = email.as_deref().and_then(Address::bare) {
                address.name = self.text(at, id::SENDER_NAME, charset).and_then(|t| reading.clean(&t, 300));
                reading.out.from.push(address);
            }
        }
        if reading.out.date.is_none() {
            reading.out.date = fixed.time(id::CLIENT_SUBMIT_TIME).or_else(|| fixed.time(id::DELIVERY_TIME));
        }
        for recipient in self.children(at, "__recip_version1.0_", reading) {
            let email = [id::SMTP, id::EMAIL].into_iter().find_map(|p| self.text(&recipient, p, charset));
            if let Some(email) = email.as_deref().and_then(crate::address::normalise) {
                reading.recipient(&email);
            }
        }
    }

    fn attachment(&mut self, at: &str, depth: usize, limits: &Limits, charset: &str, reading: &mut Reading<'_>) {
        let name = [id::ATTACH_LONG_FILENAME, id::ATTACH_FILENAME].into_iter().find_map(|p| self.text(at, p, charset));
        let mime = self.text(at, id::ATTACH_MIME, charset);
        if let Some(content) = self.binary(at, id::ATTACH_DATA) {
            reading.attach(name.as_deref(), mime.as_deref(), &content);
            let html = name.as_deref().is_some_and(|n| {
                let n = n.to_ascii_lowercase();
                [".htm", ".html", ".shtml", ".xhtml", ".svg"].iter().any(|end| n.ends_with(end))
            });
            if html {
                reading.html(&String::from_utf8_lossy(&content));
            }
            return;
        }
        let inner = format!("{at}/__substg1.0_{:04X}000D", id::ATTACH_DATA);
        if self.container.is_storage(&inner) {
            if depth >= limits.max_depth {
                return reading.warn(Warning::TooDeep);
            }
            self.message(&inner, depth + 1, limits, reading);
        }
    }

    /// Storages inside `at` whose name begins with `prefix`, in the order of their numbers.
    fn children(&mut self, at: &str, prefix: &str, reading: &mut Reading<'_>) -> Vec<String> {
        let path = if at.is_empty() { "/" } else { at };
        let Ok(entries) = self.container.read_storage(path) else {
            self.damaged = true;
            return Vec::new();
        };
        let names = entries.filter(|e| e.is_storage() && e.name().starts_with(prefix));
        let mut found: Vec<String> = names.take(MAX_CHILDREN + 1).map(|e| format!("{at}/{}", e.name())).collect();
        found.sort();
        if found.len() > MAX_CHILDREN {
            found.truncate(MAX_CHILDREN);
            reading.warn(Warning::Truncated);
        }
        found
    }

    fn has(&self, at: &str, property: u16) -> bool {
        self.container.is_stream(format!("{at}/__substg1.0_{property:04X}0102"))
    }

    fn stream(&mut self, path: &str) -> Option<Vec<u8>> {
        if !self.container.is_stream(path) {
            return None;
        }
        let mut bytes = Vec::new();
        let read = self.container.open_stream(path).and_then(|s| s.take(self.left).read_to_end(&mut bytes));
        self.damaged |= read.is_err();
        self.left -= (bytes.len() as u64).min(self.left);
        Some(bytes)
    }

    fn binary(&mut self, at: &str, property: u16) -> Option<Vec<u8>> {
        self.stream(&format!("{at}/__substg1.0_{property:04X}0102"))
    }

    /// A text, in UTF-16 or in the code page of the message.
    fn text(&mut self, at: &str, property: u16, charset: &str) -> Option<String> {
        if let Some(bytes) = self.stream(&format!("{at}/__substg1.0_{property:04X}001F")) {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            return Some(String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned());
        }
        let bytes = self.stream(&format!("{at}/__substg1.0_{property:04X}001E"))?;
        Some(decode(&bytes, charset).trim_end_matches('\0').to_owned())
    }

    /// The properties of fixed length.
    fn fixed(&mut self, at: &str, header: usize) -> Fixed {
        let bytes = self.stream(&format!("{at}/__properties_version1.0"));
        self.damaged |= bytes.is_none();
        Fixed { bytes: bytes.unwrap_or_default(), header }
    }
}

/// Rows of 16 bytes: type, id, flags, value (MS-OXMSG §2.4.2).
struct Fixed {
    bytes: Vec<u8>,
    header: usize,
}

impl Fixed {
    fn value(&self, property: u16) -> Option<u64> {
        let rows = self.bytes.get(self.header..)?.chunks_exact(16).take(2_000);
        let row = rows.into_iter().find(|row| row[2..4] == property.to_le_bytes())?;
        row[8..16].first_chunk::<8>().map(|value| u64::from_le_bytes(*value))
    }

    /// A FILETIME: tenths of microseconds since 1601.
    fn time(&self, property: u16) -> Option<String> {
        let seconds = i64::try_from(self.value(property)? / 10_000_000).ok()?.checked_sub(11_644_473_600)?;
        (seconds > 0).then(|| utc(&DateTime::from_timestamp(seconds))).flatten()
    }

    fn codepage(&self) -> &'static str {
        let number = self.value(id::INTERNET_CODEPAGE).or_else(|| self.value(id::MESSAGE_CODEPAGE));
        match number.map(|n| n & 0xFFFF_FFFF) {
            Some(65_001) => "utf-8",
            Some(932) => "shift_jis",
            Some(936) => "gbk",
            Some(949) => "euc-kr",
            Some(950) => "big5",
            Some(1250) => "windows-1250",
            Some(1251) => "windows-1251",
            Some(1253) => "windows-1253",
            Some(1254) => "windows-1254",
            Some(1255) => "windows-1255",
            Some(1256) => "windows-1256",
            Some(1257) => "windows-1257",
            Some(1258) => "windows-1258",
            Some(20_866) => "koi8-r",
            Some(28_592) => "iso-8859-2",
            Some(28_595) => "iso-8859-5",
            Some(50_220) => "iso-2022-jp",
            _ => "windows-1252",
        }
    }
}

fn decode(bytes: &[u8], charset: &str) -> String {
    match (std::str::from_utf8(bytes), charset_decoder(charset.as_bytes())) {
        (Ok(text), _) if charset == "utf-8" || text.is_ascii() => text.to_owned(),
        (_, Some(decoder)) => decoder(bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::{Input, analyse_as};
    use crate::keys::Keys;
    use std::io::Write;

    /// A compound file of these streams; storages are made as needed.
    fn msg(streams: &[(&str, &[u8])]) -> Vec<u8> {
        let mut file = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        for (path, content) in streams {
            if let Some((storage, _)) = path.rsplit_once('/').filter(|(s, _)| !s.is_empty()) {
                file.create_storage_all(storage).unwrap();
            }
            file.create_stream(path).unwrap().write_all(content).unwrap();
        }
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn fixed(header: usize, rows: &[(u16, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; header];
        for (property, value) in rows {
            bytes.extend([3, 0]);
            bytes.extend(property.to_le_bytes());
            bytes.extend([6, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    fn found(bytes: &[u8]) -> Analysis {
        analyse_as(Input::Outlook, bytes, &Limits::default(), &Keys::default())
    }

    const HEADERS: &str = "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000\r\n\
        From: Bank <office@spam.example>\r\nTo: victim@home.example\r\nSubject: log in\r\nMessage-ID: <1@spam.example>\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n";

    #[test]
    fn a_saved_message_gives_what_the_mail_gave() {
        let (root, inner) = (fixed(32, &[(id::INTERNET_CODEPAGE, 1251)]), fixed(24, &[]));
        let bytes = msg(&[
            ("/__properties_version1.0", &root),
            ("/__substg1.0_007D001F", &utf16(HEADERS)),
            ("/__substg1.0_1000001F", &utf16("plain https://plain.example/")),
            ("/__substg1.0_10130102", b"<a href='https://login.example/'>\xc2\xee\xe9\xf2\xe8</a>"),
            ("/__attach_version1.0_#00000000/__properties_version1.0", &[0; 8]),
            ("/__attach_version1.0_#00000000/__substg1.0_3707001F", &utf16("../in\u{202e}voice.pdf")),
            ("/__attach_version1.0_#00000000/__substg1.0_370E001F", &utf16("application/pdf")),
            ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"%PDF"),
            ("/__attach_version1.0_#00000001/__substg1.0_3701000D/__properties_version1.0", &inner),
            (
                "/__attach_version1.0_#00000001/__substg1.0_3701000D/__substg1.0_1000001F",
                &utf16("https://inner.example/"),
            ),
        ]);
        let found = found(&bytes);
        assert_eq!(found.sending_ip.as_ref().map(|s| s.ip.to_string()).as_deref(), Some("192.0.2.7"));
        assert_eq!((found.from[0].email.as_str(), found.subject.as_deref()), ("office@spam.example", Some("log in")));
        let urls: Vec<&str> = found.urls.iter().map(|u| u.url.as_str()).collect();
        assert_eq!(urls, ["https://inner.example/", "https://login.example/"], "the plain text only repeats the other");
        assert_eq!(found.attachments[0].name, "_invoice.pdf");
        assert_eq!(found.attachments[0].sha256, crate::hashes::of(b"%PDF").0);
        assert_eq!(found.nested_messages, 1);
        assert!(found.warnings.contains(&Warning::NameSanitised) && !found.warnings.contains(&Warning::OutlookDamaged));
        assert!(found.recipients.contains("victim@home.example"));
    }

    #[test]
    fn a_message_that_never_left_has_what_outlook_noted() {
        // 2024-01-02 10:00:00 UTC as a FILETIME.
        let root = fixed(32, &[(id::CLIENT_SUBMIT_TIME, 133_486_632_000_000_000)]);
        let bytes = msg(&[
            ("/__properties_version1.0", &root),
            ("/__substg1.0_0037001E", b"caf\xe9"),
            ("/__substg1.0_0C1A001F", &utf16("Office")),
            ("/__substg1.0_5D01001F", &utf16("office@spam.example")),
            ("/__substg1.0_10090102", b"compressed"),
            ("/__recip_version1.0_#00000000/__substg1.0_39FE001F", &utf16("Victim@home.example")),
        ]);
        let found = found(&bytes);
        assert_eq!(found.subject.as_deref(), Some("café"));
        assert_eq!(
            (found.from[0].name.as_deref(), found.from[0].email.as_str()),
            (Some("Office"), "office@spam.example")
        );
        assert_eq!(found.date.as_deref(), Some("2024-01-02T10:00:00Z"));
        assert!(found.recipients.contains("victim@home.example"));
        for warning in [Warning::RtfOnly, Warning::NoReceived] {
            assert!(found.warnings.contains(&warning), "{warning} in {:?}", found.warnings);
        }
    }

    #[test]
    fn what_is_no_compound_file_or_half_of_one_is_a_warning() {
        let whole = msg(&[("/__properties_version1.0", &fixed(32, &[])), ("/__substg1.0_007D001F", &utf16(HEADERS))]);
        assert_eq!(found(&whole).from[0].email, "office@spam.example");
        for bytes in [&b""[..], b"no compound file", &whole[..whole.len() / 2], &whole[..600]] {
            assert!(found(bytes).warnings.contains(&Warning::OutlookDamaged), "{} bytes", bytes.len());
        }
    }

    #[test]
    fn messages_attached_to_messages_end_somewhere() {
        let mut path = String::new();
        let mut streams: Vec<(String, Vec<u8>)> = Vec::new();
        for depth in 0..60 {
            streams.push((format!("{path}/__properties_version1.0"), fixed(if depth == 0 { 32 } else { 24 }, &[])));
            path.push_str("/__attach_version1.0_#00000000/__substg1.0_3701000D");
        }
        let streams: Vec<(&str, &[u8])> = streams.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect();
        let found = found(&msg(&streams));
        assert!(found.warnings.contains(&Warning::TooDeep) && found.nested_messages <= 33);
    }
}
