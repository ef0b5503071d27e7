/** Owns `weir prices`: listing, comparing and importing the prices of a running Weir. */
import { readFile } from "node:fs/promises";
import { fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { parse } from "yaml";
import { ImportPricesRequestSchema, MeteringService, type ImportPricesRequest, type ImportPricesResponse } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PriceSchema, type NamedPrice, type Price, type PriceAdjustment } from "#gen/weir/types/v1/price_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../every-page.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../running-weir.ts";
import { table } from "../table.ts";

type Metering = Client<typeof MeteringService>;

interface ListOptions extends RunningWeirOptions {
  readonly priceVersion?: string;
}

export function addPricesCommand(program: Command, environment: Environment): void {
  const prices = program.command("prices").description("list, compare and import prices");
  addRunningWeirOptions(prices.command("list [prefix]"))
    .description("list prices in US dollars, tokens and characters by the million; with a prefix, such as openai/, those of names that begin with it")
    .option("--price-version <version>", "a version of the price book (default: the one in force)")
    .action(async (prefix: string | undefined, options: ListOptions) => listPrices(prefix ?? "", options.priceVersion ?? "", await connect(MeteringService, options, environment)));
  addRunningWeirOptions(prices.command("diff <file>"))
    .description("say what an import of the file would change")
    .action(async (file: string, options: RunningWeirOptions) => {
      const request = await readPriceFile(file);
      const metering = await connect(MeteringService, options, environment);
      console.log(describeChanges(await metering.importPrices({ ...request, dryRun: true })).join("\n"));
    });
  addRunningWeirOptions(prices.command("import <file>"))
    .description("put the prices of the file in the place of all imported ones")
    .action(async (file: string, options: RunningWeirOptions) => {
      const request = await readPriceFile(file);
      const metering = await connect(MeteringService, options, environment);
      const response = await metering.importPrices(request);
      console.log([...describeChanges(response), `In force: ${response.priceVersion}`].join("\n"));
    });
  addRunningWeirOptions(prices.command("history"))
    .description("list who imported prices when, newest first")
    .action(async (options: RunningWeirOptions) => listImports(await connect(MeteringService, options, environment)));
}

/** The file: YAML or JSON with `prices` and `adjustments` as ImportPrices takes them. Throws INVALID_REQUEST. */
async function readPriceFile(path: string): Promise<ImportPricesRequest> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new GatewayError("INVALID_REQUEST", `${path} cannot be read: ${(error as Error).message}`);
  });
  try {
    return fromJson(ImportPricesRequestSchema, parse(text) as JsonValue);
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `${path} holds no prices: ${(error as Error).message}. Write \`prices: [{ name: vendor/model, price: { input: "1.25" } }]\`.`);
  }
}

async function listPrices(namePrefix: string, priceVersion: string, metering: Metering): Promise<void> {
  const named: NamedPrice[] = [];
  const adjustments: PriceAdjustment[] = [];
  for (let pageToken = ""; ; ) {
    const page = await metering.listPrices({ namePrefix, priceVersion, pageSize: 1_000, pageToken });
    named.push(...page.prices);
    adjustments.push(...page.adjustments);
    pageToken = page.nextPageToken;
    if (pageToken !== "") continue;
    console.log(`Version ${page.priceVersion}`);
    break;
  }
  const header = ["NAME", "TIERS", "FROM", "UNTIL", "PRICE"];
  console.log(table([header, ...named.map(({ name, price }) => [name, ...describePrice(price!)])]).join("\n"));
  if (adjustments.length === 0) return;
  const adjusted = adjustments.map(({ organizationId, models, percent, from, until }) => [organizationId, models, from, until, `${percent} %`]);
  console.log(["", ...table([["ORGANIZATION", "MODELS", "FROM", "UNTIL", "CHARGE"], ...adjusted])].join("\n"));
}

async function listImports(metering: Metering): Promise<void> {
  const imports = await everyPage((page) => metering.listPriceImports(page), (page) => page.imports);
  const rows = imports.map(({ importTime, importedBy, priceVersion, prices, adjustments }) => [timestampDate(importTime!).toISOString(), importedBy, priceVersion, String(prices), String(adjustments)]);
  console.log(table([["TIME", "BY", "VERSION", "PRICES", "ADJUSTMENTS"], ...rows], [3, 4]).join("\n"));
}

function describeChanges({ changes, adjustmentsChanged }: ImportPricesResponse): string[] {
  const lines = changes.flatMap(({ name, before, after }) => [name, ...before.map((price) => `  - ${describePrice(price).join(" ")}`), ...after.map((price) => `  + ${describePrice(price).join(" ")}`)]);
  if (adjustmentsChanged) lines.push("Mark-ups and discounts change.");
  return lines.length === 0 ? ["Nothing changes."] : lines;
}

/** Its service tiers, from, until, and what it states, by the names that a configuration has. */
function describePrice(price: Price): [tiers: string, from: string, until: string, stated: string] {
  const { service_tiers: tiers, from, until, ...stated } = toJson(PriceSchema, price, { useProtoFieldName: true }) as Record<string, unknown> & { service_tiers?: string[]; from?: string; until?: string };
  const text = JSON.stringify(stated).slice(1, -1).replaceAll('"', "").replaceAll(",", " ");
  return [tiers?.map((tier) => tier || "none").join(",") ?? "all", from ?? "", until ?? "", text];
}
