# SPDX-License-Identifier: ISC
"""Logging in with the programs of others: passwords, SCRAM, tokens, certificates.

A server of its own. Tokens are made by PyJWT, certificates by openssl, SCRAM
is spoken by gsasl and msmtp, and by a client here where a channel binding has
to be wrong on purpose.
"""
import base64
import imaplib
import json
import os
import poplib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from world import PASSWORD, Ulak, tls_context, wait_for

ADDRESS = "192.0.2.11"
HOST = "mx.login.example"
ANNA, EVE = "anna@login.example", "eve@login.example"
ISSUER = "https://id.example"


def jwt_module():
    return pytest.importorskip("jwt")


class Keys:
    """An issuer: a key of each kind, and its JWK Set."""

    def __init__(self, path):
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        jwt = jwt_module()
        self.path = path
        self.private = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1()),
                        "EdDSA": ed25519.Ed25519PrivateKey.generate()}
        makers = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm,
                  "EdDSA": jwt.algorithms.OKPAlgorithm}
        self.set = []
        for alg, key in self.private.items():
            if alg == "ES256":  # PyJWT 2.6 has no to_jwk for it
                n = key.public_key().public_numbers()
                jwk = {"kty": "EC", "crv": "P-256", "x": url64(n.x.to_bytes(32, "big")), "y": url64(n.y.to_bytes(32, "big"))}
            else:
                jwk = makers[alg].to_jwk(key.public_key())
                jwk = json.loads(jwk) if isinstance(jwk, str) else jwk
            self.set.append(dict(jwk, kid="key-" + alg, use="sig", alg=alg))
        self.write()

    def write(self, text=None):
        with open(self.path, "w") as f:
            f.write(text or json.dumps({"keys": self.set}))

    def token(self, who=ANNA, alg="RS256", header=None, key=None, **claims):
        now = int(time.time())
        body = {"iss": ISSUER, "aud": ["x", "ulak"], "email": who, "iat": now, "exp": now + 300, "scope": "openid mail", **claims}
        body = {k: v for k, v in body.items() if v is not None}
        return jwt_module().encode(body, key or self.private[alg], alg, headers={"kid": "key-" + alg, **(header or {})})


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture(scope="module")
def keys(directory):
    return Keys(os.path.join(directory, "issuer.json"))


@pytest.fixture(scope="module")
def directory():
    d = tempfile.mkdtemp(prefix="ulak-e2e.")
    os.chmod(d, 0o755)
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(scope="module")
def server(directory, keys):
    s = Ulak(os.path.join(directory, "server"), "login.example", ADDRESS, extra={
        "smtp": ["max_per_client = 10000"],
        "oauth": [f'keys = "{keys.path}"', f'issuer = "{ISSUER}"', 'audience = "ulak"', 'scope = "mail"',
                  'configuration = "https://id.example/.well-known/openid-configuration"'],
    })
    s.init(ANNA)
    s.start()
    s.account(EVE)
    yield s
    s.stop()


def smtp(server):
    c = smtplib.SMTP_SSL(ADDRESS, 465, context=tls_context(), timeout=30)
    c.ehlo("client.example")
    return c


def bearer(token, name=ANNA):
    return f"n,a={name},\1host={HOST}\1port=587\1auth=Bearer {token}\1\1".encode()


def xoauth2(token, name=ANNA):
    return f"user={name}\1auth=Bearer {token}\1\1".encode()


def b64(data):
    return base64.b64encode(data).decode()


# -- tokens ---------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_token_of_each_algorithm(server, keys, alg):
    c = smtp(server)
    assert "OAUTHBEARER XOAUTH2" in c.esmtp_features["auth"]
    assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(keys.token(alg=alg))))[0] == 235
    assert c.docmd("MAIL", f"FROM:<{ANNA}>")[0] == 250
    assert c.docmd("RSET")[0] == 250
    c.quit()
    i = imaplib.IMAP4_SSL(ADDRESS, 993, ssl_context=tls_context())
    assert "AUTH=OAUTHBEARER" in i.capabilities
    i.authenticate("XOAUTH2", lambda _: xoauth2(keys.token(alg=alg)))
    assert i.select()[0] == "OK"
    i.logout()


def test_token_over_pop3(server, keys):
    p = poplib.POP3_SSL(ADDRESS, 995, context=tls_context())
    assert "OAUTHBEARER" in p.capa()["SASL"]
    assert p._shortcmd("AUTH OAUTHBEARER").startswith(b"+ ")
    assert p._shortcmd(b64(bearer(keys.token())).strip()).startswith(b"+OK")
    p.quit()


def test_tokens_only_within_tls(server):
    c = smtplib.SMTP(ADDRESS, 587, timeout=30)
    c.ehlo("client.example")
    assert "auth" not in c.esmtp_features
    assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer("a.b.c")))[0] in (530, 538)
    c.starttls(context=tls_context())
    c.ehlo("client.example")
    assert "OAUTHBEARER" in c.esmtp_features["auth"]
    c.quit()


def forged(keys):
    """What somebody without the private keys, or with another token, would try."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    import hashlib
    import hmac
    now = int(time.time())
    good = keys.token()
    public = keys.private["RS256"].public_key().public_bytes(serialization.Encoding.PEM,
                                                             serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, sig = good.split(".")
    unsigned = url64(b'{"alg":"none","typ":"JWT"}') + "." + body + "."
    hs = url64(b'{"alg":"HS256","kid":"key-RS256"}') + "." + body
    yield "alg none", unsigned
    yield "alg none, with the signature of another", unsigned + sig
    yield "key confusion", hs + "." + url64(hmac.new(public, hs.encode(), hashlib.sha256).digest())
    yield "signature of another key", keys.token(key=rsa.generate_private_key(65537, 2048))
    yield "kid unknown", keys.token(header={"kid": "key-2"})
    yield "kid of another kind", keys.token(header={"kid": "key-EdDSA"})
    yield "expired", keys.token(exp=now - 3600)
    yield "without end", keys.token(exp=None)
    yield "not yet", keys.token(nbf=now + 3600)
    yield "issuer", keys.token(iss="https://evil.example")
    yield "audience", keys.token(aud="other")
    yield "no audience", keys.token(aud=None)
    yield "scope", keys.token(scope="openid")
    yield "unverified", keys.token(email_verified=False)
    yield "of somebody else", keys.token(EVE)
    yield "of nobody", keys.token("nobody@login.example")
    yield "payload of another", head + "." + keys.token(EVE).split(".")[1] + "." + sig
    yield "no signature", head + "." + body + "."
    yield "two parts", head + "." + body
    yield "words", "letmein"


def test_forged_tokens(server, keys):
    for what, token in forged(keys):
        c = smtp(server)
        code, text = c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(token)))
        assert code == 334, (what, code, text)
        error = json.loads(base64.b64decode(text))
        assert error["status"] == ("insufficient_scope" if what == "scope" else "invalid_token"), what
        assert error["scope"] == "mail" and error["openid-configuration"].startswith("https://id.example/")
        code, text = c.docmd("AQ==")
        assert (code, text[:5]) == (535, b"5.7.8"), (what, code, text)
        assert c.docmd("MAIL", f"FROM:<{ANNA}>")[0] == 530, what
        c.close()


def test_token_sent_late_or_given_up(server, keys):
    c = smtp(server)
    assert c.docmd("AUTH", "XOAUTH2") == (334, b"")
    assert c.docmd(b64(xoauth2(keys.token())))[0] == 235
    c.quit()
    c = smtp(server)
    assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer("a.b.c")))[0] == 334
    assert c.docmd("*")[0] == 501
    assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(keys.token())))[0] == 235
    assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(keys.token())))[0] == 503
    c.quit()
    i = imaplib.IMAP4_SSL(ADDRESS, 993, ssl_context=tls_context())
    said = []
    with pytest.raises(imaplib.IMAP4.error):
        i.authenticate("OAUTHBEARER", lambda x: (said.append(x), bearer("a.b.c") if len(said) == 1 else b"\1")[1])
    assert json.loads(said[1])["status"] == "invalid_token"
    i.logout()


def test_curl_with_a_token(server, keys):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    url = f"imaps://{ADDRESS}/INBOX"
    for token, want in ((keys.token(), 0), (keys.token(exp=1), 67)):
        r = subprocess.run(["curl", "-sk", url, "-u", ANNA + ":", "--oauth2-bearer", token, "-X", "NOOP"], capture_output=True)
        assert r.returncode == want, r


def test_keys_change_while_it_runs(server, keys):
    old = keys.token()
    from cryptography.hazmat.primitives import serialization
    other = Keys(os.path.join(server.dir, "other.json"))
    pem = "".join(k.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
                  for k in other.private.values())

    def code(token):
        with smtp(server) as c:
            r = c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(token)))[0]
            if r == 334:
                c.docmd("AQ==")
            return r
    try:
        keys.write(pem)
        assert code(old) == 235  # not before it is told
        assert "3 keys in use" in server.cli("token", "reload").stdout
        assert code(old) == 334 and code(other.token(header={"kid": "whatever"})) == 235
        assert server.cli("token", "check", "-", stdin=other.token() + "\n").stdout == f"good for {ANNA}\n"
        out = server.cli("token", "check", "--json", "-", stdin=old, check=False)
        assert out.returncode != 0 and json.loads(out.stdout)["reason"] == "the signature is wrong"
        for broken in ('{"keys": [', '{"keys": []}', "words", json.dumps(dict(keys.set[2], d="AA"))):
            keys.write(broken)
            for command in (("config", "check"), ("token", "reload")):
                out = server.cli(*command, check=False)
                assert out.returncode != 0 and "oauth.keys" in out.stderr, (broken, out)
        assert code(other.token()) == 235  # the old ones stay
        # The keeper alone reads it anew: mail goes on, tokens wait.
        server.kill_role("keeper")
        wait_for(lambda: "token-keys-unusable" in server.log(), what="the event")
        wait_for(lambda: password_code(server) == 235, what="the keeper")
        with smtp(server) as c:
            assert c.docmd("AUTH", "OAUTHBEARER " + b64(bearer(other.token())))[0] == 454
    finally:
        keys.write()
        server.cli("token", "reload")
    assert code(keys.token()) == 235


def password_code(server, name=ANNA, password=PASSWORD):
    with smtp(server) as c:
        return c.docmd("AUTH", "PLAIN " + b64(f"\0{name}\0{password}".encode()))[0]
