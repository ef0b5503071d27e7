/** Owns adding instructions of guardrails to a generation, beside the caller's own. */
import { create } from "@bufbuild/protobuf";
import { MessageSchema, Role, type Message } from "#gen/weir/inference/v1/content_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { CompiledRule } from "../compiled-rules.ts";
import { nativeInstructions } from "./native-instructions.ts";

/** What is to stand before and after the caller's own; empty where that is nothing. */
export interface Instructions {
  readonly before: string;
  readonly after: string;
  /** A token has a byte or more; some stand around each text. */
  readonly mostTokens: bigint;
}

type Operation = AttemptRequest["operation"];

/** Those of several rules stand in the order of the rules. Undefined where there are none. */
export function instructionsOf(rules: readonly CompiledRule[]): Instructions | undefined {
  const all = rules.flatMap(({ instruction }) => (instruction === undefined ? [] : [instruction]));
  if (all.length === 0) return undefined;
  const joined = (isAfter: boolean): string => all.filter(({ place }) => (place === "after") === isAfter).map(({ text }) => text).join("\n\n");
  const [before, after] = [joined(false), joined(true)];
  return { before, after, mostTokens: BigInt(Buffer.byteLength(before) + Buffer.byteLength(after) + 64) };
}

/** False for bytes in whose dialect no place for instructions is known. */
export function takesInstructions({ case: name, value }: Operation): boolean {
  const native = name === "generate" || name === "streamGenerate" ? value.generation!.native : undefined;
  return native === undefined || Object.hasOwn(nativeInstructions, native.dialect);
}

/** Throws INVALID_REQUEST for bytes that have something else where the dialect has instructions. */
export function withInstructions(operation: Operation, instructions: Instructions): Operation {
  if (operation.case !== "generate" && operation.case !== "streamGenerate") return operation;
  const generation = operation.value.generation!;
  const { native, messages } = generation;
  const instructed =
    native === undefined
      ? { ...generation, messages: withMessages(messages, instructions) }
      : { ...generation, native: { ...native, body: nativeInstructions[native.dialect]!(native.body, instructions) } };
  return { case: operation.case, value: { ...operation.value, generation: instructed } } as Operation;
}

function withMessages(messages: readonly Message[], { before, after }: Instructions): Message[] {
  const firstOther = messages.findIndex(({ role }) => role !== Role.SYSTEM && role !== Role.DEVELOPER);
  const own = firstOther < 0 ? messages.length : firstOther;
  return [...systemMessage(before), ...messages.slice(0, own), ...systemMessage(after), ...messages.slice(own)];
}

function systemMessage(text: string): Message[] {
  return text === "" ? [] : [create(MessageSchema, { role: Role.SYSTEM, parts: [{ kind: { case: "text", value: { text } } }] })];
}
