//! `rheos demo`: a service, a producer, three consumers and a check, each as it would be in earnest.
//!
//! The service and the consumers are processes of their own and meet only through the public API. This process starts them, replays the
//! departures, draws the picture that the consumers report, and in the end compares their files with the source.

pub(crate) mod apps;
mod crew;
mod extract;
mod ledger;
mod replay;
mod report;
mod server;
mod verify;
mod view;

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Connect, Demo};
use crate::client::Service;
use crate::commands::stream::wait_until_active;
use crate::edge;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{self, Output, Screen, Style};
use crate::units::{Speed, elapsed};
use crew::{Crew, Statuses, Task};
use extract::Departure;
use server::Server;
use view::View;

const SHARDS: i32 = 4;

/// Runs the demo, and cleans up whatever happens.
pub(crate) async fn run(args: Demo, out: Output) -> Outcome {
    let mut stage = Stage::build()?;
    let outcome = tokio::select! {
        outcome = play(&args, &mut stage, &out) => outcome,
        interrupted = interruption() => interrupted.and(Err(Failure::interrupted())),
    };
    if outcome.as_ref().is_err_and(|failure| failure.exit == Exit::Interrupted) {
        out.note("stopped");
    }
    let struck = stage.strike(args.keep, &out).await;
    outcome.and(struck)
}

/// What must be taken down in the end.
struct Stage {
    directory: TempDir,
    server: Option<Server>,
}

impl Stage {
    fn build() -> Outcome<Self> {
        let directory = tempfile::Builder::new().prefix("rheos-demo-").tempdir();
        let directory = directory.map_err(|error| Failure::io("cannot make a temporary directory", &error))?;
        Ok(Self { directory, server: None })
    }

    /// Stops the server and removes the files, or leaves both and says where they are.
    async fn strike(self, keep: bool, out: &Output) -> Outcome {
        if keep {
            let directory = self.directory.keep();
            out.note(&format!("The files are in {}", directory.display()));
            if let Some(server) = self.server {
                out.note(&format!("The server runs on at {}; stop it with: kill {}", server.endpoint, server.id()));
            }
            return Ok(());
        }
        if let Some(server) = self.server {
            server.stop().await?;
        }
        self.directory.close().map_err(|error| Failure::io("cannot remove the temporary directory", &error))
    }
}

async fn play(args: &Demo, stage: &mut Stage, out: &Output) -> Outcome {
    let departures = extract::departures().map_err(Failure::new)?;
    let directory = stage.directory.path().to_owned();
    let service = match &args.endpoint_url {
        Some(url) => Service::connect(&Connect { endpoint_url: Some(url.clone()), ..Connect::default() }).await?,
        None => {
            let server = stage.server.insert(Server::start(&directory).await?);
            Service::with_key(&server.endpoint, &server.key).await
        }
    };
    create_stream(&service, &args.stream).await?;
    let begun = edge::now();
    let mut show = Show { args, out: *out, departures: &departures, service: &service, directory: &directory };
    show.run(stage.server.as_mut()).await?;
    out.note(&format!("The month took {}.\n", elapsed(begun.elapsed())));
    report::check(&directory, &departures, out)?;
    let waits = stage.server.is_some() && !args.keep && output::somebody_can_answer();
    if args.keep || waits {
        try_next(stage, &service, &args.stream, out)?;
    } else if stage.server.is_some() {
        out.note("`rheos demo --keep` leaves the server running, to look into it.");
    }
    if waits {
        out.note("Enter or Ctrl-C stops the server and removes its data.");
        wait_for_enter().await;
    }
    Ok(())
}

/// The stream must be new: the check expects to find nothing but the departures in it.
async fn create_stream(service: &Service, stream: &str) -> Outcome {
    let created = service.client.create_stream().stream_name(stream).shard_count(SHARDS).send().await;
    created.map_err(|error| Failure::service(format!("create {stream}"), &service.endpoint, &error))?;
    wait_until_active(service, stream).await
}

/// The part with the moving picture.
struct Show<'demo> {
    args: &'demo Demo,
    out: Output,
    departures: &'demo [Departure],
    service: &'demo Service,
    directory: &'demo Path,
}

impl Show<'_> {
    async fn run(&mut self, server: Option<&mut Server>) -> Outcome {
        let key = server.as_ref().map(|server| server.key.clone());
        let task = Task {
            endpoint: &self.service.endpoint,
            stream: &self.args.stream,
            key: key.as_ref(),
            directory: self.directory,
        };
        let mut crew = Crew::start(&task)?;
        let inputs = crew.inputs();
        let (statuses, replayed) = (Statuses::default(), AtomicUsize::new(0));
        let view = View {
            out: self.out,
            title: self.title(),
            total: self.departures.len(),
            replayed: &replayed,
            statuses: &statuses,
            begun: edge::now(),
        };
        let mut screen = Screen::default();
        let produce = async {
            replay::run(self.service, &self.args.stream, self.departures, self.args.speed, &replayed).await?;
            drop(inputs);
            Ok(())
        };
        let work = async { tokio::try_join!(produce, crew.listen(&statuses)).map(drop) };
        let broken = async {
            match server {
                Some(server) => server.broken().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            failure = broken => Err(failure),
            () = view.show(&mut screen) => Ok(()),
        };
        if self.out.progress_is_watched() {
            screen.draw(&self.out, &view.lines());
        }
        outcome
    }

    fn title(&self) -> String {
        let speed = match self.args.speed {
            Speed::Max => String::from("as fast as possible"),
            Speed::Times(times) => format!("{times} times as fast"),
        };
        format!("Departures from New York, January 2013, {speed}, through the stream {}", self.args.stream)
    }
}

/// Commands that work on the server that is running now.
fn try_next(stage: &Stage, service: &Service, stream: &str, out: &Output) -> Outcome {
    let Some(server) = &stage.server else { return Ok(()) };
    let program = std::env::args().next().unwrap_or_else(|| String::from("rheos"));
    let directory = format!("--data-dir {}", server.data_directory.display());
    out.line("")?;
    out.line(&out.paint(Style::Bold, "The server still runs. In another terminal:"))?;
    for command in [
        format!("export AWS_ENDPOINT_URL={}", service.endpoint),
        format!("{program} stream describe {stream} {directory}"),
        format!("{program} tail {stream} --since trim-horizon -n 5 -o '%k %v' {directory}"),
        format!("{program} demo-app dashboard --stream {stream} {directory}"),
        format!("{program} stream create mine --wait {directory}"),
        format!("seq 1000 | {program} put mine {directory}"),
    ] {
        out.line(&format!("  {command}"))?;
    }
    let key = server.data_directory.join("root-credentials.json");
    out.line(&format!("The AWS CLI and every AWS SDK work too, with the key in {}", key.display()))?;
    out.line("")
}

async fn wait_for_enter() {
    let mut key = [0; 1];
    // Whatever happens to standard input, waiting is over.
    drop(tokio::io::stdin().read(&mut key).await);
}

/// Ctrl-C, a polite request to end, or the end of the terminal.
async fn interruption() -> Outcome {
    let cannot = |error: std::io::Error| Failure::io("cannot listen for signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(cannot)?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map_err(cannot),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}
