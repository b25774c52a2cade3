/* SPDX-License-Identifier: ISC */
/*
 * sys/https - one request over HTTPS (libcurl, multi_socket) in the env's loop
 *
 * The library is loaded by https_new and by nobody else: call that before the
 * sandbox closes. It is told the addresses (no resolver of its own), knows no
 * scheme but https, follows no redirect, has no proxy, no cookie, no cache, and
 * keeps no connection. Certificates are judged by OpenSSL against the given
 * authorities and the host's DNS names alone (RFC 6125; RFC 8461, 3.3).
 *
 * Trust: the library's sockets are its own, past the env. What comes back is
 * hostile; it is at most `max_body` octets, in at most `timeout`.
 */
#ifndef SYS_HTTPS_H
#define SYS_HTTPS_H

#include "base/slice.h"
#include "sys/env.h"

enum {
	HTTPS_ADDRESSES = 8,
	HTTPS_HOST = 256,
	HTTPS_URL = 2048
};

enum https_error {
	HTTPS_OK, /* there is an answer: see the status */
	HTTPS_E_CONNECT,
	HTTPS_E_TIMEOUT,
	HTTPS_E_CERTIFICATE,
	HTTPS_E_TLS,
	HTTPS_E_LARGE,
	HTTPS_E_PROTOCOL, /* not HTTP, or it ended early */
	HTTPS_E_US        /* no memory, no descriptor */
};

struct https;

struct https_question {
	const char *url;  /* https://HOST[:PORT]/… */
	const char *host; /* as in the URL */
	uint16_t port;
	const struct env_addr *addresses;
	size_t n_addresses;
	size_t max_body;
	int64_t timeout; /* us */
	bool is_post;
	const char *content_type; /* of what is posted */
	struct slice content;
};

struct https_result {
	enum https_error error;
	const char *why; /* one printable line; never NULL */
	unsigned status; /* 200; 0 without an answer */
	struct slice content_type, body;
};

/* Owned by the caller; at rest while slot == NULL. */
struct https_request {
	void (*done)(struct https_request *q, const struct https_result *r);
	void *slot; /* https.c's */
};

/* authorities: PEM; when there is none in it, every certificate is bad. 0,
 * -ENOENT (no libcurl, or not one with OpenSSL; *ret_why says which), -ENOMEM.
 */
int https_new(struct env *env, struct slice authorities, struct https **ret,
    const char **ret_why);
void https_free(struct https *h); /* NULL is fine */
size_t https_n_authorities(const struct https *h);

/* `done` comes later, never from inside this. 0, -EINVAL, -ENOMEM. */
int https_ask(struct https *h, struct https_request *q,
    const struct https_question *question);
/* `done` will not be called. Harmless on a request at rest. */
void https_forget(struct https_request *q);

#endif
