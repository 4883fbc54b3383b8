//! What happens below the operations: methods, sizes, origins, connections, time, and the end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::time::Duration;

use rheos_server::Config;
use rheos_server::config::{Bounds, Limits};
use rheos_testkit::{Call, Connection, Home, TestServer};
use serde_json::{Value, json};

const XML: &str = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized\
                   </Message>\n</AccessDeniedException>\n";

fn list() -> Call {
    Call::new("ListStreams", &json!({}))
}

fn put(data_bytes: usize) -> Call {
    let data = "A".repeat(data_bytes / 3 * 4);
    Call::new("PutRecord", &json!({"StreamName": "s", "PartitionKey": "k", "Data": data}))
}

async fn start(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(Home::default(), configure).await
}

/// Bounds that tests need not wait for.
fn hasty() -> Bounds {
    Bounds { head_ms: 300, body_start_ms: 300, write_stall_ms: 300, drain_ms: 2000, ..Bounds::default() }
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let server = TestServer::start().await;
    let answer = server.send(&list()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-amz-json-1.1"));
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_eq!(answer.header("x-amz-id-2").len(), 96);
    assert!(answer.header("date").ends_with(" GMT"));
    assert_eq!((answer.header("connection"), answer.header("access-control-allow-origin")), ("", ""));
    let answer = server.send(&list().header("origin", "http://a").unsigned()).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (400, "*"));
    assert_eq!(answer.header("x-amzn-errortype"), "MissingAuthenticationTokenException");
    assert!(answer.header("access-control-expose-headers").starts_with("x-amzn-RequestId,x-amzn-ErrorType,"));
    server.stop().await;
}

#[tokio::test]
async fn browsers_may_ask_before_they_ask() {
    let server = TestServer::start().await;
    let ask = list().method("OPTIONS").unsigned().header("origin", "http://a");
    let ask =
        ask.header("access-control-request-headers", "x-amz-target").header("access-control-request-method", "POST");
    let answer = server.send(&ask).await;
    assert_eq!((answer.status, answer.body.len(), answer.header("content-type")), (200, 0, ""));
    assert_eq!(answer.header("access-control-allow-headers"), "x-amz-target");
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    assert_eq!((answer.header("access-control-max-age"), answer.header("x-amz-id-2")), ("172800", ""));
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_say_nothing_sensible_get_the_front_doors_answers() {
    let server = TestServer::start().await;
    for (call, status, body) in [
        (list().method("GET"), 403, XML),
        (list().method("PUT"), 403, XML),
        (list().method("OPTIONS"), 403, XML),
        (list().without("content-type"), 404, "<UnknownOperationException/>\n"),
        (list().header("content-type", "text/plain"), 404, "<UnknownOperationException/>\n"),
        (list().header("content-type", "application/x-amz-json-1.0"), 404, "<UnknownOperationException/>\n"),
        (list().without("content-type").without("x-amz-target"), 403, XML),
    ] {
        let answer = server.send(&call).await;
        assert_eq!((answer.status, answer.text().as_str(), answer.header("content-type")), (status, body, ""));
    }
    let cbor = |body: &[u8]| Call::raw("ListStreams", body).header("content-type", "application/x-amz-cbor-1.1");
    for (body, status, says) in [(&b"\xa0"[..], 200, "StreamNames"), (b"\xa1", 400, "SerializationException")] {
        let answer = server.send(&cbor(body)).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/x-amz-cbor-1.1"));
        assert!(answer.text().contains(says), "{}", answer.text());
    }
    let answer = server.send(&list().header("content-type", " application/x-amz-json-1.1 ; charset=UTF-8")).await;
    assert_eq!(answer.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_hurts_nobody() {
    let server = TestServer::start().await;
    for nonsense in [&b"hello\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"POST / HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let mut connection = server.connect().await;
        connection.send(nonsense).await;
        if let Some(answer) = connection.answer().await {
            assert_eq!(answer.status, 400, "{nonsense:?}");
        }
    }
    let long = list().header("x-long", &"x".repeat(40 << 10));
    assert_eq!(server.send(&long).await.status, 431);
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_their_senders_are_told() {
    let server = TestServer::start().await;
    let answer = server.send(&Call::raw("PutRecord", vec![b' '; 17 << 20])).await;
    assert_eq!((answer.status, answer.body.len(), answer.header("x-amzn-requestid")), (413, 0, ""));
    // The same in chunks, which do not say before how many there will be.
    let mut connection = server.connect().await;
    connection.send(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..17 {
        connection.send(&chunk).await;
    }
    connection.send(b"0\r\n\r\n").await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    // Who asks first is told at once.
    let mut connection = server.connect().await;
    connection.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    server.create_stream("s", 1).await;
    assert_eq!(server.send(&put(1_000_000)).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_is_as_good_as_any() {
    let server = start(|config| config.dev = true).await;
    let mut connection = server.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-amz-json-1.1\r\n\
                x-amz-target: Kinesis_20131202.ListStreams\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head.as_bytes()).await;
    for piece in ["1\r\n{\r\n", "a\r\n\"Limit\": 5\r\n", "1\r\n}\r\n", "0\r\n\r\n"] {
        connection.send(piece.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(connection.answer().await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    let bad = list().secret("wrong");
    for (call, status) in [(list(), 200), (bad.clone(), 400), (list(), 200), (bad, 400), (list(), 200)] {
        connection.send(&server.bytes(&call)).await;
        assert_eq!(connection.answer().await.unwrap().status, status);
    }
    server.stop().await;
}

#[tokio::test]
async fn dev_lets_everybody_in_and_keeps_regions_apart() {
    let server = start(|config| config.dev = true).await;
    server.create_stream("s", 1).await;
    for call in [
        list(),
        list().header("authorization", "nonsense"),
        list().header("authorization", "AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request"),
    ] {
        assert_eq!(server.send(&call).await.json()["StreamNames"], json!(["s"]));
    }
    let elsewhere = "AWS4-HMAC-SHA256 Credential=test/20200101/eu-west-1/kinesis/aws4_request, SignedHeaders=host, \
                     Signature=00";
    let elsewhere = list().header("authorization", elsewhere).header("x-amz-date", "20200101T000000Z");
    assert_eq!(server.send(&elsewhere).await.json()["StreamNames"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn health_needs_no_key() {
    let server = TestServer::start().await;
    let get = |path: &str| Call::raw("None", "").method("GET").path(path).unsigned();
    for (path, status, body) in [
        ("/health/live", 200, r#"{"status":"live"}"#),
        ("/health/ready", 200, r#"{"status":"ready"}"#),
        ("/health", 403, XML),
    ] {
        let answer = server.send(&get(path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let server = start(|config| config.bounds = hasty()).await;
    // One that never ends its head, and one that never ends its body.
    let mut head = server.connect().await;
    head.send(b"POST / HTTP/1.1\r\nhost: h\r\n").await;
    let mut body = server.connect().await;
    body.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{").await;
    assert_eq!(body.answer().await.unwrap().status, 408);
    if let Some(answer) = head.answer().await {
        assert_eq!(answer.status, 408);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_takes_is_not_kept() {
    let server = start(|config| {
        config.bounds.write_stall_ms = 3000;
        config.memory = 64 << 20;
        config.limits = Limits::Open;
    })
    .await;
    server.ok("CreateStream", &json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 10240})).await;
    server.wait_until_active("s").await;
    assert_eq!(server.send(&put(9_000_000)).await.status, 200);
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    let read = server.bytes(&Call::new("GetRecords", &json!({"ShardIterator": iterator})));
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut connection = server.connect().await;
        connection.send(&read).await;
        idle.push(connection);
    }
    // Two answers of twelve megabytes, and reading them, do not fit the memory for answers; one that nobody takes makes way.
    let mut admitted = false;
    let mut throttled = 0;
    for _ in 0..200 {
        let answer = server.send(&Call::new("GetRecords", &json!({"ShardIterator": iterator}))).await;
        admitted = answer.status == 200;
        if admitted {
            break;
        }
        assert_eq!(answer.json()["__type"], "ProvisionedThroughputExceededException");
        throttled += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(admitted && throttled > 0, "{admitted} after {throttled}");
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let server = start(|config| config.bounds.connections = 3).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = server.connect().await;
        connection.send(&server.bytes(&list())).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
        connections.push(connection);
    }
    let answer = server.connect().await.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    connections.clear();
    let mut served = false;
    for _ in 0..100 {
        served = server.try_send(&list()).await.is_some_and(|answer| answer.status == 200);
        if served {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(served);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_throttled_and_the_server_lives() {
    let server = start(|config| {
        config.memory = 64 << 20;
        config.limits = Limits::Open;
        config.bounds.memory_wait_ms = 50;
    })
    .await;
    server.create_stream("s", 4).await;
    // Room for two of the largest bodies; twelve of 9 MiB come at once, of which no one is in a hurry to end.
    let record = json!({"Data": "A".repeat(1_000_000), "PartitionKey": "k"});
    let records: Vec<&Value> = vec![&record; 9];
    let body = server.bytes(&Call::new("PutRecords", &json!({"StreamName": "s", "Records": records})));
    let (most, end) = body.split_at(body.len() - 10);
    let mut connections = Vec::new();
    for _ in 0..12 {
        connections.push(server.connect().await);
    }
    for connection in &mut connections {
        connection.send(most).await;
    }
    let mut counts = (0, 0);
    for connection in &mut connections {
        connection.send(end).await;
        let answer = connection.answer().await.unwrap();
        match answer.status {
            200 => counts.0 += 1,
            400 => {
                assert_eq!(answer.json()["__type"], "ProvisionedThroughputExceededException", "{}", answer.text());
                counts.1 += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(counts.0 >= 1 && counts.1 >= 1, "{counts:?}");
    // The connections are good for more, and there is room again.
    for connection in &mut connections {
        connection.send(&server.bytes(&list())).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_what_it_asked_for() {
    let server = TestServer::start_with(Home::directory(), |_| {}).await;
    for (operation, body) in [
        ("CreateStream", json!({"StreamName": "s", "ShardCount": 1})),
        ("AddTagsToStream", json!({"StreamName": "s", "Tags": {"a": "b"}})),
    ] {
        let mut connection = server.connect().await;
        connection.send(&server.bytes(&Call::new(operation, &body))).await;
        // As soon as the request is whole the operation runs to its end; until then nothing happens at all.
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(connection);
    }
    let mut half = server.connect().await;
    let whole = server.bytes(&Call::new("CreateStream", &json!({"StreamName": "t", "ShardCount": 1})));
    half.send(&whole[..whole.len() - 5]).await;
    drop(half);
    server.wait_until_active("s").await;
    let tags = server.ok("ListTagsForStream", &json!({"StreamName": "s"})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    assert_eq!(server.ok("ListStreams", &json!({})).await["StreamNames"], json!(["s"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_requests_in_flight_finish() {
    let server = TestServer::start().await;
    let address = server.address();
    let mut idle = server.connect().await;
    idle.send(&server.bytes(&list())).await;
    idle.answer().await.unwrap();
    let mut busy = server.connect().await;
    let request = server.bytes(&list());
    let (begin, end) = request.split_at(request.len() - 1);
    busy.send(begin).await;
    tokio::time::sleep(Duration::from_millis(50)).await;

    let stopped = tokio::join!(server.stop(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Nobody is let in any more, the idle are sent away, the busy may finish.
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
        assert!(idle.answer().await.is_none());
        busy.send(end).await;
        let answer = busy.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    });
    assert_eq!(stopped.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_ever() {
    let server = start(|config| {
        config.bounds.drain_ms = 200;
        config.transition_ms = 0;
    })
    .await;
    let mut stuck = Connection::open(server.address()).await;
    stuck.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.stop().await, 1);
    assert!(stuck.answer().await.is_none());
}
