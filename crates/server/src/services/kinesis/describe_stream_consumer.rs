//! DescribeStreamConsumer.

use rheos_wire::generated::{ConsumerDescription, DescribeStreamConsumerInput, DescribeStreamConsumerOutput};

use super::naming::consumer_target;
use super::{Kinesis, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DescribeStreamConsumerInput,
) -> Result<DescribeStreamConsumerOutput, Fault> {
    let consumer = consumer_target!(DescribeStreamConsumer, input).resolve(kinesis, caller)?;
    let shown = describe::consumer(&consumer);
    let consumer_description = ConsumerDescription {
        consumer_name: shown.consumer_name,
        consumer_arn: shown.consumer_arn,
        consumer_status: shown.consumer_status,
        consumer_creation_timestamp: shown.consumer_creation_timestamp,
        stream_arn: consumer.arn().stream.to_string(),
    };
    Ok(DescribeStreamConsumerOutput { consumer_description })
}
