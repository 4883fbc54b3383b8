//! Requests for other shards, or for other rules about them, that a stream does not take.

use serde_json::json;

use crate::Says::{All, Exactly};
use crate::{INVALID, LIMIT, NOT_FOUND, Row, VALIDATION, arn, call, row};

pub(crate) fn shape() -> Vec<Row> {
    let scale = |stream: &str, target: i64| {
        let body = json!({"StreamName": stream, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        call("UpdateShardCount", body)
    };
    let split = json!({"StreamName": "d", "ShardToSplit": "0", "NewStartingHashKey": "5"});
    let merge = json!({"StreamName": "d", "ShardToMerge": "0", "AdjacentShardToMerge": "1"});
    let switch = |stream: &str, mode: &str| json!({"StreamARN": arn(stream), "StreamModeDetails": {"StreamMode": mode}, "WarmThroughputMiBps": 5});
    let distribute = |stream: &str, strategy: &str| {
        let body = json!({"StreamARN": arn(stream), "RecordDistributionStrategy": strategy});
        call("UpdateStreamRecordDistributionStrategy", body)
    };
    let warm = |stream: &str, mibps: i64| {
        call("UpdateStreamWarmThroughput", json!({"StreamName": stream, "WarmThroughputMiBps": mibps}))
    };
    let create = |mode: &str, member: &str, value: serde_json::Value| {
        call("CreateStream", json!({"StreamName": "n", "StreamModeDetails": {"StreamMode": mode}, member: value}))
    };
    let nobody = "Stream nobody under account 000000000000 not found.";
    let on_demand = "Request is invalid. Stream d under account 000000000000 is in On-Demand mode.";
    let provisioned = "Request is invalid. Stream s under account 000000000000 is in Provisioned mode.";
    let uncommitted = "Request is invalid. Account 000000000000 has not enabled the minimum throughput billing commitment in \
                       us-east-1, which a warm throughput needs.";
    let only =
        "RecordDistributionStrategy AUTO and WarmThroughputMiBps can be given for streams in ON_DEMAND mode only.";
    vec![
        row("scale on demand", scale("d", 8), VALIDATION, Exactly(on_demand)),
        row("split on demand", call("SplitShard", split), VALIDATION, Exactly(on_demand)),
        row("merge on demand", call("MergeShards", merge), VALIDATION, Exactly(on_demand)),
        row(
            "switch no such stream",
            call("UpdateStreamMode", {
                json!({"StreamARN": arn("nobody"), "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
            }),
            NOT_FOUND,
            Exactly(nobody),
        ),
        row(
            "a mode that is none",
            call("UpdateStreamMode", switch("s", "BOTH")),
            VALIDATION,
            All(&["'streamModeDetails.streamMode' failed", "PROVISIONED", "ON_DEMAND"]),
        ),
        row(
            "switch to provisioned and warm",
            call("UpdateStreamMode", switch("d", "PROVISIONED")),
            INVALID,
            Exactly("WarmThroughputMiBps can be given for streams in ON_DEMAND mode only."),
        ),
        row("switch and warm", call("UpdateStreamMode", switch("s", "ON_DEMAND")), VALIDATION, Exactly(uncommitted)),
        row("spread in no such stream", distribute("nobody", "AUTO"), NOT_FOUND, Exactly(nobody)),
        row("spread what is provisioned", distribute("s", "AUTO"), VALIDATION, Exactly(provisioned)),
        row(
            "spread in a way that is none",
            distribute("d", "EVENLY"),
            VALIDATION,
            All(&["'recordDistributionStrategy' failed", "AUTO", "USER_PARTITION_KEY"]),
        ),
        row("warm no such stream", warm("nobody", 5), NOT_FOUND, Exactly(nobody)),
        row("warm what is provisioned", warm("s", 5), VALIDATION, Exactly(provisioned)),
        row("warm without commitment", warm("d", 5), VALIDATION, Exactly(uncommitted)),
        row(
            "warmer than anything",
            warm("d", 10_241),
            INVALID,
            Exactly("Requested warm throughput (10241 MiBps) can not be more than the maximum of 10240 MiBps."),
        ),
        row(
            "colder than nothing",
            warm("d", -1),
            VALIDATION,
            All(&["'warmThroughputMiBps' failed", "value greater than or equal to 0"]),
        ),
        row(
            "create provisioned and spread",
            create("PROVISIONED", "RecordDistributionStrategy", json!("AUTO")),
            INVALID,
            Exactly(only),
        ),
        row(
            "create provisioned and warm",
            create("PROVISIONED", "WarmThroughputMiBps", json!(5)),
            INVALID,
            Exactly(only),
        ),
        row(
            "create warm without commitment",
            create("ON_DEMAND", "WarmThroughputMiBps", json!(5)),
            VALIDATION,
            Exactly(uncommitted),
        ),
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
