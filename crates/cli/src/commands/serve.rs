//! `rheos serve`: hands the arguments to the server, whose configuration resolves them.

use crate::args::Serve;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Runs the service until it is told to stop.
pub(crate) fn run(args: Serve, _out: &Output) -> Outcome {
    drop(args);
    Err(Failure::new("the server is not part of this build yet"))
}
