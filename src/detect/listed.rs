//! What is on the organisation's lists, entered beside what detectors found.
//!
//! A value of a list is a finding of its own even where a detector has found the same text: the two say different things,
//! and neither may hide the other. They are one person all the same.

use std::sync::Arc;

use crate::transfer::Piece;

use super::collector::{Cluster, Collector, name};
use super::fold::Folded;
use super::identity::{Identifier, Record};
use super::lists::{self, Company, Copied, Copies, OnList, Pending, Row};
use super::record::{Frame, Named};
use super::{Finding, Keep};

/// How far apart values of one row may stand in text that is no record, in bytes.
const NEAR: u64 = 400;

/// How sure a value of a list is, and a copy of a document of which the least is there.
const SURE: f32 = 1.0;
const LEAST: f32 = 0.7;

/// What is known of lists in one message.
#[derive(Debug, Default)]
pub(super) struct Listing {
    copies: Copies,
    /// Values in running text that count only together.
    company: Company,
}

impl Collector<'_> {
    /// Looks up the words of a piece; what is on a list is kept until the piece is taken.
    pub(super) fn look_up_lists(&mut self, piece: &Piece<'_>, text: &str, folded: Option<&Folded>) {
        let place = |offset: usize| folded.map_or(Some(offset), |folded| folded.copied(offset));
        let from = place(piece.report.start).unwrap_or(text.len());
        let to = place(piece.report.end).unwrap_or(text.len());
        let detectors = self.detectors;
        let (lists, tools) = (&detectors.lists, &mut self.tools);
        tools.on_lists.clear();
        tools.words.read(text);
        lists::find(lists, &tools.words, &(from..to), &mut tools.on_lists);
        self.listing.copies.take(lists, &tools.words, &(from..to), (piece.at, piece.offset));
    }

    /// Enters what `look_up_lists` has found.
    pub(super) fn take_listed(
        &mut self,
        piece: &Piece<'_>,
        text: &str,
        folded: Option<&Folded>,
        personal: &mut Vec<Cluster>,
    ) {
        if self.tools.on_lists.is_empty() {
            return;
        }
        let detectors = self.detectors;
        let found = std::mem::take(&mut self.tools.on_lists);
        let original = |offset: usize| piece.offset + folded.map_or(offset, |folded| folded.original(offset)) as u64;
        for on in &found {
            let (start, end) = (original(on.start), original(on.end));
            let finding = self.listed_finding(piece, on, text, start..end);
            let Some(list) = detectors.lists.list.get(on.list) else { continue };
            if list.told.together > 1 {
                let location = piece.at.pattern();
                let pending = Pending { list: on.list, entries: on.entries.clone(), location, finding, end };
                self.wait_for_row(piece, pending, start, personal);
                continue;
            }
            self.tallies.add(list.told.category, piece.at, piece.key.unwrap_or(""));
            finding.into_iter().for_each(|finding| self.tallies.keep(finding));
            let row = detectors.lists.first_row(on);
            personal.extend(self.listed_record(on.list, row).map(|record| Cluster { record, start, end }));
        }
        self.tools.on_lists = found;
        personal.sort_by_key(|cluster| cluster.start);
    }

    /// What a value says about a person, if its kind is personal.
    fn listed_record(&self, list: usize, row: Option<Row>) -> Option<Record> {
        let list = self.detectors.lists.list.get(list)?;
        let personal = list.told.category.as_str().starts_with("personal");
        let mut record = Record::default();
        let row = row.filter(|_| list.told.person);
        record.add(list.told.category, row.map(|row| Identifier::of_row(&list.detector, row)));
        personal.then_some(record)
    }

    fn listed_finding(
        &self,
        piece: &Piece<'_>,
        on: &OnList,
        text: &str,
        range: std::ops::Range<u64>,
    ) -> Option<Finding> {
        let list = self.detectors.lists.list.get(on.list)?;
        let keep = self.tallies.keep;
        (keep >= Keep::Findings).then(|| Finding {
            category: list.told.category,
            detector: Arc::clone(&list.detector),
            confidence: SURE,
            r#where: if keep == Keep::Values { piece.at.exact() } else { piece.at.shown() },
            start: range.start,
            end: range.end,
            value: text.get(on.start..on.end).filter(|_| keep == Keep::Values).map(str::to_owned),
        })
    }

    /// A value that says too little alone waits in its record, or in running text for a neighbour.
    fn wait_for_row(&mut self, piece: &Piece<'_>, pending: Pending, start: u64, personal: &mut Vec<Cluster>) {
        let (detectors, inside) = (self.detectors, self.is_inside_record());
        let list = pending.list;
        if let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_record()) {
            name(detectors, frame, piece, inside);
            if let Some((row, together)) = frame.company.get_or_insert_default().meet(&detectors.lists, pending) {
                self.enter_row(list, row, together, None, personal);
            }
            return;
        }
        self.listing.company.forget_before(start.saturating_sub(NEAR));
        if let Some((row, together)) = self.listing.company.meet(&detectors.lists, pending) {
            self.enter_row(list, row, together, Some(start), personal);
        }
    }

    /// Values of one row that are together.
    fn enter_row(
        &mut self,
        list: usize,
        row: Row,
        together: Vec<Pending>,
        text: Option<u64>,
        personal: &mut Vec<Cluster>,
    ) {
        let detectors = self.detectors;
        let Some(category) = detectors.lists.list.get(list).map(|list| list.told.category) else { return };
        for pending in together {
            self.tallies.add_at(category, pending.location);
            pending.finding.into_iter().for_each(|finding| self.tallies.keep(finding));
        }
        let Some(record) = self.listed_record(list, Some(row)) else { return };
        match (text, self.frames.last_mut()) {
            (None, Some(frame)) => frame.record.absorb(record),
            (start, _) => {
                let start = start.unwrap_or(0);
                personal.push(Cluster { record, start, end: start });
            }
        }
    }

    /// Values that wait in a part of a record go on waiting in the record.
    pub(super) fn hand_up(&mut self, frame: &mut Frame) {
        let Some(company) = frame.company.take().filter(|_| frame.named == Named::Part) else { return };
        let detectors = self.detectors;
        for pending in company.left() {
            let list = pending.list;
            let Some(parent) = self.frames.last_mut().filter(|parent| parent.is_record()) else { return };
            let met = parent.company.get_or_insert_default().meet(&detectors.lists, pending);
            if let Some((row, together)) = met {
                self.enter_row(list, row, together, None, &mut Vec::new());
            }
        }
    }

    /// The message has ended: documents of which enough was there are found.
    pub(super) fn take_copies(&mut self) {
        let detectors = self.detectors;
        let lists = &detectors.lists;
        let copies = std::mem::take(&mut self.listing.copies).finish(lists);
        for copied in copies {
            let Some(list) = lists.list.get(copied.list) else { continue };
            self.tallies.add_at(list.told.category, copied.pattern.clone());
            if self.tallies.keep >= Keep::Findings {
                self.tallies.keep(copy_finding(list.told.category, &list.detector, copied));
            }
            if let Some(record) = self.listed_record_of_copy(list.told.category) {
                self.register.enter(&record);
            }
        }
    }

    fn listed_record_of_copy(&self, category: crate::transfer::Category) -> Option<Record> {
        let mut record = Record::default();
        record.add(category, None);
        category.as_str().starts_with("personal").then_some(record)
    }
}

fn copy_finding(category: crate::transfer::Category, detector: &str, copied: Copied) -> Finding {
    let share = copied.passages as f32 / copied.of.max(1) as f32;
    Finding {
        category,
        detector: format!("{detector}#{}", copied.document).into(),
        confidence: LEAST + (SURE - LEAST) * share.min(1.0),
        r#where: copied.shown,
        start: copied.start,
        end: copied.end,
        value: None,
    }
}
