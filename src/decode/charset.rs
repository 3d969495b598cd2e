//! Characters from bytes, and the loop that feeds readers with text.
//!
//! A declared charset is a hint. What counts, in this order: a byte order mark, the pattern of zero bytes that UTF-16
//! leaves, strict UTF-8, the declared charset if the text decodes in it, a guess by how text in a charset looks. The choice falls at the first byte that is not ASCII, on a fixed amount of text from there, so it does not depend
//! on how the bytes arrive. The bias is towards UTF-8: text that fits nothing is read as UTF-8, and each malformed
//! sequence is opaque.

use std::borrow::Cow;
use std::io;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, Decoder, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_8,
    UTF_16BE, UTF_16LE,
};

use super::account::Opaque;
use super::output::Output;
use super::plain::Plain;
use super::window::Window;

/// How much text is looked at to choose a charset.
const SAMPLE: usize = 1024;

/// Decoded text made ready at a time.
const READY: usize = 16 * 1024;

/// A reader of one format, fed with text in portions.
pub(super) trait Reader {
    /// Reads what is complete in `text`. Nothing follows it if `last`, and then all of it is to be read. Whatever is
    /// left comes again with more behind it. `offset` is where `text` begins in the document.
    ///
    /// A reader must get on with text as long as [`super::inside::HOLD`], complete or not.
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step;

    /// The end: closes what is open.
    fn finish(&mut self, out: &mut Output<'_>);
}

/// How far a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It has read so many bytes.
    Read(usize),
    /// After so many bytes it cannot make sense of the text.
    Failed {
        /// Bytes read before.
        read: usize,
        /// Whether the rest counts as opaque. It does not where the format was only a guess.
        opaque: bool,
    },
}

impl Step {
    fn bytes(self) -> usize {
        match self {
            Step::Read(read) | Step::Failed { read, .. } => read,
        }
    }
}

enum Mode {
    /// Nothing but ASCII so far.
    Ascii,
    Utf8,
    Other(Box<Decoder>),
}

/// Text out of a window of bytes.
pub(super) struct Text<'w, 'r> {
    window: &'w mut Window<'r>,
    declared: Option<&'static Encoding>,
    mode: Mode,
    /// Decoded and not yet read. UTF-8 is read where it lies and never comes here.
    ready: String,
    exhausted: bool,
    offset: u64,
    /// Where opaque text begins.
    opaque_from: Option<u64>,
}

impl<'w, 'r> Text<'w, 'r> {
    /// Text in the charset that its first bytes show or a header declares.
    pub fn new(window: &'w mut Window<'r>, declared: Option<&str>) -> io::Result<Text<'w, 'r>> {
        let label = label(declared);
        let (encoding, mark) = opening(window.need(SAMPLE)?, label);
        let mode = encoding.map_or(Mode::Ascii, mode);
        window.take(mark);
        let opaque_from = is_unreadable(declared, label).then_some(0);
        Ok(Text { window, declared: label, mode, ready: String::new(), exhausted: false, offset: 0, opaque_from })
    }

    /// Feeds `reader` to the end. Where it fails the text goes on as plain text.
    pub fn feed(mut self, reader: &mut dyn Reader, out: &mut Output<'_>) -> io::Result<()> {
        let bytes = self.window.taken();
        let opaque = out.tally.opaque_bytes();
        let mut plain = Plain::default();
        let mut failed = false;
        loop {
            let current: &mut dyn Reader = if failed { &mut plain } else { &mut *reader };
            match self.portion(current, out)? {
                None => break,
                Some(Step::Read(_)) => {}
                Some(Step::Failed { opaque, .. }) => {
                    reader.finish(out);
                    failed = true;
                    self.opaque_from = self.opaque_from.or_else(|| opaque.then_some(self.offset));
                }
            }
        }
        if failed {
            plain.finish(out)
        } else {
            reader.finish(out)
        }
        let read = self.window.taken() - bytes;
        self.count(read, opaque, out);
        Ok(())
    }

    /// Counts what was read. Where the text ended to make sense it is opaque, as a share of the bytes it came from.
    fn count(&self, bytes: u64, opaque: u64, out: &mut Output<'_>) {
        out.tally.bytes = out.tally.bytes.saturating_add(bytes);
        let Some(from) = self.opaque_from.filter(|_| self.offset > 0) else { return };
        let share = u128::from(bytes) * u128::from(self.offset.saturating_sub(from)) / u128::from(self.offset);
        let already = out.tally.opaque_bytes().saturating_sub(opaque);
        let rest = u64::try_from(share).unwrap_or(bytes).min(bytes.saturating_sub(already));
        out.tally.opaque(Opaque::Undecodable, rest);
    }

    /// One step of the reader; nothing at the end of the text.
    fn portion(&mut self, reader: &mut dyn Reader, out: &mut Output<'_>) -> io::Result<Option<Step>> {
        if let Mode::Other(_) = self.mode {
            return self.decoded_portion(reader, out);
        }
        let (bytes, last) = self.window.look()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if matches!(self.mode, Mode::Ascii) && !bytes.is_ascii() {
            self.choose()?;
            return Ok(Some(Step::Read(0)));
        }
        let length = bytes.len();
        let (step, malformed) = match simdutf8::compat::from_utf8(bytes) {
            Ok(text) => (insist(reader.read(text, self.offset, last, out), last), false),
            Err(error) => {
                let sound = bytes.get(..error.valid_up_to()).map_or(Ok(""), std::str::from_utf8).unwrap_or("");
                (reader.read(sound, self.offset, false, out), last || error.error_len().is_some())
            }
        };
        self.window.take(step.bytes());
        self.offset += step.bytes() as u64;
        if malformed {
            self.mode = mode_replacing();
        } else if step.bytes() < length && matches!(step, Step::Read(_)) {
            self.window.widen()?;
        }
        Ok(Some(step))
    }

    /// As [`Text::portion`], of text that had to be decoded first.
    fn decoded_portion(&mut self, reader: &mut dyn Reader, out: &mut Output<'_>) -> io::Result<Option<Step>> {
        if self.ready.is_empty() {
            self.decode(out)?;
        }
        if self.ready.is_empty() {
            return Ok(None);
        }
        let step = insist(reader.read(&self.ready, self.offset, self.exhausted, out), self.exhausted);
        self.ready.drain(..step.bytes().min(self.ready.len()));
        self.offset += step.bytes() as u64;
        if !self.ready.is_empty() && matches!(step, Step::Read(_)) {
            self.decode(out)?;
        }
        Ok(Some(step))
    }

    /// Makes at least as much text ready again.
    fn decode(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        let Mode::Other(decoder) = &mut self.mode else { return Ok(()) };
        let wanted = self.ready.len() + self.ready.len().max(READY);
        while self.ready.len() < wanted && !self.exhausted {
            let bytes = self.window.view()?;
            let last = bytes.is_empty();
            self.ready.reserve(READY);
            let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut self.ready, last);
            self.window.take(read);
            match result {
                DecoderResult::InputEmpty => self.exhausted = last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, _) => {
                    self.ready.push(char::REPLACEMENT_CHARACTER);
                    out.tally.opaque(Opaque::Undecodable, u64::from(length));
                }
            }
        }
        Ok(())
    }

    /// Chooses the charset at the first byte that is not ASCII.
    fn choose(&mut self) -> io::Result<()> {
        let first = first_beyond_ascii(self.window.view()?);
        let sample = self.window.need(first + SAMPLE)?.get(first..).unwrap_or_default();
        self.mode = mode(choice(sample, self.declared));
        Ok(())
    }
}

/// A reader that will not take the last of the text would be asked for ever: it has failed.
fn insist(step: Step, last: bool) -> Step {
    match step {
        Step::Read(0) if last => Step::Failed { read: 0, opaque: true },
        step => step,
    }
}

fn mode(encoding: &'static Encoding) -> Mode {
    if encoding == UTF_8 { Mode::Utf8 } else { Mode::Other(Box::new(encoding.new_decoder_without_bom_handling())) }
}

fn mode_replacing() -> Mode {
    Mode::Other(Box::new(UTF_8.new_decoder_without_bom_handling()))
}

fn label(declared: Option<&str>) -> Option<&'static Encoding> {
    Encoding::for_label(declared?.as_bytes())
}

/// Seven-bit charsets that nobody reads any more pass for ASCII and would hide their text.
fn is_unreadable(declared: Option<&str>, label: Option<&'static Encoding>) -> bool {
    label == Some(REPLACEMENT) || declared.is_some_and(|name| name.trim().eq_ignore_ascii_case("utf-7"))
}

fn first_beyond_ascii(bytes: &[u8]) -> usize {
    let whole = bytes.chunks(64).take_while(|chunk| chunk.is_ascii()).count() * 64;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole.min(bytes.len()) + rest.iter().take_while(|byte| byte.is_ascii()).count()
}

/// The charset that the very first bytes show, and the length of the byte order mark.
fn opening(head: &[u8], label: Option<&'static Encoding>) -> (Option<&'static Encoding>, usize) {
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return (Some(encoding), mark);
    }
    let head = head.get(..SAMPLE).unwrap_or(head);
    // Declared UTF-16 without zeros is believed only where the bytes are no other text.
    let is_wide = |label: &&'static Encoding| {
        (*label == UTF_16LE || *label == UTF_16BE) && (std::str::from_utf8(head).is_err() || has_controls(head))
    };
    let wide = zero_pattern(head).or_else(|| label.filter(is_wide)).filter(|encoding| is_clean(head, encoding));
    (wide.or_else(|| label.filter(|label| *label == ISO_2022_JP)), 0)
}

/// UTF-16 text with ASCII in it has zeros on one side only.
fn zero_pattern(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |side: usize| head.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    if head.len() < 2 || memchr::memchr(0, head).is_none() {
        return None;
    }
    match (zeros(0), zeros(1)) {
        (0, odd) if odd > 0 => Some(UTF_16LE),
        (even, 0) if even > 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// The charset of text that begins with `sample`.
fn choice(sample: &[u8], declared: Option<&'static Encoding>) -> &'static Encoding {
    let sample = sample.get(..SAMPLE).unwrap_or(sample);
    if is_clean(sample, UTF_8) {
        return UTF_8;
    }
    match declared {
        Some(encoding) if encoding != UTF_8 && encoding != REPLACEMENT && is_clean(sample, encoding) => encoding,
        _ if is_mostly_utf8(sample) => UTF_8,
        _ => guess(sample, declared),
    }
}

/// A legacy charset by how text in it looks. Bytes of a few characters look alike in several: they are taken for Chinese
/// where they can be. Text that says it is UTF-8 and has a byte too many is damaged, and not Latin.
fn guess(sample: &[u8], declared: Option<&'static Encoding>) -> &'static Encoding {
    /// Bytes beyond ASCII from which on a guess is better than a habit.
    const TELLING: usize = 24;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let telling = sample.iter().filter(|byte| !byte.is_ascii()).count() >= TELLING;
    let other = telling && [BIG5, EUC_JP, EUC_KR, SHIFT_JIS].contains(&guess);
    if !other && is_clean(sample, GB18030) && looks_chinese(sample) {
        return GB18030;
    }
    let believed = other || declared != Some(UTF_8);
    if believed && is_clean(sample, guess) { guess } else { UTF_8 }
}

/// Whether more characters beyond ASCII are whole in UTF-8 than are not: text in it that was damaged.
fn is_mostly_utf8(sample: &[u8]) -> bool {
    let chunks = sample.utf8_chunks();
    let (mut whole, mut broken) = (0, 0);
    for chunk in chunks {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole >= broken
}

/// Whether the sample decodes without error. A character that the end of a full sample cuts is no error.
fn is_clean(sample: &[u8], encoding: &'static Encoding) -> bool {
    let last = sample.len() < SAMPLE;
    if encoding == UTF_8 {
        return std::str::from_utf8(sample).err().is_none_or(|error| !last && error.error_len().is_none());
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(SAMPLE * 3);
    let (result, _) = decoder.decode_to_string_without_replacement(sample, &mut text, last);
    result == DecoderResult::InputEmpty && !has_controls(text.as_bytes())
}

/// Most characters of real Chinese text are in the first, small plane of GBK; those of chance bytes are not.
fn looks_chinese(sample: &[u8]) -> bool {
    let (mut pairs, mut common) = (0usize, 0usize);
    let mut bytes = sample.iter();
    while let Some(lead) = bytes.next() {
        if *lead < 0x81 {
            continue;
        }
        match bytes.next() {
            Some(0x30..=0x39) => {
                bytes.nth(1);
            }
            Some(trail) => {
                pairs += 1;
                common += usize::from((0xa1..=0xf7).contains(lead) && *trail >= 0xa1);
            }
            None => {}
        }
    }
    common * 10 >= pairs * 7
}

/// Whether there is a control character that text does not have.
pub(super) fn has_controls(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| is_control(*byte))
}

/// Control characters that text does not have. Escape and record separator are left out: logs and JSON sequences use
/// them.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c | 0x1d | 0x1f | 0x7f)
}

/// The text a document begins with, or nothing if it is not text. `None` also for text with more than a few control
/// characters.
pub(super) fn preview<'h>(head: &'h [u8], declared: Option<&str>) -> Option<Cow<'h, str>> {
    let head = head.get(..SAMPLE).unwrap_or(head);
    let (encoding, mark) = opening(head, label(declared));
    let body = head.get(mark..).unwrap_or_default();
    let encoding =
        encoding.unwrap_or_else(|| choice(body.get(first_beyond_ascii(body)..).unwrap_or_default(), label(declared)));
    let text = match std::str::from_utf8(body) {
        Ok(text) if encoding == UTF_8 => Cow::Borrowed(text),
        _ => encoding.decode_without_bom_handling(body).0,
    };
    let strange = match &text {
        Cow::Borrowed(_) => 0,
        Cow::Owned(text) => text.matches(char::REPLACEMENT_CHARACTER).count() * 4,
    };
    let controls = text.bytes().filter(|byte| is_control(*byte)).count() * 50;
    (!text.contains('\0') && strange <= text.len() && controls <= text.len()).then_some(text)
}

/// The text of a few bytes in a charset that may be declared. The second value counts malformed sequences.
pub(super) fn whole<'b>(bytes: &'b [u8], declared: Option<&str>) -> (Cow<'b, str>, u64) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), 0);
    }
    let from = bytes.get(first_beyond_ascii(bytes)..).unwrap_or_default();
    let (text, malformed) = choice(from, label(declared)).decode_without_bom_handling(bytes);
    let count = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    (text, if malformed { count as u64 } else { 0 })
}
