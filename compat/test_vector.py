"""What the sink `aws_kinesis_streams` of Vector asks for, as its source has it: a health check, then batches of at most 500
events. (It does so by the AWS SDK for Rust, which has a program of its own here.)"""

import gzip
import random
import string

from botocore.exceptions import ClientError

from reading import read_stream

CLIENT = "Vector aws_kinesis_streams (its calls)"
AREA = "health check and batches"
VERSION = "source 0146226"
AGENT = "vector-sink"


def partition_key():
    return "".join(random.choices(string.ascii_letters + string.digits, k=16))


def test_the_health_check_wants_the_very_name(server, stream):
    kinesis, name = server.boto3(user_agent_extra=AGENT), stream(3)
    answer = kinesis.describe_stream(StreamName=name, Limit=1)["StreamDescription"]
    assert answer["StreamName"] == name and len(answer["Shards"]) == 1 and answer["HasMoreShards"]
    try:
        kinesis.describe_stream(StreamName=name + "-not", Limit=1)
        raise AssertionError("a stream that is not there is healthy")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"


def test_batches_plain_and_compressed(server, stream):
    kinesis, name = server.boto3(user_agent_extra=AGENT), stream(3)
    events = [b'{"message":"%d"}' % i for i in range(1200)]
    for encode, decode in [(bytes, bytes), (gzip.compress, gzip.decompress)]:
        for at in range(0, len(events), 500):
            entries = [{"Data": encode(event), "PartitionKey": partition_key()} for event in events[at : at + 500]]
            assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
        found = [record["Data"] for record in read_stream(kinesis, name)]
        assert sorted(map(decode, found[-1200:] if decode is bytes else [data for data in found if data[:1] == b"\x1f"])) == sorted(events)
