//! How often operations are called: counted here for every operation alike, between the checks of its input and its verb.
//!
//! So a call that is malformed is not counted, nor one for a stream that is not there; any other is, whatever its verb
//! then says. What is counted for shards and consumers (GetShardIterator, SubscribeToShard) the verbs count, as only
//! they know these.

use rheos_streams::CallsExceeded;
use rheos_types::StreamName;
use rheos_types::limits::Call;
use rheos_wire::Operation;
use rheos_wire::generated as model;

use super::naming::stream_arn;
use super::{Kinesis, Target};
use crate::auth::Caller;

/// Counts a call of an operation with a published rate; others pass.
pub(crate) fn count<I: NamesStream>(
    kinesis: &Kinesis,
    operation: Operation,
    caller: &Caller,
    input: &I,
) -> Result<(), CallsExceeded> {
    let Some(call) = Call::from_name(operation.name()) else { return Ok(()) };
    let stream = match input.stream(kinesis, operation, caller) {
        Named::None => None,
        Named::Stream(stream) => Some(stream),
        // The operation will say what is wrong with it.
        Named::Wrongly => return Ok(()),
    };
    kinesis.streams.count_call(call, &caller.namespace, stream.as_ref())
}

/// Which stream an input names.
pub(crate) enum Named {
    /// None: the operation is about all of an account.
    None,
    Stream(StreamName),
    /// In a way that the operation will refuse.
    Wrongly,
}

impl Named {
    fn of<E>(resolved: Result<StreamName, E>) -> Self {
        resolved.map_or(Self::Wrongly, Self::Stream)
    }

    /// The ARN of a stream, or of something of a stream.
    fn of_arn(arn: &str, operation: Operation, caller: &Caller) -> Self {
        let stream = arn.split_once("/consumer/").map_or(arn, |(stream, _)| stream);
        Self::of(stream_arn(stream, operation, caller).map(|arn| arn.name))
    }
}

/// An input of an operation, as far as it says which stream it is about.
pub(crate) trait NamesStream {
    fn stream(&self, kinesis: &Kinesis, operation: Operation, caller: &Caller) -> Named;
}

macro_rules! names_stream {
    ($($input:ident),* => |$self:ident, $kinesis:ident, $operation:ident, $caller:ident| $named:expr) => {
        $(impl NamesStream for model::$input {
            fn stream(&$self, $kinesis: &Kinesis, $operation: Operation, $caller: &Caller) -> Named {
                $named
            }
        })*
    };
}

// Of an account: the stream of CreateStream is not there yet.
names_stream! {
    CreateStreamInput, DescribeAccountSettingsInput, DescribeLimitsInput, ListStreamsInput, UpdateAccountSettingsInput
    => |self, _kinesis, _operation, _caller| Named::None
}

// By name, by ARN, or by both.
names_stream! {
    AddTagsToStreamInput, DecreaseStreamRetentionPeriodInput, DeleteStreamInput, DescribeStreamInput,
    DescribeStreamSummaryInput, DisableEnhancedMonitoringInput, EnableEnhancedMonitoringInput, GetShardIteratorInput,
    IncreaseStreamRetentionPeriodInput, ListTagsForStreamInput, MergeShardsInput, RemoveTagsFromStreamInput,
    SplitShardInput, StartStreamEncryptionInput, StopStreamEncryptionInput, UpdateShardCountInput,
    UpdateStreamWarmThroughputInput
    => |self, kinesis, operation, caller| Named::of(Target {
        operation,
        name: self.stream_name.as_deref(),
        arn: self.stream_arn.as_deref(),
        id: self.stream_id.as_deref(),
    }.resolve(kinesis, caller))
}

// By ARN.
names_stream! {
    ListStreamConsumersInput, RegisterStreamConsumerInput, UpdateStreamModeInput,
    UpdateStreamRecordDistributionStrategyInput
    => |self, _kinesis, operation, caller| Named::of_arn(&self.stream_arn, operation, caller)
}
names_stream! {
    UpdateMaxRecordSizeInput
    => |self, kinesis, operation, caller| Named::of(Target {
        operation,
        name: None,
        arn: self.stream_arn.as_deref(),
        id: self.stream_id.as_deref(),
    }.resolve(kinesis, caller))
}

// By the ARN of a consumer, or of its stream.
names_stream! {
    DeregisterStreamConsumerInput, DescribeStreamConsumerInput
    => |self, kinesis, operation, caller| match self.consumer_arn.as_deref().or(self.stream_arn.as_deref()) {
        Some(arn) => Named::of_arn(arn, operation, caller),
        None => Named::of(Target { operation, name: None, arn: None, id: self.stream_id.as_deref() }
            .resolve(kinesis, caller)),
    }
}
names_stream! {
    SubscribeToShardInput
    => |self, _kinesis, operation, caller| Named::of_arn(&self.consumer_arn, operation, caller)
}

// By the ARN of anything.
names_stream! {
    DeleteResourcePolicyInput, GetResourcePolicyInput, ListTagsForResourceInput, PutResourcePolicyInput,
    TagResourceInput, UntagResourceInput
    => |self, _kinesis, operation, caller| Named::of_arn(&self.resource_arn, operation, caller)
}

impl NamesStream for model::ListShardsInput {
    fn stream(&self, kinesis: &Kinesis, operation: Operation, caller: &Caller) -> Named {
        let Some(token) = &self.next_token else {
            let (name, arn, id) = (self.stream_name.as_deref(), self.stream_arn.as_deref(), self.stream_id.as_deref());
            return Named::of(Target { operation, name, arn, id }.resolve(kinesis, caller));
        };
        match kinesis.streams.open_shards_token(token) {
            Ok(token) if token.namespace == caller.namespace => Named::Stream(token.stream),
            Ok(_) | Err(_) => Named::Wrongly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rheos_wire::ErrorCode;

    #[test]
    fn every_rate_is_of_an_operation_that_can_say_that_it_is_exceeded() {
        for call in Call::ALL {
            let named = |operation: &&Operation| operation.name() == call.name();
            let operation = Operation::ALL.iter().find(named).unwrap_or_else(|| panic!("{call:?} is no operation"));
            let says = match call {
                Call::GetShardIterator => ErrorCode::ProvisionedThroughputExceeded,
                _ => ErrorCode::LimitExceeded,
            };
            assert!(operation.errors().contains(&says), "{call:?}");
        }
    }
}
