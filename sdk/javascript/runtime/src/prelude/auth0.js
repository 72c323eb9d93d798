// The restricted Management API client that every rule has.

import { login } from "./login.js";
import { update } from "./metadata.js";

/** What stands in for a token: the host changes the user itself, and no credential enters a rule. */
export const ACCESS_TOKEN = "vestibule-changes-the-user-who-is-logging-in";

export const auth0 = {
  users: { updateUserMetadata: update("user_metadata"), updateAppMetadata: update("app_metadata") },
  accessToken: ACCESS_TOKEN,
  get domain() {
    const { request, tenant } = login.context;
    return request?.hostname || `${tenant || "vestibule"}.invalid`;
  },
  get baseUrl() {
    return `https://${this.domain}/api/v2`;
  },
};
