/** Owns recognizing requests from pages of another origin: the cookies and certificates that browsers add to those by themselves do not count. */
import type { HttpRequest } from "#platform/http/listener.ts";

/** Whether the browser says that another origin's page has made the request. Programs that are no browsers say nothing. */
export function isForeign({ headers }: HttpRequest, consoleOrigin: string | undefined): boolean {
  const site = headers["sec-fetch-site"] ?? "none";
  if (site !== "same-origin" && site !== "none") return true;
  const { origin } = headers;
  if (origin === undefined || origin === consoleOrigin) return false;
  return !URL.canParse(origin) || new URL(origin).host !== (headers[":authority"] ?? headers.host);
}
