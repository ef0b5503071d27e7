/** Proves the reports: sums by any dimension, pages without gaps or repeats, and tokens that only fit their query. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListAttemptsRequestSchema, QueryUsageRequestSchema, UsageDimension, type UsageRow } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
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

test("pages of usage hold every group once, also where groups cost the same", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  await metering.record(...Array.from({ length: 7 }, (_, attempt) => usageEvent({ attempt, priceVersion, key: `key_${attempt}`, usage: { [Meter.INPUT_TOKENS]: attempt < 4 ? 5n : BigInt(attempt) } })));

  const rows: UsageRow[] = [];
  let pageToken = "";
  do {
    const page = await query(metering, { groupBy: [UsageDimension.KEY], pageSize: 2, pageToken });
    rows.push(...page.rows);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");

  expect(rows.map(({ group }) => group[0])).toEqual(["key_6", "key_0", "key_1", "key_2", "key_3", "key_5", "key_4"]);
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
