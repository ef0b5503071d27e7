/**
 * Owns names of tools as vendors take them. MCP servers and coding agents make names with dots and slashes, or longer than one vendor or another
 * allows, and it refuses the whole call; so the vendor gets another name, and the caller the own one back.
 */
import { createHash } from "node:crypto";
import type { Message, Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation, GenerateResponse, StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";

/** Which names a vendor takes. */
export interface ToolNameForm {
  /** Each character that it refuses. */
  readonly refused: RegExp;
  /** What it takes at the beginning. */
  readonly beginning: RegExp;
  readonly maximumCharacters: number;
}

/** Letters, digits, "_" and "-": what all vendors take, where the name is no longer than the vendor allows. */
export function plainToolNames(maximumCharacters: number): ToolNameForm {
  return { refused: /[^\w-]/gu, beginning: /^[\w-]/, maximumCharacters };
}

/** Names of the caller's, by what the vendor got in their place; empty where it got them as they are. */
export type GivenToolNames = ReadonlyMap<string, string>;

/** The generation with names that the vendor takes; itself, where it takes all. A name always becomes the same one, so that vendors' prompt caches hold. */
export function nameTools(generation: Generation, form: ToolNameForm | undefined): { readonly generation: Generation; readonly given: GivenToolNames } {
  const given = new Map<string, string>();
  if (form === undefined) return { generation, given };
  for (const name of namesIn(generation)) {
    const taken = toolNameIn(form, name);
    if (taken !== name) given.set(taken, name);
  }
  if (given.size === 0) return { generation, given };
  const rename = (name: string): string => toolNameIn(form, name);
  const { toolChoice } = generation;
  return {
    given,
    generation: {
      ...generation,
      tools: generation.tools.map((tool) => renamedTool(tool, rename)),
      messages: generation.messages.map((message) => renamedMessage(message, rename)),
      ...(toolChoice === undefined || toolChoice.name === "" ? {} : { toolChoice: { ...toolChoice, name: rename(toolChoice.name) } }),
    },
  };
}

/** Puts the caller's names back into a whole reply. */
export function giveBackNames({ candidates }: GenerateResponse, given: GivenToolNames): void {
  if (given.size === 0) return;
  for (const { message } of candidates) for (const part of message?.parts ?? []) giveBackName(part, given);
}

/** Puts the caller's names back into an event of a stream. */
export function giveBackNameOf({ event }: StreamGenerateResponse, given: GivenToolNames): void {
  if (event.case === "partStart" && event.value.part !== undefined) giveBackName(event.value.part, given);
}

function giveBackName({ kind }: Part, given: GivenToolNames): void {
  if (kind.case === "toolCall") kind.value.name = given.get(kind.value.name) ?? kind.value.name;
}

function toolNameIn({ refused, beginning, maximumCharacters }: ToolNameForm, name: string): string {
  const plain = name.replaceAll(refused, "_");
  const begun = beginning.test(plain) ? plain : `_${plain}`;
  if (begun === name && name.length <= maximumCharacters) return name;
  // Two names that differ only in what the vendor refuses stay two.
  const mark = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${begun.slice(0, maximumCharacters - mark.length - 1)}_${mark}`;
}

function* namesIn({ tools, toolChoice, messages }: Generation): Iterable<string> {
  for (const { kind } of tools) if (kind.case === "function" || kind.case === "custom") yield kind.value.name;
  if (toolChoice !== undefined && toolChoice.name !== "") yield toolChoice.name;
  for (const { parts } of messages) for (const { kind } of parts) if (kind.case === "toolCall") yield kind.value.name;
}

function renamedTool(tool: Tool, rename: (name: string) => string): Tool {
  const { kind } = tool;
  if (kind.case === "function") return { ...tool, kind: { case: "function", value: { ...kind.value, name: rename(kind.value.name) } } };
  if (kind.case === "custom") return { ...tool, kind: { case: "custom", value: { ...kind.value, name: rename(kind.value.name) } } };
  return tool;
}

function renamedMessage(message: Message, rename: (name: string) => string): Message {
  if (message.parts.every(({ kind }) => kind.case !== "toolCall")) return message;
  return { ...message, parts: message.parts.map((part) => (part.kind.case === "toolCall" ? { ...part, kind: { case: "toolCall", value: { ...part.kind.value, name: rename(part.kind.value.name) } } } : part)) };
}
