// A small site that people log in to, built on openid-client. The library does all of OpenID Connect; what it finds
// wrong is answered as { error }.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import * as oidc from "openid-client";

const server = createServer((request, response) => {
  const url = new URL(request.url, home);
  const page = pages[url.pathname] ?? (() => ({ error: "no such page" }));
  Promise.resolve(page(url)).catch(told).then((answer) => {
    if (answer instanceof URL) return response.writeHead(302, { location: answer.href }).end();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const home = new URL(`http://localhost:${server.address().port}/`);
console.log(JSON.stringify({ home }));

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit());
const { issuer, client_id, client_secret } = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const authentication = client_secret ? oidc.ClientSecretBasic(client_secret) : oidc.None();
const metadata = { client_secret, redirect_uris: [new URL("/callback", home).href] };
const insecure = { execute: [oidc.allowInsecureRequests] }; // Loopback has no TLS.
const configuration = oidc.discovery(new URL(issuer), client_id, metadata, authentication, insecure);

let asked, tokens, first;

const pages = {
  async "/login"(url) {
    asked = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
    return oidc.buildAuthorizationUrl(await configuration, {
      redirect_uri: new URL("/callback", home).href,
      scope: "openid profile email offline_access",
      code_challenge: await oidc.calculatePKCECodeChallenge(asked.pkceCodeVerifier),
      code_challenge_method: "S256",
      state: asked.expectedState,
      nonce: asked.expectedNonce,
      ...Object.fromEntries(url.searchParams),
    });
  },
  async "/callback"(url) {
    first = tokens = await oidc.authorizationCodeGrant(await configuration, url, { ...asked, idTokenExpected: true });
    return { claims: tokens.claims(), scope: tokens.scope };
  },
  async "/userinfo"() {
    return await oidc.fetchUserInfo(await configuration, tokens.access_token, first.claims().sub);
  },
  async "/refresh"() {
    const before = tokens;
    tokens = await oidc.refreshTokenGrant(await configuration, before.refresh_token);
    return { claims: tokens.claims(), rotated: tokens.refresh_token !== before.refresh_token };
  },
  async "/replay"() {
    return await oidc.refreshTokenGrant(await configuration, first.refresh_token);
  },
  async "/logout"() {
    return oidc.buildEndSessionUrl(await configuration, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: new URL("/bye", home).href,
    });
  },
  "/bye": () => ({ bye: true }),
};

function told(error) {
  return { error: error.error ?? error.code ?? error.message };
}
