/**
 * Sign-in: by user and password, or by the one-time link that the first start prints, which sets both. The secret of the link stands in the fragment,
 * which is never sent, and leaves the address as soon as it is read.
 */
import { IconRipple } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { type SubmitEvent, useEffect, useState } from 'react';
import { api } from '../../api.ts';
import { meQuery } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import styles from './login.module.css';

const leastPasswordLength = 12;

function takeLink(): string | null {
  const secret = new URLSearchParams(window.location.hash.slice(1)).get('link');
  return secret === null || secret === '' ? null : secret;
}

/** Only an address of these pages: never one that leads to another host. */
export function localAddress(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') ? next : '/';
}

export function LoginScreen() {
  const { next } = useSearch({ from: '/login' });
  const router = useRouter();
  const queries = useQueryClient();
  const [link] = useState(takeLink);
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    document.title = 'Sign in · Millrace';
    if (link !== null) window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
  }, [link]);

  const signIn = async (event: SubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const user = String(form.get('user') ?? '');
    const password = String(form.get('password') ?? '');
    setBusy(true);
    setFailure(null);
    try {
      const identity = await api.call('POST /sessions', { body: link === null ? { user, password } : { user, password, link } });
      queries.clear();
      queries.setQueryData(meQuery.queryKey, identity);
      await router.navigate({ href: localAddress(next), replace: true });
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };

  return (
    <main className={styles.screen}>
      <form className={styles.card} onSubmit={(event) => void signIn(event)}>
        <p className={styles.brand}>
          <IconRipple size={22} stroke={1.8} aria-hidden /> Millrace
        </p>
        <h1>{link === null ? 'Sign in' : 'Welcome: make the first account'}</h1>
        {link !== null && <p className={styles.lead}>This one-time link makes you the administrator of this installation. Choose a name and a password.</p>}
        <TextField label="User" name="user" autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete={link === null ? 'current-password' : 'new-password'}
          required
          {...(link === null ? {} : { minLength: leastPasswordLength, hint: `At least ${leastPasswordLength} characters; a sentence is good.` })}
        />
        {failure !== null && <ProblemNote error={failure} doing={link === null ? 'sign you in' : 'make the account'} />}
        <Button type="submit" tone="accent" busy={busy}>
          {link === null ? 'Sign in' : 'Make the account and sign in'}
        </Button>
        {link === null && <p className={styles.foot}>No account yet? The first start of the server prints a one-time link that makes one.</p>}
      </form>
    </main>
  );
}
