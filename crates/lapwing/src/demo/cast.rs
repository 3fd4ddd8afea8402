//! Who plays: invented bodies in real countries. None of them exists.

/// One participant of the story.
pub struct Role {
    /// The name on the command line.
    pub name: &'static str,
    /// The full name.
    pub legal: &'static str,
    /// Country.
    pub country: &'static str,
    /// Category token.
    pub category: &'static str,
    /// Language.
    pub language: &'static str,
    /// Time zone.
    pub zone: &'static str,
    /// What it is competent for, where it says so: area, channel, measures.
    pub competence: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// The founders.
pub const FOUNDERS: [Role; 3] = [
    Role {
        name: "harbour",
        legal: "Harbour Commission for Fair Messaging",
        country: "GB",
        category: "consumer_protection",
        language: "en",
        zone: "Europe/London",
        competence: &[("consumer_protection", "email", &["warning", "fine", "takedown"])],
    },
    Role {
        name: "polder",
        legal: "Poldertoezicht op Berichtenverkeer",
        country: "NL",
        category: "telecommunications_authority",
        language: "nl",
        zone: "Europe/Amsterdam",
        competence: &[("telecommunications", "sms", &["fine", "injunction"])],
    },
    Role {
        name: "hanriver",
        legal: "Han River Data Rights Board",
        country: "KR",
        category: "data_protection",
        language: "ko",
        zone: "Asia/Seoul",
        competence: &[("data_protection", "email", &["fine", "production_order"])],
    },
];

/// Admitted by the silence of everyone's window.
pub const BY_SILENCE: Role = Role {
    name: "ipe-amarelo",
    legal: "Instituto Ipe-Amarelo do Consumidor",
    country: "BR",
    category: "consumer_protection",
    language: "pt-BR",
    zone: "America/Sao_Paulo",
    competence: &[("consumer_protection", "email", &["warning", "takedown", "asset_recovery"])],
};

/// Admitted at once, by everyone's consent.
pub const BY_CONSENT: Role = Role {
    name: "savanna",
    legal: "Savanna Communications Watch",
    country: "KE",
    category: "telecommunications_authority",
    language: "sw",
    zone: "Africa/Nairobi",
    competence: &[("telecommunications", "email", &["warning", "injunction"])],
};

/// A private-sector representative.
pub const PRIVATE: Role = Role {
    name: "tidewire",
    legal: "Tidewire Internet Limited",
    country: "GB",
    category: "internet_service_provider",
    language: "en",
    zone: "Europe/London",
    competence: &[],
};

/// The one that an agency bars.
pub const BARRED: Role = Role {
    name: "megareach",
    legal: "MegaReach Direct Marketing",
    country: "NL",
    category: "other",
    language: "en",
    zone: "Europe/Amsterdam",
    competence: &[],
};
