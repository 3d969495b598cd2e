//! Takes in the pieces of one message and keeps what was found.
//!
//! Everything is bounded: scratch buffers are used again, a container holds a few identifiers, people are 16 bytes each.
//! In text without a container every identifier is a person, except that identifiers of different kinds which stand
//! close together are one person's.

use std::sync::Arc;

use jiff::civil::Date;

use crate::transfer::{Container, DigestKey, Piece, Sink};

use super::column::{Columns, Kept, Place, Verdict};
use super::detector::{Detector, Finder, Needs};
use super::fold::{self, Folded};
use super::identity::{Identifier, Record};
use super::key::KeyInfo;
use super::listed::Listing;
use super::record::{self, Frame, Named, Register, Waiting};
use super::scan::{self, Hit, Target};
use super::tally::Tallies;
use super::tools::Tools;
use super::{Detectors, Finding, Findings, Keep, OVERLAP, column, overlap, period};

/// How far apart identifiers of one person may stand in plain text, in bytes.
const NEAR: u64 = 120;
/// Containers that are followed; what is nested deeper belongs to the last of them.
const DEPTH: usize = 512;

/// Takes in one message.
#[derive(Debug)]
pub struct Collector<'d> {
    pub(super) detectors: &'d Detectors,
    today: Date,
    pub(super) tools: Tools,
    pub(super) frames: Vec<Frame>,
    /// Containers deeper than are followed.
    deeper: usize,
    pub(super) tallies: Tallies,
    pub(super) register: Register<'d>,
    cluster: Cluster,
    pub(super) listing: Listing,
    columns: Columns,
}

/// Identifiers in plain text that stand close together.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) record: Record,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A hit with what is needed to write it down.
struct Spotted<'a> {
    hit: Hit,
    detector: &'a Detector,
    category: crate::transfer::Category,
    /// Offsets in the decoded part.
    start: u64,
    end: u64,
    raw: &'a str,
}

impl<'d> Collector<'d> {
    pub(super) fn new(detectors: &'d Detectors, key: &'d DigestKey, keep: Keep, today: Date) -> Collector<'d> {
        Collector {
            detectors,
            today,
            tools: detectors.toolbox.take(),
            frames: Vec::new(),
            deeper: 0,
            tallies: Tallies::new(keep),
            register: Register::new(key),
            cluster: Cluster::default(),
            listing: Listing::default(),
            columns: Columns::default(),
        }
    }

    /// What the message holds.
    pub fn finish(mut self) -> Findings {
        self.deeper = 0;
        while !self.frames.is_empty() {
            self.close();
        }
        self.end_cluster();
        self.take_copies();
        self.detectors.toolbox.put_back(self.tools);
        self.tallies.finish(self.register.people)
    }

    /// Enters the people of a run of plain text.
    fn end_cluster(&mut self) {
        if self.cluster.record.is_empty() {
            return;
        }
        let cluster = std::mem::take(&mut self.cluster);
        let entered = self.register.enter(&cluster.record);
        if let Some(frame) = self.frames.last_mut() {
            frame.note(entered);
        }
    }

    /// Counts the hits of a piece and hands them to the record or the text they stand in.
    fn take(&mut self, piece: &Piece<'_>, text: &str, folded: Option<&Folded>, whole: bool) {
        let hits = std::mem::take(&mut self.tools.scratch.hits);
        let mut personal: Vec<Cluster> = Vec::new();
        for hit in &hits {
            let Some(spotted) = self.spotted(piece, text, folded, *hit) else {
                continue;
            };
            if spotted.detector.needs == Needs::Row && piece.key.is_some() {
                continue;
            }
            if matches!(spotted.detector.needs, Needs::Person | Needs::Row | Needs::Partner(_)) {
                self.wait(piece, &spotted);
                continue;
            }
            self.tallies.add(spotted.category, piece.at, piece.key.unwrap_or(""));
            if let Some(finding) = self.finding(piece, &spotted) {
                self.tallies.keep(finding);
            }
            if spotted.detector.is_personal() {
                personal.push(Cluster::of(&spotted));
            }
        }
        self.tools.scratch.hits = hits;
        self.take_listed(piece, text, folded, &mut personal);
        if !personal.is_empty() {
            self.place(piece, personal, whole);
        }
    }

    fn spotted<'a>(&self, piece: &Piece<'_>, text: &'a str, folded: Option<&Folded>, hit: Hit) -> Option<Spotted<'a>>
    where
        'd: 'a,
    {
        let detectors: &'d Detectors = self.detectors;
        let detector = detectors.list.get(hit.detector)?;
        let start = folded.map_or(hit.start, |folded| folded.original(hit.start));
        let end = folded.map_or(hit.end, |folded| folded.original_end(hit.end));
        if !piece.report.contains(&start) {
            return None;
        }
        let range = hit.start..hit.end;
        let category = match detector.ended {
            Some(ended) if period::has_ended(text, &range, self.today) => ended,
            _ => detector.category,
        };
        let (start, end) = (piece.offset + start as u64, piece.offset + end as u64);
        Some(Spotted { hit, detector, category, start, end, raw: text.get(range)? })
    }

    fn finding(&self, piece: &Piece<'_>, spotted: &Spotted<'_>) -> Option<Finding> {
        (self.tallies.keep >= Keep::Findings).then(|| Finding {
            category: spotted.category,
            detector: Arc::clone(&spotted.detector.id),
            confidence: spotted.hit.confidence,
            r#where: if self.tallies.keep == Keep::Values { piece.at.exact() } else { piece.at.shown() },
            start: spotted.start,
            end: spotted.end,
            value: (self.tallies.keep == Keep::Values).then(|| spotted.raw.to_owned()),
        })
    }

    /// A weak finding waits in its record for company. Without a record it is nothing.
    fn wait(&mut self, piece: &Piece<'_>, spotted: &Spotted<'_>) {
        let finding = self.finding(piece, spotted);
        let detectors = self.detectors;
        let inside = self.is_inside_record();
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_record()) else {
            return;
        };
        name(detectors, frame, piece, inside);
        frame.wait(Waiting {
            detector: spotted.hit.detector,
            needs: spotted.detector.needs,
            category: spotted.category,
            identifier: Identifier::of(spotted.detector, spotted.raw),
            location: piece.at.pattern(),
            finding,
        });
    }

    /// Whether a record stands around the innermost container.
    pub(super) fn is_inside_record(&self) -> bool {
        self.frames.iter().rev().skip(1).any(Frame::is_record)
    }

    /// Hands what a piece says about people to where it belongs: the list or the record it stands in, or plain text,
    /// which may go on from an earlier piece.
    fn place(&mut self, piece: &Piece<'_>, personal: Vec<Cluster>, whole: bool) {
        let inside = self.is_inside_record();
        let frame = self.frames.last_mut().filter(|frame| frame.container == Container::List || frame.is_record());
        let Some(frame) = frame.filter(|_| whole) else {
            personal.into_iter().for_each(|next| self.go_on(next));
            return;
        };
        name(self.detectors, frame, piece, inside);
        let is_list = frame.container == Container::List;
        let clusters = Cluster::join(personal);
        let alone = clusters.len() == 1;
        for cluster in clusters {
            if is_list && frame.named == Named::Part {
                frame.take_part(cluster.record, &mut self.register);
            } else if !is_list && alone {
                frame.record.absorb(cluster.record);
            } else {
                let entered = self.register.enter(&cluster.record);
                frame.note(entered);
            }
        }
    }

    fn go_on(&mut self, next: Cluster) {
        if self.cluster.goes_on_with(next.start, &next.record) {
            self.cluster.absorb(next);
        } else {
            self.end_cluster();
            self.cluster = next;
        }
    }

    /// Looks at what the field's name alone says. A hit that fills the value takes its place if it is surer.
    fn take_field(&mut self, text: &str, fields: &[usize]) {
        let value = text.trim();
        let start = text.len() - text.trim_start().len();
        let fitting = fields.iter().filter_map(|&index| {
            let detector = self.detectors.list.get(index)?;
            let Finder::Field(shape) = &detector.finder else {
                return None;
            };
            let confidence = detector.confidence.key;
            shape.fits(value).then_some(Hit { detector: index, start, end: start + value.len(), confidence })
        });
        let Some(best) = fitting.max_by(|a, b| a.confidence.total_cmp(&b.confidence)) else {
            return;
        };
        let fills = |hit: &Hit| (hit.end - hit.start) * 2 > value.len();
        if !self.tools.scratch.hits.iter().any(|hit| fills(hit) && hit.confidence >= best.confidence) {
            self.tools.scratch.hits.retain(|hit| !fills(hit));
            self.tools.scratch.hits.push(best);
        }
    }

    /// Looks at a value in which nothing was found as one of its column.
    fn take_in_column(&mut self, piece: &Piece<'_>, text: &str, info: &Arc<KeyInfo>) {
        let Some(column) = self.column(piece, info) else {
            return;
        };
        let value = text.trim();
        let start = text.len() - text.trim_start().len();
        let keep = self.tallies.keep;
        let place = || {
            let start = piece.offset + start as u64;
            let r#where = if keep == Keep::Values { piece.at.exact() } else { piece.at.shown() };
            (keep >= Keep::Findings).then(|| Place { r#where, start, end: start + value.len() as u64 })
        };
        let detector = match self.columns.take(column, value, self.detectors, self.today, place) {
            Verdict::Nobody => return,
            Verdict::Waits(serial) => {
                self.frames.last_mut().into_iter().for_each(|frame| frame.undecided.push(serial));
                return;
            }
            Verdict::Member(detector) => detector,
            Verdict::Decides(detector, mut kept) => {
                let itself = kept.pop_if(|kept| kept.text == value);
                self.admit(piece, detector, kept);
                if itself.is_none() {
                    return;
                }
                detector
            }
        };
        let confidence = self.detectors.list.get(detector).map_or(0.0, column_confidence);
        self.tools.scratch.hits.push(Hit { detector, start, end: start + value.len(), confidence });
    }

    /// What tells the column of a piece from others: its name, or its place in a row or list without names. Text that no
    /// container repeats, and a name that speaks against numbers of people, make no column.
    fn column(&self, piece: &Piece<'_>, info: &Arc<KeyInfo>) -> Option<u64> {
        let mut around = self.frames.iter().rev().map(|frame| frame.container);
        let (inner, outer) = (around.next()?, around.next());
        let counted = match inner {
            Container::Row | Container::Object | Container::Form => true,
            Container::List => outer == Some(Container::List),
            _ => return None,
        };
        if info.negative || self.deeper > 0 {
            return None;
        }
        // A name already read is known by where it is kept.
        let name = Arc::as_ptr(info).addr() as u64;
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let place = if counted && piece.key.is_none() { piece.at.leaf() } else { "" };
        Some(place.bytes().take(16).fold(name ^ ((piece.at.depth() as u64) << 48), mix))
    }

    /// Writes down the numbers of a column that has been decided. The people of most records that held them are known.
    fn admit(&mut self, piece: &Piece<'_>, detector: usize, kept: Vec<Kept>) {
        let Some(detector) = self.detectors.list.get(detector) else {
            return;
        };
        let location = piece.at.pattern();
        for kept in kept {
            self.tallies.add_at(detector.category, location.clone());
            if let Some(place) = kept.place {
                self.tallies.keep(Finding {
                    category: detector.category,
                    detector: Arc::clone(&detector.id),
                    confidence: column_confidence(detector),
                    r#where: place.r#where,
                    start: place.start,
                    end: place.end,
                    value: (self.tallies.keep == Keep::Values).then(|| kept.text.clone()),
                });
            }
            let mut record = Record::default();
            record.add(detector.category, Identifier::of(detector, &kept.text));
            match kept.person {
                Some(person) => self.register.people.add(person, record.categories),
                None => {
                    self.register.enter(&record);
                }
            }
        }
    }

    /// Tells the columns whose record their numbers stood in.
    fn settle_columns(&mut self) {
        let Some(frame) = self.frames.last_mut().filter(|frame| !frame.undecided.is_empty()) else {
            return;
        };
        let undecided = std::mem::take(&mut frame.undecided);
        if let Some(person) = self.register.who(&frame.record) {
            undecided.into_iter().for_each(|serial| self.columns.cover(serial, person));
        }
    }

    /// In the head, what the sender proves itself with is meant for the receiver.
    fn drop_credentials(&mut self, info: &KeyInfo) {
        let in_head = self.frames.iter().any(|frame| frame.container == Container::Head);
        if info.credential && in_head {
            let list = &self.detectors.list;
            let is_secret = |hit: &Hit| {
                list.get(hit.detector).is_some_and(|detector| detector.category.as_str().starts_with("secret"))
            };
            self.tools.scratch.hits.retain(|hit| !is_secret(hit));
        }
    }
}

impl Cluster {
    fn of(spotted: &Spotted<'_>) -> Cluster {
        let mut record = Record::default();
        record.add(spotted.category, Identifier::of(spotted.detector, spotted.raw));
        Cluster { record, start: spotted.start, end: spotted.end }
    }

    /// Joins neighbours that belong together.
    fn join(singles: Vec<Cluster>) -> Vec<Cluster> {
        let mut joined: Vec<Cluster> = Vec::with_capacity(singles.len());
        for next in singles {
            match joined.last_mut() {
                Some(last) if last.goes_on_with(next.start, &next.record) => last.absorb(next),
                _ => joined.push(next),
            }
        }
        joined
    }

    fn absorb(&mut self, next: Cluster) {
        self.record.absorb(next.record);
        self.end = self.end.max(next.end);
    }

    /// Whether what begins at `start` still belongs to it.
    fn goes_on_with(&self, start: u64, record: &Record) -> bool {
        let near = !self.record.is_empty() && start >= self.start && start <= self.end + NEAR;
        near && record.identifiers.iter().all(|identifier| self.record.admits(identifier))
    }
}

/// How sure a finding is for which its column speaks: less than if a word does.
fn column_confidence(detector: &Detector) -> f32 {
    detector.confidence.context.min(0.75)
}

/// Learns from the location of a piece whether its container is named as a part of what is around it; if no record is
/// around it, it is not.
pub(super) fn name(detectors: &Detectors, frame: &mut Frame, piece: &Piece<'_>, inside: bool) {
    if frame.named == Named::Unknown && !inside {
        frame.named = Named::Own;
    } else if frame.named == Named::Unknown {
        let is_list = frame.container == Container::List;
        let is_part =
            container_name(&piece.at.trail(), piece.key, is_list).is_some_and(|name| detectors.keys.is_part(name));
        frame.named = if is_part { Named::Part } else { Named::Own };
    }
}

/// The name under which the container of a piece stands: the last name of the location that is not the piece's own.
fn container_name<'a>(pattern: &'a str, key: Option<&str>, is_list: bool) -> Option<&'a str> {
    let mut names = pattern.rsplit('/').filter(|name| *name != "*");
    let last = names.next()?;
    if is_list || Some(last) != key { Some(last) } else { names.next() }
}

impl Sink for Collector<'_> {
    fn open(&mut self, container: Container) {
        if self.frames.len() >= DEPTH {
            self.deeper += 1;
            return;
        }
        self.end_cluster();
        let mut frame = Frame::new(container);
        if container == Container::Part
            && self.frames.last().is_some_and(|parent| parent.container == Container::Form)
        {
            frame.named = Named::Part;
        }
        self.frames.push(frame);
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        self.end_cluster();
        self.settle_columns();
        if let Some(entered) = self.frames.last().and_then(Frame::idle) {
            // PERF: most containers hold nothing personal, and a frame is large to move.
            self.frames.truncate(self.frames.len() - 1);
            self.frames.last_mut().into_iter().for_each(|parent| parent.note(entered));
            return;
        }
        let Some(mut frame) = self.frames.pop() else {
            return;
        };
        let (admitted, left) = frame.admit_waiting();
        for waiting in admitted {
            self.tallies.add_at(waiting.category, waiting.location);
            waiting.finding.into_iter().for_each(|finding| self.tallies.keep(finding));
        }
        let parent = self.frames.last_mut();
        if let Some(parent) = parent
            && frame.named == Named::Part
            && parent.is_record()
        {
            left.into_iter().for_each(|waiting| parent.wait(waiting));
        }
        self.hand_up(&mut frame);
        record::close(frame, self.frames.last_mut(), &mut self.register);
    }

    fn least(&mut self, key: Option<&str>) -> usize {
        scan::least(self.detectors, self.tools.names.look_up(&self.detectors.keys, key, self.detectors.scanned))
    }

    fn piece(&mut self, piece: Piece<'_>) {
        let whole = piece.report.start == 0 && piece.report.end >= piece.text.len();
        let folded = if piece.text.is_ascii() { None } else { fold::fold(piece.text) };
        let text = folded.as_ref().map_or(piece.text, |folded| folded.text.as_str());
        let (from, to) = match &folded {
            Some(folded) => (0, folded.text.len()),
            None => (piece.report.start.saturating_sub(OVERLAP), (piece.report.end + OVERLAP).min(text.len())),
        };
        self.tools.scratch.hits.clear();
        let Tools { names, scratch, .. } = &mut self.tools;
        let info = names.look_up(&self.detectors.keys, piece.key, self.detectors.scanned);
        scan::scan(self.detectors, &Target { text, from, to, key: info, today: self.today }, scratch);
        let listed = !self.detectors.lists.is_empty();
        let columned = whole && column::may_be_number(text);
        if scratch.hits.is_empty() && info.fields.is_empty() && !columned && !listed {
            return;
        }
        let info = Arc::clone(info);
        if self.tools.scratch.hits.is_empty() && whole && column::may_be_number(text) {
            self.take_in_column(&piece, text, &info);
        }
        overlap::settle(&mut self.tools.scratch.hits);
        if whole && !info.fields.is_empty() {
            self.take_field(text, &info.fields);
        }
        self.drop_credentials(&info);
        if listed {
            self.look_up_lists(&piece, text, folded.as_ref());
        }
        if !self.tools.scratch.hits.is_empty() || !self.tools.on_lists.is_empty() {
            self.take(&piece, text, folded.as_ref(), whole);
        }
    }
}
