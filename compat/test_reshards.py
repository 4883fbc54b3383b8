"""Splits and merges: lineage, and reading parents and children to the end."""

import random
import threading
import time

from reading import (
    check_cover,
    check_order,
    hash_of,
    hash_range,
    iterator,
    open_shards,
    put,
    read,
    read_shard,
    shard_of,
    shards,
    wait_active,
)
from test_streams import refused

CLIENT = "boto3"
AREA = "splits and merges"

PARENT, LOW, HIGH = (f"shardId-{i:012}" for i in range(3))


def split(kinesis, name, shard, at=None):
    [found] = [each for each in open_shards(kinesis, name) if each["ShardId"] == shard]
    low, high = hash_range(found)
    kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at or (low + high) // 2 + 1))
    wait_active(kinesis, name)


def merge(kinesis, name, low, high):
    kinesis.merge_shards(StreamName=name, ShardToMerge=low, AdjacentShardToMerge=high)
    wait_active(kinesis, name)


def test_a_split(kinesis, stream):
    name = stream(1)
    before = put(kinesis, name, [(f"key-{i}", b"before %d" % i) for i in range(50)])
    split(kinesis, name, PARENT, 2**126)
    after = put(kinesis, name, [(f"key-{i}", b"after %d" % i) for i in range(50)])
    parent, low, high = shards(kinesis, name)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"] and "ParentShardId" not in parent
    assert int(parent["SequenceNumberRange"]["EndingSequenceNumber"]) > int(before[-1][1])
    assert [low["ShardId"], high["ShardId"]] == [LOW, HIGH]
    assert low["ParentShardId"] == high["ParentShardId"] == PARENT
    assert "AdjacentParentShardId" not in low
    assert hash_range(low) == (0, 2**126 - 1) and hash_range(high) == (2**126, 2**128 - 1)
    check_cover([low, high])
    for child in (low, high):
        assert int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > int(parent["SequenceNumberRange"]["StartingSequenceNumber"])
        assert "EndingSequenceNumber" not in child["SequenceNumberRange"]
    assert [place[0] for place in after] == [shard_of([low, high], hash_of(f"key-{i}")) for i in range(50)]
    records, children = read_shard(kinesis, name, PARENT)
    assert [record["Data"] for record in records] == [b"before %d" % i for i in range(50)]
    assert [child["ShardId"] for child in children] == [LOW, HIGH]
    assert all(child["ParentShards"] == [PARENT] for child in children)
    assert [child["HashKeyRange"] for child in children] == [low["HashKeyRange"], high["HashKeyRange"]]
    numbers = {place[1] for place in after}
    found = [record["SequenceNumber"] for child in (LOW, HIGH) for record in read_shard(kinesis, name, child)[0]]
    assert set(found) == numbers and len(found) == 50


def test_a_merge(kinesis, stream):
    name = stream(2)
    put(kinesis, name, [(f"key-{i}", b"before") for i in range(40)])
    merge(kinesis, name, "shardId-000000000000", "shardId-000000000001")
    [child] = open_shards(kinesis, name)
    assert child["ParentShardId"] == "shardId-000000000000"
    assert child["AdjacentParentShardId"] == "shardId-000000000001"
    check_cover([child])
    for parent in ["shardId-000000000000", "shardId-000000000001"]:
        records, [named] = read_shard(kinesis, name, parent)
        assert records and named["ShardId"] == child["ShardId"]
        assert sorted(named["ParentShards"]) == ["shardId-000000000000", "shardId-000000000001"]
    put(kinesis, name, [("k", b"after")])
    assert [record["Data"] for record in read_shard(kinesis, name, child["ShardId"])[0]] == [b"after"]


def test_a_closed_shard_gives_every_kind_of_iterator(kinesis, stream):
    name = stream(1)
    written = put(kinesis, name, [("k", b"%d" % i) for i in range(5)])
    [arrival] = [record["ApproximateArrivalTimestamp"] for record in read_shard(kinesis, name, PARENT)[0][:1]]
    open_iterator = iterator(kinesis, name, PARENT, "LATEST")
    split(kinesis, name, PARENT)
    ending = shards(kinesis, name)[0]["SequenceNumberRange"]["EndingSequenceNumber"]
    for kind, members, count in [
        ("TRIM_HORIZON", {}, 5),
        ("LATEST", {}, 0),
        ("AT_SEQUENCE_NUMBER", {"StartingSequenceNumber": written[2][1]}, 3),
        ("AFTER_SEQUENCE_NUMBER", {"StartingSequenceNumber": written[2][1]}, 2),
        ("AFTER_SEQUENCE_NUMBER", {"StartingSequenceNumber": ending}, 0),
        ("AT_TIMESTAMP", {"Timestamp": arrival}, 5),
    ]:
        records, children = read_shard(kinesis, name, PARENT, kind, **members)
        assert len(records) == count, (kind, members)
        assert [child["ShardId"] for child in children] == [LOW, HIGH], kind
    records, children = read(kinesis, open_iterator)
    assert records == [] and len(children) == 2, "an iterator from before the split comes to the end as well"


def test_filters_choose_shards(kinesis, stream):
    name = stream(1)
    split(kinesis, name, PARENT)
    split(kinesis, name, LOW)
    chosen = lambda kind, **members: [shard["ShardId"] for shard in shards(kinesis, name, ShardFilter={"Type": kind, **members})]
    everything = [f"shardId-{i:012}" for i in range(5)]
    assert chosen("FROM_TRIM_HORIZON") == everything
    assert chosen("AT_TRIM_HORIZON") == everything[:1]
    assert chosen("AT_LATEST") == everything[2:]
    assert chosen("AFTER_SHARD_ID", ShardId=everything[2]) == everything[3:]
    created = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    assert chosen("FROM_TIMESTAMP", Timestamp=created) == everything
    check_cover([shard for shard in shards(kinesis, name, ShardFilter={"Type": "AT_LATEST"})])


def test_what_cannot_be_resharded(kinesis, stream):
    name = stream(3)
    ids = [f"shardId-{i:012}" for i in range(3)]
    message = refused("InvalidArgumentException", kinesis.merge_shards, StreamName=name, ShardToMerge=ids[0], AdjacentShardToMerge=ids[2])
    assert message == f"Shards {ids[0]} and {ids[2]} in stream {name} under account 000000000000 are not an adjacent pair of shards eligible for merging"
    refused("InvalidArgumentException", kinesis.merge_shards, StreamName=name, ShardToMerge=ids[1], AdjacentShardToMerge=ids[0])
    low, high = hash_range(shards(kinesis, name)[1])
    for key in [low - 1, low, low + 1, high, high + 1]:
        message = refused("InvalidArgumentException", kinesis.split_shard, StreamName=name, ShardToSplit=ids[1], NewStartingHashKey=str(key))
        assert f"is not both greater than one plus the shard's StartingHashKey {low} and less than the shard's EndingHashKey {high}." in message
    split(kinesis, name, ids[1], low + 2)
    for call, members in [
        (kinesis.split_shard, {"ShardToSplit": ids[1], "NewStartingHashKey": str(low + 9)}),
        (kinesis.merge_shards, {"ShardToMerge": ids[0], "AdjacentShardToMerge": ids[1]}),
    ]:
        message = refused("InvalidArgumentException", call, StreamName=name, **members)
        assert message == f"Shard {ids[1]} in stream {name} under account 000000000000 has already been merged or split, and thus is not eligible for merging or splitting."
    refused("ResourceNotFoundException", kinesis.split_shard, StreamName=name, ShardToSplit="shardId-000000000099", NewStartingHashKey="5")


def test_nothing_is_lost_while_writers_go_on(server, kinesis, stream):
    """Splits and merges under load; then a consumer walks the lineage and finds every key's records in order."""
    name = stream(2)
    stop = threading.Event()
    written = {}

    def write(writer):
        client = server.boto3()
        count = 0
        while not stop.is_set():
            entries = [
                {"PartitionKey": f"writer {writer}, key {at % 7}", "Data": b"%d:%d" % (writer, at)}
                for at in range(count, count + 10)
            ]
            answer = client.put_records(StreamName=name, Records=entries)
            assert answer["FailedRecordCount"] == 0, answer
            count += 10
        written[writer] = count

    writers = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for writer in writers:
        writer.start()
    try:
        split(kinesis, name, "shardId-000000000000")
        split(kinesis, name, "shardId-000000000001")
        merge(kinesis, name, "shardId-000000000003", "shardId-000000000004")
        merge(kinesis, name, "shardId-000000000002", "shardId-000000000006")
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    check_cover(open_shards(kinesis, name))
    walked, queue, by_key = set(), ["shardId-000000000000", "shardId-000000000001"], {}
    while queue:
        shard = queue.pop(0)
        walked.add(shard)
        records, children = read_shard(kinesis, name, shard)
        check_order(records)
        for record in records:
            by_key.setdefault(record["PartitionKey"], []).append(record["Data"])
        for child in children:
            if set(child["ParentShards"]) <= walked and child["ShardId"] not in walked | set(queue):
                queue.append(child["ShardId"])
    assert walked == {shard["ShardId"] for shard in shards(kinesis, name)}
    assert len(written) == 3 and sum(len(found) for found in by_key.values()) == sum(written.values())
    for key, found in by_key.items():
        numbers = [int(content.split(b":")[1]) for content in found]
        assert numbers == sorted(set(numbers)), f"the records of {key} are in order, once"


def test_consumers_follow_live_reshards(server, kinesis, stream):
    """Three consumers read while shards split and merge under the writers: each sees every record once, keys in order."""
    name = stream(2)
    stop, sent, seen = threading.Event(), {}, [{} for _ in range(3)]

    def write(writer):
        client, count = server.boto3(), 0
        while not stop.is_set():
            entries = [
                {"PartitionKey": f"writer {writer}, key {at % 5}", "Data": b"%d" % at} for at in range(count, count + 20)
            ]
            assert client.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
            count += 20
        sent[writer] = count

    def consume(records):
        client = server.boto3()
        begun = {shard["ShardId"] for shard in shards(client, name) if "ParentShardId" not in shard}
        following = {shard: iterator(client, name, shard) for shard in begun}
        ended, at_rest = set(), False
        while not at_rest:
            at_rest = len(sent) == 3
            for shard, place in list(following.items()):
                answer = client.get_records(ShardIterator=place, Limit=random.choice([7, 100, 1000]))
                for record in answer["Records"]:
                    records.setdefault(record["PartitionKey"], []).append(int(record["Data"]))
                at_rest = at_rest and not answer["Records"] and answer["MillisBehindLatest"] == 0
                following[shard] = answer.get("NextShardIterator")
                children = answer.get("ChildShards", [])
                assert (following[shard] is None) == bool(children)
                if children:
                    at_rest = False
                    del following[shard]
                    ended.add(shard)
                for child in children:
                    if child["ShardId"] not in begun and set(child["ParentShards"]) <= ended:
                        begun.add(child["ShardId"])
                        following[child["ShardId"]] = iterator(client, name, child["ShardId"])

    threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(3)]
    threads += [threading.Thread(target=consume, args=(records,), daemon=True) for records in seen]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        open_now = sorted(open_shards(kinesis, name), key=hash_range)
        if len(open_now) == 1 or (len(open_now) < 6 and random.random() < 0.6):
            split(kinesis, name, random.choice(open_now)["ShardId"])
        else:
            at = random.randrange(len(open_now) - 1)
            merge(kinesis, name, open_now[at]["ShardId"], open_now[at + 1]["ShardId"])
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    assert len(sent) == 3 and not any(thread.is_alive() for thread in threads)
    for records in seen:
        assert sum(map(len, records.values())) == sum(sent.values())
        assert all(numbers == sorted(set(numbers)) for numbers in records.values())
