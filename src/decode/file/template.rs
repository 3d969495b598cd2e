//! Biometric records, known by their magic: minutiae, images of fingers, faces and irises (ISO/IEC 19794-2, -4, -5, -6),
//! fingerprints compressed with WSQ. What they are is evidence enough; the record itself is opaque.

use std::io;

use super::unread;
use crate::decode::account::Opaque;
use crate::decode::output::Output;
use crate::decode::window::Window;
use crate::transfer::Container;

/// The name under which a record goes.
const NAME: &str = "biometric record";

/// Magics and the names of their formats.
const FORMATS: &[(&[u8], &str)] = &[
    (b"FMR\0", "iso-minutiae"),
    (b"FIR\0", "iso-finger-image"),
    (b"FAC\0", "iso-face-image"),
    (b"IIR\0", "iso-iris-image"),
    (b"VIR\0", "iso-vascular-image"),
    (b"\xff\xa0\xff\xa4", "wsq"),
    (b"\xff\xa0\xff\xa5", "wsq"),
    (b"\xff\xa0\xff\xa8", "wsq"),
];

/// The name of the format that bytes show by how they begin.
fn format(head: &[u8]) -> Option<&'static str> {
    FORMATS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// Whether bytes begin such a record.
pub(in crate::decode) fn is_head(head: &[u8]) -> bool {
    matches!(head.first(), Some(b'F' | b'I' | b'V' | 0xff)) && format(head).is_some()
}

/// Reads a record: that it is one.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let name = format(window.need(4)?).unwrap_or("template");
    out.format(name);
    out.open(Container::Row);
    out.at.enter_plain(name);
    out.text(name, Some(NAME), 0);
    out.at.leave();
    out.close();
    unread(Opaque::Undecodable, window, out)
}
