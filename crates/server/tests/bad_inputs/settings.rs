//! Settings of streams that are none, or of streams that are not there or busy.

use serde_json::{Value, json};

use crate::Says::{All, Exactly};
use crate::{IN_USE, INVALID, NOT_FOUND, Row, VALIDATION, arn, call, row};

const MONITORING: [&str; 2] = ["EnableEnhancedMonitoring", "DisableEnhancedMonitoring"];

fn size(stream: &str, kib: i64) -> crate::Call {
    call("UpdateMaxRecordSize", json!({"StreamARN": arn(stream), "MaxRecordSizeInKiB": kib}))
}

pub(crate) fn rows() -> Vec<Row> {
    let nobody = "Stream nobody under account 000000000000 not found.";
    let no_stream = "Either StreamName or StreamARN should be provided.";
    let mut rows = vec![
        row("a size of no stream", size("nobody", 2048), NOT_FOUND, Exactly(nobody)),
        row(
            "a size of nothing",
            call("UpdateMaxRecordSize", json!({"MaxRecordSizeInKiB": 2048})),
            INVALID,
            Exactly(no_stream),
        ),
        row(
            "too small a size",
            size("s", 1023),
            VALIDATION,
            All(&["Value '1023' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must have value greater"]),
        ),
        row(
            "too large a size",
            size("s", 10_241),
            VALIDATION,
            All(&["Value '10241' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must have value less"]),
        ),
    ];
    for operation in MONITORING {
        let monitoring = |change: Value| {
            let mut whole = json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]});
            whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            call(operation, whole)
        };
        rows.extend([
            row(operation, monitoring(json!({"StreamName": "nobody"})), NOT_FOUND, Exactly(nobody)),
            row(operation, call(operation, json!({"ShardLevelMetrics": ["ALL"]})), INVALID, Exactly(no_stream)),
            row(
                operation,
                monitoring(json!({"ShardLevelMetrics": []})),
                VALIDATION,
                All(&["at 'shardLevelMetrics' failed to satisfy constraint: Member must have length greater than"]),
            ),
            row(
                operation,
                monitoring(json!({"ShardLevelMetrics": ["Everything"]})),
                VALIDATION,
                All(&["at 'shardLevelMetrics' failed to satisfy constraint", "IncomingBytes"]),
            ),
        ]);
    }
    rows
}

pub(crate) fn under_way() -> Vec<Row> {
    let creating = "Stream creating under account 000000000000 not ACTIVE, instead in state CREATING";
    let deleting = "Stream deleting under account 000000000000 not ACTIVE, instead in state DELETING";
    let mut rows = Vec::new();
    for (stream, says) in [("creating", creating), ("deleting", deleting)] {
        rows.push(row("a size", size(stream, 2048), IN_USE, Exactly(says)));
        for operation in MONITORING {
            let body = json!({"StreamName": stream, "ShardLevelMetrics": ["ALL"]});
            rows.push(row(operation, call(operation, body), IN_USE, Exactly(says)));
        }
    }
    rows
}
