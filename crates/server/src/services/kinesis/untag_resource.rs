//! UntagResource.

use rheos_wire::generated::UntagResourceInput;

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::{Fault, change_tags};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: UntagResourceInput) -> Result<(), Fault> {
    let resource = resource_target!(UntagResource, input).resolve(kinesis, caller)?;
    let removed = kinesis.streams.remove_tags(&resource, &input.tag_keys).await;
    removed.map_err(|error| change_tags(error, "remove tags from"))
}
