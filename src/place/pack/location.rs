//! `location.db` of the IPFire project, version 1: a binary tree over address bits whose leaves name a country and flags.
//!
//! Offsets and lengths of its sections stand in the header; everything is big-endian. IPv4 lies under `::ffff:0:0/96`.
//! The signature is not checked: take the file from a package whose signature was. Every index is checked, and the walk
//! visits no more nodes than the file has, so a loop ends as an error.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::address::{ANONYMOUS, ANYCAST, Class, Layer, SATELLITE};
use super::{Classes, Taken, spans};

/// What the file begins with, version byte included.
pub(super) const MAGIC: &[u8] = b"LOCDBXX\x01";

const NODE: usize = 12;
const NETWORK: usize = 12;
/// A node without network.
const NO_NETWORK: u32 = u32::MAX;
/// Where IPv4 addresses lie in the tree.
const MAPPED: u128 = 0xffff << 32;

/// The parts of the file that matter here.
struct File<'b> {
    created: u64,
    networks: &'b [u8],
    nodes: &'b [u8],
}

/// Reads the whole database.
pub(super) fn read(bytes: &[u8]) -> Result<Taken, String> {
    let file = File::open(bytes).ok_or("is cut short or its sections lie outside the file")?;
    let mut classes = Classes::default();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    file.walk(|address, length, class| {
        let last = address | u128::MAX.checked_shr(length).unwrap_or(0);
        if length >= 96 && address & !0xffff_ffff == MAPPED {
            v4.push((address as u32, last as u32, class));
        } else {
            v6.push((address, last, class));
        }
    })?;
    let (v4, v6) = (spans(v4, &mut classes), spans(v6, &mut classes));
    let date = file.date();
    let day = date.map(|date| format!(" of {date}")).unwrap_or_default();
    let origin = format!("IPFire location.db{day}");
    Ok(Taken { origin, date, layer: Layer { classes: classes.list, v4, v6 } })
}

impl<'b> File<'b> {
    fn open(bytes: &'b [u8]) -> Option<File<'b>> {
        // created, vendor, description, licence, then offset and length of: AS, networks, tree, countries, strings.
        let header = bytes.get(MAGIC.len()..)?;
        let (created, rest) = header.split_first_chunk::<8>()?;
        let word = |index: usize| word(rest, index);
        let section = |offset: u32, length: u32| bytes.get(offset as usize..)?.get(..length as usize);
        Some(File {
            created: u64::from_be_bytes(*created),
            networks: section(word(5)?, word(6)?)?,
            nodes: section(word(7)?, word(8)?)?,
        })
    }

    fn date(&self) -> Option<Date> {
        let time = Timestamp::from_second(i64::try_from(self.created).ok()?).ok()?;
        Some(time.to_zoned_datetime(TimeZone::UTC).date())
    }

    /// Calls `found` for each network, the wider before the narrower.
    fn walk(&self, mut found: impl FnMut(u128, u32, Class)) -> Result<(), String> {
        let mut left = self.nodes.len() / NODE;
        let mut open = vec![(0u32, 0u128, 0u32)];
        while let Some((index, address, length)) = open.pop() {
            left = left.checked_sub(1).ok_or("has a tree with a loop in it")?;
            let node = record::<NODE>(self.nodes, index).ok_or("has a node that points outside the tree")?;
            let [zero, one, network] = [word(node, 0), word(node, 1), word(node, 2)].map(Option::unwrap_or_default);
            if network != NO_NETWORK {
                let class = self.class(network).ok_or("has a node that points outside the networks")?;
                found(address, length, class);
            }
            for (child, bit) in [(one, 1u128), (zero, 0)] {
                if child != 0 {
                    let shift = 127u32.checked_sub(length).ok_or("has a tree that is too deep")?;
                    open.push((child, address | bit << shift, length + 1));
                }
            }
        }
        Ok(())
    }

    /// Country code, two bytes of padding, AS number, flags.
    fn class(&self, index: u32) -> Option<Class> {
        let record = record::<NETWORK>(self.networks, index)?;
        let code = *record.first_chunk::<2>()?;
        let [high, low] = *record.get(8..)?.first_chunk::<2>()?;
        let theirs = u16::from_be_bytes([high, low]);
        let flags = [(1, ANONYMOUS), (2, SATELLITE), (4, ANYCAST)];
        let flags = flags.into_iter().filter(|(flag, _)| theirs & flag != 0).map(|(_, ours)| ours).sum();
        Some(Class { code, flags })
    }
}

/// Record number `index` of a section of records of `SIZE` bytes.
fn record<const SIZE: usize>(section: &[u8], index: u32) -> Option<&[u8]> {
    let start = (index as usize).checked_mul(SIZE)?;
    section.get(start..)?.get(..SIZE)
}

/// Big-endian word number `index`.
fn word(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.get(index * 4..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with one network, 128.0.0.0/1 of IPv4 in DE and anycast.
    fn file() -> Vec<u8> {
        let mut nodes: Vec<[u32; 3]> = Vec::new();
        for depth in 0..97u32 {
            let child = depth + 1;
            let one = (80..97).contains(&depth);
            nodes.push(if one { [0, child, NO_NETWORK] } else { [child, 0, NO_NETWORK] });
        }
        nodes.push([0, 0, 0]);
        let network = *b"DE\0\0\0\0\0\x01\0\x04\0\0";
        let mut file = MAGIC.to_vec();
        file.extend(1_787_411_825u64.to_be_bytes());
        let start = 8 + 8 + 13 * 4;
        let (networks, tree) = (start as u32, start as u32 + 12);
        let words = [0, 0, 0, 0, 0, networks, 12, tree, nodes.len() as u32 * 12, 0, 0, 0, 0];
        words.iter().for_each(|word| file.extend(word.to_be_bytes()));
        file.extend(network);
        nodes.iter().flatten().for_each(|word| file.extend(word.to_be_bytes()));
        file
    }

    #[test]
    fn reads_countries_flags_and_the_day() {
        let taken = read(&file()).unwrap();
        assert_eq!(taken.layer.classes, [Class { code: *b"DE", flags: ANYCAST }]);
        assert_eq!((taken.layer.v4.get(0x8000_0000), taken.layer.v4.get(0x7fff_ffff)), (1, 0));
        assert_eq!(taken.date, Some(jiff::civil::date(2026, 8, 22)));
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file();
        assert!((0..good.len()).all(|end| read(&good[..end]).is_err()));
        let mut looped = good;
        let last = looped.len() - 12;
        looped[last..last + 4].copy_from_slice(&1u32.to_be_bytes());
        assert!(read(&looped).is_err());
    }
}
