/** The shapes of a small chart without axes: it starts at zero and ends at its highest value. */

export interface SparklinePaths {
  /** SVG paths; empty where there is nothing to draw. */
  line: string;
  area: string;
}

/** Kept free on each side, so that the line is never cut in half. */
const MARGIN = 1;

export function sparkline(values: readonly (number | null)[], width: number, height: number): SparklinePaths {
  const highest = Math.max(0, ...values.map((value) => value ?? 0));
  const bottom = height - MARGIN;
  const x = (index: number) =>
    round(values.length === 1 ? width / 2 : MARGIN + (index * (width - 2 * MARGIN)) / (values.length - 1));
  const y = (value: number) => round(highest === 0 ? bottom : bottom - (value / highest) * (height - 2 * MARGIN));

  const paths: SparklinePaths = { line: '', area: '' };
  for (const [start, end] of runs(values)) {
    const points = values.slice(start, end).map((value, index) => `${x(start + index)} ${y(value ?? 0)}`);
    // A single point is drawn as a line of no length: its round cap is a dot.
    paths.line += `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`;
    if (points.length > 1) paths.area += `M${x(start)} ${bottom}L${points.join('L')}L${x(end - 1)} ${bottom}Z`;
  }
  return paths;
}

/** Where known values begin and end, without the gaps between. */
function runs(values: readonly (number | null)[]): [number, number][] {
  const found: [number, number][] = [];
  let start: number | undefined;
  for (let index = 0; index <= values.length; index++) {
    const isKnown = index < values.length && values[index] !== null;
    if (isKnown) start ??= index;
    else if (start !== undefined) {
      found.push([start, index]);
      start = undefined;
    }
  }
  return found;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
