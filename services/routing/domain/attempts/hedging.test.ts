import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { firstToBegin, type HedgeOptions } from "./hedging.ts";
import type { Target } from "../targets/plan.ts";

const provider = create(ProviderSchema, { name: "any" });
const targets = ["a", "b", "c"].map((name): Target => ({ name, provider, model: "m", breakerName: name }));

/** What happened, in its order. */
let log: string[];
let attempts: Map<string, { sent: () => void; begin: () => void; fail: (error: Error) => void }>;
let ring: () => void;

beforeEach(() => {
  log = [];
  attempts = new Map();
});

const options: HedgeOptions<string> = {
  afterMs: 50,
  setAlarm: (afterMs) => {
    log.push(`alarm after ${afterMs}`);
    const { promise: rings, resolve } = Promise.withResolvers<void>();
    ring = resolve;
    return { rings, stop: () => void log.push("alarm stopped") };
  },
  attempt: ({ name }, signal, sent) => {
    log.push(`${name} tried`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    attempts.set(name, { sent, begin: () => resolve(name), fail: reject });
    signal.addEventListener("abort", () => log.push(`${name} cancelled`));
    return promise;
  },
  onFailure: ({ name }, error) => {
    log.push(`${name} failed`);
    if ((error as Error).message === "fatal") throw error;
  },
  discard: (begun) => void log.push(`${begun} discarded`),
  onDecided: (winner) => void log.push(`${winner} won`),
};

/** Lets all that is ready happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function askedTwo(): Promise<Promise<string | undefined>[]> {
  const begun = firstToBegin(targets, options);
  attempts.get("a")!.sent();
  await settle();
  ring();
  await settle();
  attempts.get("b")!.sent();
  await settle();
  return [begun];
}

test("who begins in time is alone", async () => {
  const begun = firstToBegin(targets, options);
  attempts.get("a")!.sent();
  await settle();
  attempts.get("a")!.begin();
  expect(await begun).toBe("a");
  expect(log).toEqual(["a tried", "alarm after 50", "alarm stopped"]);
});

test("the time runs from when the vendor is asked", async () => {
  void firstToBegin(targets, options);
  await settle();
  expect(log).toEqual(["a tried"]);
});

describe("beside one that is slow the next is asked, and no third", () => {
  test.each([
    ["a", "first", "b"],
    ["b", "second", "a"],
  ])("%s answers when it begins, and the other is cancelled, late or not", async (winner, place, loser) => {
    const [begun] = await askedTwo();
    attempts.get(winner)!.begin();
    expect(await begun).toBe(winner);
    attempts.get(loser)!.begin();
    await settle();
    expect(log).toEqual(["a tried", "alarm after 50", "alarm stopped", "b tried", `${place} won`, `${loser} cancelled`, `${loser} discarded`]);
  });

  test("when both fail the third is tried, and undefined is what comes of three failures", async () => {
    const [begun] = await askedTwo();
    attempts.get("b")!.fail(new Error("down"));
    await settle();
    // The first goes on alone, so the third is in reserve as the second was.
    attempts.get("a")!.fail(new Error("down"));
    await settle();
    attempts.get("c")!.fail(new Error("down"));
    expect(await begun).toBeUndefined();
    expect(log.filter((line) => !line.startsWith("alarm"))).toEqual(["a tried", "b tried", "b failed", "a failed", "c tried", "c failed"]);
  });

  test.each([
    ["b", "a"],
    ["a", "b"],
  ])("a refusal by %s does not end what the other does, and nobody further is asked", async (refusing, other) => {
    const [begun] = await askedTwo();
    attempts.get(refusing)!.fail(new Error("fatal"));
    await settle();
    attempts.get(other)!.begin();
    expect(await begun).toBe(other);
    expect(log.filter((line) => !line.startsWith("alarm"))).toEqual(["a tried", "b tried", `${refusing} failed`]);
  });

  test("a refusal is what the call fails with where the other fails, too", async () => {
    const [begun] = await askedTwo();
    attempts.get("b")!.fail(new Error("fatal"));
    await settle();
    attempts.get("a")!.fail(new Error("down"));
    await expect(begun).rejects.toThrow("fatal");
    expect(log.filter((line) => !line.startsWith("alarm"))).toEqual(["a tried", "b tried", "b failed", "a failed"]);
  });
});

test("a failure is not waited for", async () => {
  const begun = firstToBegin(targets, options);
  attempts.get("a")!.fail(new Error("down"));
  await settle();
  attempts.get("b")!.begin();
  expect(await begun).toBe("b");
  expect(log).toEqual(["a tried", "a failed", "b tried"]);
});
