//! Tags and policies of what is not there, and those that are none.

use serde_json::{Value, json};

use crate::Says::{All, Exactly};
use crate::{IN_USE, INVALID, NOT_FOUND, Past, Row, VALIDATION, arn, call, row};

/// Every operation on a resource, with what it needs beside the resource.
fn operations() -> [(&'static str, Value); 6] {
    let policy = |resource: &str| {
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:GetRecords",
                             "Resource": resource}})
        .to_string()
    };
    [
        ("TagResource", json!({"Tags": {"a": "b"}})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
        ("ListTagsForResource", json!({})),
        ("PutResourcePolicy", json!({"Policy": policy(&arn("s"))})),
        ("GetResourcePolicy", json!({})),
        ("DeleteResourcePolicy", json!({})),
    ]
}

fn on(resource: &str, (operation, mut body): (&str, Value)) -> crate::Call {
    body["ResourceARN"] = json!(resource);
    call(operation, body)
}

pub(crate) fn rows(past: &Past) -> Vec<Row> {
    let of_s = |rest: &str| format!("{}/consumer/{rest}", arn("s"));
    let mut rows = Vec::new();
    for operation in operations() {
        let no_stream = on(&arn("nobody"), operation.clone());
        rows.push(row(
            operation.0,
            no_stream,
            NOT_FOUND,
            Exactly("Stream nobody under account 000000000000 not found."),
        ));
        let no_consumer = on(&of_s("c:1"), operation.clone());
        rows.push(row(operation.0, no_consumer, NOT_FOUND, Exactly("Consumer c, account 000000000000 not found.")));
        let no_arn = on("s", operation.clone());
        rows.push(row(
            operation.0,
            no_arn,
            VALIDATION,
            All(&["Value 's' at 'resourceARN' failed to satisfy constraint"]),
        ));
        let half_an_arn = on(&of_s("c"), operation.clone());
        rows.push(row(
            operation.0,
            half_an_arn,
            INVALID,
            All(&["is not the ARN of a stream or a consumer: expected "]),
        ));
        let queue = on(&arn("s").replace("stream/", "queue/"), operation.clone());
        rows.push(row(operation.0, queue, NOT_FOUND, All(&["this server has no channels and no queues."])));
        let elsewhere = on(&arn("s").replace("us-east-1", "eu-west-1"), operation.clone());
        rows.push(row(operation.0, elsewhere, INVALID, All(&["Stream s is in eu-west-1"])));
        let id = (operation.0, {
            let mut body = operation.1.clone();
            body["StreamId"] = json!("abcdefghij0123456789-abc");
            body
        });
        rows.push(row(operation.0, on(&arn("s"), id), NOT_FOUND, All(&["Stream with id abcdefghij0123456789-abc"])));
    }
    let mine = of_s(&format!("c:{}", past.second));
    let put =
        |resource: &str, policy: &str| call("PutResourcePolicy", json!({"ResourceARN": resource, "Policy": policy}));
    let statement = |change: Value| {
        let mut whole = json!({"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:GetRecords",
                               "Resource": arn("s")});
        whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"Version": "2012-10-17", "Statement": [whole]}).to_string()
    };
    rows.extend([
        row(
            "a consumer's tag with a percent sign",
            call("TagResource", json!({"ResourceARN": mine, "Tags": {"a": "%"}})),
            INVALID,
            All(&["Failed to add tags to consumer c under account 000000000000 because some tags contained illegal"]),
        ),
        row(
            "removing a tag with a percent sign",
            call("UntagResource", json!({"ResourceARN": arn("s"), "TagKeys": ["%"]})),
            INVALID,
            All(&["Failed to remove tags from stream s under account 000000000000"]),
        ),
        row(
            "fifty-one tags of a consumer",
            call(
                "TagResource",
                json!({"ResourceARN": mine,
                       "Tags": (0..51).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>()}),
            ),
            INVALID,
            All(&["because a given consumer cannot have more than 50 tags associated with it."]),
        ),
        row("no tags", call("TagResource", json!({"ResourceARN": arn("s")})), VALIDATION, All(&["Value null at 'tags'"])),
        row(
            "a policy that is not JSON",
            put(&arn("s"), "{"),
            INVALID,
            Exactly("Policy validation error: policy is not JSON (line 1, column 1)."),
        ),
        row(
            "a policy that says nothing",
            put(&arn("s"), "{}"),
            INVALID,
            Exactly("Policy validation error: Statement is missing."),
        ),
        row(
            "a policy that is too long",
            put(&arn("s"), &format!("{{\"Id\":\"{}\"}}", "x".repeat(20_480))),
            INVALID,
            Exactly("Policy validation error: policy has 20489 bytes, more than 20480."),
        ),
        row(
            "a policy for everybody",
            put(&arn("s"), &statement(json!({"Principal": "*"}))),
            INVALID,
            Exactly("Policy validation error: Statement[0].Principal has a wildcard: each has to be named."),
        ),
        row(
            "a policy of what cannot be shared",
            put(&arn("s"), &statement(json!({"Action": "kinesis:DeleteStream"}))),
            INVALID,
            Exactly(
                "Policy validation error: Statement[0].Action \"kinesis:DeleteStream\" is none of DescribeStreamSummary, \
                 GetRecords, GetShardIterator, ListShards, PutRecord, PutRecords.",
            ),
        ),
        row(
            "a policy for another stream",
            put(&arn("s"), &statement(json!({"Resource": arn("t")}))),
            INVALID,
            Exactly(
                "Policy validation error: Statement[0].Resource \"arn:aws:kinesis:us-east-1:000000000000:stream/t\" is not \
                 arn:aws:kinesis:us-east-1:000000000000:stream/s, which the policy is for.",
            ),
        ),
        row(
            "a policy of a stream for a consumer",
            put(&mine, &statement(json!({}))),
            INVALID,
            All(&["Statement[0].Action \"kinesis:GetRecords\" is none of DescribeStreamConsumer, SubscribeToShard."]),
        ),
        row(
            "a policy that is not there",
            call("DeleteResourcePolicy", json!({"ResourceARN": arn("s")})),
            NOT_FOUND,
            Exactly("No resource policy found for resource ARN arn:aws:kinesis:us-east-1:000000000000:stream/s."),
        ),
    ]);
    rows
}

pub(crate) fn under_way(creating: u64, deleting: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for operation in operations() {
        for name in ["creating", "deleting"] {
            let says: &[_] = match name {
                "creating" => &["Stream creating under account 000000000000 not ACTIVE, instead in state CREATING"],
                _ => &["Stream deleting under account 000000000000 not ACTIVE, instead in state DELETING"],
            };
            rows.push(row(operation.0, on(&arn(name), operation.clone()), IN_USE, All(says)));
        }
        for (name, second) in [("creating", creating), ("deleting", deleting)] {
            let consumer = format!("{}/consumer/{name}:{second}", arn("s"));
            let says =
                &[" with creation timestamp ", "under stream: s , account 000000000000 is not in ACTIVE status."];
            rows.push(row(operation.0, on(&consumer, operation.clone()), IN_USE, All(says)));
        }
    }
    for (operation, body) in [
        ("AddTagsToStream", json!({"StreamName": "creating", "Tags": {"a": "b"}})),
        ("RemoveTagsFromStream", json!({"StreamName": "creating", "TagKeys": ["a"]})),
    ] {
        let says = "Stream creating under account 000000000000 not ACTIVE, instead in state CREATING";
        rows.push(row(operation, call(operation, body), IN_USE, Exactly(says)));
    }
    rows
}
