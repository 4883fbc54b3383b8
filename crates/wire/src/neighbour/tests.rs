use super::*;

fn ask(method: &str, target: &str, headers: &HeaderMap, body: &str) -> Option<Addressed> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = RequestHead { method, path, query, headers, authority: None, secure: false };
    address(&head, body.as_bytes())
}

fn headers(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn a_neighbour_is_named_by_target_path_or_form() {
    let cases = [
        ("/", vec![(TARGET, "DynamoDB_20120810.GetItem")], "{}", Service::DynamoDb, Protocol::Json, "GetItem"),
        (
            "/",
            vec![(TARGET, "GraniteServiceVersion20100801.PutMetricData")],
            "{}",
            Service::CloudWatch,
            Protocol::Json,
            "PutMetricData",
        ),
        (
            "/service/GraniteServiceVersion20100801/operation/ListMetrics",
            vec![],
            "",
            Service::CloudWatch,
            Protocol::RpcCbor,
            "ListMetrics",
        ),
        ("/", vec![FORM], IDENTITY, Service::Sts, Protocol::Query, "GetCallerIdentity"),
        ("/", vec![FORM], "Version=2010-08-01&X=%20&Action=A%42", Service::CloudWatch, Protocol::Query, "AB"),
    ];
    for (path, named, body, service, protocol, operation) in cases {
        let headers = headers(&named);
        let found = ask("POST", path, &headers, body).unwrap();
        assert_eq!((found.service, found.protocol), (service, protocol), "{path} {named:?}");
        assert_eq!(found.operation.as_deref(), Some(operation));
        assert!(!found.query_mode);
    }
    let none = HeaderMap::new();
    assert_eq!(ask("GET", &format!("/?{IDENTITY}"), &none, "").unwrap().service, Service::Sts);
    let zipped = headers(&[FORM, ("content-encoding", "gzip")]);
    assert_eq!(ask("POST", "/", &zipped, "\u{1f}").unwrap().operation, None);
    let modern = headers(&[(TARGET, "GraniteServiceVersion20100801.X"), ("x-amzn-query-mode", "true")]);
    assert!(ask("POST", "/", &modern, "{}").unwrap().query_mode);
}

#[test]
fn everything_else_is_for_kinesis() {
    for (method, path, named, body) in [
        ("POST", "/", vec![(TARGET, "Kinesis_20131202.PutRecords"), FORM], IDENTITY),
        ("POST", "/", vec![(TARGET, "Other.PutRecords")], "{}"),
        ("POST", "/", vec![(TARGET, "GetItem")], "{}"),
        ("POST", "/service/Kinesis_20131202/operation/PutRecords", vec![], ""),
        ("POST", "/service/Other/operation/PutRecords", vec![], ""),
        ("POST", "/service/GraniteServiceVersion20100801", vec![], ""),
        ("POST", "/", vec![FORM], "Action=PutRecords&Version=2013-12-02"),
        ("POST", "/", vec![FORM], "Action=PutRecords"),
        ("POST", "/", vec![], IDENTITY),
        ("PUT", "/", vec![FORM], IDENTITY),
        ("GET", "/", vec![], ""),
    ] {
        assert_eq!(ask(method, path, &headers(&named), body), None, "{method} {path} {named:?} {body}");
    }
}

fn addressed(service: Service, protocol: Protocol, query_mode: bool) -> Addressed {
    Addressed { service, protocol, operation: None, query_mode }
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    let found = reply.headers.iter().find(|(header, _)| header.as_str() == name);
    found.map(|(_, value)| value.to_str().unwrap().to_owned())
}

#[test]
fn errors_are_told_in_the_form_of_the_protocol() {
    let missing = Code::client("MissingRequiredParameterException").with_query_name("MissingParameter");
    let error = ServiceError::new(missing, "a \"b\" <c>");

    let reply = addressed(Service::CloudWatch, Protocol::Json, true).refuse(&error, "id");
    assert_eq!((reply.status.as_u16(), reply.content_type), (400, "application/x-amz-json-1.0"));
    let expected = r#"{"__type":"com.amazon.coral.service#MissingRequiredParameterException","message":"a \"b\" <c>"}"#;
    assert_eq!(reply.body, expected);
    assert_eq!(header(&reply, "x-amzn-query-error").unwrap(), "MissingParameter;Sender");

    let reply = addressed(Service::CloudWatch, Protocol::RpcCbor, false).refuse(&error, "id");
    assert_eq!(header(&reply, "smithy-protocol").unwrap(), "rpc-v2-cbor");
    assert_eq!(header(&reply, "x-amzn-query-error"), None);
    let body = cbor_json(&reply.body);
    assert_eq!(body["__type"], "com.amazon.coral.service#MissingRequiredParameterException");
    assert_eq!(body["message"], "a \"b\" <c>");

    let reply = addressed(Service::CloudWatch, Protocol::Query, false).refuse(&error, "the-id");
    assert_eq!((reply.status.as_u16(), reply.content_type), (400, "text/xml"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    for part in ["<Type>Sender</Type>", "<Code>MissingParameter</Code>", "&lt;c&gt;", "<RequestId>the-id</RequestId>"] {
        assert!(text.contains(part), "{text}");
    }
}

fn cbor_json(body: &[u8]) -> serde_json::Value {
    cbor::to_json(body).unwrap()
}

#[test]
fn what_all_have_in_common_has_its_own_namespace_and_status() {
    use crate::error::{ErrorBody, ErrorCode};

    let unknown = ServiceError::from(ErrorBody::bare(ErrorCode::UnknownOperation));
    let reply = addressed(Service::DynamoDb, Protocol::Json, false).refuse(&unknown, "id");
    assert_eq!(reply.body, r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#);
    assert_eq!(header(&reply, "x-amz-crc32").unwrap(), crc32fast::hash(&reply.body).to_string());
    let invalid = ServiceError::from(ErrorBody::new(ErrorCode::Validation, "x"));
    let reply = addressed(Service::DynamoDb, Protocol::Json, false).refuse(&invalid, "id");
    assert_eq!(reply.body, r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"x"}"#);
    let wrong = ServiceError::from(ErrorBody::new(ErrorCode::InvalidSignature, "x"));
    assert_eq!(addressed(Service::Sts, Protocol::Query, false).refuse(&wrong, "id").status.as_u16(), 403);
}

#[test]
fn an_error_can_have_members_of_its_own() {
    let failed = Code::client("ConditionalCheckFailedException");
    let error = ServiceError::new(failed, "The conditional request failed")
        .with_member("Item", Bytes::from_static(br#"{"a":{"S":"b"}}"#));
    let reply = addressed(Service::DynamoDb, Protocol::Json, false).refuse(&error, "id");
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
    assert_eq!(body["Item"]["a"]["S"], "b");
    assert_eq!(body["message"], "The conditional request failed");
}
