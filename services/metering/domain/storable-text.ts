/** Owns texts as PostgreSQL can keep them, in a column and within JSON. */

/** The text with U+FFFD in the place of what cannot be kept: U+0000, and halves of characters that are two in UTF-16. */
export function storableText(text: string): string {
  return isStorable(text) ? text : text.replaceAll("\0", "\ufffd").toWellFormed();
}

/** The message with its own texts storable; itself where they are. */
export function withStorableTexts<Message extends object>(message: Message): Message {
  const texts = Object.entries(message).filter(([, value]) => typeof value === "string" && !isStorable(value)) as [string, string][];
  return texts.length === 0 ? message : { ...message, ...Object.fromEntries(texts.map(([name, text]) => [name, storableText(text)])) };
}

function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
