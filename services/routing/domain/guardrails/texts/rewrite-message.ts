/** Owns which fields of our own messages are texts: all but those that only machines read. A new field is looked at without a line here. */
import { ScalarType, type DescField, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import { rewriteJson, rewriteJsonText, type Rewrite } from "./rewrite-json.ts";

/** Fields that mean something to machines alone, or are about the call and not in it. */
const machineFields: ReadonlySet<string> = new Set([
  "model", "id", "tool_call_id", "file_id", "request_id", "target", "dialect", "endpoint", "content_type", "media_type", "url", "signature", "redacted_data",
  "finish_reason", "native_finish_reason", "service_tier", "voice", "format", "labels", "headers", "usage", "warnings", "start", "rate_limits", "end",
]);

/** Fields that hold JSON as text. */
const jsonFields: ReadonlySet<string> = new Set(["arguments", "parameters_json_schema", "json_schema"]);

type Fields = Record<string, unknown>;

/** The message with its texts rewritten, in their order; the very same message where nothing changes. */
export function rewriteMessage<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>, rewrite: Rewrite): MessageShape<Schema> {
  const fields = message as unknown as Fields;
  const changed: Fields = {};
  for (const field of schema.fields) {
    if (machineFields.has(field.name) || !holdsText(field)) continue;
    const { oneof } = field;
    if (oneof === undefined) {
      const value = fields[field.localName];
      const rewritten = value === undefined ? value : rewriteField(field, value, fields, rewrite);
      if (rewritten !== value) changed[field.localName] = rewritten;
    } else {
      const chosen = fields[oneof.localName] as { readonly case?: string; readonly value?: unknown };
      if (chosen.case !== field.localName) continue;
      const rewritten = rewriteField(field, chosen.value, fields, rewrite);
      if (rewritten !== chosen.value) changed[oneof.localName] = { case: chosen.case, value: rewritten };
    }
  }
  return Object.keys(changed).length === 0 ? message : { ...message, ...changed };
}

function holdsText({ message, scalar }: DescField): boolean {
  return message !== undefined || scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}

function rewriteField(field: DescField, value: unknown, siblings: Fields, rewrite: Rewrite): unknown {
  if (field.fieldKind === "list") return rewriteList(field, value as readonly unknown[], siblings, rewrite);
  if (field.fieldKind !== "map") return rewriteValue(field, value, siblings, rewrite);
  const map = value as Fields;
  const values = Object.values(map);
  const rewritten = rewriteList(field, values, siblings, rewrite);
  return rewritten === values ? map : Object.fromEntries(Object.keys(map).map((key, index) => [key, rewritten[index]]));
}

function rewriteList(field: DescField, list: readonly unknown[], siblings: Fields, rewrite: Rewrite): readonly unknown[] {
  const rewritten = list.map((element) => rewriteValue(field, element, siblings, rewrite));
  return rewritten.every((element, index) => element === list[index]) ? list : rewritten;
}

function rewriteValue(field: DescField, value: unknown, siblings: Fields, rewrite: Rewrite): unknown {
  if (field.message !== undefined) return rewriteMessage(field.message, value as Message, rewrite);
  if (typeof value === "string") return jsonFields.has(field.name) ? rewriteJsonText(value, rewrite) : rewrite(value);
  if (value instanceof Uint8Array) return rewriteBytes(field.name, value, siblings, rewrite);
  return value;
}

/** JSON of a dialect, and documents that are text; pictures, sound and other documents are not looked into. */
function rewriteBytes(name: string, bytes: Uint8Array, { mediaType }: Fields, rewrite: Rewrite): Uint8Array {
  if (bytes.length === 0) return bytes;
  if (name === "json" || name === "body" || name === "format_json") return rewriteJson(bytes, rewrite);
  if (typeof mediaType !== "string" || !mediaType.startsWith("text/")) return bytes;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const rewritten = rewrite(text);
  return rewritten === text ? bytes : Buffer.from(rewritten);
}
