function (user, context, callback) {
  const log = [];
  setTimeout(() => log.push('timer'), 1);
  Promise.resolve().then(() => log.push('a')).then(() => log.push('c'));
  (async () => { log.push('sync'); await undefined; log.push('b'); try { await Promise.reject(new Error('no')); } catch (e) { log.push(e.message); } finally { log.push('finally'); } })();
  queueMicrotask(() => log.push('micro'));
  Promise.race([new Promise(() => {}), Promise.resolve('race')]).then((v) => log.push(v));
  Promise.all([1, Promise.resolve(2), { then(resolve) { resolve(3); } }]).then((v) => log.push(v.join('')));
  Promise.reject(1).catch((e) => e + 1).finally(() => log.push('f')).then((v) => log.push(v));
  Promise.allSettled([Promise.reject(new TypeError('t')), 1]).then((all) => log.push(all.map((one) => one.status).join()));
  setTimeout(() => { context.idToken.log = log; callback(null, user, context); }, 5);
}
