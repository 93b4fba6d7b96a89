import classes from '~/components/Code.module.css';
import { CopyButton } from '~/components/CopyButton';

/** Text to be copied as it is; long lines scroll inside. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className={classes.code}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section tabIndex={0} aria-label={label} className={classes.scroller}>
        <pre>{text}</pre>
      </section>
      <div className={classes.copy}>
        <CopyButton value={text} label={`Copy: ${label}`} />
      </div>
    </div>
  );
}
