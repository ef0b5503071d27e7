/** Owns chargeback records: what each key of each team used and is charged in a day, as rows with named columns. */
import { MeterSchema } from "#gen/weir/types/v1/usage_pb.ts";
import { UsageDimension, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { dollars } from "../terminal/nanos.ts";
import type { NameOf } from "../terminal/subject-names.ts";

/** What a record is by; `UsageRow.group` holds the values in this order, and those of the labels after them. */
export const recordDimensions: readonly UsageDimension[] = [
  UsageDimension.DAY,
  UsageDimension.ORGANIZATION,
  UsageDimension.TEAM,
  UsageDimension.KEY,
  UsageDimension.VENDOR,
  UsageDimension.MODEL,
  UsageDimension.ROUTE,
];

/** Values by column, in the order of the columns; the same columns for every row. */
export type ExportRecord = Readonly<Record<string, string>>;

/** How rows become the records of a file. */
export type RecordFormat = (row: UsageRow, labels: readonly string[], nameOf: NameOf) => ExportRecord;

const meters = MeterSchema.values.filter(({ number }) => number > 0);

/** Weir's own columns: everything that the report knows. */
export const plainRecord: RecordFormat = (row, labels, nameOf) => {
  const { day, organization, team, key, vendor, model, route, tags } = readGroup(row, labels);
  return {
    day,
    organization,
    organization_name: nameOf(organization),
    team,
    team_name: nameOf(team),
    key,
    key_name: nameOf(key),
    vendor,
    model,
    route,
    ...Object.fromEntries(labels.map((name) => [`label_${name}`, tags[name] ?? ""])),
    attempts: String(row.attempts),
    failed_attempts: String(row.failedAttempts),
    orphaned_attempts: String(row.orphanedAttempts),
    unpriced_attempts: String(row.unpricedAttempts),
    ...Object.fromEntries(meters.map(({ name, number }) => [name.slice("METER_".length).toLowerCase(), String(row.quantities.find(({ meter }) => meter === number)?.quantity ?? 0n)])),
    cost_usd: dollars(row.costNanos),
    charge_usd: dollars(row.chargeNanos),
  };
};

/**
 * The columns of FOCUS 1.2 (https://focus.finops.org/focus-specification/v1-2/): all mandatory ones, the conditional ones that Weir
 * can fill, and its own with the prefix `x_` that the specification reserves for them. Weir is the provider, who charges
 * organizations; the vendor is the publisher. The list cost is what the vendor bills.
 */
export const focusRecord: RecordFormat = (row, labels, nameOf) => {
  const { day, organization, team, key, vendor, model, route, tags } = readGroup(row, labels);
  const charge = dollars(row.chargeNanos);
  return {
    BilledCost: charge,
    BillingAccountId: organization,
    BillingAccountName: nameOf(organization),
    BillingAccountType: "Organization",
    BillingCurrency: "USD",
    BillingPeriodEnd: monthAfter(day, 1),
    BillingPeriodStart: monthAfter(day, 0),
    ChargeCategory: "Usage",
    ChargeClass: "",
    ChargeDescription: `${row.attempts} calls of ${model}`,
    ChargeFrequency: "Usage-Based",
    ChargePeriodEnd: momentOf(Date.parse(day) + dayMs),
    ChargePeriodStart: momentOf(Date.parse(day)),
    ...consumption(row),
    ContractedCost: charge,
    EffectiveCost: charge,
    InvoiceIssuerName: "Weir",
    ListCost: dollars(row.costNanos),
    PricingQuantity: String(row.attempts),
    PricingUnit: "Requests",
    ProviderName: "Weir",
    PublisherName: vendor,
    ResourceId: key,
    ResourceName: nameOf(key),
    ResourceType: "Key",
    ServiceCategory: "AI and Machine Learning",
    ServiceName: model,
    ServiceSubcategory: "Generative AI",
    SubAccountId: team,
    SubAccountName: nameOf(team),
    SubAccountType: "Team",
    Tags: JSON.stringify(tags),
    x_Route: route,
    x_UnpricedAttempts: String(row.unpricedAttempts),
  };
};

/** Tokens of all kinds, which never hold each other; of calls that are measured otherwise, the calls. */
function consumption({ attempts, quantities }: UsageRow): { ConsumedQuantity: string; ConsumedUnit: string } {
  const tokens = quantities.reduce((sum, { meter, quantity }) => (tokenMeters.has(meter) ? sum + quantity : sum), 0n);
  return tokens > 0n ? { ConsumedQuantity: String(tokens), ConsumedUnit: "Tokens" } : { ConsumedQuantity: String(attempts), ConsumedUnit: "Requests" };
}

const tokenMeters: ReadonlySet<number> = new Set(meters.filter(({ name }) => name.endsWith("_TOKENS")).map(({ number }) => number));

const dayMs = 86_400_000;

/** Whose calls the row counts, by their ids. */
export function subjectsOf(row: UsageRow): readonly string[] {
  const { organization, team, key } = readGroup(row, []);
  return [organization, team, key];
}

function readGroup({ group }: UsageRow, labels: readonly string[]) {
  const [day = "", organization = "", team = "", key = "", vendor = "", model = "", route = "", ...values] = group;
  const tags: Readonly<Record<string, string>> = Object.fromEntries(labels.flatMap((name, index) => (values[index] === "" ? [] : [[name, values[index]!]])));
  return { day, organization, team, key, vendor, model, route, tags };
}

/** When the month of a day begins, or one after it. */
function monthAfter(day: string, months: number): string {
  return momentOf(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)) - 1 + months));
}

/** As FOCUS wants it (its DateTimeFormat): `YYYY-MM-DDTHH:mm:ssZ`, without fractions of a second. */
function momentOf(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, "YYYY-MM-DDTHH:mm:ss".length)}Z`;
}
