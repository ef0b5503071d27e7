/** Owns the button behind a list of which only the first pages are here. */
import type { ReactNode } from "react";

interface MoreProps {
  readonly query: { readonly hasNextPage: boolean; readonly isFetchingNextPage: boolean; readonly fetchNextPage: () => Promise<unknown> };
}

export function More({ query: { hasNextPage, isFetchingNextPage, fetchNextPage } }: MoreProps): ReactNode {
  return hasNextPage ? <button type="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>Show more</button> : null;
}
