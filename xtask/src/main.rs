//! Build helpers, run as `cargo xtask <command>`. Each has a `--check` that changes nothing and fails when there is
//! something to do, which is what CI runs.

mod codegen;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build helpers of the Rheos workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the Kinesis types of rheos-wire from the service model
    Codegen(codegen::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Codegen(options) => codegen::run(&options),
    }
}
