//! From what the bases say to a place.
//!
//! A declaration is final. Otherwise the host speaks (pattern, then table) and the address speaks (published range, else
//! database, else registration), and where the two disagree every country named stays a candidate. The bias is towards
//! more candidates: a rule fires if any of them makes it fire.
//!
//! Three things weaken a basis. A hint gives way to a published range and is never alone. A row that is open adds the
//! unknown. Registration says who holds an address and not where it is: it is asked last and comes with the unknown.

use crate::transfer::{Basis, Country, Place};

use super::address::{ANONYMOUS, ANYCAST, Found, SATELLITE};
use super::answer::{Answer, Reach};
use super::declaration::Declaration;
use super::guard::Special;
use super::host::Hit;
use super::provider::Operator;
use super::range::Range;
use super::service::Service;

/// What each basis says about one host and one address.
#[derive(Debug, Default)]
pub(super) struct Evidence<'t> {
    pub(super) declared: Option<&'t Declaration>,
    pub(super) pattern: Option<Hit<'t>>,
    pub(super) service: Option<&'t Service>,
    pub(super) special: Option<Special>,
    pub(super) range: Option<&'t Range>,
    pub(super) database: Option<Found>,
    pub(super) registration: Option<Country>,
}

/// What became of what a basis said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// It said nothing about the place.
    #[default]
    Silent,
    /// It says that nobody can know.
    Anywhere,
    /// It made the place.
    Decides,
    /// It says the same.
    Agrees,
    /// It says something else, which stays a candidate.
    Adds,
    /// A better basis spoke.
    PassedOver,
}

/// A place, and what each basis did for it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) place: Place,
    pub(super) pattern: Role,
    pub(super) service: Role,
    pub(super) range: Role,
    pub(super) database: Role,
    pub(super) registration: Role,
}

/// What one axis says.
struct Voice<'t> {
    countries: &'t [Country],
    basis: Basis,
}

impl<'t> Evidence<'t> {
    /// The place all of this amounts to.
    pub(super) fn judge(&self) -> Verdict {
        let mut verdict = self.first_roles();
        if let Some(declared) = self.declared {
            let passed = |role: Role| if role == Role::Silent { role } else { Role::PassedOver };
            verdict.place = Place { countries: declared.countries.clone(), basis: Basis::Declared, ..verdict.place };
            verdict.pattern = passed(verdict.pattern);
            verdict.service = passed(verdict.service);
            verdict.pass_over_address();
            return verdict;
        }
        if verdict.pattern == Role::Anywhere || verdict.service == Role::Anywhere {
            verdict.pass_over_address();
            return verdict;
        }
        match self.host(Reach::Firm) {
            Some(host) => self.with_host(&mut verdict, &host),
            None => self.without_host(&mut verdict),
        }
        let open = self.pattern.is_some_and(|hit| hit.pattern.reach == Reach::Open)
            || self.service.is_some_and(|service| service.reach == Reach::Open);
        if open {
            add(&mut verdict.place.countries, &[Country::UNKNOWN]);
        }
        verdict
    }

    fn first_roles(&self) -> Verdict {
        let role = |answer: Option<&Answer>| match answer {
            None | Some(Answer::Silent) => Role::Silent,
            Some(Answer::Anywhere) => Role::Anywhere,
            Some(Answer::In(_)) => Role::PassedOver,
        };
        let operator = self.operator();
        Verdict {
            place: Place { operator: operator.name, operator_country: operator.country, ..Place::unknown() },
            pattern: role(self.pattern.map(|hit| hit.answer())),
            service: role(self.service.map(|service| &service.answer)),
            range: role(self.range.map(|range| &range.answer)),
            database: match self.database {
                Some(found) if found.flags & ANYCAST != 0 => Role::Anywhere,
                Some(Found { country: Some(_), .. }) => Role::PassedOver,
                _ => Role::Silent,
            },
            registration: if self.registration.is_some() { Role::PassedOver } else { Role::Silent },
        }
    }

    /// Who runs it: what the organisation says, the service, the owner of the name, the owner of the address.
    fn operator(&self) -> Operator {
        let declared = self.declared.and_then(|declared| declared.operator.clone());
        if declared.is_some() {
            return Operator { name: declared, country: None };
        }
        let service = self.service.map(|service| &service.operator);
        let named = service.or_else(|| self.pattern.map(|hit| &hit.pattern.operator));
        named.or_else(|| self.range.map(|range| &range.provider.operator)).cloned().unwrap_or_default()
    }

    /// What the host says with at least this reach: the pattern, else the table.
    fn host(&self, reach: Reach) -> Option<Voice<'t>> {
        let believed = |row: Reach| reach == Reach::Hint || row != Reach::Hint;
        let pattern =
            self.pattern.filter(|hit| believed(hit.pattern.reach)).map(|hit| (hit.answer(), Basis::HostPattern));
        let service = self.service.filter(|row| believed(row.reach)).map(|row| (&row.answer, Basis::HostTable));
        [pattern, service].into_iter().flatten().find_map(|(answer, basis)| match answer {
            Answer::In(countries) => Some(Voice { countries, basis }),
            _ => None,
        })
    }

    fn with_host(&self, verdict: &mut Verdict, host: &Voice<'_>) {
        verdict.place.basis = host.basis;
        verdict.place.countries = host.countries.to_vec();
        match host.basis {
            Basis::HostPattern => verdict.pattern = Role::Decides,
            _ => verdict.service = Role::Decides,
        }
        if let (Basis::HostPattern, Some(service)) = (host.basis, self.service)
            && let (Answer::In(countries), true) = (&service.answer, service.reach != Reach::Hint)
        {
            verdict.service = verdict.place.join(countries);
        }
        self.join_address(verdict);
    }

    /// Adds what the address says to a place the host made. Registration is too weak to speak against a host.
    fn join_address(&self, verdict: &mut Verdict) {
        match (self.range.map(|range| &range.answer), self.database_countries(verdict)) {
            (Some(Answer::In(countries)), _) => verdict.range = verdict.place.join(countries),
            (Some(Answer::Anywhere), _) => {}
            (_, Some(countries)) => verdict.database = verdict.place.join(&countries),
            _ => {}
        }
    }

    fn without_host(&self, verdict: &mut Verdict) {
        let hint = self.host(Reach::Hint);
        let database = self.database_countries(verdict);
        match (self.range.map(|range| &range.answer), database, &hint) {
            (Some(Answer::In(countries)), _, _) => {
                verdict.place.countries = countries.to_vec();
                verdict.place.basis = Basis::ProviderRange;
                verdict.range = Role::Decides;
            }
            (range, Some(countries), hint) if range != Some(&Answer::Anywhere) => {
                verdict.place.countries = countries;
                verdict.place.basis = Basis::AddressDatabase;
                verdict.database = Role::Decides;
                if let Some(hint) = hint {
                    let role = verdict.place.join(hint.countries);
                    *verdict.of_host(hint.basis) = role;
                }
            }
            (_, _, Some(hint)) => {
                verdict.place.countries = hint.countries.to_vec();
                verdict.place.basis = hint.basis;
                add(&mut verdict.place.countries, &[Country::UNKNOWN]);
                *verdict.of_host(hint.basis) = Role::Decides;
            }
            _ => self.registered(verdict),
        }
    }

    fn registered(&self, verdict: &mut Verdict) {
        let nowhere = verdict.range == Role::Anywhere || verdict.database == Role::Anywhere;
        if let (Some(country), false) = (self.registration, nowhere) {
            verdict.place.countries = vec![country, Country::UNKNOWN];
            verdict.place.basis = Basis::Registration;
            verdict.registration = Role::Decides;
        }
    }

    /// The countries of the database; a satellite link or an anonymiser may lead anywhere.
    fn database_countries(&self, verdict: &Verdict) -> Option<Vec<Country>> {
        let found = self.database.filter(|_| verdict.database != Role::Anywhere)?;
        let mut countries = vec![found.country?];
        if found.flags & (SATELLITE | ANONYMOUS) != 0 {
            countries.push(Country::UNKNOWN);
        }
        Some(countries)
    }
}

impl Verdict {
    fn pass_over_address(&mut self) {
        for role in [&mut self.range, &mut self.database, &mut self.registration] {
            if *role != Role::Silent {
                *role = Role::PassedOver;
            }
        }
    }

    fn of_host(&mut self, basis: Basis) -> &mut Role {
        if basis == Basis::HostPattern { &mut self.pattern } else { &mut self.service }
    }
}

/// A place takes in what another basis says.
trait Join {
    fn join(&mut self, countries: &[Country]) -> Role;
}

impl Join for Place {
    fn join(&mut self, countries: &[Country]) -> Role {
        if countries.iter().all(|country| self.countries.contains(country)) {
            return Role::Agrees;
        }
        add(&mut self.countries, countries);
        Role::Adds
    }
}

/// Adds countries to a sorted list without doubles; the unknown sorts last.
pub(super) fn add(list: &mut Vec<Country>, countries: &[Country]) {
    list.extend(countries);
    list.sort_unstable();
    list.dedup();
}
