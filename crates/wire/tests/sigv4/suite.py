"""Puts Amazon's signing test suite into one file: suite.py <aws-sigv4 crate>/aws-signing-test-suite/v4 > suite.json"""

import json
import pathlib
import sys

FILES = [
    "request",
    "header-canonical-request",
    "header-signed-request",
    "query-canonical-request",
    "query-signed-request",
]

vectors = []
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    context = folder / "context.json"
    if not context.exists() or not json.loads(context.read_text())["normalize"]:
        continue
    vector = {"name": folder.name, "context": json.loads(context.read_text())}
    for name in FILES:
        vector[name] = (folder / f"{name}.txt").read_bytes().decode()
    vectors.append(vector)
json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
print()
