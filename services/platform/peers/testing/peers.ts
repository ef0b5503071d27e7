/** Owns what the tests of peers share: a service whose methods a test writes, calls to it, and ways to reach it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { GatewayError } from "../../errors.ts";
import { createLogger } from "../../logger.ts";
import { Secret } from "../../secrets/secret.ts";
import type { CallContext, ServiceInterface, UntypedService } from "../../rpc/service-types.ts";
import { listenInternally, type InternalListener } from "../internal-listener.ts";
import { createPeerClient, type PeerClient } from "../peer-client.ts";
import type { PeerProtection } from "../peer-credentials.ts";
import { createAuthority, issueCertificate, writeProtection } from "./certificates.ts";

export type Metering = ServiceInterface<typeof MeteringService>;

const logger = createLogger("silent");

export const maximumMessageBytes = 2 * 1024 * 1024;

export const sharedSecret: PeerProtection = { kind: "shared-secret", secret: new Secret("a secret that only these tests know") };

export interface Certificates {
  readonly server: PeerProtection;
  readonly client: PeerProtection;
  remove(): void;
}

/** Of one new authority for the service and its one caller, in a folder of their own. */
export function createCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), "weir-peers-"));
  const authority = createAuthority("weir test authority");
  return {
    server: writeProtection(join(directory, "metering"), authority, issueCertificate(authority, ["metering"])),
    client: writeProtection(join(directory, "routing"), authority, issueCertificate(authority, ["routing"])),
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** A metering service of which the test writes only the methods that it calls. */
export function scripted(methods: Partial<Metering>): Metering {
  return methods as Metering;
}

export interface ListenerChoices {
  readonly port?: number;
  readonly protection?: PeerProtection;
  readonly maximumConnectionAgeMs?: number;
}

export function listenTo(owner: Metering, { port = 0, protection = sharedSecret, ...choices }: ListenerChoices = {}): Promise<InternalListener> {
  const services = [{ descriptor: MeteringService, owner: owner as unknown as UntypedService, callers: ["routing", "providers"] }];
  return listenInternally({ address: "127.0.0.1", port, services, protection, maximumMessageBytes, logger, ...choices });
}

export interface ClientChoices {
  readonly protection?: PeerProtection;
  readonly self?: string;
  readonly maximumMessageBytes?: number;
  readonly maximumAbsenceMs?: number;
}

/** A client of the instances on these ports of this machine. */
export function clientOf(ports: readonly number[], choices: ClientChoices = {}): PeerClient<typeof MeteringService> {
  const address = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
  return createPeerClient(MeteringService, { name: "metering", address, self: "routing", protection: sharedSecret, maximumMessageBytes, logger, ...choices });
}

/** The context of a call by the routing service that nothing bounds. */
export function contextOf(overrides: Partial<CallContext> = {}): CallContext {
  return { identity: { kind: "service", name: "routing" }, requestId: "req_1", signal: new AbortController().signal, ...overrides };
}

/** The context of a call whose time is up after this long; its signal says so, as a door's does. */
export function contextWithin(durationMs: number): CallContext {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new GatewayError("DEADLINE_EXCEEDED", "The request's time is up.")), durationMs);
  return contextOf({ signal: controller.signal, deadlineMs: Date.now() + durationMs });
}

/** Resolves with the signal's reason once it fires. */
export function fired(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));
}

/** What a promise is rejected with, as the rest of Weir sees it. */
export async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof GatewayError) return thrown;
  throw new Error(`Expected a GatewayError, not ${String(thrown)}`);
}

export async function collect<Message>(messages: AsyncIterable<Message>): Promise<Message[]> {
  const collected: Message[] = [];
  for await (const message of messages) collected.push(message);
  return collected;
}

export async function* streamOf<Message>(messages: readonly Message[]): AsyncIterable<Message> {
  yield* messages;
}

/** A stream that fails before its first message. */
export async function* failing(failure: Error): AsyncIterable<never> {
  yield* await Promise.reject<readonly never[]>(failure);
}

export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
