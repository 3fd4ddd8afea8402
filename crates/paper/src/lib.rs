//! Pages for people: a plain document of headings, fields and tables, laid out in every script of its fonts, as PDF.
//!
//! ```text
//! Document ─▶ typeset (shaping, both directions, lines) ─▶ press (pages, marking on each, numbers) ─▶ PDF
//! ```
//!
//! The same document always becomes the same bytes: no clock, no randomness, no font of the machine. Text that no font
//! covers, and what could hide or turn text around, is shown by its code points. This crate knows no case and no rule.

mod fonts;
mod press;
mod typeset;

use press::Press;

/// Pages of a document at most.
pub const MAX_PAGES: usize = 20_000;

/// What is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its title: on the first page, and in the file's metadata.
    pub title: String,
    /// Language of its own words, BCP 47.
    pub language: String,
    /// What stands on top of every page.
    pub marking: Marking,
    /// What stands at the foot of every page, before its number.
    pub foot: String,
    /// The content.
    pub blocks: Vec<Block>,
}

/// How a document may be shared: on every page, white on black.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marking {
    /// The label, such as `TLP:AMBER`.
    pub label: String,
    /// Its colour: red, green, blue.
    pub colour: [u8; 3],
    /// What else holds; at most three lines of it are printed, ended by `…`.
    pub more: String,
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A chapter; it also stands in the outline.
    Chapter(String),
    /// A section of a chapter.
    Section(String),
    /// A paragraph; line ends are kept.
    Text(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// A table; its head is repeated on every page.
    Table {
        /// The columns.
        columns: Vec<Column>,
        /// The rows; missing cells are empty, cells too many are left out.
        rows: Vec<Vec<String>>,
    },
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// Its share of the width.
    pub weight: u16,
}

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// Too much content.
    #[error("more than {MAX_PAGES} pages")]
    TooLong,
    /// The library refused.
    #[error("writing the PDF: {0}")]
    Write(String),
}

/// Prints a document on A4.
///
/// # Errors
/// [`PaperError::TooLong`] beyond [`MAX_PAGES`]; [`PaperError::Write`] if the PDF library refuses what it was given.
pub fn pdf(document: &Document) -> Result<Vec<u8>, PaperError> {
    Press::new(document).print(document)
}
