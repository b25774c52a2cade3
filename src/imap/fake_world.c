/* SPDX-License-Identifier: ISC */
#include "imap/fake_world.h"

const char fake_plain[] =
    "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
    "From: Fred Foobar <foobar@one.example>\r\n"
    "Subject: afternoon meeting\r\n"
    "To: mooch@two.example\r\n"
    "Message-Id: <B27397-0100000@one.example>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
    "\r\n"
    "Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n";

const char fake_mixed[] =
    "From: \"Doe, J.\" <doe@two.example>\r\n"
    "To: alice@one.example,\r\n"
    " bob@one.example\r\n"
    "Cc: friends: carol@one.example, dan@one.example;\r\n"
    "Subject: two parts\r\n"
    "Date: Tue, 1 Apr 1997 09:06:31 +0200\r\n"
    "Message-ID: <2@two.example>\r\n"
    "In-Reply-To: <1@one.example>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"b1\"\r\n"
    "\r\n"
    "preamble\r\n"
    "--b1\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "Gr=C3=BC=C3=9Fe aus dem Norden\r\n"
    "--b1\r\n"
    "Content-Type: application/octet-stream; name=a.bin\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=a.bin\r\n"
    "\r\n"
    "AAECAwQ=\r\n"
    "--b1--\r\n";

const char fake_forward[] =
    "From: carol@one.example\r\n"
    "Subject: =?utf-8?q?Fwd=3A_Gr=C3=BC=C3=9Fe?=\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "From: dan@one.example\r\n"
    "Subject: inner\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative; boundary=x\r\n"
    "\r\n"
    "--x\r\n"
    "\r\n"
    "plain\r\n"
    "--x\r\n"
    "Content-Type: text/html\r\n"
    "\r\n"
    "<b>rich</b>\r\n"
    "--x--\r\n";

void
fake_world_fill(struct fake_store *f)
{
	(void)fake_store_add(f, "INBOX", slice_cstr(fake_plain), IMAP_SEEN);
	(void)fake_store_add(f, "INBOX", slice_cstr(fake_mixed), 0);
	(void)fake_store_add(f, "INBOX", slice_cstr(fake_forward),
	    IMAP_FLAGGED);
	fake_store_box(f, SLICE("INBOX"))->recent = 3;
}
