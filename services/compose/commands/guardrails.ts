/** Owns `weir guardrails`: what a running Weir looks for in the texts of calls. */
import { toJson } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GenerationCapsSchema, type Guardrail, type GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";
import { addGuardrailOptions, readGuardrail, type GuardrailOptions } from "./guardrail-options.ts";

type Policy = Client<typeof PolicyService>;

interface ListOptions extends RunningWeirOptions {
  readonly organization?: string;
}

export function addGuardrailsCommand(program: Command, environment: Environment): void {
  const guardrails = program.command("guardrails").description("create, list, delete and try guardrails on what goes in and comes out");
  addGuardrailOptions(addRunningWeirOptions(guardrails.command("create <name>")).description("create a guardrail; what is left out bounds nothing"))
    .action(async (name: string, options: GuardrailOptions & RunningWeirOptions) => createGuardrail(name, options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(guardrails.command("list"))
    .description("list guardrails, those of weir.yaml first")
    .option("--organization <id>", "only those that apply to this organization")
    .action(async (options: ListOptions) => listGuardrails(options, await connect(PolicyService, options, environment)));
  addRunningWeirOptions(guardrails.command("delete <id>"))
    .description("delete a guardrail, at once")
    .action(async (guardrailId: string, options: RunningWeirOptions) => {
      await (await connect(PolicyService, options, environment)).deleteGuardrail({ guardrailId });
      console.log(`Deleted ${guardrailId}.`);
    });
  addRunningWeirOptions(guardrails.command("test <name> <text>"))
    .description("show what a guardrail finds in a text, whatever its mode; nothing is kept")
    .action(async (name: string, text: string, options: RunningWeirOptions) =>
      testGuardrail(name, text, await connect(PolicyService, options, environment), await connect(RoutingService, options, environment)),
    );
}

async function createGuardrail(name: string, options: GuardrailOptions, policy: Policy): Promise<void> {
  const { guardrail } = await policy.createGuardrail({ rule: await readGuardrail(name, options) });
  console.log(`Created ${guardrail!.id}.`);
}

async function testGuardrail(name: string, text: string, policy: Policy, routing: Client<typeof RoutingService>): Promise<void> {
  const rule = (await guardrailsOf("", policy)).find((guardrail) => guardrail.rule!.name === name)?.rule;
  if (rule === undefined) throw new GatewayError("NOT_FOUND", `There is no guardrail called "${name}"; \`weir guardrails list\` shows those there are.`);
  const { finds, maskedText, judgement } = await routing.testGuardrail({ rule, text });
  const lines = finds.map((find) => `${find.detector}: ${find.text}`);
  if (judgement !== undefined) lines.push(`${judgement.check}: ${judgement.verdict}${judgement.reason === "" ? "" : ` (${judgement.reason})`}`);
  console.log([...lines, ...(lines.length === 0 ? ["It finds nothing."] : ["", maskedText])].join("\n"));
}

function guardrailsOf(organizationId: string, policy: Policy): Promise<Guardrail[]> {
  return everyPage((page) => policy.listGuardrails({ ...page, organizationId }), (page) => page.guardrails);
}

async function listGuardrails({ organization = "" }: ListOptions, policy: Policy): Promise<void> {
  const found = await guardrailsOf(organization, policy);
  console.log(table([["ID", "NAME", "MODE", "SIDES", "LOOKS FOR", "CALLS OF"], ...found.map(describe)]).join("\n"));
}

function describe({ id, rule }: Guardrail): string[] {
  const { name, mode, sides, detectors, patterns, words, organizationId, teamId, keyId, models, restore, targetTags, caps, replySchema, topics, check } = rule!;
  const capped = caps === undefined ? {} : toJson(GenerationCapsSchema, caps, { useProtoFieldName: true });
  const looksFor = [...Object.keys(capped as object), ...(replySchema === undefined ? [] : ["reply_schema"]), ...detectors, ...patterns.map((pattern) => `/${pattern}/`), ...(words.length === 0 ? [] : [`${words.length} words`]), ...topics.map((topic) => `topic:${topic.name}`), ...shownCheck(check)];
  return [id || "weir.yaml", name, restore ? `${mode}, restore` : [mode, ...targetTags].join(" "), sides.join(",") || "both", looksFor.join(","), [organizationId, teamId, keyId, ...models].filter((part) => part !== "").join(",") || "all"];
}

function shownCheck(check: GuardrailRule["check"]): string[] {
  if (check.case === undefined) return [];
  return [check.case === "plugin" ? `plugin:${check.value}` : `${check.case}:${check.value.model}`];
}
