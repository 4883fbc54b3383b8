//! Running targets, some at a time, each until it has had its time of the processor.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use super::{Target, command, folder, kept, learnt};
use crate::workspace::works;

/// How a run ended, in the words of its log.
pub(super) struct Ran {
    pub(super) name: String,
    seconds: f64,
    executions: u64,
    edges: u64,
    learnt: u64,
    peak_mib: u64,
    /// What the run found, if it did not end because its time was over.
    found: Option<PathBuf>,
    log: PathBuf,
    /// It was told to end, and did.
    ended_in_time: bool,
}

impl Ran {
    pub(super) fn is_fine(&self) -> bool {
        self.ended_in_time && self.found.is_none()
    }

    /// The columns of the table, without the name.
    pub(super) fn columns(&self) -> String {
        let Self { seconds, executions, edges, learnt, peak_mib, .. } = self;
        let per_second = *executions as f64 / seconds.max(0.1);
        let found = if self.is_fine() { "nothing" } else { "a failure" };
        format!("{seconds:.0} | {executions} | {per_second:.0} | {edges} | {learnt} | {peak_mib} | {found}")
    }

    pub(super) fn advice(&self) -> String {
        let Self { name, log, .. } = self;
        let log = log.display();
        match &self.found {
            Some(found) => format!(
                "{name}: an input fails: {}\n  what it said: {log}\n  to debug it: copy it to \
                 fuzz/regressions/{name}/, named by what it shows, and run `cargo test -p rheos-fuzz`",
                found.display()
            ),
            None => format!("{name}: ended before its time: {log} says why"),
        }
    }
}

/// A run that has begun.
struct Running<'a> {
    target: &'a Target,
    child: Child,
    log: PathBuf,
    found: PathBuf,
    begun: std::time::Instant,
    seconds: f64,
    told_to_end: bool,
}

/// Runs every target for so many seconds of the processor, `jobs` of them at a time.
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a build helper is not under test or simulation")]
pub(super) fn all(
    program: &Path,
    targets: &[Target],
    seconds: u64,
    jobs: usize,
    seed: Option<u32>,
) -> anyhow::Result<Vec<Ran>> {
    let mut waiting = targets.iter();
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut ran = Vec::new();
    loop {
        while running.len() < jobs.max(1)
            && let Some(target) = waiting.next()
        {
            running.push(begin(program, target, seed)?);
        }
        if running.is_empty() {
            ran.sort_by_key(|ran: &Ran| targets.iter().position(|target| target.name == ran.name));
            return Ok(ran);
        }
        std::thread::sleep(Duration::from_millis(200));
        let mut still = Vec::new();
        for mut one in running {
            if one.child.try_wait()?.is_some() {
                let ended = end(one)?;
                println!("{:<16} {}", ended.name, ended.columns().replace(" | ", "  "));
                ran.push(ended);
                continue;
            }
            one.seconds = processor_seconds(one.child.id()).unwrap_or_else(|| one.begun.elapsed().as_secs_f64());
            if !one.told_to_end && one.seconds >= seconds as f64 {
                // libFuzzer ends between two inputs then. On SIGINT its handler allocates, and waits for ever if that is what the
                // input was doing.
                one.told_to_end = works(Command::new("kill").args(["-USR1", &one.child.id().to_string()]));
            }
            still.push(one);
        }
        running = still;
    }
}

#[expect(clippy::disallowed_methods, reason = "a build helper is not under test or simulation")]
fn begin<'a>(program: &Path, target: &'a Target, seed: Option<u32>) -> anyhow::Result<Running<'a>> {
    let name = &target.name;
    let (found, before) = (folder().join("found").join(name), folder().join("found-before").join(name));
    super::corpus::set_aside(&found, &before)?;
    let log = folder().join(format!("{name}.log"));
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = command(program, target);
    // Of the clock, while a process that is stopped stays in its input: the targets themselves bound the processor's.
    command.args(["-timeout=3600", "-report_slow_units=3600", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", found.display()));
    command.args(seed.map(|seed| format!("-seed={seed}")));
    let dictionary = kept("dictionaries", &format!("{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    super::corpus::make(&learnt(name))?;
    // What failed before comes first: nothing that was found is lost by fuzzing on.
    command.arg(learnt(name)).arg(before).arg(folder().join("seeds").join(name));
    command.args([kept("corpus", name), kept("regressions", name)].iter().filter(|folder| folder.exists()));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let child = command.spawn().context("cannot start the program of the targets")?;
    let begun = std::time::Instant::now();
    Ok(Running { target, child, log, found, begun, seconds: 0.0, told_to_end: false })
}

#[expect(clippy::disallowed_methods, reason = "a build helper is not under test or simulation")]
fn end(one: Running<'_>) -> anyhow::Result<Ran> {
    let text = String::from_utf8_lossy(&std::fs::read(&one.log)?).into_owned();
    let found = std::fs::read_dir(&one.found)?.next().transpose()?.map(|entry| entry.path());
    let number = |text: &str| text.trim().parse().unwrap_or(0);
    let stat = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, number);
    let covered = text.rmatch_indices(" cov: ").next().map_or("", |(at, found)| &text[at + found.len()..]);
    Ok(Ran {
        name: one.target.name.clone(),
        seconds: one.seconds,
        executions: stat("stat::number_of_executed_units:"),
        edges: covered.split_whitespace().next().map_or(0, number),
        learnt: stat("stat::new_units_added:"),
        peak_mib: stat("stat::peak_rss_mb:"),
        found,
        log: one.log,
        ended_in_time: one.told_to_end,
    })
}

/// What a process has had of the processor, where the system says so.
fn processor_seconds(id: u32) -> Option<f64> {
    let text = crate::workspace::read(Path::new(&format!("/proc/{id}/stat"))).ok()?;
    // The name, in parentheses, may have blanks in it. In hundredths of a second, whatever the kernel's own unit.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}
