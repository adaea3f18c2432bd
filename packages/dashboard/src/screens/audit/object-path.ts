/** Where the object of an audit record is shown; null where it has no page. Pure. */
export function objectPath(object: string): string | null {
  const colon = object.indexOf(':');
  const [kind, id] = [object.slice(0, colon), object.slice(colon + 1)];
  if (colon < 0 || id === '' || id === '-') return null;
  switch (kind) {
    case 'job':
    case 'bytes':
    case 'record':
      return /^j[0-9a-hjkmnp-tv-z]{26}$/.test(id) ? `/jobs/${id}` : null;
    case 'reject':
      return `/rejects/${encodeURIComponent(id)}`;
    case 'operation':
      return /^o[0-9a-hjkmnp-tv-z]{26}$/.test(id) ? `/operations/${id}` : null;
    case 'schedule':
      return '/schedules';
    case 'queue':
      return '/queues';
    default:
      return null;
  }
}
