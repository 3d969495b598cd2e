//! What a document is: by its label, checked against how it begins.
//!
//! A label is believed where the bytes do not contradict it. Bytes win because the receiver may look at them too, and
//! because a wrong label must not keep data from being seen.

use super::Hints;
use super::account::Opaque;
use super::archive::tar;
use super::charset;
use super::encoding::Coding;
use super::file::template;
use super::genome;
use super::health::{dicom, hl7};
use super::inside;
use super::table;

/// How much of a document is looked at.
pub(super) const HEAD: usize = 1024;

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Compressed.
    Coded(Coding),
    /// A binary format with a reader of its own.
    Binary(Binary),
    /// Frames of gRPC in base64.
    GrpcText,
    /// A message of e-mail.
    Mail,
    /// Nothing we read.
    Opaque(Opaque),
    /// Parts between boundaries.
    Multipart {
        /// The boundary, without dashes.
        boundary: String,
        /// Whether the parts are fields of one form.
        form: bool,
    },
    /// Text.
    Text(Format),
}

/// A binary format with a reader of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Cbor,
    /// A medical image.
    Dicom,
    /// Reads, variants or genotypes of somebody.
    Genome(genome::Packed),
    /// Frames with a Protocol Buffers message each.
    Grpc,
    /// A picture, whose metadata is read.
    Image,
    MessagePack,
    /// A compound file: old office files.
    Ole,
    Pdf,
    Protobuf,
    Sqlite,
    Tar,
    /// A biometric record.
    Template,
    Zip,
}

impl Binary {
    /// The format that bytes show by how they begin.
    pub fn sniff(head: &[u8]) -> Option<Binary> {
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Some(Binary::Zip);
        }
        // The tag of self-described CBOR (RFC 8949, section 3.4.6).
        if head.starts_with(b"\xd9\xd9\xf7") {
            return Some(Binary::Cbor);
        }
        if head.starts_with(b"%PDF-") {
            return Some(Binary::Pdf);
        }
        if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
            return Some(Binary::Ole);
        }
        if head.starts_with(b"SQLite format 3\0") {
            return Some(Binary::Sqlite);
        }
        if is_image(head) {
            return Some(Binary::Image);
        }
        if let Some(packed) = genome::Packed::sniff(head) {
            return Some(Binary::Genome(packed));
        }
        if template::is_head(head) {
            return Some(Binary::Template);
        }
        if dicom::is_head(head) {
            return Some(Binary::Dicom);
        }
        tar::is_head(head).then_some(Binary::Tar)
    }
}

/// What text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON; whether it says so.
    Json {
        /// The label says so.
        labelled: bool,
        /// The label says one value a line.
        lines: bool,
    },
    /// `application/x-www-form-urlencoded`.
    Form,
    /// XML or HTML.
    Markup {
        /// HTML.
        html: bool,
    },
    /// Separated values.
    Table {
        /// What separates them; 0 for a label that leaves it open.
        delimiter: u8,
    },
    /// Server-sent events.
    Events,
    /// vCard and iCalendar.
    Card,
    /// GraphQL.
    Graphql,
    /// RTF.
    Rtf,
    /// YAML.
    Yaml,
    /// Genomic text.
    Genome(genome::Kind),
    /// A message of a hospital.
    Hl7,
    /// Anything else.
    Plain,
}

/// What the label says.
enum Label {
    Text(Format),
    Binary(Binary),
    GrpcText,
    Mail,
    Multipart,
    /// Says nothing that could be checked.
    Silent,
}

/// What a document that begins with `head` is. `whole` says that nothing follows.
pub(super) fn kind(hints: &Hints<'_>, head: &[u8], whole: bool) -> Kind {
    let label = label(hints);
    // PERF: the common case, JSON that says so, is decided on its first two bytes.
    if let (Label::Text(format @ Format::Json { .. }), [b'{' | b'[' | b'"', second, ..]) = (&label, head)
        && *second != 0
    {
        return Kind::Text(*format);
    }
    if let Some(coding) = Coding::sniff(head) {
        return Kind::Coded(coding);
    }
    if let Some(binary) = Binary::sniff(head) {
        return Kind::Binary(binary);
    }
    if let Some(reason) = is_opaque(head) {
        return Kind::Opaque(reason);
    }
    if let Label::Binary(binary) = label
        && !is_json_bytes(head, whole)
    {
        return Kind::Binary(binary);
    }
    if matches!(label, Label::GrpcText) && is_base64(head) {
        return Kind::GrpcText;
    }
    let form = media_type(hints.content_type.unwrap_or("")).ends_with("/form-data");
    let boundary = parameter(hints.content_type.unwrap_or(""), "boundary").filter(|boundary| !boundary.is_empty());
    if let (Label::Multipart, Some(boundary)) = (&label, boundary) {
        return Kind::Multipart { boundary: boundary.into_owned(), form };
    }
    let Some(text) = charset::preview(head, hints.charset()) else { return Kind::Opaque(Opaque::Undecodable) };
    if let Some(boundary) = boundary_of(&text) {
        let form = form || memchr::memmem::find(text.as_bytes(), b"form-data").is_some();
        return Kind::Multipart { boundary: boundary.to_owned(), form };
    }
    if matches!(label, Label::Mail) || (matches!(label, Label::Silent) && is_mail(&text)) {
        return Kind::Mail;
    }
    Kind::Text(format(&label, &text, whole))
}

/// The format of text that begins like this.
fn format(label: &Label, text: &str, whole: bool) -> Format {
    let start = text.trim_start();
    let labelled = match label {
        Label::Text(format) => *format,
        _ => Format::Plain,
    };
    let json = matches!(labelled, Format::Json { .. });
    match labelled {
        Format::Json { .. } if !start.starts_with('<') => labelled,
        Format::Markup { .. } if start.starts_with('<') => labelled,
        // RTF begins like JSON.
        _ if start.starts_with("{\\rtf") => Format::Rtf,
        _ if is_markup(start) => Format::Markup { html: is_html(start) },
        _ if start.starts_with(['{', '[']) && inside::is_json(start, whole) => {
            Format::Json { labelled: false, lines: false }
        }
        _ if json => labelled,
        Format::Plain | Format::Table { .. } | Format::Card if genome::sniff(text).is_some() => {
            genome::sniff(text).map_or(labelled, Format::Genome)
        }
        Format::Plain if hl7::sniff(start) => Format::Hl7,
        Format::Table { delimiter: 0 } => Format::Table { delimiter: table::delimiter(text) },
        Format::Plain if matches!(label, Label::Silent) => guess(start, whole),
        _ => labelled,
    }
}

/// The format of text without a label.
fn guess(text: &str, whole: bool) -> Format {
    if is_events(text) {
        Format::Events
    } else if is_card(text) {
        Format::Card
    } else if is_form(text) {
        Format::Form
    } else if let Some(delimiter) = table::sniff(text, whole) {
        Format::Table { delimiter }
    } else {
        Format::Plain
    }
}

fn label(hints: &Hints<'_>) -> Label {
    let declared = media_type(hints.content_type.unwrap_or(""));
    let essence = match declared.as_str() {
        "" | "application/octet-stream" | "binary/octet-stream" => by_name(hints.file_name.unwrap_or("")),
        declared => declared,
    };
    let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
    let json = |lines| Label::Text(Format::Json { labelled: true, lines });
    match (kind, subtype) {
        ("multipart", _) => Label::Multipart,
        (_, "json" | "json-seq" | "csp-report" | "manifest+json") => json(false),
        (_, "x-ndjson" | "ndjson" | "jsonl" | "x-jsonlines" | "jsonlines") => json(true),
        (_, "x-www-form-urlencoded") => Label::Text(Format::Form),
        (_, "html" | "xhtml+xml") => Label::Text(Format::Markup { html: true }),
        (_, "xml") => Label::Text(Format::Markup { html: false }),
        (_, "graphql") => Label::Text(Format::Graphql),
        (_, "rtf") => Label::Text(Format::Rtf),
        (_, "grpc-web-text" | "grpc-web-text+proto") => Label::GrpcText,
        (_, "csv") => Label::Text(Format::Table { delimiter: 0 }),
        (_, "tab-separated-values" | "tsv") => Label::Text(Format::Table { delimiter: b'\t' }),
        (_, "event-stream") => Label::Text(Format::Events),
        (_, "vcard" | "x-vcard" | "directory" | "calendar") => Label::Text(Format::Card),
        (_, "yaml" | "x-yaml" | "vnd.yaml") => Label::Text(Format::Yaml),
        ("message", "rfc822" | "global") => Label::Mail,
        (_, "msgpack" | "x-msgpack" | "vnd.msgpack") => Label::Binary(Binary::MessagePack),
        (_, "cbor" | "cbor-seq") => Label::Binary(Binary::Cbor),
        (_, "protobuf" | "x-protobuf" | "vnd.google.protobuf") => Label::Binary(Binary::Protobuf),
        (_, subtype) if is_grpc(subtype) => Label::Binary(Binary::Grpc),
        (_, subtype) if subtype.ends_with("+cbor") => Label::Binary(Binary::Cbor),
        (_, subtype) if subtype.ends_with("+yaml") => Label::Text(Format::Yaml),
        (_, subtype) if subtype.ends_with("+json") => json(false),
        (_, subtype) if subtype.ends_with("+xml") => Label::Text(Format::Markup { html: false }),
        _ => Label::Silent,
    }
}

/// A media type by the ending of a file name.
fn by_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "json" | "geojson" => "application/json",
        "ndjson" | "jsonl" => "application/x-ndjson",
        "csv" => "text/csv",
        "tsv" | "tab" => "text/tab-separated-values",
        "xml" | "svg" => "application/xml",
        "html" | "htm" => "text/html",
        "yaml" | "yml" => "application/yaml",
        "vcf" | "vcard" => "text/vcard",
        "ics" => "text/calendar",
        "eml" => "message/rfc822",
        "msgpack" | "mpk" => "application/msgpack",
        "cbor" => "application/cbor",
        "pb" => "application/protobuf",
        "graphql" | "gql" => "application/graphql",
        "rtf" => "application/rtf",
        _ => "",
    }
}

/// The media type without its parameters, in lower case.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// A parameter of a header value such as `multipart/form-data; boundary="x"`.
pub(super) fn parameter<'v>(value: &'v str, name: &str) -> Option<std::borrow::Cow<'v, str>> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.rsplit(';').next().unwrap_or(key).trim();
        let after = after.trim_start();
        let (text, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (text, next) = after.split_once(';').unwrap_or((after, ""));
                (text.trim().into(), next)
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = next;
    }
}

/// A quoted string up to its closing quote, and what follows.
fn unquote(quoted: &str) -> (std::borrow::Cow<'_, str>, &str) {
    let mut escaped = false;
    let end = quoted.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    let (text, rest) = end.and_then(|end| quoted.split_at_checked(end)).unwrap_or((quoted, ""));
    // Browsers do not escape backslashes, and paths have them: only an escaped quote is resolved.
    let text = if text.contains("\\\"") { text.replace("\\\"", "\"").into() } else { text.into() };
    (text, rest.strip_prefix('"').unwrap_or(rest))
}

/// Formats known by how they begin that nobody here reads.
pub(super) fn is_opaque(head: &[u8]) -> Option<Opaque> {
    if is_encrypted(head) {
        return Some(Opaque::Encrypted);
    }
    const BINARY: &[&[u8]] = &[
        b"GIF8",
        b"BZh",
        b"\xfd7zXZ\0",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        b"\x7fELF",
        b"MZ\x90\0",
        b"\0asm",
        b"OggS",
        b"ID3",
        b"fLaC",
        b"PAR1",
        b"Obj\x01",
        b"\xca\xfe\xba\xbe",
    ];
    let riff = head.starts_with(b"RIFF") && head.get(8..12).is_some_and(|kind| kind.is_ascii());
    let film = head.get(4..8) == Some(b"ftyp");
    (riff || film || BINARY.iter().any(|magic| head.starts_with(magic))).then_some(Opaque::Undecodable)
}

/// Pictures in formats that carry Exif.
fn is_image(head: &[u8]) -> bool {
    const BEGINNINGS: &[&[u8]] = &[b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*"];
    let webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    let heif = head.get(4..8) == Some(b"ftyp")
        && head.get(8..12).is_some_and(|brand| matches!(brand, b"heic" | b"heix" | b"mif1" | b"avif"));
    webp || heif || BEGINNINGS.iter().any(|beginning| head.starts_with(beginning))
}

fn is_encrypted(head: &[u8]) -> bool {
    const BEGINNINGS: &[&[u8]] = &[
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN PKCS7-----",
        b"-----BEGIN CMS-----",
        b"age-encryption.org/v1\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        b"Salted__",
        b"$ANSIBLE_VAULT;",
        b"LUKS\xba\xbe",
    ];
    // Packets that open an OpenPGP message: a session key encrypted to a public key (version 3) or a passphrase (4).
    let pgp = matches!(
        head,
        [0x84 | 0xc1, _, 3, ..]
            | [0x85, _, _, 3, ..]
            | [0x8c | 0xc3, _, 4, 1..=13, 0..=4, ..]
            | [0xc1, 0xc0..=0xdf, _, 3, ..]
    );
    let cms = head.first() == Some(&0x30) && {
        const ENVELOPED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
        const ENCRYPTED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
        let start = head.get(..24).unwrap_or(head);
        [ENVELOPED, ENCRYPTED].iter().any(|id| memchr::memmem::find(start, id).is_some())
    };
    pgp || cms || BEGINNINGS.iter().any(|beginning| head.starts_with(beginning))
}

/// gRPC, but for the form of it that is base64.
fn is_grpc(subtype: &str) -> bool {
    let rest = subtype.strip_prefix("grpc").map(|rest| rest.strip_prefix("-web").unwrap_or(rest));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// Whether nothing but base64 stands in the beginning.
fn is_base64(head: &[u8]) -> bool {
    let accepts = |byte: &u8| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=".contains(byte);
    head.iter().all(accepts)
}

/// Whether bytes show by how they begin that a reader of their own is there for them.
pub(super) fn is_document(bytes: &[u8]) -> bool {
    Coding::sniff(bytes).is_some() || Binary::sniff(bytes).is_some()
}

/// JSON under the label of a binary format.
fn is_json_bytes(head: &[u8], whole: bool) -> bool {
    let text = std::str::from_utf8(head).unwrap_or("");
    text.starts_with(['{', '[']) && inside::is_json(text, whole)
}

fn is_card(text: &str) -> bool {
    let start = text.get(..16).unwrap_or(text).to_ascii_uppercase();
    ["BEGIN:VCARD", "BEGIN:VCALENDAR", "BEGIN:VEVENT"].iter().any(|begin| start.starts_with(begin))
}

/// The head of a message of e-mail: fields only mail has, from the first line on.
fn is_mail(text: &str) -> bool {
    const FIRST: [&str; 8] = [
        "received:",
        "return-path:",
        "delivered-to:",
        "message-id:",
        "mime-version:",
        "from:",
        "date:",
        "dkim-signature:",
    ];
    const SOME: [&str; 4] = ["\nfrom:", "\nto:", "\nsubject:", "\nreceived:"];
    let start = text.to_ascii_lowercase();
    FIRST.iter().any(|field| start.starts_with(field))
        && SOME.iter().filter(|field| start.contains(*field)).count() > 1
}

fn is_markup(text: &str) -> bool {
    let next = text.strip_prefix('<').and_then(|rest| rest.chars().next());
    next.is_some_and(|c| c.is_alphabetic() || matches!(c, '?' | '!')) && text.contains('>')
}

fn is_html(text: &str) -> bool {
    let start: String = text.chars().take(HEAD).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.contains("<html")
}

fn is_events(text: &str) -> bool {
    let field = |line: &str| ["data:", "event:", "id:", "retry:", ":"].iter().any(|name| line.starts_with(name));
    text.starts_with("data:") && text.contains('\n') && text.lines().next().is_some_and(field)
}

/// `name=value` pairs without a space anywhere.
fn is_form(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or("");
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | '%' | '+');
    !name.is_empty()
        && name.len() < text.len()
        && name.chars().all(in_name)
        && !text.trim_end().contains(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '{' | '}'))
}

/// The boundary of a multipart message that does not say so: its first line, followed by a part's headers.
fn boundary_of(text: &str) -> Option<&str> {
    let (line, rest) = text.split_once('\n')?;
    let boundary =
        line.trim_end().strip_prefix("--").filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)?;
    let header = rest.get(..8)?;
    header.eq_ignore_ascii_case("content-").then_some(boundary)
}
