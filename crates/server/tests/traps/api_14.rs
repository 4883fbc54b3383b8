//! The checklist of traps for whoever implements the API (`reference/api.md` §14).

use std::collections::BTreeSet;

use rheos_testkit::{Call, H2, Home, TestServer};
use rheos_types::Clock;
use rheos_wire::ErrorCode;
use serde_json::{Value, json};

use super::{HALF, SHARD, arn, assert_covers, data, frame, ids, merge, news, open, put, read, refused, shards, split};

const CBOR: &str = "application/x-amz-cbor-1.1";

/// In CBOR a point in time is tag 1 and a whole number of milliseconds, both ways; in JSON it is a number of seconds.
#[tokio::test]
async fn api_14_01_cbor_timestamps_are_integer_milliseconds() {
    let server = open().await;
    server.create_stream("s", 1).await;
    put(&server, "s", "x").await;
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    let in_json = read(&server, &iterator).await["Records"][0]["ApproximateArrivalTimestamp"].as_f64().unwrap();
    let in_cbor = server.send(&Call::cbor("GetRecords", &json!({"ShardIterator": iterator}))).await;
    // Tag 1 around a whole number of eight bytes.
    let name = b"ApproximateArrivalTimestamp\xc1\x1b";
    let at = in_cbor.body.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let ms = u64::from_be_bytes(in_cbor.body[at..at + 8].try_into().unwrap());
    assert!((ms as f64 / 1000.0 - in_json).abs() < 0.0005, "{ms} {in_json}");
    // The way in: this very millisecond.
    let since = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": in_json});
    for call in [Call::cbor("GetShardIterator", &since), Call::new("GetShardIterator", &since)] {
        let iterator = server.send(&call).await.value()["ShardIterator"].as_str().unwrap().to_owned();
        assert_eq!(data(&read(&server, &iterator).await), ["x"]);
    }
    server.stop().await;
}

/// A call in CBOR has its error in CBOR too.
#[tokio::test]
async fn api_14_02_errors_of_cbor_calls_are_cbor() {
    let server = TestServer::start().await;
    let answer = server.send(&Call::cbor("DescribeStream", &json!({"StreamName": "nobody"}))).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, CBOR));
    assert_eq!(answer.cbor()["__type"], "ResourceNotFoundException");
    let unreadable = server.send(&Call::raw("DescribeStream", "{}").header("content-type", CBOR)).await;
    assert_eq!((unreadable.status, unreadable.header("content-type")), (400, CBOR));
    assert_eq!(unreadable.cbor(), json!({"__type": "SerializationException"}));
    server.stop().await;
}

/// Who is not let in is told so with 400, not with 403.
#[tokio::test]
async fn api_14_03_access_and_signature_errors_are_400() {
    let server = TestServer::start().await;
    let list = || Call::new("ListStreams", &json!({}));
    let foreign = json!({"StreamARN": "arn:aws:kinesis:us-east-1:111111111111:stream/s"});
    for (call, code) in [
        (list().unsigned(), "MissingAuthenticationTokenException"),
        (list().secret("another"), "InvalidSignatureException"),
        (list().key_id("another"), "UnrecognizedClientException"),
        (Call::new("DescribeStream", &foreign), "AccessDeniedException"),
    ] {
        let answer = server.send(&call).await;
        assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!(code)));
    }
    server.stop().await;
}

/// One error of the model has no "Exception" at its end.
#[test]
fn api_14_04_kms_opt_in_required_has_no_suffix() {
    assert_eq!(ErrorCode::KmsOptInRequired.wire_name(), "KMSOptInRequired");
    assert_eq!(ErrorCode::KmsDisabled.wire_name(), "KMSDisabledException");
}

/// A SerializationException has its text in `Message`, every other error in `message`.
#[tokio::test]
async fn api_14_05_message_with_a_capital_or_without() {
    let server = TestServer::start().await;
    let (_, wrong_kind) = server.call("DescribeStream", &json!({"StreamName": true})).await;
    let expected = "class java.lang.Boolean can not be converted to an String";
    assert_eq!(wrong_kind, json!({"__type": "SerializationException", "Message": expected}));
    let (_, missing) = server.call("DescribeStream", &json!({"StreamName": "nobody"})).await;
    assert!(missing["message"].is_string() && missing.get("Message").is_none(), "{missing}");
    server.stop().await;
}

/// Operations without an output answer 200 with no body at all, in both protocols.
#[tokio::test]
async fn api_14_06_no_output_is_an_empty_body() {
    let server = open().await;
    for (call, name) in [(Call::new as fn(&str, &Value) -> Call, "a"), (Call::cbor, "b")] {
        for (operation, body) in [
            ("CreateStream", json!({"StreamName": name, "ShardCount": 1})),
            ("DeleteStream", json!({"StreamName": name})),
        ] {
            let answer = server.send(&call(operation, &body)).await;
            assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (200, 0, "0"));
        }
    }
    server.stop().await;
}

/// Every answer is named twice: `x-amzn-RequestId` and `x-amz-id-2`.
#[tokio::test]
async fn api_14_07_two_request_ids() {
    let server = TestServer::start().await;
    let mut seen = BTreeSet::new();
    for body in [json!({}), json!({"Limit": 0}), json!({"Limit": "x"})] {
        let answer = server.send(&Call::new("ListStreams", &body)).await;
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        let second = base64_simd::STANDARD.decode_to_vec(answer.header("x-amz-id-2")).unwrap();
        assert!((64..=80).contains(&second.len()), "{}", second.len());
        assert!(seen.insert(answer.header("x-amzn-requestid").to_owned()), "each has its own");
    }
    server.stop().await;
}

/// A shard may be spelt `0`, `x-0` or in full; one that cannot be is not found in other words than one that is not there.
#[tokio::test]
async fn api_14_08_shard_ids_are_read_leniently_and_missed_in_three_ways() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let ask =
        |stream: &str, shard: &str| json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": "LATEST"});
    for spelling in ["0", "x-0", "shardId-000000000000", "a-00000000000000000"] {
        server.ok("GetShardIterator", &ask("s", spelling)).await;
    }
    let no_number = refused(&server, "GetShardIterator", &ask("s", "shardId-x")).await;
    assert_eq!(no_number.1, "Could not find shard shardId-x in stream s under account 000000000000.");
    let absent = refused(&server, "GetShardIterator", &ask("s", "7")).await;
    assert_eq!(absent.1, "Shard shardId-000000000007 in stream s under account 000000000000 does not exist");
    let no_stream = refused(&server, "DescribeStream", &json!({"StreamName": "t"})).await;
    assert_eq!(no_stream.1, "Stream t under account 000000000000 not found.");
    for (code, _) in [no_number, absent, no_stream] {
        assert_eq!(code, "ResourceNotFoundException");
    }
    server.stop().await;
}

/// The first hash key of the upper child is more than one above the parent's; and shards merge in order only.
#[tokio::test]
async fn api_14_09_splits_above_start_plus_one_and_merges_in_order() {
    let server = open().await;
    server.create_stream("s", 2).await;
    let at = |key: &str| json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": key});
    for key in ["0", "1", "170141183460469231731687303715884105727"] {
        let (code, message) = refused(&server, "SplitShard", &at(key)).await;
        assert_eq!(code, "InvalidArgumentException");
        assert!(message.contains("is not both greater than one plus the shard's StartingHashKey 0 and"), "{message}");
    }
    let body = json!({"StreamName": "s", "ShardToMerge": "1", "AdjacentShardToMerge": "0"});
    let (code, message) = refused(&server, "MergeShards", &body).await;
    assert_eq!(code, "InvalidArgumentException");
    assert!(message.ends_with("are not an adjacent pair of shards eligible for merging"), "{message}");
    split(&server, "s", "0", "2").await;
    merge(&server, "s", "2", "3").await;
    server.stop().await;
}

/// A parent stays listed, and has an EndingSequenceNumber; an open shard has none.
#[tokio::test]
async fn api_14_10_parents_are_listed_and_only_they_end() {
    let server = open().await;
    server.create_stream("s", 1).await;
    split(&server, "s", "0", HALF).await;
    let all = shards(&server, "s", json!({"Type": "FROM_TRIM_HORIZON"})).await;
    let ends: Vec<_> =
        all.iter().map(|shard| shard["SequenceNumberRange"].get("EndingSequenceNumber").is_some()).collect();
    assert_eq!((ids(&all).len(), ends), (3, vec![true, false, false]));
    server.stop().await;
}

/// The last read of a shard names its children, and each child its parents: both, after a merge.
#[tokio::test]
async fn api_14_11_the_last_read_names_children_with_their_parents() {
    let server = open().await;
    server.create_stream("s", 2).await;
    merge(&server, "s", "0", "1").await;
    for shard in ["0", "1"] {
        let end = read(&server, &server.iterator("s", shard, "TRIM_HORIZON").await).await;
        assert_eq!(end.get("NextShardIterator"), None);
        let children = end["ChildShards"].as_array().unwrap();
        assert_eq!(ids(children), ["shardId-000000000002"]);
        assert_eq!(children[0]["ParentShards"], json!([SHARD, "shardId-000000000001"]));
        assert_eq!(children[0]["HashKeyRange"]["StartingHashKey"], "0");
    }
    server.stop().await;
}

/// LATEST is the tip of when the iterator was made; AT_TIMESTAMP behind every record is an iterator too.
#[tokio::test]
async fn api_14_12_latest_is_pinned_and_a_late_time_has_an_iterator() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let latest = server.iterator("s", SHARD, "LATEST").await;
    put(&server, "s", "later").await;
    assert_eq!(data(&read(&server, &latest).await), ["later"]);
    server.clock.advance(10_000);
    let now = (server.clock.wall_ms() - 5_000) as f64 / 1000.0;
    let at = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": now});
    let iterator = server.ok("GetShardIterator", &at).await["ShardIterator"].as_str().unwrap().to_owned();
    assert!(data(&read(&server, &iterator).await).is_empty());
    put(&server, "s", "at last").await;
    assert_eq!(data(&read(&server, &iterator).await), ["at last"]);
    server.stop().await;
}

/// Every GetRecords answers with another iterator, also one that has found nothing.
#[tokio::test]
async fn api_14_13_every_call_has_a_new_iterator() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let mut seen = BTreeSet::from([server.iterator("s", SHARD, "LATEST").await]);
    for _ in 0..5 {
        let iterator = seen.last().unwrap().clone();
        let next = read(&server, &iterator).await["NextShardIterator"].as_str().unwrap().to_owned();
        assert!(seen.insert(next), "{seen:?}");
    }
    server.stop().await;
}

/// All six types of ShardFilter, over a split with time before and after it.
#[tokio::test]
async fn api_14_14_six_types_of_shard_filter() {
    let server = open().await;
    server.create_stream("s", 1).await;
    server.clock.advance(10_000);
    let before = server.clock.wall_ms() / 1000;
    server.clock.advance(10_000);
    split(&server, "s", "0", HALF).await;
    server.clock.advance(10_000);
    let after = server.clock.wall_ms() / 1000;
    server.clock.advance(10_000);
    let (parent, lower, upper) = (SHARD, "shardId-000000000001", "shardId-000000000002");
    for (filter, expected) in [
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": lower}), &[upper][..]),
        (json!({"Type": "AT_TRIM_HORIZON"}), &[parent]),
        (json!({"Type": "FROM_TRIM_HORIZON"}), &[parent, lower, upper]),
        (json!({"Type": "AT_LATEST"}), &[lower, upper]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": before}), &[parent]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": after}), &[lower, upper]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": before}), &[parent, lower, upper]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": after}), &[lower, upper]),
    ] {
        let found = shards(&server, "s", filter.clone()).await;
        assert_eq!(ids(&found), expected, "{filter}");
        if filter["Type"].as_str().unwrap().starts_with("AT_") {
            assert_covers(&found);
        }
    }
    server.stop().await;
}

/// PutRecords is refused as a whole for one bad ExplicitHashKey, and in part for a shard that gets too much.
#[tokio::test]
async fn api_14_15_put_records_fails_wholly_or_in_part() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let record = |hash: &str| json!({"Data": "YQ==", "PartitionKey": "k", "ExplicitHashKey": hash});
    let beyond = "340282366920938463463374607431768211456";
    let body = json!({"StreamName": "s", "Records": [record("0"), record(beyond)]});
    assert_eq!(refused(&server, "PutRecords", &body).await.0, "InvalidArgumentException");
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    assert!(data(&read(&server, &iterator).await).is_empty(), "nothing of it is there");

    let large = json!({"Data": "A".repeat(800 << 10), "PartitionKey": "k"});
    let part = server.ok("PutRecords", &json!({"StreamName": "s", "Records": [large, large, large]})).await;
    assert!((1..3).contains(&part["FailedRecordCount"].as_u64().unwrap()), "{part}");
    assert!(part["Records"][0]["SequenceNumber"].is_string());
    assert_eq!(part["Records"][2]["ErrorCode"], "ProvisionedThroughputExceededException");
    server.stop().await;
}

/// Without encryption puts and records say nothing of it, and descriptions say NONE.
#[tokio::test]
async fn api_14_16_no_encryption_is_left_out_or_none() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let one = put(&server, "s", "x").await;
    let many = json!({"StreamName": "s", "Records": [{"Data": "", "PartitionKey": "k"}]});
    let many = server.ok("PutRecords", &many).await;
    let got = read(&server, &server.iterator("s", SHARD, "TRIM_HORIZON").await).await;
    for value in [&one, &many, &got["Records"][0]] {
        assert_eq!(value.get("EncryptionType"), None, "{value}");
    }
    let described = server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    assert_eq!(described["StreamDescription"]["EncryptionType"], "NONE");
    assert_eq!(summary["StreamDescriptionSummary"]["EncryptionType"], "NONE");
    server.stop().await;
}

/// A resource without a policy has an empty one, and no error.
#[tokio::test]
async fn api_14_17_no_policy_is_an_empty_one() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    for resource in [arn("s"), consumer] {
        let policy = server.ok("GetResourcePolicy", &json!({"ResourceARN": resource})).await;
        assert_eq!(policy, json!({"Policy": "{}"}));
    }
    server.stop().await;
}

/// An update to what there is already is accepted, and changes nothing.
#[tokio::test]
async fn api_14_18_same_values_change_nothing() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 2).await;
    server.stop().await;
    // Whatever is a change from here on takes an hour.
    let server = TestServer::start_with(home, |config| config.transition_ms = 3_600_000).await;
    for (operation, member, value) in [
        ("IncreaseStreamRetentionPeriod", "RetentionPeriodHours", json!(24)),
        ("DecreaseStreamRetentionPeriod", "RetentionPeriodHours", json!(24)),
        ("UpdateShardCount", "TargetShardCount", json!(2)),
        ("AddTagsToStream", "Tags", json!({"k": "v"})),
        ("AddTagsToStream", "Tags", json!({"k": "v"})),
        ("RemoveTagsFromStream", "TagKeys", json!(["nobody"])),
        ("UpdateStreamMode", "StreamModeDetails", json!({"StreamMode": "PROVISIONED"})),
        ("UpdateMaxRecordSize", "MaxRecordSizeInKiB", json!(1024)),
        ("StopStreamEncryption", "EncryptionType", json!("KMS")),
    ] {
        let mut body = json!({"StreamARN": arn("s"), member: value});
        match operation {
            "UpdateShardCount" => body["ScalingType"] = json!("UNIFORM_SCALING"),
            "StopStreamEncryption" => body["KeyId"] = json!("alias/aws/kinesis"),
            _ => {}
        }
        server.ok(operation, &body).await;
        let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
        assert_eq!(summary["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE", "{operation}");
    }
    server.stop().await;
}

/// A subscription begins with its frame, beats every five seconds at least, ends after five minutes, and gives way to a
/// newer one after five seconds.
#[tokio::test]
async fn api_14_19_a_subscriptions_frames_and_times() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    let latest = json!({"Type": "LATEST"});
    server.clock.stop();
    // `subscribe` takes off the first frame, and requires it to be the initial response.
    let mut first = server.subscribe(&consumer, SHARD, &latest).await.unwrap();
    server.clock.advance(3_000);
    assert!(server.subscribe(&consumer, SHARD, &latest).await.is_err(), "too early to take over");
    server.clock.advance(3_000);
    let mut second = server.subscribe(&consumer, SHARD, &latest).await.unwrap();
    while frame(&mut first).await.is_some() {}
    for _ in 0..2 {
        let beat = frame(&mut second).await.unwrap();
        assert_eq!((beat.kind(), &beat.payload["Records"]), ("SubscribeToShardEvent", &json!([])));
        server.clock.advance(5_000);
    }
    server.clock.advance(300_000);
    while let Some(frame) = frame(&mut second).await {
        assert_eq!(frame.kind(), "SubscribeToShardEvent", "a clean end");
    }
    server.stop().await;
}

/// A partition key has up to 256 characters, however many bytes; what counts to the size are its bytes.
#[tokio::test]
async fn api_14_20_keys_are_as_long_as_their_characters_and_as_large_as_their_bytes() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let put = |key: String, data_bytes: usize| {
        let data = "A".repeat(data_bytes / 3 * 4);
        json!({"StreamName": "s", "PartitionKey": key, "Data": data})
    };
    let wide = "\u{20ac}".repeat(256);
    server.ok("PutRecord", &put(wide.clone(), 3)).await;
    assert_eq!(refused(&server, "PutRecord", &put("\u{20ac}".repeat(257), 3)).await.0, "ValidationException");
    // A MiB, less 768 bytes for the key, is the most; divided by three it is whole.
    let room = (1 << 20) - 256 * 3;
    let most = room / 3 * 3;
    server.ok("PutRecord", &put(wide.clone(), most)).await;
    assert_eq!(refused(&server, "PutRecord", &put(wide, most + 3)).await.0, "ValidationException");
    server.ok("PutRecord", &put("k".repeat(256), most + 3)).await;
    server.stop().await;
}

/// The hash of a key is its MD5 as an unsigned number, most significant byte first; and the last shard has 2^128-1 too.
#[tokio::test]
async fn api_14_21_md5_is_big_endian_and_the_last_shard_has_the_last_key() {
    let server = open().await;
    server.create_stream("s", 2).await;
    // The MD5 of "h" is 25...91 and that of "e" is e1...32: little-endian, each would be in the other shard.
    let last = "340282366920938463463374607431768211455";
    for (key, hash, shard) in [
        ("h", None, "shardId-000000000000"),
        ("e", None, "shardId-000000000001"),
        ("h", Some(last), "shardId-000000000001"),
        ("e", Some("0"), "shardId-000000000000"),
    ] {
        let body = json!({"StreamName": "s", "PartitionKey": key, "Data": "", "ExplicitHashKey": hash});
        assert_eq!(server.ok("PutRecord", &body).await["ShardId"], shard, "{key} {hash:?}");
    }
    let open = shards(&server, "s", json!({"Type": "AT_LATEST"})).await;
    assert_eq!(open[1]["HashKeyRange"]["EndingHashKey"], last);
    server.stop().await;
}

/// The name of a stream that is DELETING is not free yet.
#[tokio::test]
async fn api_14_22_a_name_is_taken_while_its_stream_is_deleting() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 1).await;
    server.stop().await;
    let server = TestServer::start_with(home, |config| config.transition_ms = 3_600_000).await;
    server.ok("DeleteStream", &json!({"StreamName": "s"})).await;
    let again = json!({"StreamName": "s", "ShardCount": 1});
    let (code, message) = refused(&server, "CreateStream", &again).await;
    assert_eq!((&*code, &*message), ("ResourceInUseException", "Stream s under account 000000000000 already exists."));
    server.stop().await;
}

/// What used to be required is not any more: the name where there is an ARN, the count of shards, and the partition key
/// where the stream spreads records by itself.
#[tokio::test]
async fn api_14_23_names_and_counts_are_optional() {
    let server = open().await;
    server.ok("CreateStream", &json!({"StreamName": "s"})).await;
    server.wait_until_active("s").await;
    assert_eq!(shards(&server, "s", json!({"Type": "AT_LATEST"})).await.len(), 4);
    for (operation, more) in [
        ("DescribeStream", json!({})),
        ("ListShards", json!({})),
        ("PutRecord", json!({"Data": "", "PartitionKey": "k"})),
        ("PutRecords", json!({"Records": [{"Data": "", "PartitionKey": "k"}]})),
        ("GetShardIterator", json!({"ShardId": "0", "ShardIteratorType": "LATEST"})),
    ] {
        let mut body = more;
        body["StreamARN"] = json!(arn("s"));
        server.ok(operation, &body).await;
    }
    let keyless = |stream: &str| json!({"StreamName": stream, "Data": ""});
    assert_eq!(refused(&server, "PutRecord", &keyless("s")).await.0, "ValidationException");
    let automatic = json!({"StreamName": "t", "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
                           "RecordDistributionStrategy": "AUTO"});
    server.ok("CreateStream", &automatic).await;
    server.wait_until_active("t").await;
    server.ok("PutRecord", &keyless("t")).await;
    server.stop().await;
}

/// The ARN of a stream has to be of the caller's account, and of the region that the call is signed for.
#[tokio::test]
async fn api_14_24_arns_are_of_the_callers_account_and_region() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let describe = |arn: String| json!({"StreamARN": arn});
    server.ok("DescribeStream", &describe(arn("s"))).await;
    let account = arn("s").replace("000000000000", "111111111111");
    let (code, message) = refused(&server, "DescribeStream", &describe(account)).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("no resource-based policy allows the kinesis:DescribeStream action"), "{message}");
    let region = arn("s").replace("us-east-1", "eu-west-1");
    assert_eq!(refused(&server, "DescribeStream", &describe(region)).await.0, "InvalidArgumentException");
    server.stop().await;
}

/// The SDK for JavaScript speaks HTTP/2 on a plain http:// endpoint from the first byte on; others HTTP/1.1, on the same port.
#[tokio::test]
async fn api_14_25_one_port_speaks_both_versions_of_http() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let mut h2 = H2::open(server.address()).await;
    for call in [Call::new as fn(&str, &Value) -> Call, Call::cbor] {
        let call = call("DescribeStream", &json!({"StreamName": "s"}));
        let (first, second) = (server.send(&call).await, h2.send(server.request(&call)).await.unwrap());
        assert_eq!((first.status, second.status), (200, 200));
        assert_eq!(first.value(), second.value());
    }
    drop(h2);
    server.stop().await;
}

/// SDKs that are passed a StreamId leave the endpoint that they are told: so nobody is given one who has not asked.
#[tokio::test]
async fn api_14_26_stream_ids_are_taken_and_not_given() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"].get("StreamId"), None);
    let server = TestServer::start_with(Home::Nowhere, |config| config.stream_ids = true).await;
    server.create_stream("s", 1).await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    let id = &summary["StreamDescriptionSummary"]["StreamId"];
    assert!(id.is_string(), "{summary}");
    let body = json!({"StreamId": id, "Data": "YQ==", "PartitionKey": "k"});
    assert_eq!(server.ok("PutRecord", &body).await["ShardId"], SHARD);
    server.stop().await;
}

/// SubscribeToShard speaks JSON in its events, whatever the call came in.
#[tokio::test]
async fn api_14_27_events_are_json_for_cbor_clients_too() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    put(&server, "s", "x").await;
    let body = json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let mut events = server.events(&Call::cbor("SubscribeToShard", &body)).await.unwrap();
    assert_eq!(events.headers["content-type"], "application/vnd.amazon.eventstream");
    // The test kit reads payloads as JSON and nothing else.
    let event = news(&mut events).await;
    assert_eq!(event.data(), ["x"]);
    assert_eq!(event.headers[":content-type"], "application/json");
    assert!(event.payload["Records"][0]["ApproximateArrivalTimestamp"].as_f64().unwrap() < 1e10, "seconds");
    server.stop().await;
}
