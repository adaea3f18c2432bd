/** The pages of the navigation, of `g` sequences and of the palette: one list. */
import {
  IconAlertTriangle,
  IconBriefcase,
  IconCalendarClock,
  IconHeartbeat,
  IconLayoutDashboard,
  IconMailX,
  IconReportSearch,
  IconRotateClockwise2,
  IconRowRemove,
  IconServer2,
  IconSettings,
  IconStack2,
} from '@tabler/icons-react';

export interface NavigationItem {
  readonly to: string;
  readonly label: string;
  /** Second letter after `g`. */
  readonly letter?: string;
  readonly icon: typeof IconBriefcase;
  /** What the palette finds it by, besides its label. */
  readonly about: string;
}

export const navigation: readonly NavigationItem[] = [
  { to: '/', label: 'Overview', letter: 'o', icon: IconLayoutDashboard, about: 'what needs a person, throughput' },
  { to: '/jobs', label: 'Jobs', letter: 'j', icon: IconBriefcase, about: 'all jobs, filter, submit' },
  { to: '/errors', label: 'Errors', letter: 'e', icon: IconAlertTriangle, about: 'failures by cause, triage' },
  { to: '/dead', label: 'Dead letters', letter: 'd', icon: IconMailX, about: 'inbox, redrive' },
  { to: '/rejects', label: 'Rejects', letter: 'r', icon: IconRowRemove, about: 'records that could not be used, export, replay' },
  { to: '/operations', label: 'Operations', icon: IconRotateClockwise2, about: 'redrives and replays, pace, abort' },
  { to: '/schedules', label: 'Schedules', icon: IconCalendarClock, about: 'recurring jobs, next fires, fire now, pause' },
  { to: '/queues', label: 'Queues', letter: 'q', icon: IconStack2, about: 'depth, oldest, pause' },
  { to: '/workers', label: 'Workers', letter: 'w', icon: IconServer2, about: 'hosts, slots, drain, scaling' },
  { to: '/audit', label: 'Audit', letter: 'a', icon: IconReportSearch, about: 'who did what and looked at what' },
  { to: '/status', label: 'Status', icon: IconHeartbeat, about: 'checks of doctor, versions' },
  { to: '/settings', label: 'Settings', icon: IconSettings, about: 'people, access tokens' },
];
