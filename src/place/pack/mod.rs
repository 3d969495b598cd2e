//! Packs address databases into the one file the gateway loads.
//!
//! Two sources are understood: `location.db` of the IPFire project, and the text files Tor is given (`geoip` with `geoip6`
//! beside it). Several can be packed into one file: the country is that of the last source that has one, and a flag counts
//! if any source has it that agrees on the country. So a fresh list of countries can be joined with the flags that only
//! `location.db` carries.

mod geoip;

mod location;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::diagnostic::Diagnostic;

use super::address::{Class, Layer, encode, read_bounded};
use super::span::{NONE, Number, Spans};

const LARGEST_SOURCE: u64 = 512 << 20;

/// What was packed.
#[derive(Debug)]
pub struct Packed {
    /// The file that was written.
    pub file: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// Ranges of IPv4.
    pub v4: usize,
    /// Ranges of IPv6.
    pub v6: usize,
    /// Day of the newest source.
    pub date: Option<Date>,
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date.map_or_else(|| "of unknown date".to_owned(), |date| format!("of {date}"));
        let Packed { file, bytes, v4, v6, .. } = self;
        write!(f, "{}: {v4} IPv4 and {v6} IPv6 ranges {date}, {bytes} bytes", file.display())
    }
}

/// A source taken in.
struct Taken {
    /// Where it comes from, in words.
    origin: String,
    date: Option<Date>,
    layer: Layer,
}

/// Gives each class a number.
#[derive(Default)]
struct Classes {
    list: Vec<Class>,
    numbers: HashMap<Class, u32>,
}

impl Classes {
    fn number(&mut self, class: Class) -> u32 {
        if class == Class::default() {
            return NONE;
        }
        *self.numbers.entry(class).or_insert_with(|| {
            self.list.push(class);
            u32::try_from(self.list.len()).unwrap_or(NONE)
        })
    }
}

/// Packs `sources`, the least trusted first, into `out`.
///
/// # Errors
/// A source cannot be read or is none of the formats understood, or the file cannot be written.
pub fn run(sources: &[PathBuf], out: &Path) -> Result<Packed, Vec<Diagnostic>> {
    let mut taken: Option<Taken> = None;
    for source in sources {
        let next = take(source)?;
        taken = Some(match taken {
            Some(before) => join(&before, &next),
            None => next,
        });
    }
    let Some(Taken { origin, date, layer }) = taken else {
        return Err(problem(out, "nothing to pack"));
    };
    let date_line = date.map(|date| format!("date: {date}\n")).unwrap_or_default();
    let header = format!("origin: {origin}\nlicence: CC BY-SA 4.0\n{date_line}");
    let bytes = encode(&header, &layer).map_err(|error| problem(out, format!("cannot be packed: {error}")))?;
    write_whole(out, &bytes)?;
    Ok(Packed { file: out.to_owned(), bytes: bytes.len(), v4: layer.v4.len(), v6: layer.v6.len(), date })
}

fn take(source: &Path) -> Result<Taken, Vec<Diagnostic>> {
    let bytes = read_bounded(source, LARGEST_SOURCE)?;
    let read = if bytes.starts_with(location::MAGIC) { location::read(&bytes) } else { geoip::read(source, &bytes)? };
    read.map_err(|what| problem(source, what))
}

fn problem(file: &Path, what: impl Into<String>) -> Vec<Diagnostic> {
    vec![Diagnostic::file(file.display().to_string(), what)]
}

fn join(before: &Taken, next: &Taken) -> Taken {
    let mut classes = Classes::default();
    let origin = format!("{} + {}", before.origin, next.origin);
    let of = |layer: &Layer, value: u32| match value {
        NONE => Class::default(),
        value => layer.classes.get(value as usize - 1).copied().unwrap_or_default(),
    };
    let mut value = |a: u32, b: u32| {
        let (a, b) = (of(&before.layer, a), of(&next.layer, b));
        // Space that changed its country changed hands: what it was used for before says nothing any more.
        let same = b.code == [0, 0] || a.code == [0, 0] || a.code == b.code;
        let code = if b.code == [0, 0] { a.code } else { b.code };
        classes.number(Class { code, flags: if same { a.flags | b.flags } else { b.flags } })
    };
    let v4 = before.layer.v4.merge(&next.layer.v4, &mut value);
    let v6 = before.layer.v6.merge(&next.layer.v6, &mut value);
    let layer = Layer { classes: classes.list, v4, v6 };
    Taken { origin, date: before.date.max(next.date), layer }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(out: &Path, bytes: &[u8]) -> Result<(), Vec<Diagnostic>> {
    use std::io::Write as _;
    let directory = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.persist(out)?;
        Ok(())
    };
    write().map_err(|error| problem(out, format!("cannot be written: {error}")))
}

/// These files hold nothing secret, and the gateway may run as another user than the one who imports.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Ranges of one family while a source is read.
fn spans<T: Number>(ranges: Vec<(T, T, Class)>, classes: &mut Classes) -> Spans<T> {
    let numbered = ranges.into_iter().map(|(first, last, class)| (first, last, classes.number(class)));
    Spans::nested(numbered.collect())
}
