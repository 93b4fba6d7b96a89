import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Outside } from '~/components/Outside';
import type { ErrorGroup } from '~/data/errors';
import { formatCount } from '~/format/number';
import { cut, visibleLine } from '~/format/outside';
import classes from '~/screens/home/ErrorList.module.css';
import { formatAgo, formatInstant } from '~/time/format';

interface ErrorListProps {
  groups: readonly ErrorGroup[];
  colorOf: (service: string) => string;
  /** Milliseconds; ages are counted to here. */
  now: number;
  zone: string;
}

/** One item a kind of error; it leads to the newest trace that has it. */
export function ErrorList({ groups, colorOf, now, zone }: ErrorListProps) {
  return (
    <ul className={classes.list}>
      {groups.map((group) => (
        <li key={`${group.service}\n${group.operation}\n${group.type}\n${group.message}\n${group.spanId}`}>
          <div className={classes.first}>
            <span className={classes.mark} style={{ background: colorOf(group.service) }} />
            <ToTrace group={group}>
              <span className={classes.service}>
                <Outside text={group.service || 'no service name'} line limit={100} />
              </span>
              {group.operation && <Outside text={group.operation} line limit={200} />}
            </ToTrace>
            <time
              dateTime={new Date(group.lastSeen).toISOString()}
              title={formatInstant(group.lastSeen, zone, 'millis')}
            >
              {formatAgo(group.lastSeen, now)}
            </time>
          </div>
          <div className={classes.message}>
            <Message group={group} />
          </div>
          <div className={classes.facts}>
            <span className={classes.count}>{group.count === 1 ? 'once' : `${formatCount(group.count)} times`}</span>
            {group.tenant && (
              <span className={classes.fact}>
                tenant <Outside text={group.tenant} line limit={100} />
              </span>
            )}
            {!group.traceId && <span>no trace id</span>}
          </div>
        </li>
      ))}
    </ul>
  );
}

/** More than two lines hold. */
const MESSAGE_LIMIT = 300;

/** The type of the exception goes before its message, unless that begins with it anyway. */
function Message({ group: { type, message } }: { group: ErrorGroup }) {
  if (!type && !message) return <span className={classes.none}>no message</span>;
  const text = !type || message.startsWith(type) ? message : message ? `${type}: ${message}` : type;
  return <bdi>{visibleLine(cut(text, MESSAGE_LIMIT))}</bdi>;
}

function ToTrace({ group: { traceId, spanId }, children }: { group: ErrorGroup; children: ReactNode }) {
  if (!traceId) return <span className={classes.link}>{children}</span>;
  return (
    <Link
      to="/traces/$traceId"
      params={{ traceId }}
      search={{ span: spanId || undefined }}
      className={classes.link}
      title="Open the newest trace with this error"
    >
      {children}
    </Link>
  );
}
