/** Owns which addresses of files may be fetched, as far as they can be judged before DNS. */

export interface FileUrlRules {
  /** As in `fetch_urls.allowed_hosts`: `files.example.com`, `*.example.com`, each with `:port` where it is not the scheme's own; empty for any host at the scheme's own port. */
  readonly allowedHosts: readonly string[];
  /** Allows `http:` beside `https:`. */
  readonly allowHttp: boolean;
}

/** Why a file is not to be had. Its message is fit for the caller's eyes, begins in lower case, and names the host at most: the rest of a URL may be a secret. */
export class FileRefused extends Error {}

/** Throws FileRefused. */
export function readFileUrl(text: string, { allowedHosts, allowHttp }: FileUrlRules): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new FileRefused("it is no URL.");
  if (url.protocol !== "https:" && !(allowHttp && url.protocol === "http:")) throw new FileRefused(`files are fetched by ${allowHttp ? "http and https" : "https"} alone, not by ${url.protocol.slice(0, -1)}.`);
  if (url.username !== "" || url.password !== "") throw new FileRefused("it holds a user name or a password.");
  if (allowedHosts.length > 0 && !allowedHosts.some((allowed) => isHost(url.host, allowed))) throw new FileRefused(`${url.host} is not among fetch_urls.allowed_hosts of weir.yaml.`);
  if (allowedHosts.length === 0 && url.port !== "") throw new FileRefused(`port ${url.port} is not ${url.protocol.slice(0, -1)}'s own, which needs ${url.host} in fetch_urls.allowed_hosts of weir.yaml.`);
  return url;
}

function isHost(host: string, allowed: string): boolean {
  return allowed.startsWith("*.") ? host.endsWith(allowed.slice(1)) : host === allowed;
}
