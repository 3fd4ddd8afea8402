//! Searches over two nodes' cases: what is found, by whom, and what is gone after an erasure.

#![allow(clippy::unwrap_used)]

use super::*;
use lapwing_api::types::{Page, ReferralRow, SavedRun, SearchFacets, Seen};
use lapwing_record::form::{Identifier, IdentifierKind, Party, PartyRole};

fn about(narrative: &str, identifiers: &[(IdentifierKind, &str)]) -> Value {
    let mut sender = Party::new(PartyRole::SuspectedSender);
    sender.names = vec!["Parcel Prize Office".into()];
    sender.identifiers = identifiers.iter().map(|(kind, value)| Identifier::new(*kind, *value)).collect();
    let form = Form {
        narrative: Some(narrative.into()),
        parties: Some(vec![sender]),
        retention_until: Some("2030-01-31".into()),
        ..sample()
    };
    serde_json::to_value(form).unwrap()
}

impl TestNode {
    async fn refer(&self, to: &str, form: Value) -> String {
        let thread = self.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().to_owned();
        self.json(Op::Submit, &[("thread", &thread)], json!({ "to": to, "form": form })).await;
        thread
    }

    async fn rows(&self, filters: &[(&str, &str)]) -> Vec<ReferralRow> {
        let page: Page<ReferralRow> =
            serde_json::from_value(self.json(Op::Search, filters, Value::Null).await).unwrap();
        assert_eq!(page.next, None);
        page.items
    }

    async fn finds(&self, filters: &[(&str, &str)]) -> Vec<String> {
        self.rows(filters).await.into_iter().map(|r| r.thread).collect()
    }

    async fn seen(&self, values: &[&str]) -> Seen {
        let asks: Vec<Value> = values.iter().map(|v| json!({ "value": v })).collect();
        serde_json::from_value(self.json(Op::Seen, &[], json!({ "identifiers": asks })).await).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_a_moment_ago_is_found_by_everything_it_can_be_found_by() {
    let (harbor, polder, _) = pair().await;
    harbor.publish_contact().await;
    use IdentifierKind as K;
    let first = harbor
        .refer(
            "polder",
            about(
                "Forty complaints about quokkas.",
                &[(K::Domain, "shop.prize.example"), (K::Ip, "198.51.100.77"), (K::Email, "office@mail.prize.example")],
            ),
        )
        .await;
    let second = harbor.refer("polder", about("Another matter of wombats.", &[(K::Ip, "2001:db8:7::1")])).await;
    let both = || vec![second.clone(), first.clone()];
    // as soon as the answer was there
    for (filters, found) in [
        (&[("text", "quokkas")][..], vec![first.clone()]),
        (&[("text", "QUOKKA* complaints")], vec![first.clone()]),
        (&[("text", "\"prize office\""), ("order", "submitted")], both()),
        (&[("text", "parcel -wombats")], vec![first.clone()]),
        (&[("domain", "prize.example")], vec![first.clone()]),
        (&[("domain", "shop.prize.example")], vec![first.clone()]),
        (&[("domain", "www.shop.prize.example")], vec![]),
        (&[("ip", "198.51.100.0/24")], vec![first.clone()]),
        (&[("ip", "2001:db8::/32")], vec![second.clone()]),
        (&[("identifier", "OFFICE@mail.prize.example")], vec![first.clone()]),
        (&[("own_ref", "hb-2026-001"), ("order", "submitted")], both()),
        (&[("other_ref", "hb-2026-001")], vec![]),
        (
            &[("stage", "submitted,closed"), ("role", "requester"), ("with", "polder"), ("text", "wombats")],
            vec![second.clone()],
        ),
        (&[("role", "target")], vec![]),
        (&[("submitted_since", "2020-01-01"), ("text", "wombats")], vec![second.clone()]),
        (&[("submitted_until", "2020-01-01")], vec![]),
        (&[("conduct", "advance_fee"), ("channel", "email"), ("text", "quokkas")], vec![first.clone()]),
        (&[("channel", "sms")], vec![]),
    ] {
        assert_eq!(harbor.finds(filters).await, found, "{filters:?}");
    }
    let row = harbor.rows(&[("text", "wombats")]).await.remove(0);
    let listed: Page<ReferralRow> = serde_json::from_value(harbor.json(Op::Referrals, &[], Value::Null).await).unwrap();
    let listed = listed.items.into_iter().find(|r| r.thread == second).unwrap();
    assert_eq!((row.subject, row.harm), (listed.subject, listed.harm), "the same row as in the list");

    until("both arrived", || polder.office.view().state.cases.size() == 2).await;
    assert_eq!(polder.finds(&[("other_ref", "HB-2026-001"), ("text", "quokkas")]).await, [first.as_str()]);
    assert_eq!(polder.finds(&[("own_ref", "HB-2026-001")]).await, [] as [&str; 0]);

    // what is said later is found on both sides
    polder.json(Op::Say, &[("thread", &first)], json!({ "kind": "need_info", "text": "Which numbat?" })).await;
    assert_eq!(polder.finds(&[("text", "numbat")]).await, [first.as_str()]);
    assert_eq!(polder.finds(&[("stage", "info_needed")]).await, [first.as_str()]);
    until("the question arrived", || harbor.office.view().state.cases.values().any(|c| !c.answered.is_empty())).await;
    assert_eq!(harbor.finds(&[("text", "numbat"), ("stage", "info_needed")]).await, [first.as_str()]);
    assert_eq!(harbor.finds(&[("stage", "submitted")]).await, [second.as_str()], "it moved on");

    let facets: SearchFacets =
        serde_json::from_value(harbor.json(Op::SearchFacets, &[("text", "office")], Value::Null).await).unwrap();
    assert_eq!(facets.total, 2);
    let of = |facet: &str| facets.facets[facet].iter().map(|c| (c.value.as_str(), c.count)).collect::<Vec<_>>();
    assert_eq!(of("stage"), [("submitted", 1), ("info_needed", 1)]);
    assert_eq!((of("with"), of("channel")), (vec![("polder", 2)], vec![("email", 2)]));
    assert_eq!(of("conduct").len(), 2);
    let some = harbor.json(Op::SearchFacets, &[("facets", "stage,month")], Value::Null).await;
    assert_eq!(some["facets"].as_object().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_search_follow_each_other() {
    let (harbor, _polder, _) = pair().await;
    harbor.publish_contact().await;
    for n in 0..5 {
        harbor.refer("polder", about(&format!("Matter {n} of spam."), &[])).await;
    }
    // a receipt changes its case, which moves it to the front
    until("all are delivered", || harbor.office.view().state.outbox.is_empty()).await;
    for order in ["changed", "submitted_oldest", "relevance"] {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut filters = vec![("text", "spam"), ("order", order), ("limit", "2")];
            if let Some(cursor) = &cursor {
                filters.push(("cursor", cursor));
            }
            let page = harbor.json(Op::Search, &filters, Value::Null).await;
            all.extend(page["items"].as_array().unwrap().iter().map(|r| r["thread"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "{order}");
    }
    let problem = harbor.problem(Op::Search, &[("text", "spam"), ("cursor", "77")], Value::Null).await;
    assert_eq!(problem.code, Code::Malformed);
    let problem = harbor.problem(Op::Search, &[("stage", "lost"), ("ip", "x")], Value::Null).await;
    let paths: Vec<&str> = problem.faults.iter().map(|f| f.path.as_str()).collect();
    assert_eq!((problem.code, paths), (Code::Malformed, vec!["ip", "stage"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_something_was_seen_is_told_with_where_and_as_what_and_clearly_when_not() {
    let (harbor, polder, _) = pair().await;
    harbor.publish_contact().await;
    use IdentifierKind as K;
    let ids = [(K::Domain, "prize.example"), (K::Url, "https://a.prize.example/x"), (K::Ip, "198.51.100.77")];
    let thread = harbor.refer("polder", about("Spam.", &ids)).await;
    until("it arrived", || polder.office.view().state.cases.size() == 1).await;
    for node in [&harbor, &polder] {
        let seen =
            node.seen(&["x.prize.example", "198.51.100.0/24", "prize.example", "other.example", "192.0.2.1"]).await;
        let flags: Vec<bool> = seen.items.iter().map(|a| a.seen).collect();
        assert_eq!(flags, [true, true, true, false, false]);
        let found = |n: usize| {
            let ids = &seen.items[n].cases[0].identifiers;
            ids.iter().map(|i| (i.relation.as_str(), i.value.as_str(), i.party.as_str())).collect::<Vec<_>>()
        };
        assert_eq!(found(0), [("above", "prize.example", "suspected_sender")], "a parent of the host");
        assert_eq!(found(1), [("inside", "198.51.100.77", "suspected_sender")]);
        assert_eq!(found(2)[0].0, "same");
        assert_eq!(found(2)[1], ("below", "https://a.prize.example/x", "suspected_sender"));
        assert_eq!(seen.items[2].cases[0].case.thread, thread);
    }
    let seen = harbor.seen(&["198.51.100.77"]).await;
    assert_eq!(seen.items[0].cases[0].case.with.short_name, "polder");
    let body = json!({ "identifiers": [{ "kind": "domain", "value": "a" }, { "value": "" }], "cases": 0 });
    let problem = harbor.problem(Op::Seen, &[], body).await;
    let paths: Vec<&str> = problem.faults.iter().map(|f| f.path.as_str()).collect();
    assert_eq!((problem.code, paths), (Code::Invalid, vec!["cases", "identifiers.0.value", "identifiers.1.value"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_case_is_found_by_nothing_and_no_file_of_the_index_holds_it() {
    let (harbor, _polder, _) = pair().await;
    harbor.publish_contact().await;
    let erased = harbor.refer("polder", about("Of quokkas.", &[(IdentifierKind::Domain, "gone.example")])).await;
    let kept = harbor.refer("polder", about("Of quokkas too.", &[(IdentifierKind::Domain, "kept.example")])).await;
    assert_eq!(harbor.finds(&[("text", "quokkas"), ("order", "submitted")]).await, [kept.as_str(), erased.as_str()]);
    let saved = json!({ "name": "quokkas", "filters": { "text": "quokkas" } });
    harbor.json(Op::SearchSave, &[], saved).await;
    harbor.json(Op::SearchRun, &[("name", "quokkas")], Value::Null).await;
    let names = || -> Vec<_> {
        let entries = std::fs::read_dir(harbor.folder.search()).unwrap().map(|e| e.unwrap().file_name());
        entries.filter(|n| n.to_string_lossy().ends_with(".term")).collect()
    };
    let before = names();
    let thread: ThreadId = erased.parse().unwrap();
    assert!(harbor.office.search.holds(&thread));

    harbor.json(Op::CaseErase, &[("thread", &erased)], Value::Null).await;

    assert!(!harbor.office.search.holds(&thread), "no file holds it when the answer is there");
    assert!(before.iter().all(|name| !names().contains(name)), "the segments that held it are written anew");
    assert_eq!(harbor.finds(&[("text", "quokkas")]).await, [kept.as_str()]);
    assert_eq!(harbor.finds(&[("domain", "gone.example")]).await, [] as [&str; 0]);
    assert!(!harbor.seen(&["gone.example"]).await.items[0].seen);
    assert_eq!(harbor.finds(&[]).await, [kept.as_str()]);
    let run: SavedRun =
        serde_json::from_value(harbor.json(Op::SearchRun, &[("name", "quokkas")], Value::Null).await).unwrap();
    assert_eq!((run.found, run.gone), (1, 0), "it is not even remembered as found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_search_tells_what_is_new_since_it_was_last_run() {
    let (harbor, polder, _) = pair().await;
    harbor.publish_contact().await;
    let first = harbor.refer("polder", about("Of quokkas.", &[])).await;
    let delivered = |n: usize| {
        let state = harbor.office.view().state.clone();
        state.outbox.is_empty() && state.cases.size() == n
    };
    until("it is delivered", || delivered(1)).await;
    let saved = json!({ "name": "daily", "filters": { "text": "quokkas", "stage": "submitted,info_needed" } });
    let saved = harbor.json(Op::SearchSave, &[], saved).await;
    assert_eq!((&saved["shared"], &saved["ran"]), (&json!(false), &Value::Null));
    let run = async || -> SavedRun {
        serde_json::from_value(harbor.json(Op::SearchRun, &[("name", "daily")], Value::Null).await).unwrap()
    };
    let news = |run: &SavedRun| run.news.iter().map(|n| (n.news.clone(), n.case.thread.clone())).collect::<Vec<_>>();
    let one = run().await;
    assert_eq!((one.before.is_none(), one.found, news(&one)), (true, 1, vec![("new".into(), first.clone())]));
    let again = run().await;
    assert_eq!((again.before.is_some(), again.found, again.news.len()), (true, 1, 0));
    let second = harbor.refer("polder", about("More quokkas.", &[])).await;
    until("it is delivered", || delivered(2)).await;
    polder.json(Op::Say, &[("thread", &first)], json!({ "kind": "need_info", "text": "Why?" })).await;
    until("the question arrived", || harbor.office.view().state.cases.values().any(|c| !c.answered.is_empty())).await;
    let more = run().await;
    let mut found = news(&more);
    found.sort();
    let mut expected = vec![("new".to_owned(), second.clone()), ("changed".to_owned(), first.clone())];
    expected.sort();
    assert_eq!(found, expected);
    harbor.json(Op::Say, &[("thread", &second)], json!({ "kind": "withdraw" })).await;
    let less = run().await;
    assert_eq!((less.found, less.gone, less.news_count), (1, 1, 0));
    // another holder has searches of their own
    let list = harbor.json(Op::SavedSearches, &[], Value::Null).await;
    assert_eq!(list["items"][0]["found"], 1);
    let caller = Some(Caller { name: "other".into(), role: Role::Analyst });
    let params = [("name".to_owned(), "daily".to_owned())].into();
    let call = Call { op: Op::SearchRun, caller, params, body: Value::Null, request: "x".into(), upload: None };
    assert_eq!(harbor.desk.call(call).await.map(|_| ()).unwrap_err().code, Code::NotFound);
    harbor.json(Op::SearchDrop, &[("name", "daily")], Value::Null).await;
    assert_eq!(harbor.problem(Op::SearchRun, &[("name", "daily")], Value::Null).await.code, Code::NotFound);
    let wrong = json!({ "name": "x\u{1b}", "filters": { "text": "a" } });
    assert_eq!(harbor.problem(Op::SearchSave, &[], wrong).await.faults[0].path, "name");
    let wrong = json!({ "name": "x", "filters": { "stage": "lost", "colour": "red" } });
    let problem = harbor.problem(Op::SearchSave, &[], wrong).await;
    let paths: Vec<&str> = problem.faults.iter().map(|f| f.path.as_str()).collect();
    assert_eq!((problem.code, paths), (Code::Invalid, vec!["filters.colour", "filters.stage"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_made_anew_by_itself_and_never_answers_with_less() {
    let (harbor, _polder, _) = pair().await;
    harbor.publish_contact().await;
    let thread = harbor.refer("polder", about("Of quokkas.", &[])).await;
    assert_eq!(harbor.finds(&[("text", "quokkas")]).await, [thread.as_str()]);
    // every file of the open index is overwritten in the middle
    for entry in std::fs::read_dir(harbor.folder.search()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    harbor.office.search.forget_opened();
    // each answer is whole or none
    for _ in 0..50 {
        match harbor.call(Op::Search, &[("text", "quokkas")], Value::Null).await {
            Ok(Reply::Json(_, page)) => assert_eq!(page["items"][0]["thread"], json!(thread)),
            Ok(_) => panic!("no page"),
            Err(problem) => assert_eq!(problem.code, Code::SearchNotReady),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(harbor.finds(&[("text", "quokkas")]).await, [thread.as_str()], "whole again");
    assert_eq!(harbor.office.search.condition().trouble, None);
}
