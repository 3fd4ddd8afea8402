//! A PostgreSQL of its own: a cluster in a temporary folder, an own port on loopback, the same rows with the indexes that
//! somebody who knows it would make. Only with the feature `postgres`, and where it is installed.

/// One case, for it.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
pub struct Row {
    /// The thread.
    pub thread: String,
    /// Stage, class and role, with the other side: what a row of a list shows.
    pub stage: &'static str,
    /// By which channel.
    pub channel: &'static str,
    /// The subject line.
    pub subject: String,
    /// Milliseconds UTC.
    pub submitted: i64,
    /// Milliseconds UTC.
    pub changed: i64,
    /// Everything that can be found by words.
    pub text: String,
    /// Domains, and addresses.
    pub domains: Vec<String>,
    /// Addresses.
    pub ips: Vec<String>,
    /// Whatever else is found whole.
    pub others: Vec<String>,
}

#[cfg(not(feature = "postgres"))]
pub use absent::Postgres;
#[cfg(feature = "postgres")]
pub use present::Postgres;

#[cfg(not(feature = "postgres"))]
mod absent {
    use std::path::Path;
    use std::time::Duration;

    /// Nobody.
    pub enum Postgres {}

    impl Postgres {
        /// Never there in this build.
        pub fn begin(_: &Path, _: impl Iterator<Item = super::Row>) -> anyhow::Result<Option<Self>> {
            eprintln!("  query: without PostgreSQL: this program was built without the feature `postgres`");
            Ok(None)
        }
        /// Never asked.
        pub fn by_domain(&mut self, _: &str, _: i64) -> anyhow::Result<(Duration, usize)> {
            match *self {}
        }
        /// Never asked.
        pub fn by_ip(&mut self, _: &str, _: i64) -> anyhow::Result<(Duration, usize)> {
            match *self {}
        }
        /// Never asked.
        pub fn by_stage(&mut self, _: &str, _: i64, _: i64) -> anyhow::Result<(Duration, usize)> {
            match *self {}
        }
        /// Never asked.
        pub fn by_words(&mut self, _: &str, _: Option<(&str, &str, i64)>, _: i64) -> anyhow::Result<(Duration, usize)> {
            match *self {}
        }
    }
}

#[cfg(feature = "postgres")]
mod present {
    use super::Row;
    use anyhow::{Context, ensure};
    use postgres::types::ToSql;
    use postgres::{Client, NoTls, Statement};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    const COLUMNS: &str = "c.thread, c.stage, c.channel, c.subject, c.submitted, c.changed, c.peer, c.tlp, c.harm";

    /// A running server, ended with its folder whatever happens.
    struct Server {
        child: Child,
        dir: PathBuf,
        programs: PathBuf,
        user: Option<(u32, u32)>,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let mut stop = command(&self.programs.join("pg_ctl"), &self.dir, self.user);
            let stopped = stop.args(["stop", "-m", "immediate", "-D"]).arg(self.dir.join("data")).status();
            if !stopped.is_ok_and(|s| s.success()) {
                // gone already, perhaps
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    /// A running one, with the rows in it.
    pub struct Postgres {
        client: Client,
        _server: Server,
        domain: Statement,
        ip: Statement,
        stage: Statement,
        words: Statement,
        filtered: Statement,
    }

    /// Where the programs are.
    fn programs() -> Option<PathBuf> {
        let mut found: Vec<PathBuf> =
            std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path()).collect();
        found.sort();
        found.into_iter().rev().map(|p| p.join("bin")).find(|p| p.join("initdb").is_file())
    }

    /// The user `postgres`, where this process is root: it refuses to run as root.
    fn user() -> Option<(u32, u32)> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        let line = passwd.lines().find(|l| l.starts_with("postgres:"))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    fn command(program: &Path, dir: &Path, user: Option<(u32, u32)>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    }

    impl Postgres {
        /// Starts one and fills it; none where it is not installed.
        pub fn begin(_: &Path, rows: impl Iterator<Item = Row>) -> anyhow::Result<Option<Self>> {
            let Some(programs) = programs() else {
                eprintln!("  query: without PostgreSQL: it is not installed here");
                return Ok(None);
            };
            let root = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m))? == 0;
            let user = if root { user() } else { None };
            // a folder that the other user may enter
            let dir = tempfile::Builder::new().prefix("lapwing-bench-pg-").tempdir()?.keep();
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
            if let Some((uid, gid)) = user {
                std::os::unix::fs::chown(&dir, Some(uid), Some(gid))?;
            }
            let data = dir.join("data");
            let made = command(&programs.join("initdb"), &dir, user)
                .args(["-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
                .arg(&data)
                .status()?;
            ensure!(made.success(), "initdb failed");
            let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let settings = [
                "listen_addresses=127.0.0.1".to_owned(),
                format!("port={port}"),
                format!("unix_socket_directories={}", dir.display()),
                "shared_buffers=512MB".into(),
                "maintenance_work_mem=256MB".into(),
                "jit=off".into(),
            ];
            let mut server = command(&programs.join("postgres"), &dir, user);
            server.arg("-D").arg(&data).stderr(std::fs::File::create(dir.join("log"))?);
            for setting in settings {
                server.args(["-c", &setting]);
            }
            let child = server.spawn()?;
            let server = Server { child, dir: dir.clone(), programs: programs.clone(), user };
            let begun = Instant::now();
            let client = loop {
                match Client::connect(&format!("host=127.0.0.1 port={port} user=bench dbname=postgres"), NoTls) {
                    Ok(client) => break client,
                    Err(error) if begun.elapsed() > Duration::from_secs(30) => return Err(error.into()),
                    Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            };
            let mut client = client;
            fill(&mut client, rows)?;
            let exact = |join: &str| {
                format!(
                    "SELECT {COLUMNS} FROM cases c WHERE c.id IN (SELECT i.case_id FROM {join}) \
                     ORDER BY c.changed DESC, c.id LIMIT $2"
                )
            };
            // a name and what is below it, by the labels turned round
            let domain = client
                .prepare(&exact("domains i WHERE i.rev = $1 OR (i.rev ~>=~ ($1 || '.') AND i.rev ~<~ ($1 || '/'))"))?;
            let ip = client.prepare(&exact("ips i WHERE i.ip = $1::text::inet"))?;
            let stage = client.prepare(&format!(
                "SELECT {COLUMNS} FROM cases c WHERE c.stage = $1 AND c.changed >= $2 ORDER BY c.changed DESC, c.id LIMIT $3"
            ))?;
            let by_rank = |more: &str, limit: &str| {
                format!(
                    "SELECT {COLUMNS} FROM cases c, plainto_tsquery('simple', $1) q WHERE c.body @@ q {more} \
                     ORDER BY ts_rank(c.body, q) DESC LIMIT {limit}"
                )
            };
            let words = client.prepare(&by_rank("", "$2"))?;
            let filtered = client.prepare(&by_rank("AND c.stage = $2 AND c.channel = $3 AND c.changed >= $4", "$5"))?;
            Ok(Some(Postgres { client, _server: server, domain, ip, stage, words, filtered }))
        }

        fn ask(
            &mut self,
            which: impl Fn(&Self) -> Statement,
            params: &[&(dyn ToSql + Sync)],
        ) -> anyhow::Result<(Duration, usize)> {
            let statement = which(self);
            let begun = Instant::now();
            let rows = self.client.query(&statement, params)?;
            // as a program would that shows them
            let shown: usize = rows.iter().map(|r| r.get::<_, String>(0).len() + r.get::<_, String>(3).len()).sum();
            let took = begun.elapsed();
            ensure!(shown > 0 || rows.is_empty(), "rows without content");
            Ok((took, rows.len()))
        }

        /// A domain and what is below it.
        pub fn by_domain(&mut self, domain: &str, limit: i64) -> anyhow::Result<(Duration, usize)> {
            let rev = turned(domain);
            self.ask(|p| p.domain.clone(), &[&rev, &limit])
        }

        /// An address.
        pub fn by_ip(&mut self, ip: &str, limit: i64) -> anyhow::Result<(Duration, usize)> {
            self.ask(|p| p.ip.clone(), &[&ip, &limit])
        }

        /// A stage, changed since.
        pub fn by_stage(&mut self, stage: &str, since: i64, limit: i64) -> anyhow::Result<(Duration, usize)> {
            self.ask(|p| p.stage.clone(), &[&stage, &since, &limit])
        }

        /// Words, by rank; with stage, channel and a date.
        pub fn by_words(
            &mut self,
            words: &str,
            filters: Option<(&str, &str, i64)>,
            limit: i64,
        ) -> anyhow::Result<(Duration, usize)> {
            match filters {
                None => self.ask(|p| p.words.clone(), &[&words, &limit]),
                Some((stage, channel, since)) => {
                    self.ask(|p| p.filtered.clone(), &[&words, &stage, &channel, &since, &limit])
                }
            }
        }
    }

    fn turned(domain: &str) -> String {
        domain.split('.').rev().collect::<Vec<_>>().join(".")
    }

    fn fill(client: &mut Client, rows: impl Iterator<Item = Row>) -> anyhow::Result<()> {
        client.batch_execute(
            "CREATE TABLE cases (id int PRIMARY KEY, thread text, stage text, channel text, subject text, submitted bigint,
                                 changed bigint, peer text, tlp text, harm text, body tsvector);
             CREATE TABLE domains (rev text, case_id int);
             CREATE TABLE ips (ip inet, case_id int);
             CREATE TABLE others (value text, case_id int);
             CREATE TEMP TABLE given (id int, thread text, stage text, channel text, subject text, submitted bigint,
                                      changed bigint, body text);",
        )?;
        let (mut domains, mut ips, mut others) = (String::new(), String::new(), String::new());
        let mut given = client.copy_in("COPY given FROM STDIN")?;
        for (id, row) in rows.enumerate() {
            let Row { thread, stage, channel, subject, submitted, changed, text, .. } = &row;
            writeln!(given, "{id}\t{thread}\t{stage}\t{channel}\t{subject}\t{submitted}\t{changed}\t{text}")?;
            row.domains.iter().for_each(|d| domains.push_str(&format!("{}\t{id}\n", turned(d))));
            row.ips.iter().for_each(|ip| ips.push_str(&format!("{ip}\t{id}\n")));
            row.others.iter().for_each(|o| others.push_str(&format!("{o}\t{id}\n")));
        }
        given.finish()?;
        for (table, lines) in [("domains", domains), ("ips", ips), ("others", others)] {
            let mut copy = client.copy_in(&format!("COPY {table} FROM STDIN"))?;
            copy.write_all(lines.as_bytes())?;
            copy.finish().context("identifiers")?;
        }
        client.batch_execute(
            "INSERT INTO cases SELECT id, thread, stage, channel, subject, submitted, changed, 'agency-1', 'AMBER+STRICT',
                    '{\"low\":28,\"high\":70,\"class\":\"substantial\"}', to_tsvector('simple', body) FROM given;
             CREATE INDEX ON domains (rev text_pattern_ops);
             CREATE INDEX ON ips (ip);
             CREATE INDEX ON others (value);
             CREATE INDEX ON cases (stage, changed DESC);
             CREATE INDEX ON cases (changed DESC);
             CREATE INDEX ON cases USING gin (body);
             DROP TABLE given;",
        )?;
        client.batch_execute("VACUUM ANALYZE")?;
        Ok(())
    }
}
