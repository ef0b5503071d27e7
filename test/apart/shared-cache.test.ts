/** Proves that processes of routing find each other's replies, over restarts and without a word of them in clear, and that calls are served when they cannot be asked for. */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { findNatsServer, startNatsServer, type NatsServer } from "../harness/nats-server.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const program = await findNatsServer();

let nats: NatsServer;
let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let configPath: string;
let stop: () => Promise<number | null>;
let count = 0;

const secret = randomBytes(24).toString("base64");

describe.skipIf(program === undefined)("a cache that processes share", () => {
  beforeAll(async () => {
    nats = await startNatsServer(program!, "max_payload: 64KB");
    upstream = await startScriptedProvider((request, response) => {
      const { messages } = JSON.parse(request.body.toString()) as { messages: { content: string }[] };
      const text = `canary-reply ${++count} ${"x".repeat(messages[0]!.content.includes("at length") ? 70_000 : 0)}`;
      return json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } })(request, response);
    });
    const config = `
providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }
cache: { rules: [{ lifetime: 600s }], shared: { secret: "\${WEIR_CACHE_SECRET}", max_bytes: 16777216 } }
logging: { level: error }
`;
    const started = await startApartWeir(config, { instances: { routing: 2 }, environment: { WEIR_NATS_URL: nats.url, WEIR_CACHE_SECRET: secret } });
    ({ weir, apart, stop } = started);
    configPath = join(started.dataDirectory, "weir.yaml");
    await apart.start("routing", 1);
  }, 60_000);
  afterAll(async () => {
    await stop?.();
    await nats?.stop();
    await upstream?.stop();
  });

  interface Asked {
    readonly text: string;
    readonly cache: string | null;
    readonly ageSeconds: number;
    readonly tookMs: number;
  }

  async function ask(instance: number, content: string, key = weir.inferenceKey): Promise<Asked> {
    const startMs = performance.now();
    const response = await fetch(`${apart.originOf(instance)}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "up/m", messages: [{ role: "user", content }] }),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return { text, cache: response.headers.get("x-weir-cache"), ageSeconds: Number(response.headers.get("age")), tookMs: performance.now() - startMs };
  }

  /** How often something happened to the shared cache at an instance. */
  async function outcomes(instance: number, name: "look_duration_seconds_count" | "puts_total", outcome: string): Promise<number> {
    const metrics = await (await fetch(`${apart.process("routing", instance).adminOrigin}/metrics`)).text();
    return Number(new RegExp(`^weir_cache_shared_${name}\\{outcome="${outcome}"\\} (\\d+)$`, "m").exec(metrics)?.[1] ?? 0);
  }

  /** Has an instance keep a reply to the prompt, and resolves when all may find it. */
  async function keep(instance: number, content: string): Promise<Asked> {
    const before = await outcomes(instance, "puts_total", "ok");
    const asked = await ask(instance, content);
    expect(asked.cache).toBe("miss");
    await expect.poll(() => outcomes(instance, "puts_total", "ok"), { timeout: 5_000 }).toBe(before + 1);
    return asked;
  }

  /** Prompts whose replies an instance has shared, with these. */
  async function keepSome(instance: number, name: string): Promise<Map<string, string>> {
    const kept = new Map<string, string>();
    for (let index = 0; index < 5; index++) {
      const prompt = `canary-prompt ${name} ${index}`;
      kept.set(prompt, (await keep(instance, prompt)).text);
    }
    return kept;
  }

  /** The first of them that an instance is given; each is good for one look, and a look may come too late, or before NATS is connected. */
  async function findOne(instance: number, kept: Map<string, string>): Promise<Asked & { readonly prompt: string }> {
    for (const [prompt, text] of kept) {
      const asked = await ask(instance, prompt);
      if (asked.cache !== "hit") continue;
      expect(asked.text).toBe(text);
      return { ...asked, prompt };
    }
    throw new Error("None was found.");
  }

  async function restart(instance: number): Promise<void> {
    await apart.process("routing", instance).stop("SIGTERM");
    await apart.start("routing", instance);
  }

  test("what one keeps another gives again, with its age; another organization finds nothing", async () => {
    const kept = await keepSome(0, "one");
    const keptMs = performance.now();
    await expect.poll(() => performance.now() - keptMs, { timeout: 3_000 }).toBeGreaterThan(1_100);
    const { ageSeconds, prompt } = await findOne(1, kept);
    expect(ageSeconds).toBeGreaterThanOrEqual(1);
    expect(ageSeconds).toBeLessThan(60);
    expect(await outcomes(1, "look_duration_seconds_count", "hit")).toBe(1);
    // From now on it is there, too.
    expect(await ask(1, prompt)).toMatchObject({ cache: "hit", text: kept.get(prompt) });
    expect(await outcomes(1, "look_duration_seconds_count", "hit")).toBe(1);

    const policy = weir.client(PolicyService);
    const { organization } = await policy.createOrganization({ name: "other" });
    const { team } = await policy.createTeam({ organizationId: organization!.id, name: "theirs" });
    const theirs = await policy.createKey({ teamId: team!.id, name: "theirs" });
    for (const instance of [0, 1]) {
      for (const [prompt, text] of kept) expect((await ask(instance, prompt, theirs.secret)).text).not.toBe(text);
    }
  });

  test("a restarted process begins with what is shared", async () => {
    const kept = await keepSome(1, "restart");
    await restart(1);
    await findOne(1, kept);
  });

  test("NATS holds no word of prompts and replies, and no name of anybody", async () => {
    await keep(0, "canary-prompt secret");
    const connection = await connect({ servers: nats.url });
    try {
      const stream = await jetstream(connection).streams.get("WEIR_CACHE");
      const { messages, first_seq, last_seq } = (await stream.info()).state;
      expect(messages).toBeGreaterThan(0);
      for (let seq = first_seq; seq <= last_seq; seq++) {
        const message = await stream.getMessage({ seq });
        if (message === null) continue;
        expect(message.subject).toMatch(/^weir[.]cache[.][A-Za-z0-9_-]{43}$/);
        for (const word of ["canary", "secret", "assistant", "org_", "up/m"]) expect(Buffer.from(message.data).includes(word)).toBe(false);
        expect(message.header.keys()).toEqual([]);
      }
    } finally {
      await connection.close();
    }
  });

  test("what is too large for NATS is kept by its process alone", async () => {
    const first = await ask(0, "canary-prompt at length");
    expect((await ask(0, "canary-prompt at length")).text).toBe(first.text);
    expect((await ask(1, "canary-prompt at length")).cache).toBe("miss");
    expect(await outcomes(0, "puts_total", "size")).toBe(1);
  });

  test("a lifetime that becomes shorter holds for what is shared", async () => {
    await keep(0, "canary-prompt lifetime");
    const whole = await readFile(configPath, "utf8");
    await writeFile(configPath, whole.replace("600s", "1s"));
    try {
      // Where either level still gave it, it would be a hit.
      for (const instance of [0, 1]) await expect.poll(async () => (await ask(instance, "canary-prompt lifetime")).cache, { timeout: 20_000, interval: 1_200 }).toBe("miss");
    } finally {
      await writeFile(configPath, whole);
    }
    const probe = `canary-prompt probe ${++count}`;
    await ask(0, probe);
    await expect.poll(async () => (await ask(0, probe)).ageSeconds, { timeout: 10_000 }).toBeGreaterThan(1);
  });

  test("while NATS is down calls are served as before, and afterwards found again", async () => {
    const first = await keep(0, "canary-prompt down");
    const failures = async (): Promise<number> => {
      const counts = await Promise.all(["away", "late", "refused", "paused"].map((outcome) => outcomes(1, "look_duration_seconds_count", outcome)));
      return counts.reduce((sum, one) => sum + one);
    };
    await nats.kill();
    const before = await failures();
    const missed = await ask(1, "canary-prompt down");
    expect(missed.cache).toBe("miss");
    expect(missed.text).not.toBe(first.text);
    for (let call = 0; call < 20; call++) {
      const asked = await ask(1, `canary-prompt down ${call}`);
      expect(asked.cache).toBe("miss");
      expect(asked.tookMs).toBeLessThan(1_000);
    }
    expect((await ask(0, "canary-prompt down")).cache).toBe("hit");
    expect(await failures()).toBe(before + 21);
    await nats.start();
    // Each needs a moment to be connected again.
    const isShared = async (): Promise<boolean> => {
      const prompt = `canary-prompt back ${++count}`;
      await ask(0, prompt);
      return (await ask(1, prompt)).cache === "hit";
    };
    await expect.poll(isShared, { timeout: 30_000, interval: 200 }).toBe(true);
  });

  test("a process with another secret finds nothing, and serves", async () => {
    const kept = await keepSome(0, "stranger");
    const whole = await readFile(configPath, "utf8");
    await writeFile(configPath, whole.replace("${WEIR_CACHE_SECRET}", "another secret of more than 32 letters"));
    await restart(1);
    await expect(findOne(1, kept)).rejects.toThrow("None was found.");
    expect(await outcomes(1, "look_duration_seconds_count", "none")).toBeGreaterThan(0);
    expect((await ask(1, [...kept.keys()][0]!)).cache).toBe("hit");
    // The other one's are still there.
    await writeFile(configPath, whole);
    await restart(1);
    await findOne(1, kept);
  });
});
