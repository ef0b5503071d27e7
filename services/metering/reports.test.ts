/** Proves the reports: sums by any dimension, pages without gaps or repeats, and tokens that only fit their query. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { QueryUsageRequestSchema, UsageDimension, UsageOrder, WatchUsageRequestSchema, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { bucketOf, countsOf, latencyBounds, percentileOf } from "./domain/latency-histogram.ts";
import { attemptIdAt, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const dayMs = 86_400_000;

function query({ implementation }: TestMetering, request: MessageInitShape<typeof QueryUsageRequestSchema>) {
  return implementation.queryUsage(create(QueryUsageRequestSchema, request), testContext);
}

function list({ implementation }: TestMetering, request: MessageInitShape<typeof ListAttemptsRequestSchema>) {
  return implementation.listAttempts(create(ListAttemptsRequestSchema, request), testContext);
}

test("usage is summed by the dimensions asked for, in their order, dearest first", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(
    usageEvent({ attempt: 1, priceVersion }),
    usageEvent({ attempt: 2, priceVersion, result: AttemptResult.FAILED, usage: null }),
    usageEvent({ attempt: 3, priceVersion, key: "key_b", usage: { [Meter.INPUT_TOKENS]: 3_000_000n } }),
    usageEvent({ attempt: 4, priceVersion, key: "key_b", rank: UsageSource.ORPHANED, result: AttemptResult.ORPHANED, timeMs: testNowMs - dayMs }),
    usageEvent({ attempt: 5, priceVersion, organization: "org_b", model: "nobody-knows" }),
    usageEvent({ attempt: 6, priceVersion, timeMs: testNowMs - 40 * dayMs }),
  );

  const total = await query(metering, {});
  expect(total.rows).toMatchObject([{ group: [], attempts: 5n, failedAttempts: 1n, orphanedAttempts: 1n, unpricedAttempts: 1n, costNanos: 3_002_800_000n }]);
  expect(total.rows[0]?.quantities).toMatchObject([
    { meter: Meter.INPUT_TOKENS, quantity: 3_003_000n },
    { meter: Meter.OUTPUT_TOKENS, quantity: 300n },
  ]);

  const byKeyAndDay = await query(metering, { groupBy: [UsageDimension.KEY, UsageDimension.DAY], organizationId: "org_a" });
  expect(byKeyAndDay.rows.map(({ group, costNanos }) => [...group, costNanos])).toEqual([
    ["key_b", "2026-11-20", 3_000_000_000n],
    ["key_a", "2026-11-20", 1_400_000n],
    ["key_b", "2026-11-19", 1_400_000n],
  ]);

  const byModel = await query(metering, { groupBy: [UsageDimension.ORGANIZATION, UsageDimension.TEAM, UsageDimension.MODEL], startTime: timestampFromMs(testNowMs - 60 * dayMs) });
  expect(byModel.rows.map(({ group, attempts }) => [...group, attempts])).toEqual([
    ["org_a", "team_a", "main/demo-chat", 5n],
    ["org_b", "team_a", "main/nobody-knows", 1n],
  ]);
});

test("usage is summed by route, vendor, time and declared labels; others are refused by name", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(
    usageEvent({ attempt: 1, priceVersion, route: "chat", labels: { application: "shop", cost_center: "7", secret: "x" } }),
    usageEvent({ attempt: 2, priceVersion, route: "chat", labels: { application: "shop" } }),
    usageEvent({ attempt: 3, priceVersion, labels: { secret: "y" }, timeMs: testNowMs - 3_600_000 }),
  );
  const groups = async (request: MessageInitShape<typeof QueryUsageRequestSchema>) => (await query(metering, request)).rows.map(({ group, attempts }) => [...group, attempts]);
  expect(await groups({ groupByLabels: ["application"] })).toEqual([["shop", 2n], ["", 1n]]);
  expect(await groups({ groupBy: [UsageDimension.ROUTE, UsageDimension.VENDOR], groupByLabels: ["cost_center"] })).toEqual([["", "demo", "", 1n], ["chat", "demo", "", 1n], ["chat", "demo", "7", 1n]]);
  expect(await groups({ groupBy: [UsageDimension.HOUR] })).toEqual([["2026-11-20T12", 2n], ["2026-11-20T11", 1n]]);
  expect(await groups({ groupBy: [UsageDimension.MONTH] })).toEqual([["2026-11", 3n]]);
  expect(await groups({ keyId: "key_b" })).toEqual([[0n]]);
  await expect(query(metering, { groupByLabels: ["secret"] })).rejects.toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringContaining("ledger.labels") as string });
});

test("periods from before all time or beyond it have what there is, and one that ends before it begins is refused", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ attempt: 1, priceVersion: metering.priceVersion }));
  const [first, last] = [{ seconds: -62_135_596_800n, nanos: 0 }, { seconds: 253_402_300_799n, nanos: 999_999_999 }];
  for (const groupBy of [[], [UsageDimension.HOUR]]) {
    expect((await query(metering, { startTime: first, endTime: last, groupBy })).rows).toMatchObject([{ attempts: 1n }]);
    expect((await query(metering, { endTime: first, groupBy })).rows.filter(({ attempts }) => attempts > 0n)).toEqual([]);
  }
  expect((await list(metering, { startTime: first, endTime: last })).attempts).toHaveLength(1);
  expect((await list(metering, { startTime: last })).attempts).toEqual([]);
  await expect(query(metering, { startTime: timestampFromMs(testNowMs), endTime: timestampFromMs(testNowMs - 1) })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("percentiles of latency are within 10 % of the true ones, and come when they are asked for", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const durations = Array.from({ length: 200 }, (_, index) => BigInt(10 + index * 37));
  await metering.record(...durations.map((durationMs, attempt) => usageEvent({ attempt, priceVersion, durationMs, key: `key_${attempt % 2}` })));
  const [row] = (await query(metering, { withLatency: true })).rows;
  for (const [percent, found] of [[50, row!.duration!.p50Ms], [95, row!.duration!.p95Ms], [99, row!.duration!.p99Ms]] as const) {
    const truth = Number(durations[Math.ceil((percent / 100) * durations.length) - 1]);
    expect(Math.abs(Number(found) - truth) / truth).toBeLessThan(0.1);
  }
  expect(row!.firstByte).toMatchObject({ p50Ms: 12n, p99Ms: 12n });
  expect((await query(metering, { groupBy: [UsageDimension.KEY], withLatency: true })).rows.map(({ duration }) => duration!.p50Ms > 3_000n)).toEqual([true, true]);
  expect((await query(metering, {})).rows[0]!.duration).toBeUndefined();
  // Of nothing no latency is known, which is not a latency of zero.
  expect((await query(metering, { keyId: "key_of_nobody", withLatency: true })).rows.map(({ attempts, duration, firstByte }) => [attempts, duration, firstByte])).toEqual([[0n, undefined, undefined]]);
});

test("every latency is in a bucket whose middle is within 10 %, and the database has the same buckets and histograms", async () => {
  const { database } = await startTestMetering();
  const { rows } = await database.query<{ bounds: bigint[]; histogram: string; longest: string }>(
    `select latency_bounds() as bounds, histogram_of('{1,1,3,-4,4}') + 999999999997 * histogram_of_one(0) as histogram, histogram_of_one(${bucketOf(2n ** 63n - 1n)}) as longest`,
  );
  expect(rows[0]!.bounds).toEqual(latencyBounds);
  expect(countsOf(rows[0]!.histogram)).toEqual([999_999_999_999n, 0n, 1n]);
  expect(countsOf(rows[0]!.longest)).toEqual(Array.from({ length: latencyBounds.length + 1 }, (_, bucket) => (bucket === latencyBounds.length ? 1n : 0n)));
  for (let latencyMs = 1n; latencyMs < 86_400_000n; latencyMs += latencyMs / 50n + 1n) {
    const counts = Array.from({ length: bucketOf(latencyMs) + 1 }, (_, bucket) => (bucket === bucketOf(latencyMs) ? 1n : 0n));
    const error = Math.abs(Number(percentileOf(counts, 99n) - latencyMs)) / Number(latencyMs);
    expect(error).toBeLessThan(0.1);
  }
});

test("a key sees its own organization, one that reaches the installation sees all, and the operator of a watch sees each change", async () => {
  const metering = await startTestMetering();
  const { priceVersion, implementation } = metering;
  await metering.record(usageEvent({ attempt: 1, priceVersion }), usageEvent({ attempt: 2, priceVersion, organization: "org_b" }));
  const as = (reach: Reach) => ({ ...testContext, identity: { kind: "caller" as const, grant: create(GrantSchema, { keyId: "key_x", organizationId: "org_b", permissions: [Permission.USAGE_READ], reach }) } });
  const organizations = async (context: typeof testContext, organizationId = "") =>
    (await implementation.queryUsage(create(QueryUsageRequestSchema, { groupBy: [UsageDimension.ORGANIZATION], organizationId }), context)).rows.map(({ group }) => group[0]);
  const reader = as(Reach.ORGANIZATION);
  expect(await organizations(reader)).toEqual(["org_b"]);
  expect(await organizations(as(Reach.INSTALLATION))).toEqual(["org_a", "org_b"]);
  await expect(organizations(reader, "org_a")).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  expect((await implementation.listAttempts(create(ListAttemptsRequestSchema), reader)).attempts.map(({ event }) => event!.intent!.attribution!.organizationId)).toEqual(["org_b"]);
  await expect(implementation.listAttempts(create(ListAttemptsRequestSchema, { organizationId: "org_a" }), reader)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });

  const watch = implementation.watchUsage(create(WatchUsageRequestSchema, { query: {}, intervalSeconds: 1 }), reader)[Symbol.asyncIterator]();
  expect((await watch.next()).value?.rows[0]!.attempts).toBe(1n);
  await metering.record(usageEvent({ attempt: 3, priceVersion }), usageEvent({ attempt: 4, priceVersion, organization: "org_b" }));
  expect((await watch.next()).value?.rows[0]!.attempts).toBe(2n);
  await watch.return?.();
});

test("a watch says whether there is more than it shows", async () => {
  const metering = await startTestMetering();
  const { priceVersion, implementation } = metering;
  await metering.record(usageEvent({ attempt: 1, priceVersion }), usageEvent({ attempt: 2, priceVersion, key: "key_b" }));
  const firstOf = async (pageSize: number) => {
    const watch = implementation.watchUsage(create(WatchUsageRequestSchema, { query: { groupBy: [UsageDimension.KEY], pageSize } }), testContext)[Symbol.asyncIterator]();
    const { value } = await watch.next();
    await watch.return?.();
    return [value.rows.length, value.hasMore];
  };
  expect(await firstOf(1)).toEqual([1, true]);
  expect(await firstOf(2)).toEqual([2, false]);
});

test("a watch with latencies tells also of a change in them alone", async () => {
  const metering = await startTestMetering();
  const { priceVersion, implementation } = metering;
  await metering.record(usageEvent({ priceVersion, rank: UsageSource.ESTIMATED, durationMs: 100n }));
  const watch = implementation.watchUsage(create(WatchUsageRequestSchema, { query: { withLatency: true }, intervalSeconds: 1 }), testContext)[Symbol.asyncIterator]();
  expect((await watch.next()).value?.rows).toMatchObject([{ attempts: 1n, duration: { p50Ms: 96n, p99Ms: 96n } }]);
  await metering.record(usageEvent({ priceVersion, rank: UsageSource.PROVIDER, durationMs: 9_000n }));
  expect((await watch.next()).value?.rows).toMatchObject([{ attempts: 1n, duration: { p50Ms: 9_064n, p99Ms: 9_064n } }]);
  await watch.return?.();
});

test("however many watch, they leave connections to the ledger, and each is told", async () => {
  const metering = await startTestMetering();
  const { priceVersion, implementation, database } = metering;
  await metering.record(usageEvent({ attempt: 1, priceVersion }));
  const leaving = new AbortController();
  const watches = Array.from({ length: 40 }, (_, watcher) => implementation.watchUsage(create(WatchUsageRequestSchema, { query: {} }), { ...testContext, signal: watcher % 2 === 0 ? leaving.signal : testContext.signal })[Symbol.asyncIterator]());
  const lock = await database.pool.connect();
  await lock.query("begin");
  await lock.query("lock table usage_days in access exclusive mode");
  const told = watches.map((watch) => watch.next());
  try {
    expect((await list(metering, {})).attempts).toHaveLength(1);
    leaving.abort();
  } finally {
    await lock.query("rollback");
    lock.release();
  }
  const stayed = (await Promise.all(told)).filter(({ done }) => done !== true);
  expect(stayed.length).toBeLessThanOrEqual(21);
  expect(stayed.length).toBeGreaterThanOrEqual(20);
  for (const { value } of stayed) expect(value?.rows[0]!.attempts).toBe(1n);
  for (const watch of watches) await watch.return?.();
});

test("an empty period has one total of zero and no groups", async () => {
  const metering = await startTestMetering();
  expect((await query(metering, {})).rows).toMatchObject([{ attempts: 0n, costNanos: 0n, quantities: [] }]);
  expect((await query(metering, { groupBy: [UsageDimension.KEY] })).rows).toEqual([]);
});

test("a period is rounded outwards to the hour", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ priceVersion: metering.priceVersion }));
  const attemptsIn = async (startMs: number, endMs: number) =>
    (await query(metering, { startTime: timestampFromMs(startMs), endTime: timestampFromMs(endMs) })).rows[0]?.attempts;
  expect(await attemptsIn(testNowMs + 1, testNowMs + 2)).toBe(1n);
  expect(await attemptsIn(testNowMs - 2 * 3_600_000, testNowMs - 1_800_000)).toBe(0n);
});

test("pages of usage hold every group once, also where groups cost the same, with its own latencies", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(...Array.from({ length: 7 }, (_, attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt}`, durationMs: 1_000n * BigInt(attempt), usage: { [Meter.INPUT_TOKENS]: attempt < 4 ? 5n : BigInt(attempt) } })));

  const rows: UsageRow[] = [];
  let pageToken = "";
  do {
    const page = await query(metering, { groupBy: [UsageDimension.KEY], withLatency: true, pageSize: 2, pageToken });
    rows.push(...page.rows);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");

  expect(rows.map(({ group }) => group[0])).toEqual(["key_6", "key_0", "key_1", "key_2", "key_3", "key_5", "key_4"]);
  for (const { group, duration } of rows) expect(Math.abs(Number(duration!.p50Ms) - 1_000 * Number(group[0]!.slice(4)))).toBeLessThanOrEqual(100 * Number(group[0]!.slice(4)));
});

test("in the order of its groups, a report has each once, though usage goes on while its pages are read", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(...[1, 2, 3, 4].map((attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt}`, usage: { [Meter.INPUT_TOKENS]: BigInt(attempt) } })));
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await query(metering, { groupBy: [UsageDimension.KEY], order: UsageOrder.GROUP, pageSize: 1, pageToken });
    seen.push(...page.rows.map(({ group }) => group[0]!));
    // The last becomes the dearest: by cost, it would have its place before what was read.
    await metering.record(usageEvent({ attempt: 10 + seen.length, priceVersion, key: "key_4", usage: { [Meter.INPUT_TOKENS]: 1_000_000n } }));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(["key_1", "key_2", "key_3", "key_4"]);
});

test("attempts are listed newest first, page by page, by request, organization and time", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const border = Date.UTC(2026, 10, 1);
  const times = [border - 5, border - 5, border, border + 5, testNowMs];
  await metering.record(
    ...times.map((timeMs, attempt) => usageEvent({ attempt, timeMs, priceVersion, requestId: `req_${attempt % 2}`, organization: attempt === 4 ? "org_b" : "org_a" })),
  );
  const newestFirst = times.map((timeMs, attempt) => attemptIdAt(timeMs, attempt)).reverse();

  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await list(metering, { pageSize: 2, pageToken });
    seen.push(...page.attempts.map(({ event }) => event!.intent!.attemptId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(newestFirst);

  const ids = async (request: MessageInitShape<typeof ListAttemptsRequestSchema>) => (await list(metering, request)).attempts.map(({ event }) => event!.intent!.attemptId);
  expect(await ids({ requestId: "req_1" })).toEqual([newestFirst[1], newestFirst[3]]);
  expect(await ids({ organizationId: "org_b" })).toEqual([newestFirst[0]]);
  expect(await ids({ startTime: timestampFromMs(border), endTime: timestampFromMs(border + 5) })).toEqual([newestFirst[2]]);
});

test("a page token that is damaged or of another query is refused", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(...[1, 2, 3].map((attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt}` })));
  const { nextPageToken } = await query(metering, { groupBy: [UsageDimension.KEY], pageSize: 1 });
  const ofList = (await list(metering, { pageSize: 1 })).nextPageToken;
  expect(nextPageToken).not.toBe("");

  for (const pageToken of ["x", nextPageToken.slice(0, -4), ofList]) {
    await expect(query(metering, { groupBy: [UsageDimension.KEY], pageToken })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  }
  await expect(query(metering, { groupBy: [UsageDimension.TEAM], pageToken: nextPageToken })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  await expect(list(metering, { organizationId: "org_b", pageToken: ofList })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});
