/* SPDX-License-Identifier: ISC */
#include "sys/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"

/* What the root zone is signed with (IANA: KSK-2017 and KSK-2024), for those
 * who name no trust anchor and ask the real roots. */
static const char *const root_anchors[] = {
	". IN DS 20326 8 2 "
	"E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 "
	"683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

struct dns {
	struct ub_event_base base; /* first: the library hands it back */
	struct env *env;
	struct ub_ctx *ctx;
	struct list slots;  /* of struct slot */
	struct list events; /* of struct event */
	size_t n_slots;
	bool is_ending;
};

/* A question as the library knows it. Outlives a forgotten query. */
struct slot {
	struct dns *dns;
	struct dns_query *query; /* NULL: forgotten */
	struct list link;
};

struct event {
	struct ub_event ub; /* first: the library hands it back */
	struct dns *dns;
	struct list link;
	int fd;
	short bits;
	void (*call)(int, short, void *);
	void *arg;
	struct env_watch watch;
	struct env_timer timer;
	bool is_watched;
};

/* -- what libunbound may ask of an event ------------------------------------
 */

static unsigned
wanted(const struct event *e)
{
	return ((e->bits & UB_EV_READ) != 0 ? (unsigned)ENV_READ : 0u) |
	    ((e->bits & UB_EV_WRITE) != 0 ? (unsigned)ENV_WRITE : 0u);
}

static void
event_stop(struct event *e)
{
	if (e->is_watched)
		env_watch_del(e->dns->env, &e->watch);
	e->is_watched = false;
	env_timer_stop(e->dns->env, &e->timer);
}

/* The call may free the event, so nothing of it is touched afterwards. */
static void
on_ready(struct env_watch *w, unsigned events)
{
	struct event *e = LIST_ENTRY(w, struct event, watch);
	short what = 0;

	if ((events & ENV_READ) != 0)
		what = (short)(what | (e->bits & UB_EV_READ));
	if ((events & ENV_WRITE) != 0)
		what = (short)(what | (e->bits & UB_EV_WRITE));
	if (what == 0)
		return;
	if ((e->bits & UB_EV_PERSIST) == 0)
		event_stop(e);
	e->call(e->fd, what, e->arg);
}

static void
on_due(struct env_timer *t)
{
	struct event *e = LIST_ENTRY(t, struct event, timer);

	if ((e->bits & UB_EV_PERSIST) == 0)
		event_stop(e);
	e->call(e->fd, UB_EV_TIMEOUT, e->arg);
}

static void
event_add_bits(struct ub_event *u, short bits)
{
	struct event *e = (struct event *)u;

	e->bits = (short)(e->bits | bits);
}

static void
event_del_bits(struct ub_event *u, short bits)
{
	struct event *e = (struct event *)u;

	e->bits = (short)(e->bits & ~bits);
}

static void
event_set_fd(struct ub_event *u, int fd)
{
	((struct event *)u)->fd = fd;
}

static void
event_free(struct ub_event *u)
{
	struct event *e = (struct event *)u;

	event_stop(e);
	list_remove(&e->link);
	free(e);
}

static int
event_add(struct ub_event *u, struct timeval *tv)
{
	struct event *e = (struct event *)u;
	struct env *env = e->dns->env;

	event_stop(e);
	if (wanted(e) != 0 && e->fd >= 0) {
		if (env_watch_add(env, &e->watch, e->fd, wanted(e), on_ready) <
		    0)
			return -1;
		e->is_watched = true;
	}
	if ((e->bits & UB_EV_TIMEOUT) == 0 || tv == NULL)
		return 0;
	e->timer.fire = on_due;
	if (env_timer_set(env, &e->timer,
		env_now(env) + (int64_t)tv->tv_sec * TIME_SECOND +
		    (int64_t)tv->tv_usec) < 0) {
		event_stop(e);
		return -1;
	}
	return 0;
}

static int
event_del(struct ub_event *u)
{
	event_stop((struct event *)u);
	return 0;
}

static int
event_add_timer(struct ub_event *u, struct ub_event_base *base,
    void (*call)(int, short, void *), void *arg, struct timeval *tv)
{
	struct event *e = (struct event *)u;

	(void)base;
	e->call = call;
	e->arg = arg;
	e->bits = (short)(e->bits | UB_EV_TIMEOUT);
	return event_add(u, tv);
}

static int
event_no_signal(struct ub_event *u, struct timeval *tv)
{
	(void)u;
	(void)tv;
	return -1;
}

static int
event_no_signal_del(struct ub_event *u)
{
	(void)u;
	return -1;
}

static void
event_no_winsock(struct ub_event *u)
{
	(void)u;
}

static void
event_no_wouldblock(struct ub_event *u, int bit)
{
	(void)u;
	(void)bit;
}

static struct ub_event_vmt *
event_vmt(void)
{
	static const struct ub_event_vmt vmt = { event_add_bits, event_del_bits,
		event_set_fd, event_free, event_add, event_del, event_add_timer,
		event_del, event_no_signal, event_no_signal_del,
		event_no_winsock, event_no_wouldblock };

	/* the library's type is not const, but it never writes there */
	return (struct ub_event_vmt *)(uintptr_t)&vmt;
}

/* -- what libunbound may ask of the loop ------------------------------------
 */

static struct ub_event *
base_new_event(struct ub_event_base *b, int fd, short bits,
    void (*call)(int, short, void *), void *arg)
{
	struct dns *d = (struct dns *)b;
	struct event *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	*e = (struct event){ .ub = { UB_EVENT_MAGIC, event_vmt() },
		.dns = d,
		.fd = fd,
		.bits = bits,
		.call = call,
		.arg = arg };
	list_add_last(&d->events, &e->link);
	return &e->ub;
}

static void
base_free(struct ub_event_base *b)
{
	(void)b; /* ours, freed in dns_free */
}

static int
base_dispatch(struct ub_event_base *b)
{
	(void)b;
	return -1; /* never called with ub_resolve_event */
}

static int
base_exit(struct ub_event_base *b, struct timeval *tv)
{
	(void)b;
	(void)tv;
	return 0;
}

static struct ub_event *
base_no_signal(struct ub_event_base *b, int fd,
    void (*call)(int, short, void *), void *arg)
{
	(void)b;
	(void)fd;
	(void)call;
	(void)arg;
	return NULL;
}

static struct ub_event *
base_no_winsock(struct ub_event_base *b, void *event,
    void (*call)(int, short, void *), void *arg)
{
	(void)b;
	(void)event;
	(void)call;
	(void)arg;
	return NULL;
}

static struct ub_event_base_vmt *
base_vmt(void)
{
	static const struct ub_event_base_vmt vmt = { base_free, base_dispatch,
		base_exit, base_new_event, base_no_signal, base_no_winsock };

	return (struct ub_event_base_vmt *)(uintptr_t)&vmt;
}

/* -- questions ---------------------------------------------------------------
 */

static void
slot_free(struct slot *s)
{
	list_remove(&s->link);
	s->dns->n_slots--;
	free(s);
}

static void
on_answer(void *arg, int rcode, void *packet, int len, int security,
    char *why_bogus, int was_ratelimited)
{
	struct slot *s = arg;
	struct dns_query *q = s->query;
	/* after a failure the library's buffer holds what was there before */
	bool has_packet = rcode == 0 && packet != NULL && len > 0;
	struct dns_result result = {
		.rcode = rcode,
		.packet = slice_of(packet, has_packet ? (size_t)len : 0),
		.is_bogus = security == 1,
		.is_secure = security == 2,
		.why = why_bogus == NULL ? "" : why_bogus,
	};

	(void)was_ratelimited;
	if (s->dns->is_ending) /* dns_free frees the slots itself */
		return;
	slot_free(s);
	if (q == NULL)
		return;
	q->slot = NULL;
	q->done(q, &result);
}

int
dns_ask(struct dns *d, struct dns_query *q, const char *name, uint16_t type)
{
	struct slot *s;

	if (d->n_slots >= DNS_OUTSTANDING)
		return ERR_ORIGIN(-EBUSY);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->dns = d;
	s->query = q;
	q->slot = s;
	list_add_last(&d->slots, &s->link);
	d->n_slots++;
	if (ub_resolve_event(d->ctx, name, type, 1, s, on_answer, NULL) != 0) {
		q->slot = NULL;
		slot_free(s);
		return ERR_ORIGIN(-EIO);
	}
	return 0;
}

void
dns_forget(struct dns_query *q)
{
	struct slot *s = q->slot;

	if (s != NULL)
		s->query = NULL;
	q->slot = NULL;
}

/* -- set-up ------------------------------------------------------------------
 */

static const struct {
	const char *name, *value;
} fixed_options[] = {
	/* tells the roots which anchors we hold: nobody asked for that */
	{ "trust-anchor-signaling:", "no" },
	{ "module-config:", "validator iterator" },
	/* one process of a mail server, not a public resolver */
	{ "outgoing-range:", "512" },
	{ "num-queries-per-thread:", "512" },
	{ "msg-cache-size:", "8m" },
	{ "rrset-cache-size:", "16m" },
	{ "key-cache-size:", "4m" },
	{ "infra-cache-numhosts:", "5000" },
	{ "infra-host-ttl:", "10" },
	{ "infra-keep-probing:", "yes" },
	/* a server that was away must not be held against us for long */
	{ "val-bogus-ttl:", "1" },
	/* only answers are read: signatures of what comes beside them cost a
	 * pause for each eight, and beyond 128 the library gives up (200 MX
	 * hosts) */
	{ "val-clean-additional:", "no" },
	{ "cache-max-negative-ttl:", "300" },
	{ "verbosity:", "0" },
};

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* Calls `each` for each line that is neither empty nor a comment. */
static int
each_line(const char *text, int (*each)(struct dns *d, char *line),
    struct dns *d)
{
	struct slice rest = slice_cstr(text), line;
	char copy[1024];
	int r = 0;

	while (r == 0 && rest.len > 0) {
		if (!slice_take_until(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		line = slice_trim(line);
		if (line.len == 0 || line.at[0] == ';' || line.at[0] == '#')
			continue;
		if (!slice_to_cstr(line, copy, sizeof(copy)))
			return -1;
		r = each(d, copy);
	}
	return r;
}

/* A record, or a file of records; that is read when the set-up becomes final,
 * and a file that is missing would not be missed. */
static int
add_anchor(struct dns *d, char *line)
{
	if (line[0] == '/')
		return access(line, R_OK) == 0
		    ? ub_ctx_add_ta_file(d->ctx, line)
		    : -1;
	return ub_ctx_add_ta(d->ctx, line);
}

/* A stub for the root would only say where to learn of the root servers, which
 * are then asked at their own addresses and on port 53. Whoever writes it means
 * "ask this server for everything". */
static int
add_stub(struct dns *d, char *line)
{
	char *address = strpbrk(line, " \t");

	if (address == NULL)
		return -1;
	*address++ = '\0';
	address += strspn(address, " \t");
	if (strcmp(line, ".") == 0)
		return ub_ctx_set_fwd(d->ctx, address);
	return ub_ctx_set_stub(d->ctx, line, address, 0);
}

static int
set_server(struct dns *d, const struct dns_options *o)
{
	char text[128];

	if (!is_set(o->server))
		return 0;
	(void)snprintf(text, sizeof(text), "%s@%u", o->server,
	    o->port == 0 ? 53u : (unsigned)o->port);
	return ub_ctx_set_fwd(d->ctx, text);
}

static int
set_anchors(struct dns *d, const struct dns_options *o)
{
	int r = 0;

	if (is_set(o->trust_anchor))
		return each_line(o->trust_anchor, add_anchor, d);
	/* who has roots of his own is not under the real ones */
	if (is_set(o->root_hints) || is_set(o->stubs) || is_set(o->server))
		return 0;
	for (size_t i = 0;
	     r == 0 && i < sizeof(root_anchors) / sizeof(root_anchors[0]); i++)
		r = ub_ctx_add_ta(d->ctx, root_anchors[i]);
	return r;
}

static void
ignore_answer(struct dns_query *q, const struct dns_result *result)
{
	(void)q;
	(void)result;
}

/* The first question makes the library's set-up final: root hints and random
 * numbers are read now. "localhost" is answered from memory. */
static int
finalise(struct dns *d)
{
	struct dns_query q = { .done = ignore_answer };
	int r = dns_ask(d, &q, "localhost", 1);

	dns_forget(&q);
	return r;
}

static const char *
set_options(struct dns *d, const struct dns_options *o)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(fixed_options) / sizeof(fixed_options[0]);
	     i++)
		r |= ub_ctx_set_option(d->ctx, fixed_options[i].name,
		    fixed_options[i].value);
	if (o->permit_loopback)
		r |= ub_ctx_set_option(d->ctx, "do-not-query-localhost:", "no");
	if (r != 0)
		return "libunbound refuses an option";
	if (is_set(o->root_hints) &&
	    ub_ctx_set_option(d->ctx, "root-hints:", o->root_hints) != 0)
		return "resolver.root_hints";
	if (is_set(o->stubs) && each_line(o->stubs, add_stub, d) != 0)
		return "resolver.stubs: want lines \"zone address@port\"";
	if (set_server(d, o) != 0)
		return "resolver.server: want an address";
	if (set_anchors(d, o) != 0)
		return "resolver.trust_anchor: want DS or DNSKEY records, or a "
		       "file of such";
	return NULL;
}

int
dns_new(struct env *env, const struct dns_options *o, struct dns **ret,
    const char **ret_why)
{
	struct dns *d = calloc(1, sizeof(*d));
	const char *why;

	*ret_why = "out of memory";
	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	d->base = (struct ub_event_base){ UB_EVENT_MAGIC, base_vmt() };
	d->env = env;
	list_init(&d->slots);
	list_init(&d->events);
	d->ctx = ub_ctx_create_ub_event(&d->base);
	if (d->ctx == NULL) {
		free(d);
		return ERR_ORIGIN(-ENOMEM);
	}
	why = set_options(d, o);
	if (why == NULL && finalise(d) < 0)
		why = "libunbound cannot start with these options";
	if (why != NULL) {
		*ret_why = why;
		dns_free(d);
		return ERR_ORIGIN(-EINVAL);
	}
	/* what it prints from here on is what name servers make it print */
	(void)ub_ctx_debugout(d->ctx, NULL);
	*ret_why = "";
	*ret = d;
	return 0;
}

void
dns_free(struct dns *d)
{
	struct list *link;

	if (d == NULL)
		return;
	d->is_ending = true;
	ub_ctx_delete(d->ctx);
	while ((link = list_take_first(&d->slots)) != NULL) {
		struct slot *s = LIST_ENTRY(link, struct slot, link);

		if (s->query != NULL)
			s->query->slot = NULL;
		free(s);
	}
	/* the library frees its events; what it left would leak */
	while (!list_is_empty(&d->events))
		event_free(&LIST_ENTRY(d->events.next, struct event, link)->ub);
	free(d);
}
