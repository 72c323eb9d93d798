async function asyncRule(user, context, callback) {
  const wait = () => new Promise((resolve) => setTimeout(resolve, 5));
  await wait();
  context.idToken['https://shop.example.com/waited'] = true;
  return callback(null, user, context);
}
