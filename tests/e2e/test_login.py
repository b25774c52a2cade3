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

from world import PASSWORD, PATIENCE, Ulak, tls_context, wait_for

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


class Authority:
    """Certificates of clients, by openssl: a CA, and one it has signed for each name."""

    def __init__(self, directory):
        self.dir = directory
        self.make("ca", "/CN=ca", "-x509", "-addext", "keyUsage=keyCertSign,cRLSign")
        self.sign("anna", f"email:{ANNA}")
        self.sign("both", f"email:{ANNA},email:{EVE}")
        self.sign("server", f"email:{ANNA}", "serverAuth")
        self.sign("nobody", "email:nobody@login.example")
        self.make("self", "/CN=self", "-x509", "-addext", f"subjectAltName=email:{ANNA}")
        self.make("other", "/CN=other", "-x509")

    def path(self, name):
        return os.path.join(self.dir, name + ".pem")

    def make(self, name, subject, *more):
        out = self.path(name)
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                        "-keyout", out + ".key", "-out", out, "-days", "30", *more], check=True, capture_output=True)

    def sign(self, name, names, purpose="clientAuth"):
        self.make(name, "/CN=" + name)
        extensions = self.path(name) + ".ext"
        with open(extensions, "w") as f:
            f.write(f"subjectAltName={names}\nextendedKeyUsage={purpose}\n")
        signed = self.path(name) + ".crt"
        subprocess.run(["openssl", "x509", "-req", "-in", self.path(name), "-CA", self.path("ca"), "-CAkey",
                        self.path("ca") + ".key", "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", signed],
                       check=True, capture_output=True)
        os.rename(signed, self.path(name))

    def context(self, name):
        context = tls_context()
        if name is not None:
            context.load_cert_chain(self.path(name), self.path(name) + ".key")
        return context


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
def ca(directory):
    return Authority(directory)


@pytest.fixture(scope="module")
def server(directory, keys, ca):
    s = Ulak(os.path.join(directory, "server"), "login.example", ADDRESS, extra={
        "smtp": ["max_per_client = 10000"],
        "tls": ["client_certificates = true", f'client_ca = "{ca.path("ca")}"'],
        "oauth": [f'keys = "{keys.path}"', f'issuer = "{ISSUER}"', 'audience = "ulak"', 'scope = "mail"',
                  'configuration = "https://id.example/.well-known/openid-configuration"'],
    })
    s.init(ANNA)
    s.start()
    s.account(EVE)
    for n in range(4):
        s.account(f"u{n}@login.example")
    yield s
    s.stop()


def smtp(server):
    c = smtplib.SMTP_SSL(ADDRESS, 465, context=tls_context(), timeout=30 * PATIENCE)
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
    c = smtplib.SMTP(ADDRESS, 587, timeout=30 * PATIENCE)
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


# -- certificates -----------------------------------------------------------------


def external(ca, name, authzid="=", tls13=True):
    context = ca.context(name)
    if not tls13:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtplib.SMTP_SSL(ADDRESS, 465, context=context, timeout=30 * PATIENCE) as c:
        c.ehlo("client.example")
        offered = "EXTERNAL" in c.esmtp_features["auth"].split()
        code = c.docmd("AUTH", "EXTERNAL" + (f" {authzid}" if authzid else ""))[0]
        if code == 334:
            code = c.docmd("")[0]
        return offered, code


def test_certificates(server, ca):
    anna, eve = b64(ANNA.encode()), b64(EVE.encode())
    assert external(ca, None) == (False, 504)
    assert external(ca, "anna") == (True, 235)
    assert external(ca, "anna", "") == (True, 235)  # asked for the response
    assert external(ca, "anna", tls13=False) == (True, 235)
    assert external(ca, "anna", b64(ANNA.upper().encode())) == (True, 235)
    assert external(ca, "anna", eve) == (True, 535)
    assert external(ca, "both") == (True, 535)  # which of them?
    assert external(ca, "both", eve) == (True, 235)
    assert external(ca, "both", anna) == (True, 235)
    for name in ("server", "nobody", "self", "other"):
        assert external(ca, name) == (True, 535), name
        assert external(ca, name, anna) == (True, 535), name
    assert external(ca, "anna", "not-base64!") == (True, 501)
    assert external(ca, "anna", b64(b"a\0b")) == (True, 501)
    # A certificate is no hindrance to a password.
    with smtplib.SMTP_SSL(ADDRESS, 465, context=ca.context("other"), timeout=30 * PATIENCE) as c:
        c.login(ANNA, PASSWORD)


def test_certificates_in_imap_and_pop3(server, ca):
    i = imaplib.IMAP4_SSL(ADDRESS, 993, ssl_context=ca.context("anna"))
    assert "AUTH=EXTERNAL" in i.capabilities
    i.authenticate("EXTERNAL", lambda _: b"")
    assert i.select()[0] == "OK"
    i.logout()
    p = poplib.POP3_SSL(ADDRESS, 995, context=ca.context("anna"))
    assert "EXTERNAL" in p.capa()["SASL"]
    assert p._shortcmd("AUTH EXTERNAL =").startswith(b"+OK")
    p.quit()


def test_certificates_that_an_admin_names(server, ca):
    server.cli("account", "certificate", "add", EVE, ca.path("self"))
    rows = server.cli_json("account", "certificate", "list", EVE)
    assert [r["name"] for r in rows] == ["/CN=self"]
    assert external(ca, "self") == (True, 235)
    assert external(ca, "self", b64(EVE.encode())) == (True, 235)
    assert external(ca, "self", b64(ANNA.encode())) == (True, 535)  # what is in it does not count
    assert server.cli("account", "certificate", "add", ANNA, ca.path("self"), check=False).returncode == 1  # one account's
    printed = subprocess.run(["openssl", "x509", "-in", ca.path("self"), "-noout", "-fingerprint", "-sha256"],
                             capture_output=True, text=True).stdout.split("=")[1].strip()
    server.cli("account", "certificate", "remove", EVE, printed)
    assert external(ca, "self") == (True, 535)
    assert server.cli("account", "certificate", "remove", EVE, printed, check=False).returncode == 1
    assert server.cli("account", "certificate", "add", EVE, "/dev/null", check=False).returncode == 1


# -- SCRAM ------------------------------------------------------------------------

TLS = {"1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}


def gsasl(protocol, mechanism, version="1.3", password=PASSWORD, *more):
    port = {"smtp": 587, "imap": 143}[protocol]
    return subprocess.run(["gsasl", f"--{protocol}", f"--connect={ADDRESS}:{port}", "-m", mechanism, "-a", ANNA, "-p", password,
                           f"--priority={TLS[version]}", "--x509-ca-file=", "--verbose", *more],
                          input="", capture_output=True, text=True, timeout=60 * PATIENCE)


def test_gsasl(server):
    """Bound by tls-exporter with TLS 1.3, by tls-unique with 1.2; unbound only when it cannot bind."""
    if shutil.which("gsasl") is None:
        pytest.skip("no gsasl")
    for protocol, mechanism, version, more in (
            ("smtp", "SCRAM-SHA-256-PLUS", "1.3", ()), ("imap", "SCRAM-SHA-256-PLUS", "1.3", ()),
            ("smtp", "SCRAM-SHA-256-PLUS", "1.2", ()), ("imap", "SCRAM-SHA-1-PLUS", "1.2", ()),
            ("smtp", "SCRAM-SHA-1-PLUS", "1.3", ()),
            ("smtp", "SCRAM-SHA-256", "1.3", ("--no-cb",)), ("imap", "SCRAM-SHA-1", "1.2", ("--no-cb",)),
            ("smtp", "PLAIN", "1.3", ()), ("imap", "PLAIN", "1.2", ()), ("smtp", "LOGIN", "1.3", ())):
        r = gsasl(protocol, mechanism, version, PASSWORD, *more)
        assert r.returncode == 0, (protocol, mechanism, version, print(r.stdout, r.stderr))
    # It can bind, and so could we: somebody took -PLUS away. It is refused.
    assert gsasl("smtp", "SCRAM-SHA-256").returncode != 0
    assert gsasl("smtp", "SCRAM-SHA-256-PLUS", "1.3", "wrong").returncode != 0


def test_msmtp_and_swaks(server, keys):
    mail = f"From: {ANNA}\r\nTo: {EVE}\r\nSubject: hi\r\n\r\nhi\r\n"
    for method, secret in (("scram-sha-256", PASSWORD), ("plain", PASSWORD), ("login", PASSWORD),
                           ("oauthbearer", keys.token()), ("xoauth2", keys.token())):
        r = subprocess.run(["msmtp", "-C", "/dev/null", f"--host={ADDRESS}", "--port=587", "--tls=on", "--tls-starttls=on",
                            "--tls-certcheck=off", f"--auth={method}", f"--user={ANNA}", f"--passwordeval=echo '{secret}'",
                            f"--from={ANNA}", "--", EVE], input=mail, capture_output=True, text=True, timeout=60 * PATIENCE)
        if r.returncode != 0 and "not available" in r.stderr:
            continue  # a build without libgsasl
        assert r.returncode == 0, (method, r.stderr)
    for method in ("PLAIN", "LOGIN"):
        r = subprocess.run(["swaks", "--server", ADDRESS, "--port", "465", "--tlsc", "--auth", method, "--auth-user", ANNA,
                            "--auth-password", PASSWORD, "--from", ANNA, "--to", EVE, "--quit-after", "AUTH"],
                           capture_output=True, text=True, timeout=60 * PATIENCE)
        assert r.returncode == 0, (method, r.stdout, r.stderr)


def scram(flag, binding, name=ANNA, password=PASSWORD, mechanism="SCRAM-SHA-256-PLUS", tls13=True, spoil=None):
    """Code of the last reply, and what the server said in between."""
    import hashlib
    import hmac
    context = tls_context()
    if not tls13:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtplib.SMTP_SSL(ADDRESS, 465, context=context, timeout=30 * PATIENCE) as c:
        c.ehlo("client.example")
        bare = f"n={name},r=fyko+d2lbbFgONRv9qkxdawL"
        code, text = c.docmd("AUTH", mechanism + " " + b64((flag + bare).encode()))
        if code != 334:
            return code, None
        first = base64.b64decode(text).decode()
        fields = dict(f.split("=", 1) for f in first.split(","))
        assert fields["r"].startswith("fyko+d2lbbFgONRv9qkxdawL") and int(fields["i"]) >= 4096
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c={b64(flag.encode() + binding(c.sock))},r={fields['r']}"
        if spoil is not None:
            last = spoil(last)
        message = ",".join((bare, first, last)).encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
        code, text = c.docmd(b64(f"{last},p={b64(bytes(a ^ b for a, b in zip(client, signature)))}".encode()))
        if code != 334:
            return code, first
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        assert base64.b64decode(text) == b"v=" + b64(server).encode()
        return c.docmd("")[0], first


def test_scram_by_hand(server):
    import hashlib
    end_point = lambda sock: hashlib.sha256(sock.getpeercert(True)).digest()  # noqa: E731
    unique = lambda sock: sock.get_channel_binding("tls-unique")  # noqa: E731
    nothing = lambda sock: b""  # noqa: E731
    for tls13 in (True, False):
        assert scram("p=tls-server-end-point,,", end_point, tls13=tls13)[0] == 235
    assert scram("p=tls-unique,,", unique, tls13=False)[0] == 235
    assert scram("p=tls-unique,,", unique)[0] == 535  # there is none in TLS 1.3 (RFC 9266)
    assert scram("n,,", nothing, mechanism="SCRAM-SHA-256")[0] == 235
    assert scram(f"n,a={ANNA},", nothing, mechanism="SCRAM-SHA-256")[0] == 235
    code, first = scram("n,,", nothing, mechanism="SCRAM-SHA-256", password="wrong")
    assert code == 535
    salt = first.split(",")[1]
    # The same of who is not there: a salt that stays, and the same refusal.
    code, one = scram("n,,", nothing, mechanism="SCRAM-SHA-256", name="nobody@login.example")
    assert code == 535
    code, two = scram("n,,", nothing, mechanism="SCRAM-SHA-256", name="nobody@login.example")
    assert code == 535 and one.split(",")[1:] == two.split(",")[1:] and len(one) == len(two) == len(first)
    assert one.split(",")[1] != salt
    # Each time another account: who fails often waits.
    for n, (flag, binding, mechanism) in enumerate((
            ("y,,", nothing, "SCRAM-SHA-256"),           # downgrade
            ("n,,", nothing, "SCRAM-SHA-256-PLUS"), ("p=tls-server-end-point,,", end_point, "SCRAM-SHA-256"),
            ("p=tls-server-end-point,,", lambda sock: b"x" * 32, "SCRAM-SHA-256-PLUS"),
            ("p=tls-server-end-point,,", nothing, "SCRAM-SHA-256-PLUS"), ("p=none,,", nothing, "SCRAM-SHA-256-PLUS"),
            (f"n,a={EVE},", nothing, "SCRAM-SHA-256"))):
        assert scram(flag, binding, f"u{n % 4}@login.example", mechanism=mechanism)[0] == 535, (flag, mechanism)
    for spoil in (lambda x: x + "0", lambda x: x.replace("r=", "r=x")):
        assert scram("n,,", nothing, EVE, mechanism="SCRAM-SHA-256", spoil=spoil)[0] == 535
    assert scram("n,,", nothing, mechanism="SCRAM-SHA-256", spoil=lambda x: x.replace("c=", "d="))[0] == 501


# -- guessing ---------------------------------------------------------------------


def test_the_owner_gets_in_while_others_guess(server):
    """Forty guesses at once from where the owner is, too: what he knows lets him in, and soon."""
    assert password_code(server) == 235  # he has been here before
    guessers = []
    for n in range(40):
        c = smtp(server)
        c.send("AUTH PLAIN " + b64(f"\0{ANNA}\0guess {n}".encode()) + "\r\n")
        guessers.append(c)
    # behind them he would wait for the longest turn that there is, or be told to come again (454)
    began = time.monotonic()
    assert password_code(server) == 235
    assert time.monotonic() - began < 10 * PATIENCE
    for c in guessers:
        c.close()
