import { Button, UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { Outside } from '~/components/Outside';
import { formatCount, formatShare } from '~/format/number';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import classes from '~/screens/trace/Trace.module.css';

interface Props {
  model: TraceModel;
  /** Those that are looked at; empty: all. */
  chosen: ReadonlySet<string>;
  onChange: (chosen: string[]) => void;
}

/** So many services are listed before the rest is asked for. */
const FIRST = 14;
const MOST = 300;

/** The services of the trace with their spans and their share of its time. Choosing some dims the others. */
export function ServiceChips({ model, chosen, onChange }: Props) {
  const [isWhole, setWhole] = useState(false);
  const { services } = model;
  const shown = services.filter(
    ({ service }, index) => (isWhole ? index < MOST : index < FIRST) || chosen.has(service),
  );
  const toggle = (service: string) => {
    const next = new Set(chosen);
    if (!next.delete(service)) next.add(service);
    onChange([...next]);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    <div className={classes.services} role="group" aria-label="Services">
      {shown.map(({ service, spans, errors, share }) => (
        <UnstyledButton
          key={service}
          className={classes.chip}
          aria-pressed={chosen.has(service)}
          // An address cannot say “no service”.
          disabled={service === ''}
          title={`${formatCount(spans)} spans, ${formatShare(share)} of the time spent in spans`}
          onClick={() => toggle(service)}
        >
          <span className={classes.mark} style={{ background: model.colorOf(service) }} />
          <Outside text={service || 'no service'} line limit={60} />
          <span className={classes.quiet}>{formatCount(spans)}</span>
          <span className={classes.quiet}>{formatShare(share)}</span>
          {errors > 0 && <span className={classes.errorText}>{formatCount(errors)} err</span>}
        </UnstyledButton>
      ))}
      {services.length > FIRST && (
        <Button size="compact-xs" variant="subtle" onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
          {isWhole ? 'Fewer services' : `${formatCount(services.length - shown.length)} more`}
        </Button>
      )}
      {chosen.size > 0 && (
        <Button size="compact-xs" variant="subtle" onClick={() => onChange([])}>
          All services
        </Button>
      )}
    </div>
  );
}
