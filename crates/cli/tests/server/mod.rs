//! A real `rheos serve` process, and the plainest client there is: one connection, one request at a time, no retries.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// How long a server may take to start, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server process. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as `address:port`.
    pub(crate) address: String,
}

impl Server {
    /// Starts the server that `command` runs and waits for the line that says where it listens.
    pub(crate) fn spawn(command: Command, log: &Path) -> Self {
        Self::try_spawn(command, log).unwrap_or_else(|said| panic!("the server did not start: {said}"))
    }

    /// The same; what a server says that does not start.
    pub(crate) fn try_spawn(mut command: Command, log: &Path) -> Result<Self, String> {
        let errors = std::fs::File::options().append(true).create(true).open(log).unwrap();
        for (name, _) in std::env::vars_os().filter(|(name, _)| {
            name.to_str().is_some_and(|name| name.starts_with("RHEOS_") || name.starts_with("AWS_"))
        }) {
            command.env_remove(name);
        }
        let said_before = errors.metadata().unwrap().len();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = line.strip_prefix("rheos listening on http://").and_then(|rest| rest.split_whitespace().next());
        let Some(address) = said.map(str::to_owned) else {
            let _ = child.kill();
            child.wait().unwrap();
            let said = std::fs::read(log).unwrap_or_default();
            return Err(format!("{line}{}", String::from_utf8_lossy(&said[said_before as usize..])));
        };
        Ok(Self { child, address })
    }

    /// SIGKILL: no code of the server runs after this.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Caller {
        Caller::connect(&self.address).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
pub(crate) struct Caller {
    stream: BufReader<TcpStream>,
}

/// What the service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

impl Caller {
    pub(crate) fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Calls an operation. An error means that nobody knows whether it happened.
    pub(crate) fn call(&mut self, operation: &str, input: &Value) -> std::io::Result<Answer> {
        let body = input.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.{operation}\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let mut length = 0;
        loop {
            self.line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| broken())?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        Ok(Answer { status, body })
    }

    fn line(&mut self, into: &mut String) -> std::io::Result<()> {
        into.clear();
        self.stream.read_line(into)?;
        if into.ends_with("\r\n") { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::InvalidData.into()
}

/// Waits until the stream is ACTIVE.
pub(crate) fn wait_active(caller: &mut Caller, stream: &str) {
    let begun = std::time::Instant::now();
    loop {
        let answer = caller.call("DescribeStreamSummary", &serde_json::json!({ "StreamName": stream })).unwrap();
        let status = answer.ok()["StreamDescriptionSummary"]["StreamStatus"].clone();
        if status == "ACTIVE" {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{stream} is {status} for {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
