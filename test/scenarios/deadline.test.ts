import { Metadata, status as Status, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { createGrpcStub } from "../harness/grpc-client.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const deadlineMs = 200;
/** What everything may take longer; the test's own two timers are in it. */
const lateMs = 50;

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  // It takes requests and never answers.
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({ config: `providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test("a caller's deadline holds over all hops, down to the vendor's socket", async () => {
  const stub = createGrpcStub(InferenceService, weir.authority);
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${weir.inferenceKey}`);
  const generation = { model: "up/m", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "rain" } } }] }] };
  const call = async (): Promise<{ code: number; callerMs: number; vendorMs: number | undefined }> => {
    const place = upstream.requests.length;
    const beginMs = performance.now();
    const error = await stub.generate({ generation }, metadata, { deadline: Date.now() + deadlineMs }).then(
      () => undefined,
      (thrown: unknown) => thrown as ServiceError,
    );
    const callerMs = performance.now() - beginMs;
    // Where the machine was so busy that the time was up before, nothing was sent.
    if (upstream.requests[place] === undefined) return { code: error!.code, callerMs, vendorMs: undefined };
    await upstream.requests[place].aborted;
    return { code: error!.code, callerMs, vendorMs: performance.now() - beginMs };
  };
  // The first call opens the connections.
  await call();
  const calls: Awaited<ReturnType<typeof call>>[] = [];
  // A busy machine may be late with any single timer: the best shows what Weir adds.
  const best = (): { callerMs: number; vendorMs: number } => ({ callerMs: Math.min(...calls.map(({ callerMs }) => callerMs)), vendorMs: Math.min(...calls.map(({ vendorMs }) => vendorMs ?? Infinity)) });
  const isInTime = ({ callerMs, vendorMs }: ReturnType<typeof best>): boolean => callerMs < deadlineMs + lateMs && vendorMs < deadlineMs + lateMs;
  while (calls.length < 8 || (!isInTime(best()) && calls.length < 80)) calls.push(await call());
  stub.close();
  for (const { code } of calls) expect(code).toBe(Status.DEADLINE_EXCEEDED);
  expect(isInTime(best()), JSON.stringify(best())).toBe(true);
  const sent = async (): Promise<AttemptResult[]> => (await weir.attempts(0)).map(({ event }) => event!.outcome!.result).filter((result) => result !== AttemptResult.NOT_SENT);
  // Of a request whose first bytes were written when the time was up, the vendor may have heard nothing.
  await expect.poll(async () => (await sent()).length).toBeGreaterThanOrEqual(upstream.requests.length);
  expect(new Set(await sent())).toEqual(new Set([AttemptResult.CANCELLED]));
});

test("a deadline beyond all that timers count is none", async () => {
  for (const far of [{ "connect-timeout-ms": "9999999999" }, { "connect-timeout-ms": "60000" }]) {
    const response = await fetch(`${weir.origin}/${InferenceService.typeName}/ListModels`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json", ...far }, body: "{}" });
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining("up/m")]);
  }
});
