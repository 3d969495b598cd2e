//! The address database in our own file: which country each address is in, and which addresses are nowhere in particular.
//!
//! Layout: eight bytes of magic, the length of a text header (`name: value` lines) as u32, the header, then one zstd frame.
//! Inside it: the classes (country code and flags), and for IPv4 and IPv6 a list of boundaries. A boundary is stored as the
//! distance from the one before, as `odd number << exponent`, because ranges are prefixes; classes and distances stand in
//! columns of their own, which compresses to a third of the rows. The reader trusts nothing: every count and every size
//! has a limit, and boundaries must rise.

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use jiff::civil::Date;

use crate::diagnostic::Diagnostic;
use crate::transfer::Country;

use super::answer::Groups;
use super::span::{NONE, Number, Spans};

const MAGIC: &[u8; 8] = b"TIDEADR1";
const LARGEST_FILE: u64 = 64 << 20;
const LARGEST_TABLE: u64 = 256 << 20;
const MOST_BOUNDARIES: u64 = 8 << 20;
const LONGEST_HEADER: u32 = 4096;

/// What a database says of a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Class {
    /// The code as the source has it, `\0\0` when it has none.
    pub(super) code: [u8; 2],
    /// [`ANYCAST`], [`SATELLITE`], [`ANONYMOUS`].
    pub(super) flags: u8,
}

/// Announced from many places at once.
pub(super) const ANYCAST: u8 = 1;
/// The other end of a satellite link may be anywhere in its beam.
pub(super) const SATELLITE: u8 = 2;
/// An anonymising proxy: where it is says nothing about where data goes.
pub(super) const ANONYMOUS: u8 = 4;

/// Classes over the whole address space; value `n` of a span is class `n - 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) classes: Vec<Class>,
    pub(super) v4: Spans<u32>,
    pub(super) v6: Spans<u128>,
}

/// A loaded database.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) date: Option<Date>,
    answers: Vec<Found>,
    v4: Spans<u32>,
    v6: Spans<u128>,
}

/// What the database says of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) country: Option<Country>,
    pub(super) flags: u8,
}

impl Addresses {
    /// Loads a packed file.
    pub(super) fn load(path: &Path, groups: &Groups) -> Result<Addresses, Vec<Diagnostic>> {
        let name = path.display().to_string();
        let bytes = read_bounded(path, LARGEST_FILE)?;
        let (header, layer) = decode(&bytes).map_err(|what| vec![Diagnostic::file(&name, what)])?;
        let field = |key: &str| header.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let answers = layer.classes.iter().map(|class| Found {
            country: std::str::from_utf8(&class.code).ok().and_then(|code| groups.country(code)),
            flags: class.flags,
        });
        Ok(Addresses {
            date: field("date").and_then(|date| date.parse().ok()),
            origin: field("origin").unwrap_or("unknown origin").to_owned(),
            answers: answers.collect(),
            v4: layer.v4,
            v6: layer.v6,
            name,
        })
    }

    /// What is said of an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<Found> {
        let value = match address {
            IpAddr::V4(address) => self.v4.get(address.into()),
            IpAddr::V6(address) => self.v6.get(address.into()),
        };
        if value == NONE { None } else { self.answers.get(value as usize - 1).copied() }
    }
}

/// A file's bytes, unless there are too many.
pub(super) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| vec![Diagnostic::file(&name, format!("cannot be read: {error}"))];
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(vec![Diagnostic::file(&name, format!("is larger than {} MiB", most >> 20))]);
    }
    Ok(bytes)
}

/// Header and content as a file.
pub(super) fn encode(header: &str, layer: &Layer) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    put(&mut body, layer.classes.len() as u128);
    for class in &layer.classes {
        body.extend(class.code);
        body.push(class.flags);
    }
    put_spans(&mut body, &layer.v4);
    put_spans(&mut body, &layer.v6);
    let mut file = MAGIC.to_vec();
    file.extend(u32::try_from(header.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend(header.as_bytes());
    file.extend(zstd::encode_all(body.as_slice(), 19)?);
    Ok(file)
}

fn put_spans<T: Number + Into<u128>>(body: &mut Vec<u8>, spans: &Spans<T>) {
    put(body, spans.len() as u128);
    let mut before = 0u128;
    for (start, _) in spans.boundaries() {
        let distance = start.into() - before;
        before = start.into();
        let exponent = distance.trailing_zeros().min(127);
        body.push(exponent as u8);
        put(body, distance >> exponent);
    }
    spans.boundaries().for_each(|(_, value)| put(body, u128::from(value)));
}

/// A number in seven-bit groups, the lowest first.
fn put(body: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// Header and content of a file.
fn decode(file: &[u8]) -> Result<(&str, Layer), &'static str> {
    let rest = file.strip_prefix(MAGIC).ok_or("is not a packed address database: make one with `places pack`")?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or("ends in its header")?;
    let length = u32::from_be_bytes(*length);
    if length > LONGEST_HEADER {
        return Err("has a header that is too long");
    }
    let (header, packed) = rest.split_at_checked(length as usize).ok_or("ends in its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "has a header that is no text")?;
    let mut body = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| "is damaged")?;
    decoder.take(LARGEST_TABLE + 1).read_to_end(&mut body).map_err(|_| "is damaged: it does not decompress")?;
    if body.len() as u64 > LARGEST_TABLE {
        return Err("decompresses to more than it may");
    }
    let mut reader = Reader { rest: &body };
    let layer = reader.layer().ok_or("is damaged: its tables do not fit together")?;
    if reader.rest.is_empty() { Ok((header, layer)) } else { Err("has something behind its end") }
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u128> {
        let mut number = 0u128;
        for shift in (0..126).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        let last = self.byte()?;
        (last < 4).then(|| number | u128::from(last) << 126)
    }

    fn count(&mut self, most: u64) -> Option<usize> {
        self.number().filter(|count| *count <= u128::from(most)).and_then(|count| count.try_into().ok())
    }

    fn layer(&mut self) -> Option<Layer> {
        let mut classes = Vec::new();
        for _ in 0..self.count(1 << 16)? {
            let code = [self.byte()?, self.byte()?];
            classes.push(Class { code, flags: self.byte()? });
        }
        let v4 = self.spans(classes.len())?;
        let v6 = self.spans(classes.len())?;
        Some(Layer { classes, v4, v6 })
    }

    fn spans<T: Number + TryFrom<u128>>(&mut self, classes: usize) -> Option<Spans<T>> {
        let count = self.count(MOST_BOUNDARIES)?;
        let mut starts = Vec::new();
        let mut at = 0u128;
        for index in 0..count {
            let exponent = u32::from(self.byte()?);
            let odd = self.number()?;
            let distance = odd.checked_shl(exponent).filter(|distance| distance >> exponent == odd)?;
            at = at.checked_add(distance)?;
            if distance == 0 && index > 0 {
                return None;
            }
            starts.push(T::try_from(at).ok()?);
        }
        let mut spans = Spans::empty();
        for start in starts {
            let value = self.number()?;
            if value > classes as u128 {
                return None;
            }
            spans.push(start, value as u32);
        }
        Some(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        let class = |code: &[u8; 2], flags| Class { code: *code, flags };
        Layer {
            classes: vec![class(b"DE", 0), class(b"AU", ANYCAST)],
            v4: Spans::nested(vec![(0, 255, 1), (0x0101_0100, 0x0101_01ff, 2), (u32::MAX - 3, u32::MAX, 1)]),
            v6: Spans::nested(vec![(1 << 125, (1 << 125) | 0xffff, 2), (u128::MAX, u128::MAX, 1)]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let file = encode("date: 2026-11-22\n", &layer()).unwrap();
        assert_eq!(decode(&file).unwrap(), ("date: 2026-11-22\n", layer()));
    }

    #[test]
    fn damaged_files_are_refused_and_never_panic() {
        let file = encode("date: 2026-11-22\n", &layer()).unwrap();
        assert!((0..file.len()).all(|end| decode(&file[..end]).is_err()));
        for index in 0..file.len() {
            let mut damaged = file.clone();
            damaged[index] ^= 0x55;
            let _ = decode(&damaged);
        }
        for body in [&[][..], &[0xff; 40], &[0, 1, 200, 1, 0], &[0, 2, 0, 1, 0, 0, 0, 0, 0]] {
            assert!(Reader { rest: body }.layer().is_none());
        }
    }
}
