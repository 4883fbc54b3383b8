//! A whole server inside a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rheos_log::Fatal;
use rheos_log::files::SystemFiles;
use rheos_log::files::sim::SimFiles;
use rheos_server::spawn::Spawner;
use rheos_server::{Config, Machine, Memory, Running, StartError, Store};
use rheos_types::{Clock, SystemRandom};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::{Answer, Call, Connection, Events, H2, TestClock, coverage};

/// Where a test server keeps its log.
#[derive(Clone, Default)]
pub enum Home {
    /// In memory, which outlives the server while the test keeps a clone of it.
    #[default]
    Nowhere,
    /// In this memory.
    Memory(Memory),
    /// In a directory that goes with the last clone of it.
    Directory(Arc<TempDir>),
    /// On a disk that can be made to fail. The root key is then in the directory.
    Simulated(SimFiles, Arc<TempDir>),
}

impl Home {
    /// A new temporary directory.
    #[must_use]
    pub fn directory() -> Self {
        Self::Directory(Arc::new(TempDir::new().expect("a temporary directory")))
    }

    /// New memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }
}

/// A server on a free port.
pub struct TestServer {
    /// Its time.
    pub clock: TestClock,
    running: Running,
    _home: Home,
}

impl TestServer {
    /// Starts a server as it comes, in memory, but for the time that streams take to change, ten milliseconds, and without
    /// the rates of calls, which a test exceeds before it has begun. A test of these clears `overrides`.
    pub async fn start() -> Self {
        Self::start_with(Home::default(), |_| {}).await
    }

    /// Starts a server with another configuration.
    pub async fn start_with(home: Home, configure: impl FnOnce(&mut Config)) -> Self {
        Self::try_start_with(home, configure).await.expect("the server starts")
    }

    /// The same, of a server that may not start.
    ///
    /// # Errors
    /// Those of the server's start.
    pub async fn try_start_with(home: Home, configure: impl FnOnce(&mut Config)) -> Result<Self, StartError> {
        Self::try_start_on(home, TestClock::default(), None, configure).await
    }

    /// The same, at another time or with log files of another size.
    ///
    /// # Errors
    /// Those of the server's start.
    pub async fn try_start_on(
        home: Home,
        clock: TestClock,
        log_file_bytes: Option<u64>,
        configure: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let any_rate = "calls_per_s=none".parse().expect("a limit");
        let mut config = Config { transition_ms: 10, overrides: vec![any_rate], ..Config::default() };
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let store = match &home {
            Home::Nowhere => Store::Memory(Memory::default()),
            Home::Memory(store) => Store::Memory(store.clone()),
            Home::Directory(directory) => {
                config.data_dir = directory.path().join("data");
                Store::Disk(Arc::new(SystemFiles))
            }
            Home::Simulated(files, directory) => {
                config.data_dir = directory.path().to_path_buf();
                Store::Disk(Arc::new(files.clone()))
            }
        };
        configure(&mut config);
        // A disk that was told to fail fails the log; any other must not.
        let on_fatal: fn(&Fatal) = match &home {
            Home::Simulated(..) => |_| {},
            Home::Nowhere | Home::Memory(_) | Home::Directory(_) => |fatal| panic!("{fatal}"),
        };
        let machine = Machine {
            clock: Arc::new(clock.clone()),
            random: Arc::new(SystemRandom),
            store,
            on_fatal,
            spawner: Spawner::System,
            log_file_bytes,
        };
        let running = rheos_server::start(&config, machine).await?;
        Ok(Self { clock, running, _home: home })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The same, for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// A new connection.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.running.address).await
    }

    /// The bytes of a call, signed with the root key.
    #[must_use]
    pub fn bytes(&self, call: &Call) -> Vec<u8> {
        let key = self.running.key.as_ref().map(|key| (key.id.as_str(), &key.secret));
        call.bytes(&self.running.address.to_string(), key, self.clock.wall_ms())
    }

    /// A new connection over HTTP/2, in clear text.
    pub async fn h2(&self) -> H2 {
        H2::open(self.running.address).await
    }

    /// A new connection over TLS that trusts the server's own authority (`dev_tls`) and offers `alpn`.
    pub async fn tls(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        let authority = self.running.authority.as_deref().expect("a server with dev_tls");
        crate::tls(self.running.address, authority, "localhost", alpn).await.expect("a handshake")
    }

    /// The certificate of the server's own authority; with `dev_tls`.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.running.authority.as_deref()
    }

    /// A call for HTTP/2, signed with the root key.
    #[must_use]
    pub fn request(&self, call: &Call) -> Request<Full<Bytes>> {
        let key = self.running.key.as_ref().map(|key| (key.id.as_str(), &key.secret));
        call.request("http", &self.running.address.to_string(), key, self.clock.wall_ms())
    }

    /// Sends a call on a connection; `None` if the server closed it without an answer.
    pub async fn try_send_on(&self, connection: &mut Connection, call: &Call) -> Option<Answer> {
        connection.send(&self.bytes(call)).await;
        let answer = connection.answer().await?;
        coverage::note(call, &answer);
        Some(answer)
    }

    /// Sends a call on a connection of its own; `None` if the server closed it without an answer.
    pub async fn try_send(&self, call: &Call) -> Option<Answer> {
        self.try_send_on(&mut self.connect().await, call).await
    }

    /// Sends a call on a connection of its own.
    pub async fn send(&self, call: &Call) -> Answer {
        self.try_send(call).await.expect("an answer")
    }

    /// Calls an operation: the status and the body.
    pub async fn call(&self, operation: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(&Call::new(operation, body)).await;
        (answer.status, answer.json())
    }

    /// Calls an operation that has to succeed.
    pub async fn ok(&self, operation: &str, body: &Value) -> Value {
        let (status, answer) = self.call(operation, body).await;
        assert_eq!(status, 200, "{operation} {body}: {answer}");
        answer
    }

    /// Creates a stream and waits until it takes records.
    pub async fn create_stream(&self, name: &str, shards: u32) {
        self.ok("CreateStream", &json!({"StreamName": name, "ShardCount": shards})).await;
        self.wait_until_active(name).await;
    }

    /// Waits until a stream is ACTIVE.
    pub async fn wait_until_active(&self, name: &str) {
        for _ in 0..1000 {
            let summary = self.ok("DescribeStreamSummary", &json!({"StreamName": name})).await;
            if summary["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("stream {name} does not become ACTIVE");
    }

    /// An iterator of a shard.
    pub async fn iterator(&self, stream: &str, shard: &str, kind: &str) -> String {
        let body = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind});
        let answer = self.ok("GetShardIterator", &body).await;
        answer["ShardIterator"].as_str().expect("an iterator").to_owned()
    }

    /// Registers a consumer and waits until it is ACTIVE: its ARN.
    pub async fn consumer(&self, stream: &str, name: &str) -> String {
        let summary = self.ok("DescribeStreamSummary", &json!({"StreamName": stream})).await;
        let stream_arn = &summary["StreamDescriptionSummary"]["StreamARN"];
        let answer = self.ok("RegisterStreamConsumer", &json!({"StreamARN": stream_arn, "ConsumerName": name})).await;
        let arn = answer["Consumer"]["ConsumerARN"].as_str().expect("an ARN").to_owned();
        for _ in 0..1000 {
            let answer = self.ok("DescribeStreamConsumer", &json!({"ConsumerARN": arn})).await;
            if answer["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE" {
                return arn;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("consumer {name} does not become ACTIVE");
    }

    /// Subscribes a consumer to a shard; `from` is the StartingPosition.
    ///
    /// # Errors
    /// The answer, if it is not a stream of events.
    pub async fn subscribe(&self, consumer: &str, shard: &str, from: &Value) -> Result<Events, Answer> {
        let body = json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": from});
        self.events(&Call::new("SubscribeToShard", &body)).await
    }

    /// Sends a call that is answered with a stream of events.
    ///
    /// # Errors
    /// The answer, if it is not a stream of events.
    pub async fn events(&self, call: &Call) -> Result<Events, Answer> {
        let mut connection = self.connect().await;
        connection.send(&self.bytes(call)).await;
        let mut events = match connection.events().await {
            Ok(events) => events,
            Err(answer) => {
                coverage::note(call, &answer);
                return Err(answer);
            }
        };
        coverage::note_stream(call);
        let first = events.next().await.expect("a frame");
        assert_eq!(first.kind(), "initial-response");
        Ok(events)
    }

    /// Lets requests in flight finish, and stops. Returns how many connections were cut off.
    pub async fn stop(self) -> usize {
        self.running.stop().await
    }
}
