//! Consumers that are not there, or not as they should be.

use serde_json::{Value, json};

use crate::Says::{All, Exactly};
use crate::{IN_USE, INVALID, LIMIT, NOT_FOUND, Past, Row, VALIDATION, arn, call, row};

const NOT_ACTIVE_CREATING: &str = "Stream creating under account 000000000000 not ACTIVE, instead in state CREATING";
const NOT_ACTIVE_DELETING: &str = "Stream deleting under account 000000000000 not ACTIVE, instead in state DELETING";

pub(crate) fn rows(past: &Past) -> Vec<Row> {
    let register = |body: Value| {
        let mut whole = json!({"StreamARN": arn("s"), "ConsumerName": "n"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        call("RegisterStreamConsumer", whole)
    };
    let describe = |body: Value| call("DescribeStreamConsumer", body);
    let deregister = |body: Value| call("DeregisterStreamConsumer", body);
    let list = |body: Value| call("ListStreamConsumers", body);
    let of_s = |rest: &str| format!("{}/consumer/{rest}", arn("s"));
    let mine = of_s(&format!("c:{}", past.second));
    let nobody = "Stream nobody under account 000000000000 not found.";
    let no_consumer = "Consumer n, account 000000000000 not found.";
    let none_named = "Either ConsumerARN or both StreamARN and ConsumerName should be provided.";
    vec![
        row("register with no stream", register(json!({"StreamARN": arn("nobody")})), NOT_FOUND, Exactly(nobody)),
        row(
            "register what exists",
            register(json!({"ConsumerName": "c"})),
            IN_USE,
            Exactly("Consumer c under stream s under account 000000000000 already exists."),
        ),
        row(
            "register with a consumer's ARN",
            register(json!({"StreamARN": of_s("c:1")})),
            INVALID,
            All(&["StreamARN arn:aws:", "/consumer/c:1 is not the ARN of a stream: expected arn:aws:kinesis:"]),
        ),
        row(
            "register a name that is none",
            register(json!({"ConsumerName": "a/b"})),
            VALIDATION,
            All(&["Value 'a/b' at 'consumerName' failed to satisfy constraint"]),
        ),
        row(
            "register with a tag with a strange character",
            register(json!({"Tags": {"a!": "b"}})),
            INVALID,
            All(&["Some tags contain invalid characters."]),
        ),
        row(
            "register with a tag with a percent sign",
            register(json!({"Tags": {"a": "%"}})),
            INVALID,
            All(&["Failed to add tags to consumer n under account 000000000000 because some tags contained illegal"]),
        ),
        row("describe nothing", describe(json!({})), INVALID, Exactly(none_named)),
        row("describe half", describe(json!({"StreamARN": arn("s")})), INVALID, Exactly(none_named)),
        row("describe the other half", describe(json!({"ConsumerName": "c"})), INVALID, Exactly(none_named)),
        row(
            "describe by name",
            describe(json!({"StreamARN": arn("s"), "ConsumerName": "n"})),
            NOT_FOUND,
            Exactly(no_consumer),
        ),
        row(
            "describe in no stream",
            describe(json!({"StreamARN": arn("nobody"), "ConsumerName": "n"})),
            NOT_FOUND,
            Exactly(nobody),
        ),
        row("describe by ARN", describe(json!({"ConsumerARN": of_s("n:1")})), NOT_FOUND, Exactly(no_consumer)),
        row(
            "describe one of another second",
            describe(json!({"ConsumerARN": of_s(&format!("c:{}", past.second - 1))})),
            NOT_FOUND,
            Exactly("Consumer c, account 000000000000 not found."),
        ),
        row(
            "describe one that is not written as it is",
            describe(json!({"ConsumerARN": of_s(&format!("c:0{}", past.second))})),
            INVALID,
            All(&[" is not the ARN of a consumer: expected arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/"]),
        ),
        row(
            "describe by what is no ARN",
            describe(json!({"ConsumerARN": "c"})),
            VALIDATION,
            All(&["Value 'c' at 'consumerARN' failed to satisfy constraint"]),
        ),
        row(
            "ARN and name differ",
            describe(json!({"ConsumerARN": mine, "ConsumerName": "d"})),
            INVALID,
            All(&["ConsumerARN arn:aws:", "and ConsumerName do not name the same consumer."]),
        ),
        row(
            "ARN and stream differ",
            describe(json!({"ConsumerARN": mine, "StreamARN": arn("u")})),
            INVALID,
            All(&["and StreamARN do not name the same consumer."]),
        ),
        row(
            "another account's",
            describe(json!({"ConsumerARN": mine.replace("000000000000", "111111111111")})),
            "AccessDeniedException",
            All(&[
                "kinesis:DescribeStreamConsumer on resource: arn:aws:kinesis:us-east-1:111111111111:stream/s/consumer/c:",
            ]),
        ),
        row(
            "another region's",
            describe(json!({"ConsumerARN": mine.replace("us-east-1", "eu-west-1")})),
            INVALID,
            All(&["Stream s is in eu-west-1"]),
        ),
        row("deregister nothing", deregister(json!({})), INVALID, Exactly(none_named)),
        row("deregister no consumer", deregister(json!({"ConsumerARN": of_s("n:1")})), NOT_FOUND, Exactly(no_consumer)),
        row("list those of no stream", list(json!({"StreamARN": arn("nobody")})), NOT_FOUND, Exactly(nobody)),
        row(
            "list those of another time",
            list(json!({"StreamARN": arn("s"), "StreamCreationTimestamp": 1_400_000_000})),
            NOT_FOUND,
            Exactly("Stream s under account 000000000000 not found."),
        ),
        row(
            "a token that is none of consumers",
            list(json!({"StreamARN": arn("s"), "NextToken": "x"})),
            INVALID,
            Exactly("Invalid NextToken."),
        ),
        row(
            "an old token of consumers",
            list(json!({"StreamARN": arn("s"), "NextToken": past.old_consumers_token})),
            "ExpiredNextTokenException",
            All(&["NextToken expired. The token was created at time "]),
        ),
        row(
            "a token and a time",
            list(json!({"StreamARN": arn("s"), "NextToken": "x", "StreamCreationTimestamp": 1_400_000_000})),
            INVALID,
            Exactly("NextToken and StreamCreationTimestamp cannot be provided together."),
        ),
        row(
            "a commitment of no such status",
            call("UpdateAccountSettings", json!({"MinimumThroughputBillingCommitment": {"Status": "ENDED"}})),
            VALIDATION,
            All(&[
                "Value 'ENDED' at 'minimumThroughputBillingCommitment.status' failed to satisfy constraint: Member must \
                 satisfy enum value set: [",
            ]),
        ),
        row(
            "no commitment",
            call("UpdateAccountSettings", json!({})),
            VALIDATION,
            All(&["Value null at 'minimumThroughputBillingCommitment' failed to satisfy constraint"]),
        ),
        row(
            "delete a stream with consumers",
            call("DeleteStream", json!({"StreamName": "s"})),
            IN_USE,
            Exactly(
                "DeleteStream can't delete 000000000000:s because there are consumers associated with this data stream. \
                 To delete s anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the \
                 consumers that are associated with it.",
            ),
        ),
    ]
}

/// Of `s`, whose consumers `creating` and four more are CREATING.
pub(crate) fn under_way() -> Vec<Row> {
    let register = |stream: &str, name: &str| {
        call("RegisterStreamConsumer", json!({"StreamARN": arn(stream), "ConsumerName": name}))
    };
    let list = |stream: &str| call("ListStreamConsumers", json!({"StreamARN": arn(stream)}));
    vec![
        row("register with what is being created", register("creating", "n"), IN_USE, Exactly(NOT_ACTIVE_CREATING)),
        row("register with what is being deleted", register("deleting", "n"), IN_USE, Exactly(NOT_ACTIVE_DELETING)),
        row("list those of what is being created", list("creating"), IN_USE, Exactly(NOT_ACTIVE_CREATING)),
        row("list those of what is being deleted", list("deleting"), IN_USE, Exactly(NOT_ACTIVE_DELETING)),
        row(
            "register a sixth at a time",
            register("s", "n"),
            LIMIT,
            Exactly(
                "This request would exceed the limit of 5 consumers in the CREATING state for the stream s under account \
                 000000000000.",
            ),
        ),
    ]
}
