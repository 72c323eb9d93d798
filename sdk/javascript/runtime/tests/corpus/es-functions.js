function (user, context, callback) {
  function defaults(a, b = a + 1, ...rest) { return [a, b, rest.length, defaults.length, arguments.length]; }
  const bound = function () { return [this.x, ...arguments]; }.bind({ x: 1 }, 2);
  const counter = (() => { let n = 0; return { next: () => ++n, get value() { return n; }, set value(v) { n = v; } }; })();
  counter.next(); counter.value += 5;
  function hoisted() { return typeof later; var later = 1; }
  const named = function inner(n) { return n <= 1 ? 1 : n * inner(n - 1); };
  context.idToken.r = [defaults(1), defaults(1, undefined, 3, 4), bound(3), counter.value, hoisted(), named(10), (function () { return typeof this; })(),
    (() => { 'use strict'; return (function () { return this === undefined; })(); })(), new Function('a', 'b', 'return a * b')(6, 7), eval('1 + 1'), [].concat.call(1, 2).length];
  callback(null, user, context);
}
