//! `lapwing init`: a data folder, and the keys that stay outside of it.

use super::Ctx;
use super::ask;
use super::config::EXAMPLE;
use super::fail::{self, Done, conflict, wrong};
use super::out::one_line;
use super::when;
use clap::Args;
use lapwing_api::problem::Problem;
use lapwing_node::backup::Recipient;
use lapwing_node::config::{Settings, multiaddr};
use lapwing_node::folder::{self, Folder};
use lapwing_node::founding::{self, Answers, Identity, PublicKeys};
use lapwing_node::keys::{self, KeyKind, Passphrase};
use lapwing_record::cbor::encode;
use lapwing_record::charter::{CharterFile, MAX_CHARTER_FILE};
use lapwing_record::id::Pid;
use lapwing_record::identity::{Act, Category, PolicyRule, check_text, is_country, is_short_name, words};
use lapwing_record::sign::SecretKey;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The text that participants endorse where the founders name no other.
pub const PLAN_TEXT: &str = include_str!("../../../../config/plan.txt");

/// Makes a data folder: keys, identity, configuration. Overwrites nothing.
///
/// Root and officers' keys go to another folder (`--keys-out`), from where they are to be moved to where they are kept:
/// root keys offline, each officer's key to that officer. The node never reads them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing init --founder
  lapwing init --charter federation.lapwing --bootstrap /dns4/lapwing.other.example/tcp/7420
  lapwing --data ./harbor init --founder --short-name harbor --legal-name 'Harbor Authority' --country GB \\
      --category consumer_protection --passphrase-file pass --officers 3 --approvals object=2

Categories of agencies: consumer_protection, data_protection, telecommunications_authority, other_agency. Of the
private sector: financial_institution, internet_service_provider, … (`--category ?` lists them). Of observers:
international_organisation, prospective_agency.")]
pub struct Init {
    /// This agency is one of those that found a federation.
    #[arg(long, conflicts_with = "charter", required_unless_present = "charter")]
    founder: bool,
    /// The charter of the federation to apply to.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// File with the text that the founders endorse [default: the built-in summary of the Plan].
    #[arg(long, value_name = "FILE", conflicts_with = "charter")]
    plan_text: Option<PathBuf>,
    #[command(flatten)]
    participant: Participant,
}

/// Who a new participant is, and how its node is set up.
#[derive(Debug, Args)]
pub struct Participant {
    /// The name on the command line: a-z, 0-9 and -, 2 to 32 characters.
    #[arg(long, value_name = "NAME")]
    short_name: Option<String>,
    /// The full name.
    #[arg(long, value_name = "TEXT")]
    legal_name: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// What kind of agency, organisation or observer it is.
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// The law that it acts under.
    #[arg(long, value_name = "TEXT", default_value = "")]
    authority: String,
    /// What an applicant says about itself, for the people who decide.
    #[arg(long, value_name = "TEXT", default_value = "")]
    statement: String,
    /// The pid that this participant had before it left.
    #[arg(long, value_name = "PID")]
    predecessor: Option<Pid>,
    /// File whose first line is the passphrase of the new keys; else it is asked for, twice.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// File whose first line is the passphrase of the root, officers' and backup keys, where it is to be another than that
    /// of the node's own, which lies on the node's host.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_no_passphrase")]
    people_passphrase_file: Option<PathBuf>,
    /// Leave all keys in clear. For trials only.
    #[arg(long)]
    insecure_no_passphrase: bool,
    /// Where root and officers' keys go; never inside the data folder [default: the data folder's name with -keys].
    #[arg(long, value_name = "DIR")]
    keys_out: Option<PathBuf>,
    /// Officers' keys to make.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=64))]
    officers: u8,
    /// Approvals that an act needs, such as object=2. Acts not named need one. May be given several times.
    #[arg(long, value_name = "ACT=M", value_parser = rule)]
    approvals: Vec<PolicyRule>,
    /// Root keys to make, and as many for the next root set.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    roots: u8,
    /// Root keys that must sign.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    threshold: u8,
    /// Written into the configuration: where other nodes reach this one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Written into the configuration: addresses to publish.
    #[arg(long, value_name = "ADDR")]
    external: Vec<String>,
    /// Written into the configuration: nodes to begin with.
    #[arg(long, value_name = "ADDR")]
    pub bootstrap: Vec<String>,
    /// Written into the configuration: where the local API listens.
    #[arg(long, value_name = "ADDR")]
    api_listen: Option<String>,
    #[arg(long, hide = true)]
    trial_kdf: bool,
}

fn rule(text: &str) -> Result<PolicyRule, String> {
    let (act, m) = text.split_once('=').ok_or_else(|| format!("`{text}`: write ACT=M, such as object=2"))?;
    let m =
        m.parse().ok().filter(|m| (1..=64).contains(m)).ok_or_else(|| format!("`{m}` is no number from 1 to 64"))?;
    Ok(PolicyRule { act: act.parse::<Act>()?, m })
}

fn short_name(text: &str) -> Result<String, String> {
    match is_short_name(text) {
        true => Ok(text.to_owned()),
        false => Err("must be 2 to 32 characters of a-z, 0-9 and - (not first or last)".into()),
    }
}

fn legal_name(text: &str) -> Result<String, String> {
    check_text("legal_name", text, 1, 200).map(|()| text.to_owned()).map_err(|f| f.what)
}

fn country(text: &str) -> Result<String, String> {
    let code = text.to_ascii_uppercase();
    if is_country(&code) { Ok(code) } else { Err("must be two letters (ISO 3166-1 alpha-2), such as GB".into()) }
}

fn category(text: &str) -> Result<Category, String> {
    text.parse()
}

/// The keys of a new participant.
struct NewKeys {
    roots: Vec<SecretKey>,
    next: Vec<SecretKey>,
    officers: Vec<SecretKey>,
    feed: SecretKey,
    node: SecretKey,
    at_rest: SecretKey,
    /// A seed like the others; it opens backups.
    backup: SecretKey,
}

fn fresh(n: u8) -> Result<Vec<SecretKey>, Problem> {
    (0..n).map(|_| keys::random().map(SecretKey::from_seed).map_err(fail::key)).collect()
}

impl NewKeys {
    fn draw(roots: u8, officers: u8) -> Result<Self, Problem> {
        let one = || keys::random().map(SecretKey::from_seed).map_err(fail::key);
        Ok(NewKeys {
            roots: fresh(roots)?,
            next: fresh(roots)?,
            officers: fresh(officers)?,
            feed: one()?,
            node: one()?,
            at_rest: one()?,
            backup: one()?,
        })
    }

    fn public(&self) -> PublicKeys {
        let all = |keys: &[SecretKey]| keys.iter().map(SecretKey::public).collect();
        PublicKeys {
            roots: all(&self.roots),
            next: all(&self.next),
            feed: self.feed.public(),
            officers: all(&self.officers),
        }
    }

    /// Every key with its place and kind.
    fn places(&self, folder: &Folder, out: &Path) -> Vec<(PathBuf, KeyKind, &SecretKey)> {
        let several = |keys: &'_ [SecretKey], name: &str| -> Vec<PathBuf> {
            (1..=keys.len()).map(|i| out.join(format!("{name}-{i}.key"))).collect()
        };
        let mut places = Vec::new();
        let groups = [
            (&self.roots, "root", KeyKind::Root),
            (&self.next, "next-root", KeyKind::Root),
            (&self.officers, "officer", KeyKind::Officer),
        ];
        for (keys, name, kind) in groups {
            places.extend(several(keys, name).into_iter().zip(keys).map(|(path, key)| (path, kind, key)));
        }
        places.push((out.join("backup.key"), KeyKind::Backup, &self.backup));
        places.push((folder.feed_key(), KeyKind::Feed, &self.feed));
        places.push((folder.node_key(), KeyKind::Node, &self.node));
        places.push((folder.at_rest_key(), KeyKind::AtRest, &self.at_rest));
        places
    }
}

/// Where root and officers' keys go.
fn keys_out(folder: &Folder, given: Option<PathBuf>) -> Result<PathBuf, Problem> {
    let mut default = folder.root().as_os_str().to_owned();
    default.push("-keys");
    let path = given.unwrap_or_else(|| PathBuf::from(default));
    let path = std::path::absolute(&path).map_err(|e| fail::io("find", &path, e))?;
    // `..` could lead into the folder by another road
    let inside = |p: &Path| p.starts_with(folder.root()) || p.components().any(|c| c.as_os_str() == "..");
    let real = path.ancestors().find_map(|p| p.canonicalize().ok());
    let real_root = folder.root().canonicalize().unwrap_or_else(|_| folder.root().to_owned());
    if inside(&path) || real.is_some_and(|p| p.starts_with(&real_root)) {
        return Err(wrong(format!(
            "--keys-out {}: root and officers' keys must not lie in the data folder",
            path.display()
        ))
        .hint("A stolen node must hold none of them: choose another folder, best a removable disk."));
    }
    Ok(path)
}

fn refuse_what_is_there(folder: &Folder, others: &[PathBuf]) -> Done {
    let taken = std::fs::read_dir(folder.root()).is_ok_and(|mut entries| entries.next().is_some());
    let there = others.iter().find(|p| p.exists()).map(PathBuf::as_path);
    match there.or_else(|| taken.then(|| folder.root())) {
        Some(path) => Err(conflict(format!("{} is there already; nothing was changed", path.display()))
            .hint("`init` overwrites nothing. Choose another `--data` or `--keys-out`, or move the old one away.")),
        None => Ok(()),
    }
}

/// Into what a participant is set up.
pub enum Federation {
    /// One that it founds, on the text that is endorsed.
    Founding(Vec<u8>),
    /// One that it applies to: the charter's file.
    Applying(Vec<u8>, Box<CharterFile>),
}

impl Init {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let federation = match (&self.charter, &self.plan_text) {
            (Some(path), _) => {
                let bytes = folder::read(path, MAX_CHARTER_FILE as u64).map_err(fail::file)?;
                let file = CharterFile::open(&bytes).map_err(|e| fail::charter(path, e))?;
                Federation::Applying(bytes, Box::new(file))
            }
            (None, Some(path)) => Federation::Founding(folder::read(path, 1 << 20).map_err(fail::file)?),
            (None, None) => Federation::Founding(PLAN_TEXT.as_bytes().to_vec()),
        };
        self.participant.set_up(ctx, &federation)
    }
}

impl Participant {
    fn configuration(&self) -> Result<String, Problem> {
        let mut text = EXAMPLE.to_owned();
        let list = |addrs: &[String]| -> Result<String, Problem> {
            let read: Result<Vec<String>, String> = addrs.iter().map(|a| multiaddr(a)).collect();
            let quoted: Vec<String> = read.map_err(wrong)?.iter().map(|a| format!("\"{a}\"")).collect();
            Ok(format!("[{}]", quoted.join(", ")))
        };
        let mut put = |line: &str, new: String| {
            debug_assert!(text.contains(line), "the example has the line `{line}`");
            text = text.replacen(line, &new, 1);
        };
        if let Some(listen) = &self.listen {
            put("listen = [\"0.0.0.0:7420\"]", format!("listen = {}", list(std::slice::from_ref(listen))?));
        }
        if !self.external.is_empty() {
            let line = "#external = [\"/dns4/lapwing.agency.example/tcp/7420\"]";
            put(line, format!("external = {}", list(&self.external)?));
        }
        if !self.bootstrap.is_empty() {
            let line = "#bootstrap = [\"/dns4/lapwing.other.example/tcp/7420\"]";
            put(line, format!("bootstrap = {}", list(&self.bootstrap)?));
        }
        if let Some(listen) = &self.api_listen {
            let addr: std::net::SocketAddr = listen
                .parse()
                .map_err(|_| wrong(format!("--api-listen: `{listen}` is no address such as 127.0.0.1:7421")))?;
            put("listen = \"127.0.0.1:7421\"", format!("listen = \"{addr}\""));
        }
        Ok(text)
    }

    /// Makes keys, identity, configuration and folder.
    pub fn set_up(self, ctx: &Ctx, federation: &Federation) -> Done {
        let folder = ctx.folder();
        let keys_out = keys_out(&folder, self.keys_out.clone())?;
        refuse_what_is_there(&folder, &[])?;
        let config = self.configuration()?;
        Settings::parse(&config, folder.root()).map_err(|faults| {
            fail::config(lapwing_node::config::ConfigError::Faults { path: folder.config(), faults })
        })?;
        let (plan_text_hash, charter) = match federation {
            Federation::Founding(text) => (founding::plan_text_hash(text), None),
            Federation::Applying(bytes, file) => (file.charter.plan_text_hash, Some((bytes, file))),
        };
        let mut policy = self.approvals.clone();
        policy.sort_by_key(|rule| rule.act);
        policy.dedup_by_key(|rule| rule.act);
        let mut answers = Answers {
            short_name: ask::value(self.short_name.clone(), "--short-name", "Short name (a-z, 0-9, -)", short_name)?,
            legal_name: ask::value(self.legal_name.clone(), "--legal-name", "Legal name", legal_name)?,
            country: ask::value(self.country.clone(), "--country", "Country (two letters)", country)?,
            category: Category::OtherAgency,
            authority_basis: self.authority.clone(),
            plan_text_hash,
            predecessor: self.predecessor,
            threshold: self.threshold.into(),
            next_threshold: self.threshold.into(),
            policy,
        };
        let question = "Category (such as consumer_protection; ? lists them)";
        answers.category = ask::value(self.category.clone(), "--category", question, category)?;
        let new = NewKeys::draw(self.roots, self.officers)?;
        let now = keys::now_ms();
        let inception = founding::inception(&answers, &new.public(), now).map_err(fail::founding)?;
        if charter.is_none() && inception.class != lapwing_record::identity::Class::Agency {
            return Err(wrong(format!("only agencies found a federation, and `{}` is no agency", answers.category)));
        }
        let inception_file = charter.is_none().then(|| keys_out.join(format!("{}.inception", inception.short_name)));
        let places = new.places(&folder, &keys_out);
        let others: Vec<PathBuf> = places.iter().map(|(p, ..)| p.clone()).chain(inception_file.clone()).collect();
        refuse_what_is_there(&folder, &others)?;
        let identity = match &charter {
            None => Identity {
                inception: inception.clone(),
                entries: Vec::new(),
                endorsement: Vec::new(),
                statement: String::new(),
                founder: true,
            },
            Some((_, file)) => {
                check_text("statement", &self.statement, 0, 8000)
                    .map_err(|f| wrong(format!("--statement: {}", f.what)))?;
                let charter = &file.charter;
                founding::apply(inception.clone(), &new.roots, charter, self.statement.clone(), now)
                    .map_err(fail::founding)?
            }
        };
        let passphrase = ask::new_passphrase(self.passphrase_file.as_deref(), self.insecure_no_passphrase)?;
        let people = match &self.people_passphrase_file {
            Some(file) => Some(Passphrase::from_file(file).map_err(fail::passphrase)?),
            None => passphrase.clone(),
        };
        let of = |kind: KeyKind| match kind {
            KeyKind::Feed | KeyKind::Node | KeyKind::AtRest => passphrase.as_ref(),
            KeyKind::Root | KeyKind::Officer | KeyKind::Backup => people.as_ref(),
        };
        write_all(&folder, &keys_out, &places, of, self.trial_kdf)?;
        let recipient = Recipient::of(new.backup.seed());
        folder::write_new(&folder.backup_recipient(), &recipient.file()).map_err(fail::file)?;
        folder::write_new(&folder.config(), config.as_bytes()).map_err(fail::file)?;
        if let Some((bytes, _)) = &charter {
            folder::write_new(&folder.charter(), bytes).map_err(fail::file)?;
        }
        if let Some(path) = &inception_file {
            folder::write_new(path, &encode(&inception)).map_err(fail::file)?;
        }
        // the identity comes last: a folder with one is whole
        identity.write_new(&folder.identity()).map_err(fail::founding)?;
        let file = charter.map(|(_, file)| &**file);
        report(ctx, &folder, &keys_out, &identity, inception_file.as_deref(), file, &self);
        Ok(())
    }
}

fn write_all<'a>(
    folder: &Folder,
    keys_out: &Path,
    places: &[(PathBuf, KeyKind, &SecretKey)],
    passphrase_of: impl Fn(KeyKind) -> Option<&'a Passphrase>,
    trial: bool,
) -> Done {
    folder.create().map_err(fail::file)?;
    folder::create_dir(keys_out).map_err(fail::file)?;
    for (path, kind, key) in places {
        keys::write_key(path, *kind, key.seed(), passphrase_of(*kind), super::key::cost(trial)).map_err(fail::key)?;
    }
    Ok(())
}

fn report(
    ctx: &Ctx,
    folder: &Folder,
    keys_out: &Path,
    identity: &Identity,
    inception_file: Option<&Path>,
    charter: Option<&CharterFile>,
    init: &Participant,
) {
    let pid = identity.pid();
    let data = folder.root().display();
    let next = match inception_file {
        Some(path) => format!(
            "give {} to the other founders; with all of theirs at hand one of you runs `lapwing charter new`",
            path.display()
        ),
        None if init.bootstrap.is_empty() => {
            format!("lapwing --data {data} run --bootstrap ADDRESS-OF-A-MEMBER (it applies by itself)")
        }
        None => format!("lapwing --data {data} run (it applies by itself)"),
    };
    let network = charter.map(|f| f.charter.network_id());
    let value = json!({
        "pid": pid, "short_name": identity.inception.short_name, "words": words(&pid.0), "founder": identity.founder,
        "data": folder.root(), "keys_out": keys_out, "inception": inception_file,
        "network_id": network, "next": next,
    });
    ctx.out.answer(&value, || {
        let out = ctx.out;
        out.line(format!("{} is {pid}", identity.inception.short_name));
        out.line(format!("  to read out on the telephone: {}", words(&pid.0)));
        out.line(format!("  the node's folder           : {data}"));
        out.line(format!("  root, officers', backup keys: {}", keys_out.display()));
        out.line(
            "    Root keys belong offline, each officer's key with that officer, the backup key away from the backups.",
        );
        out.line("    The node needs none of them.");
        if let (Some(file), Some(network)) = (charter, network) {
            let params = &file.charter.params;
            out.line(format!("  applies to                  : {}", one_line(&file.charter.name)));
            out.line(format!("    compare these words with a founder: {}", words(&network.0)));
            out.line(format!(
                "    objections may be made for {} after a node has seen the application",
                when::show(params.window_ms)
            ));
        }
        if init.insecure_no_passphrase {
            out.line("  WARNING: the keys lie in clear. For trials only.");
        }
        out.line(format!("next: {next}"));
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_keys_of_people_never_go_into_the_nodes_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("data"));
        std::fs::create_dir(folder.root()).unwrap();
        std::os::unix::fs::symlink(folder.root(), dir.path().join("link")).unwrap();
        for bad in ["data", "data/keys", "data/a/b", "other/../data/x", "link/x"] {
            assert!(keys_out(&folder, Some(dir.path().join(bad))).is_err(), "{bad}");
        }
        keys_out(&folder, Some(dir.path().join("data-2"))).unwrap();
        assert_eq!(keys_out(&folder, None).unwrap(), dir.path().join("data-keys"));
    }

    #[test]
    fn approvals_are_read_as_act_and_number() {
        assert_eq!(rule("object=2"), Ok(PolicyRule { act: Act::Object, m: 2 }));
        assert!(["object", "object=0", "object=x", "dance=1"].iter().all(|t| rule(t).is_err()));
    }
}
