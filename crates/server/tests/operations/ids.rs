//! Streams by their ids.

use rheos_testkit::{Home, TestServer};
use serde_json::json;

async fn id_of(server: &TestServer, stream: &str) -> String {
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": stream})).await;
    summary["StreamDescriptionSummary"]["StreamId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_id_names_a_stream_as_its_name_does_until_the_stream_is_gone() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |config| config.stream_ids = true).await;
    server.create_stream("s", 1).await;
    server.create_stream("t", 1).await;
    let (id, other) = (id_of(&server, "s").await, id_of(&server, "t").await);
    assert_ne!(id, other);
    server.stop().await;

    // Ids are taken whether they are shown or not, and stay as they are.
    let server = TestServer::start_with(home, |_| {}).await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamId": id})).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["StreamName"], summary.get("StreamId")), (&json!("s"), None));
    server.ok("PutRecord", &json!({"StreamId": id, "Data": "YQ==", "PartitionKey": "k"})).await;
    let records = json!([{"Data": "Yg==", "PartitionKey": "k"}]);
    server.ok("PutRecords", &json!({"StreamId": id, "StreamName": "s", "Records": records})).await;
    let iterator = json!({"StreamId": id, "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = server.ok("GetShardIterator", &iterator).await["ShardIterator"].clone();
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator, "StreamId": id})).await;
    assert_eq!(read["Records"].as_array().unwrap().len(), 2);
    assert_eq!(server.ok("ListShards", &json!({"StreamId": id})).await["Shards"].as_array().unwrap().len(), 1);

    let consumer = server.consumer("s", "c").await;
    let subscribe = |id: &str| {
        let from = json!({"Type": "LATEST"});
        let shard = "shardId-000000000000";
        json!({"ConsumerARN": consumer, "StreamId": id, "ShardId": shard, "StartingPosition": from, "DryRun": true})
    };
    for (operation, body, code) in [
        ("SubscribeToShard", subscribe(&id), "DryRunOperationException"),
        ("SubscribeToShard", subscribe(&other), "InvalidArgumentException"),
        ("GetRecords", json!({"ShardIterator": iterator, "StreamId": other}), "InvalidArgumentException"),
        ("DescribeStream", json!({"StreamName": "s", "StreamId": other}), "InvalidArgumentException"),
        ("ListShards", json!({"NextToken": "x", "StreamId": id}), "InvalidArgumentException"),
        ("DescribeStream", json!({"StreamId": "abcdefghij0123456789-abc"}), "ResourceNotFoundException"),
        ("DescribeStream", json!({"StreamId": "abc"}), "ValidationException"),
    ] {
        let (status, refused) = server.call(operation, &body).await;
        assert_eq!((status, &refused["__type"]), (400, &json!(code)), "{operation} {body}: {refused}");
    }
    let elsewhere = rheos_testkit::Call::new("DescribeStream", &json!({"StreamId": id})).region("eu-west-1");
    assert_eq!(server.send(&elsewhere).await.json()["__type"], "ResourceNotFoundException");

    let enforce = json!({"StreamId": id, "EnforceConsumerDeletion": true});
    server.ok("DeleteStream", &enforce).await;
    for _ in 0..1000 {
        if server.call("DescribeStreamSummary", &json!({"StreamName": "s"})).await.0 == 400 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.create_stream("s", 1).await;
    let (_, refused) = server.call("PutRecord", &json!({"StreamId": id, "Data": "YQ==", "PartitionKey": "k"})).await;
    assert_eq!(refused["__type"], "ResourceNotFoundException", "of the stream before");
    server.stop().await;
}
