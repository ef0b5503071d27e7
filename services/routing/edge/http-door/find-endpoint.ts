/** Owns which endpoint of which dialect a request is for, by its method and path, and by its headers where several dialects have the same. */
import { GatewayError } from "#platform/errors.ts";
import type { HttpRequest } from "#platform/http/listener.ts";
import type { Dialect } from "../../domain/dialect.ts";
import type { FoundEndpoint } from "../../domain/endpoint-index.ts";

interface Address {
  readonly path: string;
  readonly query: string;
}

export function addressOf({ url = "/" }: HttpRequest): Address {
  const mark = url.indexOf("?");
  return mark < 0 ? { path: url, query: "" } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

/** The dialect whose method or at least path it is; where several have it, the one that headers or query show. */
export function dialectOf({ method, headers }: HttpRequest, { query }: Address, found: readonly FoundEndpoint[], dialects: readonly Dialect[]): Dialect {
  const callable = found.filter(({ endpoint }) => endpoint.method === method);
  const owners = (callable.length > 0 ? callable : found).map(({ dialect }) => dialect);
  if (owners.length === 1) return owners[0]!;
  const candidates = owners.length > 0 ? owners : dialects;
  return candidates.find((dialect) => dialect.claims(headers, query)) ?? candidates[0]!;
}

export function endpointOf({ method }: HttpRequest, { path }: Address, found: readonly FoundEndpoint[], dialect: Dialect): FoundEndpoint {
  const own = found.filter((one) => one.dialect === dialect);
  const callable = own.find(({ endpoint }) => endpoint.method === method);
  if (callable !== undefined) return callable;
  const advice = own.length > 0 ? `Use ${own.map(({ endpoint }) => endpoint.method).join(" or ")}.` : `There are ${dialect.endpoints.map(({ method, path }) => `${method} ${path}`).join(", ")}.`;
  throw new GatewayError("METHOD_NOT_FOUND", `Weir has no ${method} ${path.slice(0, 200)}. ${advice}`);
}
