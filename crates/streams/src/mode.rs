//! UpdateStreamMode: whether the user decides how many shards a stream has, or the service.
//!
//! The shards stay as they are. What only streams on demand have goes with the mode.

use crate::catalog::{Distribution, Intent, Mode};
use crate::facts::{NotActive, OverOnDemandLimit, ProvisionedStream, StreamNotFound, TooOften};
use crate::open::Streams;
use crate::view::StreamView;
use crate::warm::{WarmRefusal, warming};
use rheos_log::{LogError, Transaction};
use rheos_types::{Namespace, StreamName};

/// Why a stream's mode was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// A throughput is to be kept ready by a stream that is to be provisioned.
    #[error(transparent)]
    Provisioned(#[from] ProvisionedStream),
    /// The account has as many streams on demand as it may.
    #[error(transparent)]
    OverOnDemandLimit(#[from] OverOnDemandLimit),
    /// The throughput is not kept ready.
    #[error(transparent)]
    Warm(#[from] WarmRefusal),
    /// It has been changed as often as it may be for now.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Gives a stream another mode, and if it is to be on demand a throughput to be ready for. The mode that it has is no
    /// change, and accepted.
    ///
    /// # Errors
    /// [`ModeError`].
    pub async fn update_mode(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        mode: Mode,
        warm_mibps: Option<u32>,
    ) -> Result<(), ModeError> {
        self.change(namespace, name, |view| {
            if let (Mode::Provisioned, Some(_)) = (mode, warm_mibps) {
                return Err(ProvisionedStream { namespace: namespace.clone(), stream: name.clone() }.into());
            }
            if let Some(mibps) = warm_mibps {
                self.check_warm(namespace, mibps, view.open.len() as u32)?;
            }
            let switches = view.record.mode != mode;
            let warms = warm_mibps.is_some_and(|mibps| view.record.warm_mibps.unwrap_or(0) != mibps);
            if !switches && !warms {
                return Ok(None);
            }
            if switches && mode == Mode::OnDemand {
                self.describe_limits(namespace).room_on_demand(namespace)?;
            }
            view.require_active()?;
            self.switch(view, mode, warm_mibps).map(Some)
        })
        .await
    }

    fn switch(&self, view: &StreamView, mode: Mode, warm_mibps: Option<u32>) -> Result<Transaction, ModeError> {
        let intent = warm_mibps.map_or(Intent::Settle, |mibps| warming(view, mibps));
        let mut record = view.record.updating(self.due_ms(), intent);
        if view.record.mode != mode {
            let limit = view.limits.mode_switches_per_day;
            record.mode_switches = view.require_seldom(&record.mode_switches, limit, self.clock.wall_ms())?;
            record.mode = mode;
        }
        if let Some(mibps) = warm_mibps {
            record.warm_mibps = (mibps > 0).then_some(mibps);
        }
        if mode == Mode::Provisioned {
            record.distribution = Distribution::default();
            record.warm_mibps = None;
        }
        Ok(view.becomes(&record))
    }
}
