/** Owns lists that come page by page: a table of what is here, a button for more, and what to say where there is nothing. */
import type { ReactNode } from "react";
import { DataTable, type DataTableProps } from "./data-table.tsx";
import { Loaded, type LoadedQuery } from "./states.tsx";

interface PagedQuery<Page> extends LoadedQuery<{ readonly pages: readonly Page[] }> {
  readonly hasNextPage: boolean;
  readonly isFetchingNextPage: boolean;
  readonly fetchNextPage: () => Promise<unknown>;
}

interface PagedTableProps<Page, Row> extends Omit<DataTableProps<Row>, "rows"> {
  readonly query: PagedQuery<Page>;
  /** Completes «Your role may not …». */
  readonly deed: string;
  readonly rowsOf: (page: Page) => readonly Row[];
  readonly empty: ReactNode;
}

/** How every list of Weir is asked for its pages. */
export const byPage = {
  pageParamKey: "pageToken" as const,
  getNextPageParam: ({ nextPageToken }: { readonly nextPageToken: string }) => nextPageToken || undefined,
};

export function PagedTable<Page, Row>({ query, deed, rowsOf, empty, ...table }: PagedTableProps<Page, Row>): ReactNode {
  return (
    <Loaded query={query} deed={deed}>
      {({ pages }) => {
        const rows = pages.flatMap(rowsOf);
        if (rows.length === 0 && !query.hasNextPage) return empty;
        return (
          <>
            <DataTable {...table} rows={rows} />
            {query.hasNextPage && <button type="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>Show more</button>}
          </>
        );
      }}
    </Loaded>
  );
}
