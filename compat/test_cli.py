"""The AWS CLI, as its manual shows it: one journey through a stream's life, a process for each call."""

import base64
import json

import pytest

from harness import ACCOUNT, CliError
from reading import check_cover

CLIENT = "AWS CLI"
AREA = "a stream's life"


@pytest.fixture(scope="module")
def aws(strict):
    return strict.cli()


def refused(code, aws, *words):
    with pytest.raises(CliError) as caught:
        aws(*words)
    assert caught.value.code == code, caught.value
    return caught.value.message


def encoded(text):
    """The CLI takes blobs as text and prints them in base64."""
    return base64.b64encode(text.encode()).decode()


def shard_iterator(aws, stream, shard, kind, *words):
    answer = aws("get-shard-iterator", "--stream-name", stream, "--shard-id", shard, "--shard-iterator-type", kind, *words)
    return answer["ShardIterator"]


def test_create_describe_list(aws):
    assert aws("create-stream", "--stream-name", "life", "--shard-count", "2") is None
    aws("wait", "stream-exists", "--stream-name", "life")
    described = aws("describe-stream", "--stream-name", "life")["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE" and described["StreamARN"].endswith(f":{ACCOUNT}:stream/life")
    check_cover(described["Shards"])
    summary = aws("describe-stream-summary", "--stream-name", "life")["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2
    listed = aws("list-streams")
    assert listed["StreamNames"] == sorted(listed["StreamNames"]) and "life" in listed["StreamNames"]
    assert aws("list-streams", "--page-size", "1")["StreamNames"] == listed["StreamNames"]
    # The CLI's own paging of list-shards sends the name with the token, which AWS refuses as well: page by hand.
    first = aws("list-shards", "--stream-name", "life", "--max-results", "1", "--no-paginate")
    rest = aws("list-shards", "--next-token", first["NextToken"])
    assert [shard["ShardId"] for shard in first["Shards"] + rest["Shards"]] == [shard["ShardId"] for shard in described["Shards"]]
    assert aws("describe-limits")["ShardLimit"] > 0


def test_put_and_get(aws):
    place = aws("put-record", "--stream-name", "life", "--partition-key", "key", "--data", "hello, κόσμε")
    assert place["SequenceNumber"].startswith("49")
    entries = [{"Data": f"r{i}", "PartitionKey": f"k{i}"} for i in range(5)]
    answer = aws("put-records", "--stream-name", "life", "--records", json.dumps(entries))
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 5
    found = []
    for shard in ["shardId-000000000000", "shardId-000000000001"]:
        start = shard_iterator(aws, "life", shard, "TRIM_HORIZON")
        page = aws("get-records", "--shard-iterator", start)
        assert page["MillisBehindLatest"] == 0 and page["NextShardIterator"]
        found += page["Records"]
    wanted = {encoded("hello, κόσμε")} | {encoded(f"r{i}") for i in range(5)}
    assert {record["Data"] for record in found} == wanted and len(found) == 6
    from_it = shard_iterator(aws, "life", place["ShardId"], "AT_SEQUENCE_NUMBER", "--starting-sequence-number", place["SequenceNumber"])
    [record, *_] = aws("get-records", "--shard-iterator", from_it, "--limit", "1")["Records"]
    assert record["SequenceNumber"] == place["SequenceNumber"] and record["PartitionKey"] == "key"
    after = shard_iterator(aws, "life", place["ShardId"], "AFTER_SEQUENCE_NUMBER", "--starting-sequence-number", place["SequenceNumber"])
    assert record["SequenceNumber"] not in {each["SequenceNumber"] for each in aws("get-records", "--shard-iterator", after)["Records"]}
    by_time = shard_iterator(aws, "life", place["ShardId"], "AT_TIMESTAMP", "--timestamp", "2020-01-01T00:00:00Z")
    assert aws("get-records", "--shard-iterator", by_time)["Records"]
    latest = shard_iterator(aws, "life", place["ShardId"], "LATEST")
    assert aws("get-records", "--shard-iterator", latest)["Records"] == []


def test_split_and_merge(aws):
    aws("split-shard", "--stream-name", "life", "--shard-to-split", "shardId-000000000000", "--new-starting-hash-key", str(2**126))
    aws("wait", "stream-exists", "--stream-name", "life")
    aws("merge-shards", "--stream-name", "life", "--shard-to-merge", "shardId-000000000003", "--adjacent-shard-to-merge", "shardId-000000000001")
    aws("wait", "stream-exists", "--stream-name", "life")
    shards = {shard["ShardId"]: shard for shard in aws("list-shards", "--stream-name", "life")["Shards"]}
    assert len(shards) == 5
    child = shards["shardId-000000000004"]
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == ("shardId-000000000003", "shardId-000000000001")
    check_cover([shard for shard in shards.values() if "EndingSequenceNumber" not in shard["SequenceNumberRange"]])
    latest = aws("list-shards", "--stream-name", "life", "--shard-filter", "Type=AT_LATEST")["Shards"]
    assert [shard["ShardId"] for shard in latest] == ["shardId-000000000002", "shardId-000000000004"]
    start = shard_iterator(aws, "life", "shardId-000000000000", "TRIM_HORIZON")
    page = aws("get-records", "--shard-iterator", start)
    if "NextShardIterator" in page:
        page = aws("get-records", "--shard-iterator", page["NextShardIterator"])
    assert "NextShardIterator" not in page
    assert [child["ShardId"] for child in page["ChildShards"]] == ["shardId-000000000002", "shardId-000000000003"]


def test_tags_and_retention(aws):
    aws("add-tags-to-stream", "--stream-name", "life", "--tags", "team=payments,stage=test")
    aws("remove-tags-from-stream", "--stream-name", "life", "--tag-keys", "stage")
    assert aws("list-tags-for-stream", "--stream-name", "life")["Tags"] == [{"Key": "team", "Value": "payments"}]
    aws("increase-stream-retention-period", "--stream-name", "life", "--retention-period-hours", "48")
    aws("wait", "stream-exists", "--stream-name", "life")
    assert aws("describe-stream-summary", "--stream-name", "life")["StreamDescriptionSummary"]["RetentionPeriodHours"] == 48
    aws("decrease-stream-retention-period", "--stream-name", "life", "--retention-period-hours", "24")


def test_mistakes(aws):
    message = refused("ResourceNotFoundException", aws, "describe-stream", "--stream-name", "nowhere")
    assert message.strip() == f"Stream nowhere under account {ACCOUNT} not found."
    refused("ResourceInUseException", aws, "create-stream", "--stream-name", "life", "--shard-count", "1")
    refused("InvalidArgumentException", aws, "get-records", "--shard-iterator", "AAAA")
    refused("ValidationException", aws, "create-stream", "--stream-name", "not a name", "--shard-count", "1")


def test_delete(aws):
    aws("wait", "stream-exists", "--stream-name", "life")
    aws("delete-stream", "--stream-name", "life")
    aws("wait", "stream-not-exists", "--stream-name", "life")
    refused("ResourceNotFoundException", aws, "describe-stream", "--stream-name", "life")
