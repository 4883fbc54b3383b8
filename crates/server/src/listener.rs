//! The listener: accepts connections, bounds them, and lets them finish when the server stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::paced::Paced;
use crate::request::Front;

/// How long the listener waits when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that may wait for the listener to come round.
const BACKLOG: u32 = 1024;
/// Bytes that one read of a connection takes at most.
const READ_BUFFER: usize = 256 << 10;
/// What a client gets that is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// Runs work that goes on when whoever asked for it has gone.
#[expect(clippy::disallowed_methods, reason = "the listener's tasks begin in this file")]
pub(crate) fn detach<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}

/// Takes an address.
///
/// # Errors
/// The operating system's, such as for an address in use.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // A server that was stopped a moment ago has left connections behind that would keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until `stop` says so, then waits for those in flight.
///
/// Returns how many connections were cut off because their requests took longer than the drain.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, mut stop: watch::Receiver<bool>) -> usize {
    let bounds = front.bounds;
    let most = u32::try_from(bounds.connections).unwrap_or(u32::MAX).min(1 << 20);
    let room = Arc::new(Semaphore::new(most as usize));
    let (hang_up, cut) = watch::channel(false);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _stopped = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => match room.clone().try_acquire_owned() {
                Ok(place) => drop(detach(connection(stream, front.clone(), stop.clone(), cut.clone(), place))),
                Err(_) => refuse(&stream),
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

/// Tells a client that there is no room. It has sent nothing that was read, so it may try again.
fn refuse(stream: &TcpStream) {
    // A fresh connection takes this much at once; if not, closing says the same.
    let _sent = stream.try_write(FULL);
}

/// Serves one connection to its end, or to the end of its request when the server stops.
async fn connection(
    stream: TcpStream,
    front: Arc<Front>,
    mut stop: watch::Receiver<bool>,
    mut cut: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let bounds = front.bounds;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client has gone already");
        return;
    }
    let stream = Paced::new(stream, Duration::from_millis(bounds.write_stall_ms));
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { front.answer(request).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(bounds.head_ms))
        .max_header_size(bounds.head_bytes)
        .max_headers(bounds.headers)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %crate::fault::chain(&error), "a connection ended badly");
                }
                return;
            }
            _stopped = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            _cut = cut.wait_for(|cut| *cut) => return,
        }
    }
}
