//! What users of emulators complain about (`reference/users.md` §3): the lessons, by their letters, and then the other
//! complaints that a server can be tested for.

use std::sync::Arc;

use rheos_log::files::sim::SimFiles;
use rheos_server::config::{Flags, resolve};
use rheos_testkit::{Call, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    HALF, SHARD, arn, assert_covers, data, ids, merge, news, open, open_on, put, read, refused, shards, split,
};

/// Floci's LATEST skipped what came between GetShardIterator and GetRecords.
#[tokio::test]
async fn users_3_a_latest_is_fixed_when_the_iterator_is_made() {
    let server = open().await;
    server.create_stream("s", 1).await;
    put(&server, "s", "before").await;
    let latest = server.iterator("s", SHARD, "LATEST").await;
    for text in ["a", "b"] {
        put(&server, "s", text).await;
    }
    assert_eq!(data(&read(&server, &latest).await), ["a", "b"]);
    put(&server, "s", "c").await;
    assert_eq!(data(&read(&server, &latest).await), ["a", "b", "c"], "also when it is used again");
    server.stop().await;
}

/// Ministack's iterators were used up by the first read, which broke every retry. They live for five minutes.
#[tokio::test]
async fn users_3_b_iterators_are_used_again_for_five_minutes() {
    let server = open().await;
    server.create_stream("s", 1).await;
    put(&server, "s", "x").await;
    server.clock.stop();
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    let first = read(&server, &iterator).await;
    assert_ne!(first["NextShardIterator"], json!(iterator));
    server.clock.advance(300_000);
    assert_eq!(data(&read(&server, &iterator).await), ["x"]);
    server.clock.advance(1);
    let old = refused(&server, "GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(old.0, "ExpiredIteratorException");
    server.stop().await;
}

/// Fakecloud and cloudemu lost the parents of shards, so that KCL could not follow. Every way to reshard keeps them.
#[tokio::test]
async fn users_3_c_every_reshard_keeps_parents() {
    let server = open().await;
    server.create_stream("s", 2).await;
    split(&server, "s", "0", "85070591730234615865843651857942052864").await;
    merge(&server, "s", "3", "1").await;
    for target in [3, 5, 2] {
        let body = json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        server.ok("UpdateShardCount", &body).await;
        server.wait_until_active("s").await;
    }
    let all = shards(&server, "s", json!({"Type": "FROM_TRIM_HORIZON"})).await;
    let known = ids(&all);
    let parents = |shard: &Value| -> Vec<String> {
        let of = |member: &str| shard[member].as_str().map(str::to_owned);
        [of("ParentShardId"), of("AdjacentParentShardId")].into_iter().flatten().collect()
    };
    for shard in &all[2..] {
        let parents = parents(shard);
        assert!(!parents.is_empty(), "{shard}");
        for parent in parents {
            let at = known.iter().position(|id| *id == parent).unwrap();
            let end = all[at]["SequenceNumberRange"]["EndingSequenceNumber"].as_str();
            let start = shard["SequenceNumberRange"]["StartingSequenceNumber"].as_str().unwrap();
            assert!(end.is_some_and(|end| end < start), "{parent} ends before {shard} begins");
            // And the reader of the parent is led to it.
            let end = read(&server, &server.iterator("s", &parent, "TRIM_HORIZON").await).await;
            assert!(ids(end["ChildShards"].as_array().unwrap()).contains(&shard["ShardId"].as_str().unwrap()));
        }
    }
    assert_covers(&shards(&server, "s", json!({"Type": "AT_LATEST"})).await);
    server.stop().await;
}

/// The end of a shard is children and no next iterator.
#[tokio::test]
async fn users_3_d_the_end_of_a_shard_is_children_and_no_iterator() {
    let server = open().await;
    server.create_stream("s", 1).await;
    put(&server, "s", "last").await;
    split(&server, "s", "0", HALF).await;
    let end = read(&server, &server.iterator("s", SHARD, "TRIM_HORIZON").await).await;
    assert_eq!((data(&end), end.get("NextShardIterator")), (vec!["last".to_owned()], None));
    assert_eq!(end["ChildShards"].as_array().unwrap().len(), 2);
    server.stop().await;
}

/// Terraform sets the retention that there is, with whichever of the two operations.
#[tokio::test]
async fn users_3_e_the_same_retention_is_accepted() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let hours = |hours: u32| json!({"StreamName": "s", "RetentionPeriodHours": hours});
    for set in [24, 48] {
        server.ok("IncreaseStreamRetentionPeriod", &hours(set)).await;
        server.wait_until_active("s").await;
        server.ok("IncreaseStreamRetentionPeriod", &hours(set)).await;
        server.ok("DecreaseStreamRetentionPeriod", &hours(set)).await;
    }
    server.stop().await;
}

/// Floci's points in time were a thousand times too large in CBOR.
#[tokio::test]
async fn users_3_f_cbor_timestamps_are_of_this_time() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let call = |call: fn(&str, &Value) -> Call| call("DescribeStream", &json!({"StreamName": "s"}));
    let created = |body: &Value| body["StreamDescription"]["StreamCreationTimestamp"].as_f64().unwrap();
    let in_json = server.send(&call(Call::new)).await;
    let in_cbor = server.send(&call(Call::cbor)).await;
    assert_eq!(created(&in_cbor.cbor()), created(&in_json.json()));
    assert!(!in_cbor.body.windows(2).any(|two| two == b"\xc1\xfb"), "no float");
    server.stop().await;
}

/// LocalStack wanted blanks after the commas of an Authorization header; some clients send none.
#[tokio::test]
async fn users_3_g_authorization_with_or_without_blanks() {
    let server = TestServer::start().await;
    for blanks in [", ", ",", ",  ", " "] {
        let call = Call::new("ListStreams", &json!({}));
        let bytes = String::from_utf8(server.bytes(&call)).unwrap();
        let (before, rest) = bytes.split_once("authorization: ").unwrap();
        let (header, after) = rest.split_once("\r\n").unwrap();
        let respelt = header.replace(", ", ",").replace(',', blanks);
        let mut connection = server.connect().await;
        connection.send(format!("{before}authorization: {respelt}\r\n{after}").as_bytes()).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{respelt}: {}", answer.text());
    }
    server.stop().await;
}

/// A next page of ListShards is asked for by its token, without the stream.
#[tokio::test]
async fn users_3_h_list_shards_pages_go_without_the_stream() {
    let server = open().await;
    server.create_stream("s", 3).await;
    let page = server.ok("ListShards", &json!({"StreamName": "s", "MaxResults": 2})).await;
    let rest = server.ok("ListShards", &json!({"NextToken": page["NextToken"]})).await;
    assert_eq!(ids(rest["Shards"].as_array().unwrap()), ["shardId-000000000002"]);
    let both = json!({"NextToken": page["NextToken"], "StreamName": "s"});
    let (code, message) = refused(&server, "ListShards", &both).await;
    assert_eq!(code, "InvalidArgumentException");
    assert_eq!(message, "NextToken and StreamName cannot be provided together.");
    server.stop().await;
}

/// LocalStack's first engine ignored a shard's limits; others cannot switch them off. Here they hold, and can be lifted.
#[tokio::test]
async fn users_3_i_limits_are_real_and_can_be_lifted() {
    for (profile, is_held) in [(Profile::Aws, true), (Profile::Open, false)] {
        let server = TestServer::start_with(Home::Nowhere, |config| config.limits = profile).await;
        server.create_stream("s", 1).await;
        server.clock.stop();
        let large = json!({"StreamName": "s", "PartitionKey": "k", "Data": "A".repeat(1 << 20)});
        let mut codes = Vec::new();
        for _ in 0..4 {
            codes.push(server.call("PutRecord", &large).await.1["__type"].clone());
        }
        let is_refused = codes.contains(&json!("ProvisionedThroughputExceededException"));
        assert_eq!(is_refused, is_held, "{profile:?}: {codes:?}");
        server.stop().await;
    }
}

/// Errors on purpose, such as people know from `KINESIS_ERROR_PROBABILITY`; what is tampered with says so in a header.
#[tokio::test]
async fn users_3_j_errors_can_be_injected() {
    let configure = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        config.streams = vec!["s:1".parse().unwrap()];
        config.chaos = Some("throttle=0.3,error=0.2".parse().unwrap());
    };
    let server = TestServer::start_with(Home::Nowhere, configure).await;
    let put = Call::new("PutRecord", &json!({"StreamName": "s", "Data": "", "PartitionKey": "k"}));
    let (mut injected, mut real) = (0, 0);
    for _ in 0..50 {
        let answer = server.send(&put).await;
        assert_eq!(answer.status == 200, answer.header("x-rheos-chaos").is_empty(), "{}", answer.text());
        *if answer.status == 200 { &mut real } else { &mut injected } += 1;
    }
    assert!(injected > 5 && real > 5, "{injected} {real}");
    server.stop().await;
}

/// Streams that are there from the start, by the environment or by a flag: no script that waits and creates.
#[tokio::test]
async fn users_3_k_streams_are_there_at_the_start() {
    let env = |name: &str| (name == "RHEOS_STREAM").then(|| "orders:4,clicks:1".to_owned());
    let streams = resolve(Flags::default(), env, None).unwrap().streams;
    let home = Home::memory();
    // A second start finds them, and leaves them as they are.
    for _ in 0..2 {
        let streams = streams.clone();
        let server = TestServer::start_with(home.clone(), |config| config.streams = streams).await;
        assert_eq!(server.ok("ListStreams", &json!({})).await["StreamNames"], json!(["clicks", "orders"]));
        put(&server, "orders", "at once").await;
        assert_eq!(shards(&server, "orders", json!({"Type": "AT_LATEST"})).await.len(), 4);
        server.stop().await;
    }
}

/// The time until a stream is ACTIVE can be none.
#[tokio::test]
async fn users_3_l_streams_can_be_active_at_once() {
    let server = TestServer::start_with(Home::Nowhere, |config| config.transition_ms = 0).await;
    server.clock.stop();
    server.ok("CreateStream", &json!({"StreamName": "s", "ShardCount": 1})).await;
    // With time standing still there is nothing to wait for but the server's own work.
    server.wait_until_active("s").await;
    server.stop().await;
}

/// "OOM and CPU under 100 x 256 KB records": they pass a server that may take 64 MiB.
#[tokio::test]
async fn users_3_complaint_a_hundred_large_records() {
    let server = TestServer::start_with(Home::directory(), |config| {
        config.limits = Profile::Open;
        config.memory = 64 << 20;
    });
    let server = server.await;
    server.create_stream("s", 1).await;
    let record = json!({"Data": "A".repeat(256 << 10), "PartitionKey": "k"});
    for _ in 0..5 {
        let body = json!({"StreamName": "s", "Records": vec![record.clone(); 20]});
        assert_eq!(server.ok("PutRecords", &body).await["FailedRecordCount"], 0);
    }
    let (mut iterator, mut count) = (server.iterator("s", SHARD, "TRIM_HORIZON").await, 0);
    while count < 100 {
        let answer = read(&server, &iterator).await;
        let records = answer["Records"].as_array().unwrap();
        assert!(!records.is_empty(), "{count}");
        count += records.len();
        answer["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
    }
    assert_eq!(count, 100);
    server.stop().await;
}

/// "Two shards instead of one": a stream has as many as were asked for.
#[tokio::test]
async fn users_3_complaint_the_count_of_shards_asked_for() {
    let server = open().await;
    for count in [1, 2, 7] {
        let name = format!("s{count}");
        server.create_stream(&name, count).await;
        let open = shards(&server, &name, json!({"Type": "AT_LATEST"})).await;
        assert_eq!(open.len(), count as usize);
        assert_covers(&open);
    }
    server.stop().await;
}

/// "Persistence lost on restart", and state that is dumped every few seconds: what was acknowledged is there.
#[tokio::test]
async fn users_3_complaint_a_restart_loses_nothing() {
    let home = Home::directory();
    let server = open_on(home.clone()).await;
    server.create_stream("s", 1).await;
    server.ok("AddTagsToStream", &json!({"StreamName": "s", "Tags": {"k": "v"}})).await;
    let number = put(&server, "s", "kept").await["SequenceNumber"].clone();
    server.stop().await;
    let server = open_on(home).await;
    let answer = read(&server, &server.iterator("s", SHARD, "TRIM_HORIZON").await).await;
    assert_eq!((data(&answer), &answer["Records"][0]["SequenceNumber"]), (vec!["kept".to_owned()], &number));
    let tags = server.ok("ListTagsForStream", &json!({"StreamName": "s"})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "k", "Value": "v"}]));
    server.stop().await;
}

/// SubscribeToShard that answers `{}`, or sends what there is and closes: it stays, and pushes what comes.
#[tokio::test]
async fn users_3_complaint_a_subscription_stays() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    put(&server, "s", "before").await;
    let mut events = server.subscribe(&consumer, SHARD, &json!({"Type": "TRIM_HORIZON"})).await.unwrap();
    assert_eq!(news(&mut events).await.data(), ["before"]);
    for text in ["a", "b", "c"] {
        put(&server, "s", text).await;
        assert_eq!(news(&mut events).await.data(), [text]);
    }
    server.stop().await;
}

/// No check of a record's size: it is that of the stream, 1 MiB unless it was created with another.
#[tokio::test]
async fn users_3_complaint_records_are_as_large_as_their_stream_says() {
    let server = open().await;
    server.create_stream("s", 1).await;
    server.ok("CreateStream", &json!({"StreamName": "t", "ShardCount": 1, "MaxRecordSizeInKiB": 2048})).await;
    server.wait_until_active("t").await;
    let put = |stream: &str| json!({"StreamName": stream, "PartitionKey": "k", "Data": "A".repeat(2 << 20)});
    assert_eq!(refused(&server, "PutRecord", &put("s")).await.0, "ValidationException");
    server.ok("PutRecord", &put("t")).await;
    server.stop().await;
}

/// Retention only where somebody asks for it: records go when their time is over.
#[tokio::test]
async fn users_3_complaint_records_expire() {
    let server = open().await;
    server.create_stream("s", 1).await;
    put(&server, "s", "old").await;
    server.clock.advance(23 * 3_600_000);
    put(&server, "s", "new").await;
    server.clock.advance(2 * 3_600_000);
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    assert_eq!(data(&read(&server, &iterator).await), ["new"]);
    server.stop().await;
}

/// "Every GetRecords rewrote state to disk": reads write nothing.
#[tokio::test]
async fn users_3_complaint_reads_write_nothing() {
    let files = SimFiles::new();
    let server = open_on(Home::Simulated(files.clone(), Arc::new(TempDir::new().unwrap()))).await;
    server.create_stream("s", 1).await;
    put(&server, "s", "x").await;
    let consumer = server.consumer("s", "c").await;
    server.clock.stop();
    let before = files.operations();
    let mut iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    for _ in 0..20 {
        read(&server, &iterator).await["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
    }
    let mut events = server.subscribe(&consumer, SHARD, &json!({"Type": "TRIM_HORIZON"})).await.unwrap();
    assert_eq!(news(&mut events).await.data(), ["x"]);
    server.ok("DescribeStream", &json!({"StreamARN": arn("s")})).await;
    assert_eq!(files.operations(), before);
    server.stop().await;
}

/// Health checks that scripts can wait for, without credentials.
#[tokio::test]
async fn users_3_complaint_health_can_be_asked_for() {
    let server = TestServer::start().await;
    let call = Call::raw("None", "").method("GET").path("/health/ready").unsigned();
    let answer = server.send(&call).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ready"})));
    server.stop().await;
}
