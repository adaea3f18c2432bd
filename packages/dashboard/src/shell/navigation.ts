/** The pages of the navigation, of `g` sequences and of the palette: one list. */
import { IconBriefcase, IconLayoutDashboard } from '@tabler/icons-react';

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
];
