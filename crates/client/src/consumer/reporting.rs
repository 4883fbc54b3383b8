//! Who is there, and how busy: what a worker says about itself every now and then, and what it knows of the others by that.

use std::collections::BTreeMap;

use super::cpu::CpuUse;
use super::duties::{DutyError, report};
use super::worker::Shared;
use crate::lease::coordinator::WorkerMetrics;

/// Rows of workers that have said nothing for so long are removed.
const FORGET_WORKERS_MS: u64 = 24 * 3_600_000;

impl Shared {
    /// Says every now and then that it is there; a leader gives leases to nobody else. How busy its processors are it says if other workers say it: a
    /// leader of the KCL compares workers by what each of them reports, and those that report nothing by the throughput of their leases.
    pub(super) async fn keep_reporting(&self) {
        let mut cpu = CpuUse::default();
        loop {
            // Looked at in any case, so that it is known when the others begin.
            let percent = cpu.look(self.environment.cpu.time(self.now_ms()));
            let percent = percent.filter(|_| self.fleet_reports_cpu());
            let updated_s = self.environment.clock.wall_ms() / 1000;
            let metrics = WorkerMetrics::new(self.config.worker.clone(), updated_s, percent);
            let outcome = self.table.put_worker_metrics(&metrics).await;
            report("say that this worker is there", outcome.map_err(Into::into));
            self.wait(self.config.worker_metrics_interval_ms, None).await;
        }
    }

    /// From now on no leader gives this worker anything.
    pub(super) async fn stop_reporting(&self) {
        let outcome = async {
            let metrics = self.table.list_worker_metrics().await?;
            for mine in metrics.iter().filter(|metrics| metrics.worker == self.config.worker) {
                self.table.delete_worker_metrics(mine).await?;
            }
            Ok(())
        };
        report("say that this worker stops", outcome.await);
    }

    /// The workers that have said something lately, and when.
    pub(super) async fn live_workers(&self) -> Result<BTreeMap<String, u64>, DutyError> {
        let now_ms = self.environment.clock.wall_ms();
        let (mut live, mut reports_cpu) = (BTreeMap::new(), false);
        for metrics in self.table.list_worker_metrics().await? {
            let silent_ms = now_ms.saturating_sub(metrics.updated_s.saturating_mul(1000));
            if silent_ms > FORGET_WORKERS_MS {
                self.table.delete_worker_metrics(&metrics).await?;
            } else if silent_ms <= 2 * self.config.worker_metrics_interval_ms && !metrics.is_failing() {
                reports_cpu |= metrics.worker != self.config.worker && metrics.has_cpu();
                live.insert(metrics.worker, metrics.updated_s);
            }
        }
        self.set_fleet_reports_cpu(reports_cpu);
        Ok(live)
    }
}
