/** Access tokens of programs, command lines and autoscalers. A secret is shown once, here, and kept nowhere. */
import type { Role, Token } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { nowMs } from '../../clock.ts';
import { formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Facts, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { NewToken } from './new-token.tsx';
import styles from './settings.module.css';
import { ShownOnce } from './shown-once.tsx';

const tokensKey = ['tokens'] as const;

interface Made {
  readonly name: string;
  readonly secret: string;
}

/** All pages of the list: an installation has a few dozen tokens. */
async function listTokens(signal: AbortSignal): Promise<Token[]> {
  const tokens: Token[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.call('GET /tokens', { query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } }, { signal });
    tokens.push(...page.data);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return tokens;
}

export function Tokens() {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: tokensKey, queryFn: ({ signal }) => listTokens(signal) });
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const changed = (): void => void queries.invalidateQueries({ queryKey: tokensKey });
  return (
    <Panel
      title="Tokens"
      aside={
        <Button small tone="accent" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {made !== null && (
        <ShownOnce
          title={
            <>
              The token <b>{visibleText(made.name)}</b>. Copy it now: it is not shown again, and nobody can look it up.
            </>
          }
          secret={made.secret}
          what="token"
          onDone={() => setMade(null)}
        >
          Programs send it as <code>Authorization: Bearer …</code>; the command line reads it from <code>MILLRACE_TOKEN</code>, with{' '}
          <code>MILLRACE_URL={window.location.origin}</code>.
        </ShownOnce>
      )}
      {error !== null && <ProblemNote error={error} doing="list the tokens" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the tokens" />}
      {data !== undefined && <TokenLists tokens={data} onChanged={changed} />}
      <Dialog title="New token" opened={making} onClose={() => setMaking(false)}>
        <NewToken
          onClose={() => setMaking(false)}
          onMade={(token) => {
            setMaking(false);
            setMade(token);
            changed();
          }}
        />
      </Dialog>
    </Panel>
  );
}

const isOver = ({ revoked, expiresAt }: Token, now: number): boolean => revoked || Date.parse(expiresAt) <= now;

function TokenLists({ tokens, onChanged }: { readonly tokens: readonly Token[]; readonly onChanged: () => void }) {
  const now = nowMs();
  const open = tokens.filter((token) => !isOver(token, now));
  const over = tokens.filter((token) => isOver(token, now));
  return (
    <>
      {open.length === 0 && <Empty title={over.length === 0 ? 'No token yet.' : 'No token is valid.'} />}
      <TokenList tokens={open} onChanged={onChanged} />
      {over.length > 0 && (
        <details className={styles.over}>
          <summary>{formatNoun(over.length, 'token')} revoked or run out</summary>
          <TokenList tokens={over} onChanged={onChanged} />
        </details>
      )}
    </>
  );
}

function TokenList({ tokens, onChanged }: { readonly tokens: readonly Token[]; readonly onChanged: () => void }) {
  return (
    <ul className={styles.tokens} data-dims>
      {tokens.map((token) => (
        <TokenRow key={token.tokenId} token={token} onChanged={onChanged} />
      ))}
    </ul>
  );
}

/** A token of such a role reads or changes what few programs need. */
const isMighty = (role: Role): boolean => role === 'admin' || role === 'steward';

function TokenRow({ token, onChanged }: { readonly token: Token; readonly onChanged: () => void }) {
  const [revoking, setRevoking] = useState(false);
  const { tokenId, name, role, tenants, scopes, createdAt, createdBy, expiresAt, revoked, lastUsedAt } = token;
  const over = isOver(token, nowMs());
  return (
    <li className={styles.token}>
      <div className={styles.head}>
        <h3>{visibleText(name)}</h3>
        <StateBadge state={isMighty(role) ? 'warning' : 'ok'} word={role} />
        {over && <StateBadge state="cancelled" word={revoked ? 'revoked' : 'run out'} />}
        <Id id={tokenId} what="token id" />
        {!over && (
          <Button small tone="danger" onClick={() => setRevoking(true)} label={`Revoke ${name}`}>
            Revoke
          </Button>
        )}
      </div>
      <Facts
        facts={[
          ['May reach', tenants === null ? 'every tenant' : tenants.map((tenant) => visibleText(tenant)).join(', ')],
          ['Only for', scopes === null ? 'all that its role may' : scopes.join(', ')],
          ['Last used', lastUsedAt === null ? 'never' : <Time key="used" at={lastUsedAt} />],
          [over && !revoked ? 'Ran out' : 'Runs out', <Time key="ends" at={expiresAt} absolute />],
          [
            'Made',
            <span key="made">
              <Time at={createdAt} /> by {visibleText(createdBy)}
            </span>,
          ],
        ]}
      />
      <ConfirmDialog
        opened={revoking}
        onClose={() => setRevoking(false)}
        title={`Revoke ${visibleText(name)}?`}
        verb="Revoke"
        danger
        act={(_reason, actKey) => api.call('DELETE /tokens/{tokenId}', { params: { tokenId } }, { idempotencyKey: actKey })}
        onDone={onChanged}
      >
        <p className={styles.about}>What uses it is refused within 30 seconds. It cannot be taken back.</p>
      </ConfirmDialog>
    </li>
  );
}
