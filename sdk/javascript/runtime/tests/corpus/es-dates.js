function (user, context, callback) {
  const d = new Date('2026-03-29T01:30:00Z');
  const utc = Date.UTC(2024, 1, 29, 12);
  const invalid = new Date('nonsense');
  const moved = new Date(d); moved.setUTCMonth(0, 31); moved.setUTCHours(25);
  context.idToken.r = [d.toISOString(), d.getTime(), d.getUTCDay(), utc, new Date(utc).toJSON(), isNaN(invalid), (() => { try { invalid.toISOString(); } catch (e) { return e.name; } })(), moved.toISOString(), new Date(2026, 0, 1) instanceof Date, Date.parse('2026-01-05'), Date.parse('2026-01-05T10:00:00+02:00'), Date.parse('Mon, 05 Jan 2026 08:30:00 GMT'), new Date(8.64e15 + 1).getTime(), d > new Date(0), d - new Date('2026-03-29'), new Date(0).toUTCString(), JSON.stringify({ d }), Math.floor((Date.now() - Date.parse('2026-01-01T00:00:00Z')) / 86400000), new Date(Date.now()).toISOString() === new Date().toISOString()];
  callback(null, user, context);
}
