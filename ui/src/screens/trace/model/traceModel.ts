/** What is computed once from the spans of a trace, for all parts of its screen. */

import { serviceColors } from '~/app/colors';
import type { TraceSpans } from '~/data/trace';
import { type CriticalPath, criticalPath } from '~/screens/trace/model/criticalPath';
import { errorSpans, type ServiceShare, selfTimes, serviceShares } from '~/screens/trace/model/shares';
import { buildTree, hasMark, Mark, type Tree } from '~/screens/trace/model/tree';

export interface TraceModel {
  spans: TraceSpans;
  tree: Tree;
  /** Nanoseconds by span. */
  self: Float64Array;
  services: ServiceShare[];
  /** Spans with an error, in the order of the rows. */
  errors: number[];
  /** The span that the trace is named after: the earliest without a parent, else the earliest at the top level. */
  root: number;
  /** No span is without a parent: the trace's own root is not here. */
  isRootMissing: boolean;
  orphans: number;
  colorOf: (service: string) => string;
  /** Computed when first asked for. */
  path: () => CriticalPath;
}

export function traceModel(spans: TraceSpans): TraceModel {
  const tree = buildTree(spans);
  const self = selfTimes(spans, tree);
  const real = tree.roots.find((span) => spans.parents[span] === '');
  let path: CriticalPath | undefined;
  return {
    spans,
    tree,
    self,
    services: serviceShares(spans, self),
    errors: errorSpans(spans, tree),
    root: real ?? tree.roots[0] ?? 0,
    isRootMissing: real === undefined,
    orphans: tree.roots.filter((span) => hasMark(tree, span, Mark.orphan)).length,
    colorOf: serviceColors(spans.serviceList),
    path: () => {
      path ??= criticalPath(spans, tree);
      return path;
    },
  };
}
