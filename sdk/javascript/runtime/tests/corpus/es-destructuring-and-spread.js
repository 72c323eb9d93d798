function (user, context, callback) {
  const { a: { b = 5, ...others } = {}, ['c' + 1]: d, e = d } = { a: { x: 1, y: [2] }, c1: 'D' };
  let [p, , q = 'q', ...tail] = new Set(['p', 'o', undefined, 'r', 's']);
  [p, q] = [q, p];
  const merged = { ...{ a: 1, b: 2 }, b: 3, ...null, ...[9] };
  const swap = ({ x, y }) => ({ x: y, y: x });
  context.idToken.r = [b, others, d, e, p, q, tail, merged, swap({ x: 1, y: 2 }), Math.max(...[1, 5, 3], ...new Map([[7, 8]]).keys()), [...'añ😀'].length];
  callback(null, user, context);
}
