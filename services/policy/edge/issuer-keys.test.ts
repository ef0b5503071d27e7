import { exportJWK, generateKeyPair, type JWK, type JWSHeaderParameters } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { createLogger } from "#platform/logger.ts";
import { IssuerKeys } from "./issuer-keys.ts";

const issuer = "https://login.example.com/tenant";
const discovery = { issuer, jwks_uri: "https://keys.example.com/jwks" };
const minuteMs = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("an issuer's keys", () => {
  it("are found by discovery, once, and kept", async () => {
    const world = await createWorld();
    await Promise.all([world.find("a"), world.find("a")]);
    await world.find("a");
    expect(world.asked).toEqual([`${issuer}/.well-known/openid-configuration`, discovery.jwks_uri]);
  });

  it("are fetched from where the operator says, without discovery", async () => {
    const world = await createWorld("https://elsewhere.example.com/keys");
    await world.find("a");
    expect(world.asked).toEqual(["https://elsewhere.example.com/keys"]);
  });

  it("are fetched again for one that is not known, but not at every made-up name", async () => {
    const world = await createWorld();
    await world.find("a");
    await world.publish("b");
    await expect(world.find("b")).rejects.toMatchObject({ code: "ERR_JWKS_NO_MATCHING_KEY" });
    expect(world.asked).toHaveLength(2);
    vi.advanceTimersByTime(31_000);
    await world.find("b");
    expect(world.asked).toHaveLength(4);
  });

  it("serve while the issuer is down, for a day", async () => {
    const world = await createWorld();
    await world.find("a");
    world.isDown = true;
    vi.advanceTimersByTime(23 * 60 * minuteMs);
    await world.find("a");
    await expect.poll(() => world.asked).toHaveLength(3);
    await expect(world.find("unknown")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    vi.advanceTimersByTime(2 * 60 * minuteMs);
    await expect(world.find("a")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    world.isDown = false;
    vi.advanceTimersByTime(6_000);
    await world.find("a");
  });

  it("are asked for again beside the calls once they are ten minutes old", async () => {
    const world = await createWorld();
    await world.find("a");
    vi.advanceTimersByTime(11 * minuteMs);
    await world.publish("b");
    await world.find("a");
    await expect.poll(() => world.asked).toHaveLength(4);
    await expect.poll(() => world.find("b")).toBeDefined();
    await expect(world.find("a")).rejects.toMatchObject({ code: "ERR_JWKS_NO_MATCHING_KEY" });
  });

  it("are not asked for at each call while the issuer is down", async () => {
    const world = await createWorld();
    world.isDown = true;
    for (let call = 0; call < 5; call++) await expect(world.find("a")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", retryAfterMs: 5_000 });
    expect(world.asked).toHaveLength(1);
  });

  it.each(["<html>Back soon</html>", "null", '{"keys":{}}', '{"keys":[null]}'])("are not taken from an answer such as %s, which is not asked for at each call", async (answer) => {
    const world = await createWorld();
    world.answer = answer;
    for (let call = 0; call < 5; call++) await expect(world.find("a")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", retryAfterMs: 5_000 });
    expect(world.asked).toHaveLength(2);
  });

  it.each([{ issuer: "https://evil.example.com", jwks_uri: discovery.jwks_uri }, { issuer, jwks_uri: "http://keys.example.com/jwks" }, { issuer }, null])("are not taken from a discovery document such as %j", async (document) => {
    const world = await createWorld();
    world.discovery = document;
    await expect(world.find("a")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    expect(world.asked).toHaveLength(1);
  });
});

interface World {
  readonly asked: string[];
  isDown: boolean;
  discovery: unknown;
  /** In the place of its keys. */
  answer: string | undefined;
  find(kid: string): Promise<unknown>;
  /** A new key takes the place of the one before. */
  publish(kid: string): Promise<void>;
}

async function createWorld(jwksUri = ""): Promise<World> {
  let key: JWK;
  const exchange: Exchange = ({ url }) => {
    world.asked.push(url);
    if (world.isDown) return Promise.reject(new Error("connect ECONNREFUSED"));
    return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(url.endsWith("openid-configuration") ? JSON.stringify(world.discovery) : (world.answer ?? JSON.stringify({ keys: [key] }))) });
  };
  const keys = new IssuerKeys({ settings: { issuer, jwksUri }, exchange, logger: createLogger("silent") });
  const world: World = {
    asked: [],
    isDown: false,
    discovery,
    answer: undefined,
    find: (kid) => keys.find({ alg: "ES256", kid } as JWSHeaderParameters, { payload: "", signature: "" }),
    publish: async (kid) => {
      key = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid, alg: "ES256" };
    },
  };
  await world.publish("a");
  return world;
}
