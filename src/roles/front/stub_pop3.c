/* SPDX-License-Identifier: ISC */
/*
 * roles/front/stub_pop3 - stands in until pop3.c is there; remove it then
 */
#include "roles/front/front.h"

static void
stub_start(struct conn *c)
{
	conn_end(c);
}

static void
stub_input(struct conn *c)
{
	conn_eat(c, conn_in(c).len);
}

const struct conn_proto pop3_proto = {
	.name = "pop3",
	.start = stub_start,
	.input = stub_input,
};
