/** Owns what an attempt draws from a lease before it begins: the need, and what comes of it. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Span } from "#platform/tracing/span.ts";
import type { PricedBound } from "./bound.ts";

/** What an attempt could cost. */
export interface Need {
  readonly bound: PricedBound;
  /** What less is still of use; 0 where nothing below the bound is. */
  readonly floorNanos: bigint;
  /** The bound, lowered to cost no more than this; undefined where that cannot be. */
  clamp(amountNanos: bigint): PricedBound | undefined;
}

/** What is drawn for one attempt. */
export interface Hold {
  /** Empty where no budget applies after all. */
  readonly leaseId: string;
  readonly bound: PricedBound;
  /** The budget because of which the bound is lower than was needed; empty where it is not. */
  readonly clampedBy: string;
  /** How long the attempt may take to begin, in milliseconds. */
  readonly startWithinMs: number;
  /** The attempt cost this: the rest is free again. Called at most once, and never where it is not known. */
  spent(nanos: bigint): void;
}

/** For whom, and until when it is waited for. */
export interface HoldContext {
  readonly grant: Grant;
  /** All of the call, those of its key included. */
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** The call, where it is recorded. */
  readonly span?: Span | undefined;
}

export interface HoldSource {
  /** Throws BUDGET_EXCEEDED when a budget has too little left, DEPENDENCY_UNAVAILABLE when policy cannot be asked. */
  hold(need: Need, context: HoldContext): Hold | Promise<Hold>;
}
