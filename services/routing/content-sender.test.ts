import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { RecordContentResponseSchema, type RecordContentRequest, CallContentSchema, type CallContent } from "#gen/weir/metering/v1/content_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { sendContents, type ContentSenderDependencies } from "./content-sender.ts";

const mebibyte = 1024 * 1024;

test("where room is short, what waits of an organization that metering does not take goes first", async () => {
  const taken: string[] = [];
  const recordContent = async ({ contents }: RecordContentRequest) => {
    if (contents.some(({ organizationId }) => organizationId === "org_bad")) throw new GatewayError("INTERNAL", "The data key does not open.");
    taken.push(...contents.map(({ callId }) => callId));
    return create(RecordContentResponseSchema);
  };
  const metrics = createMetricsRegistry();
  const sender = sendContents({ metering: { recordContent } as unknown as ContentSenderDependencies["metering"], clock: systemClock, logger: createLogger("silent"), metrics });
  for (const callId of ["bad_1", "bad_2"]) sender.add(contentOf("org_bad", callId, 30));
  for (const callId of ["good_1", "good_2"]) sender.add(contentOf("org_good", callId, 12));
  await expect.poll(() => taken, { timeout: 20_000 }).toEqual(["good_1", "good_2"]);
  expect(await metrics.metrics()).toMatch(/^weir_contents_lost_total 1$/m);
  expect(await metrics.metrics()).toMatch(/^weir_contents_held_up 1$/m);
  await sender.stop();
  expect(await metrics.metrics()).toMatch(/^weir_contents_lost_total 2$/m);
});

test("one that is alone loses what comes when there is no room", async () => {
  const metrics = createMetricsRegistry();
  const recordContent = () => Promise.reject(new GatewayError("DEPENDENCY_UNAVAILABLE", "Metering is away."));
  const sender = sendContents({ metering: { recordContent } as unknown as ContentSenderDependencies["metering"], clock: systemClock, logger: createLogger("silent"), metrics });
  for (const callId of ["1", "2", "3"]) sender.add(contentOf("org_a", callId, 30));
  expect(await metrics.metrics()).toMatch(/^weir_contents_lost_total 1$/m);
  await sender.stop();
  expect(await metrics.metrics()).toMatch(/^weir_contents_lost_total 3$/m);
});

function contentOf(organizationId: string, callId: string, mebibytes: number): CallContent {
  return create(CallContentSchema, { organizationId, callId, request: new Uint8Array(mebibytes * mebibyte) });
}
