/**
 * Links to lists by filter, and to the pages of things: one spelling of each address. A plain anchor that asks the router when it is pressed: rows of
 * lists have several, and the router's own link watches the whole address.
 */
import { useRouter } from '@tanstack/react-router';
import type { MouseEvent, ReactNode } from 'react';

interface GoProps {
  /** Path of the page. */
  readonly to: string;
  readonly search?: Readonly<Record<string, string | undefined>>;
  readonly className?: string | undefined;
  readonly title?: string;
  readonly children: ReactNode;
}

const none = {};

export function Go({ to, search = none, className, title, children }: GoProps) {
  const router = useRouter();
  const texts = Object.entries(search).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const query = texts.length === 0 ? '' : `?${new URLSearchParams(texts)}`;
  const target = { to, search: search as never };
  const onClick = (event: MouseEvent): void => {
    // What opens a new tab or window is the browser's.
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void router.navigate(target);
  };
  return (
    <a
      href={to + query}
      className={className}
      title={title}
      onClick={onClick}
      onMouseEnter={() => {
        router.preloadRoute(target).catch(() => undefined);
      }}
    >
      {children}
    </a>
  );
}

export const pathOf = {
  job: (jobId: string): string => `/jobs/${jobId}`,
  stage: (jobId: string, stage: string): string => `/jobs/${jobId}/stages/${stage}`,
  chunk: (jobId: string, stage: string, index: number): string => `/jobs/${jobId}/chunks/${stage}/${index}`,
  peek: (jobId: string): string => `/jobs/${jobId}/peek`,
  jobRejects: (jobId: string): string => `/jobs/${jobId}/rejects`,
  errorGroup: (fingerprint: string): string => `/errors/${fingerprint}`,
  operation: (operationId: string): string => `/operations/${operationId}`,
} as const;
