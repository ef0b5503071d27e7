/** Owns asking a vendor what costs nothing, outside of any attempt. */
import { create } from "@bufbuild/protobuf";
import { AttemptResponseSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { VendorRequest } from "../domain/adapter.ts";
import type { CredentialSource } from "../domain/credentials/credential-source.ts";
import { freeSummary } from "../domain/usage/free-operation.ts";
import type { ReplyReader } from "../domain/reply/reply-reader.ts";
import { WholeReply } from "../domain/reply/whole-reply.ts";
import type { LiveProvider } from "../edge/live-providers.ts";
import { VendorCall } from "./vendor-call.ts";

export interface FreeCall {
  readonly provider: LiveProvider;
  /** Whose of the provider's it carries. */
  readonly credentials: CredentialSource;
  readonly vendorRequest: VendorRequest;
  /** A reader for the body of a reply that is no error. */
  readonly readReply: () => ReplyReader;
  readonly clock: Clock;
  /** Breaks it off when it fires. */
  readonly signal: AbortSignal;
}

/** What is read from the whole reply. Rejects as `callVendor` does. */
export async function askVendor<Result>({ read, ...call }: Omit<FreeCall, "readReply"> & { readonly read: (body: Buffer) => Result }): Promise<Result> {
  const result = Promise.withResolvers<Result>();
  const readReply = (): WholeReply =>
    new WholeReply((body) => {
      result.resolve(read(body));
      return { response: create(AttemptResponseSchema), summary: freeSummary() };
    });
  await callVendor({ ...call, readReply });
  return result.promise;
}

/** Resolves when the reply was read. Rejects with what the vendor refuses, how it fails, what the reading throws, and SHUTTING_DOWN when it is broken off. */
export async function callVendor({ provider, credentials, vendorRequest, readReply, clock, signal }: FreeCall): Promise<void> {
  provider.acquire();
  let breakOff = (): void => undefined;
  try {
    await credentials.prepare();
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const ended = (_result: unknown, error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
      const call = new VendorCall(provider, credentials, { vendorRequest, readReply }, clock, { progressed: () => undefined, ended });
      breakOff = () => call.cut(new GatewayError("SHUTTING_DOWN", "Weir is stopping."));
      signal.addEventListener("abort", breakOff);
      call.start();
    });
  } finally {
    signal.removeEventListener("abort", breakOff);
    provider.release();
  }
}
