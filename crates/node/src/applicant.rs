//! Applying: submit to agencies, ask how it stands, and join when admitted (protocol §4.2, annex §7.5).

use crate::links::{Applying, Links};
use crate::office::{Office, View};
use lapwing_engine::membership::Standing;
use lapwing_engine::step::Input;
use lapwing_net::message::Protocol;
use lapwing_record::cbor::encode;
use lapwing_record::id::Pid;
use lapwing_record::membership::Application;
use lapwing_record::wire::{ApplyAnswer, ApplyRequest, MAX_APPLY, read};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Submits and asks until this node's own fold shows it in full standing.
pub async fn run(office: Arc<Office>, links: Arc<Links>, application: Application) {
    let window = office.view().state.federation.charter().params.window_ms;
    let every = if window < 60 * 60 * 1000 { Duration::from_secs(1) } else { Duration::from_secs(60) };
    loop {
        tokio::select! {
            () = office.stopped() => return,
            () = tokio::time::sleep(every) => {}
        }
        if matches!(office.view().state.my_standing(), Some(Standing::Participant | Standing::Left)) {
            continue;
        }
        for (peer, pid) in links.connected() {
            let submitted = state(&links, |s| s.submitted.contains(&pid));
            let request =
                if submitted { ApplyRequest::Status(office.me) } else { ApplyRequest::Submit(application.clone()) };
            let answer = links.request(peer, Protocol::Apply, encode(&request)).await;
            let answer = answer.and_then(|b| read::<ApplyAnswer>(&b, MAX_APPLY).map_err(|e| e.to_string()));
            state(&links, |s| match answer {
                Ok(ApplyAnswer::State(told)) => {
                    s.submitted.insert(pid);
                    s.told = Some(told);
                    s.trouble = None;
                }
                Ok(ApplyAnswer::Refused(why)) | Err(why) => s.trouble = Some(why),
            });
        }
    }
}

fn state<T>(links: &Links, change: impl FnOnce(&mut Applying) -> T) -> T {
    change(&mut links.application.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Answers an apply request: takes an application, or tells how the asker's own stands. Nothing else is told: of others
/// the answer is the same as of those that nobody knows.
pub async fn serve(office: &Office, asker: Option<Pid>, bytes: &[u8]) -> ApplyAnswer {
    match read::<ApplyRequest>(bytes, MAX_APPLY) {
        Err(e) => ApplyAnswer::Refused(e.to_string()),
        Ok(ApplyRequest::Status(pid)) if asker != Some(pid) => ApplyAnswer::State("unknown".into()),
        Ok(ApplyRequest::Status(pid)) => ApplyAnswer::State(standing(&office.view(), &pid)),
        Ok(ApplyRequest::Submit(application)) => {
            let pid = application.id_log.first().map(|e| e.header().pid);
            let taken = office.ask(move |reply| Input::Apply { application: Box::new(application), reply }).await;
            match (taken, pid) {
                (Ok(Ok(_)), Some(pid)) => ApplyAnswer::State(standing(&office.view(), &pid)),
                (Ok(Err(refused)), _) => {
                    crate::audit::note_refused_peer(office, pid, "apply", String::new(), refused.code()).await;
                    ApplyAnswer::Refused(refused.to_string())
                }
                (Err(problem), _) => ApplyAnswer::Refused(problem.detail),
                (_, None) => ApplyAnswer::Refused("an application without a log".into()),
            }
        }
    }
}

fn standing(view: &View, pid: &Pid) -> String {
    match view.state.federation.standing(pid) {
        Some(standing) => standing.as_str().to_owned(),
        None if view.state.inbox.get(pid).is_some() => "submitted".into(),
        None => "unknown".into(),
    }
}
