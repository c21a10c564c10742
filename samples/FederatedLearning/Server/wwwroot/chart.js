// A line over rounds, drawn as SVG.
const NS = 'http://www.w3.org/2000/svg';
const WIDTH = 520, HEIGHT = 220, LEFT = 44, RIGHT = 14, TOP = 14, BOTTOM = 28;

function shape(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Between 4 and 7 lines at 1, 2 or 5 times a power of ten.
function steps(from, to) {
  const raw = (to - from) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= raw);
  const all = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-6; i++) all.push(i * step);
  return all;
}

// points: [{round, value}]; scale: {min, max}; format: value → text; goal: a value to mark.
export function draw(place, points, { min, max, format, label, goal }) {
  const last = Math.max(5, points.at(-1)?.round ?? 0);
  const x = round => LEFT + (round - 1) / (last - 1) * (WIDTH - LEFT - RIGHT);
  const y = value => TOP + (max - value) / (max - min) * (HEIGHT - TOP - BOTTOM);
  const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label(points) });

  for (const value of steps(min, max)) {
    svg.append(shape('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      shape('text', { x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, format(value)));
  }
  const every = Math.ceil(last / 12);
  for (let round = 1; round <= last; round += every)
    svg.append(shape('text', { x: x(round), y: HEIGHT - 8, 'text-anchor': 'middle' }, round));
  if (goal !== undefined && goal >= min && goal <= max)
    svg.append(shape('line', { class: 'goal', x1: LEFT, x2: WIDTH - RIGHT, y1: y(goal), y2: y(goal) }));

  if (points.length) {
    const line = points.map(point => `${x(point.round).toFixed(1)},${y(point.value).toFixed(1)}`);
    const end = points.at(-1);
    if (points.length > 1) {
      const area = `M${x(points[0].round)},${y(min)} L${line.join(' L')} L${x(end.round)},${y(min)} Z`;
      svg.append(shape('path', { class: 'area', d: area }),
        shape('path', { class: 'line', d: `M${line.join(' L')}` }));
    }
    for (const point of points) {
      const dot = shape('circle', { cx: x(point.round), cy: y(point.value), r: points.length > 30 ? 2 : 3.5 });
      dot.append(shape('title', {}, `Round ${point.round}: ${format(point.value, true)}`));
      svg.append(dot);
    }
  } else {
    const middle = { x: (LEFT + WIDTH - RIGHT) / 2, y: (TOP + HEIGHT - BOTTOM) / 2, 'text-anchor': 'middle' };
    svg.append(shape('text', middle, 'after the first round'));
  }
  place.replaceChildren(svg);
}
