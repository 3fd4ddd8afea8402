//! The code lists of the pro forma (referral.md §1). Numbers and tokens are stable; words are translated at the edge.

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
    /// Whether something is asked for, so that harm must be stated.
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
    /// A factor of harm (referral.md §3), in the order of the charter's weights.
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
