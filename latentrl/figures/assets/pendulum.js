"use strict";
(() => {
  const data = {{scatter}};
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const positions = new Int16Array(bytes(data.positions).buffer);
  const count = positions.length / 3;
  const view = { yaw: 0.7, pitch: 0.38, spin: !matchMedia("(prefers-reduced-motion: reduce)").matches };
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Depths are sorted once a frame for both views: they share the angle of view.
  const order = new Uint32Array(count), depth = new Float32Array(count);
  const sx = new Float32Array(count), sy = new Float32Array(count);
  const bins = new Uint32Array(257);

  function project(x, y, z) {
    const cy = Math.cos(view.yaw), sny = Math.sin(view.yaw), cp = Math.cos(view.pitch), sp = Math.sin(view.pitch);
    const across = cy * x - sny * y, into = sny * x + cy * y;
    const away = cp * into - sp * z, up = sp * into + cp * z;
    const scale = 7 / (7 + away);
    return [across * scale, -up * scale, away];
  }

  function arrange() {
    for (let i = 0; i < count; i++) {
      const p = project(positions[3 * i] / 20000, positions[3 * i + 1] / 20000, positions[3 * i + 2] / 20000 * 0.95);
      sx[i] = p[0]; sy[i] = p[1]; depth[i] = p[2];
    }
    bins.fill(0); // counting sort, far points first
    const bin = i => Math.max(0, Math.min(255, ((2.2 - depth[i]) * 58) | 0));
    for (let i = 0; i < count; i++) bins[bin(i) + 1]++;
    for (let b = 0; b < 256; b++) bins[b + 1] += bins[b];
    for (let i = 0; i < count; i++) order[bins[bin(i)]++] = i;
  }

  function dots(palette, radius) { // one pre-drawn dot a colour
    return palette.map(colour => {
      const dot = document.createElement("canvas");
      dot.width = dot.height = Math.ceil(2 * radius + 2);
      const c = dot.getContext("2d");
      c.fillStyle = colour;
      c.beginPath();
      c.arc(dot.width / 2, dot.height / 2, radius, 0, 2 * Math.PI);
      c.fill();
      return dot;
    });
  }

  function viewer(name) {
    const canvas = document.getElementById(name), context = canvas.getContext("2d");
    const colours = bytes(data[name].colours);
    let sprites = null, size = 0;
    return {
      canvas,
      draw() {
        const ratio = Math.min(devicePixelRatio || 1, 2), wanted = Math.round(canvas.clientWidth * ratio);
        if (wanted !== size) {
          size = canvas.width = canvas.height = wanted;
          sprites = dots(data[name].palette, Math.max(1.2, size / 290));
        }
        context.clearRect(0, 0, size, size);
        const middle = size / 2, low = size * 0.535, scale = size * 0.232;
        const line = (a, b) => {
          const p = project(...a), q = project(...b);
          context.moveTo(middle + p[0] * scale, low + p[1] * scale);
          context.lineTo(middle + q[0] * scale, low + q[1] * scale);
        };
        context.strokeStyle = dark.matches ? "#2b3240" : "#e2e5ea";
        context.lineWidth = ratio;
        context.beginPath();
        for (const s of [-1.15, 1.15]) for (const t of [-1.15, 1.15]) {
          line([s, t, -1.15], [s, t, 1.15]); line([s, -1.15, t], [s, 1.15, t]); line([-1.15, s, t], [1.15, s, t]);
        }
        context.stroke();
        for (let k = 0; k < count; k++) {
          const i = order[k], dot = sprites[colours[i]];
          context.globalAlpha = Math.max(0.22, Math.min(1, 0.68 - 0.36 * depth[i]));
          context.drawImage(dot, middle + sx[i] * scale - dot.width / 2, low + sy[i] * scale - dot.height / 2);
        }
        context.globalAlpha = 1;
        context.fillStyle = dark.matches ? "#98a2b3" : "#667085";
        context.font = `${12 * ratio}px system-ui, sans-serif`;
        context.textAlign = "center";
        // Each axis is named beside the edge that the points hide least: the lowest ones, and the leftmost upright one.
        const edges = [
          ["position 1", [-1, 1].map(s => [0, 1.42 * s, -1.42]), p => p[1]],
          ["position 2", [-1, 1].map(s => [1.42 * s, 0, -1.42]), p => p[1]],
          ["velocity", [[-1, -1], [-1, 1], [1, -1], [1, 1]].map(([s, t]) => [1.3 * s, 1.3 * t, 0]), p => -p[0]],
        ];
        for (const [text, places, merit] of edges) {
          const p = places.map(at => project(...at)).reduce((a, b) => merit(b) > merit(a) ? b : a);
          context.save();
          context.translate(middle + p[0] * scale, low + p[1] * scale);
          if (text === "velocity") context.rotate(-Math.PI / 2);
          context.fillText(text, 0, 0);
          context.restore();
        }
      },
    };
  }

  const viewers = [viewer("angle"), viewer("velocity")];
  function draw() { arrange(); viewers.forEach(v => v.draw()); }

  let last = null, held = null, visible = true;
  for (const { canvas } of viewers) {
    canvas.addEventListener("pointerdown", e => { held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener("pointermove", e => {
      if (!held) return;
      view.yaw -= (e.clientX - held[0]) * 0.009;
      view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + (e.clientY - held[1]) * 0.009));
      held = [e.clientX, e.clientY];
      draw();
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = null; });
    canvas.addEventListener("dblclick", () => { view.spin = !view.spin; });
    new IntersectionObserver(seen => { visible = seen[0].isIntersecting; }).observe(canvas);
  }
  function frame(now) {
    const passed = last === null ? 0 : Math.min(now - last, 100);
    last = now;
    if (view.spin && visible && !held) { view.yaw += passed * 0.00018; draw(); }
    requestAnimationFrame(frame);
  }
  addEventListener("resize", draw);
  dark.addEventListener("change", draw);

  const ring = [...data.angle.palette].reverse(); // CSS turns clockwise, angles the other way; 0 is up
  const half = ring.length / 2, turned = ring.slice(half).concat(ring.slice(0, half));
  document.getElementById("ring").style.background = `conic-gradient(${turned.join(",")},${turned[0]})`;
  document.getElementById("bar").style.background = `linear-gradient(90deg,${data.velocity.palette.join(",")})`;
  draw();
  requestAnimationFrame(frame);
})();
