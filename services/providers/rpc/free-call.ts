/** Owns asking a vendor what costs nothing, outside of any attempt. */
import { create } from "@bufbuild/protobuf";
import { AttemptResponseSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { VendorRequest } from "../domain/adapter.ts";
import { freeSummary } from "../domain/free-operation.ts";
import { WholeReply } from "../domain/whole-reply.ts";
import type { LiveProvider } from "../edge/live-providers.ts";
import { VendorCall } from "./vendor-call.ts";

/** What is read from the whole reply. Rejects with what the vendor refuses, how it fails, and what the reading throws. */
export async function askVendor<Result>(provider: LiveProvider, vendorRequest: VendorRequest, read: (body: Buffer) => Result, clock: Clock): Promise<Result> {
  provider.acquire();
  try {
    await provider.prepare();
    return await new Promise<Result>((resolve, reject) => {
      const readReply = (): WholeReply =>
        new WholeReply((body) => {
          resolve(read(body));
          return { response: create(AttemptResponseSchema), summary: freeSummary() };
        });
      const ended = (_result: unknown, error: Error | undefined): void => {
        if (error !== undefined) reject(error);
      };
      new VendorCall(provider, { vendorRequest, readReply }, clock, { progressed: () => undefined, ended }).start();
    });
  } finally {
    provider.release();
  }
}
