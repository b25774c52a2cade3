/* SPDX-License-Identifier: ISC */
/*
 * test_received - the trace line stays one field, whatever the client says
 */
#include "base/test.h"
#include "mail/header.h"
#include "mail/received.h"

static const struct received plain = {
	.helo = SLICE("client.example"),
	.client = SLICE("192.0.2.1"),
	.by = SLICE("mx.one.example"),
	.protocol = SLICE("ESMTPS"),
	.tls = SLICE("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"),
	.id = SLICE("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
	.rcpt = SLICE("a@one.example"),
	.wall_us = INT64_C(1795415400) * 1000000,
};

static void
check(const char *what, const struct received *r, struct slice want)
{
	struct buf b;

	buf_init(&b, RECEIVED_MAX);
	test_case(what);
	test_int(received_print(r, &b), BUF_OK);
	test_slice(buf_slice(&b), want);
	buf_deinit(&b);
}

static void
prints_the_clauses(void **state)
{
	struct received r = plain;

	(void)state;
	check("all", &r,
	    SLICE("Received: from client.example ([192.0.2.1])\r\n"
		  "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n"
		  "\tfor <a@one.example>;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
	r.rdns = SLICE("mail.client.example");
	check("with a name", &r,
	    SLICE("Received: from client.example (mail.client.example "
		  "[192.0.2.1])\r\n"
		  "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n"
		  "\tfor <a@one.example>;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
	r.rdns = SLICE("");
	r.tls = r.rcpt = SLICE("");
	r.helo = SLICE("[IPv6:2001:db8::1]");
	r.client = SLICE("2001:db8::1");
	check("literal, no TLS, several recipients", &r,
	    SLICE("Received: from [IPv6:2001:db8::1] "
		  "([IPv6:2001:db8::1])\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
}

static void
masks_a_hostile_name(void **state)
{
	struct received r = plain;

	(void)state;
	r.tls = SLICE("");
	r.rcpt = SLICE("\"\xff\"@one.example");
	r.helo = SLICE("x)\r\nSubject: y\\\"\xff\0(");
	check("hostile", &r,
	    SLICE("Received: from [192.0.2.1] "
		  "(helo=x?"
		  "??Subject: y????"
		  "?)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
	r.helo = SLICE("");
	check("empty", &r,
	    SLICE("Received: from [192.0.2.1] (helo=)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
}

static void
tells_who_it_is_on_this_machine(void **state)
{
	struct received r = plain;

	(void)state;
	r.tls = SLICE("");
	r.rcpt = SLICE("");
	r.client = SLICE("uid:1000");
	r.helo = SLICE("mx.one.example");
	check("name", &r,
	    SLICE("Received: from mx.one.example (uid:1000)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
	r.helo = SLICE("a b");
	check("no name", &r,
	    SLICE("Received: from localhost (uid:1000)\r\n"
		  "\tby mx.one.example with ESMTPS id "
		  "01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
		  "\tMon, 23 Nov 2026 06:30:00 +0000\r\n"));
}

/* Every octet, alone and doubled, at the longest: still one field. */
static void
stays_one_field(void **state)
{
	static uint8_t long_name[5000];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		struct slice evil = slice_of(long_name, sizeof(long_name));
		struct received r = { evil, evil, evil, evil, evil, evil, evil,
			evil, INT64_MIN };
		struct header_field field;
		struct slice rest;
		struct buf b;

		memset(long_name, (int)c, sizeof(long_name));
		buf_init(&b, RECEIVED_MAX);
		test_case("long");
		test_int(received_print(&r, &b), BUF_OK);
		rest = buf_slice(&b);
		test_true(header_next(&rest, &field));
		test_slice(field.name, SLICE("Received"));
		test_int(rest.len, 0);
		buf_deinit(&b);
	}
}

static void
adds_nothing_when_full(void **state)
{
	struct buf b;

	(void)state;
	test_case("full");
	buf_init(&b, 100);
	test_int(received_print(&plain, &b), BUF_E_FULL);
	test_int(b.len, 0);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(prints_the_clauses),
    cmocka_unit_test(masks_a_hostile_name),
    cmocka_unit_test(tells_who_it_is_on_this_machine),
    cmocka_unit_test(stays_one_field), cmocka_unit_test(adds_nothing_when_full))
