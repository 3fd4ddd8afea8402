//! The binary, offline: founding a federation and applying to one, from the command line as a person would.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A desk with files on it.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        std::fs::write(desk.path("pass"), "correct horse\n").unwrap();
        std::fs::write(desk.path("wrong"), "wrong horse\n").unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("LAPWING_DATA")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs a verb that must succeed; its JSON.
    fn ok(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {text}{said}");
        serde_json::from_str(&text).unwrap()
    }

    /// Runs a verb that must fail with this exit code; its problem.
    fn refused(&self, args: &[&str], code: i32) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn init(&self, name: &str, category: &str, more: &[&str]) -> Value {
        let args = ["--data", name, "init", "--short-name", name, "--legal-name", "Authority", "--country", "gb"];
        let rest = ["--category", category, "--passphrase-file", "pass", "--trial-kdf"];
        self.ok(&[&args[..], &rest[..], more].concat())
    }

    /// Two founders and their charter, in `fed.lapwing`.
    fn found(&self) -> Value {
        self.init("harbor", "consumer_protection", &["--founder"]);
        self.init("polder", "data_protection", &["--founder", "--roots", "2", "--threshold", "2", "--officers", "2"]);
        let toml = "name = \"Two\"\nfounders = [\"harbor-keys/harbor.inception\", \"polder-keys/polder.inception\"]\n\
                    [params]\nwindow = \"3s\"\ngrace_ms = 2000\n";
        std::fs::write(self.path("charter.toml"), toml).unwrap();
        self.ok(&["charter", "new", "charter.toml", "-o", "fed.charter"]);
        self.ok(&[
            "charter",
            "sign",
            "fed.charter",
            "--root-key",
            "harbor-keys/root-1.key",
            "--passphrase-file",
            "pass",
        ]);
        self.sign_polder();
        self.ok(&["charter", "join", "fed.charter", "harbor.signature", "polder.signature", "-o", "fed.lapwing"])
    }

    fn sign_polder(&self) -> Value {
        let keys = ["--root-key", "polder-keys/root-1.key", "--root-key", "polder-keys/root-2.key"];
        self.ok(&[&["charter", "sign", "fed.charter", "--passphrase-file", "pass"], &keys[..]].concat())
    }
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

fn bytes_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(bytes_of(&path)),
            false => all.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

#[test]
fn founders_make_sign_join_and_install_a_charter_and_others_apply_to_it() {
    let desk = Desk::new();
    let joined = desk.found();
    assert_eq!((joined["signed"].as_bool(), joined["params"]["window_ms"].as_u64()), (Some(true), Some(3000)));
    let verified = desk.ok(&["charter", "verify", "fed.lapwing"]);
    assert_eq!(verified["network_id"], joined["network_id"]);
    assert_eq!(verified["words"].as_str().unwrap().split(' ').count(), 12);
    for founder in ["harbor", "polder"] {
        desk.ok(&["--data", founder, "charter", "install", "fed.lapwing"]);
        desk.ok(&["--data", founder, "charter", "install", "fed.lapwing"]);
        assert!(desk.path(founder).join("charter.lapwing").exists());
    }
    let applied =
        desk.init("nimbus", "internet_service_provider", &["--charter", "fed.lapwing", "--statement", "hello"]);
    assert_eq!((applied["founder"].as_bool(), &applied["network_id"]), (Some(false), &joined["network_id"]));
    let problem = desk.refused(&["--data", "nimbus", "charter", "install", "fed.lapwing"], 2);
    assert!(detail(&problem).contains("applicant"), "{problem}");
    desk.ok(&["--data", "nimbus", "config", "check"]);
}

#[test]
fn signing_again_makes_the_same_signature() {
    let desk = Desk::new();
    desk.found();
    let first = std::fs::read(desk.path("polder.signature")).unwrap();
    std::fs::rename(desk.path("polder.signature"), desk.path("polder.old")).unwrap();
    desk.sign_polder();
    assert_eq!(std::fs::read(desk.path("polder.signature")).unwrap(), first);
}

#[test]
fn init_overwrites_nothing_and_keeps_peoples_keys_out_of_the_nodes_folder() {
    let desk = Desk::new();
    desk.init("harbor", "consumer_protection", &["--founder"]);
    let (data, keys) = (bytes_of(&desk.path("harbor")), bytes_of(&desk.path("harbor-keys")));
    let args = ["init", "--founder", "--short-name", "harbor", "--legal-name", "A", "--country", "GB", "--category"];
    let rest = ["consumer_protection", "--insecure-no-passphrase", "--trial-kdf"];
    let again = |data: &str, more: &[&str]| desk.refused(&[&["--data", data], &args[..], &rest[..], more].concat(), 2);
    assert!(detail(&again("harbor", &[])).contains("is there already"));
    assert!(detail(&again("other", &["--keys-out", "harbor-keys"])).contains("is there already"));
    assert!(detail(&again("other", &["--keys-out", "other/keys"])).contains("must not lie in the data folder"));
    assert!(!desk.path("other").exists());
    assert_eq!((bytes_of(&desk.path("harbor")), bytes_of(&desk.path("harbor-keys"))), (data, keys));
    let names: Vec<String> = bytes_of(&desk.path("harbor/keys"))
        .iter()
        .map(|(p, _)| p.file_name().unwrap().to_string_lossy().into())
        .collect();
    assert_eq!(names, ["at-rest.key", "backup.recipient", "feed.key", "node.key"]);
}

#[test]
fn keys_of_people_may_lie_under_another_passphrase_than_the_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("pass"), "the node's\n").unwrap();
    std::fs::write(at("people"), "the people's\n").unwrap();
    let data = at("data").display().to_string();
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["--data", &data, "init", "--founder", "--short-name", "x1", "--legal-name", "X", "--country", "GB"])
        .args(["--category", "consumer_protection", "--trial-kdf", "--keys-out"])
        .arg(at("keys"))
        .arg("--passphrase-file")
        .arg(at("pass"))
        .arg("--people-passphrase-file")
        .arg(at("people"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    use lapwing_node::keys::{KeyKind, Passphrase, read_key};
    let [node, people] = ["pass", "people"].map(|file| Passphrase::from_file(&at(file)).unwrap());
    for (file, kind, right, wrong) in [
        (at("data/keys/feed.key"), KeyKind::Feed, &node, &people),
        (at("data/keys/at-rest.key"), KeyKind::AtRest, &node, &people),
        (at("keys/root-1.key"), KeyKind::Root, &people, &node),
        (at("keys/officer-1.key"), KeyKind::Officer, &people, &node),
        (at("keys/backup.key"), KeyKind::Backup, &people, &node),
    ] {
        read_key(&file, kind, Some(right)).unwrap();
        assert!(read_key(&file, kind, Some(wrong)).is_err(), "{}", file.display());
    }
}

#[test]
fn a_wrong_passphrase_a_wrong_kind_and_a_wrong_owner_of_a_key_are_refused_in_words() {
    let desk = Desk::new();
    desk.found();
    let sign = |key: &str, pass: &str| {
        let args =
            ["charter", "sign", "fed.charter", "--root-key", key, "--passphrase-file", pass, "-o", "x.signature"];
        desk.refused(&args, 2)["detail"].as_str().unwrap().to_owned()
    };
    assert!(sign("harbor-keys/root-1.key", "wrong").contains("does not open"));
    assert!(sign("harbor-keys/officer-1.key", "pass").contains("kind `officer`"));
    assert!(sign("harbor-keys/next-root-1.key", "pass").contains("none of the founders"));
    assert!(sign("polder-keys/root-1.key", "pass").contains("2 must sign"));
    assert!(sign("nowhere.key", "pass").contains("no key file"));
    assert!(!desk.path("x.signature").exists());
    let shown = desk.ok(&["key", "show", "harbor-keys/officer-1.key"]);
    assert_eq!((shown["kind"].as_str(), shown["encrypted"].as_bool()), (Some("officer"), Some(true)));
}

#[test]
fn a_charter_that_was_changed_anywhere_is_refused() {
    let desk = Desk::new();
    desk.found();
    let bytes = std::fs::read(desk.path("fed.lapwing")).unwrap();
    // a byte in every part of the file: charter, signatures, first entries
    for at in (0..bytes.len()).step_by(bytes.len() / 24) {
        let mut bent = bytes.clone();
        bent[at] ^= 0x01;
        std::fs::write(desk.path("bent.lapwing"), &bent).unwrap();
        let problem = desk.refused(&["charter", "verify", "bent.lapwing"], 2);
        assert!(
            detail(&problem).contains("bent.lapwing") && detail(&problem).contains("charter"),
            "byte {at}: {problem}"
        );
        assert!(problem["hint"].is_string());
    }
    let args = ["--data", "new", "init", "--charter", "bent.lapwing", "--short-name", "new", "--legal-name", "N"];
    let rest = ["--country", "KE", "--category", "courier", "--insecure-no-passphrase", "--trial-kdf"];
    desk.refused(&[&args[..], &rest[..]].concat(), 2);
    assert!(!desk.path("new").exists());
    let missing = desk.refused(&["charter", "join", "fed.charter", "harbor.signature", "-o", "half.lapwing"], 2);
    assert!(detail(&missing).contains("polder has not signed"), "{missing}");
    assert!(!desk.path("half.lapwing").exists());
}

#[test]
fn a_founder_does_not_sign_for_an_inception_that_is_not_its_own() {
    let desk = Desk::new();
    desk.found();
    // another folder of the same name: the inception beside the root key is another one than in the charter
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    std::fs::copy(desk.path("harbor-keys/root-1.key"), desk.path("elsewhere/root-1.key")).unwrap();
    std::fs::copy(desk.path("polder-keys/polder.inception"), desk.path("elsewhere/harbor.inception")).unwrap();
    let args = ["charter", "sign", "fed.charter", "--root-key", "elsewhere/root-1.key", "--passphrase-file", "pass"];
    let problem = desk.refused(&[&args[..], &["-o", "x.signature"]].concat(), 2);
    assert!(detail(&problem).contains("its own inception has the id"), "{problem}");
}

#[test]
fn a_configuration_is_told_all_its_faults_at_once_with_exit_code_3() {
    let desk = Desk::new();
    desk.init(
        "harbor",
        "consumer_protection",
        &["--founder", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"],
    );
    let shown = desk.ok(&["--data", "harbor", "config", "show"]);
    assert_eq!(shown["node"]["listen"][0], "/ip4/127.0.0.1/tcp/0");
    std::fs::write(desk.path("harbor/config.toml"), "[node]\nlisen = 1\n[api]\nlisten = \"0.0.0.0:1\"\n").unwrap();
    let problem = desk.refused(&["--data", "harbor", "config", "check"], 3);
    let paths: Vec<&str> = problem["faults"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["api.listen", "node.lisen"]);
    desk.refused(&["--data", "nowhere", "config", "check"], 3);
}

#[test]
fn without_a_node_the_answer_says_so_with_exit_code_4() {
    let desk = Desk::new();
    for verb in [&["status"][..], &["member", "list"], &["vote", "object", "x", "--officer-key", "k"], &["stop"]] {
        let problem = desk.refused(verb, 4);
        assert_eq!(problem["code"], "unreachable");
        assert!(problem["hint"].as_str().unwrap().contains("lapwing run"));
    }
    let output = desk.run(&["status"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.stdout.is_empty() && said.starts_with("error[unreachable]: ") && said.contains("\nhint: "),
        "{said}"
    );
}

#[test]
fn samples_become_a_draft_whose_faults_are_listed_and_whose_evidence_is_held_to_its_hashes() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("samples")).unwrap();
    let mail = "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; 2 Jan 2026 10:00:00 +0000\r\n\
                From: Bank <office@spam.example>\r\nTo: me@home.example\r\nSubject: \u{1b}[2Jurgent\r\n\
                Date: Fri, 2 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@spam.example>\r\n\r\n\
                Log in at https://login.example/now\r\n";
    std::fs::write(desk.path("samples/one.eml"), mail).unwrap();
    let found = desk.ok(&["evidence", "analyse", "samples"]);
    assert_eq!(found["summary"]["messages"], 1, "{found}");
    desk.ok(&["refer", "new", "--from", "samples", "--to", "polder", "-o", "draft"]);
    assert_eq!(std::fs::read_to_string(desk.path("draft/evidence/one.eml")).unwrap(), mail);
    let check = || {
        let problem = desk.refused(&["refer", "check", "draft/referral.toml"], 2);
        let faults = problem["faults"].as_array().unwrap().clone();
        faults.iter().map(|f| f["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let paths = check();
    assert!(
        ["kind", "narrative", "assistance", "declarations.accuracy"].iter().all(|p| paths.contains(&(*p).to_owned()))
    );
    assert!(!paths.iter().any(|p| p.starts_with("evidence") || p == "channel"), "{paths:?}");
    std::fs::write(desk.path("draft/evidence/one.eml"), "changed").unwrap();
    assert!(check().contains(&"evidence.0.sha256".to_owned()));
    desk.refused(&["refer", "new", "--from", "samples", "--to", "polder", "-o", "draft"], 2);
}

#[test]
fn samples_of_every_kind_are_shown_message_by_message_with_campaigns_and_what_was_verified() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("samples")).unwrap();
    let mail = |subject: &str, host: &str| {
        format!(
            "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; 2 Jan 2026 10:00:00 +0000\r\n\
             Return-Path: <office@spam.example>\r\nFrom: =cmd <office@spam.example>\r\nTo: me@home.example\r\n\
             Subject: {subject}\r\nDate: Fri, 2 Jan 2026 10:00:00 +0000\r\n\r\n\
             Dear customer, log in at once to keep your account, or it will be closed before the end of this day: https://{host}/\r\n"
        )
    };
    std::fs::write(desk.path("samples/one.eml"), mail("=HYPERLINK(1)", "harb0urbank.example")).unwrap();
    std::fs::write(
        desk.path("samples/two.mbox"),
        format!("From x Fri Jan  2 10:00:00 2026\n{}", mail("two", "b.example")),
    )
    .unwrap();
    std::fs::write(desk.path("samples/page.pdf"), "%PDF-1.7").unwrap();
    std::fs::write(desk.path("list"), "harbourbank.example\n").unwrap();
    std::fs::write(desk.path("keys"), "spam.example. 60 IN TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n").unwrap();
    let found = desk.ok(&["evidence", "analyse", "samples", "--keys", "keys", "--look-alike", "list"]);
    assert_eq!((&found["totals"]["messages"], &found["totals"]["files"]), (&2.into(), &3.into()), "{found}");
    let one = &found["messages"][0];
    assert_eq!(one["analysis"]["verified"]["spf"]["result"], "pass");
    assert_eq!(one["campaign"], found["messages"][1]["campaign"]);
    let like: Vec<&Value> =
        one["analysis"]["domains"].as_array().unwrap().iter().filter(|d| !d["looks_like"].is_null()).collect();
    assert_eq!((like.len(), &like[0]["looks_like"][0]), (1, &"harbourbank.example".into()));
    let ids = one["identifiers"].as_array().unwrap();
    let ip = ids.iter().find(|i| i["kind"] == "ip").unwrap();
    assert_eq!((&ip["role"], &ip["time"]), (&"suspected_sender".into(), &"2026-01-02T10:00:00Z".into()));
    assert!(one["cost"]["peak_bytes"].as_u64().unwrap() < 256 << 20);

    let table = String::from_utf8(desk.run(&["evidence", "analyse", "samples"]).stdout).unwrap();
    for word in
        ["192.0.2.7", "office@spam.example", "two.mbox#1", "page.pdf", "campaigns of several messages", "slowest"]
    {
        assert!(table.contains(word), "{word} in {table}");
    }
    let csv = String::from_utf8(desk.run(&["evidence", "analyse", "samples", "--csv"]).stdout).unwrap();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(1)\"") && csv.contains("\"'=cmd\""), "{csv}");
    let campaigns = String::from_utf8(desk.run(&["evidence", "analyse", "samples", "--campaigns"]).stdout).unwrap();
    let id = one["campaign"].as_str().unwrap();
    assert!(campaigns.contains(id) && campaigns.lines().count() == 2, "{campaigns}");

    std::fs::write(desk.path("samples/other.eml"), mail("lottery", "c.example").replace("Dear customer, log in at once to keep your account, or it will be closed before the end of this day", "You are the winner of the great lottery of the spring and only have to tell us where the money shall go to")).unwrap();
    let made = desk.ok(&["refer", "new", "--from", "samples", "--campaign", id, "--to", "polder", "-o", "draft"]);
    assert_eq!((&made["messages"], &made["left_out"]), (&2.into(), &serde_json::json!(["other.eml"])));
    let draft = std::fs::read_to_string(desk.path("draft/referral.toml")).unwrap();
    assert!(draft.contains("{ kind = \"ip\", value = \"192.0.2.7\", time = \"2026-01-02T10:00:00Z\" }"), "{draft}");
    assert!(
        draft.contains("\ncollected_at = \"2026-01-02T10:00:00Z\"") && draft.contains("# left out: other.eml"),
        "{draft}"
    );
    assert!(!desk.path("draft/evidence/other.eml").exists() && desk.path("draft/evidence/page.pdf").exists());
}

#[test]
fn a_redacted_copy_is_as_long_and_tells_both_hashes_and_is_refused_where_it_would_still_tell() {
    let desk = Desk::new();
    let mail = "From: a@spam.example\r\nTo: Victim@home.example\r\nSubject: x\r\n\r\nhttps://spam.example/?u=victim%40home.example\r\n";
    std::fs::write(desk.path("mail.eml"), mail).unwrap();
    let made = desk.ok(&["evidence", "redact", "mail.eml", "--address", "victim@home.example", "-o", "copy.eml"]);
    let copy = std::fs::read_to_string(desk.path("copy.eml")).unwrap();
    assert_eq!(copy.len(), mail.len());
    assert!(!copy.to_lowercase().contains("victim") && copy.contains("?u=XXXX"), "{copy}");
    let hash = |name: &str| {
        use sha2::Digest;
        let bytes = std::fs::read(desk.path(name)).unwrap();
        sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    assert_eq!(
        (made["redaction_of"].as_str(), made["sha256"].as_str()),
        (Some(&*hash("mail.eml")), Some(&*hash("copy.eml")))
    );
    assert_eq!(std::fs::read_to_string(desk.path("mail.eml")).unwrap(), mail, "the original stays");
    let encoded = format!("{mail}dmljdGlt")
        .replace("Subject: x", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64");
    std::fs::write(
        desk.path("encoded.eml"),
        encoded.replace("https://spam.example/?u=victim%40home.example", "aGVsbG8g"),
    )
    .unwrap();
    let problem = desk.refused(&["evidence", "redact", "encoded.eml", "--remove", "victim", "-o", "no.eml"], 2);
    assert!(detail(&problem).contains("base64") && !desk.path("no.eml").exists(), "{problem}");
}

#[test]
fn what_is_no_bundle_does_not_verify() {
    let desk = Desk::new();
    std::fs::write(desk.path("x.bundle"), b"no bundle").unwrap();
    let problem = desk.refused(&["verify", "x.bundle"], 2);
    assert!(detail(&problem).contains("does NOT hold"), "{problem}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let desk = Desk::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["config", "show", "--example"])
        .current_dir(desk.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn templates_are_printed_as_they_are() {
    let desk = Desk::new();
    for verb in [&["charter", "template"][..], &["profile", "template"], &["contact", "template"]] {
        let output = desk.run(verb);
        assert!(output.status.success() && output.stdout.starts_with(b"# "), "{verb:?}");
    }
}
