/** Owns the names of tools that stand in a namespace: types have none, so such a tool is called by both names in one. */
import type { JsonObject } from "../../domain/dialect.ts";

export interface ToolName {
  readonly name: string;
  readonly namespace?: string;
}

export class ToolNames {
  readonly #byJoined = new Map<string, ToolName>();

  /** The names of a request's tools; what is not in the right form has none. */
  static of(tools: unknown): ToolNames {
    const names = new ToolNames();
    for (const { type, name: namespace, tools: inner } of objectsOf(tools)) {
      if (type !== "namespace" || typeof namespace !== "string") continue;
      for (const { name } of objectsOf(inner)) {
        if (typeof name === "string") names.#byJoined.set(joinToolName({ name, namespace }), { name, namespace });
      }
    }
    return names;
  }

  /** The names as the caller gave them. */
  split(joined: string): ToolName {
    return this.#byJoined.get(joined) ?? { name: joined };
  }
}

export function joinToolName({ name, namespace = "" }: ToolName): string {
  return namespace === "" || namespace.endsWith("_") ? namespace + name : `${namespace}__${name}`;
}

function objectsOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter((element): element is JsonObject => typeof element === "object" && element !== null) : [];
}
