/** Owns the order of messages for vendors that have instructions apart and want the roles in turn. */
import { Role, type Message, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Warnings } from "./warnings.ts";

/** A piece of content in a vendor's own form. */
export type Block = { readonly [key: string]: unknown };

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: Block[];
}

export interface Conversation {
  readonly system: readonly Block[];
  readonly turns: readonly Turn[];
}

/** How a vendor writes parts. Both throw UNSUPPORTED_FIELD for what it cannot take. */
export interface BlockWriter {
  /** The blocks of a part; none for one that has nothing to say. */
  write(part: Part, path: string): readonly Block[];
  /** The block, if it may stand among instructions. */
  requireInstruction(block: Block, path: string): Block;
}

/**
 * Instructions of the operator and the developer go to `system`, wherever they stood; tool results are part of the user's turn;
 * neighbours of one role become one turn.
 */
export function writeTurns(messages: readonly Message[], writer: BlockWriter, warnings: Warnings): Conversation {
  const system: Block[] = [];
  const turns: Turn[] = [];
  messages.forEach((message, index) => {
    const path = `messages[${index}]`;
    if (message.name !== undefined) warnings.add("messages[].name", "speakers have no names; it is left out.");
    const blocks = message.parts.flatMap((part, partIndex) => writer.write(part, `${path}.parts[${partIndex}]`));
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) {
      if (turns.length > 0 && blocks.length > 0) warnings.add("messages[].role", "instructions amid the conversation were moved to its start.");
      system.push(...blocks.map((block) => writer.requireInstruction(block, path)));
      return;
    }
    const role = message.role === Role.ASSISTANT ? "assistant" : "user";
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else if (blocks.length > 0) turns.push({ role, content: blocks });
  });
  return { system, turns };
}
