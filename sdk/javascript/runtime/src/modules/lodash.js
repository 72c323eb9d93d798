// `lodash` 4, with the names of 2 and 3 that it has no more: what rules called `_` was lodash 2.4.

const _ = require("lodash/lodash.js");

/** `where`, and what else took a pattern, a name or a function. */
const where = (call) => (items, pattern) => call(items, _.matches(pattern));

/** Those that give a collection: a chain goes on with it. */
const GOES_ON = {
  collect: _.map,
  compose: _.flowRight,
  indexBy: _.keyBy,
  methods: _.functions,
  object: (names, values) => (values === undefined ? _.fromPairs(names) : _.zipObject(names, values)),
  padLeft: _.padStart,
  padRight: _.padEnd,
  pairs: _.toPairs,
  pluck: (items, name) => _.map(items, _.property(name)),
  select: _.filter,
  sortByAll: _.sortBy,
  sortByOrder: _.orderBy,
  trimLeft: _.trimStart,
  trimRight: _.trimEnd,
  trunc: _.truncate,
  unique: _.uniqBy,
  where: where(_.filter),
};
/** Those that give one value. */
const ENDS = {
  all: _.every,
  any: _.some,
  contains: _.includes,
  detect: _.find,
  findWhere: where(_.find),
  foldl: _.reduce,
  foldr: _.reduceRight,
  include: _.includes,
  inject: _.reduce,
};

const missing = (names) => _.omitBy(names, (call, name) => name in _);
_.mixin(missing(GOES_ON));
_.mixin(missing(ENDS), { chain: false });
_.createCallback ??= _.iteratee;
_.callback ??= _.iteratee;

/** What takes more in 2 and 3 than in 4, told apart by what it is given. */
const { first, invoke, last, max, min, rest, sum } = _;
const counted = (one, several) => (items, count, guard) => (typeof count === "number" && guard === undefined ? several(items, count) : one(items));
_.first = counted(first, _.take);
_.last = counted(last, _.takeRight);
_.rest = (items, count, guard) => (typeof items === "function" ? rest(items, count) : _.drop(items, typeof count === "number" && guard === undefined ? count : 1));
_.invoke = (items, method, ...values) => (Array.isArray(items) ? _.invokeMap(items, method, ...values) : invoke(items, method, ...values));
// As the function of a `map` it is given an index, which means nothing.
const by = (plain, computed) => (items, iteratee) => {
  const list = _.isArrayLike(items) ? items : _.values(items);
  return iteratee === undefined || typeof iteratee === "number" ? plain(list) : computed(list, iteratee);
};
_.max = by(max, _.maxBy);
_.min = by(min, _.minBy);
_.sum = by(sum, _.sumBy);

/** The same at the end of a chain, or in it: what gives several goes on. */
const chain = _.prototype;
const { first: firstOf, invoke: invokeOf, last: lastOf } = chain;
_.mixin(_.pick(_, ["max", "min", "sum"]), { chain: false });
_.mixin(_.pick(_, ["rest"]));
chain.first = function (count, guard) {
  return typeof count === "number" && guard === undefined ? this.take(count) : firstOf.call(this);
};
chain.last = function (count, guard) {
  return typeof count === "number" && guard === undefined ? this.takeRight(count) : lastOf.call(this);
};
chain.invoke = function (method, ...values) {
  return Array.isArray(this.value()) ? this.invokeMap(method, ...values) : invokeOf.call(this, method, ...values);
};

module.exports = _;
