//! `rheos log check`: reads a data directory and reports.

use crate::args::LogCommand;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Looks into a data directory.
pub(crate) fn run(args: LogCommand, _out: &Output) -> Outcome {
    let LogCommand::Check(args) = args;
    Err(Failure::new(format!("cannot check {}: the log is not part of this build yet", args.data_dir.display())))
}
