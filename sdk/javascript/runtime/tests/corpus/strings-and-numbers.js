function (user, context, callback) {
  const words = 'the quick brown fox'.replace(/\b(\w)/g, (m, c) => c.toUpperCase());
  const padded = String(parseInt('042px', 10)).padStart(6, '0');
  const when = new Date(Date.parse('2026-01-05T08:30:00Z') + 86400000);
  const slug = /^(?<first>\w+)\s/u.exec(user.name).groups.first.toLowerCase();
  const list = Array.from({ length: 3 }, (_, i) => i ** 2).concat([...'ab']);
  context.idToken.all = [words, padded, when.toISOString(), slug, list, isNaN('x'), Math.max(1, 2), (0.1 + 0.2).toFixed(2), 1e21 + '', -0];
  callback(null, user, context);
}
