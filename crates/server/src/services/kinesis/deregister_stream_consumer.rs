//! DeregisterStreamConsumer.

use rheos_wire::generated::DeregisterStreamConsumerInput;

use super::Kinesis;
use super::naming::consumer_target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: DeregisterStreamConsumerInput) -> Result<(), Fault> {
    let consumer = consumer_target!(DeregisterStreamConsumer, input).resolve(kinesis, caller)?;
    Ok(kinesis.streams.deregister_consumer(&consumer.arn()).await?)
}
