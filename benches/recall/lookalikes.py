"""Payloads that hold nothing and look as if: numbers of orders, clocks, hashes, prices, versions, code, logs.

Everything is drawn from one seed, so the same payloads come out every time. Nothing is kept out: a number that by chance
has the prefix, the length and the check digit of a card is still none.
"""

import base64
import json
import random
import uuid

WORDS = "alpha beta build cache catalogue colour delta error event frame green index label layer level model node order " \
    "panel parse queue retry route scope shard stage state table theme token trace value vector width window".split()


def payloads(seed=20261129, of_each=60):
    """(file name, bytes) of each payload."""
    dice = random.Random(seed)
    for ending, write in KINDS.items():
        for number in range(of_each):
            name, suffix = ending.split(".")
            yield f"{name}-{number}.{suffix}", write(dice)


def digits(dice, size):
    return "".join(dice.choice("0123456789") for _ in range(size))


def word(dice):
    return dice.choice(WORDS)


def orders(dice):
    return json.dumps([{
        "orderNo": digits(dice, dice.choice([8, 9, 10, 11, 12, 16, 18])), "sku": f"{word(dice).upper()}-{digits(dice, 6)}",
        "qty": dice.randrange(1, 90), "price": round(dice.uniform(1, 9999), 2), "createdAt": 1_700_000_000 + dice.randrange(10**8),
        "traceId": "%032x" % dice.getrandbits(128), "id": str(uuid.UUID(int=dice.getrandbits(128))), "status": word(dice),
    } for _ in range(40)]).encode()


def events(dice):
    return b"".join(json.dumps({
        "ts": 1_700_000_000_000 + dice.randrange(10**11), "seq": dice.randrange(10**12), "span": "%016x" % dice.getrandbits(64),
        "name": f"{word(dice)}.{word(dice)}", "duration_ns": dice.randrange(10**10), "version": version(dice),
    }).encode() + b"\n" for _ in range(80))


def version(dice):
    return ".".join(str(dice.randrange(40)) for _ in range(dice.choice([3, 4])))


def prices(dice):
    rows = ["sku,ean,price,stock,weight_g,updated"]
    rows += [f"{word(dice).upper()}{digits(dice, 5)},{digits(dice, 13)},{dice.uniform(1, 999):.2f},{dice.randrange(9999)},"
             f"{dice.randrange(99999)},2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}" for _ in range(120)]
    return "\n".join(rows).encode()


def log(dice):
    lines = [f"2026-11-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}."
             f"{digits(dice, 6)}Z INFO {word(dice)}[{dice.randrange(99999)}]: {word(dice)} {word(dice)} took {dice.randrange(9999)}ms "
             f"status={dice.choice([200, 204, 404, 500])} bytes={dice.randrange(10**7)} req={'%016x' % dice.getrandbits(64)}" for _ in range(80)]
    return "\n".join(lines).encode()


def diff(dice):
    lines = [f"diff --git a/src/{word(dice)}.rs b/src/{word(dice)}.rs", f"index {'%07x' % dice.getrandbits(28)}..{'%07x' % dice.getrandbits(28)} 100644"]
    for _ in range(60):
        line = f"    let {word(dice)} = {word(dice)}({dice.randrange(10**6)}, 0x{'%x' % dice.getrandbits(32)});"
        lines.append(dice.choice("+- ") + line)
    return "\n".join(lines).encode()


def minified(dice):
    return "".join(f"function {word(dice)[0]}{dice.randrange(99)}(e,t){{return e.{word(dice)}[{dice.randrange(99)}]|t<<{dice.randrange(31)}"
                   f"^{dice.randrange(2**31)}}}var {word(dice)}=\"{word(dice)}@{version(dice)}\";" for _ in range(80)).encode()


def hashes(dice):
    return "\n".join(f"{'%064x' % dice.getrandbits(256)}  {word(dice)}-{version(dice)}.tar.gz" for _ in range(80)).encode()


def numbers(dice):
    return "\n".join(",".join(digits(dice, dice.randrange(7, 19)) for _ in range(6)) for _ in range(60)).encode()


def picture(dice):
    return json.dumps({"image": base64.b64encode(dice.randbytes(6000)).decode(), "width": 640, "height": 480}).encode()


def lock(dice):
    return "\n".join(f'"{word(dice)}-{word(dice)}@^{version(dice)}":\n  version "{version(dice)}"\n  integrity sha512-'
                     f'{base64.b64encode(dice.randbytes(64)).decode()}' for _ in range(60)).encode()


def prose(dice):
    return " ".join(f"{word(dice).title()} {word(dice)} {word(dice)} {dice.randrange(9999)} {word(dice)} (see section {version(dice)})." for _ in range(80)).encode()


def coordinates(dice):
    return json.dumps([{"x": round(dice.uniform(-180, 180), 5), "y": round(dice.uniform(-90, 90), 5), "z": dice.randrange(20)} for _ in range(80)]).encode()


KINDS = {
    "orders.json": orders, "events.ndjson": events, "prices.csv": prices, "service.log": log, "change.diff": diff, "bundle.js": minified,
    "sums.txt": hashes, "numbers.csv": numbers, "picture.json": picture, "yarn.lock": lock, "notes.txt": prose, "mesh.json": coordinates,
}
