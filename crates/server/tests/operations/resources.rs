//! Tags and policies of streams and consumers, by their ARNs.

use rheos_testkit::{Home, TestServer};
use serde_json::{Value, json};

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

async fn consumer(server: &TestServer, tags: &Value) -> String {
    let register = json!({"StreamARN": STREAM, "ConsumerName": "c", "Tags": tags});
    let arn = server.ok("RegisterStreamConsumer", &register).await["Consumer"]["ConsumerARN"].clone();
    for _ in 0..1000 {
        let described = server.ok("DescribeStreamConsumer", &json!({"ConsumerARN": arn})).await;
        if described["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    arn.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn resources_are_tagged_by_their_arns_and_streams_by_their_names_too() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let consumer = consumer(&server, &json!({"a": "b"})).await;
    server.ok("TagResource", &json!({"ResourceARN": STREAM, "Tags": {"x": "1", "y": "2"}})).await;
    server.ok("AddTagsToStream", &json!({"StreamName": "s", "Tags": {"z": "3"}})).await;
    server.ok("UntagResource", &json!({"ResourceARN": STREAM, "TagKeys": ["y", "nobody"]})).await;
    let tags = |list: &Value| list["Tags"].clone();
    let by_arn = server.ok("ListTagsForResource", &json!({"ResourceARN": STREAM})).await;
    assert_eq!(tags(&by_arn), json!([{"Key": "x", "Value": "1"}, {"Key": "z", "Value": "3"}]));
    let by_name = server.ok("ListTagsForStream", &json!({"StreamName": "s"})).await;
    assert_eq!(tags(&by_name), tags(&by_arn));
    server.ok("TagResource", &json!({"ResourceARN": consumer, "Tags": {"c": "d"}})).await;
    server.ok("UntagResource", &json!({"ResourceARN": consumer, "TagKeys": ["a"]})).await;
    let of_consumer = server.ok("ListTagsForResource", &json!({"ResourceARN": consumer})).await;
    assert_eq!(of_consumer, json!({"Tags": [{"Key": "c", "Value": "d"}]}));
    server.stop().await;
}

#[tokio::test]
async fn policies_are_put_shown_replaced_and_deleted_and_outlast_a_restart() {
    let home = Home::directory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 1).await;
    let consumer = consumer(&server, &json!(null)).await;
    let policy = |resource: &str, action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"},
               "Action": action, "Resource": resource}]})
        .to_string()
    };
    for (resource, action) in [(STREAM, "kinesis:GetRecords"), (&consumer, "kinesis:SubscribeToShard")] {
        let named = json!({"ResourceARN": resource});
        assert_eq!(server.ok("GetResourcePolicy", &named).await, json!({"Policy": "{}"}));
        let policy = policy(resource, action);
        server.ok("PutResourcePolicy", &json!({"ResourceARN": resource, "Policy": policy})).await;
        assert_eq!(server.ok("GetResourcePolicy", &named).await, json!({"Policy": policy}));
    }
    server.stop().await;
    let server = TestServer::start_with(home, |_| {}).await;
    let named = json!({"ResourceARN": STREAM});
    let kept = server.ok("GetResourcePolicy", &named).await;
    assert_eq!(kept, json!({"Policy": policy(STREAM, "kinesis:GetRecords")}));
    server.ok("DeleteResourcePolicy", &named).await;
    assert_eq!(server.ok("GetResourcePolicy", &named).await, json!({"Policy": "{}"}));
    let (_, refused) = server.call("DeleteResourcePolicy", &named).await;
    assert_eq!(refused["__type"], "ResourceNotFoundException");
    server.stop().await;
}
