/** Owns telling policy when keys were used last: gathered, and sent now and then, beside the way of the requests. */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { RecordKeyUsesRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Logger } from "#platform/logger.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

export interface KeyUsesOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "recordKeyUses">;
  readonly logger: Logger;
}

const intervalMs = 10_000;
const timeoutMs = 5_000;
const stopWithinMs = 1_000;
const batchSize = 1_000;
/** The most keys whose use waits to be told; beyond it the oldest waits in vain. */
const mostWaiting = 100_000;

export class KeyUses {
  readonly #options: KeyUsesOptions;
  /** By key id: when it was used last, in milliseconds since 1970. */
  readonly #waiting = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: KeyUsesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#flush(), intervalMs);
    this.#timer.unref();
  }

  note(keyId: string, nowMs: number): void {
    this.#waiting.set(keyId, nowMs);
    if (this.#waiting.size > mostWaiting) this.#waiting.delete(this.#waiting.keys().next().value!);
  }

  /** Tells what waits, where policy answers soon, and ends: policy may have been stopped first, and this is no reason to wait. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    await Promise.race([this.#sending, pause(stopWithinMs, undefined, { ref: false })]);
  }

  #flush(): void {
    this.#sending = this.#sending.then(() => this.#send());
  }

  async #send(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.entries().take(batchSize)];
      for (const [keyId] of batch) this.#waiting.delete(keyId);
      try {
        const request = create(RecordKeyUsesRequestSchema, { uses: batch.map(([keyId, useMs]) => ({ keyId, useTime: timestampFromMs(useMs) })) });
        await this.#options.policy.recordKeyUses(request, { identity: { kind: "service", name: "routing" }, requestId: "", signal: AbortSignal.timeout(timeoutMs) });
      } catch (error) {
        // They go with the next batch, but for keys that were used again.
        for (const [keyId, useMs] of batch) if (!this.#waiting.has(keyId)) this.note(keyId, useMs);
        this.#options.logger.debug({ error, retryInMs: intervalMs }, "policy could not note when keys were used; it is told again");
        return;
      }
    }
  }
}
