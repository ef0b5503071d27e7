/** Owns having texts judged by others within the rule's time, and measuring how they do. */
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import { Histogram, type Registry } from "#platform/metrics.ts";
import { JudgedTooLate, type AskOutside, type Judge, type Judgement, type Question } from "./domain/guardrails/outside-check.ts";

/** How each kind of judge is asked; rejects when the signal fires. */
export type Judges = { readonly [Kind in Judge["case"]]: (value: Extract<Judge, { case: Kind }>["value"], question: Question, signal: AbortSignal) => Promise<Judgement> };

export function createOutsideChecks(judges: Judges, logger: Logger, metrics: Registry): AskOutside {
  const seconds = new Histogram({
    name: "weir_guardrail_check_duration_seconds",
    help: "How long others took to judge the texts of a call, by guardrail, who judged, and outcome (the verdict or the error's reason).",
    labelNames: ["rule", "check", "outcome"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30],
    registers: [metrics],
  });
  return async (check, question) => {
    const { rule, call } = question;
    const span = call.span?.begin(`guardrail ${rule}`);
    span?.note({ "weir.guardrail": rule, "weir.guardrail.check": check.name });
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(new JudgedTooLate(check)), check.timeoutMs);
    const stopClock = seconds.startTimer({ rule, check: check.name });
    try {
      const judgement = await ask(judges, check.judge, { ...question, call: { ...call, span } }, AbortSignal.any([call.signal, time.signal]));
      stopClock({ outcome: judgement.verdict });
      span?.note({ "weir.guardrail.verdict": judgement.verdict });
      span?.end();
      return judgement;
    } catch (error) {
      const outcome = error instanceof GatewayError ? error.reason : "INTERNAL";
      stopClock({ outcome });
      span?.end(outcome);
      if (!call.signal.aborted) logger.warn({ requestId: call.requestId, rule, check: check.name, error }, "a guardrail got no judgement");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
}

function ask(judges: Judges, judge: Judge, question: Question, signal: AbortSignal): Promise<Judgement> {
  // The compiler does not follow a case to its own value.
  const asked = judges[judge.case] as (value: unknown, question: Question, signal: AbortSignal) => Promise<Judgement>;
  return asked(judge.value, question, signal);
}
