/** Owns in which order the targets of a route are tried. */
import { createHash } from "node:crypto";
import type { Target } from "./plan.ts";

export type TargetOrder =
  | { readonly by: "listed" | "price" | "latency" }
  | {
      readonly by: "weight";
      /** By target; one without is tried when those with one have failed. */
      readonly weights: Readonly<Record<string, number>>;
      /** Calls with the same value of this label are drawn alike; empty where each is drawn anew. */
      readonly stickyLabel: string;
    };

export const asListed: TargetOrder = { by: "listed" };

/** How soon the latest replies of a target began. */
export interface Latency {
  /** Undefined where none has begun yet. */
  readonly ms: number | undefined;
  /** Nobody has tried the target for so long that the next call is to. */
  readonly isDue: boolean;
}

/** What the order goes by. */
export interface OrderSights {
  /** Evenly from 0 to 1, without 1; of the same target the same again for calls that are to be drawn alike. */
  readonly drawOf: (target: Target) => number;
  /** What the call would cost there, about, in nano-dollars; undefined where that is not known. */
  readonly nanosAt: (target: Target) => bigint | undefined;
  readonly latencyAt: (target: Target) => Latency;
}

/** The same targets. Those of which nothing is known come last; what makes no difference is left as listed. */
export function orderTargets(targets: readonly Target[], order: TargetOrder, sights: OrderSights): readonly Target[] {
  if (order.by === "listed" || targets.length < 2) return targets;
  const places = new Map(targets.map((target) => [target, placeOf(target, order, sights)]));
  return targets.toSorted((left, right) => places.get(left)! - places.get(right)!);
}

const last = Number.MAX_VALUE;
const first = -1;

function placeOf(target: Target, order: TargetOrder, sights: OrderSights): number {
  if (order.by === "weight") {
    const weight = order.weights[target.name];
    // The least of exponential draws is each one's by its rate, and the next is so of the rest.
    return weight === undefined ? last : -Math.log(1 - sights.drawOf(target)) / weight;
  }
  if (order.by === "price") return Number(sights.nanosAt(target) ?? last);
  const { ms, isDue } = sights.latencyAt(target);
  return isDue ? first : (ms ?? last);
}

/** A draw that is the same wherever and whenever it is made of the same words. */
export function drawFrom(words: readonly string[]): number {
  return createHash("sha256").update(JSON.stringify(words)).digest().readUIntBE(0, 6) / 2 ** 48;
}
