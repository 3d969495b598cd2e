//! What an image says about itself: where it was taken, by whom, with which device (Exif 3.0). The picture is opaque.

use std::io::{self, Cursor};

use exif::{Exif, In, Tag, Value};

use super::unread;
use crate::decode::account::Opaque;
use crate::decode::output::Output;
use crate::decode::window::Window;
use crate::transfer::Container;

/// How much of an image is looked at. What it says about itself stands at its beginning.
const HEAD: usize = 512 * 1024;

/// Reads the metadata of an image.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let view = window.need(HEAD)?;
    let head = view.get(..HEAD).unwrap_or(view);
    let mut reader = exif::Reader::new();
    let read = reader.continue_on_error(true).read_from_container(&mut Cursor::new(head));
    let metadata = read.or_else(|error| error.distill_partial_result(|_| ())).ok();
    if let Some(metadata) = metadata {
        out.format("exif");
        out.open(Container::Object);
        coordinates(&metadata, out);
        fields(&metadata, out);
        out.close();
    }
    unread(Opaque::Undecodable, window, out)
}

/// Text fields go by the name of their tag.
fn fields(metadata: &Exif, out: &mut Output<'_>) {
    // Fields do not overlap, so together they are no longer than what was read; many that point at one place would be
    // copied as often as there are fields. Each is copied when it is asked for.
    let mut room = HEAD;
    for field in metadata.fields() {
        let Some(left) = room.checked_sub(weight(&field.value)) else { break };
        room = left;
        let Value::Ascii(lines) = &field.value else { continue };
        let name = field.tag.to_string();
        out.at.enter(&name);
        for line in lines {
            out.text(String::from_utf8_lossy(line).trim_matches(['\0', ' ']), Some(&name), 0);
        }
        out.at.leave();
    }
}

/// How many bytes a value takes in the file, at least.
fn weight(value: &Value) -> usize {
    match value {
        Value::Ascii(lines) => lines.iter().map(|line| line.len() + 1).sum(),
        Value::Byte(bytes) | Value::Undefined(bytes, _) => bytes.len(),
        Value::SByte(bytes) => bytes.len(),
        Value::Short(numbers) => numbers.len() * 2,
        Value::SShort(numbers) => numbers.len() * 2,
        Value::Long(numbers) => numbers.len() * 4,
        Value::SLong(numbers) => numbers.len() * 4,
        Value::Float(numbers) => numbers.len() * 4,
        Value::Rational(numbers) => numbers.len() * 8,
        Value::SRational(numbers) => numbers.len() * 8,
        Value::Double(numbers) => numbers.len() * 8,
        Value::Unknown(..) => 0,
    }
}

/// Latitude and longitude as numbers of degrees, one beside the other.
fn coordinates(metadata: &Exif, out: &mut Output<'_>) {
    let degrees = |value: Tag, side: Tag, negative: u8| {
        let Value::Rational(parts) = &metadata.get_field(value, In::PRIMARY)?.value else { return None };
        let sum: f64 = parts.iter().zip([1.0, 60.0, 3600.0]).map(|(part, unit)| part.to_f64() / unit).sum();
        let side = match &metadata.get_field(side, In::PRIMARY)?.value {
            Value::Ascii(lines) => lines.first().and_then(|line| line.first()).copied(),
            _ => None,
        };
        sum.is_finite().then(|| if side == Some(negative) { -sum } else { sum })
    };
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S');
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W');
    for (name, number) in [("latitude", latitude), ("longitude", longitude)] {
        if let Some(number) = number {
            out.at.enter(name);
            out.whole(&format!("{number:.6}"), Some(name), 0);
            out.at.leave();
        }
    }
}
