"""What the AWS provider of Terraform sends, call by call as its source has it, for the resources aws_kinesis_stream,
aws_kinesis_stream_consumer, aws_kinesis_resource_policy and aws_kinesis_account_settings. The provider itself is in no
package registry. Where it waits ten seconds before it looks, this does not."""

import json
import time

import pytest
from botocore.exceptions import ClientError

CLIENT = "Terraform AWS provider (its calls)"
AREA = "plan, apply, destroy"
VERSION = "source 03aadd4"
KEY = "alias/aws/kinesis"


class Provider:
    """The provider's functions, by the names that they have there."""

    def __init__(self, kinesis):
        self.kinesis = kinesis

    def plan(self, *, shards=0, on_demand=False):
        limits = self.kinesis.describe_limits()
        if on_demand:
            assert limits["OnDemandStreamCount"] + 1 <= limits["OnDemandStreamCountLimit"]
        else:
            assert limits["OpenShardCount"] + shards <= limits["ShardLimit"]

    def read(self, name):
        """What is in the state afterwards: every attribute of the resource."""
        found = self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        tags = self.kinesis.list_tags_for_stream(StreamName=name)
        mode = found["StreamModeDetails"]["StreamMode"]
        return {
            "arn": found["StreamARN"],
            "encryption_type": found["EncryptionType"],
            "kms_key_id": found.get("KeyId"),
            "max_record_size_in_kib": found["MaxRecordSizeInKiB"],
            "retention_period": found["RetentionPeriodHours"],
            "shard_count": found["OpenShardCount"] if mode == "PROVISIONED" else None,
            "shard_level_metrics": sorted(sum((each["ShardLevelMetrics"] for each in found["EnhancedMonitoring"]), [])),
            "stream_mode": mode,
            "tags": {tag["Key"]: tag["Value"] for tag in tags["Tags"]},
        }

    def wait(self, name, pending):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                status = self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ResourceNotFoundException" and pending == "DELETING", error
                return
            if status == "ACTIVE" and pending != "DELETING":
                return
            assert status == pending, f"{status} while waiting for the end of {pending}"
            time.sleep(0.05)
        raise AssertionError(f"{name} is still {status}")

    def updated(self, name, call, **members):
        call(**members)
        self.wait(name, "UPDATING")

    def create(self, name, *, shards=None, retention=24, metrics=(), key=None, **members):
        self.plan(shards=shards or 0, on_demand=shards is None)
        if shards:
            members["ShardCount"] = shards
        self.kinesis.create_stream(StreamName=name, **members)
        self.wait(name, "CREATING")
        # Always, even where the stream has this retention already.
        self.updated(name, self.kinesis.increase_stream_retention_period, RetentionPeriodHours=retention, StreamName=name)
        if metrics:
            self.updated(name, self.kinesis.enable_enhanced_monitoring, ShardLevelMetrics=list(metrics), StreamName=name)
        if key:
            self.updated(name, self.kinesis.start_stream_encryption, EncryptionType="KMS", KeyId=key, StreamName=name)
        return self.read(name)

    def delete(self, name, force=False):
        self.kinesis.delete_stream(EnforceConsumerDeletion=force, StreamName=name)
        self.wait(name, "DELETING")


@pytest.fixture
def provider(server):
    return Provider(server.boto3(user_agent_extra="terraform-provider-aws/6"))


def test_a_stream_with_defaults(provider, name):
    state = provider.create(name, shards=1)
    assert state | {"arn": ""} == {
        "arn": "",
        "encryption_type": "NONE",
        "kms_key_id": None,
        "max_record_size_in_kib": 1024,
        "retention_period": 24,
        "shard_count": 1,
        "shard_level_metrics": [],
        "stream_mode": "PROVISIONED",
        "tags": {},
    }
    assert provider.read(name) == state, "a second plan finds nothing to do"
    provider.delete(name)


def test_everything_that_can_be_set_and_changed(provider, name):
    kinesis = provider.kinesis
    metrics = ["IncomingBytes", "OutgoingBytes"]
    provisioned = {"StreamModeDetails": {"StreamMode": "PROVISIONED"}}
    state = provider.create(
        name, shards=2, retention=48, metrics=metrics, key=KEY, MaxRecordSizeInKiB=2048, Tags={"env": "test", "gone": "soon"}, **provisioned
    )
    arn = state["arn"]
    assert (state["shard_count"], state["retention_period"], state["shard_level_metrics"]) == (2, 48, metrics)
    assert (state["encryption_type"], state["kms_key_id"], state["max_record_size_in_kib"]) == ("KMS", KEY, 2048)
    assert state["tags"] == {"env": "test", "gone": "soon"}

    # The order of an update.
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["gone"])
    kinesis.add_tags_to_stream(StreamName=name, Tags={"env": "prod"})
    provider.updated(name, kinesis.update_stream_mode, StreamARN=arn, **provisioned)
    provider.updated(name, kinesis.update_shard_count, ScalingType="UNIFORM_SCALING", StreamName=name, TargetShardCount=3)
    provider.updated(name, kinesis.decrease_stream_retention_period, RetentionPeriodHours=24, StreamName=name)
    provider.updated(name, kinesis.disable_enhanced_monitoring, ShardLevelMetrics=["OutgoingBytes"], StreamName=name)
    provider.updated(name, kinesis.enable_enhanced_monitoring, ShardLevelMetrics=["IteratorAgeMilliseconds"], StreamName=name)
    provider.updated(name, kinesis.stop_stream_encryption, EncryptionType="KMS", KeyId=KEY, StreamName=name)
    provider.updated(name, kinesis.update_max_record_size, MaxRecordSizeInKiB=4096, StreamARN=arn)
    assert provider.read(name) == {
        "arn": arn,
        "encryption_type": "NONE",
        "kms_key_id": None,
        "max_record_size_in_kib": 4096,
        "retention_period": 24,
        "shard_count": 3,
        "shard_level_metrics": ["IncomingBytes", "IteratorAgeMilliseconds"],
        "stream_mode": "PROVISIONED",
        "tags": {"env": "prod"},
    }
    # It was not encrypted any more, and stopping succeeds nevertheless.
    provider.updated(name, kinesis.stop_stream_encryption, EncryptionType="KMS", KeyId=KEY, StreamName=name)
    provider.delete(name)


def test_a_stream_on_demand(provider, name):
    state = provider.create(name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert (state["stream_mode"], state["shard_count"]) == ("ON_DEMAND", None)
    mode = {"StreamModeDetails": {"StreamMode": "PROVISIONED"}}
    provider.updated(name, provider.kinesis.update_stream_mode, StreamARN=state["arn"], **mode)
    assert provider.read(name)["shard_count"] == 4
    provider.delete(name)


def test_the_data_source(provider, name):
    provider.create(name, shards=3)
    kinesis, shards, members = provider.kinesis, [], {"StreamName": name}
    while True:
        page = kinesis.list_shards(**members)
        shards += page["Shards"]
        if "NextToken" not in page:
            break
        members = {"NextToken": page["NextToken"]}
    assert len(shards) == 3 and all("EndingSequenceNumber" not in shard["SequenceNumberRange"] for shard in shards)


def test_a_consumer(provider, name):
    kinesis, arn = provider.kinesis, provider.create(name, shards=1)["arn"]
    made = kinesis.register_stream_consumer(ConsumerName="reader", StreamARN=arn)["Consumer"]["ConsumerARN"]
    find = lambda: kinesis.describe_stream_consumer(ConsumerARN=made)["ConsumerDescription"]
    while find()["ConsumerStatus"] == "CREATING":
        time.sleep(0.05)
    found = find()
    assert (found["ConsumerName"], found["ConsumerARN"], found["StreamARN"]) == ("reader", made, arn)
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        provider.delete(name)
    kinesis.deregister_stream_consumer(ConsumerARN=made)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        while find()["ConsumerStatus"] == "DELETING":
            time.sleep(0.05)
    provider.delete(name, force=True)


def test_a_policy(provider, name):
    kinesis, arn = provider.kinesis, provider.create(name, shards=1)["arn"]
    allowed = {"Sid": "a", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": ["kinesis:PutRecord"], "Resource": arn}
    for statements in [[allowed], [allowed | {"Action": ["kinesis:PutRecord", "kinesis:PutRecords"]}]]:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        kinesis.put_resource_policy(Policy=policy, ResourceARN=arn)
        assert json.loads(kinesis.get_resource_policy(ResourceARN=arn)["Policy"])["Statement"] == statements
    kinesis.delete_resource_policy(ResourceARN=arn)
    # Somebody was faster: the provider takes this for done.
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.delete_resource_policy(ResourceARN=arn)


def test_account_settings(provider):
    kinesis = provider.kinesis
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
