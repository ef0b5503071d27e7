/**
 * Owns what becomes of a signature under reasoning whose words guardrails have changed. Anthropic checks its own against the words, and refuses
 * a conversation that holds others from then on: so the signature says that it is none of theirs any more, and the reasoning is left out.
 */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { rewriteScalars, type JsonScalar } from "#platform/formats/json-strings.ts";

type Operation = AttemptRequest["operation"];

/** Whether a text goes on in the words in which the vendor wrote it. */
type IsAsWritten = (came: string, looked: string) => boolean;

/** As if another vendor had signed, which is told by a word before the signature; those whose vendor is told so already are not of the words. */
export function brokenSignature(signature: string): string {
  return signature === "" || /^[a-z_]+:/.test(signature) ? signature : `masked:${signature}`;
}

/** The operation as it was looked through, without the signatures that do not hold any more. */
export function withBrokenSignatures(looked: Operation, came: Operation, isAsWritten: IsAsWritten): Operation {
  const [before, after] = [generationOf(came), generationOf(looked)];
  if (before === undefined || after === undefined || before === after) return looked;
  return { case: looked.case, value: { ...looked.value, generation: inGeneration(after, before, isAsWritten) } } as Operation;
}

function generationOf({ value }: Operation): Generation | undefined {
  return (value as { readonly generation?: Generation } | undefined)?.generation;
}

function inGeneration(looked: Generation, came: Generation, isAsWritten: IsAsWritten): Generation {
  if (looked.native?.dialect === "anthropic") return { ...looked, native: { ...looked.native, body: inBytes(looked.native.body, came.native!.body, isAsWritten) } };
  const messages = looked.messages.map((message, at) => ({ ...message, parts: message.parts.map((part, place) => inPart(part, came.messages[at]!.parts[place]!, isAsWritten)) }));
  return { ...looked, messages };
}

export function inPart(looked: Part, came: Part, isAsWritten: IsAsWritten): Part {
  if (looked.kind.case !== "reasoning" || came.kind.case !== "reasoning" || isAsWritten(came.kind.value.text, looked.kind.value.text)) return looked;
  return { ...looked, kind: { case: "reasoning", value: { ...looked.kind.value, signature: brokenSignature(looked.kind.value.signature) } } };
}

/** Every block of thinking has one text and one signature, in either order. */
function inBytes(looked: Uint8Array, came: Uint8Array, isAsWritten: IsAsWritten): Uint8Array {
  if (looked === came) return looked;
  const [before, after] = [thoughtsIn(came), thoughtsIn(looked)];
  let at = 0;
  return rewriteScalars(looked, (scalar) => {
    if (!isOfBlock(scalar, "signature")) return scalar.text;
    const index = at++;
    return isAsWritten(before[index] ?? "", after[index] ?? "") ? scalar.text : brokenSignature(scalar.text);
  });
}

function thoughtsIn(body: Uint8Array): string[] {
  const thoughts: string[] = [];
  rewriteScalars(body, (scalar) => {
    if (isOfBlock(scalar, "thinking")) thoughts.push(scalar.text);
    return scalar.text;
  });
  return thoughts;
}

function isOfBlock({ names, isNumber }: JsonScalar, name: string): boolean {
  return !isNumber && names.length === 3 && names[0] === "messages" && names[1] === "content" && names[2] === name;
}
