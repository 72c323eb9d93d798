function (user, context, callback) {
  const at = new Date(Date.UTC(2026, 0, 5, 0, 3, 7));
  const later = new Date(Date.UTC(1999, 11, 31, 13, 45, 59, 999));
  const noon = new Date(Date.UTC(2026, 6, 4, 12));
  context.idToken.dates = [at, later, noon, new Date(NaN), new Date(0)].map((date) => [
    date.toLocaleString(), date.toLocaleDateString(), date.toLocaleTimeString(),
    date.toLocaleString('en-US'), date.toLocaleDateString(['en-US'], {}), date.toLocaleTimeString('en-US', { timeZone: 'UTC' }),
    date.toLocaleString(undefined, undefined),
  ]);
  context.idToken.numbers = [0, -0, 7, 999, 1000, 1234567.891, 1.0005, 1e21, 1.2345e25, -0.0001, NaN, Infinity, -Infinity, 0.1 + 0.2, 999.9995,
    999999.9996, 1e-7, 123456789012345680000, 0.0005, 0.00049, -1234.5, 12345678.9e-3, 100, 1e15 + 0.3]
    .map((number) => [number.toLocaleString(), number.toLocaleString('en-US')]);
  context.idToken.others = [[1234, new Date(0), null, 'a'].toLocaleString(), BigInt('12345678901234567890').toLocaleString(), 'İ'.toLocaleLowerCase().length];
  callback(null, user, context);
}
