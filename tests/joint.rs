//! A joint case of three agencies: the lead sees all, each member its own tasks and whom the lead disclosed to it, and
//! nothing of anyone else's ever reaches its machine.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::Code;
use lapwing_api::types::{Draft, JointDetail, JointRow, MemberDetail, Page, ReferralRow, Said};
use serde_json::{Value, json};
use std::path::PathBuf;
use support::{Running, Town, files, until};

/// In the task of polder, and in that of savanna: whole words, so that a search finds them.
const FOR_POLDER: &str = "xtaskforpolder";
const FOR_SAVANNA: &str = "xtaskforsavanna";
/// In the note of polder's report.
const REPORT: &str = "xreportofpolder";

struct Scene {
    town: Town,
    _nodes: Vec<Running>,
}

impl Scene {
    fn new() -> Scene {
        let town = Town::founded(&["harbour", "polder", "savanna"]);
        let mut nodes = vec![town.start("harbour", &[])];
        let boot = town.address("harbour");
        nodes.push(town.start("polder", &boot));
        nodes.push(town.start("savanna", &boot));
        for (at, of) in [("harbour", "polder"), ("harbour", "savanna"), ("polder", "harbour"), ("savanna", "harbour")] {
            until(&format!("{at} can seal to {of}"), 60, || {
                let detail: MemberDetail = town.client(at, Op::Member)?.read(Op::Member, &[of], &[]).ok()?;
                detail.sealable.then_some(())
            });
        }
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
            "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
            "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
        });
        let client = town.client("harbour", Op::ContactPublish).unwrap();
        let _: Value = client.call(Op::ContactPublish, &[], &[], &contact).unwrap();
        Scene { town, _nodes: nodes }
    }

    fn refer(&self, to: &str) -> String {
        let client = |op| self.town.client("harbour", op).unwrap();
        let draft: Draft = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["kind"] = json!("joint_action_proposal");
        let submit = json!({ "to": to, "form": form });
        let said: Said = until("the referral is taken", 60, || {
            client(Op::Submit).call(Op::Submit, &[&draft.thread], &[], &submit).ok()
        });
        said.thread
    }

    /// `lapwing joint …`
    fn joint(&self, at: &str, args: &[&str]) -> Value {
        self.town.of(at, &[&["joint"], args].concat())
    }

    fn list(&self, at: &str) -> Vec<JointRow> {
        let client = self.town.client(at, Op::Joints).unwrap();
        client.read::<Page<JointRow>>(Op::Joints, &[], &[]).unwrap().items
    }

    fn show(&self, at: &str, id: &str) -> Option<JointDetail> {
        self.town.client(at, Op::Joint)?.read(Op::Joint, &[id], &[]).ok()
    }

    /// Waits until a member has this version of its plan.
    fn version(&self, at: &str, id: &str, version: u64) -> JointDetail {
        until(&format!("{at} has version {version}"), 60, || {
            self.show(at, id).filter(|detail| detail.parts[0].version == version)
        })
    }

    /// All that a node answers about its joint cases and the case they stand in, as text.
    fn answers(&self, at: &str, id: &str, thread: &str) -> String {
        let of = |op, path: &[&str]| -> Value { self.town.client(at, op).unwrap().read(op, path, &[]).unwrap() };
        let all = [of(Op::Joints, &[]), of(Op::Joint, &[id]), of(Op::Referral, &[thread]), of(Op::Referrals, &[])];
        all.iter().map(Value::to_string).collect()
    }

    fn finds(&self, at: &str, word: &str) -> usize {
        until("the search is ready", 30, || {
            let found = self.town.client(at, Op::Search)?.read::<Page<ReferralRow>>(
                Op::Search,
                &[],
                &[("text", word.to_owned())],
            );
            found.ok().map(|page| page.items.len())
        })
    }

    /// Files of a node that hold a text, of whatever case.
    fn holding(&self, at: &str, text: &str) -> Vec<PathBuf> {
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default().to_ascii_lowercase();
            bytes.windows(text.len()).any(|w| w == text.as_bytes())
        };
        files(&self.town.path(at)).into_iter().filter(holds).collect()
    }

    fn refused(&self, at: &str, args: &[&str], code: Code) {
        let data = self.town.text(at);
        let (_, problem) = support::problem(&[&["--data", data.as_str(), "joint"], args].concat());
        assert_eq!(problem.code, code, "{args:?}: {}", problem.detail);
    }

    fn bundle(&self, at: &str, thread: &str) -> Vec<u8> {
        let out = self.town.text(&format!("{at}.bundle"));
        let _ = std::fs::remove_file(&out);
        self.town.of(at, &["case", "export", thread, "-o", &out]);
        std::fs::read(out).unwrap()
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[test]
fn each_agency_of_a_joint_case_learns_its_own_tasks_and_of_the_others_whom_the_lead_discloses() {
    let scene = Scene::new();
    let (with_polder, with_savanna) = (scene.refer("polder"), scene.refer("savanna"));
    let (p, s) = (with_polder.as_str(), with_savanna.as_str());
    let begin = ["plan", p, "--joint", "new", "--title", "Prize mails", "--task", FOR_POLDER, "--task", "Ask the bank"];
    let begun = scene.joint("harbour", &[&begin[..], &["--needed-by", "2026-01-31"]].concat());
    let id = begun["joint"].as_str().unwrap().to_owned();
    let id = id.as_str();
    scene.joint("harbour", &["plan", s, "--joint", &id[..8], "--task", FOR_SAVANNA, "--needed-by", "2099-01-31"]);

    // the members see their own
    let own = scene.version("savanna", id, 1);
    assert_eq!((own.row.part.as_str(), own.row.lead.short_name.as_str()), ("member", "harbour"));
    assert_eq!((own.row.title.as_deref(), own.row.agencies.len(), own.parts.len()), (Some("Prize mails"), 0, 1));
    let task = &own.parts[0].tasks[0];
    assert_eq!((task.n, task.what.as_deref(), task.state.as_str()), (1, Some(FOR_SAVANNA), "planned"));
    assert!(!task.overdue && own.parts[0].thread == with_savanna);
    assert!(scene.version("polder", id, 1).parts[0].tasks.iter().all(|t| t.overdue));
    scene.joint("polder", &["task", p, "--joint", id, "--n", "1", "--state", "taken"]);
    scene.joint("polder", &["task", p, "--joint", id, "--n", "1", "--state", "done", "--note", REPORT]);
    scene.joint("polder", &["task", p, "--joint", id, "--n", "2", "--state", "declined"]);
    scene.joint("savanna", &["task", s, "--joint", id, "--n", "1", "--state", "in_progress"]);

    // the lead sees all, each member the same state of its part as the lead
    let all = until("the reports are at the lead", 60, || {
        let tasks = scene.list("harbour").pop()?.tasks;
        (tasks.planned + tasks.taken == 0).then(|| scene.show("harbour", id)).flatten()
    });
    let (tasks, part) = (&all.row.tasks, all.row.part.as_str());
    assert_eq!((part, tasks.done, tasks.declined, tasks.in_progress), ("lead", 1, 1, 1));
    let agencies: Vec<&str> = all.row.agencies.iter().map(|a| a.short_name.as_str()).collect();
    assert!(agencies.len() == 2 && agencies.contains(&"polder") && agencies.contains(&"savanna"), "{agencies:?}");
    let of_polder = all.parts.iter().find(|part| part.thread == with_polder).unwrap();
    assert_eq!(of_polder.tasks[0].note.as_deref(), Some(REPORT));
    let there = scene.show("polder", id).unwrap();
    assert_eq!(serde_json::to_value(&there.parts[0].tasks).unwrap(), serde_json::to_value(&of_polder.tasks).unwrap());

    // need to know: nothing of polder is at savanna, by any answer, search, export, or byte on its disk
    let polder: MemberDetail =
        scene.town.client("savanna", Op::Member).unwrap().read(Op::Member, &["polder"], &[]).unwrap();
    let polder = polder.member.name.pid;
    let names_polder = |answers: &str| answers.contains(&polder) || answers.contains("\"polder\"");
    let answers = scene.answers("savanna", id, s);
    assert!(answers.contains(FOR_SAVANNA) && holds(&scene.bundle("savanna", s), FOR_SAVANNA), "the test can find it");
    for text in [FOR_POLDER, REPORT, "Ask the bank"] {
        assert!(!answers.contains(text) && !holds(&scene.bundle("savanna", s), text), "{text} is told at savanna");
        assert_eq!(scene.holding("savanna", text), [] as [PathBuf; 0]);
    }
    assert!(!names_polder(&answers), "{answers}");
    until("the search knows the plan", 30, || (scene.finds("savanna", FOR_SAVANNA) == 1).then_some(()));
    assert_eq!((scene.finds("savanna", FOR_POLDER), scene.finds("harbour", FOR_POLDER)), (0, 1));

    // only the lead plans, each reports on its own alone
    scene.refused("savanna", &["plan", s, "--joint", id, "--task", "x"], Code::NotFound);
    scene.refused("savanna", &["task", s, "--joint", id, "--n", "2", "--state", "done"], Code::WrongReference);
    scene.refused("harbour", &["task", s, "--joint", id, "--n", "1", "--state", "done"], Code::NotFound);
    let plan = json!({ "kind": "joint_plan", "body": { "joint": id, "version": 2, "title": "Mine" } });
    let say = scene.town.client("savanna", Op::Say).unwrap();
    assert_eq!(say.call::<Value>(Op::Say, &[s], &[], &plan).unwrap_err().code, Code::NotYourTurn);

    // disclosed, it is; what is not changed stays, and a new task has a number of its own
    scene.joint("harbour", &["plan", s, "--joint", id, "--disclose", "polder", "--drop", "1", "--task", "Freeze it"]);
    let own = scene.version("savanna", id, 2);
    assert_eq!((own.row.agencies[0].short_name.as_str(), own.parts[0].tasks[0].n), ("polder", 2));
    let answers = scene.answers("savanna", id, s);
    assert!(names_polder(&answers) && !answers.contains(FOR_POLDER));
    assert!(!scene.answers("polder", id, p).contains("\"savanna\""), "disclosed to one, not to the other");

    // who claims to lead a joint case that it knows of makes another one
    let more = json!({ "to": "harbour", "form": lapwing_record::form::sample() });
    let client = |op| scene.town.client("polder", op).unwrap();
    let contact: Value = json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@polder.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    });
    let _: Value = client(Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact).unwrap();
    let draft: Draft = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
    let said: Said = client(Op::Submit).call(Op::Submit, &[&draft.thread], &[], &more).unwrap();
    let plan = json!({ "kind": "joint_plan", "body": { "joint": id, "version": 1, "title": "Mine" } });
    let _: Value = client(Op::Say).call(Op::Say, &[&said.thread], &[], &plan).unwrap();
    until("two claim to lead it", 60, || (scene.list("harbour").len() == 2).then_some(()));
    scene.refused("harbour", &["show", id], Code::Ambiguous);
    let ours = scene.joint("harbour", &["show", id, "--lead", "harbour"]);
    assert_eq!((ours["part"].as_str(), ours["parts"].as_array().map(Vec::len)), (Some("lead"), Some(2)));
    scene.joint("harbour", &["plan", p, "--joint", id, "--title", "Prize mails, spring"]);
    scene.refused("harbour", &["show", id, "--lead", "savanna"], Code::NotFound);
}
