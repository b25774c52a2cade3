/* SPDX-License-Identifier: ISC */
/*
 * What is written comes out at the other end, whatever the pieces; a bomb
 * gives no more at once than is asked for, and junk is an error, not a wait.
 */
#include "base/test.h"

#include <errno.h>

#include "roles/front/deflate.h"

enum {
	MANY = 300 * 1000
};

static void
there_and_back(void **state)
{
	struct deflate *a = deflate_new(), *b = deflate_new();
	uint8_t *in = malloc(MANY), *out = malloc(MANY);
	size_t sent = 0, got = 0;

	(void)state;
	assert_true(a != NULL && b != NULL && in != NULL && out != NULL);
	for (size_t i = 0; i < MANY; i++)
		in[i] = (uint8_t)(i % 7 == 0 ? i * i >> 5 : 'x');
	while (got < MANY) {
		ssize_t n = deflate_write(a, slice_of(in + sent, MANY - sent));
		struct slice some = slice_upto(buf_slice(&a->out), 1000);

		test_true(n >= 0);
		sent += (size_t)n;
		test_true(a->out.len < 2 * DEFLATE_OUT);
		test_int(buf_add(&b->in, some), BUF_OK);
		buf_eat(&a->out, some.len);
		while ((n = deflate_read(b, out + got,
			    got + 777 < MANY ? 777 : MANY - got)) > 0)
			got += (size_t)n;
		test_int(n, 0);
	}
	test_true(memcmp(in, out, MANY) == 0);
	deflate_free(a);
	deflate_free(b);
	free(in);
	free(out);
}

static void
junk_is_an_error(void **state)
{
	struct deflate *d = deflate_new();
	uint8_t junk[100], out[100];

	(void)state;
	assert_true(d != NULL);
	memset(junk, 0xff, sizeof(junk));
	test_int(deflate_read(d, out, sizeof(out)), 0);
	test_int(buf_add(&d->in, slice_of(junk, sizeof(junk))), BUF_OK);
	test_int(deflate_read(d, out, sizeof(out)), -EPROTO);
	deflate_free(d);
}

/* 10 MB of one letter: it comes in pieces, and nothing is kept of it. */
static void
a_bomb_waits(void **state)
{
	struct deflate *a = deflate_new(), *b = deflate_new();
	uint8_t in[8192], out[1000];
	size_t got = 0, sent = 0;

	(void)state;
	assert_true(a != NULL && b != NULL);
	memset(in, 'a', sizeof(in));
	while (sent < 10 * 1000 * 1000 && b->in.len < DEFLATE_IN - 1000) {
		test_true(deflate_write(a, slice_of(in, sizeof(in))) > 0);
		sent += sizeof(in);
		test_int(buf_add(&b->in, buf_slice(&a->out)), BUF_OK);
		buf_reset(&a->out, SIZE_MAX / 2);
	}
	while (deflate_has_pending(b)) {
		ssize_t n = deflate_read(b, out, sizeof(out));

		test_true(n >= 0 && n <= (ssize_t)sizeof(out));
		got += (size_t)n;
	}
	test_int(got, sent);
	deflate_free(a);
	deflate_free(b);
}

TEST_MAIN(cmocka_unit_test(there_and_back), cmocka_unit_test(junk_is_an_error),
    cmocka_unit_test(a_bomb_waits))
