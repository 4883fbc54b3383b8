//! Kill -9 under load, again and again, on one data directory.
//!
//! Writers that never retry write over HTTP, in some rounds a stream is being split or merged, and the process is killed
//! at a random moment. At the end everything is held to what the writers know (`history`).
//!
//! `RHEOS_KILL_SEED` repeats a run's choices (the moments are the machine's), `RHEOS_KILLS` sets their number.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a real process is tested with real time, threads and files"
)]

mod history;
mod server;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use history::{
    Dice, Id, Known, STREAM, WRITERS, check_directory, check_everything, check_lineage, reshard, shards, start,
    variable, write,
};
use serde_json::json;
use server::{Caller, Server, wait_active};

const KILLS: u64 = 60;
/// Every so many rounds the stream is changed while it is written to.
const RESHARD_EVERY: u64 = 3;

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let seed = variable("RHEOS_KILL_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64);
    let kills = variable("RHEOS_KILLS").unwrap_or(KILLS);
    println!("RHEOS_KILL_SEED={seed} RHEOS_KILLS={kills}");
    let mut dice = Dice(seed);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut sent = HashMap::new();
    let mut counters = [0; WRITERS as usize];
    let mut interrupted = 0;

    for round in 0..kills {
        let reshards = round % RESHARD_EVERY == RESHARD_EVERY - 1;
        // A long transition is cut by the kill; in the next round it has to be completed, soon.
        let server = start(&data, &["--transition-ms", if reshards { "500" } else { "1" }]);
        if round == 0 {
            server.connect().call("CreateStream", &json!({ "StreamName": STREAM, "ShardCount": 2 })).unwrap().ok();
        }
        if !reshards {
            wait_active(&mut server.connect(), STREAM);
            check_lineage(&shards(&mut server.connect()));
            check_neighbours(&mut server.connect(), round - round % RESHARD_EVERY);
        } else {
            change_neighbours(&mut server.connect(), round + 1);
        }
        interrupted += u64::from(one_round(server, reshards, &mut dice, &mut counters, &mut sent));
    }
    let server = start(&data, &["--transition-ms", "1"]);
    let found = check_everything(&server, &sent);
    server.kill();
    check_directory(&data);

    let count = |of: fn(&Known) -> bool| sent.values().filter(|known| of(known)).count();
    let acknowledged = count(|known| matches!(known, Known::Stored { .. }));
    let unknown = count(|known| *known == Known::Unknown);
    println!(
        "{kills} kills, {interrupted} of them during a split or merge: {acknowledged} records acknowledged and all there, \
         {} of {unknown} with unknown outcome there",
        found - acknowledged
    );
    assert!(acknowledged as u64 > kills * WRITERS, "the writers hardly came to write");
    assert!(interrupted * RESHARD_EVERY * 2 >= kills, "too few splits and merges were interrupted: {interrupted}");
}

/// Creates a stream of this round and deletes that of the last one: both will be cut by the kill, too.
fn change_neighbours(caller: &mut Caller, round: u64) {
    caller.call("CreateStream", &json!({ "StreamName": neighbour(round), "ShardCount": 3 })).unwrap().ok();
    if round > RESHARD_EVERY {
        caller.call("DeleteStream", &json!({ "StreamName": neighbour(round - RESHARD_EVERY) })).unwrap().ok();
    }
}

/// What was acknowledged of them has come to pass: the stream of that round is there, and those before it are gone.
fn check_neighbours(caller: &mut Caller, round: u64) {
    if round == 0 {
        return;
    }
    wait_active(caller, &neighbour(round));
    let begun = std::time::Instant::now();
    loop {
        let names = caller.call("ListStreams", &json!({})).unwrap().ok()["StreamNames"].clone();
        if names == json!([STREAM, neighbour(round)]) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{names} in round {round}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn neighbour(round: u64) -> String {
    format!("neighbour-{round}")
}

/// Writers write, perhaps the stream is being resharded, and the server is killed. Whether a reshard was cut.
fn one_round(
    server: Server,
    reshards: bool,
    dice: &mut Dice,
    counters: &mut [u64],
    sent: &mut HashMap<Id, Known>,
) -> bool {
    let address = server.address.clone();
    let killed = AtomicBool::new(false);
    let seeds: Vec<u64> = (0..WRITERS).map(|_| dice.next()).collect();
    let lifetime = Duration::from_micros(10_000 + dice.below(70_000));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (address, killed) = (&address, &killed);
                let (first, dice) = (counters[writer as usize], Dice(seeds[writer as usize]));
                scope.spawn(move || {
                    let mut known = Vec::new();
                    write(address, killed, writer, first, dice, |id, of_it| known.push((id, of_it)));
                    known
                })
            })
            .collect();
        let mut changing = false;
        let begun = std::time::Instant::now();
        if reshards {
            changing = reshard(&mut server.connect(), dice);
        }
        std::thread::sleep(lifetime.saturating_sub(begun.elapsed()));
        killed.store(true, Ordering::SeqCst);
        server.kill();
        for (writer, thread) in writers.into_iter().enumerate() {
            let known = thread.join().unwrap();
            counters[writer] += known.len() as u64;
            sent.extend(known);
        }
        changing
    })
}
