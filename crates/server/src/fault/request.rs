//! What is wrong with a request that the model allows, before any verb is called.

use rheos_types::StreamArn;
use rheos_wire::{ErrorBody, ErrorCode};

use super::Fault;
use crate::services::kinesis::RequestError;

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NoStream => Self::invalid("Either StreamName or StreamARN should be provided."),
            RequestError::NoStreamOrToken => Self::invalid("Either NextToken or StreamName should be provided."),
            RequestError::WithToken { member } => {
                Self::invalid(format!("NextToken and {member} cannot be provided together."))
            }
            RequestError::NoSuchId { id, account } => {
                let message = format!("Stream with id {id} under account {account} not found.");
                Self::new(ErrorCode::ResourceNotFound, message)
            }
            RequestError::IdDiffers { id, name } => {
                Self::invalid(format!("StreamId {id} is not the id of stream {name}, which the request names too."))
            }
            RequestError::NotAStreamArn { arn } => Self::invalid(format!(
                "StreamARN {arn} is not the ARN of a stream: expected arn:aws:kinesis:REGION:ACCOUNT:stream/NAME."
            )),
            RequestError::Differ { arn, name } => {
                Self::invalid(format!("StreamARN {arn} and StreamName {name} do not name the same stream."))
            }
            RequestError::NoConsumer => {
                Self::invalid("Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
            }
            RequestError::NotAConsumerArn { arn } => Self::invalid(format!(
                "ConsumerARN {arn} is not the ARN of a consumer: expected \
                 arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:SECOND."
            )),
            RequestError::OtherConsumer { arn, member } => {
                Self::invalid(format!("ConsumerARN {arn} and {member} do not name the same consumer."))
            }
            RequestError::NotAResourceArn { arn } => Self::invalid(format!(
                "ResourceARN {arn} is not the ARN of a stream or a consumer: expected \
                 arn:aws:kinesis:REGION:ACCOUNT:stream/NAME or \
                 arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:SECOND."
            )),
            RequestError::NoSuchResource { arn } => Self::new(
                ErrorCode::ResourceNotFound,
                format!("Resource {arn} not found: this server has no channels and no queues."),
            ),
            RequestError::OtherIterator { name } => Self::invalid(format!(
                "The request names stream {name}, which is not the stream that the ShardIterator is for."
            )),
            RequestError::OtherRegion { arn: StreamArn { namespace, name }, region } => Self::invalid(format!(
                "Stream {name} is in {}, while the request is signed for {region}.",
                namespace.region
            )),
            RequestError::OtherAccount { principal, action, resource } => {
                let message = format!(
                    "User: {principal} is not authorized to perform: {action} on resource: {resource} because no \
                     resource-based policy allows the {action} action"
                );
                Self::new(ErrorCode::AccessDenied, message)
            }
            RequestError::FilterNeeds { filter, member } => {
                Self::invalid(format!("{member} must be provided when the type of ShardFilter is {filter}."))
            }
            RequestError::NoEncryption => Self::invalid("EncryptionType has to be KMS."),
            RequestError::WouldHaveSucceeded => {
                let message =
                    "Request would have succeeded, but was rejected because the DryRun parameter was specified.";
                Self { body: ErrorBody::new(ErrorCode::DryRunOperation, message), cause: None }
            }
        }
    }
}
