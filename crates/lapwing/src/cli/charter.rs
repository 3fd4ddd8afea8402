//! `lapwing charter`: founding a federation, offline.
//!
//! ```text
//! each founder: init --founder ──► NAME.inception ─┐
//! one of them:                      charter.toml ──┴─ charter new ──► federation.charter
//! each founder:                     charter sign ──► NAME.signature ─┐
//! one of them:                                       charter join ◄──┴──► federation.lapwing
//! each founder:                                      charter install;  applicants: init --charter
//! ```

use super::Ctx;
use super::ask::{self, Unlock};
use super::fail::{self, Done, conflict, wrong};
use super::init::PLAN_TEXT;
use super::out::{one_line, short};
use super::when;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::CharterView;
use lapwing_node::folder;
use lapwing_node::founding::{self, Identity};
use lapwing_node::keys::{self, KeyKind};
use lapwing_record::cbor::{self, encode};
use lapwing_record::charter::{Charter as Text, CharterFile, FounderSignature, MAX_CHARTER_FILE, Params, Veto};
use lapwing_record::identity::{Inception, words};
use lapwing_record::sign::SecretKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What `charter template` prints.
const TEMPLATE: &str = r#"# The charter of a federation. Everyone who founds it signs it; its hash is the federation's id.

name = "Example federation"

# The founders' inceptions, as `lapwing init --founder` wrote them. Found with four or more: with fewer, one that is
# gone for good holds up every admission.
founders = ["harbor.inception", "polder.inception", "hangang.inception", "ipanema.inception"]

# The text that participants endorse. Without it: the summary of the Plan that comes with the program.
#plan_text = "plan.txt"

[params]
# W: how long each node waits for its people's objection after it has seen an applicant.
window = "14d"
# G: how long beyond W an agency may be silent before the others may excuse it.
grace = "7d"
# "standing": an objection counts whenever it is made and as long as it stands. "entry": only until its agency has
# cleared. This one is fixed for good; all others can be amended.
veto = "standing"
# Weights of the harm factors: victims, financial, non-financial, gravity, vulnerability, exposure. Sum 100.
harm_weights = [25, 25, 15, 15, 10, 10]
# The longest retention that a referral may ask for.
retention_max = "3650d"
# Bytes of one item of evidence at most.
blob_max_bytes = 68719476736
"#;

/// The founding document: made, signed and joined by the founders; shown and verified by anyone.
#[derive(Debug, Subcommand)]
pub enum Charter {
    /// Prints a commented charter.toml to begin with.
    #[command(after_help = "Examples:\n  lapwing charter template > charter.toml")]
    Template,
    /// Makes the charter to be signed from a charter.toml and the founders' inceptions.
    #[command(after_help = "Examples:\n  lapwing charter new charter.toml -o federation.charter")]
    New {
        /// The charter.toml; paths in it are taken from where it lies.
        file: PathBuf,
        /// Where to write the charter.
        #[arg(short, long, value_name = "FILE", default_value = "federation.charter")]
        out: PathBuf,
    },
    /// Shows a charter and signs it with a founder's root keys, apart from it.
    #[command(after_help = "Examples:
  lapwing charter sign federation.charter --root-key lapwing-data-keys/root-1.key -o harbor.signature")]
    Sign {
        /// The charter, from `charter new`.
        file: PathBuf,
        /// A root key; give as many as the founder's threshold asks for.
        #[arg(long, value_name = "FILE", required = true)]
        root_key: Vec<PathBuf>,
        /// Where to write the signature [default: the founder's name with .signature].
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The founder's own inception, to compare with [default: the one beside the root key, or the data folder's].
        #[arg(long, value_name = "FILE")]
        inception: Option<PathBuf>,
        /// Do not ask before signing.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Joins a charter and every founder's signature into the file that members and applicants use.
    #[command(after_help = "Examples:
  lapwing charter join federation.charter harbor.signature polder.signature -o federation.lapwing")]
    Join {
        /// The charter, from `charter new`.
        file: PathBuf,
        /// The founders' signatures.
        #[arg(required = true)]
        signatures: Vec<PathBuf>,
        /// Where to write the joined file.
        #[arg(short, long, value_name = "FILE", default_value = "federation.lapwing")]
        out: PathBuf,
    },
    /// Shows a charter file, or the charter in force on the node.
    #[command(after_help = "Examples:\n  lapwing charter show federation.lapwing\n  lapwing charter show")]
    Show {
        /// A charter, signed or not. Without it: the node's, with the Params in force.
        file: Option<PathBuf>,
    },
    /// Verifies a charter file: form, every founder's signatures and first entry.
    #[command(after_help = "Examples:\n  lapwing charter verify federation.lapwing")]
    Verify {
        /// The file, from `charter join`.
        file: PathBuf,
    },
    /// Puts the charter into a founder's data folder.
    #[command(after_help = "Examples:\n  lapwing --data ./harbor charter install federation.lapwing")]
    Install {
        /// The file, from `charter join`.
        file: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CharterToml {
    name: String,
    founders: Vec<PathBuf>,
    plan_text: Option<PathBuf>,
    #[serde(default)]
    params: ParamsToml,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParamsToml {
    window: Option<String>,
    window_ms: Option<u64>,
    grace: Option<String>,
    grace_ms: Option<u64>,
    veto: Option<Veto>,
    harm_weights: Option<Vec<u64>>,
    retention_max: Option<String>,
    blob_max_bytes: Option<u64>,
}

impl ParamsToml {
    fn read(self) -> Result<Params, Problem> {
        let span = |key: &str, words: Option<String>, ms: Option<u64>, default: u64| match (words, ms) {
            (Some(_), Some(_)) => Err(wrong(format!("params: `{key}` and `{key}_ms` exclude each other"))),
            (Some(text), None) => when::duration(&text).map(when::ms).map_err(|e| wrong(format!("params.{key}: {e}"))),
            (None, ms) => Ok(ms.unwrap_or(default)),
        };
        let d = Params::default();
        let params = Params {
            window_ms: span("window", self.window, self.window_ms, d.window_ms)?,
            grace_ms: span("grace", self.grace, self.grace_ms, d.grace_ms)?,
            veto: self.veto.unwrap_or(d.veto),
            harm_weights: self.harm_weights.unwrap_or(d.harm_weights),
            retention_max_ms: span("retention_max", self.retention_max, None, d.retention_max_ms)?,
            blob_max_bytes: self.blob_max_bytes.unwrap_or(d.blob_max_bytes),
            schema: d.schema,
        };
        params.check().map_err(|f| wrong(format!("params.{f}")))?;
        Ok(params)
    }
}

/// Reads a charter that is not signed yet, or the charter inside a joined file.
fn read_text(path: &Path) -> Result<(Text, Option<CharterFile>), Problem> {
    let bytes = folder::read(path, MAX_CHARTER_FILE as u64).map_err(fail::file)?;
    if let Ok(text) = cbor::decode::<Text>(&bytes, MAX_CHARTER_FILE) {
        text.check().map_err(|e| fail::charter(path, e))?;
        return Ok((text, None));
    }
    let file = CharterFile::open(&bytes).map_err(|e| fail::charter(path, e))?;
    Ok((file.charter.clone(), Some(file)))
}

/// Reads and verifies a joined file.
pub fn read_file(path: &Path) -> Result<(Vec<u8>, CharterFile), Problem> {
    let bytes = folder::read(path, MAX_CHARTER_FILE as u64).map_err(fail::file)?;
    let file = CharterFile::open(&bytes).map_err(|e| fail::charter(path, e))?;
    Ok((bytes, file))
}

fn json_of(text: &Text, signed: bool) -> Value {
    let network = text.network_id();
    let founders: Vec<Value> = text
        .founders()
        .into_iter()
        .flatten()
        .map(|(pid, f)| {
            json!({ "pid": pid, "short_name": f.short_name, "legal_name": f.legal_name, "country": f.country,
                    "words": words(&pid.0), "roots": f.roots.len(), "threshold": f.threshold })
        })
        .collect();
    json!({
        "name": text.name, "network_id": network, "words": words(&network.0), "created_ms": text.created,
        "plan_text_hash": text.plan_text_hash, "params": text.params, "founders": founders, "signed": signed,
    })
}

fn show(ctx: &Ctx, text: &Text, signed: bool) {
    let out = ctx.out;
    let network = text.network_id();
    let p = &text.params;
    let built_in = founding::plan_text_hash(PLAN_TEXT.as_bytes()) == text.plan_text_hash;
    let text_of = if built_in { "the summary of the Plan that comes with this program" } else { "another text" };
    out.pairs(&[
        ("federation", text.name.clone()),
        ("id", network.to_string()),
        ("words", words(&network.0)),
        ("founded", out.time_ms(text.created)),
        ("signed", if signed { "by every founder" } else { "not yet" }.into()),
        ("endorses", format!("{text_of} ({})", short(&text.plan_text_hash.to_string()))),
        ("window", when::show(p.window_ms)),
        ("grace", when::show(p.grace_ms)),
        ("veto", p.veto.to_string()),
        ("harm weights", p.harm_weights.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")),
        ("retention", format!("at most {}", when::show(p.retention_max_ms))),
        ("evidence", format!("at most {} bytes an item", p.blob_max_bytes)),
    ]);
    let row = |(pid, f): (lapwing_record::id::Pid, Inception)| {
        vec![f.short_name, f.legal_name, f.country, pid.short(), words(&pid.0)]
    };
    let rows = text.founders().into_iter().flatten().map(row).collect();
    out.table(&["founder", "name", "country", "id", "words"], rows, "no founders");
}

impl Charter {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Charter::Template => ctx.out.raw(TEMPLATE),
            Charter::New { file, out } => new(ctx, &file, &out)?,
            Charter::Sign { file, root_key, out, inception, yes, unlock } => {
                let signing = Signing { root_keys: &root_key, out, inception, yes, unlock: &unlock };
                sign(ctx, &file, signing)?;
            }
            Charter::Join { file, signatures, out } => join(ctx, &file, &signatures, &out)?,
            Charter::Show { file: Some(file) } => {
                let (text, joined) = read_text(&file)?;
                ctx.out.answer(&json_of(&text, joined.is_some()), || show(ctx, &text, joined.is_some()));
            }
            Charter::Show { file: None } => in_force(ctx)?,
            Charter::Verify { file } => {
                let (_, joined) = read_file(&file)?;
                ctx.out.answer(&json_of(&joined.charter, true), || {
                    show(ctx, &joined.charter, true);
                    ctx.out.line(format!("{} is whole: every founder has signed it", file.display()));
                });
            }
            Charter::Install { file } => install(ctx, &file)?,
        }
        Ok(())
    }
}

fn new(ctx: &Ctx, path: &Path, out: &Path) -> Done {
    fail::free(out)?;
    let text = String::from_utf8(folder::read(path, 1 << 20).map_err(fail::file)?)
        .map_err(|_| wrong(format!("{} is not UTF-8 text", path.display())))?;
    let typed: CharterToml = toml::from_str(&text).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
    let base = path.parent().unwrap_or(Path::new("."));
    let plan = match &typed.plan_text {
        Some(file) => folder::read(&base.join(file), 1 << 20).map_err(fail::file)?,
        None => PLAN_TEXT.as_bytes().to_vec(),
    };
    let mut founders = Vec::new();
    for file in &typed.founders {
        let path = base.join(file);
        let bytes = folder::read(&path, 1 << 20).map_err(fail::file)?;
        let inception = Inception::decode(&bytes).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
        founders.push((inception.pid(), bytes));
    }
    founders.sort();
    let charter = Text {
        version: 1,
        name: typed.name,
        plan_text_hash: founding::plan_text_hash(&plan),
        created: keys::now_ms(),
        params: typed.params.read()?,
        founders: founders.into_iter().map(|(_, bytes)| bytes.into()).collect(),
    };
    charter.check().map_err(|e| wrong(e.to_string()))?;
    folder::write_new(out, &encode(&charter)).map_err(fail::file)?;
    if charter.founders.len() < 4 {
        ctx.out.note(
            "note: with fewer than four founders, one that is gone for good holds up every admission (nobody may excuse it)",
        );
    }
    ctx.out.answer(&json_of(&charter, false), || {
        show(ctx, &charter, false);
        ctx.out.line(format!(
            "next: every founder compares the words, then runs: lapwing charter sign {} --root-key FILE",
            out.display()
        ));
    });
    Ok(())
}

/// The founder whose root keys these are.
fn founder_of(charter: &Text, roots: &[SecretKey]) -> Result<Inception, Problem> {
    let founders = charter.founders().map_err(|e| wrong(e.to_string()))?;
    let has = |f: &Inception| roots.iter().any(|r| f.roots.contains(&r.public()));
    let found = founders.into_iter().map(|(_, f)| f).find(has);
    found.ok_or_else(|| {
        wrong("the root key is of none of the founders that the charter names")
            .hint("`lapwing charter show FILE` lists them. Was the inception made together with this key?")
    })
}

struct Signing<'a> {
    root_keys: &'a [PathBuf],
    out: Option<PathBuf>,
    inception: Option<PathBuf>,
    yes: bool,
    unlock: &'a Unlock,
}

/// Whoever made the charter could have put in another inception with this founder's root key but keys of its own: the
/// one in the charter must be the one that was made with the root key.
fn compare_inception(ctx: &Ctx, in_charter: &Inception, signing: &Signing<'_>) -> Done {
    let read = |path: &Path| -> Result<Inception, Problem> {
        let bytes = folder::read(path, 1 << 20).map_err(fail::file)?;
        Inception::decode(&bytes).map_err(|e| wrong(format!("{}: {e}", path.display())))
    };
    let beside = signing.root_keys.first().and_then(|k| k.parent()).map(|dir| {
        let name = format!("{}.inception", in_charter.short_name);
        dir.join(name)
    });
    let own = match (&signing.inception, beside.filter(|p| p.exists())) {
        (Some(path), _) => Some(read(path)?),
        (None, Some(path)) => Some(read(&path)?),
        (None, None) => Identity::read(&ctx.folder().identity()).ok().map(|i| i.inception),
    };
    match own {
        Some(own) if own.pid() == in_charter.pid() => Ok(()),
        Some(own) => Err(wrong(format!(
            "the charter names {} with the id {}, but its own inception has the id {}",
            in_charter.short_name,
            in_charter.pid(),
            own.pid()
        ))
        .hint("Do not sign: ask whoever made the charter why the inception in it is not yours.")),
        None => {
            let id = in_charter.pid();
            ctx.out.note(format!("note: compare with what `init` printed: {id} ({})", words(&id.0)));
            Ok(())
        }
    }
}

fn sign(ctx: &Ctx, path: &Path, signing: Signing<'_>) -> Done {
    let (charter, _) = read_text(path)?;
    let roots = signing.unlock.open_all(signing.root_keys, KeyKind::Root)?;
    let inception = founder_of(&charter, &roots)?;
    compare_inception(ctx, &inception, &signing)?;
    let out = signing.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.signature", inception.short_name)));
    fail::free(&out)?;
    if !ctx.out.json {
        show(ctx, &charter, false);
    }
    ask::go_on(signing.yes, &format!("Sign this charter as {}?", inception.short_name))?;
    let signature = founding::found(&charter, &inception, &roots).map_err(fail::founding)?;
    folder::write_new(&out, &encode(&signature)).map_err(fail::file)?;
    let value = json!({ "founder": inception.short_name, "network_id": charter.network_id(), "signature": out });
    ctx.out.answer(&value, || {
        ctx.out.line(format!("{} signed; next: hand {} to whoever joins them", inception.short_name, out.display()));
    });
    Ok(())
}

fn join(ctx: &Ctx, path: &Path, signatures: &[PathBuf], out: &Path) -> Done {
    fail::free(out)?;
    let (charter, _) = read_text(path)?;
    let mut parts: Vec<FounderSignature> = Vec::new();
    for path in signatures {
        let bytes = folder::read(path, 1 << 20).map_err(fail::file)?;
        let part = cbor::decode(&bytes, 1 << 20);
        parts.push(part.map_err(|e| wrong(format!("{} is no founder's signature: {e}", path.display())))?);
    }
    let joined = CharterFile::join(charter, parts).map_err(|e| fail::charter(path, e))?;
    folder::write_new(out, &encode(&joined)).map_err(fail::file)?;
    ctx.out.answer(&json_of(&joined.charter, true), || {
        ctx.out.line(format!("{} founds {}", out.display(), one_line(&joined.charter.name)));
        ctx.out.line(format!("words: {}", words(&joined.charter.network_id().0)));
        ctx.out.line(format!(
            "next: every founder runs: lapwing charter install {}; applicants: lapwing init --charter {}",
            out.display(),
            out.display()
        ));
    });
    Ok(())
}

fn install(ctx: &Ctx, path: &Path) -> Done {
    let folder = ctx.folder();
    let (bytes, joined) = read_file(path)?;
    let mut identity = Identity::read(&folder.identity()).map_err(fail::founding)?;
    if !identity.founder {
        return Err(conflict("this folder is an applicant's: it got its charter at `init --charter`"));
    }
    let pid = identity.pid();
    let first = joined.first_entries.iter().find(|e| e.header().pid == pid).cloned();
    let first = first.ok_or_else(|| {
        wrong(format!("the charter does not name {} as a founder", identity.inception.short_name))
            .hint("`--data DIR` tells which folder is meant; `lapwing charter show FILE` lists the founders.")
    })?;
    if folder.charter().exists() {
        let there = folder::read(&folder.charter(), MAX_CHARTER_FILE as u64).map_err(fail::file)?;
        if there != bytes {
            return Err(conflict(format!("{} is another charter; it is not replaced", folder.charter().display())));
        }
    } else {
        folder::write_new(&folder.charter(), &bytes).map_err(fail::file)?;
    }
    identity.entries = vec![first];
    identity.replace(&folder.identity()).map_err(fail::founding)?;
    let value = json!({ "installed": folder.charter(), "network_id": joined.charter.network_id() });
    ctx.out.answer(&value, || {
        ctx.out.line(format!("{} takes part in {}", identity.inception.short_name, one_line(&joined.charter.name)));
        ctx.out.line(format!("next: lapwing --data {} run", folder.root().display()));
    });
    Ok(())
}

fn in_force(ctx: &Ctx) -> Done {
    let value: Value = ctx.node()?.read(Op::Charter, &[], &Vec::new())?;
    if ctx.out.json {
        ctx.out.value(&value);
        return Ok(());
    }
    let view: CharterView = super::node::typed(&value)?;
    let p = &view.params;
    ctx.out.pairs(&[
        ("federation", view.name.clone()),
        ("id", view.network_id.clone()),
        ("words", view.words.clone()),
        ("founded", ctx.out.time(&view.created)),
        ("founders", view.founders.iter().map(|f| f.short_name.clone()).collect::<Vec<_>>().join(", ")),
        ("window", when::show(p.window_ms)),
        ("grace", when::show(p.grace_ms)),
        ("veto", p.veto.to_string()),
        ("harm weights", p.harm_weights.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")),
        ("retention", format!("at most {}", when::show(p.retention_max_ms))),
        ("amendments", view.amendments.join(", ")),
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_template_reads_and_says_the_defaults() {
        let typed: CharterToml = toml::from_str(TEMPLATE).unwrap();
        assert_eq!(typed.params.read().unwrap(), Params::default());
    }

    #[test]
    fn params_take_words_or_milliseconds_but_not_both() {
        let read = |text: &str| toml::from_str::<ParamsToml>(text).unwrap().read();
        assert_eq!(read("window = \"3s\"\ngrace_ms = 2000").unwrap().window_ms, 3000);
        assert!(read("window = \"3s\"\nwindow_ms = 3000").is_err());
        assert!(read("window = \"soon\"").is_err());
        assert!(read("harm_weights = [1]").is_err());
    }
}
