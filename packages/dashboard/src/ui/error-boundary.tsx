/** A screen that fails to draw says so and leaves the rest of the page working. */
import type { ErrorComponentProps } from '@tanstack/react-router';
import { Button } from './button.tsx';
import { Page } from './page.tsx';
import { ProblemNote } from './problem.tsx';

export function ScreenFailed({ error, reset }: ErrorComponentProps) {
  // After an update of the server the files of the old pages are gone: only loading the page anew helps.
  const isOutdated = /dynamically imported module|Importing a module script failed|Unable to preload/.test(error instanceof Error ? error.message : '');
  return (
    <Page title="This page failed">
      {isOutdated ? (
        <div role="alert">
          <p>The server has a newer version of these pages.</p>
          <Button tone="accent" onClick={() => window.location.reload()}>
            Load it
          </Button>
        </div>
      ) : (
        <ProblemNote error={error} doing="show this page" onRetry={reset} />
      )}
    </Page>
  );
}

export function ScreenMissing() {
  return (
    <Page title="No such page">
      <p>
        Nothing stands at this address. The navigation and the palette (⌘K or Ctrl K) lead to everything there is; <a href="/">the overview</a> is a good start.
      </p>
    </Page>
  );
}
