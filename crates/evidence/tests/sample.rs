//! One message with everything in it, and what must come out.

use lapwing_evidence::address::Address;
use lapwing_evidence::analyse::analyse;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::links::{Host, UrlSource};
use lapwing_evidence::received::{Confidence, IpSource};
use lapwing_evidence::warning::Warning;

const PARCEL: &str = include_str!("../samples/parcel.eml");

fn emails(addresses: &[Address]) -> Vec<&str> {
    addresses.iter().map(|a| a.email.as_str()).collect()
}

#[test]
fn every_part_of_the_evidence_is_found() {
    for text in [PARCEL.to_owned(), PARCEL.replace('\n', "\r\n"), format!("From x Tue Jan  2 09:00:04 2024\n{PARCEL}")]
    {
        let found = analyse(text.as_bytes(), &Limits::default());

        // Who it says that it is, and where answers go.
        assert_eq!(found.from[0].name.as_deref(), Some("Post Service ✉"), "a reordering mark is taken out");
        assert_eq!(emails(&found.from), ["service@post.example"]);
        assert_eq!(emails(&found.reply_to), ["help@parcel-help.example"]);
        let path = found.return_path.as_ref().expect("a return path");
        assert_eq!(path.domain.as_ref().map(|d| d.ascii.as_str()), Some("bounce.parcel.example"));
        assert_eq!(found.message_id.as_deref(), Some("4711.abc@mailer.example"));
        assert_eq!(found.subject.as_deref(), Some("Your parcel 4711 is waiting"));
        assert_eq!(found.date.as_deref(), Some("2024-01-02T09:00:00Z"));
        assert_eq!(found.received_at.as_deref(), Some("2024-01-02T09:00:05Z"));
        assert!(found.recipients.iter().eq(["victim@home.example"]));
        assert!(found.body_emails.iter().eq(["out@mailer.example"]));

        // Who it came from.
        let sender = found.sending_ip.expect("a sending ip");
        assert_eq!((sender.ip.to_string().as_str(), sender.confidence), ("192.0.2.7", Confidence::High));
        assert_eq!(sender.host.as_deref(), Some("relay.mailer.example"));
        assert_eq!(sender.agreeing, [IpSource::AuthenticationResults, IpSource::ReceivedSpf]);
        let claimed: Vec<String> = found.claimed_origins.iter().map(ToString::to_string).collect();
        assert_eq!(claimed, ["198.51.100.20", "203.0.113.9"]);
        assert_eq!(found.received.len(), 3);
        assert_eq!(found.auth.stated_by.as_deref(), Some("mx.home.example"));
        let verdicts = (found.auth.spf, found.auth.dkim, found.auth.dmarc);
        assert_eq!(
            verdicts.0.map(|v| (v.result, v.about)),
            Some(("softfail".into(), Some("bounce.parcel.example".into())))
        );
        assert_eq!(verdicts.1[0].result, "pass");
        assert_eq!(verdicts.2.map(|v| v.result).as_deref(), Some("fail"));
        assert!(found.dkim_domains.iter().eq(["mailer.example"]));

        // What it points at.
        let urls: Vec<_> = found.urls.iter().map(|u| (u.url.as_str(), u.count)).collect();
        assert_eq!(
            urls,
            [
                ("http://192.0.2.80/index.php", 1),
                ("https://img.example/logo.png", 1),
                ("https://inner.example/", 1),
                ("https://mailer.example/out?id=1", 1),
                ("https://parcel-pay.example/fee?id=4711", 2),
                ("https://xn--pst-sed.example/", 1),
            ]
        );
        assert_eq!(found.urls[0].host, Host::Ip("192.0.2.80".parse().expect("an address")));
        assert!(found.urls[4].sources.iter().eq([&UrlSource::Link, &UrlSource::Text]));
        let imitation = found.domains.iter().find(|d| d.domain.homograph).expect("a homograph");
        assert_eq!(imitation.domain.unicode.as_deref(), Some("pоst.example"), "the o is Cyrillic");
        assert!(found.phones.iter().eq(["+442079460958"]));
        assert!(found.list_unsubscribe);

        // What it carries.
        assert_eq!(found.attachments.len(), 2);
        assert_eq!((found.attachments[0].name.as_str(), found.attachments[0].size), ("_label.pdf", 9));
        let sha256 = "e5c62df5dab5c87b6a015ef3d43597074d1eec433b15f51aec63b8582d0e4ab4";
        assert_eq!(found.attachments[0].sha256, sha256);
        assert_eq!(found.attachments[1].media_type, "message/rfc822");
        assert_eq!(found.nested_messages, 1);
        assert!(found.charsets.iter().eq(["iso-8859-1", "utf-8"]));
        assert_eq!(found.language.as_deref(), Some("en"));
        assert!(found.warnings.iter().eq([&Warning::NameSanitised, &Warning::Homograph]), "{:?}", found.warnings);
    }
}
