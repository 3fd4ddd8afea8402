//! A backup of the running node, as a download.

use super::drafts::disk_full;
use super::{Answer, Desk, internal};
use crate::backup::{self, BackupError, Part};
use crate::folder::Folder;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, Reply};

impl Desk {
    pub(super) fn backup(&self, call: &Call) -> Answer {
        let part = call.params.get("part").map_or("data", String::as_str);
        let part = Part::from_code(part).ok_or_else(|| {
            Problem::new(Code::Malformed, "`part` must be data or keyring").hint("A whole backup is one of each.")
        })?;
        let folder = Folder::new(self.uploads.parent().unwrap_or(&self.uploads));
        let making = backup::make(&self.office, &folder, part).map_err(problem)?;
        tracing::info!(part = part.code(), bytes = making.len(), "a backup is made");
        Ok(Reply::Bytes {
            name: making.name.clone(),
            media_type: "application/octet-stream".into(),
            len: making.len(),
            content: Box::new(making),
        })
    }
}

fn problem(error: BackupError) -> Problem {
    match &error {
        BackupError::NoRecipient(_) | BackupError::Recipient { .. } => Problem::new(Code::Config, error.to_string())
            .hint("`lapwing backup key -o FILE` makes a backup key and sets it up for this node."),
        BackupError::Disk(e) if e.is_full() => disk_full(),
        _ => internal("making a backup", error),
    }
}
