//! What can be broken on purpose, to see that the checker finds it: between the server and its client, or in the disk.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::history::Outcome;

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The disk says that it has synced, and has not: whatever is acknowledged may be lost.
    SyncsLie,
    /// A crash takes what was written and synced last: as if recovery dropped the last batch.
    LastWriteIsLost,
    /// A put is done twice, and answered once.
    PutsAreDoubled,
    /// Two entries of a PutRecords get each other's numbers.
    EntriesAreSwapped,
    /// An answer of GetRecords lacks a record in the middle.
    ReadsSkipARecord,
    /// An answer of GetRecords says that there is nothing more, though there is.
    ReadsEndEarly,
    /// A child does not name its parent.
    ParentsAreForgotten,
    /// A put is refused for a rate that nobody has exceeded.
    ThrottlesWithoutReason,
    /// A tag that was set is listed with another value.
    TagsChange,
}

impl Sabotage {
    /// Every defect, with the rule that finds it.
    pub const ALL: &[(Self, &str)] = &[
        (Self::SyncsLie, "loss"),
        (Self::LastWriteIsLost, "loss"),
        (Self::PutsAreDoubled, "duplicate"),
        (Self::EntriesAreSwapped, "order"),
        (Self::ReadsSkipARecord, "gap"),
        (Self::ReadsEndEarly, "stale read"),
        (Self::ParentsAreForgotten, "lineage"),
        (Self::ThrottlesWithoutReason, "throttle"),
        (Self::TagsChange, "tags"),
    ];

    /// Whether a call is sent twice.
    #[must_use]
    pub fn doubles(self, operation: &str, dice: &mut Dice) -> bool {
        self == Self::PutsAreDoubled && operation == "PutRecord" && dice.percent(10)
    }

    /// Spoils an answer, now and then.
    pub fn spoil(self, operation: &str, outcome: &mut Outcome, dice: &mut Dice) {
        let Outcome::Done(answer) = outcome else { return };
        match (self, operation) {
            (Self::EntriesAreSwapped, "PutRecords") => swap(answer),
            (Self::ReadsSkipARecord, "GetRecords") => {
                if let Some(records) = answer["Records"].as_array_mut().filter(|all| all.len() > 2) {
                    records.remove(1);
                }
            }
            (Self::ReadsEndEarly, "GetRecords") if dice.percent(30) => {
                if let Some(records) = answer["Records"].as_array_mut().filter(|all| all.len() > 1) {
                    records.pop();
                    answer["MillisBehindLatest"] = json!(0);
                }
            }
            (Self::ParentsAreForgotten, "ListShards") => {
                for shard in answer["Shards"].as_array_mut().into_iter().flatten() {
                    shard["ParentShardId"] = Value::Null;
                }
            }
            (Self::ThrottlesWithoutReason, "PutRecord") if dice.percent(10) => {
                let shard = answer["ShardId"].as_str().unwrap_or_default();
                let message = format!("Rate exceeded for shard {shard} in stream s under account 0.");
                *outcome = Outcome::Refused { code: "ProvisionedThroughputExceededException".to_owned(), message };
            }
            (Self::TagsChange, "ListTagsForStream") => {
                for tag in answer["Tags"].as_array_mut().into_iter().flatten() {
                    tag["Value"] = json!("another");
                }
            }
            _ => {}
        }
    }
}

fn swap(answer: &mut Value) {
    let Some(records) = answer["Records"].as_array_mut() else { return };
    if let [first, second, ..] = records.as_mut_slice()
        && first["ShardId"] == second["ShardId"]
    {
        std::mem::swap(first, second);
    }
}
