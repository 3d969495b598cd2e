//! The tables against the cases in `tests/data/places/`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;

use super::address::{ANONYMOUS, ANYCAST, Class, Layer, SATELLITE, encode};
use super::answer::Groups;
use super::import::Publisher;
use super::sheet::Sheet;
use super::span::Spans;
use super::*;
use crate::transfer::{Country, HostPattern};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/places").join(name)
}

/// Runs `check` on every row of a file of cases.
fn each<const N: usize>(name: &str, columns: [&str; N], mut check: impl FnMut([&str; N])) {
    let source = Source::new(name, std::fs::read_to_string(data(name)).unwrap());
    let mut problems = Vec::new();
    let sheet = Sheet::read(&source, columns, &mut problems);
    assert!(problems.is_empty() && !sheet.rows.is_empty(), "{problems:?}");
    sheet.rows.iter().for_each(|row| check(row.each_ref().map(|cell| cell.text.as_ref())));
}

/// What `EEA|CH` stands for.
fn countries(text: &str) -> Vec<Country> {
    let groups = Groups::read(&Source::new("groups.csv", BUILTIN[0].1), &mut Vec::new());
    groups.countries(text).unwrap().to_vec()
}

fn declaration(hosts: &[&str], country: &str, operator: Option<&str>) -> Declaration {
    Declaration {
        hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        countries: countries(country),
        operator: operator.map(Into::into),
    }
}

/// `database.csv`, packed.
fn database() -> tempfile::NamedTempFile {
    let mut layer = Layer { classes: Vec::new(), v4: Spans::empty(), v6: Spans::empty() };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    each("database.csv", ["prefix", "code", "flags"], |[prefix, code, flags]| {
        let bits = flags.chars().map(|flag| match flag {
            'a' => ANYCAST,
            's' => SATELLITE,
            _ => ANONYMOUS,
        });
        layer.classes.push(Class { code: code.as_bytes().try_into().unwrap(), flags: bits.sum() });
        let value = layer.classes.len() as u32;
        match prefix.parse().unwrap() {
            IpNetwork::V4(net) => v4.push((net.network().into(), net.broadcast().into(), value)),
            IpNetwork::V6(net) => v6.push((net.network().into(), net.broadcast().into(), value)),
        }
    });
    layer.v4 = Spans::nested(v4);
    layer.v6 = Spans::nested(v6);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, encode("date: 2026-11-20\norigin: a test\n", &layer).unwrap()).unwrap();
    file
}

fn tables() -> Tables {
    let database = database();
    let declarations = vec![
        declaration(&["*.partner.example", "partner.example", "d1.cloudfront.net"], "SG", Some("Partner")),
        declaration(&["api.partner.example"], "SG|MY", None),
        declaration(&["partner.example"], "US", None),
        declaration(&["d1.cloudfront.net"], "US", None),
        declaration(&["198.51.100.7"], "JP", None),
    ];
    let addresses = Some(database.path().to_owned());
    let ranges = vec![data("ranges.csv")];
    Tables::load(Inputs { tables: vec![no_ranges()], ranges, addresses, declarations, ..Inputs::default() }).unwrap()
}

/// Nothing in place of the bundled ranges.
fn no_ranges() -> Source {
    Source::new("ranges.csv", "prefix,provider,region,place\n")
}

fn packed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/places").join(ADDRESSES)
}

#[test]
fn hosts_are_where_their_names_say() {
    let tables = tables();
    each("hosts.csv", ["host", "place", "operator_country", "trap"], |[host, place, operator, trap]| {
        let found = tables.locate(Some(host), None);
        assert_eq!(found.countries, countries(place), "{host}: {trap}");
        let country = found.operator_country.map(|country| country.to_string()).unwrap_or_default();
        assert_eq!(country, operator, "operator of {host}");
    });
}

#[test]
fn bases_are_weighed_in_the_order_of_trust() {
    let tables = tables();
    each("cases.csv", ["host", "address", "place", "basis", "why"], |[host, address, place, basis, why]| {
        let host = Some(host).filter(|host| !host.is_empty());
        let address: Option<IpAddr> = Some(address).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
        let found = tables.locate(host, address);
        let word = serde_json::to_value(found.basis).unwrap();
        assert_eq!(
            (found.countries.clone(), word.as_str().unwrap()),
            (countries(place), basis),
            "{host:?} {address:?}: {why}"
        );
        let explained = tables.explain(host, &address.into_iter().collect::<Vec<_>>());
        assert_eq!(explained.place, found, "an explanation says the same");
        assert!(explained.to_string().contains("place"));
    });
}

#[test]
fn special_addresses_are_known() {
    each("special.csv", ["address", "reason"], |[address, reason]| {
        assert_eq!(guard::is_private(address.parse().unwrap()).unwrap_or(""), reason, "{address}");
    });
}

#[test]
fn every_block_of_the_special_purpose_registries_is_known() {
    let columns = ["block", "name", "reference", "globally_reachable", "verdict"];
    each("registry.csv", columns, |[block, _, _, _, verdict]| {
        let network: IpNetwork = block.parse().unwrap();
        if verdict == "inside" {
            let inside = |octets: [u8; 4]| {
                let IpAddr::V6(start) = network.ip() else { panic!("{block}") };
                let shift = 128 - u32::from(network.prefix()) - 32;
                IpAddr::from((u128::from(start) | u128::from(u32::from_be_bytes(octets)) << shift).to_be_bytes())
            };
            assert!(guard::special(inside([10, 0, 0, 1])).is_some(), "{block}");
            assert!(guard::special(inside([169, 254, 169, 254])).is_some(), "{block}");
            assert_eq!(guard::special(inside([8, 8, 8, 8])), None, "{block}");
        } else {
            for address in [network.network(), middle(network), network.broadcast()] {
                assert!(guard::special(address).is_some(), "{block}: {address}");
            }
        }
    });
}

/// An address in the middle of a network.
fn middle(network: IpNetwork) -> IpAddr {
    match (network.network(), network.broadcast()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (u32::from(first), u32::from(last));
            IpAddr::from((first + (last - first) / 2).to_be_bytes())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (u128::from(first), u128::from(last));
            IpAddr::from((first + (last - first) / 2).to_be_bytes())
        }
        _ => panic!("{network}"),
    }
}

/// How many of the published addresses come out as published, in IPv4 and in IPv6, in percent.
fn right(tables: &Tables) -> [f64; 2] {
    let mut counts = [[0u32; 2]; 2];
    each("published.csv", ["address", "provider", "region", "place", "before"], |[address, _, _, place, _]| {
        let address: IpAddr = address.parse().unwrap();
        let [all, right] = &mut counts[usize::from(address.is_ipv6())];
        *all += 1;
        *right += u32::from(tables.locate(None, Some(address)).countries == countries(place));
    });
    counts.map(|[all, right]| 100.0 * f64::from(right) / f64::from(all))
}

#[test]
fn the_default_places_at_least_95_of_100_published_addresses_with_ranges_that_are_months_old() {
    // As old ranges would be read: what they say of each address of the sample. So no address is judged by the
    // publication it was drawn from.
    let mut before = "prefix,provider,region,place\n".to_owned();
    each(
        "published.csv",
        ["address", "provider", "region", "place", "before"],
        |[address, provider, region, _, said]| {
            if !said.is_empty() {
                let length = if address.contains(':') { 128 } else { 32 };
                before.push_str(&format!("{address}/{length},{provider},{region},{said}\n"));
            }
        },
    );
    let old = vec![Source::new("ranges.csv", before)];
    let [v4, v6] =
        right(&Tables::load(Inputs { tables: old, addresses: Some(packed()), ..Inputs::default() }).unwrap());
    assert!(v4 >= 95.0 && v6 >= 95.0, "IPv4 {v4:.1}, IPv6 {v6:.1}");
    // The bundled ranges are of the publication the sample was drawn from: this only shows that they are read right.
    let [v4, v6] = right(&Tables::load(Inputs { addresses: Some(packed()), ..Inputs::default() }).unwrap());
    assert!(v4 >= 99.0 && v6 >= 99.0, "IPv4 {v4:.1}, IPv6 {v6:.1}");
}

#[test]
fn an_imported_provider_replaces_its_bundled_ranges_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let imported = directory.path().join("aws.csv");
    std::fs::write(&imported, "prefix,provider,region,place\n18.184.0.0/15,aws,eu-west-1,IE\n").unwrap();
    let inputs = Inputs { ranges: vec![imported], addresses: Some(packed()), ..Inputs::default() };
    let tables = Tables::load(inputs).unwrap();
    let at = |address: &str| tables.locate(None, Some(address.parse().unwrap()));
    assert_eq!(at("18.184.0.1").countries, countries("IE"));
    // Jakarta: the bundled ranges of AWS knew it, the address database does not.
    assert_eq!(at("43.218.0.1").basis, crate::transfer::Basis::AddressDatabase);
    assert_eq!(at("2603:1000::1").basis, crate::transfer::Basis::ProviderRange);
}

#[test]
fn published_ranges_come_out_flat() {
    for publisher in Publisher::ALL {
        let name = publisher.as_str();
        let out = tempfile::NamedTempFile::new().unwrap();
        let imported = import::run(publisher, &data(&format!("published/{name}.json")), out.path(), &[]).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let rows: String =
            text.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| format!("{line}\n")).collect();
        assert_eq!(rows, std::fs::read_to_string(data(&format!("published/{name}.csv"))).unwrap());
        let unknown = rows.lines().filter(|row| row.ends_with(',')).count();
        assert_eq!((imported.written, imported.warnings.len()), (rows.lines().count(), unknown));
        let ranges = vec![out.path().to_owned()];
        Tables::load(Inputs { ranges, addresses: Some(database().path().to_owned()), ..Inputs::default() }).unwrap();
    }
}

#[test]
fn other_files_are_refused_with_a_reason() {
    each("refused.csv", ["publisher", "text", "reason"], |[publisher, text, reason]| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("published.json");
        std::fs::write(&file, text).unwrap();
        let out = directory.path().join("out");
        let problems = import::run(Publisher::parse(publisher).unwrap(), &file, &out, &[]).unwrap_err();
        assert!(
            problems[0].to_string().contains(reason) && problems[0].file.ends_with("published.json"),
            "{problems:?}"
        );
        assert!(!out.exists());
    });
}

#[test]
fn the_packed_database_knows_well_known_addresses() {
    let tables =
        Tables::load(Inputs { tables: vec![no_ranges()], addresses: Some(packed()), ..Inputs::default() }).unwrap();
    each("known.csv", ["address", "place"], |[address, place]| {
        assert_eq!(tables.locate(None, Some(address.parse().unwrap())).countries, countries(place), "{address}");
    });
}

#[test]
fn a_maxmind_database_takes_the_place_of_the_packed_one() {
    let inputs = Inputs { tables: vec![no_ranges()], mmdb: Some(data("country.mmdb")), ..Inputs::default() };
    let tables = Tables::load(inputs).unwrap();
    let at = |address: &str| tables.locate(None, Some(address.parse().unwrap())).countries;
    assert_eq!(
        [at("18.184.0.1"), at("2a05:d014::1"), at("5.0.0.1")],
        [countries("DE"), countries("DE"), countries("FR")]
    );
    assert_eq!([at("5.1.0.1"), at("1.1.1.1")], [countries("NL"), countries("AU|ZZ")]);
    assert!(at("5.2.0.1").contains(&Country::UNKNOWN));
    assert!(Tables::load(Inputs { mmdb: Some(data("hosts.csv")), ..Inputs::default() }).is_err());
}

#[test]
fn the_two_host_tables_do_not_contradict_each_other() {
    let tables = tables();
    let source = Source::new("services.csv", BUILTIN[4].1);
    let columns = ["host", "operator", "operator_country", "place", "confidence", "reach", "note"];
    for [host, _, _, place, confidence, ..] in &Sheet::read(&source, columns, &mut Vec::new()).rows {
        if !place.text.is_empty() && confidence.text != "low" {
            let found = tables.locate(Some(&host.text), None);
            assert_eq!(found.countries, countries(&place.text), "{}", host.text);
        }
    }
}

#[test]
fn mistakes_in_tables_are_reported_together_with_their_lines() {
    let text = "pattern,place,provider,operator,operator_country,reach,note\n\
        *.{region}.example.com,{region},asw,,,,\n*.example.net,XX,aws,,,,\n*.example.org,DE,aws,,,firm,\n";
    let table = Source::new("rules/places/host-patterns.csv", text);
    let stray = Source::new("rules/places/regoins.csv", "");
    let problems = Tables::load(Inputs { tables: vec![table, stray], ..Inputs::default() }).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [0, 2, 3, 4], "{problems:?}");
    assert!(problems.iter().take(2).all(|problem| problem.help.is_some()));
}

#[test]
fn old_and_missing_databases_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old.csv");
    std::fs::write(&old, "# date: 2020-01-01\nprefix,provider,region,place\n3.0.0.0/15,aws,ap-southeast-1,SG\n")
        .unwrap();
    let addresses = Some(database().path().to_owned());
    assert!(
        Tables::load(Inputs { addresses, ..Inputs::default() }).is_err(),
        "a configured file that is gone is an error"
    );
    let tables =
        Tables::load(Inputs { ranges: vec![old], mmdb: Some(data("country.mmdb")), ..Inputs::default() }).unwrap();
    assert!(tables.warnings().iter().any(|warning| warning.contains("old.csv")));
}
