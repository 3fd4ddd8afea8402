//! Lines that repeat without end are counted in place of being written: what strangers and members do to a node must fill
//! no disk and hide nothing else (docs/strangers.md).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Lines of one sort that are written at once; then so many a second.
const BURST: f64 = 100.0;
const A_SECOND: f64 = 1.0;

/// How much of one sort of line may still be written.
struct Sort {
    tokens: f64,
    last: Instant,
    left_out: u64,
}

/// Writes lines as `inner` does, of each sort (the place in the code where it is written) no more than its bound. The next
/// one that is written says how many were not.
pub struct Bounded<F> {
    inner: F,
    json: bool,
    sorts: Mutex<HashMap<Identifier, Sort>>,
}

impl<F> Bounded<F> {
    /// Around `inner`, which writes JSON or text.
    pub fn new(inner: F, json: bool) -> Self {
        Bounded { inner, json, sorts: Mutex::default() }
    }

    /// Whether a line of this sort may be written now, and how many before it were not.
    fn take(&self, sort: Identifier, now: Instant) -> Option<u64> {
        let mut sorts = self.sorts.lock().unwrap_or_else(PoisonError::into_inner);
        let sort = sorts.entry(sort).or_insert(Sort { tokens: BURST, last: now, left_out: 0 });
        let passed = now.saturating_duration_since(sort.last).as_secs_f64();
        (sort.tokens, sort.last) = ((sort.tokens + passed * A_SECOND).min(BURST), now);
        if sort.tokens < 1.0 {
            sort.left_out += 1;
            return None;
        }
        sort.tokens -= 1.0;
        Some(std::mem::take(&mut sort.left_out))
    }
}

impl<S, N, F> FormatEvent<S, N> for Bounded<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(left_out) = self.take(event.metadata().callsite(), Instant::now()) else { return Ok(()) };
        if left_out > 0 {
            let (level, target) = (event.metadata().level(), event.metadata().target());
            match self.json {
                // levels and targets are plain words
                true => writeln!(
                    writer,
                    r#"{{"level":"{level}","target":"{target}","fields":{{"message":"lines like the next were left out","count":{left_out}}}}}"#
                )?,
                false => writeln!(writer, "{left_out} lines like the next were left out")?,
            }
        }
        self.inner.format_event(ctx, writer, event)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Page;
        fn make_writer(&'a self) -> Page {
            self.clone()
        }
    }

    fn flood(json: bool) -> Vec<String> {
        let page = Page::default();
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(page.clone());
        let say = || {
            // two seconds, so that one more is written for each of them
            for n in 0..1_002 {
                if n >= 1_000 {
                    std::thread::sleep(std::time::Duration::from_millis(1_010));
                }
                tracing::info!(n, "a peer comes and goes");
            }
            tracing::warn!("the disk fills up");
        };
        match json {
            true => tracing::subscriber::with_default(
                builder.json().map_event_format(|inner| Bounded::new(inner, true)).finish(),
                say,
            ),
            false => tracing::subscriber::with_default(
                builder.map_event_format(|inner| Bounded::new(inner, false)).finish(),
                say,
            ),
        }
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_flood_of_one_line_is_counted_and_hides_no_other() {
        let lines = flood(false);
        assert_eq!(lines.iter().filter(|l| l.contains("comes and goes")).count(), 102, "{lines:?}");
        assert!(lines.iter().any(|l| l == "900 lines like the next were left out"), "{lines:?}");
        assert!(lines.last().unwrap().contains("the disk fills up"));
    }

    #[test]
    fn every_line_of_a_json_log_stays_json() {
        let lines = flood(true);
        let read: Vec<serde_json::Value> = lines.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(read.iter().any(|l| l["fields"]["count"] == 900), "{lines:?}");
        assert_eq!(read.len(), 102 + 1 + 1);
    }
}
