async function (user, context, callback) {
  await Promise.resolve();
  throw new Error('from afar');
}
