/** Owns having texts judged by others within the rule's time, as many beside their calls as there is room for, and measuring how they do. */
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import { Histogram, type Registry } from "#platform/metrics.ts";
import { JudgedTooLate, type AskOutside, type Judge, type Judgement, type Question } from "./domain/guardrails/outside/outside-check.ts";

/** How each kind of judge is asked; rejects when the signal fires. */
export type Judges = { readonly [Kind in Judge["case"]]: (value: Extract<Judge, { case: Kind }>["value"], question: Question, signal: AbortSignal) => Promise<Judgement> };

/** Of questions beside calls that are waited for at once, and of the characters of their texts; one alone may have more. */
export const mostBeside = 256;
export const mostCharactersBeside = 16 * 1024 * 1024;

export function createOutsideChecks(judges: Judges, logger: Logger, metrics: Registry): AskOutside {
  const seconds = new Histogram({
    name: "weir_guardrail_check_duration_seconds",
    help: "How long others took to judge the texts of a call, by guardrail, who judged, and outcome (the verdict or the error's reason).",
    labelNames: ["rule", "check", "outcome"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30],
    registers: [metrics],
  });
  const beside = new RoomBeside();
  return async (check, question) => {
    const { rule, call } = question;
    const span = call.span?.begin(`guardrail ${rule}`);
    span?.note({ "weir.guardrail": rule, "weir.guardrail.check": check.name });
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(new JudgedTooLate(check)), check.timeoutMs);
    const stopClock = seconds.startTimer({ rule, check: check.name });
    let leave: (() => void) | undefined;
    try {
      if (question.isBeside === true) leave = beside.enter(question.texts);
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
      leave?.();
    }
  };
}

/** Calls end without these questions: where those who judge are slow, nothing else keeps them from becoming ever more. */
class RoomBeside {
  #questions = 0;
  #characters = 0;

  /** What is returned is called when the question is over. Throws OVERLOADED. */
  enter(texts: readonly string[]): () => void {
    const characters = texts.reduce((sum, { length }) => sum + length, 0);
    if (this.#questions >= mostBeside || (this.#questions > 0 && this.#characters + characters > mostCharactersBeside)) {
      throw new GatewayError("OVERLOADED", `${this.#questions} judgements in shadow are waited for already, of ${this.#characters} characters: this text is judged by nobody.`);
    }
    this.#questions++;
    this.#characters += characters;
    return () => {
      this.#questions--;
      this.#characters -= characters;
    };
  }
}

function ask(judges: Judges, judge: Judge, question: Question, signal: AbortSignal): Promise<Judgement> {
  // The compiler does not follow a case to its own value.
  const asked = judges[judge.case] as (value: unknown, question: Question, signal: AbortSignal) => Promise<Judgement>;
  return asked(judge.value, question, signal);
}
