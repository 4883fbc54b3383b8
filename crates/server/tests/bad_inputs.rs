//! Bad inputs, and what the real service answers to each: status, code and message, from `reference/api.md` §2–§7.
//!
//! One server answers all of them. A row is what is sent and what comes back; where the order of items is not fixed, or a
//! text has a time in it, the row says what the message contains.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use rheos_testkit::{Call, TestServer};
use rheos_types::{SequenceNumber, ShardId};
use serde_json::{Value, json};

enum Says {
    /// Exactly this.
    Exactly(&'static str),
    /// All of these.
    All(&'static [&'static str]),
    /// Nothing: there is no message.
    Nothing,
}
use Says::{All, Exactly, Nothing};

struct Row {
    what: &'static str,
    call: Call,
    status: u16,
    code: &'static str,
    says: Says,
}

fn row(what: &'static str, call: Call, code: &'static str, says: Says) -> Row {
    let status = if code.starts_with("InternalFailure") { 500 } else { 400 };
    Row { what, call, status, code, says }
}

const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";
const SERIALIZATION: &str = "SerializationException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const UNKNOWN: &str = "UnknownOperationException";

/// Every row, against a server that has one stream `s` of two shards, the second split, and `iterator` of `t`, which is
/// gone.
fn rows(iterator_of_nothing: &str, old_iterator: &str) -> Vec<Row> {
    let mut rows = malformed();
    rows.extend(types());
    rows.extend(constraints());
    rows.extend(authentication());
    rows.extend(state());
    rows.extend(reads(iterator_of_nothing, old_iterator));
    rows
}

fn call(operation: &str, body: Value) -> Call {
    Call::new(operation, &body)
}

fn malformed() -> Vec<Row> {
    let raw = |body: &str| Call::raw("DescribeStream", body);
    let plain = |call: Call| call.header("content-type", "application/json");
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
        row("an unknown operation", Call::raw("ListRivers", "{}"), UNKNOWN, Nothing),
        row("an unknown operation without a body", Call::raw("ListRivers", ""), UNKNOWN, Nothing),
        row("an unknown operation, no JSON", Call::raw("ListRivers", "hello"), SERIALIZATION, Nothing),
        row("no target", raw("{}").without("x-amz-target"), UNKNOWN, Nothing),
        row("another service", raw("{}").header("x-amz-target", "DynamoDB_20120810.ListTables"), UNKNOWN, Nothing),
        row("a target without a dot", raw("{}").header("x-amz-target", "ListStreams"), UNKNOWN, Nothing),
        row(
            "an operation to come",
            call("RegisterStreamConsumer", json!({"StreamARN": "x", "ConsumerName": "c"})),
            UNKNOWN,
            Exactly("RegisterStreamConsumer is an operation of Kinesis that this server does not implement"),
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

fn types() -> Vec<Row> {
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

fn constraints() -> Vec<Row> {
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

fn authentication() -> Vec<Row> {
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

fn state() -> Vec<Row> {
    let put = |body: Value| {
        let mut whole = json!({"Data": "YQ==", "PartitionKey": "k"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        call("PutRecord", whole)
    };
    let arn = |region: &str, account: &str, name: &str| format!("arn:aws:kinesis:{region}:{account}:stream/{name}");
    let mine = |name: &str| arn("us-east-1", "000000000000", name);
    let split = |stream: &str, shard: &str, key: &str| {
        call("SplitShard", json!({"StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": key}))
    };
    let merge = |first: &str, second: &str| {
        call("MergeShards", json!({"StreamName": "s", "ShardToMerge": first, "AdjacentShardToMerge": second}))
    };
    let retention = |verb: &str, hours: i64| {
        call(&format!("{verb}StreamRetentionPeriod"), json!({"StreamName": "s", "RetentionPeriodHours": hours}))
    };
    let tag = |key: &str| call("AddTagsToStream", json!({"StreamName": "s", "Tags": {key: "v"}}));
    let nobody = "Stream nobody under account 000000000000 not found.";
    vec![
        row("no such stream", put(json!({"StreamName": "nobody"})), NOT_FOUND, Exactly(nobody)),
        row("no such stream by its ARN", put(json!({"StreamARN": mine("nobody")})), NOT_FOUND, Exactly(nobody)),
        row(
            "describe no such stream",
            call("DescribeStream", json!({"StreamName": "nobody"})),
            NOT_FOUND,
            Exactly(nobody),
        ),
        row("delete no such stream", call("DeleteStream", json!({"StreamName": "nobody"})), NOT_FOUND, Exactly(nobody)),
        row(
            "create what exists",
            call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})),
            "ResourceInUseException",
            Exactly("Stream s under account 000000000000 already exists."),
        ),
        row(
            "more shards than an account has",
            call("CreateStream", json!({"StreamName": "n", "ShardCount": 20_000})),
            "LimitExceededException",
            All(&[
                "This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count \
                 for the account: 3. Limit: 20000. Number of additional shards that would have resulted from this request: \
                 20000. Refer to the AWS Service Limits page",
            ]),
        ),
        row("no stream named", put(json!({})), INVALID, Exactly("Either StreamName or StreamARN should be provided.")),
        row(
            "name and ARN differ",
            put(json!({"StreamName": "s", "StreamARN": mine("t")})),
            INVALID,
            All(&["do not name the same"]),
        ),
        row(
            "another account",
            put(json!({"StreamARN": arn("us-east-1", "111111111111", "s")})),
            "AccessDeniedException",
            Exactly(
                "User: arn:aws:iam::000000000000:root is not authorized to perform: kinesis:PutRecord on resource: \
                 arn:aws:kinesis:us-east-1:111111111111:stream/s because no resource-based policy allows the \
                 kinesis:PutRecord action",
            ),
        ),
        row(
            "another region",
            put(json!({"StreamARN": arn("eu-west-1", "000000000000", "s")})),
            INVALID,
            All(&["eu-west-1"]),
        ),
        row(
            "a stream by its id",
            put(json!({"StreamId": "abcdefghij0123456789-abc"})),
            INVALID,
            All(&["StreamId is not supported"]),
        ),
        row(
            "a hash key too high",
            put(json!({"StreamName": "s", "ExplicitHashKey": "340282366920938463463374607431768211456"})),
            INVALID,
            Exactly(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                 340282366920938463463374607431768211456",
            ),
        ),
        row(
            "ordering after no number of ours",
            put(json!({"StreamName": "s", "SequenceNumberForOrdering": "5"})),
            INVALID,
            Exactly(
                "ExclusiveMinimumSequenceNumber 5 used in PutRecord on stream s under account 000000000000 is invalid.",
            ),
        ),
        row(
            "split a shard that is none",
            split("s", "first", "5"),
            NOT_FOUND,
            Exactly("Could not find shard first in stream s under account 000000000000."),
        ),
        row("split in no stream", split("nobody", "0", "5"), NOT_FOUND, Exactly(nobody)),
        row(
            "split no such shard",
            split("s", "shardId-000000000009", "5"),
            NOT_FOUND,
            Exactly("Could not find shard shardId-000000000009 in stream s under account 000000000000."),
        ),
        row(
            "split at the start",
            split("s", "0", "1"),
            INVALID,
            All(&[
                "NewStartingHashKey 1 used in SplitShard() on shard shardId-000000000000 in stream s under account \
                 000000000000 is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's \
                 EndingHashKey 170141183460469231731687303715884105727.",
            ]),
        ),
        row(
            "split what was split",
            split("s", "1", "170141183460469231731687303715884105800"),
            INVALID,
            Exactly(
                "Shard shardId-000000000001 in stream s under account 000000000000 has already been merged or split, and \
                 thus is not eligible for merging or splitting.",
            ),
        ),
        row(
            "merge in the wrong order",
            merge("shardId-000000000003", "shardId-000000000002"),
            INVALID,
            Exactly(
                "Shards shardId-000000000003 and shardId-000000000002 in stream s under account 000000000000 are not an \
                 adjacent pair of shards eligible for merging",
            ),
        ),
        row(
            "too short",
            retention("Increase", 23),
            INVALID,
            Exactly(
                "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
            ),
        ),
        row(
            "too long",
            retention("Increase", 8761),
            INVALID,
            Exactly(
                "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
            ),
        ),
        row(
            "a decrease that is none",
            retention("Decrease", 48),
            INVALID,
            Exactly(
                "Requested retention period (48 hours) for stream s can not be longer than existing retention period (24 \
                 hours). Use IncreaseRetentionPeriod API.",
            ),
        ),
        row("a tag with a strange character", tag("a!"), INVALID, All(&["Some tags contain invalid characters."])),
        row(
            "a tag with a percent sign",
            tag("a%"),
            INVALID,
            All(&["Failed to add tags to stream s under account", "'@'."]),
        ),
        row(
            "fifty-one tags",
            call(
                "AddTagsToStream",
                json!({"StreamName": "s", "Tags": (0..51).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>()}),
            ),
            INVALID,
            All(&["cannot have more than 50 tags"]),
        ),
    ]
}

fn reads(iterator_of_nothing: &str, old_iterator: &str) -> Vec<Row> {
    let iterator = |body: Value| {
        let mut whole = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        call("GetShardIterator", whole)
    };
    let read = |iterator: &str| call("GetRecords", json!({"ShardIterator": iterator}));
    let list = |body: Value| call("ListShards", body);
    let number = |shard| SequenceNumber::of_record(ShardId(shard), 1_400_000_000, 5, 1_400_000_001).to_string();
    vec![
        row(
            "an iterator of a shard that is none",
            iterator(json!({"ShardId": "first"})),
            NOT_FOUND,
            Exactly("Could not find shard first in stream s under account 000000000000."),
        ),
        row(
            "an iterator of no such shard",
            iterator(json!({"ShardId": "shardId-000000000009"})),
            NOT_FOUND,
            Exactly("Shard shardId-000000000009 in stream s under account 000000000000 does not exist"),
        ),
        row(
            "an iterator of no such stream",
            iterator(json!({"StreamName": "nobody"})),
            NOT_FOUND,
            Exactly("Shard shardId-000000000000 in stream nobody under account 000000000000 does not exist"),
        ),
        row(
            "a number where none belongs",
            iterator(json!({"StartingSequenceNumber": number(0)})),
            INVALID,
            Exactly(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified LATEST and also a \
                 StartingSequenceNumber.",
            ),
        ),
        row(
            "no number where one belongs",
            iterator(json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER"})),
            INVALID,
            All(&["Request specified AT_SEQUENCE_NUMBER and also no StartingSequenceNumber."]),
        ),
        row(
            "a number that is none of ours",
            iterator(json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "5"})),
            INVALID,
            Exactly(
                "StartingSequenceNumber 5 used in GetShardIterator on shard shardId-000000000000 in stream s under account \
                 000000000000 is invalid.",
            ),
        ),
        row(
            "a number of another stream",
            iterator(json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number(0)})),
            INVALID,
            All(&["StartingSequenceNumber 495", " is invalid because it did not come from this stream."]),
        ),
        row(
            "a number of another shard",
            iterator(json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number(1)})),
            INVALID,
            Exactly(
                "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard \
                 with shardId-000000000000",
            ),
        ),
        row(
            "no time",
            iterator(json!({"ShardIteratorType": "AT_TIMESTAMP"})),
            INVALID,
            Exactly(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            ),
        ),
        row(
            "a time to come",
            iterator(json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 99_999_999_999_u64})),
            INVALID,
            All(&["cannot be greater than the currentTimestampInMillis. timestampInMillis: 99999999999000, current"]),
        ),
        row("an iterator that is none", read("AAAA"), INVALID, Exactly("Invalid ShardIterator.")),
        row("an empty iterator", read(""), VALIDATION, All(&["Value '' at 'shardIterator' failed"])),
        row(
            "an iterator of a stream that is gone",
            read(iterator_of_nothing),
            NOT_FOUND,
            Exactly("Shard shardId-000000000000 in stream t under account 000000000000 does not exist"),
        ),
        row(
            "an iterator of another region",
            read(iterator_of_nothing).region("eu-west-1"),
            INVALID,
            Exactly("Invalid ShardIterator."),
        ),
        row(
            "an old iterator",
            read(old_iterator),
            "ExpiredIteratorException",
            All(&["Iterator expired. The iterator was created at time ", "tolerated delay of 300000 milliseconds."]),
        ),
        row(
            "no stream and no token",
            list(json!({})),
            INVALID,
            Exactly("Either NextToken or StreamName should be provided."),
        ),
        row(
            "token and stream",
            list(json!({"NextToken": "x", "StreamName": "s"})),
            INVALID,
            Exactly("NextToken and StreamName cannot be provided together."),
        ),
        row(
            "token and filter",
            list(json!({"NextToken": "x", "ShardFilter": {"Type": "AT_LATEST"}})),
            INVALID,
            Exactly("NextToken and ShardFilter cannot be provided together."),
        ),
        row("a token that is none", list(json!({"NextToken": "x"})), INVALID, Exactly("Invalid NextToken.")),
        row(
            "a filter without its shard",
            list(json!({"StreamName": "s", "ShardFilter": {"Type": "AFTER_SHARD_ID"}})),
            INVALID,
            All(&["ShardId must be provided"]),
        ),
        row(
            "a filter that is none",
            list(json!({"StreamName": "s", "ShardFilter": {"Type": "NOW"}})),
            VALIDATION,
            All(&[
                "Value 'NOW' at 'shardFilter.type' failed to satisfy constraint: Member must satisfy enum value set: [",
            ]),
        ),
    ]
}

#[tokio::test]
async fn every_bad_input_gets_the_answer_of_the_real_service() {
    let server = TestServer::start().await;
    server.create_stream("t", 1).await;
    let old_iterator = server.iterator("t", "0", "LATEST").await;
    server.clock.advance(300_001);
    let iterator_of_nothing = server.iterator("t", "0", "LATEST").await;
    server.ok("DeleteStream", &json!({"StreamName": "t"})).await;
    server.create_stream("s", 2).await;
    let middle = "255211775190703847597530955573826158592";
    server.ok("SplitShard", &json!({"StreamName": "s", "ShardToSplit": "1", "NewStartingHashKey": middle})).await;
    server.wait_until_active("s").await;

    let rows = rows(&iterator_of_nothing, &old_iterator);
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for Row { what, call, status, code, says } in rows {
        let answer = server.send(&call).await;
        let body = answer.json();
        let body = if body["Output"].is_object() { body["Output"].clone() } else { body };
        // One error has its message in a member of another name.
        let message = if code == SERIALIZATION { &body["Message"] } else { &body["message"] };
        let message = message.as_str();
        let said = match (&says, message) {
            (Nothing, None) => true,
            (Exactly(expected), Some(message)) => message == *expected,
            (All(parts), Some(message)) => parts.iter().all(|part| message.contains(part)),
            (Nothing, Some(_)) | (Exactly(_) | All(_), None) => false,
        };
        let named = answer.header("x-amzn-errortype");
        let named = named == code || code.contains('#');
        let identified = answer.header("x-amzn-requestid").len() == 36 && !answer.header("x-amz-id-2").is_empty();
        if !(answer.status == status && body["__type"] == code && said && named && identified) {
            let expected = match says {
                Exactly(text) => text.to_owned(),
                All(parts) => parts.join(" ... "),
                Nothing => String::new(),
            };
            let text: String = answer.text().chars().take(900).collect();
            wrong.push(format!("{what}:\n  expected {status} {code} {expected}\n  got {} {text}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    server.stop().await;
}
