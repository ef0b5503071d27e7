/** Owns the writing of a streamed reply as `text_completion` chunks. */
import type { CandidateEnd, PartDelta, PartStart, StreamEnd, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { StreamWriter } from "../../../domain/dialect.ts";
import { writeErrorBody } from "../errors.ts";
import { writeFinish } from "../chat/finish-reason.ts";
import { identityOf, type ReplyIdentity } from "../reply-identity.ts";
import { writeUsage } from "../usage.ts";
import { sayPart, writeTokens } from "./write-completion.ts";

interface Piece {
  readonly index: number;
  readonly text?: string;
  readonly reasoning?: string;
  readonly logprobs?: object | null;
  readonly finish?: object;
}

export class CompletionStreamWriter implements StreamWriter {
  readonly contentType = "text/event-stream; charset=utf-8";
  readonly keepAlive = ": keep-alive\n\n";
  readonly #includeUsage: boolean;
  /** The reasoning parts that are open, as `candidate/part`. */
  readonly #reasoning = new Set<string>();
  /** How long each candidate's text is. */
  readonly #lengths = new Map<number, number>();
  #identity: ReplyIdentity = { id: "", model: "", created: 0 };

  constructor(includeUsage: boolean) {
    this.#includeUsage = includeUsage;
  }

  write(events: readonly StreamGenerateResponse[]): string {
    return events.map(({ event }) => this.#writeEvent(event)).join("");
  }

  writeError(error: GatewayError, requestId: string): string {
    return `data: ${JSON.stringify(writeErrorBody(error, requestId))}\n\n`;
  }

  #writeEvent(event: StreamGenerateResponse["event"]): string {
    switch (event.case) {
      case "start":
        this.#identity = identityOf(event.value, "cmpl-");
        return "";
      case "partStart":
        return this.#startPart(event.value);
      case "partDelta":
        return this.#growPart(event.value);
      case "candidateEnd":
        return this.#endCandidate(event.value);
      case "end":
        return this.#end(event.value);
      default:
        return "";
    }
  }

  #startPart({ candidateIndex: index, partIndex, part }: PartStart): string {
    if (part === undefined) return "";
    if (part.kind.case === "reasoning") this.#reasoning.add(`${index}/${partIndex}`);
    const { text, reasoning } = sayPart(part);
    return text === "" && reasoning === "" ? "" : this.#piece({ index, text, reasoning });
  }

  #growPart({ candidateIndex: index, partIndex, delta, logprobs }: PartDelta): string {
    if (delta.case !== "text" && delta.case !== "transcript") return "";
    if (this.#reasoning.has(`${index}/${partIndex}`)) return this.#piece({ index, reasoning: delta.value });
    return this.#piece({ index, text: delta.value, logprobs: writeTokens(logprobs, this.#lengths.get(index) ?? 0) });
  }

  #endCandidate(end: CandidateEnd): string {
    return this.#piece({ index: end.candidateIndex, finish: writeFinish(end, false) });
  }

  #end({ usage }: StreamEnd): string {
    const written = this.#includeUsage ? writeUsage(usage) : undefined;
    return `${written === undefined ? "" : this.#chunk({ choices: [], usage: written })}data: [DONE]\n\n`;
  }

  #piece({ index, text = "", reasoning = "", logprobs = null, finish = { finish_reason: null } }: Piece): string {
    this.#lengths.set(index, (this.#lengths.get(index) ?? 0) + text.length);
    const choice = { text, index, logprobs, ...finish, ...(reasoning === "" ? {} : { reasoning_content: reasoning }) };
    return this.#chunk({ choices: [choice], ...(this.#includeUsage ? { usage: null } : {}) });
  }

  #chunk(members: object): string {
    const { id, created, model } = this.#identity;
    return `data: ${JSON.stringify({ id, object: "text_completion", created, model, ...members })}\n\n`;
  }
}
