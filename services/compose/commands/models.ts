/** Owns `weir models`: the names that can be called, what is known of the models behind them, and which providers cannot be called. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { ModalitySchema, type Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { InferenceService, type Model, type ProviderProblem, type RouteFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

export function addModelsCommand(program: Command, environment: Environment): void {
  addRunningWeirOptions(program.command("models"))
    .description("list routes and models, with what is known of them, and providers without a credential")
    .action(async (options: RunningWeirOptions) => list(options, environment));
}

async function list(options: RunningWeirOptions, environment: Environment): Promise<void> {
  const inference = await connect(InferenceService, options, environment);
  let problems: readonly ProviderProblem[] = [];
  const models = await everyPage((page) => inference.listModels(page), (page) => {
    problems = page.providerProblems;
    return page.models;
  });
  const heads = ["NAME", "FOR", "CONTEXT", "OUTPUT", "READS", "WRITES", "TOOLS", "REASONING", "SOURCE"];
  console.log(table([heads, ...models.flatMap((model) => [describe(model), ...describeCases(model)])], [2, 3]).join("\n"));
  for (const { provider, description } of problems) console.log(`\nThere is no credential for ${provider}, and its calls fail: ${description}.`);
}

function describe({ name, isRoute, targets, routing, facts }: Model): string[] {
  const shown = isRoute ? `${name} = ${targets.join(", ")}${describeRouting(routing)}` : name;
  if (facts === undefined) return [shown, ...noFacts];
  const tokens = [facts.contextWindowTokens, facts.maxOutputTokens].map((count) => (count === undefined ? "" : String(count)));
  const abilities = [facts.tools, facts.reasoning].map((can) => (can === undefined ? "" : can ? "yes" : "no"));
  return [shown, facts.operation, ...tokens, wordsOf(facts.inputModalities), wordsOf(facts.outputModalities), ...abilities, [facts.source, facts.readDate].join(" ").trim()];
}

function describeCases({ routing }: Model): string[][] {
  return (routing?.cases ?? []).map(({ where, targets }) => [`  where ${where} = ${targets.join(", ")}`, ...noFacts]);
}

const noFacts = ["", "", "", "", "", "", "", ""];

function describeRouting(routing: RouteFacts | undefined): string {
  if (routing === undefined) return "";
  const hedge = routing.hedgeAfter === undefined ? [] : [`hedged after ${durationMs(routing.hedgeAfter)} ms`];
  const retries = routing.retries === 0 ? [] : [`${routing.retries} ${routing.retries === 1 ? "retry" : "retries"}`];
  const words = [...(routing.order === "listed" ? [] : [`by ${routing.order}`]), ...hedge, ...retries];
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

function wordsOf(modalities: readonly Modality[]): string {
  return modalities.map((modality) => ModalitySchema.value[modality]!.localName.toLowerCase()).join(" ");
}
