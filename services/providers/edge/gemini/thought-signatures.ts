/**
 * Owns thought signatures on their way through types. Gemini signs single parts (a function call, a text, a picture) and wants
 * each signature back in its own part; types have a place for one in reasoning alone. So a signature becomes a piece of
 * reasoning without text, which says in its own value what it signs: dialects may move it, and it is still found again.
 */

/** What kind of part is signed. A thought has its signature with it. */
export type SignedKind = "call" | "text" | "media" | "thought";

export interface SignedPart {
  readonly kind: SignedKind;
  /** Which of the message's parts of that kind, from 0. */
  readonly ordinal: number;
  readonly signature: string;
}

/**
 * Stands in for the signature of a call that the model did not make itself, or whose signature a client dropped. Source:
 * the questions and answers of https://ai.google.dev/gemini-api/docs/generate-content/thought-signatures.
 */
export const skippedSignature = "skip_thought_signature_validator";

export function sealSignature({ kind, ordinal, signature }: SignedPart): string {
  return `gemini:${kind}:${ordinal}:${signature}`;
}

/** Undefined for a signature that Gemini did not make. */
export function openSignature(sealed: string): SignedPart | undefined {
  const [, kind, ordinal, signature] = /^gemini:(call|text|media|thought):(\d{1,6}):(.+)$/s.exec(sealed) ?? [];
  return signature === undefined ? undefined : { kind: kind as SignedKind, ordinal: Number(ordinal), signature };
}
