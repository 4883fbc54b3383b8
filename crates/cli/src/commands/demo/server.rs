//! The service that the demo starts: this program again, as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::client::StoredKey;
use crate::commands::bench::connection::{Address, Connection};
use crate::edge;
use crate::failure::{Failure, Outcome};

/// The server prints one line that begins so, and then its address.
const LISTENING: &str = "rheos listening on ";
const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(10);

/// A running server.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
    pub(super) endpoint: String,
    pub(super) data_directory: PathBuf,
    pub(super) key: StoredKey,
}

impl Server {
    /// Starts a server whose data and log are in `directory`, and waits until it takes requests.
    pub(super) async fn start(directory: &Path) -> Outcome<Self> {
        let data_directory = directory.join("data");
        let log = directory.join("server.log");
        let mut child = spawn(&data_directory, &log)?;
        let endpoint = match wait_until_ready(&mut child, &log).await {
            Ok(endpoint) => endpoint,
            Err(failure) => return Err(failure.hint(last_lines(&log))),
        };
        let key = StoredKey::read(&data_directory)?
            .ok_or_else(|| Failure::new(format!("the server left no key in {}", data_directory.display())))?;
        Ok(Self { child, log, endpoint, data_directory, key })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits for the end that nobody wants, and says what it was.
    pub(super) async fn broken(&mut self) -> Failure {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Failure::new(format!("the server stopped: {how}")).hint(last_lines(&self.log))
    }

    /// Asks the server to drain and stop, and insists after a while.
    pub(super) async fn stop(mut self) -> Outcome {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if asked && tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_ok() {
            return Ok(());
        }
        self.child.kill().await.map_err(|error| Failure::io("cannot stop the server", &error))
    }
}

fn spawn(data_directory: &Path, log: &Path) -> Outcome<Child> {
    let cannot = |error: std::io::Error| Failure::io("cannot start the server", &error);
    let program = std::env::current_exe().map_err(cannot)?;
    let output = edge::create(log).map_err(cannot)?;
    let errors = output.try_clone().map_err(cannot)?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--limits", "open", "--data-dir"]).arg(data_directory);
    // A setting or a key from the outside would change what the demo shows.
    let foreign = |name: &str| name.starts_with("RHEOS_") || name.starts_with("AWS_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(foreign) {
            command.env_remove(name);
        }
    }
    // A group of its own: Ctrl-C reaches the demo only, which then stops the others in order.
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(cannot)
}

/// Reads the address in the log, then asks for health until the server is ready.
async fn wait_until_ready(child: &mut Child, log: &Path) -> Outcome<String> {
    let begun = edge::now();
    let mut endpoint = None;
    while begun.elapsed() < START_LIMIT {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Failure::new(format!("the server did not start: {status}")));
        }
        if endpoint.is_none() {
            endpoint = edge::read(log).ok().and_then(|text| address(&String::from_utf8_lossy(&text)));
        }
        if let Some(endpoint) = &endpoint
            && is_ready(endpoint).await
        {
            return Ok(endpoint.clone());
        }
        tokio::time::sleep(STEP).await;
    }
    Err(Failure::new(format!("the server was not ready after {} s", START_LIMIT.as_secs())))
}

async fn is_ready(endpoint: &str) -> bool {
    let Ok(address) = Address::parse(endpoint) else { return false };
    let Ok(mut connection) = Connection::open(&address).await else { return false };
    connection.get("/health/ready").await.is_ok_and(|status| status.is_success())
}

fn address(log: &str) -> Option<String> {
    // A line counts when it is complete.
    let line = log.split_inclusive('\n').find(|line| line.starts_with(LISTENING) && line.ends_with('\n'))?;
    line[LISTENING.len()..].split_whitespace().next().map(str::to_owned)
}

/// The end of a log file, as a hint.
pub(super) fn last_lines(log: &Path) -> String {
    let text = edge::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    if last.is_empty() { String::from("it left no message") } else { format!("its last words:\n{}", last.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_first_line() {
        let line = "rheos listening on http://127.0.0.1:40123 (credentials in data)\n";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:40123"));
        assert_eq!(address("rheos listening on http://127.0.0.1:401"), None, "an incomplete line");
        assert_eq!(address("warn\nrheos listening on http://a:1\nmore\n").as_deref(), Some("http://a:1"));
        assert_eq!(address(""), None);
    }
}
