/** Owns what of a request its result depends on, in a form that is the same each time. */
import { toJson, type DescMessage, type JsonValue, type MessageShape } from "@bufbuild/protobuf";

/** The whole request but for its id. */
export function inputOf<Schema extends DescMessage>(schema: Schema, request: MessageShape<Schema> & { readonly requestId: string }): JsonValue {
  return sorted(toJson(schema, { ...request, requestId: "" }));
}

// Clients write the entries of a map in any order.
function sorted(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}
