// Mistakes, and what the client makes of the answers.
import { InvalidArgumentException, ResourceNotFoundException } from "@aws-sdk/client-kinesis";
import { FIRST, ensure, equal, refused } from "./main.mjs";

export async function errors(run) {
  const { client } = run;
  await run.test("errors", "by class, with a request id", async () => {
    const message = "Stream nowhere under account 000000000000 not found.";
    const error = await refused("ResourceNotFoundException", message, client.describeStream({ StreamName: "nowhere" }));
    ensure(error instanceof ResourceNotFoundException, "another class");
    equal([error.$metadata.httpStatusCode, error.$metadata.requestId.length], [400, 36]);
    ensure(error.$metadata.extendedRequestId.length >= 64, error.$metadata.extendedRequestId);
  });
  await run.test("errors", "of every operation on a stream that is not there", async () => {
    const missing = (message, call) => refused("ResourceNotFoundException", message, call);
    await missing("nowhere", client.deleteStream({ StreamName: "nowhere" }));
    await missing("nowhere", client.listShards({ StreamName: "nowhere" }));
    await missing("nowhere", run.put("nowhere", "k", "x"));
    await missing("does not exist", run.iterator("nowhere", FIRST, "LATEST"));
  });
  await run.test("errors", "already there", async () => {
    await run.create("twice", 1);
    await refused("ResourceInUseException", "already exists", client.createStream({ StreamName: "twice", ShardCount: 1 }));
  });
  await run.test("errors", "bad arguments", async () => {
    const name = await run.create("mistaken", 1);
    const error = await refused("InvalidArgumentException", "Invalid ShardIterator.", client.getRecords({ ShardIterator: "AAAA" }));
    ensure(error instanceof InvalidArgumentException, "another class");
    await refused("ValidationException", "Member must have length greater than or equal to 1", run.put(name, "", "x"));
    const pattern = "regular expression pattern: [a-zA-Z0-9_.-]+";
    await refused("ValidationException", pattern, client.createStream({ StreamName: "a b", ShardCount: 1 }));
    const split = { StreamName: name, ShardToSplit: FIRST, NewStartingHashKey: "0" };
    await refused("InvalidArgumentException", "NewStartingHashKey 0 used in SplitShard()", client.splitShard(split));
    const retention = { StreamName: name, RetentionPeriodHours: 1 };
    const short = "Minimum allowed retention period is 24 hours.";
    await refused("InvalidArgumentException", short, client.increaseStreamRetentionPeriod(retention));
  });
  await run.test("errors", "a dry run changes nothing", async () => {
    const name = await run.create("dry", 1);
    const put = { StreamName: name, PartitionKey: "k", Data: Buffer.from("x"), DryRun: true };
    await refused("DryRunOperationException", "", client.putRecord(put));
    equal(await run.readAll(name, FIRST), []);
  });
  await run.test("errors", "wrong keys", async () => {
    const known = process.env.AWS_ACCESS_KEY_ID;
    for (const [id, code] of [[known, "InvalidSignatureException"], ["AKIAUNKNOWN", "UnrecognizedClientException"]]) {
      const stranger = run.connect({ credentials: { accessKeyId: id, secretAccessKey: "wrong" } });
      await refused(code, "", stranger.listStreams({}));
      stranger.destroy();
    }
  });
}
