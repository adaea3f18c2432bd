/** One reject on a page of its own, which can be sent to somebody. */
import { useParams } from '@tanstack/react-router';
import { Go, pathOf } from '../../ui/go.tsx';
import { Page, Panel } from '../../ui/page.tsx';
import { RejectPeek } from './reject-peek.tsx';

export function RejectScreen() {
  const { reject } = useParams({ from: '/app/rejects/$reject' });
  const jobId = reject.split('.', 1)[0] ?? '';
  return (
    <Page title="Reject" heading="Reject" lead={<Go to={pathOf.jobRejects(jobId)}>all rejects of its job</Go>}>
      <Panel title="The record">
        <RejectPeek key={reject} rejectId={reject} />
      </Panel>
    </Page>
  );
}
