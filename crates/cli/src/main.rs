//! `rheos`: the one binary. `args` is what can be typed, `commands` has one module for each verb, and both print through `output`
//! and meet the machine through `edge`.

mod args;
mod client;
mod commands;
mod edge;
mod failure;
mod output;
mod reader;
mod units;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Color, Command, Kcl};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match as_java() {
        Some(arguments) => Cli { color: Color::Auto, command: Command::Kcl(Kcl { arguments }) },
        None => Cli::parse(),
    };
    let out = Output::new(cli.color);
    let exit = match run(cli.command, out) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            out.failure(&failure);
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// The arguments, if this program was started by a link named `java`: then it is the daemon of the KCL.
fn as_java() -> Option<Vec<String>> {
    let mut arguments = std::env::args();
    let name = arguments.next()?;
    (Path::new(&name).file_name()? == "java").then(|| arguments.collect())
}

/// The server brings a runtime of its own; every other command runs on this one.
fn run(command: Command, out: Output) -> Outcome {
    match command {
        Command::Serve(args) => return commands::serve::run(args, &out),
        Command::Log(args) => return commands::log::run(args, &out),
        Command::Backup(args) => return commands::backup::backup(&args, &out),
        Command::Restore(args) => return commands::backup::restore(&args, &out),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("cannot start the runtime", &error))?;
    let outcome = runtime.block_on(async {
        match command {
            // The demo has processes to stop and its applications have files to finish, so they listen for Ctrl-C themselves.
            Command::Demo(args) => commands::demo::run(args, out).await,
            // It listens for SIGTERM and Ctrl-C itself: leases are given back.
            Command::Kcl(args) => commands::kcl::run(&args.arguments, &out).await,
            Command::DemoApp(args) => commands::demo::apps::run(args, out).await,
            other => tokio::select! {
                outcome = client_command(other, out) => outcome,
                stopped = tokio::signal::ctrl_c() => {
                    stopped.map_err(|error| Failure::io("cannot listen for Ctrl-C", &error))?;
                    Err(Failure::interrupted())
                }
            },
        }
    });
    // A thread may still wait for a line of standard input; the process does not wait for the thread.
    runtime.shutdown_background();
    outcome
}

async fn client_command(command: Command, out: Output) -> Outcome {
    match command {
        Command::Stream(args) => commands::stream::run(args, &out).await,
        Command::Consumer(args) => commands::consumer::run(args, &out).await,
        Command::Put(args) => commands::put::run(args, &out).await,
        Command::Tail(args) => commands::tail::run(args, &out).await,
        Command::Bench(args) => commands::bench::run(args, &out).await,
        Command::Group(args) => commands::group::run(args, &out).await,
        Command::Serve(_)
        | Command::Log(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Demo(_)
        | Command::Kcl(_)
        | Command::DemoApp(_) => Ok(()),
    }
}
