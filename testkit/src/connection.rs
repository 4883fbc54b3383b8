//! A socket with as much HTTP on top as tests need.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use rheos_wire::Protocol;
use rheos_wire::codec::cbor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body, which is CBOR, as JSON would have it; null if it is none.
    #[must_use]
    pub fn cbor(&self) -> Value {
        cbor::to_json(&self.body).unwrap_or_default()
    }

    /// The body as JSON, in whichever protocol it came.
    #[must_use]
    pub fn value(&self) -> Value {
        if self.header("content-type") == Protocol::Cbor.content_type() { self.cbor() } else { self.json() }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes that came and were not asked for yet.
    ahead: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("the server listens"), ahead: Vec::new() }
    }

    /// Sends bytes as they are. A server that has closed already is no failure: its answer may still be read.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// Reads one answer; `None` if the server closed the connection instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.ahead.drain(..head_end).collect();
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status is a number");
        let header = |line: &str| -> Option<(HeaderName, HeaderValue)> {
            let (name, value) = line.split_once(':')?;
            Some((name.parse().ok()?, value.trim().parse().ok()?))
        };
        let headers: HeaderMap = lines.filter_map(header).collect();
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        while self.ahead.len() < length {
            self.more().await?;
        }
        let body = self.ahead.drain(..length).collect();
        Some(Answer { status, headers, body })
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 64 << 10];
        let read = self.stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        self.ahead.extend_from_slice(&buffer[..read]);
        Some(())
    }
}
