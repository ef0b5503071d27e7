/** Owns `weir prices`: listing, comparing and importing the prices of a running Weir, and making a file to import. */
import { readFile } from "node:fs/promises";
import { fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { parse } from "yaml";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { ImportPricesRequestSchema, type ImportPricesRequest, type ImportPricesResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import { PriceSchema, type NamedPrice, type Price, type PriceAdjustment } from "#gen/weir/types/v1/price_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { convertLitellmPrices, type ConvertedPrices } from "../import/litellm-prices.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

type Metering = Client<typeof MeteringService>;

/** Of the models that are left out for one reason. */
const namesShown = 5;

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
  prices
    .command("convert <file>")
    .description("write the prices of LiteLLM's model_prices_and_context_window.json as a file to import; needs no running Weir")
    .option("--vendor <names...>", "only models of these vendors")
    .action(async (file: string, { vendor: vendors }: { readonly vendor?: readonly string[] }) => convertPrices(file, vendors));
  addRunningWeirOptions(prices.command("history"))
    .description("list who imported prices when, newest first")
    .action(async (options: RunningWeirOptions) => listImports(await connect(MeteringService, options, environment)));
}

async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new GatewayError("INVALID_REQUEST", `${path} cannot be read: ${(error as Error).message}`);
  });
}

/** The file goes to standard output, and what is not in it to the other, so that a pipe carries prices alone. */
async function convertPrices(path: string, vendors: readonly string[] | undefined): Promise<void> {
  const { prices, leftOut } = convertible(path, await readText(path));
  const wanted = prices.filter(({ name }) => vendors?.includes(name.slice(0, name.indexOf("/"))) ?? true);
  console.log([`# From LiteLLM's list, ${new Date().toISOString().slice(0, 10)}: check what you rely on against the vendor's own page.`, "prices:", ...wanted.map((price) => `  - ${JSON.stringify(price)}`)].join("\n"));
  console.error(`Converted: ${new Set(wanted.map(({ name }) => name)).size}.`);
  for (const [reason, names] of leftOut) console.error(`Left out: ${names.length}, ${reason}: ${names.slice(0, namesShown).join(", ")}${names.length > namesShown ? ", …" : ""}`);
}

function convertible(path: string, text: string): ConvertedPrices {
  try {
    return convertLitellmPrices(JSON.parse(text));
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `${path} is not LiteLLM's list of prices: ${(error as Error).message}. Take https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json.`);
  }
}

/** The file: YAML or JSON with `prices` and `adjustments` as ImportPrices takes them; an empty one has none. Throws INVALID_REQUEST. */
async function readPriceFile(path: string): Promise<ImportPricesRequest> {
  const text = await readText(path);
  try {
    return fromJson(ImportPricesRequestSchema, (parse(text) ?? {}) as JsonValue);
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
