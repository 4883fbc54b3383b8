//! DescribeAccountSettings, UpdateAccountSettings: the commitment to a minimum throughput of on-demand streams ("On-demand
//! Advantage"), of one account in one region. Nothing is billed here; what else depends on it does (how many consumers an
//! on-demand stream may have, whether its throughput can be warmed).
//!
//! As the service documents it (the API reference of `MinimumThroughputBillingCommitmentInput`): a commitment holds for at
//! least 24 hours. Disabled before, it goes on until then; enabled again before then, it goes on for good. What it is at
//! any moment follows from what was asked for and when, so that nothing has to be done when its end comes.

use crate::catalog::{AccountRecord, Commitment, account_key, decode, expect, put};
use crate::open::{ATTEMPTS, Streams};
use rheos_log::{LogError, Transaction};
use rheos_types::Namespace;
use rheos_types::limits::COMMITMENT_MS;

/// What an account has committed itself to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingCommitment {
    /// To nothing yet.
    Never,
    /// To a minimum throughput.
    Enabled {
        /// Since when.
        started_ms: u64,
        /// Before when it cannot end.
        earliest_end_ms: u64,
    },
    /// The same, and it will end then.
    Ending {
        /// Since when.
        started_ms: u64,
        /// When it ends.
        end_ms: u64,
    },
    /// To nothing any more.
    Ended {
        /// Since when it was.
        started_ms: u64,
        /// Until when it was.
        ended_ms: u64,
    },
}

impl BillingCommitment {
    fn of(commitment: Option<Commitment>, now_ms: u64) -> Self {
        let Some(Commitment { started_ms, end_asked_ms }) = commitment else { return Self::Never };
        let earliest_end_ms = started_ms.saturating_add(COMMITMENT_MS);
        match end_asked_ms.map(|asked_ms| asked_ms.max(earliest_end_ms)) {
            None => Self::Enabled { started_ms, earliest_end_ms },
            Some(ended_ms) if ended_ms <= now_ms => Self::Ended { started_ms, ended_ms },
            Some(end_ms) => Self::Ending { started_ms, end_ms },
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::Enabled { .. } | Self::Ending { .. } => true,
            Self::Never | Self::Ended { .. } => false,
        }
    }
}

impl Streams {
    /// Whether the account has committed itself to a minimum throughput in this region.
    #[must_use]
    pub fn billing_commitment(&self, namespace: &Namespace) -> bool {
        self.describe_account(namespace).holds()
    }

    /// What the account has committed itself to in this region.
    #[must_use]
    pub fn describe_account(&self, namespace: &Namespace) -> BillingCommitment {
        BillingCommitment::of(self.account(namespace).1.commitment, self.clock.wall_ms())
    }

    /// Begins the account's commitment, or ends it as soon as it may end. What is so already stays so.
    ///
    /// # Errors
    /// [`LogError`]: nothing has changed, or it is not known.
    pub async fn update_account(&self, namespace: &Namespace, commit: bool) -> Result<BillingCommitment, LogError> {
        for _ in 0..ATTEMPTS {
            let (version, account) = self.account(namespace);
            let now_ms = self.clock.wall_ms();
            let (was, begun) = (BillingCommitment::of(account.commitment, now_ms), account.commitment);
            let commitment = match begun {
                Some(begun) if was.holds() && commit => Some(Commitment { end_asked_ms: None, ..begun }),
                Some(begun) if was.holds() => {
                    Some(Commitment { end_asked_ms: begun.end_asked_ms.or(Some(now_ms)), ..begun })
                }
                Some(_) | None if commit => Some(Commitment { started_ms: now_ms, end_asked_ms: None }),
                Some(_) | None => begun,
            };
            if commitment == begun {
                return Ok(was);
            }
            let transaction = Transaction {
                conditions: vec![expect(account_key(namespace), version)],
                changes: vec![put(account_key(namespace), &AccountRecord { commitment })],
                frees_space: false,
            };
            if self.commit(transaction).await?.is_ok() {
                return Ok(BillingCommitment::of(commitment, now_ms));
            }
        }
        Err(LogError::Overloaded)
    }

    /// The account's record as it is in the catalog, and its version.
    fn account(&self, namespace: &Namespace) -> (Option<u64>, AccountRecord) {
        let Some(stored) = self.log.get(&account_key(namespace)) else { return (None, AccountRecord::default()) };
        // An entry that cannot be read keeps the streams closed, see `open`.
        (Some(stored.version), decode(&stored.value).unwrap_or_default())
    }
}
