//! The listener: accepts connections, finds out what each speaks, bounds them, and lets them finish when the server stops.
//!
//! HTTP/1.1 and HTTP/2, in clear text and behind TLS, all on one port: the first bytes tell (`hello`), and again after a
//! TLS handshake in which no protocol was agreed on.

pub(crate) mod hello;
mod paced;
mod streams;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Bounds;
use crate::network::{Listener, Stream};
use crate::request::{Front, Unanswered};
use crate::tls::{ALPN_HTTP1, Tls};
use hello::{Hello, Replayed, hear};
use paced::Paced;
use streams::{PIECE, Sending, Sent, Streams};

/// How long the listener waits when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that one read of a connection takes at most.
const READ_BUFFER: usize = 256 << 10;
/// What a client gets that is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// Accepts connections until `stop` says so, then waits for those in flight. Without `tls` there is none.
///
/// Returns how many connections were cut off because their requests took longer than the drain.
pub(crate) async fn serve<L: Listener>(
    listener: L,
    front: Arc<Front>,
    tls: Option<Tls>,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let bounds = front.bounds;
    let most = u32::try_from(bounds.connections).unwrap_or(u32::MAX).min(1 << 20);
    let room = Arc::new(Semaphore::new(most as usize));
    let (hang_up, cut) = watch::channel(false);
    loop {
        let accepted = tokio::select! {
            biased;
            _stopped = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => match room.clone().try_acquire_owned() {
                Ok(place) => {
                    let end = End { stop: stop.clone(), cut: cut.clone() };
                    let guest = Guest { front: front.clone(), room: room.clone(), end, secure: false };
                    drop(front.spawner.detach(connection(stream, guest, tls.clone(), place)));
                }
                // It has sent nothing that was read, so it may try again.
                Err(_) => stream.say(FULL),
            },
            // One that went away while it waited. The next may be there already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_gone = room.acquire_many(most);
    if tokio::time::timeout(Duration::from_millis(bounds.drain_ms), all_gone).await.is_ok() {
        return 0;
    }
    let left = most as usize - room.available_permits();
    hang_up.send_replace(true);
    left
}

/// What ends a connection from outside.
struct End {
    /// The server stops: requests in flight may finish.
    stop: watch::Receiver<bool>,
    /// Their time is over.
    cut: watch::Receiver<bool>,
}

/// A connection that has a place.
struct Guest {
    front: Arc<Front>,
    room: Arc<Semaphore>,
    end: End,
    /// What came in came encrypted.
    secure: bool,
}

/// Serves one connection to its end, or to the end of its requests when the server stops.
async fn connection<S: Stream>(stream: S, mut guest: Guest, tls: Option<Tls>, _place: OwnedSemaphorePermit) {
    if let Err(error) = stream.prepare() {
        tracing::debug!(%error, "the client has gone already");
        return;
    }
    let stream = Paced::new(stream, Duration::from_millis(guest.front.bounds.write_stall_ms));
    // Nothing is lost by a stop: as long as nobody knows what a client speaks, it has asked for nothing.
    let met = tokio::select! {
        biased;
        met = meet(stream, &guest.front.bounds, tls) => met,
        _stopped = guest.end.stop.wait_for(|stop| *stop) => return,
    };
    match met {
        Ok(Met::Clear(hello, stream)) => guest.serve(hello, stream).await,
        Ok(Met::Encrypted(hello, stream)) => {
            guest.secure = true;
            guest.serve(hello, *stream).await;
        }
        Err(error) => tracing::debug!(%error, "a connection came to nothing"),
    }
}

/// A connection of which is known what it speaks.
enum Met<S> {
    Clear(Hello, Replayed<Paced<S>>),
    Encrypted(Hello, Box<Replayed<TlsStream<Replayed<Paced<S>>>>>),
}

/// Finds out what a client speaks, behind TLS if that is what comes first.
async fn meet<S: Stream>(stream: Paced<S>, bounds: &Bounds, tls: Option<Tls>) -> io::Result<Met<S>> {
    let (hello, stream) = within(bounds.first_byte_ms, hear(stream)).await?;
    if hello != Hello::Tls {
        return Ok(Met::Clear(hello, stream));
    }
    let mut tls = tls.ok_or_else(|| io::Error::other("a TLS handshake, but no certificate is configured"))?;
    let stream = within(bounds.handshake_ms, async {
        // The certificate of --dev-tls is there when the data directory is ours.
        let config = tls.wait_for(Option::is_some).await.ok().and_then(|config| config.clone());
        let config = config.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        TlsAcceptor::from(config).accept(stream).await
    })
    .await?;
    let speaks_http1 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP1);
    if speaks_http1 {
        return Ok(Met::Encrypted(Hello::Http1, Box::new(Replayed::nothing(stream))));
    }
    // Either nothing was agreed on, or HTTP/2 was, and its preface has to come in good time too.
    let is_agreed = stream.get_ref().1.alpn_protocol().is_some();
    match within(bounds.first_byte_ms, hear(stream)).await? {
        (Hello::Http1, _) if is_agreed => Err(io::Error::other("agreed on HTTP/2, and then did not speak it")),
        (hello, stream) => Ok(Met::Encrypted(hello, Box::new(stream))),
    }
}

async fn within<T>(ms: u64, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(Duration::from_millis(ms), work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl Guest {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, hello: Hello, stream: S) {
        match hello {
            Hello::Http1 => self.serve_http1(stream).await,
            Hello::Http2 => self.serve_http2(stream).await,
            Hello::Tls => tracing::debug!("TLS inside TLS"),
        }
    }

    async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { front, end, secure, .. } = self;
        let bounds = front.bounds;
        let service = service_fn(move |request| {
            let front = front.clone();
            async move { front.answer(request, secure).await }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(bounds.head_ms))
            .max_header_size(bounds.head_bytes)
            .max_headers(bounds.headers)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        drive(served, end, None).await;
    }

    async fn serve_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { front, room, end, secure } = self;
        let bounds = front.bounds;
        let streams = Streams::new(bounds, room, front.spawner.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let front = front.clone();
            async move {
                // There is always one: `streams` runs this.
                let sending = Sending::current().ok_or(Unanswered::ClientGone)?;
                let answer = if !sending.is_admitted {
                    front.envelope.full()
                } else if request.headers().len() > bounds.headers {
                    front.envelope.too_many_headers()
                } else {
                    front.answer(request, secure).await?
                };
                Ok::<_, Unanswered>(answer.map(|body| Sent::new(body, sending)))
            }
        });
        let served = http2::Builder::new(streams.clone())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(bounds.head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(bounds.streams)
            .max_pending_accept_reset_streams(bounds.streams_reset)
            .max_local_error_reset_streams(bounds.streams_reset)
            .initial_stream_window_size(bounds.stream_window_bytes)
            .initial_connection_window_size(bounds.connection_window_bytes)
            .max_send_buf_size(2 * PIECE)
            .keep_alive_interval(Duration::from_millis(bounds.ping_ms))
            .keep_alive_timeout(Duration::from_millis(bounds.pong_ms))
            .serve_connection(TokioIo::new(stream), service);
        drive(served, end, Some(&streams)).await;
    }
}

/// Runs a connection to its end. HTTP/1.1 bounds its idle time itself.
async fn drive<C>(served: C, mut end: End, streams: Option<&Streams>)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut served = pin!(served);
    let (mut stopping, mut leaving) = (false, false);
    loop {
        tokio::select! {
            biased;
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %crate::fault::chain(&error), "a connection ended badly");
                }
                return;
            }
            _stopped = end.stop.wait_for(|stop| *stop), if !stopping => {
                (stopping, leaving) = (true, true);
                served.as_mut().graceful_shutdown();
            }
            _cut = end.cut.wait_for(|cut| *cut) => return,
            () = if_any(streams.map(|streams| streams.idle(leaving))) => {
                if leaving {
                    tracing::debug!("an idle client does not take its leave");
                    return;
                }
                leaving = true;
                served.as_mut().graceful_shutdown();
            }
            () = if_any(streams.map(Streams::unbearable)) => {
                tracing::debug!("a client leaves its answers lying, or gives up its requests; cut off");
                return;
            }
        }
    }
}

/// Waits for what only a connection with streams comes to.
async fn if_any(wait: Option<impl Future<Output = ()>>) {
    match wait {
        Some(wait) => wait.await,
        None => std::future::pending().await,
    }
}
