"""The Kinesis Producer Library, unmodified, over TLS and at the limits of a shard."""

import collections

import pytest

import application
from jvm import Producer, serve
from reading import wait_active
from test_reshards import split

AREA = "producer applications"
VERSION = "1.0.7"


def client_of(parameters):
    return f"KPL {VERSION}"


pytestmark = pytest.mark.at_once


def test_what_it_was_told_is_stored_is_there(tmp_path):
    server = serve(tmp_path, "--dev-tls", "--transition-ms", "20")
    try:
        kinesis, stream = server.boto3(), "events"
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        wait_active(kinesis, stream)
        # More than a shard takes.
        producer = Producer(VERSION, server, stream, tmp_path / "producer.log", rate=5000, size=1000, outstanding=3000)

        def were_throttled():
            return sum("ProvisionedThroughputExceededException" in errors for _, _, errors in list(producer.stored.values()))

        producer.until(were_throttled, "a record that the shard had no room for at first")
        split(kinesis, stream, "shardId-000000000000")

        def shards():
            return {shard for shard, _, _ in list(producer.stored.values())}

        producer.until(lambda: len(shards()) == 3, "records in both children")
        producer.stop()
        assert not producer.failed, collections.Counter(producer.failed.values())

        # Every word of the server survives its death, and it is quicker to read without limits.
        server.kill()
        server.flags = ("--limits", "open")
        server.start()
        held = application.contents(server, stream)
        lost = {(shard, sequence, number) for number, (shard, sequence, _) in producer.stored.items()} - held.stored()
        assert not lost, f"{len(lost)} of {len(producer.stored)}, one of them {min(lost)}"
        stored = len({(shard, sequence) for shard, sequence, _ in producer.stored.values()})
        assert stored * 2 < len(producer.stored), "they are packed"
        errors = collections.Counter(error for _, _, errors in producer.stored.values() for error in errors)
        given_up = len(producer.stored.keys() - held.texts())
        print(f"{len(producer.stored)} user records in {stored} records, {given_up} only where the KCL passes them over, errors {dict(errors)}")
    finally:
        if server.process.poll() is None:
            server.stop()
