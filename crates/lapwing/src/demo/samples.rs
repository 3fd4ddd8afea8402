//! Sample mails of the demo: written by hand, harmless, on `.example` names and TEST-NET addresses.

/// Name and content.
pub const SAMPLES: [(&str, &str); 3] = [
    ("lottery-1.eml", include_str!("samples/lottery-1.eml")),
    ("lottery-2.eml", include_str!("samples/lottery-2.eml")),
    ("lottery-3.eml", include_str!("samples/lottery-3.eml")),
];
