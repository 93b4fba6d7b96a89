import { CloseButton, Modal, type ModalProps, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './Dialog.module.css';

interface DialogProps extends Pick<ModalProps, 'opened' | 'onClose' | 'size'> {
  title: string;
  children: ReactNode;
}

/**
 * A window above the screen. Two things of Mantine's `Modal` do not fit: its own header is a second banner of the page, and
 * its lock of the page behind writes a style that the page's policy does not allow.
 */
export function Dialog({ title, opened, onClose, size, children }: DialogProps) {
  return (
    <Modal.Root opened={opened} onClose={onClose} size={size} lockScroll={false}>
      <Modal.Overlay />
      <Modal.Content aria-label={title}>
        <div className={classes.head}>
          <Title order={2} size="h4">
            {title}
          </Title>
          <CloseButton aria-label="Close" onClick={onClose} />
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
