//! One seed, from its beginning to its verdict.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rheos_server::Config;
use rheos_types::limits::Profile;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::checker::{self, Violation};
use crate::client::{Client, World};
use crate::clock::SimClock;
use crate::dice::{Dice, SharedDice};
use crate::disk::SimDisk;
use crate::faults::{self, Plan};
use crate::history::{Counts, History, Outcome};
use crate::network::SimNetwork;
use crate::node::Node;
use crate::sabotage::Sabotage;
use crate::scheduler::Sim;
use crate::trace::Trace;
use crate::workload::{Known, Mix, Worker, read_everything};

/// Steps of clients in a run, unless said otherwise.
pub const STEPS: u64 = 120;
/// Clients in a run at most.
const CLIENTS: u64 = 5;

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which.
    pub seed: u64,
    /// How many steps the clients make together.
    pub steps: u64,
    /// Whether every event is printed.
    pub trace: bool,
    /// What is broken on purpose, to see that it is found.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// A seed as it comes.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, steps: STEPS, trace: false, sabotage: None }
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// The hash of the trace.
    pub hash: u64,
    /// Events in the trace.
    pub events: u64,
    /// What should not be.
    pub violations: Vec<Violation>,
    /// How much of what there was.
    pub counts: Counts,
}

/// Runs a seed.
#[must_use]
pub fn run(options: Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without threads and sockets").block_on(simulate(options))
}

async fn simulate(options: Options) -> Report {
    let seed = options.seed;
    let clock = SimClock::new();
    let trace = Trace::new(options.trace, clock.clone());
    let sim = Sim::new(Dice::new(seed, "scheduler"), trace.clone(), clock.clone());
    let network = SimNetwork::new(SharedDice::new(seed, "network"), trace.clone(), clock.clone());
    let history = Arc::<Mutex<History>>::default();
    let world = World {
        sim: sim.clone(),
        network,
        clock: clock.clone(),
        trace: trace.clone(),
        history: history.clone(),
        sabotage: options.sabotage,
    };
    let outcome = sim.run(live(options, world)).await;
    sim.end();
    let mut history = std::mem::take(&mut *history.lock().unwrap_or_else(PoisonError::into_inner));
    history.latest_wall_ms = clock.latest_ms();
    let (mut violations, mut counts) = match outcome {
        Ok(counts) => (checker::check(&history), counts),
        Err(problem) => (vec![Violation { rule: "service", what: problem }], Counts::new()),
    };
    violations.truncate(20);
    counts.insert("calls", history.calls.len() as u64);
    counts.insert("acknowledged", checker::acknowledged(&history));
    counts.insert("read", checker::records_read(&history));
    counts.insert("unknown", history.calls.iter().filter(|call| call.outcome == Outcome::Unknown).count() as u64);
    let (events, hash) = trace.sum();
    Report { seed, hash, events, violations, counts }
}

/// What happens in a run. On `Ok` nothing fails any more and everything has been read.
async fn live(options: Options, world: World) -> Result<Counts, String> {
    let Options { seed, steps, sabotage, .. } = options;
    let mut dice = Dice::new(seed, "plan");
    let is_limited = dice.percent(40);
    world.history.lock().unwrap_or_else(PoisonError::into_inner).is_limited = is_limited;
    let config = Config {
        limits: if is_limited { Profile::Aws } else { Profile::Open },
        transition_ms: *dice.of(&[1, 50, 700]),
        long_poll_ms: *dice.of(&[0, 100, 1_000]),
        memory: 64 << 20,
        ..Config::default()
    };
    let disk = SimDisk::new(16 << 20, world.trace.clone());
    match sabotage {
        Some(Sabotage::SyncsLie) => disk.lie_about_syncs(),
        Some(Sabotage::LastWriteIsLost) => disk.lose_last_writes(),
        _ => {}
    }
    let (random, log_files) = (SharedDice::new(seed, "server"), Dice::new(seed, "log files"));
    let mut node = Node::new(world.clone(), disk, config, random, log_files);
    node.start().await.map_err(|error| format!("the server does not start: {error}"))?;

    let clients = dice.between(1, CLIENTS);
    let mix = Mix {
        large: dice.percent(20),
        reshard_permille: *dice.of(&[0, 30, 100]),
        pause_ms: *dice.of(&[20, 200, 1_000]),
    };
    let plan = Plan { peace_ms: *dice.of(&[300, 2_000, 8_000]), kinds: dice.roll() as u16 | dice.roll() as u16 };
    let known = Known::default();
    let (finished, mut all_finished) = watch::channel(0);
    for id in 1..=clients {
        let dice = SharedDice::new(dice.roll(), "client");
        let worker = Worker::new(id, dice, world.clone(), known.clone(), mix);
        let finished = finished.clone();
        world.sim.spawn(crate::scheduler::WORLD, async move {
            worker.work(steps / clients).await;
            finished.send_modify(|finished| *finished += 1);
        });
    }
    let (over, is_over) = watch::channel(false);
    world.sim.spawn(crate::scheduler::WORLD, async move {
        drop(all_finished.wait_for(|finished| *finished == clients).await);
        over.send_replace(true);
        // Whoever makes trouble asks as long as it lasts.
        over.closed().await;
    });
    let counts = faults::make_trouble(&mut node, plan, &mut dice, &world.trace, is_over).await?;

    // Calm. Whatever was under way ends, and a server that starts on what is there has everything.
    node.disk.heal();
    node.slow_disk(0);
    node.cut_connections(0);
    match dice.below(3) {
        0 => node.stop().await,
        1 => node.kill(),
        _ => node.lose_power(rheos_log::files::sim::Unsynced::Lost),
    }
    node.start().await.map_err(|error| format!("the server does not start at the end: {error}"))?;
    sleep(Duration::from_secs(25)).await;
    world.history.lock().unwrap_or_else(PoisonError::into_inner).calm = world.trace.now();
    let mut reader = Client::new(0, SharedDice::new(seed, "reader"), world.clone());
    reader.patient = true;
    read_everything(&mut reader, &known).await?;
    node.stop().await;
    Ok(counts)
}
