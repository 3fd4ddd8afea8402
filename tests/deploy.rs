//! What an administrator installs Lapwing with, held against the program: every path, flag, verb, port and user that the
//! units, the image, the compose file, the manifests and the firewall name. No image is built here and no manifest applied.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_node::config::{API_PORT, P2P_PORT, Settings};
use serde::Deserialize as _;
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{LAPWING, run};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const STATE: &str = "/var/lib/lapwing";
const DATA: &str = "/var/lib/lapwing/data";
const BACKUPS: &str = "/var/backups/lapwing";
const BINARY: &str = "/usr/bin/lapwing";
/// The user of the image and the manifests. The package takes one by name.
const UID: u64 = 10420;
/// Seconds that a stop takes at most (docs/operations.md).
const STOP: u64 = 10;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn documents(path: &str) -> Vec<Value> {
    let text = file(path);
    let read = |d| Value::deserialize(d).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(read)
        .map(|mut value: Value| {
            value.apply_merge().unwrap();
            value
        })
        .collect()
}

fn words(value: &Value) -> Vec<String> {
    value.as_sequence().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
}

/// The program takes these arguments: the verb exists, every flag stands in its help, none is missing.
fn takes(args: &[String]) {
    let mut verb: Vec<&str> = Vec::new();
    let mut flags: Vec<&str> = Vec::new();
    let mut value_is_due = false;
    for arg in args {
        if let Some(flag) = arg.strip_prefix("--") {
            flags.push(arg);
            // switches take no value
            value_is_due = !["live", "prune-expired", "json", "assert-current", "founder", "yes"].contains(&flag);
        } else if std::mem::take(&mut value_is_due) {
        } else {
            verb.push(arg);
        }
    }
    let mut help = verb.clone();
    help.push("--help");
    let help = run(&help);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success() && text.contains("Usage: lapwing"), "{args:?} is no verb: {text}");
    // flags of every verb are told once, in the program's own help
    let everywhere = run(&["--help"]);
    let everywhere = String::from_utf8_lossy(&everywhere.stdout).into_owned();
    let lines: BTreeSet<&str> = text.lines().chain(everywhere.lines()).flat_map(str::split_whitespace).collect();
    for flag in flags {
        assert!(lines.contains(flag), "{args:?}: `{}` has no {flag}", verb.join(" "));
    }
}

fn split(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

/// The values of a key of a unit.
fn of_unit(unit: &str, key: &str) -> Vec<String> {
    let start = format!("{key}=");
    unit.lines().filter_map(|l| l.strip_prefix(start.as_str()).map(str::to_owned)).collect()
}

fn tool(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
fn the_units_say_what_the_program_understands() {
    let (node, backup) = (file("deploy/systemd/lapwing.service"), file("deploy/systemd/lapwing-backup.service"));
    for unit in [&node, &backup] {
        let [command] = &of_unit(unit, "ExecStart")[..] else { panic!("one command") };
        let args = split(command.strip_prefix(BINARY).unwrap());
        takes(&args);
        assert_eq!(args[..2], ["--data".to_owned(), DATA.into()]);
        assert_eq!((of_unit(unit, "User"), of_unit(unit, "Group")), (vec!["lapwing".into()], vec!["lapwing".into()]));
        // what is not there would be a secret in the environment
        assert!(of_unit(unit, "Environment").is_empty() && of_unit(unit, "EnvironmentFile").is_empty());
    }
    assert_eq!(of_unit(&node, "StateDirectory"), ["lapwing"]);
    assert_eq!(of_unit(&node, "LoadCredential"), ["passphrase:/etc/lapwing/passphrase"]);
    let conditions = of_unit(&node, "ConditionPathExists");
    assert_eq!(conditions, [format!("{DATA}/identity.cbor"), format!("{DATA}/charter.lapwing")]);
    assert_eq!(of_unit(&backup, "ConditionPathExists"), [format!("{DATA}/keys/backup.recipient")]);
    // the default listens on every address, for which it asks the kernel; the word of readiness goes to a local socket
    assert_eq!(Settings::default().node.listen, [format!("/ip4/0.0.0.0/tcp/{P2P_PORT}")]);
    let families = split(&of_unit(&node, "RestrictAddressFamilies")[0]);
    assert!(["AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"].iter().all(|f| families.contains(&(*f).to_owned())));
    let stop: u64 = of_unit(&node, "TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > STOP, "systemd would kill a node that stops in order");
    assert_eq!((of_unit(&node, "Type"), of_unit(&node, "Restart")), (vec!["notify".into()], vec!["on-failure".into()]));
    assert!(of_unit(&backup, "ReadWritePaths").contains(&BACKUPS.to_owned()));
    assert!(of_unit(&backup, "ExecStart")[0].contains(&format!("--out {BACKUPS} ")));
    // the file that tells of a backup lies beside the data folder, and is the node's own to write
    assert!(of_unit(&backup, "Requisite").contains(&"lapwing.service".to_owned()));
    assert!(!of_unit(&file("deploy/systemd/lapwing-backup.timer"), "OnCalendar").is_empty());
}

/// What `init` makes is what the units wait for.
#[test]
fn the_conditions_of_the_units_are_files_that_init_and_install_make() {
    let town = support::Town::founded(&["harbour"]);
    for unit in ["lapwing.service", "lapwing-backup.service", "lapwing-backup.timer"] {
        for path in of_unit(&file(&format!("deploy/systemd/{unit}")), "ConditionPathExists") {
            let inside = path.strip_prefix(&format!("{DATA}/")).unwrap();
            assert!(town.path("harbour").join(inside).is_file(), "{unit} waits for {inside}");
        }
    }
}

#[test]
fn the_user_and_the_folders_are_made_as_the_units_use_them() {
    let users = file("deploy/systemd/lapwing.sysusers.conf");
    let user = users.lines().find(|l| l.starts_with("u ")).unwrap();
    assert!(user.contains(" lapwing ") && user.contains(STATE), "{user}");
    let folders = file("deploy/systemd/lapwing.tmpfiles.conf");
    let made: Vec<Vec<&str>> =
        folders.lines().filter(|l| !l.starts_with('#')).map(|l| l.split_whitespace().collect()).collect();
    let of = |path: &str| {
        made.iter().find(|l| l[1] == path).map(|l| l[2..].join(" ")).unwrap_or_else(|| panic!("{path} is not made"))
    };
    assert_eq!(of(STATE), "0750 lapwing lapwing");
    assert_eq!(of(BACKUPS), "0700 lapwing lapwing");
    assert_eq!(of("/etc/lapwing"), "0750 root lapwing");
    assert_eq!(of("/etc/lapwing/passphrase"), "0640 root lapwing");
    // nothing is emptied or aged: `d` and `z` only
    assert!(made.iter().all(|l| ["d", "z"].contains(&l[0]) && l.len() == 5), "{folders}");
}

#[test]
fn the_units_are_confined() {
    if !tool("systemd-analyze") {
        return println!("systemd-analyze is not there: not measured");
    }
    for unit in ["lapwing.service", "lapwing-backup.service"] {
        let path = Path::new(ROOT).join("deploy/systemd").join(unit);
        let out = Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        let last = text.lines().rev().find(|l| l.contains("exposure level")).unwrap();
        let level: f64 = last.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        println!("{unit}: {level}");
        assert!(level <= 1.5, "{last}");
    }
}

/// The JSON array after a word of the Containerfile.
fn instruction(text: &str, word: &str) -> Vec<String> {
    let line = text.lines().rev().find(|l| l.starts_with(word)).unwrap_or_else(|| panic!("no {word}"));
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

fn plain<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines().rev().find_map(|l| l.strip_prefix(word)).unwrap().trim()
}

#[test]
fn the_image_runs_what_the_program_understands() {
    let text = file("deploy/container/Containerfile");
    assert!(text.contains("NOT BUILT where this was written"));
    assert_eq!(instruction(&text, "ENTRYPOINT "), [BINARY]);
    takes(&instruction(&text, "CMD "));
    let health = instruction(&text, "HEALTHCHECK ");
    assert_eq!(health[0], BINARY);
    takes(&health[1..]);
    assert_eq!(plain(&text, "ENV "), format!("LAPWING_DATA={DATA}"));
    assert_eq!(plain(&text, "USER "), format!("{UID}:{UID}"));
    assert!(text.contains(&format!("--uid {UID} --gid {UID}")) && text.contains(&format!("--gid {UID} lapwing")));
    assert_eq!((plain(&text, "VOLUME "), plain(&text, "EXPOSE ")), (STATE, P2P_PORT.to_string().as_str()));
    assert!(text.contains(&format!("/src/target/release/lapwing {BINARY}")));
    // built with a compiler that the workspace takes
    let rust: toml::Table = file("Cargo.toml").parse().unwrap();
    let least = rust["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(text.contains(&format!("rust:{least}-")), "the workspace asks for Rust {least}");
    let version = rust["workspace"]["package"]["version"].as_str().unwrap();
    for named in
        ["deploy/container/Containerfile", "deploy/container/compose.yaml", "deploy/kubernetes/statefulset.yaml"]
    {
        for (_, tag) in file(named).match_indices("lapwing:").map(|(i, m)| (i, file(named)[i + m.len()..].to_owned())) {
            let tag: String = tag.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            assert!(tag.is_empty() || tag == version, "{named} names lapwing:{tag}");
        }
    }
    let ignored = file(".dockerignore");
    assert!(ignored.lines().any(|l| l == "target") && ignored.lines().any(|l| l == ".git"));
}

const AGENCIES: [&str; 3] = ["harbour", "polder", "hangang"];

#[test]
fn the_compose_file_fits_the_image_and_the_program() {
    let text = file("deploy/container/compose.yaml");
    assert!(text.contains("NOT RUN where this was written"));
    let compose = &documents("deploy/container/compose.yaml")[0];
    let image = file("deploy/container/Containerfile");
    let services = compose["services"].as_mapping().unwrap();
    let names: BTreeSet<&str> = services.keys().map(|k| k.as_str().unwrap()).collect();
    assert_eq!(names, ["found", "hangang", "harbour", "polder"].into());
    let mut ports = BTreeSet::new();
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert_eq!(service["user"].as_str().unwrap(), format!("{UID}:{UID}"), "{name}");
        assert_eq!(service["read_only"], Value::Bool(true), "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(service.get("environment").is_none() && service.get("privileged").is_none(), "{name}");
        assert_eq!(words(&service["secrets"]), ["passphrase"], "{name}");
        if name == "found" {
            continue;
        }
        assert_eq!(words(&service["command"]), instruction(&image, "CMD "));
        let test = words(&service["healthcheck"]["test"]);
        assert_eq!((test[0].as_str(), &test[1..]), ("CMD", &instruction(&image, "HEALTHCHECK ")[..]));
        assert_eq!(words(&service["volumes"]), [format!("{name}:{STATE}")]);
        let grace: u64 = service["stop_grace_period"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
        assert!(grace > STOP);
        assert_eq!(service["depends_on"]["found"]["condition"], "service_completed_successfully");
        let [port] = &words(&service["ports"])[..] else { panic!("{name} publishes one port") };
        let (outer, inner) = port.split_once(':').unwrap();
        assert_eq!(inner, P2P_PORT.to_string());
        assert!(ports.insert(outer.to_owned()), "{outer} is taken twice");
    }
    let found = &compose["services"]["found"];
    let volumes = words(&found["volumes"]);
    assert!(volumes.contains(&"./found.sh:/found.sh:ro".to_owned()));
    assert_eq!(words(&found["entrypoint"]), ["/bin/sh", "/found.sh"]);
    for name in AGENCIES {
        assert!(volumes.contains(&format!("{name}:/agencies/{name}")) && compose["volumes"].get(name).is_some());
    }
    let build = Path::new(ROOT).join("deploy/container").join(found["build"]["context"].as_str().unwrap());
    assert!(build.join(found["build"]["dockerfile"].as_str().unwrap()).is_file());
    // the passphrase of a trial is nothing to commit
    let secret = compose["secrets"]["passphrase"]["file"].as_str().unwrap().trim_start_matches("./").to_owned();
    assert!(file(".gitignore").lines().any(|l| l == format!("deploy/container/{secret}")));
    assert!(instruction(&image, "CMD ").contains(&format!("/run/secrets/{secret}")));
}

#[test]
fn the_trial_federation_of_the_compose_file_is_founded_once() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(LAPWING, bin.join("lapwing")).unwrap();
    std::fs::write(dir.path().join("passphrase"), "trial\n").unwrap();
    for name in AGENCIES {
        std::fs::create_dir_all(dir.path().join("agencies").join(name)).unwrap();
    }
    let found = || {
        let script = Path::new(ROOT).join("deploy/container/found.sh");
        let mut command = Command::new("sh");
        command.arg(script).env("AGENCIES", dir.path().join("agencies")).stdin(Stdio::null());
        command.env("PASSPHRASE_FILE", dir.path().join("passphrase")).env_remove("LAPWING_DATA");
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        let out = command.output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    let data = |name: &str| dir.path().join("agencies").join(name).join("data");
    let charters = || AGENCIES.map(|name| std::fs::read(data(name).join("charter.lapwing")).unwrap());
    found();
    let first = charters();
    assert!(first.iter().all(|c| *c == first[0]), "all three have one charter");
    found();
    assert_eq!(charters(), first, "doing it again changes nothing");
    for name in AGENCIES {
        let settings =
            Settings::parse(&std::fs::read_to_string(data(name).join("config.toml")).unwrap(), Path::new(DATA));
        let settings = settings.unwrap();
        assert_eq!(settings.node.external, [format!("/dns4/{name}/tcp/{P2P_PORT}")]);
        assert_eq!(settings.api.listen.to_string(), format!("127.0.0.1:{API_PORT}"));
        let other = settings.node.bootstrap.first().unwrap().split('/').nth(2).unwrap().to_owned();
        assert!(AGENCIES.contains(&other.as_str()) && other != name, "{name} begins with {other}");
    }
    let defaults = file("deploy/container/found.sh");
    assert!(defaults.contains(":-/agencies}") && defaults.contains(":-/run/secrets/passphrase}"));
}

const MANIFESTS: [&str; 6] =
    ["namespace.yaml", "config.yaml", "service.yaml", "statefulset.yaml", "networkpolicy.yaml", "disruption.yaml"];

fn manifest(path: &str) -> Value {
    let mut all = documents(&format!("deploy/kubernetes/{path}"));
    assert_eq!(all.len(), 1, "{path}");
    all.remove(0)
}

/// The settings that a ConfigMap holds.
fn settings(map: &Value) -> Settings {
    Settings::parse(map["data"]["config.toml"].as_str().unwrap(), Path::new(DATA)).unwrap()
}

#[test]
fn the_manifests_name_what_the_program_and_the_image_have() {
    let set = manifest("statefulset.yaml");
    assert!(file("deploy/kubernetes/statefulset.yaml").contains("NOT APPLIED where this was written"));
    assert_eq!(set["spec"]["replicas"], 1, "two would fork the agency's log");
    let claim = &set["spec"]["volumeClaimTemplates"][0];
    assert_eq!(words(&claim["spec"]["accessModes"]), ["ReadWriteOncePod"]);
    let pod = &set["spec"]["template"]["spec"];
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > STOP);
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(pod["securityContext"][key], UID, "{key}");
    }
    let mut volumes: BTreeSet<String> =
        pod["volumes"].as_sequence().unwrap().iter().map(|v| v["name"].as_str().unwrap().to_owned()).collect();
    volumes.insert(claim["metadata"]["name"].as_str().unwrap().to_owned());
    let containers = [&pod["initContainers"][0], &pod["containers"][0]];
    for container in containers {
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"]);
        assert!(container.get("env").is_none(), "no secret in an environment");
        let mounts = container["volumeMounts"].as_sequence().unwrap();
        assert!(mounts.iter().all(|m| volumes.contains(m["name"].as_str().unwrap())));
        assert!(mounts.iter().any(|m| m["mountPath"] == STATE));
    }
    let node = containers[1];
    takes(&words(&node["args"]));
    assert!(words(&node["args"]).contains(&DATA.to_owned()));
    for (probe, due) in [("startupProbe", "--live"), ("livenessProbe", "--live"), ("readinessProbe", "health")] {
        let command = words(&node[probe]["exec"]["command"]);
        assert_eq!((command[0].as_str(), command.last().unwrap().as_str()), (BINARY, due), "{probe}");
        takes(&command[1..]);
    }
    assert_eq!(node["ports"][0]["containerPort"], P2P_PORT);
    let wait = words(&containers[0]["command"]).pop().unwrap();
    for path in [format!("{DATA}/identity.cbor"), format!("{DATA}/config.toml"), "/etc/lapwing/config.toml".into()] {
        assert!(wait.contains(&path), "{path}");
    }
    takes(&split(wait.lines().last().unwrap().strip_prefix("exec lapwing").unwrap()));

    let config = settings(&manifest("config.yaml"));
    assert!(config.api.listen.ip().is_loopback(), "probes are run inside");
    let secret = config.keys.passphrase_file.unwrap();
    let at = node["volumeMounts"].as_sequence().unwrap().iter().find(|m| m["name"] == "passphrase").unwrap();
    assert_eq!(secret, PathBuf::from(at["mountPath"].as_str().unwrap()).join("passphrase"));

    let service = manifest("service.yaml");
    assert_eq!(service["spec"]["ports"][0]["port"], P2P_PORT);
    assert_eq!(service["spec"]["ports"].as_sequence().unwrap().len(), 1, "the API is no part of it");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], node["ports"][0]["name"]);
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    assert_eq!(manifest("networkpolicy.yaml")["spec"]["ingress"][0]["ports"][0]["port"], P2P_PORT);
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&service["spec"]["selector"], labels);
    for path in ["statefulset.yaml", "disruption.yaml"] {
        assert_eq!(&manifest(path)["spec"]["selector"]["matchLabels"], labels, "{path}");
    }
    for path in ["networkpolicy.yaml", "metrics/networkpolicy.yaml"] {
        assert_eq!(&manifest(path)["spec"]["podSelector"]["matchLabels"], labels, "{path}");
    }
}

#[test]
fn the_kustomization_names_every_manifest_and_metrics_opens_the_api_under_one_name() {
    let whole = manifest("kustomization.yaml");
    assert_eq!(words(&whole["resources"]), MANIFESTS);
    let namespace = manifest("namespace.yaml")["metadata"]["name"].clone();
    for path in &MANIFESTS[1..] {
        assert_eq!(manifest(path)["metadata"]["namespace"], namespace, "{path}");
    }
    let set = manifest("statefulset.yaml");
    let secret = set["spec"]["template"]["spec"]["volumes"][1]["secret"]["secretName"].clone();
    assert_eq!(whole["secretGenerator"][0]["name"], secret);
    assert_eq!(words(&whole["secretGenerator"][0]["files"]), ["passphrase"]);
    assert!(file(".gitignore").lines().any(|l| l == "deploy/kubernetes/passphrase"));

    let metrics = manifest("metrics/kustomization.yaml");
    let mut named = words(&metrics["resources"]);
    named.extend(metrics["patches"].as_sequence().unwrap().iter().map(|p| p["path"].as_str().unwrap().to_owned()));
    assert!(named.iter().all(|n| Path::new(ROOT).join("deploy/kubernetes/metrics").join(n).is_file()));
    let (config, plain) = (settings(&manifest("metrics/config.yaml")), settings(&manifest("config.yaml")));
    assert!(config.api.allow_remote && !plain.api.allow_remote);
    let monitor = manifest("metrics/podmonitor.yaml");
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let address = endpoint["relabelings"][0]["replacement"].as_str().unwrap();
    let service = manifest("metrics/service.yaml");
    let host = format!("{}.{}.svc", service["metadata"]["name"].as_str().unwrap(), namespace.as_str().unwrap());
    assert_eq!(address, format!("{host}:{API_PORT}"));
    assert_eq!(config.api.hosts, [host]);
    assert_eq!(service["spec"]["ports"][0]["port"], API_PORT);
    assert_eq!(endpoint["path"], "/metrics");
    // but for that both say the same
    assert_eq!((config.node, config.keys), (plain.node, plain.keys));
}

#[test]
fn the_firewall_names_the_ports_and_the_user_of_the_package() {
    let text = file("deploy/firewall/lapwing.nft");
    let ports: BTreeSet<&str> = text.split("dport ").skip(1).map(|p| p.split(' ').next().unwrap()).collect();
    assert_eq!(ports, [P2P_PORT.to_string().as_str(), API_PORT.to_string().as_str(), "53"].into());
    assert!(text.contains("skuid != \"lapwing\""));
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    let page = file("docs/firewall.md");
    assert!(page.contains(&format!("{P2P_PORT}/tcp")) && page.contains(&format!("{API_PORT}/tcp")));

    // by nft itself, in a network namespace of its own, where that is allowed; the user may not be there
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lapwing.nft");
    std::fs::write(&path, text.replace("\"lapwing\"", "0")).unwrap();
    let nft = |path: &Path| Command::new("unshare").args(["-rn", "nft", "-c", "-f"]).arg(path).output();
    let empty = dir.path().join("empty.nft");
    std::fs::write(&empty, "table inet t\n").unwrap();
    if !nft(&empty).is_ok_and(|o| o.status.success()) {
        return println!("nft cannot be asked here: read only");
    }
    let out = nft(&path).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    std::fs::write(&path, text.replace("\"lapwing\"", "0").replace("priority filter", "priority soup")).unwrap();
    assert!(!nft(&path).unwrap().status.success(), "nft takes anything");
}

#[test]
fn what_the_pages_and_the_package_name_is_there() {
    for page in
        ["docs/install.md", "docs/firewall.md", "docs/moving.md", "docs/operations.md", "deploy/kubernetes/README.md"]
    {
        let text = file(page);
        for link in text.split("](").skip(1).map(|l| l.split(')').next().unwrap()) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let at = Path::new(page).parent().unwrap().join(path);
            let target = file(if path.is_empty() { page } else { at.to_str().unwrap() });
            let sections: Vec<String> = target
                .lines()
                .filter_map(|l| l.strip_prefix("## "))
                .map(|l| l.to_lowercase().replace(' ', "-"))
                .collect();
            assert!(section.is_empty() || sections.iter().any(|s| s == section), "{page}: {link}");
        }
        for named in text.split('`').filter(|w| w.starts_with("deploy/") && !w.contains(' ')) {
            assert!(Path::new(ROOT).join(named).exists(), "{page} names {named}");
        }
    }
    let manifest: toml::Table = file("crates/lapwing/Cargo.toml").parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let mut places = BTreeSet::new();
    for asset in deb["assets"].as_array().unwrap() {
        let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        // made while it is packed
        if !from.contains("target/") {
            assert!(Path::new(ROOT).join("crates/lapwing").join(from).is_file(), "{from}");
        }
        let name = if to.ends_with('/') { from.rsplit('/').next().unwrap() } else { "" };
        assert!(places.insert(format!("/{to}{name}")), "{to} twice");
    }
    assert!(places.contains(BINARY));
    for (unit, key) in [("lapwing.service", "Documentation"), ("lapwing-backup.service", "Documentation")] {
        let text = file(&format!("deploy/systemd/{unit}"));
        for path in of_unit(&text, key)[0].split(' ').filter_map(|d| d.strip_prefix("file://")) {
            assert!(places.contains(path), "{unit}: {path} is not in the package");
        }
    }
}

/// The manifests' other commands and the pages': every `lapwing …` line in a block is one that the program knows.
#[test]
fn every_command_that_the_pages_show_exists() {
    let mut seen = 0;
    for page in ["docs/install.md", "docs/moving.md", "deploy/kubernetes/README.md", "docs/operations.md", "README.md"]
    {
        let text = file(page);
        let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
        let inline = text.split('`').filter(|t| t.starts_with("lapwing ") && !t.contains('\n'));
        for line in blocks.chain(inline) {
            let words: Vec<&str> = line.split_whitespace().map(|w| w.trim_start_matches('\'')).collect();
            // `-u lapwing` is the user, `lapwing` alone the folder
            let command = |i: &usize| {
                words[*i] == "lapwing" && (*i == 0 || words[i - 1] == "--" || !words[i - 1].starts_with('-'))
            };
            let Some(at) = (0..words.len()).find(command) else { continue };
            let args = &words[at + 1..];
            // the verb is what follows flags of every verb
            let mut rest = args;
            while let [flag, _, after @ ..] = rest
                && flag.starts_with("--")
            {
                rest = after;
            }
            let verb: Vec<&str> = rest
                .iter()
                .copied()
                .take_while(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
                .take(2)
                .collect();
            let Some(first) = verb.first().filter(|v| !v.starts_with('-')) else { continue };
            let help = run(&[first, "--help"]);
            assert!(help.status.success(), "{page}: {line}");
            let text = String::from_utf8_lossy(&help.stdout).into_owned();
            if let (Some(second), true) = (verb.get(1), text.contains("\nCommands:\n")) {
                assert!(text.lines().any(|l| l.trim_start().starts_with(second)), "{page}: {line}");
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
}
