//! Real nodes in one process, over loopback: what passes between them once the parts are put together.

#![allow(clippy::unwrap_used)]

use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::{Answer, Ask, Command, Input, Lock, Saying};
use lapwing_net::message::Protocol;
use lapwing_node::config::Settings;
use lapwing_node::folder::Folder;
use lapwing_node::founding::{self, Identity};
use lapwing_node::keys::{KdfCost, KeyKind, write_key};
use lapwing_node::node::{Node, StartOptions};
use lapwing_node::office::Office;
use lapwing_node::vault;
use lapwing_record::cbor::encode;
use lapwing_record::charter::CharterFile;
use lapwing_record::directory::{Contact, Role, Way};
use lapwing_record::entry::EntryType;
use lapwing_record::id::{Pid, ThreadId};
use lapwing_record::identity::{Act, Category};
use lapwing_record::membership::Target;
use lapwing_record::statement::{Kind, Tlp};
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_record::wire::{ApplyAnswer, ApplyRequest, MAX_APPLY, read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Log lines of all nodes, where `RUST_LOG` asks for them.
fn log() {
    if let Ok(filter) = std::env::var("RUST_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
}

struct Town {
    _dir: tempfile::TempDir,
    root: PathBuf,
    charter: CharterFile,
}

fn town(founders: &[&TestAgency]) -> Town {
    log();
    let dir = tempfile::tempdir().unwrap();
    let charter = charter_of(founders);
    let parts = founders.iter().map(|f| f.found(&charter)).collect();
    let charter = CharterFile::join(charter, parts).unwrap();
    Town { root: dir.path().to_owned(), _dir: dir, charter }
}

impl Town {
    fn settle(&self, agency: &TestAgency) -> Folder {
        let folder = Folder::new(self.root.join(&agency.inception.short_name));
        folder.create().unwrap();
        std::fs::write(folder.charter(), encode(&self.charter)).unwrap();
        let founder = self.charter.charter.founders().unwrap().iter().any(|(pid, _)| *pid == agency.pid());
        let identity = if founder {
            Identity {
                inception: agency.inception.clone(),
                entries: vec![],
                endorsement: vec![],
                statement: String::new(),
                founder: true,
            }
        } else {
            let roots = [agency.root.clone()];
            founding::apply(agency.inception.clone(), &roots, &self.charter.charter, "please".into(), 1).unwrap()
        };
        identity.write_new(&folder.identity()).unwrap();
        let seed = |what: &str| {
            blake3::derive_key("lapwing test node key", format!("{what} {}", agency.inception.short_name).as_bytes())
        };
        write_key(&folder.feed_key(), KeyKind::Feed, agency.feed.seed(), None, KdfCost::Default).unwrap();
        write_key(&folder.node_key(), KeyKind::Node, &seed("node"), None, KdfCost::Default).unwrap();
        write_key(&folder.at_rest_key(), KeyKind::AtRest, &seed("at rest"), None, KdfCost::Default).unwrap();
        folder
    }
}

async fn start(folder: &Folder, bootstrap: &[String]) -> Node {
    let mut settings = Settings::default();
    settings.node.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.node.bootstrap = bootstrap.to_vec();
    settings.api.listen = "127.0.0.1:0".parse().unwrap();
    Node::start(folder.clone(), settings, None, StartOptions::default()).await.unwrap()
}

async fn stop(node: Node) {
    node.office.stop();
    node.wait().await.unwrap();
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 30 s: {what}");
}

/// Where a node is reached, once it is.
async fn address(node: &Node) -> Vec<String> {
    until("it listens", || !node.links.listening().is_empty()).await;
    node.links.listening()
}

fn contact() -> Contact {
    Contact {
        slot: "intake".into(),
        role: Role::CaseIntake,
        name: "Intake".into(),
        areas: vec![],
        channels: vec![],
        languages: vec!["en".into()],
        hours: vec![],
        time_zone: "Europe/London".into(),
        ways: vec![Way { kind: "email".into(), value: "intake@harbor.example".into() }],
        deputy: None,
        reconfirm_by: 1,
        withdrawn: false,
    }
}

fn sees_contact(office: &Office, of: &Pid) -> bool {
    office.view().state.federation.listing(of).is_some_and(|l| l.contacts.contains_key("intake"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

async fn vote(office: &Office, agency: &TestAgency, act: Act, about: Pid) {
    let ask = Ask::Stance { act, target: Target::Participant(about), reason: None, salt: [1; 16] };
    let Answer::Proposal(id) = office.command(Command::Propose(ask)).await.unwrap() else { panic!("a proposal") };
    let view = office.view();
    let open = view.state.proposals.get(&id).unwrap();
    let approval = open.proposal.approval(office.me);
    let by = approval.sign(&agency.officers[0], &office.network);
    office.command(Command::Approve { proposal: id, by }).await.unwrap();
}

async fn submit(office: &Office, to: Pid) -> ThreadId {
    let thread = ThreadId(vault::random().unwrap());
    let key = office.vault.case_key_or_new(&thread).unwrap();
    let saying = Saying {
        thread,
        to,
        kind: Kind::Submit,
        handling: Tlp::AmberStrict,
        body: encode(&lapwing_record::form::sample()),
        blobs: vec![],
        approvals: None,
        ttl_ms: 1 << 40,
        lock: Lock { key, nonce: vault::random().unwrap() },
    };
    office.command(Command::Say(Box::new(saying))).await.unwrap();
    thread
}

fn receipted(office: &Office, thread: &ThreadId) -> bool {
    let view = office.view();
    view.state
        .case(thread)
        .is_some_and(|c| c.side(&office.me).iter().all(|t| t.delivery.as_ref().is_some_and(|d| d.receipt.is_some())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn founders_meet_admit_refer_and_survive_a_stop() {
    let (a, b, c) = (TestAgency::named("harbor"), TestAgency::named("polder"), TestAgency::named("amazon"));
    let town = town(&[&a, &b]);
    let (fa, fb, fc) = (town.settle(&a), town.settle(&b), town.settle(&c));
    let na = start(&fa, &[]).await;
    let boot = address(&na).await;
    let nb = start(&fb, &boot).await;

    na.office.command(Command::Write { kind: EntryType::Contact, body: encode(&contact()) }).await.unwrap();
    until("the contact at the other founder", || sees_contact(&nb.office, &a.pid())).await;

    let nc = start(&fc, &boot).await;
    until("the application", || na.office.view().state.inbox.get(&c.pid()).is_some()).await;
    // an applicant learns how its own application stands, and nothing of anyone else
    let status = async |of: Pid| {
        let (peer, _) = *nc.links.connected().iter().find(|(_, pid)| *pid == a.pid())?;
        let bytes = nc.links.request(peer, Protocol::Apply, encode(&ApplyRequest::Status(of))).await.ok()?;
        match read::<ApplyAnswer>(&bytes, MAX_APPLY).unwrap() {
            ApplyAnswer::State(state) => Some(state),
            ApplyAnswer::Refused(why) => Some(why),
        }
    };
    let mut own = None;
    for _ in 0..100 {
        own = status(c.pid()).await.filter(|s| s == "submitted");
        if own.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(own.as_deref(), Some("submitted"));
    assert_eq!(status(b.pid()).await.as_deref(), Some("unknown"));

    na.office.command(Command::Introduce(c.pid())).await.unwrap();
    until("the introduction", || nb.office.view().state.federation.standing(&c.pid()).is_some()).await;
    vote(&na.office, &a, Act::Consent, c.pid()).await;
    vote(&nb.office, &b, Act::Consent, c.pid()).await;
    for node in [&na, &nb, &nc] {
        until("admission everywhere", || {
            node.office.view().state.federation.standing(&c.pid()) == Some(Standing::Participant)
        })
        .await;
    }
    until("confirmation", || nc.office.view().state.confirmed()).await;

    until("a key to seal to", || {
        na.office
            .view()
            .state
            .federation
            .listing(&c.pid())
            .and_then(|l| l.kem_key(lapwing_node::office::now_ms()))
            .is_some()
    })
    .await;
    let thread = submit(&na.office, c.pid()).await;
    until("the receipt", || receipted(&na.office, &thread)).await;
    assert_eq!(nc.office.view().state.cases.size(), 1);

    // the target is down; the referral waits, and arrives when it is back
    stop(nc).await;
    // the index is derived: without it nothing is lost
    std::fs::remove_dir_all(fc.index()).unwrap();
    let later = submit(&na.office, c.pid()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!receipted(&na.office, &later));
    let nc = start(&fc, &boot).await;
    until("the second receipt", || receipted(&na.office, &later)).await;
    assert_eq!(nc.office.view().state.cases.size(), 2);
    for thread in [thread, later] {
        let id = nc.office.view().state.case(&thread).unwrap().asked[0].open.id;
        let signed = lapwing_node::post::their_signed(&nc.office, &thread, &id).unwrap();
        assert_eq!(signed.claimed().unwrap().body.0, encode(&lapwing_record::form::sample()));
    }

    let digests = |n: &Node| {
        let view = n.office.view();
        (view.state.federation.state_digest(), view.state.federation.heads_root(lapwing_engine::federation::Plane::Pub))
    };
    until("equal digests", || digests(&na) == digests(&nb) && digests(&na) == digests(&nc)).await;
    for node in [na, nb, nc] {
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stale_copy_signs_nothing_until_its_own_entries_are_back() {
    let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
    let town = town(&[&a, &b]);
    let (fa, fb) = (town.settle(&a), town.settle(&b));
    let nb = start(&fb, &[]).await;
    let boot = address(&nb).await;
    let na = start(&fa, &boot).await;
    until("both bound", || nb.office.view().state.federation.listing(&a.pid()).is_some_and(|l| !l.nodes.is_empty()))
        .await;
    stop(na).await;

    let rounds = 20;
    for round in 0..rounds {
        let stale = town.root.join(format!("stale-{round}"));
        copy(fa.root(), &stale);
        let na = start(&fa, &boot).await;
        until("may write", || na.office.view().head == HeadCheck::Done).await;
        let newer = Contact { name: format!("Intake {round}"), ..contact() };
        na.office.command(Command::Write { kind: EntryType::Contact, body: encode(&newer) }).await.unwrap();
        until("the newer contact at the peer", || {
            let view = nb.office.view();
            let listing = view.state.federation.listing(&a.pid()).unwrap().clone();
            listing.contacts.get("intake").is_some_and(|c| c.record.name == newer.name)
        })
        .await;
        stop(na).await;
        // the folder goes back to what it was before
        std::fs::remove_dir_all(fa.root()).unwrap();
        copy(&stale, fa.root());
        let na = start(&fa, &boot).await;
        let early = na.office.command(Command::Write { kind: EntryType::Contact, body: encode(&contact()) }).await;
        if na.office.view().head != HeadCheck::Done {
            assert!(early.is_err(), "signed before its own head was back");
        }
        until("its own entries are back", || na.office.view().head == HeadCheck::Done).await;
        na.office.command(Command::Write { kind: EntryType::Contact, body: encode(&contact()) }).await.unwrap();
        until("it goes on", || {
            let view = nb.office.view();
            view.state
                .federation
                .listing(&a.pid())
                .unwrap()
                .contacts
                .get("intake")
                .is_some_and(|c| c.record.name == "Intake")
        })
        .await;
        assert!(
            !nb.office.view().state.federation.author(&a.pid()).unwrap().contested(),
            "round {round}: it forked itself"
        );
        stop(na).await;
    }
    stop(nb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_participant_never_holds_the_agency_plane() {
    let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
    let p = TestAgency::of_class("courier", Category::Courier);
    let town = town(&[&a, &b]);
    let (fa, fb, fp) = (town.settle(&a), town.settle(&b), town.settle(&p));
    let na = start(&fa, &[]).await;
    let boot = address(&na).await;
    let (nb, np) = (start(&fb, &boot).await, start(&fp, &boot).await);
    until("the application", || na.office.view().state.inbox.get(&p.pid()).is_some()).await;
    na.office.command(Command::Introduce(p.pid())).await.unwrap();
    for node in [&na, &nb, &np] {
        until("admission", || node.office.view().state.federation.standing(&p.pid()) == Some(Standing::Participant))
            .await;
    }
    let secret = Contact { slot: "red-line".into(), name: "for agencies only".into(), ..contact() };
    na.office.command(Command::Write { kind: EntryType::AgencyContact, body: encode(&secret) }).await.unwrap();
    let reads = |o: &Arc<Office>| {
        o.view().state.federation.listing(&a.pid()).is_some_and(|l| l.agency_contacts.contains_key("red-line"))
    };
    until("the other agency reads it", || reads(&nb.office)).await;
    // time for gossip, and an exchange asked for by hand
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!reads(&np.office));
    assert!(np.office.view().state.federation.author(&a.pid()).unwrap().agency.values().all(|c| c.stem.is_empty()));
    let _ = np.office.tell(Input::Wake).await;
    for node in [na, nb, np] {
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_twin_that_signed_alone_is_proven_shown_and_healed() {
    use lapwing_record::entry::LogKind;
    use lapwing_record::identity::{Anchor, GrantReason, KeyGrant};
    let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
    let town = town(&[&a, &b]);
    let (fa, fb) = (town.settle(&a), town.settle(&b));
    let nb = start(&fb, &[]).await;
    let boot = address(&nb).await;
    let na = start(&fa, &boot).await;
    until("both bound", || nb.office.view().state.federation.listing(&a.pid()).is_some_and(|l| !l.nodes.is_empty()))
        .await;
    stop(na).await;
    let twin = Folder::new(town.root.join("twin"));
    copy(fa.root(), twin.root());

    let name = |text: &str| Contact { name: text.into(), ..contact() };
    let write = async |node: &Node, text: &str| {
        until("may write", || node.office.view().head == HeadCheck::Done).await;
        node.office.command(Command::Write { kind: EntryType::Contact, body: encode(&name(text)) }).await
    };
    let shown = |office: &Office, text: &str| {
        let view = office.view();
        let listing = view.state.federation.listing(&a.pid()).cloned().unwrap_or_default();
        listing.contacts.get("intake").is_some_and(|c| c.record.name == text)
    };
    let contested = |office: &Office| office.view().state.federation.author(&a.pid()).unwrap().contested();

    let na = start(&fa, &boot).await;
    write(&na, "one").await.unwrap();
    until("the first branch at the peer", || shown(&nb.office, "one")).await;
    stop(na).await;
    stop(nb).await;
    // nobody is there to ask: a copy that does not know that it is one may sign, and forks its log
    let nt = start(&twin, &[]).await;
    write(&nt, "two").await.unwrap();
    stop(nt).await;

    let nb = start(&fb, &[]).await;
    let boot = address(&nb).await;
    let nt = start(&twin, &boot).await;
    until("the peer shows the log as contested", || contested(&nb.office)).await;
    until("so does the twin", || contested(&nt.office)).await;
    let refused = nt.office.command(Command::Write { kind: EntryType::Contact, body: encode(&name("three")) }).await;
    assert!(refused.is_err(), "a contested log is written on");
    let shows_proof = |o: &Office| {
        let view = o.view();
        let mine = view.state.federation.author(&b.pid()).unwrap().clone();
        mine.listed(LogKind::Pub).any(|l| matches!(l.says, lapwing_engine::line::Says::ForkProof(_)))
    };
    until("the peer has published the proof", || shows_proof(&nb.office)).await;

    // the root-key holder chooses the first branch
    let view = nb.office.view();
    let fork = view.state.federation.author(&a.pid()).unwrap().newest(LogKind::Pub).fork.clone().unwrap();
    let chosen =
        fork.lines.values().filter(|l| matches!(&l.says, lapwing_engine::line::Says::Contact(c) if c.name == "one"));
    let chosen = chosen.max_by_key(|l| l.seq).unwrap();
    let anchors = vec![Anchor { log: LogKind::Pub, seq: chosen.seq, id: chosen.id }];
    let grant = KeyGrant { epoch: 1, keys: a.inception.first.clone(), anchors, reason: GrantReason::ForkHeal };
    let entry = a.id_entry(&nt.office.network, &a.first_entry(&nt.office.network), EntryType::KeyGrant, &grant);
    until("the twin knows its own head", || nt.office.view().head == HeadCheck::Done).await;
    nt.office.command(Command::IdEntry(Box::new(entry))).await.unwrap();
    until("healed at the peer", || !contested(&nb.office) && shown(&nb.office, "one")).await;
    write(&nt, "four").await.unwrap();
    until("it goes on in the new epoch", || shown(&nb.office, "four")).await;
    let digests = |n: &Node| n.office.view().state.federation.heads_root(lapwing_engine::federation::Plane::Pub);
    until("equal heads", || digests(&nb) == digests(&nt)).await;
    for node in [nb, nt] {
        stop(node).await;
    }
}

async fn tell(
    office: &Office,
    thread: ThreadId,
    to: Pid,
    kind: Kind,
    text: &str,
) -> Result<Answer, lapwing_api::problem::Problem> {
    let key = office.vault.case_key_or_new(&thread).unwrap();
    let saying = Saying {
        thread,
        to,
        kind,
        handling: Tlp::AmberStrict,
        body: encode(&lapwing_record::statement::Text { text: text.into() }),
        blobs: vec![],
        approvals: None,
        ttl_ms: 1 << 40,
        lock: Lock { key, nonce: vault::random().unwrap() },
    };
    office.command(Command::Say(Box::new(saying))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_restore_each_side_returns_what_the_other_lacks_of_their_cases() {
    let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
    let town = town(&[&a, &b]);
    let (fa, fb) = (town.settle(&a), town.settle(&b));
    let nb = start(&fb, &[]).await;
    let boot = address(&nb).await;
    let na = start(&fa, &boot).await;
    let sealable = |o: &Office, to: &Pid| {
        o.view().state.federation.listing(to).and_then(|l| l.kem_key(lapwing_node::office::now_ms())).is_some()
    };
    until("keys to seal to", || sealable(&na.office, &b.pid()) && sealable(&nb.office, &a.pid())).await;
    let thread = submit(&na.office, b.pid()).await;
    until("the first receipt", || receipted(&na.office, &thread)).await;
    stop(na).await;
    let stale = town.root.join("stale");
    copy(fa.root(), &stale);

    // what the copy does not know: a question, an answer to it, and a case that began later
    let na = start(&fa, &boot).await;
    until("it may sign", || na.office.view().head == HeadCheck::Done).await;
    tell(&nb.office, thread, a.pid(), Kind::NeedInfo, "which address?").await.unwrap();
    until("the question", || na.office.view().state.case(&thread).is_some_and(|c| c.answered.len() == 1)).await;
    tell(&na.office, thread, b.pid(), Kind::Supplement, "192.0.2.7").await.unwrap();
    let later = submit(&na.office, b.pid()).await;
    until("both receipts", || receipted(&na.office, &thread) && receipted(&na.office, &later)).await;
    let gave = || {
        let question = na.office.view().state.case(&thread)?.answered.first()?.clone();
        Some((question.at, question.receipt?))
    };
    until("the receipt for the question", || gave().is_some()).await;
    let receipt = gave();
    until("it is at the other side", || nb.office.view().state.outbox.size() == 0).await;
    // so that the high-water file tells the copy from the original; what nobody else holds could never come back
    na.office.command(Command::Write { kind: EntryType::Contact, body: encode(&contact()) }).await.unwrap();
    until("the other side holds the newest entry", || sees_contact(&nb.office, &a.pid())).await;
    stop(na).await;
    std::fs::remove_dir_all(fa.root()).unwrap();
    copy(&stale, fa.root());

    let na = start(&fa, &boot).await;
    until("everything is back", || {
        let view = na.office.view();
        let (first, second) = (view.state.case(&thread), view.state.case(&later));
        first.is_some_and(|c| c.asked.len() == 2 && c.answered.len() == 1) && second.is_some_and(|c| c.asked.len() == 1)
    })
    .await;
    let question = na.office.view().state.case(&thread).unwrap().answered[0].clone();
    assert_eq!(Some((question.at, question.receipt.unwrap())), receipt, "with the receipt that it gave then");
    until("it may speak", || na.office.view().head == HeadCheck::Done && !na.office.view().must_level(&b.pid())).await;
    // and the chain goes on where it was, at both ends
    tell(&na.office, thread, b.pid(), Kind::Supplement, "and 192.0.2.8").await.unwrap();
    until("it arrives", || nb.office.view().state.case(&thread).is_some_and(|c| c.asked.len() == 3)).await;
    tell(&nb.office, later, a.pid(), Kind::NeedInfo, "more?").await.unwrap();
    until("the answer arrives", || na.office.view().state.case(&later).is_some_and(|c| c.answered.len() == 1)).await;
    let ids = |o: &Office, t: &ThreadId| {
        let view = o.view();
        let case = view.state.case(t).unwrap().clone();
        let all = case.asked.iter().chain(&case.answered).map(|t| t.open.id);
        all.collect::<Vec<_>>()
    };
    for t in [thread, later] {
        assert_eq!(ids(&na.office, &t), ids(&nb.office, &t));
    }
    for node in [na, nb] {
        stop(node).await;
    }
}
