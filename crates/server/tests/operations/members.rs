//! Every member of every input is taken, in both protocols: what a client may send is used or, where it says the same as
//! another member, has to agree with it.

use rheos_testkit::{Call, Home, TestServer};
use rheos_types::Clock;
use rheos_types::limits::Profile;
use serde_json::{Value, json};

type Make = fn(&str, &Value) -> Call;

/// A server that is called in one protocol.
struct Client {
    server: TestServer,
    make: Make,
}

impl Client {
    async fn start(make: Make) -> Self {
        let configure = |config: &mut rheos_server::Config| {
            config.limits = Profile::Open;
            config.long_poll_ms = 0;
            config.stream_ids = true;
        };
        Self { server: TestServer::start_with(Home::Nowhere, configure).await, make }
    }

    async fn ok(&self, operation: &str, body: Value) -> Value {
        let answer = self.server.send(&(self.make)(operation, &body)).await;
        assert_eq!(answer.status, 200, "{operation} {body}: {}", answer.value());
        answer.value()
    }

    /// The same with `DryRun`, which says that it would have succeeded, and then without.
    async fn try_and_do(&self, operation: &str, mut body: Value) -> Value {
        body["DryRun"] = json!(true);
        let tried = self.server.send(&(self.make)(operation, &body)).await;
        assert_eq!(tried.header("x-amzn-errortype"), "DryRunOperationException", "{operation} {body}");
        body["DryRun"] = json!(false);
        self.ok(operation, body).await
    }

    /// A change of a stream, and its end.
    async fn change(&self, operation: &str, stream: &Named, body: Value) {
        self.ok(operation, body).await;
        self.server.wait_until_active(&stream.name).await;
    }

    async fn named(&self, name: &str) -> Named {
        self.server.wait_until_active(name).await;
        let summary = self.server.ok("DescribeStreamSummary", &json!({"StreamName": name})).await;
        let text = |member: &str| summary["StreamDescriptionSummary"][member].as_str().unwrap().to_owned();
        Named { name: name.to_owned(), arn: text("StreamARN"), id: text("StreamId") }
    }
}

/// All that a stream is called.
struct Named {
    name: String,
    arn: String,
    id: String,
}

impl Named {
    /// A body that names the stream in every way there is.
    fn and(&self, more: Value) -> Value {
        let mut body = self.by_arn(more);
        body["StreamName"] = json!(self.name);
        body
    }

    /// The same for operations that take no name.
    fn by_arn(&self, mut more: Value) -> Value {
        more["StreamARN"] = json!(self.arn);
        more["StreamId"] = json!(self.id);
        more
    }

    /// The same for those of resources.
    fn as_resource(&self, mut more: Value) -> Value {
        more["ResourceARN"] = json!(self.arn);
        more["StreamId"] = json!(self.id);
        more
    }
}

#[tokio::test]
async fn every_member_is_taken_in_json() {
    every_member_is_taken(Call::new).await;
}

#[tokio::test]
async fn every_member_is_taken_in_cbor() {
    every_member_is_taken(Call::cbor).await;
}

async fn every_member_is_taken(make: Make) {
    let client = Client::start(make).await;
    client.ok("UpdateAccountSettings", json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}})).await;
    client.ok("DescribeAccountSettings", json!({})).await;
    client.ok("DescribeLimits", json!({})).await;
    let provisioned = json!({"StreamName": "s", "ShardCount": 2, "MaxRecordSizeInKiB": 2048, "Tags": {"a": "1"},
                             "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    client.ok("CreateStream", provisioned).await;
    let stream = client.named("s").await;
    settings(&client, &stream).await;
    records(&client, &stream).await;
    shards(&client, &stream).await;
    consumers(&client, &stream).await;
    on_demand(&client, &stream).await;
    let first = client.ok("ListStreams", json!({"Limit": 1})).await;
    client.ok("ListStreams", json!({"NextToken": first["NextToken"]})).await;
    client.ok("ListStreams", json!({"ExclusiveStartStreamName": first["StreamNames"][0]})).await;
    client.ok("DeleteStream", stream.and(json!({"EnforceConsumerDeletion": true}))).await;
    client.server.stop().await;
}

async fn settings(client: &Client, stream: &Named) {
    client.ok("AddTagsToStream", stream.and(json!({"Tags": {"b": "2"}}))).await;
    let tags = client.ok("ListTagsForStream", stream.and(json!({"Limit": 1, "ExclusiveStartTagKey": "a"}))).await;
    assert_eq!(tags["Tags"], json!([{"Key": "b", "Value": "2"}]));
    client.ok("RemoveTagsFromStream", stream.and(json!({"TagKeys": ["b"]}))).await;
    client.ok("TagResource", stream.as_resource(json!({"Tags": {"c": "3"}}))).await;
    client.ok("UntagResource", stream.as_resource(json!({"TagKeys": ["a"]}))).await;
    let tags = client.ok("ListTagsForResource", stream.as_resource(json!({}))).await;
    assert_eq!(tags["Tags"], json!([{"Key": "c", "Value": "3"}]));
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:GetRecords",
                           "Resource": stream.arn});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    client.ok("PutResourcePolicy", stream.as_resource(json!({"Policy": policy}))).await;
    assert_eq!(client.ok("GetResourcePolicy", stream.as_resource(json!({}))).await["Policy"], policy);
    client.ok("DeleteResourcePolicy", stream.as_resource(json!({}))).await;
    let hours = |hours: u32| stream.and(json!({"RetentionPeriodHours": hours}));
    client.change("IncreaseStreamRetentionPeriod", stream, hours(48)).await;
    client.change("DecreaseStreamRetentionPeriod", stream, hours(24)).await;
    let metrics = || stream.and(json!({"ShardLevelMetrics": ["IncomingBytes"]}));
    client.change("EnableEnhancedMonitoring", stream, metrics()).await;
    client.change("DisableEnhancedMonitoring", stream, metrics()).await;
    let key = || stream.and(json!({"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}));
    client.change("StartStreamEncryption", stream, key()).await;
    client.change("StopStreamEncryption", stream, key()).await;
    client.change("UpdateMaxRecordSize", stream, stream.by_arn(json!({"MaxRecordSizeInKiB": 3072}))).await;
    let page = stream.and(json!({"Limit": 1, "ExclusiveStartShardId": "shardId-000000000000"}));
    let page = client.ok("DescribeStream", page).await;
    assert_eq!(page["StreamDescription"]["Shards"][0]["ShardId"], "shardId-000000000001");
    let summary = client.ok("DescribeStreamSummary", stream.and(json!({}))).await;
    assert_eq!(summary["StreamDescriptionSummary"]["MaxRecordSizeInKiB"], 3072);
}

async fn records(client: &Client, stream: &Named) {
    let record = || json!({"Data": "YQ==", "PartitionKey": "k", "ExplicitHashKey": "0"});
    let first = client.try_and_do("PutRecord", stream.and(record())).await;
    let number = &first["SequenceNumber"];
    let mut second = record();
    second["SequenceNumberForOrdering"] = number.clone();
    let second = client.try_and_do("PutRecord", stream.and(second)).await;
    assert!(second["SequenceNumber"].as_str() > number.as_str());
    client.try_and_do("PutRecords", stream.and(json!({"Records": [record()]}))).await;
    let at = |more: Value| {
        let mut body = stream.and(more);
        body["ShardId"] = json!("0");
        body
    };
    let after = json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number});
    let long_ago = json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_400_000_000.5});
    for (start, count) in [(after, 2), (long_ago, 3)] {
        let iterator = client.try_and_do("GetShardIterator", at(start)).await["ShardIterator"].clone();
        let read = stream.by_arn(json!({"ShardIterator": iterator, "Limit": 100}));
        let read = client.try_and_do("GetRecords", read).await;
        assert_eq!(read["Records"].as_array().unwrap().len(), count);
    }
}

async fn shards(client: &Client, stream: &Named) {
    let described = client.ok("DescribeStream", stream.and(json!({}))).await;
    let created = described["StreamDescription"]["StreamCreationTimestamp"].clone();
    let page =
        json!({"ExclusiveStartShardId": "shardId-000000000000", "MaxResults": 1, "StreamCreationTimestamp": created});
    let page = client.ok("ListShards", stream.and(page)).await;
    assert_eq!(page["Shards"][0]["ShardId"], "shardId-000000000001");
    let now = client.server.clock.wall_ms() / 1000;
    for filter in [
        json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"}),
        json!({"Type": "FROM_TIMESTAMP", "Timestamp": now}),
    ] {
        client.ok("ListShards", stream.and(json!({"ShardFilter": filter}))).await;
    }
    let page = client.ok("ListShards", stream.and(json!({"MaxResults": 1}))).await;
    client.ok("ListShards", json!({"NextToken": page["NextToken"]})).await;
    let merge = json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"});
    client.change("MergeShards", stream, stream.and(merge)).await;
    let split = json!({"ShardToSplit": "2", "NewStartingHashKey": "170141183460469231731687303715884105728"});
    client.change("SplitShard", stream, stream.and(split)).await;
    let count = json!({"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"});
    client.change("UpdateShardCount", stream, stream.and(count)).await;
}

async fn consumers(client: &Client, stream: &Named) {
    let register = |name: &str| stream.by_arn(json!({"ConsumerName": name, "Tags": {"k": "v"}}));
    client.ok("RegisterStreamConsumer", register("b")).await;
    client.ok("RegisterStreamConsumer", register("c")).await;
    let consumer = client.ok("DescribeStreamConsumer", stream.by_arn(json!({"ConsumerName": "c"}))).await;
    let consumer = consumer["ConsumerDescription"]["ConsumerARN"].clone();
    let all = || stream.by_arn(json!({"ConsumerARN": consumer, "ConsumerName": "c"}));
    let mut status = Value::Null;
    for _ in 0..1000 {
        status = client.ok("DescribeStreamConsumer", all()).await["ConsumerDescription"]["ConsumerStatus"].clone();
        if status == "ACTIVE" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(status, "ACTIVE");
    let described = client.ok("DescribeStreamSummary", stream.and(json!({}))).await;
    let created = described["StreamDescriptionSummary"]["StreamCreationTimestamp"].clone();
    let first = stream.by_arn(json!({"MaxResults": 1, "StreamCreationTimestamp": created}));
    let first = client.ok("ListStreamConsumers", first).await;
    let rest = client.ok("ListStreamConsumers", stream.by_arn(json!({"NextToken": first["NextToken"]}))).await;
    assert_eq!(rest["Consumers"][0]["ConsumerName"], "c");

    let now = client.server.clock.wall_ms() as f64 / 1000.0;
    let open = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}});
    let shard = client.server.ok("ListShards", &open).await["Shards"][0]["ShardId"].clone();
    let number =
        client.ok("PutRecord", stream.and(json!({"Data": "", "PartitionKey": "k"}))).await["SequenceNumber"].clone();
    let subscribe = |position: Value, dry_run: bool| {
        let body = json!({"ConsumerARN": consumer, "ShardId": shard, "StreamId": stream.id, "DryRun": dry_run,
                          "StartingPosition": position});
        (client.make)("SubscribeToShard", &body)
    };
    let position = json!({"Type": "AT_TIMESTAMP", "Timestamp": now});
    let tried = client.server.send(&subscribe(position.clone(), true)).await;
    assert_eq!(tried.header("x-amzn-errortype"), "DryRunOperationException");
    let at = json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number});
    let tried = client.server.send(&subscribe(at, true)).await;
    assert_eq!(tried.header("x-amzn-errortype"), "DryRunOperationException");
    let mut events = client.server.events(&subscribe(position, false)).await.unwrap();
    assert_eq!(events.next_news().await.unwrap().payload["Records"][0]["SequenceNumber"], number);
    client.ok("DeregisterStreamConsumer", all()).await;
}

async fn on_demand(client: &Client, stream: &Named) {
    let mode = |mode: &str| json!({"StreamMode": mode});
    let create = json!({"StreamName": "flex", "StreamModeDetails": mode("ON_DEMAND"), "WarmThroughputMiBps": 5,
                        "RecordDistributionStrategy": "AUTO"});
    client.ok("CreateStream", create).await;
    let flex = client.named("flex").await;
    client.ok("PutRecord", flex.and(json!({"Data": ""}))).await;
    let strategy = json!({"RecordDistributionStrategy": "USER_PARTITION_KEY"});
    client.change("UpdateStreamRecordDistributionStrategy", &flex, flex.by_arn(strategy)).await;
    client.change("UpdateStreamWarmThroughput", &flex, flex.and(json!({"WarmThroughputMiBps": 6}))).await;
    let switch = json!({"StreamModeDetails": mode("ON_DEMAND"), "WarmThroughputMiBps": 4});
    client.change("UpdateStreamMode", stream, stream.by_arn(switch)).await;
    let summary = client.ok("DescribeStreamSummary", stream.and(json!({}))).await;
    assert_eq!(summary["StreamDescriptionSummary"]["WarmThroughput"]["TargetMiBps"], 4);
}
