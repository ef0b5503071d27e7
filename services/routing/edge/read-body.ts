/** Owns reading a request's body into memory, within its bound. */
import { GatewayError } from "#platform/errors.ts";
import type { HttpRequest } from "#platform/http/listener.ts";

/** How long a body may be silent before its end. */
const silenceMs = 30_000;

export interface BodyBounds {
  readonly maximumBytes: number;
  /** The field of the configuration that says so; absent where none does. */
  readonly setIn?: string;
  readonly maximumSilenceMs?: number;
  /** Ends the reading with its reason; absent where the caller's going is the only one. */
  readonly signal?: AbortSignal;
  /** Told how much is held, each time that it grows; what it throws ends the reading. */
  readonly count?: (bytes: number) => void;
}

/**
 * The whole body. Throws BODY_TOO_LARGE as soon as that is known, DEADLINE_EXCEEDED when nothing comes for a while,
 * CANCELLED when the caller goes away before its end, and the signal's reason when it fires.
 */
export function readBody(request: HttpRequest, { maximumBytes, setIn, maximumSilenceMs = silenceMs, signal, count }: BodyBounds): Promise<Buffer> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return Promise.reject(new GatewayError("INVALID_REQUEST", `The body is encoded as "${encoding}"; send it without Content-Encoding.`));
  }
  if (Number(request.headers["content-length"] ?? 0) > maximumBytes) return Promise.reject(tooLarge(maximumBytes, setIn));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const silence = setTimeout(() => reject(new GatewayError("DEADLINE_EXCEEDED", `Nothing came of the body for ${maximumSilenceMs / 1000} s; send it in one go.`)), maximumSilenceMs);
    const forget = (): void => {
      clearTimeout(silence);
      signal?.removeEventListener("abort", giveUpForSignal);
    };
    const giveUp = (error: unknown): void => {
      request.removeAllListeners("data");
      forget();
      reject(error as Error);
    };
    const giveUpForSignal = (): void => giveUp(signal!.reason);
    if (signal?.aborted === true) return giveUpForSignal();
    signal?.addEventListener("abort", giveUpForSignal);
    request.on("data", (chunk: Buffer) => {
      silence.refresh();
      length += chunk.length;
      try {
        if (length > maximumBytes) throw tooLarge(maximumBytes, setIn);
        count?.(length);
        chunks.push(chunk);
      } catch (error) {
        giveUp(error);
      }
    });
    request.once("end", () => {
      forget();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    });
    request.once("close", () => {
      forget();
      if (!request.complete) reject(new GatewayError("CANCELLED", "The caller went away before its body was read."));
    });
    request.once("error", reject);
  });
}

/** What is read and thrown away of a refused body, so that the caller can read the refusal: a connection that is closed on it would take that away. */
const maximumDiscardedBytes = 64 * 1024 * 1024;
const maximumDiscardMs = 5_000;

/** Reads on without keeping anything; closes the connection of a caller that does not come to an end. */
export function discardRest(request: HttpRequest): void {
  let discarded = 0;
  const giveUp = (): void => void request.destroy();
  const bound = setTimeout(giveUp, maximumDiscardMs);
  request.on("data", (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > maximumDiscardedBytes) giveUp();
  });
  request.once("close", () => clearTimeout(bound));
  request.once("end", () => clearTimeout(bound));
}

function tooLarge(maximumBytes: number, setIn: string | undefined): GatewayError {
  return new GatewayError("BODY_TOO_LARGE", `The body is larger than ${maximumBytes} bytes, the bound${setIn === undefined ? " here" : ` set in ${setIn}`}.`, {
    metadata: { limit_bytes: String(maximumBytes) },
  });
}
