/** Proves kept content: encrypted for its place, read by its key alone, found out when it was changed, and gone with its key or its time. */
import { createSecretKey } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ListAuditEntriesRequestSchema, VerifyAuditLogRequestSchema } from "#gen/weir/metering/v1/audit_pb.ts";
import { EraseContentRequestSchema, ReadContentRequestSchema, RecordContentRequestSchema, type CallContentSchema } from "#gen/weir/metering/v1/content_pb.ts";
import { createLogger } from "#platform/logger.ts";
import { seal, unseal } from "#platform/secrets/seal.ts";
import { keepContent } from "./keep-retention.ts";
import { startMeteringOn, startTestMetering, testContext, type TestMetering } from "./usage-events.fixture.ts";

const prompt = "my secret prompt";

async function startKeeping(): Promise<TestMetering> {
  const metering = await startTestMetering();
  useKey(metering, 1);
  return metering;
}

function useKey({ config }: TestMetering, byte: number): void {
  config.set({ ...config.current, contentKey: createSecretKey(Buffer.alloc(32, byte)) });
}

async function record({ implementation }: TestMetering, ...calls: MessageInitShape<typeof CallContentSchema>[]): Promise<void> {
  const contents = calls.map((call) => ({ organizationId: "org_a", keyId: "key_a", operation: "generate", request: Buffer.from(prompt), requestBytes: BigInt(prompt.length), reply: Buffer.from("hello"), replyBytes: 5n, ...call }));
  await implementation.recordContent(create(RecordContentRequestSchema, { contents }), testContext);
}

function read({ implementation }: TestMetering, callId: string, organizationId = "org_a") {
  return implementation.readContent(create(ReadContentRequestSchema, { organizationId, callId }), testContext);
}

async function faultsOf({ implementation }: TestMetering): Promise<string[]> {
  return (await implementation.verifyAuditLog(create(VerifyAuditLogRequestSchema), testContext)).faults.map(({ detail }) => detail);
}

test("what is kept is read again, by its organization alone, and lies encrypted", async () => {
  const metering = await startKeeping();
  await Promise.all([record(metering, { callId: "req_1" }, { callId: "req_2", organizationId: "org_b" }), record(metering, { callId: "req_3" })]);
  // A repetition, as after an answer that was lost.
  await record(metering, { callId: "req_1" });
  const { content } = await read(metering, "req_1");
  expect(content).toMatchObject({ callId: "req_1", keyId: "key_a", operation: "generate", requestBytes: 16n });
  expect(Buffer.from(content!.request).toString()).toBe(prompt);
  await expect(read(metering, "req_1", "org_b")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  const { rows } = await metering.database.query<{ sealed: Buffer }>("select sealed from contents");
  expect(rows).toHaveLength(3);
  for (const { sealed } of rows) expect(sealed.includes(prompt)).toBe(false);
  const { entries } = await metering.implementation.listAuditEntries(create(ListAuditEntriesRequestSchema, { method: "RecordContent" }), testContext);
  expect(entries.map(({ callId }) => callId).toSorted()).toEqual(["req_1", "req_2", "req_3"]);
  expect(await faultsOf(metering)).toEqual([]);
});

test("content that was changed, or put in the place of another, does not open, and the verification names it", async () => {
  const metering = await startKeeping();
  await record(metering, { callId: "req_1" }, { callId: "req_2" });
  await metering.database.query("update contents set sealed = (select sealed from contents where call_id = 'req_2') where call_id = 'req_1'");
  await expect(read(metering, "req_1")).rejects.toMatchObject({ reason: "INTERNAL" });
  expect(await faultsOf(metering)).toEqual([expect.stringContaining("req_1")]);
});

test("an organization's erased content is unreadable for good, the log still verifies, and what comes after is kept again", async () => {
  const metering = await startKeeping();
  await record(metering, { callId: "req_1" }, { callId: "req_2", organizationId: "org_b" });
  const { calls } = await metering.implementation.eraseContent(create(EraseContentRequestSchema, { organizationId: "org_a" }), testContext);
  expect(calls).toBe(1n);
  await expect(read(metering, "req_1")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect((await metering.database.query("select from content_keys where organization_id = 'org_a' and wrapped is not null")).rowCount).toBe(0);
  await record(metering, { callId: "req_3" });
  expect((await read(metering, "req_3")).content).toBeDefined();
  expect((await read(metering, "req_2", "org_b")).content).toBeDefined();
  expect(await faultsOf(metering)).toEqual([]);
});

test("another key of the installation opens nothing and keeps nothing, and says so", async () => {
  const metering = await startKeeping();
  await record(metering, { callId: "req_1" });
  useKey(metering, 2);
  await expect(read(metering, "req_1")).rejects.toMatchObject({ reason: "INTERNAL", message: expect.stringContaining("content.key") as string });
  await expect(record(metering, { callId: "req_2" })).rejects.toMatchObject({ reason: "INTERNAL" });
  const without = await startMeteringOn(metering.database);
  await expect(record(without, { callId: "req_2" })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("what is past its retention is taken away, and the log still verifies", async () => {
  const metering = await startKeeping();
  await record(metering, { callId: "req_1" }, { callId: "req_2" });
  await metering.database.query("update contents set record_time = record_time - interval '2 hours' where call_id = 'req_1'");
  const stop = keepContent(metering.database, () => 3_600_000, createLogger("silent"));
  await expect.poll(async () => (await metering.database.query("select from contents")).rowCount).toBe(1);
  await stop();
  await expect(read(metering, "req_1")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect(await faultsOf(metering)).toEqual([]);
});

test("sealed bytes open by their key and for their place alone, and not when a bit is changed", () => {
  const key = createSecretKey(Buffer.alloc(32, 1));
  const sealed = seal(Buffer.from(prompt), key, ["a", 1]);
  expect(unseal(sealed, key, ["a", 1])?.toString()).toBe(prompt);
  expect(unseal(sealed, createSecretKey(Buffer.alloc(32, 2)), ["a", 1])).toBeUndefined();
  expect(unseal(sealed, key, ["a", 2])).toBeUndefined();
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(unseal(changed, key, ["a", 1])).toBeUndefined();
  }
  expect(unseal(sealed.subarray(0, 20), key, ["a", 1])).toBeUndefined();
});
