(function (json) {
  const { user } = JSON.parse(json);
  if (!user.email_verified) return JSON.stringify({ deny: "email_not_verified" });
  let count = 0;
  let last = "";
  for (const group of user.groups) {
    if (group.startsWith("sales:")) {
      count += 1;
      last = group;
    }
  }
  return JSON.stringify({
    continue: {
      id_token: { "https://example.com/sales_groups": count, "https://example.com/last_sales_group": last },
      app_metadata: { sales_groups: count },
    },
  });
})
