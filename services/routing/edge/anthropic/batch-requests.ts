/** Owns reading the requests of a new batch of messages: each is looked at as the call that it is, and none of them is changed. */
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import type { AccountFiles } from "../../domain/account/account-files.ts";
import { filesIn } from "../../domain/account/account-objects.ts";
import { BoundSum, type Bound } from "../../domain/budget/bound.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import type { Plan } from "../../domain/targets/plan.ts";
import { boundOfBatched } from "../dialect-parts/batched-generation.ts";
import { invalidField, RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { messagesEndpoint } from "./messages.ts";

export interface BatchRequests {
  /** The way to the model that all of them name. */
  readonly plan: Plan;
  /** Of all of them together. */
  readonly bound: Bound;
}

/** As many as Anthropic takes: https://platform.claude.com/docs/en/build-with-claude/batch-processing */
const maximumRequests = 100_000;
const requestsInABreath = 20;

/** Throws MALFORMED_BODY, INVALID_REQUEST or UNSUPPORTED_FIELD with the request at fault, and what stands against the caller's calling the model. */
export async function readBatchRequests(body: Uint8Array, files: AccountFiles): Promise<BatchRequests> {
  const { requests } = parseJsonObject(body);
  if (!Array.isArray(requests) || requests.length === 0) throw invalidField("requests", "must be a list of at least one request");
  if (requests.length > maximumRequests) throw invalidField("requests", `must be at most ${maximumRequests}`);
  const sum = new BoundSum();
  let plan: Plan | undefined;
  let model = "";
  for (const [index, request] of requests.entries()) {
    try {
      const { params, named } = readRequest(request);
      if (plan === undefined) {
        model = named;
        plan = files.planBatchAnywhere(model);
      }
      if (named !== model) throw invalidField("params.model", `must be that of the first request, ${model.slice(0, 100)}`);
      sum.add(boundOfBatched(messagesEndpoint, params, "params", plan.targets[0]!));
    } catch (error) {
      throw atRequest(index, error);
    }
    if (index % requestsInABreath === 0) await files.breathe();
  }
  return { plan: plan!, bound: sum.total };
}

function readRequest(request: unknown): { readonly params: JsonObject; readonly named: string } {
  const fields = new RequestFields(request, "", new UnknownFields());
  fields.requiredText("custom_id");
  const params = fields.take("params");
  const named = new RequestFields(params, "params", new UnknownFields()).requiredText("model");
  filesIn(params as JsonObject);
  if (((params as JsonObject)["stream"] ?? false) !== false) throw invalidField("params.stream", "cannot stand in a batch; leave it out");
  return { params: params as JsonObject, named };
}

/** The same error, with where it is. */
function atRequest(index: number, error: unknown): unknown {
  if (!(error instanceof GatewayError)) return error;
  const { reason, message, metadata, cause } = error;
  const field = `requests[${index}]`;
  return new GatewayError(reason, `${field}: ${message}`, { metadata: { ...metadata, request: String(index) }, fieldViolations: [{ field, description: message }], cause });
}
