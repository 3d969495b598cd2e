//! The text files Tor is given: `first,last,CC` a line, IPv4 addresses as numbers, IPv6 as text, `??` for none.

use std::net::Ipv6Addr;
use std::path::Path;

use jiff::civil::Date;

use crate::diagnostic::Diagnostic;

use super::super::address::{Class, Layer, read_bounded};
use super::super::span::Number;
use super::{Classes, LARGEST_SOURCE, Taken, spans};

/// Reads a pair of files. Whichever of the two is named, the other is looked for beside it.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Result<Taken, String>, Vec<Diagnostic>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let (v4, v6) = match name.strip_suffix('6') {
        Some(first) => (read_beside(path, first)?, bytes.to_vec()),
        None => (bytes.to_vec(), read_beside(path, &format!("{name}6"))?),
    };
    Ok(both(&v4, &v6))
}

fn read_beside(path: &Path, name: &str) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let beside = path.with_file_name(name);
    if beside.exists() { read_bounded(&beside, LARGEST_SOURCE) } else { Ok(Vec::new()) }
}

fn both(v4: &[u8], v6: &[u8]) -> Result<Taken, String> {
    let mut classes = Classes::default();
    let (v4, date4) = ranges(v4, |text| text.parse::<u32>().ok())?;
    let (v6, date6) = ranges(v6, |text| text.parse::<Ipv6Addr>().ok().map(u128::from))?;
    let (v4, v6) = (spans(v4, &mut classes), spans(v6, &mut classes));
    let date = date4.max(date6);
    let day = date.map(|date| format!(" of {date}")).unwrap_or_default();
    let origin = format!("IPFire tor-geoipdb{day}");
    Ok(Taken { origin, date, layer: Layer { classes: classes.list, v4, v6 } })
}

type Ranges<T> = Vec<(T, T, Class)>;

fn ranges<T: Number>(bytes: &[u8], parse: impl Fn(&str) -> Option<T>) -> Result<(Ranges<T>, Option<Date>), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is neither location.db nor a text of ranges".to_owned())?;
    let mut ranges = Vec::new();
    let mut date = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            date = date.or_else(|| generated(comment));
        } else if !line.is_empty() {
            ranges.push(range(line, &parse).ok_or_else(|| {
                format!("line {}: a range is written `first,last,CC` (IPv4 addresses as numbers)", number + 1)
            })?);
        }
    }
    Ok((ranges, date))
}

fn range<T: Number>(line: &str, parse: impl Fn(&str) -> Option<T>) -> Option<(T, T, Class)> {
    let (first, rest) = line.split_once(',')?;
    let (last, code) = rest.split_once(',')?;
    let (first, last) = (parse(first)?, parse(last)?);
    let code: [u8; 2] = code.as_bytes().try_into().ok()?;
    let code = if code == *b"??" { [0, 0] } else { code };
    (first <= last).then_some((first, last, Class { code, flags: 0 }))
}

/// `Generated: Wed, 28 Oct 2026 04:40:23 GMT`
fn generated(comment: &str) -> Option<Date> {
    let stamp = comment.trim().strip_prefix("Generated:")?;
    jiff::fmt::rfc2822::parse(stamp.trim()).ok().map(|zoned| zoned.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_dates_and_mistakes() {
        let text = b"# Generated: Wed, 28 Oct 2026 04:40:23 GMT\n16777216,16777471,AU\n16777472,16778239,??\n";
        let taken = both(text, b"2001:db8::,2001:db8::ffff,DE\n").unwrap();
        assert_eq!(taken.date, Some(jiff::civil::date(2026, 10, 28)));
        assert_eq!((taken.layer.v4.get(16777216), taken.layer.v4.get(16777472)), (1, 0));
        assert_eq!(taken.layer.v6.get(u128::from("2001:db8::1".parse::<Ipv6Addr>().unwrap())), 2);
        for wrong in ["1,2", "2,1,DE", "1,2,DEU", "a,b,DE"] {
            assert!(both(wrong.as_bytes(), b"").is_err());
        }
    }
}
