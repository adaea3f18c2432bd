/** Buttons, and links that look like them. */
import { Button as MantineButton } from '@mantine/core';
import type { ReactNode } from 'react';
import styles from './button.module.css';

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onClick?: (() => void) | undefined;
  readonly tone?: 'plain' | 'accent' | 'danger' | 'quiet';
  readonly type?: 'button' | 'submit';
  readonly small?: boolean;
  readonly disabled?: boolean;
  /** The act is under way. */
  readonly busy?: boolean;
  readonly icon?: ReactNode;
  /** Needed when the children are no text. */
  readonly label?: string;
  /** Why it is disabled, or what it does. */
  readonly title?: string | undefined;
  readonly pressed?: boolean;
  readonly autoFocus?: boolean;
}

export function Button(props: ButtonProps) {
  const { children, onClick, tone = 'plain', type = 'button', small = false, disabled = false, busy = false, icon, label, title, pressed, autoFocus } = props;
  return (
    <MantineButton
      variant="default"
      size="xs"
      type={type}
      disabled={disabled}
      loading={busy}
      leftSection={icon}
      data-tone={tone}
      data-small={small || undefined}
      data-autofocus={autoFocus || undefined}
      classNames={{ root: styles.root ?? '', label: styles.label ?? '', section: styles.section ?? '' }}
      {...(onClick === undefined ? {} : { onClick })}
      {...(label === undefined ? {} : { 'aria-label': label })}
      {...(title === undefined ? {} : { title })}
      {...(pressed === undefined ? {} : { 'aria-pressed': pressed })}
    >
      {children}
    </MantineButton>
  );
}

/** Class for a link that looks like a button. */
export const buttonLink: string = styles.link ?? '';
