/**
 * Owns what the caller's tools are called and take, where vendors differ from OpenAI: a tool in a namespace is called by both
 * names in one, and a custom tool, which takes free text, is a function of one text.
 */
import type { JsonObject } from "../../domain/dialect.ts";

export interface ToolName {
  readonly name: string;
  readonly namespace?: string;
}

/** A tool as the caller knows it. */
export interface CallerTool extends ToolName {
  /** Takes free text. */
  readonly custom: boolean;
}

export class CallerTools {
  readonly #byJoined = new Map<string, CallerTool>();

  /** The tools of a request, also those that come with its input; what is not in the right form is none. */
  static of({ tools, input }: JsonObject): CallerTools {
    const known = new CallerTools();
    known.#add(tools);
    for (const item of objectsOf(input)) if (item["type"] === "additional_tools") known.#add(item["tools"]);
    return known;
  }

  #add(tools: unknown, namespace?: string): void {
    for (const { type, name, tools: inner } of objectsOf(tools)) {
      if (typeof name !== "string") continue;
      if (type === "namespace") this.#add(inner, name);
      else {
        const named = { name, ...(namespace === undefined ? {} : { namespace }) };
        this.#byJoined.set(joinToolName(named), { ...named, custom: type === "custom" });
      }
    }
  }

  /** The tool that a vendor calls by this name; one that the caller did not give is a function. */
  find(joined: string): CallerTool {
    return this.#byJoined.get(joined) ?? { name: joined, custom: false };
  }
}

export function joinToolName({ name, namespace = "" }: ToolName): string {
  return namespace === "" || namespace.endsWith("_") ? namespace + name : `${namespace}__${name}`;
}

/** The schema of the function that a custom tool becomes. */
export const freeTextSchema = JSON.stringify({ type: "object", properties: { input: { type: "string" } }, required: ["input"], additionalProperties: false });

export function writeFreeText(input: string): string {
  return JSON.stringify({ input });
}

/** The text in the arguments of such a function; all of them when the model kept to no form, or was cut off. */
export function readFreeText(written: string): string {
  try {
    const { input } = JSON.parse(written) as JsonObject;
    return typeof input === "string" ? input : written;
  } catch {
    return written;
  }
}

function objectsOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter((element): element is JsonObject => typeof element === "object" && element !== null) : [];
}
