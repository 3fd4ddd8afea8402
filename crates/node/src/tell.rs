//! Telling people, by a command of the administrator's: JSON on its standard input (defaults, "Notify").

use crate::office::Office;
use lapwing_engine::fact::Notice;
use lapwing_engine::step::Input;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Seconds that the command may take.
const TIMEOUT_S: u64 = 30;

/// Tells people of a notice and the driver how it went. With no command configured, the line in `lapwing status` counts.
pub async fn tell(office: Arc<Office>, notice: Notice) {
    let id = notice.id();
    let (by, failed) = match &office.settings.notify.command {
        None => ("status".to_owned(), None),
        Some(command) => {
            let by = command.first().cloned().unwrap_or_default();
            (by, run(command, &json(&office, &notice)).await.err())
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

async fn run(command: &[String], json: &str) -> Result<(), String> {
    let (program, args) = command.split_first().ok_or("the command is empty")?;
    let mut child = tokio::process::Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("`{program}` does not start: {e}"))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let work = async {
        // a command that does not read its input may close it early: its exit status decides
        let _ = stdin.write_all(json.as_bytes()).await;
        drop(stdin);
        child.wait().await.map_err(|e| e.to_string())
    };
    match tokio::time::timeout(Duration::from_secs(TIMEOUT_S), work).await {
        Err(_) => Err(format!("`{program}` took longer than {TIMEOUT_S} seconds")),
        Ok(Err(why)) => Err(why),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{program}` ended with {status}")),
    }
}
