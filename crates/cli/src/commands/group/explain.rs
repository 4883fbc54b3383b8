//! Why a shard is not being read: a decision from what the lease table and the stream say.

use rheos_client::consumer::Shard;
use rheos_client::lease::Lease;

/// What is known.
pub(super) struct Facts<'a> {
    pub(super) shard: &'a str,
    pub(super) shards: &'a [Shard],
    /// The leases, and again after the time in which a worker gives signs of life.
    pub(super) before: &'a [Lease],
    pub(super) now: &'a [Lease],
    pub(super) millis_behind: Option<u64>,
}

fn lease_of<'a>(leases: &'a [Lease], shard: &str) -> Option<&'a Lease> {
    leases.iter().find(|lease| lease.shard_id() == shard)
}

/// The reasons, the first that counts first. One that begins with `it is read` says that there is none.
pub(super) fn explain(facts: &Facts<'_>) -> Vec<String> {
    let shard = facts.shard;
    let listed = facts.shards.iter().find(|listed| listed.id == shard);
    let Some(lease) = lease_of(facts.now, shard) else { return without_lease(facts, listed) };
    if listed.is_none() {
        return vec![
            "the stream has no such shard any more: its records have expired, and its lease will be removed".to_owned(),
        ];
    }
    if lease.is_complete() {
        let children = lease.children.iter().cloned().collect::<Vec<_>>().join(", ");
        return vec![format!("it is done: every record has been processed, and reading goes on in {children}")];
    }
    let mut reasons = Vec::new();
    for parent in &lease.parents {
        if let Some(parent) = lease_of(facts.now, parent).filter(|parent| !parent.is_complete()) {
            let at = parent.checkpoint.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            let name = parent.shard_id();
            reasons.push(format!(
                "its parent {name} is not done (it is at {at}): `rheos group why` of that shard says more"
            ));
        }
    }
    let is_alive = lease_of(facts.before, shard).is_some_and(|before| before.counter != lease.counter);
    match (&lease.owner, &lease.checkpoint_owner) {
        (None, _) => reasons.push("nobody owns it: no worker is running, or each has as many leases as it may".to_owned()),
        (Some(to), Some(from)) if is_alive => reasons.push(format!("{from} is handing it over to {to}")),
        (Some(to), Some(from)) => {
            reasons.push(format!("{from} was to hand it over to {to} and gives no signs of life: the leader will give it to another"));
        }
        (Some(owner), None) if !is_alive => {
            reasons.push(format!("{owner} owns it and gives no signs of life: another worker takes it after the failover time, if one runs"));
        }
        (Some(owner), None) => match (reasons.is_empty(), facts.millis_behind) {
            (false, _) => {}
            (true, Some(0)) => reasons.push(format!("it is read: {owner} holds it, and no record waits")),
            (true, Some(ms)) => reasons.push(format!(
                "it is read: {owner} holds it, and its last checkpoint is {ms} ms of arrival behind; if that does not fall, its processor \
                 fails or does not checkpoint ({owner} says in its log)"
            )),
            (true, None) => reasons.push(format!("it is read: {owner} holds it")),
        },
    }
    if lease.owner_switches_since_checkpoint > 3 {
        let switches = lease.owner_switches_since_checkpoint;
        reasons.push(format!(
            "it has changed hands {switches} times without a checkpoint: its processor does not get anywhere"
        ));
    }
    reasons
}

fn without_lease(facts: &Facts<'_>, listed: Option<&Shard>) -> Vec<String> {
    let Some(listed) = listed else {
        return vec!["neither the stream nor the application has such a shard".to_owned()];
    };
    if facts.now.is_empty() {
        return vec!["the application has no leases at all: no worker has begun".to_owned()];
    }
    let parents: Vec<&Lease> = listed.parents.iter().filter_map(|parent| lease_of(facts.now, parent)).collect();
    if let Some(parent) = parents.iter().find(|parent| !parent.is_complete()) {
        return vec![format!("it has no lease yet: it gets one at the end of its parent {}", parent.shard_id())];
    }
    if !listed.is_open {
        return vec![
            "it has no lease and is closed: it was done long ago, or the application began behind it".to_owned(),
        ];
    }
    vec!["it has no lease: the leader makes one at its next comparison of shards and leases, once a minute; if not, nobody leads".to_owned()]
}

#[cfg(test)]
mod tests {
    use rheos_types::HashRange;

    use rheos_client::lease::Checkpoint;

    use super::*;

    fn shard(id: &str, parents: &[&str], is_open: bool) -> Shard {
        Shard {
            id: id.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            hash_range: HashRange::ALL,
            starting_sequence_number: "1".to_owned(),
            is_open,
        }
    }

    fn lease(key: &str, owner: Option<&str>, counter: u64) -> Lease {
        Lease { owner: owner.map(str::to_owned), counter, ..Lease::new(key, Checkpoint::TrimHorizon) }
    }

    fn say(before: &[Lease], now: &[Lease], of: &str) -> String {
        let shards = [shard("p", &[], false), shard("c", &["p"], true)];
        explain(&Facts { shard: of, shards: &shards, before, now, millis_behind: Some(7) }).join("\n")
    }

    #[test]
    fn each_reason_is_told_from_the_others() {
        let child = |owner, counter| Lease { parents: ["p".to_owned()].into(), ..lease("c", owner, counter) };
        let done = || Lease {
            checkpoint: Some(Checkpoint::ShardEnd),
            children: ["c".to_owned()].into(),
            ..lease("p", None, 9)
        };
        let handed = |counter| Lease { checkpoint_owner: Some("old".to_owned()), ..child(Some("new"), counter) };
        let gone = lease("gone", None, 1);
        for (before, now, of, expected) in [
            (vec![], vec![], "x", "neither"),
            (vec![], vec![], "c", "no worker has begun"),
            (vec![], vec![lease("p", None, 1)], "c", "at the end of its parent p"),
            (vec![], vec![done()], "c", "the leader makes one"),
            (vec![], vec![done()], "p", "it is done"),
            (vec![], vec![gone], "gone", "expired"),
            (vec![], vec![child(None, 1), lease("p", None, 1)], "c", "its parent p is not done"),
            (vec![], vec![child(None, 1), done()], "c", "nobody owns it"),
            (vec![child(Some("a"), 1)], vec![child(Some("a"), 1), done()], "c", "no signs of life"),
            (vec![child(Some("a"), 1)], vec![child(Some("a"), 2), done()], "c", "7 ms"),
            (vec![handed(1)], vec![handed(2), done()], "c", "old is handing it over to new"),
            (vec![handed(1)], vec![handed(1), done()], "c", "was to hand it over"),
        ] {
            let said = say(&before, &now, of);
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}
