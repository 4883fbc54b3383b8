//! A socket with as much HTTP on top as tests need.

use std::fmt;
use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rheos_wire::Protocol;
use rheos_wire::codec::cbor;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::coverage;
use crate::events::Frame;

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

/// Something to speak over: a socket, or TLS over one.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// A connection to a server.
pub struct Connection {
    stream: Box<dyn Wire>,
    /// Bytes that came and were not asked for yet.
    ahead: Vec<u8>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the server listens"))
    }

    /// Over something that is connected already, such as TLS.
    pub fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new() }
    }

    /// Sends bytes as they are. A server that has closed already is no failure: its answer may still be read.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// Reads one answer; `None` if the server closed the connection instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        let (status, headers) = self.head().await?;
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        while self.ahead.len() < length {
            self.more().await?;
        }
        let body = self.ahead.drain(..length).collect();
        Some(Answer { status, headers, body })
    }

    /// Reads the head of an answer that goes on, and then its frames.
    ///
    /// # Errors
    /// The answer, if it is none of that kind.
    pub async fn events(mut self) -> Result<Events, Answer> {
        let (status, headers) = self.head().await.expect("an answer");
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            return Ok(Events { headers, source: Source::Chunks(self), bytes: Vec::new() });
        }
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        while self.ahead.len() < length {
            self.more().await.expect("a whole answer");
        }
        Err(Answer { status, headers, body: self.ahead.drain(..length).collect() })
    }

    async fn head(&mut self) -> Option<(u16, HeaderMap)> {
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
        Some((status, headers))
    }

    /// Waits until the server closes the connection; the bytes that came before.
    pub async fn rest(mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        self.ahead
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 64 << 10];
        let read = self.stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        self.ahead.extend_from_slice(&buffer[..read]);
        Some(())
    }
}

/// An answer that goes on: frames of an event stream.
#[derive(Debug)]
pub struct Events {
    /// The answer's headers.
    pub headers: HeaderMap,
    source: Source,
    /// What has come of the body and was not taken yet.
    bytes: Vec<u8>,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    /// A connection of HTTP/1.1, in chunks.
    Chunks(Connection),
    /// A stream of HTTP/2.
    Stream(Incoming),
}

impl Events {
    /// The frames of an answer over HTTP/2.
    #[must_use]
    pub fn over_h2(answer: Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self { headers: head.headers, source: Source::Stream(body), bytes: Vec::new() }
    }

    /// The next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.bytes) {
                coverage::note_frame(&frame);
                return Some(frame);
            }
            if !self.chunk().await {
                assert!(self.bytes.is_empty(), "the stream ends with a whole frame");
                return None;
            }
        }
    }

    /// The next frame that has records, says where the shard goes on, or is an error.
    pub async fn next_news(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            let is_empty = |name: &str| frame.payload[name].as_array().is_none_or(Vec::is_empty);
            if frame.kind() != "SubscribeToShardEvent" || !is_empty("Records") || !is_empty("ChildShards") {
                return Some(frame);
            }
        }
    }

    /// Takes one piece of the body off the connection; `false` at the end.
    async fn chunk(&mut self) -> bool {
        let connection = match &mut self.source {
            Source::Chunks(connection) => connection,
            Source::Stream(body) => {
                let Some(frame) = body.frame().await else { return false };

                let data = frame.ok().and_then(|frame| frame.into_data().ok());
                self.bytes.extend(data.iter().flatten());
                return data.is_some();
            }
        };
        let ahead = |connection: &Connection| connection.ahead.windows(2).position(|window| window == b"\r\n");
        let line = loop {
            match ahead(connection) {
                Some(line) => break line,
                None if connection.more().await.is_none() => return false,
                None => {}
            }
        };
        let size = std::str::from_utf8(&connection.ahead[..line]).expect("a size is text");
        let size = usize::from_str_radix(size, 16).expect("a size is a number");
        while connection.ahead.len() < line + 2 + size + 2 {
            if connection.more().await.is_none() {
                return false;
            }
        }
        connection.ahead.drain(..line + 2);
        self.bytes.extend(connection.ahead.drain(..size));
        connection.ahead.drain(..2);
        size > 0
    }
}
