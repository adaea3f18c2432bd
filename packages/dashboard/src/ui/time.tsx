/** Instants: relative where they are read, absolute on hover and for machines, in the zone of the switch in the header. */
import { useSearch } from '@tanstack/react-router';
import { nowMs, useNow } from '../clock.ts';
import { coarse, formatAge, formatCountdown, formatInstant, formatInstantInFull, type Zone } from '../format/times.ts';

/** UTC unless the address says `tz=local`. */
export function useZone(): Zone {
  return useSearch({ strict: false, select: (search) => ((search as { tz?: string }).tz === 'local' ? 'local' : 'utc') });
}

interface TimeProps {
  /** RFC 3339. Null: not yet. */
  readonly at: string | null | undefined;
  /** Show the instant rather than its age. */
  readonly absolute?: boolean;
}

export function Time({ at, absolute = false }: TimeProps) {
  const zone = useZone();
  const atMs = at == null ? Number.NaN : Date.parse(at);
  if (Number.isNaN(atMs)) return <span>–</span>;
  return (
    <time dateTime={at ?? ''} title={formatInstantInFull(atMs, zone)}>
      {absolute ? formatInstant(atMs, zone, nowMs()) : <Age atMs={atMs} />}
    </time>
  );
}

function Age({ atMs }: { readonly atMs: number }) {
  const now = useNow();
  return formatAge(atMs, now);
}

/** How long something has been so: `3 h`. */
export function Since({ at }: { readonly at: string | null | undefined }) {
  const now = useNow();
  const zone = useZone();
  const atMs = at == null ? Number.NaN : Date.parse(at);
  if (Number.isNaN(atMs)) return <span>–</span>;
  return (
    <time dateTime={at ?? ''} title={formatInstantInFull(atMs, zone)}>
      {coarse(Math.max(0, now - atMs))}
    </time>
  );
}

/** `00:42` until then. */
export function Countdown({ until }: { readonly until: string }) {
  const now = useNow();
  return <span title={until}>{formatCountdown(Date.parse(until) - now)}</span>;
}
