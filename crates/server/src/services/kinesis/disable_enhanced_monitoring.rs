//! DisableEnhancedMonitoring.

use rheos_wire::generated::{DisableEnhancedMonitoringInput, EnhancedMonitoringOutput};

use super::naming::target;
use super::{Kinesis, monitoring};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DisableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let stream = target!(DisableEnhancedMonitoring, input).resolve(kinesis, caller)?;
    let metrics = monitoring::read(&input.shard_level_metrics);
    let changed = kinesis.streams.disable_monitoring(&caller.namespace, &stream, &metrics).await?;
    Ok(monitoring::output(caller, stream, &changed))
}
