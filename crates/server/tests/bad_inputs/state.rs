//! Requests that are well-formed, and wrong for the streams there are.

use rheos_types::{SequenceNumber, ShardId};
use serde_json::{Value, json};

use crate::Says::{All, Exactly};
use crate::{INVALID, NOT_FOUND, Row, VALIDATION, call, row};

pub(crate) fn state() -> Vec<Row> {
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
                 for the account: 7. Limit: 20000. Number of additional shards that would have resulted from this request: \
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
            NOT_FOUND,
            Exactly("Stream with id abcdefghij0123456789-abc under account 000000000000 not found."),
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

pub(crate) fn reads(iterator_of_nothing: &str, old_iterator: &str) -> Vec<Row> {
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
