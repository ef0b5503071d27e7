/** Owns callers who come at a steady rate whatever becomes of them: half of them stream, a tenth hangs up. */
import { setTimeout as pause } from "node:timers/promises";

export interface SteadyLoad {
  /** Resolves when so many more whole replies have come. */
  answers(count: number): Promise<void>;
  /** What became of those who got no whole reply, without those who hung up themselves. */
  readonly failures: readonly Failure[];
  /** Asks nothing more; resolves when the last one has an answer, or none. */
  stop(): Promise<{ readonly asked: number; readonly seconds: number; readonly mostAtOnce: number }>;
}

export interface Failure {
  /** When it was asked. */
  readonly timeMs: number;
  /** 0 where no answer came. */
  readonly status: number;
  /** The reason in the reply's headers; empty where it has none. */
  readonly reason: string;
  readonly text: string;
}

export interface SteadyLoadOptions {
  readonly origin: string;
  readonly key: string;
  readonly requestsPerSecond: number;
  /** Each call asks for a model of its own, `<model>-<place>`: by it the upstream's list and the ledger's lines are matched. */
  readonly model: string;
  /** Decides who streams and who hangs up. */
  readonly random: () => number;
}

const tickMs = 20;
/** More than these do not wait at once; a machine that cannot keep up is told so by its rate. */
const maximumAtOnce = 1_000;
const longestWaitMs = 20_000;
/** On a machine that others use, too. */
const answersWithinMs = 180_000;
const hangUpWithinMs = 300;
const streamChunks = 3;

export function startSteadyLoad({ origin, key, requestsPerSecond, model, random }: SteadyLoadOptions): SteadyLoad {
  const beginMs = performance.now();
  const running = new Set<Promise<void>>();
  const failures: Failure[] = [];
  let asked = 0;
  let answered = 0;
  let mostAtOnce = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - beginMs) / 1_000) * requestsPerSecond;
    while (asked < due && running.size < maximumAtOnce) begin();
  }, tickMs);

  return {
    failures,
    async answers(count) {
      const enough = answered + count;
      const deadlineMs = performance.now() + answersWithinMs;
      while (answered < enough) {
        if (performance.now() > deadlineMs) throw new Error(`Only ${answered} whole replies have come, not ${enough}.`);
        await pause(tickMs);
      }
    },
    async stop() {
      clearInterval(timer);
      const seconds = (performance.now() - beginMs) / 1_000;
      await Promise.all(running);
      return { asked, seconds, mostAtOnce };
    },
  };

  function begin(): void {
    const call = callOnce(asked++).finally(() => running.delete(call));
    running.add(call);
    mostAtOnce = Math.max(mostAtOnce, running.size);
  }

  async function callOnce(place: number): Promise<void> {
    const isStream = random() < 0.5;
    const hangsUp = random() < 0.1;
    const patienceMs = hangsUp ? random() * hangUpWithinMs : longestWaitMs;
    const body = JSON.stringify({ model: `up/${model}-${place}`, max_tokens: streamChunks, messages: [{ role: "user", content: "rain" }], ...(isStream ? { stream: true } : {}) });
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const timeMs = Date.now();
    let status = 0;
    let reason = "";
    try {
      const response = await fetch(`${origin}/v1/chat/completions`, { method: "POST", headers, body, signal: AbortSignal.timeout(patienceMs) });
      status = response.status;
      reason = response.headers.get("x-weir-reason") ?? "";
      const text = await response.text();
      if (status === 200 && (!isStream || text.endsWith("data: [DONE]\n\n"))) answered++;
      else failures.push({ timeMs, status, reason, text });
    } catch (error) {
      // Killed, or hung up: the ledger says what came of it.
      if (!hangsUp) failures.push({ timeMs, status, reason, text: String(error) });
    }
  }
}
