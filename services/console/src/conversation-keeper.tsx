/** Owns the one conversation of a session: it outlives the page that shows it, as that page's links lead to others, and ends with the session. */
import { createClient, type CallOptions, type Client } from "@connectrpc/connect";
import { useMutation } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useReducer, useRef, type ReactNode } from "react";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { after, generationOf, type Asked, type Conversation, type Happening, type Turn } from "./conversation.ts";
import { callFailureOf } from "./failure.ts";
import { eventsOf, type ReplyEvent } from "./reply.ts";
import { transport } from "./weir.ts";

interface ConversationState {
  readonly conversation: Conversation;
  readonly send: (asked: Asked, inPlaceOf?: Turn) => void;
  /** Ends the call under way, at the vendor too. */
  readonly stop: () => void;
  readonly clear: () => void;
}

interface ModelCall {
  readonly id: number;
  readonly asked: Asked;
  readonly earlier: Conversation;
  readonly signal: AbortSignal;
}

const ConversationContext = createContext<ConversationState | undefined>(undefined);

export function useConversation(): ConversationState {
  const state = useContext(ConversationContext);
  if (state === undefined) throw new Error("No conversation: this stands outside of the signed-in page.");
  return state;
}

export function ConversationKeeper({ children }: { readonly children: ReactNode }): ReactNode {
  const [conversation, dispatch] = useReducer(after, []);
  const underWay = useRef<AbortController>(undefined);
  const lastId = useRef(0);
  // As a mutation, so that the end of the session is noticed as it is everywhere; and a Weir of one's own answers without the internet.
  const { mutate } = useMutation({ mutationFn: (call: ModelCall) => callModel(call, dispatch), networkMode: "always" });
  useEffect(() => () => underWay.current?.abort(), []);

  const send = (asked: Asked, inPlaceOf?: Turn): void => {
    const id = ++lastId.current;
    underWay.current = new AbortController();
    if (inPlaceOf !== undefined) dispatch({ type: "withdrawn", id: inPlaceOf.id });
    dispatch({ type: "asked", id, asked });
    mutate({ id, asked, earlier: conversation.filter((turn) => turn !== inPlaceOf), signal: underWay.current.signal });
  };
  const stop = (): void => underWay.current?.abort();
  const clear = (): void => {
    stop();
    dispatch({ type: "cleared" });
  };
  return <ConversationContext value={{ conversation, send, stop, clear }}>{children}</ConversationContext>;
}

/** Tells of everything that happens to the call. Throws where it failed. */
async function callModel({ id, asked, earlier, signal }: ModelCall, tell: (happening: Happening) => void): Promise<void> {
  const client = createClient(InferenceService, transport);
  const beganMs = performance.now();
  const elapsedMs = (): number => Math.round(performance.now() - beganMs);
  const onHeader = (headers: Headers): void => tell({ type: "headers", id, requestId: headers.get("x-request-id") ?? "", cacheState: headers.get("x-weir-cache") ?? "" });
  try {
    // Without a deadline of the page: Weir's own holds, as for any caller.
    for await (const event of eventsFrom(client, asked, earlier, { signal, timeoutMs: 0, onHeader })) tell({ type: "event", id, event, elapsedMs: elapsedMs() });
    tell({ type: "ended", id, ending: "answered", elapsedMs: elapsedMs() });
  } catch (thrown) {
    if (signal.aborted) return tell({ type: "ended", id, ending: "stopped", elapsedMs: elapsedMs() });
    tell({ type: "ended", id, ending: "failed", failure: callFailureOf(thrown), elapsedMs: elapsedMs() });
    throw thrown;
  }
}

async function* eventsFrom(client: Client<typeof InferenceService>, asked: Asked, earlier: Conversation, options: CallOptions): AsyncIterable<ReplyEvent> {
  const generation = generationOf(earlier, asked);
  if (asked.isStreamed) for await (const { event } of client.streamGenerate({ generation }, options)) yield event;
  else yield* eventsOf(await client.generate({ generation }, options));
}
