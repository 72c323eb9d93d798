function (user, context, callback) {
  user.nickname = user.nickname.toUpperCase();
  user.full_name = user.given_name + ' ' + user.family_name;
  user.groups = (user.groups || []).filter((g) => g !== 'sales');
  delete user.upn;
  delete user.picture;
  callback(null, user, context);
}
