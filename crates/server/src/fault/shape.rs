//! The verbs that change how many shards a stream has, and who decides about them.

use rheos_streams::{
    DistributionError, ModeError, OverOnDemandLimit, ProvisionedStream, ShardCountChange, ShardCountError, TooOften,
    WarmError, WarmRefusal,
};
use rheos_wire::ErrorCode;

use super::Fault;

/// What only streams on demand have was given for a provisioned one, which the request itself says it is or is to be.
pub(super) fn on_demand_only(members: &str) -> Fault {
    Fault::invalid(format!("{members} can be given for streams in ON_DEMAND mode only."))
}

/// The counterpart of what the service says of streams on demand.
impl From<ProvisionedStream> for Fault {
    fn from(ProvisionedStream { namespace, stream }: ProvisionedStream) -> Self {
        let account = &namespace.account;
        let message = format!("Request is invalid. Stream {stream} under account {account} is in Provisioned mode.");
        Self::new(ErrorCode::Validation, message)
    }
}

impl From<OverOnDemandLimit> for Fault {
    fn from(OverOnDemandLimit { namespace, limit }: OverOnDemandLimit) -> Self {
        let message = format!(
            "This request would exceed the limit of {limit} on-demand streams for the account {} in {}.",
            namespace.account, namespace.region
        );
        Self::new(ErrorCode::LimitExceeded, message)
    }
}

impl From<WarmRefusal> for Fault {
    fn from(refusal: WarmRefusal) -> Self {
        match refusal {
            WarmRefusal::TooMuch { mibps, limit } => Self::invalid(format!(
                "Requested warm throughput ({mibps} MiBps) can not be more than the maximum of {limit} MiBps."
            )),
            WarmRefusal::NoCommitment { namespace } => {
                let message = format!(
                    "Request is invalid. Account {} has not enabled the minimum throughput billing commitment in {}, \
                     which a warm throughput needs.",
                    namespace.account, namespace.region
                );
                Self::new(ErrorCode::Validation, message)
            }
            WarmRefusal::OverShardLimit(fact) => fact.into(),
        }
    }
}

impl From<WarmError> for Fault {
    fn from(error: WarmError) -> Self {
        match error {
            WarmError::NotFound(fact) => fact.into(),
            WarmError::Provisioned(fact) => fact.into(),
            WarmError::Refused(refusal) => refusal.into(),
            WarmError::NotActive(fact) => fact.into(),
            WarmError::Log(error) => error.into(),
        }
    }
}

impl From<DistributionError> for Fault {
    fn from(error: DistributionError) -> Self {
        match error {
            DistributionError::NotFound(fact) => fact.into(),
            DistributionError::Provisioned(fact) => fact.into(),
            DistributionError::NotActive(fact) => fact.into(),
            DistributionError::Log(error) => error.into(),
        }
    }
}

impl From<ModeError> for Fault {
    fn from(error: ModeError) -> Self {
        match error {
            ModeError::NotFound(fact) => fact.into(),
            ModeError::Provisioned(ProvisionedStream { .. }) => on_demand_only("WarmThroughputMiBps"),
            ModeError::OverOnDemandLimit(fact) => fact.into(),
            ModeError::Warm(refusal) => refusal.into(),
            ModeError::TooOften(fact) => too_often(&fact, "UpdateStreamMode"),
            ModeError::NotActive(fact) => fact.into(),
            ModeError::Log(error) => error.into(),
        }
    }
}

/// `operation` has been called as often as it may be in 24 hours. The text is our own: the service's is not known.
pub(super) fn too_often(TooOften { namespace, stream, limit }: &TooOften, operation: &str) -> Fault {
    let message = format!(
        "{operation} can be called {limit} times in a rolling 24-hour period for a stream. Stream {stream} under account {} \
         has reached this limit.",
        namespace.account
    );
    Fault::new(ErrorCode::LimitExceeded, message)
}

/// In the words that users quote of the service.
fn counts(ShardCountChange { current, target }: ShardCountChange) -> String {
    format!("Current open shard count: {current} Target shard count: {target}")
}

impl From<ShardCountError> for Fault {
    fn from(error: ShardCountError) -> Self {
        match error {
            ShardCountError::NotFound(fact) => fact.into(),
            ShardCountError::OnDemand(fact) => fact.into(),
            ShardCountError::TooMany { change, limit } => {
                let message = format!(
                    "Target shard count or number of open shards cannot be greater than {limit}. {}",
                    counts(change)
                );
                Self::new(ErrorCode::LimitExceeded, message)
            }
            ShardCountError::OverDouble { change } => {
                let message = format!(
                    "UpdateShardCount cannot scale up over double your current open shard count. {}",
                    counts(change)
                );
                Self::new(ErrorCode::LimitExceeded, message)
            }
            ShardCountError::BelowHalf { change } => {
                let message = format!(
                    "UpdateShardCount cannot scale down below half your current open shard count. {}",
                    counts(change)
                );
                Self::new(ErrorCode::LimitExceeded, message)
            }
            ShardCountError::OverShardLimit(fact) => fact.into(),
            ShardCountError::TooOften(fact) => too_often(&fact, "UpdateShardCount"),
            ShardCountError::NotActive(fact) => fact.into(),
            ShardCountError::Log(error) => error.into(),
        }
    }
}
