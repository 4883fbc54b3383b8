//! DeleteResourcePolicy.

use rheos_wire::generated::DeleteResourcePolicyInput;

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: DeleteResourcePolicyInput) -> Result<(), Fault> {
    let resource = resource_target!(DeleteResourcePolicy, input).resolve(kinesis, caller)?;
    Ok(kinesis.streams.delete_policy(&resource).await?)
}
