//! Configuration: as typed (`config.toml`) and as meant ([`Settings`]).
//!
//! Reading never stops at the first fault: everything that is wrong is listed at once, by key path. Unknown keys are
//! refused. No secret stands here, only where one is found.

use crate::folder::{self, FileError, Folder};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of the file at most.
const MAX_FILE: u64 = 1 << 20;

/// A log file is not put aside for less.
const LOG_BYTES_LEAST: u64 = 4096;

/// The port on which nodes talk to each other.
pub const P2P_PORT: u16 = 7420;
/// The port of the local API.
pub const API_PORT: u16 = 7421;

/// One fault, by key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `section.key`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} fault(s): {}", .0.len(), list(.0))]
pub struct ConfigFaults(pub Vec<Fault>);

fn list(faults: &[Fault]) -> String {
    let one = |f: &Fault| if f.path.is_empty() { f.what.clone() } else { format!("{}: {}", f.path, f.what) };
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be used.
    #[error("configuration: {0}")]
    File(#[from] FileError),
    /// Its content has faults.
    #[error("{}: {faults}", path.display())]
    Faults {
        /// The file.
        path: PathBuf,
        /// Every fault.
        faults: ConfigFaults,
    },
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How much log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Faults only.
    Error,
    /// And what should be looked at.
    Warn,
    /// And changes of state.
    Info,
    /// And every step.
    Debug,
    /// And every byte that is no secret.
    Trace,
}

impl LogLevel {
    /// The token.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// One address, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Settings as meant: paths absolute, addresses read, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Where other nodes reach this one.
    pub node: NodeSettings,
    /// The local API.
    pub api: ApiSettings,
    /// Where secrets are found.
    pub keys: KeySettings,
    /// Bounds.
    pub limits: LimitSettings,
    /// Log lines.
    pub log: LogSettings,
    /// How people are told.
    pub notify: NotifySettings,
    /// What the node does by itself.
    pub policy: PolicySettings,
    /// Backups.
    pub backup: BackupSettings,
}

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeSettings {
    /// Multiaddrs to listen on; empty = dial only.
    pub listen: Vec<String>,
    /// Multiaddrs under which the world reaches this node; published.
    pub external: Vec<String>,
    /// Multiaddrs of other nodes, to begin with.
    pub bootstrap: Vec<String>,
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiSettings {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may listen on an address that other machines reach.
    pub allow_remote: bool,
    /// Further values of `Host` that it answers to: a name, or a name and port, as a proxy in front passes them on.
    pub hosts: Vec<String>,
}

/// `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySettings {
    /// The file whose first line is the passphrase of the node's keys.
    pub passphrase_file: Option<PathBuf>,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSettings {
    /// Inbound connections of strangers.
    pub strangers: usize,
    /// Inbound connections of members.
    pub members: usize,
    /// Outbound connections.
    pub outbound: usize,
    /// Bytes of one upload to the API.
    pub upload_bytes: u64,
    /// Bytes of free disk below which people are told and nothing new is taken in.
    pub disk_low_bytes: u64,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// How lines are written.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
    /// A file that takes the lines instead of standard error.
    pub file: Option<PathBuf>,
    /// Bytes at which the file is put aside and a new one begun.
    pub max_bytes: u64,
    /// Files that were put aside and are kept.
    pub keep: u32,
}

/// `[backup]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupSettings {
    /// Days after which a backup of the keyring is refused: erasure is complete when the last one has expired.
    pub keyring_days: u64,
    /// Days after which people are reminded that the newest backup is old.
    pub remind_days: u64,
}

/// `[notify]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotifySettings {
    /// A program and its arguments; it gets JSON on standard input. None: the line in `lapwing status` is the notice.
    pub command: Option<Vec<String>>,
}

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicySettings {
    /// Whether the node clears a candidate when the window has run and its people did not object (protocol §4.3).
    pub auto_clear: bool,
    /// Whether a second officer must have approved a referral before it is submitted (docs/protocol.md §6.2, K).
    pub two_person_submit: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            node: NodeSettings {
                listen: vec![format!("/ip4/0.0.0.0/tcp/{P2P_PORT}")],
                external: Vec::new(),
                bootstrap: Vec::new(),
            },
            api: ApiSettings {
                listen: SocketAddr::from(([127, 0, 0, 1], API_PORT)),
                allow_remote: false,
                hosts: Vec::new(),
            },
            keys: KeySettings { passphrase_file: None },
            limits: LimitSettings {
                strangers: 16,
                members: 512,
                outbound: 256,
                upload_bytes: 64 << 30,
                disk_low_bytes: 1 << 30,
            },
            log: LogSettings {
                format: LogFormat::Text,
                level: LogLevel::Info,
                file: None,
                max_bytes: 64 << 20,
                keep: 5,
            },
            notify: NotifySettings { command: None },
            policy: PolicySettings { auto_clear: true, two_person_submit: false },
            backup: BackupSettings { remind_days: 7, keyring_days: 30 },
        }
    }
}

/// Reads keys out of a table and gathers faults.
struct Reader {
    table: toml::Table,
    known: Vec<String>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, path: &str, what: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), what: what.into() });
    }

    /// Takes one key; none where it is absent or of another type.
    fn take<T: serde::de::DeserializeOwned>(&mut self, section: &str, key: &str, wanted: &str) -> Option<T> {
        let path = format!("{section}.{key}");
        self.known.push(path.clone());
        let value = self.table.get_mut(section)?.as_table_mut()?.remove(key)?;
        let read = value.try_into().ok();
        if read.is_none() {
            self.fault(&path, format!("must be {wanted}"));
        }
        read
    }

    /// What nobody has taken is unknown.
    fn finish(&mut self) {
        let mut unknown = Vec::new();
        for (section, value) in &self.table {
            let begins = format!("{section}.");
            match value.as_table() {
                _ if !self.known.iter().any(|k| k.starts_with(&begins)) => unknown.push(section.clone()),
                Some(rest) => unknown.extend(rest.keys().map(|key| format!("{section}.{key}"))),
                None => self.faults.push(Fault { path: section.clone(), what: "must be a section".into() }),
            }
        }
        for path in unknown {
            let section = path.split('.').next().unwrap_or_default();
            let near: Vec<&str> =
                self.known.iter().filter_map(|k| k.strip_prefix(section)?.strip_prefix('.')).collect();
            let what = match near.is_empty() {
                true => "is no known section".to_owned(),
                false => format!("is no known key; [{section}] has {}", near.join(", ")),
            };
            self.fault(&path, what);
        }
    }
}

/// Reads an address to listen on or to dial: `ip:port` or a multiaddr of `/ip4|ip6|dns|dns4|dns6/…/tcp/PORT[/p2p/ID]`.
pub fn multiaddr(text: &str) -> Result<String, String> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        let kind = if addr.is_ipv4() { "ip4" } else { "ip6" };
        return Ok(format!("/{kind}/{}/tcp/{}", addr.ip(), addr.port()));
    }
    let parts: Vec<&str> = text.split('/').collect();
    let ok = match parts[..] {
        ["", kind, host, "tcp", port] | ["", kind, host, "tcp", port, "p2p", _] => {
            let host_ok = match kind {
                "ip4" => host.parse::<std::net::Ipv4Addr>().is_ok(),
                "ip6" => host.parse::<std::net::Ipv6Addr>().is_ok(),
                "dns" | "dns4" | "dns6" => {
                    let part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
                    !host.is_empty() && host.len() <= 253 && host.bytes().all(part)
                }
                _ => false,
            };
            let id = parts.get(6).copied().unwrap_or("x");
            host_ok
                && port.parse::<u16>().is_ok()
                && !id.is_empty()
                && id.len() <= 128
                && id.bytes().all(|b| b.is_ascii_alphanumeric())
        }
        _ => false,
    };
    match ok {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{}` is no address: write ip:port, or /ip4/192.0.2.7/tcp/{P2P_PORT}, or /dns4/host.example/tcp/{P2P_PORT}",
            text.chars().take(120).collect::<String>()
        )),
    }
}

/// Whether a text can be the value of a `Host` header: a name or address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let bracketed = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let named = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => (1..=253).contains(&name.len()) && name.bytes().all(part),
    };
    named && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

impl Settings {
    /// Reads `config.toml` of a data folder. Relative paths in it are taken from the folder.
    pub fn load(folder: &Folder) -> Result<Settings, ConfigError> {
        let path = folder.config();
        let bytes = folder::read(&path, MAX_FILE)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ConfigFaults(vec![Fault { path: String::new(), what: "the file is not UTF-8 text".into() }]));
        let read = text.and_then(|text| Settings::parse(&text, folder.root()));
        read.map_err(|faults| ConfigError::Faults { path, faults })
    }

    /// Reads a text. Relative paths in it are taken from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Settings, ConfigFaults> {
        let (settings, reader) = read(text, base)?;
        if reader.faults.is_empty() { Ok(settings) } else { Err(ConfigFaults(reader.faults)) }
    }
}

fn read(text: &str, base: &Path) -> Result<(Settings, Reader), ConfigFaults> {
    let table = text.parse::<toml::Table>();
    let table = table.map_err(|e| ConfigFaults(vec![Fault { path: String::new(), what: e.to_string() }]))?;
    let mut r = Reader { table, known: Vec::new(), faults: Vec::new() };
    let mut s = Settings::default();
    let wanted = "an address or a list of addresses";
    for (key, place) in
        [("listen", &mut s.node.listen), ("external", &mut s.node.external), ("bootstrap", &mut s.node.bootstrap)]
    {
        let given = match r.take::<OneOrMany>("node", key, wanted) {
            None => continue,
            Some(OneOrMany::One(one)) => vec![one],
            Some(OneOrMany::Many(many)) => many,
        };
        let path = format!("node.{key}");
        if given.len() > 64 {
            r.fault(&path, format!("has {} addresses, at most 64", given.len()));
        }
        place.clear();
        for (i, text) in given.iter().enumerate() {
            match multiaddr(text) {
                Ok(addr) => place.push(addr),
                Err(what) => r.fault(&format!("{path}.{i}"), what),
            }
        }
    }
    if s.node.external.iter().any(|a| a.contains("/0.0.0.0/") || a.contains("/::/")) {
        r.fault("node.external", "0.0.0.0 is no address that others reach");
    }
    if let Some(text) = r.take::<String>("api", "listen", "an address such as \"127.0.0.1:7421\"") {
        match text.parse() {
            Ok(addr) => s.api.listen = addr,
            Err(_) => r.fault("api.listen", format!("`{text}` is no address such as 127.0.0.1:{API_PORT}")),
        }
    }
    set(&mut s.api.allow_remote, r.take("api", "allow_remote", "true or false"));
    if !s.api.listen.ip().is_loopback() && !s.api.allow_remote {
        let what = "other machines reach this address and the API speaks plain HTTP; set api.allow_remote = true \
                    only behind a proxy with TLS";
        r.fault("api.listen", what);
    }
    set(&mut s.api.hosts, r.take("api", "hosts", "a list of names, such as [\"lapwing.agency.example\"]"));
    if s.api.hosts.len() > 64 {
        r.fault("api.hosts", format!("has {} names, at most 64", s.api.hosts.len()));
    }
    for (i, host) in s.api.hosts.iter().enumerate().filter(|(_, host)| !is_host(host)) {
        let shown: String = host.chars().take(120).collect();
        r.fault(
            &format!("api.hosts.{i}"),
            format!("`{shown}` is no host: write a name or a name:port, without http://"),
        );
    }
    if let Some(file) = r.take::<PathBuf>("keys", "passphrase_file", "a path") {
        s.keys.passphrase_file = Some(base.join(file));
    }
    let count = "a whole number from 1 to 100000";
    for (key, place) in [
        ("strangers", &mut s.limits.strangers),
        ("members", &mut s.limits.members),
        ("outbound", &mut s.limits.outbound),
    ] {
        set(place, r.take("limits", key, count));
        if *place == 0 || *place > 100_000 {
            r.fault(&format!("limits.{key}"), format!("must be {count}"));
        }
    }
    let bytes = "a whole number of bytes";
    set(&mut s.limits.upload_bytes, r.take("limits", "upload_bytes", bytes));
    set(&mut s.limits.disk_low_bytes, r.take("limits", "disk_low_bytes", bytes));
    if s.limits.upload_bytes == 0 {
        r.fault("limits.upload_bytes", "must be at least 1");
    }
    set(&mut s.log.format, r.take("log", "format", "\"text\" or \"json\""));
    set(&mut s.log.level, r.take("log", "level", "\"error\", \"warn\", \"info\", \"debug\" or \"trace\""));
    set(&mut s.backup.keyring_days, r.take("backup", "keyring_days", "a whole number of days"));
    if !(1..=3650).contains(&s.backup.keyring_days) {
        r.fault("backup.keyring_days", "must be 1 to 3650");
    }
    if let Some(file) = r.take::<PathBuf>("log", "file", "a path") {
        match file.as_os_str().is_empty() {
            true => r.fault("log.file", "must be a path"),
            false => s.log.file = Some(base.join(file)),
        }
    }
    set(&mut s.log.max_bytes, r.take("log", "max_bytes", bytes));
    if s.log.max_bytes < LOG_BYTES_LEAST {
        r.fault("log.max_bytes", format!("must be at least {LOG_BYTES_LEAST}"));
    }
    set(&mut s.log.keep, r.take("log", "keep", "a whole number from 0 to 1000"));
    if s.log.keep > 1000 {
        r.fault("log.keep", "must be a whole number from 0 to 1000");
    }
    if let Some(command) = r.take::<Vec<String>>("notify", "command", "a list: a program and its arguments") {
        match command.first() {
            None => {}
            Some(program) if !Path::new(program).is_absolute() => {
                r.fault("notify.command", format!("the program `{program}` must be an absolute path"));
            }
            Some(_) => s.notify.command = Some(command),
        }
    }
    set(&mut s.policy.auto_clear, r.take("policy", "auto_clear", "true or false"));
    set(&mut s.policy.two_person_submit, r.take("policy", "two_person_submit", "true or false"));
    let days = "a whole number of days from 1 to 3650";
    set(&mut s.backup.remind_days, r.take("backup", "remind_days", days));
    if !(1..=3650).contains(&s.backup.remind_days) {
        r.fault("backup.remind_days", format!("must be {days}"));
    }
    r.finish();
    Ok((s, r))
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EXAMPLE: &str = include_str!("../../../config/lapwing.toml");

    fn faults(text: &str) -> Vec<String> {
        Settings::parse(text, Path::new("/data")).unwrap_err().0.into_iter().map(|f| f.path).collect()
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let settings = Settings::parse("", Path::new("/data")).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.node.listen, ["/ip4/0.0.0.0/tcp/7420"]);
        assert_eq!(settings.api.listen.to_string(), "127.0.0.1:7421");
    }

    #[test]
    fn every_fault_is_told_at_once_by_its_key_path() {
        let text = r#"
            surprise = 1
            [node]
            listen = "nowhere"
            bootstrap = ["/ip4/192.0.2.7/tcp/7420", "/ip4/300.0.0.1/tcp/1"]
            lisen = "0.0.0.0:1"
            [api]
            listen = "0.0.0.0:7421"
            [limits]
            members = 0
            upload_bytes = "many"
            [log]
            level = "loud"
            file = 7
            max_bytes = 10
            keep = -1
            [notify]
            command = ["mail"]
            [backup]
            remind_days = 0
            [elsewhere]
            x = 1
        "#;
        let mut found = faults(text);
        found.sort();
        let expected = [
            "api.listen",
            "backup.remind_days",
            "elsewhere",
            "limits.members",
            "limits.upload_bytes",
            "log.file",
            "log.keep",
            "log.level",
            "log.max_bytes",
            "node.bootstrap.1",
            "node.lisen",
            "node.listen.0",
            "notify.command",
            "surprise",
        ];
        assert_eq!(found, expected);
        assert_eq!(faults("[node"), [""]);
        assert_eq!(faults("node = 1"), ["node"]);
    }

    #[test]
    fn the_api_leaves_loopback_only_where_it_is_said_in_words() {
        let remote = |allow| format!("[api]\nlisten = \"192.0.2.1:80\"\nallow_remote = {allow}");
        assert_eq!(faults(&remote(false)), ["api.listen"]);
        Settings::parse(&remote(true), Path::new("/data")).unwrap();
        Settings::parse("[api]\nlisten = \"[::1]:0\"", Path::new("/data")).unwrap();
    }

    #[test]
    fn hosts_are_names_with_or_without_a_port() {
        let text = "[api]\nhosts = [\"a.example\", \"b.example:8443\", \"[::1]:80\"]";
        assert_eq!(Settings::parse(text, Path::new("/data")).unwrap().api.hosts.len(), 3);
        let bad = "[api]\nhosts = [\"http://a.example\", \"a/b\", \"\", \"a:b\", \"*\"]";
        assert_eq!(faults(bad), ["api.hosts.0", "api.hosts.1", "api.hosts.2", "api.hosts.3", "api.hosts.4"]);
        assert_eq!(faults("[api]\nhosts = \"a.example\""), ["api.hosts"]);
    }

    #[test]
    fn addresses_and_paths_are_read_as_meant() {
        let text = "[node]\nlisten = \"127.0.0.1:0\"\n[keys]\npassphrase_file = \"pass\"\n[log]\nfile = \"node.log\"";
        let settings = Settings::parse(text, Path::new("/data")).unwrap();
        assert_eq!(settings.node.listen, ["/ip4/127.0.0.1/tcp/0"]);
        assert_eq!(settings.keys.passphrase_file, Some(PathBuf::from("/data/pass")));
        assert_eq!(settings.log.file, Some(PathBuf::from("/data/node.log")));
        for good in ["[::1]:1", "/dns4/a.example/tcp/7420/p2p/12D3KooWx", "/ip6/::1/tcp/0"] {
            multiaddr(good).unwrap();
        }
        for bad in [
            "",
            "/",
            "a.example:7420",
            "/dns4//tcp/1",
            "/ip4/1.2.3.4/udp/1",
            "/ip4/1.2.3.4/tcp/70000",
            "/ip4/1.2.3.4/tcp/1/p2p/",
        ] {
            assert!(multiaddr(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_example_file_names_every_key_and_no_other() {
        // keys that are off by default stand in it as comments of the form `#key = value`
        let all: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let table: toml::Table = all.parse().unwrap();
        let mut named: Vec<String> = Vec::new();
        for (section, keys) in &table {
            named.extend(keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")));
        }
        let (_, reader) = read(&all, Path::new("/data")).unwrap();
        assert_eq!(reader.faults, []);
        let mut known = reader.known;
        known.sort();
        named.sort();
        assert_eq!(named, known);
        assert_eq!(Settings::parse(EXAMPLE, Path::new("/data")).unwrap(), Settings::default());
    }
}
