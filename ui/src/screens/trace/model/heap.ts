/** A binary heap: the item above all others is at hand, and adding and taking cost the logarithm of how many there are. */
export class Heap {
  private readonly items: number[] = [];

  constructor(private readonly isAbove: (a: number, b: number) => boolean) {}

  get top(): number | undefined {
    return this.items[0];
  }

  push(item: number): void {
    const { items } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = items[up] ?? item;
      if (!this.isAbove(item, above)) break;
      items[at] = above;
      at = up;
    }
    items[at] = item;
  }

  pop(): void {
    const { items } = this;
    const item = items.pop();
    if (item === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      const left = items[2 * at + 1];
      if (left === undefined) break;
      const right = items[2 * at + 2];
      const isLeft = right === undefined || this.isAbove(left, right);
      const child = isLeft ? left : right;
      if (!this.isAbove(child, item)) break;
      items[at] = child;
      at = 2 * at + (isLeft ? 1 : 2);
    }
    items[at] = item;
  }
}
