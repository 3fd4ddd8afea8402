//! The code lists of the pro forma (docs/protocol.md §6.2). Numbers and tokens are stable; words are translated at the edge.

use crate::codes;

codes! {
    /// What kind of referral.
    pub enum ReferralKind {
        /// Information is asked for.
        0 "request_information" => RequestInformation,
        /// Action is asked for.
        1 "request_enforcement" => RequestEnforcement,
        /// Evidence is to be kept.
        2 "request_evidence_preservation" => RequestEvidencePreservation,
        /// Information is given unasked.
        3 "spontaneous_information" => SpontaneousInformation,
        /// Many complaints at once.
        4 "complaint_batch" => ComplaintBatch,
        /// A warning to coordinate.
        5 "coordination_alert" => CoordinationAlert,
        /// A joint action is proposed.
        6 "joint_action_proposal" => JointActionProposal,
        /// A private-sector participant is asked for help.
        7 "private_assistance_request" => PrivateAssistanceRequest,
    }
}

impl ReferralKind {
    /// Whether something is asked for, so that harm and at least one item of assistance must be stated. What is given
    /// unasked needs neither: spontaneous_information, complaint_batch, coordination_alert.
    pub const fn is_request(self) -> bool {
        matches!(
            self,
            ReferralKind::RequestInformation
                | ReferralKind::RequestEnforcement
                | ReferralKind::RequestEvidencePreservation
                | ReferralKind::JointActionProposal
                | ReferralKind::PrivateAssistanceRequest
        )
    }
}

codes! {
    /// How far the requester's case is.
    pub enum CaseStage {
        /// Looked into.
        0 "preliminary" => Preliminary,
        /// Investigated.
        1 "open_investigation" => OpenInvestigation,
        /// In court.
        2 "litigation" => Litigation,
        /// After judgment.
        3 "post_judgment" => PostJudgment,
    }
}

codes! {
    /// What kind of proceedings.
    pub enum Matter {
        /// Administrative.
        0 "administrative" => Administrative,
        /// Civil.
        1 "civil" => Civil,
        /// Criminal.
        2 "criminal" => Criminal,
        /// More than one.
        3 "mixed" => Mixed,
    }
}

codes! {
    /// Permissible Actions Protocol.
    pub enum Pap {
        /// No limit.
        0 "clear" => Clear,
        /// Active actions allowed.
        1 "green" => Green,
        /// Passive cross-check only.
        2 "amber" => Amber,
        /// Nothing that could be noticed.
        3 "red" => Red,
    }
}

codes! {
    /// Whether the target may pass the referral on.
    pub enum Onward {
        /// No.
        0 "no" => No,
        /// Only after asking.
        1 "ask" => Ask,
        /// To competent agencies of its own country.
        2 "domestic_competent_agencies" => DomesticCompetentAgencies,
    }
}

codes! {
    /// What was done.
    pub enum Conduct {
        /// Sent without consent.
        0 "no_consent" => NoConsent,
        /// No way to opt out.
        1 "no_opt_out" => NoOptOut,
        /// A forged header.
        2 "false_header" => FalseHeader,
        /// A misleading subject.
        3 "misleading_subject" => MisleadingSubject,
        /// A false sender id.
        4 "false_sender_id" => FalseSenderId,
        /// Harvested addresses.
        5 "harvested_addresses" => HarvestedAddresses,
        /// A deceptive offer.
        6 "deceptive_offer" => DeceptiveOffer,
        /// Advance fee.
        7 "advance_fee" => AdvanceFee,
        /// Phishing.
        8 "phishing" => Phishing,
        /// Identity theft.
        9 "identity_theft" => IdentityTheft,
        /// Malware.
        10 "malware" => Malware,
        /// Relayed by a botnet.
        11 "botnet_relay" => BotnetRelay,
        /// An open relay or proxy.
        12 "open_relay_or_proxy" => OpenRelayOrProxy,
        /// Counterfeit health products.
        13 "counterfeit_health" => CounterfeitHealth,
        /// Extortion.
        14 "extortion" => Extortion,
        /// Affiliate promotion.
        15 "affiliate_promotion" => AffiliatePromotion,
        /// Other.
        16 "other" => Other,
    }
}

codes! {
    /// Yes, no or unclear.
    pub enum YesNo {
        /// Yes.
        0 "yes" => Yes,
        /// No.
        1 "no" => No,
        /// Unclear.
        2 "unclear" => Unclear,
    }
}

codes! {
    /// The consent regime breached.
    pub enum ConsentRegime {
        /// Opt-in.
        0 "opt_in" => OptIn,
        /// Opt-out.
        1 "opt_out" => OptOut,
        /// Either.
        2 "either" => Either,
        /// Not applicable.
        3 "n_a" => NotApplicable,
    }
}

codes! {
    /// A party's part in the conduct.
    pub enum PartyRole {
        /// Suspected sender.
        0 "suspected_sender" => SuspectedSender,
        /// Advertiser.
        1 "advertiser" => Advertiser,
        /// Affiliate.
        2 "affiliate" => Affiliate,
        /// Recipient of payments.
        3 "payment_recipient" => PaymentRecipient,
        /// Registrar.
        4 "registrar" => Registrar,
        /// Host.
        5 "host" => Host,
        /// Internet service provider.
        6 "isp" => Isp,
        /// Reseller.
        7 "reseller" => Reseller,
        /// Witness.
        8 "witness" => Witness,
    }
}

codes! {
    /// What an identifier is.
    pub enum IdentifierKind {
        /// Domain.
        0 "domain" => Domain,
        /// URL.
        1 "url" => Url,
        /// IP address.
        2 "ip" => Ip,
        /// Autonomous system.
        3 "asn" => Asn,
        /// E-mail address.
        4 "email" => Email,
        /// Telephone number, E.164.
        5 "phone" => Phone,
        /// Message-ID.
        6 "message_id" => MessageId,
        /// DKIM domain.
        7 "dkim_domain" => DkimDomain,
        /// SHA-256 of a file.
        8 "sha256" => Sha256,
        /// Wallet.
        9 "wallet" => Wallet,
        /// Bank account.
        10 "bank_account" => BankAccount,
        /// Merchant.
        11 "merchant_id" => MerchantId,
        /// Company number.
        12 "company_no" => CompanyNo,
        /// Handle on a service.
        13 "handle" => Handle,
        /// Sender id of a text message.
        14 "sender_id" => SenderId,
    }
}

codes! {
    /// How reliable a source is.
    pub enum Reliability {
        /// Always.
        0 "A" => A,
        /// Mostly.
        1 "B" => B,
        /// Sometimes.
        2 "C" => C,
        /// Cannot be judged.
        3 "X" => X,
    }
}

codes! {
    /// A factor of harm (docs/protocol.md §6.2), in the order of the charter's weights.
    pub enum Factor {
        /// Persons harmed.
        0 "victims" => Victims,
        /// Money.
        1 "financial" => Financial,
        /// Data, devices, health, distress.
        2 "non_financial" => NonFinancial,
        /// Gravity of the conduct.
        3 "gravity" => Gravity,
        /// Vulnerable victims.
        4 "vulnerability" => Vulnerability,
        /// Whether it goes on.
        5 "exposure" => Exposure,
    }
}

impl Factor {
    /// The highest band.
    pub const fn top(self) -> u64 {
        match self {
            Factor::Victims | Factor::Financial | Factor::NonFinancial | Factor::Gravity => 5,
            Factor::Vulnerability => 3,
            Factor::Exposure => 4,
        }
    }
}

codes! {
    /// What a band rests on.
    pub enum Basis {
        /// Counted complaints.
        0 "counted_complaints" => CountedComplaints,
        /// Seized records.
        1 "records_seized" => RecordsSeized,
        /// Payment records.
        2 "payment_records" => PaymentRecords,
        /// A provider's data.
        3 "provider_data" => ProviderData,
        /// Extrapolated from a sample: counts one band less.
        4 "sampled_extrapolated" => SampledExtrapolated,
        /// Not known.
        5 "unknown" => Unknown,
    }
}

codes! {
    /// What is asked for.
    pub enum AssistanceKind {
        /// Identify someone.
        0 "identify" => Identify,
        /// Obtain evidence.
        1 "obtain_evidence" => ObtainEvidence,
        /// Share evidence.
        2 "share_evidence" => ShareEvidence,
        /// Recover assets.
        3 "recover_assets" => RecoverAssets,
        /// Prevent further misconduct.
        4 "prevent_further_misconduct" => PreventFurtherMisconduct,
        /// Preserve evidence.
        5 "preserve_evidence" => PreserveEvidence,
        /// Interview.
        6 "interview" => Interview,
        /// Inspect.
        7 "inspect" => Inspect,
        /// Warn or enjoin.
        8 "warn_or_injunct" => WarnOrInjunct,
        /// Take down.
        9 "takedown" => Takedown,
        /// Investigate together.
        10 "joint_investigation" => JointInvestigation,
        /// Advice on law.
        11 "advice_on_law" => AdviceOnLaw,
        /// Tell the victims.
        12 "victim_notification" => VictimNotification,
    }
}

codes! {
    /// How urgent.
    pub enum UrgencyLevel {
        /// Routine.
        0 "routine" => Routine,
        /// Time-critical.
        1 "time_critical" => TimeCritical,
    }
}

codes! {
    /// What runs out.
    pub enum Perishability {
        /// Logs expire.
        0 "log_expiry" => LogExpiry,
        /// Assets flee.
        1 "asset_flight" => AssetFlight,
        /// Loss goes on.
        2 "ongoing_loss" => OngoingLoss,
        /// A date in court.
        3 "court_date" => CourtDate,
        /// Nothing.
        4 "none" => None,
    }
}

codes! {
    /// How evidence was come by.
    pub enum CollectionMethod {
        /// A spam trap.
        0 "spamtrap" => Spamtrap,
        /// A user's complaint.
        1 "user_complaint" => UserComplaint,
        /// Seized.
        2 "seized" => Seized,
        /// Produced by a provider.
        3 "provider_production" => ProviderProduction,
        /// Open sources.
        4 "open_source" => OpenSource,
        /// A honeypot.
        5 "honeypot" => Honeypot,
        /// Another way.
        6 "other" => Other,
    }
}

codes! {
    /// Whether the target may use it before a court.
    pub enum JudicialUse {
        /// Yes.
        0 "yes" => Yes,
        /// Only after asking.
        1 "ask" => Ask,
        /// No.
        2 "no" => No,
    }
}

codes! {
    /// What a party has in a country.
    pub enum LocationRole {
        /// Where messages come from.
        0 "origin" => Origin,
        /// What they pass.
        1 "transit" => Transit,
        /// Where they arrive.
        2 "destination" => Destination,
        /// Where content lies.
        3 "hosting" => Hosting,
        /// Where money goes.
        4 "payment" => Payment,
    }
}

codes! {
    /// How sure the requester is of a party.
    pub enum Confidence {
        /// A lead.
        0 "low" => Low,
        /// More likely than not.
        1 "medium" => Medium,
        /// Sure.
        2 "high" => High,
    }
}

codes! {
    /// What an answer is for.
    pub enum Formality {
        /// To be known, not shown.
        0 "intelligence_only" => IntelligenceOnly,
        /// To stand in court.
        1 "admissible" => Admissible,
    }
}

codes! {
    /// Who collected an item of evidence.
    pub enum Collector {
        /// The requester's own people.
        0 "requester" => Requester,
        /// Another agency.
        1 "other_agency" => OtherAgency,
        /// Whoever complained.
        2 "complainant" => Complainant,
        /// A provider.
        3 "provider" => Provider,
        /// A private-sector participant.
        4 "private_participant" => PrivateParticipant,
        /// Somebody else.
        5 "other" => Other,
    }
}

codes! {
    /// What was done with an item of evidence.
    pub enum CustodyAct {
        /// Collected.
        0 "collected" => Collected,
        /// Received.
        1 "received" => Received,
        /// Put away.
        2 "stored" => Stored,
        /// Copied.
        3 "copied" => Copied,
        /// Made a redacted copy of.
        4 "redacted" => Redacted,
        /// Handed on.
        5 "transferred" => Transferred,
    }
}

codes! {
    /// What was done to victims other than taking money. Each kind counts one band.
    pub enum Injury {
        /// Data was taken.
        0 "data_taken" => DataTaken,
        /// An identity was taken.
        1 "identity_taken" => IdentityTaken,
        /// A device was taken over.
        2 "device_taken_over" => DeviceTakenOver,
        /// Health or safety.
        3 "health_or_safety" => HealthOrSafety,
        /// Distress or extortion.
        4 "distress_or_extortion" => DistressOrExtortion,
    }
}

codes! {
    /// How grave the conduct is; the number is the band.
    pub enum Gravity {
        /// A nuisance.
        0 "nuisance" => Nuisance,
        /// A deceptive header.
        1 "deceptive_header" => DeceptiveHeader,
        /// A deceptive offer.
        2 "deceptive_offer" => DeceptiveOffer,
        /// Fraud.
        3 "fraud" => Fraud,
        /// Phishing or identity theft.
        4 "phishing_or_identity_theft" => PhishingOrIdentityTheft,
        /// Malware, a botnet, extortion or danger to health.
        5 "malware_botnet_extortion_or_health" => MalwareBotnetExtortionOrHealth,
    }
}

codes! {
    /// Who is among the victims. Each group counts one band, up to three.
    pub enum Vulnerable {
        /// Minors.
        0 "minors" => Minors,
        /// Elderly people.
        1 "elderly" => Elderly,
        /// Patients.
        2 "patients" => Patients,
        /// People of low income.
        3 "low_income" => LowIncome,
        /// Victims of an earlier case.
        4 "repeat_victims" => RepeatVictims,
        /// Victims of a disaster.
        5 "disaster" => Disaster,
    }
}

codes! {
    /// Whether the conduct goes on; the number is the band.
    pub enum Continuing {
        /// It has ended.
        0 "ended" => Ended,
        /// It can begin again.
        1 "repeatable" => Repeatable,
        /// It goes on at a low rate.
        2 "low_rate" => LowRate,
        /// It goes on.
        3 "ongoing" => Ongoing,
        /// It grows.
        4 "accelerating" => Accelerating,
    }
}
