//! The type check, in the words that AWS was heard to use (api.md §2.6; the cases are those of the suite named there).

use super::*;
use crate::codec::json;
use crate::operation::Operation;

/// What is said of a body, if anything.
fn complaint(operation: Operation, body: &str) -> Option<String> {
    let error = json::decode_value(operation, body.as_bytes()).err()?;
    if error.code == ErrorCode::Validation {
        return None;
    }
    assert_eq!(error.code, ErrorCode::Serialization);
    Some(error.message.expect("it is said what is wrong").into_owned())
}

const BOOL: &str = "class java.lang.Boolean can not be converted to ";
const NUMBER: &str = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to ";
const STRING: &str = "class java.lang.String can not be converted to ";
const LIST: &str = "Start of list found where not expected";
const MAP: &str = "Start of structure or map found where not expected.";

#[track_caller]
fn expect(operation: Operation, template: &str, cases: &[(&str, &str)]) {
    for (value, expected) in cases {
        let body = template.replace('?', value);
        assert_eq!(complaint(operation, &body).as_deref(), Some(*expected), "{body}");
    }
}

#[test]
fn strings() {
    let boolean = format!("{BOOL}an String");
    let number = format!("{NUMBER}an String");
    let cases =
        [("true", &*boolean), ("23", &number), ("-2147483648", &number), ("34.56", &number), ("[]", LIST), ("{}", MAP)];
    expect(Operation::PutRecord, r#"{"StreamName":?}"#, &cases);
    expect(Operation::AddTagsToStream, r#"{"Tags":{"a":?}}"#, &cases);
    expect(Operation::PutRecords, r#"{"Records":[{"PartitionKey":?}]}"#, &cases);
}

#[test]
fn numbers() {
    let string = format!("{STRING}an Integer");
    let boolean = format!("{BOOL}an Integer");
    let cases = [("\"23\"", &*string), ("true", &boolean), ("[1]", LIST), ("{\"a\":1}", MAP)];
    expect(Operation::CreateStream, r#"{"ShardCount":?}"#, &cases);
}

#[test]
fn whole_numbers_are_floored_and_clamped() {
    for (written, expected) in
        [("2.9", 2), ("-2.1", -3), ("2147483648", i32::MAX), ("1e300", i32::MAX), ("-1e300", i32::MIN), ("2e1", 20)]
    {
        let body = format!(r#"{{"ShardCount":{written}}}"#);
        let value = serde_json::Deserializer::from_str(&body);
        let mut value = value;
        let value = crate::value::read(Operation::CreateStream.input(), &mut value).unwrap();
        let checked = check(Operation::CreateStream.input(), value).unwrap();
        assert_eq!(checked, Value::Map(vec![("ShardCount".to_owned(), i64::from(expected).into())]), "{written}");
    }
}

#[test]
fn truth_values() {
    let number = format!("{NUMBER}an Boolean");
    let cases = [
        ("\"23\"", "'23' can not be converted to an Boolean"),
        ("\"HelloWtf\"", "'HELLOWTF' can not be converted to an Boolean"),
        ("23", &*number),
        ("[]", LIST),
        ("{}", MAP),
    ];
    expect(Operation::DeleteStream, r#"{"EnforceConsumerDeletion":?}"#, &cases);
    for text in ["true", "TRUE", "1", "yes", "false", "0", "no"] {
        let body = format!(r#"{{"StreamName":"a","EnforceConsumerDeletion":"{text}"}}"#);
        let input: crate::generated::DeleteStreamInput = json::decode(body.as_bytes()).unwrap();
        assert_eq!(input.enforce_consumer_deletion, Some(matches!(text, "true" | "TRUE" | "1" | "yes")));
    }
}

#[test]
fn blobs() {
    let boolean = format!("{BOOL}a Blob");
    let number = format!("{NUMBER}a Blob");
    let cases = [
        ("true", &*boolean),
        ("23", &number),
        ("[]", LIST),
        ("{}", MAP),
        (
            "\"23456\"",
            "'23456' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        ),
        ("\"=+/=\"", "'=+/=' can not be converted to a Blob: Invalid Base64 character: '='"),
        ("\"+/+=\"", "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"),
        ("\"ab-_\"", "'ab-_' can not be converted to a Blob: Invalid Base64 character: '-'"),
        ("\"a===\"", "'a===' can not be converted to a Blob: Invalid Base64 character: '='"),
    ];
    expect(Operation::PutRecord, r#"{"Data":?}"#, &cases);
    expect(Operation::PutRecords, r#"{"Records":[{"Data":?}]}"#, &cases);
}

#[test]
fn timestamps() {
    let string = format!("{STRING}milliseconds since epoch");
    let boolean = format!("{BOOL}milliseconds since epoch");
    let cases = [("\"2020-01-01\"", &*string), ("true", &boolean), ("[]", LIST), ("{}", MAP)];
    expect(Operation::GetShardIterator, r#"{"Timestamp":?}"#, &cases);
}

#[test]
fn collections() {
    for scalar in ["\"23\"", "true", "23", "34.56"] {
        expect(Operation::PutRecords, r#"{"Records":?}"#, &[(scalar, "Expected list or null")]);
        expect(Operation::PutRecords, r#"{"Records":[?]}"#, &[(scalar, "Expected null")]);
        expect(Operation::AddTagsToStream, r#"{"Tags":?}"#, &[(scalar, "Expected map or null")]);
        expect(Operation::CreateStream, r#"{"StreamModeDetails":?}"#, &[(scalar, "Expected null")]);
    }
    expect(Operation::PutRecords, r#"{"Records":?}"#, &[("{}", MAP)]);
    expect(Operation::PutRecords, r#"{"Records":[?]}"#, &[("[]", LIST)]);
    expect(Operation::AddTagsToStream, r#"{"Tags":?}"#, &[("[[{}]]", LIST)]);
}

#[test]
fn nulls_and_strangers_are_not_there() {
    let body = r#"{"StreamName":null,"Data":null,"Stranger":[[{"a":1e400}],"\ud800"]}"#;
    let value = json::decode_value(Operation::PutRecord, body.as_bytes());
    let message = value.unwrap_err().message.unwrap();
    assert!(message.starts_with("1 validation error detected: Value null at 'data'"), "{message}");
}

#[test]
fn what_is_no_object_is_refused_without_a_message() {
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 9] =
        [b"", b"null", b"1", b"[]", b"\"a\"", b"{", b"{} {}", b"{\"StreamName\":\"\xff\"}", deep.as_bytes()];
    for body in bodies {
        let error = json::decode_value(Operation::PutRecord, body).unwrap_err();
        assert_eq!(error, ErrorBody::bare(ErrorCode::Serialization));
    }
    // What nobody wants to know may be as deep as it likes.
    let closed = "]".repeat(100_000);
    for body in [format!(r#"{{"Data":"","Stranger":{deep}{closed}}}"#), format!(r#"{{"Data":{deep}{closed}}}"#)] {
        let error = json::decode_value(Operation::PutRecord, body.as_bytes()).err();
        assert!(error.is_none_or(|error| error.message.as_deref() == Some(LIST)));
    }
    let many = format!(r#"{{"Records":[{}{{}}]}}"#, "{},".repeat(100_000));
    let error = json::decode_value(Operation::PutRecords, many.as_bytes()).unwrap_err();
    assert_eq!(error, ErrorBody::bare(ErrorCode::Serialization));
}

#[test]
fn of_a_member_that_is_repeated_the_last_counts() {
    let input: crate::generated::AddTagsToStreamInput =
        json::decode(br#"{"Tags":{"a":"1"},"StreamName":"x","Tags":{"b":"1","a":"2","b":"3"}}"#).unwrap();
    let tags: Vec<_> = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("a", "2"), ("b", "3")]);
}
