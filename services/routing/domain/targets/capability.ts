/** Owns which targets can do what was asked. */
import { AttemptRequestSchema, type Offer, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { PlanningView, Target } from "./plan.ts";
import type { UnaryName } from "../unary-operation.ts";

export type OperationName = "generate" | AccountOperation | UnaryName | RelayedName;

/** Those about what lies in the account at a vendor, with their names for rules; the contract has none of them. */
export const accountOperations = { files: "Files", batches: "Batches" } as const;

type AccountOperation = keyof typeof accountOperations;

/** Those whose bytes are relayed, whatever they are. */
export type RelayedName = "synthesizeSpeech" | "transcribe" | "editImages" | "generateImages";

export function isAccountOperation(operation: OperationName): operation is AccountOperation {
  return operation in accountOperations;
}

/** How the provider offers the operation; undefined when it does not, or when what it offers is not known. */
export function offerOf({ offers }: Provider, operation: OperationName): Offer | undefined {
  const word = wordFor(operation);
  return offers.find((offer) => offer.operation === word);
}

/** Those of the targets that have the operation. Throws UNSUPPORTED_OPERATION, naming the providers that have it, when none does. */
export function capableTargets(operation: OperationName, model: string, targets: readonly Target[], { providers }: PlanningView): readonly Target[] {
  const capable = targets.filter(({ provider }) => mayHave(provider, operation));
  if (capable.length > 0) return capable;
  const word = wordFor(operation);
  const others = [...providers.values()].filter((provider) => offerOf(provider, operation) !== undefined).map(({ name }) => name).sort();
  const tried = [...new Set(targets.map(({ provider }) => provider.name))].join(", ");
  const advice = others.length > 0 ? `Name a model of ${others.join(" or ")}.` : "No configured provider has it.";
  throw new GatewayError("UNSUPPORTED_OPERATION", `"${model.slice(0, 100)}" has no ${word}: ${tried} does not offer it. ${advice}`, { metadata: { operation: word, capable: others.join(",") } });
}

/** What a provider offers is not known while it runs on the version before. */
function mayHave(provider: Provider, operation: OperationName): boolean {
  return operation === "generate" || provider.offers.length === 0 || offerOf(provider, operation) !== undefined;
}

/** The word of contracts and the ledger. */
/** The operation as the contract of providers has it: `generate`, `count_tokens`. */
export function wordFor(operation: OperationName): string {
  return isAccountOperation(operation) ? operation : AttemptRequestSchema.field[operation].name;
}
