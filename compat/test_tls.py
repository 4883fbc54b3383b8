"""boto3 over TLS, trusting the server's own authority and nobody else."""

import pytest
from botocore.exceptions import SSLError

from harness import ROOT_KEY
from reading import check_cover, open_shards, put, read_stream, wait_active
from test_reshards import merge, split
from test_settings import registered

CLIENT = "boto3"
PASS = "boto3 over TLS"
AREA = "streams, records and reshards"


@pytest.fixture(scope="module")
def secure(tmp_path_factory, start_server):
    server = start_server(tmp_path_factory.mktemp("tls"), "--dev-tls", "--require-tls", "--limits", "open", "--transition-ms", "20")
    return server.boto3(tls=True, user_agent_extra="over-tls"), server


def test_a_stream_is_written_split_merged_and_read(secure):
    kinesis, _ = secure
    kinesis.create_stream(StreamName="secure", ShardCount=1)
    wait_active(kinesis, "secure")
    put(kinesis, "secure", [(f"{i}", b"%d" % i * 1000) for i in range(1000)])
    split(kinesis, "secure", "shardId-000000000000")
    put(kinesis, "secure", [(f"{i}", b"%d" % i) for i in range(1000)])
    merge(kinesis, "secure", "shardId-000000000001", "shardId-000000000002")
    assert len(read_stream(kinesis, "secure")) == 2000
    check_cover(open_shards(kinesis, "secure"))


def test_a_large_batch(secure):
    kinesis, _ = secure
    kinesis.create_stream(StreamName="large", ShardCount=1)
    wait_active(kinesis, "large")
    put(kinesis, "large", [("k", b"x" * 1_000_000)] * 10)
    assert [len(record["Data"]) for record in read_stream(kinesis, "large")] == [1_000_000] * 10


def test_a_subscription(secure):
    kinesis, _ = secure
    kinesis.create_stream(StreamName="pushed", ShardCount=1)
    wait_active(kinesis, "pushed")
    arn = kinesis.describe_stream_summary(StreamName="pushed")["StreamDescriptionSummary"]["StreamARN"]
    consumer = registered(kinesis, arn, "reader")
    put(kinesis, "pushed", [("k", b"pushed")])
    start = {"Type": "TRIM_HORIZON"}
    answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition=start)
    for event in answer["EventStream"]:
        if records := event["SubscribeToShardEvent"]["Records"]:
            assert [record["Data"] for record in records] == [b"pushed"]
            break
    answer["EventStream"].close()


def test_who_does_not_know_the_authority_does_not_connect(secure):
    _, server = secure
    stranger = server.boto3(tls=True, authority=None, key=ROOT_KEY, retries={"total_max_attempts": 1})
    with pytest.raises(SSLError):
        stranger.list_streams()
