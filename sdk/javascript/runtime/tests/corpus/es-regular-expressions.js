function (user, context, callback) {
  const date = /(?<year>\d{4})-(?<month>\d{2})/u;
  const all = [];
  const word = /\b(\w+)\b/g; let m;
  while ((m = word.exec('one two three'))) all.push([m[1], m.index, word.lastIndex]);
  const sticky = /a/y; sticky.lastIndex = 1;
  context.idToken.r = [all, '2026-01'.replace(date, '$<month>/$<year>'), date.exec('x 2026-11').groups.month, 'price: $5 €7'.match(/(?<=\$)\d/)[0], 'ab'.match(/(?<!a)b/), /^.$/su.test('\n'), /^.$/u.test('😀'), /\p{Lu}/u.test('É'), sticky.test('ba'), 'aBc'.match(/[a-z]/gi), 'x'.match(/y/), [...'a1b2'.matchAll(/[a-z](\d)/g)].map((x) => x[1]), /(a+)+b/.test('aaaaaaaaaaaaaaaaab'), 'a\nb'.match(/^b$/m).index, new RegExp('[/]', 'gi').toString(), /x/.flags, 'aaa'.lastIndexOf('a'), 'one  two'.search(/\s+/), '\u2028'.match(/\s/) !== null, /\bword\b/i.test('A WORD!'), /(?:a|ab)(?:c|bcd)(?:d*)/.exec('abcd')[0], 'x-y'.split(/(-)/)];
  callback(null, user, context);
}
