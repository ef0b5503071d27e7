/** Owns the proof that every drill ends with: what the upstream served stands in the ledger, each call once, and nothing else stands there unexplained. */
import { expect } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { linesByModel } from "../harness/callers.ts";
import { servedTokens, type ProvingGround } from "./proving-ground.ts";

export interface ProofOptions {
  /** Of the load whose calls are looked at. */
  readonly model: string;
  /** How long the ledger may take until it has all. */
  readonly patienceMs: number;
}

export interface Proof {
  readonly served: number;
  readonly lines: number;
  readonly orphans: number;
  readonly unserved: number;
}

/** What may have become of a call that the upstream never saw. */
const unservedResults: readonly AttemptResult[] = [AttemptResult.ORPHANED, AttemptResult.NOT_SENT, AttemptResult.FAILED, AttemptResult.CANCELLED];

/** Waits until the ledger has all that was served; call it when the load has stopped. */
export async function proveLedger({ weir, served: readServed }: Pick<ProvingGround, "weir" | "served">, { model, patienceMs }: ProofOptions): Promise<Proof> {
  const served = (await readServed()).map((one) => one.model).filter((name) => name.startsWith(`${model}-`));
  const isServed = new Set(served);
  expect(isServed.size).toBe(served.length);
  await expect.poll(async () => missing(served, await linesByModel(weir)), { timeout: patienceMs, interval: 1_000 }).toEqual([]);

  const whole = await linesByModel(weir);
  const own = [...whole].filter(([name]) => name.startsWith(`${model}-`));
  expect(own.filter(([name, lines]) => isServed.has(name) && lines.length !== 1).map(([name]) => name)).toEqual([]);
  const unserved = own.filter(([name]) => !isServed.has(name)).flatMap(([, lines]) => lines);
  expect(unserved.filter(({ event }) => !unservedResults.includes(event!.outcome!.result))).toEqual([]);
  const lines = own.flatMap(([, each]) => each);
  for (const { event } of lines.filter(({ event }) => event!.outcome!.result === AttemptResult.SUCCEEDED)) expect(event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual(servedTokens);

  // The sums say the same as the lines.
  const all = [...whole.values()].flat();
  const orphansOf = (some: typeof all): number => some.filter(({ event }) => event!.rank === UsageSource.ORPHANED).length;
  const [sums] = (await weir.client(MeteringService).queryUsage({})).rows;
  expect(sums).toMatchObject({ attempts: BigInt(all.length), orphanedAttempts: BigInt(orphansOf(all)) });
  return { served: served.length, lines: lines.length, orphans: orphansOf(lines), unserved: unserved.length };
}

function missing(served: readonly string[], lines: ReadonlyMap<string, unknown>): string[] {
  return served.filter((model) => !lines.has(model));
}
