//! A lean HTTP/1.1 connection: one request at a time, kept alive, nothing decoded.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::signing::{SignedHead, Signer};
use crate::failure::{Failure, Outcome};

/// A connection and the task that drives it.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: Address,
}

/// Where to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    authority: String,
    host: String,
    port: u16,
}

/// An answer, undecoded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Address {
    /// Reads an endpoint. The load generator speaks plain HTTP only.
    pub(crate) fn parse(endpoint: &str) -> Outcome<Self> {
        let uri: Uri = endpoint.parse().map_err(|_| Failure::usage(format!("{endpoint} is no URL")))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(Failure::usage(format!("cannot measure {endpoint}: rheos bench speaks http:// only")));
        };
        let port = uri.port_u16().unwrap_or(80);
        let authority = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self { authority, host: host.trim_matches(['[', ']']).to_owned(), port })
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Connection {
    /// Connects and starts the task that drives the connection.
    pub(crate) async fn open(address: &Address) -> Outcome<Self> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::unreachable(format!("no service answers at http://{}: {error}", address.authority))
                .hint("start one with `rheos serve`, or name another with --endpoint-url")
        };
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|e| unreachable(&e))?;
        stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
        drive(driver);
        Ok(Self { sender, address: address.clone() })
    }

    /// Sends a call and reads the whole answer.
    pub(crate) async fn call(&mut self, signer: &Signer, operation: Operation, body: &mut Body) -> Outcome<Answer> {
        let (status, body) = self.stream(signer, operation, body).await?;
        let body = body.collect().await.map_err(broken)?.to_bytes();
        Ok(Answer { status, body })
    }

    /// Sends a call and reads the head of the answer.
    pub(crate) async fn stream(
        &mut self,
        signer: &Signer,
        operation: Operation,
        body: &mut Body,
    ) -> Outcome<(StatusCode, Incoming)> {
        if self.sender.is_closed() {
            *self = Self::open(&self.address).await?;
        }
        self.sender.ready().await.map_err(broken)?;
        let request = signer.request(operation, body)?;
        let answer = self.sender.send_request(request).await.map_err(broken)?;
        Ok((answer.status(), answer.into_body()))
    }

    /// Reads the answer to a request without a body, such as a health check.
    pub(crate) async fn get(&mut self, path: &str) -> Outcome<StatusCode> {
        let request = Request::get(path).header("host", self.address.authority()).body(Full::default());
        let request = request.map_err(|error| Failure::new(format!("cannot build a request: {error}")))?;
        let answer = self.sender.send_request(request).await;
        let answer = answer.map_err(|error| Failure::unreachable(format!("the connection broke: {error}")))?;
        Ok(answer.status())
    }
}

fn broken(error: hyper::Error) -> Failure {
    Failure::unreachable(format!("the connection broke: {error}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a load generator has nothing to simulate; hyper wants a task for each connection"
)]
fn drive(driver: http1::Connection<TokioIo<TcpStream>, Full<Bytes>>) {
    // The caller learns from its next request that the connection has gone.
    drop(tokio::spawn(async move { drop(driver.await) }));
}

/// The calls that are measured, and those that prepare for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    PutRecord,
    PutRecords,
    GetShardIterator,
    GetRecords,
    SubscribeToShard,
}

impl Operation {
    /// The value of the `x-amz-target` header.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::PutRecord => "Kinesis_20131202.PutRecord",
            Self::PutRecords => "Kinesis_20131202.PutRecords",
            Self::GetShardIterator => "Kinesis_20131202.GetShardIterator",
            Self::GetRecords => "Kinesis_20131202.GetRecords",
            Self::SubscribeToShard => "Kinesis_20131202.SubscribeToShard",
        }
    }
}

/// A request body, and the headers that it was signed with.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) signed: Option<SignedHead>,
}

impl Body {
    /// A body that is not signed yet.
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), signed: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let address = Address::parse("http://127.0.0.1:4566").unwrap();
        assert_eq!((address.authority(), address.port), ("127.0.0.1:4566", 4566));
        assert_eq!(Address::parse("http://localhost/").unwrap().authority(), "localhost");
        assert_eq!(Address::parse("http://[::1]:80").unwrap().host, "::1");
        assert!(Address::parse("https://example:1").is_err());
        assert!(Address::parse("Amazon Kinesis in us-east-1").is_err());
    }
}
