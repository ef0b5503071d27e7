/** Owns what the cache is to one call: the reply that is there already, or the keeping of the one that comes. */
import { create } from "@bufbuild/protobuf";
import { AttemptRequestSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Call } from "../pipeline.ts";
import type { Plan, Target } from "../plan.ts";
import { readCacheControl, type CacheControl } from "./cache-control.ts";
import { cacheKey, isToBeStored } from "./cache-key.ts";
import { cacheRuleFor, sharersOf, type CacheRule } from "./cache-rule.ts";
import { ReceivedReply } from "./received-reply.ts";

/** What became of a call that a rule is for. */
export type CacheUse = { readonly outcome: "hit"; readonly ageMs: number } | { readonly outcome: "miss" | "bypass" };

/** A reply in the cache, in the form of reply-bytes.ts. */
export interface KeptReply {
  readonly bytes: Uint8Array;
  readonly ageMs: number;
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

/** The replies of this process. */
export interface ReplyStore {
  /** Undefined where none is there, or it is older than this. */
  find(key: string, maximumAgeMs: number): KeptReply | undefined;
  receive(key: string): IncomingReply;
}

export interface ReplyCache {
  /** The rules of the day; empty where nothing is cached. */
  readonly rules: () => readonly CacheRule[];
  readonly store: ReplyStore;
  /** Told of every reply to a call that a rule is for. */
  readonly onUse: (call: Call, plan: Plan, target: Target, use: CacheUse) => void;
}

/** Undefined where no rule is for the call, as for all where nothing is cached. */
export function cacheOfCall(call: Call, plan: Plan, { rules, store }: ReplyCache): CallCache | undefined {
  const all = rules();
  const rule = all.length === 0 ? undefined : cacheRuleFor(call, plan, all);
  return rule && new CallCache(call, rule, store);
}

export class CallCache {
  readonly #call: Call;
  readonly #rule: CacheRule;
  readonly #control: CacheControl;
  readonly #store: ReplyStore;

  constructor(call: Call, rule: CacheRule, store: ReplyStore) {
    this.#call = call;
    this.#rule = rule;
    this.#control = readCacheControl(call.cacheControl!);
    this.#store = store;
  }

  /** The place of what this target answers to an operation, which is as it would be sent. */
  placeAt(target: Target, operation: AttemptRequest["operation"]): CachePlace {
    const { mayKeep, mayFind, maximumAgeMs } = this.#control;
    if (!mayKeep || isToBeStored(operation)) return nowhere;
    const key = cacheKey(sharersOf(this.#call.grant, this.#rule), target, { ...emptyRequest, operation });
    const oldestMs = Math.min(this.#rule.lifetimeMs, maximumAgeMs);
    return {
      kept: mayFind ? this.#store.find(key, oldestMs) : undefined,
      useOtherwise: mayFind ? miss : bypass,
      receive: (messages) => new ReceivedReply(messages, this.#store.receive(key)),
    };
  }
}

/** Where a reply is in the cache, or is to be. */
export interface CachePlace {
  readonly kept: KeptReply | undefined;
  /** What became of the call where nothing is kept there. */
  readonly useOtherwise: CacheUse;
  /** Keeps a reply; absent where none is to be kept. */
  readonly receive?: (messages: AsyncIterable<AttemptResponse>) => ReceivedReply;
}

const emptyRequest = create(AttemptRequestSchema);
const miss: CacheUse = { outcome: "miss" };
const bypass: CacheUse = { outcome: "bypass" };
const nowhere: CachePlace = { kept: undefined, useOtherwise: bypass };
