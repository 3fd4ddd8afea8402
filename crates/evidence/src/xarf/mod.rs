//! XARF v4, the eXtended Abuse Reporting Format (xarf.org, github.com/xarf/xarf-spec, schemas/v4): read as evidence, and
//! written of a referral for the machines of hosts and providers.

mod read;
pub mod rules;
mod write;

pub(crate) use read::{is_report, read};
pub use write::{Author, Enclosure, Missing, Occasion, VERSION, report};

/// The key by which a JSON text shows itself as a report.
pub(crate) const MARK: &[u8] = b"\"xarf_version\"";
