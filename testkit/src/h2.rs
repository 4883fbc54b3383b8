//! A client that speaks HTTP/2 and TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Answer;
use crate::connection::Wire;

/// An HTTP/2 connection, by prior knowledge: over a socket, or over TLS whatever was agreed on there.
#[derive(Debug)]
pub struct H2 {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl H2 {
    /// Connects in clear text.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the server listens")).await
    }

    /// Over something that is connected already.
    pub async fn over(stream: impl Wire + 'static) -> Self {
        Self::with(stream, |_| {}).await
    }

    /// The same, with settings of one's own: windows, pings.
    #[expect(clippy::disallowed_methods, reason = "a client in a test needs a task for its connection")]
    pub async fn with(stream: impl Wire + 'static, set: impl FnOnce(&mut http2::Builder<TokioExecutor>)) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        set(builder.timer(TokioTimer::new()));
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.expect("HTTP/2 begins");
        Self { sender, connection: tokio::spawn(connection) }
    }

    /// Sends a request: the head of its answer, and a body that is still to be read.
    ///
    /// # Errors
    /// The connection's, or what the server reset the stream with.
    pub async fn begin(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Sends a request: its whole answer.
    ///
    /// # Errors
    /// The connection's, or what the server reset the stream with.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// The same connection for another task.
    #[must_use]
    pub fn sender(&self) -> http2::SendRequest<Full<Bytes>> {
        self.sender.clone()
    }

    /// Waits until the connection has ended.
    ///
    /// # Errors
    /// What it ended with.
    pub async fn ended(self) -> hyper::Result<()> {
        drop(self.sender);
        self.connection.await.expect("the connection's task does not panic")
    }
}

/// Speaks TLS with whoever has a certificate of `authority` (PEM) for `name`, and offers `alpn`.
///
/// # Errors
/// What the handshake failed with.
pub async fn tls(
    address: SocketAddr,
    authority: &str,
    name: &str,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_of(rustls::DEFAULT_VERSIONS, address, authority, name, alpn).await
}

/// The same, in certain versions of TLS only.
///
/// # Errors
/// What the handshake failed with.
pub async fn tls_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
    address: SocketAddr,
    authority: &str,
    name: &str,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions that there are")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
