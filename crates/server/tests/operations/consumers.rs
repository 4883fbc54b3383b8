//! Consumers of streams.

use std::time::Duration;

use rheos_testkit::{Home, TestServer};
use serde_json::{Value, json};

use super::texts;

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

async fn wait_for(server: &TestServer, name: &str, status: Option<&str>) -> Value {
    let named = json!({"StreamARN": STREAM, "ConsumerName": name});
    for _ in 0..1000 {
        let (_, described) = server.call("DescribeStreamConsumer", &named).await;
        if described["ConsumerDescription"]["ConsumerStatus"].as_str() == status {
            return described["ConsumerDescription"].clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("consumer {name} does not become {status:?}");
}

#[tokio::test]
async fn a_consumer_from_its_registration_to_its_end_and_a_restart_between() {
    let home = Home::directory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 1).await;
    let register = json!({"StreamARN": STREAM, "ConsumerName": "c", "Tags": {"a": "b"}});
    let registered = server.ok("RegisterStreamConsumer", &register).await;
    let consumer = &registered["Consumer"];
    let second = consumer["ConsumerCreationTimestamp"].as_u64().expect("seconds");
    let arn = format!("{STREAM}/consumer/c:{second}");
    assert_eq!((&consumer["ConsumerARN"], &consumer["ConsumerStatus"]), (&json!(arn), &json!("CREATING")));
    server.stop().await;

    let server = TestServer::start_with(home, |_| {}).await;
    let described = wait_for(&server, "c", Some("ACTIVE")).await;
    let expected = json!({"ConsumerName": "c", "ConsumerARN": arn, "ConsumerStatus": "ACTIVE",
                          "ConsumerCreationTimestamp": second, "StreamARN": STREAM});
    assert_eq!(described, expected);
    let by_arn = server.ok("DescribeStreamConsumer", &json!({"ConsumerARN": arn})).await;
    assert_eq!(by_arn["ConsumerDescription"], expected);
    let all = json!({"ConsumerARN": arn, "StreamARN": STREAM, "ConsumerName": "c"});
    assert_eq!(server.ok("DescribeStreamConsumer", &all).await["ConsumerDescription"], expected);
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["ConsumerCount"], 1);

    server.ok("DeregisterStreamConsumer", &json!({"StreamARN": STREAM, "ConsumerName": "c"})).await;
    wait_for(&server, "c", None).await;
    let again = server.ok("RegisterStreamConsumer", &json!({"StreamARN": STREAM, "ConsumerName": "c"})).await;
    assert_ne!(again["Consumer"]["ConsumerARN"], json!(arn));
    let (_, refused) = server.call("DeleteStream", &json!({"StreamName": "s"})).await;
    assert_eq!(refused["__type"], "ResourceInUseException");
    server.ok("DeleteStream", &json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await;
    let (_, gone) =
        server.call("DescribeStreamConsumer", &json!({"ConsumerARN": again["Consumer"]["ConsumerARN"]})).await;
    assert_eq!(gone["__type"], "ResourceNotFoundException");
    server.stop().await;
}

#[tokio::test]
async fn consumers_are_listed_in_pages() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    for name in ["c", "a", "b"] {
        server.ok("RegisterStreamConsumer", &json!({"StreamARN": STREAM, "ConsumerName": name})).await;
    }
    let page = server.ok("ListStreamConsumers", &json!({"StreamARN": STREAM, "MaxResults": 2})).await;
    assert_eq!(texts(&page["Consumers"], "ConsumerName"), ["a", "b"]);
    let next = json!({"StreamARN": STREAM, "NextToken": page["NextToken"]});
    let rest = server.ok("ListStreamConsumers", &next).await;
    assert_eq!((texts(&rest["Consumers"], "ConsumerName"), rest.get("NextToken")), (vec!["c"], None));
    let described = server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    let created = &described["StreamDescription"]["StreamCreationTimestamp"];
    let of_time = json!({"StreamARN": STREAM, "StreamCreationTimestamp": created});
    assert_eq!(server.ok("ListStreamConsumers", &of_time).await["Consumers"].as_array().unwrap().len(), 3);
    server.stop().await;
}
