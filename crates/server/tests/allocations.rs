//! The way of a write allocates for each request, not for each record.
//!
//! A process of its own: what is counted is every allocation of the whole server, the log's threads included. The client
//! is a socket and two buffers that are there before counting begins.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use rheos_testkit::{Call, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: it is the system's allocator; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u64 = 40;

/// Sends the same request again and again: how many allocations each took.
async fn allocations(server: &TestServer, records: usize) -> f64 {
    // The more records the smaller: it is their number that must not matter, and how many pieces a body comes in does.
    let data = "QUJD".repeat(40_000 / 4 / records);
    let entry = |n: usize| json!({"Data": data, "PartitionKey": format!("key-{n}")});
    let body = json!({"StreamName": "s", "Records": (0..records).map(entry).collect::<Vec<_>>()});
    let request = server.bytes(&Call::new("PutRecords", &body));
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let mut answer = vec![0; 1 << 20];
    let mut begun = 0;
    for round in 0..2 * ROUNDS {
        if round == ROUNDS {
            begun = ALLOCATIONS.load(Ordering::Relaxed);
        }
        socket.write_all(&request).await.unwrap();
        let mut filled = 0;
        while !is_whole(&answer[..filled]) {
            filled += socket.read(&mut answer[filled..]).await.unwrap();
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..filled]));
    }
    let counted = ALLOCATIONS.load(Ordering::Relaxed) - begun;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = counted as f64 / ROUNDS as f64;
    each
}

/// Whether an answer has come to its end: PutRecords' body ends with the only brace that closes nothing before.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"}") && answer.windows(21).any(|bytes| bytes == b"\"FailedRecordCount\":0")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_records_allocate_as_often_as_fifty() {
    let server = TestServer::start_with(Home::directory(), |config| config.limits = Profile::Open).await;
    server.create_stream("s", 4).await;
    let fifty = allocations(&server, 50).await;
    let five_hundred = allocations(&server, 500).await;
    println!("allocations of a PutRecords: {fifty} with 50 records, {five_hundred} with 500");
    assert!(five_hundred <= 1.1 * fifty, "{five_hundred} allocations with 500 records, {fifty} with 50");
    server.stop().await;
}
