//! [`words`](crate::words::words) for tantivy.

use crate::words::words;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Splits texts into words.
#[derive(Clone, Default)]
pub(crate) struct Splitter;

/// The words of one text.
pub(crate) struct Split {
    words: std::vec::IntoIter<String>,
    token: Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = Split;
    fn token_stream(&mut self, text: &str) -> Split {
        Split { words: words(text).into_iter(), token: Token::default() }
    }
}

impl TokenStream for Split {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.text = word;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
