/** Owns the frame of a generation for the cache by meaning: all that must be the very same, which is everything but the caller's last text, and the numbers in that. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { textLengthOf } from "../targets/fitness.ts";
import { framedBody } from "./native-frame.ts";

type Operation = AttemptRequest["operation"];

export interface FramedText {
  /** What the caller said last. */
  readonly text: string;
  /** The operation as it would be sent, with nothing but the numbers left of that text. */
  readonly frame: Operation;
}

/** A vector says what a question is about; of a document, it does not say what stands in it. */
const longestText = 2_000;

/** Undefined where the last message is not the caller's text alone, or too long. */
export function framedText(operation: Operation): FramedText | undefined {
  if (operation.case !== "generate" && operation.case !== "streamGenerate") return undefined;
  const framed = framedGeneration(operation.value.generation!);
  if (framed === undefined) return undefined;
  const text = framed.texts.join("\n");
  if (text.length > longestText || text.trim() === "") return undefined;
  return { text, frame: { case: operation.case, value: { ...operation.value, generation: framed.generation } } as Operation };
}

function framedGeneration(generation: Generation): { readonly texts: readonly string[]; readonly generation: Generation } | undefined {
  const { native, messages } = generation;
  if (native !== undefined) {
    const framed = framedBody(native.dialect, native.body, numbersIn);
    return framed && { texts: framed.texts, generation: { ...generation, native: { ...native, body: framed.body } } };
  }
  const last = messages.at(-1);
  if (last?.role !== Role.USER || last.parts.length === 0 || textLengthOf({ messages: [last] }) > longestText) return undefined;
  const texts: string[] = [];
  const parts: Part[] = [];
  for (const part of last.parts) {
    if (part.kind.case !== "text") return undefined;
    const { text } = part.kind.value;
    texts.push(text);
    parts.push({ ...part, kind: { case: "text", value: { ...part.kind.value, text: numbersIn(text) } } });
  }
  return { texts, generation: { ...generation, messages: [...messages.slice(0, -1), { ...last, parts }] } };
}

/** With their signs, and with what compares and reckons with them. They hardly move a vector, and decide about the answer: `order 17` is not `order 18`. */
function numbersIn(text: string): string {
  return (text.match(/[-+−]?\p{N}+(?:[.,:/]\p{N}+)*|[-+−](?=\s*\p{N})|[<>=≤≥≠×÷*/%^]/gu) ?? []).join(" ");
}
