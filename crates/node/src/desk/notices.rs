//! What people were told, by what and when.

use super::names::named;
use super::time::rfc3339;
use super::{Answer, Desk, whole};
use lapwing_api::service::Call;
use lapwing_api::types::NoticeView;
use lapwing_engine::fact::{Notice, NoticeKind};
use lapwing_engine::state::{Noticed, State};
use lapwing_record::id::{Digest, Pid};

impl Desk {
    pub(super) fn notices(&self, _: &Call) -> Answer {
        let view = self.view();
        let mut rows: Vec<(&Digest, &Noticed)> = view.state.notices.iter().collect();
        rows.sort_by_key(|(_, n)| std::cmp::Reverse(n.notice.at));
        whole(rows.into_iter().map(|(id, n)| notice(&view.state, id, n)).collect(), &view)
    }
}

fn notice(state: &State, id: &Digest, noticed: &Noticed) -> NoticeView {
    let n = &noticed.notice;
    NoticeView {
        id: id.to_string(),
        kind: n.kind.code().into(),
        words: in_words(state, n),
        at: rfc3339(n.at),
        until: n.until.map(rfc3339),
        told_at: noticed.told.as_ref().map(|(at, _)| rfc3339(*at)),
        told_by: noticed.told.as_ref().map(|(_, by)| by.clone()),
        failures: noticed.failures.0,
        failure: noticed.failures.1.clone(),
    }
}

/// A notice in a sentence. Nothing of a case's content is known here.
pub(super) fn in_words(state: &State, n: &Notice) -> String {
    let who = n.about.as_ref().map_or_else(|| "somebody".to_owned(), |pid| named(state, pid).short_name);
    let until = n.until.map_or_else(String::new, |at| format!(" until {}", rfc3339(at)));
    match n.kind {
        NoticeKind::Introduced => format!("{who} asks to take part; officers may object{until}"),
        NoticeKind::WindowEnds72 => format!("the window for {} ends within 72 hours{until}", subject(state, n, &who)),
        NoticeKind::WindowEnds24 => format!("the window for {} ends within 24 hours{until}", subject(state, n, &who)),
        NoticeKind::Objection => format!("{who} objects to {}", against(state, n)),
        NoticeKind::ReferralStored => format!("a referral of {who} was stored here"),
        NoticeKind::DeliveryFailing => format!("a statement to {who} could not be delivered"),
        NoticeKind::LogContested => {
            format!("a log of {who} is contested: two different entries at one place, both signed")
        }
        NoticeKind::AmendmentMoved => format!("{who} moves to amend the Params"),
        NoticeKind::ItemOverdue => {
            let since = n.until.map_or_else(String::new, |at| format!(" since {}", rfc3339(at)));
            format!("something in the case {} with {who} is overdue{since}", thread(n))
        }
        NoticeKind::ReferralRecalled => format!("{who} recalls the case {}: say what became of its content", thread(n)),
    }
}

fn thread(n: &Notice) -> String {
    n.subject.map_or_else(String::new, |s| s.short())
}

fn subject(state: &State, n: &Notice, who: &str) -> String {
    if n.about.is_some() { who.to_owned() } else { against(state, n) }
}

fn against(state: &State, n: &Notice) -> String {
    let Some(subject) = n.subject else { return "somebody".into() };
    let pid = Pid(subject.0);
    match state.federation.inception(&pid) {
        Some(i) => i.short_name.clone(),
        None => format!("the amendment {}", subject.short()),
    }
}
