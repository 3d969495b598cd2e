//! `tidegate list`: make lists of the organisation's own records, words and documents, which hold no value.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::content::{Input, Labels, Walk};
use super::{Answer, Failure, Outcome, counted, origin};
use crate::decode::{self, Hints, Limits};
use crate::detect::{COLUMNS, ListFile, ListKey, ListKind, Made, Maker};
use crate::ledger::Keys;

/// Longest line of a text of values, in bytes.
const LONGEST: u64 = 4096;

/// The commands.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  tidegate list records customers.csv --column account --column email --out customers.list\n  \
                        tidegate list words projects.txt --out projects.list\n  \
                        tidegate list documents contracts/ --out contracts.list"
)]
pub(super) enum List {
    /// Values of records: columns of tables (CSV, JSON, sheets), or the lines of a text
    #[command(after_help = "Examples:\n  \
        tidegate list records customers.csv --column account --column surname --out customers.list\n  \
        tidegate list records numbers.txt --out numbers.list")]
    Records {
        #[command(flatten)]
        files: Files,
        /// A column whose values are entries; the first one given tells rows apart. Without it each line is a value
        #[arg(long = "column", value_name = "NAME")]
        columns: Vec<String>,
    },
    /// Words and phrases, one a line
    #[command(after_help = "Example:\n  tidegate list words projects.txt --out projects.list")]
    Words {
        #[command(flatten)]
        files: Files,
    },
    /// Documents, so that copies of parts of them are found
    #[command(after_help = "Example:\n  tidegate list documents contracts/ --out contracts.list")]
    Documents {
        #[command(flatten)]
        files: Files,
    },
    /// What a list holds: kind, numbers, how often it may be wrong
    #[command(after_help = "Example:\n  tidegate list show customers.list")]
    Show {
        /// The list
        file: PathBuf,
    },
}

/// What a list is made of, and where it goes.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// Files, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the list
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command. Lists are made under the key of the state directory, or of `[ledger]`.
pub(super) fn run(list: &List, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let (state, source) = crate::config::key_of(&origin(config, None))?;
    let unable = |error: std::io::Error| Failure::unable(error.to_string());
    match list {
        List::Records { files, columns } => {
            let most = format!("a list has at most {COLUMNS} columns");
            (columns.len() <= COLUMNS).then_some(()).ok_or_else(|| Failure::unable(most))?;
            let key = ListKey::of(&Keys::load(&state, &source).map_err(unable)?.first());
            let mut maker = Maker::new(key, ListKind::Records, columns);
            let inputs = Walk::all(&files.files)?;
            match columns.is_empty() {
                true => inputs.iter().try_for_each(|input| lines(input, &mut maker))?,
                false => inputs.iter().try_for_each(|input| decoded(input, &mut maker))?,
            }
            if let [column, ..] = maker.missing().as_slice() {
                return Err(Failure::unable(format!("no row has a column `{column}`")));
            }
            write(maker, files, ListKind::Records, columns.len(), out)
        }
        List::Words { files } => {
            let key = ListKey::of(&Keys::load(&state, &source).map_err(unable)?.first());
            let mut maker = Maker::new(key, ListKind::Words, &[]);
            Walk::all(&files.files)?.iter().try_for_each(|input| lines(input, &mut maker))?;
            write(maker, files, ListKind::Words, 1, out)
        }
        List::Documents { files } => {
            let key = ListKey::of(&Keys::load(&state, &source).map_err(unable)?.first());
            let mut maker = Maker::new(key, ListKind::Documents, &[]);
            let mut number = 0;
            for input in &Walk::all(&files.files)? {
                decoded(input, &mut maker)?;
                let passages = maker.end_document();
                number += usize::from(passages > 0);
                let shown = if passages > 0 { number.to_string() } else { "-".to_owned() };
                writeln!(out, "{shown:>6}  {}  {}", counted(passages, "passage"), input.name())?;
            }
            write(maker, files, ListKind::Documents, 1, out)
        }
        List::Show { file } => {
            let key = ListKey::of(&Keys::find(&state, &source).map_err(unable)?.first());
            show(file, &key, out)
        }
    }
}

/// Takes in the fields or the text of a file, whatever format it is in.
fn decoded(input: &Input, maker: &mut Maker) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::unable(format!("{}: {error}", input.name()));
    let labels = input.labels(&Labels::default())?;
    let hints = Hints {
        content_type: labels.content_type.as_deref(),
        content_encoding: labels.content_encoding.as_deref(),
        charset: None,
        file_name: input.file_name(),
    };
    let account =
        decode::body(&hints, &mut *input.open().map_err(named)?, &Limits::default(), maker).map_err(named)?;
    match account.opaque.iter().next() {
        None => Ok(()),
        Some((reason, bytes)) => {
            Err(Failure::unable(format!("{}: {bytes} bytes could not be read: {}", input.name(), reason.title())))
        }
    }
}

/// Takes in the lines of a text.
fn lines(input: &Input, maker: &mut Maker) -> Result<(), Failure> {
    let named = |what: String| Failure::unable(format!("{}: {what}", input.name()));
    let mut source: Box<dyn BufRead> = match input {
        Input::Standard => input.open().map_err(|error| named(error.to_string()))?,
        Input::File(path) => Box::new(BufReader::new(File::open(path).map_err(|error| named(error.to_string()))?)),
    };
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let read = std::io::Read::take(&mut source, LONGEST).read_until(b'\n', &mut line);
        if read.map_err(|error| named(error.to_string()))? == 0 {
            break;
        }
        if line.len() as u64 == LONGEST && !line.ends_with(b"\n") {
            return Err(named(format!("line {number} is longer than {LONGEST} bytes: no value is")));
        }
        let text = std::str::from_utf8(&line).map_err(|_| named(format!("line {number} is not UTF-8 text")))?;
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        maker.value(text.trim());
    }
    Ok(())
}

fn write(maker: Maker, files: &Files, kind: ListKind, columns: usize, out: &mut dyn Write) -> Outcome {
    let target = files.out.display();
    let Made { entries, rows, bytes, passed } =
        maker.write(&files.out).map_err(|error| Failure::unable(format!("{target}: {error}")))?;
    let (what, of) = match kind {
        ListKind::Records => ("value", format!(" in {}", counted(rows as usize, "row"))),
        ListKind::Words => ("word", String::new()),
        ListKind::Documents => ("passage", format!(" of {}", counted(rows as usize, "document"))),
    };
    writeln!(out, "{target}: {}{of}, {bytes} bytes", counted(entries, what))?;
    for (number, why) in [
        (passed.short, "too short to be looked for"),
        (passed.long, "too long for a value"),
        (passed.many, "beyond what a list may have"),
    ] {
        if number > 0 {
            writeln!(out, "  {} passed over: {why}", counted(number as usize, what))?;
        }
    }
    if entries == 0 {
        return Err(Failure::unable(format!("{target} has no entries")));
    }
    let name = files.out.file_stem().map_or_else(|| "own".into(), |name| name.to_string_lossy());
    writeln!(out, "to use it:\n  [[data_list]]\n  name = \"{name}\"\n  file = \"{target}\"")?;
    writeln!(
        out,
        "  category = \"{}\"",
        if kind == ListKind::Records { "personal" } else { "business.confidential" }
    )?;
    if columns > 1 {
        writeln!(out, "  together = 2")?;
    }
    Ok(Answer::Yes)
}

fn show(file: &Path, key: &ListKey, out: &mut dyn Write) -> Outcome {
    let list = ListFile::read(file, key).map_err(|wrong| Failure::unable(format!("{} {wrong}", file.display())))?;
    let what = list.kind.entry();
    let of = match list.kind {
        ListKind::Records => {
            format!(" in {} with {}", counted(list.rows as usize, "row"), counted(list.columns, "column"))
        }
        ListKind::Words => String::new(),
        ListKind::Documents => format!(" of {}", counted(list.rows as usize, "document")),
    };
    writeln!(out, "{}: {}{of}", file.display(), counted(list.entries, what))?;
    let each = list.bytes as f64 * 8.0 / list.entries.max(1) as f64;
    writeln!(out, "  {} bytes in memory, {each:.1} bits an entry", list.bytes)?;
    writeln!(out, "  a look-up of something else is wrong with a probability of {:.1e}", list.false_positive())?;
    Ok(Answer::Yes)
}
