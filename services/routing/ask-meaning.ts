/** Owns asking for the vectors by which the cache compares texts: within the time of its rule, measured, and a miss where none comes. */
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import { Histogram, type Registry } from "#platform/metrics.ts";
import type { AskMeaning, Meaning, MeaningQuestion } from "./domain/cache/meaning.ts";

/** `ask` rejects when the signal fires. */
export function createAskMeaning(ask: (question: MeaningQuestion, signal: AbortSignal) => Promise<Meaning | undefined>, logger: Logger, metrics: Registry): AskMeaning {
  const seconds = new Histogram({
    name: "weir_cache_embedding_duration_seconds",
    help: "How long the cache waited for the vector of a text, by outcome: `ok`, `kept` where the text may be told to no target of the model, or the error's reason.",
    labelNames: ["outcome"],
    buckets: [0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
    registers: [metrics],
  });
  return async (question) => {
    const { model, timeoutMs } = question.by;
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(new GatewayError("DEADLINE_EXCEEDED", `${model} took longer than the ${timeoutMs} ms that the cache gives it.`)), timeoutMs);
    const stopClock = seconds.startTimer();
    const span = question.call.span?.begin("vector for the cache");
    try {
      // The caller does not wait for it where the reply is on its way, and may be gone before.
      const meaning = await ask({ ...question, call: { ...question.call, span } }, time.signal);
      stopClock({ outcome: meaning === undefined ? "kept" : "ok" });
      span?.end();
      return meaning;
    } catch (error) {
      const outcome = error instanceof GatewayError ? error.reason : "INTERNAL";
      stopClock({ outcome });
      span?.end(outcome);
      logger.warn({ requestId: question.call.requestId, model, error }, "the cache got no vector of a text, and did without");
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };
}
