/** Owns the files that callers keep in the account at a vendor: which provider has them, whose they are, and the way to them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { RelayRequestSchema, type AttemptRequest, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { mayReach, providerOf } from "./admit.ts";
import { offerOf } from "./capability.ts";
import type { FileIds, FilePlace } from "./file-ids.ts";
import type { Reply } from "./pipeline.ts";
import type { Plan, PlanningView } from "./plan.ts";

type RelayInit = Pick<Exclude<MessageInitShape<typeof RelayRequestSchema>, { readonly $typeName: unknown }>, "method" | "query" | "body" | "contentType">;

export interface AccountFilesOptions {
  readonly ids: FileIds;
  readonly grant: Grant;
  readonly view: PlanningView;
  /** Makes the call at the one target of the plan. */
  readonly run: (plan: Plan, operation: AttemptRequest["operation"]) => Promise<Reply>;
}

/** The files of one caller's organization. */
export class AccountFiles {
  readonly ids: FileIds;
  readonly #options: AccountFilesOptions;

  constructor(options: AccountFilesOptions) {
    this.ids = options.ids;
    this.#options = options;
  }

  /** The provider of this name, or the only one that the caller may reach. Throws INVALID_REQUEST, UNSUPPORTED_OPERATION or PROVIDER_NOT_ALLOWED. */
  providerFor(name: string | undefined): string {
    const { view, grant } = this.#options;
    const names = [...view.providers.values()].filter((provider) => hasFiles(provider)).map((provider) => provider.name).sort();
    if (names.length === 0) throw new GatewayError("UNSUPPORTED_OPERATION", "No configured provider keeps files; OpenAI and Azure do.", { metadata: { operation: "files" } });
    const reachable = names.filter((one) => mayUseFilesOf(one, view, grant));
    if (name !== undefined && reachable.includes(name)) return name;
    if (name === undefined && reachable.length === 1) return reachable[0]!;
    if (reachable.length === 0 || (name !== undefined && names.includes(name))) {
      throw new GatewayError("PROVIDER_NOT_ALLOWED", `This key may not keep files at ${name ?? names.join(", ")}: it is bound to other providers or models.`, { metadata: { providers: names.join(",") } });
    }
    const description = `must name a provider that keeps files: ${reachable.join(", ")}`;
    throw new GatewayError("INVALID_REQUEST", `x-weir-provider ${description}.`, { fieldViolations: [{ field: "x-weir-provider", description }] });
  }

  /** Where the caller's file lies. Throws NOT_FOUND when the organization has none of this id, or the caller may not reach it any more. */
  placeOf(id: string): FilePlace {
    const place = this.ids.read(id);
    const { view, grant } = this.#options;
    if (place !== undefined && view.providers.has(place.provider) && mayUseFilesOf(place.provider, view, grant)) return place;
    throw new GatewayError("NOT_FOUND", `There is no file "${id.slice(0, 200)}". GET /v1/files lists those of your organization.`, { metadata: { kind: "file", id: id.slice(0, 200) } });
  }

  /** Asks the provider. `endpoint` is as in RelayRequest, about the file of this id at the vendor where one is given. */
  ask(provider: string, endpoint: string, relay: RelayInit, vendorId = ""): Promise<Reply> {
    const { view, run } = this.#options;
    const target = { name: `${provider}/files`, provider: view.providers.get(provider)!, model: "files", breakerName: provider };
    return run({ route: "", strict: false, targets: [target] }, { case: "relay", value: create(RelayRequestSchema, { dialect: "openai", endpoint, resourceId: vendorId, ...relay }) });
  }
}

function hasFiles(provider: Provider): boolean {
  return offerOf(provider, "files") !== undefined;
}

/** A key that is bound to models may use the files of the providers that have one of them. */
function mayUseFilesOf(provider: string, { routes }: PlanningView, grant: Grant): boolean {
  const leadsThere = (name: string): boolean => (routes.get(name)?.targets ?? [name]).some((target) => providerOf(target) === provider);
  return mayReach(provider, grant) && grant.scopes.every(({ models }) => models.length === 0 || models.some(leadsThere));
}
