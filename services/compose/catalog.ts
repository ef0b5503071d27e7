/** Owns which services there are, by name: what each answers for, and whom it calls. */
import type { DescService } from "@bufbuild/protobuf";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { schemas, type Schema } from "./database-source.ts";

/** In the order in which they start where they are together. */
export const serviceNames = ["metering", "policy", "providers", "routing"] as const;

export type ServiceName = (typeof serviceNames)[number];

/** The services that others call; routing is called from outside alone. */
export const peerDescriptors = { metering: MeteringService, policy: PolicyService, providers: ProvidersService };

export type PeerName = keyof typeof peerDescriptors;

interface ServiceFacts {
  readonly descriptor: DescService;
  readonly calls: readonly PeerName[];
}

const catalog: Readonly<Record<ServiceName, ServiceFacts>> = {
  metering: { descriptor: MeteringService, calls: [] },
  policy: { descriptor: PolicyService, calls: ["metering"] },
  providers: { descriptor: ProvidersService, calls: ["metering"] },
  routing: { descriptor: InferenceService, calls: ["policy", "providers", "metering"] },
};

/** Which services a process runs. */
export type ServiceSet = ReadonlySet<ServiceName>;

export const allServices: ServiceSet = new Set(serviceNames);

/** The names as a set, from a list such as `routing,policy`. Throws INVALID_REQUEST. */
export function parseServices(list: string): ServiceSet {
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !serviceNames.includes(name as ServiceName));
  if (unknown !== undefined) throw new GatewayError("INVALID_REQUEST", `There is no service "${unknown}". There are ${serviceNames.join(", ")}; write several with commas between them.`);
  return new Set(names as ServiceName[]);
}

/** The services that call this one. */
export function callersOf(peer: PeerName): readonly ServiceName[] {
  return serviceNames.filter((name) => catalog[name].calls.includes(peer));
}

/** The services of the set that processes without them have to call. */
export function offeredBy(set: ServiceSet): readonly PeerName[] {
  return (Object.keys(peerDescriptors) as PeerName[]).filter((peer) => set.has(peer) && callersOf(peer).some((caller) => !set.has(caller)));
}

/** The services outside the set that those in it call; with an event log, providers need not call metering. */
export function neededBy(set: ServiceSet, hasEventLog: boolean): readonly PeerName[] {
  const callers = (peer: PeerName): readonly ServiceName[] => callersOf(peer).filter((caller) => !(hasEventLog && caller === "providers" && peer === "metering"));
  return (Object.keys(peerDescriptors) as PeerName[]).filter((peer) => !set.has(peer) && callers(peer).some((caller) => set.has(caller)));
}

/** The schemas for which the set starts a database where none is named. Providers may never need theirs, and start none for it alone. */
export function schemasOf(set: ServiceSet): readonly Schema[] {
  const ofSet = schemas.filter((schema) => set.has(schema));
  return ofSet.some((schema) => schema !== "providers") ? ofSet : [];
}
