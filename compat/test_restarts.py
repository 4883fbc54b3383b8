"""Restarts: what was acknowledged, and every iterator and token that was given out, outlives the server."""

import pytest

from reading import check_cover, iterator, open_shards, put, read, read_shard, read_stream, shards, wait_active

CLIENT = "boto3"
AREA = "restarts"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_outlives_a_restart(own_server, how):
    server = own_server("--limits", "open")
    kinesis = server.boto3()
    kinesis.create_stream(StreamName="lasting", ShardCount=2, Tags={"kept": "yes"})
    wait_active(kinesis, "lasting")
    kinesis.increase_stream_retention_period(StreamName="lasting", RetentionPeriodHours=72)
    wait_active(kinesis, "lasting")
    places = put(kinesis, "lasting", [(f"key-{i}", b"%d" % i) for i in range(800)])
    kinesis.split_shard(StreamName="lasting", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
    wait_active(kinesis, "lasting")
    described = kinesis.describe_stream(StreamName="lasting")["StreamDescription"]
    latest = iterator(kinesis, "lasting", "shardId-000000000001", "LATEST")
    oldest = iterator(kinesis, "lasting", "shardId-000000000001", "TRIM_HORIZON")
    token = kinesis.list_shards(StreamName="lasting", MaxResults=1)["NextToken"]
    records = read_stream(kinesis, "lasting")

    getattr(server, how)()
    server.start()

    kinesis = server.boto3()
    assert kinesis.describe_stream(StreamName="lasting")["StreamDescription"] == described
    assert kinesis.list_tags_for_stream(StreamName="lasting")["Tags"] == [{"Key": "kept", "Value": "yes"}]
    assert read_stream(kinesis, "lasting") == records and len(records) == 800
    assert [shard["ShardId"] for shard in kinesis.list_shards(NextToken=token)["Shards"]] == [f"shardId-{i:012}" for i in (1, 2, 3)]
    mine = [number for shard, number in places if shard == "shardId-000000000001"]
    assert [record["SequenceNumber"] for record in read(kinesis, oldest)[0]] == mine
    after = put(kinesis, "lasting", [(f"key-{i}", b"after") for i in range(100)])
    newest = [number for shard, number in after if shard == "shardId-000000000001"]
    assert [record["SequenceNumber"] for record in read(kinesis, latest)[0]] == newest
    assert min(map(int, newest)) > max(map(int, mine)), "numbers go on where they were"
    check_cover(open_shards(kinesis, "lasting"))


def test_a_split_that_was_interrupted_is_completed(own_server):
    server = own_server("--limits", "open", "--transition-ms", "1000", "--stream", "splitting:1")
    kinesis = server.boto3()
    wait_active(kinesis, "splitting")
    put(kinesis, "splitting", [(f"{i}", b"before") for i in range(100)])
    kinesis.split_shard(StreamName="splitting", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    server.kill()
    server.start()
    kinesis = server.boto3()
    wait_active(kinesis, "splitting")
    assert len(shards(kinesis, "splitting")) == 3
    check_cover(open_shards(kinesis, "splitting"))
    records, children = read_shard(kinesis, "splitting", "shardId-000000000000")
    assert len(records) == 100 and len(children) == 2
    put(kinesis, "splitting", [(f"{i}", b"after") for i in range(100)])
    assert len(read_stream(kinesis, "splitting")) == 200


def test_the_key_stays(own_server):
    server = own_server()
    key = server.key
    assert (server.data / "root-credentials.json").stat().st_mode & 0o777 == 0o600
    server.stop()
    server.start()
    assert server.key == key
    assert server.boto3().list_streams()["StreamNames"] == []
