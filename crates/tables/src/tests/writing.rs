//! Many who write the same items at once.

use super::*;

async fn join<T: Send + 'static>(tasks: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    #[expect(clippy::disallowed_methods, reason = "the test is about tasks that run at once")]
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in running {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_expect_the_same_one_wins() {
    let bench = Bench::new();
    bench.simple("leases").await;
    bench.put(json!({"TableName": "leases", "Item": {"id": {"S": "s"}, "counter": {"N": "0"}}})).await.unwrap();
    for round in 0..20u32 {
        let attempts = (0..24u32).map(|worker| {
            let (tables, ns) = (bench.tables.clone(), bench.ns.clone());
            let legacy = json!({
                "TableName": "leases", "Key": {"id": {"S": "s"}},
                "Expected": {"counter": {"Value": {"N": round.to_string()}}},
                "AttributeUpdates": {"counter": {"Action": "ADD", "Value": {"N": "1"}}, "holder": {"Value": {"S": worker.to_string()}}}
            });
            let expressions = json!({
                "TableName": "leases", "Key": {"id": {"S": "s"}}, "ConditionExpression": "#c = :was",
                "UpdateExpression": "SET #c = :is, holder = :me", "ExpressionAttributeNames": {"#c": "counter"},
                "ExpressionAttributeValues": {":was": {"N": round.to_string()}, ":is": {"N": (round + 1).to_string()},
                    ":me": {"S": worker.to_string()}}
            });
            let input: UpdateItem = of(if worker % 2 == 0 { legacy } else { expressions });
            async move { (worker, tables.update_item(&ns, &input).await) }
        });
        let done = join(attempts.collect()).await;
        let winners: Vec<_> = done.iter().filter(|(_, result)| result.is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let losers = done.iter().filter(|(_, result)| is_condition_failure(result)).count();
        assert_eq!(losers, 23, "all others are told why");
        let item = bench.get("leases", "s").unwrap();
        assert_eq!(item["holder"], AttributeValue::S(winners[0].0.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_addition_is_lost_and_everybody_gets_through() {
    let bench = Bench::new();
    bench.simple("counters").await;
    let adders = (0..64).map(|_| {
        let (tables, ns) = (bench.tables.clone(), bench.ns.clone());
        async move {
            for _ in 0..10 {
                let input = json!({
                    "TableName": "counters", "Key": {"id": {"S": "c"}}, "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": {":one": {"N": "0.1"}}
                });
                tables.update_item(&ns, &of(input)).await.unwrap();
            }
        }
    });
    join(adders.collect()).await;
    assert_eq!(bench.get("counters", "c").unwrap()["n"], AttributeValue::N(Number::parse("64").unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_and_single_writes_exclude_each_other() {
    let bench = Bench::new();
    bench.simple("accounts").await;
    for id in ["a", "b", "c", "d"] {
        bench.put(json!({"TableName": "accounts", "Item": {"id": {"S": id}, "n": {"N": "100"}}})).await.unwrap();
    }
    let ids = ["a", "b", "c", "d"];
    let movers = (0..16usize).map(|mover| {
        let (tables, ns) = (bench.tables.clone(), bench.ns.clone());
        async move {
            let mut moved = 0;
            for step in 0..8usize {
                let (from, to) = (ids[(mover + step) % 4], ids[(mover + step + 1 + mover % 3) % 4]);
                let part = |id: &str, sign: &str| {
                    json!({"Update": {
                    "TableName": "accounts", "Key": {"id": {"S": id}},
                    "UpdateExpression": format!("SET n = n {sign} :x"), "ConditionExpression": "attribute_exists(id)",
                    "ExpressionAttributeValues": {":x": {"N": "7"}}}})
                };
                let input = json!({"TransactItems": [part(from, "-"), part(to, "+")]});
                match tables.transact_write_items(&ns, &of(input)).await {
                    Ok(_) => moved += 1,
                    Err(ItemError::Contended) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            moved
        }
    });
    let moved: usize = join(movers.collect()).await.into_iter().sum();
    assert!(moved > 0);
    let sum = ids.iter().fold(Number::default(), |sum, id| match bench.get("accounts", id).unwrap()["n"] {
        AttributeValue::N(number) => sum.plus(number).unwrap(),
        _ => panic!("n is a number"),
    });
    assert_eq!(sum, Number::from(400), "whoever takes also gives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_written_to_a_table_that_is_deleted_meanwhile() {
    let mut bench = Bench::new();
    for round in 0..10 {
        bench.simple("fleeting").await;
        let writers = (0..8).map(|writer| {
            let (tables, ns) = (bench.tables.clone(), bench.ns.clone());
            async move {
                for step in 0..20 {
                    let input = json!({"TableName": "fleeting", "Item": {"id": {"S": format!("{writer}-{step}")}}});
                    match tables.put_item(&ns, &of(input)).await {
                        Ok(_) | Err(ItemError::NotFound(_) | ItemError::Contended) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        });
        let (writers, table) = (join(writers.collect()), name("fleeting"));
        let (_, deleted) = tokio::join!(writers, bench.tables.delete_table(&bench.ns, &table));
        deleted.unwrap();
        assert_eq!(bench.log.scan("item/").len() + bench.log.scan("table/").len(), 0, "round {round}: nothing is left");
        bench.restart();
    }
}
