# SPDX-License-Identifier: ISC
"""RFC 7293: mail for a mailbox whose owner may have changed since its sender knew him."""
import smtplib


def test_who_owns_the_mailbox_is_checked(one):
    with smtplib.SMTP(one.address, 25, local_hostname="client.example") as s:
        code, text = s.ehlo()
        assert b"RRVS" in text
        for to, since, want in (
                ("user", "2001-01-01T00:00:00Z", b"550 5.7.17"),  # older than the account
                ("user", "2099-01-01T00:00:00Z", b"250"),
                ("postmaster", "2001-01-01T00:00:00Z", b"250"),   # a role (section 5.1)
        ):
            s.docmd("RSET")
            s.docmd("MAIL FROM:<x@far.example>")
            code, text = s.docmd(f"RCPT TO:<{to}@{one.domain}> RRVS={since}")
            assert (b"%d " % code + text).startswith(want), (to, since, code, text)
