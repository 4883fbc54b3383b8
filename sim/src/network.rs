//! The network: connections whose bytes come in pieces, late, or not at all, as the seed decides.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rheos_server::network::{Listener, Network, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::clock::SimClock;
use crate::dice::SharedDice;
use crate::trace::{Trace, digest, trace};

/// Bytes that are under way in one direction at most.
const WINDOW_BYTES: usize = 64 << 10;

/// The network of the simulated world. Clones are the same.
#[derive(Clone)]
pub struct SimNetwork(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    dice: SharedDice,
    trace: Trace,
    clock: SimClock,
}

#[derive(Default)]
struct State {
    /// Connections that wait to be accepted; `None`: nobody listens.
    waiting: Option<VecDeque<SimStream>>,
    accepting: Option<Waker>,
    open: Vec<Arc<Mutex<Connection>>>,
    next: u64,
    /// How many of a hundred connections are cut.
    cuts_percent: u64,
}

/// Both directions of a connection.
struct Connection {
    id: u64,
    ways: [Way; 2],
    /// Both ends fail.
    is_cut: bool,
    dice: SharedDice,
}

/// One direction.
struct Way {
    pieces: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    sent: u64,
    is_shut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The connection is cut, or falls silent, when so many bytes have been sent.
    ends_after: Option<(u64, Ending)>,
    latency_ms: u64,
    /// The largest piece.
    piece: u64,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Cut,
    Silence,
}

impl SimNetwork {
    /// A network on which nobody listens.
    #[must_use]
    pub fn new(dice: SharedDice, trace: Trace, clock: SimClock) -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), dice, trace, clock }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a hundred new connections so many are cut.
    pub fn set_cuts_percent(&self, percent: u64) {
        self.state().cuts_percent = percent;
    }

    /// A new connection.
    ///
    /// # Errors
    /// When nobody listens: nothing was sent.
    pub fn connect(&self) -> io::Result<SimStream> {
        let mut state = self.state();
        if state.waiting.is_none() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        state.next += 1;
        let id = state.next;
        let cuts_percent = state.cuts_percent;
        let dice = &self.0.dice;
        let mut ways = [self.way(), self.way()];
        if dice.with(|dice| dice.percent(cuts_percent)) {
            let ending = if dice.with(|dice| dice.percent(75)) { Ending::Cut } else { Ending::Silence };
            // To the server: before or within a request. From the server: before or within an answer.
            let way = dice.with(|dice| dice.index(2));
            let after = dice.with(|dice| {
                let most = *dice.of(&[1, 300, 3_000, 30_000]);
                dice.below(most)
            });
            ways[way].ends_after = Some((after, ending));
            trace!(self.0.trace, "connection {id} will end: way {way} after {after} bytes: {ending:?}");
        }
        trace!(self.0.trace, "connect {id}");
        let connection = Arc::new(Mutex::new(Connection { id, ways, is_cut: false, dice: dice.clone() }));
        state.open.retain(|connection| Arc::strong_count(connection) > 1);
        state.open.push(connection.clone());
        let end = |side| SimStream {
            connection: connection.clone(),
            side,
            timer: None,
            trace: self.0.trace.clone(),
            clock: self.0.clock.clone(),
        };
        if let Some(waiting) = &mut state.waiting {
            waiting.push_back(end(1));
        }
        let accepting = state.accepting.take();
        drop(state);
        if let Some(waker) = accepting {
            waker.wake();
        }
        Ok(end(0))
    }

    fn way(&self) -> Way {
        let (latency_ms, piece) = self.0.dice.with(|dice| match dice.below(4) {
            0 => (dice.below(200), 1 << dice.below(12)),
            1 => (dice.below(5), 1 << (4 + dice.below(8))),
            _ => (dice.below(2), WINDOW_BYTES as u64),
        });
        Way {
            pieces: VecDeque::new(),
            bytes: 0,
            sent: 0,
            is_shut: false,
            reader: None,
            writer: None,
            ends_after: None,
            latency_ms,
            piece: piece.max(16),
        }
    }

    /// The machine is gone: nobody listens, and every connection is cut.
    pub fn fall(&self) {
        let mut state = self.state();
        let waiting = state.waiting.take();
        let open = std::mem::take(&mut state.open);
        drop(state);
        for connection in open {
            lock(&connection).cut();
        }
        drop(waiting);
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    fn cut(&mut self) {
        self.is_cut = true;
        for way in &mut self.ways {
            way.wake();
        }
    }
}

impl Way {
    fn wake(&mut self) {
        [self.reader.take(), self.writer.take()].into_iter().flatten().for_each(Waker::wake);
    }
}

impl Network for SimNetwork {
    type Listener = SimListener;

    fn bind(&self, _address: SocketAddr) -> io::Result<SimListener> {
        self.state().waiting = Some(VecDeque::new());
        Ok(SimListener(self.clone()))
    }
}

/// What the server accepts connections from.
pub struct SimListener(SimNetwork);

impl Drop for SimListener {
    fn drop(&mut self) {
        let waiting = self.0.state().waiting.take();
        drop(waiting);
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    fn address(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 4567)))
    }

    async fn accept(&self) -> io::Result<SimStream> {
        std::future::poll_fn(|cx| {
            let mut state = self.0.state();
            match state.waiting.as_mut().and_then(VecDeque::pop_front) {
                Some(stream) => Poll::Ready(Ok(stream)),
                None => {
                    state.accepting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// One end of a connection: the client's (0) or the server's (1).
pub struct SimStream {
    connection: Arc<Mutex<Connection>>,
    side: usize,
    timer: Option<Pin<Box<Sleep>>>,
    trace: Trace,
    clock: SimClock,
}

impl Stream for SimStream {
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    fn say(&self, _word: &[u8]) {}
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut connection = lock(&self.connection);
        let side = self.side;
        connection.ways[side].is_shut = true;
        // What comes to nobody is refused.
        connection.ways[1 - side].ends_after = Some((0, Ending::Cut));
        connection.ways.iter_mut().for_each(Way::wake);
    }
}

impl AsyncRead for SimStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = self.connection.clone();
        let mut connection = lock(&connection);
        let now_ms = self.clock.elapsed_ms();
        let (id, is_cut, dice) = (connection.id, connection.is_cut, connection.dice.clone());
        let way = &mut connection.ways[1 - self.side];
        if is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        match way.pieces.front_mut() {
            Some((due_ms, piece)) if *due_ms <= now_ms => {
                let most = piece.len().min(buf.remaining());
                let count = if most > 1 && dice.with(|dice| dice.percent(20)) {
                    1 + dice.with(|dice| dice.index(most))
                } else {
                    most
                };
                let bytes: Vec<u8> = piece.drain(..count).collect();
                if piece.is_empty() {
                    way.pieces.pop_front();
                }
                buf.put_slice(&bytes);
                way.bytes -= count;
                if let Some(waker) = way.writer.take() {
                    waker.wake();
                }
                trace!(self.trace, "connection {id}: side {} reads {count}: {:016x}", self.side, digest(&bytes));
                Poll::Ready(Ok(()))
            }
            Some((due_ms, _)) => {
                let wait = Duration::from_millis(*due_ms - now_ms);
                way.reader = Some(cx.waker().clone());
                let mut timer = Box::pin(sleep(wait));
                if timer.as_mut().poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                self.timer = Some(timer);
                Poll::Pending
            }
            None if way.is_shut => Poll::Ready(Ok(())),
            None => {
                way.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut connection = lock(&self.connection);
        let now_ms = self.clock.elapsed_ms();
        if connection.is_cut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let dice = connection.dice.clone();
        let way = &mut connection.ways[self.side];
        if way.bytes >= WINDOW_BYTES {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = buf.len().min(WINDOW_BYTES - way.bytes).min(way.piece as usize);
        let (mut kept, mut ending) = (most, None);
        if let Some((after, how)) = way.ends_after
            && way.sent + most as u64 > after
        {
            kept = after.saturating_sub(way.sent) as usize;
            ending = Some(how);
        }
        way.sent += most as u64;
        if kept > 0 {
            let due_ms = now_ms + dice.with(|dice| dice.below(way.latency_ms + 1));
            let due_ms = way.pieces.back().map_or(due_ms, |(last_ms, _)| due_ms.max(*last_ms));
            way.bytes += kept;
            way.pieces.push_back((due_ms, buf[..kept].to_vec()));
            if let Some(waker) = way.reader.take() {
                waker.wake();
            }
        }
        match ending {
            Some(Ending::Cut) => {
                connection.cut();
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            Some(Ending::Silence) | None => Poll::Ready(Ok(most)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut connection = lock(&self.connection);
        let way = &mut connection.ways[self.side];
        way.is_shut = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}
