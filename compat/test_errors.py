"""Mistakes: each gets the error that AWS gives."""

import pytest

from harness import ACCOUNT
from test_streams import refused

CLIENT = "boto3"
AREA = "errors"

MISSING = f"Stream nowhere under account {ACCOUNT} not found."
SHARD_MISSING = f"Shard shardId-000000000000 in stream nowhere under account {ACCOUNT} does not exist"
PATTERN = "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
ENTRY = {"PartitionKey": "k", "Data": b"x"}
FROM_START = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}

# Operation, members, code, and what the message has to say. `{s}` is a stream with one shard.
MISTAKES = [
    ("describe_stream", {"StreamName": "nowhere"}, "ResourceNotFoundException", MISSING),
    ("describe_stream_summary", {"StreamName": "nowhere"}, "ResourceNotFoundException", MISSING),
    ("delete_stream", {"StreamName": "nowhere"}, "ResourceNotFoundException", MISSING),
    ("list_shards", {"StreamName": "nowhere"}, "ResourceNotFoundException", MISSING),
    ("list_tags_for_stream", {"StreamName": "nowhere"}, "ResourceNotFoundException", MISSING),
    ("add_tags_to_stream", {"StreamName": "nowhere", "Tags": {"a": "b"}}, "ResourceNotFoundException", MISSING),
    ("put_record", {"StreamName": "nowhere", **ENTRY}, "ResourceNotFoundException", MISSING),
    ("put_records", {"StreamName": "nowhere", "Records": [ENTRY]}, "ResourceNotFoundException", MISSING),
    ("get_shard_iterator", {"StreamName": "nowhere", **FROM_START}, "ResourceNotFoundException", SHARD_MISSING),
    ("increase_stream_retention_period", {"StreamName": "nowhere", "RetentionPeriodHours": 25}, "ResourceNotFoundException", MISSING),
    ("split_shard", {"StreamName": "nowhere", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "5"}, "ResourceNotFoundException", MISSING),
    ("create_stream", {"StreamName": "{s}", "ShardCount": 1}, "ResourceInUseException", "Stream {s} under account " + ACCOUNT + " already exists."),
    ("create_stream", {"StreamName": "a b", "ShardCount": 1}, "ValidationException", PATTERN),
    ("create_stream", {"StreamName": "a" * 129, "ShardCount": 1}, "ValidationException", "Member must have length less than or equal to 128"),
    ("create_stream", {"StreamName": "x", "ShardCount": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
    ("create_stream", {"ShardCount": 1}, "ValidationException", "Value null at 'streamName' failed to satisfy constraint: Member must not be null"),
    ("describe_stream", {"StreamName": "{s}", "Limit": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
    ("describe_stream", {"StreamName": "{s}", "Limit": 10001}, "ValidationException", "Member must have value less than or equal to 10000"),
    ("put_record", {"StreamName": "{s}", "Data": b"x", "PartitionKey": ""}, "ValidationException", "Member must have length greater than or equal to 1"),
    ("put_record", {"StreamName": "{s}", "Data": b"x", "PartitionKey": "k" * 257}, "ValidationException", "Member must have length less than or equal to 256"),
    ("put_record", {"StreamName": "{s}", "PartitionKey": "k"}, "ValidationException", "Value null at 'data' failed to satisfy constraint: Member must not be null"),
    ("put_record", {"StreamName": "{s}", "Data": b"x" * (1024 * 1024 + 1), "PartitionKey": "k"}, "ValidationException", "Member must have length less than or equal to"),
    ("put_record", {"StreamName": "{s}", "Data": b"x", "PartitionKey": "k", "ExplicitHashKey": "-1"}, "ValidationException", "regular expression pattern"),
    ("put_records", {"StreamName": "{s}", "Records": []}, "ValidationException", "Member must have length greater than or equal to 1"),
    ("put_records", {"StreamName": "{s}", "Records": [ENTRY] * 501}, "ValidationException", "Member must have length less than or equal to 500"),
    ("put_records", {"StreamName": "{s}", "Records": [ENTRY, {"Data": b"x", "PartitionKey": ""}]}, "ValidationException", "records.2.member.partitionKey"),
    ("put_records", {"StreamName": "{s}", "Records": [{**ENTRY, "ExplicitHashKey": str(2**128)}]}, "InvalidArgumentException", "Invalid ExplicitHashKey."),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "shardId-000000000007", "ShardIteratorType": "LATEST"}, "ResourceNotFoundException", "does not exist"),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "nonsense", "ShardIteratorType": "LATEST"}, "ResourceNotFoundException", "Could not find shard nonsense in stream {s}"),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "0", "ShardIteratorType": "OLDEST"}, "ValidationException", "Member must satisfy enum value set"),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER"}, "InvalidArgumentException", "Request specified AT_SEQUENCE_NUMBER and also no StartingSequenceNumber."),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "0", "ShardIteratorType": "LATEST", "StartingSequenceNumber": "5"}, "InvalidArgumentException", "Request specified LATEST and also a StartingSequenceNumber."),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP"}, "InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP."),
    ("get_shard_iterator", {"StreamName": "{s}", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "9" * 57}, "InvalidArgumentException", "is invalid"),
    ("get_records", {"ShardIterator": "AAAA"}, "InvalidArgumentException", "Invalid ShardIterator."),
    ("get_records", {"ShardIterator": "AAAA", "Limit": 10001}, "ValidationException", "Member must have value less than or equal to 10000"),
    ("get_records", {}, "ValidationException", "Value null at 'shardIterator'"),
    ("add_tags_to_stream", {"StreamName": "{s}", "Tags": {"k": "v" * 257}}, "ValidationException", "Member must have length less than or equal to 256"),
    ("list_streams", {"Limit": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
]


@pytest.fixture(scope="module")
def lenient(server):
    """A client that sends what it is told, however wrong."""
    kinesis = server.boto3(parameter_validation=False)
    kinesis.create_stream(StreamName="mistakes", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="mistakes", WaiterConfig={"Delay": 1})
    return kinesis


@pytest.mark.parametrize("operation, members, code, message", MISTAKES, ids=[f"{i:02}-{row[0]}-{row[2]}" for i, row in enumerate(MISTAKES)])
def test_a_mistake_is_named(lenient, operation, members, code, message):
    members = {name: "mistakes" if value == "{s}" else value for name, value in members.items()}
    said = refused(code, getattr(lenient, operation), **members)
    assert message.replace("{s}", "mistakes") in said


def test_several_mistakes_are_counted(lenient):
    said = refused("ValidationException", lenient.describe_stream, StreamName="a b", Limit=0)
    assert said.startswith("2 validation errors detected: ")


def test_an_error_can_be_caught_by_its_class(lenient):
    with pytest.raises(lenient.exceptions.ResourceNotFoundException) as caught:
        lenient.describe_stream(StreamName="nowhere")
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["RequestId"] and metadata["HTTPHeaders"]["x-amz-id-2"] and metadata["RetryAttempts"] == 0
