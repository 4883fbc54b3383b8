//! DescribeLimits.

use rheos_types::limits::HIGHEST_LIMIT_TOLD;
use rheos_wire::generated::{DescribeLimitsInput, DescribeLimitsOutput};

use super::{Kinesis, number};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    _input: DescribeLimitsInput,
) -> Result<DescribeLimitsOutput, Fault> {
    let limits = kinesis.streams.describe_limits(&caller.namespace);
    Ok(DescribeLimitsOutput {
        shard_limit: told(limits.shard_limit),
        open_shard_count: number(limits.open_shards),
        on_demand_stream_count: number(limits.on_demand_streams),
        on_demand_stream_count_limit: told(limits.on_demand_stream_limit),
        // There are no channels, and there can be none.
        channel_count: Some(0),
        channel_count_limit: Some(0),
    })
}

/// A limit as the model allows it to be told; none is the highest.
fn told(limit: Option<u32>) -> i32 {
    number(limit.unwrap_or(HIGHEST_LIMIT_TOLD).min(HIGHEST_LIMIT_TOLD))
}
