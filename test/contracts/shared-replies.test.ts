/** Proves what the shared cache does at a real NATS, and when that is slow, away, in the way, or full of what is no reply. */
import { randomBytes } from "node:crypto";
import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "#platform/clock.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { Logger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { createSharedRepliesMetrics, SharedReplies, type SharedRepliesSettings } from "../../services/routing/store/shared-replies.ts";
import { findNatsServer } from "../harness/nats-server.ts";
import { startNatsProxy } from "../harness/nats-proxy.ts";
import { shippedRights } from "../harness/nats-rights.ts";
import { expectRefused, keepLog, openLink, silent, startTestNats, withManager } from "./event-log-world.ts";

const program = await findNatsServer();
const settings: SharedRepliesSettings = { secret: new Secret("of the shared cache, for all processes"), maximumBytes: 4 * 1024 * 1024, storage: "file", replicas: 1 };
const reply = Buffer.from("a reply that was kept");

interface Process {
  readonly replies: SharedReplies;
  /** Counts by outcome. */
  looks(): Promise<Record<string, number>>;
  puts(): Promise<Record<string, number>>;
  /** Resolves when NATS has it. */
  share(key: string, bytes?: Uint8Array): Promise<void>;
  setNow(ms: number): void;
  setLifetime(ms: number): void;
}

/** What one process has of the shared cache. */
async function startProcess(link: NatsLink, { logger = silent, lookWithinMs = 2_000, ...changes }: Partial<SharedRepliesSettings> & { readonly logger?: Logger; readonly lookWithinMs?: number } = {}): Promise<Process> {
  await link.connected(AbortSignal.timeout(5_000));
  const metrics = createMetricsRegistry();
  let nowMs = Date.now();
  let lifetimeMs = 3_600_000;
  const replies = new SharedReplies({ link, settings: { ...settings, ...changes }, longestLifetimeMs: () => lifetimeMs, clock: { ...systemClock, now: () => nowMs }, logger, metrics: createSharedRepliesMetrics(metrics), lookWithinMs });
  onTestFinished(() => replies.stop());
  const countsOf = async (name: string, isCount: (metricName: string | undefined) => boolean): Promise<Record<string, number>> => {
    const { values } = await metrics.getSingleMetric(name)!.get();
    return Object.fromEntries(values.filter((value) => isCount((value as { metricName?: string }).metricName)).map(({ labels, value }) => [labels["outcome"], value]));
  };
  const looks = () => countsOf("weir_cache_shared_look_duration_seconds", (name) => name?.endsWith("_count") === true);
  const puts = () => countsOf("weir_cache_shared_puts_total", () => true);
  return {
    replies,
    looks,
    puts,
    async share(key, bytes = reply) {
      const before = (await puts())["ok"] ?? 0;
      replies.put(key, bytes);
      await expect.poll(async () => (await puts())["ok"], { timeout: 10_000 }).toBe(before + 1);
    },
    setNow: (ms) => (nowMs = ms),
    setLifetime: (ms) => (lifetimeMs = ms),
  };
}

const found = { bytes: reply, ageMs: expect.any(Number) as number };

describe.skipIf(program === undefined)("the shared cache", () => {
  test("what one process keeps another finds, until it is too old for who asks; under another secret nobody does", async () => {
    const nats = await startTestNats();
    const one = await startProcess(openLink(nats.url));
    const two = await startProcess(openLink(nats.url));
    const stranger = await startProcess(openLink(nats.url), { secret: new Secret("another one, of another installation") });
    one.setNow(1_000_000);
    two.setNow(1_004_500);
    expect(await two.replies.find("key", Infinity, 1_000)).toBeUndefined();
    await one.share("key");
    expect(await two.replies.find("key", 5_000, 1_000)).toEqual({ bytes: reply, ageMs: 4_500 });
    expect(await two.replies.find("key", 4_500, 1_000)).toBeUndefined();
    expect(await two.replies.find("key", 5_000, reply.length - 1)).toBeUndefined();
    expect(await two.replies.find("other", 5_000, 1_000)).toBeUndefined();
    expect(await stranger.replies.find("key", Infinity, 1_000)).toBeUndefined();
    expect(await two.looks()).toEqual({ none: 2, hit: 1, old: 1, size: 1 });
    expect(await stranger.looks()).toEqual({ none: 1 });
    // Clocks differ a little; from far ahead nothing has an age.
    two.setNow(999_000);
    expect(await two.replies.find("key", 5_000, 1_000)).toEqual({ bytes: reply, ageMs: 0 });
    two.setNow(900_000);
    expect(await two.replies.find("key", 5_000, 1_000)).toBeUndefined();
    // The newest alone is there.
    await two.share("key", Buffer.from("anew"));
    expect((await one.replies.find("key", Infinity, 1_000))!.bytes).toEqual(Buffer.from("anew"));
    expect(await withManager(nats.url, async ({ streams }) => (await streams.info("WEIR_CACHE")).state.messages)).toBe(1);
  });

  test("a reply that was moved to another's subject, and what is none, are misses", async () => {
    const nats = await startTestNats();
    const one = await startProcess(openLink(nats.url));
    await one.share("first");
    await one.share("second", Buffer.from("another reply"));
    await withManager(nats.url, async ({ streams }, connection) => {
      const stream = await streams.get("WEIR_CACHE");
      const [first, second] = [(await stream.getMessage({ seq: 1 }))!, (await stream.getMessage({ seq: 2 }))!];
      connection.publish(second.subject, first.data);
      connection.publish(first.subject, randomBytes(200));
      await connection.flush();
    });
    expect(await one.replies.find("second", Infinity, 1_000)).toBeUndefined();
    expect(await one.replies.find("first", Infinity, 1_000)).toBeUndefined();
    expect(await one.looks()).toEqual({ unreadable: 2 });
  });

  test("one that NATS does not take for its size, or that has no room on its way, is not shared; others are", async () => {
    const nats = await startTestNats("max_payload: 64KB");
    const one = await startProcess(openLink(nats.url), { maximumBytes: 64 * 1024 * 1024 });
    await one.share("small");
    one.replies.put("large", new Uint8Array(65_536));
    await expect.poll(() => one.puts()).toEqual({ ok: 1, size: 1 });
    const many = 600;
    for (let index = 0; index < many; index++) one.replies.put(`many ${index}`, new Uint8Array(60_000));
    await expect.poll(async () => Object.values(await one.puts()).reduce((sum, count) => sum + count), { timeout: 20_000 }).toBe(2 + many);
    const { ok, room } = (await one.puts()) as { ok: number; room: number };
    expect(room).toBeGreaterThan(300);
    expect(ok).toBeGreaterThan(200);
    await one.share("later");
  });

  test("a NATS that is silent costs each call 50 ms, then none: it is left alone, and asked again", { timeout: 60_000 }, async () => {
    const nats = await startTestNats();
    let isSilent = false;
    const proxy = await startNatsProxy(nats.port, ({ direction }) => (isSilent && direction === "in" ? [] : [{ delayMs: 0 }]));
    onTestFinished(() => proxy.close());
    const one = await startProcess(openLink(proxy.url), { lookWithinMs: 50 });
    await one.share("key");
    isSilent = true;
    const startMs = performance.now();
    for (let call = 0; call < 10; call++) expect(await one.replies.find("key", Infinity, 1_000)).toBeUndefined();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    const pausedMs = performance.now();
    for (let call = 0; call < 1_000; call++) expect(await one.replies.find("key", Infinity, 1_000)).toBeUndefined();
    one.replies.put("key", reply);
    expect(performance.now() - pausedMs).toBeLessThan(2_000);
    expect(await one.looks()).toMatchObject({ late: expect.any(Number) as number, paused: expect.any(Number) as number });
    expect((await one.looks())["late"]).toBeLessThan(15);
    await expect.poll(() => one.puts()).toEqual({ ok: 1, paused: 1 });
    isSilent = false;
    await expect.poll(() => one.replies.find("key", Infinity, 1_000), { timeout: 20_000, interval: 250 }).toEqual(found);
  });

  test("only so many ask at once", async () => {
    const nats = await startTestNats();
    const proxy = await startNatsProxy(nats.port, ({ direction }) => [{ delayMs: direction === "in" ? 20 : 0 }]);
    onTestFinished(() => proxy.close());
    const one = await startProcess(openLink(proxy.url));
    await one.share("key");
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => one.replies.find("key", Infinity, 1_000)));
    expect(answers.filter((answer) => answer !== undefined).length).toBe(128);
    expect((await one.looks())["busy"]).toBe(1_000 - 128);
  });

  test("while NATS is down all is a miss at once; after its return what lay there is found, or after its loss what is kept anew", { timeout: 60_000 }, async () => {
    const nats = await startTestNats();
    const link = openLink(nats.url);
    const one = await startProcess(link);
    await one.share("key");
    await nats.kill();
    await expect.poll(() => link.isConnected).toBe(false);
    expect(await one.replies.find("key", Infinity, 1_000)).toBeUndefined();
    one.replies.put("key", reply);
    await expect.poll(() => one.puts()).toEqual({ ok: 1, away: 1 });
    await nats.start();
    await expect.poll(() => one.replies.find("key", Infinity, 1_000), { timeout: 20_000 }).toEqual(found);
    await nats.kill();
    await nats.loseStorage();
    await nats.start();
    await expect.poll(async () => {
      await one.replies.find("key", Infinity, 1_000);
      return (await one.looks())["none"] ?? 0;
    }, { timeout: 20_000 }).toBeGreaterThan(0);
    await one.share("key");
    expect(await one.replies.find("key", Infinity, 1_000)).toEqual(found);
  });

  test("the stream is brought to the configuration, and to that of later rules; one of other kind is left, and said", async () => {
    const nats = await startTestNats();
    const configOf = () => withManager(nats.url, async ({ streams }) => (await streams.info("WEIR_CACHE")).config);
    await withManager(nats.url, ({ streams }) => streams.add({ name: "WEIR_CACHE", subjects: ["weir.cache.*"], storage: StorageType.Memory, retention: RetentionPolicy.Limits, discard: DiscardPolicy.New, max_bytes: 1_048_576_000 }));
    const { logger, lines } = keepLog();
    const one = await startProcess(openLink(nats.url), { logger });
    await one.share("key");
    const expected = { storage: "memory", discard: "old", max_msgs_per_subject: 1, max_bytes: settings.maximumBytes, max_age: 3_600_000 * 1e6, num_replicas: 1, allow_direct: true };
    expect(await configOf()).toMatchObject(expected);
    expect(lines.join("\n")).toContain("nats stream rm WEIR_CACHE");
    one.setLifetime(1_000);
    await one.share("key");
    expect(await configOf()).toMatchObject({ ...expected, max_age: 1e9 });
    // Now of itself nothing is there for longer.
    await expect.poll(async () => withManager(nats.url, async ({ streams }) => (await streams.info("WEIR_CACHE")).state.messages), { timeout: 10_000 }).toBe(0);
    await withManager(nats.url, ({ streams }) => streams.delete("WEIR_CACHE"));
    // NATS does not say that it has gone: what was put first is lost.
    one.replies.put("key", reply);
    await expect.poll(async () => (await one.puts())["refused"]).toBe(1);
    await one.share("key");
    expect(await configOf()).toMatchObject({ ...expected, storage: "file", max_age: 1e9 });
  });

  test("deploy/nats.conf gives rights that suffice, and no more; without them all is a miss, and said once", async () => {
    const nats = await startTestNats(shippedRights('{ user: "nobody", password: "secret", permissions: { publish: ["weir.none"], subscribe: ["weir.inbox.routing.>"] } }'));
    const asUser = (user: string): string => nats.url.replace("//", `//${user}:secret@`);
    const { logger, lines } = keepLog();
    const one = await startProcess(openLink(asUser("routing"), { service: "routing", logger }), { logger });
    await one.share("key");
    expect(await one.replies.find("key", Infinity, 1_000)).toEqual(found);
    one.setLifetime(60_000);
    await one.share("key");
    expect(lines.filter((line) => line.includes("ermission"))).toEqual([]);
    await expectRefused(asUser("routing"), { publish: ["weir.usage.a.b", "$JS.API.STREAM.DELETE.WEIR_CACHE", "$JS.API.STREAM.MSG.GET.WEIR_CACHE", "$JS.API.DIRECT.GET.WEIR_USAGE.weir.usage.a.b", "$JS.API.CONSUMER.CREATE.WEIR_CACHE"], subscribe: ["weir.cache.*", "weir.inbox.metering.>"] });
    const denied = await startProcess(openLink(asUser("nobody"), { service: "routing", logger }), { logger });
    for (let call = 0; call < 5; call++) expect(await denied.replies.find("key", Infinity, 1_000)).toBeUndefined();
    expect(lines.filter((line) => line.includes("NATS refuses something"))).toHaveLength(1);
  });
});
