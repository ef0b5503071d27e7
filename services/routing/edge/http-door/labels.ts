/** Owns the header by which callers of the HTTP dialects label their requests for attribution. */
import { GatewayError } from "#platform/errors.ts";
import { isReservedLabel } from "../../domain/reserved-labels.ts";

/** Lists labels as `name=value, name=value`. */
const labelsHeader = "x-weir-labels";

const maximumLabels = 16;
/** Of UTF-8, as by RPC. */
const longestValue = 256;
const namePattern = /^[a-z][a-z0-9_]{0,63}$/;

/** The labels of a request. Throws INVALID_REQUEST when the header cannot be read. */
export function readLabels(header: string | string[] | undefined): Record<string, string> {
  if (header === undefined) return {};
  const labels: Record<string, string> = {};
  for (const pair of textOf(String(header)).split(",")) {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    if (equals < 0 || !namePattern.test(name) || isReservedLabel(name) || Buffer.byteLength(value) > longestValue) {
      throw new GatewayError("INVALID_REQUEST", `The header ${labelsHeader} is wrong at "${pair.slice(0, 60)}": write \`name=value, name=value\`, names in lower case and not beginning with weir_, values up to ${longestValue} bytes.`, {
        fieldViolations: [{ field: labelsHeader, description: "not `name=value`" }],
      });
    }
    labels[name] = value;
  }
  if (Object.keys(labels).length > maximumLabels) throw new GatewayError("INVALID_REQUEST", `The header ${labelsHeader} has more than ${maximumLabels} labels.`);
  return labels;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What was meant: Node reads each byte of a header as a character of Latin 1, and most clients write UTF-8. By RPC the same label would be another one. */
function textOf(header: string): string {
  try {
    return utf8.decode(Buffer.from(header, "latin1"));
  } catch {
    return header;
  }
}
