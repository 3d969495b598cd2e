//! A transfer as the rules of one pack see it.
//!
//! A [`Scene`] is what is known of a transfer for all packs: who it is about, what it carries, what the counters show.
//! Advice changes a scene and asks again. [`Carried`] is the content in the classes of one pack on its day. A [`View`]
//! adds one pair of candidate countries and the exemptions that hold for it.

use std::collections::HashMap;

use jiff::civil::Date;

use super::pack::{MOST, Pack};
use super::{Case, Packs};
use crate::transfer::{CategorySet, Content, Count, Country, Group, Person, Touch};

/// What is known of a transfer, for all packs.
#[derive(Debug, Clone)]
pub(super) struct Scene<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) exporter: &'a [Country],
    pub(super) importer: &'a [Country],
    pub(super) crowd: Crowd,
    pub(super) counts: Vec<Shown>,
}

/// People by what the content says about them.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd {
    groups: HashMap<CategorySet, u64>,
    /// Kinds found.
    found: CategorySet,
    /// Kinds found that no person is known for: someone's data all the same.
    loose: CategorySet,
    /// Kinds found, and `opaque.*`.
    kinds: CategorySet,
}

/// What one counter shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) pack: usize,
    pub(super) counter: usize,
    pub(super) count: Count,
}

/// The content in the classes of one pack.
#[derive(Debug)]
pub(super) struct Carried<'a> {
    classes: [CategorySet; MOST],
    crowd: &'a Crowd,
    pub(super) kinds: CategorySet,
    pub(super) found: CategorySet,
    /// Classes somebody in the content belongs to.
    pub(super) present: u32,
    /// Classes that data without a known person belongs to.
    loose: u32,
    counts: [Option<Count>; MOST],
}

/// One pair of candidate countries.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) pack: &'a Pack,
    pub(super) case: &'a Case<'a>,
    pub(super) day: Date,
    pub(super) exporter: Country,
    pub(super) importer: Country,
    /// Nothing while the content is not known.
    pub(super) carried: Option<&'a Carried<'a>>,
    /// Classes whose people are exempt.
    pub(super) exempt: u32,
}

impl Crowd {
    pub(super) fn of(content: &Content) -> Crowd {
        let mut crowd = Crowd { kinds: content.kinds(), ..Crowd::default() };
        crowd.found = CategorySet::of(content.categories.keys().copied());
        let mut known = CategorySet::default();
        // Neighbours are mostly alike: rows of one table, items of one list.
        for alike in content.people.chunk_by(|a, b| a.categories == b.categories) {
            let kinds = alike.first().map(|person| person.categories).unwrap_or_default();
            *crowd.groups.entry(kinds).or_default() += alike.len() as u64;
            known = known.union(kinds);
        }
        crowd.found = crowd.found.union(known);
        crowd.kinds = crowd.kinds.union(known);
        crowd.loose = crowd.found.without(known);
        crowd
    }

    /// The content of a record, whose people are known as groups.
    pub(super) fn of_groups(content: &Content, groups: &[Group]) -> Crowd {
        let mut crowd = Crowd::of(content);
        let mut known = CategorySet::default();
        for group in groups {
            *crowd.groups.entry(group.categories).or_default() += group.people;
            known = known.union(group.categories);
        }
        crowd.found = crowd.found.union(known);
        crowd.kinds = crowd.kinds.union(known);
        crowd.loose = crowd.found.without(known);
        crowd
    }

    /// The same content with some kinds left out.
    pub(super) fn without(&self, kinds: CategorySet) -> Crowd {
        let mut groups: HashMap<CategorySet, u64> = HashMap::new();
        for (of, people) in &self.groups {
            let left = of.without(kinds);
            if !left.is_empty() {
                *groups.entry(left).or_default() += people;
            }
        }
        Crowd {
            groups,
            found: self.found.without(kinds),
            loose: self.loose.without(kinds),
            kinds: self.kinds.without(kinds),
        }
    }

    pub(super) fn found(&self) -> CategorySet {
        self.found
    }
}

impl<'a> Scene<'a> {
    pub(super) fn of(case: &'a Case<'a>) -> Scene<'a> {
        Scene {
            case,
            exporter: &case.exporter.place.countries,
            importer: &case.importer.place.countries,
            crowd: Crowd::of(case.content),
            counts: Vec::new(),
        }
    }

    /// With what the counters show for `touches`.
    pub(super) fn counted(mut self, packs: &Packs, touches: &[Touch], counts: &[Count]) -> Scene<'a> {
        for (touch, count) in touches.iter().zip(counts) {
            let Some(pack) = packs.position(&touch.key.pack) else { continue };
            let counters = packs.iter().nth(pack).map(|pack| pack.counters.as_slice()).unwrap_or_default();
            if let Some(counter) = counters.iter().position(|counter| counter.id == touch.key.counter) {
                self.counts.push(Shown { pack, counter, count: *count });
            }
        }
        self
    }
}

impl<'a> Carried<'a> {
    /// The content of a scene in the classes of a pack.
    pub(super) fn of(pack: &Pack, index: usize, day: Date, scene: &'a Scene<'a>) -> Carried<'a> {
        let mut carried = Carried {
            classes: classes(pack, day),
            crowd: &scene.crowd,
            kinds: scene.crowd.kinds,
            found: scene.crowd.found,
            present: 0,
            loose: 0,
            counts: [None; MOST],
        };
        carried.loose = members(pack, &carried.classes, scene.crowd.loose);
        carried.present = scene
            .crowd
            .groups
            .keys()
            .fold(carried.loose, |present, kinds| present | members(pack, &carried.classes, *kinds));
        for shown in scene.counts.iter().filter(|shown| shown.pack == index) {
            if let Some(slot) = carried.counts.get_mut(shown.counter) {
                *slot = Some(shown.count);
            }
        }
        carried
    }

    /// People a counter shows with this transfer, one more when data of the class has no known person.
    pub(super) fn count(&self, counter: usize, view: &View<'_>) -> u64 {
        let classes = view.pack.counters.get(counter).map_or(0, |counter| counter.classes);
        let loose = u64::from(self.loose & classes & !view.exempt != 0);
        self.shown(counter).after().saturating_add(loose)
    }

    /// What a counter shows.
    pub(super) fn shown(&self, counter: usize) -> Count {
        self.counts.get(counter).copied().flatten().unwrap_or_default()
    }

    /// How many people of some classes are in the content.
    pub(super) fn crowd(&self, of: u32, pack: &Pack) -> i64 {
        i64::try_from(self.known(of, pack) + u64::from(self.loose & of != 0)).unwrap_or(i64::MAX)
    }

    /// The same without the somebody whom loose data is about.
    pub(super) fn known(&self, of: u32, pack: &Pack) -> u64 {
        let known = self.crowd.groups.iter().filter(|(kinds, _)| members(pack, &self.classes, **kinds) & of != 0);
        known.map(|(_, people)| people).sum()
    }
}

/// The categories of each class of a pack on a day.
fn classes(pack: &Pack, day: Date) -> [CategorySet; MOST] {
    let mut all = [CategorySet::default(); MOST];
    all.iter_mut().zip(&pack.classes).for_each(|(kinds, class)| *kinds = class.kinds(day));
    all
}

/// The classes someone belongs to, as bits. A class can only leave out classes that stand before it.
fn members(pack: &Pack, classes: &[CategorySet; MOST], kinds: CategorySet) -> u32 {
    let mut members = 0u32;
    for (index, (class, set)) in pack.classes.iter().zip(classes).enumerate() {
        let shared = kinds.intersects(*set)
            && (class.at_least <= 1 || kinds.without(kinds.without(*set)).len() >= class.at_least);
        if shared && members & class.without == 0 {
            members |= 1 << index;
        }
    }
    members
}

/// The people of a content with the classes of a pack each belongs to on a day. Neighbours are mostly alike.
pub(super) fn belonging<'p>(pack: &Pack, day: Date, content: &'p Content) -> Vec<(&'p [Person], u32)> {
    let classes = classes(pack, day);
    let alike = content.people.chunk_by(|a, b| a.categories == b.categories);
    let kinds = |people: &[Person]| people.first().map(|person| person.categories).unwrap_or_default();
    alike.map(|people| (people, members(pack, &classes, kinds(people)))).collect()
}

/// The pairs of candidate countries a pack speaks about, with the exemptions that hold for each.
pub(super) fn views<'a>(
    pack: &'a Pack,
    scene: &'a Scene<'a>,
    day: Date,
    carried: Option<&'a Carried<'a>>,
) -> impl Iterator<Item = View<'a>> {
    let pairs = scene.exporter.iter().flat_map(|e| scene.importer.iter().map(move |i| (*e, *i)));
    pairs.filter(|(exporter, importer)| pack.scope.has(*exporter, *importer)).filter_map(
        move |(exporter, importer)| {
            let mut view = View { pack, case: scene.case, day, exporter, importer, carried, exempt: 0 };
            let holds = |when: &super::condition::Condition| when.holds(&view) == Some(true);
            let in_scope = pack.scope.direction.is_none_or(|direction| direction == scene.case.direction)
                && pack.scope.when.as_ref().is_none_or(holds);
            if !in_scope {
                return None;
            }
            view.exempt = exempt(&view);
            Some(view)
        },
    )
}

/// Classes whose people are taken out of the rules.
fn exempt(view: &View<'_>) -> u32 {
    view.pack.exemptions.iter().filter(|exemption| exemption.applies(view)).fold(0, |all, one| all | one.covers)
}

impl super::pack::Exemption {
    /// Whether it is in force and its condition holds, asked about everybody in the content.
    pub(super) fn applies(&self, view: &View<'_>) -> bool {
        self.days.contain(view.day) && self.when.holds(&View { exempt: 0, ..*view }) == Some(true)
    }
}

impl Pack {
    /// Kinds of data that put a person into a class on a day, as few as possible.
    pub(super) fn member_of(&self, class: &str, day: Date) -> Option<CategorySet> {
        let index = self.classes.iter().position(|known| *known.id == *class)?;
        let (wanted, classes) = (self.classes.get(index)?, classes(self, day));
        let mut kinds = CategorySet::default();
        for kind in wanted.kinds(day).iter() {
            let mut with = kinds;
            with.insert(kind);
            let bits = members(self, &classes, with);
            if bits & wanted.without == 0 {
                kinds = with;
            }
            if bits & (1 << index) != 0 {
                return Some(kinds);
            }
        }
        None
    }

    /// The classes a counter counts.
    pub(super) fn classes_of<'p>(&'p self, counter: &str) -> impl Iterator<Item = &'p std::sync::Arc<str>> {
        let counter = self.counters.iter().find(|known| *known.id == *counter);
        let bits = counter.map_or(0, |counter| counter.classes);
        self.classes.iter().enumerate().filter(move |(index, _)| bits & (1 << index) != 0).map(|(_, class)| &class.id)
    }
}
