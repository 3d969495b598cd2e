//! Files as content: their bytes, and what is said about them beside them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::Failure;

/// Read in portions of this size.
const PORTION: usize = 256 * 1024;
/// A sidecar holds a few header lines; anything larger is something else.
const LARGEST_SIDECAR: u64 = 64 * 1024;

/// What the command line says about the content.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Labels {
    /// Media type of the content [default: from FILE.headers, else from its name and bytes]
    #[arg(long, value_name = "TYPE")]
    pub(super) content_type: Option<String>,
    /// Content encoding, such as gzip
    #[arg(long, value_name = "CODING")]
    pub(super) content_encoding: Option<String>,
}

/// Where the content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Standard input.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// `-` is standard input.
    pub(super) fn new(path: &Path) -> Input {
        if path == Path::new("-") { Input::Standard } else { Input::File(path.to_owned()) }
    }

    /// As the user knows it.
    pub(super) fn name(&self) -> String {
        match self {
            Input::Standard => "-".to_owned(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// Its last component, which says something about its format.
    pub(super) fn file_name(&self) -> Option<&str> {
        match self {
            Input::Standard => None,
            Input::File(path) => path.file_name().and_then(|name| name.to_str()),
        }
    }

    pub(super) fn open(&self) -> io::Result<Box<dyn BufRead>> {
        Ok(match self {
            Input::Standard => Box::new(BufReader::with_capacity(PORTION, io::stdin().lock())),
            Input::File(path) => Box::new(BufReader::with_capacity(PORTION, File::open(path)?)),
        })
    }

    /// The labels, completed from the sidecar `FILE.headers`; what the command line says wins.
    pub(super) fn labels(&self, given: &Labels) -> Result<Labels, Failure> {
        let mut labels = given.clone();
        let Input::File(path) = self else { return Ok(labels) };
        let sidecar = sidecar(path);
        if !sidecar.is_file() {
            return Ok(labels);
        }
        let source = crate::config::read_text(&sidecar, LARGEST_SIDECAR)?;
        let of = |name: &str| fields(&source.text).find(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = |name: &str| of(name).map(|(_, value)| value.to_owned());
        labels.content_type = labels.content_type.or_else(|| value("content-type"));
        labels.content_encoding = labels.content_encoding.or_else(|| value("content-encoding"));
        Ok(labels)
    }
}

/// `FILE.headers`.
pub(super) fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".headers");
    PathBuf::from(name)
}

/// Header lines; a request or status line in front, and anything that is no header, is passed over.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.trim(), value.trim())).filter(|(name, _)| !name.contains(' '))
}

/// Files below some paths, and what is there beside them.
#[derive(Debug)]
pub(super) struct Walk {
    /// In the order of names; a path that is no directory stands for itself.
    pub(super) inputs: Vec<Input>,
    /// Links inside directories. They are not followed, so that no walk goes round in circles.
    pub(super) links: u64,
    /// Pipes, sockets and devices inside directories.
    pub(super) special: u64,
    /// Directories that cannot be read, and paths that are not there.
    pub(super) unreadable: Vec<Failure>,
    /// Bytes of all files, unless one has no size.
    pub(super) bytes: Option<u64>,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk { inputs: Vec::new(), links: 0, special: 0, unreadable: Vec::new(), bytes: Some(0) }
    }
}

impl Walk {
    /// Takes in everything below a path. Sidecars belong to their files.
    pub(super) fn take(&mut self, path: &Path) {
        if path == Path::new("-") {
            self.inputs.push(Input::Standard);
            self.bytes = None;
            return;
        }
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => self.directory(path),
            Ok(found) => self.named(path, &found),
            Err(error) => self.unreadable.push(Failure::unable(format!("{}: {error}", path.display()))),
        }
    }

    /// Every file below some paths.
    ///
    /// # Errors
    /// The first path or directory that cannot be read.
    pub(super) fn all(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
        let mut walk = Walk::default();
        paths.iter().for_each(|path| walk.take(path));
        walk.unreadable.into_iter().next().map_or(Ok(walk.inputs), Err)
    }

    /// A file that was named: a pipe is read, a device or a socket is not.
    fn named(&mut self, path: &Path, found: &std::fs::Metadata) {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = found.file_type();
        if kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
            let what = if kind.is_socket() { "a socket" } else { "a device" };
            self.unreadable.push(Failure::unable(format!("{}: is {what}, not a file", path.display())));
            return;
        }
        self.bytes = self.bytes.filter(|_| found.is_file()).map(|bytes| bytes + found.len());
        self.inputs.push(Input::File(path.to_owned()));
    }

    fn directory(&mut self, path: &Path) {
        let mut inside = Vec::new();
        let read = std::fs::read_dir(path).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                inside.push((entry.path(), entry.file_type()?));
            }
            Ok(())
        });
        if let Err(error) = read {
            self.unreadable.push(Failure::unable(format!("{}: {error}", path.display())));
        }
        inside.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in inside {
            let described =
                path.extension().is_some_and(|ending| ending == "headers") && path.with_extension("").is_file();
            if kind.is_dir() {
                self.directory(&path);
            } else if kind.is_symlink() {
                self.links += 1;
            } else if !kind.is_file() {
                self.special += 1;
            } else if !described {
                self.bytes = self.bytes.map(|bytes| bytes + std::fs::metadata(&path).map_or(0, |found| found.len()));
                self.inputs.push(Input::File(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_header_lines_with_or_without_a_first_line() {
        let text = "POST http://a.example/x HTTP/1.1\r\nContent-Type: text/csv\r\n\r\n";
        assert_eq!(fields(text).collect::<Vec<_>>(), [("Content-Type", "text/csv")]);
    }
}
