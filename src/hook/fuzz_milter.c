/* SPDX-License-Identifier: ISC */
/*
 * A milter that says anything. The first octet chooses what it is asked after
 * the negotiation; whatever it answers, no edit comes out unless the message
 * has ended, and what is bad stays bad.
 */
#include <stdlib.h>

#include "hook/milter.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static void
ask(struct milter *m, uint8_t which, struct buf *out)
{
	const struct milter_macro rows[] = { { "j", SLICE("mx.example") },
		{ "i", SLICE("1") } };
	const struct milter_macros macros = { rows, 2 };

	switch (which % 7) {
	case 0:
		(void)milter_say_connect(m, &macros, SLICE("a"), 4, 1,
		    SLICE("192.0.2.1"), out);
		break;
	case 1:
		(void)milter_say_mail(m, &macros, SLICE("a@b"),
		    SLICE("SIZE=1 BODY=7BIT"), out);
		break;
	case 2:
		(void)milter_say_header(m, SLICE("A"), SLICE(" b\r\n c"), out);
		break;
	case 3:
		(void)milter_say_body(m, SLICE("x\r\n"), out);
		break;
	case 4:
		(void)milter_say_data(m, &macros, out);
		break;
	case 5:
		(void)milter_say_rcpt(m, &macros, SLICE("a@b"), SLICE(""), out);
		break;
	default:
		(void)milter_say_end(m, &macros, out);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct milter_effect e;
	struct milter m;
	struct buf out;
	uint8_t which;
	size_t eaten;

	if (!slice_take_byte(&in, &which))
		return 0;
	milter_init(&m);
	buf_init(&out, LIMIT_MILTER_PACKET);
	(void)milter_say_open(&m, &out);
	do {
		eaten = milter_step(&m, in, &e);
		must((eaten == 0) ==
		    (e.todo == MILTER_MORE || e.todo == MILTER_BAD));
		must(e.todo != MILTER_EDIT || m.awaits == 'E');
		must(e.todo != MILTER_VERDICT || m.awaits == 0);
		in = slice_from(in, eaten);
		buf_reset(&out, 0);
		if (eaten > 0 && m.is_ready && m.awaits == 0)
			ask(&m, which++, &out);
	} while (eaten > 0);
	if (e.todo == MILTER_BAD) {
		must(e.why != NULL && milter_step(&m, in, &e) == 0);
		must(e.todo == MILTER_BAD);
	}
	buf_deinit(&out);
	return 0;
}
