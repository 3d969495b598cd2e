//! Genomic text, read as it comes: lines that say whose it is, and runs of data of any length.

use std::collections::BTreeSet;

use super::{DATA, Kind, head, sample};
use crate::decode::charset::{Reader, Step};
use crate::decode::inside::HOLD;
use crate::decode::output::{Blocks, Output};

/// Samples of one file that are told apart.
const SAMPLES: usize = 1_000_000;

/// The columns of a variant before those of the samples (VCF 4.3, section 1.5).
const FIXED: usize = 9;

/// Bytes in which the first columns of a pedigree must end.
const FRONT: usize = 1024;

/// Samples that header lines name.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) names: BTreeSet<String>,
}

impl Samples {
    /// A line of a header of alignments (`@RG … SM:`) or of variants (`#CHROM …`).
    pub(super) fn line(&mut self, line: &str) {
        let mut fields = line.split('\t');
        match fields.next() {
            Some("@RG") => {
                let name = fields.find_map(|field| field.strip_prefix("SM:"));
                name.into_iter().for_each(|name| self.add(name));
            }
            Some("#CHROM") => fields.skip(FIXED - 1).for_each(|name| self.add(name)),
            _ => {}
        }
    }

    fn add(&mut self, name: &str) {
        if self.names.len() < SAMPLES {
            self.names.insert(name.trim().to_owned());
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A line that says something.
    Line,
    /// Data up to the end of the file.
    Data,
    /// Data up to the end of the line.
    Rest,
    /// Data up to a line that begins with `>`.
    Sequence,
}

/// Reads genomic text.
#[derive(Debug)]
pub(in crate::decode) struct Lines {
    kind: Kind,
    part: Part,
    blocks: Option<Blocks>,
    samples: Samples,
    /// Somebody was entered.
    anybody: bool,
    lines: u64,
}

impl Lines {
    /// A reader.
    pub(in crate::decode) fn new(kind: Kind) -> Lines {
        Lines { kind, part: Part::Line, blocks: None, samples: Samples::default(), anybody: false, lines: 0 }
    }

    fn data(&mut self, text: &str, offset: u64, out: &mut Output<'_>) {
        self.lines += memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64;
        self.blocks.get_or_insert_with(|| Blocks::new(offset)).push(text, Some(DATA), out);
    }

    fn end_data(&mut self, out: &mut Output<'_>) {
        if let Some(mut blocks) = self.blocks.take() {
            blocks.finish(Some(DATA), out);
        }
    }

    /// A line that says something, and what follows it.
    fn line(&mut self, line: &str, offset: u64, out: &mut Output<'_>) -> Part {
        self.lines += 1;
        out.at.set_line(Some(self.lines));
        let part = match self.kind {
            Kind::Variants | Kind::Alignment => {
                self.samples.line(line);
                let ends = if self.kind == Kind::Variants { "#CHROM" } else { "" };
                let more = if ends.is_empty() { line.starts_with('@') } else { !line.starts_with(ends) };
                if more { Part::Line } else { Part::Data }
            }
            Kind::Reads => Part::Data,
            Kind::Sequence => Part::Sequence,
            Kind::Genotypes if line.starts_with('#') && !head::is_genotype_header(line.trim_start_matches('#')) => {
                Part::Line
            }
            Kind::Genotypes => Part::Data,
            Kind::Pedigree => Part::Line,
        };
        out.text(line, None, offset);
        if part != Part::Line {
            self.enter(line, offset, out);
        }
        out.at.set_line(None);
        part
    }

    /// Enters those the file is about, once its head has been read.
    fn enter(&mut self, line: &str, offset: u64, out: &mut Output<'_>) {
        let names = std::mem::take(&mut self.samples.names);
        if names.is_empty() && !self.anybody {
            sample(line.get(..line.floor_char_boundary(FRONT)).unwrap_or(line), offset, out);
        }
        names.iter().for_each(|name| sample(name, offset, out));
        self.anybody = true;
    }

    /// A line of a pedigree: its first columns are a person, the others their genotypes.
    fn person(&mut self, text: &str, offset: u64, out: &mut Output<'_>) -> usize {
        let mut spaces = text.char_indices().filter(|(_, c)| c.is_ascii_whitespace()).map(|(at, _)| at);
        let end = spaces.nth(5).unwrap_or(text.len()).min(text.floor_char_boundary(FRONT));
        let front = text.get(..end).unwrap_or(text);
        out.at.set_line(Some(self.lines + 1));
        sample(front.trim(), offset, out);
        out.at.set_line(None);
        self.anybody = true;
        front.len()
    }
}

impl Lines {
    /// A stretch of data, up to what ends it. Nothing where that may lie across the edge of what is at hand.
    fn stretch(&mut self, rest: &str, place: u64, last: bool, out: &mut Output<'_>) -> Option<usize> {
        let found = match self.part {
            Part::Rest => memchr::memchr(b'\n', rest.as_bytes()).map(|end| end + 1),
            _ if rest.starts_with('>') => Some(0),
            _ => memchr::memmem::find(rest.as_bytes(), b"\n>").map(|end| end + 1),
        };
        let cut = rest.ends_with('\n') && self.part == Part::Sequence && !last;
        let length = found.unwrap_or(if cut { rest.len() - 1 } else { rest.len() });
        if length == 0 && found.is_none() {
            return None;
        }
        self.data(rest.get(..length).unwrap_or(rest), place, out);
        if found.is_some() {
            self.end_data(out);
            self.part = Part::Line;
        }
        Some(length)
    }

    /// A line, once it is whole; of a pedigree its first columns.
    fn whole_line(&mut self, rest: &str, place: u64, last: bool, out: &mut Output<'_>) -> Option<usize> {
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let enough = self.kind == Kind::Pedigree && rest.len() > FRONT;
        if end.is_none() && !last && !enough && rest.len() <= HOLD {
            return None;
        }
        let length = end.map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or(rest);
        if self.kind == Kind::Pedigree {
            self.part = Part::Rest;
            return Some(self.person(line, place, out));
        }
        self.part = self.line(line.trim_end_matches(['\r', '\n']), place, out);
        Some(length)
    }
}

impl Reader for Lines {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let place = offset + at as u64;
            let taken = match self.part {
                Part::Data => {
                    self.data(rest, place, out);
                    Some(rest.len())
                }
                Part::Rest | Part::Sequence => self.stretch(rest, place, last, out),
                Part::Line => self.whole_line(rest, place, last, out),
            };
            let Some(taken) = taken else { break };
            at += taken;
        }
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.end_data(out);
        if !self.anybody {
            self.enter(self.kind.name(), 0, out);
        }
        out.at.set_line(None);
    }
}
