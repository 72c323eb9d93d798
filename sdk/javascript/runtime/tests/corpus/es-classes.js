function (user, context, callback) {
  class Shape { constructor(n) { this.n = n; } area() { return 0; } get label() { return `${this.constructor.name}:${this.area()}`; } static of(n) { return new this(n); } toString() { return 'shape'; } }
  class Square extends Shape { area() { return super.area() + this.n ** 2; } static get sides() { return 4; } *[Symbol.iterator]() { yield* [this.n, this.n]; } }
  class Failure extends Error { constructor(m) { super(m); this.name = 'Failure'; } }
  const s = Square.of(3), e = new Failure('f');
  const proto = Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } });
  context.idToken.r = [s.label, [...s], `${s}`, Square.sides, s instanceof Shape, e instanceof Failure && e instanceof Error, String(e), Object.keys(proto), 'inherited' in proto, (() => { try { Square(); } catch (x) { return x.name; } })(), Object.getOwnPropertyNames(Shape.prototype)];
  callback(null, user, context);
}
