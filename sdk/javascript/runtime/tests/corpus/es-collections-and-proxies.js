function (user, context, callback) {
  const m = new Map([['a', 1], [NaN, 2]]), s = new Set([1, 1, '1']), wm = new WeakMap(), key = {};
  wm.set(key, 'v'); m.set(key, 3).delete('a');
  const seen = [];
  const proxy = new Proxy({ real: 1 }, { get: (t, k, r) => (k in t ? Reflect.get(t, k, r) : `no ${String(k)}`), has: (t, k) => { seen.push(k); return k in t; }, set(t, k, v) { t[k] = v * 2; return true; }, deleteProperty() { return false; }, ownKeys: () => ['real', 'fake'], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) });
  proxy.x = 4;
  context.idToken.r = [m.get(NaN), m.size, [...m.values()], s.size, wm.get(key), proxy.real, proxy.other, proxy.x, 'real' in proxy, seen, Object.keys(proxy), Reflect.ownKeys({ b: 1, a: 2, 0: 3 }), Symbol.for('x') === Symbol.for('x'), Symbol('d').description, typeof Symbol.iterator, new Uint8Array([1, 256, -1]), Array.from(new Float32Array([1.1])), new DataView(new Uint8Array([1, 2, 3, 4]).buffer).getUint16(1), Object.prototype.toString.call(null), Object.prototype.toString.call([]), [...new Set([3, 1])].sort()];
  callback(null, user, context);
}
