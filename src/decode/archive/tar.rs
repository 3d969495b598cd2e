//! tar (POSIX.1-2017 pax, ustar, and the long names of GNU).

use std::io;

use super::{Member, rest};
use crate::decode::account::Opaque;
use crate::decode::charset;
use crate::decode::inside::HOLD;
use crate::decode::opaque;
use crate::decode::output::Output;
use crate::decode::window::Window;

const BLOCK: usize = 512;

/// Whether a document begins with a head of tar: its magic, and a checksum that is right.
pub(in crate::decode) fn is_head(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let field = block.get(148..156).unwrap_or_default();
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = field.iter().map(|byte| u64::from(*byte)).sum();
    block.get(257..262) == Some(b"ustar") && octal(field) == Some(sum - own + 8 * u64::from(b' '))
}

/// Reads an archive.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("tar");
    let mut long_name = None;
    while let Some(block) = window.need(BLOCK)?.first_chunk::<BLOCK>().copied() {
        if block.iter().all(|byte| *byte == 0) {
            pass(BLOCK as u64, window, out);
            continue;
        }
        let Some(size) = size(&block).filter(|_| is_head(&block)) else { break };
        pass(BLOCK as u64, window, out);
        match block.get(156) {
            Some(b'x' | b'g' | b'L' | b'K') => long_name = notes(size, window, out)?.or(long_name),
            _ => {
                let name = long_name.take().unwrap_or_else(|| name(&block));
                if !file(&Member(&name), size, window, out)? {
                    return rest(Opaque::Oversize, window, out);
                }
            }
        }
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let there = window.need(padding as usize)?.len() as u64;
        pass(padding.min(there), window, out);
    }
    rest(Opaque::Undecodable, window, out)
}

/// Reads a file. Says no where a bound forbids it.
fn file(member: &Member<'_>, size: u64, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    let mut section = io::Read::take(&mut *window, size);
    let allowed = member.read(&mut section, out)?;
    let left = Window::new(&mut section, u64::MAX).drain()?;
    opaque(Opaque::Oversize, left, out);
    Ok(allowed)
}

/// Reads what a head says about the next: its name may be among it. All of it is text.
fn notes(size: u64, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<Option<String>> {
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(HOLD);
    let view = window.need(wanted)?;
    let bytes = view.get(..wanted).unwrap_or(view);
    let (text, malformed) = charset::whole(bytes, None);
    let text = text.trim_end_matches('\0').to_owned();
    out.text(&text, None, 0);
    let length = bytes.len() as u64;
    out.tally.opaque(Opaque::Undecodable, malformed);
    pass(length, window, out);
    let mut beyond = io::Read::take(&mut *window, size - length);
    let left = Window::new(&mut beyond, u64::MAX).drain()?;
    opaque(Opaque::Oversize, left, out);
    let path = text.lines().find_map(|line| line.split_once(" path=")).map(|(_, path)| path.to_owned());
    Ok(path.or_else(|| (!text.contains('=')).then_some(text)))
}

fn pass(length: u64, window: &mut Window<'_>, out: &mut Output<'_>) {
    out.tally.bytes += length;
    window.take(length as usize);
}

fn name(block: &[u8; BLOCK]) -> String {
    let field = |range: std::ops::Range<usize>| {
        let bytes = block.get(range).unwrap_or_default();
        let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
        charset::whole(bytes.get(..end).unwrap_or_default(), None).0.into_owned()
    };
    let (prefix, name) = (field(345..500), field(0..100));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// The size of a file: octal, or binary where it is large.
fn size(block: &[u8; BLOCK]) -> Option<u64> {
    let field = block.get(124..136)?;
    match field {
        [0x80, _, _, _, large @ ..] => large.try_into().ok().map(u64::from_be_bytes),
        field => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok()
}
