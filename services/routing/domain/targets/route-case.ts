/** Owns the cases of a route: what their conditions may ask of a call, and which one gives its targets. */
import { noCallFacts, type CallFacts, type Condition, type ConditionKind } from "#platform/condition.ts";
import type { CallSize } from "../call-size.ts";
import type { Needs } from "./fitness.ts";

/** What is known of a call before it is planned, each by its name in conditions. */
export interface RoutingFacts extends CallFacts {
  readonly stream: boolean;
  /** A generation has tools. */
  readonly tools: boolean;
  /** A generation has images in its input. */
  readonly images: boolean;
  /** Of its text, about. */
  readonly input_tokens: bigint;
}

/** One that cannot be decided does not hold: the call goes where all others go. */
export const caseConditions: ConditionKind<RoutingFacts> = { noFacts: { ...noCallFacts, stream: false, tools: false, images: false, input_tokens: 0n }, holdsUndecided: false, page: "docs/routing.md" };

/** The targets of some calls. */
export interface RouteCase {
  /** The condition as it is written. */
  readonly where: string;
  readonly holds: Condition<RoutingFacts>;
  /** As `provider/model`. */
  readonly targets: readonly string[];
}

/** A case that holds for a call. */
export interface TakenCase {
  /** From 1. */
  readonly position: number;
  readonly routeCase: RouteCase;
}

/** The first that holds; the facts are asked for only where there are cases. */
export function caseFor(cases: readonly RouteCase[], facts: () => RoutingFacts): TakenCase | undefined {
  if (cases.length === 0) return undefined;
  const known = facts();
  const index = cases.findIndex(({ holds }) => holds(known));
  return index < 0 ? undefined : { position: index + 1, routeCase: cases[index]! };
}

/** What takes reading the request is read when a condition asks for it. */
export function routingFactsOf(facts: CallFacts, size: CallSize | undefined, needs: (() => Needs) | undefined): RoutingFacts {
  return {
    ...facts,
    stream: size?.isStream ?? false,
    get tools() {
      return needs?.().tools ?? false;
    },
    get images() {
      return needs?.().images ?? false;
    },
    get input_tokens() {
      return BigInt(size?.tokens().input ?? 0);
    },
  };
}
