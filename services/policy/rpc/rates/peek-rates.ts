/** Owns PeekRates. */
import { create } from "@bufbuild/protobuf";
import { PeekRatesResponseSchema, type PeekRatesRequest, type PeekRatesResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import type { CounterSweep } from "../../store/counter-sweep.ts";
import { undone } from "../../store/undone.ts";
import { drawRates } from "./draw-rates.ts";

export async function peekRates({ draw }: PeekRatesRequest, { database }: PolicyDependencies, sweep: CounterSweep): Promise<PeekRatesResponse> {
  const drawn = await undone(database, (transaction) => drawRates(draw!, { database: transaction }, sweep));
  return create(PeekRatesResponseSchema, { drawn });
}
