import { TextInput } from '@mantine/core';
import { IconFilter } from '@tabler/icons-react';
import { useState } from 'react';
import { Outside } from '~/components/Outside';
import { findAttribute, valueText } from '~/data/attributes';
import type { Span } from '~/data/span';
import { Attributes, matching } from '~/screens/trace/panel/Attributes';
import { Exception } from '~/screens/trace/panel/Exception';
import { SqlText } from '~/screens/trace/panel/SqlText';
import classes from './Panel.module.css';

/** With fewer attributes than this there is nothing to search. */
const FILTER_FROM = 12;
/** Exceptions that are shown here; the others are among the events. */
const MOST_EXCEPTIONS = 3;

/** Query texts, by the names of the conventions new and old. */
const QUERIES = ['db.query.text', 'db.statement'];
const SYSTEMS = ['db.system.name', 'db.system'];

/** What went wrong, the query, and all attributes. */
export function Details({ span }: { span: Span }) {
  const [filter, setFilter] = useState('');
  const { attributes, resource, scope } = span;
  const exceptions = span.events.filter((event) => event.name === 'exception');
  const query = QUERIES.map((key) => findAttribute(attributes, key)).find(Boolean);
  const system = SYSTEMS.map((key) => findAttribute(attributes, key)).find(Boolean);
  const all = [...attributes, ...resource, ...scope.attributes];
  const count = all.length;
  return (
    <>
      {exceptions.slice(0, MOST_EXCEPTIONS).map((event, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes.
        <Exception key={index} event={event} />
      ))}
      {exceptions.length > MOST_EXCEPTIONS && (
        <p className={classes.quiet}>{exceptions.length - MOST_EXCEPTIONS} more exceptions are among the events.</p>
      )}
      {query && <SqlText text={valueText(query)} system={system ? valueText(system) : ''} />}
      {count >= FILTER_FROM && (
        <TextInput
          size="xs"
          mt="sm"
          aria-label="Filter attributes"
          placeholder="Filter attributes"
          leftSection={<IconFilter size={13} aria-hidden />}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
      )}
      <Attributes
        title="Attributes"
        attributes={attributes}
        filter={filter}
        dropped={span.dropped.attributes}
        isFilterable
      />
      <Attributes title="Resource" attributes={resource} filter={filter} isFilterable />
      <Attributes title="Scope attributes" attributes={scope.attributes} filter={filter} />
      <dl className={classes.timing}>
        {scope.name && (
          <>
            <dt>Scope</dt>
            <dd>
              <Outside text={[scope.name, scope.version].filter(Boolean).join(' ')} limit={200} />
            </dd>
          </>
        )}
        {span.traceState && (
          <>
            <dt>Trace state</dt>
            <dd>
              <Outside text={span.traceState} limit={300} />
            </dd>
          </>
        )}
      </dl>
      {count > 0 && matching(all, filter).length === 0 && (
        <p className={classes.quiet} role="status">
          No attribute has “<Outside text={filter.trim()} line limit={40} />” in it.
        </p>
      )}
      {count === 0 && <p className={classes.quiet}>This span has no attributes.</p>}
    </>
  );
}
