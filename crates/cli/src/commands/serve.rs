//! `rheos serve`: hands the arguments to the server, whose configuration resolves them.

use rheos_server::config::{self, ConfigError, FileText};
use rheos_server::{Config, Flags};

use crate::args::{Limits, LogFormat, Serve};
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Runs the service until it is told to stop.
pub(crate) fn run(args: Serve, _out: &Output) -> Outcome {
    let config = resolve(flags(args))?;
    rheos_server::run(config).map_err(|error| Failure::new(error.to_string()))
}

fn resolve(flags: Flags) -> Outcome<Config> {
    let unusable = |error: ConfigError| Failure::usage(error.to_string());
    let Some(path) = config::config_file(&flags, edge::env) else {
        return config::resolve(flags, edge::env, None).map_err(unusable);
    };
    let name = path.display().to_string();
    let bytes = edge::read(&path).map_err(|error| Failure::io(format!("cannot read {name}"), &error))?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name}: is not UTF-8 text")))?;
    config::resolve(flags, edge::env, Some(FileText { name: &name, text: &text })).map_err(unusable)
}

fn flags(args: Serve) -> Flags {
    Flags {
        data_dir: args.data_dir,
        listen: args.listen,
        limits: args.limits.map(|limits| match limits {
            Limits::Aws => config::Choice::Aws,
            Limits::Open => config::Choice::Open,
            Limits::Chaos => config::Choice::Chaos,
        }),
        chaos: args.chaos,
        overrides: args.limit,
        dev: args.dev,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        dev_tls: args.dev_tls,
        tls_names: args.tls_names,
        require_tls: args.require_tls,
        account_id: args.account_id,
        region: args.region,
        long_poll_ms: args.long_poll_ms,
        transition_ms: args.transition_ms,
        stream_ids: args.stream_ids,
        streams: args.streams,
        memory: args.memory,
        config: args.config,
        log_format: args.log_format.map(|format| match format {
            LogFormat::Text => config::LogFormat::Text,
            LogFormat::Json => config::LogFormat::Json,
        }),
    }
}
