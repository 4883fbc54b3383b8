//! JSON and CBOR are two spellings of one API: the same calls of two servers, one in each, have the same answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::collections::BTreeSet;

use rheos_testkit::{Answer, Call, TestServer};
use rheos_wire::Operation;
use serde_json::{Value, json};

const CBOR: &str = "application/x-amz-cbor-1.1";

/// Two servers that are told the same, one in JSON and one in CBOR.
struct Pair {
    json: TestServer,
    cbor: TestServer,
    called: BTreeSet<&'static str>,
}

impl Pair {
    async fn start() -> Self {
        Self { json: TestServer::start().await, cbor: TestServer::start().await, called: BTreeSet::new() }
    }

    /// Calls both, which have to say the same; `body` may say different things to each. What each said, and the status.
    async fn both(&mut self, operation: &'static str, body: [&Value; 2]) -> (u16, [Value; 2]) {
        self.called.insert(operation);
        let json = self.json.send(&Call::new(operation, body[0])).await;
        let cbor = self.cbor.send(&Call::cbor(operation, body[1])).await;
        assert_eq!(cbor.header("content-type"), CBOR, "{operation}");
        let heads = [&json, &cbor].map(|answer| (answer.status, answer.header("x-amzn-errortype").to_owned()));
        assert_eq!(heads[0], heads[1], "{operation} {body:?}: {}", json.text());
        assert_eq!(cbor.body.is_empty(), json.body.is_empty(), "{operation}");
        // What LocalStack looks for too: a point in time that is a float.
        assert!(!cbor.body.windows(2).any(|two| two == b"\xc1\xfb"), "{operation}: {:x?}", cbor.body);
        let said = [json.json(), cbor.cbor()];
        assert!(cbor.body.is_empty() || said[1].is_object(), "{operation}: {:x?}", cbor.body);
        assert_eq!(lasting(&said[0]), lasting(&said[1]), "{operation} {body:?}");
        (json.status, said)
    }

    async fn ok(&mut self, operation: &'static str, body: Value) -> [Value; 2] {
        self.ok_each(operation, [&body, &body]).await
    }

    async fn ok_each(&mut self, operation: &'static str, body: [&Value; 2]) -> [Value; 2] {
        let (status, said) = self.both(operation, body).await;
        assert_eq!(status, 200, "{operation} {body:?}: {said:?}");
        said
    }

    async fn wait_until_active(&self, stream: &str) {
        self.json.wait_until_active(stream).await;
        self.cbor.wait_until_active(stream).await;
    }

    async fn stop(self) {
        self.json.stop().await;
        self.cbor.stop().await;
    }
}

/// An answer without what time and chance have put into it: of that only the kind is left.
fn lasting(answer: &Value) -> Value {
    match answer {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let ends = ["SequenceNumber", "Iterator", "Token", "ConsumerARN", "MillisBehindLatest"];
                let is_fleeting = ends.iter().any(|end| name.ends_with(end));
                let is_moment = |number: f64| (1.4e9..1e10).contains(&number);
                let value = match value {
                    Value::Number(number) if is_fleeting || number.as_f64().is_some_and(is_moment) => json!("a number"),
                    Value::String(_) if is_fleeting => json!("a text"),
                    value => lasting(value),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(values) => values.iter().map(lasting).collect(),
        value => value.clone(),
    }
}

/// A member of what each said, in a body made of it.
fn with(said: &[Value; 2], member: &str, body: impl Fn(&Value) -> Value) -> [Value; 2] {
    [&said[0], &said[1]].map(|said| body(&said[member]))
}

#[tokio::test]
async fn every_operation_answers_the_same_in_both() {
    let mut pair = Pair::start().await;
    let tags = json!({"a": "1", "b": "2"});
    pair.ok("CreateStream", json!({"StreamName": "s", "ShardCount": 2, "Tags": tags})).await;
    pair.ok("CreateStream", json!({"StreamName": "t", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).await;
    for stream in ["s", "t"] {
        pair.wait_until_active(stream).await;
        pair.ok("DescribeStream", json!({"StreamName": stream})).await;
        let [_, summary] = pair.ok("DescribeStreamSummary", json!({"StreamName": stream})).await;
        let created = &summary["StreamDescriptionSummary"]["StreamCreationTimestamp"];
        assert!(created.as_f64().is_some_and(|seconds| (1.7e9..1e10).contains(&seconds)), "{created}");
    }
    pair.ok("DescribeLimits", json!({})).await;
    let page = pair.ok("ListStreams", json!({"Limit": 1})).await;
    let rest = with(&page, "NextToken", |token| json!({"NextToken": token}));
    pair.ok_each("ListStreams", [&rest[0], &rest[1]]).await;

    pair.ok("AddTagsToStream", json!({"StreamName": "s", "Tags": {"c": "\u{fc} 3"}})).await;
    pair.ok("RemoveTagsFromStream", json!({"StreamName": "s", "TagKeys": ["a"]})).await;
    let [_, tags] = pair.ok("ListTagsForStream", json!({"StreamName": "s"})).await;
    assert_eq!(tags["Tags"].as_array().unwrap().len(), 2);
    pair.ok("IncreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 48})).await;
    pair.wait_until_active("s").await;
    pair.ok("DecreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 24})).await;
    pair.wait_until_active("s").await;

    let put = json!({"StreamName": "s", "Data": "AP/+", "PartitionKey": "k\"\u{1f30a}", "ExplicitHashKey": "0"});
    let first = pair.ok("PutRecord", put).await;
    let record = |data: &str| json!({"Data": data, "PartitionKey": "k", "ExplicitHashKey": "0"});
    pair.ok("PutRecords", json!({"StreamName": "s", "Records": [record("YQ=="), record("")]})).await;
    let too_much = record(&"A".repeat(700 << 10));
    let many = json!({"StreamName": "s", "Records": [too_much, too_much, too_much]});
    let [_, refused] = pair.ok("PutRecords", many).await;
    assert!(refused["FailedRecordCount"].as_u64().unwrap() > 0);

    let at = |kind: &str| json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": kind});
    let iterator = pair.ok("GetShardIterator", at("TRIM_HORIZON")).await;
    let read = with(&iterator, "ShardIterator", |iterator| json!({"ShardIterator": iterator, "Limit": 3}));
    let read = pair.ok_each("GetRecords", [&read[0], &read[1]]).await;
    assert_eq!((&read[1]["Records"][0]["Data"], &read[1]["Records"][1]["Data"]), (&json!("AP/+"), &json!("YQ==")));
    assert_eq!(read[1]["Records"][0]["SequenceNumber"], first[1]["SequenceNumber"]);

    // From the arrival of the first record on, to the millisecond.
    let arrival = [0, 1].map(|at| {
        let mut body = self::at_timestamp("s");
        body["Timestamp"] = read[at]["Records"][0]["ApproximateArrivalTimestamp"].clone();
        body
    });
    let iterator = pair.ok_each("GetShardIterator", [&arrival[0], &arrival[1]]).await;
    let again = with(&iterator, "ShardIterator", |iterator| json!({"ShardIterator": iterator, "Limit": 1}));
    let again = pair.ok_each("GetRecords", [&again[0], &again[1]]).await;
    assert_eq!(again[1]["Records"][0], read[1]["Records"][0]);

    let middle = "255211775190703847597530955573826158592";
    let split = json!({"StreamName": "s", "ShardToSplit": "1", "NewStartingHashKey": middle});
    pair.ok("SplitShard", split).await;
    pair.wait_until_active("s").await;
    let merge = json!({"StreamName": "s", "ShardToMerge": "2", "AdjacentShardToMerge": "3"});
    pair.ok("MergeShards", merge).await;
    pair.wait_until_active("s").await;
    pair.ok("ListShards", json!({"StreamName": "s"})).await;
    let filter = |filter: Value| json!({"StreamName": "s", "ShardFilter": filter});
    let since = json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1_400_000_000.5});
    pair.ok("ListShards", filter(since)).await;
    pair.ok("ListShards", filter(json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}))).await;
    // The end of a shard: no iterator, but children.
    let ended = json!({"StreamName": "s", "ShardId": "2", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = pair.ok("GetShardIterator", ended).await;
    let read = with(&iterator, "ShardIterator", |iterator| json!({"ShardIterator": iterator}));
    let [_, end] = pair.ok_each("GetRecords", [&read[0], &read[1]]).await;
    assert_eq!((end.get("NextShardIterator"), end["ChildShards"].as_array().unwrap().len()), (None, 1));
    let (status, _) = pair.both("GetRecords", [&json!({"ShardIterator": "x"}); 2]).await;
    assert_eq!(status, 400);

    let arn = json!("arn:aws:kinesis:us-east-1:000000000000:stream/s");
    pair.ok("RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await;
    for server in [&pair.json, &pair.cbor] {
        server.consumer("s", "d").await;
    }
    pair.ok("DescribeStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "d"})).await;
    // `c` is ACTIVE as well: it is older than `d`.
    pair.ok("ListStreamConsumers", json!({"StreamARN": arn})).await;
    pair.both("ListStreamConsumers", [&json!({"StreamARN": arn, "StreamCreationTimestamp": 1_400_000_000}); 2]).await;
    pair.ok("DeregisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "d"})).await;
    pair.ok("DescribeAccountSettings", json!({})).await;
    let commit = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    pair.ok("UpdateAccountSettings", commit).await;

    pair.ok("UpdateShardCount", json!({"StreamName": "s", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"}))
        .await;
    pair.wait_until_active("s").await;
    pair.ok("DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await;

    let called = pair.called.len();
    assert!(called >= 25, "{called}");
    // Of every operation, those to come included: what it says when nothing is said, and of a member of a wrong kind.
    for operation in Operation::ALL {
        for body in [json!({}), json!({"StreamName": 5, "StreamARN": [], "ResourceARN": {}, "Limit": "x"})] {
            pair.both(operation.name(), [&body, &body]).await;
        }
    }
    pair.stop().await;
}

/// There is no CBOR in event streams (`reference/api.md` §8): who asks in it is answered in JSON, but for errors.
#[tokio::test]
async fn a_subscription_that_is_asked_for_in_cbor_has_events_in_json() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    server.ok("PutRecord", &json!({"StreamName": "s", "Data": "aGk=", "PartitionKey": "k"})).await;
    let from = json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_000.5});
    let body = json!({"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": from});
    let mut connection = server.connect().await;
    connection.send(&server.bytes(&Call::cbor("SubscribeToShard", &body))).await;
    let mut events = connection.events().await.unwrap();
    assert_eq!(events.headers["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(events.next().await.unwrap().kind(), "initial-response");
    assert_eq!(events.next_news().await.unwrap().data(), ["hi"]);

    let error = server.send(&Call::cbor("SubscribeToShard", &json!({}))).await;
    assert_eq!((error.status, error.header("content-type")), (400, CBOR));
    assert_eq!(error.cbor()["__type"], "ValidationException");
    drop(events);
    server.stop().await;
}

fn at_timestamp(stream: &str) -> Value {
    json!({"StreamName": stream, "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP"})
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

async fn send(server: &TestServer, operation: &str, body: &str) -> Answer {
    let answer = server.send(&Call::raw(operation, hex(body)).header("content-type", CBOR)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, CBOR), "{:?}", answer.cbor());
    answer
}

/// Bodies as Java v2 writes them (see `codec::cbor` of the wire crate), byte by byte, and answers as it reads them.
#[tokio::test]
async fn the_bytes_of_java() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let stream = "6a 53747265616d4e616d65 61 73"; // "StreamName" "s"
    let record = "bf 64 44617461 43 01ff02 6c 506172746974696f6e4b6579 61 6b ff"; // {"Data": 01ff02, "PartitionKey": "k"}
    // {"Records": [record, record], "StreamName": "s"}
    let put = format!("bf 67 5265636f726473 9f {record} {record} ff {stream} ff");
    let put = send(&server, "PutRecords", &put).await;
    let records = b"\xbf\x67Records\x9f\xbf\x6eSequenceNumber\x78\x38";
    assert!(put.body.starts_with(records), "{:x?}", put.body);
    assert!(put.body.ends_with(b"\xff\xff\x71FailedRecordCount\x00\xff"), "{:x?}", put.body);

    // {"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1(1700000000000)}
    let iterator = format!(
        "bf {stream} 67 53686172644964 61 30 71 53686172644974657261746f7254797065 6c 41545f54494d455354414d50
         69 54696d657374616d70 c1 1b 0000018bcfe56800 ff"
    );
    let iterator = send(&server, "GetShardIterator", &iterator).await.cbor();
    let read = server.send(&Call::cbor("GetRecords", &json!({"ShardIterator": iterator["ShardIterator"]}))).await;
    // Tag 1 around eight bytes of milliseconds, and the data as it is.
    let time = b"\x78\x1bApproximateArrivalTimestamp\xc1\x1b\x00\x00\x01";
    assert!(read.body.windows(time.len()).any(|window| window == time), "{:x?}", read.body);
    let data = b"\x64Data\x43\x01\xff\x02";
    assert_eq!(read.body.windows(data.len()).filter(|window| window == data).count(), 2, "{:x?}", read.body);

    // {"StreamName": "s", "ShardFilter": {"Type": "AT_TIMESTAMP", "Timestamp": 1(now)}}
    let now = u64::try_from(read.cbor()["Records"][0]["ApproximateArrivalTimestamp"].as_f64().unwrap() as i64).unwrap();
    let shards = format!(
        "bf {stream} 6b 536861726446696c746572 bf 64 54797065 6c 41545f54494d455354414d50
         69 54696d657374616d70 c1 1b {:016x} ff ff",
        (now + 1) * 1000
    );
    let shards = send(&server, "ListShards", &shards).await;
    assert!(shards.body.starts_with(b"\xbf\x66Shards\x9f\xbf"), "{:x?}", shards.body);
    assert_eq!(shards.cbor()["Shards"][0]["ShardId"], "shardId-000000000000");

    // Nothing but an end: {}
    assert_eq!(send(&server, "DescribeLimits", "bf ff").await.cbor()["OpenShardCount"], 1);
    let deleted = send(&server, "DeleteStream", &format!("bf {stream} ff")).await;
    assert_eq!(deleted.header("content-length"), "0");
    server.stop().await;
}

/// Java sends texts in base64 nowhere; a blob that is one is taken as in JSON. Byte strings in pieces are whole.
#[tokio::test]
async fn data_in_other_forms() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let rest = "6a 53747265616d4e616d65 61 73 6c 506172746974696f6e4b6579 61 6b";
    for data in ["64 59513d3d", "5f 40 41 61 ff", "d2 41 61"] {
        send(&server, "PutRecord", &format!("a3 64 44617461 {data} {rest}")).await;
    }
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    let data: Vec<_> = read["Records"].as_array().unwrap().iter().map(|record| &record["Data"]).collect();
    assert_eq!(data, ["YQ==", "YQ==", "YQ=="]);
    server.stop().await;
}
