/** Owns the files, and the batches of them, that callers have in the account at a vendor: which provider has them, whose they are, and the way to them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { RelayRequestSchema, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { authorizeMethod, authorizePlan, mayReach, providerOf } from "../admission/admit.ts";
import type { AskedCall } from "../asked-call.ts";
import type { Bound } from "../budget/bound.ts";
import { freeOfCharge } from "../budget/bound-of.ts";
import { offerOf } from "../targets/capability.ts";
import { fileApiOf, type FileApi } from "./file-apis.ts";
import type { FileIds, FileKind, FilePlace } from "./file-ids.ts";
import type { Breathe } from "../guardrails/texts/look-through.ts";
import type { Reply } from "../call.ts";
import { directPlan, everyTargetOf, planEveryTarget, type Plan, type PlanningView, type Target } from "../targets/plan.ts";

type RelayInit = Pick<Exclude<MessageInitShape<typeof RelayRequestSchema>, { readonly $typeName: unknown }>, "method" | "query" | "body" | "contentType">;

/** The vendors of a dialect that keep files and batches for callers, and where each kind is listed. */
interface Keepers {
  readonly names: string;
  readonly lists: Readonly<Record<FileKind, string>>;
}

const keepersOf: Readonly<Record<string, Keepers>> = {
  openai: { names: "OpenAI and Azure", lists: { file: "/v1/files", batch: "/v1/batches" } },
  anthropic: { names: "Anthropic", lists: { file: "/v1/files", batch: "/v1/messages/batches" } },
};

export interface AccountFilesOptions {
  /** The dialects whose vendors may have them. */
  readonly dialects: readonly string[];
  readonly ids: FileIds;
  readonly grant: Grant;
  readonly view: PlanningView;
  /** Those of the caller's request that belong to it as much as its body does. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the caller may name a provider, as errors call it. */
  readonly providerField: string;
  /** Makes the call at the one target of its plan. */
  readonly run: (call: AskedCall) => Promise<Reply>;
  readonly breathe: Breathe;
}

/** The files of one caller's organization. */
export class AccountFiles {
  readonly ids: FileIds;
  readonly breathe: Breathe;
  readonly #options: AccountFilesOptions;

  constructor(options: AccountFilesOptions) {
    this.ids = options.ids;
    this.breathe = options.breathe;
    this.#options = options;
  }

  /** The provider of this name, or the only one that the caller may reach. Throws INVALID_REQUEST, UNSUPPORTED_OPERATION or PROVIDER_NOT_ALLOWED. */
  providerFor(name: string | undefined): string {
    const { view, grant, providerField } = this.#options;
    const names = [...view.providers.values()].filter((provider) => this.#offers("files", provider)).map((provider) => provider.name).sort();
    if (names.length === 0) throw this.#noneKeeps("files");
    const reachable = names.filter((one) => mayUseFilesOf(one, view, grant));
    if (name !== undefined && reachable.includes(name)) return name;
    if (name === undefined && reachable.length === 1) return reachable[0]!;
    if (reachable.length === 0 || (name !== undefined && names.includes(name))) {
      throw new GatewayError("PROVIDER_NOT_ALLOWED", `This key may not keep files at ${name ?? names.join(", ")}: it is bound to other providers or models.`, { metadata: { providers: names.join(",") } });
    }
    const description = `must name a provider that keeps files: ${reachable.join(", ")}`;
    throw new GatewayError("INVALID_REQUEST", `${providerField} ${description}.`, { fieldViolations: [{ field: providerField, description }] });
  }

  /** Where the caller's file lies, or batch. Throws NOT_FOUND when the organization has none of this id, or the caller may not reach it any more. */
  placeOf(id: string, kind: FileKind = "file"): FilePlace {
    const place = this.ids.read(id, kind);
    const { view, grant } = this.#options;
    const provider = place && view.providers.get(place.provider);
    if (provider !== undefined && this.#offers("files", provider) && mayUseFilesOf(provider.name, view, grant)) return place!;
    throw this.notFound(id, kind);
  }

  /** The error for a file or a batch that is not there. */
  notFound(id: string, kind: FileKind): GatewayError {
    return new GatewayError("NOT_FOUND", `There is no ${kind} "${id.slice(0, 200)}". GET ${keepersOf[this.#options.dialects[0]!]!.lists[kind]} lists those of your organization.`, { metadata: { kind, id: id.slice(0, 200) } });
  }

  /** The API of files that the provider has. */
  apiOf(provider: string): FileApi {
    return fileApiOf(this.#dialectOf(this.#options.view.providers.get(provider)!));
  }

  /** The way to a model, by the vendor's name of it, for a batch of calls. Throws what stands against the caller's calling it so. */
  planBatch(provider: string, model: string, operation: "generate" | "embed"): Plan {
    const { view, grant } = this.#options;
    authorizeMethod(InferenceService.method[operation], grant);
    const name = `${provider}/${model}`;
    return authorizePlan(name, planEveryTarget(name, { routes: new Map(), providers: view.providers }), grant);
  }

  /** The way to a model of one of the providers that take the dialect's batches, as `provider/model` or where one of them alone lists it. Throws what stands against the caller's calling it so. */
  planBatchAnywhere(model: string): Plan {
    const { view, grant } = this.#options;
    authorizeMethod(InferenceService.method.generate, grant);
    const providers = new Map([...view.providers].filter(([, provider]) => this.#offers("batches", provider)));
    if (providers.size === 0) throw this.#noneKeeps("batches");
    return authorizePlan(model, planEveryTarget(model, { routes: new Map(), providers }), grant);
  }

  /** Asks the provider. `endpoint` is as in RelayRequest, about the file or batch at this place where one is given. */
  ask(provider: string, endpoint: string, relay: RelayInit, place?: FilePlace): Promise<Reply> {
    const { view, run } = this.#options;
    const keeper = view.providers.get(provider)!;
    const target: Target = { name: `${provider}/files`, provider: keeper, model: "files", breakerName: provider };
    const operation = this.#relayOf(keeper, endpoint, { resourceId: place?.vendorId ?? "", ...relay });
    return run({ operation: "files", model: "files", operationFor: () => operation, boundAt: freeOfCharge, plan: directPlan(target), ownAccount: place?.ownAccount });
  }

  /** Makes a batch of calls, all to the one target of the plan, which can cost as much as the bound. They stand in the relayed bytes, or in the file at this place. */
  makeBatch(plan: Plan, endpoint: string, relay: RelayInit, bound: Bound, place?: FilePlace): Promise<Reply> {
    const operation = this.#relayOf(plan.targets[0]!.provider, endpoint, relay);
    const ownAccount = place?.ownAccount;
    return this.#options.run({ operation: "batches", model: plan.targets[0]!.name, operationFor: () => operation, boundAt: () => bound, plan, ownAccount });
  }

  #offers(operation: "files" | "batches", provider: Provider): boolean {
    const has = offerOf(provider, operation)?.nativeDialects ?? [];
    return this.#options.dialects.some((dialect) => has.includes(dialect));
  }

  #dialectOf(provider: Provider): string {
    const has = offerOf(provider, "files")?.nativeDialects ?? [];
    return this.#options.dialects.find((dialect) => has.includes(dialect))!;
  }

  #noneKeeps(operation: "files" | "batches"): GatewayError {
    const names = this.#options.dialects.map((dialect) => keepersOf[dialect]!.names).join(", ");
    return new GatewayError("UNSUPPORTED_OPERATION", `No configured provider keeps ${operation} here; those of ${names} can.`, { metadata: { operation } });
  }

  #relayOf(provider: Provider, endpoint: string, relay: MessageInitShape<typeof RelayRequestSchema>): ReturnType<AskedCall["operationFor"]> {
    return { case: "relay", value: create(RelayRequestSchema, { dialect: this.#dialectOf(provider), endpoint, headers: this.#options.headers, ...relay }) };
  }
}

/** A key that is bound to models may use the files of the providers that have one of them. */
function mayUseFilesOf(provider: string, { routes }: PlanningView, grant: Grant): boolean {
  const leadsThere = (name: string): boolean => everyTargetOf(name, routes).some((target) => providerOf(target) === provider);
  return mayReach(provider, grant) && grant.scopes.every(({ models }) => models.length === 0 || models.some(leadsThere));
}
