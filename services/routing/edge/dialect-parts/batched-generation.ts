/** Owns what a generation that stands in a batch can consume at most, and which ones cannot stand in one. */
import type { Bound } from "../../domain/budget/bound.ts";
import { boundOfGeneration, whatUnlimits } from "../../domain/budget/bound-of.ts";
import { extentOf } from "../../domain/budget/generation-extent.ts";
import type { GenerateEndpoint, JsonObject } from "../../domain/dialect.ts";
import type { Target } from "../../domain/targets/plan.ts";
import { invalidField } from "./request-fields.ts";

/** Vendors price longer prompts higher, OpenAI beyond 272,000 tokens and Anthropic beyond 200,000, and what the ledger has of a batch is the sum of its calls alone. */
const longestPromptTokens = 200_000n;

/** Of a call of the endpoint with this body, which errors call by this name. Throws INVALID_REQUEST for what cannot stand in a batch. */
export function boundOfBatched(endpoint: GenerateEndpoint, body: JsonObject, name: string, target: Target): Bound {
  const call = endpoint.read(body, { model: "", query: undefined });
  const generation = call.toGeneration();
  const fields = call.unknownFields;
  const extent = extentOf(generation, { fields, bytes: fields.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(body)) });
  // A batch's lines go to the vendor as they came.
  const unlimitedBy = whatUnlimits(extent, target, true);
  if (unlimitedBy !== undefined) throw invalidField(`${name}.${unlimitedBy}`, "cannot stand in a batch, whose usage does not tell what the vendor does because of it; leave it out");
  const bound = boundOfGeneration(extent, target, true);
  const [input] = bound.quantities;
  if (extent.isOpenEnded || (input?.quantity ?? 0n) > longestPromptTokens) throw invalidField(name, `may be more than ${longestPromptTokens} tokens of input; make it a call of its own`);
  return bound;
}
