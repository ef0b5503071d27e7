/** Owns asking vendors for batches: those that an account lists, one by itself, and what the results of one add up to. Each reply has its time. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { VendorRequest } from "./domain/adapter.ts";
import type { AnsweredCall, BatchAdapter, BatchResults, VendorBatch } from "./domain/batch.ts";
import type { CredentialSource } from "./domain/credentials/credential-source.ts";
import { ResultsReply } from "./domain/reply/results-reply.ts";
import { ResultsSum } from "./domain/usage/results-sum.ts";
import type { LiveProvider, LiveProviders } from "./edge/live-providers.ts";
import { askVendor, callVendor } from "./rpc/free-call.ts";
import type { ExpectedBatch } from "./store/expected-batches.ts";

export interface VendorBatchesOptions {
  readonly providers: Pick<LiveProviders, "get">;
  readonly clock: Clock;
  readonly replyTimeoutMs?: number;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/** For a vendor's whole reply, results of 100,000 calls among them: what else is looked for waits behind it. */
const defaultReplyTimeoutMs = 600_000;
/** Of an account with more batches since the oldest that is looked for, the rest is looked through in vain. */
const mostPages = 200;

export class VendorBatches {
  readonly #options: VendorBatchesOptions;

  constructor(options: VendorBatchesOptions) {
    this.#options = options;
  }

  /** By the id of the attempt that made it, where the vendor keeps that; else by the vendor's own. */
  async listSince(provider: LiveProvider, credentials: CredentialSource, adapter: BatchAdapter, sinceMs: number): Promise<ReadonlyMap<string, VendorBatch>> {
    const found = new Map<string, VendorBatch>();
    let after: string | undefined;
    for (let page = 0; page < mostPages && !this.#options.signal.aborted; page++) {
      const { batches, next } = await this.ask(provider, credentials, adapter.listRequest(after), (body) => adapter.readList(body));
      for (const batch of batches) found.set(adapter.mark === undefined ? batch.id : batch.attemptId, batch);
      if (next === undefined || batches.every(({ createTimeMs }) => createTimeMs < sinceMs)) break;
      after = next;
    }
    return found;
  }

  ask<Result>(provider: LiveProvider, credentials: CredentialSource, vendorRequest: VendorRequest, read: (body: Buffer) => Result): Promise<Result> {
    return this.#inTime((signal) => askVendor({ provider, credentials, vendorRequest, read, clock: this.#options.clock, signal }));
  }

  /** What a batch consumed, from its results, which are read through and not kept. */
  async sumUp({ intent, credentialOrganizationId }: ExpectedBatch, { request, answered }: BatchResults): Promise<AnsweredCall> {
    const { providers, clock } = this.#options;
    const provider = providers.get(intent.provider, undefined);
    const credentials = provider.credentials.ownedBy(credentialOrganizationId);
    const { batches: adapter } = provider.config.adapter;
    if (adapter === undefined || credentials === undefined) throw new GatewayError("UNSUPPORTED_OPERATION", `The provider ${intent.provider} is another one now than when it ended a batch.`);
    const sum = new ResultsSum();
    const add = (line: string): void => {
      const call = adapter.readResult(line);
      if (call !== undefined) sum.add(call);
    };
    await this.#inTime((signal) => callVendor({ provider, credentials, vendorRequest: request, readReply: () => new ResultsReply(add), clock, signal }));
    return sum.end(answered);
  }

  async #inTime<Result>(call: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { signal, replyTimeoutMs = defaultReplyTimeoutMs } = this.#options;
    const late = AbortSignal.timeout(replyTimeoutMs);
    try {
      return await call(AbortSignal.any([signal, late]));
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error;
      throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor's reply did not end within ${replyTimeoutMs} ms.`, { cause: error });
    }
  }
}
