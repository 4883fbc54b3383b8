//! StopStreamEncryption.

use rheos_wire::Operation;
use rheos_wire::generated::StopStreamEncryptionInput;

use super::Kinesis;
use super::naming::{check_encryption_type, target};
use crate::auth::Caller;
use crate::fault::{Fault, change_encryption};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: StopStreamEncryptionInput) -> Result<(), Fault> {
    let stream = target!(StopStreamEncryption, input).resolve(kinesis, caller)?;
    check_encryption_type(input.encryption_type)?;
    let changed = kinesis.streams.stop_stream_encryption(&caller.namespace, &stream, &input.key_id).await;
    changed.map_err(|error| change_encryption(error, Operation::StopStreamEncryption))
}
