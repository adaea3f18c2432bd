/** What a group of handlers remembers between requests: made once for each server, gone with it. */
import type { Api } from '../api.ts';

export function perApi<T>(make: (api: Api) => T): (api: Api) => T {
  const made = new WeakMap<Api, T>();
  return (api) => {
    const known = made.get(api);
    if (known !== undefined) return known;
    const fresh = make(api);
    made.set(api, fresh);
    return fresh;
  };
}
