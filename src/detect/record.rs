//! Containers as records: what in a message is about one person.
//!
//! An object, a row, a form, an element with children and the head of a message are records. What a record holds is about
//! one person, and about several only if it holds several values of its strongest identifier. A nested object that
//! identifies nobody belongs to the record around it; one that identifies somebody is a person of its own, unless its
//! name says that it is a part of its parent (`contact`, `profile`) and nothing in it contradicts. The items of a list
//! are separate, unless the list is such a part. Data that nobody identifies counts as one person for each record, under
//! a digest that is never met again.
//!
//! The bias: when in doubt two people and not one, because a count that is too low breaks the statute.

use crate::transfer::{Category, CategorySet, Container, Digest, DigestKey};

use super::Finding;
use super::detector::Needs;
use super::identity::{Identifier, Record};
use super::lists::Company;
use super::people::People;

/// Parts of one person a container waits for, and records without identity.
const PARTS: usize = 8;
const NAMELESS: usize = 64;
/// Weak findings of one record that wait for company.
const WAITING: usize = 16;

/// A finding that counts only if the record holds something else.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) detector: usize,
    pub(super) needs: Needs,
    pub(super) category: Category,
    pub(super) identifier: Option<Identifier>,
    pub(super) location: String,
    pub(super) finding: Option<Finding>,
}

/// Whether a container is named as a part of what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Named {
    /// Nothing personal in it has been seen yet.
    #[default]
    Unknown,
    Part,
    Own,
}

/// One open container.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) container: Container,
    pub(super) named: Named,
    pub(super) record: Record,
    pub(super) waiting: Vec<Waiting>,
    /// Values of lists that count only together.
    pub(super) company: Option<Box<Company>>,
    /// Numbers in it whose column is not decided.
    pub(super) undecided: Vec<u32>,
    parts: Vec<Record>,
    nameless: Vec<CategorySet>,
    /// People that nested containers turned out to be.
    nested: u32,
    last: Option<Digest>,
}

/// Where people go, and the key they are digested with.
#[derive(Debug)]
pub(super) struct Register<'k> {
    pub(super) people: People,
    key: &'k DigestKey,
    /// A secret of this message, made when the first person without identity comes.
    nonce: Option<[u8; 16]>,
    ordinal: u64,
}

impl<'k> Register<'k> {
    pub(super) fn new(key: &'k DigestKey) -> Register<'k> {
        Register { people: People::default(), key, nonce: None, ordinal: 0 }
    }

    /// Enters everyone a record is about; gives back one of them and how many.
    pub(super) fn enter(&mut self, record: &Record) -> (Option<Digest>, u32) {
        if record.is_empty() {
            return (None, 0);
        }
        let people = record.people(self.key);
        if people.is_empty() {
            self.enter_nameless(record.categories);
            return (None, 1);
        }
        people.iter().for_each(|&person| self.people.add(person, record.categories));
        (people.last().copied(), u32::try_from(people.len()).unwrap_or(u32::MAX))
    }

    /// Who a record is about, if something in it says so.
    pub(super) fn who(&self, record: &Record) -> Option<Digest> {
        record.people(self.key).last().copied()
    }

    /// Enters somebody of whom nothing is known that would tell them from others.
    fn enter_nameless(&mut self, categories: CategorySet) {
        let nonce = *self.nonce.get_or_insert_with(|| {
            let mut nonce = [0u8; 16];
            // Without randomness two messages could share digests; the key still hides what they stand for.
            let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce);
            nonce
        });
        self.ordinal += 1;
        let mut identity = nonce.to_vec();
        identity.extend(self.ordinal.to_le_bytes());
        self.people.add(self.key.digest("nameless", &identity), categories);
    }
}

impl Frame {
    pub(super) fn new(container: Container) -> Frame {
        Frame {
            container,
            named: Named::Unknown,
            record: Record::default(),
            waiting: Vec::new(),
            company: None,
            undecided: Vec::new(),
            parts: Vec::new(),
            nameless: Vec::new(),
            nested: 0,
            last: None,
        }
    }

    /// Whether what it holds directly is about one person.
    pub(super) fn is_record(&self) -> bool {
        match self.container {
            Container::List => false,
            Container::Part => self.named == Named::Part,
            _ => true,
        }
    }

    fn is_list(&self) -> bool {
        self.container == Container::List
    }

    /// Who was entered from inside it, if nothing personal is left in it.
    pub(super) fn idle(&self) -> Option<(Option<Digest>, u32)> {
        let idle =
            self.record.is_empty() && self.parts.is_empty() && self.nameless.is_empty() && self.waiting.is_empty();
        let idle = idle && self.company.is_none();
        idle.then_some((self.last, self.nested))
    }

    /// Keeps a weak finding until the record ends.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() < WAITING {
            self.waiting.push(waiting);
        }
    }

    /// Weak findings that have the company they need become findings of the record; the others are given back.
    pub(super) fn admit_waiting(&mut self) -> (Vec<Waiting>, Vec<Waiting>) {
        if self.waiting.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let company = !self.record.is_empty() || !self.parts.is_empty() || self.nested == 1;
        let here: Vec<usize> = self.waiting.iter().map(|waiting| waiting.detector).collect();
        let fits = |waiting: &Waiting| match waiting.needs {
            Needs::Partner(partner) => here.contains(&partner),
            _ => company,
        };
        let (admitted, left): (Vec<Waiting>, Vec<Waiting>) =
            std::mem::take(&mut self.waiting).into_iter().partition(fits);
        for waiting in &admitted {
            self.record.add(waiting.category, waiting.identifier.clone());
        }
        (admitted, left)
    }

    /// Takes a record that belongs here as a part.
    pub(super) fn take_part(&mut self, part: Record, register: &mut Register<'_>) {
        if self.parts.len() < PARTS {
            self.parts.push(part);
        } else {
            self.note(register.enter(&part));
        }
    }

    fn take_nameless(&mut self, categories: CategorySet, register: &mut Register<'_>) {
        if self.nameless.len() < NAMELESS {
            self.nameless.push(categories);
        } else {
            register.enter_nameless(categories);
        }
    }

    pub(super) fn note(&mut self, (last, count): (Option<Digest>, u32)) {
        self.nested += count;
        self.last = last.or(self.last);
    }
}

/// Ends a container: its people are entered, or handed to the container around it.
pub(super) fn close(mut frame: Frame, parent: Option<&mut Frame>, register: &mut Register<'_>) {
    if let Some(entered) = frame.idle() {
        parent.into_iter().for_each(|parent| parent.note(entered));
        return;
    }
    if frame.is_list() {
        return close_list(frame, parent, register);
    }
    for part in std::mem::take(&mut frame.parts) {
        if frame.record.conflicts(&part) {
            let entered = register.enter(&part);
            frame.note(entered);
        } else {
            frame.record.absorb(part);
        }
    }
    if frame.record.is_identified() {
        close_identified(frame, parent, register);
    } else {
        close_nameless(frame, parent, register);
    }
}

/// Only a list that is a part of its parent has kept anything. Its items are the parent's if nothing contradicts.
fn close_list(mut frame: Frame, parent: Option<&mut Frame>, register: &mut Register<'_>) {
    let (parts, nameless) = (std::mem::take(&mut frame.parts), std::mem::take(&mut frame.nameless));
    match parent {
        Some(parent) if parent.is_record() => {
            parts.into_iter().for_each(|part| parent.take_part(part, register));
            nameless.into_iter().for_each(|set| parent.take_nameless(set, register));
            parent.note((frame.last, frame.nested));
        }
        parent => {
            for part in parts {
                let entered = register.enter(&part);
                frame.note(entered);
            }
            nameless.into_iter().for_each(|set| register.enter_nameless(set));
            if let Some(parent) = parent {
                parent.note((frame.last, frame.nested));
            }
        }
    }
}

fn close_identified(mut frame: Frame, parent: Option<&mut Frame>, register: &mut Register<'_>) {
    let nameless = std::mem::take(&mut frame.nameless);
    frame.record.categories = nameless.into_iter().fold(frame.record.categories, CategorySet::union);
    match parent {
        Some(parent) if frame.named == Named::Part && (parent.is_record() || parent.is_list()) => {
            if parent.is_list() && parent.named == Named::Unknown {
                parent.named = Named::Part;
            }
            parent.take_part(frame.record, register);
        }
        Some(parent) => parent.note(register.enter(&frame.record)),
        None => {
            register.enter(&frame.record);
        }
    }
}

fn close_nameless(mut frame: Frame, parent: Option<&mut Frame>, register: &mut Register<'_>) {
    let mut sets = std::mem::take(&mut frame.nameless);
    if !frame.record.is_empty() {
        // What nested objects said without a name belongs to this record.
        sets = vec![sets.into_iter().fold(frame.record.categories, CategorySet::union)];
    }
    if let (1, Some(person)) = (frame.nested, frame.last) {
        // One person is nested in it: the data around them is theirs.
        sets.into_iter().for_each(|set| register.people.add(person, set));
        if let Some(parent) = parent {
            parent.note((frame.last, frame.nested));
        }
        return;
    }
    let nested = matches!(frame.container, Container::Object | Container::Element | Container::Part);
    match parent {
        Some(parent) if nested && (parent.is_record() || (parent.is_list() && frame.named == Named::Part)) => {
            if parent.is_list() && parent.named == Named::Unknown {
                parent.named = Named::Part;
            }
            sets.into_iter().for_each(|set| parent.take_nameless(set, register));
            parent.note((frame.last, frame.nested));
        }
        parent => {
            let entered = u32::try_from(sets.len()).unwrap_or(u32::MAX);
            sets.into_iter().for_each(|set| register.enter_nameless(set));
            if let Some(parent) = parent {
                parent.note((frame.last, frame.nested.saturating_add(entered)));
            }
        }
    }
}
