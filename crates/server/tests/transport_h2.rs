//! HTTP/2: what a client may take, and for how long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::time::Duration;

use rheos_server::Config;
use rheos_server::config::Certificate;
use rheos_server::config::Limits;
use rheos_testkit::{Call, Events, H2, Home, TestServer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

// The field `:status` as h2 writes it: from the static table, or by its name there and in Huffman's code.
const STATUS_200: [u8; 1] = [0x88];
const STATUS_408: [u8; 5] = [0x48, 0x83, 0x68, 0x0f, 0x7f];
const STATUS_431: [u8; 5] = [0x48, 0x83, 0x69, 0x90, 0xff];
const STATUS_503: [u8; 5] = [0x48, 0x83, 0x6c, 0x0c, 0xff];

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

fn list() -> Call {
    Call::new("ListStreams", &json!({}))
}

fn put(data_bytes: usize) -> Call {
    let data = "A".repeat(data_bytes / 3 * 4);
    Call::new("PutRecord", &json!({"StreamName": "s", "PartitionKey": "k", "Data": data}))
}

async fn start(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(Home::default(), configure).await
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers as HPACK has them in their simplest form: literal, and not remembered.
fn headers<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let field = |(name, value): (&str, &str)| [vec![0], literal(name), literal(value)].concat();
    fields.into_iter().flat_map(field).collect()
}

/// What every request begins with.
const REQUEST: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

/// A connection that speaks in frames, and keeps to no rule but that.
struct Raw {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Raw {
    /// Connects, with settings such as `[(4, 0)]`: a window of nothing.
    async fn open(server: &TestServer, settings: &[(u16, u32)]) -> Self {
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let mut raw = Self { stream, ahead: Vec::new() };
        assert!(raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).await);
        raw
    }

    /// Whether the server took it.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame: kind, flags, stream, payload. `None` when the server has closed the connection.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        self.fill(9).await?;
        let length = u32::from_be_bytes([0, self.ahead[0], self.ahead[1], self.ahead[2]]) as usize;
        self.fill(9 + length).await?;
        let frame: Vec<u8> = self.ahead.drain(..9 + length).collect();
        let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
        Some((frame[3], frame[4], stream, frame[9..].to_vec()))
    }

    async fn fill(&mut self, bytes: usize) -> Option<()> {
        while self.ahead.len() < bytes {
            let mut buffer = vec![0; 64 << 10];
            let read = self.stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            self.ahead.extend_from_slice(&buffer[..read]);
        }
        Some(())
    }

    /// The next frame of a kind.
    async fn until(&mut self, kind: u8) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            let frame = self.next().await?;
            if frame.0 == kind {
                return Some(frame);
            }
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_at_a_time() {
    let server = start(|config| config.limits = Limits::Open).await;
    server.create_stream("s", 4).await;
    let h2 = server.h2().await;
    let mut answers = Vec::new();
    // More than may be open at a time: the client waits with the rest.
    for _ in 0..1000 {
        let (mut sender, request) = (h2.sender(), server.request(&put(300)));
        sender.ready().await.unwrap();
        answers.push(sender.send_request(request));
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused() {
    let server = start(|config| config.bounds.streams = 10).await;
    let mut raw = Raw::open(&server, &[]).await;
    for n in 0..11 {
        assert!(raw.send(&frame(HEADERS, END_HEADERS, 2 * n + 1, &headers(REQUEST))).await);
    }
    // REFUSED_STREAM: the client may ask again.
    assert_eq!(raw.until(RST_STREAM).await.unwrap(), (RST_STREAM, 0, 21, vec![0, 0, 0, 7]));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_takes_a_place_as_a_connection_does() {
    let server = start(|config| config.bounds.connections = 3).await;
    let mut raw = Raw::open(&server, &[]).await;
    // The connection has one place, two streams whose bodies do not come have the others.
    for stream in [1, 3] {
        assert!(raw.send(&frame(HEADERS, END_HEADERS, stream, &headers(REQUEST))).await);
    }
    // The answers of streams come as they are ready: that of a ping, after the streams have been seen.
    assert!(raw.send(&frame(PING, 0, 0, b"12345678")).await);
    raw.until(PING).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &headers(REQUEST))).await);
    let (_, _, stream, fields) = raw.until(HEADERS).await.unwrap();
    assert_eq!(stream, 5);
    assert!(fields.starts_with(&STATUS_503), "{fields:?}");
    assert_eq!(server.connect().await.answer().await.unwrap().status, 503);
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let server = start(|config| config.bounds.body_start_ms = 300).await;
    let mut h2 = server.h2().await;
    let answer = h2.send(server.request(&Call::raw("PutRecord", vec![b' '; 17 << 20]))).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, ""));
    // The connection is good for more.
    server.create_stream("s", 1).await;
    assert_eq!(h2.send(server.request(&put(1_000_000))).await.unwrap().status, 200);
    let mut raw = Raw::open(&server, &[]).await;
    assert!(raw.send(&frame(HEADERS, END_HEADERS, 1, &headers(REQUEST))).await);
    assert!(raw.send(&frame(DATA, 0, 1, b"{")).await);
    let (_, _, _, fields) = raw.until(HEADERS).await.unwrap();
    assert!(fields.starts_with(&STATUS_408), "{fields:?}");
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_number() {
    let server = TestServer::start().await;
    let mut h2 = server.h2().await;
    let many = (0..200).fold(list(), |call, n| call.header(&format!("x-{n}"), "x"));
    let answer = h2.send(server.request(&many)).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (431, ""));
    let mut raw = Raw::open(&server, &[]).await;
    let field: Vec<u8> = headers((0..100).map(|_| ("x-a-name-of-some-length", "and a value that is longer than that")));
    let block = [headers(REQUEST), field.repeat(10)].concat();
    let (first, rest) = block.split_at(16_000);
    assert!(raw.send(&frame(HEADERS, 0, 1, first)).await);
    for part in rest.chunks(16_000) {
        raw.send(&frame(CONTINUATION, 0, 1, part)).await;
    }
    raw.send(&frame(CONTINUATION, END_HEADERS, 1, b"")).await;
    assert!(raw.until(HEADERS).await.unwrap().3.starts_with(&STATUS_431));
    // For one who goes on and on the connection ends.
    let mut raw = Raw::open(&server, &[]).await;
    raw.send(&frame(HEADERS, 0, 1, first)).await;
    for _ in 0..1000 {
        raw.send(&frame(CONTINUATION, 0, 1, first)).await;
    }
    while raw.next().await.is_some() {}
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_ends_the_connection() {
    let server = TestServer::start().await;
    let mut raw = Raw::open(&server, &[]).await;
    let request = headers(REQUEST);
    let mut taken = 0;
    for n in 0..200_000 {
        let stream = 2 * n + 1;
        let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request);
        if !raw.send(&[open, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()).await {
            break;
        }
        taken += 1;
    }
    assert!(taken < 200_000);
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn who_gives_up_request_after_request_is_cut_off() {
    let server = start(|config| config.bounds.streams_given_up = 20).await;
    let mut raw = Raw::open(&server, &[]).await;
    // Slowly, and for requests that the server has begun to read: no flood.
    for n in 0..1000 {
        let stream = 2 * n + 1;
        raw.send(&frame(HEADERS, END_HEADERS, stream, &headers(REQUEST))).await;
        raw.send(&frame(PING, 0, 0, b"12345678")).await;
        if raw.until(PING).await.is_none() {
            break;
        }
        raw.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await;
    }
    assert!(raw.until(PING).await.is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_takes_is_not_kept() {
    let server = start(|config| {
        config.bounds.write_stall_ms = 3000;
        config.memory = 64 << 20;
        config.limits = Limits::Open;
    })
    .await;
    server.create_stream("s", 1).await;
    for _ in 0..9 {
        assert_eq!(server.send(&put(1_000_000)).await.status, 200);
    }
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    let read = Call::new("GetRecords", &json!({"ShardIterator": iterator}));
    let mut h2 = server.h2().await;
    // Five answers of twelve megabytes do not fit the 32 MiB there are; those that nobody takes make way. All on one
    // connection, which stays.
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(h2.begin(server.request(&read)).await.unwrap());
    }
    let (mut admitted, mut throttled) = (false, 0);
    for _ in 0..200 {
        let answer = server.send(&read).await;
        admitted = answer.status == 200;
        if admitted {
            break;
        }
        assert_eq!(answer.json()["__type"], "ProvisionedThroughputExceededException");
        throttled += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(admitted && throttled > 0, "{admitted} after {throttled}");
    // What came and was not taken fills the window of the whole connection, which is the client's: it lets go first.
    drop(idle);
    assert_eq!(h2.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_window_that_is_never_opened_is_not_waited_for() {
    let server = start(|config| config.bounds.write_stall_ms = 300).await;
    let ask = async |raw: &mut Raw, streams: &[u32]| {
        for stream in streams {
            raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, *stream, &headers(REQUEST))).await;
        }
    };
    // A window of nothing for each stream: heads come, bodies cannot, and the streams are reset.
    let mut raw = Raw::open(&server, &[(4, 0)]).await;
    ask(&mut raw, &[1, 3, 5]).await;
    let mut reset = Vec::new();
    while reset.len() < 3 {
        let (kind, _, stream, _) = raw.next().await.unwrap();
        assert_ne!(kind, DATA);
        if kind == RST_STREAM {
            reset.push(stream);
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3, 5]);
    // The connection is as good as before.
    ask(&mut raw, &[7]).await;
    assert_eq!(raw.until(HEADERS).await.unwrap().2, 7);
    // A window for the beginning of an answer, whose end is left lying with h2: nothing but the end of the connection
    // makes that go away, even if the client is lively otherwise.
    let mut raw = Raw::open(&server, &[(4, 10)]).await;
    ask(&mut raw, &[1, 3]).await;
    let mut pings = 0;
    while let Some((kind, ..)) = raw.next().await {
        if kind == PING {
            pings += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        raw.send(&frame(PING, 0, 0, b"12345678")).await;
    }
    assert!(pings > 1);
    assert_eq!(server.send(&list()).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let server = start(|config| {
        config.bounds.write_stall_ms = 300;
        config.limits = Limits::Open;
    })
    .await;
    server.create_stream("s", 1).await;
    assert_eq!(server.send(&put(999_999)).await.status, 200);
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let mut h2 = H2::with(stream, |h2| {
        h2.initial_stream_window_size(64 << 10).initial_connection_window_size(64 << 10);
    })
    .await;
    let read = Call::new("GetRecords", &json!({"ShardIterator": iterator}));
    let (head, mut body) = h2.begin(server.request(&read)).await.unwrap().into_parts();
    let length: usize = head.headers["content-length"].to_str().unwrap().parse().unwrap();
    let (mut received, mut pauses) = (0, 0);
    while let Some(piece) = http_body_util::BodyExt::frame(&mut body).await {
        received += piece.unwrap().into_data().unwrap().len();
        // Longer than an answer may be left lying, all pauses together.
        if received / (128 << 10) > pauses {
            pauses += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(received == length && pauses > 5, "{received} of {length}, {pauses}");
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_taken_leave_of() {
    let server = start(|config| config.bounds.head_ms = 200).await;
    let mut h2 = server.h2().await;
    assert_eq!(h2.send(server.request(&list())).await.unwrap().status, 200);
    h2.ended().await.unwrap();
    // One that does not know how to take leave: it answers nothing.
    let mut raw = Raw::open(&server, &[]).await;
    raw.until(GOAWAY).await.unwrap();
    while raw.next().await.is_some() {}
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_pings_is_gone() {
    let server = start(|config| (config.bounds.ping_ms, config.bounds.pong_ms) = (100, 100)).await;
    let mut raw = Raw::open(&server, &[]).await;
    // A request that never ends, so that nobody could say the connection is idle.
    raw.send(&frame(HEADERS, END_HEADERS, 1, &headers(REQUEST))).await;
    raw.until(PING).await.unwrap();
    while raw.next().await.is_some() {}
    // A real client answers, and asks itself.
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let mut h2 = H2::with(stream, |h2| {
        h2.keep_alive_interval(Duration::from_millis(50))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(512 << 10);
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(h2.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn mistakes_of_clients_hurt_nobody() {
    let server = start(|config| config.bounds.head_ms = 500).await;
    let request = headers(REQUEST);
    let connection_specific = headers(REQUEST.into_iter().chain([("connection", "close")]));
    for mistake in [
        b"hello".to_vec(),
        vec![0xff; 4096],
        frame(DATA, 0, 1, b"before any head"),
        frame(HEADERS, END_HEADERS, 2, &request),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 100]),
        frame(HEADERS, END_HEADERS, 1, &headers([(":method", "POST")])),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &connection_specific),
        frame(SETTINGS, ACK, 0, b"123456"),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0]),
        frame(CONTINUATION, END_HEADERS, 1, &request),
        frame(PING, 0, 0, b"1234567"),
        [frame(HEADERS, END_HEADERS, 1, &request), frame(HEADERS, END_HEADERS, 1, &request)].concat(),
        frame(HEADERS, 0, 1, &request),
    ] {
        let mut raw = Raw::open(&server, &[]).await;
        raw.send(&mistake).await;
        while let Some((kind, ..)) = raw.next().await {
            assert_ne!(kind, DATA, "{mistake:?}");
            if kind == RST_STREAM {
                break;
            }
        }
    }
    assert_eq!(server.h2().await.send(server.request(&list())).await.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_requests_in_flight_finish() {
    let server = start(|config| config.dev = true).await;
    let mut idle = server.h2().await;
    assert_eq!(idle.send(server.request(&list())).await.unwrap().status, 200);
    let mut busy = Raw::open(&server, &[]).await;
    let fields = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Kinesis_20131202.ListStreams")];
    busy.send(&frame(HEADERS, END_HEADERS, 1, &headers(REQUEST.into_iter().chain(fields)))).await;
    busy.send(&frame(DATA, 0, 1, b"{")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (cut, ()) = tokio::join!(server.stop(), async {
        busy.until(GOAWAY).await.unwrap();
        idle.ended().await.unwrap();
        busy.send(&frame(DATA, END_STREAM, 1, b"}")).await;
        assert!(busy.until(HEADERS).await.unwrap().3.starts_with(&STATUS_200));
        assert_eq!(busy.until(DATA).await.unwrap().2, 1);
        // It stays, and does not answer the ping with which h2 makes sure that everything was seen: nobody waits.
        while busy.next().await.is_some() {}
    });
    assert_eq!(cut, 0);
}

#[tokio::test]
async fn many_subscriptions_share_a_connection_and_one_that_nobody_reads_stops_no_other() {
    let server = start(|config| {
        config.limits = Limits::Open;
        config.tls.certificate = Some(Certificate::Development { names: Vec::new() });
        // Neither idle nor left lying: what a subscription may do, others may not.
        (config.bounds.write_stall_ms, config.bounds.head_ms) = (200, 200);
    })
    .await;
    const SHARDS: usize = 30;
    server.create_stream("s", 30).await;
    let consumer = server.consumer("s", "c").await;
    // As the KCL has it: TLS, a window of 512 KiB, pings of its own.
    let mut h2 = H2::with(server.tls(&["h2"]).await, |h2| {
        h2.initial_stream_window_size(512 << 10).initial_connection_window_size(4 << 20);
        h2.keep_alive_interval(Duration::from_millis(100)).keep_alive_while_idle(true);
    })
    .await;
    let mut subscriptions = Vec::new();
    for shard in 0..SHARDS {
        let position = json!({"Type": "TRIM_HORIZON"});
        let shard = format!("shardId-{shard:012}");
        let body = json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": position});
        let answer = h2.begin(server.request(&Call::new("SubscribeToShard", &body))).await.unwrap();
        assert_eq!(answer.status(), 200);
        subscriptions.push(Events::over_h2(answer));
    }
    // More than its window for the first shard, which nobody reads for now.
    let to = |shard: u128| (u128::MAX / 30 * shard + 1).to_string();
    let put = async |shard: u128, data_bytes: usize| {
        let data = "A".repeat(data_bytes / 3 * 4);
        let body = json!({"StreamName": "s", "PartitionKey": "k", "ExplicitHashKey": to(shard), "Data": data});
        server.ok("PutRecord", &body).await;
    };
    for _ in 0..2 {
        put(0, 900_000).await;
    }
    tokio::time::sleep(Duration::from_millis(1000)).await;
    for (shard, events) in subscriptions.iter_mut().enumerate().skip(1) {
        put(shard as u128, 3).await;
        loop {
            let event = events.next_news().await.unwrap();
            if event.payload["Records"].as_array().is_some_and(|records| !records.is_empty()) {
                break;
            }
        }
    }
    let mut records = 0;
    while records < 2 {
        let event = subscriptions[0].next_news().await.unwrap();
        records += event.payload["Records"].as_array().map_or(0, Vec::len);
    }
    let (cut, ()) = tokio::join!(server.stop(), async {
        for events in &mut subscriptions {
            while events.next().await.is_some() {}
        }
    });
    assert_eq!(cut, 0);
}
