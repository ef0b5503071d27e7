/** Owns the order of messages for vendors that have instructions apart and want the roles in turn. */
import { Role, type Message, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Warnings } from "./warnings.ts";

/** A piece of content in a vendor's own form. */
export type Block = { readonly [key: string]: unknown };

export interface Turn {
  readonly role: "user" | "assistant" | "system";
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
  /** Whether instructions may stand amid the conversation, as a turn between the user's and the model's. */
  readonly takesLateInstructions: boolean;
}

/**
 * Instructions of the operator and the developer go to `system`, wherever they stood, or stay amid the conversation where the vendor
 * takes them there; tool results are part of the user's turn; neighbours of one role become one turn.
 */
export function writeTurns(messages: readonly Message[], writer: BlockWriter, warnings: Warnings): Conversation {
  const system: Block[] = [];
  const turns: Turn[] = [];
  const late = new LateInstructions(turns, warnings);
  messages.forEach((message, index) => {
    const path = `messages[${index}]`;
    if (message.name !== undefined) warnings.add("messages[].name", "speakers have no names; it is left out.");
    const blocks = message.parts.flatMap((part, partIndex) => writer.write(part, `${path}.parts[${partIndex}]`));
    if (blocks.length === 0) return;
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) {
      const instructions = blocks.map((block) => writer.requireInstruction(block, path));
      if (turns.length > 0 && writer.takesLateInstructions) return late.add(instructions);
      if (turns.length > 0) warnings.add("messages[].role", "instructions amid the conversation were moved to its start.");
      system.push(...instructions);
      return;
    }
    const role = message.role === Role.ASSISTANT ? "assistant" : "user";
    late.precede(role);
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else turns.push({ role, content: blocks });
  });
  return { system: [...system, ...late.close()], turns };
}

/**
 * Instructions amid the conversation, held until they may stand there: behind the user's turn and in front of the model's. The
 * place hangs on the neighbours alone, so that a conversation that grows keeps its beginning, which caches and signatures are bound to.
 */
class LateInstructions {
  readonly #turns: Turn[];
  readonly #warnings: Warnings;
  #held: Block[] = [];

  constructor(turns: Turn[], warnings: Warnings) {
    this.#turns = turns;
    this.#warnings = warnings;
  }

  add(instructions: readonly Block[]): void {
    this.#held.push(...instructions);
  }

  /** Puts what is held in front of the turn of this role, if it may stand there. */
  precede(role: "user" | "assistant"): void {
    if (this.#held.length === 0) return;
    if (role === "assistant" && this.#place()) return;
    this.#warnings.add("messages[].role", "instructions amid the conversation stand behind the user's turn.");
  }

  /** Puts what is held at the end; what may not stand there is for the start. */
  close(): readonly Block[] {
    if (this.#held.length === 0 || this.#place()) return [];
    this.#warnings.add("messages[].role", "instructions at the end of the conversation, behind the model's turn, were moved to its start.");
    return this.#held;
  }

  #place(): boolean {
    if (this.#turns.at(-1)?.role !== "user") return false;
    this.#turns.push({ role: "system", content: this.#held });
    this.#held = [];
    return true;
  }
}
