//! Which worker gets which lease. Pure decisions, of a worker that takes what it needs (2.x) and of a leader (3.x).

use std::collections::{BTreeMap, BTreeSet};

use super::config::{Balance, Config};
use crate::lease::Lease;

/// What a worker has seen of the leases over time. Nobody compares clocks: a lease is free when it has shown no sign of life for the failover
/// time by the watch of whoever looks.
#[derive(Default)]
pub(super) struct Observer {
    seen: BTreeMap<String, Seen>,
    /// Workers that let all their leases run out, and when they had said something last.
    dead: BTreeMap<String, u64>,
}

struct Seen {
    counter: u64,
    changed_ms: u64,
    /// Since when the lease is being handed over.
    handoff_ms: Option<u64>,
    complete_ms: Option<u64>,
}

impl Observer {
    /// Looks at all leases, at this time.
    pub(super) fn see(&mut self, leases: &[Lease], now_ms: u64) {
        let keys: BTreeSet<&str> = leases.iter().map(|lease| lease.key.as_str()).collect();
        self.seen.retain(|key, _| keys.contains(key.as_str()));
        for lease in leases {
            let seen = self.seen.entry(lease.key.clone()).or_insert(Seen {
                counter: lease.counter,
                changed_ms: now_ms,
                handoff_ms: None,
                complete_ms: None,
            });
            if seen.counter != lease.counter {
                (seen.counter, seen.changed_ms) = (lease.counter, now_ms);
            }
            seen.handoff_ms = lease.checkpoint_owner.as_ref().map(|_| seen.handoff_ms.unwrap_or(now_ms));
            seen.complete_ms = lease.is_complete().then(|| seen.complete_ms.unwrap_or(now_ms));
        }
    }

    /// Whether a lease can be given to another worker, now.
    pub(super) fn is_free(&self, lease: &Lease, config: &Config, now_ms: u64) -> bool {
        if lease.owner.is_none() {
            return true;
        }
        let is_stuck = |since| now_ms > since + config.handoff_ms + config.failover_ms;
        self.has_run_out(lease, config, now_ms)
            || self.unchanged(lease).and_then(|seen| seen.handoff_ms).is_some_and(is_stuck)
    }

    /// Whether a lease has got no sign of life for so long that its owner has lost it.
    fn has_run_out(&self, lease: &Lease, config: &Config, now_ms: u64) -> bool {
        self.unchanged(lease).is_some_and(|seen| now_ms > seen.changed_ms + config.failover_ms)
    }

    /// What was seen of a lease, if it is still as it was seen last.
    fn unchanged(&self, lease: &Lease) -> Option<&Seen> {
        self.seen.get(&lease.key).filter(|seen| seen.counter == lease.counter)
    }

    /// The workers that said something lately, without those that have let all their leases run out since: what they said is younger than their
    /// death, and whatever they were given would have to run out again. `live` is when each said something last.
    pub(super) fn without_dead(
        &mut self,
        leases: &[Lease],
        live: BTreeMap<String, u64>,
        config: &Config,
        now_ms: u64,
    ) -> BTreeMap<String, u64> {
        // Whoever asks is alive.
        for (worker, said) in live.iter().filter(|(worker, _)| **worker != config.worker) {
            let mut held = leases.iter().filter(|lease| lease.actual_owner() == Some(worker)).peekable();
            if held.peek().is_some() && held.all(|lease| self.has_run_out(lease, config, now_ms)) {
                self.dead.insert(worker.clone(), *said);
            }
        }
        self.dead.retain(|worker, said| live.get(worker) == Some(said));
        live.into_iter().filter(|(worker, _)| !self.dead.contains_key(worker)).collect()
    }

    /// For how long a lease has been complete.
    pub(super) fn complete_for_ms(&self, lease: &Lease, now_ms: u64) -> u64 {
        let since = self.seen.get(&lease.key).and_then(|seen| seen.complete_ms);
        since.map_or(0, |since| now_ms.saturating_sub(since))
    }
}

/// What a worker of 2.x takes: leases, in this order. `dice` gives a number below its argument.
pub(super) fn to_take(
    leases: &[Lease],
    is_free: impl Fn(&Lease) -> bool,
    me: &str,
    config: &Config,
    dice: impl Fn(u64) -> u64,
) -> Vec<Lease> {
    let active: Vec<&Lease> = leases.iter().filter(|lease| !lease.is_complete()).collect();
    let mut held: BTreeMap<&str, Vec<&Lease>> = BTreeMap::from([(me, Vec::new())]);
    let mut free: Vec<&Lease> = Vec::new();
    for lease in &active {
        match lease.owner.as_deref() {
            Some(owner) if !is_free(lease) => held.entry(owner).or_default().push(lease),
            _ => free.push(lease),
        }
    }
    let target = active.len().div_ceil(held.len()).min(config.max_leases);
    let mine = held[me].len();
    let need = target.saturating_sub(mine);
    if need == 0 {
        return Vec::new();
    }
    shuffle(&mut free, &dice);
    if !free.is_empty() {
        return free.into_iter().take(need).cloned().collect();
    }
    // Nothing is free: from the one who has the most.
    let others = held.into_iter().filter(|(worker, _)| *worker != me);
    let Some((_, mut most)) = others.max_by_key(|(_, leases)| leases.len()) else { return Vec::new() };
    let excess = most.len().saturating_sub(target);
    let steal = if excess == 0 && need > 1 && most.len() == target { 1 } else { excess.min(need) };
    most.retain(|lease| lease.checkpoint_owner.is_none());
    shuffle(&mut most, &dice);
    most.into_iter().take(steal.min(config.max_leases_to_steal)).cloned().collect()
}

fn shuffle<T>(items: &mut [T], dice: impl Fn(u64) -> u64) {
    for last in (1..items.len()).rev() {
        let other = dice(last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

/// What a leader wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// A lease that nobody holds goes to a worker.
    Assign(Lease, String),
    /// A lease that somebody holds is handed over.
    HandOff(Lease, String),
}

/// What a leader sees.
pub(super) struct Fleet<'a> {
    pub(super) leases: &'a [Lease],
    /// Those that give signs of life, and how many leases each may hold.
    pub(super) workers: &'a BTreeMap<String, usize>,
    pub(super) balance: Balance,
}

/// A leader moves leases for the sake of throughput only if the busiest worker has so much more than the average.
const IMBALANCE: f64 = 1.1;

/// What a leader orders: everything that is free to the worker with the least, then from the one with the most to the one with the least while that
/// makes them more alike. Given the same fleet again after its orders were followed, it orders nothing.
pub(super) fn orders(fleet: &Fleet<'_>, is_free: impl Fn(&Lease) -> bool) -> Vec<Order> {
    let mut loads: BTreeMap<&str, Load<'_>> =
        fleet.workers.iter().map(|(worker, max)| (worker.as_str(), Load { max: *max, ..Load::default() })).collect();
    let active: Vec<&Lease> = fleet.leases.iter().filter(|lease| !lease.is_complete()).collect();
    let average = average_throughput(&active);
    let weight = |lease: &Lease| match fleet.balance {
        Balance::Count => 1.0,
        Balance::Throughput => lease.throughput_kbps.unwrap_or(average),
    };
    let mut free: Vec<&Lease> = Vec::new();
    for lease in active {
        let load = lease.owner.as_deref().and_then(|owner| loads.get_mut(owner));
        match load {
            Some(load) if !is_free(lease) => load.add(lease, weight(lease)),
            // Held by somebody who gives no signs of life but this one: its lease will be free, or its row will come.
            None if !is_free(lease) => {}
            _ => free.push(lease),
        }
    }
    free.sort_by(|one, another| weight(another).total_cmp(&weight(one)).then_with(|| one.key.cmp(&another.key)));
    let mut orders = Vec::new();
    for lease in free {
        let Some(worker) = least(&loads) else { break };
        if let Some(load) = loads.get_mut(worker) {
            load.add(lease, weight(lease));
        }
        orders.push(Order::Assign(lease.clone(), worker.to_owned()));
    }
    let mut moved = BTreeSet::new();
    while let Some((from, to, lease)) = next_move(&loads, fleet.balance, weight) {
        if !moved.insert(lease.key.clone()) {
            break;
        }
        if let Some(load) = loads.get_mut(from) {
            load.remove(lease, weight(lease));
        }
        if let Some(load) = loads.get_mut(to) {
            load.add(lease, weight(lease));
        }
        match orders.iter_mut().find(|order| matches!(order, Order::Assign(assigned, _) if assigned.key == lease.key)) {
            Some(order) => *order = Order::Assign(lease.clone(), to.to_owned()),
            None => orders.push(Order::HandOff(lease.clone(), to.to_owned())),
        }
    }
    orders
}

#[derive(Default)]
struct Load<'a> {
    leases: BTreeMap<&'a str, &'a Lease>,
    weight: f64,
    max: usize,
}

impl<'a> Load<'a> {
    fn add(&mut self, lease: &'a Lease, weight: f64) {
        self.leases.insert(&lease.key, lease);
        self.weight += weight;
    }

    fn remove(&mut self, lease: &Lease, weight: f64) {
        self.leases.remove(lease.key.as_str());
        self.weight -= weight;
    }

    fn has_room(&self) -> bool {
        self.leases.len() < self.max
    }
}

fn average_throughput(leases: &[&Lease]) -> f64 {
    let known: Vec<f64> = leases.iter().filter_map(|lease| lease.throughput_kbps).collect();
    if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 }
}

fn least<'a>(loads: &BTreeMap<&'a str, Load<'_>>) -> Option<&'a str> {
    let with_room = loads.iter().filter(|(_, load)| load.has_room());
    let order = |one: &Load<'_>, another: &Load<'_>| {
        one.weight.total_cmp(&another.weight).then_with(|| one.leases.len().cmp(&another.leases.len()))
    };
    with_room.min_by(|(_, one), (_, another)| order(one, another)).map(|(worker, _)| *worker)
}

/// One lease from the worker with the most to the one with the least, if both are nearer to each other afterwards.
fn next_move<'a>(
    loads: &BTreeMap<&'a str, Load<'a>>,
    balance: Balance,
    weight: impl Fn(&Lease) -> f64,
) -> Option<(&'a str, &'a str, &'a Lease)> {
    let to = least(loads)?;
    let (from, most) = loads.iter().max_by(|(_, one), (_, another)| one.weight.total_cmp(&another.weight))?;
    let least = loads.get(to)?;
    let average = loads.values().map(|load| load.weight).sum::<f64>() / loads.len() as f64;
    let gap = most.weight - least.weight;
    let is_worth_it = match balance {
        Balance::Count => gap > 1.5,
        Balance::Throughput => most.weight > average * IMBALANCE && most.leases.len() > 1,
    };
    if !is_worth_it || *from == to {
        return None;
    }
    // Half of the gap would make them equal. None that is being handed over already.
    let movable = most.leases.values().filter(|lease| lease.checkpoint_owner.is_none());
    let fitting = movable.filter(|lease| weight(lease) > 0.0 && weight(lease) < gap);
    let distance = |lease: &Lease| (weight(lease) - gap / 2.0).abs();
    let lease = fitting.min_by(|one, another| distance(one).total_cmp(&distance(another)))?;
    Some((from, to, lease))
}

#[cfg(test)]
mod tests;
