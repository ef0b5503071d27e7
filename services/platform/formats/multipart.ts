/** Owns multipart/form-data: what the parts of a form are, where they lie in it, and the setting of one field in bytes that else stay as they came. */
import { createHash } from "node:crypto";
import { Busboy } from "@fastify/busboy";
import { GatewayError } from "../errors.ts";

/** One part of a form. */
export interface FormPart {
  readonly name: string;
  /** Undefined for a field that is no file. */
  readonly filename: string | undefined;
  /** `text/plain` where the part names none. */
  readonly mediaType: string;
  /** For a form that was read, a view of its bytes. */
  readonly content: Uint8Array;
}

const maximumParts = 256;
const maximumHeaderBytes = 16 * 1024;
const lineEnd = "\r\n";

/** A form as it came. */
export class Form {
  /** In their order. */
  readonly parts: readonly FormPart[];
  readonly #body: Buffer;

  constructor(body: Buffer, parts: readonly FormPart[]) {
    this.#body = body;
    this.parts = parts;
  }

  /** The part of this name; undefined when there is none. Throws INVALID_REQUEST when it stands twice, because readers differ in which one counts. */
  part(name: string): FormPart | undefined {
    const [first, second] = this.all(name);
    if (second !== undefined) throw refused(name, "stands twice in the form; send it once");
    return first;
  }

  all(name: string): readonly FormPart[] {
    return this.parts.filter((part) => part.name === name);
  }

  /** The value of a field; undefined when there is none. Throws INVALID_REQUEST when it stands twice. */
  text(name: string): string | undefined {
    const part = this.part(name);
    return part === undefined ? undefined : Buffer.from(part.content).toString("utf8");
  }

  /** The form's bytes with the content of this field, which must be there, set; every other byte untouched. */
  withText(name: string, value: string): Buffer {
    const { content } = this.part(name)!;
    const start = content.byteOffset - this.#body.byteOffset;
    return Buffer.concat([this.#body.subarray(0, start), Buffer.from(value), this.#body.subarray(start + content.length)]);
  }
}

/** Reads a form. Throws INVALID_REQUEST when it is none, or can be understood in more than one way. */
export async function readForm(body: Buffer, contentType: string): Promise<Form> {
  const boundary = boundaryOf(contentType);
  const blocks = findBlocks(body, `${lineEnd}--${boundary}`);
  const headers = await readHeaders(body, contentType);
  // Whoever reads the form after us must see the same parts: so nothing may be there that busboy skips.
  if (blocks.length !== headers.length) throw malformed("a part has no name, or a header of its own is missing or too long");
  const parts = blocks.map(({ head, content }, index) => {
    refuseTwofoldReading(head);
    return { ...headers[index]!, content };
  });
  return new Form(body, parts);
}

/** The content of the first part of this name in a form that `readForm` has accepted; undefined when there is none, or it is no such form. */
export function findPart(body: Uint8Array, contentType: string, name: string): Buffer | undefined {
  try {
    const blocks = findBlocks(Buffer.from(body.buffer, body.byteOffset, body.byteLength), `${lineEnd}--${boundaryOf(contentType)}`);
    return blocks.find(({ head }) => /\bname\s*=\s*"?([^";\r]*)/i.exec(head)?.[1] === name)?.content;
  } catch {
    return undefined;
  }
}

/** The part that a field without a file is. */
export function textPart(name: string, value: string): FormPart {
  return { name, filename: undefined, mediaType: "text/plain", content: Buffer.from(value) };
}

/** A form with these parts. The same parts give the same bytes. */
export function writeForm(parts: readonly FormPart[]): { readonly body: Buffer; readonly contentType: string } {
  const digest = createHash("sha256");
  for (const { content } of parts) digest.update(content);
  // No content holds its own digest.
  const boundary = `weir-${digest.digest("hex").slice(0, 32)}`;
  const pieces = parts.flatMap(({ name, filename, mediaType, content }) => {
    const file = filename === undefined ? "" : `; filename="${quotable(filename)}"${lineEnd}Content-Type: ${mediaType.replaceAll(/[^\x20-\x7e]/g, "")}`;
    return [Buffer.from(`--${boundary}${lineEnd}Content-Disposition: form-data; name="${quotable(name)}"${file}${lineEnd}${lineEnd}`), content, Buffer.from(lineEnd)];
  });
  return { body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--${lineEnd}`)]), contentType: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers write them: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function quotable(text: string): string {
  return text.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}

/** Of a type that says nothing beside it but a charset: of two boundaries, readers differ in which one counts. */
function boundaryOf(contentType: string): string {
  const match = /^multipart\/form-data *;(?: *charset=[\w-]+ *;)? *boundary=(?:"([\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])"|([\w'()+./:=?-]{1,70})) *(?:; *charset=[\w-]+ *)?$/i.exec(contentType);
  if (match === null) throw malformed("its content-type must be multipart/form-data with a boundary, and with nothing else but a charset");
  return match[1] ?? match[2]!;
}

interface Block {
  readonly head: string;
  readonly content: Buffer;
}

/** The parts by their delimiters, which is how every reader finds them. Throws MALFORMED_BODY when the last one is not there, or readers differ in whether it is one. */
function findBlocks(body: Buffer, delimiter: string): Block[] {
  const blocks: Block[] = [];
  const first = delimiter.slice(lineEnd.length);
  if (body.toString("latin1", 0, first.length) !== first) throw malformed("it does not begin with its boundary");
  let at = first.length;
  while (body.toString("latin1", at, at + 2) !== "--") {
    if (body.toString("latin1", at, at + 2) !== lineEnd) throw malformed("its boundary stands within a line");
    const end = body.indexOf(delimiter, at);
    const headEnd = body.indexOf(lineEnd + lineEnd, at);
    if (end < 0 || headEnd < 0 || headEnd > end) throw malformed("it is cut short");
    if (blocks.length === maximumParts) throw malformed(`it has more than ${maximumParts} parts`);
    blocks.push({ head: body.toString("latin1", at, headEnd), content: body.subarray(headEnd + 2 * lineEnd.length, end) });
    at = end + delimiter.length;
  }
  if (!["", lineEnd].includes(body.toString("latin1", at + 2, at + 5))) throw malformed("it goes on behind its end");
  return blocks;
}

type PartHeaders = Omit<FormPart, "content">;

async function readHeaders(body: Buffer, contentType: string): Promise<PartHeaders[]> {
  const parts: PartHeaders[] = [];
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: unknown): void => reject(malformed("its parts cannot be read", cause));
    try {
      const limits = { parts: maximumParts, headerPairs: 32, headerSize: maximumHeaderBytes };
      const busboy = new Busboy({ headers: { "content-type": contentType }, limits, isPartAFile: () => true });
      busboy.on("file", (name: string | undefined, content, filename: string | undefined, encoding, mediaType) => {
        content.on("error", fail);
        content.resume();
        if (name === undefined || !plainEncodings.includes(encoding)) fail(undefined);
        else parts.push({ name, filename, mediaType });
      });
      busboy.once("error", fail);
      busboy.once("finish", resolve);
      busboy.end(body);
    } catch (cause) {
      fail(cause);
    }
  });
  return parts;
}

/** Those in which a part's bytes mean themselves; nobody sends others over HTTP, but some servers would decode them. */
const plainEncodings: readonly string[] = ["7bit", "8bit", "binary"];

/** Throws INVALID_REQUEST for a part that has a second name or disposition, which another reader could take for the true one. */
function refuseTwofoldReading(head: string): void {
  const names = head.match(/\bname\*?\s*=/gi)?.length;
  const dispositions = head.match(/^content-disposition/gim)?.length;
  if (names !== 1 || dispositions !== 1) throw malformed("a part's header can be read in two ways");
}

function malformed(description: string, cause?: unknown): GatewayError {
  return new GatewayError("MALFORMED_BODY", `The body is no valid form: ${description}.`, cause === undefined ? {} : { cause });
}

function refused(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
