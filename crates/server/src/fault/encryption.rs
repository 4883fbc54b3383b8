//! Encryption: the verbs that start and stop it, and keys that cannot be had.

use rheos_streams::{EncryptionError, KeyUnavailable, SealedRecord};
use rheos_types::InvalidKeyId;
use rheos_wire::{ErrorCode, Operation};

use super::Fault;
use super::shape::too_often;

/// StartStreamEncryption and StopStreamEncryption. What is said of keys is our own: the service's texts are not known.
pub(crate) fn change_encryption(error: EncryptionError, operation: Operation) -> Fault {
    match error {
        EncryptionError::KeyId(InvalidKeyId { value }) => Fault::invalid(format!(
            "KeyId {value} names no key: it has to be a key id, alias/NAME, or the ARN of a key or of an alias."
        )),
        EncryptionError::OtherRegion { key_id, region } => {
            Fault::invalid(format!("KeyId {key_id} names a key of another region than the stream's, {region}."))
        }
        EncryptionError::NotFound(fact) => fact.into(),
        EncryptionError::NotActive(fact) => fact.into(),
        EncryptionError::TooOften(fact) => too_often(&fact, operation.name()),
        EncryptionError::TooManyKeys { namespace, stream, limit } => {
            let message = format!(
                "Stream {stream} under account {} has been encrypted under {limit} keys, which is as many as it can be. \
                 Use one of those.",
                namespace.account
            );
            Fault::new(ErrorCode::LimitExceeded, message)
        }
        EncryptionError::Log(error) => error.into(),
    }
}

/// The codes that begin with KMS are for keys that somebody has disabled or deleted; this is a fault of ours.
impl From<KeyUnavailable> for Fault {
    fn from(unavailable: KeyUnavailable) -> Self {
        let KeyUnavailable { namespace, stream, number, source } = &unavailable;
        let message = format!(
            "Data key {number} of stream {stream} under account {} cannot be had: {source}. Nothing was written.",
            namespace.account
        );
        Self::new(ErrorCode::InternalFailureException, message).because(unavailable)
    }
}

impl From<SealedRecord> for Fault {
    fn from(sealed: SealedRecord) -> Self {
        let SealedRecord { namespace, stream, shard, sequence_number, why } = &sealed;
        let message = format!(
            "Record {sequence_number} of shard {shard} in stream {stream} under account {} is encrypted and cannot be \
             decrypted: {why}. Those after it can be read: continue AFTER_SEQUENCE_NUMBER.",
            namespace.account
        );
        Self::new(ErrorCode::InternalFailureException, message).because(sealed)
    }
}
