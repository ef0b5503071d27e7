import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import { CredentialPool, type StoredSecret } from "./credential-pool.ts";

const minuteMs = 60_000;

describe("a pool of credentials", () => {
  it("gives each its share by weight, in turn, the one of weir.yaml included", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const world = createWorld(weights.map((weight, index) => stored(`c${index}`, { weight })), "configured");
        const total = weights.reduce((sum, weight) => sum + weight, 1);
        const counts = new Map<string, number>();
        for (let turn = 0; turn < total * 3; turn++) counts.set(world.choose(), (counts.get(world.choose.last!) ?? 0) + 1);
        expect(counts.get("configured")).toBe(3);
        for (const [index, weight] of weights.entries()) expect(counts.get(`c${index}`)).toBe(weight * 3);
      }),
    );
  });

  it("leaves alone for five minutes what was refused, tells of it, and tells when it is taken again", () => {
    const world = createWorld([stored("a"), stored("b")]);
    world.pool.refused(world.secret("a"));
    expect(world.told).toEqual(["refused a"]);
    expect(world.turns(3)).toEqual(["b", "b", "b"]);
    world.nowMs += 5 * minuteMs;
    expect(world.turns(4).toSorted()).toEqual(["a", "a", "b", "b"]);
    world.pool.accepted(world.secret("a"), world.nowMs);
    world.pool.accepted(world.secret("b"), world.nowMs);
    expect(world.told).toEqual(["refused a", "accepted a"]);
  });

  it("leaves alone what was limited or refused though a reply that was on its way before comes to its end", () => {
    const world = createWorld([stored("a"), stored("b"), stored("c")]);
    const sentAtMs = world.nowMs;
    world.nowMs += 1_000;
    world.pool.limited(world.secret("a"), minuteMs);
    world.pool.refused(world.secret("b"));
    for (const name of ["a", "b"]) world.pool.accepted(world.secret(name), sentAtMs);
    expect(world.turns(3)).toEqual(["c", "c", "c"]);
    expect(world.told).toEqual(["refused b"]);
    const [, , c] = world.list;
    world.list = [...world.list.slice(0, 2), { ...c!, refusedAtMs: world.nowMs }];
    world.pool.choose();
    world.pool.accepted(c!.secret, sentAtMs);
    expect(world.told).toEqual(["refused b"]);
    world.pool.accepted(c!.secret, world.nowMs);
    expect(world.told).toEqual(["refused b", "accepted c"]);
  });

  it("knows whether the next request would carry another one", () => {
    const world = createWorld([stored("a"), stored("old", { formerUntilMs: minuteMs })]);
    const others = (): boolean[] => ["a", "old"].map((name) => world.pool.hasOther(world.secret(name)));
    expect(others()).toEqual([false, true]);
    world.pool.refused(world.secret("a"));
    expect(others()).toEqual([true, false]);
    world.list = [...world.list, stored("b")];
    expect(others()).toEqual([true, true]);
  });

  it("leaves none alone for longer because the clock was set back", () => {
    const world = createWorld([stored("a"), stored("b")]);
    world.pool.limited(world.secret("a"), 2_000);
    world.stepMs = -60 * minuteMs;
    world.nowMs += 2_000;
    expect(world.turns(2)).toContain("a");
    world.list = [stored("c", { refusedAtMs: world.nowMs }), stored("d")];
    world.nowMs += 5 * minuteMs;
    expect(world.turns(1)).toHaveLength(1);
    world.nowMs += 5 * minuteMs;
    expect(world.turns(2)).toContain("c");
  });

  it("moves on from one whose rate is limited, for as long as the vendor says, within bounds", () => {
    const world = createWorld([stored("a"), stored("b")]);
    world.pool.limited(world.secret("a"), 2_000);
    expect(world.turns(2)).toEqual(["b", "b"]);
    world.nowMs += 2_000;
    expect(world.turns(2)).toContain("a");
    world.pool.limited(world.secret("a"), 1_000_000 * minuteMs);
    world.nowMs += 10 * minuteMs;
    expect(world.turns(2)).toContain("a");
    expect(world.told).toEqual([]);
  });

  it("shows the one that failed longest ago when all have", () => {
    const world = createWorld([stored("a"), stored("b")]);
    world.pool.refused(world.secret("b"));
    world.nowMs += 1;
    world.pool.refused(world.secret("a"));
    expect(world.turns(2)).toEqual(["b", "b"]);
  });

  it("falls back on the former secret of a rotation where the new one is refused, until the overlap ends", () => {
    const world = createWorld([stored("new"), stored("old", { formerUntilMs: minuteMs })]);
    expect(world.turns(3)).toEqual(["new", "new", "new"]);
    world.pool.refused(world.secret("new"));
    expect(world.turns(2)).toEqual(["old", "old"]);
    world.nowMs += minuteMs;
    expect(world.turns(1)).toEqual(["new"]);
  });

  it("keeps what it knows of a credential when others change, and learns what other processes found out", () => {
    const a = stored("a");
    const b = stored("b");
    const world = createWorld([a, b]);
    world.pool.limited(a.secret, minuteMs);
    world.list = [{ ...a, weight: 5 }, b, stored("c", { refusedAtMs: 0 })];
    expect(new Set(world.turns(6))).toEqual(new Set(["b"]));
    world.list = [a, { ...b, refusedAtMs: 0 }, stored("c")];
    expect(new Set(world.turns(6))).toEqual(new Set(["c"]));
  });

  it("has nothing to show, and says so, when there is none", async () => {
    const world = createWorld([]);
    await expect(world.pool.prepare()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", message: expect.stringContaining("weir credentials add main") });
    world.list = [stored("a")];
    expect(world.pool.prepare()).toBeUndefined();
  });

  it("still has something for a call that was prepared before the last one was removed", async () => {
    const world = createWorld([stored("a")]);
    expect(world.pool.prepare()).toBeUndefined();
    world.list = [];
    expect(world.turns(1)).toEqual(["a"]);
    await expect(world.pool.prepare()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  });
});

function stored(name: string, changes: Partial<StoredSecret> = {}): StoredSecret {
  return { credentialId: name, secret: new Secret(name), weight: 1, formerUntilMs: undefined, refusedAtMs: undefined, ...changes };
}

interface World {
  list: readonly StoredSecret[];
  nowMs: number;
  /** By which the clock was set. */
  stepMs: number;
  readonly pool: CredentialPool;
  readonly told: string[];
  readonly choose: (() => string) & { last?: string };
  turns(count: number): string[];
  secret(name: string): Secret;
}

function createWorld(list: readonly StoredSecret[], configured?: string): World {
  const told: string[] = [];
  const choose: World["choose"] = () => (choose.last = world.pool.choose()!.reveal());
  const world: World = {
    list,
    nowMs: 1,
    stepMs: 0,
    told,
    choose,
    turns: (count) => Array.from({ length: count }, () => choose()),
    secret: (name) => world.list.find(({ credentialId }) => credentialId === name)!.secret,
    pool: new CredentialPool({
      provider: "main",
      organizationId: "",
      configured: configured === undefined ? undefined : new Secret(configured),
      stored: { of: () => world.list, refused: ({ credentialId }) => told.push(`refused ${credentialId}`), accepted: ({ credentialId }) => told.push(`accepted ${credentialId}`) },
      clock: { now: () => world.nowMs + world.stepMs, monotonicMs: () => world.nowMs },
    }),
  };
  return world;
}
