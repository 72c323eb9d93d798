function (user, context, callback) {
  const o = { b: 1, 2: 'two', a: 2, 1: 'one', [Symbol('s')]: 3, get computed() { return this.a * 2; }, 'with space': 1, method() { return 'm'; } };
  Object.defineProperty(o, 'hidden', { value: 1, enumerable: false });
  const frozen = Object.freeze({ x: { y: 1 } }); frozen.z = 1; frozen.x.y = 2;
  const strict = (() => { 'use strict'; try { frozen.x = 1; } catch (e) { return e.name; } })();
  const copy = Object.assign({}, o), clone = JSON.parse(JSON.stringify({ d: new Date(0), u: undefined, n: null, i: Infinity, nested: [undefined, () => 1] }));
  delete copy.b;
  context.idToken.r = [Object.keys(o), Object.entries(o).length, o.computed, copy.computed, 'hidden' in copy, frozen, strict, clone, Object.getOwnPropertyDescriptor(o, 'hidden'), Object.is(-0, 0), o.hasOwnProperty('a'), o.propertyIsEnumerable('hidden'), Object.values('ab'), Object.getOwnPropertySymbols(o).length, Object.isFrozen(frozen), JSON.stringify({ a: [1, { b: 2 }], c: 'é\u2028"\\' }, null, 2), JSON.stringify({ a: 1, b: 2 }, ['b']), JSON.parse('[1,{"a":null}]', (k, v) => (v === null ? 'nil' : v)), JSON.stringify('\ud800'), (() => { try { JSON.parse('{bad'); } catch (e) { return e.name; } })(), (() => { const c = {}; c.c = c; try { JSON.stringify(c); } catch (e) { return e.name; } })(), o?.a, o?.x?.y, o.zero ?? 'default'];
  callback(null, user, context);
}
