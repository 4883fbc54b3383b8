"""What the output plugin `kinesis_streams` of Fluent Bit sends, byte by byte as its source writes it, as no package registry
has the program: always TLS, HTTP/1.1 and kept alive, a body put together by hand."""

import base64
import http.client
import json
import ssl

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import REGION
from reading import read_shard, wait_active

CLIENT = "Fluent Bit kinesis_streams (its bytes)"
AREA = "log lines over TLS"
VERSION = "source 6cf0f30"
AGENT = "aws-fluent-bit-plugin"


@pytest.fixture(scope="module")
def secure(tmp_path_factory, start_server):
    return start_server(tmp_path_factory.mktemp("tls"), "--dev-tls", "--transition-ms", "20", "--stream", "logs:1", "--stream", "limited:1")


class Plugin:
    """One connection, as the plugin keeps it."""

    def __init__(self, server):
        self.server = server
        host, port = server.tls_endpoint.removeprefix("https://").split(":")
        trust = ssl.create_default_context(cafile=str(server.authority))
        self.connection = http.client.HTTPSConnection(host, int(port), context=trust, timeout=30)

    def put_records(self, stream, events):
        entry = lambda event: '{"Data":"' + base64.b64encode(event).decode() + '","PartitionKey":"0a1b2c3d-e42"}'
        body = ('{"StreamName":"' + stream + '","Records":[' + ",".join(map(entry, events)) + "]}").encode()
        headers = {"User-Agent": AGENT, "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.PutRecords"}
        request = AWSRequest("POST", self.server.tls_endpoint + "/", data=body, headers=headers)
        botocore.auth.SigV4Auth(Credentials(*self.server.key), "kinesis", REGION).add_auth(request)
        self.connection.request("POST", "/", body, dict(request.headers) | {"Connection": "keep-alive"})
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def lines(count, size=0):
    """Events as the plugin serializes them: JSON and a line feed."""
    return [json.dumps({"log": f"line {i} " + "x" * size, "stream": "stdout"}).encode() + b"\n" for i in range(count)]


def test_lines_arrive_in_order(secure):
    kinesis, plugin, events = secure.boto3(), Plugin(secure), lines(700)
    wait_active(kinesis, "logs")
    for batch in (events[:500], events[500:]):
        status, body = plugin.put_records("logs", batch)
        assert status == 200
        # The plugin looks for these members itself, and wants a number that has no sign.
        answer = json.loads(body)
        assert answer["FailedRecordCount"] == 0 and b'"FailedRecordCount":-' not in body
        assert len(answer["Records"]) == len(batch)
    records, _ = read_shard(kinesis, "logs", "shardId-000000000000")
    assert [record["Data"] for record in records] == events


def test_what_failed_is_named_entry_by_entry(secure):
    wait_active(secure.boto3(), "limited")
    status, body = Plugin(secure).put_records("limited", lines(400, size=10_000))
    answer = json.loads(body)
    failed = [entry for entry in answer["Records"] if "ErrorCode" in entry]
    assert status == 200 and answer["FailedRecordCount"] == len(failed) > 0
    assert {entry["ErrorCode"] for entry in failed} == {"ProvisionedThroughputExceededException"}


def test_an_error_is_read_from_the_body(secure):
    status, body = Plugin(secure).put_records("nowhere", lines(1))
    # The plugin takes what stands after the last # of __type, or all of it.
    assert status == 400 and json.loads(body)["__type"].split("#")[-1] == "ResourceNotFoundException"
