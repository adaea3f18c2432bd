import './styles.ts';
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createQueries } from './api.ts';
import { startKeys } from './keys/keys.ts';
import { shownScheme, startPreferences, useShownScheme } from './preferences.ts';
import { createPages } from './router.tsx';
import { Toasts } from './ui/toasts.tsx';

startPreferences();
startKeys();

const queries = createQueries(() => {
  const { pathname, href } = pages.state.location;
  if (pathname !== '/login') void pages.navigate({ to: '/login', search: { next: href } });
});
const pages = createPages(queries);

function App() {
  useShownScheme();
  return (
    // No variables and no classes from the library at run time: both would be style elements, which the content security policy forbids.
    <MantineProvider withCssVariables={false} withGlobalClasses={false} forceColorScheme={shownScheme()}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={pages} />
        <Toasts />
      </QueryClientProvider>
    </MantineProvider>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('cannot start: the page has no element #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
