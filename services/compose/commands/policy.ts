/** Owns `weir policy`: what would become of a call and why, and whether cases in a file come out as they say. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { PolicyCasesSchema } from "#gen/weir/config/v1/policy_cases_pb.ts";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RuleKind, type AppliedRule, type ExplainDecisionResponse, type PlannedTarget, type TakenCase } from "#gen/weir/routing/v1/decision_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { loadConfigFile } from "#platform/config-file/load-config-file.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { dollars } from "../terminal/nanos.ts";
import { CallingKeys } from "../policy-test/calling-keys.ts";
import { differencesOf } from "../policy-test/differences.ts";
import { reasonName } from "../terminal/reason-name.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

interface ExplainOptions extends RunningWeirOptions {
  readonly key?: string;
  readonly operation?: string;
  readonly label?: readonly string[];
  readonly text?: string;
  readonly maxOutputTokens?: string;
  readonly stream?: true;
  readonly from?: string;
  readonly origin?: string;
}

export function addPolicyCommand(program: Command, environment: Environment): void {
  const policy = program.command("policy").description("ask what would become of calls, and test that it is what it should be");
  addRunningWeirOptions(policy.command("explain <model>"))
    .description("say what would become of a call, which rule decides, and how each rule stands; nothing is reserved or sent")
    .option("--key <id-or-name>", "the key that would call (default: the one of this command)")
    .option("--operation <name>", "what would be called: Generate, Embed, Moderate, … (default: Generate)")
    .option("--label <name=value>", "a label of the call; repeat for more", collect)
    .option("--text <text>", "what it would say (default: Hello)")
    .option("--max-output-tokens <number>", "how many tokens it would let be generated")
    .option("--stream", "it would ask for a stream")
    .option("--from <address>", "the IP address it would come from")
    .option("--origin <origin>", "the web page it would come from")
    .action(async (model: string, options: ExplainOptions) => {
      const keys = new CallingKeys(await connect(PolicyService, options, environment));
      console.log(describe(await explain(model, options, keys, await connect(RoutingService, options, environment))).join("\n"));
    });
  addRunningWeirOptions(policy.command("test <file>"))
    .description("compare what would become of the calls of a file with what it says; exits with 1 where one differs")
    .action(async (file: string, options: RunningWeirOptions) => {
      const keys = new CallingKeys(await connect(PolicyService, options, environment));
      await testCases(file, environment, keys, await connect(RoutingService, options, environment));
    });
}

function collect(value: string, former: readonly string[] = []): readonly string[] {
  return [...former, value];
}

async function explain(model: string, options: ExplainOptions, keys: CallingKeys, routing: Client<typeof RoutingService>): Promise<ExplainDecisionResponse> {
  const { key = "", operation = "", label = [], text = "", maxOutputTokens, stream = false, from = "", origin = "" } = options;
  return routing.explainDecision({
    keyId: await keys.idOf({ key, member: "" }),
    model,
    operation,
    labels: Object.fromEntries(label.map(readLabel)),
    text,
    ...(maxOutputTokens !== undefined && { maxOutputTokens: readTokens(maxOutputTokens) }),
    stream,
    address: from,
    origin,
  });
}

async function testCases(file: string, { variables }: Environment, keys: CallingKeys, routing: Client<typeof RoutingService>): Promise<void> {
  const { cases } = await loadConfigFile({ path: file, environment: variables, schema: PolicyCasesSchema });
  let different = 0;
  for (const expected of cases) {
    const decision = await routing.explainDecision({ ...expected.request!, keyId: await keys.idOf(expected) });
    const differences = differencesOf(expected, decision);
    if (differences.length > 0) different++;
    console.log([`${differences.length === 0 ? "ok  " : "DIFF"}  ${expected.name}`, ...differences.map((line) => `        ${line}`)].join("\n"));
  }
  console.log(`${cases.length} cases, ${different === 0 ? "all as they should be" : `${different} different`}.`);
  if (different > 0) process.exitCode = 1;
}

function describe({ allowed, reason, message, rules, route, routeCase, targets, notes }: ExplainDecisionResponse): string[] {
  return [
    allowed ? "Allowed." : `Denied: ${reasonName(reason)}. ${message}`,
    ...notes,
    ...(rules.length === 0 ? [] : ["", ...table([["", "RULE", "NAME", "HOW IT STANDS"], ...rules.map(describeRule)])]),
    ...(targets.length === 0 ? [] : ["", ...table([["TARGET", route === "" ? "" : `OF ${route}${describeCase(routeCase)}`], ...targets.map(describeTarget)])]),
  ];
}

function describeCase(routeCase: TakenCase | undefined): string {
  if (routeCase === undefined) return "";
  return `, CASE ${routeCase.position}${routeCase.where === "" ? "" : `: ${routeCase.where}`}`;
}

const kinds: Readonly<Partial<Record<RuleKind, string>>> = {
  [RuleKind.KEY]: "key",
  [RuleKind.RATE_LIMIT]: "rate limit",
  [RuleKind.BUDGET]: "budget",
  [RuleKind.GUARDRAIL]: "guardrail",
};

function describeRule({ kind, name, decides, state }: AppliedRule): string[] {
  return [decides ? "*" : "", kinds[kind] ?? "", name, describeState(state)];
}

function describeState({ case: kind, value }: AppliedRule["state"]): string {
  switch (kind) {
    case "rateLimit":
      return `${value.count}: needs ${value.needed}, ${value.remaining} of ${value.amount} left, ${value.counter}`;
    case "budget":
      return `needs ${dollars(value.neededNanos)} at most, ${dollars(value.usage!.headroomNanos)} of ${dollars(value.usage!.limitNanos)} dollars left`;
    case "guardrail":
      return `${value.mode}: found ${value.found.join(", ") || "nothing"}`;
    default:
      return "";
  }
}

function describeTarget({ name, reason, message, standing }: PlannedTarget): string[] {
  return [name, describeStanding(standing), reason === ErrorReason.UNSPECIFIED ? "" : `passed over: ${reasonName(reason)}. ${message}`];
}

function describeStanding({ case: kind, value }: PlannedTarget["standing"]): string {
  switch (kind) {
    case "weight":
      return `weight ${value}`;
    case "estimatedNanos":
      return `about $${dollars(value)}`;
    case "latency":
      return `begins after ${durationMs(value)} ms`;
    default:
      return "";
  }
}

function readLabel(text: string): [name: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new GatewayError("INVALID_REQUEST", `--label ${text}: write name=value.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function readTokens(text: string): bigint {
  if (/^[1-9]\d{0,8}$/.test(text)) return BigInt(text);
  throw new GatewayError("INVALID_REQUEST", `--max-output-tokens ${text}: write a whole number, such as 1000.`);
}
