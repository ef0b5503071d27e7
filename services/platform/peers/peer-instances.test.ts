/** Owns the proof that calls over gRPC find the instances of a service that run, and survive those that come and go. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { WatchPriceVersionRequestSchema, WatchPriceVersionResponseSchema, type WatchPriceVersionResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import { RecordUsageRequestSchema, RecordUsageResponseSchema } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import type { GatewayError } from "../errors.ts";
import type { CallContext } from "../rpc/service-types.ts";
import type { InternalListener } from "./internal-listener.ts";
import { clientOf, collect, contextOf, failureOf, fired, listenTo, maximumMessageBytes, scripted, sleep, streamOf, type ClientChoices, type ListenerChoices, type Metering } from "./testing/peers.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(owner: Metering, choices?: ListenerChoices): Promise<InternalListener> {
  const listener = await listenTo(owner, choices);
  cleanups.push(() => listener.close(0));
  return listener;
}

function peerAt(ports: readonly number[], choices?: ClientChoices): Metering {
  const client = clientOf(ports, choices);
  cleanups.push(() => client.close());
  return client.peer;
}

const emptyBatch = create(RecordUsageRequestSchema);
const watchRequest = create(WatchPriceVersionRequestSchema);

function version(priceVersion: string): WatchPriceVersionResponse {
  return create(WatchPriceVersionResponseSchema, { priceVersion });
}

function contextForSecond(): CallContext {
  return contextOf({ deadlineMs: Date.now() + 10_000 });
}

/** A port that passes all on to another one, until it is cut. */
async function openProxy(port: number): Promise<{ readonly port: number; connections: number; cut(): void }> {
  const sockets = new Set<Socket>();
  const proxy = { port: 0, connections: 0, cut: () => sockets.forEach((socket) => socket.destroy()) };
  const server = createServer((near) => {
    proxy.connections++;
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => [near, far].forEach((other) => other.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    proxy.cut();
    server.close();
  });
  return Object.assign(proxy, { port: (server.address() as AddressInfo).port });
}

async function freePort(): Promise<number> {
  const listener = await listenTo(scripted({ recordUsage: async () => create(RecordUsageResponseSchema) }));
  await listener.close(0);
  return listener.port;
}

/** An instance that answers after a few milliseconds and counts what it was asked. */
async function startInstance(choices?: ListenerChoices): Promise<{ readonly listener: InternalListener; calls: number }> {
  const instance = { calls: 0 };
  const owner = scripted({
    async recordUsage() {
      instance.calls++;
      await sleep(instance.calls % 4);
      return create(RecordUsageResponseSchema);
    },
    async *watchPriceVersion() {
      instance.calls++;
      for (let index = 0; index < 10; index++) {
        yield version(String(index));
        await sleep(5);
      }
    },
  });
  return Object.assign(instance, { listener: await listen(owner, choices) });
}

/** Calls without a pause, until it is stopped; then tells how many went well and why the others did not. */
function startLoad(peer: Metering, workers = 16): { stop(): Promise<{ readonly succeeded: number; readonly failures: readonly string[] }> } {
  let isOn = true;
  let succeeded = 0;
  const failures: string[] = [];
  const work = async (index: number): Promise<void> => {
    while (isOn) {
      try {
        if (index % 4 === 0) expect(await collect(peer.watchPriceVersion(watchRequest, contextForSecond()))).toHaveLength(10);
        else await peer.recordUsage(emptyBatch, contextForSecond());
        succeeded++;
      } catch (error) {
        failures.push(`${(error as Error).message} (${String((error as Error).cause)})`);
      }
    }
  };
  const all = Promise.all(Array.from({ length: workers }, (_, index) => work(index)));
  return {
    async stop() {
      isOn = false;
      await all;
      return { succeeded, failures };
    },
  };
}

describe("a peer that is not there", () => {
  test("is named with its address and what to do", async () => {
    const port = await freePort();
    const peer = peerAt([port], { maximumAbsenceMs: 100 });
    for (const call of [() => peer.recordUsage(emptyBatch, contextOf()), () => collect(peer.watchPriceVersion(watchRequest, contextOf()))]) {
      const error = await failureOf(call());
      expect(error.reason).toBe("DEPENDENCY_UNAVAILABLE");
      expect(error.metadata).toEqual({ service: "metering" });
      expect((error.cause as Error).message).toBe(`The service metering at ipv4:127.0.0.1:${port} cannot be reached. Check that it runs and that peers names its internal port.`);
    }
  });

  test("answers once it has started", async () => {
    const port = await freePort();
    const peer = peerAt([port], { maximumAbsenceMs: 100 });
    await failureOf(peer.recordUsage(emptyBatch, contextOf()));
    await listen(scripted({ recordUsage: async () => create(RecordUsageResponseSchema) }), { port });
    await expect.poll(() => peer.recordUsage(emptyBatch, contextOf()).then(() => true, () => false), { timeout: 5_000 }).toBe(true);
  });

  test("is waited for a while: it may just be restarting", async () => {
    const port = await freePort();
    const answer = peerAt([port]).recordUsage(emptyBatch, contextOf());
    await listen(scripted({ recordUsage: async () => create(RecordUsageResponseSchema) }), { port });
    await answer;
  });

  test.each([
    ["a call", (peer: Metering, context: CallContext) => peer.recordUsage(emptyBatch, context)],
    ["a stream", (peer: Metering, context: CallContext) => collect(peer.watchPriceVersion(watchRequest, context))],
  ])("is not waited for longer than %s has time, or its caller stays", async (_name, call) => {
    const peer = peerAt([await freePort()], { maximumAbsenceMs: 30_000 });
    const startMs = performance.now();
    expect((await failureOf(call(peer, contextOf({ deadlineMs: Date.now() + 100 })))).reason).toBe("DEADLINE_EXCEEDED");
    const caller = new AbortController();
    setTimeout(() => caller.abort(), 100);
    expect((await failureOf(call(peer, contextOf({ signal: caller.signal })))).reason).toBe("CANCELLED");
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test("is not waited for once the client is closed, and keeps no process from its end", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const client = clientOf([await freePort()], { maximumAbsenceMs: 60_000 });
    const timersBefore = timers();
    const failures = Array.from({ length: 3 }, () => [failureOf(client.peer.recordUsage(emptyBatch, contextOf())), failureOf(collect(client.peer.watchPriceVersion(watchRequest, contextOf())))]).flat();
    await expect.poll(timers).toBeGreaterThan(timersBefore);
    client.close();
    for (const { reason } of await Promise.all(failures)) expect(reason).toBe("DEPENDENCY_UNAVAILABLE");
    await expect.poll(timers).toBeLessThanOrEqual(timersBefore);
  });

  test("is told apart from one that does not know the method", async () => {
    const { port } = await listen(scripted({ watchPriceVersion: () => streamOf([]) }));
    const error = await failureOf(peerAt([port]).recordUsage(emptyBatch, contextOf()));
    expect(error.reason).toBe("DEPENDENCY_UNAVAILABLE");
    expect((error.cause as Error).message).toContain("does not know this method");
  });
});

describe("a peer that goes away", () => {
  async function startWatch(choices: { throughProxy: boolean }): Promise<{ readonly proxy: { cut(): void }; readonly listener: InternalListener; readonly reading: Promise<unknown>; readonly read: string[]; readonly ownerReason: Promise<unknown> }> {
    const owner = Promise.withResolvers<unknown>();
    const listener = await listen(
      scripted({
        async *watchPriceVersion(_request, { signal }) {
          yield version("1");
          yield version("2");
          owner.resolve(fired(signal));
          await sleep(60_000);
        },
      }),
    );
    const proxy = await openProxy(listener.port);
    const peer = peerAt([choices.throughProxy ? proxy.port : listener.port]);
    const read: string[] = [];
    const reading = (async () => {
      for await (const { priceVersion } of peer.watchPriceVersion(watchRequest, contextForSecond())) read.push(priceVersion);
    })();
    reading.catch(() => undefined);
    await expect.poll(() => read.length).toBe(2);
    return { proxy, listener, reading, read, ownerReason: owner.promise };
  }

  test("by a broken connection ends its streams with DEPENDENCY_UNAVAILABLE", async () => {
    const { proxy, reading, ownerReason } = await startWatch({ throughProxy: true });
    proxy.cut();
    const error = await failureOf(reading);
    expect(error.reason).toBe("DEPENDENCY_UNAVAILABLE");
    expect((error.cause as Error).message).toMatch(/^The service metering at ipv4:127\.0\.0\.1:\d+ broke off the call\./);
    expect(((await ownerReason) as GatewayError).reason).toBe("CANCELLED");
  });

  test("by a stop whose bound has passed ends its streams with DEPENDENCY_UNAVAILABLE", async () => {
    const { listener, reading, ownerReason } = await startWatch({ throughProxy: false });
    const startMs = performance.now();
    await listener.close(200);
    expect(performance.now() - startMs).toBeGreaterThan(190);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect((await failureOf(reading)).reason).toBe("DEPENDENCY_UNAVAILABLE");
    expect(((await ownerReason) as GatewayError).reason).toBe("SHUTTING_DOWN");
  });

  test("ends watches at once and lets other calls finish", async () => {
    const hasBegun = Promise.withResolvers<void>();
    const listener = await listen(
      scripted({
        async *watchPriceVersion(_request, { signal, deadlineMs }) {
          yield version("1");
          if (deadlineMs === undefined) throw await fired(signal);
          hasBegun.resolve();
          await sleep(300);
          yield version("2");
        },
      }),
    );
    const peer = peerAt([listener.port]);
    const watch = peer.watchPriceVersion(watchRequest, contextOf())[Symbol.asyncIterator]();
    await watch.next();
    const other = collect(peer.watchPriceVersion(watchRequest, contextForSecond()));
    await hasBegun.promise;
    const startMs = performance.now();
    const closing = listener.close(5_000);
    expect((await failureOf(watch.next())).reason).toBe("SHUTTING_DOWN");
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(await other).toHaveLength(2);
    await closing;
    expect(performance.now() - startMs).toBeLessThan(4_000);
  });

  test("does not make a stop wait for a connection that never became one", async () => {
    const listener = await listen(scripted({ watchPriceVersion: () => streamOf([]) }));
    const socket = connect(listener.port, "127.0.0.1");
    socket.on("error", () => undefined).write("\u0016\u0003\u0001 this is no HTTP/2");
    await sleep(20);
    const startMs = performance.now();
    await listener.close(100);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    socket.destroy();
  });
});

describe("several instances", () => {
  test("share the calls evenly, and none fails when one stops", async () => {
    const [first, second] = await Promise.all([startInstance(), startInstance()]);
    const load = startLoad(peerAt([first.listener.port, second.listener.port]));
    const total = (): number => first.calls + second.calls;
    // Before both are connected, one has them all.
    await expect.poll(() => Math.min(first.calls, second.calls)).toBeGreaterThan(0);
    const [firstBefore, totalBefore] = [first.calls, total()];
    await expect.poll(() => total() - totalBefore).toBeGreaterThan(200);
    const share = (first.calls - firstBefore) / (total() - totalBefore);
    await first.listener.close(5_000);
    const after = first.calls;
    const totalAfter = total();
    await expect.poll(() => total() - totalAfter).toBeGreaterThan(100);
    const { succeeded, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.7);
    expect(first.calls).toBe(after);
    expect(succeeded).toBe(first.calls + second.calls);
  });

  test("stop and start in turn under load without a failed call", async () => {
    const instances = await Promise.all([startInstance(), startInstance()]);
    const ports = instances.map(({ listener }) => listener.port);
    const load = startLoad(peerAt(ports));
    for (let round = 0; round < 6; round++) {
      const index = round % 2;
      await instances[index]!.listener.close(5_000);
      const next = await startInstance({ port: ports[index]! });
      instances[index] = next;
      await expect.poll(() => next.calls, { timeout: 5_000, interval: 10 }).toBeGreaterThan(0);
    }
    const { succeeded, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(succeeded).toBeGreaterThan(100);
  });

  test("that start later get their share within a few seconds", async () => {
    const [first, second, latePort] = await Promise.all([startInstance(), startInstance(), freePort()]);
    const load = startLoad(peerAt([first.listener.port, second.listener.port, latePort]));
    await sleep(300);
    const late = await startInstance({ port: latePort });
    await expect.poll(() => late.calls, { timeout: 4_000 }).toBeGreaterThan(0);
    const counts = (): number[] => [first, second, late].map(({ calls }) => calls);
    const before = counts();
    await sleep(300);
    const shares = counts().map((count, index) => count - before[index]!);
    expect((await load.stop()).failures).toEqual([]);
    const total = shares.reduce((sum, share) => sum + share);
    for (const share of shares) expect(share / total).toBeGreaterThan(0.2);
  });

  test("are looked up anew when a connection is old, and no call is lost by that", async () => {
    const { listener } = await startInstance({ maximumConnectionAgeMs: 50 });
    const proxy = await openProxy(listener.port);
    const load = startLoad(peerAt([proxy.port]));
    await sleep(1_000);
    const { succeeded, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(succeeded).toBeGreaterThan(30);
    expect(proxy.connections).toBeGreaterThan(5);
  });
});

describe("a message beyond the bound", () => {
  const tooLarge = "x".repeat(maximumMessageBytes + 1);
  const batch = create(RecordUsageRequestSchema, { events: [{ intent: { attemptId: tooLarge } }] });
  const methods = scripted({
    recordUsage: async () => create(RecordUsageResponseSchema, { confirmedAttemptIds: [tooLarge] }),
    async *watchPriceVersion() {
      yield version("1");
      yield version(tooLarge);
    },
  });

  test.each<[string, (peer: Metering) => Promise<unknown>]>([
    ["as a request", (peer) => peer.recordUsage(batch, contextOf())],
    ["as a response", (peer) => peer.recordUsage(emptyBatch, contextOf())],
    ["in a stream", (peer) => collect(peer.watchPriceVersion(watchRequest, contextOf()))],
  ])("is refused by name: %s", async (_name, call) => {
    const { port } = await listen(methods);
    const error = await failureOf(call(peerAt([port])));
    expect(error.reason).toBe("BODY_TOO_LARGE");
    expect(error.message).toBe("A message of the call to metering is larger than services may send each other (limits.max_body_bytes). Ask for less at a time.");
  });

  test("is refused by the service too", async () => {
    const { port } = await listen(methods);
    const error = await failureOf(peerAt([port], { maximumMessageBytes: 10 * maximumMessageBytes }).recordUsage(batch, contextOf()));
    expect(error.reason).toBe("BODY_TOO_LARGE");
  });
});
