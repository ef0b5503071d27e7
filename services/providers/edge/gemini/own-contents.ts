/** Owns what Google must not see of a caller's own conversation, which it would refuse: what Weir wrote into the replies of other vendors. */
import { asObject, asObjects, asText, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import { factsOf } from "./model-facts.ts";
import { openSignature, skippedSignature } from "./thought-signatures.ts";

/** Begins what Weir's door writes as a signature, in either alphabet of base64. */
const markOfWeir = "weir:";
const written = /"thought_?[sS]ignature"\s*:\s*"d2Vpcj|"part_?[mM]etadata"\s*:\s*\{\s*"weir"/;

/** The body with contents of Google's own alone; undefined where it holds nothing else. */
export function withOwnContents(body: Uint8Array, model: string): JsonObject | undefined {
  const text = textOf(body);
  // Most bodies hold none, and then need no parsing.
  return written.test(text) ? ownContentsIn(asObject(parseExactJson(text)), model) : undefined;
}

function ownContentsIn(request: JsonObject, model: string): JsonObject {
  const inner = request["generateContentRequest"];
  return {
    ...request,
    ...(Array.isArray(request["contents"]) ? { contents: ownContents(request["contents"], model) } : {}),
    ...(inner === undefined ? {} : { generateContentRequest: ownContentsIn(asObject(inner), model) }),
  };
}

function ownContents(contents: readonly unknown[], model: string): unknown[] {
  const { wantsSignatures } = factsOf(model);
  // Clients that stream keep each piece of a turn as a content of its own.
  let hasCalled = false;
  return contents.flatMap((content: unknown): unknown[] => {
    const { role, parts, ...members } = asObject(content);
    if (role !== "model" || !Array.isArray(parts)) {
      hasCalled = false;
      return [content];
    }
    const own = asObjects(parts).flatMap((part) => {
      const written = ownPart(part, wantsSignatures && !hasCalled);
      hasCalled ||= isCall(part);
      return written;
    });
    return own.length === 0 ? [] : [{ ...members, role, parts: own }];
  });
}

function ownPart(part: JsonObject, isToBeSigned: boolean): JsonObject[] {
  const { partMetadata, part_metadata: snakeMetadata, thoughtSignature, thought_signature: snakeSignature, ...rest } = part;
  if ("weir" in asObject(partMetadata ?? snakeMetadata)) return [];
  const text = Buffer.from(asText(thoughtSignature ?? snakeSignature), "base64").toString();
  if (!text.startsWith(markOfWeir)) return [part];
  const signature = openSignature(text.slice(markOfWeir.length))?.signature ?? (isCall(part) && isToBeSigned ? skippedSignature : undefined);
  if (signature !== undefined) return [{ ...part, thoughtSignature: signature }];
  const saysNothing = Object.keys(rest).every((name) => name === "thought" || (name === "text" && rest["text"] === ""));
  return saysNothing ? [] : [{ ...rest, ...(partMetadata === undefined ? {} : { partMetadata }) }];
}

function isCall(part: JsonObject): boolean {
  return "functionCall" in part || "function_call" in part;
}
