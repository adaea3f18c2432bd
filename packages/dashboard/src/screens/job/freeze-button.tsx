/** The first step of a redrive, a replay or a waiver: freezes what would be done and shows the plan; nothing is done yet. */
import type { PlanTarget } from '@millrace/api-contract';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api } from '../../api.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';

export interface FreezeBody {
  readonly target: PlanTarget;
  readonly filter?: string;
  readonly ids?: string[];
  readonly fingerprint?: string;
  /** The job that rejects are of. */
  readonly jobId?: string;
  /** Corrections of rejects that were uploaded. */
  readonly correctionId?: string;
  /** Place in the spec → value that a redrive runs with. */
  readonly overrides?: Record<string, unknown>;
}

/** Dead letters whose work is accepted as missing. */
export interface WaiveBody {
  readonly target: 'waiveDeadLetters';
  readonly filter?: string;
  readonly ids?: string[];
  readonly fingerprint?: string;
}

export type Freeze = FreezeBody | WaiveBody;

function planOf(body: Freeze, actKey: string) {
  const options = { idempotencyKey: actKey };
  if (body.target === 'waiveDeadLetters') return api.call('POST /waivers/plans', { body: { ...body, target: 'deadLetters' } }, options);
  return api.call('POST /redrives/plans', { body }, options);
}

interface FreezeOptions {
  /** The caller shows what was refused. */
  readonly showsFailure?: boolean;
  readonly onFrozen?: () => void;
}

/** Freezes, and leads to the plan. */
export function useFreeze({ showsFailure = false, onFrozen }: FreezeOptions = {}) {
  const navigate = useNavigate();
  return useAct({
    call: planOf,
    showsFailure,
    onDone: ({ planId }) => {
      onFrozen?.();
      void navigate({ to: '/redrives/new' as string, search: { plan: planId } as never });
    },
  });
}

interface FreezeButtonProps {
  readonly body: Freeze;
  readonly children: ReactNode;
  readonly quiet?: boolean;
  readonly small?: boolean;
}

export function FreezeButton({ body, children, quiet = false, small = false }: FreezeButtonProps) {
  const act = useFreeze();
  return (
    <Button tone={quiet ? 'plain' : 'accent'} small={small} busy={act.isPending} onClick={() => act.mutate(body)} title="Counts first; nothing is done yet">
      {children} …
    </Button>
  );
}
