"""What is set on streams and accounts: policies, metrics, encryption, size, mode."""

import contextlib
import json
import time

from reading import open_shards, put, read_stream, wait_active
from test_streams import refused, summary

CLIENT = "boto3"
AREA = "settings"

KEY = "alias/aws/kinesis"
PRINCIPAL = "111122223333"


def arn_of(kinesis, name):
    return summary(kinesis, name)["StreamARN"]


def test_tags_of_a_resource(kinesis, stream):
    arn = arn_of(kinesis, stream(1, Tags={"made": "with it"}))
    kinesis.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["a"])
    tags = {tag["Key"]: tag["Value"] for tag in kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]}
    assert tags == {"made": "with it", "b": "2"}
    refused("ResourceNotFoundException", kinesis.list_tags_for_resource, ResourceARN=arn + "-not")


def test_a_resource_policy(kinesis, stream):
    arn = arn_of(kinesis, stream(1))
    allowed = {"Effect": "Allow", "Principal": {"AWS": PRINCIPAL}, "Action": "kinesis:GetRecords", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert json.loads(kinesis.get_resource_policy(ResourceARN=arn)["Policy"]) == json.loads(policy)
    kinesis.delete_resource_policy(ResourceARN=arn)
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
    refused("ResourceNotFoundException", kinesis.delete_resource_policy, ResourceARN=arn)


def test_metrics_of_shards(kinesis, stream):
    name = stream(1)
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes", "OutgoingRecords"])
    assert answer["CurrentShardLevelMetrics"] == [] and sorted(answer["DesiredShardLevelMetrics"]) == ["IncomingBytes", "OutgoingRecords"]
    wait_active(kinesis, name)
    kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    wait_active(kinesis, name)
    assert len(summary(kinesis, name)["EnhancedMonitoring"][0]["ShardLevelMetrics"]) in (1, 7)
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert answer["DesiredShardLevelMetrics"] == []
    wait_active(kinesis, name)
    assert summary(kinesis, name)["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]


def test_encryption(kinesis, stream):
    name = stream(1)
    how = {"StreamName": name, "EncryptionType": "KMS", "KeyId": KEY}
    kinesis.start_stream_encryption(**how)
    wait_active(kinesis, name)
    assert summary(kinesis, name)["EncryptionType"] == "KMS" and summary(kinesis, name)["KeyId"] == KEY
    assert kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"secret")["EncryptionType"] == "KMS"
    for _ in range(2):
        kinesis.stop_stream_encryption(**how)
        wait_active(kinesis, name)
    assert "EncryptionType" not in kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"open")
    secret, plain = read_stream(kinesis, name)
    assert (secret["Data"], secret["EncryptionType"], plain["Data"]) == (b"secret", "KMS", b"open")
    assert "EncryptionType" not in plain


def test_larger_records(kinesis, stream):
    name, large = stream(1), b"x" * (9 << 20)
    entry = {"StreamName": name, "PartitionKey": "k", "Data": large}
    assert "Member must have length less than or equal to" in refused("ValidationException", kinesis.put_record, **entry)
    kinesis.update_max_record_size(StreamARN=arn_of(kinesis, name), MaxRecordSizeInKiB=10240)
    wait_active(kinesis, name)
    assert summary(kinesis, name)["MaxRecordSizeInKiB"] == 10240
    kinesis.put_record(**entry)
    assert [record["Data"] == large for record in read_stream(kinesis, name)] == [True]


def test_on_demand(kinesis, stream):
    name = stream(1)
    arn = arn_of(kinesis, name)
    change = {"StreamARN": arn, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    for _ in range(2):
        kinesis.update_stream_mode(**change)
        wait_active(kinesis, name)
    assert summary(kinesis, name)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    refused("ValidationException", kinesis.split_shard, StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    wait_active(kinesis, name)
    kinesis.put_records(StreamName=name, Records=[{"Data": b"without a key"}] * 3)
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    warm = kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=3)
    assert warm["WarmThroughput"]["TargetMiBps"] == 3
    wait_active(kinesis, name)
    assert len(open_shards(kinesis, name)) >= 3 and len(read_stream(kinesis, name)) == 3
    kinesis.update_stream_mode(**change | {"StreamModeDetails": {"StreamMode": "PROVISIONED"}})
    wait_active(kinesis, name)
    assert summary(kinesis, name)["OpenShardCount"] >= 3


def test_a_number_of_shards(kinesis, stream):
    name = stream(2)
    for count in [4, 4, 2]:
        answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=count, ScalingType="UNIFORM_SCALING")
        assert answer["TargetShardCount"] == count
        wait_active(kinesis, name)
        assert len(open_shards(kinesis, name)) == count


def registered(kinesis, arn, name):
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name)["Consumer"]
    described = lambda: kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])["ConsumerDescription"]
    deadline = time.monotonic() + 20
    while described()["ConsumerStatus"] != "ACTIVE" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert described()["ConsumerStatus"] == "ACTIVE"
    return made["ConsumerARN"]


def test_consumers_and_a_subscription(kinesis, stream):
    name = stream(1)
    arn = arn_of(kinesis, name)
    consumers = [registered(kinesis, arn, each) for each in "abc"]
    pages = kinesis.get_paginator("list_stream_consumers").paginate(StreamARN=arn, PaginationConfig={"PageSize": 2})
    assert [each["ConsumerName"] for page in pages for each in page["Consumers"]] == ["a", "b", "c"]
    put(kinesis, name, [("k", b"%d" % i) for i in range(20)])
    answer = kinesis.subscribe_to_shard(ConsumerARN=consumers[0], ShardId="shardId-000000000000", StartingPosition={"Type": "TRIM_HORIZON"})
    seen = []
    with contextlib.closing(answer["EventStream"]) as events:
        for event in events:
            pushed = event["SubscribeToShardEvent"]
            assert pushed["ContinuationSequenceNumber"] and "ChildShards" not in pushed
            seen += [record["Data"] for record in pushed["Records"]]
            if len(seen) == 20:
                break
    assert seen == [b"%d" % i for i in range(20)]
    refused("ResourceInUseException", kinesis.delete_stream, StreamName=name)
    kinesis.deregister_stream_consumer(ConsumerARN=consumers[1])
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
