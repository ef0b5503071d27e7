/** Owns the console's cookies: of this host alone, out of reach of scripts, and not read for pages of others. */
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import { isSessionSecret } from "#platform/secrets/session-secret.ts";
import type { SessionSecret } from "../../domain/admission/admit.ts";
import { isForeign } from "../browsers/foreign-page.ts";

/** A cookie, and whether the browser sends it along when another site leads here: it must with what comes back from an issuer, and nowhere else. */
export interface CookieKind {
  readonly name: string;
  readonly sameSite: "Strict" | "Lax";
  /** Undefined until the browser is closed. */
  readonly maximumAgeSeconds: number | undefined;
}

export const sessionCookie: CookieKind = { name: "weir-session", sameSite: "Strict", maximumAgeSeconds: undefined };
export const signInCookie: CookieKind = { name: "weir-sign-in", sameSite: "Lax", maximumAgeSeconds: 600 };

/** The session of the request's browser; none where a page of another origin has made the request, or may have. */
export function sessionOf(request: HttpRequest, consoleOrigin: string | undefined): SessionSecret | undefined {
  if (isForeign(request, consoleOrigin)) return undefined;
  const secret = readCookie(request, sessionCookie, consoleOrigin);
  return secret !== undefined && isSessionSecret(secret) ? { sessionSecret: secret } : undefined;
}

export function readCookie(request: HttpRequest, kind: CookieKind, consoleOrigin: string | undefined): string | undefined {
  const start = `${nameOf(kind, request, consoleOrigin)}=`;
  const pair = request.headers.cookie?.split(";").find((one) => one.trimStart().startsWith(start));
  return pair?.trim().slice(start.length);
}

/** Sets the cookie, or takes it away where there is no value. Values are base64url, which needs no encoding. */
export function writeCookie(request: HttpRequest, response: HttpResponse, kind: CookieKind, value: string | undefined, consoleOrigin: string | undefined): void {
  const age = value === undefined ? 0 : kind.maximumAgeSeconds;
  const parts = [
    `${nameOf(kind, request, consoleOrigin)}=${value ?? ""}`,
    "Path=/",
    "HttpOnly",
    `SameSite=${kind.sameSite}`,
    ...(isSecure(request, consoleOrigin) ? ["Secure"] : []),
    ...(age === undefined ? [] : [`Max-Age=${age}`]),
  ];
  response.appendHeader("set-cookie", parts.join("; "));
}

/** RFC 6265bis, section 4.1.3.2: a cookie with this prefix was set by this host over TLS, by no other host of its domain. */
function nameOf({ name }: CookieKind, request: HttpRequest, consoleOrigin: string | undefined): string {
  return isSecure(request, consoleOrigin) ? `__Host-${name}` : name;
}

/** Whether the browser came over TLS; where that ends before Weir, the configuration says so. */
function isSecure({ socket }: HttpRequest, consoleOrigin: string | undefined): boolean {
  return "encrypted" in socket || consoleOrigin?.startsWith("https://") === true;
}
