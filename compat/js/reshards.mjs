// Splits and merges, and readers that follow them.
import { FIRST, Journal, ensure, equal, refused, start } from "./main.mjs";

export async function reshards(run) {
  const { client } = run;
  await run.test("reshards", "split, merge, children", async () => {
    const name = await run.create("resharded", 1);
    await run.put(name, "k", "before");
    await run.split(name, (await run.open(name))[0]);
    const [low, high] = await run.open(name);
    equal(high.ParentShardId, FIRST);
    const { records, children } = await run.read(await run.iterator(name, FIRST, "TRIM_HORIZON"));
    equal([records.length, children.length], [1, 2]);
    equal(children[0].ParentShards, [FIRST]);
    await run.merge(name, low, high);
    const [merged] = await run.open(name);
    equal([merged.ParentShardId, merged.AdjacentParentShardId], [low.ShardId, high.ShardId]);
    equal((await run.put(name, "k", "after")).ShardId, merged.ShardId);
  });
  await run.test("reshards", "to a number of shards", async () => {
    const name = await run.create("scaled", 2);
    const to = (count) => client.updateShardCount({ StreamName: name, TargetShardCount: count, ScalingType: "UNIFORM_SCALING" });
    for (const count of [4, 2, 2]) {
      const answer = await to(count);
      equal([answer.TargetShardCount, answer.StreamName], [count, name]);
      await run.active(name);
      equal((await run.open(name)).length, count);
    }
    ensure(start((await run.open(name))[1]) === 2n ** 127n, "not in the middle");
    await refused("ValidationException", "Member must have value greater than or equal to 1", to(0));
  });
  await run.test("reshards", "a reader follows while writers go on", async () => {
    const name = await run.create("followed", 1);
    const stop = run.writer(name);
    await run.split(name, (await run.open(name))[0]);
    await run.split(name, (await run.open(name))[1]);
    await run.merge(name, ...(await run.open(name)).slice(0, 2));
    const written = await stop();
    const [seen, walked, queue] = [new Journal(), new Set(), [FIRST]];
    while (queue.length > 0) {
      const shard = queue.shift();
      walked.add(shard);
      const { records, children } = await run.read(await run.iterator(name, shard, "TRIM_HORIZON"), 100);
      records.forEach((record) => seen.add(record));
      const ready = children.filter((child) => child.ParentShards.every((parent) => walked.has(parent)));
      queue.push(...ready.map((child) => child.ShardId));
    }
    ensure(written > 0, "nothing was written");
    equal(seen.total, written);
  });
}
