//! The ranges providers publish, in our own file: `prefix,provider,region,place`, one prefix a line.
//!
//! One such table is built in. Files that were imported later replace it provider by provider, so that a prefix which a
//! provider gave up does not go on speaking for it.
//!
//! `place` is a country, `global` for anycast, or empty when the region was not in our table at import; such an address
//! is looked up in the address database instead.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};

use super::answer::{Answer, Groups};
use super::provider::{Provider, Providers};
use super::sheet::{Cell, MOST_PROBLEMS, Sheet};
use super::span::{NONE, Spans};

/// The header of a file of ranges.
pub(super) const COLUMNS: [&str; 4] = ["prefix", "provider", "region", "place"];

/// What is known of a range.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) provider: Arc<Provider>,
    pub(super) region: Box<str>,
    pub(super) answer: Answer,
    pub(super) file: Arc<File>,
}

/// A file of ranges.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) date: Option<Date>,
}

/// All ranges, by address.
#[derive(Debug)]
pub(super) struct Ranges {
    rows: Vec<Range>,
    v4: Spans<u32>,
    v6: Spans<u128>,
    pub(super) files: Vec<Arc<File>>,
}

/// Ranges while the files are read.
#[derive(Default)]
struct Building {
    rows: Vec<Range>,
    files: Vec<Arc<File>>,
    /// Rows of the file being read by provider, region and place: thousands of prefixes share a few hundred of them.
    known: HashMap<[String; 3], u32>,
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
}

impl Ranges {
    /// Reads the bundled table and files of ranges. A provider of which a file speaks is left out of the bundled table.
    /// Where two files say something about one prefix, the later file counts.
    pub(super) fn read(
        bundled: &Source,
        sources: &[Source],
        groups: &Groups,
        providers: &Providers,
        problems: &mut Vec<Diagnostic>,
    ) -> Ranges {
        let sheets: Vec<_> = sources.iter().map(|source| (source, Sheet::read(source, COLUMNS, problems))).collect();
        let mut table = Sheet::read(bundled, COLUMNS, problems);
        let replaced: HashSet<&str> =
            sheets.iter().flat_map(|(_, sheet)| sheet.rows.iter().map(|[_, provider, ..]| &*provider.text)).collect();
        table.rows.retain(|[_, provider, ..]| !replaced.contains(&*provider.text));
        let mut building = Building::default();
        if !table.rows.is_empty() {
            building.read(bundled, &table, groups, providers, problems);
        }
        for (source, sheet) in &sheets {
            building.read(source, sheet, groups, providers, problems);
        }
        let Building { rows, files, v4, v6, .. } = building;
        Ranges { rows, files, v4: Spans::nested(v4), v6: Spans::nested(v6) }
    }

    /// The narrowest range of an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Range> {
        let value = match address {
            IpAddr::V4(address) => self.v4.get(address.into()),
            IpAddr::V6(address) => self.v6.get(address.into()),
        };
        if value == NONE { None } else { self.rows.get(value as usize - 1) }
    }
}

impl Building {
    fn read(
        &mut self,
        source: &Source,
        sheet: &Sheet<'_, 4>,
        groups: &Groups,
        providers: &Providers,
        problems: &mut Vec<Diagnostic>,
    ) {
        let file = Arc::new(File { name: source.name.clone(), date: sheet.date });
        self.files.push(Arc::clone(&file));
        self.known.clear();
        let before = problems.len();
        for row in &sheet.rows {
            self.add(source, row, &file, groups, providers, problems);
            if problems.len() - before > MOST_PROBLEMS {
                break;
            }
        }
    }

    fn add(
        &mut self,
        source: &Source,
        row: &[Cell<'_>; 4],
        file: &Arc<File>,
        groups: &Groups,
        providers: &Providers,
        problems: &mut Vec<Diagnostic>,
    ) {
        let [prefix, provider, region, place] = row;
        let network = match network(&prefix.text) {
            Ok(network) => network,
            Err(what) => return problems.push(source.error(prefix.span.clone(), what)),
        };
        let key = [provider, region, place].map(|cell| cell.text.to_string());
        let value = match self.known.get(&key) {
            Some(value) => *value,
            None => {
                let Some(provider) = providers.named(source, provider, problems) else { return };
                let answer = groups.answer(source, place, problems);
                let region = region.text.as_ref().into();
                self.rows.push(Range { provider, region, answer, file: Arc::clone(file) });
                // Row numbers start at 1, 0 is the gap.
                let value = u32::try_from(self.rows.len()).unwrap_or(NONE);
                self.known.insert(key, value);
                value
            }
        };
        match network {
            IpNetwork::V4(net) => self.v4.push((net.network().into(), net.broadcast().into(), value)),
            IpNetwork::V6(net) => self.v6.push((net.network().into(), net.broadcast().into(), value)),
        }
    }
}

/// A prefix without host bits.
pub(super) fn network(text: &str) -> Result<IpNetwork, String> {
    let network: IpNetwork = text.parse().map_err(|_| format!("`{text}` is no network such as `192.0.2.0/24`"))?;
    if !text.contains('/') || network.ip() != network.network() {
        return Err(format!(
            "`{text}` is no network: it is an address in {}/{}",
            network.network(),
            network.prefix()
        ));
    }
    Ok(network)
}
