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

/// What real mail had and the analysis once missed; each as an invented message.
mod once_missed {
    use super::*;
    use lapwing_evidence::campaign::group;

    fn found(mail: &str) -> lapwing_evidence::analysis::Analysis {
        analyse(mail.replace('\n', "\r\n").as_bytes(), &Limits::default())
    }

    /// Through two systems of one provider: the second seals what the first noted.
    const SEALED: &str = "Received: from relay.outbound.provider.example (relay.outbound.provider.example [192.0.2.62]) by mx.home.example; 2 Jan 2024 10:00:00 +0000
ARC-Authentication-Results: i=2; mx.home.example 1; spf=pass (sender ip is 192.0.2.62) smtp.mailfrom=tenant.example; dkim=fail header.d=tenant.example; arc=fail (48)
Authentication-Results: spf=pass (sender IP is 192.0.2.62) smtp.mailfrom=tenant.example; dkim=fail (signature did not verify) header.d=tenant.example;dmarc=none action=none header.from=tenant.example
ARC-Authentication-Results: i=1; mx.provider.example 1; spf=fail (sender ip is 198.51.100.165) smtp.mailfrom=tenant.example; dkim=none; arc=none (0)
Received-SPF: Fail (provider.example: domain of tenant.example does not designate 198.51.100.165 as permitted sender) receiver=provider.example; client-ip=198.51.100.165; helo=x;
From: Prize <office@tenant.example>
Date: 2 Jan 2024 09:59:00 +0000

x
";

    #[test]
    fn what_became_of_the_sealed_chain_stands_in_the_newest_set_only() {
        let found = found(SEALED);
        assert_eq!(found.auth.arc.map(|v| v.result).as_deref(), Some("fail"));
        assert_eq!(found.auth.spf.map(|v| v.result).as_deref(), Some("pass"), "the receiver's own word stays");
        assert!(!found.auth.from_arc);
    }

    #[test]
    fn whom_a_relay_was_handed_the_message_by_is_a_claimed_origin() {
        let found = found(SEALED);
        assert_eq!(found.sending_ip.map(|s| s.ip.to_string()).as_deref(), Some("192.0.2.62"));
        let claimed: Vec<String> = found.claimed_origins.iter().map(ToString::to_string).collect();
        assert_eq!(claimed, ["198.51.100.165"]);
    }

    #[test]
    fn the_receivers_comment_on_spf_agrees_with_the_chain() {
        let found = found(
            "Received: from out.mailer.example (out.mailer.example. [192.0.2.37]) by mx.home.example with ESMTPS id 1; 2 Jan 2024 10:00:00 +0000
Authentication-Results: mx.home.example; spf=pass (home.example: domain of a@spam.example designates 192.0.2.37 as permitted sender) smtp.mailfrom=a@spam.example
From: a@spam.example

x
",
        );
        let sender = found.sending_ip.expect("a sending ip");
        assert_eq!(
            (sender.agreeing.as_slice(), sender.confidence),
            ([IpSource::AuthenticationResults].as_slice(), Confidence::High)
        );
    }

    #[test]
    fn an_address_put_into_the_name_of_the_sender_is_found() {
        let found = found("From: Bank.Office@lure.example <someone@provider.example>\nTo: me@home.example\n\nx\n");
        assert_eq!(emails(&found.from), ["someone@provider.example"]);
        assert!(found.body_emails.iter().eq(["Bank.Office@lure.example"]));
        let own = super::analyse(b"From: a@b.example <a@b.example>\r\n\r\nx", &Limits::default());
        assert!(own.body_emails.is_empty(), "its own address says nothing more");
    }

    #[test]
    fn words_in_letters_that_only_look_latin_are_marked() {
        for subject in
            ["Y\u{585}ur wallet", "\u{430}\u{440}\u{440}\u{4CF}\u{435} care", "\u{1D542}\u{1D559}\u{1D563} Speicher"]
        {
            let found = found(&format!("From: a@b.example\nSubject: {subject}\n\nx\n"));
            assert!(found.warnings.contains(&Warning::MixedScript), "{subject}");
        }
        for subject in ["Grüße – für Sie", "почта", "Só hoje’s", "250 € 🎉", "日本語 mail"] {
            let found = found(&format!("From: a@b.example\nSubject: {subject}\n\nx\n"));
            assert!(!found.warnings.contains(&Warning::MixedScript), "{subject}");
        }
    }

    #[test]
    fn a_name_strewn_with_characters_that_are_not_seen_is_read_as_the_eye_reads_it() {
        let found = found("From: \"Par\u{E0139}\u{E0139}cel O\u{E0139}ffice\" <a@b.example>\n\nx\n");
        assert_eq!(found.from[0].name.as_deref(), Some("Parcel Office"));
        assert!(found.warnings.contains(&Warning::NameSanitised));
    }

    /// Four of five sentences are the same, and one is another: a kit with an exchanged prize.
    #[test]
    fn a_kit_whose_prize_is_exchanged_stays_one_campaign() {
        let mail = |subject: &str, prize: &str, page: &str| {
            found(&format!(
                "From: a@b.example\nSubject: {subject}\n\nHello dear customer, we could not reach you until now to help you with the voucher. \
                 {prize}. From next week on all vouchers that were not used are given away to other winners of this draw. \
                 If you receive this message you are one of the few who still have the time to answer our short questions. \
                 Please confirm your address on the page of our partner before the end of this day: {page}\n"
            ))
        };
        let first = mail("Your voucher is waiting", "You won a kettle of the shop", "https://one.test/");
        let second =
            mail("Win a card for your next purchase", "You won a whole year of free fuel", "https://two.test/");
        let stranger = found(
            "From: a@b.example\nSubject: Invoice\n\nAttached you find the invoice for the services of the last month, payable at once without any deduction, thank you.\n",
        );
        assert_eq!(group([&first, &second, &stranger]).len(), 2);
    }
}
