//! Every operation of the local API, once: what it is called, where it lives, who may use it.
//!
//! The HTTP face registers its routes from this table, the node dispatches on [`Op`], the client builds its requests
//! from it, and the reference is printed from it. Adding an operation is: a row here, what it takes and answers in
//! [`crate::contract`], an arm in the node (CONTRIBUTING.md lists every step).

use serde::{Deserialize, Serialize};

/// What a token may do (defaults, "Roles of tokens"). No role alone casts a vote, and a token never stands in for an
/// officer's approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads directory, members and cases.
    Analyst,
    /// And drafts, referrals, proposals.
    Officer,
    /// Node, tokens, peers; no case content.
    Admin,
    /// Reads, and the audit trail.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Analyst, Role::Officer, Role::Admin, Role::Auditor];

    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Analyst => "analyst",
            Role::Officer => "officer",
            Role::Admin => "admin",
            Role::Auditor => "auditor",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Role::ALL.into_iter().find(|r| r.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a role: analyst, officer, admin or auditor"))
    }
}

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches the port.
    Open,
    /// Any token.
    Any,
    /// Those who may see cases: analyst, officer, auditor.
    Cases,
    /// Officer.
    Officer,
    /// Officer or admin.
    Clerk,
    /// Admin.
    Admin,
    /// Auditor.
    Auditor,
}

impl Access {
    /// Whether a role may.
    pub fn allows(self, role: Role) -> bool {
        match self {
            Access::Open | Access::Any => true,
            Access::Cases => role != Role::Admin,
            Access::Officer => role == Role::Officer,
            Access::Clerk => matches!(role, Role::Officer | Role::Admin),
            Access::Admin => role == Role::Admin,
            Access::Auditor => role == Role::Auditor,
        }
    }
}

/// The HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Post,
    /// Uploads bytes.
    Put,
}

/// How the body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// None, or JSON both ways.
    Json,
    /// Nothing in; out a page of items, as JSON or, where it is asked for, as JSON Lines.
    List,
    /// Bytes in, JSON out.
    Upload,
    /// JSON or nothing in, bytes out.
    Download,
    /// A stream of server-sent events.
    Events,
    /// The description of the API itself: made by the HTTP face alone, without the node.
    Reference,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The operation.
    pub op: Op,
    /// Its name in documents.
    pub name: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path below `/api/v1`, with `{parameters}`.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// How its body travels.
    pub body: Body,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The parameters that its query may have. Others are refused: a filter that is misspelt must not find everything.
    pub query: &'static [&'static str],
}

macro_rules! ops {
    ($($op:ident $method:ident $path:literal $access:ident $body:ident $summary:literal $(? $($query:ident)+)?;)+) => {
        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Op { $(#[doc = $summary] $op),+ }

        /// The table.
        pub const OPS: &[Row] = &[$(Row {
            op: Op::$op,
            name: stringify!($op),
            method: Method::$method,
            path: $path,
            access: Access::$access,
            body: Body::$body,
            summary: $summary,
            query: &[$($(stringify!($query)),+)?],
        }),+];

        impl Op {
            /// The row of this operation.
            pub fn row(self) -> &'static Row {
                &OPS[self as usize]
            }

            /// Whether it is answered at the root too, without `/api/v1`: where probes and scrapers look.
            pub fn at_root(self) -> bool {
                matches!(self, Op::Live | Op::Ready | Op::Metrics)
            }
        }
    };
}

ops! {
    Live Get "/livez" Open Json "Whether the process runs.";
    Ready Get "/readyz" Open Json "Whether the node can take a referral and answer reads: 200, or 503 with what keeps it from that.";
    Health Get "/health" Any Json "Every health item: what, why, what to do, and which item explains it.";
    Metrics Get "/metrics" Any Download "Counters and measurements in Prometheus' text format.";
    Status Get "/status" Any Json "How the node is: identity, heads, peers, outbox, what needs doing.";
    WhoAmI Get "/whoami" Any Json "The token's name and role, and what it may do.";
    Tokens Get "/tokens" Admin List "Tokens by name and role; never their secrets.";
    TokenNew Post "/tokens" Admin Json "Makes a token; its secret is shown once.";
    TokenRevoke Post "/tokens/{name}/revoke" Admin Json "Revokes a token.";
    Peers Get "/peers" Any List "Connected nodes, and known ones that are not connected.";
    Shutdown Post "/shutdown" Admin Json "Stops the node gracefully.";
    Reach Post "/reach" Admin Json "Asks a connected member's node to dial this one back: which published addresses lead here."
        ? by;
    NotifyTest Post "/notify/test" Admin Json "Runs the notify command with a test notice, and tells how it ended.";
    AssertCurrent Post "/assert-current" Admin Json "Asserts that this node holds its own latest entries, although no peer confirmed it.";

    Members Get "/members" Any List "Participants and applicants with their standing. Filters: class, country, standing."
        ? class country standing limit cursor;
    Member Get "/members/{name}" Any Json "One participant: inception, profile, points of contact, standing.";
    Explain Get "/members/{name}/explain" Any Json "Why it stands where it stands, with the entries that decide it.";
    Exposure Get "/members/{name}/exposure" Cases Json "What it has already received from this node: statements, evidence, entries for agencies.";
    Charter Get "/charter" Any Json "The charter, and the Params in force with the amendments that changed them.";
    Log Get "/members/{name}/log" Any List "Entries of one participant's logs, oldest first. Filters: log, after."
        ? log after limit cursor;

    Contacts Get "/contacts" Any List "Points of contact. Filters: country, area, channel, measure, language, role, open, name, stale."
        ? country area channel measure language role open name stale limit cursor;
    ContactPublish Post "/contacts" Clerk Json "Publishes a point of contact; the same slot supersedes.";
    ProfilePublish Post "/profile" Clerk Json "Publishes this participant's profile.";
    LegalPublish Post "/legal" Clerk Json "Publishes what this agency's law covers; a newer one supersedes.";
    Arrangements Get "/arrangements" Any List "Arrangements between agencies, and whether they stand. Filters: code, with, standing."
        ? code with standing limit cursor;
    ArrangementPublish Post "/arrangements" Clerk Json "Publishes an arrangement; it stands once every party has.";
    Outcomes Get "/outcomes" Any List "What became of cases. Filters: name, area, channel, action, country, since."
        ? name area channel action country since limit cursor;
    OutcomePublish Post "/outcomes" Clerk Json "Publishes what became of a case, for everyone or for agencies only.";

    Application Get "/application" Any Json "The state of this node's own application.";
    Applications Get "/applications" Any List "Applications in the inbox.";
    Introduce Post "/applications/{name}/introduce" Clerk Json "Introduces an applicant to the federation.";
    Proposals Get "/proposals" Any List "What waits for officers' approvals.";
    Propose Post "/proposals" Clerk Json "Proposes a consent, objection, withdrawal or amendment; answers with the exact bytes to approve.";
    Proposal Get "/proposals/{id}" Any Json "One proposal, with the exact bytes, their digest and plain words.";
    Approve Post "/proposals/{id}/approvals" Clerk Json "Adds an officer's signature; at m the entry is written.";
    DropProposal Post "/proposals/{id}/drop" Clerk Json "Drops a proposal that waits: nothing is said, and its number is free again.";
    Motions Get "/motions" Any List "Amendments and what became of them.";
    Objection Get "/objections/{entry}" Any Json "An objection: who has signed for holding it, and whether it is secured.";
    IdEntry Post "/identity/entries" Admin Json "Takes an entry of this participant's log 0, signed with the root keys elsewhere.";
    Identity Get "/identity" Any Json "This participant's keys, epochs, log heads: what the tools of root-key holders need.";
    Notices Get "/notices" Any List "What people were told, by what and when.";

    ReferralCheck Post "/referrals/check" Cases Json "Checks a pro forma: every fault at once, by field path; its harm score.";
    WhoCanAct Post "/referrals/who-can-act" Cases Json "The agencies that can act on a pro forma, with reasons and gaps.";
    Drafts Post "/referrals/drafts" Officer Json "Opens a draft, empty or from another draft, a template or an own case.";
    DraftList Get "/referrals/drafts" Officer List "Drafts that are not submitted yet, and templates. Filter: template."
        ? template limit cursor;
    DraftShow Get "/referrals/drafts/{thread}" Officer Json "A draft: its pro forma as far as it was saved, its evidence, who approved it.";
    DraftSave Post "/referrals/drafts/{thread}" Officer Json "Saves a draft's pro forma, whatever is filled in so far.";
    DraftApprove Post "/referrals/drafts/{thread}/approve" Officer Json "Approves a draft exactly as it stands, where the agency asks for a second officer.";
    DraftDrop Post "/referrals/drafts/{thread}/drop" Officer Json "Drops a draft or template with its evidence and its keys.";
    EvidencePut Put "/referrals/{thread}/evidence" Officer Upload "Uploads an item of evidence into a draft or case (query: name, media_type, sha256)."
        ? name media_type sha256;
    Submit Post "/referrals/{thread}/submit" Officer Json "Submits a referral: durable before the answer.";
    Referrals Get "/referrals" Cases List "Referrals. Filters: stage, with, role, stuck, overdue, assigned; in order of last change, or of harm."
        ? stage with role stuck overdue assigned order limit cursor;
    Referral Get "/referrals/{thread}" Cases Json "One referral: pro forma, timeline, decisions, evidence, delivery.";
    Prepare Post "/referrals/{thread}/prepare" Cases Json "The exact bytes that an officer approves for an acknowledgement or decision.";
    Say Post "/referrals/{thread}/statements" Officer Json "Says whatever a case's life has: acknowledges, asks, decides, delivers, recalls, consents, …";
    PassOn Post "/referrals/{thread}/transfer" Officer Json "Passes items on to the agency of a proposal: opens the new case there; `transferred` follows by itself.";
    EvidenceFetch Post "/referrals/{thread}/evidence/{blob}/fetch" Officer Json "Starts or resumes the transfer of an item of evidence.";
    EvidenceGet Get "/referrals/{thread}/evidence/{blob}" Cases Download "The content of an item of evidence that is here.";
    Export Get "/referrals/{thread}/export" Cases Download "The case as one bundle that `lapwing verify` checks offline. Purpose: own or court."
        ? purpose;
    ExportPdf Get "/referrals/{thread}/export.pdf" Cases Download "The case as pages for people, its markings on each. Purpose: own or court."
        ? purpose;
    ExportCsv Get "/referrals/{thread}/export.csv" Cases Download "A table of the case: parties, timeline or evidence. Purpose: own or court."
        ? table purpose;
    ExportXarf Get "/referrals/{thread}/export.xarf" Cases Download "A XARF report of one message of the case, for the abuse desk of a host or provider. Item: a name or blob of the evidence."
        ? item;

    Notes Get "/referrals/{thread}/notes" Cases List "Internal notes of a case, oldest first. They are never sent." ? limit cursor;
    NoteWrite Post "/referrals/{thread}/notes" Officer Json "Writes an internal note. It stays on this node.";
    CaseAssign Post "/referrals/{thread}/assign" Officer Json "Says who works on a case here, or nobody.";
    Absences Get "/absences" Cases List "Who is away, until when, and who acts meanwhile.";
    AbsenceSet Post "/absences" Officer Json "Says that an officer is away and who acts meanwhile, or that it is back.";
    Search Get "/search" Cases List "Own cases by words, identifiers, states and times; every filter must hold."
        ? text stage class role with country conduct channel identifier domain url ip asn email phone message_id dkim_domain sha256 wallet bank_account merchant_id company_no handle sender_id own_ref other_ref submitted_since submitted_until changed_since changed_until
          order limit cursor;
    SearchFacets Get "/search/facets" Cases Json "How many own cases a search finds, by stage, class, country, counterpart, conduct, channel and month."
        ? text stage class role with country conduct channel identifier domain url ip asn email phone message_id dkim_domain sha256 wallet bank_account merchant_id company_no handle sender_id own_ref other_ref submitted_since submitted_until changed_since changed_until
          facets;
    Seen Post "/search/seen" Cases Json "Have we seen this? Each identifier: in which own cases, when, as what, with whom; or in none.";
    SavedSearches Get "/search/saved" Cases List "Saved searches: the token holder's own, and the agency's.";
    SearchSave Post "/search/saved" Cases Json "Saves a search under a name; the same name again replaces it.";
    SearchRun Post "/search/saved/{name}/run" Cases Json "Runs a saved search: what is new or has changed since it was last run.";
    SearchDrop Post "/search/saved/{name}/drop" Cases Json "Drops a saved search.";

    Joints Get "/joint" Cases List "Joint cases that this agency leads or takes part in; the last change first." ? limit cursor;
    Joint Get "/joint/{joint}" Cases Json "One joint case: for its lead every agency's tasks, for a member its own. Filter: lead."
        ? lead;

    CaseErase Post "/referrals/{thread}/erase" Officer Json "Erases the content of a case here for good: its key is destroyed. Ids, hashes and receipts stay.";
    CaseHold Post "/referrals/{thread}/hold" Officer Json "Begins or ends a legal hold on a case: while it stands the case is not erased.";
    Erasures Get "/erasures" Cases List "What was erased here: cases and when, the latest first." ? limit cursor;
    Audit Get "/audit" Auditor List "The audit trail, oldest first. Filters: who, act, outcome, since, until, after."
        ? who act outcome since until after limit cursor;

    Backup Get "/backup" Admin Download "A backup of the running node, sealed to the backup key. Part: data or keyring." ? part;

    OpenApi Get "/openapi.json" Open Reference "This API as OpenAPI 3.1.";
    Docs Get "/docs" Open Reference "This API as a page to read.";
    Events Get "/events" Any Events "Server-sent events: standing, directory, case, application, proposal, contested, gap."
        ? after;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_its_own_route_and_finds_itself() {
        let mut routes: Vec<(String, &str)> = OPS.iter().map(|r| (format!("{:?}", r.method), r.path)).collect();
        routes.sort();
        let all = routes.len();
        routes.dedup();
        assert_eq!(routes.len(), all);
        assert!(OPS.iter().all(|r| r.op.row().path == r.path));
    }

    #[test]
    fn an_administrator_sees_no_case_content() {
        for row in OPS.iter().filter(|r| ["/referrals", "/search", "/joint"].iter().any(|p| r.path.starts_with(p))) {
            assert!(!row.access.allows(Role::Admin), "{}", row.path);
        }
    }
}
