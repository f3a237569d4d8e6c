// What moves over the charts: pointing and holding a window, dragging, the wheel, two fingers, keys.

/** Pixels that a pointer may stray in a click. */
const STRAY = 4;

export class Navigation {
  /** `chosen(end)` is told which window is kept under the crosshair. */
  constructor(page, charts, timeline, chosen) {
    Object.assign(this, { page, charts, timeline, chosen, pointers: new Map(), drag: null });
    this.panels = document.getElementById("panels");
    this.pointing();
    this.wheel();
    this.keys();
  }

  /** The moment below a pointer; null where nothing is drawn. */
  moment(clientX) {
    const [panel] = this.charts.panels;
    if (!panel?.plot) return null;
    return panel.plot.invert(clientX - panel.canvas.getBoundingClientRect().left);
  }

  /** The window below a pointer, by its end. */
  end(clientX) {
    const time = this.moment(clientX);
    const ends = this.charts.ends();
    if (time === null || ends.length === 0) return null;
    const { overlaps, step } = this.charts.stretch?.shape ?? this.page.shape;
    const at = time + (overlaps ? 0 : step / 2);
    return ends.reduce((best, end) => (Math.abs(end - at) < Math.abs(best - at) ? end : best), ends[0]);
  }

  pointing() {
    const { panels, charts, pointers } = this;
    const point = (event) => {
      charts.hover = this.end(event.clientX);
      charts.soon();
    };
    panels.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pointers.set(event.pointerId, event.clientX);
      const range = this.timeline.range();
      if (!range) return;
      this.drag = { x: event.clientX, range, moved: this.drag?.moved ?? false, at: [...pointers.values()] };
      if (pointers.size === 1) this.drag.moved = false;
      point(event);
    });
    panels.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) {
        point(event);
        return;
      }
      pointers.set(event.pointerId, event.clientX);
      this.dragged(event);
    });
    const ends = (event) => {
      if (!pointers.delete(event.pointerId)) return;
      panels.classList.toggle("dragged", pointers.size > 0);
      const range = this.timeline.range();
      if (pointers.size > 0 && range) this.drag = { x: [...pointers.values()][0], range, moved: true, at: [...pointers.values()] };
    };
    panels.addEventListener("pointerup", ends);
    panels.addEventListener("pointercancel", ends);
    panels.addEventListener("pointerleave", (event) => {
      if (pointers.has(event.pointerId)) return;
      charts.hover = this.page.at;
      charts.soon();
    });
    panels.addEventListener("click", (event) => {
      if (this.drag?.moved) return;
      const end = this.end(event.clientX);
      this.chosen(end === this.page.at ? null : end);
    });
  }

  /** One pointer moves the axis, two of them stretch it. */
  dragged(event) {
    const { drag, pointers, charts } = this;
    const [panel] = charts.panels;
    if (!drag || !panel?.plot) return;
    if (!drag.moved && Math.abs(event.clientX - drag.x) <= STRAY && pointers.size === 1) return;
    if (!drag.moved) this.panels.setPointerCapture(event.pointerId);
    drag.moved = true;
    this.panels.classList.add("dragged");
    const { x0, x1 } = drag.range;
    const left = panel.canvas.getBoundingClientRect().left + panel.plot.left;
    const wide = panel.plot.right - panel.plot.left;
    const now = [...pointers.values()];
    if (now.length >= 2 && drag.at.length >= 2) {
      // The moments below the fingers stay below them.
      const was = drag.at.slice(0, 2).map((x) => x0 + ((x - left) / wide) * (x1 - x0));
      const [a, b] = now.map((x) => (x - left) / wide);
      if (Math.abs(a - b) * wide < 20) return;
      const length = Math.abs((was[0] - was[1]) / (a - b));
      this.timeline.set(was[0] - a * length, was[0] + (1 - a) * length);
    } else {
      const by = ((drag.x - event.clientX) / wide) * (x1 - x0);
      this.timeline.set(x0 + by, x1 + by);
    }
    charts.hover = null;
  }

  wheel() {
    this.panels.addEventListener("wheel", (event) => {
      const at = this.moment(event.clientX);
      const range = this.timeline.range();
      if (at === null || !range) return;
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const [dx, dy] = [event.deltaX * lines, event.deltaY * lines];
      const [panel] = this.charts.panels;
      const sideways = event.shiftKey ? dx || dy : Math.abs(dx) > Math.abs(dy) ? dx : 0;
      if (sideways !== 0) this.timeline.pan((sideways / (panel.plot.right - panel.plot.left)) * (range.x1 - range.x0));
      else if (dy !== 0) this.timeline.zoom(Math.exp(Math.max(-200, Math.min(200, dy)) / 400), at);
    }, { passive: false });
  }

  keys() {
    const { charts, timeline } = this;
    charts.host.addEventListener("keydown", (event) => {
      if (event.target !== charts.host || event.ctrlKey || event.metaKey || event.altKey) return;
      const range = timeline.range();
      if (!range) return;
      const { x0, x1, first } = range;
      const moved = event.shiftKey && {
        ArrowLeft: () => timeline.pan((x0 - x1) / 4),
        ArrowRight: () => timeline.pan((x1 - x0) / 4),
        Home: () => timeline.set(first, first + x1 - x0),
        End: () => timeline.newest(x1 - x0),
      }[event.key];
      const around = charts.hover ?? x1;
      if (moved) moved();
      else if (event.key === "Enter") this.chosen(charts.hover);
      else if (event.key === "Escape") {
        charts.hover = null;
        this.chosen(null);
        charts.soon();
      } else if (event.key === "+" || event.key === "=") timeline.zoom(0.5, around);
      else if (event.key === "-") timeline.zoom(2, around);
      else if (!this.step(event.key)) return;
      event.preventDefault();
    });
  }

  /** From window to window; whether the key does that. */
  step(key) {
    const { charts } = this;
    const ends = charts.ends();
    const seen = charts.last ? ends.filter((end) => end <= charts.last.x1 + charts.last.slide) : ends;
    const known = charts.hover === null ? -1 : ends.findIndex((end) => end >= charts.hover);
    const place = known < 0 ? seen.length : known;
    const move = {
      ArrowLeft: () => place - 1,
      ArrowRight: () => place + 1,
      PageUp: () => place - 10,
      PageDown: () => place + 10,
      Home: () => 0,
      End: () => ends.length - 1,
    }[key];
    if (!move || ends.length === 0) return Boolean(move);
    charts.to(ends[Math.min(Math.max(move(), 0), ends.length - 1)]);
    return true;
  }
}
