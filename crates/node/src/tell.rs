//! Telling people, by a command of the administrator's: JSON on its standard input (defaults, "Notify").

use crate::config::NotifySettings;
use crate::office::Office;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::NotifyTested;
use lapwing_engine::fact::Notice;
use lapwing_engine::step::Input;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Seconds that the command may take.
const TIMEOUT_S: u64 = 30;
/// Bytes of its standard error that are kept.
const STDERR_BYTES: usize = 512;

/// Tells people of a notice and the driver how it went. With no command configured, the line in `lapwing status` counts.
pub async fn tell(office: Arc<Office>, notice: Notice) {
    let id = notice.id();
    let (by, failed) = match &office.settings.notify.command {
        None => ("status".to_owned(), None),
        Some(command) => {
            let by = command.first().cloned().unwrap_or_default();
            (by, run(command, &json(&office, &notice)).await.ended.err())
        }
    };
    if let Some(why) = &failed {
        tracing::warn!(%why, "people could not be told; tried again");
    }
    office.tell(Input::Notified { notice: id, by, failed }).await;
}

fn json(office: &Office, notice: &Notice) -> String {
    let view = office.view();
    let name = |pid: &lapwing_record::id::Pid| {
        view.state.federation.inception(pid).map(|i| i.short_name.clone()).unwrap_or_else(|| pid.to_string())
    };
    serde_json::json!({
        "id": notice.id().to_string(),
        "kind": notice.kind.code(),
        "about": notice.about.as_ref().map(name),
        "subject": notice.subject.map(|s| s.to_string()),
        "at_ms": notice.at,
        "until_ms": notice.until,
    })
    .to_string()
}

/// Runs the command with a notice that says in several ways that it is a test.
pub async fn test(settings: &NotifySettings) -> Result<NotifyTested, Problem> {
    let Some(command) = &settings.command else {
        return Err(Problem::new(Code::Conflict, "no `[notify] command` is set: there is nothing to test")
            .hint("Set it in config.toml and start the node again."));
    };
    let notice = serde_json::json!({
        "id": "test",
        "kind": "test",
        "test": true,
        "words": "This is a test of this node's notices. Nothing has happened.",
        "about": null,
        "subject": null,
        "at_ms": crate::office::now_ms(),
        "until_ms": null,
    });
    let begun = Instant::now();
    let ran = run(command, &notice.to_string()).await;
    Ok(NotifyTested {
        ok: ran.ended.is_ok(),
        program: command.first().cloned().unwrap_or_default(),
        exit_code: ran.exit_code,
        failure: ran.ended.err(),
        stderr: ran.stderr,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What became of a run of the command.
struct Ran {
    /// Whether it ended with success, or why that does not count.
    ended: Result<(), String>,
    exit_code: Option<i32>,
    /// The first line of its standard error.
    stderr: Option<String>,
}

async fn run(command: &[String], json: &str) -> Ran {
    let not_begun = |why: String| Ran { ended: Err(why), exit_code: None, stderr: None };
    let Some((program, args)) = command.split_first() else { return not_begun("the command is empty".into()) };
    let spawned = tokio::process::Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => return not_begun(format!("`{program}` does not start: {e}")),
    };
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let complaint = tokio::spawn(first_line(stderr));
    let work = async {
        if let Some(mut stdin) = stdin {
            // a command that does not read its input may close it early: its exit status decides
            let _ = stdin.write_all(json.as_bytes()).await;
        }
        child.wait().await
    };
    let (ended, exit_code) = match tokio::time::timeout(Duration::from_secs(TIMEOUT_S), work).await {
        Err(_) => (Err(format!("`{program}` took longer than {TIMEOUT_S} seconds")), None),
        Ok(Err(e)) => (Err(e.to_string()), None),
        Ok(Ok(status)) if status.success() => (Ok(()), status.code()),
        Ok(Ok(status)) => (Err(format!("`{program}` ended with {status}")), status.code()),
    };
    // something that it left running may hold its standard error open
    let stderr = tokio::time::timeout(Duration::from_secs(1), complaint).await;
    Ran { ended, exit_code, stderr: stderr.ok().and_then(Result::ok).flatten() }
}

/// The first line that comes, bounded; what follows is read and dropped, so that nobody waits for room.
async fn first_line(stderr: Option<tokio::process::ChildStderr>) -> Option<String> {
    let mut stderr = stderr?;
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut piece).await {
        let room = STDERR_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..n.min(room)]);
    }
    let text = String::from_utf8_lossy(&kept);
    let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).collect();
    (!line.trim().is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> NotifySettings {
        NotifySettings { command: Some(vec!["/bin/sh".into(), "-c".into(), script.into()]) }
    }

    #[tokio::test]
    async fn a_test_notice_is_recognisable_and_its_command_is_told_of_as_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("notice.json");
        let good = test(&shell(&format!("cat > {}; echo sent >&2", file.display()))).await.unwrap();
        assert!(good.ok && good.exit_code == Some(0) && good.failure.is_none(), "{good:?}");
        assert_eq!(good.stderr.as_deref(), Some("sent"));
        let notice: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!((notice["kind"].as_str(), notice["test"].as_bool()), (Some("test"), Some(true)));
        let bad = test(&shell("echo 'no route to mail' >&2; echo more >&2; exit 7")).await.unwrap();
        assert_eq!((bad.ok, bad.exit_code), (false, Some(7)));
        assert_eq!(bad.stderr.as_deref(), Some("no route to mail"));
        assert!(bad.failure.unwrap().contains("/bin/sh"));
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_and_none_at_all_are_told_apart() {
        let gone = NotifySettings { command: Some(vec!["/nowhere/mail".into()]) };
        let gone = test(&gone).await.unwrap();
        assert!(!gone.ok && gone.failure.unwrap().contains("does not start"));
        assert_eq!(test(&NotifySettings { command: None }).await.unwrap_err().code, Code::Conflict);
    }

    #[tokio::test]
    async fn a_command_that_complains_at_length_is_not_held_up() {
        let loud = test(&shell("head -c 1000000 /dev/zero | tr '\\0' x >&2")).await.unwrap();
        assert!(loud.ok, "{:?}", loud.failure);
        assert_eq!(loud.stderr.unwrap().len(), STDERR_BYTES);
    }
}
