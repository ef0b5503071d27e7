/** Owns tables: dense rows, sorted by the column whose heading is pressed. */
import { useState, type ReactNode } from "react";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** What it is sorted by; absent where it is not. */
  readonly order?: (row: Row) => bigint | number | string;
  readonly isNumber?: boolean;
  /** Long texts take several lines; all else stands in one. */
  readonly isLong?: boolean;
  readonly total?: ReactNode;
}

export interface DataTableProps<Row> {
  /** What the table is, for who hears it read. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
}

interface Sorting {
  readonly title: string;
  readonly isDescending: boolean;
}

export function DataTable<Row>({ caption, columns, rows, keyOf }: DataTableProps<Row>): ReactNode {
  const [sorting, setSorting] = useState<Sorting>();
  const hasTotals = columns.some(({ total }) => total !== undefined);
  return (
    // Wide tables are scrolled on their own, by keyboard, too.
    <section className="table" tabIndex={0} aria-label={caption}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => <Heading key={column.title} column={column} sorting={sorting} onSort={setSorting} />)}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, columns, sorting).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, cell, isNumber, isLong }) => <td key={title} className={isNumber ? "number" : isLong ? "long" : undefined}>{cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
        {hasTotals && (
          <tfoot>
            <tr>
              {columns.map(({ title, total, isNumber }) => <td key={title} className={isNumber ? "number" : undefined}>{total}</td>)}
            </tr>
          </tfoot>
        )}
      </table>
    </section>
  );
}

interface HeadingProps<Row> {
  readonly column: Column<Row>;
  readonly sorting: Sorting | undefined;
  readonly onSort: (sorting: Sorting) => void;
}

function Heading<Row>({ column: { title, order, isNumber = false }, sorting, onSort }: HeadingProps<Row>): ReactNode {
  if (order === undefined) return <th scope="col" className={isNumber ? "number" : undefined}>{title}</th>;
  const isSorted = sorting?.title === title;
  // Of numbers, the largest first is what is looked for.
  const isDescending = isSorted ? !sorting.isDescending : isNumber;
  return (
    <th scope="col" className={isNumber ? "number" : undefined} aria-sort={isSorted ? (sorting.isDescending ? "descending" : "ascending") : "none"}>
      <button type="button" className="sort" onClick={() => onSort({ title, isDescending })}>
        {title}
        <span aria-hidden="true">{isSorted ? (sorting.isDescending ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}

function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sorting: Sorting | undefined): readonly Row[] {
  const order = columns.find(({ title }) => title === sorting?.title)?.order;
  if (order === undefined) return rows;
  const sign = sorting?.isDescending ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [first, second] = [order(left), order(right)];
    return sign * (first < second ? -1 : first > second ? 1 : 0);
  });
}
