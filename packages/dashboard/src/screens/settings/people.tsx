/** People who sign in: invited by a link, given a new password by another one, and taken out. */
import type { Invitation, Role, User } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { visibleText } from '../../format/texts.ts';
import { useIdentity } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Empty, Facts, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { namesOf, textOf } from './fresh-act.ts';
import { FreshForm } from './fresh-form.tsx';
import styles from './settings.module.css';
import { ShownOnce } from './shown-once.tsx';
import { tokenKinds } from './token-kinds.ts';

const usersKey = ['users'] as const;

async function listUsers(signal: AbortSignal): Promise<User[]> {
  const users: User[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.call('GET /users', { query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } }, { signal });
    users.push(...page.data);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return users.toSorted((one, other) => (one.user < other.user ? -1 : 1));
}

type Asking = { readonly what: 'invite' } | { readonly what: 'password'; readonly user: string } | null;

export function People() {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: usersKey, queryFn: ({ signal }) => listUsers(signal) });
  const [asking, setAsking] = useState<Asking>(null);
  const [offered, setOffered] = useState<Invitation | null>(null);
  const close = (): void => setAsking(null);
  const onDone = (invitation: Invitation): void => {
    close();
    setOffered(invitation);
  };
  return (
    <Panel
      title="People"
      aside={
        <Button small tone="accent" onClick={() => setAsking({ what: 'invite' })}>
          Invite
        </Button>
      }
    >
      {offered !== null && <Link invitation={offered} onDone={() => setOffered(null)} />}
      {error !== null && <ProblemNote error={error} doing="list the people" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the people" />}
      {data?.length === 0 && (
        <Empty title="Nobody has an account.">
          <p>Invite people by a link: each chooses a password and has a role. Until then tokens are the way in.</p>
        </Empty>
      )}
      <ul className={styles.tokens} data-dims>
        {data?.map((user) => (
          <Person
            key={user.user}
            user={user}
            onNewPassword={() => setAsking({ what: 'password', user: user.user })}
            onRemoved={() => void queries.invalidateQueries({ queryKey: usersKey })}
          />
        ))}
      </ul>
      <Dialog title={asking?.what === 'password' ? `New password for ${visibleText(asking.user)}` : 'Invite somebody'} opened={asking !== null} onClose={close}>
        {asking?.what === 'invite' && <Invite onDone={onDone} onClose={close} />}
        {asking?.what === 'password' && <NewPassword user={asking.user} onDone={onDone} onClose={close} />}
      </Dialog>
    </Panel>
  );
}

function Link({ invitation: { user, link, expiresAt }, onDone }: { readonly invitation: Invitation; readonly onDone: () => void }) {
  return (
    <ShownOnce
      title={
        <>
          The link for <b>{visibleText(user)}</b>. Send it by a way that only they can read: it is not shown again.
        </>
      }
      secret={`${window.location.origin}${link}`}
      what="link"
      onDone={onDone}
    >
      Who opens it chooses the password and is signed in. It works once, until <Time at={expiresAt} absolute />.
    </ShownOnce>
  );
}

interface FormProps {
  readonly onDone: (invitation: Invitation) => void;
  readonly onClose: () => void;
}

/** A person asks for no scaling numbers. */
const roleChoices = tokenKinds.filter(({ kind }) => kind !== 'scaler').map(({ kind, label }) => ({ value: kind, label: `${kind}: ${label}` }));

function Invite({ onDone, onClose }: FormProps) {
  const invite = (form: FormData, actKey: string): Promise<Invitation> =>
    api.call(
      'POST /users',
      {
        body: {
          user: textOf(form, 'user'),
          role: textOf(form, 'role') as Role,
          tenants: namesOf(form, 'tenants'),
          reason: textOf(form, 'reason'),
        },
      },
      { idempotencyKey: actKey },
    );
  return (
    <FreshForm verb="Make the link" cancel="Invite nobody" doing="make the link" act={invite} onDone={onDone} onClose={onClose}>
      <TextField
        label="User"
        name="user"
        hint="Lower-case letters, digits and . _ @ -"
        required
        pattern="[a-z0-9][a-z0-9._@\-]*"
        maxLength={128}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        data-autofocus
      />
      <SelectField label="Role" name="role" defaultValue="operator" options={roleChoices} />
      <TextField label="Tenants (optional)" name="tenants" hint="Names with commas between them. Empty: every tenant that you may reach." autoComplete="off" />
    </FreshForm>
  );
}

function NewPassword({ user, onDone, onClose }: FormProps & { readonly user: string }) {
  const offer = (form: FormData, actKey: string): Promise<Invitation> =>
    api.call('POST /users/{user}/link', { params: { user }, body: { reason: textOf(form, 'reason') } }, { idempotencyKey: actKey });
  return (
    <FreshForm verb="Make the link" cancel="Keep the password" doing="make the link" act={offer} onDone={onDone} onClose={onClose}>
      <p className={styles.about}>The password of now holds until the link is followed. Then every session of theirs is over.</p>
    </FreshForm>
  );
}

interface PersonProps {
  readonly user: User;
  readonly onNewPassword: () => void;
  readonly onRemoved: () => void;
}

function Person({ user: { user, role, tenants, createdAt, passwordSetAt }, onNewPassword, onRemoved }: PersonProps) {
  const me = useIdentity();
  const [removing, setRemoving] = useState(false);
  return (
    <li className={styles.token}>
      <div className={styles.head}>
        <h3>{visibleText(user)}</h3>
        <StateBadge state={role === 'admin' || role === 'steward' ? 'warning' : 'ok'} word={role} />
        {me?.by === `user:${user}` && <span>you</span>}
        <Button small onClick={onNewPassword} label={`New password for ${user}`}>
          New password
        </Button>
        <Button small tone="danger" onClick={() => setRemoving(true)} label={`Take out ${user}`}>
          Take out
        </Button>
      </div>
      <Facts
        facts={[
          ['May reach', tenants === null ? 'every tenant' : tenants.map((tenant) => visibleText(tenant)).join(', ')],
          ['Here since', <Time key="since" at={createdAt} />],
          ['Password set', <Time key="set" at={passwordSetAt} />],
        ]}
      />
      <ConfirmDialog
        opened={removing}
        onClose={() => setRemoving(false)}
        title={`Take out ${visibleText(user)}?`}
        verb="Take out"
        danger
        act={(_reason, actKey) => api.call('DELETE /users/{user}', { params: { user } }, { idempotencyKey: actKey })}
        onDone={onRemoved}
      >
        <p className={styles.about}>They are signed out within 30 seconds. Tokens that they made go on, and what they did stays in the audit.</p>
      </ConfirmDialog>
    </li>
  );
}
