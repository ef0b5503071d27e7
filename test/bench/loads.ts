/** Owns what is asked and how often, and the words between the bench and its loader. */

export interface Load {
  readonly name: string;
  /** The content chunks of the streamed reply; 0 asks for a whole one. */
  readonly chunks: number;
  /** `connections`: each asks again as soon as it is answered. `perSecond`: asked at this rate, answered or not. */
  readonly pace: { readonly connections: number } | { readonly perSecond: number };
  /** Whether Weir must translate it; else the bytes go through untouched. */
  readonly translated?: true;
}

const chunks = 64;

export const loads = {
  unarySaturated: { name: "unary, saturated (32 connections)", chunks: 0, pace: { connections: 32 } },
  unaryPaced: { name: "unary, 300 requests/s", chunks: 0, pace: { perSecond: 300 } },
  streamsAtOnce: { name: `SSE of ${chunks} chunks, 32 at once`, chunks, pace: { connections: 32 } },
  // As many chunks a second as the one above, in four times as many streams: the difference tells a chunk's cost from a stream's.
  shortStreamsAtOnce: { name: `SSE of ${chunks / 4} chunks, 32 at once`, chunks: chunks / 4, pace: { connections: 32 } },
  streamsPaced: { name: `SSE of ${chunks} chunks, 20 streams/s`, chunks, pace: { perSecond: 20 } },
  translatedUnary: { name: "unary, translated (32 connections)", chunks: 0, pace: { connections: 32 }, translated: true },
  translatedStreams: { name: `SSE of ${chunks} chunks, translated, 32 at once`, chunks, pace: { connections: 32 }, translated: true },
} as const satisfies Readonly<Record<string, Load>>;

export type LoadName = keyof typeof loads;

/** Tells the loader to play a load against a port. */
export interface LoadOrder {
  readonly port: number;
  readonly key: string;
  /** Whether a Weir is asked; else the upstream, also by way of the pipe. */
  readonly ofWeir: boolean;
  readonly load: Load;
  readonly durationMs: number;
}

export interface LoadResult {
  /** Replies with status 200 whose body was, to the byte, what the upstream sends; or all that it says, where it was translated. */
  readonly replies: number;
  /** What else happened, with how often. */
  readonly failures: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
  /** From the request to the last byte of its reply. */
  readonly latencyMs: Quantiles;
  /** From the request to the first byte of the reply's body. */
  readonly firstByteMs: Quantiles;
  /** The reads in which a reply came, on average: fewer than its chunks means that some were joined on the way. */
  readonly readsPerReply: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}
