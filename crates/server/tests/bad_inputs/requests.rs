//! Requests that are wrong whatever the state: bodies, types, constraints, signatures.

use rheos_testkit::Call;
use serde_json::{Value, json};

use crate::Says::{All, Exactly, Nothing};
use crate::{NOT_FOUND, Row, SERIALIZATION, UNKNOWN, VALIDATION, call, row};

pub(crate) fn malformed() -> Vec<Row> {
    let raw = |body: &str| Call::raw("DescribeStream", body);
    let plain = |call: Call| call.header("content-type", "application/json");
    let cbor_of =
        |operation, body: &[u8]| Call::raw(operation, body).header("content-type", "application/x-amz-cbor-1.1");
    let cbor = |body: &[u8]| cbor_of("DescribeStream", body);
    let deep = [b"\xa1\x61a".to_vec(), vec![0x81; 1 << 20], vec![0x00]].concat();
    vec![
        row("no JSON", raw("hello"), SERIALIZATION, Nothing),
        row("half JSON", raw(r#"{"StreamName":"s""#), SERIALIZATION, Nothing),
        row("two bodies", raw(r#"{"StreamName":"s"}{}"#), SERIALIZATION, Nothing),
        row("no UTF-8", Call::raw("DescribeStream", b"{\"StreamName\":\"\xff\"}".to_vec()), SERIALIZATION, Nothing),
        row("a list", raw("[]"), SERIALIZATION, Nothing),
        row("a text", raw("\"s\""), SERIALIZATION, Nothing),
        row("null", raw("null"), SERIALIZATION, Nothing),
        row("an empty body", raw(""), SERIALIZATION, Nothing),
        row("no JSON, not signed", raw("hello").unsigned(), SERIALIZATION, Nothing),
        row("half CBOR", cbor(b"\xbf\x6aStreamName\x61s"), SERIALIZATION, Nothing),
        row("JSON for CBOR", cbor(br#"{"StreamName":"s"}"#), SERIALIZATION, Nothing),
        row("two bodies of CBOR", cbor(b"\xa0\xa0"), SERIALIZATION, Nothing),
        row("no UTF-8 in CBOR", cbor(b"\xa1\x6aStreamName\x61\xff"), SERIALIZATION, Nothing),
        row("a list of CBOR", cbor(b"\x9f\xff"), SERIALIZATION, Nothing),
        row("null in CBOR", cbor(b"\xf6"), SERIALIZATION, Nothing),
        row("an empty body of CBOR", cbor(b""), SERIALIZATION, Nothing),
        row(
            "a text of 4 GiB that is not there",
            cbor(b"\xa1\x6aStreamName\x7b\0\0\0\x01\0\0\0\0s"),
            SERIALIZATION,
            Nothing,
        ),
        row(
            "a list of 2^64 - 1 that is not there",
            cbor(b"\xa1\x6aStreamName\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
            SERIALIZATION,
            Nothing,
        ),
        row("a map of too many to count", cbor(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x61a"), SERIALIZATION, Nothing),
        row("a million lists in each other", cbor(&deep), SERIALIZATION, Nothing),
        row("no CBOR, not signed", cbor(b"\xa1").unsigned(), SERIALIZATION, Nothing),
        row("an unknown operation, no CBOR", cbor_of("ListRivers", b"\xa1"), SERIALIZATION, Nothing),
        row("an unknown operation in CBOR", cbor_of("ListRivers", b"\xa0"), UNKNOWN, Nothing),
        row("an unknown operation", Call::raw("ListRivers", "{}"), UNKNOWN, Nothing),
        row("an unknown operation without a body", Call::raw("ListRivers", ""), UNKNOWN, Nothing),
        row("an unknown operation, no JSON", Call::raw("ListRivers", "hello"), SERIALIZATION, Nothing),
        row("no target", raw("{}").without("x-amz-target"), UNKNOWN, Nothing),
        row(
            "another service",
            raw("{}").header("x-amz-target", "Firehose_20150804.ListDeliveryStreams"),
            UNKNOWN,
            Nothing,
        ),
        row("a target without a dot", raw("{}").header("x-amz-target", "ListStreams"), UNKNOWN, Nothing),
        row(
            "an operation to come",
            call("DescribeChannel", json!({"ChannelARN": "x"})),
            UNKNOWN,
            Exactly("DescribeChannel is an operation of Kinesis that this server does not implement"),
        ),
        Row {
            what: "application/json, an object",
            call: plain(raw("{}")),
            status: 404,
            code: "com.amazon.coral.service#UnknownOperationException",
            says: Nothing,
        },
        Row {
            what: "application/json, none",
            call: plain(raw("hello")),
            status: 400,
            code: "com.amazon.coral.service#SerializationException",
            says: Nothing,
        },
    ]
}

pub(crate) fn types() -> Vec<Row> {
    let name = |value: Value| call("DescribeStream", json!({"StreamName": value}));
    let limit = |value: Value| call("DescribeStream", json!({"StreamName": "s", "Limit": value}));
    let data = |value: Value| call("PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": value}));
    let serialization = |what, call, message| row(what, call, SERIALIZATION, Exactly(message));
    vec![
        serialization(
            "a number for a text",
            name(json!(5)),
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String",
        ),
        serialization(
            "a truth for a text",
            name(json!(true)),
            "class java.lang.Boolean can not be converted to an String",
        ),
        serialization("a list for a text", name(json!(["s"])), "Start of list found where not expected"),
        serialization(
            "a map for a text",
            name(json!({"a": "s"})),
            "Start of structure or map found where not expected.",
        ),
        serialization(
            "a text for a number",
            limit(json!("5")),
            "class java.lang.String can not be converted to an Integer",
        ),
        serialization(
            "a truth for a number",
            limit(json!(true)),
            "class java.lang.Boolean can not be converted to an Integer",
        ),
        serialization("a list for a number", limit(json!([])), "Start of list found where not expected"),
        serialization(
            "a number for a blob",
            data(json!(5)),
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob",
        ),
        serialization(
            "a truth for a blob",
            data(json!(true)),
            "class java.lang.Boolean can not be converted to a Blob",
        ),
        serialization(
            "base64 of a wrong length",
            data(json!("YQ=")),
            "'YQ=' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3",
        ),
        serialization(
            "base64 with a strange character",
            data(json!("=HLM")),
            "'=HLM' can not be converted to a Blob: Invalid Base64 character: '='",
        ),
        serialization(
            "base64 with a strange last character",
            data(json!("YXR=")),
            "'YXR=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected",
        ),
        serialization(
            "a text for a list",
            call("PutRecords", json!({"StreamName": "s", "Records": "all"})),
            "Expected list or null",
        ),
        serialization(
            "a map for a list",
            call("PutRecords", json!({"StreamName": "s", "Records": {}})),
            "Start of structure or map found where not expected.",
        ),
        serialization(
            "a text for a structure",
            call("PutRecords", json!({"StreamName": "s", "Records": ["r"]})),
            "Expected null",
        ),
        serialization(
            "a text for a map",
            call("AddTagsToStream", json!({"StreamName": "s", "Tags": "a=b"})),
            "Expected map or null",
        ),
        serialization(
            "a number for a truth",
            call("DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": 5})),
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean",
        ),
        serialization(
            "a text for a truth",
            call("DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": "perhaps"})),
            "'PERHAPS' can not be converted to an Boolean",
        ),
    ]
}

pub(crate) fn constraints() -> Vec<Row> {
    let validation = |what, call, message| row(what, call, VALIDATION, Exactly(message));
    let create = |name: &str, shards: i64| call("CreateStream", json!({"StreamName": name, "ShardCount": shards}));
    let records = |count: usize| {
        let record = json!({"Data": "", "PartitionKey": "k"});
        call("PutRecords", json!({"StreamName": "s", "Records": vec![record; count]}))
    };
    let put = |member: &str, value: &str| {
        let mut body = json!({"StreamName": "s", "PartitionKey": "k", "Data": "YQ=="});
        body[member] = json!(value);
        call("PutRecord", body)
    };
    vec![
        validation(
            "no name",
            call("CreateStream", json!({"ShardCount": 1})),
            "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null",
        ),
        row(
            "an empty name",
            create("", 1),
            VALIDATION,
            All(&[
                "2 validation errors detected: ",
                "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1",
                "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: \
                 [a-zA-Z0-9_.-]+",
            ]),
        ),
        row(
            "a long name",
            create(&"n".repeat(129), 1),
            VALIDATION,
            All(&["1 validation error detected: Value 'nnnn", "Member must have length less than or equal to 128"]),
        ),
        validation(
            "a name with a blank",
            create("a b", 1),
            "1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        validation(
            "no shards",
            create("n", 0),
            "1 validation error detected: Value '0' at 'shardCount' failed to satisfy constraint: Member must have value \
             greater than or equal to 1",
        ),
        validation(
            "a limit of nothing",
            call("ListStreams", json!({"Limit": 0})),
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value \
             greater than or equal to 1",
        ),
        validation(
            "a limit too high",
            call("ListStreams", json!({"Limit": 10_001})),
            "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value \
             less than or equal to 10000",
        ),
        row(
            "501 records",
            records(501),
            VALIDATION,
            All(&["1 validation error detected: ", "at 'records' failed", "length less than or equal to 500"]),
        ),
        row("no records", records(0), VALIDATION, All(&["at 'records' failed", "length greater than or equal to 1"])),
        row(
            "no data",
            call("PutRecord", json!({"StreamName": "s", "PartitionKey": "k"})),
            VALIDATION,
            Exactly(
                "1 validation error detected: Value null at 'data' failed to satisfy constraint: Member must not be null",
            ),
        ),
        validation(
            "no partition key",
            call("PutRecord", json!({"StreamName": "s", "Data": ""})),
            "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
        ),
        row(
            "no partition key, and no stream that could do without",
            call("PutRecord", json!({"StreamName": "nobody", "Data": ""})),
            NOT_FOUND,
            Exactly("Stream nobody under account 000000000000 not found."),
        ),
        validation(
            "no partition key in the second record",
            call(
                "PutRecords",
                json!({"StreamName": "s", "Records": [{"Data": "", "PartitionKey": "k"}, {"Data": ""}]}),
            ),
            "1 validation error detected: Value null at 'records.2.member.partitionKey' failed to satisfy constraint: \
             Member must not be null",
        ),
        validation(
            "an empty partition key",
            put("PartitionKey", ""),
            "1 validation error detected: Value '' at 'partitionKey' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ),
        row(
            "a long partition key",
            put("PartitionKey", &"k".repeat(257)),
            VALIDATION,
            All(&["at 'partitionKey' failed", "Member must have length less than or equal to 256"]),
        ),
        row(
            "a hash key that is no number",
            put("ExplicitHashKey", "-1"),
            VALIDATION,
            All(&[
                "Value '-1' at 'explicitHashKey' failed",
                r"Member must satisfy regular expression pattern: ^(0|([1-9]\d{0,38}))$",
            ]),
        ),
        row(
            "a sequence number that is none",
            put("SequenceNumberForOrdering", "x"),
            VALIDATION,
            All(&["Value 'x' at 'sequenceNumberForOrdering' failed", "regular expression pattern"]),
        ),
        validation(
            "an iterator type that is none",
            call("GetShardIterator", json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "NOW"})),
            "1 validation error detected: Value 'NOW' at 'shardIteratorType' failed to satisfy constraint: Member must \
             satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
        ),
        row(
            "no tags",
            call("AddTagsToStream", json!({"StreamName": "s", "Tags": {}})),
            VALIDATION,
            All(&["at 'tags' failed", "length greater than or equal to 1"]),
        ),
        row(
            "a long tag key",
            call("AddTagsToStream", json!({"StreamName": "s", "Tags": {"k".repeat(129): "v"}})),
            VALIDATION,
            All(&[
                "at 'tags' failed",
                "Map keys must satisfy constraint: [Member must have length less than or equal to 128",
            ]),
        ),
        row(
            "many mistakes at once",
            call("GetShardIterator", json!({"StreamName": "", "ShardId": "", "ShardIteratorType": "NOW"})),
            VALIDATION,
            All(&["5 validation errors detected: ", "at 'streamName'", "at 'shardId'", "at 'shardIteratorType'"]),
        ),
        row(
            "a record of the largest that the model allows and more",
            put("Data", &"A".repeat((10_485_760 + 3) / 3 * 4)),
            VALIDATION,
            All(&["at 'data' failed", "Member must have length less than or equal to 10485760"]),
        ),
        row(
            "a record larger than the stream takes",
            put("Data", &"A".repeat((1 << 20) / 3 * 4 + 4)),
            VALIDATION,
            All(&[
                "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=",
                "at 'data' failed",
                "1048576",
            ]),
        ),
    ]
}

pub(crate) fn authentication() -> Vec<Row> {
    const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                            Secret Access Key and signing method. Consult the service documentation for details.";
    const TOKEN: &str = "The security token included in the request is invalid.";
    let signature = "InvalidSignatureException";
    let list = || call("ListStreams", json!({}));
    let header = |value: &str| list().unsigned().tampered("authorization", Some(value));
    vec![
        row(
            "not signed",
            list().unsigned(),
            "MissingAuthenticationTokenException",
            Exactly("Missing Authentication Token"),
        ),
        row("another secret", list().secret("wrong"), signature, Exactly(MISMATCH)),
        row("an unknown key", list().key_id("AKIAAAAAAAAAAAAAAAAA"), "UnrecognizedClientException", Exactly(TOKEN)),
        row(
            "a session token that nobody gave",
            list().session_token("t"),
            "UnrecognizedClientException",
            Exactly(TOKEN),
        ),
        row("signed six minutes ago", list().late(360_000), signature, All(&["Signature expired: ", " - 5 min.)"])),
        row(
            "signed in six minutes",
            list().late(-360_000),
            signature,
            All(&["Signature not yet current: ", " + 5 min.)"]),
        ),
        row(
            "another service",
            list().service("dynamodb"),
            signature,
            All(&["Credential should be scoped to correct service: 'kinesis'."]),
        ),
        row(
            "no region at all",
            list().region("Nowhere!"),
            signature,
            All(&["Credential should be scoped to a valid region."]),
        ),
        row(
            "a target changed after signing",
            list().tampered("x-amz-target", Some("Kinesis_20131202.DescribeLimits")),
            signature,
            Exactly(MISMATCH),
        ),
        row(
            "a header of AWS that is not signed",
            list().tampered("x-amz-meta", Some("x")),
            signature,
            All(&["There were headers present in the request which were not signed: x-amz-meta"]),
        ),
        row(
            "a header without anything in it",
            header("AWS4-HMAC-SHA256"),
            "IncompleteSignatureException",
            Exactly(
                "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
                 parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
                 existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256",
            ),
        ),
        row(
            "both header and query",
            list().path("/?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
            signature,
            Exactly("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."),
        ),
        row(
            "half a query",
            list().unsigned().path("/?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
            "IncompleteSignatureException",
            Exactly(
                "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
                 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string \
                 parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.",
            ),
        ),
        row(
            "a wrong signature comes before a wrong type",
            call("ListStreams", json!({"Limit": "many"})).secret("wrong"),
            signature,
            Exactly(MISMATCH),
        ),
    ]
}
