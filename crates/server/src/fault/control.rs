//! The verbs that change and describe streams.

use rheos_streams::{
    CreateError, DeleteError, DescribeError, ListShardsError, MergeError, MonitoringError, ProvisionedStream,
    RecordSizeError, RetentionError, SplitError, TagError, TagRefusal,
};
use rheos_types::{ConsumerName, Namespace, ResourceArn, StreamName};
use rheos_wire::ErrorCode;

use super::Fault;
use super::shape::on_demand_only;

/// CreateStream: its tags are refused before there is a stream to name, so the caller names it.
pub(crate) fn create_stream(error: CreateError, namespace: &Namespace, stream: &StreamName) -> Fault {
    match error {
        CreateError::Exists { namespace, stream } => {
            let message = format!("Stream {stream} under account {} already exists.", namespace.account);
            Fault::new(ErrorCode::ResourceInUse, message)
        }
        CreateError::TooManyCreating { namespace, limit } => {
            let message = format!(
                "This request would exceed the limit of {limit} streams in the CREATING state for the account {} in {}.",
                namespace.account, namespace.region
            );
            Fault::new(ErrorCode::LimitExceeded, message)
        }
        CreateError::Provisioned(ProvisionedStream { .. }) => {
            on_demand_only("RecordDistributionStrategy AUTO and WarmThroughputMiBps")
        }
        CreateError::Warm(refusal) => refusal.into(),
        CreateError::OverOnDemandLimit(fact) => fact.into(),
        CreateError::OverShardLimit(over) => over.into(),
        CreateError::Tags(refusal) => tags_refused(refusal, "add tags to", namespace, Tagged::Stream(stream)),
        CreateError::Log(error) => error.into(),
    }
}

/// What tags are put on.
#[derive(Clone, Copy)]
pub(super) enum Tagged<'a> {
    Stream(&'a StreamName),
    Consumer(&'a ConsumerName),
}

pub(super) fn tags_refused(refusal: TagRefusal, what: &str, namespace: &Namespace, tagged: Tagged<'_>) -> Fault {
    let account = &namespace.account;
    let (kind, name) = match tagged {
        Tagged::Stream(name) => ("stream", name.as_str()),
        Tagged::Consumer(name) => ("consumer", name.as_str()),
    };
    Fault::invalid(match refusal {
        TagRefusal::InvalidCharacters => "Some tags contain invalid characters. Valid characters: Unicode letters, \
                                          digits, white space, _ . / = + - % @."
            .to_owned(),
        TagRefusal::Percent => format!(
            "Failed to {what} {kind} {name} under account {account} because some tags contained illegal characters. \
             The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'."
        ),
        TagRefusal::TooMany { limit } => format!(
            "Failed to {what} {kind} {name} under account {account} because a given {kind} cannot have more than \
             {limit} tags associated with it."
        ),
    })
}

/// AddTagsToStream and TagResource (`add tags to`), RemoveTagsFromStream and UntagResource (`remove tags from`).
pub(crate) fn change_tags(error: TagError, what: &str) -> Fault {
    match error {
        TagError::Resource(error) => error.into(),
        TagError::Refused { resource, refusal } => {
            let tagged = match &resource {
                ResourceArn::Stream(stream) => Tagged::Stream(&stream.name),
                ResourceArn::Consumer(consumer) => Tagged::Consumer(&consumer.name),
            };
            tags_refused(refusal, what, &resource.stream().namespace, tagged)
        }
        TagError::Log(error) => error.into(),
    }
}

impl From<DeleteError> for Fault {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound(fact) => fact.into(),
            DeleteError::HasConsumers { namespace, stream } => {
                let message = format!(
                    "DeleteStream can't delete {}:{stream} because there are consumers associated with this data stream. \
                     To delete {stream} anyway, set the EnforceConsumerDeletion parameter to true to force the deletion \
                     of all the consumers that are associated with it.",
                    namespace.account
                );
                Self::new(ErrorCode::ResourceInUse, message)
            }
            DeleteError::Log(error) => error.into(),
        }
    }
}

impl From<DescribeError> for Fault {
    fn from(error: DescribeError) -> Self {
        match error {
            DescribeError::NotFound(fact) => fact.into(),
            DescribeError::Shard(fact) => fact.into(),
        }
    }
}

impl From<ListShardsError> for Fault {
    fn from(error: ListShardsError) -> Self {
        match error {
            ListShardsError::NotFound(fact) => fact.into(),
            ListShardsError::NotActive(fact) => fact.into(),
            ListShardsError::Shard(fact) => fact.into(),
            ListShardsError::Token(error) => error.into(),
        }
    }
}

impl From<MonitoringError> for Fault {
    fn from(error: MonitoringError) -> Self {
        match error {
            MonitoringError::NotFound(fact) => fact.into(),
            MonitoringError::NotActive(fact) => fact.into(),
            MonitoringError::Log(error) => error.into(),
        }
    }
}

impl From<RecordSizeError> for Fault {
    fn from(error: RecordSizeError) -> Self {
        match error {
            RecordSizeError::NotFound(fact) => fact.into(),
            RecordSizeError::NotActive(fact) => fact.into(),
            RecordSizeError::Log(error) => error.into(),
        }
    }
}

impl From<RetentionError> for Fault {
    fn from(error: RetentionError) -> Self {
        match error {
            RetentionError::TooShort { hours, minimum } => Self::invalid(format!(
                "Minimum allowed retention period is {minimum} hours. Requested retention period ({hours} hours) is \
                 too short."
            )),
            RetentionError::TooLong { hours, maximum } => Self::invalid(format!(
                "Maximum allowed retention period is {maximum} hours. Requested retention period ({hours} hours) is \
                 too long."
            )),
            RetentionError::NotFound(fact) => fact.into(),
            RetentionError::Shorter { stream, hours, existing } => Self::invalid(format!(
                "Requested retention period ({hours} hours) for stream {stream} can not be shorter than existing \
                 retention period ({existing} hours). Use DecreaseRetentionPeriod API."
            )),
            RetentionError::Longer { stream, hours, existing } => Self::invalid(format!(
                "Requested retention period ({hours} hours) for stream {stream} can not be longer than existing \
                 retention period ({existing} hours). Use IncreaseRetentionPeriod API."
            )),
            RetentionError::NotActive(fact) => fact.into(),
            RetentionError::Log(error) => error.into(),
        }
    }
}

impl From<SplitError> for Fault {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::Shard(fact) => fact.into(),
            SplitError::NotFound(fact) => fact.into(),
            SplitError::OverShardLimit(fact) => fact.into(),
            SplitError::Closed(fact) => fact.into(),
            SplitError::HashKey(fact) => fact.into(),
            SplitError::OnDemand(fact) => fact.into(),
            SplitError::NotActive(fact) => fact.into(),
            SplitError::Log(error) => error.into(),
        }
    }
}

impl From<MergeError> for Fault {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Shard(fact) => fact.into(),
            MergeError::NotFound(fact) => fact.into(),
            MergeError::Closed(fact) => fact.into(),
            MergeError::NotAdjacent { namespace, stream, shard, adjacent } => Self::invalid(format!(
                "Shards {shard} and {adjacent} in stream {stream} under account {} are not an adjacent pair of shards \
                 eligible for merging",
                namespace.account
            )),
            MergeError::OnDemand(fact) => fact.into(),
            MergeError::NotActive(fact) => fact.into(),
            MergeError::Log(error) => error.into(),
        }
    }
}
