/** Owns judging whether a reply is the JSON that guardrails want it to be: at its end, when all of it is there. */
import type { Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { CallGuard } from "../call-guard.ts";
import type { CompiledRule } from "../compiled-rules.ts";

/** Why a text is not JSON that fits the schema, with nothing of the text in it; undefined when it is. */
export type JudgeJson = (schema: string, text: string) => Promise<string | undefined>;

export interface ReplyCheck {
  readonly rule: CompiledRule;
  readonly schema: string;
}

/** What the reply is held to: the schemas of rules, and what the caller asks for. */
export function replyChecks(rules: readonly CompiledRule[], read: () => { readonly generation: Generation }): ReplyCheck[] {
  return rules.flatMap((rule) => {
    if (rule.replySchema === undefined) return [];
    const schema = rule.replySchema.jsonSchema || askedSchema(read().generation);
    return schema === "" ? [] : [{ rule, schema }];
  });
}

function askedSchema({ outputFormat }: Generation): string {
  if (outputFormat?.kind.case === "jsonSchema") return outputFormat.kind.value.jsonSchema;
  return outputFormat?.kind.case === "jsonObject" ? '{"type":"object"}' : "";
}

/** The same messages, of a reply in types; its end only when it is judged. Throws GUARDRAIL_BLOCKED. */
export async function* judgedReply(messages: AsyncIterable<AttemptResponse>, checks: readonly ReplyCheck[], guard: CallGuard, judge: JudgeJson): AsyncGenerator<AttemptResponse, void> {
  const reply = new ReplyTexts();
  for await (const message of messages) {
    for (const candidate of message.generate?.candidates ?? []) reply.addCandidate(candidate);
    for (const { event } of message.events) reply.addEvent(event);
    if (message.generate !== undefined || message.events.some(({ event }) => event.case === "end")) {
      for (const text of reply.texts()) {
        for (const { rule, schema } of checks) {
          const fault = await judge(schema, text);
          if (fault !== undefined) guard.misshapen(rule, fault);
        }
      }
    }
    yield message;
  }
}

/** Of longer ones nothing more is kept than shows that they are, in characters; the judge takes none. */
const longestJudged = 1024 * 1024;

/** The texts of a reply, candidate by candidate. */
class ReplyTexts {
  readonly #texts = new Map<number, string>();
  /** Candidates that ask for a tool or decline: without a text, they are none that could be JSON. */
  readonly #others = new Set<number>();
  /** Of those that grow, by candidate and place. */
  readonly #textParts = new Set<string>();

  addCandidate({ index, message }: Candidate): void {
    this.#add(index, "");
    for (const { kind } of message?.parts ?? []) {
      if (kind.case === "text") this.#add(index, kind.value.text);
      if (kind.case === "toolCall" || kind.case === "refusal") this.#others.add(index);
    }
  }

  addEvent({ case: name, value }: StreamGenerateResponse["event"]): void {
    if (name === "partStart") {
      const kind = value.part?.kind;
      if (kind?.case === "text") this.#textParts.add(`${value.candidateIndex} ${value.partIndex}`);
      if (kind?.case === "text") this.#add(value.candidateIndex, kind.value.text);
      if (kind?.case === "toolCall" || kind?.case === "refusal") this.#others.add(value.candidateIndex);
    }
    if (name === "partDelta" && value.delta.case === "text" && this.#textParts.has(`${value.candidateIndex} ${value.partIndex}`)) this.#add(value.candidateIndex, value.delta.value);
    if (name === "candidateEnd") this.#add(value.candidateIndex, "");
  }

  *texts(): Iterable<string> {
    for (const [index, text] of this.#texts) if (text.trim() !== "" || !this.#others.has(index)) yield text;
  }

  #add(index: number, text: string): void {
    const known = this.#texts.get(index) ?? "";
    if (known.length <= longestJudged) this.#texts.set(index, known + text);
  }
}
