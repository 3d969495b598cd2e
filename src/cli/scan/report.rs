//! What a scan says to people: a paragraph for each file, and a summary of them all.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use indicatif::HumanBytes;

use super::super::content::Walk;
use super::super::{Failure, counted};
use super::Scanned;
use crate::detect::Finding;
use crate::transfer::{Category, Digest};

/// Up to so many files each is named, whatever is in it.
const FEW: usize = 20;

/// Different people that are told apart in one run.
const PEOPLE: usize = 4_000_000;

/// Detectors that are listed; the others are counted.
const DETECTORS: usize = 24;

/// One kind of data in all files.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    people: u64,
    files: u64,
}

/// The sums over all files so far.
#[derive(Debug)]
pub(super) struct Report {
    every: bool,
    links: u64,
    special: u64,
    files: u64,
    clean: u64,
    bytes: u64,
    inspected: u64,
    opaque: BTreeMap<Category, u64>,
    categories: BTreeMap<Category, Sum>,
    detectors: BTreeMap<String, u64>,
    people: HashSet<Digest>,
    truncated: bool,
}

impl Report {
    pub(super) fn new(walk: &Walk) -> Report {
        Report {
            every: walk.inputs.len() <= FEW,
            links: walk.links,
            special: walk.special,
            files: 0,
            clean: 0,
            bytes: 0,
            inspected: 0,
            opaque: BTreeMap::new(),
            categories: BTreeMap::new(),
            detectors: BTreeMap::new(),
            people: HashSet::new(),
            truncated: false,
        }
    }

    /// Adds what was found in a file.
    pub(super) fn add(&mut self, scanned: &Scanned) {
        let content = &scanned.content;
        self.files += 1;
        self.clean += u64::from(content.categories.is_empty() && content.opaque.is_empty());
        self.bytes += content.bytes;
        self.inspected += content.inspected;
        self.truncated |= scanned.truncated;
        for (reason, bytes) in &content.opaque {
            *self.opaque.entry(*reason).or_default() += bytes;
        }
        for (category, tally) in &content.categories {
            let sum = self.categories.entry(*category).or_default();
            sum.count += tally.count;
            sum.files += 1;
        }
        for finding in &scanned.findings {
            match self.detectors.get_mut(&*finding.detector) {
                Some(count) => *count += 1,
                None => {
                    self.detectors.insert(finding.detector.to_string(), 1);
                }
            }
        }
        for person in &content.people {
            if self.people.len() >= PEOPLE {
                self.truncated = true;
                break;
            }
            if self.people.insert(person.digest) {
                for category in person.categories.iter() {
                    self.categories.entry(category).or_default().people += 1;
                }
            }
        }
    }

    /// Tells what was found in a file. Of many files only those in which something was found are told.
    pub(super) fn file(&self, scanned: &Scanned, show: bool, out: &mut dyn Write) -> Result<(), Failure> {
        let content = &scanned.content;
        let nothing = content.categories.is_empty() && content.opaque.is_empty();
        if nothing && !self.every {
            return Ok(());
        }
        let formats: Vec<&str> = content.formats.iter().copied().collect();
        let formats = if formats.is_empty() { "empty".to_owned() } else { formats.join(" in ") };
        let people = people(content.people.len());
        writeln!(out, "{}: {formats}, {} bytes, {people}", scanned.file, content.bytes)?;
        if nothing {
            writeln!(out, "  nothing found")?;
        }
        let names = content.categories.keys().chain(content.opaque.keys()).map(|category| category.as_str().len());
        let width = names.max().unwrap_or(0);
        for (category, tally) in &content.categories {
            let place = content.found.iter().find(|found| found.category == *category);
            let places = place.map(|found| found.locations.join("  ")).unwrap_or_default();
            let (name, count) = (category.as_str(), tally.count);
            writeln!(out, "  {name:<width$}  {count:>7} found  {:>7} people  {places}", tally.people)?;
        }
        for (reason, bytes) in &content.opaque {
            writeln!(out, "  {:<width$}  {bytes:>7} bytes  {}", reason.as_str(), reason.title())?;
        }
        for finding in scanned.findings.iter().filter(|_| show) {
            let value = finding.value.as_deref().unwrap_or("");
            let Finding { category, r#where, start, confidence, .. } = finding;
            writeln!(out, "    {:<width$}  {value}  ({where} byte {start}, {confidence:.2})", category.as_str())?;
        }
        if scanned.truncated {
            writeln!(out, "  there is more than is listed here")?;
        }
        Ok(())
    }

    /// The summary. One file alone has said everything.
    pub(super) fn end(&self, unread: usize, out: &mut dyn Write) -> Result<(), Failure> {
        if self.files + unread as u64 + self.links + self.special <= 1 {
            return Ok(());
        }
        let size = HumanBytes(self.bytes);
        writeln!(
            out,
            "\n{}, {size}: {} inspected",
            counted(self.files as usize, "file"),
            HumanBytes(self.inspected)
        )?;
        for (reason, bytes) in &self.opaque {
            writeln!(out, "  {} opaque: {}", HumanBytes(*bytes), reason.title().to_lowercase())?;
        }
        self.passed_over(unread, out)?;
        if self.categories.is_empty() {
            writeln!(out, "nothing found")?;
            return Ok(());
        }
        let width = self.categories.keys().map(|category| category.as_str().len()).max().unwrap_or(0).max(8);
        writeln!(out, "\n{:<width$}  {:>9}  {:>9}  {:>7}", "category", "found", "people", "files")?;
        for (category, sum) in &self.categories {
            let Sum { count, people, files } = sum;
            writeln!(out, "{:<width$}  {count:>9}  {people:>9}  {files:>7}", category.as_str())?;
        }
        self.by_detector(out)?;
        writeln!(out, "\n{}", people(self.people.len()))?;
        if self.truncated {
            writeln!(out, "a bound was reached: there is more than is counted by detector and people")?;
        }
        Ok(())
    }

    fn passed_over(&self, unread: usize, out: &mut dyn Write) -> Result<(), Failure> {
        if self.clean > 0 && !self.every {
            writeln!(out, "  {} in which nothing was found, not listed", counted(self.clean as usize, "file"))?;
        }
        if self.links > 0 {
            writeln!(out, "  {} not followed: name what they lead to", counted(self.links as usize, "link"))?;
        }
        if self.special > 0 {
            writeln!(
                out,
                "  {} passed over: pipes, sockets, devices",
                counted(self.special as usize, "special file")
            )?;
        }
        if unread > 0 {
            writeln!(out, "  {} could not be read", counted(unread, "file"))?;
        }
        Ok(())
    }

    fn by_detector(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut detectors: Vec<(&String, &u64)> = self.detectors.iter().collect();
        detectors.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let width = detectors.iter().take(DETECTORS).map(|(name, _)| name.len()).max().unwrap_or(0).max(8);
        writeln!(out, "\n{:<width$}  {:>9}", "detector", "found")?;
        for (name, count) in detectors.iter().take(DETECTORS) {
            writeln!(out, "{name:<width$}  {count:>9}")?;
        }
        if let Some(more) = detectors.len().checked_sub(DETECTORS).filter(|more| *more > 0) {
            writeln!(out, "and {more} more")?;
        }
        Ok(())
    }
}

fn people(number: usize) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{number} people") }
}
