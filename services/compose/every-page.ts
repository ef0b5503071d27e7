/** Owns walking the pages of a list. */

const pageSize = 1_000;

/** All entries of a list, page after page. */
export async function everyPage<Page extends { readonly nextPageToken: string }, Entry>(ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page>, entriesOf: (page: Page) => readonly Entry[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let pageToken = ""; ; ) {
    const page = await ask({ pageSize, pageToken });
    entries.push(...entriesOf(page));
    pageToken = page.nextPageToken;
    if (pageToken === "") return entries;
  }
}
