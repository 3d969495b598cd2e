//! Genomic files, known by their structure: variants, reads, sequences, alignments, genotypes.
//!
//! Nothing in these formats says whose genome it is, or that it is a human's: each sample counts as a person. Samples go
//! under the name [`SAMPLE`] and the bulk of the data under [`DATA`], so that detectors can speak about the first and be
//! careful with the numbers of the second. A detector file says what these names mean.

use std::io;

use super::account::Opaque;
use super::opaque;
use super::output::Output;
use super::window::Window;
use crate::transfer::Container;

mod head;

mod lines;

pub(super) use head::sniff;
pub(super) use lines::Lines;

/// The name under which a sample goes.
pub(super) const SAMPLE: &str = "sequenced sample";

/// The name under which genotypes, reads and sequences go.
pub(super) const DATA: &str = "sequenced data";

/// Most text of a BAM header that is read.
const HEADER: usize = 8 << 20;

/// Text formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Variant Call Format.
    Variants,
    /// FASTQ.
    Reads,
    /// FASTA of nucleotides.
    Sequence,
    /// SAM.
    Alignment,
    /// A table of markers and genotypes, as services for consumers give it.
    Genotypes,
    /// PLINK: a person a line.
    Pedigree,
}

/// Binary formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// BAM, once its blocks are inflated.
    Bam,
    /// CRAM.
    Cram,
    /// PLINK: genotypes of a study.
    Bed,
    /// BCF, once its blocks are inflated.
    Bcf,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Variants => "vcf",
            Kind::Reads => "fastq",
            Kind::Sequence => "fasta",
            Kind::Alignment => "sam",
            Kind::Genotypes => "genotypes",
            Kind::Pedigree => "ped",
        }
    }
}

impl Packed {
    /// The format that bytes show by how they begin.
    pub(super) fn sniff(head: &[u8]) -> Option<Packed> {
        match head {
            [b'B', b'A', b'M', 1, ..] => Some(Packed::Bam),
            [b'B', b'C', b'F', 2, ..] => Some(Packed::Bcf),
            [b'C', b'R', b'A', b'M', 1..=4, 0..=9, ..] => Some(Packed::Cram),
            [0x6c, 0x1b, 0 | 1, ..] => Some(Packed::Bed),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Packed::Bam => "bam",
            Packed::Cram => "cram",
            Packed::Bed => "bed",
            Packed::Bcf => "bcf",
        }
    }
}

/// Reads a binary file: whose samples it is about, as far as its head says so. What follows is opaque.
pub(super) fn read(kind: Packed, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format(kind.name());
    let start = match kind {
        Packed::Bam => 8,
        Packed::Bcf => 9,
        Packed::Cram | Packed::Bed => 0,
    };
    let length = window.need(start)?.get(start.saturating_sub(4)..start).and_then(|bytes| bytes.try_into().ok());
    let length = length.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize).min(HEADER);
    let view = window.need(start + length)?;
    let header = view.get(start..start + length).unwrap_or_default();
    let text = String::from_utf8_lossy(header).into_owned();
    let taken = start + header.len();
    window.take(taken);
    out.tally.bytes += taken as u64;
    let mut samples = lines::Samples::default();
    for line in text.lines() {
        samples.line(line);
        out.text(line, None, 0);
    }
    if samples.names.is_empty() {
        sample(kind.name(), 0, out);
    }
    samples.names.iter().for_each(|name| sample(name, 0, out));
    let left = window.drain()?;
    opaque(Opaque::Undecodable, left, out);
    Ok(())
}

/// One person.
fn sample(name: &str, offset: u64, out: &mut Output<'_>) {
    out.open(Container::Row);
    out.at.enter_plain("sample");
    out.text(name, Some(SAMPLE), offset);
    out.at.leave();
    out.close();
}
