/** A state as icon, word and colour: never colour alone. */
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconBan,
  IconCheck,
  IconCircle,
  IconCircleDashed,
  IconClock,
  IconEyeOff,
  IconHandStop,
  IconLoader,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconRotateClockwise2,
  IconUnlink,
  IconX,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';
import styles from './state-badge.module.css';

export type Tone = 'good' | 'busy' | 'wait' | 'warn' | 'retry' | 'bad' | 'hold';

interface Look {
  readonly tone: Tone;
  readonly icon: ComponentType<{ size?: number; stroke?: number; 'aria-hidden'?: boolean }>;
}

/** Every state word of the product; the same word looks the same wherever it stands. */
const looks: Readonly<Record<string, Look>> = {
  accepted: { tone: 'wait', icon: IconCircle },
  pending: { tone: 'wait', icon: IconCircleDashed },
  queued: { tone: 'wait', icon: IconClock },
  planning: { tone: 'busy', icon: IconLoader },
  running: { tone: 'busy', icon: IconPlayerPlay },
  finishing: { tone: 'busy', icon: IconLoader },
  retrying: { tone: 'retry', icon: IconRefresh },
  paused: { tone: 'hold', icon: IconPlayerPause },
  draining: { tone: 'hold', icon: IconPlayerPause },
  committed: { tone: 'good', icon: IconCheck },
  completed: { tone: 'good', icon: IconCheck },
  finished: { tone: 'good', icon: IconCheck },
  resolved: { tone: 'good', icon: IconCheck },
  done: { tone: 'good', icon: IconCheck },
  refused: { tone: 'warn', icon: IconBan },
  ok: { tone: 'good', icon: IconCheck },
  failed: { tone: 'bad', icon: IconX },
  dead: { tone: 'bad', icon: IconX },
  failedAgain: { tone: 'bad', icon: IconX },
  regressed: { tone: 'bad', icon: IconArrowBackUp },
  lost: { tone: 'retry', icon: IconUnlink },
  stalled: { tone: 'retry', icon: IconUnlink },
  open: { tone: 'warn', icon: IconAlertTriangle },
  warning: { tone: 'warn', icon: IconAlertTriangle },
  replaying: { tone: 'busy', icon: IconRotateClockwise2 },
  replayed: { tone: 'good', icon: IconCheck },
  redriving: { tone: 'busy', icon: IconRotateClockwise2 },
  requeued: { tone: 'busy', icon: IconRotateClockwise2 },
  waived: { tone: 'wait', icon: IconHandStop },
  ignored: { tone: 'wait', icon: IconEyeOff },
  cancelled: { tone: 'wait', icon: IconBan },
  aborted: { tone: 'wait', icon: IconBan },
  skipped: { tone: 'wait', icon: IconBan },
  superseded: { tone: 'wait', icon: IconArrowBackUp },
  released: { tone: 'wait', icon: IconArrowBackUp },
};
const unknown: Look = { tone: 'wait', icon: IconCircle };

export const toneOf = (state: string): Tone => (looks[state] ?? unknown).tone;

interface StateBadgeProps {
  readonly state: string;
  /** Word to show where it differs from the state, such as `failed again`. */
  readonly word?: string;
  readonly large?: boolean;
}

export function StateBadge({ state, word = state, large = false }: StateBadgeProps) {
  const { tone, icon: Icon } = looks[state] ?? unknown;
  return (
    <span className={styles.badge} data-tone={tone} data-large={large || undefined}>
      <Icon size={large ? 16 : 13} stroke={2.2} aria-hidden />
      {word}
    </span>
  );
}
