//! Trouble: crashes, failing disks, full disks, slow ones, jumping clocks and cut connections, as the seed decides.

use std::time::Duration;

use rheos_log::files::sim::Unsynced;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::history::Counts;
use crate::node::Node;
use crate::trace::{Trace, trace};

/// Which troubles there may be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Longest peace between two troubles.
    pub peace_ms: u64,
    /// Troubles of this seed: the others do not come.
    pub kinds: u16,
}

/// How many kinds there are.
const KINDS: u64 = 10;

/// Makes trouble until `over`.
///
/// # Errors
/// When the server does not start though it should.
pub async fn make_trouble(
    node: &mut Node,
    plan: Plan,
    dice: &mut Dice,
    trace: &Trace,
    mut over: watch::Receiver<bool>,
) -> Result<Counts, String> {
    let mut counts = Counts::new();
    let capacity = node.disk.free_bytes();
    loop {
        let wait = Duration::from_millis(dice.below(plan.peace_ms) + 1);
        let failed = node.failed();
        tokio::select! {
            biased;
            () = until(&mut over) => break,
            () = failed => {
                // What a failed log does to a process: it ends, and is started again.
                *counts.entry("fatal").or_default() += 1;
                node.kill();
                node.disk.heal();
                restart(node, dice, &mut counts).await?;
                continue;
            }
            () = sleep(wait) => {}
        }
        let kind = dice.below(KINDS);
        if plan.kinds & 1 << kind == 0 {
            continue;
        }
        let name = match kind {
            0 | 1 => {
                node.lose_power(unsynced(dice));
                restart(node, dice, &mut counts).await?;
                "power cut"
            }
            2 => {
                // In the middle of whatever the disk does next.
                node.disk.lose_power_after(dice.below(40));
                let failed = node.failed();
                let patience = Duration::from_millis(dice.below(3_000));
                tokio::select! {
                    biased;
                    () = failed => {}
                    () = sleep(patience) => {}
                }
                node.lose_power(unsynced(dice));
                restart(node, dice, &mut counts).await?;
                "power cut"
            }
            3 => {
                node.kill();
                restart(node, dice, &mut counts).await?;
                "kill"
            }
            4 => {
                node.stop().await;
                restart(node, dice, &mut counts).await?;
                "stop"
            }
            5 => {
                node.disk.fail_sync_after(dice.below(30) as i64);
                "failing sync"
            }
            6 => {
                let left = dice.below(3) * (64 << 10);
                let used = capacity.saturating_sub(node.disk.free_bytes());
                node.disk.set_capacity(used + left);
                let patience = Duration::from_millis(dice.below(8_000));
                let failed = node.failed();
                tokio::select! {
                    biased;
                    () = failed => {}
                    () = sleep(patience) => {}
                }
                node.disk.set_capacity(capacity);
                "full disk"
            }
            7 => {
                let ms = match dice.below(20) {
                    0 => 30 * 3_600_000,
                    1..=3 => 600_000,
                    _ => dice.between(1, 10_000) as i64,
                };
                let ms = if dice.percent(40) { -ms.min(600_000) } else { ms };
                trace!(trace, "the clock jumps by {ms} ms");
                node.jump(ms);
                "clock jump"
            }
            8 => {
                let ms = *dice.of(&[0, 5, 50, 400]);
                trace!(trace, "the disk takes up to {ms} ms");
                node.slow_disk(ms);
                "slow disk"
            }
            _ => {
                let percent = *dice.of(&[0, 10, 50]);
                trace!(trace, "{percent} of a hundred connections are cut");
                node.cut_connections(percent);
                "cuts"
            }
        };
        *counts.entry(name).or_default() += 1;
    }
    Ok(counts)
}

async fn until(over: &mut watch::Receiver<bool>) {
    // Whoever says so outlives this.
    drop(over.wait_for(|over| *over).await);
}

fn unsynced(dice: &mut Dice) -> Unsynced {
    match dice.below(4) {
        0 => Unsynced::Lost,
        1 => Unsynced::Kept,
        _ => Unsynced::Torn(dice.roll()),
    }
}

/// Starts the server again, which may fail for as long as the disk does.
async fn restart(node: &mut Node, dice: &mut Dice, counts: &mut Counts) -> Result<(), String> {
    sleep(Duration::from_millis(dice.below(1_500))).await;
    node.disk.heal();
    // Now and then the power goes again while the server starts.
    if dice.percent(15) {
        node.disk.lose_power_after(dice.below(30));
        if node.start().await.is_err() {
            *counts.entry("crash in start").or_default() += 1;
        }
        node.lose_power(unsynced(dice));
    }
    *counts.entry("restart").or_default() += 1;
    node.start().await.map_err(|error| format!("the server does not start: {error}"))
}
