//! Several services on one port: how requests find theirs, whose signatures are good, and the forms of errors.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

use rheos_testkit::{Answer, Call, Home, TestServer};
use rheos_wire::Service;
use rheos_wire::codec::cbor;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

fn form(service: Service, body: &str) -> Call {
    Call::to_service(service, body).header("content-type", FORM)
}

fn target(service: Service, operation: &str, body: &str) -> Call {
    let target = format!("{}.{operation}", service.target_prefix().unwrap());
    Call::to_service(service, body).header("x-amz-target", &target).header("content-type", "application/x-amz-json-1.0")
}

fn rpc(operation: &str, body: &[u8]) -> Call {
    let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
    Call::to_service(Service::CloudWatch, body)
        .path(&path)
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("content-type", "application/cbor")
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn a_caller_is_told_who_it_is() {
    let server = TestServer::start().await;
    for call in [
        form(Service::Sts, IDENTITY),
        Call::to_service(Service::Sts, "").method("GET").path(&format!("/?{IDENTITY}")),
        // Clients sign for this region wherever they are.
        form(Service::Sts, IDENTITY).region("us-east-1"),
    ] {
        let answer = server.send(&call).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/xml"));
        let body = text(&answer);
        for part in [
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>",
            "<Arn>arn:aws:iam::000000000000:root</Arn>",
            "<Account>000000000000</Account>",
            "<UserId>000000000000</UserId>",
        ] {
            assert!(body.contains(part), "{body}");
        }
        let id = format!("<RequestId>{}</RequestId>", answer.header("x-amzn-requestid"));
        assert!(body.contains(&id), "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_signature_is_for_the_service_that_the_request_is_for() {
    let server = TestServer::start().await;
    let answer = server.send(&form(Service::Sts, IDENTITY).service("kinesis")).await;
    assert_eq!(answer.status, 403);
    let body = text(&answer);
    assert!(body.contains("<Code>SignatureDoesNotMatch</Code>"), "{body}");
    assert!(body.contains("correct service: 'sts'"), "{body}");
    let answer = server.send(&form(Service::Sts, IDENTITY).unsigned()).await;
    assert_eq!(answer.status, 403);
    assert!(text(&answer).contains("<Code>MissingAuthenticationToken</Code>"), "{}", text(&answer));
    let answer = server.send(&form(Service::Sts, IDENTITY).key_id("AKIANOBODY")).await;
    assert!(text(&answer).contains("<Code>InvalidClientTokenId</Code>"), "{}", text(&answer));
    // And the other way round.
    let kinesis = Call::new("ListStreams", &serde_json::json!({})).service("sts");
    let answer = server.send(&kinesis).await;
    assert_eq!((answer.status, answer.json()["__type"].as_str()), (400, Some("InvalidSignatureException")));
    assert!(answer.json()["message"].as_str().unwrap().contains("correct service: 'kinesis'"));
    server.stop().await;
}

#[tokio::test]
async fn an_operation_that_a_service_does_not_know_is_refused_in_its_protocol() {
    let server = TestServer::start().await;
    for service in [Service::DynamoDb, Service::CloudWatch] {
        let answer = server.send(&target(service, "Nonsense", "{}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/x-amz-json-1.0"));
        assert_eq!(text(&answer), r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#);
    }
    let answer = server.send(&target(Service::DynamoDb, "Nonsense", "{}")).await;
    assert_eq!(answer.header("x-amz-crc32"), crc32fast::hash(&answer.body).to_string());
    let modern = target(Service::CloudWatch, "Nonsense", "{}").header("x-amzn-query-mode", "true");
    assert_eq!(server.send(&modern).await.header("x-amzn-query-error"), "InvalidAction;Sender");

    let answer = server.send(&rpc("Nonsense", b"\xa0")).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, "application/cbor"));
    assert_eq!(answer.header("smithy-protocol"), "rpc-v2-cbor");
    let body = cbor::to_json(&answer.body).unwrap();
    assert_eq!(body["__type"], "com.amazon.coral.service#UnknownOperationException");

    for (service, version) in [(Service::Sts, "2011-06-15"), (Service::CloudWatch, "2010-08-01")] {
        let answer = server.send(&form(service, &format!("Action=Nonsense&Version={version}"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "text/xml"));
        assert!(text(&answer).contains("<Code>InvalidAction</Code>"), "{}", text(&answer));
    }
    server.stop().await;
}

#[tokio::test]
async fn who_need_not_sign_here_need_not_sign_there() {
    let server = TestServer::start_with(Home::default(), |config| config.dev = true).await;
    let answer = server.send(&form(Service::Sts, IDENTITY).unsigned()).await;
    assert_eq!(answer.status, 200, "{}", text(&answer));
    server.stop().await;
}

#[tokio::test]
async fn what_names_no_other_service_is_for_kinesis() {
    let server = TestServer::start().await;
    let answer = server.send(&form(Service::Kinesis, "Action=ListStreams&Version=2013-12-02")).await;
    assert_eq!(answer.status, 403);
    assert!(text(&answer).contains("Unable to determine service/operation name to be authorized"));
    let answer = server.send(&Call::to_service(Service::Sts, "").method("GET").path("/")).await;
    assert_eq!(answer.status, 403);
    server.stop().await;
}
