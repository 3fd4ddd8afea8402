//! What was odd about a message or about reading it. Stable codes; words belong to the edge.

use serde::{Deserialize, Serialize};

macro_rules! warnings {
    ($($(#[$doc:meta])* $code:literal => $name:ident,)*) => {
        /// A warning. It never stops the work: the rest of the message, and the rest of the folder, still count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Warning {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Warning {
            /// Every warning.
            pub const ALL: &'static [Warning] = &[$(Warning::$name),*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Warning::$name => $code,)* }
            }
        }
    };
}

warnings! {
    /// Not everything was looked at: the message, a text or a list was longer than the limits.
    "truncated" => Truncated,
    /// More MIME parts than the limits.
    "too_many_parts" => TooManyParts,
    /// Nested deeper than the limits.
    "too_deep" => TooDeep,
    /// More URLs than are kept.
    "too_many_urls" => TooManyUrls,
    /// A charset that nobody knows.
    "bad_charset" => BadCharset,
    /// A transfer encoding that does not decode.
    "bad_encoding" => BadEncoding,
    /// No date, or one that is none.
    "bad_date" => BadDate,
    /// No Received header.
    "no_received" => NoReceived,
    /// No sender's address in the header.
    "no_from" => NoFrom,
    /// Not a mail message at all.
    "not_a_message" => NotAMessage,
    /// A file name or a header held a path, control or reordering characters; they were taken out.
    "name_sanitised" => NameSanitised,
    /// A domain imitates another one by its letters.
    "homograph" => Homograph,
    /// A word of the subject or of the sender's name mixes scripts, or is written in letters that only look Latin.
    "mixed_script" => MixedScript,
    /// A domain looks like one of the list at hand.
    "look_alike" => LookAlike,
    /// The Received chain and the receiver's own statement name different senders.
    "sending_ip_disputed" => SendingIpDisputed,
    /// A complaint breaks the rules of its format; which, stands in the report.
    "report_invalid" => ReportInvalid,
    /// A complaint, or a file that is to be one, cannot be read at all.
    "report_unreadable" => ReportUnreadable,
    /// A complaint carries no message: only what it says itself is known.
    "no_message_inside" => NoMessageInside,
    /// A sample inside a complaint is no base64, or too large.
    "sample_unreadable" => SampleUnreadable,
    /// A sample inside a complaint is not the one that its hash names.
    "sample_hash_mismatch" => SampleHashMismatch,
    /// An Outlook message that is damaged: only a part of it could be read, or nothing.
    "outlook_damaged" => OutlookDamaged,
    /// The text of an Outlook message is there as RTF only, which is not read.
    "rtf_only" => RtfOnly,
    /// More signatures than are verified: none was.
    "too_many_signatures" => TooManySignatures,
    /// More messages than are analysed.
    "too_many_messages" => TooManyMessages,
    /// What was found in all messages together is more than is kept.
    "too_much_found" => TooMuchFound,
    /// The mail library failed on it.
    "parser_failed" => ParserFailed,
    /// The file is longer than the limits; only its beginning was read.
    "too_large" => TooLarge,
    /// The file could not be read.
    "unreadable" => Unreadable,
    /// The file changed between the listing and the reading.
    "changed_since_scan" => ChangedSinceScan,
    /// The worker died.
    "worker_crashed" => WorkerCrashed,
    /// The worker took too long and was ended.
    "worker_timeout" => WorkerTimeout,
    /// The worker needed more memory than it may have.
    "worker_out_of_memory" => WorkerOutOfMemory,
    /// The worker answered nothing that can be read, or too much.
    "worker_bad_answer" => WorkerBadAnswer,
    /// The worker could not be started.
    "worker_unavailable" => WorkerUnavailable,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_code_is_explained_in_the_documentation() {
        let page = include_str!("../../../docs/evidence.md");
        for warning in Warning::ALL {
            assert!(page.contains(&format!("\n| `{warning}` | ")), "{warning} is missing");
        }
    }

    #[test]
    fn the_code_in_json_is_the_code_in_words() {
        for warning in [Warning::Truncated, Warning::WorkerOutOfMemory, Warning::NameSanitised] {
            assert_eq!(serde_json::to_string(&warning).unwrap(), format!("\"{warning}\""));
        }
    }
}
