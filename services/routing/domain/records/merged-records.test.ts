import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { RequestRecordSchema, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { MergedRecords } from "./merged-records.ts";

let made = 0;

type Changes = Omit<Extract<MessageInitShape<typeof RequestRecordSchema>, { readonly $typeName?: never }>, "$typeName">;

function recordAt(timeMs: number, changes: Changes = {}): RequestRecord {
  const time = timestampFromMs(timeMs);
  return create(RequestRecordSchema, { requestIds: [`req_${made++}`], count: 1n, startTime: time, lastTime: time, attribution: { organizationId: "org_a", keyId: "key_a" }, model: "chat", errorReason: ErrorReason.RATE_LIMITED, ...changes });
}

describe("MergedRecords", () => {
  test("makes one of what is alike, with the ids of the first hundred and the time of the last", () => {
    const folded = new MergedRecords(() => 0);
    const records = Array.from({ length: 1_000 }, (_, index) => recordAt(10_000 + index, { errorMessage: `Try again in ${index} s` }));
    const ids = records.map(({ requestIds: [id] }) => id);
    for (const record of records) expect(folded.add(record)).toBe(true);
    const [one, ...others] = folded.take(Infinity, true);
    expect(others).toEqual([]);
    expect([one!.count, timestampMs(one!.startTime!), timestampMs(one!.lastTime!), one!.errorMessage]).toEqual([1_000n, 10_000, 10_999, "Try again in 0 s"]);
    expect(one!.requestIds).toEqual(ids.slice(0, 100));
  });

  test.each<[string, Changes]>([
    ["key", { attribution: { organizationId: "org_a", keyId: "key_b" } }],
    ["label", { attribution: { organizationId: "org_a", keyId: "key_a", labels: { end_user: "u" } } }],
    ["model", { model: "other" }],
    ["message", { errorMessage: "stream must be true or false." }],
    ["reason", { errorReason: ErrorReason.BUDGET_EXCEEDED }],
    ["finding", { findings: [{ rule: "r", mode: "block", detector: "email", side: "input" }] }],
    ["target that was passed over", { passedOver: [{ name: "up/m", reason: ErrorReason.CIRCUIT_OPEN }] }],
  ])("keeps what has another %s apart", (_, changes) => {
    const folded = new MergedRecords(() => 0);
    folded.add(recordAt(0));
    folded.add(recordAt(1, changes));
    expect(folded.take(Infinity, true).map(({ count }) => count)).toEqual([1n, 1n]);
  });

  test("begins another record a minute after the first, also where nothing is taken", () => {
    const folded = new MergedRecords(() => 0);
    for (const timeMs of [0, 60_000, 60_001, 120_001, 120_002]) folded.add(recordAt(timeMs));
    expect(folded.take(Infinity, true).map(({ startTime, lastTime, count }) => [timestampMs(startTime!), timestampMs(lastTime!), count])).toEqual([[0, 60_000, 2n], [60_001, 120_001, 2n], [120_002, 120_002, 1n]]);
  });

  test("knows the first and the last, in whatever order they have ended", () => {
    const folded = new MergedRecords(() => 0);
    for (const timeMs of [50_000, 0, 60_001, 20_000]) folded.add(recordAt(timeMs));
    expect(folded.take(Infinity, true).map(({ startTime, lastTime, count }) => [timestampMs(startTime!), timestampMs(lastTime!), count])).toEqual([[0, 50_000, 2n], [20_000, 60_001, 2n]]);
  });

  test("has no room for what is new beyond its bounds, and of each organization its share", () => {
    const folded = new MergedRecords(() => 0, { records: 3, recordsOfOrganization: 2, recordsAMinute: 9 });
    const add = (organizationId: string, model: string): boolean => folded.add(recordAt(0, { attribution: { organizationId }, model }));
    expect([add("a", "1"), add("a", "2"), add("a", "3"), add("a", "1"), add("b", "1"), add("b", "2")]).toEqual([true, true, false, true, true, false]);
    expect(folded.take(1, false)).toHaveLength(1);
    expect([add("a", "3"), folded.size]).toEqual([true, 3]);
  });

  test("tells of the first ten of a minute at once, and of those like them at its end", () => {
    let nowMs = 0;
    const folded = new MergedRecords(() => nowMs);
    const addAndTake = (atMs: number): bigint[] => {
      nowMs = atMs;
      folded.add(recordAt(atMs));
      return folded.take(Infinity, false).map(({ count }) => count);
    };
    for (let second = 0; second < 10; second++) expect(addAndTake(second * 1_000)).toEqual([1n]);
    expect([10_000, 59_999, 60_000, 61_000].map(addAndTake)).toEqual([[], [], [3n], [1n]]);
    for (let second = 62; second < 70; second++) addAndTake(second * 1_000);
    expect(addAndTake(70_000)).toEqual([]);
    expect(folded.take(Infinity, true).map(({ count }) => count)).toEqual([1n]);
  });

  test("begins so many records of an organization a minute, and counts on in those that it has", () => {
    let nowMs = 0;
    const folded = new MergedRecords(() => nowMs, { records: 9, recordsOfOrganization: 9, recordsAMinute: 2 });
    const add = (organizationId: string, model: string): boolean => {
      const isTaken = folded.add(recordAt(nowMs, { attribution: { organizationId }, model }));
      folded.take(Infinity, false);
      return isTaken;
    };
    expect([add("a", "1"), add("a", "2"), add("a", "3"), add("b", "1")]).toEqual([true, true, false, true]);
    nowMs = 60_000;
    expect(add("a", "3")).toBe(true);
  });

  test("neither loses nor makes up a request, however adding and taking alternate", () => {
    const step = fc.oneof(fc.record({ model: fc.constantFrom("a", "b", "c"), afterMs: fc.integer({ min: -10_000, max: 30_000 }) }), fc.record({ take: fc.nat(3) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let nowMs = 100_000;
        const folded = new MergedRecords(() => nowMs, { records: 4, recordsOfOrganization: 4, recordsAMinute: 1_000 });
        let added = 0n;
        const taken: RequestRecord[] = [];
        for (const one of steps) {
          if ("take" in one) taken.push(...folded.take(one.take, false));
          else if (folded.add(recordAt((nowMs += one.afterMs), { model: one.model }))) added++;
        }
        taken.push(...folded.take(Infinity, true));
        expect(taken.reduce((sum, { count }) => sum + count, 0n)).toBe(added);
        for (const { startTime, lastTime } of taken) expect(timestampMs(lastTime!) - timestampMs(startTime!)).toBeLessThanOrEqual(60_000);
        expect(folded.size).toBe(0);
      }),
    );
  });
});
