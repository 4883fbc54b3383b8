//! How busy the processors are that a worker runs on, as a worker of the KCL on Linux measures it: a leader of a fleet that reports this gives leases to
//! those with the most room.

use std::collections::VecDeque;

/// So many figures a worker tells, as the KCL does.
const KEPT: usize = 10;

/// How much of the processors has been used since some moment of the past, and how much there was to use, in the same unit. Both only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    /// What was used.
    pub used: u64,
    /// What there was.
    pub available: u64,
}

/// Says how busy the processors are: a parameter, so that tests are exact.
pub trait Cpu: Send + Sync + 'static {
    /// The processors' time until now. `now_ms` is the time of the worker's clock. None: it cannot be known here.
    fn time(&self, now_ms: u64) -> Option<CpuTime>;
}

/// The processors of Linux: what the control group of the process may use if that is limited, else the whole machine. Unknown elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCpu;

impl Cpu for SystemCpu {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of Cpu")]
    fn time(&self, now_ms: u64) -> Option<CpuTime> {
        let read = |path: &str| Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned());
        let group = || of_group(&read("/sys/fs/cgroup/cpu.max")?, &read("/sys/fs/cgroup/cpu.stat")?, now_ms);
        group().or_else(|| of_machine(&read("/proc/stat")?))
    }
}

/// From `/proc/stat`, in ticks. Waiting for disks counts as use, as it does in the KCL: the figures are compared with one another.
fn of_machine(stat: &str) -> Option<CpuTime> {
    let mut words = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let mut next = || words.next()?.parse::<u64>().ok();
    let (user, nice, system, idle, waiting) = (next()?, next()?, next()?, next()?, next()?);
    let used = user.checked_add(nice)?.checked_add(system)?.checked_add(waiting)?;
    Some(CpuTime { used, available: used.checked_add(idle)? })
}

/// From `cpu.max` and `cpu.stat` of a control group (version 2), in microseconds. None if it is not limited.
fn of_group(max: &str, stat: &str, now_ms: u64) -> Option<CpuTime> {
    let (quota, period) = max.trim().split_once(' ')?;
    let (quota, period): (u128, u128) = (quota.parse().ok()?, period.parse().ok()?);
    let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()?;
    let available = (u128::from(now_ms) * 1000).checked_mul(quota)?.checked_div(period)?;
    Some(CpuTime { used, available: u64::try_from(available).ok()? })
}

/// The last figures, each of the time between two looks.
#[derive(Debug, Default)]
pub(super) struct CpuUse {
    last: Option<CpuTime>,
    percent: VecDeque<f64>,
}

impl CpuUse {
    /// Looks, and says the last figures, the newest last: per cent with six digits. None: nothing is known about the time since the last look.
    pub(super) fn look(&mut self, time: Option<CpuTime>) -> Option<Vec<f64>> {
        let last = std::mem::replace(&mut self.last, time);
        let between = last.zip(time).and_then(|(last, time)| {
            let available = time.available.checked_sub(last.available).filter(|available| *available > 0)?;
            // A count that went back, as that of waiting for disks may, is no use at all.
            Some((time.used.saturating_sub(last.used), available))
        });
        let Some((used, available)) = between else {
            self.percent.clear();
            return None;
        };
        let percent = (used as f64 / available as f64 * 100.0).min(100.0);
        self.percent.push_back((percent * 1e6).round() / 1e6);
        if self.percent.len() > KEPT {
            self.percent.pop_front();
        }
        Some(self.percent.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_as_the_kcl_reads_it() {
        let stat = "cpu  10 5 20 1000 15 7 8 9 0 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n";
        assert_eq!(of_machine(stat), Some(CpuTime { used: 50, available: 1050 }));
        for other in ["", "cpu  1 2 3 4", "cpu  1 2 3 4 x", "intr 1 2 3 4 5", "cpu  18446744073709551615 1 1 1 1"] {
            assert_eq!(of_machine(other), None, "{other}");
        }
    }

    #[test]
    fn a_group_has_what_it_may_use() {
        let stat = "usage_usec 3000000\nuser_usec 2000000\n";
        assert_eq!(of_group("150000 100000\n", stat, 4_000), Some(CpuTime { used: 3_000_000, available: 6_000_000 }));
        for (max, stat) in [("max 100000", stat), ("1 0", stat), ("1", stat), ("1 1", "user_usec 2"), ("1 1", "")] {
            assert_eq!(of_group(max, stat, 4_000), None, "{max} {stat}");
        }
    }

    #[test]
    fn figures_are_of_the_time_between_looks() {
        let mut cpu = CpuUse::default();
        let time = |used, available| Some(CpuTime { used, available });
        assert_eq!(cpu.look(time(1_000, 5_000)), None, "nothing is known of the time before");
        assert_eq!(cpu.look(time(1_001, 5_003)), Some(vec![33.333333]));
        assert_eq!(cpu.look(time(1_000, 5_013)), Some(vec![33.333333, 0.0]));
        assert_eq!(cpu.look(time(1_000, 5_013)), None, "no time has passed");
        assert_eq!(cpu.look(None), None);
        assert_eq!(cpu.look(time(2_000, 6_000)), None);
        for tenth in 1..=12 {
            let told = cpu.look(time(2_000 + 10 * tenth, 6_000 + 10 * tenth)).unwrap();
            assert_eq!(told, vec![100.0; usize::try_from(tenth).unwrap().min(KEPT)]);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_processors() {
        let time = SystemCpu.time(1_000_000).unwrap();
        assert!(time.available > 0 && time.used > 0, "{time:?}");
    }
}
