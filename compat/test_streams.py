"""Streams: made, described, listed, changed and deleted."""

import datetime
import time

import pytest
from botocore.exceptions import ClientError

from harness import ACCOUNT, REGION
from reading import check_cover, open_shards, put, read_stream, shard_pages, shards, wait_active

CLIENT = "boto3"
AREA = "streams and shards"

# Neighbouring shards of a new stream start this far apart (api.md §4.1).
SHARD_STEP = 22300745198530623141535718272648361505980432


def refused(code, call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return caught.value.response["Error"]["Message"]


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def gone(kinesis, name, patience_s=20):
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": patience_s})


def test_a_new_stream_is_described(kinesis, stream):
    name = stream(3)
    answer = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert answer["StreamName"] == name
    assert answer["StreamARN"] == f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"
    assert answer["StreamStatus"] == "ACTIVE"
    assert answer["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert answer["RetentionPeriodHours"] == 24
    assert answer["EncryptionType"] == "NONE" and "KeyId" not in answer
    assert answer["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    assert answer["HasMoreShards"] is False
    age = datetime.datetime.now(datetime.timezone.utc) - answer["StreamCreationTimestamp"]
    assert abs(age) < datetime.timedelta(minutes=1)
    assert [shard["ShardId"] for shard in answer["Shards"]] == [f"shardId-{i:012}" for i in range(3)]
    check_cover(answer["Shards"])
    starts = [int(shard["SequenceNumberRange"]["StartingSequenceNumber"]) for shard in answer["Shards"]]
    assert all(len(str(start)) == 56 and str(start).startswith("49") for start in starts)
    assert [after - before for before, after in zip(starts, starts[1:])] == [SHARD_STEP] * 2
    for shard in answer["Shards"]:
        assert "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        assert "ParentShardId" not in shard and "AdjacentParentShardId" not in shard


def test_the_summary_counts(kinesis, stream):
    answer = summary(kinesis, stream(5))
    assert answer["OpenShardCount"] == 5
    assert answer["ConsumerCount"] == 0
    assert answer["MaxRecordSizeInKiB"] == 1024
    assert answer["RetentionPeriodHours"] == 24
    assert answer["EncryptionType"] == "NONE"
    assert "Shards" not in answer


def test_without_a_count_there_are_four_shards(kinesis, name):
    kinesis.create_stream(StreamName=name)
    wait_active(kinesis, name)
    assert summary(kinesis, name)["OpenShardCount"] == 4


def test_an_on_demand_stream(kinesis, name):
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    wait_active(kinesis, name)
    answer = summary(kinesis, name)
    assert answer["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"} and answer["OpenShardCount"] == 4
    [first, *_] = shards(kinesis, name)
    refused("ValidationException", kinesis.split_shard, StreamName=name, ShardToSplit=first["ShardId"], NewStartingHashKey="77")


def test_streams_are_listed_in_pages(kinesis, name):
    names = sorted(f"{name}-{suffix}" for suffix in "zyxwvuABCDE_.0")
    for each in names:
        kinesis.create_stream(StreamName=each, ShardCount=1)
    for each in names:
        wait_active(kinesis, each)
    pages = list(kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 5}))
    listed = [each for page in pages for each in page["StreamNames"]]
    assert listed == sorted(listed) and set(names) <= set(listed)
    assert all(page["HasMoreStreams"] for page in pages[:-1]) and not pages[-1]["HasMoreStreams"]
    assert all("NextToken" in page for page in pages[:-1]) and "NextToken" not in pages[-1]
    found = [each for page in pages for each in page["StreamSummaries"]]
    assert [each["StreamName"] for each in found] == listed
    assert all(each["StreamARN"].endswith(f":stream/{each['StreamName']}") for each in found)
    # The older way: start behind a name.
    after = kinesis.list_streams(ExclusiveStartStreamName=names[3], Limit=2)
    assert after["StreamNames"] == names[4:6]


def test_shards_are_described_and_listed_in_pages(kinesis, stream):
    name = stream(7)
    everything = [f"shardId-{i:012}" for i in range(7)]
    pages = list(kinesis.get_paginator("describe_stream").paginate(StreamName=name, PaginationConfig={"PageSize": 3}))
    assert [len(page["StreamDescription"]["Shards"]) for page in pages] == [3, 3, 1]
    assert [shard["ShardId"] for page in pages for shard in page["StreamDescription"]["Shards"]] == everything
    pages = shard_pages(kinesis, name, MaxResults=2)
    assert [len(page["Shards"]) for page in pages] == [2, 2, 2, 1] and "NextToken" not in pages[-1]
    assert [shard["ShardId"] for page in pages for shard in page["Shards"]] == everything
    after = kinesis.list_shards(StreamName=name, ExclusiveStartShardId=everything[4])["Shards"]
    assert [shard["ShardId"] for shard in after] == everything[5:]


def test_a_token_stands_alone(kinesis, stream):
    name = stream(3)
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    message = refused("InvalidArgumentException", kinesis.list_shards, StreamName=name, NextToken=token)
    assert message == "NextToken and StreamName cannot be provided together."
    refused("InvalidArgumentException", kinesis.list_shards, NextToken=token[:-4] + "AAAA")
    refused("InvalidArgumentException", kinesis.list_shards)


def test_an_arn_names_a_stream_as_well(kinesis, stream):
    name = stream(1)
    arn = summary(kinesis, name)["StreamARN"]
    place = kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"by arn")
    start = kinesis.get_shard_iterator(StreamARN=arn, ShardId=place["ShardId"], ShardIteratorType="TRIM_HORIZON")
    [record] = kinesis.get_records(StreamARN=arn, ShardIterator=start["ShardIterator"])["Records"]
    assert record["Data"] == b"by arn"
    assert kinesis.list_shards(StreamARN=arn)["Shards"]
    kinesis.add_tags_to_stream(StreamARN=arn, Tags={"a": "b"})
    assert kinesis.list_tags_for_stream(StreamARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    missing = refused("ResourceNotFoundException", kinesis.describe_stream, StreamARN=arn + "-not")
    assert missing == f"Stream {name}-not under account {ACCOUNT} not found."


def test_a_deleted_stream_goes_and_its_records_with_it(kinesis, stream):
    name = stream(2)
    put(kinesis, name, [(f"k{i}", b"old") for i in range(20)])
    before = [shard["SequenceNumberRange"]["StartingSequenceNumber"] for shard in shards(kinesis, name)]
    kinesis.delete_stream(StreamName=name)
    gone(kinesis, name)
    refused("ResourceNotFoundException", kinesis.put_record, StreamName=name, PartitionKey="k", Data=b"x")
    refused("ResourceNotFoundException", kinesis.describe_stream, StreamName=name)
    kinesis.create_stream(StreamName=name, ShardCount=2)
    wait_active(kinesis, name)
    assert read_stream(kinesis, name) == []
    after = [shard["SequenceNumberRange"]["StartingSequenceNumber"] for shard in shards(kinesis, name)]
    assert all(int(new) > int(old) for old, new in zip(before, after)), "a stream made again does not repeat numbers"


def test_each_state_can_be_seen(slow, name):
    kinesis = slow.boto3()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    creating = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert creating["StreamStatus"] == "CREATING" and creating["Shards"] == []
    refused("ResourceInUseException", kinesis.create_stream, StreamName=name, ShardCount=1)
    refused("ResourceNotFoundException", kinesis.put_record, StreamName=name, PartitionKey="k", Data=b"x")
    wait_active(kinesis, name)
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    assert summary(kinesis, name)["StreamStatus"] == "UPDATING"
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"writes go on")
    message = refused("ResourceInUseException", kinesis.increase_stream_retention_period, StreamName=name, RetentionPeriodHours=48)
    assert message == f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"
    wait_active(kinesis, name)
    kinesis.delete_stream(StreamName=name)
    assert summary(kinesis, name)["StreamStatus"] == "DELETING"
    message = refused("ResourceInUseException", kinesis.create_stream, StreamName=name, ShardCount=1)
    assert message == f"Stream {name} under account {ACCOUNT} already exists."
    gone(kinesis, name)


def test_tags(kinesis, stream):
    name = stream(1, Tags={"made": "with it", "team": "ταμείο"})
    kinesis.add_tags_to_stream(StreamName=name, Tags={"cost centre": "a/b+c=d@e-f_g.h", "empty": ""})
    kinesis.add_tags_to_stream(StreamName=name, Tags={"made": "again"})
    wanted = {"made": "again", "team": "ταμείο", "cost centre": "a/b+c=d@e-f_g.h", "empty": ""}
    answer = kinesis.list_tags_for_stream(StreamName=name)
    assert {tag["Key"]: tag["Value"] for tag in answer["Tags"]} == wanted and answer["HasMoreTags"] is False
    keys = [tag["Key"] for tag in answer["Tags"]]
    assert keys == sorted(keys)
    first = kinesis.list_tags_for_stream(StreamName=name, Limit=3)
    assert len(first["Tags"]) == 3 and first["HasMoreTags"] is True
    rest = kinesis.list_tags_for_stream(StreamName=name, ExclusiveStartTagKey=first["Tags"][-1]["Key"])
    assert [tag["Key"] for tag in first["Tags"] + rest["Tags"]] == keys
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["made", "never there"])
    left = kinesis.list_tags_for_stream(StreamName=name)["Tags"]
    assert {tag["Key"] for tag in left} == set(wanted) - {"made"}
    message = refused("InvalidArgumentException", kinesis.add_tags_to_stream, StreamName=name, Tags={"a;b": "c"})
    assert message.startswith("Some tags contain invalid characters.")


def test_retention(kinesis, stream):
    name = stream(1)
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    wait_active(kinesis, name)
    assert summary(kinesis, name)["RetentionPeriodHours"] == 48
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    wait_active(kinesis, name)
    message = refused("InvalidArgumentException", kinesis.increase_stream_retention_period, StreamName=name, RetentionPeriodHours=24)
    assert message.startswith(f"Requested retention period (24 hours) for stream {name} can not be shorter than existing")
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    wait_active(kinesis, name)
    assert summary(kinesis, name)["RetentionPeriodHours"] == 24
    for hours in [23, 8761]:
        refused("InvalidArgumentException", kinesis.increase_stream_retention_period, StreamName=name, RetentionPeriodHours=hours)


def test_limits_are_described(kinesis, stream):
    stream(2)
    answer = kinesis.describe_limits()
    assert answer["ShardLimit"] >= answer["OpenShardCount"] >= 2
    assert answer["OnDemandStreamCountLimit"] >= answer["OnDemandStreamCount"] >= 0


def test_a_region_is_a_namespace_of_its_own(server, kinesis, stream):
    name = stream(1)
    elsewhere = server.boto3(region="eu-central-1")
    refused("ResourceNotFoundException", elsewhere.describe_stream, StreamName=name)
    elsewhere.create_stream(StreamName=name, ShardCount=2)
    wait_active(elsewhere, name)
    assert summary(elsewhere, name)["StreamARN"].startswith("arn:aws:kinesis:eu-central-1:")
    assert len(open_shards(elsewhere, name)) == 2 and len(open_shards(kinesis, name)) == 1


def test_a_stream_of_the_command_line_is_ready(strict):
    kinesis = strict.boto3()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and summary(kinesis, "ready")["StreamStatus"] != "ACTIVE":
        time.sleep(0.1)
    assert summary(kinesis, "ready")["OpenShardCount"] == 2


def test_a_long_name_of_every_character(kinesis, name):
    long = ("aZ0_.-" * 22)[:128]
    kinesis.create_stream(StreamName=long, ShardCount=1)
    wait_active(kinesis, long)
    put(kinesis, long, [("k", b"v")])
    assert [record["Data"] for record in read_stream(kinesis, long)] == [b"v"]


def test_operations_to_come_say_so(kinesis):
    assert "ListChannels" in refused("UnknownOperationException", kinesis.list_channels)
