/**
 * Sign-in: by user and password, or by a one-time link, which sets the password: that of the first start, which makes the first account of any name, or one
 * of an admin for a name. The secret of a link stands in the fragment, which is never sent, and leaves the address as soon as it is read.
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

interface Link {
  readonly secret: string;
  /** Null: whoever comes first chooses one. */
  readonly user: string | null;
}

function takeLink(): Link | null {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const secret = fragment.get('link') ?? '';
  return secret === '' ? null : { secret, user: fragment.get('user') };
}

function titleOf(link: Link | null): string {
  if (link === null) return 'Sign in';
  return link.user === null ? 'Welcome: make the first account' : 'Welcome: choose your password';
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
      const identity = await api.call('POST /sessions', { body: link === null ? { user, password } : { user, password, link: link.secret } });
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
        <h1>{titleOf(link)}</h1>
        {link !== null && link.user === null && (
          <p className={styles.lead}>This one-time link makes you the administrator of this installation. Choose a name and a password.</p>
        )}
        {link !== null && link.user !== null && <p className={styles.lead}>This link works once. With the password you sign in from now on.</p>}
        <TextField
          label="User"
          name="user"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          autoFocus={link?.user == null}
          readOnly={link?.user != null}
          defaultValue={link?.user ?? ''}
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete={link === null ? 'current-password' : 'new-password'}
          required
          autoFocus={link?.user != null}
          {...(link === null ? {} : { minLength: leastPasswordLength, hint: `At least ${leastPasswordLength} characters; a sentence is good.` })}
        />
        {failure !== null && <ProblemNote error={failure} doing={link === null ? 'sign you in' : 'make the account'} />}
        <Button type="submit" tone="accent" busy={busy}>
          {link === null ? 'Sign in' : link.user === null ? 'Make the account and sign in' : 'Set it and sign in'}
        </Button>
        {link === null && <p className={styles.foot}>No account yet, or no password any more? An administrator makes you a link.</p>}
      </form>
    </main>
  );
}
