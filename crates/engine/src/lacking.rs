//! What a node has, and what it lacks of what a peer has: the questions that anti-entropy turns on (protocol §5).

use crate::author::Head;
use crate::federation::Federation;
use lapwing_record::entry::LogKind;
use lapwing_record::wire::{HeadRow, Plane, Want};

impl Federation {
    /// The heads of one bucket of a plane, as a peer is told of them.
    pub fn head_rows(&self, plane: Plane, bucket: usize) -> impl Iterator<Item = HeadRow> {
        self.heads_of_bucket(plane, bucket).into_iter().flat_map(|(pid, heads)| {
            heads.into_iter().map(move |Head { log, epoch, next, id, contested }| HeadRow {
                pid,
                log,
                epoch,
                next,
                id,
                contested,
            })
        })
    }

    /// What we want of a log that a peer has like this; none if nothing, or if its author is not known here.
    pub fn lacking(&self, row: &HeadRow) -> Option<Want> {
        let want = |from| Some(Want { pid: row.pid, log: row.log, epoch: row.epoch, from });
        let author = self.author(&row.pid)?;
        let heads = author.heads(row.log == LogKind::Agy);
        let mine = heads.iter().find(|h| h.log == row.log && h.epoch == row.epoch);
        let Some(mine) = mine else { return want(0) };
        if mine.id == row.id && mine.contested == row.contested {
            return None;
        }
        if row.log == LogKind::Id || row.contested || mine.contested {
            return want(0);
        }
        match row.next.cmp(&mine.next) {
            std::cmp::Ordering::Greater => want(mine.next),
            // the same length and another end: a fork that neither of us has seen whole
            std::cmp::Ordering::Equal => want(0),
            // it has less; if its end is not on our chain, that is a fork: its entry at that place shows it
            std::cmp::Ordering::Less => {
                let chain = author.log(row.log).get(&row.epoch)?;
                let on_ours = chain.stem.iter().any(|l| l.id.0 == row.id.0);
                if on_ours { None } else { want(row.next.saturating_sub(1)) }
            }
        }
    }
}
