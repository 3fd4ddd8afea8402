//! Text from outside made fit to be shown, and what can be found in plain words.

use bech32::primitives::decode::CheckedHrpstring;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Characters of a file name at most.
pub const MAX_NAME_CHARS: usize = 255;

/// Control characters, those that reorder or hide what stands around them, and those that are not seen at all, which
/// senders strew into words that filters look for. (U+FE0F stays: it makes signs into pictures.)
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}' | '\u{3164}' | '\u{FFA0}'
        )
        || matches!(c, '\u{E0000}'..='\u{E0FFF}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
}

/// `text` on one line, without control and reordering characters, at most `max` characters; and whether a character
/// had to be taken out (line breaks and tabs become spaces and do not count).
pub fn clean(text: &str, max: usize) -> (String, bool) {
    let mut out = String::new();
    let mut hidden = false;
    let mut length = 0;
    for c in text.trim().chars() {
        let c = if matches!(c, '\r' | '\n' | '\t') { ' ' } else { c };
        if is_hidden(c) {
            hidden = true;
        } else if !(c == ' ' && out.ends_with(' ')) {
            if length == max {
                break;
            }
            out.push(c);
            length += 1;
        }
    }
    out.truncate(out.trim_end().len());
    (out, hidden)
}

/// A file name fit for display and for a manifest, never a path; and whether it had to be changed.
pub fn file_name(raw: &str) -> (String, bool) {
    let (name, hidden) = clean(raw, usize::MAX);
    let mut safe: String = name.replace(['/', '\\', ':'], "_");
    while safe.starts_with('.') {
        safe.remove(0);
    }
    if safe.chars().count() > MAX_NAME_CHARS {
        // The ending says what a file pretends to be: it stays.
        let ending = safe.rsplit_once('.').map(|(_, e)| e).filter(|e| e.chars().count() <= 16).map(str::to_owned);
        let keep = MAX_NAME_CHARS - ending.as_ref().map_or(0, |e| e.chars().count() + 1);
        safe = safe.chars().take(keep).collect();
        if let Some(ending) = ending {
            safe = format!("{safe}.{ending}");
        }
    }
    if safe.is_empty() {
        safe.push_str("unnamed");
    }
    let changed = hidden || safe != raw.trim();
    (safe, changed)
}

/// Telephone numbers in international form (E.164). Conservative: only with `+`, 8 to 15 digits, separators between.
pub fn phones(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('+') {
        let before = at.checked_sub(1).map(|i| bytes[i]);
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || b"+/=_-.@%&?".contains(&b)) {
            continue;
        }
        if let Some(number) = phone_at(&bytes[at + 1..]) {
            found.insert(number);
            if found.len() == 100 {
                break;
            }
        }
    }
    found
}

fn phone_at(bytes: &[u8]) -> Option<String> {
    let mut digits = String::from("+");
    let mut gap = 0;
    for &b in bytes.iter().take(40) {
        match b {
            b'0'..=b'9' => {
                digits.push(char::from(b));
                gap = 0;
            }
            b' ' | b'-' | b'.' | b'(' | b')' if gap < 2 => gap += 1,
            // Letters or an address glued to the digits: a token, not a number.
            b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'/' | b'=' | b'_' | b'%' if gap == 0 => return None,
            _ => break,
        }
    }
    let country = digits.as_bytes().get(1).is_some_and(|b| *b != b'0');
    (country && (9..=16).contains(&digits.len())).then_some(digits)
}

/// A telephone number of a `tel:` link.
pub fn tel(raw: &str) -> Option<String> {
    raw.trim().strip_prefix('+').and_then(|rest| phone_at(rest.as_bytes()))
}

/// Wallets whose own checksum holds (Bitcoin and Litecoin in base58check and bech32, Tron), and Ethereum addresses by
/// form.
pub fn wallets(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| (26..=90).contains(&w.len()))
        .filter(|w| is_base58_wallet(w) || is_segwit(w) || is_ethereum(w))
        .map(str::to_owned)
        .take(100)
        .collect()
}

/// Base58check with the first byte of its coin: Bitcoin, Litecoin, Tron.
fn is_base58_wallet(word: &str) -> bool {
    const COINS: &[(char, u8)] = &[('1', 0x00), ('3', 0x05), ('L', 0x30), ('M', 0x32), ('T', 0x41)];
    let Some((_, version)) = COINS.iter().find(|(first, _)| word.starts_with(*first)).filter(|_| word.len() <= 35)
    else {
        return false;
    };
    let Ok(bytes) = bs58::decode(word).into_vec() else { return false };
    let Some((payload, sum)) = bytes.split_last_chunk::<4>() else { return false };
    payload.len() == 21 && payload[0] == *version && Sha256::digest(Sha256::digest(payload))[..4] == sum[..]
}

fn is_segwit(word: &str) -> bool {
    let coin = ["bc1", "BC1", "ltc1", "LTC1"].iter().any(|hrp| word.starts_with(hrp));
    coin && (CheckedHrpstring::new::<bech32::Bech32>(word).is_ok()
        || CheckedHrpstring::new::<bech32::Bech32m>(word).is_ok())
}

/// Bank accounts (IBAN, ISO 13616) whose own checksum holds, without the blanks between their groups.
pub fn bank_accounts(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let bytes = text.as_bytes();
    for at in 0..bytes.len().saturating_sub(14) {
        let begins = bytes[at].is_ascii_uppercase()
            && bytes[at + 1].is_ascii_uppercase()
            && bytes[at + 2].is_ascii_digit()
            && bytes[at + 3].is_ascii_digit()
            && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
        if let Some(iban) = begins.then(|| iban_at(&bytes[at..])).flatten() {
            found.insert(iban);
            if found.len() == 100 {
                break;
            }
        }
    }
    found
}

/// The longest prefix in groups of four that is an IBAN.
fn iban_at(bytes: &[u8]) -> Option<String> {
    let mut iban = String::new();
    let mut best = None;
    let mut rest = bytes.iter().take(44).peekable();
    while let Some(b) = rest.next() {
        match b {
            b'0'..=b'9' | b'A'..=b'Z' => iban.push(char::from(*b)),
            b' ' if iban.len().is_multiple_of(4) => continue,
            _ => break,
        }
        let ends = rest.peek().is_none_or(|next| !next.is_ascii_alphanumeric());
        if ends && (15..=34).contains(&iban.len()) && iban_holds(&iban) {
            best = Some(iban.clone());
        }
    }
    best
}

/// ISO 7064, mod 97-10: the first four characters to the end, letters as 10 to 35.
fn iban_holds(iban: &str) -> bool {
    let turned = iban.bytes().skip(4).chain(iban.bytes().take(4));
    let sum = turned.fold(0u32, |sum, b| match b {
        b'0'..=b'9' => (sum * 10 + u32::from(b - b'0')) % 97,
        _ => (sum * 100 + u32::from(b - b'A') + 10) % 97,
    });
    sum == 1
}

fn is_ethereum(word: &str) -> bool {
    word.len() == 42 && word.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The language of a text (BCP 47), where the detector is sure of it.
pub fn language(text: &str) -> Option<String> {
    let end = text.char_indices().nth(20_000).map_or(text.len(), |(i, _)| i);
    let info = whatlang::detect(&text[..end])?;
    let sure = info.is_reliable() && text.chars().filter(|c| c.is_alphabetic()).take(60).count() >= 60;
    sure.then(|| bcp47(info.lang().code()).to_owned())
}

/// BCP 47 prefers the two-letter code of ISO 639-1; the detector speaks ISO 639-3.
fn bcp47(code: &str) -> &str {
    const SHORT: &[(&str, &str)] = &[
        ("afr", "af"),
        ("aka", "ak"),
        ("amh", "am"),
        ("ara", "ar"),
        ("aze", "az"),
        ("bel", "be"),
        ("ben", "bn"),
        ("bul", "bg"),
        ("cat", "ca"),
        ("ces", "cs"),
        ("cmn", "zh"),
        ("cym", "cy"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("epo", "eo"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("guj", "gu"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("hye", "hy"),
        ("ind", "id"),
        ("ita", "it"),
        ("jav", "jv"),
        ("jpn", "ja"),
        ("kan", "kn"),
        ("kat", "ka"),
        ("khm", "km"),
        ("kor", "ko"),
        ("lat", "la"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("mal", "ml"),
        ("mar", "mr"),
        ("mkd", "mk"),
        ("mya", "my"),
        ("nep", "ne"),
        ("nld", "nl"),
        ("nob", "nb"),
        ("ori", "or"),
        ("pan", "pa"),
        ("pes", "fa"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("sin", "si"),
        ("slk", "sk"),
        ("slv", "sl"),
        ("sna", "sn"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tam", "ta"),
        ("tel", "te"),
        ("tgl", "tl"),
        ("tha", "th"),
        ("tuk", "tk"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("urd", "ur"),
        ("uzb", "uz"),
        ("vie", "vi"),
        ("yid", "yi"),
        ("zul", "zu"),
    ];
    SHORT.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| short)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_never_a_path_and_keeps_its_ending() {
        assert_eq!(file_name("invoice.pdf"), ("invoice.pdf".into(), false));
        assert_eq!(file_name("../../etc/passwd"), ("_.._etc_passwd".into(), true));
        assert_eq!(file_name("C:\\temp\\a.exe"), ("C__temp_a.exe".into(), true));
        assert_eq!(file_name("..").0, "unnamed");
        assert_eq!(file_name("a\0b\u{202E}fdp.exe"), ("abfdp.exe".into(), true));
        let (long, changed) = file_name(&format!("{}.docx", "ä".repeat(4096)));
        assert!(changed && long.ends_with(".docx") && long.chars().count() == MAX_NAME_CHARS);
    }

    #[test]
    fn cleaned_text_is_one_line_of_bounded_length() {
        assert_eq!(clean(" a\r\n b\tc ", 100), ("a b c".into(), false));
        assert_eq!(clean("\u{1b}[31mred\u{202e}", 100), ("[31mred".into(), true));
        assert_eq!(clean("B\u{E0139}i\u{AD}l\u{E0139}l", 100), ("Bill".into(), true), "strewn with what is not seen");
        assert_eq!(clean("❤\u{FE0F} you", 100), ("❤\u{FE0F} you".into(), false));
        assert_eq!(clean(&"ö".repeat(50), 10).0, "ö".repeat(10));
    }

    #[test]
    fn only_international_numbers_count_as_phones() {
        let found = phones("Call +1 (800) 555-0199 or +44 20 7946 0958, not 0800 555 or 1+12345678 or +1234567.");
        assert_eq!(found, BTreeSet::from(["+18005550199".to_owned(), "+442079460958".to_owned()]));
        assert!(phones("a+123456789012@example.org ?q=+491234567890 +12345678901234567890 +12345678ab").is_empty());
    }

    #[test]
    fn a_wallet_counts_only_if_its_checksum_holds() {
        // The address of the first block, and the example of BIP 173.
        let good = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa and bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        assert_eq!(wallets(good).len(), 2);
        assert!(wallets("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5").is_empty());
        // The zero account of Tron.
        let others = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb";
        assert!(wallets(others).contains("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"), "{:?}", wallets(others));
        assert_eq!(wallets("0x00000000219ab540356cBB839Cbe05303d7705Fa.").len(), 1);
    }

    #[test]
    fn a_bank_account_counts_only_if_its_checksum_holds() {
        // The examples of the registry (ISO 13616).
        let text = "Pay to GB82 WEST 1234 5698 7654 32 or DE89370400440532013000, reference NL00 ABCD 0000 0000 00.";
        let found: Vec<_> = bank_accounts(text).into_iter().collect();
        assert_eq!(found, ["DE89370400440532013000", "GB82WEST12345698765432"]);
        assert!(bank_accounts("GB83 WEST 1234 5698 7654 32 xDE89370400440532013000 AB12").is_empty());
    }

    #[test]
    fn a_language_is_named_only_when_it_is_clear() {
        let german =
            "Sehr geehrte Damen und Herren, bitte bestätigen Sie Ihr Konto noch heute, sonst wird es gesperrt.";
        assert_eq!(language(german).as_deref(), Some("de"));
        assert_eq!(language("ok"), None);
        for lang in whatlang::Lang::all() {
            assert!(bcp47(lang.code()).len() == 2, "{} has no short code here", lang.code());
        }
    }
}
