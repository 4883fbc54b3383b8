//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: the policy of a stream or a consumer, kept as it was written
//! once it has been found to be one.

use crate::facts::{ConsumerNotFound, StreamNotFound};
use crate::open::Streams;
use crate::policy_check::{PolicyFlaw, check};
use crate::resource::ResourceError;
use rheos_log::LogError;
use rheos_types::ResourceArn;

/// Why a policy was not put.
#[derive(Debug, thiserror::Error)]
pub enum PutPolicyError {
    /// There is no such resource, or it is not in service.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// It is no policy, or none for this resource.
    #[error(transparent)]
    Flaw(#[from] PolicyFlaw),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a policy was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeletePolicyError {
    /// There is no such resource, or it is not in service.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The resource has none.
    #[error("{resource} has no policy")]
    NoPolicy {
        /// The resource.
        resource: ResourceArn,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Gives a resource a policy in the place of the one it may have.
    ///
    /// # Errors
    /// [`PutPolicyError`].
    pub async fn put_policy(&self, resource: &ResourceArn, policy: &str) -> Result<(), PutPolicyError> {
        // Whether the resource is there comes first: a policy's flaws depend on which it is.
        self.attached(resource)?;
        check(policy, resource)?;
        self.change_attached(resource, |attached| {
            attached.policy = Some(policy.to_owned());
            Ok(())
        })
        .await
    }

    /// A resource's policy, if it has one.
    ///
    /// # Errors
    /// [`ResourceError`].
    pub fn policy(&self, resource: &ResourceArn) -> Result<Option<String>, ResourceError> {
        Ok(self.attached(resource)?.policy)
    }

    /// Takes a resource's policy from it.
    ///
    /// # Errors
    /// [`DeletePolicyError`].
    pub async fn delete_policy(&self, resource: &ResourceArn) -> Result<(), DeletePolicyError> {
        self.change_attached(resource, |attached| match attached.policy.take() {
            Some(_) => Ok(()),
            None => Err(DeletePolicyError::NoPolicy { resource: resource.clone() }),
        })
        .await
    }
}

impl From<StreamNotFound> for PutPolicyError {
    fn from(fact: StreamNotFound) -> Self {
        Self::Resource(fact.into())
    }
}

impl From<ConsumerNotFound> for PutPolicyError {
    fn from(fact: ConsumerNotFound) -> Self {
        Self::Resource(fact.into())
    }
}

impl From<StreamNotFound> for DeletePolicyError {
    fn from(fact: StreamNotFound) -> Self {
        Self::Resource(fact.into())
    }
}

impl From<ConsumerNotFound> for DeletePolicyError {
    fn from(fact: ConsumerNotFound) -> Self {
        Self::Resource(fact.into())
    }
}
