// Consumers with throughput of their own, and SubscribeToShard.
import { paginateListStreamConsumers } from "@aws-sdk/client-kinesis";
import { FIRST, Journal, ensure, equal, eventually, pause, recent, refused, text } from "./main.mjs";

export async function consumers(run) {
  const { client } = run;

  // Makes a consumer and waits until it can be used.
  const register = async (stream, name) => {
    const made = (await client.registerStreamConsumer({ StreamARN: stream, ConsumerName: name })).Consumer;
    equal(made.ConsumerName, name);
    recent(made.ConsumerCreationTimestamp);
    await eventually(`${name} is ACTIVE`, async () => (await describe(made.ConsumerARN)).ConsumerStatus === "ACTIVE");
    return made.ConsumerARN;
  };
  const describe = async (arn) => (await client.describeStreamConsumer({ ConsumerARN: arn })).ConsumerDescription;

  await run.test("consumers", "register, describe, list in pages, deregister", async () => {
    const stream = await run.arn(await run.create("consumed", 1));
    const arns = [];
    for (const name of ["a", "b", "c"]) {
      arns.push(await register(stream, name));
    }
    equal((await describe(arns[0])).StreamARN, stream);
    const byName = await client.describeStreamConsumer({ StreamARN: stream, ConsumerName: "b" });
    equal(byName.ConsumerDescription.ConsumerARN, arns[1]);
    const names = [];
    for await (const page of paginateListStreamConsumers({ client, pageSize: 2 }, { StreamARN: stream })) {
      names.push(...page.Consumers.map((consumer) => consumer.ConsumerName));
    }
    equal(names, ["a", "b", "c"]);
    await refused("ResourceInUseException", "", client.registerStreamConsumer({ StreamARN: stream, ConsumerName: "a" }));
    await refused("ResourceInUseException", "", client.deleteStream({ StreamARN: stream }));
    await client.deregisterStreamConsumer({ ConsumerARN: arns[0] });
    await client.deregisterStreamConsumer({ StreamARN: stream, ConsumerName: "b" });
    await eventually("one consumer is left", async () => (await run.summary("consumed")).ConsumerCount === 1);
    await refused("ResourceNotFoundException", "", describe(arns[0]));
  });

  // Hands over events until it is told that this was enough, or the subscription ends.
  const subscribe = async (consumer, shard, from, enough) => {
    // To leave a loop over events is not enough: the subscription would go on.
    const controller = new AbortController();
    let answer;
    while (answer === undefined) {
      try {
        const input = { ConsumerARN: consumer, ShardId: shard, StartingPosition: from };
        answer = await client.subscribeToShard(input, { abortSignal: controller.signal });
      } catch (error) {
        // The subscription before may not have ended yet where the server is.
        if (error.name !== "ResourceInUseException") {
          throw error;
        }
        await pause(20);
      }
    }
    try {
      for await (const { SubscribeToShardEvent: event } of answer.EventStream) {
        const ended = (event.ChildShards ?? []).length > 0;
        equal(event.ContinuationSequenceNumber === undefined, ended);
        if (await enough(event)) {
          return;
        }
      }
    } finally {
      controller.abort();
    }
  };
  const oldest = { Type: "TRIM_HORIZON" };
  const after = (number) => ({ Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: number });

  await run.test("subscriptions", "begin anywhere, go on where they were", async () => {
    const name = await run.create("pushed", 1);
    const consumer = await register(await run.arn(name), "reader");
    const put = async (from, to) => {
      for (let i = from; i < to; i++) {
        await run.put(name, "k", `${i}`);
        await pause(2);
      }
    };
    const some = async (from, count) => {
      const found = [];
      let next;
      await subscribe(consumer, FIRST, from, (event) => {
        found.push(...event.Records);
        next = event.ContinuationSequenceNumber;
        return found.length >= count;
      });
      equal(found.length, count);
      return [found, next];
    };
    await put(0, 5);
    const [early, next] = await some(oldest, 5);
    recent(early[0].ApproximateArrivalTimestamp);
    await put(5, 10);
    const [late] = await some(after(next), 5);
    equal(text(late[0].Data), "5");
    const [at] = await some({ Type: "AT_SEQUENCE_NUMBER", SequenceNumber: late[2].SequenceNumber }, 3);
    equal(text(at[0].Data), "7");
    const [since] = await some({ Type: "AT_TIMESTAMP", Timestamp: late[1].ApproximateArrivalTimestamp }, 4);
    equal(text(since[0].Data), "6");
    let pushed = false;
    await subscribe(consumer, FIRST, { Type: "LATEST" }, async (event) => {
      if (!pushed) {
        pushed = true;
        await put(10, 11);
      }
      return event.Records.some((record) => text(record.Data) === "10");
    });
  });
  await run.test("subscriptions", "refused with the class of the error", async () => {
    const consumer = await register(await run.arn(await run.create("refused", 1)), "reader");
    await refused("ResourceNotFoundException", "", subscribe(consumer, "shardId-000000000007", oldest, () => true));
  });
  await run.test("subscriptions", "across splits and merges, with nothing lost or doubled", async () => {
    const name = await run.create("fanned", 1);
    const consumer = await register(await run.arn(name), "reader");
    const [seen, begun, ended] = [new Journal(), new Set(), new Set()];
    let failure;
    const follow = async (shard) => {
      begun.add(shard);
      let [from, children] = [oldest, []];
      while (children.length === 0) {
        let events = 0;
        await subscribe(consumer, shard, from, (event) => {
          event.Records.forEach((record) => seen.add(record));
          children = event.ChildShards ?? [];
          from = children.length > 0 ? from : after(event.ContinuationSequenceNumber);
          events += 1;
          // Begin anew now and then, as after five minutes.
          return events === 5 && children.length === 0;
        });
      }
      ended.add(shard);
      for (const child of children) {
        if (child.ParentShards.every((parent) => ended.has(parent)) && !begun.has(child.ShardId)) {
          follow(child.ShardId).catch((error) => (failure ??= error));
        }
      }
    };
    follow(FIRST).catch((error) => (failure ??= error));
    const stop = run.writer(name);
    await run.split(name, (await run.open(name))[0]);
    await run.split(name, (await run.open(name))[1]);
    await run.merge(name, ...(await run.open(name)).slice(0, 2));
    const written = await stop();
    await eventually(`${written} records are read`, () => {
      if (failure) {
        throw failure;
      }
      return seen.total >= written && ended.size === 4;
    });
    ensure(written > 0, "nothing was written");
    equal(seen.total, written);
    // The last shards have no end: without its consumer their subscriptions end, with an error.
    const ends = eventually("the subscriptions end", () => failure !== undefined);
    await client.deregisterStreamConsumer({ ConsumerARN: consumer });
    await ends;
    equal(failure.name, "ResourceNotFoundException");
  });
}
