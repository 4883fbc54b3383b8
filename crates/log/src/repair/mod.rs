//! `rheos log repair`: makes a damaged data directory one that opens and serves everything that can be read.
//!
//! * [`survey`]: reads what lies there, whatever is damaged
//! * [`replay`]: the state that the readable batches add up to, and where it can be believed
//! * [`plan`]: what is wrong, what can be kept and what is lost; nothing is changed
//! * [`apply`]: writes the new segments, snapshots and log file, and moves the old files aside
//!
//! # What a repair comes to
//! Everything that can be read is written as a server's own housekeeping would have written it: records into segments,
//! the state into snapshots, an empty batch into a new log file; then a new manifest names them, at one stroke. So a
//! damaged log needs no format of its own: records that are lost are positions that no segment holds, and a read of them
//! says so. What was there before is moved into a directory beside.

mod apply;
mod lost;
mod plan;
mod replay;
mod survey;

pub use apply::Repaired;
pub use lost::Lost;
pub use plan::{Consistent, Cut, Kept, Plan, RepairError};
pub(crate) use survey::Survey;

use crate::check::{Progress, lock, opening};
use crate::files::Files;
use crate::medium::disk::unfinished;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A repair that has been thought through. The directory is locked while this lives.
pub struct Repair {
    files: Arc<dyn Files>,
    directory: PathBuf,
    survey: Survey,
    plan: Plan,
    _lock: Box<dyn Send + Sync>,
}

impl Repair {
    /// Reads everything in `directory` and decides what a repair would do. Changes nothing.
    ///
    /// `consistent` is asked about the catalog of a state from which changes may be missing: an error says what does not
    /// fit, and what came after the damage is given up then.
    ///
    /// # Errors
    /// If nothing can or must be done: the directory is in use, of a newer version, a backup or what an interrupted restore left,
    /// or what cannot be missed is lost.
    pub fn plan(
        files: &Arc<dyn Files>,
        directory: &Path,
        consistent: &mut Consistent<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, RepairError> {
        let lock = lock(files, directory)?;
        let mut survey = Survey::take(files, directory, progress)?;
        let mut plan = Plan::make(&mut survey, files, directory, consistent);
        if let Err(finding) = opening(files, directory)? {
            plan.add(finding);
        }
        if let Some(problem) = plan.hopeless() {
            return Err(RepairError::Hopeless { problem: problem.to_owned() });
        }
        Ok(Self { files: files.clone(), directory: directory.to_path_buf(), survey, plan, _lock: lock })
    }

    /// What is wrong, and what is lost.
    #[must_use]
    pub fn what(&self) -> &Plan {
        &self.plan
    }

    /// Whether there is anything to do. A healthy directory is left alone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_needed(&self) -> Result<bool, RepairError> {
        Ok(unfinished::read(&*self.files, &self.directory)?.is_some() || !self.plan.findings().is_empty())
    }

    /// Repairs. The old bytes of every file that counts no more are in `aside` then, below the data directory; an
    /// interrupted repair keeps the name that it began with.
    ///
    /// On `Ok` the directory has been read again from end to end and nothing is wrong with it.
    ///
    /// # Errors
    /// The operating system's. What counted before counts still, or what is to count does; the repair is to be run again.
    pub fn apply(self, aside: &str, progress: &mut dyn FnMut(Progress)) -> Result<Repaired, RepairError> {
        let Self { files, directory, survey, plan, _lock } = self;
        apply::apply(&files, &directory, survey, plan, aside, progress)
    }
}
