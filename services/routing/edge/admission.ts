/** Owns letting a request in: who calls and from where, what ends the call early, and that the key was used. */
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { rangeList } from "#platform/ip-range.ts";
import { connectionOf, type HttpRequest } from "#platform/listener.ts";
import { clientCertificateOf } from "#platform/listener-tls.ts";
import type { LiveValue } from "#platform/live-value.ts";
import type { RoutingConfig } from "../config.ts";
import { authenticate, type GrantSource, type SessionSecret } from "../domain/admit.ts";
import { callerAddress } from "./caller-address.ts";
import type { RequestScope } from "./request-scope.ts";

/** The grant by which the request comes in; the request is cut when the grant is withdrawn. Throws as `authenticate` does. */
export type Admit = (credential: string | SessionSecret | undefined, request: HttpRequest, scope: RequestScope) => Promise<Grant>;

export interface AdmissionOptions {
  readonly grants: GrantSource;
  readonly uses: { note(keyId: string, nowMs: number): void };
  readonly addressOf: (request: HttpRequest) => string;
  readonly clock: Clock;
}

/** The caller's address, as the proxies of the day tell it. */
export function followCallerAddress(config: LiveValue<RoutingConfig>): (request: HttpRequest) => string {
  let trustedProxies = proxyList(config.current);
  config.subscribe((changed) => (trustedProxies = proxyList(changed)));
  return (request) => callerAddress(request, trustedProxies);
}

export function createAdmission({ grants, uses, addressOf, clock }: AdmissionOptions): Admit {
  return async (credential, request, scope) => {
    const nowMs = clock.now();
    scope.address = addressOf(request);
    const grant = await authenticate({ credential: credential ?? clientCertificateOf(request), address: scope.address, origin: request.headers.origin, connection: connectionOf(request), span: scope.span, notes: scope.notes }, grants, nowMs);
    scope.whenOver(grants.watch(grant.keyId, (withdrawal) => scope.cut(withdrawal)));
    uses.note(grant.keyId, nowMs);
    return grant;
  };
}

/** Undefined where none is trusted, as for most: asking an empty list costs as much as asking a full one. */
function proxyList({ trustedProxies }: RoutingConfig): ReturnType<typeof rangeList> | undefined {
  return trustedProxies.length === 0 ? undefined : rangeList(trustedProxies);
}
