/** Links to lists by filter, and to the pages of things: one spelling of each address. */
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

interface GoProps {
  /** Path of the page. */
  readonly to: string;
  readonly search?: Readonly<Record<string, string | undefined>>;
  readonly className?: string | undefined;
  readonly title?: string;
  readonly label?: string;
  readonly children: ReactNode;
}

export function Go({ to, search = {}, className, title, label, children }: GoProps) {
  return (
    <Link
      to={to}
      search={search as never}
      {...(className === undefined ? {} : { className })}
      {...(title === undefined ? {} : { title })}
      {...(label === undefined ? {} : { 'aria-label': label })}
    >
      {children}
    </Link>
  );
}

export const pathOf = {
  job: (jobId: string): string => `/jobs/${jobId}`,
  stage: (jobId: string, stage: string): string => `/jobs/${jobId}/stages/${stage}`,
  chunk: (jobId: string, stage: string, index: number): string => `/jobs/${jobId}/chunks/${stage}/${index}`,
  jobRejects: (jobId: string): string => `/jobs/${jobId}/rejects`,
  errorGroup: (fingerprint: string): string => `/errors/${fingerprint}`,
  operation: (operationId: string): string => `/operations/${operationId}`,
} as const;
