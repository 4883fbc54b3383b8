"""Records: written, routed, and read from every kind of iterator."""

import datetime
import time

import pytest

from reading import check_order, hash_of, iterator, open_shards, put, read, read_shard, read_stream, shard_of, shards
from test_streams import refused

CLIENT = "boto3"
AREA = "records and iterators"

ONLY = "shardId-000000000000"


def numbered(count, keys=20):
    return [(f"key-{i % keys}", f"record {i}".encode()) for i in range(count)]


def data(records):
    return [record["Data"] for record in records]


def test_a_record_comes_back_as_it_was(kinesis, stream):
    name = stream(1)
    before = datetime.datetime.now(datetime.timezone.utc)
    place = kinesis.put_record(StreamName=name, PartitionKey="käse-鍵-🔑", Data=bytes(range(256)))
    assert place["ShardId"] == ONLY and "EncryptionType" not in place
    [record], children = read_shard(kinesis, name, ONLY)
    assert children == []
    assert record["SequenceNumber"] == place["SequenceNumber"]
    assert record["PartitionKey"] == "käse-鍵-🔑" and record["Data"] == bytes(range(256))
    assert "EncryptionType" not in record
    slack = datetime.timedelta(seconds=2)
    assert before - slack < record["ApproximateArrivalTimestamp"] < before + datetime.timedelta(seconds=30)
    [start] = [shard["SequenceNumberRange"]["StartingSequenceNumber"] for shard in shards(kinesis, name)]
    assert int(record["SequenceNumber"]) > int(start)


@pytest.mark.parametrize("size", [0, 1, 3, 4096, 1024 * 1024 - 1])
def test_a_record_of_any_size(kinesis, stream, size):
    name = stream(1)
    content = (b"\x00\xff\x80pay load\n" * (size // 12 + 1))[:size]
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=content)
    assert data(read_shard(kinesis, name, ONLY)[0]) == [content]


def test_keys_choose_the_shard(kinesis, stream):
    name = stream(4)
    known = shards(kinesis, name)
    records = [(f"key {i}", b"%d" % i) for i in range(700)]
    places = put(kinesis, name, records)
    assert [place[0] for place in places] == [shard_of(known, hash_of(key)) for key, _ in records]
    for shard in known:
        mine = [record for record, place in zip(records, places) if place[0] == shard["ShardId"]]
        numbers = [place[1] for place in places if place[0] == shard["ShardId"]]
        found, _ = read_shard(kinesis, name, shard["ShardId"])
        check_order(found)
        assert [(record["PartitionKey"], record["Data"]) for record in found] == mine
        assert [record["SequenceNumber"] for record in found] == numbers


def test_an_explicit_hash_key_wins(kinesis, stream):
    name = stream(4)
    known = shards(kinesis, name)
    for hash_key in [0, 1, 2**126 - 1, 2**126, 2**127, 2**128 - 1]:
        place = kinesis.put_record(StreamName=name, PartitionKey="same", ExplicitHashKey=str(hash_key), Data=b"x")
        assert place["ShardId"] == shard_of(known, hash_key)
    message = refused(
        "InvalidArgumentException", kinesis.put_record,
        StreamName=name, PartitionKey="k", ExplicitHashKey=str(2**128), Data=b"x",
    )
    assert message == f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {2**128}"


def test_pages_lose_and_double_nothing(kinesis, stream):
    name = stream(1)
    written = numbered(1234)
    put(kinesis, name, written)
    for limit in [7, 100, 10000]:
        found, _ = read_shard(kinesis, name, ONLY, limit=limit)
        check_order(found)
        assert [(record["PartitionKey"], record["Data"]) for record in found] == written
    [page] = [kinesis.get_records(ShardIterator=iterator(kinesis, name, ONLY), Limit=7)]
    assert len(page["Records"]) == 7 and page["MillisBehindLatest"] >= 0


def test_every_sequence_number_is_a_place_to_start(kinesis, stream):
    name = stream(1)
    places = put(kinesis, name, numbered(12))
    for at, (_, number) in enumerate(places):
        found, _ = read_shard(kinesis, name, ONLY, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
        assert data(found) == [f"record {i}".encode() for i in range(at, 12)]
        found, _ = read_shard(kinesis, name, ONLY, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
        assert data(found) == [f"record {i}".encode() for i in range(at + 1, 12)]
    [start] = [shard["SequenceNumberRange"]["StartingSequenceNumber"] for shard in shards(kinesis, name)]
    found, _ = read_shard(kinesis, name, ONLY, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=start)
    assert len(found) == 12


def test_a_time_is_a_place_to_start(kinesis, stream):
    name = stream(1)
    put(kinesis, name, [("k", b"early")])
    time.sleep(0.1)
    put(kinesis, name, [("k", b"late")])
    early, late = read_shard(kinesis, name, ONLY)[0]
    arrived = late["ApproximateArrivalTimestamp"]
    since = lambda moment: data(read_shard(kinesis, name, ONLY, "AT_TIMESTAMP", Timestamp=moment)[0])
    assert since(arrived) == [b"late"]
    assert since(early["ApproximateArrivalTimestamp"]) == [b"early", b"late"]
    assert since(arrived - datetime.timedelta(days=400)) == [b"early", b"late"]
    assert since(early["ApproximateArrivalTimestamp"] + datetime.timedelta(milliseconds=20)) == [b"late"]
    # Nothing arrived since then: still an iterator, and it sees what comes.
    time.sleep(1.1)
    after = iterator(kinesis, name, ONLY, "AT_TIMESTAMP", Timestamp=arrived + datetime.timedelta(seconds=1))
    put(kinesis, name, [("k", b"later")])
    assert data(read(kinesis, after)[0]) == [b"later"]
    future = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    message = refused(
        "InvalidArgumentException", kinesis.get_shard_iterator,
        StreamName=name, ShardId=ONLY, ShardIteratorType="AT_TIMESTAMP", Timestamp=future,
    )
    assert message.startswith("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.")


def test_latest_is_fixed_when_the_iterator_is_made(kinesis, stream):
    name = stream(1)
    put(kinesis, name, [("k", b"before")])
    latest = iterator(kinesis, name, ONLY, "LATEST")
    put(kinesis, name, [("k", b"after 1"), ("k", b"after 2")])
    assert data(read(kinesis, latest)[0]) == [b"after 1", b"after 2"]
    assert data(read(kinesis, latest)[0]) == [b"after 1", b"after 2"], "and it can be used again"
    assert read_shard(kinesis, name, ONLY, "LATEST")[0] == []


def test_a_reader_follows_the_writer(kinesis, stream):
    name = stream(1)
    following = iterator(kinesis, name, ONLY, "LATEST")
    for i in range(30):
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"%d" % i)
        answer = kinesis.get_records(ShardIterator=following)
        assert data(answer["Records"]) == [b"%d" % i], "what was acknowledged is readable at once"
        following = answer["NextShardIterator"]


def test_ordering_by_sequence_number(kinesis, stream):
    name = stream(1)
    number = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"1")["SequenceNumber"]
    after = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"2", SequenceNumberForOrdering=number)
    assert int(after["SequenceNumber"]) > int(number)
    refused(
        "InvalidArgumentException", kinesis.put_record,
        StreamName=name, PartitionKey="k", Data=b"3", SequenceNumberForOrdering=str(int(number) * 1000),
    )


def test_the_largest_batch(kinesis, stream):
    name = stream(4)
    # 500 records that make up 10 MiB to the byte, keys included.
    size = 10 * 1024 * 1024 // 500
    entries = [(f"{i:04}", b"x" * (size - 4)) for i in range(500)]
    put(kinesis, name, entries)
    assert sorted(record["PartitionKey"] for record in read_stream(kinesis, name)) == [key for key, _ in entries]
    refused(
        "InvalidArgumentException", kinesis.put_records,
        StreamName=name, Records=[{"PartitionKey": key, "Data": content + b"xxxxx" * 400} for key, content in entries],
    )


def test_a_page_is_at_most_ten_mebibytes(kinesis, stream):
    name = stream(1)
    big = b"x" * (1024 * 1024 - 10)
    for i in range(12):
        kinesis.put_record(StreamName=name, PartitionKey=f"{i:02}", Data=big)
    first = kinesis.get_records(ShardIterator=iterator(kinesis, name, ONLY))
    assert 0 < sum(len(record["Data"]) for record in first["Records"]) <= 10 * 1024 * 1024
    found, _ = read_shard(kinesis, name, ONLY)
    assert [record["PartitionKey"] for record in found] == [f"{i:02}" for i in range(12)]


def test_streams_do_not_mix(kinesis, name):
    names = [f"{name}-{i}" for i in range(2)]
    for each in names:
        kinesis.create_stream(StreamName=each, ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName=each, WaiterConfig={"Delay": 1})
        put(kinesis, each, [(f"{i}", each.encode()) for i in range(50)])
    for each in names:
        found = read_stream(kinesis, each)
        assert len(found) == 50 and set(data(found)) == {each.encode()}
    [number] = {read_shard(kinesis, names[0], ONLY)[0][0]["SequenceNumber"]}
    assert len(open_shards(kinesis, names[0])) == 2
    refused(
        "InvalidArgumentException", kinesis.get_shard_iterator,
        StreamName=names[1], ShardId="shardId-000000000001", ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number,
    )
