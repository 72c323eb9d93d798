function (user, context, callback) {
  const a = [5, 1, 4], people = [{ n: 'b', k: 1 }, { n: 'a', k: 1 }, { n: 'c', k: 0 }];
  const sparse = [1, , 3]; sparse[5] = 6;
  context.idToken.r = [a.map((x) => x * 2), a.filter((x) => x > 1), a.reduce((s, x) => s + x, 0), a.reduceRight((s, x) => s + '-' + x), a.some((x) => x > 4), a.every(Number.isInteger), a.find((x) => x < 5), a.findIndex((x) => x === 4), a.includes(NaN), [NaN].includes(NaN), [NaN].indexOf(NaN), a.slice(-2), a.concat([[1]], 2), [1, [2, [3, [4]]]].flat(Infinity), a.flatMap((x) => [x, x]), a.fill(0, 1, 2), Array.of(7).length, Array(3).length, Array.from('abc', (c) => c + c), a.join(), [[1, 2], [3]].toString(), people.sort((x, y) => x.k - y.k).map((x) => x.n), sparse.length, Object.keys(sparse), [..."ab"].entries().next().value, a.copyWithin(0, 2), [1, 2, 3].reverse(), [3, 2].splice(0, 1, 'x', 'y'), Array.isArray([]), [1, 2, 3].lastIndexOf(3), ['b', undefined, 'a'].sort(), [,].length, [1, 2, 3].at(-1)];
  callback(null, user, context);
}
