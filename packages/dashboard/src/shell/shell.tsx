/** The frame around every screen: navigation, state of the live connection, who is signed in, switches; the palette and the help are loaded when asked for. */
import type { StreamEventData } from '@millrace/api-contract';
import {
  IconBroadcast,
  IconBroadcastOff,
  IconDeviceDesktop,
  IconHelp,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconPlayerPause,
  IconRipple,
  IconSearch,
  IconSun,
  IconUser,
  IconX,
} from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { api } from '../api.ts';
import { useNow } from '../clock.ts';
import { visibleText } from '../format/texts.ts';
import { coarse } from '../format/times.ts';
import { type KeyBinding, useKeys } from '../keys/keys.ts';
import { live } from '../live/live.ts';
import { useLive, useLiveStatus } from '../live/use-live.ts';
import { changePreferences, shownScheme, type Theme, usePreferences } from '../preferences.ts';
import { useIdentity } from '../session.ts';
import { Popup, PopupItem, PopupNote } from '../ui/popup.tsx';
import { useZone } from '../ui/time.tsx';
import { navigation } from './navigation.ts';
import styles from './shell.module.css';

const Palette = lazy(() => import('./palette.tsx').then(({ Palette }) => ({ default: Palette })));
const KeysHelp = lazy(() => import('../keys/keys-help.tsx').then(({ KeysHelp }) => ({ default: KeysHelp })));

export function Shell() {
  const identity = useIdentity();
  const [navOpen, setNavOpen] = useState(false);
  const [overlay, setOverlay] = useState<'palette' | 'help' | null>(null);
  const location = useLocation();
  useEffect(() => live.start(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new address closes the narrow navigation
  useEffect(() => setNavOpen(false), [location.pathname]);
  useEffect(() => {
    if (identity !== null) document.documentElement.dataset['environment'] = identity.environment;
  }, [identity]);
  useKeys(useShellKeys(setOverlay));
  const { state, heardAtMs } = useLiveStatus();
  const isStale = state === 'reconnecting' && heardAtMs !== null;

  return (
    <div className={styles.shell} data-nav={navOpen || undefined}>
      <a href="#content" className={styles.skip}>
        Skip to the content
      </a>
      <nav className={styles.rail} aria-label="Pages" id="navigation">
        <Link to="/" className={styles.brand}>
          <IconRipple size={20} stroke={1.9} aria-hidden /> Millrace
        </Link>
        <ul>
          {navigation.map(({ to, label, icon: Icon, letter }) => (
            <li key={to}>
              <Link
                to={to}
                className={styles.item}
                activeOptions={{ exact: to === '/' }}
                activeProps={{ 'aria-current': 'page' }}
                title={letter === undefined ? undefined : `g ${letter}`}
              >
                <Icon size={16} stroke={1.8} aria-hidden />
                {label}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <header className={styles.top}>
        <button
          type="button"
          className={styles.burger}
          aria-label="pages"
          aria-expanded={navOpen}
          aria-controls="navigation"
          onClick={() => setNavOpen(!navOpen)}
        >
          {navOpen ? <IconX size={18} aria-hidden /> : <IconMenu2 size={18} aria-hidden />}
        </button>
        {identity !== null && <EnvironmentBadge environment={identity.environment} />}
        <button type="button" className={styles.find} onClick={() => setOverlay('palette')}>
          <IconSearch size={14} aria-hidden />
          <span>Go to a page, id or code</span>
          <kbd>⌘K</kbd>
        </button>
        <div className={styles.tools}>
          <LiveIndicator />
          <ZoneSwitch />
          <ThemeSwitch />
          <button type="button" className={styles.tool} aria-label="keys" title="All keys (?)" onClick={() => setOverlay('help')}>
            <IconHelp size={16} stroke={1.8} aria-hidden />
          </button>
          <UserMenu />
        </div>
      </header>
      <main className={styles.content} id="content" tabIndex={-1} data-stale={isStale || undefined}>
        <Notices />
        <Outlet />
      </main>
      <Suspense fallback={null}>
        {overlay === 'palette' && <Palette onClose={() => setOverlay(null)} />}
        {overlay === 'help' && <KeysHelp onClose={() => setOverlay(null)} />}
      </Suspense>
    </div>
  );
}

function useShellKeys(open: (overlay: 'palette' | 'help') => void): KeyBinding[] {
  const navigate = useNavigate();
  const pages = navigation.flatMap(({ to, label, letter }) =>
    letter === undefined ? [] : [{ keys: `g ${letter}`, does: label, group: 'Go to', run: () => void navigate({ to }) }],
  );
  return [
    { keys: 'Mod+k', does: 'Palette: page, id, code', group: 'Everywhere', anywhere: true, run: () => open('palette') },
    { keys: '?', does: 'All keys', group: 'Everywhere', run: () => open('help') },
    { keys: 'p', does: 'Pause and go on with live data', group: 'Everywhere', run: () => live.setPaused(live.read().state !== 'paused') },
    { keys: 't', does: 'Light or dark', group: 'Everywhere', run: () => changePreferences({ theme: shownScheme() === 'dark' ? 'light' : 'dark' }) },
    ...pages,
  ];
}

function EnvironmentBadge({ environment }: { readonly environment: string }) {
  if (environment === '') return null;
  return (
    <span className={styles.environment} data-production={environment === 'production' || undefined}>
      {visibleText(environment)}
    </span>
  );
}

function LiveIndicator() {
  const { state, heardAtMs } = useLiveStatus();
  const now = useNow();
  const age = heardAtMs === null ? null : coarse(Math.max(0, now - heardAtMs));
  const text = {
    live: 'Live',
    polling: 'Every 5 s',
    paused: 'Paused',
    reconnecting: age === null ? 'Connecting' : `Reconnecting, data ${age} old`,
  }[state];
  const Icon = state === 'paused' ? IconPlayerPause : state === 'reconnecting' ? IconBroadcastOff : IconBroadcast;
  return (
    <button
      type="button"
      className={styles.live}
      data-state={state}
      title={state === 'paused' ? 'Go on with live data (p)' : 'Pause live data (p)'}
      aria-pressed={state === 'paused'}
      onClick={() => live.setPaused(state !== 'paused')}
    >
      <Icon size={15} stroke={1.9} aria-hidden />
      <span>{text}</span>
    </button>
  );
}

function ZoneSwitch() {
  const zone = useZone();
  return (
    <Link
      to="."
      search={(search: Record<string, unknown>) => ({ ...search, tz: zone === 'utc' ? ('local' as const) : undefined })}
      replace
      className={styles.tool}
      title={zone === 'utc' ? 'Times are UTC: show local time' : 'Times are local: show UTC'}
    >
      {zone === 'utc' ? 'UTC' : 'Local'}
    </Link>
  );
}

const themes: readonly { readonly theme: Theme; readonly label: string; readonly icon: typeof IconSun }[] = [
  { theme: 'system', label: 'As the system', icon: IconDeviceDesktop },
  { theme: 'light', label: 'Light', icon: IconSun },
  { theme: 'dark', label: 'Dark', icon: IconMoon },
];

function ThemeSwitch() {
  const { theme, density } = usePreferences();
  const Shown = themes.find((each) => each.theme === theme)?.icon ?? IconSun;
  return (
    <Popup className={styles.tool} label="theme and density" title="Theme (t) and density" button={<Shown size={16} stroke={1.8} aria-hidden />}>
      {() => (
        <>
          {themes.map(({ theme: each, label, icon: Icon }) => (
            <PopupItem key={each} icon={<Icon size={15} aria-hidden />} pressed={each === theme} onClick={() => changePreferences({ theme: each })}>
              {label}
            </PopupItem>
          ))}
          <PopupItem pressed={density === 'roomy'} onClick={() => changePreferences({ density: density === 'dense' ? 'roomy' : 'dense' })}>
            More room between rows
          </PopupItem>
        </>
      )}
    </Popup>
  );
}

function UserMenu() {
  const identity = useIdentity();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { letterKeys } = usePreferences();
  if (identity === null) return null;
  const signOut = async (): Promise<void> => {
    await api.call('DELETE /sessions/current', {}).catch(() => null);
    queries.clear();
    await navigate({ to: '/login', search: {} });
  };
  return (
    <Popup
      className={styles.tool}
      label={`signed in as ${identity.name}`}
      button={
        <>
          <IconUser size={16} stroke={1.8} aria-hidden />
          <span className={styles.user}>{visibleText(identity.name)}</span>
        </>
      }
    >
      {() => (
        <>
          <PopupNote>
            {visibleText(identity.name)} · {identity.role}
            {identity.tenants !== null && <> · {identity.tenants.map((tenant) => visibleText(tenant)).join(', ')}</>}
          </PopupNote>
          <PopupItem pressed={letterKeys} onClick={() => changePreferences({ letterKeys: !letterKeys })}>
            Single-letter keys
          </PopupItem>
          <PopupItem icon={<IconLogout size={15} aria-hidden />} onClick={() => void signOut()}>
            Sign out
          </PopupItem>
        </>
      )}
    </Popup>
  );
}

interface Notice {
  readonly code: string;
  readonly message: string;
}

/** What the server tells all pages, such as *Redis is away*, until it says that it is over. */
function Notices() {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  useLive(['jobs'], ({ type, data }) => {
    // After a gap the server tells anew what is wrong; a reset of this page itself has no data.
    if (type === 'reset' && data !== null) setNotices([]);
    if (type !== 'notice') return;
    const { code, ok, message } = data as StreamEventData<'notice'>;
    setNotices((all) => [...all.filter((each) => each.code !== code), ...(ok ? [] : [{ code, message }])]);
  });
  return (
    <div role="status">
      {notices.map(({ code, message }) => (
        <p key={code} className={styles.notice}>
          {visibleText(message)}
        </p>
      ))}
    </div>
  );
}
