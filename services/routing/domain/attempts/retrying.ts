/** Owns asking a target again: at once where another attempt finds what one has missed, and after a failure that may pass how often, after how long, and when the next target is asked instead. */
import { GatewayError } from "#platform/errors.ts";
import type { Alarm } from "./hedging.ts";
import { verdictOn } from "./verdict.ts";

export interface RetryOptions {
  /** How often at most. */
  readonly most: number;
  /** Evenly from 0 to 1, without 1. */
  readonly random: () => number;
  /** Whether the target's circuit is: then nothing would be sent. */
  readonly isOpen: () => boolean;
  /** Until the call must be over. */
  readonly timeLeftMs: () => number;
  /** Resolves with false where the wait was ended: nobody waits for the reply any more. */
  readonly wait: (waitMs: number) => Promise<boolean> | boolean;
  /** Told after the wait, with what failed before it. */
  readonly onRetry: (error: unknown) => void;
}

/** The first wait is at most so long, each further one at most twice as long as the one before. */
const firstWaitMs = 500;

/** A vendor that asks for a longer wait is not waited for. */
const longestWaitMs = 10_000;

/** Rejects with the last attempt's failure; those before it are told of. */
export async function withOthersAtOnce<Begun>(attempt: () => Promise<Begun>, onFailure: (error: unknown) => void): Promise<Begun> {
  for (let others = 0; ; others++) {
    try {
      return await attempt();
    } catch (error) {
      if (others >= verdictOn(error).othersAtOnce) throw error;
      onFailure(error);
    }
  }
}

/** Rejects with the last attempt's failure. */
export async function withRetries<Begun>(attempt: () => Promise<Begun>, { most, random, isOpen, timeLeftMs, wait, onRetry }: RetryOptions): Promise<Begun> {
  for (let retry = 1; ; retry++) {
    try {
      return await attempt();
    } catch (error) {
      const waitMs = retry > most ? undefined : waitBeforeRetry(error, retry, random);
      if (waitMs === undefined || isOpen() || waitMs >= timeLeftMs() || !(await wait(waitMs))) throw error;
      onRetry(error);
    }
  }
}

/**
 * As long as the vendor asks for; else anything up to a bound that doubles, so that those who failed together do not come again together.
 * Undefined where there is to be no retry.
 */
export function waitBeforeRetry(error: unknown, retry: number, random: () => number): number | undefined {
  if (!verdictOn(error).mayPass) return undefined;
  const askedMs = error instanceof GatewayError ? error.retryAfterMs : undefined;
  if (askedMs !== undefined) return askedMs > longestWaitMs ? undefined : askedMs;
  return random() * firstWaitMs * 2 ** (retry - 1);
}

/** Resolves with true after the time, or with false as soon as the signal fires. */
export async function pause(waitMs: number, signal: AbortSignal, setAlarm: (afterMs: number) => Alarm): Promise<boolean> {
  if (signal.aborted) return false;
  const alarm = setAlarm(waitMs);
  const { promise: left, resolve } = Promise.withResolvers<boolean>();
  const leave = (): void => resolve(false);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([alarm.rings.then(() => true), left]);
  } finally {
    alarm.stop();
    signal.removeEventListener("abort", leave);
  }
}
