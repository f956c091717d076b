// The learning curve so far, drawn small.

const WIDTH = 288, HEIGHT = 132, LEFT = 56, RIGHT = 10, TOP = 12, BOTTOM = 28;

function draw(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

const shown = (value) => (Math.abs(value) < 1000 ? value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "") : value.toFixed(0));

/** A picture of a curve: {metric, points: [[labels, value], ...]}; null where there are no points. */
export function drawCurve(curve, unit) {
  const points = (curve?.points ?? []).filter(([count, value]) => Number.isFinite(count) && Number.isFinite(value));
  if (points.length === 0) return null;
  const [lastCount, lastValue] = points.at(-1);
  const counts = points.map(([count]) => count), values = points.map(([, value]) => value);
  const most = Math.max(...counts);
  let low = Math.min(...values), high = Math.max(...values);
  if (high - low < 0.02) [low, high] = [low - 0.01, high + 0.01];
  const x = (count) => LEFT + (most ? count / most : 0) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const round = (number) => number.toFixed(1);

  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = `${curve.metric} ${shown(lastValue)} with ${lastCount.toLocaleString("en")} ${unit}`;
  const svg = draw("svg", {
    width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "curve",
    "aria-label": `Learning curve, ${curve.metric} by ${unit}: ${points.map(([count, value]) => `${shown(value)} at ${count}`).join(", ")}`,
  });
  svg.append(
    draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM, class: "axis" }),
    draw("text", { x: LEFT - 8, y: round(y(high) + 5), "text-anchor": "end" }, shown(Math.max(...values))),
    draw("text", { x: LEFT, y: HEIGHT - 8 }, "0"),
    draw("text", { x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, `${most.toLocaleString("en")} ${unit}`),
  );
  if (y(low) - y(high) > 30 && points.length > 1) {
    svg.append(draw("text", { x: LEFT - 8, y: round(y(low) + 1), "text-anchor": "end" }, shown(Math.min(...values))));
  }
  svg.append(draw("polyline", { points: points.map(([count, value]) => `${round(x(count))},${round(y(value))}`).join(" "), class: "line" }));
  for (const [count, value] of points) svg.append(draw("circle", { cx: round(x(count)), cy: round(y(value)), r: 3.5, class: "point" }));
  figure.append(caption, svg);
  return figure;
}
