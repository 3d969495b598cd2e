//! Character references of XML and HTML.

use memchr::memchr;

/// The longest reference that is resolved.
pub(super) const LONGEST: usize = 12;

/// `text` with its references resolved, in `buffer` if there are any. What is no reference stays as it is.
pub(super) fn resolve<'t>(text: &'t str, buffer: &'t mut String) -> &'t str {
    if memchr(b'&', text.as_bytes()).is_none() {
        return text;
    }
    buffer.clear();
    let mut rest = text;
    while let Some(found) = memchr(b'&', rest.as_bytes()) {
        let (plain, reference) = rest.split_at_checked(found).unwrap_or((rest, ""));
        buffer.push_str(plain);
        let (c, length) = one(reference).unwrap_or(('&', 1));
        buffer.push(c);
        rest = reference.get(length..).unwrap_or("");
    }
    buffer.push_str(rest);
    buffer
}

/// The character a reference stands for, and how long it is.
fn one(reference: &str) -> Option<(char, usize)> {
    let limit = reference.floor_char_boundary(LONGEST);
    let end = memchr(b';', reference.get(..limit)?.as_bytes())?;
    let name = reference.get(1..end)?;
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        None => named(name)?,
    };
    Some((c, end + 1))
}

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "commat" => '@',
        "period" => '.',
        "hyphen" | "dash" => '-',
        "lowbar" => '_',
        "num" => '#',
        "plus" => '+',
        "colon" => ':',
        "sol" => '/',
        "Tab" => '\t',
        "NewLine" => '\n',
        _ => return None,
    })
}
