//! GetResourcePolicy.

use rheos_wire::generated::{GetResourcePolicyInput, GetResourcePolicyOutput};

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: GetResourcePolicyInput,
) -> Result<GetResourcePolicyOutput, Fault> {
    let resource = resource_target!(GetResourcePolicy, input).resolve(kinesis, caller)?;
    // The service answers so where there is none (`reference/api.md` §5.10).
    let policy = kinesis.streams.policy(&resource)?.unwrap_or_else(|| "{}".to_owned());
    Ok(GetResourcePolicyOutput { policy })
}
