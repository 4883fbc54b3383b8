//! What one client, or all of them together, may take. Nobody sets these: no value of theirs would be better.

/// What one client, or all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections and streams of HTTP/2 at a time, of which each takes a place; further ones are told to come back.
    pub connections: usize,
    /// How long a connection may say nothing at the beginning, and take to say which protocol it speaks.
    pub first_byte_ms: u64,
    /// How long a TLS handshake may take.
    pub handshake_ms: u64,
    /// Bytes of request line and headers.
    pub head_bytes: usize,
    /// Headers in a request.
    pub headers: usize,
    /// Bytes of a request's body. The largest PutRecords of 10 MiB is 13.4 MiB of base64, and its keys.
    pub body_bytes: usize,
    /// How long a connection may be idle, and a request's head may take. Longer than clients keep idle connections.
    pub head_ms: u64,
    /// How long a body may take to begin.
    pub body_start_ms: u64,
    /// How fast it has to come from then on, on average, in bytes a second.
    pub body_rate: u64,
    /// How long a body, or a read of records, may wait for memory before the caller is told to come back.
    pub memory_wait_ms: u64,
    /// How long a client may leave an answer lying before it takes more of it.
    pub write_stall_ms: u64,
    /// The same for a stream of events, whose reader may take its time: longer than a subscription lasts.
    pub events_stall_ms: u64,
    /// Streams that an HTTP/2 connection may have open at a time.
    pub streams: u32,
    /// Streams that are reset, by the client or for its mistakes, before HTTP/2 has got round to them.
    pub streams_reset: usize,
    /// How many more requests a connection may give up before they are answered than it lets be answered.
    pub streams_given_up: usize,
    /// Bytes that the client of an HTTP/2 stream may send before they are read.
    pub stream_window_bytes: u32,
    /// The same for all streams of a connection together.
    pub connection_window_bytes: u32,
    /// How often an HTTP/2 client is asked whether it is still there.
    pub ping_ms: u64,
    /// How long it may take to answer that.
    pub pong_ms: u64,
    /// How long it may take to agree that no more requests come on a connection.
    pub leave_ms: u64,
    /// How long requests in flight get to finish when the server stops.
    pub drain_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 10_000,
            first_byte_ms: 20_000,
            handshake_ms: 10_000,
            head_bytes: 32 << 10,
            headers: 100,
            body_bytes: 16 << 20,
            head_ms: 75_000,
            body_start_ms: 20_000,
            body_rate: 64 << 10,
            memory_wait_ms: 1000,
            write_stall_ms: 30_000,
            events_stall_ms: 330_000,
            streams: 256,
            streams_reset: 128,
            streams_given_up: 256,
            stream_window_bytes: 512 << 10,
            connection_window_bytes: 1 << 20,
            ping_ms: 30_000,
            pong_ms: 20_000,
            leave_ms: 1000,
            drain_ms: 20_000,
        }
    }
}
