//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer.
//!
//! Built by the toolchain that builds everything else: coverage of the code is one of LLVM's passes, which every rustc has,
//! and what a sanitizer would add is little where no code of ours is unsafe; memory and time are bounded by the targets
//! themselves. So there is no second toolchain to keep, and nothing is skipped for want of one.
//!
//! Seconds are of the processor, so that a run is worth the same on a busy machine.

mod corpus;
mod run;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::workspace::{cargo, install, output, root, run as execute, target, works};
use run::Ran;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fuzz this target; may be repeated
    #[arg(long, value_name = "NAME", required_unless_present_any = ["all", "list"])]
    target: Vec<String>,
    /// Fuzz every target
    #[arg(long, conflicts_with = "target")]
    all: bool,
    /// How long, for each target, in seconds of the processor
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// How many targets at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Begin with what is kept in fuzz/corpus, not with what earlier runs here have learnt as well
    #[arg(long)]
    fresh: bool,
    /// Add a row for each target to fuzz/log.md
    #[arg(long)]
    log: bool,
    /// Choose inputs as this number says; without it by chance
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Afterwards put the smallest inputs that reach everything known into fuzz/corpus
    #[arg(long)]
    keep: bool,
    /// List the targets and fuzz none
    #[arg(long)]
    list: bool,
}

impl Options {
    /// What `cargo xtask test` runs: about the same each time, so that a change fails on what it did itself.
    pub(crate) fn check() -> Self {
        Self {
            target: Vec::new(),
            all: true,
            seconds: 20,
            jobs: 2,
            fresh: true,
            seed: Some(1),
            log: false,
            keep: false,
            list: false,
        }
    }
}

/// A target, as the program that was built names it.
struct Target {
    name: String,
    longest_bytes: String,
    about: String,
}

/// What is missing on this machine; installs it first where that is ours to do.
pub(crate) fn missing() -> Option<String> {
    let has_compiler = || works(Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into())).arg("--version"));
    if !has_compiler() {
        install(&["g++"]);
    }
    let missing = "a C++ compiler is not installed, which libFuzzer is built with: `apt-get install g++`";
    (!has_compiler()).then(|| missing.to_owned())
}

#[expect(clippy::print_stdout, reason = "the report is what this is for")]
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let program = build()?;
    let all = targets(&program)?;
    if options.list {
        all.iter().for_each(|target| println!("{:<16} {}", target.name, target.about));
        return Ok(());
    }
    if let Some(unknown) = options.target.iter().find(|name| all.iter().all(|target| target.name != **name)) {
        bail!("there is no target {unknown:?}; `cargo xtask fuzz --list` names them");
    }
    let chosen: Vec<Target> =
        all.into_iter().filter(|target| options.all || options.target.contains(&target.name)).collect();
    execute(Command::new(&program).env("RHEOS_FUZZ_SEEDS", folder().join("seeds")))?;
    if options.fresh {
        for target in &chosen {
            corpus::clear(&learnt(&target.name))?;
        }
    }
    let ran = run::all(&program, &chosen, options.seconds, options.jobs, options.seed)?;
    println!("{}", table(&ran));
    if options.log {
        add_to_log(&ran)?;
    }
    // Inputs that fail would be kept with the others.
    if options.keep && ran.iter().all(Ran::is_fine) {
        for target in &chosen {
            println!("{}", corpus::keep(&program, target)?);
        }
    }
    let failed: Vec<&Ran> = ran.iter().filter(|ran| !ran.is_fine()).collect();
    for ran in &failed {
        println!("{}", ran.advice());
    }
    ensure!(failed.is_empty(), "{} of {} targets found something", failed.len(), ran.len());
    Ok(())
}

/// Everything that is built and learnt here.
fn folder() -> PathBuf {
    target().join("fuzz")
}

/// The inputs that runs on this machine have found to reach something new.
fn learnt(name: &str) -> PathBuf {
    folder().join("learnt").join(name)
}

/// The folders of kept inputs of a target.
fn kept(kind: &str, name: &str) -> PathBuf {
    root().join("fuzz").join(kind).join(name)
}

/// Builds the targets with LLVM's counters of edges and comparisons.
fn build() -> anyhow::Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let passes = ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"];
    let passes = passes.map(|pass| format!("-Cllvm-args=-sanitizer-coverage-{pass}")).join(" ");
    let mut command = cargo();
    // Naming the target keeps the flags from build scripts, which have no engine to link with.
    command.args(["build", "--profile", "fuzz", "--target", host]);
    command.args(["--package", "rheos-fuzz", "--features", "engine", "--bin", "fuzz_targets"]);
    command.env("RUSTFLAGS", format!("-Cpasses=sancov-module {passes}")).env("CARGO_TARGET_DIR", folder());
    command.env("CARGO_INCREMENTAL", "0");
    execute(&mut command)?;
    // A name of its own, so that all of them can be found and stopped while something is measured. Removed first: an
    // earlier one may be running.
    let program = folder().join("fuzz_targets_run");
    replace(&folder().join(host).join("fuzz/fuzz_targets"), &program)?;
    Ok(program)
}

#[expect(clippy::disallowed_methods, reason = "a build helper is not under test or simulation")]
fn replace(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        std::fs::remove_file(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn targets(program: &Path) -> anyhow::Result<Vec<Target>> {
    let list = output(Command::new(program).env("RHEOS_FUZZ_LIST", "1"))?;
    let targets = list.lines().filter_map(|line| {
        let mut columns = line.split('\t').map(str::to_owned);
        Some(Target { name: columns.next()?, longest_bytes: columns.next()?, about: columns.next()? })
    });
    Ok(targets.collect())
}

/// A command that runs a target.
fn command(program: &Path, target: &Target) -> Command {
    // Nothing else on the machine waits for it.
    let mut command = Command::new("nice");
    command.args([OsStr::new("-n"), OsStr::new("19"), program.as_os_str()]);
    command.env("RHEOS_FUZZ_TARGET", &target.name).env("RUST_BACKTRACE", "1");
    command.arg(format!("-max_len={}", target.longest_bytes));
    command
}

const HEAD: &str = "| Target | Seconds | Executions | Per second | Edges | Inputs learnt | Peak MiB | Found |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- |";

fn table(ran: &[Ran]) -> String {
    let rows = ran.iter().map(|ran| format!("| {} | {} |", ran.name, ran.columns()));
    std::iter::once(HEAD.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

/// Adds rows to the log in the repository: what was run, on which day and which code.
fn add_to_log(ran: &[Ran]) -> anyhow::Result<()> {
    let path = root().join("fuzz/log.md");
    let mut text = crate::workspace::read(&path)?;
    let day = output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = output(Command::new("git").current_dir(root()).args(["rev-parse", "--short", "HEAD"]))?;
    for ran in ran {
        text.push_str(&format!("| {} | {} | {} | {} |\n", ran.name, day.trim(), commit.trim(), ran.columns()));
    }
    crate::workspace::write(&path, &text)
}
