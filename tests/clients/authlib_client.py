"""A small site that people log in to, built on Authlib and Flask. The library does all of OpenID Connect; what it finds
wrong is answered as {"error"}."""

import json
import logging
import os
import secrets
import sys
import threading

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, request, session
from werkzeug.serving import make_server

site = Flask(__name__)
site.secret_key = secrets.token_bytes(32)
site.config["SESSION_COOKIE_NAME"] = "authlib-site"
logging.getLogger("werkzeug").setLevel(logging.ERROR)

server = make_server("127.0.0.1", 0, site, threaded=True)
home = f"http://localhost:{server.server_port}/"
print(json.dumps({"home": home}), flush=True)

settings = json.loads(sys.stdin.readline())
provider = OAuth(site).register(
    "vestibule",
    client_id=settings["client_id"],
    client_secret=settings.get("client_secret"),
    server_metadata_url=settings["issuer"] + ".well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile email offline_access",
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": "client_secret_basic" if "client_secret" in settings else "none",
    },
)
kept = {}


@site.get("/login")
def login():
    return provider.authorize_redirect(home + "callback", **request.args)


@site.get("/callback")
def callback():
    kept["tokens"] = kept["first"] = tokens = provider.authorize_access_token()
    return {"claims": tokens["userinfo"], "scope": tokens["scope"]}


@site.get("/userinfo")
def userinfo():
    return provider.userinfo(token=kept["tokens"])


@site.get("/refresh")
def refresh():
    before = kept["tokens"]
    tokens = kept["tokens"] = provider.fetch_access_token(
        grant_type="refresh_token", refresh_token=before["refresh_token"]
    )
    claims = provider.parse_id_token(tokens, nonce=None)
    return {"claims": claims, "rotated": tokens["refresh_token"] != before["refresh_token"]}


@site.get("/replay")
def replay():
    return provider.fetch_access_token(grant_type="refresh_token", refresh_token=kept["first"]["refresh_token"])


@site.get("/logout")
def logout():
    return provider.logout_redirect(home + "bye", id_token_hint=kept["tokens"]["id_token"])


@site.get("/bye")
def bye():
    provider.validate_logout_response()
    return {"bye": True}


@site.errorhandler(OAuthError)
def told(error):
    return {"error": error.error}


def until_nobody_listens():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=until_nobody_listens, daemon=True).start()
server.serve_forever()
