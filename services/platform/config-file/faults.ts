/** Owns faults of a configuration that its contract cannot see: each told with the field of the file that has it. */
import { GatewayError } from "../errors.ts";
import { fieldPath } from "./field-path.ts";

export interface Fault {
  readonly field: string;
  readonly description: string;
}

/** Throws INVALID_REQUEST where there are any. */
export function refuseFaults(faults: readonly Fault[]): void {
  if (faults.length > 0) throw faulty(faults);
}

/** Throws INVALID_REQUEST for this one. */
export function refuseField(field: string, description: string): never {
  throw faulty([{ field, description }]);
}

function faulty(faults: readonly Fault[]): GatewayError {
  return new GatewayError("INVALID_REQUEST", faults.map(({ field, description }) => `${field}: ${description}`).join("\n"), { fieldViolations: faults });
}

/** What `read` makes of the part of the file at `field`; what it refuses there is refused with its place in the file. */
export function inField<Part>(field: string, read: () => Part): Part {
  try {
    return read();
  } catch (error) {
    if (error instanceof GatewayError && error.reason === "INVALID_REQUEST") refuseFaults(faultsWithin(field, error));
    throw error;
  }
}

/** Refuses, at its second place in the list, what has the name of another one. */
export function refuseRepeated(list: string, names: readonly string[], describe: (name: string) => string): void {
  refuseFaults(names.flatMap((name, index) => (names.indexOf(name) < index ? [{ field: `${list}[${index}].name`, description: describe(name) }] : [])));
}

function faultsWithin(field: string, { message, fieldViolations }: GatewayError): readonly Fault[] {
  if (fieldViolations.length === 0) return [{ field, description: message }];
  return fieldViolations.map((violation) => ({ field: fieldPath(field, violation.field), description: violation.description }));
}
