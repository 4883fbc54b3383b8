//! Entry points for fuzzing: each function takes any bytes as what stands in a file of the data directory, decodes them
//! by the product's own code, and panics where what is promised of that does not hold.
//!
//! Random bytes have wrong checksums and are refused by them alone. So each target looks at its input twice: as it is, and
//! with the checksums put right (`checksums.rs`), so that what lies behind them is reached. The second is also what a
//! writer with a defect would leave, checksummed: it may be refused or misread, but must not panic, hang or take memory
//! that its length does not explain.

#![expect(clippy::expect_used, reason = "a target fails by panicking")]

mod backup;
mod batch;
mod checksums;
mod log_file;
mod log_history;
mod objects;
mod records;
pub(crate) mod rig;

pub use crate::medium::disk::fuzz::{manifest, manifest_seeds};
pub use backup::{backup, backup_seeds};
pub use batch::{batch, batch_seeds};
pub use log_file::{log_file, log_file_seeds};
pub use log_history::{log_history, log_history_seeds};
pub use objects::{segment, segment_seeds, snapshot, snapshot_seeds};
pub use records::{records, records_seeds};
