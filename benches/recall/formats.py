"""Every way the values of a detector are written down: under its field name, behind its word, and wrapped."""

import base64
import csv
import gzip
import io
import json
import re
import sqlite3
import struct
import tarfile
import tempfile
import urllib.parse
import zipfile
from email.message import EmailMessage
from xml.sax.saxutils import escape

GROUPS = ["fields", "text", "wrapped"]


class Format:
    """A format: what it is called, what its files end in, how it is told to `tidegate scan`, and how it is written."""

    def __init__(self, name, group, ending, write, arguments=(), single=False):
        self.name, self.group, self.ending, self.arguments, self.single = name, group, ending, list(arguments), single
        self._write = write

    def portions(self, values):
        """The values file by file: all in one, or the first few one by one where a file is one record."""
        return [[value] for value in values[:4]] if self.single else [values] if values else []

    def write(self, detector, values):
        """One file, or None where this detector cannot be written this way."""
        content = records(detector, values) if self.group == "fields" else sentences(detector, values)
        if content is None and self.group == "wrapped":
            content = [json.dumps(record, ensure_ascii=False) for record in records(detector, values)]
        try:
            return None if content is None else self._write(content)
        except (UnicodeEncodeError, ValueError):
            return None


def records(detector, values):
    """One record a value, under the name that vouches for it."""
    field = detector["field"]
    before = "" if field or not detector["context"] else detector["context"] + " "
    return [{field or "text": before + value, **detector["beside"]} for value in values]


def sentences(detector, values):
    """One sentence a value, with the word that vouches for it; None where only a field name would do."""
    needs = detector["needs"] or ""
    if needs in ("key", "person") or needs.startswith("with ") or (needs == "context" and not detector["context"]):
        return None
    if detector["stands"] == "line" or not detector["context"]:
        return list(values)
    return [f"{detector['context']} {value}" for value in values]


def name_of(field):
    """A field name as an XML name."""
    return re.sub(r"[^\w.-]", "_", field)


def element(record):
    fields = "".join(f"<{name_of(key)}>{escape(text)}</{name_of(key)}>" for key, text in record.items())
    return f"<item>{fields}</item>"


def separated(rows, delimiter):
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def multipart(rows):
    parts = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n' for key, text in rows[0].items()
    )
    return (parts + "--edge--\r\n").encode()


def yaml(rows):
    # A JSON string is a YAML string.
    items = ["- " + "\n  ".join(f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(text, ensure_ascii=False)}"
                                for key, text in row.items()) for row in rows]
    return ("people:\n" + "\n".join(items) + "\n").encode()


def graphql(rows):
    return json.dumps({"query": "mutation ($people: [P!]!) { add(people: $people) { ok } }",
                       "variables": {"people": rows}}, ensure_ascii=False).encode()


def messagepack(value):
    if isinstance(value, str):
        raw = value.encode()
        return b"\xdb" + struct.pack(">I", len(raw)) + raw
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(messagepack, value))
    pairs = b"".join(messagepack(key) + messagepack(text) for key, text in value.items())
    return b"\xdf" + struct.pack(">I", len(value)) + pairs


def cbor(value):
    head = lambda major, size: bytes([major << 5 | 26]) + struct.pack(">I", size)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(text) for key, text in value.items())


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def protobuf(lines):
    message = lambda line: b"\x0a" + varint(len(line.encode())) + line.encode()
    return b"".join(b"\x12" + varint(len(message(line))) + message(line) for line in lines)


def sqlite(rows):
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        base = sqlite3.connect(file.name)
        columns = ", ".join('"' + key.replace('"', '""') + '" TEXT' for key in rows[0])
        base.execute(f"CREATE TABLE people ({columns})")
        marks = ", ".join("?" * len(rows[0]))
        base.executemany(f"INSERT INTO people VALUES ({marks})", [tuple(row.values()) for row in rows])
        base.commit()
        base.close()
        return open(file.name, "rb").read()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def docx(lines):
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    paragraphs = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in lines)
    return zipped({
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{paragraphs}</w:body></w:document>',
    })


def xlsx(rows):
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cell = lambda text: f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'
    line = lambda cells: "<row>" + "".join(map(cell, cells)) + "</row>"
    body = line(rows[0]) + "".join(line(row.values()) for row in rows)
    return zipped({
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    })


def odt(lines):
    text, office = "urn:oasis:names:tc:opendocument:xmlns:text:1.0", "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    body = "".join(f"<text:p>{escape(line)}</text:p>" for line in lines)
    content = f'<office:document-content xmlns:office="{office}" xmlns:text="{text}"><office:body>{body}</office:body></office:document-content>'
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def pdf(lines):
    """One page of Helvetica, uncompressed; only what that font can write."""
    shown = "".join("(" + re.sub(r"([()\\])", r"\\\1", line) + ") Tj 0 -14 Td\n" for line in lines)
    stream = f"BT /F1 10 Tf 40 800 Td\n{shown}ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + end


def mail(coding):
    def write(lines):
        message = EmailMessage()
        message["Subject"] = "List"
        message.set_content("\n".join(lines) + "\n", cte=coding)
        return bytes(message)
    return write


def tar(lines):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        raw = joined(lines)
        info = tarfile.TarInfo("list.txt")
        info.size = len(raw)
        archive.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def joined(lines, charset="utf-8"):
    return ("\n".join(lines) + "\n").encode(charset)


def html(lines):
    return ("<!doctype html><html><body>" + "".join(f"<p>{escape(line)}</p>" for line in lines) + "</body></html>").encode()


def as_json(value):
    return json.dumps(value, ensure_ascii=False).encode()


FORM = ["--content-type", "application/x-www-form-urlencoded"]
PARTS = ["--content-type", "multipart/form-data; boundary=edge"]
PROTOBUF = ["--content-type", "application/x-protobuf"]

ALL = [
    Format("JSON", "fields", "json", as_json),
    Format("JSON, nested", "fields", "json", lambda rows: as_json({"data": {"page": 1, "items": rows}})),
    Format("JSON, escaped", "fields", "json", lambda rows: json.dumps(rows, ensure_ascii=True).encode()),
    Format("JSON in a JSON string", "fields", "json", lambda rows: as_json({"body": json.dumps(rows, ensure_ascii=False)})),
    Format("JSON lines", "fields", "ndjson", lambda rows: b"".join(as_json(row) + b"\n" for row in rows)),
    Format("GraphQL variables", "fields", "json", graphql),
    Format("form", "fields", "form", lambda rows: urllib.parse.urlencode(rows[0]).encode(), FORM, single=True),
    Format("multipart", "fields", "bin", multipart, PARTS, single=True),
    Format("XML", "fields", "xml", lambda rows: ("<items>" + "".join(map(element, rows)) + "</items>").encode()),
    Format("CSV", "fields", "csv", lambda rows: separated(rows, ",").encode()),
    Format("CSV, UTF-16", "fields", "csv", lambda rows: separated(rows, ",").encode("utf-16")),
    Format("TSV", "fields", "tsv", lambda rows: separated(rows, "\t").encode()),
    Format("YAML", "fields", "yaml", yaml),
    Format("MessagePack", "fields", "msgpack", messagepack),
    Format("CBOR", "fields", "cbor", cbor),
    Format("XLSX", "fields", "xlsx", xlsx),
    Format("SQLite", "fields", "db", sqlite),
    Format("plain text", "text", "txt", joined),
    Format("plain text, UTF-16", "text", "txt", lambda lines: joined(lines, "utf-16")),
    Format("plain text, GB18030", "text", "txt", lambda lines: joined(lines, "gb18030"), ["--charset", "gb18030"]),
    Format("HTML", "text", "html", html),
    Format("JSON strings", "text", "json", as_json),
    Format("mail, quoted-printable", "text", "eml", mail("quoted-printable")),
    Format("mail, base64", "text", "eml", mail("base64")),
    Format("protobuf", "text", "bin", protobuf, PROTOBUF),
    Format("DOCX", "text", "docx", docx),
    Format("ODT", "text", "odt", odt),
    Format("PDF", "text", "pdf", pdf),
    Format("gzip", "wrapped", "gz", lambda lines: gzip.compress(joined(lines), mtime=0)),
    Format("ZIP", "wrapped", "zip", lambda lines: zipped({"list.txt": joined(lines)})),
    Format("tar in gzip", "wrapped", "tgz", lambda lines: gzip.compress(tar(lines), mtime=0)),
    Format("base64 in JSON", "wrapped", "json", lambda lines: as_json({"file": base64.b64encode(joined(lines)).decode()})),
    Format("data: URL in HTML", "wrapped", "html",
           lambda lines: b'<a href="data:text/plain;base64,' + base64.b64encode(joined(lines)) + b'">list</a>'),
    Format("percent-encoded", "wrapped", "txt", lambda lines: ("q=" + urllib.parse.quote("\n".join(lines))).encode()),
    Format("hexadecimal in JSON", "wrapped", "json", lambda lines: as_json({"file": joined(lines).hex()})),
]
