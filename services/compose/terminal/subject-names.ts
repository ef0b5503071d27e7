/** Owns the names of organizations, teams and keys, by which people know what reports tell by id. */
import type { Client } from "@connectrpc/connect";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { describeError } from "./describe-error.ts";
import { everyPage } from "./every-page.ts";

/** The name for an id; empty for what is not there any more, or cannot be asked for. */
export type NameOf = (id: string) => string;

interface Named {
  readonly id: string;
  readonly name: string;
}

export class SubjectNames {
  readonly #lists: Readonly<Record<string, () => Promise<readonly Named[]>>>;
  readonly #names = new Map<string, string>();
  #canBeAsked = true;

  constructor(policy: Client<typeof PolicyService>) {
    this.#lists = {
      org: () => everyPage((page) => policy.listOrganizations(page), ({ organizations }) => organizations),
      team: () => everyPage((page) => policy.listTeams(page), ({ teams }) => teams),
      key: () => everyPage((page) => policy.listKeys(page), ({ keys }) => keys),
    };
  }

  /** Asks for the names of these, as far as they are not known. What is no such id has none, and where policy does not tell them, nothing has: ids are a report, too. */
  async of(ids: Iterable<string>): Promise<NameOf> {
    const unknown = [...ids].filter((id) => !this.#names.has(id));
    for (const kind of new Set(unknown.map(kindOf))) {
      for (const { id, name } of await this.#list(kind)) this.#names.set(id, name);
    }
    // Not asked for again.
    for (const id of unknown) if (!this.#names.has(id)) this.#names.set(id, "");
    return (id) => this.#names.get(id) ?? "";
  }

  async #list(kind: string): Promise<readonly Named[]> {
    const list = this.#lists[kind];
    if (!this.#canBeAsked || list === undefined) return [];
    try {
      return await list();
    } catch (error) {
      this.#canBeAsked = false;
      console.error(`Names are left out, as they could not be asked for: ${describeError(error)}`);
      return [];
    }
  }
}

function kindOf(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf("_")));
}
