import { Button, Tooltip } from '@mantine/core';
import { IconFilterPlus } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { formatAttributeFilter } from '~/data/attributeFilter';
import { type Attribute, valueText } from '~/data/attributes';
import { formatCount } from '~/format/number';
import { grouped } from '~/screens/trace/panel/groups';
import { Value } from '~/screens/trace/panel/Value';
import classes from './Panel.module.css';

/** So many are drawn at first; a span may have thousands. */
const FIRST = 200;
/** An address with a longer value is cut off by proxies. */
const LONGEST_FILTER = 500;

interface Props {
  title: string;
  attributes: readonly Attribute[];
  /** Shows only those with this in their key or value. */
  filter?: string;
  /** What the sender says it left out. */
  dropped?: number;
  /** They can be filtered by in the list of traces. */
  isFilterable?: boolean;
}

/** Those with `filter` in their key or value. */
export function matching(attributes: readonly Attribute[], filter: string): readonly Attribute[] {
  const wanted = filter.trim().toLowerCase();
  if (!wanted) return attributes;
  return attributes.filter(
    ({ key, value }) => key.toLowerCase().includes(wanted) || valueText(value).toLowerCase().includes(wanted),
  );
}

/** Attributes by groups. Nothing at all where there are none. */
export function Attributes({ title, attributes, filter = '', dropped = 0, isFilterable = false }: Props) {
  const [isWhole, setWhole] = useState(false);
  const found = matching(attributes, filter);
  if (found.length === 0 && dropped === 0) return null;
  const shown = isWhole ? found : found.slice(0, FIRST);
  return (
    <section className={classes.section}>
      <h3 className={classes.sectionTitle}>
        {title} <span className={classes.quiet}>{formatCount(found.length)}</span>
      </h3>
      {grouped(shown).map(({ prefix, attributes }) => (
        <dl key={prefix} className={classes.attributes}>
          {attributes.map((attribute, index) => (
            // The same key may come twice.
            // biome-ignore lint/suspicious/noArrayIndexKey: keys alone are not unique, and the list never changes.
            <Row key={`${index} ${attribute.key}`} attribute={attribute} isFilterable={isFilterable} />
          ))}
        </dl>
      ))}
      {found.length > shown.length && (
        <Button size="compact-xs" variant="default" onClick={() => setWhole(true)}>
          Show all {formatCount(found.length)}
        </Button>
      )}
      {dropped > 0 && <p className={classes.quiet}>The sender dropped {formatCount(dropped)} more.</p>}
    </section>
  );
}

function Row({ attribute: { key, value }, isFilterable }: { attribute: Attribute; isFilterable: boolean }) {
  const text = valueText(value);
  const canFilter = isFilterable && value.type !== 'array' && value.type !== 'map' && value.type !== 'bytes';
  return (
    <div className={classes.attribute}>
      <dt>
        <Outside text={key} limit={200} />
      </dt>
      <dd>
        <Value value={value} />
      </dd>
      <dd className={classes.attributeActions}>
        {canFilter && text !== '' && key.length + text.length < LONGEST_FILTER && (
          <Tooltip label="Find traces with this">
            <Link
              to="/traces"
              search={{ attribute: [formatAttributeFilter({ key, operator: '=', value: text })] }}
              className={classes.iconLink}
              aria-label="Find traces with this"
            >
              <IconFilterPlus size={13} aria-hidden />
            </Link>
          </Tooltip>
        )}
        <CopyButton value={text} label="Copy value" size={20} />
        <CopyButton value={() => `${key}=${text}`} label="Copy key and value" size={20} />
      </dd>
    </div>
  );
}
