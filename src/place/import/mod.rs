//! Takes in the ranges that cloud providers publish, and writes them in our own form.
//!
//! Regions are looked up in `regions.csv` under the provider. A region that is not there keeps its row with an empty place
//! and is reported, so that the address database is asked and somebody completes the table. Overlapping prefixes come out
//! flat: the narrowest wins, neighbours with the same answer are joined.

mod formats;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;
use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::Country;

use super::address::read_bounded;
use super::answer::Answer;
use super::pack::write_whole;
use super::range::{COLUMNS, network};
use super::span::{NONE, Number, Spans};
use super::{Names, sources};

const LARGEST_FILE: u64 = 64 << 20;
const MOST_PREFIXES: usize = 1_000_000;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// `ip-ranges.json` of Amazon Web Services.
    Aws,
    /// `ServiceTags_Public_*.json` of Microsoft Azure.
    Azure,
    /// `cloud.json` of Google Cloud.
    Google,
    /// `public_ip_ranges.json` of Oracle Cloud.
    Oracle,
}

/// What was taken in.
#[derive(Debug)]
pub struct Imported {
    /// The file that was written.
    pub file: PathBuf,
    /// Prefixes in the published file.
    pub published: usize,
    /// Prefixes written.
    pub written: usize,
    /// Day of publication.
    pub date: Option<Date>,
    /// Regions that are not in the table, and other things to look at.
    pub warnings: Vec<String>,
}

/// A prefix as published, with its place.
struct Entry {
    network: IpNetwork,
    region: String,
    /// `None`: the region is not in the table.
    answer: Option<Answer>,
}

/// A published file, read.
#[derive(Default)]
struct Published {
    entries: Vec<Entry>,
    date: Option<Date>,
}

impl Publisher {
    /// Every publisher.
    pub const ALL: [Publisher; 4] = [Publisher::Aws, Publisher::Azure, Publisher::Google, Publisher::Oracle];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Publisher::Aws => "aws",
            Publisher::Azure => "azure",
            Publisher::Google => "google",
            Publisher::Oracle => "oracle",
        }
    }

    /// The publisher of a name.
    pub fn parse(name: &str) -> Option<Publisher> {
        Publisher::ALL.into_iter().find(|publisher| publisher.as_str() == name)
    }

    /// Its name in the tables.
    fn provider(self) -> &'static str {
        match self {
            Publisher::Google => "gcp",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imported { file, published, written, date, warnings } = self;
        let date = date.map_or_else(|| "of unknown date".to_owned(), |date| format!("of {date}"));
        write!(f, "{}: {published} published prefixes {date} as {written} rows", file.display())?;
        warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

/// Reads `file` as `publisher` publishes it and writes `out`. `tables` may replace built-in tables.
///
/// # Errors
/// The file cannot be read or is not what this publisher publishes, a table is wrong, or `out` cannot be written.
pub fn run(publisher: Publisher, file: &Path, out: &Path, tables: &[Source]) -> Result<Imported, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let tables = sources(tables, &mut problems);
    let names = Names::read(&tables, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let name = file.display().to_string();
    let bytes = read_bounded(file, LARGEST_FILE)?;
    let published = formats::read(publisher, &bytes, file, &names.providers)
        .and_then(
            |published| if published.entries.is_empty() { Err("holds no prefix".into()) } else { Ok(published) },
        )
        .map_err(|what| vec![Diagnostic::file(&name, what)])?;
    let table = Table::of(&published);
    let text = table.text(publisher, file, published.date);
    write_whole(out, text.as_bytes())?;
    let written = text.lines().filter(|line| !line.starts_with('#')).count() - 1;
    let (published, date) = (published.entries.len(), published.date);
    Ok(Imported { file: out.to_owned(), published, written, date, warnings: table.warnings })
}

/// The entries as flat tables whose values number the distinct answers from 1.
struct Table {
    answers: Vec<(String, Answer)>,
    v4: Spans<u32>,
    v6: Spans<u128>,
    warnings: Vec<String>,
}

impl Table {
    fn of(published: &Published) -> Table {
        let mut unknown = BTreeMap::<&str, usize>::new();
        let mut by_network: HashMap<IpNetwork, (String, Answer)> = HashMap::new();
        let mut torn = BTreeSet::new();
        for entry in &published.entries {
            if entry.answer.is_none() {
                *unknown.entry(&entry.region).or_default() += 1;
            }
            let next = (entry.region.clone(), entry.answer.clone().unwrap_or(Answer::Silent));
            match by_network.get_mut(&entry.network) {
                None => drop(by_network.insert(entry.network, next)),
                Some(before) => {
                    if let Some(said) = agree(before, &next) {
                        *before = said;
                    } else {
                        torn.insert(entry.network);
                        *before = (format!("{} or {}", before.0, next.0), Answer::Silent);
                    }
                }
            }
        }
        let mut warnings: Vec<String> = unknown
            .iter()
            .map(|(region, count)| {
                format!("region `{region}` is not in regions.csv: {count} prefixes without country")
            })
            .collect();
        warnings.extend(torn.iter().map(|network| format!("{network} is published for more than one country")));
        Table { warnings, ..Table::flat(by_network) }
    }

    fn flat(by_network: HashMap<IpNetwork, (String, Answer)>) -> Table {
        let mut answers: Vec<(String, Answer)> = Vec::new();
        let mut numbers: HashMap<(String, String), u32> = HashMap::new();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, (region, answer)) in by_network {
            let value = *numbers.entry((region.clone(), cell(&answer))).or_insert_with(|| {
                answers.push((region, answer));
                u32::try_from(answers.len()).unwrap_or(NONE)
            });
            match network {
                IpNetwork::V4(net) => v4.push((net.network().into(), net.broadcast().into(), value)),
                IpNetwork::V6(net) => v6.push((net.network().into(), net.broadcast().into(), value)),
            }
        }
        Table { answers, v4: Spans::nested(v4), v6: Spans::nested(v6), warnings: Vec::new() }
    }

    fn text(&self, publisher: Publisher, file: &Path, date: Option<Date>) -> String {
        let origin = file.file_name().map(|name| name.to_string_lossy().replace(char::is_control, "?"));
        let mut text = format!("# Ranges published by {}.\n", publisher.as_str());
        let _ = writeln!(text, "# origin: {}", origin.unwrap_or_default());
        if let Some(date) = date {
            let _ = writeln!(text, "# date: {date}");
        }
        let _ = writeln!(text, "{}", COLUMNS.join(","));
        self.rows(&mut text, &self.v4, 32, publisher, |bits| IpAddr::V4(Ipv4Addr::from(bits as u32)));
        self.rows(&mut text, &self.v6, 128, publisher, |bits| IpAddr::V6(Ipv6Addr::from(bits)));
        text
    }

    fn rows<T: Number + Into<u128>>(
        &self,
        text: &mut String,
        spans: &Spans<T>,
        width: u32,
        publisher: Publisher,
        address: impl Fn(u128) -> IpAddr,
    ) {
        let ends = spans.boundaries().skip(1).map(|(start, _)| start.into() - 1);
        let ends = ends.chain([u128::MAX >> (128 - width)]);
        for ((start, value), end) in spans.boundaries().zip(ends) {
            let answer = value.checked_sub(1).and_then(|index| self.answers.get(index as usize));
            let Some((region, answer)) = answer else { continue };
            for (first, length) in prefixes(start.into(), end, width) {
                let first = address(first);
                let _ = writeln!(text, "{first}/{length},{},{region},{}", publisher.provider(), cell(answer));
            }
        }
    }
}

/// The smallest list of prefixes `(first, length)` that covers a range.
fn prefixes(mut first: u128, last: u128, width: u32) -> Vec<(u128, u32)> {
    let mut prefixes = Vec::new();
    loop {
        // As large as the alignment of its start and the end of the range allow.
        let aligned = first.trailing_zeros().min(width);
        let fits = match (last - first).checked_add(1) {
            Some(count) => 127 - count.leading_zeros(),
            None => 128,
        };
        let host = aligned.min(fits);
        prefixes.push((first, width - host));
        let covered = u128::MAX.checked_shr(128 - host).unwrap_or(0);
        match (first | covered).checked_add(1) {
            Some(next) if next <= last => first = next,
            _ => return prefixes,
        }
    }
}

/// Two rows about one prefix: anycast wins, a known place beats an unknown one; `None` if they name different countries.
fn agree(before: &(String, Answer), next: &(String, Answer)) -> Option<(String, Answer)> {
    match (&before.1, &next.1) {
        (Answer::Anywhere, _) | (_, Answer::Silent) => Some(before.clone()),
        (_, Answer::Anywhere) | (Answer::Silent, _) => Some(next.clone()),
        (a, b) => (a == b).then(|| before.clone()),
    }
}

/// An answer as a place cell.
fn cell(answer: &Answer) -> String {
    match answer {
        Answer::Silent => String::new(),
        Answer::Anywhere => "global".to_owned(),
        Answer::In(countries) => countries.iter().map(Country::as_str).collect::<Vec<_>>().join("|"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_becomes_the_fewest_prefixes() {
        assert_eq!(prefixes(0, 255, 32), [(0, 24)]);
        assert_eq!(prefixes(1, 4, 32), [(1, 32), (2, 31), (4, 32)]);
        assert_eq!(prefixes(0, u128::from(u32::MAX), 32), [(0, 0)]);
        assert_eq!(prefixes(0, u128::MAX, 128), [(0, 0)]);
        assert_eq!(prefixes(u128::MAX, u128::MAX, 128), [(u128::MAX, 128)]);
    }
}
