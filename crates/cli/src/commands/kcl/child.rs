//! The program of one shard: a process that is told what there is and says what it has done.
//!
//! A program that ends, says something else than it was asked, or nothing in time, is ended and started again behind the last checkpoint, after a
//! while. The Java daemon ends itself then, and with it the programs of all shards.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rheos_client::consumer::{
    Batch, CheckpointError, Checkpointer, Initialization, ProcessorError, RecordProcessor, StartOver,
};
use rheos_client::multilang::protocol::{self, Protocol, Refusal, Said};
use rheos_client::multilang::{Heard, Lines};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A line of a program is at most so long; what is longer is no message.
const MAX_LINE_BYTES: usize = 1 << 20;
/// So many messages of a program may wait while it is being written to.
const MAX_WAITING: usize = 1_000;
/// A program that was told that nothing more comes has so long to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Starts the program of each shard.
pub(super) struct Programs {
    pub(super) command: Vec<String>,
    pub(super) protocol: Protocol,
    pub(super) timeout: Option<Duration>,
}

/// A processor that is a process.
pub(super) struct Program {
    programs: Arc<Programs>,
    shard: String,
    process: Option<Process>,
}

struct Process {
    group: Group,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    lines: Lines,
    waiting: VecDeque<Said>,
}

/// A program with everything that it has started: they are ended together, and at the latest when this is dropped.
struct Group(Child);

impl Group {
    fn kill(&self) {
        // The number is the program's own until it has been waited for, and then there is none any more.
        let Some(id) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
        if let Err(error) = kill_process_group(id, Signal::KILL) {
            tracing::debug!("process {id}: it was not killed: {error}");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Why a program is of no use any more.
enum Useless {
    /// It has closed its pipes: it ends by itself.
    Gone(String),
    /// It does not keep to the protocol.
    Wrong(String),
}

/// What a program may ask for while it does what it was told.
enum Checkpoints<'a> {
    By(&'a Checkpointer),
    None,
}

impl Program {
    pub(super) fn new(programs: Arc<Programs>, shard: &str) -> Self {
        Self { programs, shard: shard.to_owned(), process: None }
    }

    fn start(&self) -> Result<Process, String> {
        let Some((program, arguments)) = self.programs.command.split_first() else {
            return Err("executableName is empty".to_owned());
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // A group of its own: Ctrl-C reaches the daemon only, which then asks each program to finish; and what a program has
        // started is ended with it.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{program} has no pipes"));
        };
        tracing::info!("shard {}: started {program} as process {}", self.shard, child.id().unwrap_or(0));
        let lines = Lines::new(MAX_LINE_BYTES);
        Ok(Process { group: Group(child), stdin, stdout: BufReader::new(stdout), lines, waiting: VecDeque::new() })
    }

    /// Tells the program something and waits until it has done it. A failure ends the program.
    async fn tell(&mut self, message: &Value, checkpoints: Checkpoints<'_>) -> Result<(), String> {
        let action = message["action"].as_str().unwrap_or_default();
        let Some(process) = &mut self.process else { return Err("the program has ended".to_owned()) };
        let talk = process.talk(&self.shard, message, action, checkpoints);
        let outcome = match self.programs.timeout {
            None => talk.await,
            Some(limit) => match timeout(limit, talk).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Useless::Wrong(format!("the program did not answer to {action} in {limit:?}"))),
            },
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(why) => Err(self.kill(why).await),
        }
    }

    /// Ends a program that is of no use. Says why, and how it ended if it did so by itself.
    async fn kill(&mut self, why: Useless) -> String {
        let (why, has_gone) = match why {
            Useless::Gone(why) => (why, true),
            Useless::Wrong(why) => (why, false),
        };
        let Some(mut process) = self.process.take() else { return why };
        // One that has closed its pipes ends in a moment.
        if has_gone && let Ok(Ok(status)) = timeout(END_WITHIN, process.group.0.wait()).await {
            return format!("{why}, {status}");
        }
        process.group.kill();
        if let Err(error) = process.group.0.wait().await {
            tracing::warn!("shard {}: the program cannot be waited for: {error}", self.shard);
        }
        why
    }

    /// Nothing more comes: the program ends by itself, or is ended.
    async fn end(&mut self) {
        let Some(Process { mut group, stdin, mut stdout, .. }) = self.process.take() else { return };
        drop(stdin);
        let ended = async {
            // What it still says is read, so that it does not wait for room.
            let mut rest = [0; 4096];
            while stdout.read(&mut rest).await.is_ok_and(|length| length > 0) {}
            group.0.wait().await
        };
        match timeout(END_WITHIN, ended).await {
            Ok(Ok(status)) => tracing::info!("shard {}: the program has ended, {status}", self.shard),
            Ok(Err(error)) => tracing::warn!("shard {}: the program cannot be waited for: {error}", self.shard),
            Err(_) => tracing::warn!("shard {}: the program did not end in {END_WITHIN:?} and is ended", self.shard),
        }
    }
}

impl Process {
    async fn talk(
        &mut self,
        shard: &str,
        message: &Value,
        action: &str,
        checkpoints: Checkpoints<'_>,
    ) -> Result<(), Useless> {
        self.write(shard, message).await?;
        loop {
            let said = match self.waiting.pop_front() {
                Some(said) => said,
                None => next(&mut self.stdout, &mut self.lines, shard).await?,
            };
            match said {
                Said::Status { response_for } if response_for == action => return Ok(()),
                Said::Status { response_for } => {
                    let what = format!("the program answers to {response_for}, and was told {action}");
                    return Err(Useless::Wrong(what));
                }
                Said::Checkpoint { sequence_number, sub_sequence_number } => {
                    let written = match &checkpoints {
                        Checkpoints::None => Err(CheckpointError::NotNow("in this state").into()),
                        Checkpoints::By(checkpointer) => match &sequence_number {
                            None => checkpointer.checkpoint().await.map_err(Refusal::from),
                            Some(number) => match protocol::record_number(number, sub_sequence_number) {
                                Some(number) => checkpointer.checkpoint_at(&number).await.map_err(Refusal::from),
                                None => Err(Refusal::NoNumber),
                            },
                        },
                    };
                    if let Err(refusal) = &written {
                        tracing::warn!("shard {shard}: a checkpoint at {sequence_number:?} was not written: {refusal}");
                    }
                    let refusal = written.err();
                    let answer =
                        protocol::checkpointed(sequence_number.as_deref(), sub_sequence_number, refusal.as_ref());
                    self.write(shard, &answer).await?;
                }
            }
        }
    }

    /// Writes a message, and reads meanwhile what the program says: it may not read on before that is read.
    async fn write(&mut self, shard: &str, message: &Value) -> Result<(), Useless> {
        let line = format!("{message}\n");
        let (stdin, stdout, lines, waiting) = (&mut self.stdin, &mut self.stdout, &mut self.lines, &mut self.waiting);
        let write = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        tokio::pin!(write);
        loop {
            tokio::select! {
                biased;
                written = &mut write => {
                    return written.map_err(|error| Useless::Gone(format!("the program cannot be written to: {error}")));
                }
                said = next(stdout, lines, shard) => {
                    waiting.push_back(said?);
                    if waiting.len() > MAX_WAITING {
                        return Err(Useless::Wrong("the program talks without listening".to_owned()));
                    }
                }
            }
        }
    }
}

/// The next message. Other lines go to the log. Nothing is lost if this is dropped while it waits.
async fn next(stdout: &mut BufReader<ChildStdout>, lines: &mut Lines, shard: &str) -> Result<Said, Useless> {
    loop {
        let read = stdout.fill_buf().await;
        let read = read.map_err(|error| Useless::Gone(format!("the program cannot be read from: {error}")))?;
        let has_ended = read.is_empty();
        let (taken, heard) = if has_ended { (0, lines.end()) } else { lines.take(read) };
        stdout.consume(taken);
        match heard {
            Some(Heard::Message(said)) => return Ok(said),
            Some(Heard::Print(text)) => tracing::info!("shard {shard}: {text}"),
            None if has_ended => return Err(Useless::Gone("the program has ended".to_owned())),
            None => {}
        }
    }
}

impl RecordProcessor for Program {
    async fn initialize(&mut self, start: &Initialization) -> Result<(), ProcessorError> {
        self.end().await;
        self.process = Some(self.start()?);
        Ok(self.tell(&protocol::initialize(start), Checkpoints::None).await?)
    }

    async fn process_records(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let message = protocol::process_records(batch);
        let told = self.tell(&message, Checkpoints::By(checkpointer)).await;
        Ok(told.map_err(StartOver)?)
    }

    async fn lease_lost(&mut self) {
        if self.process.is_some() {
            let message = self.programs.protocol.lease_lost();
            if let Err(error) = self.tell(&message, Checkpoints::None).await {
                tracing::warn!("shard {}: {error}", self.shard);
            }
        }
        self.end().await;
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let message = self.programs.protocol.shard_ended();
        self.tell(&message, Checkpoints::By(checkpointer)).await.map_err(StartOver)?;
        self.end().await;
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if self.process.is_some() {
            let message = serde_json::json!({ "action": "shutdownRequested" });
            self.tell(&message, Checkpoints::By(checkpointer)).await?;
        }
        // As from Java: whoever was asked to finish hears next that it has no lease any more.
        self.lease_lost().await;
        Ok(())
    }
}
