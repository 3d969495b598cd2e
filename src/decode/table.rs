//! Separated values.

/// The delimiter of text that looks like a table.
pub(super) fn sniff(_text: &str, _whole: bool) -> Option<u8> {
    None
}
