//! An officer's approval: the bytes are rebuilt here from what they are said to mean, and signed only if they are the
//! ones that the node proposes (protocol §3, "Officers decide, nodes only clerk"). A stolen node can ask for anything;
//! it cannot make an officer sign one thing while showing another.

use super::ask::Unlock;
use super::fail::wrong;
use super::hex;
use super::out::one_line;
use super::when;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{ApprovalIn, Prepared, ProposalView};
use lapwing_node::keys::KeyKind;
use lapwing_record::cbor::{self, Bytes};
use lapwing_record::entry::{MAX_BODY, body_hash};
use lapwing_record::id::{Digest, EntryId, NetworkId, Pid, ThreadId};
use lapwing_record::identity::{Act, words};
use lapwing_record::membership::{Approval, Motion, Target};
use lapwing_record::sign::SecretKey;
use std::path::{Path, PathBuf};

/// An act as it was rebuilt, ready to be signed.
#[derive(Debug)]
pub struct Rebuilt {
    /// What is signed.
    pub approval: Approval,
    /// For which federation.
    pub network: NetworkId,
    /// A motion's content.
    pub motion: Option<Motion>,
}

fn differs(what: &str) -> Problem {
    Problem::new(Code::Approval, format!("nothing was signed: {what}"))
        .hint("The node shows one thing and asks to sign another. Have it looked at before anyone approves anything.")
}

/// Reads a target: a pid, or `motion:ID`.
fn target(text: &str) -> Result<Target, Problem> {
    let bad = |e: lapwing_record::id::ParseIdError| differs(&format!("the target does not read: {e}"));
    match text.strip_prefix("motion:") {
        Some(id) => id.parse::<EntryId>().map(Target::Motion).map_err(bad),
        None => text.parse::<Pid>().map(Target::Participant).map_err(bad),
    }
}

/// Rebuilds a proposal's bytes and refuses if they are not those that the node proposes.
pub fn rebuild(view: &ProposalView) -> Result<Rebuilt, Problem> {
    let pid: Pid = view.pid.parse().map_err(|e| differs(&format!("the participant does not read: {e}")))?;
    let network = view.network_id.parse().map_err(|e| differs(&format!("the federation does not read: {e}")))?;
    let act: Act = view.act.parse().map_err(|e: String| differs(&e))?;
    let (approval, motion) = match (act, &view.target, &view.motion) {
        (Act::Consent | Act::Object | Act::Withdraw, Some(text), None) => {
            (Approval::of_stance(pid, view.epoch, view.n, act, target(text)?), None)
        }
        (Act::Motion, None, Some(text)) => {
            let bytes = hex::decode(text).ok_or_else(|| differs("the motion is not hexadecimal"))?;
            let motion: Motion =
                cbor::decode(&bytes, MAX_BODY).map_err(|e| differs(&format!("the motion does not read: {e}")))?;
            if motion.n != view.n || !motion.approvals.is_empty() {
                return Err(differs("the motion carries another number, or approvals"));
            }
            (motion.approval(pid, view.epoch), Some(motion))
        }
        _ => return Err(differs("the act does not fit what it is about")),
    };
    if hex::encode(&approval.bytes()) != view.bytes.to_ascii_lowercase() {
        return Err(differs("the bytes that the node proposes are not those of the act that it shows"));
    }
    if view.id.parse::<Digest>().ok() != Some(approval.digest()) {
        return Err(differs("the proposal's id is not the digest of its bytes"));
    }
    Ok(Rebuilt { approval, network, motion })
}

/// Rebuilds what is approved for an acknowledgement or decision whose body we encoded ourselves.
pub fn rebuild_statement(view: &Prepared, act: Act, thread: &str, body: &[u8]) -> Result<Rebuilt, Problem> {
    let pid: Pid = view.pid.parse().map_err(|e| differs(&format!("the participant does not read: {e}")))?;
    let network = view.network_id.parse().map_err(|e| differs(&format!("the federation does not read: {e}")))?;
    let id: ThreadId = view.thread.parse().map_err(|e| differs(&format!("the case does not read: {e}")))?;
    if !view.thread.starts_with(thread) {
        return Err(differs("the node prepared another case than was asked for"));
    }
    if view.act != act.code() {
        return Err(differs("the node prepared another act than was asked for"));
    }
    if hex::encode(body) != view.body.to_ascii_lowercase() {
        return Err(differs("the content that the node prepared is not the one that was asked for"));
    }
    let approval = Approval {
        pid,
        epoch: view.epoch,
        n: view.n,
        act,
        target: Bytes(id.0.to_vec()),
        body_hash: Some(body_hash(body)),
    };
    if hex::encode(&approval.bytes()) != view.bytes.to_ascii_lowercase() {
        return Err(differs("the bytes that the node prepared are not those of the act that it shows"));
    }
    Ok(Rebuilt { approval, network, motion: None })
}

impl Rebuilt {
    /// What is approved, in words made here and not by the node.
    pub fn words(&self, name_of: impl Fn(&str) -> Option<String>) -> String {
        let a = &self.approval;
        let mut lines = vec![
            format!("federation  {}", words(&self.network.0)),
            format!("for         {} ({})", name_of(&a.pid.to_string()).unwrap_or_default(), a.pid),
        ];
        let target = cbor::decode::<Target>(&a.target, 64);
        match (&self.motion, target) {
            (Some(motion), _) => {
                let p = &motion.params;
                lines.push("act         propose an amendment of the Params to:".into());
                lines.push(format!("            window {}, grace {}", when::show(p.window_ms), when::show(p.grace_ms)));
                let weights = p.harm_weights.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
                let retention = when::show(p.retention_max_ms);
                lines.push(format!("            harm weights {weights}, retention {retention}"));
                lines.push(format!("            evidence at most {} bytes, schema {}", p.blob_max_bytes, p.schema));
                lines.push(format!("because     {}", one_line(&motion.statement)));
            }
            (None, Ok(Target::Participant(pid))) => {
                let name = name_of(&pid.to_string()).unwrap_or_else(|| "one whom the node does not name".into());
                lines.push(format!("act         {} to the participation of {name}", says(a.act)));
                lines.push(format!("            id    {pid}"));
                lines.push(format!("            words {}", words(&pid.0)));
            }
            (None, Ok(Target::Motion(id))) => lines.push(format!("act         {} to the motion {id}", says(a.act))),
            (None, Err(_)) => {
                lines.push(format!("act         {} the case {}", a.act, lapwing_record::id::base32(&a.target)));
            }
        }
        lines.push(format!("number      {} of epoch {}", a.n, a.epoch));
        lines.push(format!("digest      {}", a.digest()));
        lines.join("\n")
    }

    /// Signs with an officer's key.
    pub fn sign(&self, officer: &SecretKey) -> ApprovalIn {
        let signed = self.approval.sign(officer, &self.network);
        ApprovalIn { kid: signed.kid.to_string(), signature: hex::encode(&signed.signature) }
    }

    /// Refuses if the act is another agency's or federation's than the data folder's.
    pub fn is_ours(&self, own: Option<(Pid, Option<NetworkId>)>) -> Result<(), Problem> {
        match own {
            Some((pid, _)) if pid != self.approval.pid => Err(differs("it is to be said for another participant")),
            Some((_, Some(network))) if network != self.network => Err(differs("it is meant for another federation")),
            _ => Ok(()),
        }
    }
}

fn says(act: Act) -> &'static str {
    match act {
        Act::Consent => "CONSENT",
        Act::Object => "OBJECT",
        Act::Withdraw => "WITHDRAW THE OBJECTION",
        _ => "speak",
    }
}

/// Opens an officer's key and refuses one that the node does not know as an officer's.
pub fn officer(unlock: &Unlock, path: &Path, officers: &[String]) -> Result<SecretKey, Problem> {
    let info = lapwing_node::keys::read_info(path).map_err(super::fail::key)?;
    let public = info.public.and_then(|p| lapwing_record::sign::PublicKey::new(p).ok());
    if info.kind == KeyKind::Officer && !officers.is_empty() {
        let kid = public.map(|p| p.kid().to_string()).unwrap_or_default();
        if !officers.contains(&kid) {
            return Err(wrong(format!("{} is no key of an officer of this agency", path.display()))
                .hint("`lapwing officer list` shows whose keys count; `lapwing officer add` adds one."));
        }
    }
    unlock.open(path, KeyKind::Officer)
}

/// Officers' keys on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct OfficerKeys {
    /// The officer's key file; several where the policy asks for several approvals.
    #[arg(long, value_name = "FILE", required = true)]
    pub officer_key: Vec<PathBuf>,
    /// Do not ask before signing.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub unlock: Unlock,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::charter::Params;
    use lapwing_record::statement::{Acknowledge, Assurance};

    fn view(approval: &Approval, act: &str, target: Option<String>, motion: Option<String>) -> ProposalView {
        ProposalView {
            id: approval.digest().to_string(),
            act: act.into(),
            pid: approval.pid.to_string(),
            network_id: NetworkId([9; 32]).to_string(),
            epoch: approval.epoch,
            n: approval.n,
            target,
            motion,
            bytes: hex::encode(&approval.bytes()),
            words: "harmless".into(),
            approved_by: vec![],
            needed: 1,
            officers: vec![],
        }
    }

    fn objection() -> ProposalView {
        let target = Pid([2; 32]);
        let approval = Approval::of_stance(Pid([1; 32]), 3, 7, Act::Object, Target::Participant(target));
        view(&approval, "object", Some(target.to_string()), None)
    }

    #[test]
    fn what_the_node_shows_is_what_is_signed() {
        let view = objection();
        let rebuilt = rebuild(&view).unwrap();
        let key = SecretKey::from_seed([5; 32]);
        let signed = rebuilt.sign(&key);
        let by = lapwing_record::sign::Detached {
            kid: signed.kid.parse().unwrap(),
            signature: hex::decode(&signed.signature).unwrap().try_into().unwrap(),
        };
        let bytes = hex::decode(&view.bytes).unwrap();
        by.verify(&key.public(), &NetworkId([9; 32]), lapwing_record::sign::Context::Approve, &bytes).unwrap();
        let words = rebuilt.words(|_| Some("nimbus\u{1b}[2J".into()));
        assert!(words.contains("OBJECT to the participation of nimbus") && words.contains(&Pid([2; 32]).to_string()));
    }

    #[test]
    fn bytes_that_mean_anything_else_are_refused() {
        let good = objection();
        let other = Approval::of_stance(Pid([1; 32]), 3, 7, Act::Consent, Target::Participant(Pid([2; 32])));
        for bad in [
            ProposalView { act: "consent".into(), ..good.clone() },
            ProposalView { n: 8, ..good.clone() },
            ProposalView { epoch: 4, ..good.clone() },
            ProposalView { target: Some(Pid([3; 32]).to_string()), ..good.clone() },
            ProposalView { target: Some(format!("motion:{}", Pid([2; 32]))), ..good.clone() },
            ProposalView { pid: Pid([4; 32]).to_string(), ..good.clone() },
            ProposalView { bytes: hex::encode(&other.bytes()), ..good.clone() },
            ProposalView { id: other.digest().to_string(), ..good.clone() },
            ProposalView { target: None, ..good.clone() },
            ProposalView { act: "decide".into(), ..good.clone() },
            ProposalView { motion: Some("00".into()), ..good.clone() },
        ] {
            let error = rebuild(&bad).unwrap_err();
            assert_eq!(error.code, Code::Approval, "{bad:?}");
        }
        let rebuilt = rebuild(&good).unwrap();
        rebuilt.is_ours(Some((Pid([1; 32]), Some(NetworkId([9; 32]))))).unwrap();
        assert!(rebuilt.is_ours(Some((Pid([4; 32]), None))).is_err());
        assert!(rebuilt.is_ours(Some((Pid([1; 32]), Some(NetworkId([8; 32]))))).is_err());
    }

    #[test]
    fn a_motion_is_rebuilt_from_its_own_bytes() {
        let params = Params { window_ms: 1, ..Params::default() };
        let motion =
            Motion { params, base: Digest([3; 32]), expires: 9, statement: "shorter".into(), n: 7, approvals: vec![] };
        let approval = motion.approval(Pid([1; 32]), 3);
        let good = view(&approval, "motion", None, Some(hex::encode(&cbor::encode(&motion))));
        assert!(rebuild(&good).unwrap().words(|_| None).contains("because     shorter"));
        let other = Motion { statement: "longer".into(), ..motion };
        let bad = ProposalView { motion: Some(hex::encode(&cbor::encode(&other))), ..good };
        assert!(rebuild(&bad).is_err());
    }

    #[test]
    fn an_acknowledgement_is_approved_for_its_own_case_and_content_only() {
        let ack = Acknowledge {
            own_reference: "X-1".into(),
            decision_by: None,
            urgency_accepted: None,
            assurance: Assurance::Assured,
            note: None,
        };
        let body = cbor::encode(&ack);
        let thread = ThreadId([6; 32]);
        let approval = Approval {
            pid: Pid([1; 32]),
            epoch: 0,
            n: 2,
            act: Act::Acknowledge,
            target: Bytes(thread.0.to_vec()),
            body_hash: Some(body_hash(&body)),
        };
        let good = Prepared {
            pid: Pid([1; 32]).to_string(),
            network_id: NetworkId([9; 32]).to_string(),
            epoch: 0,
            n: 2,
            act: "acknowledge".into(),
            thread: thread.to_string(),
            body: hex::encode(&body),
            bytes: hex::encode(&approval.bytes()),
            words: String::new(),
            needed: 1,
        };
        let id = thread.to_string();
        let check = |view: &Prepared, body: &[u8]| rebuild_statement(view, Act::Acknowledge, &id[..8], body);
        check(&good, &body).unwrap();
        let other = cbor::encode(&Acknowledge { own_reference: "X-2".into(), ..ack });
        assert!(check(&good, &other).is_err());
        assert!(check(&Prepared { body: hex::encode(&other), ..good.clone() }, &body).is_err());
        assert!(check(&Prepared { n: 3, ..good.clone() }, &body).is_err());
        assert!(check(&Prepared { act: "decide".into(), ..good.clone() }, &body).is_err());
        assert!(check(&Prepared { thread: ThreadId([7; 32]).to_string(), ..good }, &body).is_err());
    }
}
