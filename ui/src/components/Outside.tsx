import { UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { formatCount } from '~/format/number';
import { cut, visibleLine, visibleText } from '~/format/outside';
import classes from './Outside.module.css';

interface Props {
  text: string;
  /** One line that ends in an ellipsis where there is no room; the whole of it on hovering. */
  line?: boolean;
  /** How many characters are shown at first. */
  limit?: number;
}

/** More than any row is wide. */
const LINE_LIMIT = 300;
const BLOCK_LIMIT = 2_000;
/** More than this in one element makes the page slow; the rest can be copied or downloaded. */
const MOST = 200_000;
const HOVER_LIMIT = 1_000;

/** Text from outside (names, attributes, bodies, messages), always as text: see format/outside.ts for what is made of it. */
export function Outside({ text, line = false, limit }: Props) {
  if (line) return <OutsideLine text={text} limit={limit ?? LINE_LIMIT} />;
  return <OutsideBlock text={text} limit={limit ?? BLOCK_LIMIT} />;
}

function OutsideLine({ text, limit }: { text: string; limit: number }) {
  const shown = visibleLine(cut(text, limit));
  return (
    <bdi className={classes.line} title={visibleText(cut(text, HOVER_LIMIT))}>
      {text.length > limit ? `${shown}…` : shown}
    </bdi>
  );
}

function OutsideBlock({ text, limit }: { text: string; limit: number }) {
  const [whole, setWhole] = useState(false);
  const most = whole ? Math.max(limit, MOST) : limit;
  const left = text.length - most;
  return (
    <>
      <bdi className={classes.block}>{visibleText(cut(text, most))}</bdi>
      {left > 0 && !whole && (
        <>
          {'… '}
          <UnstyledButton className={classes.more} onClick={() => setWhole(true)}>
            Show all {formatCount(text.length)} characters
          </UnstyledButton>
        </>
      )}
      {left > 0 && whole && (
        <span className={classes.note}>… {formatCount(left)} more characters, too many to show</span>
      )}
      {whole && (
        <>
          {' '}
          <UnstyledButton className={classes.more} onClick={() => setWhole(false)}>
            Show less
          </UnstyledButton>
        </>
      )}
    </>
  );
}
