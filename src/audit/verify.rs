//! Whether the records of a directory are those that were written, in their order and without a gap.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::file::{days, for_each_line};
use super::{link, split_chain};

/// Breaks listed at most: one change can break no more than the record it touches and the next.
const LISTED: usize = 100;

/// What a look at every record found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// Files read.
    pub files: u64,
    /// Records whose chain holds.
    pub records: u64,
    /// The first record continues one that is not here: earlier files were taken away, or the beginning was cut off.
    pub continues: bool,
    /// Lines that are no record: a write that a loss of power cut short, or a change.
    pub torn: u64,
    /// Records that do not follow from the one before them. At most 100 are listed.
    pub breaks: Vec<Break>,
    /// The last chain value, to be kept elsewhere: without it records cut off at the end are not missed.
    pub last: String,
}

/// A record that does not follow from the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Name of the file.
    pub file: String,
    /// Line from 1.
    pub line: u64,
}

impl Verification {
    /// Whether every record follows from the one before it.
    pub fn holds(&self) -> bool {
        self.breaks.is_empty()
    }
}

/// Follows the chain through every file of a directory.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn verify(directory: &Path) -> io::Result<Verification> {
    let mut found = Verification::default();
    for (_, path) in days(directory)? {
        found.files += 1;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut line = 0;
        for_each_line(File::open(&path)?, |text| {
            line += 1;
            found.take(text, &name, line);
            true
        })?;
    }
    Ok(found)
}

impl Verification {
    fn take(&mut self, text: &str, file: &str, line: u64) {
        if text.is_empty() {
            return;
        }
        let Some((record, chain)) = split_chain(text) else {
            self.torn += 1;
            return;
        };
        let record = format!("{record}}}");
        let first = self.last.is_empty();
        if link(&self.last, record.as_bytes()) == chain {
            self.records += 1;
        } else if first {
            self.continues = true;
        } else if self.breaks.len() < LISTED {
            self.breaks.push(Break { file: file.to_owned(), line });
        }
        chain.clone_into(&mut self.last);
    }
}
