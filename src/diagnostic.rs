//! What is wrong in a file somebody wrote, where, and what was probably meant.
//!
//! Configuration, packs, detectors, tables and scenarios all report in this one shape, and all of their problems at
//! once. The text of these files is the organisation's own, so a diagnostic may show the line it speaks of.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the gateway starts.
    Warning,
    /// The gateway does not start, or keeps what it was running.
    Error,
}

/// One problem in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// The file as the reader knows it.
    pub file: String,
    /// Line from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where it is documented: a page of the project and a heading on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<&'static str>,
    /// The line itself, for the caret.
    #[serde(skip)]
    pub excerpt: Option<String>,
    /// How many characters the caret underlines.
    #[serde(skip)]
    pub width: usize,
}

/// A file with its text, from which positions are computed.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name shown.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A named text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// An error about a byte range of this file.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.at(Severity::Error, span, message.into())
    }

    /// A warning about a byte range of this file.
    pub fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.at(Severity::Warning, span, message.into())
    }

    /// The error of the TOML parser, in our shape.
    pub fn toml_error(&self, error: &toml::de::Error) -> Diagnostic {
        let span = error.span().unwrap_or(0..0);
        self.error(span, error.message().to_owned())
    }

    fn at(&self, severity: Severity, span: Range<usize>, message: String) -> Diagnostic {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = self.text.get(start..).and_then(|rest| rest.lines().next()).map(str::to_owned);
        let marked = self.text.get(span).and_then(|text| text.lines().next()).unwrap_or("");
        Diagnostic {
            severity,
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or("").chars().count() + 1,
            message,
            help: None,
            docs: None,
            excerpt,
            width: marked.chars().count().max(1),
        }
    }
}

impl Diagnostic {
    /// An error about a file as a whole.
    pub fn file(file: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            docs: None,
            excerpt: None,
            width: 0,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same with "did you mean", if anything among `known` is near `given`.
    #[must_use]
    pub fn suggest<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match nearest(given, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Whether it stops the start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        match self.line {
            0 => write!(f, "{}: {severity}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}:{}: {severity}: {}", self.file, self.column, self.message)?,
        }
        if let Some(excerpt) = &self.excerpt {
            let indent = " ".repeat(self.column.saturating_sub(1));
            write!(f, "\n    {excerpt}\n    {indent}{}", "^".repeat(self.width))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        match self.docs {
            Some(docs) => write!(f, "\n    see {docs}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// The entry of `known` that `given` was probably meant to be, if any is near enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(given, name), name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
