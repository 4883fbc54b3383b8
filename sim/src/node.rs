//! The machine that the server runs on: starts it, stops it, kills it, and cuts the power.

use std::path::PathBuf;
use std::sync::Arc;

use rheos_log::files::sim::Unsynced;
use rheos_server::spawn::Spawner;
use rheos_server::{Config, Machine, Running, Store};
use tokio::sync::oneshot;

use crate::client::World;
use crate::dice::{Dice, SharedDice};
use crate::disk::SimDisk;
use crate::scheduler::{Process, WORLD};
use crate::trace::trace;

/// A machine with at most one running server.
pub struct Node {
    world: World,
    /// Its disk.
    pub disk: SimDisk,
    config: Config,
    random: SharedDice,
    log_files: Dice,
    /// The process that runs.
    pub process: Process,
    running: Option<Running>,
}

impl Node {
    /// A machine that is switched off. `log_files` decides how large those of each start are: a real server goes by how much
    /// of the disk is free then.
    #[must_use]
    pub fn new(world: World, disk: SimDisk, mut config: Config, random: SharedDice, log_files: Dice) -> Self {
        config.data_dir = PathBuf::from("/data");
        config.dev = true;
        Self { world, disk, config, random, log_files, process: WORLD, running: None }
    }

    /// Starts the server.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start(&mut self) -> Result<(), String> {
        self.process += 1;
        let process = self.process;
        trace!(self.world.trace, "start process {process}");
        let machine = Machine {
            clock: Arc::new(self.world.clock.clone()),
            random: Arc::new(self.random.clone()),
            store: Store::Disk(Arc::new(self.disk.clone())),
            // The scheduler ends the process.
            on_fatal: |_| {},
            spawner: Spawner::Scheduler(self.world.sim.of(process)),
            log_file_bytes: Some(*self.log_files.of(&[64 << 10, 128 << 10, 1 << 20])),
        };
        let (config, network) = (self.config.clone(), self.world.network.clone());
        let (reply, started) = oneshot::channel();
        self.world.sim.spawn(process, async move {
            drop(reply.send(rheos_server::start_on(&config, machine, &network).await));
        });
        let failed = self.world.sim.failed(process);
        tokio::select! {
            biased;
            () = failed => Err("the log failed".to_owned()),
            started = started => match started {
                Ok(Ok(running)) => {
                    self.running = Some(running);
                    let now_ms = self.world.clock.elapsed_ms();
                    let mut history = self.world.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    history.starts_ms.push(now_ms);
                    Ok(())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the start ended without a word".to_owned()),
            },
        }
    }

    /// Ends the process where it is. What it has written stays with the operating system.
    pub fn kill(&mut self) {
        self.world.network.fall();
        self.world.sim.kill(self.process);
        self.running = None;
    }

    /// Cuts the power.
    pub fn lose_power(&mut self, unsynced: Unsynced) {
        self.kill();
        self.disk.cut(unsynced);
    }

    /// Asks the server to stop, and waits until it has.
    pub async fn stop(&mut self) {
        trace!(self.world.trace, "stop process {}", self.process);
        if let Some(running) = self.running.take() {
            let (process, (reply, stopped)) = (self.process, oneshot::channel());
            self.world.sim.spawn(process, async move {
                // Whoever waits for it may have gone.
                let _sent = reply.send(running.stop().await);
            });
            tokio::select! {
                biased;
                _stopped = stopped => {}
                () = self.world.sim.failed(process) => {}
            }
        }
        self.kill();
    }

    /// Waits until the log of the process fails.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + use<> {
        let (sim, process) = (self.world.sim.clone(), self.process);
        async move { sim.failed(process).await }
    }

    /// Sets the wall clock forward, or back.
    pub fn jump(&self, ms: i64) {
        self.world.clock.jump(ms);
    }

    /// Writes of the log take up to so long.
    pub fn slow_disk(&self, ms: u64) {
        self.world.sim.set_disk_latency_ms(ms);
    }

    /// Of a hundred new connections so many are cut.
    pub fn cut_connections(&self, percent: u64) {
        self.world.network.set_cuts_percent(percent);
    }
}
