import { Anchor, UnstyledButton } from '@mantine/core';
import { IconAlertCircleFilled, IconAlertTriangleFilled, IconChevronRight } from '@tabler/icons-react';
import { useState } from 'react';
import { Outside } from '~/components/Outside';
import { spanName } from '~/data/trace';
import { formatDuration } from '~/format/duration';
import { LogDetails } from '~/screens/trace/logs/LogDetails';
import { messageOf } from '~/screens/trace/logs/line';
import { severityName, severityTone } from '~/screens/trace/logs/severity';
import type { PlacedLog } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import classes from './Logs.module.css';

interface Props {
  model: TraceModel;
  placed: PlacedLog;
  start: number;
  onSelect?: ((span: number) => void) | undefined;
}

const HOW = {
  id: '',
  line: 'its span id is in the line',
  time: 'by time: the innermost span of its service that was running',
  none: 'no span of its service was running',
};

/** One record: when, how bad, whose, what, and at which span. */
export function LogLine({ model, placed, start, onSelect }: Props) {
  const [isOpen, setOpen] = useState(false);
  const { log, span, by } = placed;
  const offset = log.offset - start;
  return (
    <li className={classes.item}>
      <UnstyledButton className={classes.line} onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
        <IconChevronRight size={13} className={isOpen ? classes.open : classes.chevron} aria-hidden />
        <span className={classes.time}>
          {offset < 0 ? '' : '+'}
          {formatDuration(offset)}
        </span>
        <Severity number={log.severity} text={log.severityText} />
        <span className={classes.service}>
          <span className={classes.mark} style={{ background: model.colorOf(log.service) }} />
          <Outside text={log.service || 'no service'} line limit={60} />
        </span>
        <span className={classes.body}>
          <Outside text={messageOf(log.body) || 'empty body'} line limit={300} />
        </span>
      </UnstyledButton>
      {onSelect && (
        <span className={classes.place}>
          {span === undefined ? (
            <span title={HOW.none}>no span</span>
          ) : (
            <>
              <Anchor
                component="button"
                type="button"
                fz="inherit"
                className={classes.spanName}
                onClick={() => onSelect(span)}
              >
                <Outside text={spanName(model.spans, span) || 'no name'} line limit={80} />
              </Anchor>
              {by === 'time' && <span title={HOW[by]}>by time</span>}
            </>
          )}
        </span>
      )}
      {isOpen && <LogDetails log={log} how={HOW[by]} />}
    </li>
  );
}

function Severity({ number, text }: { number: number; text: string }) {
  const tone = severityTone(number);
  return (
    <span className={`${classes.severity} ${classes[tone] ?? ''}`}>
      {tone === 'error' && <IconAlertCircleFilled size={12} aria-hidden />}
      {tone === 'warning' && <IconAlertTriangleFilled size={12} aria-hidden />}
      <Outside text={severityName(number, text)} line />
    </span>
  );
}
