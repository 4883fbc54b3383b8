//! Build helpers, run as `cargo xtask <command>`. Each one that writes has a `--check`, or a form without `--write`, that
//! changes nothing and fails when there is something to do, which is what CI runs.

mod codegen;
mod compat;
mod coverage;
mod crash_images;
mod fuzz;
mod marks;
mod sim;
mod test;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build helpers of the Rheos workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check and every test there is, and say at the end how each went
    Test(test::Options),
    /// Check what no compiler checks: who may depend on whom, sizes of files, left-over marks, licences
    Tidy,
    /// Run unmodified AWS clients against a real server
    Compat(compat::Options),
    /// See how much of the API the server's tests use, operation by operation
    Coverage(coverage::Options),
    /// Feed every decoder with bytes that nobody has thought of
    Fuzz(fuzz::Options),
    /// Recover every image that a power cut could leave of generated histories of the log
    CrashImages(crash_images::Options),
    /// Run the whole server under a seeded scheduler, clock, disk and network
    #[command(disable_help_flag = true)]
    Sim(sim::Options),
    /// Write the Kinesis types of rheos-wire from the service model
    Codegen(codegen::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Tidy => tidy::run(),
        Command::Compat(options) => compat::run(&options),
        Command::Coverage(options) => coverage::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::CrashImages(options) => crash_images::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Codegen(options) => codegen::run(&options),
    }
}
