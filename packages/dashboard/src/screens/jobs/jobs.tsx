/** All jobs. */
import { Page } from '../../ui/page.tsx';

export function JobsScreen() {
  return <Page title="Jobs">…</Page>;
}
