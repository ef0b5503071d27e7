/** Proves that records of requests are kept once, found by any of their requests and by time, and gone after their time. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListRequestsRequestSchema, RecordRequestsRequestSchema, RequestOutcome } from "#gen/weir/metering/v1/request_record_pb.ts";
import { newId } from "#platform/ids.ts";
import { createLogger } from "#platform/logger.ts";
import { keepRequestRecords } from "./keep-retention.ts";
import { startTestMetering, testContext, testNowMs, type TestMetering } from "./usage-events.fixture.ts";

function idAt(timeMs: number): string {
  return newId("req", { now: () => timeMs, monotonicMs: () => 0 });
}

interface Told {
  readonly requestIds: readonly string[];
  readonly startMs?: number;
  readonly lastMs?: number;
  readonly model?: string;
}

function tell({ implementation }: TestMetering, ...told: readonly Told[]) {
  const records = told.map(({ requestIds, startMs = testNowMs, lastMs = startMs, model = "chat" }) => ({
    requestIds: [...requestIds],
    count: BigInt(requestIds.length),
    startTime: timestampFromMs(startMs),
    lastTime: timestampFromMs(lastMs),
    attribution: { organizationId: "org_a", teamId: "team_a", keyId: "key_a", labels: { application: "shop" } },
    model,
    outcome: RequestOutcome.REFUSED,
  }));
  return implementation.recordRequests(create(RecordRequestsRequestSchema, { records }), testContext);
}

async function list({ implementation }: TestMetering, filter: MessageInitShape<typeof ListRequestsRequestSchema> = {}) {
  return (await implementation.listRequests(create(ListRequestsRequestSchema, filter), testContext)).records;
}

test("a batch that comes again changes nothing, whatever of it is there already", async () => {
  const metering = await startTestMetering();
  const [one, two, three] = [idAt(testNowMs), idAt(testNowMs + 1), idAt(testNowMs + 2)];
  await tell(metering, { requestIds: [one] });
  await Promise.all([tell(metering, { requestIds: [one] }, { requestIds: [two], startMs: testNowMs + 1 }), tell(metering, { requestIds: [two], startMs: testNowMs + 1 }, { requestIds: [three], startMs: testNowMs + 2 })]);
  expect((await list(metering)).map(({ requestIds }) => requestIds)).toEqual([[three], [two], [one]]);
});

test("each of the requests that a record stands for leads to it, and so does every moment of theirs", async () => {
  const metering = await startTestMetering();
  const times = [testNowMs + 20_000, testNowMs, testNowMs + 60_000];
  const ids = times.map(idAt);
  await tell(metering, { requestIds: ids, startMs: testNowMs, lastMs: testNowMs + 60_000 });
  for (const requestId of ids) expect(await list(metering, { requestId }), requestId).toHaveLength(1);
  for (const requestId of [idAt(testNowMs), "req_1", "'"]) expect(await list(metering, { requestId })).toEqual([]);
  const foundFrom = async (startMs: number, endMs?: number) => (await list(metering, { startTime: timestampFromMs(startMs), ...(endMs === undefined ? {} : { endTime: timestampFromMs(endMs) }) })).length;
  expect([await foundFrom(testNowMs + 60_000), await foundFrom(testNowMs + 60_001), await foundFrom(testNowMs - 9, testNowMs), await foundFrom(testNowMs - 9, testNowMs + 1)]).toEqual([1, 0, 0, 1]);
});

test("what asks for times and ids beyond all requests finds none of them, or all", async () => {
  const metering = await startTestMetering();
  await tell(metering, { requestIds: [idAt(testNowMs)] });
  expect(await list(metering, { requestId: "req_zzzzzzzzzz0000000000000000" })).toEqual([]);
  expect(await list(metering, { startTime: timestampFromMs(Date.UTC(9999, 11, 31)) })).toEqual([]);
  expect(await list(metering, { startTime: { seconds: -62_135_596_800n, nanos: 0 } })).toHaveLength(1);
});

test("names and labels that are no text for a database are kept as they are", async () => {
  const metering = await startTestMetering();
  await tell(metering, { requestIds: [idAt(testNowMs)], model: "\0{\"\\" });
  expect((await list(metering)).map(({ model, attribution }) => [model, attribution!.labels])).toEqual([["\0{\"\\", { application: "shop" }]]);
});

test("what is past its retention is taken away", async () => {
  const metering = await startTestMetering();
  const [old, young] = [idAt(testNowMs), idAt(testNowMs)];
  await tell(metering, { requestIds: [old] }, { requestIds: [young] });
  await metering.database.query("update request_records set start_time = now() - case when request_id = $1 then interval '2 hours' else interval '0' end", [old]);
  const stop = keepRequestRecords(metering.database, () => 3_600_000, createLogger("silent"));
  await expect.poll(async () => (await metering.database.query("select request_id from request_records")).rows).toEqual([{ request_id: young }]);
  await stop();
});
