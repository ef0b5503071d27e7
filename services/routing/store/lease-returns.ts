/** Owns telling policy what of given-up leases is free: gathered while a call is under way, and repeated until policy has heard it. */
import { create } from "@bufbuild/protobuf";
import { ReturnLeasesRequestSchema } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Logger } from "#platform/logger.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

export interface LeaseReturnsOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "returnLeases">;
  readonly holderId: string;
  readonly logger: Logger;
}

const identity = { kind: "service", name: "routing" } as const;
const batchSize = 1_000;
const timeoutMs = 5_000;
const retryMs = 250;
/** The most leases that wait to be told; beyond it the oldest are left to their end, when policy frees them by itself. */
const mostWaiting = 10_000;

export class LeaseReturns {
  readonly #options: LeaseReturnsOptions;
  /** By lease: how much of it is free, all that was told before included. */
  readonly #waiting = new Map<string, bigint>();
  #sending: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: LeaseReturnsOptions) {
    this.#options = options;
  }

  add(leaseId: string, unspentNanos: bigint): void {
    this.#note(leaseId, unspentNanos);
    if (this.#waiting.size > mostWaiting) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#sending ??= this.#send();
  }

  /** Resolves when policy has heard all. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Of what is said of one lease the most holds: it only grows. */
  #note(leaseId: string, unspentNanos: bigint): void {
    const known = this.#waiting.get(leaseId) ?? -1n;
    if (unspentNanos > known) this.#waiting.set(leaseId, unspentNanos);
  }

  async #send(): Promise<void> {
    // What is given up in the same moment goes along.
    await Promise.resolve();
    while (this.#waiting.size > 0 && !this.#isStopped) {
      const batch = [...this.#waiting.entries().take(batchSize)];
      for (const [leaseId] of batch) this.#waiting.delete(leaseId);
      try {
        await this.#tell(batch);
      } catch (error) {
        for (const [leaseId, unspentNanos] of batch) this.#note(leaseId, unspentNanos);
        this.#options.logger.debug({ error, retryInMs: retryMs }, "leases could not be returned; they are again");
        await new Promise((resolve) => setTimeout(resolve, retryMs).unref());
      }
    }
    // In the same moment in which nothing waits, so that what comes next is sent again.
    this.#sending = undefined;
  }

  async #tell(batch: readonly (readonly [leaseId: string, unspentNanos: bigint])[]): Promise<void> {
    const { policy, holderId } = this.#options;
    const leases = batch.map(([leaseId, unspentNanos]) => ({ leaseId, unspentNanos }));
    await policy.returnLeases(create(ReturnLeasesRequestSchema, { holderId, leases }), { identity, requestId: "", signal: AbortSignal.timeout(timeoutMs) });
  }
}
