//! The one list of the operations of Kinesis: everything that is true of an operation and does not depend on a request.

use crate::error::ErrorCode;
use crate::generated;
use crate::shape::Shape;

/// What the `X-Amz-Target` header puts before the name of an operation.
pub const TARGET_PREFIX: &str = "Kinesis_20131202";

/// Which half of the service an operation belongs to; the official clients send them to different host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Manages streams and what hangs on them.
    Control,
    /// Moves records.
    Data,
}

/// What an operation does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// May change something.
    Mutating,
    /// Changes nothing.
    Reading,
    /// Changes nothing, and answers with a stream of events.
    Streaming,
}

/// Why a target names no operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTarget {
    /// What stands before the dot is not this service.
    #[error("the target names another service")]
    Service,
    /// This service has no such operation.
    #[error("the service has no such operation")]
    Operation,
}

macro_rules! operations {
    ($($name:ident $plane:ident $access:ident,)*) => {
        /// An operation of the service model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        impl Operation {
            /// Every operation, by name.
            pub const ALL: &[Operation] = &[$(Operation::$name,)*];

            /// Its name, as in the model and in `X-Amz-Target` after the dot.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The action that a policy allows or denies.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$name => concat!("kinesis:", stringify!($name)),)* }
            }

            /// Which half of the service it belongs to.
            pub const fn plane(self) -> Plane {
                match self { $(Self::$name => Plane::$plane,)* }
            }

            /// What it does to the state.
            pub const fn access(self) -> Access {
                match self { $(Self::$name => Access::$access,)* }
            }

            /// The operation of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }
    };
}

operations! {
    AcknowledgeDeadLetterQueueRecords Data Mutating,
    AcknowledgeQueueRecords Data Mutating,
    AddTagsToStream Control Mutating,
    CreateChannel Control Mutating,
    CreateQueue Control Mutating,
    CreateStream Control Mutating,
    DecreaseStreamRetentionPeriod Control Mutating,
    DeleteChannel Control Mutating,
    DeleteQueue Control Mutating,
    DeleteResourcePolicy Control Mutating,
    DeleteStream Control Mutating,
    DeregisterStreamConsumer Control Mutating,
    DescribeAccountSettings Control Reading,
    DescribeChannel Control Reading,
    DescribeLimits Control Reading,
    DescribeQueue Control Reading,
    DescribeStream Control Reading,
    DescribeStreamConsumer Control Reading,
    DescribeStreamSummary Control Reading,
    DisableEnhancedMonitoring Control Mutating,
    EnableEnhancedMonitoring Control Mutating,
    GetRecords Data Reading,
    GetResourcePolicy Control Reading,
    GetShardIterator Data Reading,
    IncreaseStreamRetentionPeriod Control Mutating,
    ListChannels Control Reading,
    ListQueues Control Reading,
    ListShards Control Reading,
    ListStreamConsumers Control Reading,
    ListStreams Control Reading,
    ListTagsForResource Control Reading,
    ListTagsForStream Control Reading,
    MergeShards Control Mutating,
    PutRecord Data Mutating,
    PutRecords Data Mutating,
    PutResourcePolicy Control Mutating,
    // Receiving hides records from other receivers for a while, so it does change something.
    ReceiveDeadLetterQueueRecords Data Mutating,
    ReceiveQueueRecords Data Mutating,
    RegisterStreamConsumer Control Mutating,
    RemoveTagsFromStream Control Mutating,
    RestoreDeadLetterQueueRecords Data Mutating,
    SplitShard Control Mutating,
    StartStreamEncryption Control Mutating,
    StopStreamEncryption Control Mutating,
    SubscribeToShard Data Streaming,
    TagResource Control Mutating,
    UntagResource Control Mutating,
    UpdateAccountSettings Control Mutating,
    UpdateChannel Control Mutating,
    UpdateDeadLetterQueueRecordsVisibility Data Mutating,
    UpdateMaxRecordSize Control Mutating,
    UpdateQueue Control Mutating,
    UpdateQueueRecordsVisibility Data Mutating,
    UpdateShardCount Control Mutating,
    UpdateStreamMode Control Mutating,
    UpdateStreamRecordDistributionStrategy Control Mutating,
    UpdateStreamWarmThroughput Control Mutating,
}

impl Operation {
    /// The operation that an `X-Amz-Target` such as `Kinesis_20131202.PutRecords` names.
    pub fn from_target(target: &str) -> Result<Self, UnknownTarget> {
        let (service, name) = target.split_once('.').ok_or(UnknownTarget::Service)?;
        if service != TARGET_PREFIX {
            return Err(UnknownTarget::Service);
        }
        Self::from_name(name).ok_or(UnknownTarget::Operation)
    }

    /// The shape of its input.
    pub fn input(self) -> &'static Shape {
        generated::calls::input(self)
    }

    /// The errors that the model declares for it, in the order of the model.
    pub fn errors(self) -> &'static [ErrorCode] {
        generated::calls::errors(self)
    }
}

/// A typed input: ties it to its operation and to what the operation answers with.
pub trait Input: serde::de::DeserializeOwned + serde::Serialize {
    /// The operation that takes this input.
    const OPERATION: Operation;
    /// What it answers with: `()` for operations without an output; for [`Operation::SubscribeToShard`] one event.
    type Output: serde::Serialize + serde::de::DeserializeOwned;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_model() {
        let model: serde_json::Value = serde_json::from_str(include_str!("../models/kinesis.json")).unwrap();
        let operations = model["operations"].as_object().unwrap();
        let mut named: Vec<_> = operations.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, Operation::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>());
        assert_eq!(named.len(), 57);

        for (name, modelled) in operations {
            let operation = Operation::from_target(&format!("{TARGET_PREFIX}.{name}")).unwrap();
            let plane = match modelled["staticContextParams"]["OperationType"]["value"].as_str().unwrap() {
                "data" => Plane::Data,
                "control" => Plane::Control,
                other => panic!("a plane of its own: {other}"),
            };
            assert_eq!(operation.plane(), plane, "{name}");
            assert_eq!(operation.action(), format!("kinesis:{name}"));
            assert_eq!(operation.input().name, modelled["input"]["shape"].as_str().unwrap());
            let declared = modelled["errors"].as_array().unwrap().iter().map(|error| error["shape"].as_str().unwrap());
            let errors = operation.errors().iter().map(|error| error.wire_name());
            assert_eq!(errors.collect::<Vec<_>>(), declared.collect::<Vec<_>>(), "{name}");
            if modelled["readonly"] == true {
                assert_ne!(operation.access(), Access::Mutating, "{name}");
            }
        }
    }

    #[test]
    fn foreign_targets_are_told_apart() {
        assert_eq!(Operation::from_target("Kinesis_20131202.PutRecords"), Ok(Operation::PutRecords));
        assert_eq!(Operation::from_target("Kinesis_20131202.putRecords"), Err(UnknownTarget::Operation));
        assert_eq!(Operation::from_target("Kinesis_20131202."), Err(UnknownTarget::Operation));
        assert_eq!(Operation::from_target("DynamoDB_20120810.GetItem"), Err(UnknownTarget::Service));
        assert_eq!(Operation::from_target("PutRecords"), Err(UnknownTarget::Service));
        assert_eq!(Operation::from_target(""), Err(UnknownTarget::Service));
    }
}
