/** Owns what may stand as a name or a label. */
import { GatewayError } from "#platform/errors.ts";

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

/** Throws INVALID_REQUEST when an entry cannot be the name of a route, a `provider/model` or a `provider/*`. */
export function checkAllowedModels(models: readonly string[]): void {
  for (const model of models) {
    if (model !== model.trim() || control.test(model)) throw invalid("allowed_models", "An allowed model has no control characters, and no space at either end.");
    if (model.includes("*") && !/^[^*/]+\/\*$/.test(model)) throw invalid("allowed_models", "An allowed model may end in `/*` after a provider's name; `*` means nothing anywhere else. To allow all, leave the list empty.");
  }
}

function invalid(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${description} Correct \`${field}\` and send it again.`, { fieldViolations: [{ field, description }] });
}
