/** Owns what Anthropic must not see of a caller's own conversation: thinking that another vendor signed, which it would refuse. */
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import { originOf } from "../../domain/translation/signature-origin.ts";
import { asObject, asText, textOf } from "../../domain/translation/vendor-json.ts";

/** The messages without it, where there is any; a message that was nothing else goes too. Undefined where all may stay. */
export function messagesOfOwnThinking(body: Uint8Array): readonly unknown[] | undefined {
  const text = textOf(body);
  // Most bodies hold none, and then need no parsing.
  if (!/"signature"\s*:\s*"[a-z_]+:/.test(text)) return undefined;
  const { messages } = asObject(parseExactJson(text));
  if (!Array.isArray(messages)) return undefined;
  return messages.flatMap((message: unknown): unknown[] => {
    const { content, ...members } = asObject(message);
    if (!Array.isArray(content)) return [message];
    const own = content.filter((block) => !isForeign(block));
    return own.length === 0 && content.length > 0 ? [] : [{ ...members, content: own }];
  });
}

function isForeign(block: unknown): boolean {
  const { type, signature } = asObject(block);
  return type === "thinking" && originOf(asText(signature)) !== undefined;
}
