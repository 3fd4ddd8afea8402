//! National income per head, as a table in the program: no node looks anything up, and both sides of a case hold the
//! same figure. Source, years and licence stand at the head of `data/income.csv` and in docs/protocol.md §6.2.

/// The number of the table. A table never changes: a later one gets the next number and stands beside this one, so that
/// a statement's harm can always be computed again.
pub const TABLE: u64 = 1;

/// Where the figures come from, in a line.
pub const SOURCE: &str = "Natural Earth 5 (public domain), gross domestic product per head";

const CSV: &str = include_str!("../../data/income.csv");

/// One country's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Income {
    /// US dollars in a year for each person.
    pub dollars_a_year: u64,
    /// The year that it is of.
    pub year: u64,
}

/// The figure of a country (ISO 3166-1 alpha-2) in a table; none where the table has none.
pub fn of(table: u64, country: &str) -> Option<Income> {
    let row = rows().find(|(code, _)| *code == country);
    row.map(|(_, income)| income).filter(|_| table == TABLE)
}

fn rows() -> impl Iterator<Item = (&'static str, Income)> {
    CSV.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (country, rest) = line.split_once(',')?;
        let (dollars, year) = rest.split_once(',')?;
        Some((country, Income { dollars_a_year: dollars.parse().ok()?, year: year.parse().ok()? }))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_line_of_the_table_reads_and_every_country_stands_in_it_once() {
        let lines = CSV.lines().filter(|l| !l.starts_with('#')).count();
        let countries: Vec<&str> = rows().map(|(country, _)| country).collect();
        assert_eq!(countries.len(), lines);
        assert!(countries.windows(2).all(|w| w[0] < w[1]), "ascending, each once");
        assert!(countries.iter().all(|c| crate::identity::is_country(c)));
        assert!(rows().all(|(_, i)| (100..1_000_000).contains(&i.dollars_a_year) && (2010..2030).contains(&i.year)));
        assert!(CSV.contains("# Source:") && CSV.contains("# Licence:"));
    }

    #[test]
    fn a_country_or_a_table_that_is_not_there_has_no_figure() {
        assert!(of(TABLE, "KE").unwrap().dollars_a_year < of(TABLE, "NL").unwrap().dollars_a_year);
        assert_eq!(of(TABLE, "ZZ"), None);
        assert_eq!(of(TABLE + 1, "KE"), None);
    }
}
