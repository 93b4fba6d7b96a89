import { Group, Title } from '@mantine/core';
import { type ReactNode, useId } from 'react';
import classes from '~/screens/home/Panel.module.css';

interface PanelProps {
  title: string;
  /** Beside the title: what there is in short. */
  note?: ReactNode;
  /** At the other end: what one can do. */
  tools?: ReactNode;
  children: ReactNode;
}

/** One answer of the first screen under its heading. */
export function Panel({ title, note, tools, children }: PanelProps) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={classes.panel}>
      <Group justify="space-between" gap="xs" mih={32} mb={4}>
        <Group gap="xs" wrap="wrap">
          <Title order={2} size="h5" id={id}>
            {title}
          </Title>
          {note}
        </Group>
        {tools}
      </Group>
      {children}
    </section>
  );
}
