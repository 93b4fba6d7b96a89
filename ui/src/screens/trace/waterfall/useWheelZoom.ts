import { type RefObject, useEffect, useRef } from 'react';
import { moveWindow, type Window, zoomAround } from '~/screens/trace/model/window';

/** Pixels of the wheel that double or halve. */
const DOUBLES = 300;

/** Control and wheel zooms around the pointer; shift and wheel, or a sideways wheel, moves. `width`: of the time column. */
export function useWheelZoom(
  scroller: RefObject<HTMLElement | null>,
  window: Window,
  duration: number,
  width: number,
  onWindow: (window: Window) => void,
): void {
  const latest = useRef({ window, duration, width, onWindow });
  useEffect(() => {
    latest.current = { window, duration, width, onWindow };
  });
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      const { window, duration, width, onWindow } = latest.current;
      if (width <= 0) return;
      const size = window.to - window.from;
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.ctrlKey) {
        event.preventDefault();
        const part = 1 - (element.getBoundingClientRect().right - event.clientX) / width;
        const at = window.from + Math.min(1, Math.max(0, part)) * size;
        onWindow(zoomAround(window, at, 2 ** (event.deltaY / DOUBLES), duration));
      } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        event.preventDefault();
        onWindow(moveWindow(window, (sideways / width) * size, duration));
      }
    };
    // React's own listener is passive and could not keep the page from zooming.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [scroller]);
}
