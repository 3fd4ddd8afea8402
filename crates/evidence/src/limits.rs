//! How much one message may cost.

use serde::{Deserialize, Serialize};

/// The bounds of the analysis of one message. The worker enforces time and memory; the rest holds in process as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a message; what is beyond is not read.
    pub max_bytes: u64,
    /// Wall time of one worker, milliseconds.
    pub wall_ms: u64,
    /// Address space of one worker, bytes.
    pub memory_bytes: u64,
    /// MIME parts looked at, nested messages included.
    pub max_parts: usize,
    /// Nesting of parts and messages looked at.
    pub max_depth: usize,
    /// Bytes of text and HTML looked at, over all parts.
    pub max_text_bytes: usize,
    /// URLs kept; all are counted.
    pub max_urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_bytes: 32 << 20,
            wall_ms: 2_000,
            memory_bytes: 256 << 20,
            max_parts: 1_000,
            max_depth: 32,
            max_text_bytes: 4 << 20,
            max_urls: 500,
        }
    }
}

impl Limits {
    /// What a worker grants whoever asks for more: a mistyped limit must not open the sandbox.
    pub(crate) const CEILING: Limits = Limits {
        max_bytes: 256 << 20,
        wall_ms: 60_000,
        memory_bytes: 2 << 30,
        max_parts: 10_000,
        max_depth: 100,
        max_text_bytes: 64 << 20,
        max_urls: 500,
    };

    pub(crate) fn capped(self) -> Limits {
        let top = Limits::CEILING;
        Limits {
            max_bytes: self.max_bytes.min(top.max_bytes),
            wall_ms: self.wall_ms.min(top.wall_ms),
            memory_bytes: self.memory_bytes.min(top.memory_bytes),
            max_parts: self.max_parts.min(top.max_parts),
            max_depth: self.max_depth.min(top.max_depth),
            max_text_bytes: self.max_text_bytes.min(top.max_text_bytes),
            max_urls: self.max_urls.min(top.max_urls),
        }
    }
}
