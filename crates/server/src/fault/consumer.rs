//! The verbs of consumers.

use rheos_streams::{
    ConsumerInfo, ConsumerNotFound, DeregisterConsumerError, DescribeConsumerError, ListConsumersError,
    RegisterConsumerError,
};
use rheos_types::{ConsumerName, Namespace};
use rheos_wire::ErrorCode;

use super::Fault;
use super::control::{Tagged, tags_refused};

impl From<ConsumerNotFound> for Fault {
    fn from(ConsumerNotFound { namespace, stream: _, consumer }: ConsumerNotFound) -> Self {
        Self::new(ErrorCode::ResourceNotFound, format!("Consumer {consumer}, account {} not found.", namespace.account))
    }
}

/// The consumer is being registered or deregistered.
pub(super) fn consumer_not_active(consumer: &ConsumerInfo) -> Fault {
    let message = format!(
        "Consumer {} with creation timestamp {} under stream: {} , account {} is not in ACTIVE status.",
        consumer.name,
        consumer.created_ms / 1000,
        consumer.stream,
        consumer.namespace.account
    );
    Fault::new(ErrorCode::ResourceInUse, message)
}

/// RegisterStreamConsumer: its tags are refused before there is a consumer to name, so the caller names it.
pub(crate) fn register_consumer(error: RegisterConsumerError, namespace: &Namespace, consumer: &ConsumerName) -> Fault {
    match error {
        RegisterConsumerError::NotFound(fact) => fact.into(),
        RegisterConsumerError::NotActive(fact) => fact.into(),
        RegisterConsumerError::Exists { namespace, stream, consumer } => {
            let account = &namespace.account;
            let message = format!("Consumer {consumer} under stream {stream} under account {account} already exists.");
            Fault::new(ErrorCode::ResourceInUse, message)
        }
        RegisterConsumerError::TooMany { namespace, stream, limit } => {
            let message = format!(
                "This request would exceed the limit of {limit} consumers for the stream {stream} under account {}.",
                namespace.account
            );
            Fault::new(ErrorCode::LimitExceeded, message)
        }
        RegisterConsumerError::TooManyCreating { namespace, stream, limit } => {
            let message = format!(
                "This request would exceed the limit of {limit} consumers in the CREATING state for the stream {stream} \
                 under account {}.",
                namespace.account
            );
            Fault::new(ErrorCode::LimitExceeded, message)
        }
        RegisterConsumerError::Tags(refusal) => {
            tags_refused(refusal, "add tags to", namespace, Tagged::Consumer(consumer))
        }
        RegisterConsumerError::Log(error) => error.into(),
    }
}

impl From<DeregisterConsumerError> for Fault {
    fn from(error: DeregisterConsumerError) -> Self {
        match error {
            DeregisterConsumerError::NotFound(fact) => fact.into(),
            DeregisterConsumerError::Log(error) => error.into(),
        }
    }
}

impl From<DescribeConsumerError> for Fault {
    fn from(error: DescribeConsumerError) -> Self {
        match error {
            DescribeConsumerError::Stream(fact) => fact.into(),
            DescribeConsumerError::Consumer(fact) => fact.into(),
        }
    }
}

impl From<ListConsumersError> for Fault {
    fn from(error: ListConsumersError) -> Self {
        match error {
            ListConsumersError::NotFound(fact) => fact.into(),
            ListConsumersError::NotActive(fact) => fact.into(),
            ListConsumersError::Token(error) => error.into(),
        }
    }
}
