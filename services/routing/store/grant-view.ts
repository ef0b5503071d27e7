/** Owns routing's copy of the grants that policy pushes, found by the digest of a secret of the key. */
import { createSecretKey } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { ResolveGrantRequestSchema, WatchGrantsRequestSchema, type Grant, type PolicyService, type WatchGrantsResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { digestOfKeySecret } from "#platform/key-secret.ts";
import type { Logger } from "#platform/logger.ts";
import { followView } from "#platform/pushed-view.ts";
import type { ServiceInterface } from "#platform/service-types.ts";
import { withdrawalOf, type GrantSource, type OnWithdrawn, type OpenGrant } from "../domain/admit.ts";
import { UnknownSecrets } from "./unknown-secrets.ts";

export interface GrantViewOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "watchGrants" | "resolveGrant">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const identity = { kind: "service", name: "routing" } as const;

/** The most keys that policy is asked for at once. */
const mostQuestions = 100;

export class GrantView implements GrantSource {
  readonly #options: GrantViewOptions;
  readonly #byKey = new Map<string, Grant>();
  readonly #byDigest = new Map<string, OpenGrant>();
  readonly #watchers = new Map<string, Set<OnWithdrawn>>();
  readonly #unknown: UnknownSecrets;
  /** What policy is being asked for, by digest. */
  readonly #questions = new Map<string, Promise<void>>();
  /** The key under which secrets are digested; it comes with the first snapshot. */
  #pepper = createSecretKey(Buffer.alloc(0));

  private constructor(options: GrantViewOptions) {
    this.#options = options;
    this.#unknown = new UnknownSecrets(options.clock);
  }

  /** Resolves when the first snapshot is here. */
  static async follow(options: GrantViewOptions): Promise<GrantView> {
    const view = new GrantView(options);
    const { policy, logger, signal } = options;
    await followView({
      name: "grants",
      open: (openSignal) => policy.watchGrants(create(WatchGrantsRequestSchema), { identity, requestId: "", signal: openSignal }),
      apply: (message) => view.#apply(message),
      logger,
      signal,
    });
    return view;
  }

  find(secret: string): OpenGrant | undefined {
    return this.#byDigest.get(textOf(this.#digest(secret)));
  }

  async resolve(secret: string): Promise<OpenGrant> {
    const secretDigest = this.#digest(secret);
    const digest = textOf(secretDigest);
    if (!this.#unknown.has(digest)) await this.#askOnce(secretDigest, digest);
    const found = this.#byDigest.get(digest);
    if (found !== undefined) return found;
    throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  }

  watch(keyId: string, onWithdrawn: OnWithdrawn): () => void {
    const watchers = this.#watchers.get(keyId) ?? new Set();
    this.#watchers.set(keyId, watchers.add(onWithdrawn));
    return () => {
      watchers.delete(onWithdrawn);
      if (watchers.size === 0 && this.#watchers.get(keyId) === watchers) this.#watchers.delete(keyId);
    };
  }

  /** Asks policy, unless it is being asked already. */
  #askOnce(secretDigest: Uint8Array, digest: string): Promise<void> {
    let question = this.#questions.get(digest);
    if (question === undefined) {
      if (this.#questions.size >= mostQuestions) throw new GatewayError("OVERLOADED", "Too many keys that are not known are being looked up. Try again soon.", { retryAfterMs: 1_000 });
      question = this.#ask(secretDigest, digest).finally(() => this.#questions.delete(digest));
      this.#questions.set(digest, question);
    }
    return question;
  }

  async #ask(secretDigest: Uint8Array, digest: string): Promise<void> {
    const { policy, signal } = this.#options;
    try {
      const { grant } = await policy.resolveGrant(create(ResolveGrantRequestSchema, { secretDigest }), { identity, requestId: "", signal });
      // What was pushed meanwhile is newer than this answer.
      if (!this.#byKey.has(grant!.keyId)) this.#put(grant!);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.reason !== "KEY_INVALID") throw error;
      this.#unknown.add(digest);
    }
  }

  #digest(secret: string): Buffer {
    return digestOfKeySecret(secret, this.#pepper);
  }

  #apply({ snapshot, grants, pepper }: WatchGrantsResponse): void {
    if (snapshot) {
      this.#byKey.clear();
      this.#byDigest.clear();
      this.#unknown.clear();
      this.#pepper = createSecretKey(pepper);
    }
    for (const grant of grants) this.#put(grant);
  }

  #put(grant: Grant): void {
    const former = this.#byKey.get(grant.keyId);
    if (former !== undefined) for (const { digest } of secretsOf(former)) this.#byDigest.delete(digest);
    this.#byKey.set(grant.keyId, grant);
    for (const { digest, endMs } of secretsOf(grant)) {
      this.#byDigest.set(digest, { grant, endMs });
      this.#unknown.delete(digest);
    }
    const withdrawal = withdrawalOf(grant);
    if (withdrawal !== undefined) for (const onWithdrawn of this.#watchers.get(grant.keyId) ?? []) onWithdrawn(withdrawal);
  }
}

function secretsOf({ secretDigest, previousSecretDigest, expireTime, previousSecretExpireTime }: Grant): { readonly digest: string; readonly endMs: number }[] {
  const present = { digest: textOf(secretDigest), endMs: endOf(expireTime) };
  if (previousSecretDigest.length === 0) return [present];
  return [present, { digest: textOf(previousSecretDigest), endMs: Math.min(present.endMs, endOf(previousSecretExpireTime)) }];
}

function endOf(time: Timestamp | undefined): number {
  return time === undefined ? Infinity : timestampMs(time);
}

/** The same bytes as a key of a map. */
function textOf(digest: Uint8Array): string {
  return Buffer.from(digest).toString("latin1");
}
