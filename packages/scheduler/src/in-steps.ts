/** A few at a time, the answers in order: a job may have very many of anything. */
const atOnce = 16;

export async function inSteps<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += atOnce) results.push(...(await Promise.all(items.slice(at, at + atOnce).map(act))));
  return results;
}
