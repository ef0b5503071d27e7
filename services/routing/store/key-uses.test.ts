import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RecordKeyUsesResponseSchema, type RecordKeyUsesRequest } from "#gen/weir/policy/v1/key_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { createLogger } from "#platform/logger.ts";
import { KeyUses } from "./key-uses.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("uses are gathered, told in batches, and told again when policy was away", async () => {
  const told: [string, number][][] = [];
  let isDown = false;
  const recordKeyUses = async ({ uses: batch }: RecordKeyUsesRequest) => {
    if (isDown) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "Down.");
    told.push(batch.map(({ keyId, useTime }) => [keyId, timestampMs(useTime!)]));
    return create(RecordKeyUsesResponseSchema);
  };
  const uses = new KeyUses({ policy: { recordKeyUses }, logger: createLogger("silent") });
  uses.note("a", 1);
  uses.note("a", 2);
  uses.note("b", 3);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual([[["a", 2], ["b", 3]]]);

  isDown = true;
  uses.note("a", 4);
  await vi.advanceTimersByTimeAsync(10_000);
  isDown = false;
  for (let index = 0; index < 1_500; index++) uses.note(`c${index}`, 5);
  await uses.stop();
  expect(told.slice(1).map((batch) => batch.length)).toEqual([1_000, 501]);
  expect(told[1]![0]).toEqual(["a", 4]);
});
