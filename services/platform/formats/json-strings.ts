/** Owns rewriting the texts in JSON bytes that else stay as they came. */

/** A string, or a number as it is written. */
export interface JsonScalar {
  readonly text: string;
  readonly isNumber: boolean;
  /** The names of the members around it, the outermost first; an array's elements are of the member that the array is. Good for the time of the call. */
  readonly names: readonly string[];
}

const quote = 34;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;
const openBracket = 91;
const closeBracket = 93;
const colon = 58;
const minus = 45;

/**
 * The same JSON with every string and number that `rewrite` answers otherwise set to that string, every other byte untouched; names
 * of members stay. The bytes must be valid JSON. Asks in their order; returns the very same bytes where nothing changes.
 */
export function rewriteScalars(body: Uint8Array, rewrite: (scalar: JsonScalar) => string): Uint8Array {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const pieces: Uint8Array[] = [];
  /** How many of `names` are around each open container. */
  const depths: number[] = [];
  const names: string[] = [];
  let copied = 0;
  for (let at = 0; at < source.length; ) {
    const byte = source[at]!;
    if (byte === openBrace || byte === openBracket) depths.push(names.length);
    if (byte === closeBrace || byte === closeBracket) names.length = depths.pop()!;
    if (byte === quote || byte === minus || isDigit(byte)) {
      const end = byte === quote ? endOfString(source, at) : endOfNumber(source, at);
      const text = byte === quote ? readString(source, at, end) : source.toString("latin1", at, end);
      if (byte === quote && isName(source, end)) {
        names.length = depths.at(-1)!;
        names.push(text);
      } else {
        const rewritten = rewrite({ text, isNumber: byte !== quote, names });
        if (rewritten !== text) {
          pieces.push(source.subarray(copied, at), Buffer.from(JSON.stringify(rewritten)));
          copied = end;
        }
      }
      at = end;
    } else {
      at++;
    }
  }
  return pieces.length === 0 ? body : Buffer.concat([...pieces, source.subarray(copied)]);
}

function readString(source: Buffer, start: number, end: number): string {
  const written = source.toString("utf8", start + 1, end - 1);
  return written.includes("\\") ? (JSON.parse(`"${written}"`) as string) : written;
}

function endOfString(source: Buffer, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === backslash) at++;
    else if (source[at] === quote) return at + 1;
  }
  return source.length;
}

function endOfNumber(source: Buffer, start: number): number {
  let at = start + 1;
  while (at < source.length && (isDigit(source[at]!) || "+-.eE".includes(String.fromCharCode(source[at]!)))) at++;
  return at;
}

function isName(source: Buffer, end: number): boolean {
  let at = end;
  while (at < source.length && source[at]! <= 32) at++;
  return source[at] === colon;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}
