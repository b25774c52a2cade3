/* SPDX-License-Identifier: ISC */
/*
 * policy/proxy - the header by which a proxy says whom it speaks for
 *
 * The PROXY protocol, versions 1 (a line of text) and 2 (binary). It comes
 * before anything else on a connection, TLS included, and only from networks
 * that the listener names: whoever may send it may claim any address. So it is
 * read to the letter: what is cut waits for more, what is wrong ends the
 * connection. Extensions (TLVs) must be well-formed and are otherwise left
 * alone, except for the checksum, which is verified when it is there.
 *
 * Pure; allocates nothing. Limit: LIMIT_PROXY_HEADER.
 */
#ifndef POLICY_PROXY_H
#define POLICY_PROXY_H

#include "base/ip.h"
#include "base/limits.h"

enum {
	PROXY_OK,
	PROXY_MORE, /* a good beginning */
	PROXY_E_BAD
};

struct proxy {
	/* The proxy speaks for itself (LOCAL), or does not know for whom
	 * (UNKNOWN, UNSPEC, a UNIX socket): the connection's own ends count. */
	bool is_own;
	struct ip source, target; /* IPv4 inside IPv6 is IPv4 */
	uint16_t source_port, target_port;
	size_t len; /* bytes of the header */
	uint8_t version;
};

/* How many bytes more belong to the header for certain: what comes behind it
 * may be TLS, which somebody else reads. Never 0 while proxy_parse says MORE.
 */
size_t proxy_need(struct slice in);

/* *ret is set on PROXY_OK only. */
int proxy_parse(struct slice in, struct proxy *ret);

#endif
