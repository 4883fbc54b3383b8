//! The server's own log, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Begins to log. A second server in the same process keeps to the log of the first.
pub(crate) fn start(config: &Config) {
    // The mistakes of HTTP/2 clients are no news, but h2 warns of some. Whoever wants to see them names it.
    let filter = if config.log_filter.contains("h2=") {
        config.log_filter.clone()
    } else {
        format!("{},h2=error", config.log_filter)
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter);
    let started = match config.log_format {
        LogFormat::Text => {
            let colour = rustix::termios::isatty(io::stderr());
            lines.with_ansi(colour).with_target(false).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "somebody else logs already");
    }
}
