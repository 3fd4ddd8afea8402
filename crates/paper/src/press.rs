//! Blocks to pages, and pages to the file.

use crate::typeset::{Line, Style, Typesetter};
use crate::{Block, Column, Document, MAX_PAGES, Marking, PaperError, fonts};
use krilla::color::rgb;
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;

/// A4, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 45.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
const FOOT: f32 = 40.0;
/// Between the columns of a table.
const GAP: f32 = 6.0;
/// Width of the names of fields.
const NAMES: f32 = 140.0;
/// A row of so many lines at most is kept on one page.
const KEPT: usize = 12;

const TITLE: Style = Style { size: 16.0, bold: true };
const CHAPTER: Style = Style { size: 12.0, bold: true };
const SECTION: Style = Style { size: 10.0, bold: true };
const BODY: Style = Style { size: 9.0, bold: false };
const NAME: Style = Style { size: 8.0, bold: true };
const CELL: Style = Style { size: 7.5, bold: false };
const HEAD: Style = Style { size: 7.5, bold: true };
const SMALL: Style = Style { size: 7.5, bold: false };
const LABEL: Style = Style { size: 9.0, bold: true };

const BLACK: [u8; 3] = [0, 0, 0];
const WHITE: [u8; 3] = [255, 255, 255];
const GREY: [u8; 3] = [235, 235, 235];

/// Something at a place of a page.
enum Mark {
    Line { x: f32, baseline: f32, size: f32, colour: [u8; 3], line: Line },
    Area { x: f32, y: f32, width: f32, height: f32, colour: [u8; 3] },
}

/// Lays blocks out on pages.
pub struct Press {
    setter: Typesetter,
    banner: Vec<Mark>,
    top: f32,
    pages: Vec<Vec<Mark>>,
    y: f32,
    chapters: Vec<(String, usize, f32)>,
}

/// A cell of a row: its lines, where they begin, and how they are set.
struct Cell {
    x: f32,
    style: Style,
    lines: Vec<Line>,
}

impl Press {
    pub fn new(document: &Document) -> Self {
        let mut setter = Typesetter::new();
        let (banner, bottom) = banner(&mut setter, &document.marking);
        let top = bottom + 16.0;
        Press { setter, banner, top, pages: vec![Vec::new()], y: top, chapters: Vec::new() }
    }

    /// Lays everything out and writes it.
    pub fn print(mut self, document: &Document) -> Result<Vec<u8>, PaperError> {
        self.plain(&document.title, TITLE)?;
        for block in &document.blocks {
            self.block(block)?;
        }
        self.write(document)
    }

    fn block(&mut self, block: &Block) -> Result<(), PaperError> {
        match block {
            Block::Chapter(text) => {
                self.space(14.0);
                self.room(CHAPTER.leading() + 4.0 * BODY.leading())?;
                self.chapters.push((text.clone(), self.pages.len() - 1, self.y));
                self.plain(text, CHAPTER)?;
                let y = self.y;
                self.mark(Mark::Area { x: MARGIN, y, width: INNER, height: 0.7, colour: BLACK });
                self.space(4.0);
            }
            Block::Section(text) => {
                self.space(8.0);
                self.room(SECTION.leading() + 3.0 * BODY.leading())?;
                self.plain(text, SECTION)?;
            }
            Block::Text(text) => {
                self.plain(text, BODY)?;
                self.space(3.0);
            }
            Block::Fields(fields) => {
                for (name, value) in fields {
                    let width = INNER - NAMES - GAP;
                    let name = Cell { x: MARGIN, style: NAME, lines: self.setter.lines(name, NAME, NAMES) };
                    let value =
                        Cell { x: MARGIN + NAMES + GAP, style: BODY, lines: self.setter.lines(value, BODY, width) };
                    self.row(vec![name, value], None)?;
                }
                self.space(3.0);
            }
            Block::Table { columns, rows } => self.table(columns, rows)?,
        }
        Ok(())
    }

    fn plain(&mut self, text: &str, style: Style) -> Result<(), PaperError> {
        for line in self.setter.lines(text, style, INNER) {
            self.room(style.leading())?;
            self.line(MARGIN, style, BLACK, line);
            self.y += style.leading();
        }
        Ok(())
    }

    fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) -> Result<(), PaperError> {
        let weights: f32 = columns.iter().map(|c| f32::from(c.weight.max(1))).sum();
        let mut x = MARGIN;
        let mut places = Vec::new();
        for column in columns {
            let width = INNER * f32::from(column.weight.max(1)) / weights;
            places.push((x, (width - GAP).max(20.0)));
            x += width;
        }
        let head: Vec<(f32, Vec<Line>)> =
            columns.iter().zip(&places).map(|(c, (x, width))| (*x, self.setter.lines(&c.name, HEAD, *width))).collect();
        self.room(3.0 * HEAD.leading())?;
        self.head(&head);
        for row in rows {
            let cells = row.iter().zip(&places);
            let cells = cells.map(|(text, (x, width))| Cell {
                x: *x,
                style: CELL,
                lines: self.setter.lines(text, CELL, *width),
            });
            let cells = cells.collect();
            self.row(cells, Some(&head))?;
            let y = self.y;
            self.mark(Mark::Area { x: MARGIN, y, width: INNER, height: 0.3, colour: [160, 160, 160] });
            self.space(1.5);
        }
        self.space(6.0);
        Ok(())
    }

    /// The head of a table, where it begins and on top of each page on which it goes on.
    fn head(&mut self, head: &[(f32, Vec<Line>)]) {
        let lines = head.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0).min(KEPT);
        let height = lines as f32 * HEAD.leading() + 2.0;
        let y = self.y;
        self.mark(Mark::Area { x: MARGIN - 2.0, y, width: INNER + 4.0, height, colour: GREY });
        for number in 0..lines {
            for (x, column) in head {
                if let Some(line) = column.get(number) {
                    self.line(*x, HEAD, BLACK, line.clone());
                }
            }
            self.y += HEAD.leading();
        }
        self.y += 3.0;
    }

    /// Cells beside each other, line by line: a long row goes on over as many pages as it takes.
    fn row(&mut self, cells: Vec<Cell>, head: Option<&[(f32, Vec<Line>)]>) -> Result<(), PaperError> {
        let leading = cells.iter().map(|c| c.style.leading()).fold(CELL.leading(), f32::max);
        let count = cells.iter().map(|c| c.lines.len()).max().unwrap_or(0);
        if count <= KEPT && self.y + leading * count as f32 > HEIGHT - FOOT - 10.0 {
            self.turn(head)?;
        }
        let mut cells: Vec<_> = cells.into_iter().map(|c| (c.x, c.style, c.lines.into_iter())).collect();
        for _ in 0..count {
            if self.y + leading > HEIGHT - FOOT - 10.0 {
                self.turn(head)?;
            }
            for (x, style, lines) in &mut cells {
                if let Some(line) = lines.next() {
                    self.line(*x, *style, BLACK, line);
                }
            }
            self.y += leading;
        }
        Ok(())
    }

    fn turn(&mut self, head: Option<&[(f32, Vec<Line>)]>) -> Result<(), PaperError> {
        if self.pages.len() == MAX_PAGES {
            return Err(PaperError::TooLong);
        }
        self.pages.push(Vec::new());
        self.y = self.top;
        if let Some(head) = head {
            self.head(head);
        }
        Ok(())
    }

    /// Turns the page unless so much fits on this one.
    fn room(&mut self, height: f32) -> Result<(), PaperError> {
        if self.y + height > HEIGHT - FOOT - 10.0 && self.y > self.top { self.turn(None) } else { Ok(()) }
    }

    fn space(&mut self, height: f32) {
        if self.y > self.top {
            self.y += height;
        }
    }

    fn line(&mut self, x: f32, style: Style, colour: [u8; 3], line: Line) {
        let baseline = self.y + style.ascent();
        self.mark(Mark::Line { x, baseline, size: style.size, colour, line });
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn write(mut self, document: &Document) -> Result<Vec<u8>, PaperError> {
        let count = self.pages.len();
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| PaperError::Write("no page".into()))?;
        let foot = self.setter.lines(&document.foot, SMALL, INNER - 80.0).into_iter().next();
        let mut file = krilla::Document::new();
        for (number, page) in self.pages.iter().enumerate() {
            let words = format!("page {} of {count}", number + 1);
            let words = self.setter.lines(&words, SMALL, 80.0).into_iter().next();
            let mut sheet = file.start_page_with(settings.clone());
            let mut surface = sheet.surface();
            self.banner.iter().chain(page).for_each(|mark| draw(&mut surface, mark));
            let at = |line: Line, x: f32| Mark::Line {
                x,
                baseline: HEIGHT - FOOT + 12.0,
                size: SMALL.size,
                colour: BLACK,
                line,
            };
            if let Some(line) = foot.clone() {
                draw(&mut surface, &at(line, MARGIN));
            }
            if let Some(line) = words {
                let x = WIDTH - MARGIN - line.width;
                draw(&mut surface, &at(line, x));
            }
            surface.finish();
            sheet.finish();
        }
        let mut outline = Outline::new();
        for (text, page, y) in self.chapters {
            outline.push_child(OutlineNode::new(text, XyzDestination::new(page, Point::from_xy(MARGIN, y))));
        }
        file.set_outline(outline);
        let metadata = Metadata::new().title(document.title.clone()).language(document.language.clone());
        file.set_metadata(metadata.producer("Lapwing".to_owned()));
        file.finish().map_err(|e| PaperError::Write(format!("{e:?}")))
    }
}

/// The marking of every page, and where it ends.
fn banner(setter: &mut Typesetter, marking: &Marking) -> (Vec<Mark>, f32) {
    let label = setter.lines(&marking.label, LABEL, INNER).into_iter().next();
    let mut more = setter.lines(&marking.more, SMALL, INNER - 12.0);
    if more.len() > 3 {
        more.truncate(2);
        more.extend(setter.lines("… (the rest stands inside)", SMALL, INNER));
    }
    let top = 22.0;
    let height = LABEL.leading() + more.len() as f32 * SMALL.leading() + 6.0;
    let mut marks = vec![Mark::Area { x: MARGIN - 2.0, y: top, width: INNER + 4.0, height, colour: BLACK }];
    let mut y = top + 3.0;
    if let Some(line) = label {
        let baseline = y + LABEL.ascent();
        marks.push(Mark::Line { x: MARGIN + 4.0, baseline, size: LABEL.size, colour: marking.colour, line });
        y += LABEL.leading();
    }
    for line in more {
        let baseline = y + SMALL.ascent();
        marks.push(Mark::Line { x: MARGIN + 4.0, baseline, size: SMALL.size, colour: WHITE, line });
        y += SMALL.leading();
    }
    (marks, top + height)
}

fn draw(surface: &mut Surface<'_>, mark: &Mark) {
    let ink = |[r, g, b]: [u8; 3]| {
        Some(Fill { paint: rgb::Color::new(r, g, b).into(), opacity: NormalizedF32::ONE, rule: Default::default() })
    };
    match mark {
        Mark::Area { x, y, width, height, colour } => {
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(rect);
            }
            surface.set_fill(ink(*colour));
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Mark::Line { x, baseline, size, colour, line } => {
            surface.set_fill(ink(*colour));
            for run in &line.runs {
                let Some(font) = fonts::font(run.font) else { continue };
                let start = Point::from_xy(x + run.x, *baseline);
                surface.draw_glyphs(start, &run.glyphs, font, &line.text, *size, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pdf;

    fn document(blocks: Vec<Block>) -> Document {
        Document {
            title: "Referral 4k3mzx7q".into(),
            language: "en".into(),
            marking: Marking { label: "TLP:AMBER".into(), colour: [255, 192, 0], more: "PAP:RED · H1".into() },
            foot: "case 4k3mzx7q".into(),
            blocks,
        }
    }

    fn table(rows: Vec<Vec<String>>) -> Block {
        let column = |name: &str, weight| Column { name: name.into(), weight };
        Block::Table { columns: vec![column("when", 2), column("what", 5), column("id", 3)], rows }
    }

    fn row(n: usize) -> Vec<String> {
        vec![format!("2026-11-01 {n}"), "Съешь مرحبا 垃圾".into(), format!("{n:052x}")]
    }

    fn pages(pdf: &[u8]) -> usize {
        let text = String::from_utf8_lossy(pdf);
        text.matches("/Type/Page/").count().max(text.matches("/Type /Page\n").count())
    }

    #[test]
    fn the_same_document_is_always_the_same_bytes() {
        let one = document(vec![
            Block::Chapter("A".into()),
            Block::Fields(vec![("subject".into(), "שלום".into())]),
            table((0..200).map(row).collect()),
        ]);
        let first = pdf(&one).unwrap();
        assert!(first.starts_with(b"%PDF-"));
        assert!(first == pdf(&one).unwrap());
        assert!(first != pdf(&Document { title: "other".into(), ..one }).unwrap());
    }

    #[test]
    fn ten_thousand_rows_and_a_cell_longer_than_a_page_are_laid_out() {
        let mut rows: Vec<_> = (0..10_000).map(row).collect();
        rows.push(vec![String::new(), "x".repeat(40_000)]);
        rows.push(vec!["a".into(); 9]);
        let begun = std::time::Instant::now();
        let file = pdf(&document(vec![table(rows)])).unwrap();
        assert!(pages(&file) > 100, "{}", pages(&file));
        assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_word_of_four_thousand_characters_and_odd_blocks_are_laid_out() {
        let odd = vec![
            Block::Text("w".repeat(4_000)),
            Block::Text(String::new()),
            Block::Fields(vec![]),
            Block::Fields(vec![("n".repeat(500), String::new())]),
            Block::Table { columns: vec![], rows: vec![vec!["a".into()]] },
            Block::Section("\u{0}\u{202E}".into()),
        ];
        let long = Marking { more: "H3: only ".repeat(2_000), ..Marking::default() };
        assert!(pdf(&Document { marking: long, ..document(odd) }).unwrap().len() > 1_000);
    }
}
