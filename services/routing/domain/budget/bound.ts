/** Owns what an attempt can consume at most, what that costs, and the output maximum by which it costs no more than an amount. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";

/** Units that a vendor can report under any of these meters, all together. */
export interface BoundedQuantity {
  readonly meters: readonly Meter[];
  /** The most of them; undefined where nothing bounds it. */
  readonly quantity: bigint | undefined;
  /** True where a model without a price for it has no price at all; what else has no price costs nothing. */
  readonly needsPrice?: boolean;
}

/** What is generated: its maximum is written into the request, so that the vendor keeps to it. */
export interface BoundedOutput {
  readonly meters: readonly Meter[];
  readonly candidates: bigint;
  /** Of each candidate; undefined where neither the request nor the model says one. */
  readonly maximumTokens: bigint | undefined;
  /** What a lower maximum may not fall below. */
  readonly leastTokens: bigint;
}

export interface Bound {
  readonly quantities: readonly BoundedQuantity[];
  /** Absent for what is not generated token by token. */
  readonly output?: BoundedOutput;
  /** The service tier that was asked for, where it can cost more than what nobody asks for. */
  readonly dearerTier?: string;
  /** What would give it a bound where it has none. */
  readonly advice: string;
}

/** What several can consume together: what they generate is bounded by what each of them says, and by nothing that could be lowered. */
export class BoundSum {
  readonly #quantities = new Map<string, BoundedQuantity>();
  #advice = "";

  add({ quantities, output, advice }: Bound): void {
    for (const quantity of quantities) this.#add(quantity);
    if (output !== undefined) this.#add({ meters: output.meters, quantity: totalOutput(output), needsPrice: true });
    this.#advice = advice;
  }

  get total(): Bound {
    return { quantities: [...this.#quantities.values()], advice: this.#advice };
  }

  #add(added: BoundedQuantity): void {
    const key = added.meters.join();
    const sum = this.#quantities.get(key);
    if (sum === undefined) this.#quantities.set(key, added);
    else this.#quantities.set(key, { ...sum, quantity: sum.quantity === undefined || added.quantity === undefined ? undefined : sum.quantity + added.quantity });
  }
}

/** The dearest prices that can hold for a call to one model now. */
export interface BoundRates {
  /** Nano-dollars for a million units of each meter. */
  readonly rates: ReadonlyMap<Meter, bigint>;
  /** The service tiers that they are for; undefined means every one. */
  readonly serviceTiers: ReadonlySet<string> | undefined;
  /** What the organization is charged of the vendor's price, in millionths. */
  readonly factorMillionths: bigint;
}

/** A bound at its price. */
export interface PricedBound {
  /** Rounded up to nano-dollars; never below what metering charges for a usage within the bound. */
  readonly nanos: bigint;
  /** The output maximum that it is for; undefined where nothing is generated. */
  readonly outputTokens: bigint | undefined;
}

/** In millionths of millionths of a nano-dollar: a rate is for a million units, and the organization's factor in millionths. */
type ExactCost = bigint;

const costPerNano = 1_000_000n * 1_000_000n;

/** $100,000: no call costs as much, and sums of what thousands of calls could cost stay within 64 bits. */
export const mostNanos = 100_000_000_000_000n;

/** Throws UNPRICED_MODEL where the model has no price, UNBOUNDED_COST where something of it has a price and no bound, or one that no call comes to. */
export function priceBound(bound: Bound, rates: BoundRates, target: string): PricedBound {
  requirePrice(bound, rates, target);
  const { output } = bound;
  const outputTokens = output?.maximumTokens;
  const cost = costWithoutOutput(bound, rates, target) + (output === undefined ? 0n : costOf({ ...output, quantity: totalOutput(output) }, bound, rates, target));
  const nanos = roundUp(cost);
  if (nanos > mostNanos) throw new GatewayError("UNBOUNDED_COST", `This request could cost more than $100,000 at ${target}, and a budget applies to this key. Ask for fewer tokens or pieces.`, { metadata: { model: target } });
  return { nanos, outputTokens };
}

/**
 * The same with the largest output maximum that costs no more than the amount; undefined where even the least that makes sense
 * costs more. Give it a bound that `priceBound` took.
 */
export function clampBound(bound: Bound, rates: BoundRates, amountNanos: bigint, target: string): PricedBound | undefined {
  const { output } = bound;
  if (output?.maximumTokens === undefined) return undefined;
  const rest = amountNanos * costPerNano - costWithoutOutput(bound, rates, target);
  const costPerToken = output.candidates * weightOf(output.meters, rates);
  const affordable = costPerToken === 0n ? output.maximumTokens : rest / costPerToken;
  const outputTokens = affordable < output.maximumTokens ? affordable : output.maximumTokens;
  if (rest < 0n || outputTokens < leastOf(output)) return undefined;
  return { nanos: priceBound({ ...bound, output: { ...output, maximumTokens: outputTokens } }, rates, target).nanos, outputTokens };
}

/** What the least that makes sense costs: no lease below it is of use. */
export function priceLeast(bound: Bound, rates: BoundRates, target: string): bigint {
  const { output } = bound;
  const least = output === undefined ? bound : { ...bound, output: { ...output, maximumTokens: leastOf(output) } };
  return priceBound(least, rates, target).nanos;
}

/** What a usage costs at these rates, at least what metering charges for it; undefined where a part of it has none. */
export function priceUsage({ quantities }: Pick<Usage, "quantities">, rates: BoundRates): bigint | undefined {
  let cost = 0n;
  for (const { meter, quantity } of quantities) {
    if (quantity > 0n && !rates.rates.has(meter)) return undefined;
    cost += quantity * weightOf([meter], rates);
  }
  // A fee for each call falls due also where the vendor does not count calls; none for a call of which there is nothing to pay.
  const isCounted = quantities.some(({ meter }) => meter === Meter.REQUESTS);
  const isNothing = quantities.every(({ quantity }) => quantity === 0n);
  return roundUp(cost + (isCounted || isNothing ? 0n : weightOf([Meter.REQUESTS], rates)));
}

function requirePrice({ quantities, output, dearerTier }: Bound, rates: BoundRates, target: string): void {
  if (dearerTier !== undefined && rates.serviceTiers?.has(dearerTier) === false) {
    throw new GatewayError("UNPRICED_MODEL", `${target} has no price for the service tier "${dearerTier}", and a budget applies to this key, so that it cannot be asked for. State its price under \`prices\` in weir.yaml, or leave the tier out.`, { metadata: { model: target, service_tier: dearerTier } });
  }
  const hasRate = ({ meters }: Pick<BoundedQuantity, "meters">): boolean => meters.some((meter) => rates.rates.has(meter));
  const isFree = quantities.length === 0 && output === undefined;
  const needed = [...quantities.filter(({ needsPrice }) => needsPrice === true), ...(output === undefined ? [] : [output])];
  if (isFree || (needed.every(hasRate) && (quantities.some(hasRate) || output !== undefined))) return;
  throw new GatewayError("UNPRICED_MODEL", `${target} has no price, and a budget applies to this key, so that it cannot be called. State its price under \`prices\` in weir.yaml, or name another model.`, { metadata: { model: target } });
}

/** With the fee for the call, and the organization's mark-up. */
function costWithoutOutput(bound: Bound, rates: BoundRates, target: string): ExactCost {
  const fee = bound.quantities.length === 0 ? 0n : weightOf([Meter.REQUESTS], rates);
  return bound.quantities.reduce((sum, quantity) => sum + costOf(quantity, bound, rates, target), fee);
}

function costOf({ meters, quantity }: BoundedQuantity, { advice }: Bound, rates: BoundRates, target: string): ExactCost {
  const weight = weightOf(meters, rates);
  if (weight === 0n) return 0n;
  if (quantity !== undefined) return quantity * weight;
  throw new GatewayError("UNBOUNDED_COST", `What this request costs at ${target} has no bound, and a budget applies to this key. ${advice}`, { metadata: { model: target } });
}

/** What one unit costs of the dearest of the meters. */
function weightOf(meters: readonly Meter[], { rates, factorMillionths }: BoundRates): ExactCost {
  let dearest = 0n;
  for (const meter of meters) {
    const rate = rates.get(meter) ?? 0n;
    if (rate > dearest) dearest = rate;
  }
  return dearest * factorMillionths;
}

function totalOutput({ candidates, maximumTokens }: BoundedOutput): bigint | undefined {
  return maximumTokens === undefined ? undefined : candidates * maximumTokens;
}

function leastOf({ leastTokens, maximumTokens }: BoundedOutput): bigint {
  return maximumTokens !== undefined && maximumTokens < leastTokens ? maximumTokens : leastTokens;
}

function roundUp(cost: ExactCost): bigint {
  return (cost + costPerNano - 1n) / costPerNano;
}
