//! Work on all cores, beside the loop: reading and checking what many entries carry.

use lapwing_engine::federation::Federation;
use lapwing_record::entry::{Entry, LogKind};

/// Items below which a thread costs more than it saves.
const WORTH_IT: usize = 32;

/// Does the same with each item, on all cores; the results in order.
pub fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if items.len() < WORTH_IT || cores == 1 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(cores));
        let threads: Vec<_> = parts.map(|p| scope.spawn(move || p.iter().map(work).collect::<Vec<R>>())).collect();
        // a panic there is a panic here
        let join =
            |t: std::thread::ScopedJoinHandle<'_, Vec<R>>| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        threads.into_iter().flat_map(join).collect()
    })
}

/// Checks the signature of an entry of log 1 or 2 by the keys that are known now, so that the loop need not: the entry
/// remembers. One that does not hold, or whose keys are not known yet, is judged where it is placed.
pub fn check(federation: &Federation, entry: &Entry) {
    let header = entry.header();
    let keys = federation.author(&header.pid).and_then(|author| author.id.keys(header.epoch));
    if let Some(keys) = keys.filter(|_| header.log != LogKind::Id) {
        let _ = entry.verify(&[keys.feed], 1, federation.network());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_however_many_there_are() {
        for n in [0usize, 1, 31, 32, 33, 1000, 1001] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(on_all_cores(&items, |i| i * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }
}
