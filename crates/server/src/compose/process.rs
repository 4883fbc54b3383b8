//! `rheos serve` as a process: runtime, signals, and the line that says where it listens.

use std::io::{self, Write};
use std::process;

use rheos_log::Fatal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Machine, Running, StartError, start};
use crate::config::{Certificate, Config, Tls};
use crate::credentials::FILE_NAME;
use crate::dev_tls::CERTIFICATE_NAME;
use crate::fault::chain;
use crate::telemetry;

/// The exit code after a failure of the log.
const LOG_FAILED: i32 = 74;
/// The exit code when a second signal does not let requests finish.
const INTERRUPTED: i32 = 130;
/// Files that the log and the runtime keep open, apart from connections.
const OTHER_FILES: u64 = 512;
/// Threads that answer requests, at least.
const WORKERS: usize = 2;

/// Runs the server until SIGTERM or SIGINT, lets it finish and stops.
///
/// # Errors
/// [`StartError`] if it does not start.
pub fn run(config: Config) -> Result<(), StartError> {
    telemetry::start(&config);
    raise_file_limit(&config);
    let workers = std::thread::available_parallelism().map_or(WORKERS, |cores| cores.get().max(WORKERS));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|source| StartError::System { action: "start the runtime", source })?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|source| StartError::System { action: "take signals", source })?;
        if config.dev && !config.listen.ip().is_loopback() {
            tracing::warn!(listen = %config.listen, "with --dev everybody who reaches this address may do everything");
        }
        let running = tokio::select! {
            running = start(&config, Machine::system()) => running?,
            () = signals.next() => return Ok(()),
        };
        announce(&config, &running);
        signals.next().await;
        tracing::info!("stopping: requests in flight may finish; a second signal does not wait for them");
        tokio::select! {
            cut = running.stop() => {
                if cut > 0 {
                    tracing::warn!(connections = cut, "cut off after the time to finish");
                }
            }
            () = signals.next() => process::exit(INTERRUPTED),
        }
        Ok(())
    })
}

/// SIGTERM and SIGINT alike.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// One line on standard output: where it listens, and where the credentials are. The secret is for a person's eyes only.
fn announce(config: &Config, running: &Running) {
    let address = running.address;
    let listening = match &config.tls {
        Tls { certificate: None, .. } => format!("http://{address}"),
        Tls { required: true, .. } => format!("https://{address}"),
        Tls { .. } => format!("http://{address} and https://{address}"),
    };
    let mut line =
        format!("rheos listening on {listening}  data {}  limits {}  ", config.data_dir.display(), limits(config));
    match &config.tls.certificate {
        None => {}
        Some(Certificate::Files { chain, .. }) => line.push_str(&format!("certificate {}  ", chain.display())),
        Some(Certificate::Development { .. }) => {
            line.push_str(&format!("authority {}  ", config.data_dir.join(CERTIFICATE_NAME).display()));
        }
    }
    match (&running.key, &config.root_key) {
        (None, _) => line.push_str("credentials any (--dev)"),
        (Some(_), Some(_)) => line.push_str("credentials AWS_ACCESS_KEY_ID"),
        (Some(key), None) => {
            line.push_str(&format!("credentials {}", config.data_dir.join(FILE_NAME).display()));
            if rustix::termios::isatty(io::stdout()) {
                line.push_str(&format!("  access key {}  secret {}", key.id, key.secret.reveal()));
            }
        }
    }
    line.push('\n');
    let mut stdout = io::stdout().lock();
    // Whoever closed it does not want to know.
    if stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        tracing::debug!("nobody reads standard output");
    }
}

/// The profile and what is set over it, without blanks between them, and the faults that are injected.
fn limits(config: &Config) -> String {
    let set: String = config.overrides.iter().map(|one| format!(",{one}")).collect();
    let chaos = config.chaos.as_ref().map(|chaos| format!("  chaos {chaos}")).unwrap_or_default();
    format!("{}{set}{chaos}", config.limits.as_str())
}

/// Lets the process have as many files as its connections may need, as far as the system allows.
fn raise_file_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = config.bounds.connections as u64 + OTHER_FILES;
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_none_or(|current| current >= allowed) {
        return;
    }
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// What is acknowledged is durable; of the rest only a new start knows. So: say it, and go.
pub(super) fn exit_after_failure(fatal: &Fatal) {
    tracing::error!(error = %chain(fatal), "the log cannot go on; start again to recover what the disk has");
    process::exit(LOG_FAILED);
}
