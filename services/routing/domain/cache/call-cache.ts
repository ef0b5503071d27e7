/** Owns what the cache is to one call: the reply that is there already, or the keeping of the one that comes. */
import { create } from "@bufbuild/protobuf";
import { AttemptRequestSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { mayReach } from "../admission/admit.ts";
import type { CallGuard } from "../guardrails/call-guard.ts";
import type { Call } from "../call.ts";
import type { Plan, Target } from "../targets/plan.ts";
import { readCacheControl, type CacheControl } from "./cache-control.ts";
import { cacheKey, isToBeStored } from "./cache-key.ts";
import { cacheRuleFor, sharersOf, type CacheRule, type Similarity } from "./cache-rule.ts";
import { framedText } from "./frame.ts";
import type { AskMeaning, Meaning } from "./meaning.ts";
import { ReceivedReply } from "./received-reply.ts";

type Operation = AttemptRequest["operation"];

/** What became of a call that a rule is for: its reply was there, that to one of the same meaning was, or it came anew. */
export type CacheUse = FoundUse | { readonly outcome: "miss" | "bypass" };
export type FoundUse = { readonly outcome: "hit"; readonly ageMs: number } | { readonly outcome: "similar"; readonly ageMs: number; readonly similarity: number };

export function isFound(use: CacheUse): use is FoundUse {
  return use.outcome === "hit" || use.outcome === "similar";
}

/** A reply in the cache, in the form of reply-bytes.ts. */
export interface KeptReply {
  readonly bytes: Uint8Array;
  readonly ageMs: number;
}

/** One that was made for a text as near as this. */
export interface SimilarReply extends KeptReply {
  readonly similarity: number;
}

/** Where a reply is found by meaning. */
export interface MeaningPlace {
  /** Under which all is the very same but the text. */
  readonly frame: string;
  /** Of the text; undefined where it is not known, or not in time. Asked for once, by whoever is first to need it. */
  readonly meaning: () => Promise<Meaning | undefined>;
}

/** A reply that is on its way in. */
export interface IncomingReply {
  /** False once there is no room for it; then nothing of it is kept. */
  add(bytes: Uint8Array): boolean;
  /** It came whole. */
  keep(): void;
  /** Gives its room back; called last, kept or not. */
  drop(): void;
}

/** The replies of this process, and those that processes share, if they do. */
export interface ReplyStore {
  /** Undefined where none is there, or it is older than this. What others share is waited for within a bound. */
  find(key: string, maximumAgeMs: number): Promise<KeptReply | undefined>;
  /** Whether the frame has any that are not older than this. */
  holdsSimilar(frame: string, maximumAgeMs: number): boolean;
  /** The nearest of those; undefined where none is as near as `minimum`. */
  findSimilar(frame: string, meaning: Meaning, minimum: number, maximumAgeMs: number): SimilarReply | undefined;
  /** By its meaning it is found as soon as that is known. */
  receive(key: string, place: MeaningPlace | undefined): IncomingReply;
}

export interface ReplyCache {
  /** The rules of the day; empty where nothing is cached. */
  readonly rules: () => readonly CacheRule[];
  readonly store: ReplyStore;
  readonly askMeaning: AskMeaning;
  /** Told of every reply to a call that a rule is for. */
  readonly onUse: (call: Call, plan: Plan, target: Target, use: CacheUse) => void;
}

/** Undefined where no rule is for the call, as for all where nothing is cached. */
export function cacheOfCall(call: Call, plan: Plan, guard: CallGuard | undefined, cache: ReplyCache): CallCache | undefined {
  const all = cache.rules();
  const rule = all.length === 0 ? undefined : cacheRuleFor(call, plan, all);
  return rule && new CallCache(call, rule, guard, cache);
}

export class CallCache {
  readonly #call: Call;
  readonly #rule: CacheRule;
  readonly #guard: CallGuard | undefined;
  readonly #control: CacheControl;
  readonly #cache: ReplyCache;
  /** A call that is tried at another target brings the same text. */
  #asked: { readonly text: string; readonly meaning: Promise<Meaning | undefined> } | undefined;

  constructor(call: Call, rule: CacheRule, guard: CallGuard | undefined, cache: ReplyCache) {
    this.#call = call;
    this.#rule = rule;
    this.#guard = guard;
    this.#control = readCacheControl(call.cacheControl!);
    this.#cache = cache;
  }

  /** The place of what this target answers to an operation, which is as it would be sent. */
  async placeAt(target: Target, operation: Operation): Promise<CachePlace> {
    const { mayKeep, mayFind, maximumAgeMs } = this.#control;
    if (!mayKeep || isToBeStored(operation)) return { useOtherwise: bypass };
    const { store } = this.#cache;
    const key = this.#keyOf(target, operation);
    const oldestMs = Math.min(this.#rule.lifetimeMs, maximumAgeMs);
    const same = mayFind ? await store.find(key, oldestMs) : undefined;
    if (same !== undefined) return { found: { bytes: same.bytes, use: { outcome: "hit", ageMs: same.ageMs } } };
    const { similar } = this.#rule;
    // A reply may hold the placeholders of the call that it was made for, which mean nothing in another.
    const place = similar === undefined || this.#guard?.hasMasked === true ? undefined : this.#meaningPlace(target, operation, similar);
    const nearest = place === undefined || !mayFind ? undefined : await this.#nearest(place, similar!, oldestMs);
    if (nearest !== undefined) return { found: { bytes: nearest.bytes, use: { outcome: "similar", ageMs: nearest.ageMs, similarity: nearest.similarity } } };
    return { useOtherwise: mayFind ? miss : bypass, receive: (messages) => new ReceivedReply(messages, store.receive(key, place)) };
  }

  /** Undefined where only the very same is given the reply again. */
  #meaningPlace(target: Target, operation: Operation, by: Similarity): MeaningPlace | undefined {
    const framed = framedText(operation);
    return framed && { frame: this.#keyOf(target, framed.frame), meaning: () => this.#meaningOf(framed.text, by) };
  }

  async #nearest({ frame, meaning }: MeaningPlace, { minimumSimilarity }: Similarity, maximumAgeMs: number): Promise<SimilarReply | undefined> {
    const { store } = this.#cache;
    // With nothing to compare it with, nobody waits for the vector.
    if (!store.holdsSimilar(frame, maximumAgeMs)) return undefined;
    const known = await untilAborted(meaning(), this.#call.signal);
    return known && store.findSimilar(frame, known, minimumSimilarity, maximumAgeMs);
  }

  #meaningOf(text: string, by: Similarity): Promise<Meaning | undefined> {
    if (this.#asked?.text !== text) this.#asked = { text, meaning: this.#cache.askMeaning({ text, by, call: this.#call, mayGoTo: (target) => this.#mayTell(target) }) };
    return this.#asked.meaning;
  }

  /** Where the call may not go, its text may not either. */
  #mayTell(target: Target): boolean {
    return mayReach(target.provider.name, this.#call.grant) && this.#guard?.mayKeepFrom(target) !== true;
  }

  #keyOf(target: Target, operation: Operation): string {
    return cacheKey(sharersOf(this.#call.grant, this.#rule), target, { ...emptyRequest, operation });
  }
}

/** Where a reply is in the cache, or is to be. */
export type CachePlace = { readonly found: FoundReply } | (ReplyPlace & { readonly found?: undefined });

export interface FoundReply {
  /** In the form of reply-bytes.ts. */
  readonly bytes: Uint8Array;
  readonly use: CacheUse;
}

interface ReplyPlace {
  /** What becomes of the call, for which nothing is there. */
  readonly useOtherwise: CacheUse;
  /** Keeps a reply; absent where none is to be kept. */
  readonly receive?: (messages: AsyncIterable<AttemptResponse>) => ReceivedReply;
}

const emptyRequest = create(AttemptRequestSchema);
const miss: CacheUse = { outcome: "miss" };
const bypass: CacheUse = { outcome: "bypass" };

/** Undefined once the signal fires: who is gone waits for nothing. */
function untilAborted<Outcome>(outcome: Promise<Outcome | undefined>, signal: AbortSignal): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    const giveUp = (): void => resolve(undefined);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    void outcome.then(resolve).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
