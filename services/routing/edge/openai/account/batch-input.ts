/** Owns reading a batch's input file: every line is looked at as the call that it is, and none of them is changed. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { NdjsonSplitter, type NdjsonLine } from "#platform/formats/ndjson.ts";
import { filesIn } from "../../../domain/account/account-objects.ts";
import { BoundSum, type Bound } from "../../../domain/budget/bound.ts";
import { boundOfUnary } from "../../../domain/budget/bound-of.ts";
import type { GenerateEndpoint, JsonObject } from "../../../domain/dialect.ts";
import type { ReadBatchInput } from "../../../domain/account/kept-batches.ts";
import type { Plan, Target } from "../../../domain/targets/plan.ts";
import { boundOfBatched } from "../../dialect-parts/batched-generation.ts";
import { responsesEndpoint } from "../../openai-responses/responses.ts";
import { invalidField } from "../../dialect-parts/request-fields.ts";
import { chatCompletionsEndpoint } from "../chat/chat-completions.ts";
import { embeddingsEndpoint } from "../embeddings.ts";
import { ObjectReader } from "../object-reader.ts";

/** A kind of calls that a batch can hold. */
interface LineReader {
  readonly operation: "generate" | "embed";
  /** What one of them can consume at most. Throws INVALID_REQUEST or UNSUPPORTED_FIELD for what cannot stand in a batch. */
  boundOf(body: JsonObject, target: Target): Bound;
}

/** By the path that the lines name; the vendor has more of them. */
const lineReaders: ReadonlyMap<string, LineReader> = new Map([
  [chatCompletionsEndpoint.path, generationLines(chatCompletionsEndpoint)],
  [responsesEndpoint.path, generationLines(responsesEndpoint)],
  [embeddingsEndpoint.path, { operation: "embed", boundOf: (body, target) => boundOfUnary("embed", embeddingsEndpoint.read(body).toRequest(), target) }],
]);

/** As many as OpenAI takes: https://developers.openai.com/api/docs/guides/batch */
const maximumLines = 50_000;
const linesInABreath = 20;

export const readBatchInput: ReadBatchInput = async (content, endpoint, provider, files) => {
  const reader = lineReaders.get(endpoint);
  if (reader === undefined) throw invalidField("endpoint", `must be one of ${[...lineReaders.keys()].join(", ")}`);
  const sum = new BoundSum();
  let plan: Plan | undefined;
  let model = "";
  let number = 0;
  for await (const line of linesOf(content)) {
    if (++number > maximumLines) throw invalidField("input_file_id", `must be of a file with at most ${maximumLines} lines`);
    try {
      const body = readLine(line, endpoint);
      const named = new ObjectReader(body, "body").text("model");
      if (plan === undefined) {
        model = named;
        plan = files.planBatch(provider, model, reader.operation);
      }
      if (named !== model) throw invalidField("body.model", `must be that of the first line, ${model.slice(0, 100)}`);
      sum.add(reader.boundOf(body, plan.targets[0]!));
    } catch (error) {
      throw atLine(number, error);
    }
    if (number % linesInABreath === 0) await files.breathe();
  }
  if (plan === undefined) throw invalidField("input_file_id", "must be of a file with a line for each call");
  return { plan, bound: sum.total };
};

async function* linesOf(content: AsyncIterable<AttemptResponse>): AsyncIterable<NdjsonLine> {
  const splitter = new NdjsonSplitter();
  for await (const { native } of content) yield* splitter.push(native);
  const last = splitter.flush();
  if (last !== undefined) yield last;
}

function readLine({ raw }: NdjsonLine, endpoint: string): JsonObject {
  const line = new ObjectReader(parseJsonObject(raw));
  if (line.text("url") !== endpoint) throw invalidField("url", `must be ${endpoint}, as the batch has it`);
  if (line.text("method") !== "POST") throw invalidField("method", "must be POST");
  const body = line.raw("body");
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw invalidField("body", "must be an object");
  // What lies in the account at the vendor has another name there, and the line goes as it is.
  filesIn(body as JsonObject);
  for (const name of ["stream", "prompt_cache_key"]) if (((body as JsonObject)[name] ?? false) !== false) throw invalidField(`body.${name}`, "cannot stand in a batch; leave it out");
  return body as JsonObject;
}

function generationLines(endpoint: GenerateEndpoint): LineReader {
  return { operation: "generate", boundOf: (body, target) => boundOfBatched(endpoint, body, "body", target) };
}

/** The same error, with where it is. */
function atLine(number: number, error: unknown): unknown {
  if (!(error instanceof GatewayError)) return error;
  const { reason, message, metadata, cause } = error;
  const description = `line ${number}: ${message}`;
  return new GatewayError(reason, `The input file, ${description}`, { metadata: { ...metadata, line: String(number) }, fieldViolations: [{ field: "input_file_id", description }], cause });
}
