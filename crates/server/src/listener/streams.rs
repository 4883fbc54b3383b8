//! The streams of one HTTP/2 connection. Each is bounded as a connection of its own would be: it takes a place, and what
//! its client leaves lying is dropped after a while.
//!
//! hyper and h2 keep what they are given of an answer until the client's window lets it go, without a bound in time. So
//! answers are handed over in pieces that say when they have left, and the task of each stream watches its own.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::config::Bounds;
use crate::spawn::Spawner;

/// The most that is handed over at once. More is asked for when a client has taken it.
pub(super) const PIECE: usize = 64 << 10;

tokio::task_local! {
    /// The answer of the stream whose task this is.
    static SENDING: Arc<Sending>;
}

/// The streams of a connection, and hyper's executor for them.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    room: Arc<Semaphore>,
    spawner: Spawner,
    open: AtomicUsize,
    begun: AtomicUsize,
    /// How many more were given up before their answer than were answered.
    given_up: AtomicUsize,
    hang_up: Notify,
}

impl Streams {
    /// None yet; each will take a place in `room`.
    pub(super) fn new(bounds: Bounds, room: Arc<Semaphore>, spawner: Spawner) -> Self {
        let (open, begun, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { bounds, room, spawner, open, begun, given_up, hang_up: Notify::new() }))
    }

    /// Waits until no stream has been open for as long as a connection may be idle, or take its leave.
    pub(super) async fn idle(&self, leaving: bool) {
        let ms = if leaving { self.0.bounds.leave_ms } else { self.0.bounds.head_ms };
        loop {
            let begun = self.0.begun.load(Relaxed);
            sleep(Duration::from_millis(ms)).await;
            if self.0.open.load(Relaxed) == 0 && self.0.begun.load(Relaxed) == begun {
                return;
            }
        }
    }

    /// Waits until the client has done what nobody has to bear: it leaves the ends of its answers lying, or it gives up
    /// request after request.
    pub(super) async fn unbearable(&self) {
        self.0.hang_up.notified().await;
    }

    /// Runs a stream to its end, and until its answer has left.
    async fn attend(self, stream: impl Future<Output = ()>) {
        let _open = Open::new(&self.0);
        let place = self.0.room.clone().try_acquire_owned();
        let sending = Arc::new(Sending::new(place.is_ok()));
        // Dropping a stream resets it, and frees what h2 has of its answer.
        let mut stream = pin!(Some(SENDING.scope(sending.clone(), stream)));
        let mut watch = Watch { sending: &sending, bounds: &self.0.bounds, timer: None, taken: 0 };
        let is_taken = poll_fn(|cx| {
            if let Some(running) = stream.as_mut().as_pin_mut()
                && running.poll(cx).is_ready()
            {
                stream.set(None);
                self.note(&sending);
            }
            if stream.is_none() {
                sending.waker.register(cx.waker());
            }
            match watch.poll_stalled(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending if stream.is_none() && !sending.is_waiting() => Poll::Ready(true),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        // The end of an answer is h2's alone, which has no other way to forget it.
        if !is_taken && stream.is_none() {
            self.0.hang_up.notify_one();
        }
    }

    /// Keeps the score of answers and of requests that were given up before.
    fn note(&self, sending: &Sending) {
        let given_up = &self.0.given_up;
        if sending.begun.load(Relaxed) {
            let _at_zero = given_up.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1));
        } else if given_up.fetch_add(1, Relaxed) >= self.0.bounds.streams_given_up {
            self.0.hang_up.notify_one();
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        drop(self.0.spawner.detach(self.clone().attend(stream)));
    }
}

/// A stream that counts as open.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.open.fetch_add(1, Relaxed);
        shared.begun.fetch_add(1, Relaxed);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// How far the answer of a stream is.
#[derive(Debug)]
pub(super) struct Sending {
    /// Whether there was a place for the stream.
    pub(super) is_admitted: bool,
    begun: AtomicBool,
    is_open_ended: AtomicBool,
    given: AtomicUsize,
    taken: AtomicUsize,
    /// Of the stream's task, when nothing else wakes it any more.
    waker: AtomicWaker,
}

impl Sending {
    fn new(is_admitted: bool) -> Self {
        let (begun, is_open_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let (given, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { is_admitted, begun, is_open_ended, given, taken, waker: AtomicWaker::new() }
    }

    /// The answer of the stream whose task asks; `None` if it is no stream's.
    pub(super) fn current() -> Option<Arc<Self>> {
        SENDING.try_with(Arc::clone).ok()
    }

    fn is_waiting(&self) -> bool {
        self.given.load(SeqCst) != self.taken.load(SeqCst)
    }

    /// How long the client may leave the answer lying.
    fn patience(&self, bounds: &Bounds) -> Duration {
        let open_ended = self.is_open_ended.load(Relaxed);
        Duration::from_millis(if open_ended { bounds.events_stall_ms } else { bounds.write_stall_ms })
    }

    fn give(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.given.fetch_add(1, SeqCst);
        Bytes::from_owner(Piece { bytes, sending: self.clone() })
    }
}

/// Watches an answer that is being sent.
#[derive(Debug)]
struct Watch<'a> {
    sending: &'a Sending,
    bounds: &'a Bounds,
    timer: Option<Pin<Box<Sleep>>>,
    taken: usize,
}

impl Watch<'_> {
    /// Ready when something has been waiting and nothing was taken for as long as the answer may be left lying, or up to
    /// twice that: the timer begins when the waiting does, and looks at what was taken only when it ends.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.sending.is_waiting() {
            self.timer = None;
            return Poll::Pending;
        }
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                self.taken = self.sending.taken.load(SeqCst);
                Box::pin(sleep(self.sending.patience(self.bounds)))
            });
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
            if self.sending.taken.load(SeqCst) == self.taken {
                return Poll::Ready(());
            }
        }
    }
}

/// A part of an answer that has been handed over. Whoever has it drops it when the client's window let it go, or when
/// the stream is no more.
struct Piece {
    bytes: Bytes,
    sending: Arc<Sending>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.sending.taken.fetch_add(1, SeqCst);
        self.sending.waker.wake();
    }
}

/// The body of an answer, handed over in pieces that are watched.
#[derive(Debug)]
pub(super) struct Sent<B> {
    body: B,
    /// What the body has given and nobody has asked for yet.
    rest: Bytes,
    sending: Arc<Sending>,
}

impl<B: Body<Data = Bytes>> Sent<B> {
    /// The answer begins.
    pub(super) fn new(body: B, sending: Arc<Sending>) -> Self {
        sending.begun.store(true, Relaxed);
        sending.is_open_ended.store(body.size_hint().exact().is_none(), Relaxed);
        Self { body, rest: Bytes::new(), sending }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let bytes = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(self.sending.give(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use http_body_util::{BodyExt, Empty};
    use hyper::client::conn::http2::handshake;
    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;
    use crate::answer;
    use crate::request::Unanswered;

    /// Events: one at once, and then as many more after as long a silence.
    fn events(silence_ms: u64) -> answer::Body {
        answer::Body::Pieces(Box::pin(futures_util::stream::unfold(0, move |n| async move {
            if n > 0 {
                sleep(Duration::from_millis(silence_ms)).await;
            }
            (n < 3).then(|| (Bytes::from(vec![b'x'; 100_000]), n + 1))
        })))
    }

    /// How many bytes come of events, to a reader that is idle for a while after the first ones.
    async fn received(bounds: Bounds, silence_ms: u64, idle_ms: u64) -> Result<usize, hyper::Error> {
        let (client, server) = tokio::io::duplex(1 << 20);
        let streams = Streams::new(bounds, Arc::new(Semaphore::new(10)), Spawner::System);
        let service = service_fn(move |_| async move {
            let sending = Sending::current().ok_or(Unanswered::ClientGone)?;
            Ok::<_, Unanswered>(Response::new(Sent::new(events(silence_ms), sending)))
        });
        let served = http2::Builder::new(streams).serve_connection(TokioIo::new(server), service);
        drop(Spawner::System.detach(served));
        let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(client)).await?;
        drop(Spawner::System.detach(connection));
        let mut body = sender.send_request(Request::new(Empty::<Bytes>::new())).await?.into_body();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            if received == 0 {
                sleep(Duration::from_millis(idle_ms)).await;
            }
            received += frame?.into_data().map_or(0, |data| data.len());
        }
        Ok(received)
    }

    #[tokio::test]
    async fn events_may_be_silent_and_their_reader_slow_for_as_long_as_they_last() {
        let bounds = Bounds { write_stall_ms: 20, ..Bounds::default() };
        assert_eq!(received(bounds, 200, 200).await.unwrap(), 300_000);
        let impatient = Bounds { events_stall_ms: 20, ..bounds };
        assert_eq!(received(impatient, 200, 0).await.unwrap(), 300_000);
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_the_answer_has_left() {
        let room = Arc::new(Semaphore::new(1));
        let streams = Streams::new(Bounds::default(), room.clone(), Spawner::System);
        let (given, piece) = tokio::sync::oneshot::channel();
        streams.execute(async move {
            let sending = Sending::current().unwrap();
            given.send(sending.give(Bytes::from_static(b"x"))).unwrap();
        });
        let piece: Bytes = piece.await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(room.available_permits(), 0);
        drop(piece);
        drop(room.acquire().await.unwrap());
    }
}
