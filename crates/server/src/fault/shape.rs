//! The verbs that change how many shards a stream has, and who decides about them.

use rheos_streams::{ShardCountChange, ShardCountError, TooOften};
use rheos_wire::ErrorCode;

use super::Fault;

/// `operation` has been called as often as it may be in 24 hours. The text is our own: the service's is not known.
fn too_often(TooOften { namespace, stream, limit }: &TooOften, operation: &str) -> Fault {
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
