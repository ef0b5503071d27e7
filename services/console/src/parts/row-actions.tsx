/** Owns the last column of a table: what can be done with a row. */
import type { Column } from "./data-table.tsx";

export interface RowAction<Row> {
  /** What the button says: `Revoke`. */
  readonly title: string;
  readonly run: (row: Row) => void;
  /** Absent where it can be done with every row. */
  readonly isOffered?: (row: Row) => boolean;
}

/** `nameOf` tells the buttons of one row from those of another, for who hears them read. */
export function actionsColumn<Row>(nameOf: (row: Row) => string, actions: readonly RowAction<Row>[]): Column<Row> {
  return {
    title: "",
    cell: (row) => actions.filter(({ isOffered }) => isOffered?.(row) ?? true).map(({ title, run }) => (
      <button key={title} type="button" className="plain" aria-label={`${title} ${nameOf(row)}`} onClick={() => run(row)}>{title}</button>
    )),
  };
}
