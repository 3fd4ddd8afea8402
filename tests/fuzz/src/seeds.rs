//! What the machines begin with: the project's test vectors, its invented mails, and what is made here from fixed keys.
//! Nothing is kept as a file of its own but past findings.

use lapwing_record::bundle::{Bundle, Sent, VERSION};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::EntryType;
use lapwing_record::form;
use lapwing_record::id::{Digest, NetworkId, Pid, ThreadId};
use lapwing_record::identity::{Class, EpochKeys};
use lapwing_record::invite::{Invitation, Member};
use lapwing_record::sign::{PublicKey, Sign1};
use lapwing_record::statement::{Acknowledge, Assurance, BlobRef, Kind, Receipt, ReceiptStatus};
use lapwing_record::statement::{SignedStmt, Stmt, Text, Tlp, signed_hash};
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_record::wire::{CaseRequest, MAX_CASE};
use lapwing_store::archive::{Item, Pack};
use serde_json::Value;
use std::io::{Read, Write};
#[cfg(not(test))]
use std::path::PathBuf;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// Name and bytes.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// The folder `tests` of the project.
pub const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
/// What the vectors' sealed messages are sealed to.
pub const SEAL_SEED: [u8; 32] = [9; 32];
/// The key of the backups here.
pub const ARCHIVE_KEY: [u8; 32] = [7; 32];

/// Whom the judges know.
pub struct World {
    /// A founder.
    pub harbor: TestAgency,
    /// Another.
    pub polder: TestAgency,
    /// A third; an applicant in the vectors.
    pub hangang: TestAgency,
    /// The federation of the vectors, of the first two.
    pub network: NetworkId,
    /// A federation of all three.
    pub three: CharterFile,
    /// Its id.
    pub three_network: NetworkId,
    /// The vectors' sealed messages, and those that travel in requests.
    pub sealed: Vec<Vec<u8>>,
}

impl World {
    fn new() -> World {
        let named = TestAgency::named;
        let (harbor, polder, hangang) = (named("harbor"), named("polder"), named("hangang"));
        let network = charter_of(&[&harbor, &polder]).network_id();
        let charter = charter_of(&[&harbor, &polder, &hangang]);
        let parts = [&harbor, &polder, &hangang].map(|a| a.found(&charter)).to_vec();
        let three_network = charter.network_id();
        let three = CharterFile::join(charter, parts).expect("three founders");
        let asked =
            messages("case-request: sealed").into_iter().filter_map(|(_, bytes)| match decode(&bytes, MAX_CASE) {
                Ok(CaseRequest::Sealed(sealed)) => Some(sealed.0),
                _ => None,
            });
        let sealed = of_file("sealed.json", "bytes").into_iter().map(|(_, bytes)| bytes).chain(asked).collect();
        World { harbor, polder, hangang, network, three, three_network, sealed }
    }

    /// The keys of those who take part.
    pub fn keys(&self) -> [EpochKeys; 2] {
        [&self.harbor, &self.polder].map(|a| a.inception.first.clone())
    }

    /// Every key that signs entries.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        [&self.harbor, &self.polder, &self.hangang].iter().flat_map(|a| [a.feed.public(), a.root.public()]).collect()
    }
}

/// The one world of all judges.
pub fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(World::new);
    &WORLD
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(format!("{TESTS}/{path}")).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn vectors(file: &str) -> Vec<Value> {
    let parsed: Value = serde_json::from_slice(&read(&format!("vectors/{file}"))).expect("a file of vectors");
    parsed["vectors"].as_array().expect("vectors").clone()
}

fn unhex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().expect("text").as_bytes()).expect("hexadecimal digits")
}

fn of_file(file: &str, field: &str) -> Seeds {
    vectors(file).iter().map(|v| (v["name"].as_str().expect("a name").to_owned(), unhex(&v[field]))).collect()
}

/// What must be refused, of some ways to read.
fn refused(how: &[&str]) -> Seeds {
    let rows = vectors("refused.json").into_iter().filter(|v| how.iter().any(|h| v["how"] == *h));
    rows.map(|v| (v["name"].as_str().expect("a name").to_owned(), unhex(&v["bytes"]))).collect()
}

/// Small ones, behind the byte that chooses how they are read.
fn behind(first: u8, seeds: Seeds) -> Seeds {
    let small = seeds.into_iter().filter(|(_, bytes)| bytes.len() <= 64 * 1024);
    small.map(|(name, bytes)| (name, [&[first], &bytes[..]].concat())).collect()
}

fn messages(beginning: &str) -> Seeds {
    of_file("messages.json", "bytes").into_iter().filter(|(name, _)| name.starts_with(beginning)).collect()
}

fn named(seeds: &[(&str, &[u8])]) -> Seeds {
    seeds.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

/// Writes a target's seeds and its past findings into the folder that `SEEDS` names, and ends; goes on where it names none.
#[cfg(not(test))]
pub fn write_where_asked(name: &str, seeds: fn() -> Seeds) {
    let Some(folder) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    let write = |file: String, bytes: &[u8]| {
        std::fs::write(folder.join(&file), bytes).unwrap_or_else(|e| panic!("{file}: {e}"))
    };
    for (n, (_, bytes)) in seeds().into_iter().enumerate() {
        write(format!("seed-{n}"), &bytes);
    }
    for file in std::fs::read_dir(format!("{TESTS}/fuzz/findings/{name}")).into_iter().flatten().flatten() {
        let bytes = std::fs::read(file.path()).expect("a finding reads");
        write(file.file_name().to_string_lossy().into_owned(), &bytes);
    }
    std::process::exit(0);
}

/// Seeds of the target of this name; so below.
pub fn envelope() -> Seeds {
    let mut all = of_file("entries.json", "bytes");
    for vector in vectors("idlogs.json") {
        for (n, entry) in vector["entries"].as_array().expect("entries").iter().enumerate() {
            all.push((format!("{}, {n}", vector["name"]), unhex(entry)));
        }
    }
    all.extend(refused(&["entry"]).into_iter().filter(|(_, bytes)| bytes.len() < 4096));
    all.extend(behind(3, of_file("receipts.json", "bytes")));
    all.extend(behind(3, refused(&["sign1", "sign1-form"])));
    all.extend(behind(1, of_file("signatures.json", "detached")));
    all
}

/// The bodies of the vectors' entries, behind their type's place in [`EntryType::ALL`].
fn bodies() -> Vec<(String, EntryType, Vec<u8>)> {
    let whole = of_file("entries.json", "bytes").into_iter().chain(
        vectors("idlogs.json")
            .into_iter()
            .flat_map(|v| v["entries"].as_array().expect("entries").clone())
            .enumerate()
            .map(|(n, entry)| (format!("log 0: {n}"), unhex(&entry))),
    );
    let entry = |(name, bytes): (String, Vec<u8>)| {
        let entry = lapwing_record::entry::Entry::decode(&bytes).ok()?;
        Some((name, entry.header().entry_type()?, entry.body()?.to_vec()))
    };
    whole.filter_map(entry).collect()
}

/// In the order of `records::body`.
const READERS: [EntryType; 18] = {
    use EntryType::*;
    [
        Inception,
        RootRotate,
        KeyGrant,
        Leave,
        Profile,
        Contact,
        NodeBinding,
        KemKey,
        Introduce,
        Stances,
        Excuse,
        Motion,
        Checkpoint,
        ForkProof,
        LegalProfile,
        Arrangement,
        Outcome,
        ObjectionReason,
    ]
};

/// Bodies.
pub fn body() -> Seeds {
    let place = |kind: EntryType| match kind {
        EntryType::AgencyContact => 5,
        EntryType::AgencyOutcome => 16,
        other => READERS.iter().position(|k| *k == other).expect("every type is read") as u8,
    };
    let mut all: Seeds =
        bodies().into_iter().map(|(name, kind, body)| (name, [&[place(kind)], &body[..]].concat())).collect();
    all.extend(behind(18, of_file("approvals.json", "bytes")));
    let charter = encode(&charter_of(&[&world().harbor, &world().polder]));
    all.extend(behind(20, named(&[("charter", &charter)])));
    for (how, reader) in [("inception", 0), ("contact", 5), ("stances", 9), ("legal-profile", 14)] {
        all.extend(behind(reader, refused(&[how])));
    }
    all
}

/// Statements, and their bodies.
pub fn statement() -> Seeds {
    let mut all = of_file("statements.json", "bytes");
    for (name, bytes) in all.clone() {
        let signed = SignedStmt::decode(&bytes).expect("a statement of the vectors");
        let stmt = signed.claimed().expect("a statement of the vectors");
        let place = Kind::ALL.iter().position(|k| *k == stmt.kind).expect("a known kind") as u8;
        all.push((format!("body: {name}"), [&[place], &stmt.body.0[..]].concat()));
        all.push((format!("bare: {name}"), [&[0xff], &encode(&stmt)[..]].concat()));
    }
    all.extend(behind(0xfe, messages("delivered:")));
    for (name, bytes) in of_file("receipts.json", "bytes") {
        let signed: Sign1 = decode(&bytes, 4096).expect("a receipt of the vectors");
        all.extend([0xfc, 0xfd].map(|first| (name.clone(), [&[first], &signed.payload[..]].concat())));
    }
    all.extend(refused(&["signed-stmt"]).into_iter().filter(|(_, bytes)| bytes.len() < 4096));
    all
}

/// Forms on the wire, and in JSON.
pub fn form() -> Seeds {
    let mut all = of_file("forms.json", "bytes");
    for vector in vectors("forms.json") {
        all.push((format!("json: {}", vector["name"]), vector["json"].to_string().into_bytes()));
    }
    all.extend(refused(&["form", "form-complete"]).into_iter().filter(|(_, bytes)| bytes.len() < 4096));
    all
}

/// Invitations and charters.
pub fn invitation() -> Seeds {
    let World { harbor, polder, three, .. } = world();
    let member = |a: &TestAgency| Member {
        pid: a.pid(),
        short_name: a.inception.short_name.clone(),
        legal_name: a.inception.legal_name.clone(),
        country: "GB".into(),
        class: Class::Agency,
    };
    let invitation = Invitation {
        version: 1,
        charter: Bytes(encode(three)),
        by: harbor.pid(),
        members: vec![member(harbor), member(polder)],
        addrs: vec!["/ip4/192.0.2.1/tcp/7420".into(), "/dns4/node.harbor.example/tcp/7420".into()],
        made: 1,
        expires: 2,
    };
    let mut all = named(&[("an invitation", &encode(&invitation))]);
    all.extend(of_file("charters.json", "bytes"));
    all.extend(refused(&["charter-file"]).into_iter().filter(|(_, bytes)| bytes.len() < 8192));
    all
}

fn stmt(asked: bool, before: &[Stmt], seen: Option<&Stmt>, kind: Kind, body: Vec<u8>) -> Stmt {
    let World { harbor, polder, three_network, .. } = world();
    let (from, to): (Pid, Pid) = if asked { (harbor.pid(), polder.pid()) } else { (polder.pid(), harbor.pid()) };
    Stmt {
        version: 1,
        network_id: *three_network,
        thread: ThreadId([7; 32]),
        msg_no: before.len() as u64,
        prev_own: before.last().map(Stmt::id),
        seen_peer: seen.map(Stmt::id),
        from,
        epoch: 0,
        to,
        clock: 10,
        expires: 1000,
        kind,
        handling: Tlp::Amber,
        body: Bytes(body),
        blobs: vec![],
    }
}

fn sent(stmt: &Stmt) -> Sent {
    let World { harbor, polder, three_network, .. } = world();
    let (from, to) = if stmt.from == harbor.pid() { (harbor, polder) } else { (polder, harbor) };
    let approvals = stmt.approval().map(|a| vec![a.sign(&from.officers[0], three_network)]);
    let signed = encode(&SignedStmt::sign(stmt, &from.feed, approvals));
    let receipt = Receipt {
        msg_id: stmt.id(),
        hash: signed_hash(&signed),
        received: stmt.clock + 5,
        status: ReceiptStatus::Stored,
        by: to.pid(),
        epoch: 0,
    };
    Sent { signed: Bytes(signed), receipt: Some(Bytes(encode(&receipt.sign(&to.feed, three_network)))) }
}

/// A case of five statements, as it is exported.
pub fn whole_bundle() -> Vec<u8> {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let World { harbor, polder, three, three_network, .. } = world();
        let blob = BlobRef {
            name: "1.eml".into(),
            media: "message/rfc822".into(),
            size: 1,
            b3_plain: Digest([1; 32]),
            sha256_plain: Digest([2; 32]),
            b3_cipher: Digest([3; 32]),
            salt: Digest([4; 32]),
        };
        let ack = Acknowledge {
            own_reference: "P-1".into(),
            decision_by: None,
            urgency_accepted: None,
            assurance: Assurance::Assured,
            note: None,
        };
        let text = |t: &str| encode(&Text { text: t.into() });
        let submit = Stmt { blobs: vec![blob.clone()], ..stmt(true, &[], None, Kind::Submit, encode(&form::sample())) };
        let more = stmt(true, std::slice::from_ref(&submit), None, Kind::Supplement, text("more"));
        let ack = stmt(false, &[], Some(&submit), Kind::Acknowledge, encode(&ack));
        let asks = stmt(false, std::slice::from_ref(&ack), Some(&submit), Kind::NeedInfo, text("who?"));
        let tells = stmt(true, &[submit.clone(), more.clone()], Some(&asks), Kind::Supplement, text("they"));
        encode(&Bundle {
            version: VERSION,
            charter: Bytes(encode(three)),
            id_logs: vec![vec![harbor.first_entry(three_network)], vec![polder.first_entry(three_network)]],
            asked: [submit, more, tells].iter().map(sent).collect(),
            answered: [ack, asks].iter().map(sent).collect(),
            evidence: vec![blob],
        })
    });
    WHOLE.clone()
}

/// Exports of cases.
pub fn bundle() -> Seeds {
    let whole = Bundle::decode(&whole_bundle()).expect("made here");
    let mut unanswered = whole.clone();
    unanswered.answered.clear();
    unanswered.asked.truncate(2);
    unanswered.asked.iter_mut().for_each(|s| s.receipt = None);
    let mut swapped = whole.clone();
    swapped.asked.swap(0, 1);
    named(&[("whole", &encode(&whole)), ("unanswered", &encode(&unanswered)), ("swapped", &encode(&swapped))])
}

/// Hellos.
pub fn hello() -> Seeds {
    [messages("hello:"), refused(&["hello"])].concat()
}

/// Replication.
pub fn sync() -> Seeds {
    let answers = behind(1, messages("sync-answer:"));
    [behind(0, messages("sync-request:")), answers, behind(0, refused(&["sync-request"]))].concat()
}

/// Applications.
pub fn apply() -> Seeds {
    let of = |a: &TestAgency| encode(&lapwing_record::wire::ApplyRequest::Submit(a.application(&world().network)));
    let made = named(&[("agency", &of(&world().hangang)), ("another", &of(&TestAgency::named("savanna")))]);
    [behind(0, made), behind(0, messages("apply-request:")), behind(1, messages("apply-answer:"))].concat()
}

/// Cases.
pub fn case() -> Seeds {
    let sealed = of_file("sealed.json", "bytes").into_iter().filter(|(_, bytes)| bytes.len() < 8192).collect();
    [behind(0, messages("case-request:")), behind(1, messages("case-answer:")), behind(2, sealed)].concat()
}

/// Evidence by the piece, and reach.
pub fn blob() -> Seeds {
    let answers = [messages("blob-answer:"), refused(&["blob-answer"])].concat();
    let reach = [messages("reach-answer:"), refused(&["reach-answer"])].concat();
    let asked = messages("blob-request-message:");
    [behind(0, asked), behind(1, answers), behind(2, messages("reach-request:")), behind(3, reach)].concat()
}

/// Frames.
pub fn frame() -> Seeds {
    named(&[
        ("two", b"\0\0\0\x03owl\0\0\0\0"),
        ("cut", b"\0\0\x10\0owl"),
        ("endless", b"\xff\xff\xff\xffowl"),
        ("half a length", b"\0\0"),
        ("nothing", b""),
    ])
}

/// What rogue founders sign: the vectors' bodies, one after the other, under several bits of `how`.
pub fn rogue() -> Seeds {
    let op = |how: u8, kind: EntryType, body: &[u8]| {
        let place = EntryType::ALL.iter().position(|k| *k == kind).expect("a known type") as u8;
        let len = u16::try_from(body.len()).expect("a small body").to_be_bytes();
        [&[how, place, len[0], len[1]], body].concat()
    };
    let small: Vec<_> = bodies().into_iter().filter(|(_, _, body)| body.len() < 2048).collect();
    let one = |how: u8| -> Vec<u8> { small.iter().flat_map(|(_, kind, body)| op(how, *kind, body)).collect() };
    let mut all = named(&[("in order", &one(0)), ("forked", &[one(0), one(8)].concat()), ("unknown", &one(2))]);
    for (name, kind, body) in &small {
        all.push((name.clone(), [op(0, *kind, body), op(12, *kind, body), op(1, *kind, body)].concat()));
    }
    // what the founders would say of a real applicant
    let applicant = TestAgency::named("savanna");
    let target = lapwing_record::membership::Target::Participant(applicant.pid());
    let introduce = encode(&applicant.application(&world().three_network));
    let say = |what| {
        let items = vec![lapwing_record::membership::Stance::by_node(what, target)];
        encode(&lapwing_record::membership::Stances { items })
    };
    use lapwing_record::membership::What::{Clear, Noted, Seat};
    let story = [
        op(0, EntryType::Introduce, &introduce),
        op(5, EntryType::Stances, &say(Noted)),
        op(0, EntryType::Stances, &say(Noted)),
        op(1, EntryType::Stances, &say(Clear)),
        op(0, EntryType::Stances, &say(Clear)),
        op(1, EntryType::Stances, &say(Seat)),
        op(8, EntryType::Stances, &say(Seat)),
    ];
    all.push(("an admission".into(), story.concat()));
    all
}

/// What one side of a case says: the vectors' bodies, a referral first; each alone, and several after each other.
pub fn said() -> Seeds {
    let op = |how: u8, kind: Kind, body: &[u8]| {
        let place = Kind::ALL.iter().position(|k| *k == kind).expect("a known kind") as u8;
        let len = u16::try_from(body.len()).expect("a small body").to_be_bytes();
        [&[how, place, len[0], len[1]], body].concat()
    };
    let submit = |how| op(how, Kind::Submit, &encode(&form::sample()));
    let text = |how, kind, text: &str| op(how, kind, &encode(&Text { text: text.into() }));
    let talk = [
        submit(4),
        text(0, Kind::Supplement, "more"),
        text(4, Kind::Supplement, "and more"),
        submit(16),
        text(1, Kind::Supplement, "too early"),
        text(24, Kind::Supplement, "seen what was not said"),
    ];
    let mut all = named(&[("a talk", &talk.concat()), ("a referral", &submit(0))]);
    for (name, bytes) in of_file("statements.json", "bytes") {
        let signed = SignedStmt::decode(&bytes).expect("a statement of the vectors");
        let stmt = signed.claimed().expect("a statement of the vectors");
        all.push((name, [submit(0), op(0, stmt.kind, &stmt.body), op(6, stmt.kind, &stmt.body)].concat()));
    }
    all
}

/// Mails: invented ones.
pub fn mail() -> Seeds {
    let mut all = named(&[
        ("bare", b"From: a@b.example\r\n\r\nhttps://login.example/now +49 30 901820 IBAN DE89370400440532013000\r\n"),
        ("bidi", "From: \"\u{202e}knab\" <a@xn--pple-43d.example>\r\nSubject: =?utf-8?B?4oCu?=\r\n\r\n<a href=//x>".as_bytes()),
        ("path", b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--b--\r\n"),
        ("report", b"From: a@b.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nSource-IP: 192.0.2.7\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@spam.example\r\n\r\n<script>1</script>\r\n--b--\r\n"),
        ("signed", b"DKIM-Signature: v=1; a=ed25519-sha256; d=spam.example; s=s; c=relaxed/relaxed; h=from; bh=AAAA; b=AAAA\r\nFrom: a@spam.example\r\n\r\nx\r\n"),
    ]);
    for path in ["../crates/evidence/samples/parcel.eml", "../crates/lapwing/src/demo/samples/lottery-1.eml"] {
        all.push((path.to_owned(), read(path)));
    }
    all
}

/// Messages as Outlook saves them.
pub fn outlook() -> Seeds {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let headers = utf16(
        "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000\r\n\
         From: Bank <office@spam.example>\r\nSubject: log in\r\n",
    );
    let file = |streams: &[(&str, &[u8])]| {
        let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).expect("in memory");
        for (path, content) in streams {
            if let Some((storage, _)) = path.rsplit_once('/').filter(|(s, _)| !s.is_empty()) {
                file.create_storage_all(storage).expect("in memory");
            }
            file.create_stream(path).expect("in memory").write_all(content).expect("in memory");
        }
        file.flush().expect("in memory");
        file.into_inner().into_inner()
    };
    let (body, name) = (utf16("https://login.example/now"), utf16("../../a.exe"));
    let fixed: &[u8] = &[0; 64];
    let plain = file(&[
        ("/__properties_version1.0", fixed),
        ("/__substg1.0_007D001F", &headers),
        ("/__substg1.0_1000001F", &body),
    ]);
    let attached = file(&[
        ("/__properties_version1.0", fixed),
        ("/__substg1.0_10130102", b"<a href=https://login.example/>now</a>"),
        ("/__attach_version1.0_#00000000/__properties_version1.0", fixed),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", &name),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"MZ"),
        ("/__attach_version1.0_#00000001/__substg1.0_3701000D/__properties_version1.0", fixed),
        ("/__attach_version1.0_#00000001/__substg1.0_3701000D/__substg1.0_1000001F", &body),
    ]);
    named(&[("plain", &plain), ("attached", &attached), ("none", b"no compound file")])
}

/// Reports.
pub fn xarf() -> Seeds {
    let report = br#"{"xarf_version":"4.2.0","report_id":"6b0d7f2e-8c59-4b43-9c7e-0a9b0a4e2d11","timestamp":"2024-01-02T10:00:00Z","reporter":{"org":"Harbor","contact":"abuse@harbor.example","domain":"harbor.example"},"sender":{"org":"Harbor","contact":"abuse@harbor.example","domain":"harbor.example"},"source_identifier":"192.0.2.7","source_port":25,"category":"messaging","type":"spam","protocol":"smtp","evidence_source":"spamtrap","evidence":[{"content_type":"message/rfc822","payload":"RnJvbTogYUBiLmV4YW1wbGUNClN1YmplY3Q6IHgNCg0KaHR0cHM6Ly94LmV4YW1wbGUvDQo=","hash":"sha256:00"}],"tags":["a:b"]}"#;
    named(&[("a report", report), ("empty", b"{}"), ("no report", b"[1]")])
}

/// Backups.
pub fn archive() -> Seeds {
    let pack = |items: Vec<Item>| {
        let mut bytes = Vec::new();
        let mut pack = Pack::new(b"{\"of\":\"harbor\"}", Zeroizing::new(ARCHIVE_KEY), items).expect("small items");
        pack.read_to_end(&mut bytes).expect("in memory");
        bytes
    };
    let two = pack(vec![Item::bytes("journal/1.log", vec![1; 300]), Item::bytes("a", Vec::new())]);
    named(&[("two files", &two), ("nothing in it", &pack(Vec::new())), ("cut", &two[..two.len() / 2])])
}

/// Configurations.
pub fn config() -> Seeds {
    let mut all = named(&[
        (
            "addresses",
            b"[node]\nlisten = [\"0.0.0.0:7420\", \"/ip6/::/tcp/7420\"]\nbootstrap = \"/dns4/x.example/tcp/1\"\n",
        ),
        ("faults", b"[api]\nlisten = \"0.0.0.0:7421\"\nhosts = [\"http://x\"]\n[nothing]\nx = 1\n"),
    ]);
    all.push(("the example".into(), read("../config/lapwing.toml")));
    all
}

/// Tables of complaints.
pub fn complaints() -> Seeds {
    let head = "reference,received,channel,sender_kind,sender,conduct,country,loss_amount,loss_currency,loss_usd_cents,loss_rate_date,evidence\n";
    let good = format!(
        "{head}C-1,2026-10-21,sms,phone,+254700000001,no_consent;advance_fee,KE,90000,USD,,,\nC-2,2026-10-22,email,email,prize@offer.example,no_consent,NL,,,,,0\n"
    );
    let euro = format!("{head}\"C\n-1\",2026-10-21,email,email,a@b.example,other,NL,1,EUR,2,2026-10-20,2\r\n");
    named(&[
        ("two", good.as_bytes()),
        ("another currency", euro.as_bytes()),
        ("faults", b"reference,colour\n=1+1,2\n"),
        ("no text", &[0xff, 0xfe, b'\n']),
    ])
}

/// Cursors.
pub fn cursor() -> Seeds {
    let page = crate::cursor::of_key("harbor");
    let search = crate::cursor::of_place("changed", (1_760_000_000_000, 7));
    named(&[
        ("a page", page.as_bytes()),
        ("a search", search.as_bytes()),
        ("an event", b"00000000ab12-7"),
        ("none", b"zz"),
    ])
}

/// Questions.
pub fn search() -> Seeds {
    named(&[
        ("parts", "Prize -\"no reply\" collect* www.prize.example - 迷惑メ".as_bytes()),
        ("accents", "Café-Straße ＡＢＣ e\u{301}t\u{e9} №7 РАССЫЛКА".as_bytes()),
        ("open", b"\"open"),
        ("many", "a ".repeat(33).as_bytes()),
    ])
}
