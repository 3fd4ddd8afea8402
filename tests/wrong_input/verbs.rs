//! What is wrong at each verb of the command line. The verbs are read from the program's own help: a new one fails the
//! test until it has a row.

use crate::support::{copy, until};
use crate::world::{EVIDENCE, Ran, World, contact, contents, run};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::ReferralDetail;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A wrong call: the verb, what follows it, who can mend it, what it is answered with and says.
struct Row {
    verb: &'static str,
    args: Vec<String>,
    code: Code,
    says: &'static str,
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    /// Words of `args` are separated by blanks. The verb stands where `@` is, or in front.
    fn add(&mut self, verb: &'static str, args: &str, code: Code, says: &'static str) {
        let mut all: Vec<String> = Vec::new();
        if !args.split(' ').any(|a| a == "@") {
            all.extend(verb.split(' ').map(str::to_owned));
        }
        for arg in args.split(' ').filter(|a| !a.is_empty()) {
            match arg {
                "@" => all.extend(verb.split(' ').map(str::to_owned)),
                other => all.push(other.to_owned()),
            }
        }
        self.0.push(Row { verb, args: all, code, says });
    }
}

/// The verbs at the ends of the command tree, from the help of the program.
fn verbs(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        let mut args: Vec<&str> = path.split(' ').filter(|p| !p.is_empty()).collect();
        args.push("--help");
        let help = run(dir, &args);
        assert_eq!(help.code, 0, "{path}: {}", help.err);
        let after = help.out.split_once("\nCommands:\n").map(|(_, after)| after);
        let Some(after) = after else {
            found.insert(path);
            continue;
        };
        let lines = after.lines().take_while(|l| !l.is_empty());
        // a description that goes on is indented further
        let names =
            lines.filter_map(|l| l.strip_prefix("  ")?.split(' ').next()).filter(|n| !n.is_empty() && *n != "help");
        open.extend(names.map(|name| format!("{path} {name}").trim().to_owned()));
    }
    found
}

fn write(w: &World, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(w.town.path(name), content).unwrap();
}

fn read(w: &World, name: &str) -> Vec<u8> {
    std::fs::read(w.town.path(name)).unwrap()
}

/// A file with one bit turned over, in its middle.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// What must be right before it can be wrong.
fn prepare(w: &mut World) {
    let ok = |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        let ran = run(w.town.dir.path(), &args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
    };
    let invitation = ["--data", "harbour", "invite", "-o", "good.invitation"];
    let made = run(w.town.dir.path(), &invitation);
    assert_eq!(made.code, 0, "{}", made.err);
    write(w, "pass", "correct horse\n");
    write(w, "wrong", "wrong horse\n");
    write(w, "garbage", b"\xff\x00 no such thing");
    write(w, "text", "no such thing");
    let secret =
        "Subject: x\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\nYSBzZWNyZXQgd29yZA==\r\n";
    write(w, "encoded.eml", secret);
    std::fs::create_dir(w.town.path("samples")).unwrap();
    write(w, "samples/mail.eml", secret);
    // an officer whose key has a passphrase
    ok("key new-officer anna.key --passphrase-file pass --trial-kdf");
    ok("--data harbour officer add anna.key --root-key harbour-keys/root-1.key --yes");
    let case = &w.thread;
    ok(&format!("--data polder case acknowledge {case} --reference P-1 --officer-key polder-keys/officer-1.key --yes"));
    until("harbour has the acknowledgement", 60, || {
        let client = w.town.client("harbour", Op::Referral)?;
        let detail: ReferralDetail = client.read(Op::Referral, &[case], &[]).ok()?;
        (detail.row.stage == "acknowledged").then_some(())
    });
    ok(&format!("--data harbour case export {case} -o case.bundle"));
    std::fs::copy(w.town.path("case.bundle"), w.town.path("flipped.bundle")).unwrap();
    flip(&w.town.path("flipped.bundle"));
    std::fs::create_dir(w.town.path("other")).unwrap();
    write(w, "other/one.eml", "another content");
    // a charter that was changed, and one of other founders
    std::fs::copy(w.town.path("charter.lapwing"), w.town.path("flipped.lapwing")).unwrap();
    flip(&w.town.path("flipped.lapwing"));
    // folders that cannot run
    let init = "init --legal-name X --country GB --category consumer_protection --trial-kdf --short-name";
    ok(&format!("--data lone {init} lone --founder --insecure-no-passphrase"));
    ok(&format!("--data locked {init} locked --charter charter.lapwing --passphrase-file pass"));
    let toml = "name = \"Alone\"\nfounders = [\"lone-keys/lone.inception\"]\n";
    write(w, "lone.toml", toml);
    ok("charter new lone.toml -o lone.charter");
    ok("charter sign lone.charter --root-key lone-keys/root-1.key --yes -o lone.signature");
    ok("charter join lone.charter lone.signature -o lone.lapwing");
    w.running.retain(|r| r.name != "savanna");
    for (name, file) in
        [("torn-charter", "charter.lapwing"), ("torn-identity", "identity.cbor"), ("torn-feed", "keys/feed.key")]
    {
        copy(&w.town.path("savanna"), &w.town.path(name));
        std::fs::copy(w.town.path("savanna.highwater"), w.town.path(&format!("{name}.highwater"))).unwrap();
        flip(&w.town.path(name).join(file));
    }
    copy(&w.town.path("savanna"), &w.town.path("torn-journal"));
    std::fs::copy(w.town.path("savanna.highwater"), w.town.path("torn-journal.highwater")).unwrap();
    let segments = crate::support::files(&w.town.path("torn-journal/journal"));
    flip(segments.iter().max_by_key(|p| p.metadata().unwrap().len()).unwrap());
    copy(&w.town.path("lone"), &w.town.path("misset"));
    let config = String::from_utf8(read(w, "lone/config.toml")).unwrap();
    write(w, "misset/config.toml", config.replace("[api]", "[api]\nlisten_at = 1\nhosts = [\"http://x\"]").as_bytes());

    // drafts, records
    ok("refer new --to polder -o draft");
    copy(&w.town.path("draft"), &w.town.path("changed"));
    let text = String::from_utf8(read(w, "draft/referral.toml")).unwrap();
    write(w, "misspelt.toml", text.replace("[form]", "[form]\nnarative = \"x\"\n"));
    let manifest = format!(
        "{text}\n[[form.evidence]]\nname = \"one.eml\"\nmedia_type = \"message/rfc822\"\nsize = 3\nblake3 = \"{id}\"\n\
         sha256 = \"{id}\"\nmethod = \"spamtrap\"\noriginal = true\n",
        id = "a".repeat(52)
    );
    write(w, "changed/referral.toml", manifest);
    std::fs::write(w.town.path("changed/evidence/one.eml"), EVIDENCE).unwrap();
    let template = |verb: &str| run(w.town.dir.path(), &[verb, "template"]).out;
    let (contact, profile) = (template("contact"), template("profile"));
    write(w, "late.toml", contact.replace("to = \"17:00\"", "to = \"08:00\""));
    write(w, "noon.toml", contact.replace("to = \"17:00\"", "to = \"noon\""));
    write(w, "mars.toml", contact.replace("Europe/London", "Mars/Base"));
    write(w, "lunch.toml", contact.replace("[[hours]]", "[[hours]]\nlunch = \"12:00\""));
    write(w, "colour.toml", profile.replace("[[competence]]", "colour = \"red\"\n[[competence]]"));
    write(w, "tea.toml", profile.replace("area = \"consumer_protection\"", "area = \"tea\""));
    write(w, "script.toml", profile.replace("https://harbor.example", "javascript:alert(1)"));
    let (legal, arrangement, outcome) = (template("legal"), template("arrangement"), template("outcome"));
    write(w, "day.toml", legal.replace("2026-11-01", "2026-13-01"));
    write(w, "pigeon.toml", legal.replace("\"email\", \"sms\"", "\"pigeon\""));
    write(w, "strangers.toml", arrangement.replace("\"harbor\", \"polder\"", "\"nobody\", \"polder\""));
    write(w, "helpers.toml", outcome.replace("with = []", "with = [\"nobody\"]"));
    write(w, "weights.toml", toml.to_owned() + "[params]\nharm_weights = [1, 2]\n");
    write(w, "soon.toml", toml.to_owned() + "[params]\nwindow = \"soon\"\n");
    write(w, "unknown.toml", format!("colour = 1\n{toml}"));
    write(w, "orphans.toml", toml.replace("lone-keys/", "nowhere/"));
    write(w, "badtoken", "lw-wrong");
}

/// Every wrong call.
fn rows(w: &World) -> Vec<Row> {
    let mut r = Rows::default();
    let (malformed, invalid, conflict, not_found) = (Code::Malformed, Code::Invalid, Code::Conflict, Code::NotFound);
    let (case, savanna, proposal) = (w.thread.as_str(), w.savanna.as_str(), w.proposal.as_str());
    let nobody = "abcdefgh2345";

    // -- without a node
    let init = "--legal-name X --country GB --category consumer_protection --insecure-no-passphrase";
    r.add("init", &format!("--data harbour @ --founder --short-name x1 {init}"), conflict, "is there already");
    r.add(
        "init",
        &format!("--data new @ --founder --short-name x1 {init} --keys-out harbour-keys"),
        conflict,
        "already",
    );
    r.add(
        "init",
        &format!("--data new @ --founder --short-name x1 {init} --keys-out new/keys"),
        invalid,
        "must not lie",
    );
    r.add("init", &format!("--data new @ --short-name x1 {init}"), malformed, "--founder");
    r.add(
        "init",
        &format!("--data new @ --founder --charter charter.lapwing --short-name x1 {init}"),
        malformed,
        "--charter",
    );
    r.add("init", &format!("--data new @ --founder --short-name X! {init}"), invalid, "--short-name");
    r.add("init", &format!("--data new @ --founder {init}"), invalid, "--short-name is missing");
    r.add(
        "init",
        &format!("--data new @ --charter flipped.lapwing --short-name x1 {init}"),
        invalid,
        "flipped.lapwing",
    );
    r.add("init", &format!("--data new @ --charter nowhere --short-name x1 {init}"), invalid, "nowhere");
    r.add("init", &format!("--data new @ --founder --short-name x1 {init} --listen here"), invalid, "is no address");
    r.add("init", &format!("--data new @ --founder --short-name x1 {init} --api-listen 7421"), invalid, "--api-listen");
    r.add("init", &format!("--data new @ --founder --short-name x1 {init} --roots 1 --threshold 2"), invalid, "");
    r.add("init", &format!("--data new @ --founder --short-name x1 {init} --approvals object=9"), invalid, "");
    r.add(
        "init",
        &format!("--data new @ --founder --short-name x1 {init} --passphrase-file pass"),
        invalid,
        "exclude each other",
    );
    let open = "--data new @ --founder --short-name x1 --legal-name X";
    r.add("init", &format!("{open} --country Kenya --category consumer_protection"), invalid, "two letters");
    r.add("init", &format!("{open} --country GB --category king"), invalid, "king");
    r.add("init", &format!("{open} --country GB --category financial_institution"), invalid, "is no agency");
    r.add("init", &format!("{open} --country GB --category consumer_protection"), invalid, "no passphrase");
    r.add("charter template", "extra", malformed, "extra");
    r.add("charter new", "nowhere.toml -o x", invalid, "nowhere.toml");
    r.add("charter new", "garbage -o x", invalid, "UTF-8");
    r.add("charter new", "text -o x", invalid, "text");
    r.add("charter new", "unknown.toml -o x", invalid, "colour");
    r.add("charter new", "weights.toml -o x", invalid, "harm_weights");
    r.add("charter new", "soon.toml -o x", invalid, "soon");
    r.add("charter new", "orphans.toml -o x", invalid, "lone.inception");
    r.add("charter new", "lone.toml -o text", conflict, "text");
    r.add("charter sign", "unsigned --root-key lone-keys/root-1.key -o x", invalid, "none of the founders");
    r.add("charter sign", "unsigned --root-key harbour-keys/officer-1.key -o x", invalid, "officer");
    r.add("charter sign", "unsigned --root-key nowhere -o x", invalid, "no key file");
    r.add("charter sign", "unsigned --root-key garbage -o x", invalid, "garbage");
    r.add("charter sign", "garbage --root-key harbour-keys/root-1.key -o x", invalid, "garbage");
    r.add("charter sign", "unsigned -o x", malformed, "--root-key");
    r.add("charter sign", "unsigned --root-key harbour-keys/root-1.key -o text", conflict, "text");
    let foreign = "unsigned --root-key harbour-keys/root-1.key --inception polder-keys/polder.inception -o x";
    r.add("charter sign", foreign, invalid, "has the id");
    r.add("charter join", "unsigned harbour.signature -o x", invalid, "polder");
    r.add("charter join", "unsigned harbour.signature lone.signature -o x", invalid, "");
    r.add("charter join", "unsigned text -o x", invalid, "no founder's signature");
    r.add("charter join", "unsigned harbour.signature polder.signature -o text", conflict, "text");
    r.add("charter show", "garbage", invalid, "garbage");
    r.add("charter show", "nowhere", invalid, "nowhere");
    r.add("charter verify", "unsigned", invalid, "unsigned");
    r.add("charter verify", "flipped.lapwing", invalid, "flipped.lapwing");
    r.add("charter install", "--data savanna @ charter.lapwing", conflict, "applicant");
    r.add("charter install", "--data harbour @ lone.lapwing", invalid, "does not name harbour");
    r.add("charter install", "--data lone @ flipped.lapwing", invalid, "flipped.lapwing");
    r.add("charter install", "--data nowhere @ lone.lapwing", invalid, "nowhere");
    r.add("key show", "garbage", invalid, "garbage");
    r.add("key show", "nowhere", invalid, "nowhere");
    r.add("key new-officer", "anna.key --insecure-no-passphrase", conflict, "anna.key");
    r.add("key new-officer", "x.key", invalid, "no passphrase");
    r.add("key new-officer", "x.key --passphrase-file nowhere", invalid, "nowhere");
    for verb in ["config check", "config show"] {
        r.add(verb, "--data misset @", Code::Config, "api.listen_at");
        r.add(verb, "--data nowhere @", Code::Config, "nowhere");
    }
    r.add("doctor", "--data harbour @ --no-notifyy", malformed, "--no-notifyy");
    r.add("completions", "tcsh", malformed, "tcsh");
    r.add("completions", "", malformed, "SHELL");
    r.add("man", "", malformed, "--out");
    r.add("man", "--out text", conflict, "text");
    r.add("man", "--out text/below", invalid, "text");
    r.add("whoami", "--data harbour @ --can Fly", invalid, "Fly");
    r.add("run", "--data nowhere @", Code::Config, "nowhere");
    r.add("run", "--data lone @", Code::Config, "charter");
    r.add("run", "--data misset @", Code::Config, "api.listen_at");
    r.add("run", "--data harbour @ --api-listen 127.0.0.1:0 --listen 127.0.0.1:0", conflict, "");
    r.add("run", "--data locked @", invalid, "passphrase");
    r.add("run", "--data locked @ --passphrase-file wrong", invalid, "does not open");
    r.add("run", "--data locked @ --passphrase-file nowhere", invalid, "nowhere");
    r.add("run", "--data savanna @ --listen here", invalid, "--listen");
    r.add("run", "--data savanna @ --api-listen here", invalid, "--api-listen");
    r.add("run", "--data savanna @ --bootstrap here", invalid, "--bootstrap");
    r.add("run", "--data torn-charter @", Code::Config, "charter");
    r.add("run", "--data torn-identity @", Code::Config, "identity");
    r.add("run", "--data torn-feed @", invalid, "feed.key");
    r.add("run", "--data torn-journal @", Code::Internal, "journal");
    r.add("demo", "--seed x", malformed, "--seed");
    r.add("demo", "--kills -1", malformed, "-1");
    r.add("verify", "flipped.bundle", invalid, "does NOT hold");
    r.add("verify", "garbage", invalid, "does NOT hold");
    r.add("verify", "nowhere", invalid, "nowhere");
    r.add("verify", "case.bundle --evidence other", invalid, "item(s) of evidence do NOT");
    r.add("evidence analyse", "nowhere", invalid, "nowhere");
    r.add("evidence analyse", "", malformed, "SAMPLE");
    r.add("evidence analyse", "text --keys nowhere", invalid, "nowhere");
    r.add("evidence analyse", "text --keys text", invalid, "line 1");
    r.add("evidence analyse", "text --look-alike nowhere", invalid, "nowhere");
    r.add("evidence analyse", "text --look-alike garbage", invalid, "UTF-8");
    r.add("evidence analyse", "text --csv --campaigns", malformed, "--campaigns");
    r.add("evidence redact", "text", malformed, "--remove");
    r.add("evidence redact", "text --remove abc", malformed, "--out");
    r.add("evidence redact", "nowhere --remove abc -o x", invalid, "nowhere");
    r.add("evidence redact", "text --remove ab -o x", invalid, "from 3 to 500");
    r.add("evidence redact", "text --remove absent-from-it -o x", invalid, "none of these");
    r.add("evidence redact", "text --address nobody -o x", invalid, "no e-mail address");
    r.add("evidence redact", "text --remove abc -o text", conflict, "text is there already");
    r.add("evidence redact", "encoded.eml --remove secret -o x", conflict, "base64");
    for verb in ["contact template", "profile template", "legal template", "arrangement template", "outcome template"] {
        r.add(verb, "extra", malformed, "extra");
    }
    r.add("refer new", "--to polder -o draft", conflict, "draft is there already");
    r.add("refer new", "--to polder -o x --from nowhere", invalid, "nowhere");
    r.add("refer new", "--to polder -o x --method magic", malformed, "magic");
    r.add("refer new", "-o x", malformed, "--to");
    r.add("refer new", "--complaints-template -o x", malformed, "--complaints-template");
    r.add("refer new", "--to polder -o x --complaints nowhere.csv", invalid, "nowhere.csv");
    r.add("refer new", "--to polder -o x --complaints text", invalid, "line 1");
    r.add("refer new", "--to polder -o x --campaign c-aaaaaaaa", malformed, "--from");
    r.add("refer new", "--to polder -o x --from samples --campaign c-aaaaaaaa", invalid, "no campaign");
    for (file, says) in [("nowhere", "nowhere"), ("misspelt.toml", "narative"), ("garbage", "UTF-8"), ("text", "text")]
    {
        r.add("refer check", &format!("--data harbour @ {file}"), invalid, says);
        r.add("refer submit", &format!("--data harbour @ {file}"), invalid, says);
    }
    for at in ["harbour", "nowhere"] {
        r.add("refer check", &format!("--data {at} @ draft/referral.toml"), invalid, "assistance");
    }
    r.add("refer submit", "--data harbour @ draft/referral.toml", invalid, "assistance");
    r.add("refer submit", "--data harbour @ changed/referral.toml", invalid, "evidence.0.sha256");

    // -- no node, or no right to it
    for verb in [
        "status",
        "health",
        "peers",
        "whoami",
        "stop",
        "assert-current",
        "notice list",
        "token list",
        "erasure list",
        "audit list",
        "member list",
        "contact list",
        "contact find",
        "application status",
        "application list",
        "proposal list",
        "motion list",
        "officer list",
        "refer list",
        "charter show",
    ] {
        r.add(verb, "--data nowhere @", Code::Unreachable, "no node runs on");
        r.add(verb, "--data harbour @ --token-file badtoken", Code::Unauthenticated, "token");
        r.add(verb, "--data harbour @ --token-file nowhere", Code::Unauthenticated, "nowhere");
        r.add(verb, "--data harbour @ --api 127.0.0.1:1", Code::Unreachable, "does not answer");
        r.add(verb, "--data harbour @ --colour", malformed, "--colour");
    }
    r.add("stop", "--data harbour @ --token-file harbour/run/api.token", Code::Forbidden, "officer");
    r.add("assert-current", "--data harbour @ --token-file harbour/run/api.token", Code::Forbidden, "officer");
    r.add("refer list", "--data harbour @ --token-file harbour/run/admin.token", Code::Forbidden, "admin");

    // -- words that the node takes apart
    let at = "--data harbour @";
    r.add("token new", &format!("{at} Desk! --role analyst"), invalid, "a-z");
    r.add("token new", &format!("{at} desk --role king"), malformed, "king");
    r.add("token new", &format!("{at} test-admin --role admin"), conflict, "already");
    r.add("token new", &format!("{at} desk --role admin -o text"), conflict, "text is there already");
    r.add("token new", &format!("{at} desk --role admin -o nowhere/token"), invalid, "nowhere");
    r.add("token revoke", &format!("{at} nobody"), not_found, "nobody");
    let backup_key = "--key harbour-keys/backup.key";
    r.add("backup key", "--data nowhere @ -o x --insecure-no-passphrase", Code::Config, "no data folder");
    r.add("backup key", "--data harbour @ -o text --insecure-no-passphrase", conflict, "text");
    r.add("backup key", "--data harbour @ -o x", invalid, "no passphrase");
    r.add("backup make", "--data nowhere @ --out x", Code::Unreachable, "no node runs on");
    r.add("backup make", "--data harbour @", malformed, "--out");
    r.add("backup make", "--data harbour @ --out x --part soup", malformed, "soup");
    for keep in ["0", "-1", "all", "70000"] {
        r.add("backup make", &format!("--data harbour @ --out x --keep {keep}"), malformed, keep);
    }
    r.add("backup make", "--data nowhere @ --out x --prune-expired --keep 1", Code::Unreachable, "no node runs on");
    r.add("health", "--data nowhere @ --live", Code::Unreachable, "no node runs on");
    r.add("health", "--data harbour @ --live --api 127.0.0.1:1", Code::Unreachable, "does not answer");
    r.add("backup make", "--data harbour @ --out x --token-file harbour/run/api.token", Code::Forbidden, "officer");
    r.add("backup verify", "no-such-file", invalid, "no-such-file");
    r.add("backup verify", "text", invalid, "no archive");
    r.add("backup verify", "garbage", invalid, "no archive");
    r.add("restore", &format!("--data target @ text {backup_key}"), invalid, "no archive");
    r.add("restore", "--data target @ text --key harbour-keys/officer-1.key", invalid, "of kind");
    r.add("restore", "--data target @ text --key nowhere", invalid, "nowhere");
    r.add("restore", "--data target @ text", malformed, "--key");
    r.add("repair", "--data nowhere @", Code::Config, "is no data folder");
    r.add("repair", "--data harbour @", conflict, "one node at a time");
    r.add("repair", "--data harbour @ --yes", conflict, "one node at a time");
    r.add("repair", "--data harbour @ --passphrase-file nowhere", invalid, "nowhere");
    r.add("invite", "--data nowhere @ -o x", Code::Unreachable, "no node runs on");
    r.add("invite", &format!("{at} -o text"), conflict, "text");
    r.add("invite", &format!("{at} -o x --valid soon"), malformed, "soon");
    r.add("invite", &format!("{at} -o x --address nowhere"), invalid, "nowhere");
    r.add("join", "--data target @ no-such-file", invalid, "no-such-file");
    r.add("join", "--data target @ text", invalid, "no invitation");
    r.add("join", "--data target @ good.invitation", invalid, "--words");
    r.add("join", "--data target @ good.invitation --words tea", invalid, "not the words");
    r.add("audit list", &format!("{at} --since soon"), malformed, "soon");
    r.add("audit verify", &format!("{at} no-such-file"), invalid, "no-such-file");
    r.add("audit verify", &format!("{at} text"), invalid, "line 1");
    r.add("audit verify", &format!("{at} --head tea"), malformed, "tea");
    r.add("member list", &format!("{at} --class king"), malformed, "king");
    r.add("member list", &format!("{at} --country Kenya"), malformed, "country");
    r.add("member list", &format!("{at} --standing sitting"), malformed, "standing");
    for verb in ["member show", "member explain", "member exposure", "log"] {
        r.add(verb, &format!("{at} nobody"), not_found, "nobody");
        r.add(verb, &format!("{at} savanna"), Code::Ambiguous, "2 participants");
    }
    r.add("log", &format!("{at} polder --log all"), malformed, "log");
    r.add("log", &format!("{at} polder --after x"), malformed, "--after");
    r.add("contact list", &format!("{at} nobody"), not_found, "nobody");
    r.add("contact find", &format!("{at} --area tea"), malformed, "tea");
    r.add("contact find", &format!("{at} --country Kenya"), malformed, "country");
    r.add("contact find", &format!("{at} --language !!"), malformed, "language");
    for (file, says) in [
        ("late.toml", "hours"),
        ("noon.toml", "noon"),
        ("mars.toml", "time_zone"),
        ("lunch.toml", "lunch"),
        ("nowhere", "nowhere"),
    ] {
        r.add("contact publish", &format!("{at} {file}"), invalid, says);
    }
    for (file, says) in
        [("colour.toml", "colour"), ("tea.toml", "tea"), ("script.toml", "website"), ("nowhere", "nowhere")]
    {
        r.add("profile publish", &format!("{at} {file}"), invalid, says);
    }
    for (file, says) in [("day.toml", "as_of"), ("pigeon.toml", "pigeon"), ("nowhere", "nowhere")] {
        r.add("legal publish", &format!("{at} {file}"), invalid, says);
    }
    r.add("legal show", &format!("{at} nobody"), not_found, "nobody");
    for (verb, none) in [("arrangement publish", "strangers.toml"), ("outcome publish", "helpers.toml")] {
        r.add(verb, &format!("{at} {none}"), invalid, "nobody");
        r.add(verb, &format!("{at} nowhere"), invalid, "nowhere");
    }
    r.add("arrangement list", &format!("{at} --standing perhaps"), malformed, "standing");
    r.add("arrangement list", &format!("{at} --with nobody"), not_found, "nobody");
    r.add("outcome list", &format!("{at} --since soon"), malformed, "since");
    r.add("outcome list", &format!("{at} --action shrug"), malformed, "shrug");
    r.add("outcome list", &format!("{at} --name nobody"), not_found, "nobody");
    for verb in ["draft show", "draft approve", "draft drop", "draft submit", "draft copy"] {
        r.add(verb, &format!("{at} {nobody}"), not_found, nobody);
    }
    r.add("draft list", &format!("{at} extra"), malformed, "extra");
    r.add("draft open", &format!("{at} {nobody} -o new.toml"), not_found, nobody);
    r.add("draft open", &format!("{at} {nobody} -o text"), conflict, "text is there already");
    r.add("refer save", &format!("{at} misspelt.toml"), invalid, "narative");
    r.add("refer save", &format!("{at} draft/referral.toml --template X!"), invalid, "template");
    r.add("note write", &format!("{at} {nobody} text"), not_found, nobody);
    r.add("note list", &format!("{at} {nobody}"), not_found, nobody);
    r.add("assign", &format!("{at} {case} nobody"), invalid, "nobody");
    r.add("assign", &format!("{at} {case}"), malformed, "NAME");
    r.add("absence list", &format!("{at} extra"), malformed, "extra");
    r.add("absence set", &format!("{at} --until soon --delegate x1"), invalid, "soon");
    r.add("absence set", &format!("{at} --until 3d --delegate nobody"), invalid, "nobody");
    r.add("absence end", &format!("{at} --who nobody"), invalid, "nobody");
    r.add("refer who", &format!("{at} misspelt.toml"), invalid, "narative");
    r.add("refer who", &format!("{at} nowhere"), invalid, "nowhere");
    r.add("application show", &format!("{at} nobody"), not_found, "nobody");
    r.add("application introduce", &format!("{at} nobody"), not_found, "nobody");
    r.add("proposal show", &format!("{at} {nobody}"), not_found, nobody);
    r.add("proposal drop", &format!("{at} {nobody}"), not_found, nobody);
    r.add("proposal drop", &format!("{at} {}", &proposal[..7]), not_found, "8 characters");
    r.add("refer list", &format!("{at} --stage limbo"), malformed, "stage");
    r.add("refer list", &format!("{at} --with nobody"), not_found, "nobody");
    r.add("refer list", &format!("{at} --role judge"), malformed, "role");
    r.add("joint list", "--data nowhere @", Code::Unreachable, "no node runs on");
    r.add("joint list", &format!("{at} extra"), malformed, "extra");
    r.add("joint show", &format!("{at} {nobody}"), not_found, nobody);
    r.add("joint plan", &format!("{at} {nobody} --joint new --title x"), not_found, nobody);
    r.add("joint plan", &format!("{at} {case} --joint new --task x"), invalid, "title");
    r.add("joint plan", &format!("{at} {case} --joint new --title x --drop 1"), invalid, "no task 1");
    r.add("joint plan", &format!("{at} {case} --joint new --title x --task x --needed-by soon"), invalid, "needed_by");
    r.add("joint plan", &format!("{at} {case} --joint new --title x --disclose nobody"), not_found, "nobody");
    r.add("joint plan", &format!("{at} {case} --joint {nobody} --title x"), not_found, nobody);
    r.add("joint task", &format!("{at} {case} --joint {nobody} --n 1 --state done"), not_found, nobody);
    r.add("joint task", &format!("{at} {case} --joint {nobody} --n 1 --state perhaps"), malformed, "perhaps");
    r.add("search saved", "--data nowhere @", Code::Unreachable, "no node runs on");
    r.add("search saved", &format!("{at} --token-file harbour/run/admin.token"), Code::Forbidden, "admin");
    r.add("search save", &format!("{at} bent"), invalid, "at least one filter");
    r.add("search save", &format!("{at} bent --stage limbo --ip x"), invalid, "filters.stage");
    r.add("search save", &format!("{at} {} prize", "x".repeat(61)), invalid, "name");
    r.add("search save", &format!("{at} bent --since soon"), malformed, "soon");
    r.add("search saved", "--data harbour @ --colour", malformed, "--colour");
    r.add("search run", &format!("{at} nobody"), not_found, "no saved search");
    r.add("search drop", &format!("{at} nobody"), not_found, "no saved search");
    r.add("seen", &format!("{at} --kind ip prize.example"), invalid, "prize.example");
    r.add("seen", &format!("{at} --kind shoe x"), malformed, "shoe");
    r.add("seen", &format!("{at} --file nowhere.txt"), invalid, "nowhere.txt");
    r.add("seen", &format!("{at} x --cases 0"), malformed, "--cases");
    r.add("seen", &format!("{at} x --token-file harbour/run/admin.token"), Code::Forbidden, "admin");
    r.add("refer show", &format!("{at} {nobody}"), not_found, nobody);
    r.add("refer show", &format!("{at} {}", &case[..7]), not_found, "8 characters");

    // -- officers
    let good = "--officer-key harbour-keys/officer-1.key --yes";
    for verb in ["vote consent", "vote object", "vote withdraw"] {
        r.add(verb, &format!("{at} {savanna}"), malformed, "--officer-key");
        r.add(
            verb,
            &format!("{at} {savanna} --officer-key polder-keys/officer-1.key"),
            invalid,
            "no key of an officer",
        );
        r.add(verb, &format!("{at} {savanna} --officer-key harbour-keys/root-1.key"), invalid, "root");
        r.add(verb, &format!("{at} {savanna} --officer-key nowhere"), invalid, "nowhere");
        r.add(
            verb,
            &format!("{at} {savanna} --officer-key anna.key --passphrase-file wrong"),
            invalid,
            "does not open",
        );
        r.add(verb, &format!("{at} {savanna} --officer-key anna.key"), invalid, "passphrase");
        r.add(verb, &format!("{at} nobody {good}"), not_found, "nobody");
        r.add(verb, &format!("{at} savanna {good}"), Code::Ambiguous, "2 participants");
        r.add(verb, &format!("{at} harbour {good}"), invalid, "itself");
        r.add(verb, &format!("{at} polder {good}"), invalid, "ounders");
        r.add(verb, &format!("{at} motion:{nobody} {good}"), not_found, "motion");
    }
    r.add("vote withdraw", &format!("{at} {savanna} {good}"), conflict, "no objection");
    r.add("proposal approve", &format!("{at} {nobody} {good}"), not_found, nobody);
    r.add(
        "proposal approve",
        &format!("{at} {proposal} --officer-key polder-keys/officer-1.key"),
        invalid,
        "no key of an officer",
    );
    r.add(
        "proposal approve",
        &format!("{at} {proposal} --officer-key anna.key --passphrase-file wrong"),
        invalid,
        "does not open",
    );
    // officers have changed since it was proposed: this one can only be dropped, which is what approving it says
    r.add("amend", &format!("{at} --statement x {good}"), invalid, "nothing");
    r.add("amend", &format!("{at} --statement x --harm-weights 1,2,3,4,5,6 {good}"), invalid, "harm_weights");
    r.add("amend", &format!("{at} --statement x --harm-weights 1,2 {good}"), invalid, "harm_weights");
    r.add("amend", &format!("{at} --statement x --harm-weights a,b {good}"), malformed, "harm-weights");
    r.add("amend", &format!("{at} --statement x --window soon {good}"), malformed, "soon");
    r.add("amend", &format!("{at} --statement x --window 5s --expires 0s {good}"), invalid, "expired");
    r.add("amend", &format!("{at} --window 5s {good}"), malformed, "--statement");

    // -- root keys
    let foreign = "--root-key polder-keys/root-1.key --yes";
    r.add("officer add", &format!("{at} text {foreign}"), invalid, "text");
    r.add("officer add", &format!("{at} deadbeef {foreign}"), invalid, "neither a key file");
    r.add("officer add", &format!("{at} harbour-keys/root-1.key {foreign}"), invalid, "root");
    r.add("officer add", &format!("{at} polder-keys/officer-1.key {foreign}"), invalid, "no root key of harbour");
    r.add("officer add", &format!("{at} polder-keys/officer-1.key"), malformed, "--root-key");
    r.add(
        "officer remove",
        &format!("{at} {nobody} --root-key harbour-keys/root-1.key --yes"),
        invalid,
        "names no officer",
    );
    r.add("officer remove", &format!("{at} anna.key {foreign}"), invalid, "no root key of harbour");
    let next = "--yes --insecure-no-passphrase --next-root-key";
    r.add("key rotate-roots", &format!("{at} --keys-out x {next} harbour-keys/root-1.key"), invalid, "");
    r.add("key rotate-roots", &format!("{at} --keys-out x {next} polder-keys/next-root-1.key"), invalid, "");
    r.add("key rotate-roots", &format!("{at} --keys-out x {next} harbour-keys/officer-1.key"), invalid, "officer");
    r.add("key rotate-roots", &format!("{at} --keys-out x {next} nowhere"), invalid, "nowhere");
    r.add(
        "key rotate-roots",
        &format!("{at} --keys-out x --threshold 2 {next} harbour-keys/next-root-1.key"),
        invalid,
        "",
    );
    r.add(
        "key rotate-roots",
        &format!("{at} --keys-out x --yes --next-root-key harbour-keys/next-root-1.key"),
        invalid,
        "passphrase",
    );
    r.add("key rotate-roots", &format!("{at} --keys-out x --yes"), malformed, "--next-root-key");
    r.add("heal", &format!("{at} {foreign}"), invalid, "no root key of harbour");
    r.add("heal", &format!("{at} --anchor 41 {foreign}"), malformed, "41");
    r.add("heal", at, malformed, "--root-key");
    r.add("leave", &format!("{at} --root-key harbour-keys/root-1.key"), invalid, "--yes");
    r.add("leave", &format!("{at} {foreign}"), invalid, "no root key of harbour");
    r.add("leave", &format!("{at} --root-key harbour-keys/officer-1.key --yes"), invalid, "officer");

    // -- cases, of which polder is the target
    let to = "--data polder @";
    let officer = "--officer-key polder-keys/officer-1.key --yes";
    r.add(
        "case acknowledge",
        &format!("{to} {case} --reference P-2 {officer}"),
        Code::WrongState,
        "acknowledged already",
    );
    r.add("case acknowledge", &format!("{at} {case} --reference P-2 {good}"), Code::NotYourTurn, "side");
    r.add("case acknowledge", &format!("{to} {nobody} --reference P-2 {officer}"), not_found, nobody);
    r.add("case acknowledge", &format!("{to} {case} {officer}"), malformed, "--reference");
    r.add("case acknowledge", &format!("{to} {case} --reference P-2 --decide-by soon {officer}"), malformed, "soon");
    r.add(
        "case acknowledge",
        &format!("{to} {case} --reference P-2 --assurance perhaps {officer}"),
        malformed,
        "perhaps",
    );
    r.add("case acknowledge", &format!("{to} {case} --reference P-2 {good}"), invalid, "no key of an officer");
    r.add(
        "case decide",
        &format!("{to} {case} --item 7=accept {officer}"),
        Code::WrongReference,
        "no assistance item 7",
    );
    r.add(
        "case decide",
        &format!("{to} {case} --item 0=refuse:insufficient_information {officer}"),
        Code::WrongGround,
        "need_info",
    );
    r.add("case decide", &format!("{to} {case} --item 0=refuse {officer}"), malformed, "ground");
    r.add("case decide", &format!("{to} {case} --item 0=refuse:tea {officer}"), malformed, "tea");
    r.add("case decide", &format!("{to} {case} --item 0=shrug {officer}"), malformed, "shrug");
    r.add("case decide", &format!("{to} {case} --item accept {officer}"), malformed, "N=DECISION");
    r.add("case decide", &format!("{to} {case} --item 0=accept_in_part {officer}"), invalid, "note");
    r.add("case decide", &format!("{to} {case} --item 0=accept --item 0=accept {officer}"), invalid, "items");
    r.add("case decide", &format!("{to} {case} --item 0=accept --note 1=x {officer}"), invalid, "--item 1");
    r.add("case decide", &format!("{at} {case} --item 0=accept {good}"), Code::NotYourTurn, "side");
    r.add("case ask", &format!("{at} {case} who?"), Code::NotYourTurn, "side");
    r.add("case ask", &format!("{to} {nobody} who?"), not_found, nobody);
    r.add("case answer", &format!("{to} {case} me"), Code::NotYourTurn, "side");
    r.add("case answer", &format!("{at} {nobody} me"), not_found, nobody);
    r.add("case withdraw", &format!("{to} {case}"), Code::NotYourTurn, "side");
    r.add("case withdraw", &format!("{at} {nobody}"), not_found, nobody);
    r.add("case close", &format!("{to} {case}"), Code::NotYourTurn, "side");
    r.add("case close", &format!("{at} {nobody}"), not_found, nobody);
    let turn = Code::NotYourTurn;
    r.add("case progress", &format!("{at} {case} soon"), turn, "side");
    r.add("case progress", &format!("{to} {nobody} soon"), not_found, nobody);
    r.add("case extend", &format!("{to} {case} --what tea --until 3d --reason x"), malformed, "tea");
    r.add("case extend", &format!("{at} {case} --what decide --until 3d --reason x"), turn, "side");
    r.add("case delay", &format!("{at} {case} ill"), turn, "side");
    let result = "--item 0 --measure x --outcome none --text x";
    r.add("case result", &format!("{to} {case} {result}"), Code::WrongState, "not accepted");
    r.add("case result", &format!("{to} {case} --item 0 --measure x --outcome tea --text x"), malformed, "tea");
    r.add("case transfer propose", &format!("{to} {case} --to nobody --item 0 --why x"), not_found, "nobody");
    r.add("case transfer consent", &format!("{at} {case}"), not_found, "proposal");
    r.add("case transfer send", &format!("{to} {case} --contact intake"), not_found, "proposal");
    r.add("case remind", &format!("{to} {case}"), turn, "side");
    r.add("case recall", &format!("{at} {case} --reason other"), invalid, "why");
    r.add("case recall", &format!("{at} {case} --reason tea"), malformed, "tea");
    r.add("case recall-answer", &format!("{to} {case} --destroyed"), not_found, "recall");
    r.add("case recall-answer", &format!("{to} {case}"), malformed, "--destroyed");
    r.add("case feedback", &format!("{at} {case} thanks"), Code::WrongState, "no result");
    r.add("case reopen", &format!("{at} {case} --reason x"), Code::WrongState, "opened again");
    r.add("case dispute", &format!("{at} {case} --about decision x"), invalid, "item");
    r.add("case disclosed", &format!("{at} {case} --law x --to y --what z"), turn, "side");
    r.add("case assess", &format!("{at} {case} --factor luck=1:provider_data"), malformed, "luck");
    r.add("case assess", &format!("{at} {case} --factor victims=9:provider_data"), invalid, "victims");
    r.add("case seen", &format!("{at} {case} --upto aaaaaaaa"), not_found, "statement");
    r.add("case consent ask", &format!("{at} {case} --reason x"), invalid, "nothing");
    r.add("case consent give", &format!("{at} {case} --domestic"), not_found, "request");
    r.add("case consent refuse", &format!("{at} {case}"), not_found, "request");
    r.add("case evidence request", &format!("{at} {case} one.eml"), Code::WrongReference, "evidence");
    r.add("case evidence release", &format!("{to} {case} one.eml"), Code::WrongReference, "evidence");
    r.add("case evidence list", &format!("{at} {nobody}"), not_found, nobody);
    r.add("case evidence fetch", &format!("{to} {case} two.eml"), not_found, "two.eml");
    r.add("case evidence fetch", &format!("{to} {nobody}"), not_found, nobody);
    r.add("case evidence fetch", &format!("{to} {case} --wait soon"), malformed, "soon");
    r.add("case evidence get", &format!("{to} {case} one.eml -o x"), Code::EvidenceNotHere, "not here");
    r.add("case evidence get", &format!("{at} {case} one.eml -o text"), conflict, "text");
    r.add("case evidence get", &format!("{at} {case} two.eml -o x"), not_found, "two.eml");
    r.add("case export", &format!("{at} {case} -o text"), conflict, "text");
    r.add("case export", &format!("{at} {nobody} -o x"), not_found, nobody);
    r.add("case export", &format!("{at} {case}"), malformed, "--out");
    r.add("case export", &format!("{at} {case} --format word -o x"), malformed, "word");
    r.add("case export", &format!("{at} {case} --format pdf -o text"), conflict, "text");
    r.add("case export", &format!("{at} {case} --format pdf --purpose leisure -o x"), malformed, "leisure");
    r.add("case export", &format!("{at} {case} --format pdf --table timeline -o x"), malformed, "--table");
    r.add("case export", &format!("{at} {case} --format xarf --purpose court -o x"), malformed, "--purpose");
    r.add("case export", &format!("{at} {case} --format xarf --item nobody.eml -o x"), not_found, "nobody.eml");
    r.add("case erase", &format!("{at} {nobody} --yes"), not_found, nobody);
    r.add("case erase", &format!("{at} {case}"), invalid, "--yes");
    r.add("case hold", &format!("{at} {nobody}"), not_found, nobody);
    r.0
}

/// Everything below the town that no running node writes to.
fn still(w: &World) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = contents(w.town.dir.path());
    let live = ["harbour", "polder"].map(|n| [n.to_owned(), format!("{n}.highwater"), format!("{n}.log")]).concat();
    let first =
        |p: &Path| p.strip_prefix(w.town.dir.path()).unwrap().components().next().unwrap().as_os_str().to_owned();
    all.retain(|path, _| !live.iter().any(|l| first(path) == l.as_str()));
    all
}

fn as_people_see_it(row: &Row, ran: &Ran) -> Option<String> {
    let bad = |what: &str| Some(format!("{}: {what}: {}{}", row.args.join(" "), ran.out, ran.err));
    match () {
        () if ran.code != i32::from(row.code.audience().exit_code()) => {
            bad(&format!("exit code {} for people", ran.code))
        }
        () if !ran.out.is_empty() => bad("an answer beside the error"),
        () if !ran.err.contains("error[") && !ran.err.contains("error: ") && !ran.err.contains("Usage: ") => {
            bad("no error")
        }
        () if !ran.err.contains("\nhint: ") && !ran.err.contains("--help") => bad("it does not say what to do"),
        () if ran.err.contains("panicked") || ran.err.contains("RUST_BACKTRACE") => bad("a panic"),
        () => None,
    }
}

fn as_programs_see_it(row: &Row, ran: &Ran) -> Option<String> {
    let bad = |what: &str| Some(format!("{}: {what}: {}{}", row.args.join(" "), ran.out, ran.err));
    let Ok(problem) = serde_json::from_str::<Problem>(&ran.out) else { return bad("no problem") };
    match () {
        () if problem.code != row.code => bad(&format!("{} instead of {}", problem.code.as_str(), row.code.as_str())),
        () if ran.code != i32::from(row.code.audience().exit_code()) => bad(&format!("exit code {}", ran.code)),
        () if problem.detail.trim().is_empty() || problem.hint.is_none() => bad("says too little"),
        () if !ran.out.contains(row.says) => bad(&format!("says nothing of `{}`", row.says)),
        () => None,
    }
}

/// Calls every verb wrongly; how many calls for each.
pub fn sweep(w: &mut World) -> BTreeMap<&'static str, usize> {
    prepare(w);
    let dir = w.town.dir.path().to_owned();
    let rows = rows(w);
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.verb).or_default() += 1);
    let missing: Vec<String> = verbs(&dir).into_iter().filter(|v| !counts.contains_key(v.as_str())).collect();
    assert!(missing.is_empty(), "verbs without a wrong call: {missing:?}");
    let mut failures = BTreeSet::new();
    let changed = w.unchanged("a verb", || {
        for row in &rows {
            let before = still(w);
            let args: Vec<&str> = row.args.iter().map(String::as_str).collect();
            failures.extend(as_people_see_it(row, &run(&dir, &args)));
            let json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
            failures.extend(as_programs_see_it(row, &run(&dir, &json)));
            let after = still(w);
            let names = |from: &BTreeMap<_, _>, to: &BTreeMap<_, _>| -> Vec<std::path::PathBuf> {
                from.iter()
                    .filter(|(k, v)| to.get(*k) != Some(*v))
                    .map(|(k, _): (&std::path::PathBuf, &Vec<u8>)| k.clone())
                    .collect()
            };
            if before != after {
                failures.insert(format!(
                    "{} writes: {:?} {:?}",
                    row.args.join(" "),
                    names(&after, &before),
                    names(&before, &after)
                ));
            }
        }
    });
    failures.extend(changed);
    let all: Vec<String> = failures.into_iter().collect();
    assert!(all.is_empty(), "{} wrong calls go wrong:\n{}", all.len(), all.join("\n"));
    counts
}

/// A draft that is incomplete is told every fault at once, by path.
pub fn every_fault_at_once(w: &World) {
    let ran = run(w.town.dir.path(), &["--data", "harbour", "refer", "submit", "draft/referral.toml", "--json"]);
    let problem: Problem = serde_json::from_str(&ran.out).unwrap();
    let paths: Vec<&str> = problem.faults.iter().map(|f| f.path.as_str()).collect();
    for path in [
        "kind",
        "subject_line",
        "requester_ref",
        "poc_ref",
        "legal_authority",
        "retention_until",
        "channel",
        "conduct",
        "narrative",
        "assistance",
        "declarations.accuracy",
        "declarations.authority",
        "declarations.confidentiality",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
}

/// A proposal that nobody approves is dropped once, and its number is free again.
pub fn a_proposal_is_dropped_once(w: &World) {
    let at = |args: &[&str]| {
        let all: Vec<&str> = ["--data", "harbour"].into_iter().chain(args.iter().copied()).chain(["--json"]).collect();
        let ran = run(w.town.dir.path(), &all);
        (ran.code, serde_json::from_str::<Value>(&ran.out).unwrap())
    };
    let list = |n: usize| assert_eq!(at(&["proposal", "list"]).1["items"].as_array().unwrap().len(), n);
    list(1);
    assert_eq!(at(&["proposal", "drop", &w.proposal]), (0, json!({ "ok": true })));
    list(0);
    let (code, problem) = at(&["proposal", "drop", &w.proposal]);
    assert_eq!((code, &problem["code"]), (2, &json!("not_found")));
    let propose = json!({ "act": "consent", "target": w.savanna });
    let client = |op| w.town.client("harbour", op).unwrap();
    let again: Value = client(Op::Propose).call(Op::Propose, &[], &[], &propose).unwrap();
    assert!(again["n"].as_u64().is_some());
    let _: Value = client(Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact()).unwrap();
}
