/** Owns asking the next target beside one that is slow to begin: who begins first answers, and the other is cancelled. */
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "../targets/plan.ts";

export interface Alarm {
  /** Resolves after the time, unless it is stopped. */
  readonly rings: Promise<void>;
  stop(): void;
}

export interface HedgeOptions<Begun> {
  readonly afterMs: number;
  readonly setAlarm: (afterMs: number) => Alarm;
  /** Calls `onSent` when the vendor is asked; rejects when the attempt fails, or the signal fires before it has begun. */
  readonly attempt: (target: Target, signal: AbortSignal, onSent: () => void) => Promise<Begun>;
  /** Throws what the call fails with where no other target is to be tried. */
  readonly onFailure: (target: Target, error: unknown) => void;
  /** Of an attempt that has begun too late. */
  readonly discard: (begun: Begun) => void;
  /** Told who began first, where two were asked. */
  readonly onDecided: (winner: "first" | "second") => void;
}

/** More would multiply what a slow day of all vendors costs. */
const mostAtOnce = 2;

/** Undefined where every target has failed. Throws what `onFailure` does once none that was asked can answer any more. */
export async function firstToBegin<Begun>(targets: readonly Target[], options: HedgeOptions<Begun>): Promise<Begun | undefined> {
  const { afterMs, setAlarm, onFailure, onDecided } = options;
  const waiting = [...targets];
  const running: Running<Begun>[] = [];
  let verdict: { readonly error: unknown } | undefined;
  const startNext = (): void => {
    const next = waiting.shift();
    if (next !== undefined) running.push(start(next, options));
  };
  try {
    for (startNext(); running.length > 0; ) {
      const latest = running.at(-1)!;
      const isAlone = running.length < mostAtOnce && waiting.length > 0;
      const outcome = await (isAlone ? withAlarm(latest, setAlarm, afterMs) : Promise.race(running.map(({ ended }) => ended)));
      if (outcome === "slow") {
        startNext();
        continue;
      }
      const [ended] = running.splice(running.findIndex(({ target }) => target === outcome.target), 1);
      if ("begun" in outcome) {
        if (running.length > 0) onDecided(ended === latest ? "second" : "first");
        return outcome.begun;
      }
      try {
        onFailure(outcome.target, outcome.error);
      } catch (error) {
        // Nobody further is asked; who was asked before may still answer.
        verdict ??= { error };
        waiting.length = 0;
      }
      if (running.length === 0) startNext();
    }
    if (verdict !== undefined) throw verdict.error;
    return undefined;
  } finally {
    for (const { cancel } of running) cancel();
  }
}

type Outcome<Begun> = { readonly target: Target; readonly begun: Begun } | { readonly target: Target; readonly error: unknown };

interface Running<Begun> {
  readonly target: Target;
  readonly sent: Promise<void>;
  /** Never rejects. */
  readonly ended: Promise<Outcome<Begun>>;
  readonly cancel: () => void;
}

function start<Begun>(target: Target, { attempt, discard }: HedgeOptions<Begun>): Running<Begun> {
  const controller = new AbortController();
  const { promise: sent, resolve: onSent } = Promise.withResolvers<void>();
  const ended = attempt(target, controller.signal, onSent).then(
    (begun) => ({ target, begun }),
    (error: unknown) => ({ target, error }),
  );
  return {
    target,
    sent,
    ended,
    cancel: () => {
      controller.abort(new GatewayError("CANCELLED", "Another target began its reply sooner."));
      void ended.then((outcome) => ("begun" in outcome ? discard(outcome.begun) : undefined));
    },
  };
}

/** Slow is who was asked so long ago; what comes before that, guardrails and budgets, is not the target's. */
async function withAlarm<Begun>({ sent, ended }: Running<Begun>, setAlarm: (afterMs: number) => Alarm, afterMs: number): Promise<Outcome<Begun> | "slow"> {
  const outcome = await Promise.race([ended, sent]);
  if (outcome !== undefined) return outcome;
  const alarm = setAlarm(afterMs);
  try {
    return await Promise.race([ended, alarm.rings.then(() => "slow" as const)]);
  } finally {
    alarm.stop();
  }
}
