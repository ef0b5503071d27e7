/** Proves what becomes of spans where the collector is slow, and of requests that are not recorded. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import { TracingSchema } from "#gen/weir/config/v1/tracing_pb.ts";
import { MutableLiveValue } from "../views/live-value.ts";
import { createLogger } from "../logger.ts";
import { createMetricsRegistry } from "../metrics.ts";
import { checkTracing, openTracing } from "./tracing.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A collector that takes each request, and answers none. */
async function silentCollector(): Promise<{ endpoint: string; requests: () => number }> {
  let requests = 0;
  server = createServer((request) => void (requests++, request.resume()));
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, requests: () => requests };
}

async function open(endpoint: string, sampleRatio?: number) {
  const metrics = createMetricsRegistry();
  const config = new MutableLiveValue(create(TracingSchema, sampleRatio === undefined ? { endpoint } : { endpoint, sampleRatio }));
  const tracing = await openTracing({ config, version: "1", logger: createLogger("silent"), metrics });
  const counted = async (): Promise<Record<string, unknown>> => {
    const { values } = await metrics.getSingleMetric("weir_trace_spans_total")!.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels["outcome"], value]));
  };
  return { tracing, tracer: tracing.tracerOf("test").current!, counted };
}

test("what waits for a collector that does not answer is bounded, and a stop does not wait for it long", async () => {
  const { endpoint, requests } = await silentCollector();
  const { tracing, tracer, counted } = await open(endpoint);
  for (let count = 0; count < 10_000; count++) tracer.begin("work", "server", undefined)!.end();
  expect(await counted()).toEqual({ dropped: 10_000 - 8_192 });
  await expect.poll(requests).toBeGreaterThan(0);
  const startMs = performance.now();
  await tracing.stop();
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(await counted()).toEqual({ dropped: 10_000 - 8_192, failed: 8_192 });
});

test("a caller that says so decides whether its request is recorded, for others the ratio does", async () => {
  const { tracing, tracer } = await open("http://127.0.0.1:9/v1/traces", 0);
  const from = (flags: string) => ({ traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}` });
  expect(tracer.begin("work", "server", undefined)).toBeUndefined();
  expect(tracer.begin("work", "server", from("00"))).toBeUndefined();
  const span = tracer.begin("work", "server", { ...from("01"), tracestate: "other=1" })!;
  expect(span.context).toEqual({ traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/), tracestate: "other=1" });
  expect(span.begin("part").context.traceparent).not.toBe(span.context.traceparent);
  await tracing.stop();
});

test.each([
  ["http://[::1:4318/v1/traces", "no address"],
  ["http://169.254.169.254/v1/traces", "never dialled"],
])("the endpoint %s is refused", (endpoint, why) => {
  expect(() => checkTracing(create(TracingSchema, { endpoint }))).toThrow(why);
});
