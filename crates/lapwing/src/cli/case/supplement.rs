//! Answers and additions of the requester.

use super::evidence::upload;
use super::say;
use crate::cli::Ctx;
use crate::cli::fail::Done;
use crate::cli::profile::read_toml;
use clap::Args;
use lapwing_api::types::Saying;
use lapwing_record::form::{CollectionMethod, Form};
use std::path::PathBuf;

/// An answer or an addition.
#[derive(Debug, Args)]
pub struct Answer {
    /// The case.
    thread: String,
    /// The answer.
    text: String,
    /// Fields of the pro forma that change, as TOML: named as in the form of a referral.toml.
    #[arg(long, value_name = "FILE")]
    form: Option<PathBuf>,
    /// A file of evidence to add.
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// How the evidence was come by.
    #[arg(long, default_value = "user_complaint")]
    method: CollectionMethod,
}

impl Answer {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let mut form: Option<Form> = self.form.as_deref().map(read_toml).transpose()?;
        let node = ctx.node()?;
        for file in &self.evidence {
            let item = upload(ctx, &node, &self.thread, file, self.method)?;
            form.get_or_insert_default().evidence.get_or_insert_default().push(item);
        }
        say(ctx, &self.thread, &Saying::Supplement { text: self.text, form: form.map(Box::new) }, "answered")
    }
}
