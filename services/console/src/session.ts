/** Owns the session: who is signed in, signing in and signing out. */
import { createContext, useContext } from "react";

export interface Session {
  /** Of this sign-in alone: two keys can have one name. */
  readonly id: string;
  /** Whose it is: of a key, its name. */
  readonly name: string;
  /** Such as `owner` or `installation-admin`. */
  readonly role: string;
  /** What the role permits: `INFERENCE_USE`, `USAGE_READ`. */
  readonly permissions: readonly string[];
}

export interface SessionState {
  readonly session: Session | null;
  readonly signIn: { readonly key: boolean; readonly issuer: string | null };
}

export const sessionKey = ["session"];

const path = "/console/session";
const headers = { "content-type": "application/json", "x-weir-console": "1" };
const timeoutMs = 15_000;

export async function readSession(): Promise<SessionState> {
  return (await ask("GET")).json() as Promise<SessionState>;
}

/** Throws what Weir says of the key. */
export async function signInByKey(key: string): Promise<SessionState> {
  return (await ask("POST", JSON.stringify({ key }))).json() as Promise<SessionState>;
}

export async function signOut(): Promise<void> {
  await ask("DELETE");
}

/** Where the issuer's sign-in begins; it comes back to where the page is. */
export function issuerSignInPath(): string {
  return `/console/sign-in?return=${encodeURIComponent(window.location.pathname + window.location.search)}`;
}

export const SessionContext = createContext<Session | undefined>(undefined);

/** Who is signed in; for what stands behind the sign-in only. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error("No session: this stands outside of the signed-in page.");
  return session;
}

/** Weir decides; the page leads nobody to where it would refuse them. */
export function may({ permissions }: Session, permission: string): boolean {
  return permissions.includes(permission);
}

/** Whether what is of no single organization may be asked for; a page asks for nothing unbidden that would be denied, as denials stand in the audit log. */
export function isInstallationAdmin({ role }: Session): boolean {
  return role === "installation-admin";
}

async function ask(method: string, body?: string): Promise<Response> {
  const response = await fetch(path, { method, headers, signal: AbortSignal.timeout(timeoutMs), ...(body === undefined ? {} : { body }) }).catch(() => {
    throw new Error(`Weir does not answer at ${window.location.origin}. Is it running?`);
  });
  if (response.ok) return response;
  throw new Error(messageIn(await response.text()) ?? `Weir answered ${path} with ${response.status} ${response.statusText}.`);
}

/** What Weir says in an error's body; undefined when it says nothing readable. */
function messageIn(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { error?: { message?: string } }).error?.message;
  } catch {
    return undefined;
  }
}
