//! The story: a federation is founded, admits, bars, and works on a case. Every check asks every node.

use super::cast::{BARRED, BY_CONSENT, BY_SILENCE, FOUNDERS, PRIVATE, Role};
use super::samples::SAMPLES;
use super::stage::{Fatal, PATIENCE, Stage, until};
use super::teller::Teller;
use anyhow::{Context, bail, ensure};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{
    ContactRow, Draft, EvidenceView, LogRow, Member, MemberDetail, Page, ReferralDetail, ReferralRow, Said, Status,
    Submit,
};
use lapwing_record::form::Form;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Why polder objects; agencies read it, nobody else.
pub const REASON: &str = "Three of its clients are under investigation here; see our file MR-2209.";

/// The story's thread.
pub struct Story<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Who tells it.
    pub teller: &'a Teller,
}

fn all<'a>(roles: impl IntoIterator<Item = &'a Role>) -> Vec<&'static str>
where
    'a: 'a,
{
    roles.into_iter().map(|r| r.name).collect()
}

impl Story<'_> {
    /// Tries an act until its effect is there. What a crash cut short is tried again.
    fn make(
        &self,
        what: &str,
        done: impl Fn() -> anyhow::Result<bool>,
        act: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut refused = None;
        let outcome = until(what, PATIENCE, || {
            if done()? {
                return Ok(());
            }
            if let Err(error) = act() {
                let hopeless = error.downcast_ref::<Problem>().is_some_and(|p| {
                    matches!(p.code, Code::Invalid | Code::Malformed | Code::Forbidden | Code::NoRoute | Code::Approval)
                });
                refused = Some(error.to_string());
                if hopeless {
                    return Err(Fatal(format!("{what}: {error:#}")).into());
                }
            }
            bail!("{what}: {}", refused.as_deref().unwrap_or("not yet"))
        });
        outcome.map(|()| self.teller.held(what))
    }

    /// Waits until something is so at every one of these nodes.
    fn everywhere(
        &self,
        what: &str,
        at: &[&'static str],
        check: impl Fn(&'static str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for name in at {
            until(&format!("{what} (at {name})"), PATIENCE, || {
                ensure!(check(name)?, "not so at {name} yet");
                Ok(())
            })?;
        }
        self.teller.held(&format!("{what}: at {}", at.join(", ")));
        Ok(())
    }

    fn member(&self, at: &str, of: &str) -> anyhow::Result<MemberDetail> {
        self.stage.read(at, Op::Member, &[of], &[])
    }

    fn standing(&self, at: &str, of: &str) -> anyhow::Result<String> {
        Ok(self.member(at, of)?.member.standing)
    }

    fn status(&self, at: &str) -> anyhow::Result<Status> {
        self.stage.read(at, Op::Status, &[], &[])
    }

    // -- founding ---------------------------------------------------------------------------------------------------

    /// Three agencies found: each makes its keys, all sign one charter.
    pub fn found(&self) -> anyhow::Result<PathBuf> {
        self.teller.scene("Three agencies found a federation", "each makes its keys; all sign one charter; W = 3 s, G = 2 s (the Plan gives no numbers; a real charter says 14 and 7 days)");
        for founder in &FOUNDERS {
            self.stage.init(founder, None)?;
        }
        let root = self.stage.root();
        let inceptions: Vec<String> = FOUNDERS
            .iter()
            .map(|f| self.stage.keys(f.name).join(format!("{}.inception", f.name)).display().to_string())
            .collect();
        let toml = root.join("charter.toml");
        let list = inceptions.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ");
        std::fs::write(
            &toml,
            format!("name = \"Demo federation\"\nfounders = [{list}]\n\n[params]\nwindow = \"3s\"\ngrace = \"2s\"\n"),
        )?;
        let text = |p: &PathBuf| p.display().to_string();
        let unsigned = root.join("charter.unsigned");
        self.stage.cli(&["charter", "new", &text(&toml), "-o", &text(&unsigned)])?;
        let mut parts = Vec::new();
        for founder in &FOUNDERS {
            let part = root.join(format!("{}.signature", founder.name));
            let key = self.stage.keys(founder.name).join("root-1.key");
            self.stage.cli_of(
                founder.name,
                &["charter", "sign", &text(&unsigned), "--root-key", &text(&key), "--yes", "-o", &text(&part)],
            )?;
            parts.push(text(&part));
        }
        let charter = root.join("charter.lapwing");
        let (unsigned, out) = (text(&unsigned), text(&charter));
        let mut join = vec!["charter", "join", unsigned.as_str()];
        join.extend(parts.iter().map(String::as_str));
        join.extend(["-o", out.as_str()]);
        self.stage.cli(&join)?;
        for founder in &FOUNDERS {
            self.stage.cli_of(founder.name, &["charter", "install", &out])?;
        }
        self.teller.held("the charter is signed by all three and installed");
        Ok(charter)
    }

    /// Starts the founders' nodes.
    pub fn raise(&self) -> anyhow::Result<()> {
        self.teller.scene("Their nodes start", "one process each; the first is all that the others need to know");
        self.stage.start(FOUNDERS[0].name, Vec::new())?;
        let first = self.address(FOUNDERS[0].name)?;
        for founder in &FOUNDERS[1..] {
            self.stage.start(founder.name, vec![first.clone()])?;
        }
        let names = all(&FOUNDERS);
        self.everywhere("every founder's node is connected to the two others", &names, |at| {
            Ok(self.status(at)?.connected >= 2)
        })
    }

    /// Where a node is reached.
    pub fn address(&self, name: &str) -> anyhow::Result<String> {
        until(&format!("{name} listens"), PATIENCE, || {
            self.status(name)?.listening.first().cloned().context("it listens nowhere")
        })
    }

    // -- directory --------------------------------------------------------------------------------------------------

    /// A participant publishes its profile and a point of contact.
    fn publish(&self, role: &Role) -> anyhow::Result<()> {
        let competence: Vec<Value> = role
            .competence
            .iter()
            .map(|(area, channel, measures)| json!({ "area": area, "channel": channel, "measures": measures }))
            .collect();
        let profile = json!({
            "display_name": role.legal, "competence": competence, "languages": [role.language],
            "hours": [{ "days": [1, 2, 3, 4, 5], "from_min": 540, "to_min": 1020 }],
            "time_zone": role.zone, "website": null,
        });
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Case intake", "areas": [], "channels": [],
            "languages": [role.language], "hours": [{ "days": [1, 2, 3, 4, 5], "from_min": 540, "to_min": 1020 }],
            "time_zone": role.zone,
            "ways": [{ "kind": "email", "value": format!("intake@{}.example", role.name) }],
            "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
        });
        let name = role.name;
        self.make(
            &format!("{name} publishes its profile"),
            || Ok(self.member(name, name)?.profile.is_some()),
            || self.stage.call::<Value>(name, Op::ProfilePublish, &[], &profile).map(drop),
        )?;
        self.make(
            &format!("{name} designates its point of contact (Plan A.1)"),
            || Ok(!self.member(name, name)?.contacts.is_empty()),
            || self.stage.call::<Value>(name, Op::ContactPublish, &[], &contact).map(drop),
        )
    }

    /// Everybody's points of contact are known everywhere, with nobody collecting them.
    pub fn directory(&self) -> anyhow::Result<()> {
        self.teller.scene("The directory", "signed points of contact, gossiped and found offline at every node");
        for founder in &FOUNDERS {
            self.publish(founder)?;
        }
        let names = all(&FOUNDERS);
        self.everywhere("all three points of contact are known", &names, |at| Ok(self.contacts(at, &[])?.len() >= 3))
    }

    fn contacts(&self, at: &str, query: &[(&str, String)]) -> anyhow::Result<Vec<ContactRow>> {
        Ok(self.stage.read::<Page<ContactRow>>(at, Op::Contacts, &[], query)?.items)
    }

    // -- membership -------------------------------------------------------------------------------------------------

    /// An applicant makes its keys, starts its node, and is introduced by a founder.
    fn apply(&self, role: &Role, charter: &std::path::Path) -> anyhow::Result<()> {
        self.stage.init(role, Some(charter))?;
        let first = self.address(FOUNDERS[0].name)?;
        self.stage.start(role.name, vec![first])?;
        let (founder, name) = (FOUNDERS[0].name, role.name);
        self.make(
            &format!("{founder} introduces {name}, which has applied"),
            || Ok(self.standing(founder, name).is_ok()),
            || self.stage.cli_of(founder, &["application", "introduce", name]).map(drop),
        )
    }

    fn admitted(&self, role: &Role, at: &[&'static str]) -> anyhow::Result<()> {
        let name = role.name;
        self.everywhere(&format!("{name} takes part in full"), at, |at| Ok(self.standing(at, name)? == "participant"))?;
        self.everywhere(&format!("{name}'s own node knows it, and is confirmed"), &[name], |_| {
            let status = self.status(name)?;
            Ok(status.standing.as_deref() == Some("participant") && status.confirmed)
        })?;
        self.publish(role)
    }

    /// Admission by consent: at once.
    pub fn consent(&self, charter: &std::path::Path) -> anyhow::Result<()> {
        self.teller.scene("A newcomer, by everyone's consent", "officers sign; their keys never touch a node");
        self.apply(&BY_CONSENT, charter)?;
        let name = BY_CONSENT.name;
        for founder in &FOUNDERS {
            self.vote(founder.name, "consent", name, None)?;
        }
        self.admitted(&BY_CONSENT, &all(&FOUNDERS))
    }

    fn vote(&self, who: &'static str, act: &str, about: &str, reason: Option<&str>) -> anyhow::Result<()> {
        let key = self.stage.officer(who).display().to_string();
        let says = |detail: &Value| {
            let electors = detail["electors"].as_array().cloned().unwrap_or_default();
            let others = detail["other_objectors"].as_array().cloned().unwrap_or_default();
            electors.iter().chain(&others).any(|e| {
                (e["short_name"] == *who && e["word"] == *act) || (e["by"]["short_name"] == *who && act == "object")
            })
        };
        self.make(
            &format!("{who}: an officer signs `{act}` on {about}"),
            || Ok(says(&self.stage.read(who, Op::Explain, &[about], &[])?)),
            || {
                let mut args = vec!["vote", act, about, "--officer-key", &key];
                if let Some(reason) = reason {
                    args.extend(["--reason", reason]);
                }
                self.stage.cli_of(who, &args).map(drop)
            },
        )
    }

    /// Admission by the silence of every agency's own window.
    pub fn silence(&self, charter: &std::path::Path) -> anyhow::Result<()> {
        self.teller.scene(
            "A newcomer, by silence",
            "every node notes it; when its own window has run and its people did not object, it clears",
        );
        self.apply(&BY_SILENCE, charter)?;
        let mut at = all(&FOUNDERS);
        at.push(BY_CONSENT.name);
        self.admitted(&BY_SILENCE, &at)
    }

    /// A private-sector representative joins by introduction; it never votes and reads no agency-only word.
    pub fn private(&self, charter: &std::path::Path) -> anyhow::Result<()> {
        self.teller.scene(
            "A private-sector representative",
            "it takes part, it has no veto, and what is for agencies only never reaches it",
        );
        self.apply(&PRIVATE, charter)?;
        self.admitted(&PRIVATE, &self.agencies())
    }

    /// Every agency of the story.
    pub fn agencies(&self) -> Vec<&'static str> {
        let mut names = all(&FOUNDERS);
        names.extend([BY_CONSENT.name, BY_SILENCE.name]);
        names
    }

    /// Everybody that takes part.
    pub fn participants(&self) -> Vec<&'static str> {
        let mut names = self.agencies();
        names.push(PRIVATE.name);
        names
    }

    /// One agency objects: that is enough, everywhere.
    pub fn veto(&self, charter: &std::path::Path) -> anyhow::Result<()> {
        self.teller.scene("A veto", "\"as long as no Agency that has endorsed this Action Plan objects\"");
        let (objector, name) = ("polder", BARRED.name);
        self.apply(&BARRED, charter)?;
        self.vote(objector, "object", name, Some(REASON))?;
        let barred = |at: &'static str| Ok(matches!(self.standing(at, name)?.as_str(), "objected" | "suspended"));
        self.everywhere(&format!("{name} is barred by {objector}'s objection"), &self.participants(), barred)?;
        let reads = |at: &'static str| {
            let reasons = self.member(at, name)?.objections;
            Ok(reasons.iter().any(|o| o.reason.as_deref() == Some(REASON)))
        };
        self.everywhere("the reason is read by every agency", &self.agencies(), reads)?;
        let private = PRIVATE.name;
        let (log, reason) = until("the private participant's view", PATIENCE, || {
            let log: Page<LogRow> = self.stage.read(private, Op::Log, &[objector], &[("log", "agy".into())])?;
            Ok((log, reads(private)?))
        })?;
        ensure!(log.items.is_empty() && !reason, "an agency-only entry reached {private}");
        ensure!(!holds_bytes(&self.stage.data(private), REASON.as_bytes())?, "the reason lies in {private}'s folder");
        self.teller.held(&format!("no byte of the reason is in {private}'s folder, and its log 2 is empty there"));
        // its window runs and changes nothing
        std::thread::sleep(Duration::from_secs(4));
        self.everywhere(&format!("{name} stays barred when the window has run"), &self.participants(), barred)?;
        let standing = until("the barred one's own view", PATIENCE, || Ok(self.status(name)?.standing))?;
        ensure!(standing.as_deref() != Some("participant"), "{name} believes that it takes part");
        Ok(())
    }

    // -- a case -----------------------------------------------------------------------------------------------------

    /// From samples to a decision: the target is found by the directory, never named here.
    pub fn referral(&self, number: usize) -> anyhow::Result<String> {
        let from = FOUNDERS[0].name;
        let query = [("country", "BR".to_owned()), ("channel", "email".into()), ("measure", "takedown".into())];
        let found = until("the directory names an agency", PATIENCE, || {
            let rows = self.contacts(from, &query)?;
            rows.first().map(|r| r.of.short_name.clone()).context("none found")
        })?;
        let to: &'static str = self.agencies().into_iter().find(|a| *a == found).context("an agency of the story")?;
        self.teller.held(&format!("who can act on e-mail spam from BR with a takedown? The directory says: {to}"));
        let samples = self.stage.root().join("samples");
        std::fs::create_dir_all(&samples)?;
        for (name, content) in SAMPLES {
            std::fs::write(samples.join(name), content)?;
        }
        let draft = self.stage.root().join(format!("draft-{number}"));
        let file = draft.join("referral.toml");
        let text = |p: &std::path::Path| p.display().to_string();
        self.make(
            "a draft is made from three sample mails",
            || Ok(file.exists()),
            || {
                let _ = std::fs::remove_dir_all(&draft);
                self.stage
                    .cli_of(from, &["refer", "new", "--from", &text(&samples), "--to", to, "-o", &text(&draft)])
                    .map(drop)
            },
        )?;
        let form = fill_in(&std::fs::read_to_string(&file)?, number)?;
        let suspects = form.parties.iter().flatten().flat_map(|p| &p.identifiers).count();
        ensure!(suspects >= 4, "the draft names {suspects} identifiers only");
        self.teller.held(&format!("it names {suspects} identifiers of the sender: addresses, domains, links"));
        let thread = self.submit(from, to, &form, &samples)?;
        self.delivered(from, to, &thread)?;
        Ok(thread)
    }

    fn submit(&self, from: &'static str, to: &str, form: &Form, samples: &std::path::Path) -> anyhow::Result<String> {
        let draft: Draft = until("a draft is opened", PATIENCE, || self.stage.call(from, Op::Drafts, &[], &json!({})))?;
        for item in form.evidence.iter().flatten() {
            let bytes = std::fs::read(samples.join(&item.name))?;
            let query = [
                ("name", item.name.clone()),
                ("media_type", item.media_type.clone()),
                ("sha256", crate::cli::hex::encode(&item.sha256.0)),
            ];
            until("evidence is uploaded", PATIENCE, || {
                let client = self.stage.client(from, Op::EvidencePut)?;
                Ok(client.upload::<EvidenceView>(
                    Op::EvidencePut,
                    &[&draft.thread],
                    &query,
                    &bytes[..],
                    bytes.len() as u64,
                )?)
            })?;
        }
        let submit =
            Submit { to: Some(to.to_owned()), form: Some(form.clone()), ahead_because: None, give_up_days: None };
        let said: Said = until("the referral is submitted", PATIENCE, || {
            self.stage.call(from, Op::Submit, &[&draft.thread], &submit)
        })?;
        self.teller.held(&format!("submitted: durable before the answer (case {})", &said.thread[..8]));
        Ok(said.thread)
    }

    fn case(&self, at: &str, thread: &str) -> anyhow::Result<ReferralDetail> {
        self.stage.read(at, Op::Referral, &[thread], &[])
    }

    fn delivered(&self, from: &'static str, to: &'static str, thread: &str) -> anyhow::Result<()> {
        until("the signed receipt comes home", PATIENCE, || {
            let case = self.case(from, thread)?;
            let stored = case.timeline.iter().all(|s| s.delivery == "stored");
            ensure!(stored, "{}", case.row.stuck.map_or("on its way".into(), |s| s.why));
            Ok(())
        })?;
        self.teller.held(&format!("{to}'s node has it on disk: its signed receipt is here"));
        self.once(to, thread)
    }

    /// The referral is at the target exactly once.
    pub fn once(&self, to: &str, thread: &str) -> anyhow::Result<()> {
        let (mut times, mut cursor) = (0, None);
        loop {
            let mut query = vec![("limit", "500".to_owned())];
            query.extend(cursor.map(|c| ("cursor", c)));
            let page: Page<ReferralRow> =
                until("the target's list", PATIENCE, || self.stage.read(to, Op::Referrals, &[], &query))?;
            times += page.items.iter().filter(|r| r.thread == thread).count();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        ensure!(times == 1, "the referral is there {times} times");
        let case = until("the case", PATIENCE, || self.case(to, thread))?;
        let mut said: Vec<&str> = case.timeline.iter().map(|s| s.id.as_str()).collect();
        let all = said.len();
        said.sort_unstable();
        said.dedup();
        ensure!(said.len() == all, "a statement is there twice");
        Ok(())
    }

    /// The target fetches the evidence, acknowledges and decides; the whole is exported and verified offline.
    pub fn answer(&self, thread: &str) -> anyhow::Result<()> {
        let from = FOUNDERS[0].name;
        let to = BY_SILENCE.name;
        self.teller.scene(
            "The target works on it",
            "evidence comes when asked for; a person acknowledges; each item is decided on its own",
        );
        let here = |at: &str| -> anyhow::Result<Vec<EvidenceView>> { Ok(self.case(at, thread)?.evidence) };
        self.make(
            &format!("{to} fetches the evidence, verified piece by piece"),
            || Ok(here(to)?.iter().all(|e| e.state == "here")),
            || {
                for item in here(to)?.iter().filter(|e| e.state != "here") {
                    self.stage.call::<Value>(to, Op::EvidenceFetch, &[thread, &item.blob], &json!({}))?;
                }
                std::thread::sleep(Duration::from_millis(200));
                Ok(())
            },
        )?;
        for item in here(to)? {
            let content = until("evidence is read", PATIENCE, || {
                let (mut reader, _) =
                    self.stage.client(to, Op::EvidenceGet)?.download(Op::EvidenceGet, &[thread, &item.blob], &[])?;
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                Ok(bytes)
            })?;
            let sample = SAMPLES.iter().find(|(name, _)| *name == item.name).context("a sample's name")?;
            ensure!(content == sample.1.as_bytes(), "{} is not what was sent", item.name);
        }
        self.teller.held("the evidence is byte for byte what was sent");
        let key = self.stage.officer(to).display().to_string();
        self.make(
            &format!("an officer of {to} acknowledges in person"),
            || Ok(self.case(to, thread)?.row.stage != "submitted"),
            || {
                self.stage
                    .cli_of(to, &["case", "acknowledge", thread, "--reference", "IPE-77", "--officer-key", &key])
                    .map(drop)
            },
        )?;
        self.make(
            "and decides: accepted",
            || Ok(self.case(to, thread)?.row.stage == "decided"),
            || {
                self.stage
                    .cli_of(to, &["case", "decide", thread, "--item", "0=accept", "--officer-key", &key])
                    .map(drop)
            },
        )?;
        until("the requester sees the decision", PATIENCE, || {
            ensure!(self.case(from, thread)?.row.stage == "decided", "not yet");
            Ok(())
        })?;
        self.teller.held(&format!("{from} sees it decided"));
        let exposed: lapwing_api::types::Exposure =
            until("what the target holds of ours", PATIENCE, || self.stage.read(from, Op::Exposure, &[to], &[]))?;
        let case = exposed.cases.iter().find(|c| c.thread == thread).context("the case in the exposure report")?;
        ensure!(case.stored >= 1 && case.evidence == SAMPLES.len(), "the exposure report misses something: {case:?}");
        self.teller.held(&format!("{from} can tell at any time what {to} has received from it"));
        self.export(from, thread)?;
        self.teller.held(&format!(
            "{from}: the case as one file; `lapwing verify` checks it offline: every signature and receipt holds"
        ));
        Ok(())
    }

    /// Exports a case and verifies the bundle offline, with the binary alone.
    pub fn export(&self, at: &str, thread: &str) -> anyhow::Result<()> {
        let bundle = self.stage.root().join(format!("case-{}-{at}.bundle", &thread[..8]));
        until("the case is exported", PATIENCE, || {
            let (mut reader, _) = self.stage.client(at, Op::Export)?.download(Op::Export, &[thread], &[])?;
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            std::fs::write(&bundle, bytes)?;
            Ok(())
        })?;
        let report = self.stage.cli(&["verify", &bundle.display().to_string()])?;
        ensure!(report["ok"] == true || report["statements"].is_array(), "the bundle does not verify: {report}");
        self.teller.held(&format!(
            "{at}: the case as one file; `lapwing verify` checks it offline: every signature and receipt holds"
        ));
        Ok(())
    }

    // -- at the end -------------------------------------------------------------------------------------------------

    /// All nodes hold the same.
    pub fn equal(&self) -> anyhow::Result<()> {
        let names = self.participants();
        let agencies = self.agencies();
        until("all nodes hold equal digests", PATIENCE, || {
            let all: Vec<(&str, Status)> =
                names.iter().map(|n| Ok((*n, self.status(n)?))).collect::<anyhow::Result<_>>()?;
            let first = &all[0].1;
            for (name, s) in &all {
                ensure!(s.state == first.state && s.heads == first.heads, "{name} differs");
                ensure!(!agencies.contains(name) || s.heads_agency == first.heads_agency, "{name} differs in log 2");
                let members: Page<Member> = self.stage.read(name, Op::Members, &[], &[])?;
                if let Some(m) = members.items.iter().find(|m| m.contested) {
                    return Err(Fatal(format!("{}'s log is contested at {name}", m.name.short_name)).into());
                }
            }
            Ok(())
        })?;
        self.teller.held(&format!("equal digests at {}; no log is contested", names.join(", ")));
        Ok(())
    }
}

/// Fills in what no sample can tell.
fn fill_in(toml: &str, number: usize) -> anyhow::Result<Form> {
    let mut table: toml::Table = toml.parse().context("the draft is no TOML")?;
    // the draft's own wrapper, where it has one
    if let Some(toml::Value::Table(form)) = table.remove("form") {
        table = form;
    }
    let fill = json!({
        "pro_forma_version": 1, "kind": "request_enforcement", "language": "en", "created_at": "2026-11-04",
        "subject_line": "Advance-fee mails for a parcel prize", "requester_ref": format!("HB-2026-{number:04}"),
        "poc_ref": "intake", "legal_authority": { "law": "Unsolicited Messages Act", "article": "7" },
        "tlp": "amber+strict", "retention_until": "2028-12-31", "channel": "email",
        "conduct": ["deceptive_offer", "advance_fee"],
        "narrative": "Forty complaints in three days. All lead to one collector and one payment page.",
        "harm": [
            { "factor": "victims", "band": 2, "basis": "counted_complaints" },
            { "factor": "financial", "basis": "unknown" },
            { "factor": "gravity", "band": 3, "basis": "counted_complaints" },
        ],
        "assistance": [{ "kind": "takedown", "description": "Take the payment page down and keep its logs." }],
        "declarations": { "accuracy": true, "authority": true, "confidentiality": true },
    });
    for key in ["to", "thread"] {
        table.remove(key);
    }
    let mut form = serde_json::to_value(table)?;
    let object = form.as_object_mut().context("a form")?;
    if let Value::Object(fill) = fill {
        object.extend(fill);
    }
    serde_json::from_value(form).context("the draft is not of the form's shape")
}

/// Whether any file below `dir` holds these bytes.
fn holds_bytes(dir: &std::path::Path, needle: &[u8]) -> anyhow::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            holds_bytes(&path, needle)?
        } else {
            // a file may vanish while a node works
            std::fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
