/** The first step of a redrive: freezes what would be done and shows the plan; nothing is done yet. */
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
}

interface FreezeButtonProps {
  readonly body: FreezeBody;
  readonly children: ReactNode;
  readonly quiet?: boolean;
  readonly small?: boolean;
}

export function FreezeButton({ body, children, quiet = false, small = false }: FreezeButtonProps) {
  const navigate = useNavigate();
  const act = useAct({
    call: (input: FreezeBody, actKey) => api.call('POST /redrives/plans', { body: input }, { idempotencyKey: actKey }),
    onDone: ({ planId }) => void navigate({ to: '/redrives/new' as string, search: { plan: planId } as never }),
  });
  return (
    <Button tone={quiet ? 'plain' : 'accent'} small={small} busy={act.isPending} onClick={() => act.mutate(body)} title="Counts first; nothing is done yet">
      {children} …
    </Button>
  );
}
