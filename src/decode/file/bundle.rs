//! Object streams of PDF (ISO 32000-2, section 7.5.7), looked at before the reader of PDF unpacks them.
//!
//! The reader makes every object that the index of a stream names, each from where it begins to where it happens to end.
//! An index that names the same place a thousand times makes a thousand copies of what lies there, so a file of a few
//! kilobytes would take all memory. Here objects have to lie one behind the other, each whole before the next begins,
//! and all streams of a file together may unpack to so much and no more.

use std::cell::Cell;

use lopdf::{Object, Stream};

/// Most that the object streams of one file may unpack to. What is made of it is several times as large.
const UNPACKED: usize = 32 * 1024 * 1024;

thread_local! {
    /// What the file being loaded may still unpack: its reader asks through a plain function, which remembers nothing.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Before a file is loaded.
pub(super) fn begin() {
    LEFT.set(UNPACKED);
}

/// Whether a stream that was dropped makes the file one that could not be read.
pub(super) fn dropped() -> bool {
    LEFT.get() == 0
}

/// Lets an object pass that is no object stream, or a sound one.
pub(super) fn filter(id: (u32, u16), object: &mut Object) -> Option<((u32, u16), Object)> {
    match object {
        Object::Stream(stream) if stream.dict.has_type(b"ObjStm") => {
            let unpacked = size(stream).filter(|size| *size < LEFT.get());
            LEFT.set(unpacked.map_or(0, |size| LEFT.get() - size));
            unpacked.map(|_| (id, Object::Null))
        }
        // What comes back is looked at for objects out of a stream only, and these are no streams themselves.
        Object::Stream(_) => Some((id, Object::Null)),
        object => Some((id, object.clone())),
    }
}

/// The size of an object stream unpacked; nothing where its objects are not one behind the other.
fn size(stream: &Stream) -> Option<usize> {
    let content = stream.get_plain_content_with_limit(LEFT.get()).ok()?;
    let first = usize::try_from(stream.dict.get(b"First").and_then(Object::as_i64).ok()?).ok()?;
    let (index, objects) = content.split_at_checked(first)?;
    let index = std::str::from_utf8(index).ok()?;
    let offsets = index.split_ascii_whitespace().skip(1).step_by(2).map(|number| number.parse::<usize>());
    let mut last: Option<usize> = None;
    for offset in offsets {
        // What lies behind the end is no object, and the reader passes it.
        let offset = offset.ok()?.min(objects.len());
        let between = objects.get(last.unwrap_or(0)..offset)?;
        if !is_balanced(between) || (last == Some(offset) && offset < objects.len()) {
            return None;
        }
        last = Some(offset);
    }
    Some(content.len())
}

/// Whether every string, array and dictionary that begins here ends here.
fn is_balanced(bytes: &[u8]) -> bool {
    let (mut brackets, mut strings, mut hexadecimal, mut comment) = (0i64, 0i64, false, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        at += 1;
        match byte {
            b'\n' | b'\r' if comment => comment = false,
            _ if comment => {}
            b'\\' if strings > 0 => at += 1,
            b'(' => strings += 1,
            b')' => strings -= 1,
            _ if strings > 0 => {}
            b'%' => comment = true,
            b'[' => brackets += 1,
            b']' => brackets -= 1,
            b'<' | b'>' if next == Some(byte) && !hexadecimal => {
                brackets += if *byte == b'<' { 1 } else { -1 };
                at += 1;
            }
            b'<' => hexadecimal = true,
            b'>' => hexadecimal = false,
            _ => {}
        }
        if brackets < 0 || strings < 0 {
            return false;
        }
    }
    brackets == 0 && strings == 0 && !hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_from_those_that_overlap() {
        for sound in ["", "<</A [1 2 (x\\)y)]>> ", "<4142> % ( \n 12 ", "(a(b)c)", "<</A <41>>>"] {
            assert!(is_balanced(sound.as_bytes()), "{sound}");
        }
        for broken in ["[", "[1 ", "(a", "<</A 1", "<41", "]"] {
            assert!(!is_balanced(broken.as_bytes()), "{broken}");
        }
    }
}
