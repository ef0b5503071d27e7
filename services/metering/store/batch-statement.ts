/** Owns statements over many rows: one array parameter per column, so that a batch of any size is one prepared statement. */

/** How a row's property becomes a column. */
export interface Column<Row> {
  readonly name: string;
  /** The SQL type of the column. */
  readonly type: string;
  /** The type that the value is sent as, where the column's own cannot be an element of an array (arrays). */
  readonly sentAs?: string;
  readonly value: (row: Row) => Value;
}

type Value = string | number | bigint | boolean | null;

/** `unnest($1::text[], …)` as a relation named `batch` whose columns have their names and types. */
export function batchRelation<Row>(columns: readonly Column<Row>[]): string {
  const parameters = columns.map(({ type, sentAs }, index) => `$${index + 1}::${sentAs ?? type}[]`);
  const names = columns.map(({ name }) => name);
  const selected = columns.map(({ name, type, sentAs }) => (sentAs === undefined ? name : `${name}::${type} as ${name}`));
  return `(select ${selected.join(", ")} from unnest(${parameters.join(", ")}) as sent (${names.join(", ")})) as batch`;
}

/** The parameters for `batchRelation`: arrays as PostgreSQL writes them, several times faster than the driver makes them. */
export function batchParameters<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  return columns.map(({ value }) => {
    let last: Value | undefined;
    let text = "";
    // Most rows have most values of the row before.
    const elements = rows.map((row) => {
      const next = value(row);
      if (next !== last) text = elementText(next);
      last = next;
      return text;
    });
    return `{${elements.join(",")}}`;
  });
}

export function columnNames<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(({ name }) => name).join(", ");
}

/** A PostgreSQL array of numbers, as text. */
export function listText(numbers: readonly (bigint | number)[]): string {
  return `{${numbers.join(",")}}`;
}

function elementText(value: Value): string {
  if (value === null) return "null";
  if (typeof value !== "string") return value.toString();
  return `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, "\\$&") : value}"`;
}
