//! Text as words, in any script; and what somebody typed as a question about them.
//!
//! | script | words |
//! |---|---|
//! | with spaces | runs of letters and digits, lower case, without accents: `Café-Straße` is `cafe`, `straße` |
//! | Han, Kana, Hangul, Thai, Lao, Khmer, Burmese | every two neighbouring characters: `迷惑メール` is `迷惑`, `惑メ`, `メー`, `ール` |
//!
//! A question is words that must all occur, `"exact phrases"`, `begin*` for what begins so, and `-word` for what must not
//! occur. What is written as one but has several parts (`prize.example`, `迷惑メール`) is a phrase.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

/// Characters of a word at most; what follows is left out.
const MAX_WORD: usize = 64;
/// Parts of a question at most.
pub const MAX_PARTS: usize = 32;
/// Characters of a question at most.
pub const MAX_ASK: usize = 1000;

/// Whether a script writes without spaces.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut dense) = (Vec::new(), String::new(), Vec::new());
    let end_word = |word: &mut String, out: &mut Vec<String>| {
        if !word.is_empty() {
            out.push(word.chars().take(MAX_WORD).collect());
            word.clear();
        }
    };
    let end_dense = |dense: &mut Vec<char>, out: &mut Vec<String>| {
        match dense[..] {
            [] => {}
            [one] => out.push(one.to_string()),
            _ => out.extend(dense.windows(2).map(|pair| pair.iter().collect())),
        }
        dense.clear();
    };
    for c in text.nfkc() {
        if is_dense(c) {
            end_word(&mut word, &mut out);
            dense.push(c);
        } else if c.is_alphanumeric() || (canonical_combining_class(c) != 0 && !word.is_empty()) {
            end_dense(&mut dense, &mut out);
            let mut fold = |c: char| word.extend(c.to_lowercase().filter(|c| canonical_combining_class(*c) == 0));
            decompose_canonical(c, &mut fold);
        } else {
            end_word(&mut word, &mut out);
            end_dense(&mut dense, &mut out);
        }
    }
    end_word(&mut word, &mut out);
    end_dense(&mut dense, &mut out);
    out
}

/// A part of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// One word, or several that follow each other.
    pub words: Vec<String>,
    /// Whether the last word may go on.
    pub prefix: bool,
}

/// A question about words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What must occur.
    pub must: Vec<Part>,
    /// What must not.
    pub not: Vec<Part>,
}

/// Why a text is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A quotation does not end.
    #[error("a quotation mark has no partner")]
    Quotation,
    /// A part has no letter or digit in it.
    #[error("{0:?} has no letter or digit in it")]
    Nothing(String),
    /// What a word begins with is too short.
    #[error("{0:?}: two characters or more before `*`")]
    Prefix(String),
    /// Too much at once.
    #[error("at most {MAX_PARTS} words and phrases, and {MAX_ASK} characters")]
    TooMuch,
    /// Nothing at all.
    #[error("no word to search for")]
    Empty,
}

impl Ask {
    /// Reads what somebody typed.
    pub fn parse(text: &str) -> Result<Ask, AskError> {
        if text.chars().count() > MAX_ASK {
            return Err(AskError::TooMuch);
        }
        let mut ask = Ask::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (not, from) = match rest.strip_prefix('-') {
                Some(from) => (true, from),
                None => (false, rest),
            };
            let (raw, quoted) = match from.strip_prefix('"') {
                Some(quotation) => {
                    let end = quotation.find('"').ok_or(AskError::Quotation)?;
                    (&quotation[..end], true)
                }
                None => (&from[..from.find(char::is_whitespace).unwrap_or(from.len())], false),
            };
            rest = from[raw.len() + if quoted { 2 } else { 0 }..].trim_start();
            let prefix = !quoted && raw.ends_with('*');
            let part = Part { words: words(raw), prefix };
            match part.words.last() {
                // a dash between two words
                None if !quoted && raw.chars().all(|c| !c.is_alphanumeric()) && !ask.is_empty() && !prefix => continue,
                None => return Err(AskError::Nothing(raw.chars().take(40).collect())),
                Some(last) if prefix && last.chars().count() < 2 => {
                    return Err(AskError::Prefix(raw.chars().take(40).collect()));
                }
                Some(_) => {}
            }
            if not {
                ask.not.push(part)
            } else {
                ask.must.push(part)
            }
            if ask.must.len() + ask.not.len() > MAX_PARTS {
                return Err(AskError::TooMuch);
            }
        }
        if ask.is_empty() { Err(AskError::Empty) } else { Ok(ask) }
    }

    fn is_empty(&self) -> bool {
        self.must.is_empty() && self.not.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_found_whatever_their_case_accents_and_width() {
        assert_eq!(words("Café-Straße, ＡＢＣ; e\u{301}t\u{e9} №7"), ["cafe", "straße", "abc", "ete", "no7"]);
        assert_eq!(words("РАССЫЛКА Ελλάδα"), ["рассылка", "ελλαδα"]);
        assert_eq!(words("a.b@prize.example"), ["a", "b", "prize", "example"]);
        assert_eq!(words(&"x".repeat(500))[0].len(), MAX_WORD);
    }

    #[test]
    fn what_is_written_without_spaces_is_found_by_any_two_characters() {
        assert_eq!(words("迷惑メールA"), ["迷惑", "惑メ", "メー", "ール", "a"]);
        assert_eq!(words("스팸 문자"), ["스팸", "문자"]);
        assert_eq!(words("詐"), ["詐"]);
    }

    #[test]
    fn a_question_has_words_phrases_beginnings_and_exclusions() {
        let part = |words: &[&str], prefix| Part { words: words.iter().map(|w| (*w).into()).collect(), prefix };
        let ask = Ask::parse("Prize -\"no reply\" collect* www.prize.example - 迷惑メ").unwrap();
        let must = vec![
            part(&["prize"], false),
            part(&["collect"], true),
            part(&["www", "prize", "example"], false),
            part(&["迷惑", "惑メ"], false),
        ];
        assert_eq!(ask, Ask { must, not: vec![part(&["no", "reply"], false)] });
        assert_eq!(Ask::parse("\"open").unwrap_err(), AskError::Quotation);
        assert_eq!(Ask::parse("!!").unwrap_err(), AskError::Nothing("!!".into()));
        assert_eq!(Ask::parse("a*").unwrap_err(), AskError::Prefix("a*".into()));
        assert_eq!(Ask::parse("  ").unwrap_err(), AskError::Empty);
        assert_eq!(Ask::parse(&"a ".repeat(33)).unwrap_err(), AskError::TooMuch);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,200}") {
            let _ = Ask::parse(&text);
            for word in words(&text) {
                prop_assert!(!word.is_empty() && word.chars().count() <= MAX_WORD);
            }
        }
    }
}
