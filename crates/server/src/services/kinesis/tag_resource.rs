//! TagResource.

use rheos_types::ResourceArn;
use rheos_wire::generated::TagResourceInput;

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::{Fault, change_tags};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: TagResourceInput) -> Result<(), Fault> {
    let resource = resource_target!(TagResource, input).resolve(kinesis, caller)?;
    let added = kinesis.streams.add_tags(&resource, &input.tags).await;
    added.map_err(|error| change_tags(error, "add tags to"))?;
    if let ResourceArn::Stream(stream) = &resource {
        kinesis.note_unreadable_limits(&caller.namespace, &stream.name);
    }
    Ok(())
}
