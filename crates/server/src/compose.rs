//! The composition: the one place that knows what the parts are made of. It opens the log and the streams, starts the
//! listener and the ticker, and stops them in the right order.

mod process;
pub(crate) mod root_key;
mod threads;

pub use process::run;
pub use root_key::{FILE_NAME as ROOT_KEY_FILE, RootKeyError};

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use rheos_account::metrics::{Bounds, Metrics};
use rheos_log::files::{Files, SystemFiles};
use rheos_log::medium::disk::DiskOptions;
use rheos_log::medium::memory::{MemoryMedium, MemoryStore};
use rheos_log::{Fatal, Log, Opened, Options};
use rheos_streams::{CreateError, CreateStream, Status, StreamNotFound, Streams};
use rheos_tables::Tables;
use rheos_types::{Clock, Namespace, Random, SystemClock, SystemRandom};
use rustls::ServerConfig;
use tokio::sync::{oneshot, watch};

use crate::admission::Admission;
use crate::answer::Envelope;
use crate::auth::{Admits, Authenticator};
use crate::chaos::Injector;
use crate::config::{Certificate, Config, StreamSpec};
use crate::credentials::{AccessKey, CredentialsError};
use crate::dev_tls::{self, Authority};
use crate::fault::{FaultLog, chain};
use crate::health::Stage;
use crate::listener;
use crate::network::{Listener as _, Network, SystemNetwork};
use crate::request::{Front, Inside};
use crate::services::cloudwatch::CloudWatch;
use crate::services::dynamodb::DynamoDb;
use crate::services::kinesis::Kinesis;
use crate::spawn::{Detached, Spawner};
use crate::subscribers::Subscribers;
use crate::tls::{Certificates, Development, Files as CertificateFiles, TlsError};
use root_key::KeptKey;
use threads::Threads;

/// Threads that read records from files. Each waits for one disk access at a time.
const READERS: usize = 4;
/// Series of metrics that are kept.
const METRIC_SERIES: usize = 20_000;
/// How often a stream that is being made for `--stream` is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What the server runs on.
#[derive(Clone)]
pub struct Machine {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The dice.
    pub random: Arc<dyn Random>,
    /// Where the log is.
    pub store: Store,
    /// Called when the log cannot go on. It should end the process: only a new start finds out what the disk has.
    pub on_fatal: fn(&Fatal),
    /// Who runs its tasks and threads.
    pub spawner: Spawner,
    /// The size of a new log's files; `None`: what suits the disk.
    pub log_file_bytes: Option<u64>,
}

/// Where the log is.
#[derive(Clone)]
pub enum Store {
    /// In the data directory of a file system: the machine's, or one that a test can break.
    Disk(Arc<dyn Files>),
    /// In memory, for tests: it outlives the server for as long as somebody keeps the memory.
    Memory(Memory),
}

/// What a server without a disk keeps.
#[derive(Clone, Default)]
pub struct Memory {
    log: MemoryStore,
    root_key: Arc<OnceLock<[u8; 32]>>,
}

impl Machine {
    /// The real one.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            store: Store::Disk(Arc::new(SystemFiles)),
            on_fatal: process::exit_after_failure,
            spawner: Spawner::System,
            log_file_bytes: None,
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another with --listen ADDRESS:PORT")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// There is no root access key.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no root key of encryption, or not the right one.
    #[error("{}", chain(.0))]
    RootKey(#[from] RootKeyError),
    /// The log cannot be opened.
    #[error("cannot open the log: {}", chain(.0))]
    Log(rheos_log::OpenError),
    /// The streams cannot be loaded.
    #[error("cannot load the streams: {}", chain(.0))]
    Streams(rheos_streams::OpenError),
    /// The lease tables cannot be loaded.
    #[error("cannot load the lease tables: {}", chain(.0))]
    Tables(rheos_tables::OpenError),
    /// A stream of `--stream` cannot be made.
    #[error("cannot create stream {name}: {problem}")]
    Stream {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
    /// The system gives no thread, no runtime or no signals.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A server that runs.
pub struct Running {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The key that lets callers in; `None` with `dev`.
    pub key: Option<AccessKey>,
    /// The certificate, in PEM, of the authority that clients have to trust; with `dev_tls`.
    pub authority: Option<String>,
    stop: watch::Sender<bool>,
    stage: Arc<Stage>,
    listener: Detached<usize>,
    tickers: Vec<Detached<()>>,
    log: Option<Log>,
    threads: Threads,
    /// Whoever keeps the certificate fresh goes on while this is there.
    renewal: Option<mpsc::Sender<()>>,
}

/// The newest configuration of TLS, for those who set it.
type Newest = watch::Sender<Option<Arc<ServerConfig>>>;

/// Starts a server: when this returns it is ready. It listens from the beginning, so that `/health/live` can tell a
/// long recovery from a dead process.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(config: &Config, machine: Machine) -> Result<Running, StartError> {
    start_on(config, machine, &SystemNetwork).await
}

/// Starts a server on another network than the machine's.
///
/// # Errors
/// As for [`start`].
pub async fn start_on(config: &Config, machine: Machine, network: &impl Network) -> Result<Running, StartError> {
    let (newest, tls) = watch::channel(None);
    let certificates = match &config.tls.certificate {
        Some(Certificate::Files { chain, key }) => {
            let files = CertificateFiles::new(chain.clone(), key.clone());
            Some(Certificates::new(Box::new(files), newest.clone(), machine.clock.wall_ms())?)
        }
        Some(Certificate::Development { .. }) | None => None,
    };
    let tls = config.tls.certificate.is_some().then_some(tls);
    let listen_error = |source| StartError::Listen { address: config.listen, source };
    let socket = network.bind(config.listen).map_err(listen_error)?;
    let address = socket.address().map_err(listen_error)?;
    let admission = Arc::new(Admission::new(config.request_bytes(), config.answer_bytes()));
    let stage = Arc::<Stage>::default();
    let faults = Arc::<FaultLog>::default();
    let front = Arc::new(Front {
        bounds: config.bounds,
        require_tls: config.tls.required,
        clock: machine.clock.clone(),
        envelope: Envelope::new(machine.clock.clone(), machine.random.clone()),
        admission: admission.clone(),
        stage: stage.clone(),
        faults: faults.clone(),
        chaos: config.chaos.clone().map(Injector::new),
        spawner: machine.spawner.clone(),
        inside: OnceLock::new(),
    });
    let (stop, stopped) = watch::channel(false);
    let listener = machine.spawner.detach(listener::serve(socket, front.clone(), tls, stopped.clone()));
    let threads = Threads::new(machine.spawner.clone());
    let mut running = Running {
        address,
        key: None,
        authority: None,
        stop,
        stage,
        listener,
        tickers: Vec::new(),
        log: None,
        threads,
        renewal: None,
    };
    let furnished = furnish(config, &machine, admission, faults, stopped, &mut running).await;
    match furnished.and_then(|inside| certify(config, &machine, certificates, newest, &mut running).map(|()| inside)) {
        Ok(inside) => {
            // Nobody else sets it.
            drop(front.inside.set(inside));
            running.stage.ready();
            Ok(running)
        }
        Err(error) => {
            drop(front);
            running.stop().await;
            Err(error)
        }
    }
}

/// Opens everything that lies behind the front door. Of the data directory nothing is touched before the log has it
/// locked.
async fn furnish(
    config: &Config,
    machine: &Machine,
    admission: Arc<Admission>,
    faults: Arc<FaultLog>,
    stopped: watch::Receiver<bool>,
    running: &mut Running,
) -> Result<Inside, StartError> {
    let (streams, tables) = load(config, machine, running).await?;
    running.key = root_key(config, machine)?;
    let admits = running.key.clone().map_or(Admits::Everybody, Admits::Key);
    let authenticator = Authenticator::new(config.account_id.clone(), config.region.clone(), admits);
    let subscribers = Arc::new(Subscribers::new(config.event_bytes(), stopped.clone()));
    let long_poll = Duration::from_millis(config.long_poll_ms);
    let clock = machine.clock.clone();
    let shows_stream_ids = config.stream_ids;
    let spawner = machine.spawner.clone();
    let memory_wait = Duration::from_millis(config.bounds.memory_wait_ms);
    let kinesis =
        Kinesis { streams, admission, memory_wait, shows_stream_ids, subscribers, clock, faults, long_poll, spawner };
    let kinesis = Arc::new(kinesis);
    let dynamodb = Arc::new(DynamoDb { tables, spawner: machine.spawner.clone() });
    running.tickers.push(machine.spawner.detach(tick(kinesis.clone(), machine.clock.clone(), stopped.clone())));
    running.tickers.push(machine.spawner.detach(tick(dynamodb.clone(), machine.clock.clone(), stopped)));
    create_streams(config, &kinesis.streams).await?;
    let bounds = Bounds { series: METRIC_SERIES, bytes: config.metric_bytes() };
    let cloudwatch = CloudWatch { metrics: Metrics::new(bounds), clock: machine.clock.clone() };
    Ok(Inside { authenticator, kinesis, dynamodb, cloudwatch })
}

/// The key that lets callers in: the environment's for this run, else the stored one.
fn root_key(config: &Config, machine: &Machine) -> Result<Option<AccessKey>, CredentialsError> {
    if config.dev {
        return Ok(None);
    }
    if let Some(key) = &config.root_key {
        return Ok(Some(key.clone()));
    }
    match machine.store {
        Store::Disk(_) => AccessKey::of_directory(&config.data_dir, &*machine.random).map(Some),
        Store::Memory(_) => Ok(Some(AccessKey::generate(&*machine.random))),
    }
}

/// Has a certificate made if it is not there already, and kept fresh.
fn certify(
    config: &Config,
    machine: &Machine,
    certificates: Option<Certificates>,
    newest: Newest,
    running: &mut Running,
) -> Result<(), StartError> {
    let certificates = match certificates {
        None => development(config, machine, newest, running)?,
        some => some,
    };
    if let Some(certificates) = certificates {
        let (renewal, stop) = mpsc::channel();
        let (clock, interval) = (machine.clock.clone(), Duration::from_millis(config.tls.check_ms));
        let keep = Box::new(move || certificates.keep(&*clock, interval, &stop));
        let started = running.threads.start("certificates", keep);
        started.map_err(|source| StartError::System { action: "start a thread", source })?;
        running.renewal = Some(renewal);
    }
    Ok(())
}

/// The certificate of `dev_tls`, signed by an authority that is kept where the log is.
fn development(
    config: &Config,
    machine: &Machine,
    newest: Newest,
    running: &mut Running,
) -> Result<Option<Certificates>, TlsError> {
    let Some(Certificate::Development { names }) = &config.tls.certificate else { return Ok(None) };
    let authority = match machine.store {
        Store::Disk(_) => Authority::of_directory(&config.data_dir)?,
        Store::Memory(_) => Authority::generate()?,
    };
    running.authority = Some(authority.pem.clone());
    let names = dev_tls::names_of_machine(running.address.ip(), names);
    let source = Box::new(Development::new(authority, names));
    Certificates::new(source, newest, machine.clock.wall_ms()).map(Some)
}

/// Opens the log, on a thread of its own as it waits for the disk, and loads the streams.
async fn load(config: &Config, machine: &Machine, running: &mut Running) -> Result<(Streams, Tables), StartError> {
    let no_thread = |source| StartError::System { action: "start a thread", source };
    let (reply, opened) = oneshot::channel();
    let (directory, store) = (config.data_dir.clone(), machine.store.clone());
    let (clock, random) = (machine.clock.clone(), machine.random.clone());
    let disk_options = DiskOptions { log_file_bytes: machine.log_file_bytes };
    let options = Options {
        tail_bytes: config.tail_bytes(),
        queue_bytes: config.queue_bytes(),
        index_bytes: config.index_bytes(),
        ..Options::default()
    };
    let open = move || -> Result<Opened, rheos_log::OpenError> {
        match store {
            Store::Disk(files) => rheos_log::open_disk(files, &directory, clock, &*random, options, disk_options),
            Store::Memory(store) => rheos_log::open(Arc::new(MemoryMedium::open(&store.log)), clock, options),
        }
    };
    // Whoever started this waits for it.
    running.threads.start("log-open", Box::new(move || drop(reply.send(open())))).map_err(no_thread)?;
    let opened = opened.await.map_err(|_| no_thread(io::ErrorKind::Other.into()))?.map_err(StartError::Log)?;
    let on_fatal = machine.on_fatal;
    let log = running.threads.log(opened, READERS, Box::new(move |fatal| on_fatal(&fatal))).map_err(no_thread)?;
    running.log = Some(log.clone());
    let streams_config = rheos_streams::Config {
        limits: config.effective_limits(),
        transition_ms: config.transition_ms,
        ..rheos_streams::Config::default()
    };
    let streams = open_streams(log.clone(), streams_config, config, machine).await?;
    let (clock, random) = (machine.clock.clone(), machine.random.clone());
    let tables_config = rheos_tables::Config { account_bytes: config.table_bytes() };
    let tables = Tables::open(log, clock, random, tables_config).map_err(StartError::Tables)?;
    Ok((streams, tables))
}

/// Loads the streams, with the key that theirs are wrapped under. A new key is in its file when this returns.
async fn open_streams(
    log: Log,
    streams_config: rheos_streams::Config,
    config: &Config,
    machine: &Machine,
) -> Result<Streams, StartError> {
    let kept = match &machine.store {
        Store::Disk(files) => KeptKey::of_directory(&**files, &config.data_dir, &*machine.random)?,
        Store::Memory(memory) => {
            let new = || rheos_types::random::bytes(&*machine.random);
            KeptKey::in_memory(memory.root_key.get_or_init(new))
        }
    };
    let (clock, random) = (machine.clock.clone(), machine.random.clone());
    let streams = match Streams::open(log, clock, random, kept.key.clone(), streams_config).await {
        Ok(streams) => streams,
        Err(rheos_streams::OpenError::Key(unavailable)) => return Err(kept.unfit(unavailable).into()),
        Err(error) => return Err(StartError::Streams(error)),
    };
    if let Store::Disk(files) = &machine.store {
        kept.keep(&**files)?;
    }
    for unreadable in streams.all_unreadable_limits() {
        tracing::warn!(error = %chain(&unreadable), "a stream's limits");
    }
    Ok(streams)
}

/// Creates the streams of `--stream` that are absent, and waits until they take records.
async fn create_streams(config: &Config, streams: &Streams) -> Result<(), StartError> {
    let namespace = Namespace { account: config.account_id.clone(), region: config.region.clone() };
    for StreamSpec { name, shards } in &config.streams {
        let request = CreateStream { shard_count: Some(*shards), ..CreateStream::of(name) };
        let failed = |problem: String| StartError::Stream { name: name.to_string(), problem };
        match streams.create_stream(&namespace, request).await {
            Ok(()) | Err(CreateError::Exists { .. }) => {}
            Err(error) => return Err(failed(chain(&error))),
        }
        let status = || streams.describe_stream_summary(&namespace, name).map(|stream| stream.status);
        while status().map_err(|fact: StreamNotFound| failed(fact.to_string()))? == Status::Creating {
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Something with work that time brings, in steps.
trait Ticks: Send + Sync {
    /// What a step may not manage.
    type Problem: std::error::Error + Send + Sync + 'static;

    /// Does what is due: when the next step is, in wall time, and what is put off.
    fn step(&self) -> impl Future<Output = (u64, Vec<Self::Problem>)> + Send;

    /// Waits until something nearer has come up.
    fn sooner(&self) -> impl Future<Output = ()> + Send;
}

/// Streams that are being made, changed and deleted, and records that expire.
impl Ticks for Kinesis {
    type Problem = rheos_streams::TickProblem;

    async fn step(&self) -> (u64, Vec<Self::Problem>) {
        let tick = self.streams.tick().await;
        (tick.next_ms, tick.problems)
    }

    async fn sooner(&self) {
        self.streams.sooner().await;
    }
}

/// Lease tables that are being deleted, indexes in the making, requests to be forgotten.
impl Ticks for DynamoDb {
    type Problem = rheos_tables::TickProblem;

    async fn step(&self) -> (u64, Vec<Self::Problem>) {
        let tick = self.tables.tick().await;
        (tick.next_ms, tick.problems)
    }

    async fn sooner(&self) {
        self.tables.sooner().await;
    }
}

/// Does what is due with time.
async fn tick(ticking: Arc<impl Ticks>, clock: Arc<dyn Clock>, mut stopped: watch::Receiver<bool>) {
    loop {
        let (next_ms, problems) = ticking.step().await;
        for problem in &problems {
            tracing::warn!(error = %chain(problem), "put off");
        }
        let wait = Duration::from_millis(next_ms.saturating_sub(clock.wall_ms()));
        tokio::select! {
            biased;
            _stopped = stopped.wait_for(|stopped| *stopped) => return,
            () = ticking.sooner() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Running {
    /// Takes no more connections, lets requests in flight finish, and closes the log. Returns how many connections had
    /// to be cut off.
    pub async fn stop(self) -> usize {
        self.stage.stopping();
        self.stop.send_replace(true);
        // A task that panicked has nothing left to wait for.
        let cut = self.listener.await.unwrap_or(0);
        for ticker in self.tickers {
            let _ended = ticker.await;
        }
        if let Some(log) = self.log {
            log.close();
        }
        drop(self.renewal);
        self.threads.ended().await;
        cut
    }
}
