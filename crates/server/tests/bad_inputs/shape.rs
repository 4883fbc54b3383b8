//! Requests for other shards, or for other rules about them, that a stream does not take.

use serde_json::json;

use crate::Says::{All, Exactly};
use crate::{NOT_FOUND, Row, VALIDATION, call, row};

const LIMIT: &str = "LimitExceededException";

pub(crate) fn shape() -> Vec<Row> {
    let scale = |stream: &str, target: i64| {
        let body = json!({"StreamName": stream, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        call("UpdateShardCount", body)
    };
    vec![
        row(
            "scale no such stream",
            scale("nobody", 2),
            NOT_FOUND,
            Exactly("Stream nobody under account 000000000000 not found."),
        ),
        row(
            "no shards",
            scale("s", 0),
            VALIDATION,
            All(&["'targetShardCount' failed", "value greater than or equal to 1"]),
        ),
        row(
            "a scaling that is none",
            call("UpdateShardCount", json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNEVEN"})),
            VALIDATION,
            All(&["'scalingType' failed", "enum value set: [UNIFORM_SCALING]"]),
        ),
        row(
            "more than double",
            scale("s", 7),
            LIMIT,
            Exactly(
                "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 3 \
                 Target shard count: 7",
            ),
        ),
        row(
            "less than half",
            scale("s", 1),
            LIMIT,
            Exactly(
                "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 3 \
                 Target shard count: 1",
            ),
        ),
        row(
            "more than any stream has",
            scale("s", 10_001),
            LIMIT,
            Exactly(
                "Target shard count or number of open shards cannot be greater than 10000. Current open shard count: 3 \
                 Target shard count: 10001",
            ),
        ),
    ]
}
