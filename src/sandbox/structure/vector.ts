/** A point or a direction in space, in Å. */
export type Vector = readonly [x: number, y: number, z: number];

/** The sum of `a` and `b` stretched by `factor`. */
export function add(a: Vector, b: Vector, factor = 1): Vector {
  return [a[0] + b[0] * factor, a[1] + b[1] * factor, a[2] + b[2] * factor];
}

/** The direction that leads from `from` to `to`, with its length. */
export function between(from: Vector, to: Vector): Vector {
  return add(to, from, -1);
}

/** The distance of two points. */
export function distance(a: Vector, b: Vector): number {
  const [x, y, z] = between(a, b);
  // Many times faster than Math.hypot, and this is where building a chain spends its time.
  return Math.sqrt(x * x + y * y + z * z);
}

/** The cross product. */
export function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

/** `a` at length 1. */
export function unit(a: Vector): Vector {
  const length = Math.hypot(...a);
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** The mean of at least one point. */
export function centroid(points: readonly Vector[]): Vector {
  return points.reduce<Vector>((sum, point) => add(sum, point, 1 / points.length), [0, 0, 0]);
}

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/**
 * The fourth atom of the chain a–b–c–d: `bond` Å from `c`, at `angle` (b–c–d) and `torsion` (a–b–c–d) in
 * degrees, with the usual sign of torsions.
 */
export function placeAtom(
  a: Vector,
  b: Vector,
  c: Vector,
  bond: number,
  angle: number,
  torsion: number,
): Vector {
  const along = unit(between(b, c));
  const normal = unit(cross(between(a, b), along));
  const side = cross(normal, along);
  const reach = bond * Math.sin(radians(angle));
  let d = add(c, along, -bond * Math.cos(radians(angle)));
  d = add(d, side, reach * Math.cos(radians(torsion)));
  return add(d, normal, reach * Math.sin(radians(torsion)));
}
