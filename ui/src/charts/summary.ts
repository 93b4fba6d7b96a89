/** A chart in words, for those who cannot see it. */
export function summary(
  series: readonly { label: string; values: readonly (number | null)[] }[],
  format: (value: number) => string,
): string {
  return series
    .map(({ label, values }) => {
      const known = values.filter((value) => value !== null);
      const last = known.at(-1);
      if (last === undefined) return `${label}: no values.`;
      const lowest = format(known.reduce((a, b) => Math.min(a, b)));
      const highest = format(known.reduce((a, b) => Math.max(a, b)));
      return `${label}: lowest ${lowest}, highest ${highest}, last ${format(last)}.`;
    })
    .join(' ');
}
