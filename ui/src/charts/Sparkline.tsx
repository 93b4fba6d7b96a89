import { memo } from 'react';
import { sparkline } from '~/charts/sparkline';

interface SparklineProps {
  /** One item a bucket, from the left to the right; null: nothing is known, the line has a gap. */
  values: readonly (number | null)[];
  /** Any CSS colour. */
  color?: string;
  width?: number;
  height?: number;
}

/** The course of a number that stands beside it in words; screen readers skip it. */
export const Sparkline = memo(function Sparkline({
  values,
  color = 'currentColor',
  width = 72,
  height = 20,
}: SparklineProps) {
  const { line, area } = sparkline(values, width, height);
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
      <path d={area} fill={color} opacity={0.15} />
      <path d={line} fill="none" stroke={color} strokeWidth={1.25} strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  );
});
