function (user, context, callback) {
  const caught = (f) => { try { f(); return 'none'; } catch (e) { return [e.name, e instanceof Error, e.constructor.name]; } };
  const e = new Error('with cause'); e.code = 'E1';
  context.idToken.r = [caught(() => null.x), caught(() => undefinedName), caught(() => { (void 0)(); }), caught(() => { const c = 1; c = 2; }), caught(() => new Array(-1)), caught(() => decodeURIComponent('%')), caught(() => eval('let let')), caught(() => 'x'.repeat(-1)), caught(() => { throw Object.assign(new TypeError('t'), { extra: 1 }); }), caught(() => BigInt(1.5)), caught(() => (function f() { return f(); })()).slice(0, 2), e.toString(), Object.keys(e), JSON.stringify(e), typeof e.stack, caught(() => { throw 'text'; }).length];
  callback(null, user, context);
}
