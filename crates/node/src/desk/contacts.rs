//! Points of contact: whom to ask, for what, when, in which language (Plan A.1).

use super::names::{self, name};
use super::open_now::{is_zone, open_now};
use super::paging::page;
use super::{Answer, Desk, body, filter, flag, json, parsed};
use crate::office::now_ms;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{ContactIn, ContactRow, Written};
use lapwing_engine::listing::Listing;
use lapwing_engine::state::State;
use lapwing_engine::step::{Answer as Done, Command};
use lapwing_record::cbor::{Fault, encode};
use lapwing_record::directory::{Channel, Contact, LawArea, Measure, Profile, Role, is_language};
use lapwing_record::entry::EntryType;
use lapwing_record::id::Pid;
use lapwing_record::identity::Class;

/// What is looked for. A contact is found when its participant is competent for the area, channel and measure together,
/// and the contact itself answers for them.
#[derive(Default)]
struct Wanted {
    country: Option<String>,
    area: Option<LawArea>,
    channel: Option<Channel>,
    measure: Option<Measure>,
    language: Option<String>,
    role: Option<Role>,
    of: Option<Pid>,
    open: Option<bool>,
    stale: Option<bool>,
}

impl Wanted {
    fn read(state: &State, call: &Call) -> Result<Self, Problem> {
        let language = filter(call, "language").map(str::to_owned);
        if let Some(bad) = language.as_ref().filter(|l| !is_language(l)) {
            return Err(Problem::new(Code::Malformed, format!("`language`: `{bad}` is not a language tag (BCP 47)")));
        }
        Ok(Wanted {
            country: names::country(call)?,
            area: parsed(call, "area")?,
            channel: parsed(call, "channel")?,
            measure: parsed(call, "measure")?,
            language,
            role: parsed(call, "role")?,
            of: filter(call, "name").map(|n| names::participant(state, n)).transpose()?,
            open: flag(call, "open")?,
            stale: flag(call, "stale")?,
        })
    }

    /// Whether the participant does at all what is looked for.
    fn competent(&self, profile: Option<&Profile>) -> bool {
        if self.area.is_none() && self.channel.is_none() && self.measure.is_none() {
            return true;
        }
        profile.is_some_and(|p| {
            p.competence.iter().any(|c| {
                self.area.is_none_or(|a| a == c.area)
                    && self.channel.is_none_or(|ch| ch == c.channel)
                    && self.measure.is_none_or(|m| c.measures.contains(&m))
            })
        })
    }

    fn takes(&self, row: &ContactRow, listing: &Listing) -> bool {
        let contact = &row.contact;
        let profile = listing.profile.as_ref().map(|p| &p.record.languages[..]).unwrap_or_default();
        let languages = if contact.languages.is_empty() { profile } else { &contact.languages[..] };
        self.area.is_none_or(|a| contact.areas.is_empty() || contact.areas.contains(&a))
            && self.channel.is_none_or(|c| contact.channels.is_empty() || contact.channels.contains(&c))
            && self.language.as_ref().is_none_or(|l| languages.iter().any(|tag| speaks(tag, l)))
            && self.role.is_none_or(|r| r == contact.role)
            && self.open.is_none_or(|o| o == row.open_now)
            && self.stale.is_none_or(|s| s == row.stale)
    }
}

/// Whether a tag is of the language asked for: `pt-BR` is `pt`, and not the other way round.
fn speaks(tag: &str, wanted: &str) -> bool {
    let (tag, wanted) = (tag.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    tag == wanted || tag.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether this node's participant sees the contacts that are for agencies only.
pub(super) fn sees_agency_contacts(state: &State) -> bool {
    state.federation.is_full_agency(&state.me)
}

/// A participant's contacts as they stand.
pub(super) fn rows(state: &State, pid: &Pid, agency_too: bool, now: u64) -> Vec<ContactRow> {
    let federation = &state.federation;
    let (Some(listing), Some(inception)) = (federation.listing(pid), federation.inception(pid)) else {
        return Vec::new();
    };
    let public = listing.contacts.values().map(|c| (c, false));
    let agency = listing.agency_contacts.values().map(|c| (c, true)).filter(|_| agency_too);
    let row = |(listed, agency_only): (&lapwing_engine::listing::Listed<Contact>, bool)| ContactRow {
        of: name(pid, inception),
        open_now: open_now(&listed.record, now),
        stale: listed.record.reconfirm_by < now,
        contact: (*listed.record).clone(),
        agency_only,
        entry: listed.entry.to_string(),
        published: super::members::published(listed),
    };
    public.chain(agency).map(row).collect()
}

fn found(state: &State, wanted: &Wanted, now: u64) -> Vec<ContactRow> {
    let federation = &state.federation;
    let agency_too = sees_agency_contacts(state);
    let mut found = Vec::new();
    for (pid, inception) in names::everyone(state) {
        // whoever is asked for by name is shown whatever its standing; a search finds those who take part
        let chosen = wanted.of.map_or_else(|| federation.is_participant(&pid), |of| of == pid);
        let country = wanted.country.as_ref().is_none_or(|c| *c == inception.country);
        let Some(listing) = federation.listing(&pid).filter(|_| chosen && country) else { continue };
        if wanted.competent(listing.profile.as_ref().map(|p| &*p.record)) {
            found.extend(rows(state, &pid, agency_too, now).into_iter().filter(|row| wanted.takes(row, listing)));
        }
    }
    found
}

impl Desk {
    pub(super) fn contacts(&self, call: &Call) -> Answer {
        let view = self.view();
        let wanted = Wanted::read(&view.state, call)?;
        let found = found(&view.state, &wanted, now_ms());
        let key = |r: &ContactRow| format!("{} {} {} {}", r.of.country, r.of.short_name, r.contact.slot, r.entry);
        page(call, &view, found.into_iter().map(|row| (key(&row), row)).collect(), Ok)
    }

    pub(super) async fn publish_contact(&self, call: Call) -> Answer {
        let ContactIn { contact, agency_only } = body(&call)?;
        let mut faults: Vec<FieldFault> = contact.check().err().map(fault).into_iter().collect();
        if !is_zone(&contact.time_zone) {
            faults.push(unknown_zone());
        }
        refuse(faults, "the point of contact")?;
        let kind = if agency_only { EntryType::AgencyContact } else { EntryType::Contact };
        if agency_only && self.view().state.my_id().inception.class != Class::Agency {
            return Err(Problem::new(Code::Standing, "only agencies publish contacts for agencies only"));
        }
        self.write(kind, encode(&contact)).await
    }

    pub(super) async fn publish_profile(&self, call: Call) -> Answer {
        let profile: Profile = body(&call)?;
        let mut faults: Vec<FieldFault> = profile.check().err().map(fault).into_iter().collect();
        if !is_zone(&profile.time_zone) {
            faults.push(unknown_zone());
        }
        faults.extend(profile.website.as_deref().and_then(website_fault));
        refuse(faults, "the profile")?;
        self.write(EntryType::Profile, encode(&profile)).await
    }

    /// Writes an own entry.
    pub(super) async fn write(&self, kind: EntryType, body: Vec<u8>) -> Answer {
        match self.office.command(Command::Write { kind, body }).await? {
            Done::Entry(id) => json(&Written { entry: id.to_string() }),
            other => Err(super::internal("writing an own entry", format!("{other:?}"))),
        }
    }
}

/// A web site is an address that a browser opens as a page: everyone in the federation is shown it.
fn website_fault(text: &str) -> Option<FieldFault> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let page = host.is_some_and(|h| h.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
    let plain = !text.chars().any(|c| c.is_whitespace() || "<>\"'`".contains(c));
    let what = "must be a web address such as https://agency.example".to_owned();
    (!page || !plain).then(|| FieldFault { path: "website".into(), what })
}

fn unknown_zone() -> FieldFault {
    FieldFault { path: "time_zone".into(), what: "is not a time zone known here (IANA, such as Europe/London)".into() }
}

/// A fault of form as the API tells it.
pub(super) fn fault(fault: Fault) -> FieldFault {
    FieldFault { path: fault.path, what: fault.what }
}

/// Refuses content with faults.
pub(super) fn refuse(faults: Vec<FieldFault>, what: &str) -> Result<(), Problem> {
    if faults.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.path, f.what)).collect();
    Err(Problem::new(Code::Invalid, format!("{what} has {} fault(s): {}", list.len(), list.join("; "))).faults(faults))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::directory::{Competence, Hours, Way};

    fn contact(slot: &str, role: Role) -> Contact {
        Contact {
            slot: slot.into(),
            role,
            name: "Intake".into(),
            areas: vec![],
            channels: vec![],
            languages: vec!["pt-BR".into()],
            hours: vec![Hours { days: vec![1, 2, 3, 4, 5], from_min: 540, to_min: 1020 }],
            time_zone: "America/Sao_Paulo".into(),
            ways: vec![Way { kind: "email".into(), value: "x@y.example".into() }],
            deputy: None,
            reconfirm_by: 1_000,
            withdrawn: false,
        }
    }

    fn profile() -> Profile {
        Profile {
            display_name: "P".into(),
            competence: vec![
                Competence { area: LawArea::Telecommunications, channel: Channel::Sms, measures: vec![Measure::Fine] },
                Competence {
                    area: LawArea::ConsumerProtection,
                    channel: Channel::Email,
                    measures: vec![Measure::Takedown],
                },
            ],
            languages: vec!["en".into()],
            hours: vec![],
            time_zone: "UTC".into(),
            website: None,
        }
    }

    fn slots(world: &World, wanted: &Wanted) -> Vec<String> {
        found(world.state(), wanted, 2_000).into_iter().map(|r| r.contact.slot).collect()
    }

    #[test]
    fn a_web_site_is_an_address_of_a_page() {
        for good in ["https://agency.example", "http://agency.example/spam?x=1#y", "https://[2001:db8::1]/"] {
            assert_eq!(website_fault(good), None, "{good}");
        }
        for bad in
            ["javascript:alert(1)", "agency.example", "https://", "https:///x", "https://a b", "https://a\"b", ""]
        {
            assert!(website_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_search_asks_for_one_competence_that_has_it_all() {
        let mut world = World::of(&["harbor", "polder"]);
        world.write("polder", EntryType::Profile, &profile());
        world.write("polder", EntryType::Contact, &contact("intake", Role::CaseIntake));
        let sms = Contact { channels: vec![Channel::Sms], ..contact("sms-desk", Role::CaseIntake) };
        world.write("polder", EntryType::Contact, &sms);
        world.write("harbor", EntryType::Contact, &contact("bare", Role::General));
        let find = |channel, measure| slots(&world, &Wanted { channel, measure, ..Wanted::default() });
        assert_eq!(find(Some(Channel::Email), Some(Measure::Takedown)), ["intake"]);
        assert_eq!(find(Some(Channel::Sms), Some(Measure::Fine)), ["intake", "sms-desk"]);
        assert!(find(Some(Channel::Sms), Some(Measure::Takedown)).is_empty(), "not together");
        assert_eq!(find(None, None).len(), 3);
        assert!(find(None, Some(Measure::Advice)).is_empty());
    }

    #[test]
    fn filters_narrow_by_country_language_role_name_and_age() {
        let mut world = World::of(&["harbor", "polder"]);
        world.write("harbor", EntryType::Contact, &contact("intake", Role::CaseIntake));
        let fresh = Contact { reconfirm_by: 9_000, languages: vec![], ..contact("desk", Role::Urgent) };
        world.write("polder", EntryType::Contact, &fresh);
        let find = |wanted| slots(&world, &wanted);
        assert_eq!(find(Wanted { role: Some(Role::Urgent), ..Wanted::default() }), ["desk"]);
        assert_eq!(find(Wanted { stale: Some(true), ..Wanted::default() }), ["intake"]);
        assert_eq!(find(Wanted { of: Some(world.pid("polder")), ..Wanted::default() }), ["desk"]);
        assert_eq!(find(Wanted { language: Some("pt".into()), ..Wanted::default() }), ["intake"]);
        assert!(find(Wanted { language: Some("pt-PT".into()), ..Wanted::default() }).is_empty());
        assert_eq!(find(Wanted { country: Some("GB".into()), ..Wanted::default() }).len(), 2);
        assert!(find(Wanted { country: Some("NL".into()), ..Wanted::default() }).is_empty());
        assert_eq!(
            find(Wanted { open: Some(true), ..Wanted::default() }),
            ["desk"],
            "1 January 1970 was a holiday at three"
        );
    }

    #[test]
    fn contacts_for_agencies_are_not_shown_to_others() {
        let mut world = World::of(&["harbor", "polder"]);
        world.write("polder", EntryType::AgencyContact, &contact("quiet", Role::Legal));
        let state = world.state();
        assert!(sees_agency_contacts(state));
        assert_eq!(rows(state, &world.pid("polder"), true, 0)[0].contact.slot, "quiet");
        assert!(rows(state, &world.pid("polder"), false, 0).is_empty());
    }

    #[test]
    fn a_tag_is_of_its_language() {
        assert!(speaks("pt-BR", "pt") && speaks("en", "EN"));
        assert!(!speaks("pt", "pt-BR") && !speaks("eng", "en"));
    }
}
