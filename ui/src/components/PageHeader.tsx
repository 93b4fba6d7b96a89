import { Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';
import { cut, visibleLine } from '~/format/outside';
import classes from './PageHeader.module.css';

interface Props {
  /** The screen's name, for the tab of the browser as well. May come from outside. */
  title: string;
  /** In place of the title on the screen, where it is more than text. */
  heading?: ReactNode;
  /** What stands beside or below the title: facts about what is shown. */
  children?: ReactNode;
  /** Buttons at the right. */
  actions?: ReactNode;
}

const LONGEST_TITLE = 200;

/** The head of a screen: its one h1, facts, and what can be done with the whole of it. */
export function PageHeader({ title, heading, children, actions }: Props) {
  const text = visibleLine(cut(title, LONGEST_TITLE));
  useDocumentTitle(`${text} – Trefoil`);
  return (
    <header className={classes.header}>
      <div className={classes.words}>
        <Title order={1} className={classes.title}>
          {heading ?? <bdi>{text}</bdi>}
        </Title>
        {children && <div className={classes.facts}>{children}</div>}
      </div>
      {actions && <div className={classes.actions}>{actions}</div>}
    </header>
  );
}
