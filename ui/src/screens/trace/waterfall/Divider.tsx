import type { KeyboardEvent, PointerEvent } from 'react';

interface Props {
  label: string;
  /** Percent of the divided element that the part before it has; with `fromEnd` the part after it. */
  value: number;
  min: number;
  max: number;
  className: string | undefined;
  /** It divides above from below. */
  isHorizontal?: boolean;
  fromEnd?: boolean;
  onChange: (value: number) => void;
}

const STEP = 2;

/** What stands between two parts of the nearest `data-divided` element and can be moved, by pointer and by arrow keys. */
export function Divider({ label, value, min, max, className, isHorizontal = false, fromEnd = false, onChange }: Props) {
  const change = (value: number) => onChange(Math.round(Math.min(max, Math.max(min, value)) * 10) / 10);

  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const around = event.currentTarget.closest('[data-divided]')?.getBoundingClientRect();
    if (!around || around.width === 0 || around.height === 0) return;
    const part = isHorizontal
      ? (event.clientY - around.top) / around.height
      : (event.clientX - around.left) / around.width;
    change((fromEnd ? 1 - part : part) * 100);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const more = isHorizontal ? 'ArrowDown' : 'ArrowRight';
    const less = isHorizontal ? 'ArrowUp' : 'ArrowLeft';
    if (event.key !== more && event.key !== less) return;
    event.preventDefault();
    event.stopPropagation();
    change(value + (event.key === more ? STEP : -STEP) * (fromEnd ? -1 : 1));
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: <hr> cannot be moved.
    <div
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={isHorizontal ? 'horizontal' : 'vertical'}
      aria-valuenow={Math.round(value)}
      aria-valuemin={min}
      aria-valuemax={max}
      className={className}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={onPointerMove}
      onKeyDown={onKeyDown}
    />
  );
}
