/** Owns how PostgreSQL's values become JavaScript's: for Weir's pools alone, the driver's global table stays as it is. */
import pg from "pg";

type Parser = (value: string) => unknown;

const parserOf = pg.types.getTypeParser as (typeId: number, format?: "text" | "binary") => Parser;

// The driver's list of type ids has no arrays.
const int8ArrayType = 1016;

// The driver would give int8 as text, and a date as midnight in the time zone of this machine.
const ownParsers: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [pg.types.builtins.INT8, BigInt],
  [int8ArrayType, (value) => (parserOf(int8ArrayType)(value) as (string | null)[]).map((item) => (item === null ? null : BigInt(item)))],
  [pg.types.builtins.DATE, String],
]);

/** The parser for a type, to be given to a pool; values in the binary format, which Weir never asks for, are the driver's. */
export function getTypeParser(typeId: number, format?: "text" | "binary"): Parser {
  return (format === "binary" ? undefined : ownParsers.get(typeId)) ?? parserOf(typeId, format);
}
