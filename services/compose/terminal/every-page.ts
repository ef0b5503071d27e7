/** Owns walking the pages of a list. */

const pageSize = 1_000;

/** The entries of a list, page after page; at most so many, where a number is given. */
export async function everyPage<Page extends { readonly nextPageToken: string }, Entry>(ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page>, entriesOf: (page: Page) => readonly Entry[], most = Infinity): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let pageToken = ""; ; ) {
    const page = await ask({ pageSize: Math.min(most - entries.length, pageSize), pageToken });
    entries.push(...entriesOf(page));
    pageToken = page.nextPageToken;
    if (pageToken === "" || entries.length >= most) return entries;
  }
}
