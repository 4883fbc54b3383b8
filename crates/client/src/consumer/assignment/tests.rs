//! Fleets of any size, made of dice.

use proptest::prelude::*;

use super::*;
use crate::lease::Checkpoint;

fn config() -> Config {
    Config::new("application", "stream", "me")
}

fn lease(number: usize, owner: Option<usize>, kbps: f64) -> Lease {
    Lease {
        owner: owner.map(|owner| format!("w{owner}")),
        throughput_kbps: Some(kbps),
        ..Lease::new(format!("s{number:03}"), Checkpoint::TrimHorizon)
    }
}

fn followed(leases: &[Lease], orders: &[Order]) -> Vec<Lease> {
    let mut leases = leases.to_vec();
    for order in orders {
        let (Order::Assign(moved, to) | Order::HandOff(moved, to)) = order;
        let lease = leases.iter_mut().find(|lease| lease.key == moved.key).unwrap();
        lease.owner = Some(to.clone());
    }
    leases
}

fn count(leases: &[Lease], worker: &str) -> usize {
    leases.iter().filter(|lease| lease.owner.as_deref() == Some(worker)).count()
}

proptest! {
    /// Owner 9 is nobody who gives signs of life: its leases are free.
    #[test]
    fn a_leader_shares_everything_out_and_is_content_then(
        owners in prop::collection::vec((prop::option::of(0usize..10), 0.0f64..100.0), 0..60),
        workers in 1usize..6,
        by_count in any::<bool>(),
    ) {
        let leases: Vec<Lease> = owners.iter().enumerate().map(|(at, (owner, kbps))| lease(at, *owner, *kbps)).collect();
        let workers: BTreeMap<String, usize> = (0..workers).map(|worker| (format!("w{worker}"), usize::MAX)).collect();
        let is_free = |lease: &Lease| lease.owner.as_ref().is_none_or(|owner| !workers.contains_key(owner));
        let balance = if by_count { Balance::Count } else { Balance::Throughput };
        let orders = super::orders(&Fleet { leases: &leases, workers: &workers, balance }, is_free);
        let mut keys: Vec<&str> = orders.iter().map(|(Order::Assign(lease, _) | Order::HandOff(lease, _))| lease.key.as_str()).collect();
        keys.sort_unstable();
        prop_assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "one order for a lease");
        for order in &orders {
            let (assigns, Order::Assign(lease, _) | Order::HandOff(lease, _)) = (matches!(order, Order::Assign(..)), order);
            prop_assert_eq!(assigns, is_free(lease), "what is held is handed over");
        }
        let after = followed(&leases, &orders);
        prop_assert!(after.iter().all(|lease| !is_free(lease)), "nothing is left over");
        let again = super::orders(&Fleet { leases: &after, workers: &workers, balance }, is_free);
        if by_count {
            prop_assert_eq!(again, []);
            let counts: Vec<usize> = workers.keys().map(|worker| count(&after, worker)).collect();
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
        }
    }

    #[test]
    fn workers_of_2x_come_to_equal_shares(leases in 0usize..40, workers in 1usize..6, seed in any::<u64>()) {
        let mut leases: Vec<Lease> = (0..leases).map(|number| lease(number, None, 0.0)).collect();
        let config = config();
        let dice = std::cell::Cell::new(seed);
        let roll = |bound: u64| {
            dice.set(dice.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            (dice.get() >> 33) % bound
        };
        for _ in 0..60 {
            for worker in 0..workers {
                let me = format!("w{worker}");
                let taken = to_take(&leases, |lease| lease.owner.is_none(), &me, &config, roll);
                for lease in taken {
                    leases.iter_mut().find(|other| other.key == lease.key).unwrap().owner = Some(me.clone());
                }
            }
        }
        let counts: Vec<usize> = (0..workers).map(|worker| count(&leases, &format!("w{worker}"))).collect();
        prop_assert_eq!(counts.iter().sum::<usize>(), leases.len());
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
    }
}

#[test]
fn nobody_gets_more_than_it_may_hold() {
    let leases: Vec<Lease> = (0..10).map(|number| lease(number, None, 0.0)).collect();
    let workers = BTreeMap::from([("w0".to_owned(), 2), ("w1".to_owned(), 3)]);
    let fleet = Fleet { leases: &leases, workers: &workers, balance: Balance::Count };
    let after = followed(&leases, &orders(&fleet, |lease| lease.owner.is_none()));
    assert_eq!((count(&after, "w0"), count(&after, "w1")), (2, 3));
    let few = Config { max_leases: 4, ..config() };
    assert_eq!(to_take(&leases, |_| true, "w0", &few, |_| 0).len(), 4);
}

#[test]
fn a_lease_is_free_after_the_failover_time_without_a_sign_of_life() {
    let (config, mut observer) = (config(), Observer::default());
    let mut held = lease(1, Some(0), 0.0);
    observer.see(std::slice::from_ref(&held), 1_000);
    assert!(!observer.is_free(&held, &config, 1_000 + config.failover_ms));
    assert!(observer.is_free(&held, &config, 1_001 + config.failover_ms));
    held.counter += 1;
    assert!(!observer.is_free(&held, &config, 1_001 + config.failover_ms), "that is another row than was seen");
    observer.see(std::slice::from_ref(&held), 1_002 + config.failover_ms);
    assert!(!observer.is_free(&held, &config, 1_003 + config.failover_ms));
    assert!(observer.is_free(&Lease { owner: None, ..held.clone() }, &config, 0));
}

#[test]
fn a_handover_that_does_not_come_to_an_end_is_ended() {
    let (config, mut observer) = (config(), Observer::default());
    let mut held = Lease { checkpoint_owner: Some("w0".to_owned()), ..lease(1, Some(1), 0.0) };
    for at in 0..50 {
        held.counter += 1;
        observer.see(std::slice::from_ref(&held), at * 1_000);
        let is_late = at * 1_000 > config.handoff_ms + config.failover_ms;
        assert_eq!(observer.is_free(&held, &config, at * 1_000), is_late, "{at}");
    }
}

#[test]
fn a_worker_that_died_after_its_last_word_gets_nothing_until_it_speaks_again() {
    let (config, mut observer) = (config(), Observer::default());
    let mut leases = [lease(0, Some(1), 1.0), lease(1, Some(1), 1.0), lease(2, Some(2), 1.0)];
    let live = |one: u64| BTreeMap::from([("w1".to_owned(), one), ("w2".to_owned(), 7), ("idle".to_owned(), 7)]);
    let names = |live: BTreeMap<String, u64>| live.into_keys().collect::<Vec<_>>();
    observer.see(&leases, 1_000);
    assert_eq!(names(observer.without_dead(&leases, live(7), &config, 1_000)), ["idle", "w1", "w2"]);
    let later_ms = 2_000 + config.failover_ms;
    leases[2].counter += 1;
    observer.see(&leases, later_ms);
    assert_eq!(names(observer.without_dead(&leases, live(7), &config, later_ms)), ["idle", "w2"]);
    // Its leases are others' now. What it said is as old as before.
    leases[0].owner = Some("w2".to_owned());
    leases[1].owner = Some("idle".to_owned());
    for lease in &mut leases {
        lease.counter += 1;
    }
    observer.see(&leases, later_ms + 1);
    assert_eq!(names(observer.without_dead(&leases, live(7), &config, later_ms + 1)), ["idle", "w2"]);
    assert_eq!(names(observer.without_dead(&leases, live(8), &config, later_ms + 2)), ["idle", "w1", "w2"]);
    // One lease that has run out is no death: it may just have been assigned.
    leases[0] = lease(0, Some(1), 1.0);
    leases[1] = lease(1, Some(1), 1.0);
    observer.see(&leases, later_ms + 3);
    let end_ms = later_ms + 4 + config.failover_ms;
    leases[0].counter += 1;
    observer.see(&leases, end_ms);
    assert!(names(observer.without_dead(&leases, live(8), &config, end_ms)).contains(&"w1".to_owned()));
}
