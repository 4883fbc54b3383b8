//! The three applications as processes: started, listened to, told to finish.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use futures_util::future::try_join_all;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::apps::Status;
use super::server::last_lines;
use crate::client::StoredKey;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// The applications, in the order in which they are shown.
pub(super) const NAMES: [&str; 3] = ["dashboard", "aggregate", "archive"];

/// What the applications said last.
pub(super) type Statuses = Mutex<[Status; 3]>;

/// Where the applications find the stream.
pub(super) struct Task<'demo> {
    pub(super) endpoint: &'demo str,
    pub(super) stream: &'demo str,
    /// The key of the demo's own server; without one, the applications find credentials as any client does.
    pub(super) key: Option<&'demo StoredKey>,
    /// Each application gets a directory of its name in here.
    pub(super) directory: &'demo Path,
}

/// The running applications. Dropping them ends their processes.
pub(super) struct Crew {
    members: Vec<Member>,
}

struct Member {
    number: usize,
    child: Child,
    /// Open as long as there is more to come, here or with whoever took it.
    input: Option<ChildStdin>,
    reports: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Crew {
    /// Starts all three.
    pub(super) fn start(task: &Task<'_>) -> Outcome<Self> {
        let members = (0..NAMES.len()).map(|number| Member::start(task, number)).collect::<Outcome<_>>()?;
        Ok(Self { members })
    }

    /// The applications' standard inputs. Dropping them says that nothing more comes: the applications read what is left and end.
    pub(super) fn inputs(&mut self) -> Vec<ChildStdin> {
        self.members.iter_mut().filter_map(|member| member.input.take()).collect()
    }

    /// Listens until all have ended; fails if one ends badly.
    pub(super) async fn listen(&mut self, statuses: &Statuses) -> Outcome {
        try_join_all(self.members.iter_mut().map(|member| member.listen(statuses))).await.map(drop)
    }
}

impl Member {
    fn start(task: &Task<'_>, number: usize) -> Outcome<Self> {
        let name = NAMES[number];
        let cannot = |error: std::io::Error| Failure::io(format!("cannot start the {name}"), &error);
        let log = task.directory.join(format!("{name}.log"));
        let errors = edge::create(&log).map_err(cannot)?;
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        command.args(["demo-app", name, "--supervised", "--stream", task.stream, "--endpoint-url", task.endpoint]);
        command.arg("--directory").arg(task.directory.join(name));
        if let Some(key) = task.key {
            command.env("AWS_ACCESS_KEY_ID", &key.access_key_id).env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key);
            command.env("AWS_REGION", "us-east-1").env_remove("AWS_SESSION_TOKEN").env_remove("AWS_PROFILE");
        }
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(cannot)?;
        let input = child.stdin.take();
        let reports = child.stdout.take().ok_or_else(|| Failure::new(format!("the {name} has no output")))?;
        Ok(Self { number, child, input, reports: BufReader::new(reports).lines(), log })
    }

    async fn listen(&mut self, statuses: &Statuses) -> Outcome {
        let name = NAMES[self.number];
        let broken = |error: std::io::Error| Failure::io(format!("cannot listen to the {name}"), &error);
        while let Some(line) = self.reports.next_line().await.map_err(broken)? {
            let status = serde_json::from_str(&line)
                .map_err(|error| Failure::new(format!("the {name} said `{line}`, which is no report: {error}")))?;
            statuses.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[self.number] = status;
        }
        let status = self.child.wait().await.map_err(broken)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("the {name} failed: {status}")).hint(last_lines(&self.log)))
    }
}
