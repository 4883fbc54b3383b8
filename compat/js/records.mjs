// Records, written and read.
import { FIRST, ensure, equal, pause, recent, refused, text } from "./main.mjs";

export async function records(run) {
  const { client } = run;
  await run.test("records", "bytes come back as they were", async () => {
    const name = await run.create("bytes", 1);
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const place = await run.put(name, "käse-鍵-🔑", every);
    equal(place.ShardId, FIRST);
    await run.put(name, "empty", "");
    const found = await run.readAll(name, FIRST);
    equal(found.length, 2);
    ensure(Buffer.from(found[0].Data).equals(Buffer.from(every)), found[0].Data);
    equal([found[0].PartitionKey, found[0].SequenceNumber], ["käse-鍵-🔑", place.SequenceNumber]);
    recent(found[0].ApproximateArrivalTimestamp);
    equal(found[1].Data.length, 0);
  });
  await run.test("records", "batches, pages, explicit hash keys", async () => {
    const name = await run.create("batches", 2);
    const numbers = Array.from({ length: 1000 }, (_, i) => `${i}`);
    for (const batch of [numbers.slice(0, 500), numbers.slice(500)]) {
      const entries = batch.map((number) => ({ PartitionKey: "same", ExplicitHashKey: "0", Data: Buffer.from(number) }));
      ensure((await run.putAll(name, entries)).every((place) => place.ShardId === FIRST), "another shard");
    }
    const found = await run.read(await run.iterator(name, FIRST, "TRIM_HORIZON"), 300);
    equal(found.records.map((record) => text(record.Data)), numbers);
  });
  await run.test("records", "every kind of iterator", async () => {
    const name = await run.create("iterators", 1);
    const latest = await run.iterator(name, FIRST, "LATEST");
    const numbers = [];
    for (let i = 0; i < 5; i++) {
      numbers.push((await run.put(name, "k", `${i}`)).SequenceNumber);
      await pause(5);
    }
    const found = await run.readAll(name, FIRST);
    equal(found.length, 5);
    for (const [kind, more, wanted] of [
      ["AT_SEQUENCE_NUMBER", { StartingSequenceNumber: numbers[2] }, 3],
      ["AFTER_SEQUENCE_NUMBER", { StartingSequenceNumber: numbers[2] }, 2],
      ["AT_TIMESTAMP", { Timestamp: found[3].ApproximateArrivalTimestamp }, 2],
      ["LATEST", {}, 0],
    ]) {
      equal((await run.read(await run.iterator(name, FIRST, kind, more))).records.length, wanted);
    }
    equal((await run.read(latest)).records.length, 5);
  });
  await run.test("records", "ten mebibytes in a request and in an answer", async () => {
    const name = await run.create("large", 1);
    const entries = Array.from({ length: 10 }, (_, i) => ({ PartitionKey: `${i}`, Data: Buffer.alloc(2 ** 20 - 2, 250 + i) }));
    await run.putAll(name, entries);
    const found = await run.readAll(name, FIRST);
    equal(found.length, 10);
    found.forEach((record, i) => ensure(Buffer.from(record.Data).equals(entries[i].Data), `record ${i} is another`));
  });
  await run.test("records", "a hundred requests at once", async () => {
    const name = await run.create("parallel", 4);
    await Promise.all(Array.from({ length: 100 }, (_, i) => run.put(name, `${i}`, `${i}`)));
    const seen = new Set();
    for (const shard of await run.open(name)) {
      (await run.readAll(name, shard.ShardId)).forEach((record) => seen.add(text(record.Data)));
    }
    equal(seen.size, 100);
  });
  await run.test("records", "throttled in part", async () => {
    const name = await run.create("throttled", 1, { "rheos:limits": "aws" });
    const impatient = run.connect({ maxAttempts: 1 });
    const entries = Array.from({ length: 400 }, () => ({ PartitionKey: "k", Data: Buffer.alloc(10_000) }));
    const answer = await impatient.putRecords({ StreamName: name, Records: entries });
    const failed = answer.Records.filter((place) => place.ErrorCode);
    ensure(failed.every((place) => place.ErrorCode === "ProvisionedThroughputExceededException"), JSON.stringify(failed[0]));
    ensure(failed.length > 0 && failed.length < 400 && answer.FailedRecordCount === failed.length, `${failed.length} failed`);
    const much = async () => {
      for (let time = 0; time < 20; time++) {
        await impatient.putRecord({ StreamName: name, PartitionKey: "k", Data: Buffer.alloc(900_000) });
      }
    };
    await refused("ProvisionedThroughputExceededException", `Rate exceeded for shard ${FIRST} in stream throttled`, much());
    impatient.destroy();
  });
}
