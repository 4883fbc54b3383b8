//! UpdateStreamWarmThroughput.

use rheos_types::StreamArn;
use rheos_wire::generated::{UpdateStreamWarmThroughputInput, UpdateStreamWarmThroughputOutput};

use super::naming::target;
use super::{Kinesis, count, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: UpdateStreamWarmThroughputInput,
) -> Result<UpdateStreamWarmThroughputOutput, Fault> {
    let name = target!(UpdateStreamWarmThroughput, input).resolve(kinesis, caller)?;
    let mibps = count(input.warm_throughput_mibps);
    let warm = kinesis.streams.update_warm_throughput(&caller.namespace, &name, mibps).await?;
    Ok(UpdateStreamWarmThroughputOutput {
        warm_throughput: Some(describe::warm(warm)),
        stream_name: Some(name.to_string()),
        stream_arn: Some(StreamArn { namespace: caller.namespace.clone(), name }.to_string()),
    })
}
