/** What an administrator sets up: the people who sign in, and the tokens by which programs, command lines and autoscalers come in. */
import { visibleText } from '../../format/texts.ts';
import { useIdentity, useMay } from '../../session.ts';
import { Empty, Page } from '../../ui/page.tsx';
import { People } from './people.tsx';
import { Tokens } from './tokens.tsx';

export function SettingsScreen() {
  const isAdmin = useMay('admin');
  return (
    <Page title="Settings" lead="Who comes in, and may do what">
      {isAdmin ? (
        <>
          <People />
          <Tokens />
        </>
      ) : (
        <NotForYou />
      )}
    </Page>
  );
}

function NotForYou() {
  const me = useIdentity();
  return (
    <Empty title="Only administrators set things up.">
      {me !== null && (
        <p>
          You are {visibleText(me.name)}, {me.role}.
        </p>
      )}
    </Empty>
  );
}
