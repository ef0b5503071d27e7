/** Owns routing's copy of the grants that policy pushes, found by the digest of the key's secret. */
import { createSecretKey } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ResolveGrantRequestSchema, WatchGrantsRequestSchema, type Grant, type PolicyService, type WatchGrantsResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { digestOfKeySecret } from "#platform/key-secret.ts";
import type { Logger } from "#platform/logger.ts";
import { followView } from "#platform/pushed-view.ts";
import type { ServiceInterface } from "#platform/service-types.ts";
import type { GrantSource } from "../domain/admit.ts";

export interface GrantViewOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "watchGrants" | "resolveGrant">;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const identity = { kind: "service", name: "routing" } as const;

export class GrantView implements GrantSource {
  readonly #options: GrantViewOptions;
  readonly #byDigest = new Map<string, Grant>();
  /** The key under which secrets are digested; it comes with the first snapshot. */
  #pepper = createSecretKey(Buffer.alloc(0));

  private constructor(options: GrantViewOptions) {
    this.#options = options;
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

  find(secret: string): Grant | undefined {
    return this.#byDigest.get(this.#digest(secret).toString("latin1"));
  }

  async resolve(secret: string): Promise<Grant> {
    const { policy, signal } = this.#options;
    const request = create(ResolveGrantRequestSchema, { secretDigest: this.#digest(secret) });
    const { grant } = await policy.resolveGrant(request, { identity, requestId: "", signal });
    this.#put(grant!);
    return grant!;
  }

  #digest(secret: string): Buffer {
    return digestOfKeySecret(secret, this.#pepper);
  }

  #apply({ snapshot, grants, pepper }: WatchGrantsResponse): void {
    if (snapshot) {
      this.#byDigest.clear();
      this.#pepper = createSecretKey(pepper);
    }
    for (const grant of grants) this.#put(grant);
  }

  #put(grant: Grant): void {
    const digest = Buffer.from(grant.secretDigest).toString("latin1");
    // A slow answer to `resolve` must not undo a revocation that was pushed meanwhile; no key is ever valid again.
    if (this.#byDigest.get(digest)?.revoked !== true) this.#byDigest.set(digest, grant);
  }
}
