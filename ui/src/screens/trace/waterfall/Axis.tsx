import { memo } from 'react';
import { ticks, type Window } from '~/screens/trace/model/window';
import classes from './Waterfall.module.css';

/** Pixels that a label needs. */
const LABEL = 84;

/** The ticks of the time column and their lines down the rows. `width` in pixels. */
export const Axis = memo(function Axis({ window, width }: { window: Window; width: number }) {
  const size = window.to - window.from;
  return ticks(window, Math.max(2, Math.floor(width / LABEL))).map(({ at, label }) => {
    const left = ((at - window.from) / size) * 100;
    return (
      <div key={at} className={classes.tick} style={{ left: `${left}%` }}>
        {left < 100 - (LABEL / Math.max(width, 1)) * 70 && <span className={classes.tickLabel}>{label}</span>}
      </div>
    );
  });
});
