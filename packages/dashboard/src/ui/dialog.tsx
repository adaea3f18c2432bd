/** A dialog: the focus moves in, stays, and returns. */
import { Modal } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import styles from './dialog.module.css';

interface DialogProps {
  readonly title: string;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
}

export function Dialog({ title, opened, onClose, wide = false, children }: DialogProps) {
  return (
    <Modal.Root
      opened={opened}
      onClose={onClose}
      centered
      size={wide ? 720 : 480}
      // Locking the scroll bar would write a style element, which the content security policy forbids.
      lockScroll={false}
      transitionProps={{ duration: 0 }}
      // A class given to the content itself would also cover what lies around it.
      classNames={{ content: styles.content ?? '', overlay: styles.overlay ?? '', body: styles.body ?? '' }}
    >
      <Modal.Overlay />
      <Modal.Content aria-label={title}>
        {/* The header of the library is a landmark, of which a page may have one. */}
        <div className={styles.header}>
          <h2>{title}</h2>
          <button type="button" className={styles.close} aria-label="close" onClick={onClose}>
            <IconX size={17} aria-hidden />
          </button>
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
