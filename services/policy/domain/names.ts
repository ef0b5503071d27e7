/** Owns what may stand as a name, a label, a scope, or an end. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Scope } from "#gen/weir/policy/v1/scope_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { scopeOperationOf } from "#platform/rpc/scope-operation.ts";

const longestName = 100;
const control = /\p{Cc}/u;

/** The name in Unicode's composed form, so that what looks the same is the same. Throws INVALID_REQUEST. */
export function readName(name: string): string {
  const composed = name.isWellFormed() ? name.normalize("NFC") : "";
  const length = [...composed].length;
  if (length === 0 || length > longestName || composed !== composed.trim() || control.test(composed)) {
    throw invalid("name", `A name has 1 to ${longestName} characters, none of them a control character, and no space at either end.`);
  }
  return composed;
}

/** Throws INVALID_REQUEST when a label's name or value has control characters, which would break the lines of logs and reports. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(labels)) {
    if (control.test(name) || control.test(value)) throw invalid("labels", "A label's name and value have no control characters.");
  }
}

/** Throws INVALID_REQUEST when an entry would match nothing: a model that can be no route, `provider/model` or `provider/*`, an operation that there is not, or an origin as no browser says it. */
export function checkScope(scope: Scope | undefined): void {
  const { models = [], operations = [], origins = [] } = scope ?? {};
  for (const model of models) {
    if (model !== model.trim() || control.test(model)) throw invalid("scope.models", "A model has no control characters, and no space at either end.");
    if (model.includes("*") && !/^[^*/]+\/\*$/.test(model)) throw invalid("scope.models", "A model may end in `/*` after a provider's name; `*` means nothing anywhere else. To allow all, leave the list empty.");
  }
  for (const origin of origins) {
    const said = URL.canParse(origin) ? new URL(origin).origin : undefined;
    if (said !== origin) throw invalid("scope.origins", `Browsers never say the origin "${origin}"${said === undefined ? ", which is none" : `: they say "${said}"`}.`);
  }
  const unknown = operations.find((operation) => !operationNames.includes(operation));
  if (unknown !== undefined) throw invalid("scope.operations", `There is no operation "${unknown}". There are ${operationNames.join(", ")}.`);
}

const operationNames = [...new Set(InferenceService.methods.map(({ name }) => scopeOperationOf(name)))];

/** Later ends have no form as JSON once the database has rounded them. */
const latestEndMs = Date.UTC(9999, 0);

/** Throws INVALID_REQUEST when the end is over already, or beyond all calendars. */
export function checkExpireTime(expireTime: Timestamp | undefined, nowMs: number): void {
  if (expireTime === undefined) return;
  if (timestampMs(expireTime) <= nowMs) throw invalid("expire_time", "A key ends in the future. To end it now, revoke it.");
  if (timestampMs(expireTime) >= latestEndMs) throw invalid("expire_time", "A key ends before the year 9999. One that is to be good for ever has no end.");
}

function invalid(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${description} Correct \`${field}\` and send it again.`, { fieldViolations: [{ field, description }] });
}
