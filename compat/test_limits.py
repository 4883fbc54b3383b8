"""The limits of a shard, as AWS documents and reports them."""

import time

import pytest

from harness import ACCOUNT
from reading import check_order, iterator, put, read_shard
from test_streams import refused

CLIENT = "boto3"
AREA = "limits"

SHARD = "shardId-000000000000"


@pytest.fixture
def limited(strict, name):
    """A client that does not retry, and a stream of one shard."""
    kinesis = strict.boto3(retries={"total_max_attempts": 1})
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return kinesis, name


def test_a_batch_fails_in_part(limited):
    kinesis, name = limited
    entries = [{"PartitionKey": f"{i}", "Data": b"%05d" % i + b"x" * 8000} for i in range(300)]
    answer = kinesis.put_records(StreamName=name, Records=entries)
    assert len(answer["Records"]) == 300
    failed = [entry for entry in answer["Records"] if "ErrorCode" in entry]
    stored = [(sent, entry) for sent, entry in zip(entries, answer["Records"]) if "SequenceNumber" in entry]
    assert answer["FailedRecordCount"] == len(failed) > 0 and len(failed) + len(stored) == 300
    # A second's worth is 1 MiB, which is 130 of these.
    assert 100 <= len(stored) <= 262, len(stored)
    for entry in failed:
        assert entry["ErrorCode"] == "ProvisionedThroughputExceededException" and "SequenceNumber" not in entry
        assert entry["ErrorMessage"] == f"Rate exceeded for shard {SHARD} in stream {name} under account {ACCOUNT}."
    time.sleep(1.1)
    records, _ = read_shard(kinesis, name, SHARD)
    assert [(record["Data"], record["SequenceNumber"]) for record in records] == [(sent["Data"], entry["SequenceNumber"]) for sent, entry in stored]


def test_a_thousand_records_a_second(limited):
    kinesis, name = limited
    begun = time.monotonic()
    stored = 0
    for _ in range(6):
        entries = [{"PartitionKey": "k", "Data": b"x"}] * 500
        stored += 500 - kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"]
    took = time.monotonic() - begun
    assert 1000 <= stored <= 1000 * (took + 1) + 1, (stored, took)


def test_a_mebibyte_a_second(limited):
    kinesis, name = limited

    def write_much():
        for _ in range(20):
            kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"x" * 900_000)

    message = refused("ProvisionedThroughputExceededException", write_much)
    assert message == f"Rate exceeded for shard {SHARD} in stream {name} under account {ACCOUNT}."


def test_five_reads_a_second(limited):
    kinesis, name = limited
    start = iterator(kinesis, name, SHARD)

    def read_often():
        for _ in range(20):
            kinesis.get_records(ShardIterator=start)

    message = refused("ProvisionedThroughputExceededException", read_often)
    assert message == f"Rate exceeded for shard {SHARD} in stream {name} under account {ACCOUNT}."


def test_a_usual_client_copes(strict, name):
    """boto3 as it comes waits and tries again."""
    kinesis = strict.boto3()
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    put(kinesis, name, [(f"{i}", b"%d" % i) for i in range(200)])
    found = []
    for shard in [SHARD, "shardId-000000000001"]:
        records, _ = read_shard(kinesis, name, shard, limit=15)
        check_order(records)
        found += records
    assert sorted(int(record["Data"]) for record in found) == list(range(200))


def test_without_limits_there_is_none(kinesis, stream):
    name = stream(1)
    for _ in range(3):
        put(kinesis, name, [("k", b"x" * 4000)] * 1000)
    start = iterator(kinesis, name, SHARD)
    for _ in range(20):
        kinesis.get_records(ShardIterator=start, Limit=1)
