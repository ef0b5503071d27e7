/** Owns letting a request in: who calls and from where, what ends the call early, and that the key was used. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { rangeList } from "#platform/http/ip-range.ts";
import { connectionOf, type HttpRequest } from "#platform/http/listener.ts";
import { certificateFaultOf, clientCertificateOf, type ClientCertificate } from "#platform/http/listener-tls.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { RoutingConfig } from "../config.ts";
import { authenticate, type GrantSource, type SessionSecret } from "../domain/admission/admit.ts";
import { callerAddress } from "./caller-address.ts";
import { isForeign } from "./browsers/foreign-page.ts";
import type { RequestScope } from "./request-scope.ts";

/** The grant by which the request comes in; the request is cut when the grant is withdrawn. Throws as `authenticate` does. */
export type Admit = (credential: string | SessionSecret | undefined, request: HttpRequest, scope: RequestScope) => Promise<Grant>;

export interface AdmissionOptions {
  readonly grants: GrantSource;
  readonly uses: { note(keyId: string, nowMs: number): void };
  readonly addressOf: (request: HttpRequest) => string;
  /** Where the console's page is from, where that is known. */
  readonly consoleOrigin: () => string | undefined;
  readonly clock: Clock;
}

/** The caller's address, as the proxies of the day tell it. */
export function followCallerAddress(config: LiveValue<RoutingConfig>): (request: HttpRequest) => string {
  let trustedProxies = proxyList(config.current);
  config.subscribe((changed) => (trustedProxies = proxyList(changed)));
  return (request) => callerAddress(request, trustedProxies);
}

export function createAdmission({ grants, uses, addressOf, consoleOrigin, clock }: AdmissionOptions): Admit {
  return async (given, request, scope) => {
    const nowMs = clock.now();
    scope.address = addressOf(request);
    // What clients send that have no key to send, and must send one.
    const presented = given === "" ? undefined : given;
    const { credential, passedOver } = presented === undefined ? byCertificate(request, consoleOrigin()) : { credential: presented };
    const grant = await authenticate({ credential, passedOver, address: scope.address, origin: request.headers.origin, connection: connectionOf(request), span: scope.span, notes: scope.notes }, grants, nowMs);
    scope.whenOver(grants.watch(grant.keyId, (withdrawal) => scope.cut(withdrawal)));
    scope.signal.throwIfAborted();
    uses.note(grant.keyId, nowMs);
    return grant;
  };
}

interface CertificateAsCredential {
  readonly credential: ClientCertificate | undefined;
  readonly passedOver?: string | undefined;
}

/** Browsers show their certificate unasked, whatever page makes the request: it counts for no page but Weir's own. */
function byCertificate(request: HttpRequest, consoleOrigin: string | undefined): CertificateAsCredential {
  const certificate = clientCertificateOf(request);
  if (certificate === undefined) return { credential: undefined, passedOver: certificateFaultOf(request) };
  return isForeign(request, consoleOrigin) ? { credential: undefined, passedOver: "a web page of another origin made the request" } : { credential: certificate };
}

/** Undefined where none is trusted, as for most: asking an empty list costs as much as asking a full one. */
function proxyList({ trustedProxies }: RoutingConfig): ReturnType<typeof rangeList> | undefined {
  return trustedProxies.length === 0 ? undefined : rangeList(trustedProxies);
}
