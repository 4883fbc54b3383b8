//! UpdateStreamWarmThroughput: a stream on demand gets the shards for a throughput before there is any, 1 MiB/s each.

use crate::catalog::Intent;
use crate::describe::WarmThroughput;
use crate::facts::{NotActive, OverShardLimit, ProvisionedStream, StreamNotFound};
use crate::open::Streams;
use crate::view::StreamView;
use rheos_log::LogError;
use rheos_types::limits::{Profile, WARM_THROUGHPUT_MIBPS};
use rheos_types::{Namespace, StreamName};

/// Why a throughput is not kept ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarmRefusal {
    /// More than the service keeps ready.
    #[error("{mibps} MiB/s are more than {limit}")]
    TooMuch {
        /// What was asked for.
        mibps: u32,
        /// The most there is.
        limit: u32,
    },
    /// The account has not committed itself to pay for it.
    #[error("account {} has no billing commitment", namespace.account)]
    NoCommitment {
        /// The account and region.
        namespace: Namespace,
    },
    /// The account would have more shards than it may.
    #[error(transparent)]
    OverShardLimit(#[from] OverShardLimit),
}

/// Why a stream's warm throughput was not changed.
#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The throughput of a provisioned stream is the number of its shards.
    #[error(transparent)]
    Provisioned(#[from] ProvisionedStream),
    /// The throughput is not kept ready.
    #[error(transparent)]
    Refused(#[from] WarmRefusal),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Keeps a stream on demand ready for a throughput, 0 for none in particular: it gets that many shards, or keeps
    /// those that it has if they are more. What is kept already is no change, and accepted.
    ///
    /// # Errors
    /// [`WarmError`].
    pub async fn update_warm_throughput(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        mibps: u32,
    ) -> Result<WarmThroughput, WarmError> {
        self.change_and_tell(namespace, name, |view| {
            view.require_on_demand()?;
            self.check_warm(namespace, mibps, view.open.len() as u32)?;
            let warm = WarmThroughput::of(mibps, view.open.len());
            if view.record.warm_mibps.unwrap_or(0) == mibps {
                return Ok((None, warm));
            }
            view.require_active()?;
            let mut record = view.record.updating(self.due_ms(), warming(view, mibps));
            record.warm_mibps = (mibps > 0).then_some(mibps);
            Ok((Some(view.becomes(&record)), warm))
        })
        .await
    }

    /// Whether a stream that has `shards` may be kept ready for a throughput.
    pub(crate) fn check_warm(&self, namespace: &Namespace, mibps: u32, shards: u32) -> Result<(), WarmRefusal> {
        if mibps > WARM_THROUGHPUT_MIBPS {
            return Err(WarmRefusal::TooMuch { mibps, limit: WARM_THROUGHPUT_MIBPS });
        }
        if mibps == 0 {
            return Ok(());
        }
        if !self.has_commitment(namespace) {
            return Err(WarmRefusal::NoCommitment { namespace: namespace.clone() });
        }
        self.describe_limits(namespace).room_for(namespace, mibps.saturating_sub(shards))?;
        Ok(())
    }

    /// Whether the account has the billing commitment that a warm throughput needs. Where there are no limits there is
    /// nothing to be committed to.
    fn has_commitment(&self, namespace: &Namespace) -> bool {
        match self.config.limits.profile {
            Profile::Aws => self.billing_commitment(namespace),
            Profile::Open => true,
        }
    }
}

/// How a stream gets the shards for a throughput.
pub(crate) fn warming(view: &StreamView, mibps: u32) -> Intent {
    if mibps as usize > view.open.len() { Intent::Scale { shards: mibps } } else { Intent::Settle }
}
