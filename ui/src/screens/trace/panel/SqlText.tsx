import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { visibleText } from '~/format/outside';
import { formatSql, LONGEST_SQL, tokens } from '~/screens/trace/panel/sql';
import classes from './Panel.module.css';

/** The query that a span ran: formatted and coloured, or as it was sent. */
export function SqlText({ text, system }: { text: string; system: string }) {
  const [isRaw, setRaw] = useState(false);
  const { data: formatted, isPending } = useQuery({
    queryKey: ['formatSql', system, text],
    queryFn: async () => (await formatSql(text, system)) ?? null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  const shown = isRaw || !formatted ? text : formatted;
  return (
    <section className={classes.section}>
      <div className={classes.sqlHead}>
        <h3 className={classes.sectionTitle}>
          Query{' '}
          {system && (
            <span className={classes.quiet}>
              <Outside text={system} line limit={40} />
            </span>
          )}
        </h3>
        {formatted ? (
          <Button size="compact-xs" variant="default" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>
            As sent
          </Button>
        ) : (
          !isPending && <span className={classes.quiet}>as sent</span>
        )}
        <CopyButton value={shown} label="Copy query" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long queries are scrolled by keyboard. */}
      {/* biome-ignore lint/a11y/useSemanticElements: a <section> would not keep the lines as they are. */}
      <pre className={classes.sql} tabIndex={0} role="region" aria-label="Query text">
        {shown.length <= LONGEST_SQL ? <Coloured text={shown} /> : <Outside text={shown} limit={5_000} />}
      </pre>
    </section>
  );
}

function Coloured({ text }: { text: string }) {
  const pieces = useMemo(() => tokens(visibleText(text)), [text]);
  return (
    <bdi>
      {pieces.map(({ kind, text }, index) =>
        kind === 'other' ? (
          text
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes.
          <span key={index} className={classes[kind]}>
            {text}
          </span>
        ),
      )}
    </bdi>
  );
}
