/** Owns how a question to a plug-in is put into its contract, and what its answer means. */
import { create } from "@bufbuild/protobuf";
import { CheckRequestSchema, CheckResponseSchema, Side, type CheckRequest, type CheckResponse, type Mask } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { validateMessage } from "#platform/rpc/validation.ts";
import type { Judgement, Question, Span } from "../../domain/guardrails/outside/outside-check.ts";
import { operationWord } from "../../domain/targets/plan-call.ts";

export function checkRequest({ rule, side, texts, call }: Question): CheckRequest {
  const { requestId, grant, model, operation, labels } = call;
  return create(CheckRequestSchema, {
    requestId,
    guardrail: rule,
    side: side === "input" ? Side.INPUT : Side.OUTPUT,
    operation: operationWord(operation),
    organizationId: grant.organizationId,
    teamId: grant.teamId,
    keyId: grant.keyId,
    model,
    labels: { ...labels, ...grant.labels },
    texts: texts.map((text, index) => ({ id: idOf(index), text: text.toWellFormed() })),
  });
}

/** Throws an Error for an answer that breaks the contract. */
export function judgementOf(response: CheckResponse, texts: readonly string[]): Judgement {
  validateMessage(CheckResponseSchema, response);
  const { verdict } = response;
  if (verdict.case === "mask") return { verdict: "mask", changes: changesOf(verdict.value, texts) };
  if (verdict.case === "block" || verdict.case === "annotate") return { verdict: verdict.case, reason: verdict.value.reason };
  return { verdict: "allow" };
}

function idOf(index: number): string {
  return String(index + 1);
}

function changesOf({ spans, texts: replacements }: Mask, texts: readonly string[]): ReadonlyMap<number, string | readonly Span[]> {
  const changes = new Map<number, string | readonly Span[]>();
  const indexes = new Map(texts.map((_, index) => [idOf(index), index]));
  const indexOf = (id: string): number => {
    const index = indexes.get(id);
    if (index === undefined || changes.has(index)) throw new Error("It names a text that is not there, or one twice.");
    return index;
  };
  for (const { id, text } of replacements) changes.set(indexOf(id), text);
  for (const [id, own] of Map.groupBy(spans, ({ textId }) => textId)) {
    const index = indexOf(id);
    changes.set(index, spansWithin(texts[index]!, own.toSorted((left, right) => left.start - right.start)));
  }
  return changes;
}

/** The spans, from code points to offsets into the text. */
function spansWithin(text: string, spans: Mask["spans"]): readonly Span[] {
  let at = 0;
  let points = 0;
  const offsetOf = (point: number): number => {
    if (point < points) throw new Error("Its spans overlap.");
    for (; points < point; points++) {
      if (at >= text.length) throw new Error("It has a span beyond its text.");
      at += text.codePointAt(at)! > 0xffff ? 2 : 1;
    }
    return at;
  };
  return spans.map(({ start, end, label }) => {
    if (end <= start) throw new Error("It has an empty span.");
    return { start: offsetOf(start), end: offsetOf(end), label };
  });
}
