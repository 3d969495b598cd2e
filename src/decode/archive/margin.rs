//! What stands in the XML of a sheet and in no cell: headers and footers, formulas, prompts, comments, attributes.
//!
//! All of it is text that somebody may have written, and marks of secrecy stand in headers and footers.

use crate::decode::tag::{self, Tag};

/// Shortest value of an attribute that is looked at: what is shorter is a switch, a width, a reference.
const SHORTEST: usize = 6;

/// Attributes of rows and cells that say where they are and how they look.
const LOOK: [&str; 18] = [
    "r",
    "s",
    "t",
    "spans",
    "ht",
    "customHeight",
    "hidden",
    "outlineLevel",
    "collapsed",
    "dyDescent",
    "customFormat",
    "ph",
    "cm",
    "vm",
    "thickBot",
    "thickTop",
    "uid",
    "fmtid",
];

/// Text beside the cells, a line each.
#[derive(Debug, Default)]
pub(super) struct Margin {
    pub text: String,
}

impl Margin {
    /// Text of an element that holds no cell.
    pub fn add(&mut self, text: &str, element: &str) {
        let is_header = matches!(
            element,
            "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader" | "firstFooter"
        );
        if is_header {
            return self.push(&without_codes(text));
        }
        self.push(text.trim());
    }

    /// Attributes of a tag.
    pub fn attributes(&mut self, tag: &Tag<'_>) {
        let attributes =
            tag.attributes().filter(|(name, value)| value.len() >= SHORTEST && !name.starts_with("xmlns"));
        for (_, value) in attributes.filter(|(name, _)| !LOOK.contains(&tag::local(name))) {
            self.push(value);
        }
    }

    fn push(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(text);
            self.text.push('\n');
        }
    }
}

/// The text of a header or footer (ECMA-376, part 1, section 18.3.1.46): its three parts in lines of their own, without
/// the codes for fonts, sizes and numbers of pages.
fn without_codes(header: &str) -> String {
    let mut text = String::with_capacity(header.len());
    let mut rest = header;
    while let Some((before, code)) = rest.split_once('&') {
        text.push_str(before);
        let mut behind = code.chars();
        rest = match behind.next() {
            Some('&') => {
                text.push('&');
                behind.as_str()
            }
            Some('L' | 'C' | 'R') => {
                text.push('\n');
                behind.as_str()
            }
            Some('"') => behind.as_str().split_once('"').map_or("", |(_, after)| after),
            Some('K') => behind.as_str().trim_start_matches(|c: char| c.is_ascii_hexdigit()),
            Some('0'..='9') => code.trim_start_matches(|c: char| c.is_ascii_digit()),
            Some(_) => behind.as_str(),
            None => "",
        };
    }
    text.push_str(rest);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lose_their_codes() {
        assert_eq!(
            without_codes("&L&\"Arial,Bold\"&14CONFIDENTIAL&CPage &P of &N&RA&&B"),
            "CONFIDENTIAL\nPage  of \nA&B"
        );
        assert_eq!(without_codes("&C&KFF0000机密★10年"), "机密★10年");
    }
}
