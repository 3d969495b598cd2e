//! Labels that somebody has put on a document, where they stand under names nobody would look for.
//!
//! Microsoft Information Protection writes `MSIP_Label_<id>_Name` and a few fields beside it, one set for each label, into
//! the properties of office files and PDF and into the head of mail. What the label is called goes by one name here,
//! whatever the id.

/// The name a label goes by.
const LABEL: &str = "sensitivity_label";

/// Elements whose text goes by the name that stands in an attribute: properties of office files and their like.
const NAMED: [&str; 4] = ["property", "user-defined", "field", "param"];

/// The name under which the value of a field is to be looked at.
pub(super) fn field(name: &str) -> &str {
    let is_label = name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("MSIP_Label_"));
    if is_label && name.rsplit('_').next().is_some_and(|last| last.eq_ignore_ascii_case("name")) {
        LABEL
    } else {
        name
    }
}

/// The fields of a mail header that carries labels: `MSIP_Label_<id>_Name=Secret;MSIP_Label_<id>_Enabled=True`.
pub(super) fn fields(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (field(name.trim()), value.trim()))
}

/// Whether a header carries labels.
pub(super) fn is_header(name: &str) -> bool {
    name.eq_ignore_ascii_case("msip_labels")
}

/// Whether the text of an element goes by the name in its attribute `name`.
pub(super) fn is_named(element: &str) -> bool {
    NAMED.contains(&element)
}
