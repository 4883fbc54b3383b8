//! UpdateStreamRecordDistributionStrategy.

use rheos_wire::Operation;
use rheos_wire::generated::UpdateStreamRecordDistributionStrategyInput;

use super::{Kinesis, Target, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: UpdateStreamRecordDistributionStrategyInput,
) -> Result<(), Fault> {
    let operation = Operation::UpdateStreamRecordDistributionStrategy;
    let (arn, id) = (Some(input.stream_arn.as_str()), input.stream_id.as_deref());
    let name = Target { operation, name: None, arn, id }.resolve(kinesis, caller)?;
    let distribution = describe::distribution_of(input.record_distribution_strategy);
    Ok(kinesis.streams.update_distribution(&caller.namespace, &name, distribution).await?)
}
