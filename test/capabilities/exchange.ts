/** Owns the words in which the suite says what is asked and answered, in no vendor's and no dialect's form. */

/** A piece of what is said. */
export type Part =
  | { readonly text: string; readonly isCacheEnd?: true }
  /** A `data:` URL, or an address. */
  | { readonly image: string }
  /** A PDF as a `data:` URL. */
  | { readonly document: string }
  | { readonly call: { readonly id: string; readonly name: string; readonly input: object } }
  | { readonly result: { readonly id: string; readonly text: string; readonly isError?: true } }
  | { readonly reasoning: string; readonly signature: string };

export interface Turn {
  readonly role: "user" | "assistant";
  readonly parts: readonly Part[];
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly parameters: object;
}

/** What a caller wants of a model. */
export interface Wanted {
  readonly system?: string;
  readonly turns: readonly Turn[];
  readonly tools?: readonly Tool[];
  readonly toolChoice?: "none" | "required" | { readonly name: string };
  readonly oneCallAtATime?: true;
  readonly outputMaximum?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly jsonSchema?: object;
  readonly effort?: "low" | "high";
  readonly reasoningTokens?: number;
  readonly user?: string;
}

/** What a vendor was asked, as far as its request says; throws where the vendor would refuse it. */
export type Asked = Wanted;

/** What is answered. */
export interface Answer {
  readonly reasoning?: { readonly text: string; readonly signature: string };
  readonly text?: string;
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly input: object }[];
  readonly finish: "stop" | "length" | "calls" | "refused";
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number; readonly reasoning: number };
}

/** An answer as the caller's own client understood it. */
export interface Heard {
  readonly answer: Answer;
  /** The value of `x-weir-warnings`; empty when there is none. */
  readonly warnings: string;
  /** What the client tells that it left out of the request itself; absent when it said all. */
  readonly unsaid?: string;
}

/** An error as the caller's own client raised it. */
export class HeardError extends Error {
  readonly status: number;
  /** The class of the client's error. */
  readonly kind: string;
  readonly requestId: string;

  constructor(status: number, kind: string, message: string, requestId: string) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.requestId = requestId;
  }
}

/** A vendor's refusal. */
export interface Refusal {
  readonly status: 400 | 401 | 404 | 429 | 500 | 503;
  readonly retryAfterSeconds?: number;
}

/** A dialect's official client, or another one. */
export interface Caller {
  readonly dialect: string;
  /** Of a client that is not the dialect's own: the dialect. */
  readonly like?: string;
  /** Whether its errors are HTTP statuses; else they are RPC codes. */
  readonly hasStatuses: boolean;
  /** The one class of all its errors, of a client that has none for each status. */
  readonly errorClass?: string;
  /** The class of its errors, or the code of the RPC, where a stream breaks off. */
  readonly brokenStreamClass: string;
  /** What the client sends; undefined where it has no words for what is wanted, or no ears for what will be answered. */
  build(wanted: Wanted, answer?: Answer): object | undefined;
  /** Throws HeardError. */
  send(weir: { readonly origin: string; readonly inferenceKey: string }, model: string, request: object, stream: boolean): Promise<Heard>;
}

/** A vendor as the suite plays it: it judges requests as that vendor would, and answers in its form. */
export interface Player {
  readonly vendor: string;
  /** Dialects that go through to it untouched. */
  readonly native: readonly string[];
  /** The path of the base URL, such as `/v1`. */
  readonly basePath: string;
  /** Its key in weir.yaml, if it wants one. */
  readonly apiKey?: string;
  /** What else its provider is told in weir.yaml, with a comma at the end. */
  readonly settings?: string;
  /** Whether tool calls of others must get ids in a form of its own. */
  readonly renamesCalls?: true;
  /** What must arrive for what is wanted, where its form has other means to the same end. Without this, what is wanted itself. */
  expected?(wanted: Wanted): Wanted;
  /** What it can say of an answer; undefined when it has no words for what matters in it. Without this, it can say all. */
  sayable?(answer: Answer): Answer | undefined;
  /** What was asked. Throws Error with what the vendor would refuse. */
  read(request: { readonly path: string; readonly headers: Readonly<Record<string, unknown>>; readonly body: Buffer }, stream: boolean): Asked;
  /** The reply to a request to this path: its type, and its body; a stream's in its events. */
  write(answer: Answer, stream: boolean, path: string): { readonly contentType: string; readonly pieces: readonly (string | Buffer)[] };
  /** The event of a stream by which it says that it cannot go on. */
  breakOff(path: string): string | Buffer;
  refuse(refusal: Refusal): { readonly headers: Readonly<Record<string, string>>; readonly body: string };
}
