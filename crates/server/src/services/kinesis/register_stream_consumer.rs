//! RegisterStreamConsumer.

use rheos_types::ConsumerName;
use rheos_wire::Operation;
use rheos_wire::generated::{RegisterStreamConsumerInput, RegisterStreamConsumerOutput};

use super::{Kinesis, RequestError, Target, describe};
use crate::auth::Caller;
use crate::fault::{self, Fault};

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: RegisterStreamConsumerInput,
) -> Result<RegisterStreamConsumerOutput, Fault> {
    let target = Target {
        operation: Operation::RegisterStreamConsumer,
        name: None,
        arn: Some(&input.stream_arn),
        id: input.stream_id.as_deref(),
    };
    let stream = target.resolve(kinesis, caller)?;
    // The model's pattern has been checked before; it allows what a name allows.
    let name = ConsumerName::new(&input.consumer_name).map_err(|_| RequestError::NoConsumer)?;
    let tags = input.tags.unwrap_or_default();
    let registered = kinesis.streams.register_consumer(&caller.namespace, &stream, &name, &tags).await;
    let consumer = registered.map_err(|error| fault::register_consumer(error, &caller.namespace, &name))?;
    Ok(RegisterStreamConsumerOutput { consumer: describe::consumer(&consumer) })
}
