//! Codes and field names in words: the stable token stays in brackets behind them.

use crate::office::rfc3339;
use serde_json::Value;

/// Words that are not their token with spaces.
const WORDS: &[(&str, &str)] = &[
    ("amber+strict", "TLP:AMBER+STRICT"),
    ("n_a", "Not applicable"),
    ("asn", "Autonomous system"),
    ("ip", "IP address"),
    ("url", "URL"),
    ("isp", "Internet service provider"),
    ("email", "E-mail"),
    ("sms", "Text message"),
    ("im", "Instant messages"),
    ("dkim_domain", "DKIM domain"),
    ("sha256", "SHA-256"),
    ("message_id", "Message-ID"),
    ("company_no", "Company number"),
    ("merchant_id", "Merchant"),
];

/// Names of fields that are not their key with spaces.
const FIELDS: &[(&str, &str)] = &[
    ("tlp", "Traffic Light Protocol"),
    ("pap", "Permissible Actions Protocol"),
    ("poc_ref", "Point of contact"),
    ("requester_ref", "Requester's reference"),
    ("campaign_ref", "Campaign"),
    ("pro_forma_version", "Version of the form"),
    ("upto", "Seen up to"),
    ("usd_cents", "In cents of a US dollar"),
    ("blake3", "BLAKE3"),
    ("sha256", "SHA-256"),
    ("url", "URL"),
];

/// Keys whose text is a code.
const CODED: &[&str] = &[
    "kind",
    "stage",
    "matter",
    "tlp",
    "pap",
    "onward",
    "channel",
    "conduct",
    "commercial",
    "consent_regime_breached",
    "volume_basis",
    "basis",
    "role",
    "level",
    "perishability",
    "formality",
    "judicial_use",
    "assurance",
    "decision",
    "ground",
    "outcome",
    "attested",
    "about",
    "reason",
    "factor",
    "injuries",
    "groups",
    "gravest",
    "state",
    "measure",
    "what",
    "delivery",
    "item",
];

/// Keys whose number is a time, in milliseconds UTC.
const TIMES: &[&str] = &["until", "expected", "decision_by", "at", "retry_after"];

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn is_code(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'+'))
}

/// A code in words, the code in brackets.
pub fn coded(code: &str) -> String {
    let words = WORDS.iter().find(|(token, _)| *token == code);
    let words = words.map_or_else(|| capital(&code.replace('_', " ")), |(_, words)| (*words).to_owned());
    format!("{words} ({code})")
}

/// A field's name in words.
pub fn field(key: &str) -> String {
    let words = FIELDS.iter().find(|(name, _)| *name == key);
    words.map_or_else(|| capital(&key.replace('_', " ")), |(_, words)| (*words).to_owned())
}

/// A value in words: codes by name, times as times, what has parts on lines of their own. Empty where nothing is said.
pub fn value(key: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(n) => match n.as_u64().filter(|_| TIMES.contains(&key)) {
            Some(ms) => rfc3339(ms),
            None => n.to_string(),
        },
        Value::String(text) if CODED.contains(&key) && is_code(text) => coded(text),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_number) => {
            items.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => {
            let lines: Vec<String> = items.iter().map(|item| self::value(key, item)).collect();
            lines.join("\n")
        }
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !value.is_null());
            let part = |(key, value): (&String, &Value)| format!("{}: {}", field(key), self::value(key, value));
            said.map(part).collect::<Vec<_>>().join("; ")
        }
    }
}

/// The parts of a value, each on a line of its own with its name.
pub fn parts(body: &Value) -> String {
    match body {
        Value::Object(fields) => {
            let lines = fields.iter().map(|(key, v)| (key, value(key, v))).filter(|(_, text)| !text.is_empty());
            lines.map(|(key, text)| format!("{}: {text}", field(key))).collect::<Vec<_>>().join("\n")
        }
        other => value("", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codes_and_fields_are_said_in_words_with_the_code_behind() {
        assert_eq!(coded("request_information"), "Request information (request_information)");
        assert_eq!(coded("isp"), "Internet service provider (isp)");
        assert_eq!(field("law_breached"), "Law breached");
        assert_eq!(value("conduct", &json!(["phishing", "other"])), "Phishing (phishing)\nOther (other)");
        assert_eq!(value("narrative", &json!("phishing")), "phishing");
        assert_eq!(value("until", &json!(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(parts(&json!({ "granted": true, "note": null, "items": [0, 2] })), "Granted: yes\nItems: 0, 2");
    }
}
