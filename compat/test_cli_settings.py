"""The AWS CLI: what is set on streams, on their consumers and on the account."""

import json

import pytest

from test_cli import refused

CLIENT = "AWS CLI"
AREA = "settings and consumers"

NAME = "cli-settings"
KMS = ["--stream-name", NAME, "--encryption-type", "KMS", "--key-id", "alias/aws/kinesis"]


@pytest.fixture(scope="module")
def aws(server):
    aws = server.cli()
    aws("create-stream", "--stream-name", NAME, "--shard-count", "1", "--tags", "made=with it")
    aws("wait", "stream-exists", "--stream-name", NAME)
    return aws


@pytest.fixture(scope="module")
def arn(aws):
    return summary(aws)["StreamARN"]


def summary(aws):
    return aws("describe-stream-summary", "--stream-name", NAME)["StreamDescriptionSummary"]


def change(aws, *words):
    answer = aws(*words)
    aws("wait", "stream-exists", "--stream-name", NAME)
    return answer


def test_consumers(aws, arn):
    made = aws("register-stream-consumer", "--stream-arn", arn, "--consumer-name", "reader")["Consumer"]
    described = aws("describe-stream-consumer", "--consumer-arn", made["ConsumerARN"])["ConsumerDescription"]
    assert (described["ConsumerName"], described["ConsumerStatus"], described["StreamARN"]) == ("reader", "ACTIVE", arn)
    assert [each["ConsumerName"] for each in aws("list-stream-consumers", "--stream-arn", arn)["Consumers"]] == ["reader"]
    aws("deregister-stream-consumer", "--stream-arn", arn, "--consumer-name", "reader")
    refused("ResourceNotFoundException", aws, "describe-stream-consumer", "--consumer-arn", made["ConsumerARN"])


def test_tags_and_a_policy(aws, arn):
    aws("tag-resource", "--resource-arn", arn, "--tags", "a=1,b=2")
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    tags = {tag["Key"]: tag["Value"] for tag in aws("list-tags-for-resource", "--resource-arn", arn)["Tags"]}
    assert tags == {"made": "with it", "b": "2"}
    allowed = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:GetRecords", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    aws("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    assert json.loads(aws("get-resource-policy", "--resource-arn", arn)["Policy"]) == json.loads(policy)
    aws("delete-resource-policy", "--resource-arn", arn)


def test_metrics_encryption_and_size(aws, arn):
    metrics = ["--stream-name", NAME, "--shard-level-metrics", "IncomingBytes"]
    assert change(aws, "enable-enhanced-monitoring", *metrics)["DesiredShardLevelMetrics"] == ["IncomingBytes"]
    assert change(aws, "disable-enhanced-monitoring", *metrics)["DesiredShardLevelMetrics"] == []
    change(aws, "start-stream-encryption", *KMS)
    assert summary(aws)["EncryptionType"] == "KMS"
    change(aws, "stop-stream-encryption", *KMS)
    change(aws, "update-max-record-size", "--stream-arn", arn, "--max-record-size-in-ki-b", "2048")
    assert summary(aws)["MaxRecordSizeInKiB"] == 2048


def test_shards_and_mode(aws, arn):
    change(aws, "update-shard-count", "--stream-name", NAME, "--target-shard-count", "2", "--scaling-type", "UNIFORM_SCALING")
    assert summary(aws)["OpenShardCount"] == 2
    change(aws, "update-stream-mode", "--stream-arn", arn, "--stream-mode-details", "StreamMode=ON_DEMAND")
    aws("update-account-settings", "--minimum-throughput-billing-commitment", "Status=ENABLED")
    assert aws("describe-account-settings")["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    warm = change(aws, "update-stream-warm-throughput", "--stream-arn", arn, "--warm-throughput-mi-bps", "3")
    assert warm["WarmThroughput"]["TargetMiBps"] == 3
    change(aws, "update-stream-mode", "--stream-arn", arn, "--stream-mode-details", "StreamMode=PROVISIONED")
    assert summary(aws)["OpenShardCount"] >= 3
