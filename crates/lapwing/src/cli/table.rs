//! Tables that fit the terminal: words are wrapped where they may be, never broken; where even that does not fit, each
//! row becomes a card. Cells have passed `out::one_line` before they come here.

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width, presets};

/// Blanks between two columns.
const GAP: u16 = 2;
/// Columns narrower than this are not made narrower for others.
const ROOM: u16 = 10;

/// The lines of a table on a terminal of `width` columns; none: as wide as it is, for a pipe.
pub fn lines(header: &[&str], rows: &[Vec<String>], width: Option<u16>) -> Vec<String> {
    let Some(width) = width else { return piped(header, rows) };
    // what nobody has anything to say in is only in the way
    let said = |i: &usize| *i == 0 || rows.iter().any(|r| r.get(*i).is_some_and(|c| !matches!(c.as_str(), "" | "-")));
    let kept: Vec<usize> = (0..header.len()).filter(said).collect();
    let header: Vec<&str> = kept.iter().map(|i| header[*i]).collect();
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|r| kept.iter().map(|i| r.get(*i).map_or("", String::as_str)).collect()).collect();
    match fit(&measure(&header, &rows, false), &measure(&header, &rows, true), width) {
        Some(widths) => drawn(&header, &rows, &widths),
        None => cards(&header, &rows, width),
    }
}

/// How wide each column is, or its longest word.
fn measure(header: &[&str], rows: &[Vec<&str>], words: bool) -> Vec<u16> {
    let cell = |text: &str| if words { text.replace(' ', "\n") } else { text.to_owned() };
    let mut table = Table::new();
    table.set_header(header.iter().map(|h| cell(h)));
    table.add_rows(rows.iter().map(|r| r.iter().map(|c| cell(c)).collect::<Vec<_>>()));
    table.column_max_content_widths()
}

/// The width of each column, between its longest word and its whole content: first everyone gets what its words need,
/// then all grow alike until they have enough or the terminal is full. None where the words alone are too wide.
fn fit(wanted: &[u16], least: &[u16], width: u16) -> Option<Vec<u16>> {
    let gaps = GAP * u16::try_from(wanted.len().saturating_sub(1)).ok()?;
    let room = u32::from(width.checked_sub(gaps)?);
    let sum = |widths: &[u16]| widths.iter().map(|w| u32::from(*w)).sum::<u32>();
    let least: Vec<u16> = least.iter().zip(wanted).map(|(l, w)| (*w).min((*l).max(ROOM))).collect();
    if sum(&least) > room {
        return None;
    }
    let at = |cap: u16| -> Vec<u16> { wanted.iter().zip(&least).map(|(w, l)| (*w).min(cap.max(*l))).collect() };
    let cap = (1..=width).rev().find(|cap| sum(&at(*cap)) <= room)?;
    Some(at(cap))
}

fn drawn(header: &[&str], rows: &[Vec<&str>], widths: &[u16]) -> Vec<String> {
    const RULED: TableStyle = presets::NOTHING.header_separator(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table.load_style(RULED).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    table.set_width(u16::MAX);
    table.set_header(header.iter().map(|h| (*h).to_owned()));
    table.add_rows(rows.iter().map(|r| r.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()));
    let last = widths.len().saturating_sub(1);
    for (i, width) in widths.iter().enumerate() {
        // one blank of the gap stands between two columns anyway
        let gap = if i == last { 0 } else { GAP - 1 };
        if let Some(column) = table.column_mut(i) {
            column.set_padding((0, gap));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// One row after the other: its first cell as the title, the others under each other.
fn cards(header: &[&str], rows: &[Vec<&str>], width: u16) -> Vec<String> {
    let names = header.iter().skip(1).map(|h| h.chars().count()).max().unwrap_or(0);
    let mut out = Vec::new();
    for row in rows {
        let Some((title, rest)) = row.split_first() else { continue };
        out.push((*title).to_owned());
        for (name, value) in header.iter().skip(1).zip(rest).filter(|(_, v)| !matches!(**v, "" | "-")) {
            let pad = " ".repeat(names - name.chars().count());
            out.extend(hanging(&format!("  {name}{pad}  "), value, Some(width)));
        }
    }
    out
}

/// Text behind a prefix, its further lines set in as far; words longer than a line stay whole.
pub fn hanging(prefix: &str, text: &str, width: Option<u16>) -> Vec<String> {
    let indent = prefix.chars().count();
    let room = width.map_or(usize::MAX, |w| usize::from(w).saturating_sub(indent).max(20));
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let len = |t: &str| t.chars().count();
        if !line.is_empty() && len(&line) + 1 + len(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let blank = " ".repeat(indent);
    let first = |(i, line): (usize, String)| format!("{}{line}", if i == 0 { prefix } else { &blank });
    lines.into_iter().enumerate().map(first).collect()
}

fn piped(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table.set_header(header.iter().map(|h| (*h).to_owned()));
    table.add_rows(rows.iter().cloned());
    // without borders the padding of the first column is only in the way
    table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect()
}

/// How wide the terminal is; none where standard output is none.
pub fn terminal() -> Option<u16> {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    // a window that is narrower wraps better by itself
    Table::new().width().map(|width| width.max(40))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["polder", "participant", "Poldertoezicht op het Berichtenverkeer", ""]),
            row(["ipe-amarelo", "suspended", "Instituto Ipe-Amarelo do Consumidor", "-"]),
        ]
    }

    const HEADER: [&str; 4] = ["name", "standing", "legal name", "marks"];

    #[test]
    fn a_table_fits_breaks_no_word_and_leaves_out_what_is_empty() {
        for width in [45, 60, 80, 200] {
            let lines = lines(&HEADER, &rows(), Some(width));
            assert!(lines.iter().all(|l| l.chars().count() <= usize::from(width)), "{width}: {lines:#?}");
            let text = lines.join("\n");
            for word in ["participant", "suspended", "Poldertoezicht", "Berichtenverkeer", "Ipe-Amarelo", "Consumidor"]
            {
                assert!(text.contains(word), "{width}: {word} in {text}");
            }
            assert!(!text.contains("marks"), "{text}");
        }
        assert_eq!(lines(&HEADER, &rows(), Some(80)).len(), 4, "one line each");
    }

    #[test]
    fn what_does_not_fit_becomes_cards() {
        let long = "a".repeat(52);
        let rows =
            vec![vec!["x".to_owned(), long.clone(), long.clone()], vec!["y".to_owned(), String::new(), long.clone()]];
        let lines = lines(&["name", "key id", "public key"], &rows, Some(80));
        let key = |name: &str| format!("  {name:<10}  {long}");
        assert_eq!(lines, ["x".to_owned(), key("key id"), key("public key"), "y".into(), key("public key")]);
    }

    #[test]
    fn a_pipe_gets_every_column_on_one_line_each() {
        let lines = lines(&HEADER, &rows(), None);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("name") && lines[0].ends_with("marks"));
    }

    #[test]
    fn long_text_hangs_behind_its_name() {
        assert_eq!(
            hanging("words  ", "aaaa bbbb cccc dddd eeee", Some(27)),
            ["words  aaaa bbbb cccc dddd", "       eeee"]
        );
        assert_eq!(hanging("x  ", "", Some(80)), ["x  "]);
        assert_eq!(hanging("x  ", "a b", None), ["x  a b"]);
    }
}
