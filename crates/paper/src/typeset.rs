//! Text to lines: shaping, both writing directions, breaking.

use crate::fonts;
use krilla::text::{GlyphId, KrillaGlyph};
use parley::layout::{Alignment, PositionedLayoutItem};
use parley::style::{FontFamily, FontWeight, OverflowWrap, StyleProperty};
use parley::{AlignmentOptions, FontContext, FontFamilyName, Layout, LayoutContext};
use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// In points.
    pub size: f32,
    /// Bold.
    pub bold: bool,
}

impl Style {
    /// From one line to the next, in points: high enough for marks above and below.
    pub fn leading(self) -> f32 {
        (self.size * 1.4).ceil()
    }

    /// From the top of a line to its baseline, in points.
    pub fn ascent(self) -> f32 {
        self.size * 1.05
    }
}

/// Glyphs of one font beside each other.
#[derive(Clone, Debug)]
pub struct Run {
    /// Number of the font.
    pub font: usize,
    /// Points from the line's left.
    pub x: f32,
    /// The glyphs, in the order in which they stand.
    pub glyphs: Vec<KrillaGlyph>,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The text that its glyphs' ranges point into.
    pub text: Rc<str>,
    /// From left to right.
    pub runs: Vec<Run>,
    /// Points from its left to its end.
    pub width: f32,
}

/// Lays text out.
pub struct Typesetter {
    fonts: FontContext,
    families: Vec<FontFamilyName<'static>>,
    layouts: LayoutContext<()>,
}

/// Characters in one stretch of layout at most: what is longer goes on in the next line.
const STRETCH: usize = 8_192;

impl Typesetter {
    pub fn new() -> Self {
        let (fonts, families) = fonts::context();
        Typesetter { fonts, families, layouts: LayoutContext::new() }
    }

    /// The lines of a text; none of an empty one.
    pub fn lines(&mut self, text: &str, style: Style, width: f32) -> Vec<Line> {
        let mut lines = Vec::new();
        let shown = plain(text);
        for paragraph in shown.trim_end_matches('\n').split('\n').filter(|_| !shown.is_empty()) {
            if paragraph.trim().is_empty() {
                lines.push(Line { text: "".into(), runs: Vec::new(), width: 0.0 });
            }
            for stretch in stretches(paragraph) {
                self.stretch(stretch, style, width, &mut lines);
            }
        }
        lines
    }

    fn stretch(&mut self, text: &str, style: Style, width: f32, lines: &mut Vec<Line>) {
        let mut text = Cow::Borrowed(text);
        let mut layout = self.layout(&text, style, width);
        let uncovered = uncovered(&layout, &text);
        if !uncovered.is_empty() {
            text = Cow::Owned(by_code_points(&text, &uncovered));
            layout = self.layout(&text, style, width);
        }
        // a cluster without end (letters that join for ever) has no place to break: it is cut in the middle
        let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        match layout.width() > width + 0.5 && middle > 0 {
            true => {
                let (before, after) = text.split_at(middle);
                self.stretch(before, style, width, lines);
                self.stretch(after, style, width, lines);
            }
            false => collect(&layout, &text, lines),
        }
    }

    fn layout(&mut self, text: &str, style: Style, width: f32) -> Layout<()> {
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, text, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Borrowed(&self.families))));
        builder.push_default(StyleProperty::FontSize(style.size));
        builder.push_default(StyleProperty::FontWeight(FontWeight::new(if style.bold { 700.0 } else { 400.0 })));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        let mut layout = builder.build(text);
        layout.break_all_lines(Some(width));
        layout.align(Alignment::Start, AlignmentOptions::default());
        layout
    }
}

/// Pieces of bounded length, at characters' ends.
fn stretches(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(STRETCH).map_or(rest.len(), |(at, _)| at);
        let (stretch, after) = rest.split_at(end);
        rest = after;
        (!stretch.is_empty()).then_some(stretch)
    })
}

fn code_point(c: char) -> String {
    format!("[U+{:04X}]", c as u32)
}

/// What would not be seen, or would turn other text around: shown by its code point, so that nothing stands on paper that
/// reads otherwise than its bytes.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}' | '\u{2060}'..='\u{206F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{AD}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A text with plain line ends and nothing hidden in it.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c if hides(c) => out.push_str(&code_point(c)),
            c => out.push(c),
        }
    }
    out
}

/// Where the layout has glyphs that stand for nothing.
fn uncovered(layout: &Layout<()>, text: &str) -> Vec<Range<usize>> {
    let clusters = layout.lines().flat_map(|line| line.runs()).flat_map(|run| run.clusters());
    let empty = clusters.filter(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0));
    let ranges = empty.map(|cluster| cluster.text_range());
    ranges.filter(|r| text.get(r.clone()).is_some_and(|t| !t.trim().is_empty())).collect()
}

/// The text with these clusters as code points.
fn by_code_points(text: &str, clusters: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for (at, c) in text.char_indices() {
        match clusters.iter().any(|range| range.contains(&at)) {
            true => out.push_str(&code_point(c)),
            false => out.push(c),
        }
    }
    out
}

fn collect(layout: &Layout<()>, text: &str, lines: &mut Vec<Line>) {
    let text: Rc<str> = text.into();
    for line in layout.lines() {
        let mut runs = Vec::new();
        let mut width = 0.0f32;
        for item in line.items() {
            let PositionedLayoutItem::GlyphRun(placed) = item else { continue };
            let run = placed.run();
            let Some(font) = fonts::number(run.font().data.data()) else { continue };
            let size = run.font_size();
            let mut glyphs: Vec<KrillaGlyph> = Vec::new();
            for cluster in run.visual_clusters() {
                if cluster.is_ligature_continuation() {
                    if let Some(glyph) = glyphs.last_mut() {
                        let range = cluster.text_range();
                        glyph.text_range.end = glyph.text_range.end.max(range.end);
                        glyph.text_range.start = glyph.text_range.start.min(range.start);
                    }
                    continue;
                }
                glyphs.extend(cluster.glyphs().map(|glyph| {
                    let (advance, x, y) = (glyph.advance / size, glyph.x / size, glyph.y / size);
                    KrillaGlyph::new(GlyphId::new(glyph.id), advance, x, y, 0.0, cluster.text_range(), None)
                }));
            }
            width = width.max(placed.offset() + placed.advance());
            runs.push(Run { font, x: placed.offset(), glyphs });
        }
        lines.push(Line { text: text.clone(), runs, width });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STYLE: Style = Style { size: 9.0, bold: false };

    fn set(text: &str) -> Vec<Line> {
        Typesetter::new().lines(text, STYLE, 300.0)
    }

    #[test]
    fn the_great_scripts_are_covered_and_shaped() {
        for text in [
            "Zażółć gęślą jaźń, Çà et là, Þórr — “quoted” €5 №7",
            "Ξεσκεπάζω την ψυχοφθόρα",
            "Съешь ещё этих мягких французских булок",
            "مرحبا بالعالم، رسائل غير مرغوب فيها",
            "שלום עולם",
            "हिन्दी में शिकायत",
            "ร้องเรียนเรื่องสแปม",
            "垃圾邮件举报 繁體中文",
            "迷惑メールのほうこく",
            "스팸 메일 신고",
            "বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം ગુજરાતી ਪੰਜਾਬੀ සිංහල",
            "ລາວ ខ្មែរ မြန်မာ ქართული Հայերեն አማርኛ Tiếng Việt",
        ] {
            let lines = set(text);
            assert!(lines.iter().all(|line| !line.text.contains("[U+")), "{text}: {}", lines[0].text);
            assert!(lines.iter().flat_map(|l| &l.runs).flat_map(|r| &r.glyphs).all(|g| g.glyph_id.to_u32() != 0));
        }
        // joined letters take other glyphs than those that stand alone
        let glyphs = |text: &str| -> Vec<u32> {
            let lines = set(text);
            lines[0].runs.iter().flat_map(|r| &r.glyphs).map(|g| g.glyph_id.to_u32()).collect()
        };
        let (alone, joined) = (glyphs("ب"), glyphs("ببب"));
        assert!(joined.iter().all(|g| !alone.contains(g)), "{alone:?} {joined:?}");
    }

    #[test]
    fn hebrew_runs_from_right_to_left_beside_latin() {
        let line = set("abc שלום def").remove(0);
        let starts: Vec<usize> = line
            .runs
            .iter()
            .flat_map(|r| &r.glyphs)
            .map(|g| g.text_range.start)
            .filter(|at| (4..12).contains(at))
            .collect();
        assert_eq!(starts, [10, 8, 6, 4]);
    }

    #[test]
    fn what_no_font_has_or_what_hides_is_shown_by_its_code_points() {
        for (text, shown) in [
            ("a\u{E000}b", "a[U+E000]b"),
            ("\u{1F4A9}", "[U+1F4A9]"),
            ("exe\u{202E}fdp.scr", "exe[U+202E]fdp.scr"),
            ("a\u{0}b\u{200B}", "a[U+0000]b[U+200B]"),
            ("\u{13000}", "[U+13000]"),
        ] {
            assert_eq!(&*set(text)[0].text, shown);
        }
    }

    #[test]
    fn a_word_of_any_length_is_broken_and_stays_within_its_width() {
        for word in ["x".repeat(4_000), "漢".repeat(4_000), "م".repeat(20_000), "क्".repeat(4_000)] {
            let lines = set(&word);
            let widest = lines.iter().map(|l| l.width).fold(0.0, f32::max);
            assert!(lines.len() > 10 && widest <= 301.0, "{} lines of {}, {widest}", lines.len(), &word[..6]);
        }
        assert_eq!(set("a\r\n\r\nb\n").len(), 3);
        assert!(set("").is_empty());
    }
}
