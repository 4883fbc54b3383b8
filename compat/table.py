"""The table of what was exercised with which client. Protocol, transport and operations are what the server's log says."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

HEAD = [
    "| Client | Version | Protocol | Transport | Operations | Exercised (tests) | Passed |",
    "| --- | --- | --- | --- | --- | --- | --- |",
]
PROTOCOLS = {
    "application/x-amz-json-1.1": "JSON 1.1",
    "application/x-amz-cbor-1.1": "CBOR 1.1",
    "application/x-amz-json-1.0": "JSON 1.0",
    "application/cbor": "RPC v2 CBOR",
    "text/xml": "query",
}

# What the services beside Kinesis are asked for. A form that is compressed says what it wants only when it is read: the KCL's metrics.
BESIDE = {
    "CloudWatch": {"(compressed)", "GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"},
    "DynamoDB": {
        "CreateTable", "DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "Scan", "TransactWriteItems",
        "UpdateContinuousBackups", "UpdateItem", "UpdateTable",
    },
    "STS": {"GetCallerIdentity"},
}

DOCUMENT = Path(__file__).parent.parent / "docs" / "compatibility.md"

rows = []


def implemented():
    """The operations that the document says are there."""
    section = DOCUMENT.read_text().split("## Operations")[1].split("\nEvery other operation")[0]
    return set(re.findall(r"\b(?:[A-Z][a-z]+)+\b", section.split("| --- |", 1)[1]))


class Row:
    """A client on a transport."""

    def __init__(self, client, version, requests, tls=False):
        self.client, self.version, self.requests, self.tls = client, version, requests, tls
        self.areas = defaultdict(list)

    def note(self, area, passed):
        self.areas[area].append(passed)

    def operations(self):
        return {request["operation"] for request in self.requests} & implemented()

    def protocol(self):
        """The one that most requests to Kinesis used; and what else, for which of its operations and for which other service."""
        known = implemented()
        counts = Counter(PROTOCOLS[request["protocol"]] for request in self.requests if request["operation"] in known)
        if not counts:
            return "none"
        usual = counts.most_common(1)[0][0]
        others = defaultdict(set)
        for request in self.requests:
            protocol, operation = PROTOCOLS[request["protocol"]], request["operation"]
            if service := [service for service, has in BESIDE.items() if operation in has]:
                others[protocol].add(service[0])
            elif protocol != usual:
                others[protocol].add(operation)
        return usual + "".join(f"; {', '.join(sorted(names))}: {protocol}" for protocol, names in sorted(others.items()))

    def transport(self):
        versions = sorted({request["http"] for request in self.requests})
        names = {"HTTP/1.1": "HTTP/1.1", "HTTP/2.0": "HTTP/2"}
        text = " and ".join(names[version] for version in versions)
        if self.tls:
            return f"{text} over TLS"
        return text + " by prior knowledge" if "HTTP/2.0" in versions else text

    def line(self):
        exercised = ", ".join(f"{area} ({len(outcomes)})" for area, outcomes in sorted(self.areas.items()))
        passed = [outcome for outcomes in self.areas.values() for outcome in outcomes]
        cells = [self.client, self.version, self.protocol(), self.transport(), len(self.operations()), exercised, f"{sum(passed)} of {len(passed)}"]
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


def add(row):
    rows.append(row)


def absent(name, why):
    """A client that this machine cannot run: named, and an error where every client has to run."""
    if os.environ.get("RHEOS_COMPAT_ALL"):
        pytest.fail(f"{name}: {why}")
    pytest.skip(f"{name}: {why}")


def write(path):
    Path(path).write_text("\n".join(HEAD + [row.line() for row in sorted(rows, key=lambda row: row.client.lower())]) + "\n")
