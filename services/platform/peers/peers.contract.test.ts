/** Owns the proof that a service cannot tell whether its peer is in its process or behind a wire. */
import { getEventListeners } from "node:events";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { WatchPriceVersionRequestSchema, WatchPriceVersionResponseSchema, type WatchPriceVersionResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import { RecordUsageRequestSchema, RecordUsageResponseSchema, type RecordUsageRequest } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { QueryUsageRequestSchema, QueryUsageResponseSchema } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toGatewayError, type Reason } from "../errors.ts";
import { guardService } from "../rpc/method-guard.ts";
import type { CallContext } from "../rpc/service-types.ts";
import { clientOf, collect, contextOf, contextWithin, createCertificates, failing, failureOf, fired, listenTo, maximumMessageBytes, scripted, sharedSecret, sleep, streamOf, type Certificates, type Metering } from "./testing/peers.ts";
import { throughCodec } from "./through-codec.ts";

interface OpenPeer {
  readonly peer: Metering;
  close(): Promise<void> | void;
}

const kinds: Readonly<Record<string, (owner: Metering) => Promise<OpenPeer> | OpenPeer>> = {
  "the object itself": (owner) => ({ peer: guardService(MeteringService, owner), close: () => undefined }),
  "the object, through the codec": (owner) => ({ peer: throughCodec(MeteringService, guardService(MeteringService, owner)), close: () => undefined }),
  "gRPC with a shared secret": (owner) => overGrpc(owner, { server: sharedSecret, client: sharedSecret, remove: () => undefined }),
  "gRPC with certificates": (owner) => overGrpc(owner, createCertificates()),
};

async function overGrpc(owner: Metering, protection: Certificates): Promise<OpenPeer> {
  const listener = await listenTo(guardService(MeteringService, owner), { protection: protection.server });
  const client = clientOf([listener.port], { protection: protection.client });
  const close = async (): Promise<void> => {
    client.close();
    await listener.close(1_000);
    protection.remove();
  };
  return { peer: client.peer, close };
}

const noRequest = create(WatchPriceVersionRequestSchema);
const emptyBatch = create(RecordUsageRequestSchema);
const reasons = Object.keys(ErrorReason).filter((name): name is Reason => Number.isNaN(Number(name)) && name !== "UNSPECIFIED");

function version(priceVersion: string): WatchPriceVersionResponse {
  return create(WatchPriceVersionResponseSchema, { priceVersion });
}

function richError(reason: Reason): GatewayError {
  return new GatewayError(reason, `Der Schlüssel für „modèle ✨ 模型“ fehlt: 100 % (${reason})\nSet it.`, {
    metadata: { provider: "mistral", "größe": "ü % ✓" },
    retryAfterMs: 1_234,
    fieldViolations: [{ field: "routes.a.targets", description: "ist ‚leer‘" }],
  });
}

function factsOf({ reason, message, metadata, retryAfterMs, fieldViolations, httpStatus }: GatewayError): object {
  return { reason, message, metadata, retryAfterMs, fieldViolations: fieldViolations.map(({ field, description }) => ({ field, description })), httpStatus };
}

describe.each(Object.entries(kinds))("a peer as %s", (_kind, open) => {
  let script: Partial<Metering> = {};
  let peer: Metering;
  let opened: OpenPeer;

  beforeAll(async () => {
    const owner = scripted({
      recordUsage: (request, context) => script.recordUsage!(request, context),
      queryUsage: (request, context) => script.queryUsage!(request, context),
      watchPriceVersion: (request, context) => script.watchPriceVersion!(request, context),
    });
    opened = await open(owner);
    ({ peer } = opened);
  });
  afterAll(async () => opened.close());

  function record(context: CallContext): Promise<unknown> {
    return peer.recordUsage(emptyBatch, context);
  }

  function watch(context: CallContext = contextOf()): AsyncIterable<WatchPriceVersionResponse> {
    return peer.watchPriceVersion(noRequest, context);
  }

  test("messages of a unary call arrive as they were sent", async () => {
    let received: RecordUsageRequest | undefined;
    const response = create(RecordUsageResponseSchema, { confirmedAttemptIds: ["att_1", "att_ü"], rejected: [{ attemptId: "att_2", reason: "zu spät" }] });
    script = {
      recordUsage: (request) => {
        received = request;
        return Promise.resolve(response);
      },
    };
    const request = create(RecordUsageRequestSchema, {
      events: [
        {
          intent: { attemptId: "att_1", stream: true, attribution: { keyId: "key_1", labels: { team: "größe" } }, startTime: timestampFromMs(1_700_000_000_123) },
          outcome: { result: AttemptResult.SUCCEEDED, firstByteMs: 0n, durationMs: 9_007_199_254_740_993n, httpStatus: 200 },
        },
      ],
    });
    expect(await peer.recordUsage(request, contextOf())).toEqual(response);
    expect(received).toEqual(request);
  });

  test("messages of a stream arrive as they were sent, in order", async () => {
    const versions = Array.from({ length: 300 }, (_, index) => version(`2026-${index}`));
    script = { watchPriceVersion: () => streamOf(versions) };
    expect(await collect(watch())).toEqual(versions);
  });

  test("an empty stream ends", async () => {
    script = { watchPriceVersion: () => streamOf([]) };
    expect(await collect(watch())).toEqual([]);
  });

  test("a stream begins with the first next()", async () => {
    let begun = 0;
    script = {
      async *watchPriceVersion() {
        begun++;
        yield version("1");
      },
    };
    const stream = watch()[Symbol.asyncIterator]();
    await sleep(30);
    expect(begun).toBe(0);
    expect((await stream.next()).value).toEqual(version("1"));
    expect(begun).toBe(1);
    expect((await stream.next()).done).toBe(true);
    expect((await stream.next()).done).toBe(true);
  });

  test.each(reasons)("%s arrives with all that it carries, from a unary call and in the middle of a stream", async (reason) => {
    const error = richError(reason);
    script = {
      recordUsage: () => Promise.reject(error),
      async *watchPriceVersion() {
        for (let index = 0; index < 40; index++) yield version(String(index));
        throw error;
      },
    };
    const expected = factsOf(reason === "PEER_REFUSED" ? await failureOf(record(contextOf())) : error);
    expect(factsOf(await failureOf(record(contextOf())))).toEqual(expected);
    const read: string[] = [];
    const reading = (async () => {
      for await (const { priceVersion } of watch()) {
        read.push(priceVersion);
        if (read.length % 10 === 1) await sleep(1);
      }
    })();
    expect(factsOf(await failureOf(reading))).toEqual(expected);
    expect(read).toHaveLength(40);
  });

  test("an error before the first message arrives", async () => {
    script = { watchPriceVersion: () => failing(richError("NOT_FOUND")) };
    expect(factsOf(await failureOf(collect(watch())))).toEqual(factsOf(richError("NOT_FOUND")));
  });

  test("an error with a very long message, or one that is no text, still has its reason", async () => {
    script = { recordUsage: () => Promise.reject(new GatewayError("UPSTREAM_REJECTED", `${"ß".repeat(200_000)} \ud800`, { metadata: { status: "422" } })) };
    const { reason, metadata, message } = await failureOf(record(contextOf()));
    expect({ reason, metadata }).toEqual({ reason: "UPSTREAM_REJECTED", metadata: { status: "422" } });
    expect(message.slice(0, 1_000)).toBe("ß".repeat(1_000));
  });

  test("what is thrown by mistake says nothing of the inside", async () => {
    script = {
      recordUsage: () => Promise.reject(new TypeError("cannot read pg_password")),
      watchPriceVersion: () => failing(new TypeError("cannot read pg_password")),
    };
    for (const call of [record(contextOf()), collect(watch())]) {
      const error = toGatewayError(await call.catch((thrown: unknown) => thrown));
      expect(error.reason).toBe("INTERNAL");
      expect(error.message).not.toContain("pg_password");
    }
  });

  test("the owner knows who calls, in which request and until when", async () => {
    const seen: CallContext[] = [];
    script = {
      async recordUsage(_request, context) {
        seen.push(context);
        return create(RecordUsageResponseSchema);
      },
      async queryUsage(_request, context) {
        seen.push(context);
        return create(QueryUsageResponseSchema);
      },
      async *watchPriceVersion(_request, context) {
        seen.push(context);
        yield version("1");
      },
    };
    const grant = create(GrantSchema, {
      keyId: "key_1",
      teamId: "team_1",
      organizationId: "org_1",
      permissions: [Permission.INFERENCE_USE, Permission.USAGE_READ],
      scopes: [{ models: Array.from({ length: 500 }, (_, index) => `route-${index}`) }],
      labels: { "größe": "✓" },
      secretDigest: new Uint8Array([0, 255, 128]),
    });
    const deadlineMs = Date.now() + 5_000;
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "other=1" };
    await peer.recordUsage(emptyBatch, contextOf({ requestId: "req_unary", deadlineMs, trace }));
    await peer.queryUsage(create(QueryUsageRequestSchema), contextOf({ identity: { kind: "caller", grant }, deadlineMs }));
    await collect(watch(contextOf({ requestId: "req_stream" })));
    const [unary, byCaller, stream] = seen as [CallContext, CallContext, CallContext];
    expect(unary.identity).toEqual({ kind: "service", name: "routing" });
    expect(unary.requestId).toBe("req_unary");
    expect(unary.trace).toEqual(trace);
    expect(Math.abs(unary.deadlineMs! - deadlineMs)).toBeLessThan(500);
    expect(byCaller.identity).toEqual({ kind: "caller", grant });
    expect(stream.requestId).toBe("req_stream");
    expect(stream.trace).toBeUndefined();
    expect(stream.deadlineMs).toBeUndefined();
  });

  test("an internal method is refused to a caller", async () => {
    script = { recordUsage: () => Promise.reject(new Error("reached")) };
    const grant = create(GrantSchema, { permissions: [Permission.USAGE_READ] });
    const call = (async () => peer.recordUsage(emptyBatch, contextOf({ identity: { kind: "caller", grant } })))();
    expect((await failureOf(call)).reason).toBe("PERMISSION_DENIED");
  });

  /** A unary call and a stream that end only with the owner's signal, whose reasons are kept. */
  function untilFired(): { readonly reasons: Promise<unknown>[] } {
    const reasonsSeen: Promise<unknown>[] = [];
    const wait = async (signal: AbortSignal): Promise<never> => {
      const reason = fired(signal);
      reasonsSeen.push(reason);
      throw await reason;
    };
    script = {
      recordUsage: (_request, { signal }) => wait(signal),
      async *watchPriceVersion(_request, { signal }) {
        yield version("1");
        await wait(signal);
      },
    };
    return { reasons: reasonsSeen };
  }

  test.each(["unary", "stream"])("the owner stops within 100 ms when the caller aborts: %s", async (shape) => {
    const owner = untilFired();
    const controller = new AbortController();
    const context = contextOf({ signal: controller.signal });
    const failure = failureOf(shape === "unary" ? record(context) : collect(watch(context)));
    await expect.poll(() => owner.reasons.length, { interval: 2 }).toBe(1);
    const startMs = performance.now();
    controller.abort(new GatewayError("CANCELLED", "The caller went away."));
    expect((await failure).reason).toBe("CANCELLED");
    expect(((await owner.reasons[0]) as GatewayError).reason).toBe("CANCELLED");
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  test.each(["unary", "stream"])("both sides stop when the deadline passes: %s", async (shape) => {
    for (let round = 0; round < 5; round++) {
      const owner = untilFired();
      const startMs = performance.now();
      const context = contextWithin(60);
      const failure = await failureOf(shape === "unary" ? record(context) : collect(watch(context)));
      expect(failure.reason).toBe("DEADLINE_EXCEEDED");
      expect(((await owner.reasons[0]) as GatewayError).reason).toBe("DEADLINE_EXCEEDED");
      expect(performance.now() - startMs).toBeLessThan(1_000);
    }
  });

  test("the owner stops within 100 ms when the caller stops reading", async () => {
    let endMs = Infinity;
    script = {
      async *watchPriceVersion(_request, { signal }) {
        try {
          yield version("1");
          await fired(signal);
        } finally {
          endMs = performance.now();
        }
      },
    };
    for await (const message of watch()) {
      expect(message).toEqual(version("1"));
      break;
    }
    const startMs = performance.now();
    await expect.poll(() => endMs, { interval: 2 }).toBeLessThan(startMs + 1_000);
  });

  test("the owner's signal does not fire after a call that went well", async () => {
    const signals: AbortSignal[] = [];
    script = {
      async recordUsage(_request, { signal }) {
        signals.push(signal);
        return create(RecordUsageResponseSchema);
      },
      async *watchPriceVersion(_request, { signal }) {
        signals.push(signal);
        yield version("1");
      },
    };
    await record(contextOf());
    await collect(watch());
    await sleep(30);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  test.each([1_000, 100_000])("a slow reader makes a fast owner wait: messages of %i bytes", async (size) => {
    let produced = 0;
    const total = 1_500;
    script = {
      async *watchPriceVersion() {
        for (; produced < total; produced++) yield version(`${produced}:`.padEnd(size, "x"));
      },
    };
    let read = 0;
    for await (const { priceVersion } of watch()) {
      expect(Number.parseInt(priceVersion)).toBe(read++);
      if (read !== 1) continue;
      await sleep(150);
      expect(produced).toBeLessThan(64 + 200_000 / size);
      if (size > 1_000) break;
    }
    expect(read).toBe(size > 1_000 ? 1 : total);
  });

  test("messages up to the bound pass, both ways", async () => {
    const big = "x".repeat(maximumMessageBytes - 100);
    script = {
      recordUsage: async ({ events }) => create(RecordUsageResponseSchema, { confirmedAttemptIds: [events[0]!.intent!.attemptId] }),
      async *watchPriceVersion() {
        yield version(big);
        yield version(big);
      },
    };
    const response = await peer.recordUsage(create(RecordUsageRequestSchema, { events: [{ intent: { attemptId: big } }] }), contextOf());
    expect(response.confirmedAttemptIds[0]).toHaveLength(big.length);
    expect(await collect(watch())).toHaveLength(2);
  });

  test("200 streams at once each get their own", async () => {
    script = {
      async *watchPriceVersion(_request, { requestId }) {
        for (let index = 0; index < 20; index++) {
          if (index % 5 === 0) await sleep(1);
          yield version(`${requestId}/${index}`);
        }
      },
    };
    const streams = Array.from({ length: 200 }, (_, index) => collect(watch(contextOf({ requestId: `req_${index}` }))));
    for (const [index, messages] of (await Promise.all(streams)).entries()) {
      expect(messages.map(({ priceVersion }) => priceVersion)).toEqual(Array.from({ length: 20 }, (_, position) => `req_${index}/${position}`));
    }
  });

  test("nothing stays on a signal that outlives the calls", async () => {
    const context = contextOf();
    script = {
      recordUsage: async ({ events }) => {
        if (events.length > 0) throw richError("INTERNAL");
        return create(RecordUsageResponseSchema);
      },
      async *watchPriceVersion() {
        yield version("1");
        yield version("2");
        throw richError("OVERLOADED");
      },
    };
    for (let index = 0; index < 10; index++) {
      await record(context);
      await failureOf(peer.recordUsage(create(RecordUsageRequestSchema, { events: [{}] }), context));
      await failureOf(collect(watch(context)));
      for await (const { priceVersion } of watch(context)) {
        expect(priceVersion).toBe("1");
        break;
      }
      watch(context);
    }
    expect(getEventListeners(context.signal, "abort")).toEqual([]);
  });
});
