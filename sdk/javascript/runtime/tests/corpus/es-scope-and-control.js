function (user, context, callback) {
  const out = [];
  for (let i = 0; i < 3; i++) setTimeout(() => out.push(i), i);
  outer: for (const a of [1, 2, 3]) { for (const b in { x: 1, y: 2 }) { if (a === 2) continue outer; if (a === 3) break outer; out.push(a + b); } }
  let w = 0; do { w++; if (w === 2) continue; } while (w < 4);
  const f = (n) => { switch (n) { case 1: return 'one'; case 2: n = 'fall'; default: return n; } };
  const t = (() => { try { throw new RangeError('r'); } catch ({ name, message }) { return name + message; } finally { out.push('finally'); } })();
  const order = (() => { try { return 'try'; } finally { out.push('after return'); } })();
  const tdz = (() => { try { return x; let x = 1; } catch (e) { return e.name; } })();
  const comma = (1, 2), voided = void 0, del = delete out.nothing;
  setTimeout(() => { context.idToken.r = [out, w, f(1), f(2), f(9), t, order, tdz, comma, voided === undefined, del, typeof undeclared]; callback(null, user, context); }, 10);
}
