/** Owns callers that keep a Weir busy in tests, and remember what became of each request. */
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { WeirClient } from "./start-weir.ts";

export interface Outcome {
  /** The model asked for, another one for every request: by it the upstream's list and the ledger's lines are matched. */
  readonly model: string;
  /** 0 where no answer came. */
  readonly status: number;
  /** Whether the whole reply came, a stream with its end. */
  readonly isWhole: boolean;
  /** The reply's text, or why there is none. */
  readonly text: string;
}

export interface Callers {
  readonly outcomes: readonly Outcome[];
  /** Where the next requests go. */
  turnTo(origin: string): void;
  /** Begins no new request; resolves when the running ones have ended. */
  stop(): Promise<void>;
}

export interface CallersOptions {
  readonly origin: string;
  readonly key: string;
  /** Requests at once. */
  readonly count: number;
  /** The chunks of a stream; undefined for replies in one piece. */
  readonly chunks?: number;
  /** How long each caller rests between two requests. */
  readonly restMs?: number;
}

let asked = 0;

export function startCallers({ origin, key, count, chunks, restMs = 0 }: CallersOptions): Callers {
  const outcomes: Outcome[] = [];
  let target = origin;
  let isStopped = false;
  const callers = Array.from({ length: count }, async () => {
    while (!isStopped) {
      outcomes.push(await callOnce(target, key, chunks));
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  });
  return {
    outcomes,
    turnTo: (next) => (target = next),
    stop: async () => {
      isStopped = true;
      await Promise.all(callers);
    },
  };
}

/** One chat completion for a model of its own. */
export async function callOnce(origin: string, key: string, chunks?: number): Promise<Outcome> {
  const model = `up/m-${asked++}`;
  const stream = chunks === undefined ? {} : { stream: true, max_tokens: chunks };
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "rain" }], ...stream });
  let status = 0;
  try {
    const response = await fetch(`${origin}/v1/chat/completions`, { method: "POST", headers, body });
    status = response.status;
    const text = await response.text();
    return { model, status, text, isWhole: status === 200 && (chunks === undefined || text.endsWith("data: [DONE]\n\n")) };
  } catch (error) {
    return { model, status, text: String(error), isWhole: false };
  }
}

/** All lines of the ledger by the model they are for, without the provider's name. */
export async function linesByModel(weir: Pick<WeirClient, "client">): Promise<Map<string, Attempt[]>> {
  const metering = weir.client(MeteringService);
  const lines = new Map<string, Attempt[]>();
  for (let pageToken = ""; ; ) {
    const page = await metering.listAttempts({ pageSize: 1_000, pageToken });
    for (const attempt of page.attempts) {
      const { model } = attempt.event!.intent!;
      lines.set(model, [...(lines.get(model) ?? []), attempt]);
    }
    pageToken = page.nextPageToken;
    if (pageToken === "") return lines;
  }
}
