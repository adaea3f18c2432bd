/** One reject on a page of its own, to be linked to. */
import { useNavigate, useParams } from '@tanstack/react-router';
import { visibleText } from '../../format/texts.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Page } from '../../ui/page.tsx';
import { useJob } from '../job/queries.ts';
import { RejectPeek } from './reject-peek.tsx';
import styles from './rejects.module.css';

export function RejectScreen() {
  const { reject } = useParams({ from: '/app/rejects/$reject' });
  const navigate = useNavigate();
  const jobId = reject.slice(0, reject.indexOf('.'));
  const { data } = useJob(jobId);
  const name = data === undefined ? 'Job' : visibleText(data.name);
  const short = reject.slice(jobId.length + 1);
  return (
    <Page
      title={`Reject ${short} · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> <Go to={pathOf.jobRejects(jobId)}>rejects</Go>{' '}
          <span className={styles.slash}>/</span> {visibleText(short)}
        </>
      }
    >
      <div className={styles.alone} data-dims>
        <RejectPeek
          rejectId={reject}
          onShow={(rejectId) => void navigate({ to: '/rejects/$reject', params: { reject: rejectId }, replace: true, resetScroll: false })}
        />
      </div>
    </Page>
  );
}
