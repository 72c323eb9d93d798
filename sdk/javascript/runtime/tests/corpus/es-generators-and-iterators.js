async function (user, context, callback) {
  function* count(n) { for (let i = 0; i < n; i++) { const got = yield i; if (got) return got; } return 'done'; }
  const g = count(3), seen = [g.next(), g.next('stop'), g.next()];
  async function* ticks() { yield 1; await null; yield 2; }
  const collected = [];
  for await (const t of ticks()) collected.push(t);
  for await (const t of [Promise.resolve('x'), 'y']) collected.push(t);
  const lazy = { from: 1, to: 4, [Symbol.iterator]() { let n = this.from, to = this.to; return { next: () => n < to ? { value: n++, done: false } : { value: undefined, done: true }, return() { collected.push('closed'); return {}; } }; } };
  for (const n of lazy) if (n === 2) break;
  context.idToken.r = [seen, [...count(2)], collected, Array.from(lazy, (n) => n * 2), Object.fromEntries(new Map([['k', 'v']]))];
  callback(null, user, context);
}
