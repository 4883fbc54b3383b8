//! A server that does only what no durable Kinesis server can leave out. See README.md.

mod log;
mod work;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::log::Log;

/// Records in a page of GetRecords, and their size.
const PAGE_RECORDS: usize = 500;
const RECORD_BYTES: usize = 1024;

/// What every request needs.
struct Server {
    log: Log,
    page: Bytes,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (port, path, mebibytes, twice) = match arguments.as_slice() {
        [_, port, path, mebibytes] => (port, path, mebibytes, false),
        [_, port, path, mebibytes, twice] if twice == "--twice" => (port, path, mebibytes, true),
        _ => panic!("usage: limits PORT LOG_FILE PREALLOCATED_MIB [--twice]"),
    };
    let mebibytes = mebibytes.parse().expect("PREALLOCATED_MIB is a number");
    let port: u16 = port.parse().expect("PORT is a number");
    let server = Arc::new(Server { log: Log::start(path, mebibytes, twice), page: page() });
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        tokio::spawn(serve(stream, server.clone()));
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    stream.set_nodelay(true).expect("a socket can be set to send at once");
    let service = service_fn(move |request| answer(request, server.clone()));
    // A client that goes away is no news.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, server: Arc<Server>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let Ok(body) = request.into_body().collect().await else { return Ok(reply(Bytes::new())) };
    let body = body.to_bytes();
    let answer = match operation.as_str() {
        "PutRecord" | "PutRecords" => {
            let work::Done { log, answer } = work::put(&body);
            server.log.append(log).await;
            answer.into()
        }
        "GetRecords" => server.page.clone(),
        "GetShardIterator" => Bytes::from_static(br#"{"ShardIterator":"x"}"#),
        "ListShards" => shards().into(),
        "DescribeStreamSummary" => Bytes::from_static(
            br#"{"StreamDescriptionSummary":{"StreamName":"s","StreamARN":"a","StreamStatus":"ACTIVE","RetentionPeriodHours":24,"StreamCreationTimestamp":1,"EnhancedMonitoring":[],"OpenShardCount":4}}"#,
        ),
        _ => Bytes::from_static(b"{}"),
    };
    Ok(reply(answer))
}

fn reply(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::OK;
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

fn shards() -> String {
    let shard = |n: usize| {
        format!(
            r#"{{"ShardId":"shardId-{n:012}","HashKeyRange":{{"StartingHashKey":"0","EndingHashKey":"1"}},"SequenceNumberRange":{{"StartingSequenceNumber":"1"}}}}"#
        )
    };
    format!(r#"{{"Shards":[{}]}}"#, (0..4).map(shard).collect::<Vec<_>>().join(","))
}

/// A page of records with another page after it.
fn page() -> Bytes {
    let data = base64_simd::STANDARD.encode_to_string(vec![0x5a; RECORD_BYTES]);
    let record = |n: usize| {
        format!(
            r#"{{"SequenceNumber":"{}","ApproximateArrivalTimestamp":1795425388.780,"Data":"{data}","PartitionKey":"0123456789abcdef"}}"#,
            work::sequence(n)
        )
    };
    let records: Vec<String> = (0..PAGE_RECORDS).map(record).collect();
    format!(r#"{{"MillisBehindLatest":0,"NextShardIterator":"x","Records":[{}]}}"#, records.join(",")).into()
}
