function (user, context, callback) {
  const people = [{ name: 'ada', age: 36, at: { x: 1 } }, { name: 'bob', age: 41, at: { x: 2 } }, { name: 'cy', age: 36, at: { x: 1 } }];
  context.idToken.seen = {
    pluck: _.pluck(people, 'name'),
    chained: _.chain(people).where({ age: 36 }).pluck('name').value(),
    wrapped: _(people).pluck('age').contains(41),
    where: _.where(people, { at: { x: 1 } }).length,
    findWhere: _.findWhere(people, { name: 'bob' }),
    contains: [_.contains([1, 2], 2), _.contains({ a: 1 }, 1), _.contains('abc', 'b'), _.include([1], 2)],
    all: [_.all([1, 2], Number), _.any([0, 0]), _.any(people, { name: 'cy' }), _.all(people, 'age')],
    select: _.select(people, (one) => one.age > 40).length,
    detect: _.detect(people, (one) => one.age > 40).name,
    collect: _.collect([1, 2], (n) => n * 2),
    folds: [_.foldl([1, 2, 3], (sum, n) => sum + n, 0), _.inject([1, 2], (sum, n) => sum - n), _.foldr(['a', 'b'], (sum, n) => sum + n, '')],
    indexBy: Object.keys(_.indexBy(people, 'name')),
    pairs: [_.pairs({ a: 1, b: 2 }), _.object(['a', 'b'], [1, 2]), _.object([['c', 3]])],
    ends: [_.first([1, 2, 3], 2), _.first([1, 2]), _.last([1, 2, 3], 2), _.rest([1, 2, 3]), _.rest([1, 2, 3], 2), _.map([[1, 2], [3, 4]], _.first), _.map([[1, 2], [3, 4]], _.rest)],
    most: [_.max([1, 3, 2]), _.max(people, 'age').name, _.min(people, (one) => one.age).name, _.max({ a: 1, b: 5 }), _.map([[1, 2], [4, 3]], _.max)],
    unique: _.unique([1, 1, 2]),
    compose: _.compose((n) => n + 1, (n) => n * 2)(3),
    methods: _.methods({ a() {}, b: 1 }),
    invoke: _.invoke(['a', 'b'], 'toUpperCase'),
    invoked: _.invoke([[3, 1], [2]], 'join', '-'),
  };
  callback(null, user, context);
}
