function (user, context, callback) {
  const tag = (strings, ...values) => strings.raw.join('|') + values.join('+');
  const s = 'Hello, wörld 😀';
  context.idToken.r = [tag`a${1}\n${2}c`, s.length, s.codePointAt(13), String.fromCodePoint(128512), s.normalize('NFD').length, s.includes('wör'), s.startsWith('ello', 1), s.endsWith('😀'), 'ab'.repeat(3), 'x'.padEnd(3, 'yz'), ' \t x\u00a0'.trim(), s.slice(-2), s.substring(5, 2), s.substr(-4, 2), 'abc'.split(''), 'a-b_c'.split(/[-_]/), 'aXbX'.replace('X', '$&$&'), 'a1b2'.replace(/(\w)(\d)/g, '$2$1'), s.toUpperCase(), 'İ'.toLowerCase().length, 'ß'.toUpperCase(), 'a'.localeCompare('b'), s.indexOf('o', 5), s.lastIndexOf('l'), escape('é %'), unescape('%u0107'), encodeURI('é/?a=b c'), decodeURIComponent('%F0%9F%98%80'), 'abc'.at(-1), 'x,y,,'.split(','), 'aa'.replaceAll('a', 'b'), 'trim'.trimStart()];
  callback(null, user, context);
}
