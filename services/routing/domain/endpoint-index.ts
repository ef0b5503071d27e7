/** Owns finding the endpoints at a path: exact paths by one look, paths that name a model or an id by their beginning and end. */
import type { Dialect, Endpoint } from "./dialect.ts";

/** An endpoint, and what the path says to it. */
export interface FoundEndpoint {
  readonly dialect: Dialect;
  readonly endpoint: Endpoint;
  /** As in RequestTarget. */
  readonly model: string;
}

interface Pattern {
  readonly dialect: Dialect;
  readonly endpoint: Endpoint;
  readonly prefix: string;
  readonly suffix: string;
}

const placeholder = /\{(?:model|id)\}/;

export class EndpointIndex {
  readonly #exact = new Map<string, FoundEndpoint[]>();
  readonly #patterns: Pattern[] = [];

  constructor(dialects: readonly Dialect[]) {
    for (const dialect of dialects) {
      for (const endpoint of dialect.endpoints) this.#add(dialect, endpoint);
    }
  }

  /** All endpoints at this path, whatever their method, in the order of the dialects; a path without its query. */
  at(path: string): readonly FoundEndpoint[] {
    return this.#exact.get(path) ?? this.#matching(path);
  }

  #add(dialect: Dialect, endpoint: Endpoint): void {
    const [prefix, suffix] = endpoint.path.split(placeholder);
    if (suffix !== undefined) {
      this.#patterns.push({ dialect, endpoint, prefix: prefix!, suffix });
      return;
    }
    const atPath = this.#exact.get(endpoint.path) ?? [];
    atPath.push({ dialect, endpoint, model: "" });
    this.#exact.set(endpoint.path, atPath);
  }

  #matching(path: string): FoundEndpoint[] {
    return this.#patterns
      .filter(({ prefix, suffix }) => path.length > prefix.length + suffix.length && path.startsWith(prefix) && path.endsWith(suffix))
      .map(({ dialect, endpoint, prefix, suffix }) => ({ dialect, endpoint, model: decode(path.slice(prefix.length, path.length - suffix.length)) }));
  }
}

/** What is no valid encoding stands for itself: no model has that name, and the caller is told so. */
function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
