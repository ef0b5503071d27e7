import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DrawRatesRequestSchema, type PermitDrawSchema, type PermitLease, type RateDrawSchema, type RateSlice } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { callContext, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

const counter = Buffer.alloc(16, 1);
const day = { window: { seconds: 86_400n } };

test("what is drawn, by however many processes at once, is what the window has room for, to the last unit", async () => {
  const connection = await createEmptyDatabase();
  const policies = await Promise.all([startPolicy(connection), startPolicy(connection)]);
  const drawn = await Promise.all(Array.from({ length: 8 }, (_, holder) => drawAll(policies[holder % 2]!, `process-${holder}`)));
  expect(drawn.reduce((sum, amount) => sum + amount, 0n)).toBe(1_000n);
});

/** Draws until nothing is left. */
async function drawAll(policy: PolicyFixture, holderId: string): Promise<bigint> {
  let sum = 0n;
  for (;;) {
    const { granted } = await drawRate(policy, { need: 1n, want: 100n }, holderId);
    if (granted === 0n) return sum;
    sum += granted;
  }
}

test("a slice is a share of what is left over the processes that draw, and near the limit what is needed", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  expect((await drawRate(policy, { need: 1n, want: 1_000n }, "a")).granted).toBe(500n);
  expect((await drawRate(policy, { need: 1n, want: 1_000n }, "b")).granted).toBe(125n);
  expect(await drawRate(policy, { need: 1n, want: 10n }, "b")).toMatchObject({ granted: 10n, remaining: 365n });
  expect((await drawRate(policy, { need: 365n, want: 365n }, "a")).granted).toBe(365n);
  expect(await drawRate(policy, { need: 1n, want: 1n }, "a")).toMatchObject({ granted: 0n, remaining: 0n });
});

test("nothing is granted where less is left than is needed", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  expect(await drawRate(policy, { need: 1_001n, want: 2_000n })).toMatchObject({ granted: 0n, remaining: 1_000n });
});

test("what is given back can be drawn again in its window, and not in another", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  const slice = await drawRate(policy, { need: 1_000n, want: 1_000n });
  const late = { ...slice.windowTime!, seconds: slice.windowTime!.seconds - 86_400n };
  expect((await drawRate(policy, { credit: 400n, creditWindowTime: late })).remaining).toBe(0n);
  expect((await drawRate(policy, { credit: 400n, creditWindowTime: slice.windowTime! })).remaining).toBe(400n);
});

test("what was used beyond an estimate is counted in any case, and refuses what comes until the window is over", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  expect((await drawRate(policy, { debt: 1_500n })).remaining).toBe(-500n);
  expect((await drawRate(policy, { need: 1n, want: 1n })).granted).toBe(0n);
});

test("a window begins and ends by the database's clock, and a new one has room again", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  const second = { window: { seconds: 1n }, amount: 10n, need: 10n, want: 10n };
  const first = await drawRate(policy, second);
  expect(timestampMs(first.windowTime!) % 1_000).toBe(0);
  expect(durationMs(first.windowRest!)).toBeLessThanOrEqual(1_000);
  await expect.poll(async () => (await drawRate(policy, second)).granted, { interval: 20 }).toBe(10n);
});

test("a changed amount keeps what was counted", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  await drawRate(policy, { need: 900n, want: 900n });
  expect((await drawRate(policy, { amount: 2_000n })).remaining).toBe(1_100n);
  expect((await drawRate(policy, { amount: 500n, need: 1n, want: 1n })).granted).toBe(0n);
});

test("many counters are drawn from at once, in whatever order, and none waits for another for good", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  const counters = Array.from({ length: 50 }, (_, index) => Buffer.alloc(16, index));
  const draw = (order: readonly Buffer[], holderId: string) =>
    policy.policy.drawRates(create(DrawRatesRequestSchema, { holderId, rates: order.map((one) => ({ rateLimitId: "rlm_1", counter: one, amount: 4n, need: 1n, want: 1n, ...day })) }), callContext());
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => draw(index % 2 === 0 ? counters : counters.toReversed(), `process-${index}`)));
  const sums = counters.map((_, place) => answers.reduce((sum, { rates }, index) => sum + rates[index % 2 === 0 ? place : counters.length - 1 - place]!.granted, 0n));
  expect(new Set(sums)).toEqual(new Set([4n]));
});

test("permits for calls at one time are never more than there are, whoever asks", async () => {
  const connection = await createEmptyDatabase();
  const policies = await Promise.all([startPolicy(connection), startPolicy(connection)]);
  const leases = await Promise.all(Array.from({ length: 8 }, (_, holder) => drawPermit(policies[holder % 2]!, { want: 4n }, `process-${holder}`)));
  expect(leases.reduce((sum, { granted }) => sum + granted, 0n)).toBe(10n);
});

test("permits are free again when they are given up, or when their process is not heard of any more", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  expect(await drawPermit(policy, { want: 10n }, "a")).toMatchObject({ granted: 10n, remaining: 0n });
  expect((await drawPermit(policy, { want: 1n }, "b")).granted).toBe(0n);
  await drawPermit(policy, { want: 9n }, "a");
  expect((await drawPermit(policy, { want: 1n }, "b")).granted).toBe(1n);
  await policy.dependencies.database.query("UPDATE rate_permits SET expire_time = now() - interval '1 second' WHERE holder_id = 'a'");
  expect((await drawPermit(policy, { want: 10n }, "b")).granted).toBe(10n);
});

test("what runs is counted in any case, also when others took the permits meanwhile", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  await drawPermit(policy, { want: 8n }, "b");
  expect(await drawPermit(policy, { running: 5n, want: 6n }, "a")).toMatchObject({ granted: 5n, remaining: -3n });
});

test("a counter that somebody else holds is unavailable before its callers give up, so that no connection waits for nobody", async () => {
  const policy = await startPolicy(await createEmptyDatabase());
  await drawRate(policy, { need: 1n, want: 1n });
  await drawPermit(policy, { want: 1n }, "a");
  await policy.dependencies.database.transaction(async (transaction) => {
    await transaction.query("LOCK rate_counters, rate_permits IN EXCLUSIVE MODE");
    const beganMs = performance.now();
    await expect(drawRate(policy, { need: 1n, want: 1n })).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    await expect(drawPermit(policy, { want: 1n }, "a")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    expect(performance.now() - beganMs).toBeLessThan(2 * callersWaitMs);
  });
  expect((await drawRate(policy, { need: 1n, want: 1n })).granted).toBe(1n);
});

/** For each draw, in routing. */
const callersWaitMs = 1_000;

async function drawRate(policy: PolicyFixture, draw: MessageInitShape<typeof RateDrawSchema>, holderId = "a"): Promise<RateSlice> {
  const request = create(DrawRatesRequestSchema, { holderId, rates: [{ rateLimitId: "rlm_1", counter, amount: 1_000n, ...day, ...draw } as MessageInitShape<typeof RateDrawSchema>] });
  return (await policy.policy.drawRates(request, callContext())).rates[0]!;
}

async function drawPermit(policy: PolicyFixture, draw: MessageInitShape<typeof PermitDrawSchema>, holderId: string): Promise<PermitLease> {
  const request = create(DrawRatesRequestSchema, { holderId, permits: [{ rateLimitId: "rlm_2", counter, amount: 10n, ...draw }] });
  return (await policy.policy.drawRates(request, callContext())).permits[0]!;
}
