/* SPDX-License-Identifier: ISC */
/*
 * roles/control/conn - one admin's connection: a line in, lines out, the end
 *
 *   READING --line--> [HASHING | SEALING | ...] --> ASKING --last
 * row--> WRITING
 *
 * While it waits for another role the connection reads only to notice that the
 * admin has gone; the answer for the dead is dropped then. An answer of more
 * than CONTROL_OUT that nobody reads ends it.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "roles/control/bulk.h"
#include "roles/control/control.h"
#include "roles/control/route_test.h"
#include "sasl/token_keys.h"
#include "sys/peercred.h"

enum state {
	READING,
	HASHING,
	MAKING_KEY,
	SEALING,
	ROUTING, /* the DNS is asked for `ulak route` */
	TELLING_KEYS,
	ASKING,
	CARRYING, /* mails in or out: bulk.c */
	WRITING
};
#define REQUEST_TIME (10 * TIME_SECOND)
#define WRITE_TIME (60 * TIME_SECOND)

struct control_conn {
	struct control *control;
	struct list link;
	uint64_t session;
	enum state state;
	struct env_watch watch;
	struct env_timer timer;
	struct buf in, out;
	struct control_request request;
	bool has_request;
	struct route_test *test; /* of "route test" */
	struct bulk *bulk;       /* of "import" and "export" */
};

/* The only assignment to conn->state. */
static void
enter(struct control_conn *conn, enum state state)
{
	struct env *env = conn->control->role->env;

	conn->state = state;
	if (state == READING || state == WRITING)
		(void)env_timer_set(env, &conn->timer,
		    env_now(env) +
			(state == READING ? REQUEST_TIME : WRITE_TIME));
	else
		env_timer_stop(env, &conn->timer);
}

void
control_conn_free(struct control_conn *conn)
{
	struct env *env = conn->control->role->env;

	env_timer_stop(env, &conn->timer);
	env_watch_del(env, &conn->watch);
	env_close(env, conn->watch.fd, false);
	list_remove(&conn->link);
	route_test_free(conn->test);
	bulk_free(conn->bulk);
	conn->control->n_conns--;
	if (conn->has_request)
		control_request_deinit(&conn->request);
	if (conn->in.mem != NULL)
		sodium_memzero(conn->in.mem, conn->in.size);
	buf_deinit(&conn->in);
	buf_deinit(&conn->out);
	free(conn);
}

struct control_conn *
control_conn_of(struct list *link)
{
	return LIST_ENTRY(link, struct control_conn, link);
}

struct control_conn *
control_conn_find(struct control *c, uint64_t session)
{
	LIST_FOREACH (it, &c->conns) {
		struct control_conn *conn = control_conn_of(it);

		if (conn->session == session)
			return conn;
	}
	return NULL;
}

/* -- saying --------------------------------------------------------------- */

static void
want_write(struct control_conn *conn)
{
	bool reads = conn->state != CARRYING ||
	    (bulk_wants(conn->bulk) && buf_room(&conn->in) > 0);

	(void)env_watch_want(conn->control->role->env, &conn->watch,
	    (reads ? ENV_READ : 0u) | (conn->out.len > 0 ? ENV_WRITE : 0u));
}

/* The last line; the connection ends when it has been read. */
static void
finish(struct control_conn *conn, const struct wire_verdict *v)
{
	if (control_end_print(v, &conn->out) != 0)
		conn->out.len = 0;
	enter(conn, WRITING);
	want_write(conn);
}

static void
refuse(struct control_conn *conn, uint16_t code, uint8_t class,
    uint16_t subject, uint16_t detail, const char *text)
{
	finish(conn,
	    &(struct wire_verdict){
		code, class, subject, detail, slice_cstr(text) });
}

static void
refuse_for_now(struct control_conn *conn, const char *text)
{
	refuse(conn, 451, 4, 3, 0, text);
}

/* -- asking the others ---------------------------------------------------- */

static void
ask_store(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct wire_admin_ask ask = { .command =
					  slice_cstr(conn->request.command),
		.args = { .n = conn->request.n_fields,
		    .raw = buf_slice(&conn->request.fields) } };

	if (!c->store.is_there) {
		refuse_for_now(conn, "the store is not there; try again");
		return;
	}
	enter(conn, ASKING);
	if (wire_send_admin_ask(&c->store.channel, conn->session, 1, &ask) != 0)
		refuse_for_now(conn, "the store cannot be asked now");
}

static void
ask_hash(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct wire_hash_ask ask = { .password =
					 buf_slice(&conn->request.password),
		.address = slice_cstr(conn->request.address),
		.is_app =
		    strcmp(conn->request.command, "app-password add") == 0,
		.import = buf_slice(&conn->request.hash) };

	if (conn->request.has_verifier) {
		ask_store(conn);
		return;
	}
	if (ask.password.len == 0 && ask.import.len == 0) {
		refuse(conn, 501, 5, 5, 4, "a password is needed");
		return;
	}
	if (!c->keeper.is_there) {
		refuse_for_now(conn, "the keeper is not there; try again");
		return;
	}
	enter(conn, HASHING);
	if (wire_send_hash_ask(&c->keeper.channel, conn->session, 1, &ask) != 0)
		refuse_for_now(conn, "the keeper cannot be asked now");
}

static void
ask_key(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct wire_key_make ask = { .names = buf_slice(&conn->request.names),
		.days = conn->request.days };

	if (ask.names.len == 0) {
		refuse(conn, 501, 5, 5, 4, "names are needed");
		return;
	}
	if (!c->keeper.is_there) {
		refuse_for_now(conn, "the keeper is not there; try again");
		return;
	}
	enter(conn, MAKING_KEY);
	if (wire_send_key_make(&c->keeper.channel, conn->session, 1, &ask) != 0)
		refuse_for_now(conn, "the keeper cannot be asked now");
}

/* A route's password, if one was given: the store gets it sealed. */
static void
ask_seal(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct wire_seal_ask ask = { .secret =
					 buf_slice(&conn->request.password) };

	if (ask.secret.len == 0) {
		ask_store(conn);
		return;
	}
	if (!c->keeper.is_there) {
		refuse_for_now(conn, "the keeper is not there; try again");
		return;
	}
	enter(conn, SEALING);
	if (wire_send_seal_ask(&c->keeper.channel, conn->session, 1, &ask) != 0)
		refuse_for_now(conn, "the keeper cannot be asked now");
}

void
control_conn_on_sealed(struct control_conn *conn, const struct wire_sealed *m)
{
	if (conn->state != SEALING)
		return;
	if (!m->ok) {
		refuse_for_now(conn, "the keeper could not seal it");
		return;
	}
	if (control_field_add(&conn->request, SLICE("secret"), m->sealed) !=
	    CONTROL_OK) {
		refuse(conn, 501, 5, 5, 4, "too many arguments");
		return;
	}
	ask_store(conn);
}

static void
tell_token_keys(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct wire_token_keys m = { .text =
					 buf_slice(&conn->request.token_keys) };

	if (!c->keeper.is_there) {
		refuse_for_now(conn, "the keeper is not there; try again");
		return;
	}
	enter(conn, TELLING_KEYS);
	if (wire_send_token_keys(&c->keeper.channel, conn->session, 1, &m) != 0)
		refuse_for_now(conn, "the keeper cannot be asked now");
}

void
control_conn_on_token_keys(struct control_conn *conn,
    const struct wire_token_keys_taken *m)
{
	char text[SASL_KEYS_WHY + 64];

	if (conn->state != TELLING_KEYS)
		return;
	if (!m->ok) {
		(void)snprintf(text, sizeof(text), "the old keys stay: %.*s",
		    SLICE_FMT(m->why));
		refuse(conn, 501, 5, 5, 4, text);
		return;
	}
	(void)snprintf(text, sizeof(text), "%u keys in use", m->n);
	refuse(conn, 250, 2, 0, 0, text);
}

void
control_conn_on_hashed(struct control_conn *conn, const struct wire_hashed *m)
{
	if (conn->state != HASHING)
		return;
	if (!m->ok && conn->request.hash.len > 0) {
		refuse(conn, 501, 5, 5, 4,
		    "that is not a hash that can be checked here, or one that "
		    "costs too much");
		return;
	}
	if (!m->ok) {
		refuse_for_now(conn, "the keeper could not hash it");
		return;
	}
	if (control_field_add(&conn->request, SLICE("verifier"), m->verifier) !=
	    CONTROL_OK) {
		refuse(conn, 501, 5, 5, 4, "too many arguments");
		return;
	}
	ask_store(conn);
}

void
control_conn_on_key(struct control_conn *conn, const struct wire_key_made *m)
{
	struct control_request *r = &conn->request;

	if (conn->state != MAKING_KEY)
		return;
	if (!m->ok) {
		refuse(conn, 501, 5, 5, 4,
		    "the keeper makes no key for these "
		    "names or days");
		return;
	}
	if (control_field_add(r, SLICE("sealed"), m->sealed) != CONTROL_OK ||
	    control_field_add(r, SLICE("chain"), m->chain) != CONTROL_OK) {
		refuse(conn, 501, 5, 5, 4, "the certificate is too long");
		return;
	}
	ask_store(conn);
}

static void
go_on_routing(struct control_conn *conn)
{
	struct control *c = conn->control;
	struct route_test_peers peers = {
		.resolver = c->resolver.is_there ? &c->resolver.channel : NULL,
		.fetcher = c->fetcher.is_there ? &c->fetcher.channel : NULL
	};

	enter(conn, ROUTING);
	switch (route_test_go_on(conn->test, &peers, conn->session,
	    &conn->out)) {
	case ROUTE_TEST_ASKING:
		want_write(conn);
		break;
	case ROUTE_TEST_DONE:
		refuse(conn, 250, 2, 0, 0, "done");
		break;
	case ROUTE_TEST_E_RESOLVER:
		refuse_for_now(conn, "the resolver cannot be asked now");
		break;
	}
}

static void
ask_route_test(struct control_conn *conn)
{
	struct control *c = conn->control;

	conn->test = route_test_new(c->role->settings, c->own, c->n_own,
	    env_random_u64(c->role->env));
	if (conn->test == NULL)
		refuse_for_now(conn, "out of memory");
	else
		ask_store(conn);
}

void
control_conn_on_rows(struct control_conn *conn, const struct wire_admin_rows *m)
{
	if (conn->state != ASKING)
		return;
	if (m->rows.n > 0 && control_row_print(m->rows, &conn->out) != 0) {
		env_log(conn->control->role->env, ENV_WARN, "admin-slow",
		    "waiting=%zu", conn->out.len);
		control_conn_free(conn);
		return;
	}
	if (conn->test != NULL && m->rows.n > 0)
		(void)route_test_row(conn->test, m->rows);
	if (!m->more && conn->test != NULL && m->verdict.code < 300)
		go_on_routing(conn);
	else if (!m->more)
		finish(conn, &m->verdict);
	else
		want_write(conn);
}

void
control_conn_on_dns(struct control_conn *conn, uint32_t ticket,
    const struct wire_dns_answer *m)
{
	if (conn->state == ROUTING &&
	    route_test_on_answer(conn->test, ticket, m))
		go_on_routing(conn);
}

void
control_conn_on_sts(struct control_conn *conn, uint32_t ticket,
    const struct wire_sts_answer *m)
{
	if (conn->state == ROUTING &&
	    route_test_on_sts(conn->test, ticket, m, &conn->out))
		go_on_routing(conn);
}

void
control_conns_peer_lost(struct control *c, enum wire_role peer)
{
	LIST_FOREACH_SAFE (it, tmp, &c->conns) {
		struct control_conn *conn = control_conn_of(it);

		if (peer == WIRE_STORE &&
		    (conn->state == ASKING || conn->state == CARRYING))
			refuse_for_now(conn, "the store ended; try again");
		if (peer == WIRE_RESOLVER && conn->state == ROUTING)
			refuse_for_now(conn, "the resolver ended; try again");
		if (peer == WIRE_FETCHER && conn->state == ROUTING)
			refuse_for_now(conn, "the fetcher ended; try again");
		if (peer == WIRE_KEEPER &&
		    (conn->state == HASHING || conn->state == MAKING_KEY ||
			conn->state == SEALING || conn->state == TELLING_KEYS))
			refuse_for_now(conn, "the keeper ended; try again");
	}
}

/* -- mails in and out ------------------------------------------------------ */

static void
go_on_carrying(struct control_conn *conn)
{
	char text[64];

	switch (bulk_go_on(conn->bulk, &conn->in, &conn->out)) {
	case BULK_WAITING:
		want_write(conn);
		break;
	case BULK_DONE:
		(void)snprintf(text, sizeof(text), "%llu mails",
		    (unsigned long long)bulk_done(conn->bulk));
		refuse(conn, 250, 2, 0, 0, text);
		break;
	case BULK_E_FORM:
		refuse(conn, 500, 5, 5, 2, "a mail is not of its form");
		break;
	case BULK_E_STORE:
		refuse_for_now(conn, "the store cannot be asked now");
		break;
	}
}

static void
begin_bulk(struct control_conn *conn)
{
	struct control *c = conn->control;

	conn->bulk = bulk_new(c, conn->session,
	    strcmp(conn->request.command, "export") == 0,
	    slice_cstr(conn->request.address));
	if (conn->bulk == NULL) {
		refuse_for_now(conn, "out of memory");
	} else if (conn->request.address[0] == '\0') {
		refuse(conn, 501, 5, 5, 4, "an address is needed");
	} else if (!c->store.is_there) {
		refuse_for_now(conn, "the store is not there; try again");
	} else {
		enter(conn, CARRYING); /* the line itself is still there */
	}
}

void
control_conn_on_done(struct control_conn *conn, uint32_t ticket,
    const struct wire_done *m)
{
	if (conn->state != CARRYING)
		return;
	bulk_on_done(conn->bulk, ticket, m, &conn->out);
	go_on_carrying(conn);
}

void
control_conn_on_credit(struct control_conn *conn,
    const struct wire_body_credit *m)
{
	if (conn->state != CARRYING)
		return;
	bulk_on_credit(conn->bulk, m);
	go_on_carrying(conn);
}

void
control_conn_on_refused(struct control_conn *conn,
    const struct wire_body_refused *m)
{
	if (conn->state != CARRYING)
		return;
	bulk_on_refused(conn->bulk, m);
	go_on_carrying(conn);
}

void
control_conn_on_data(struct control_conn *conn, uint32_t ticket,
    const struct wire_body_data *m)
{
	if (conn->state != CARRYING)
		return;
	bulk_on_data(conn->bulk, ticket, m, &conn->out);
	go_on_carrying(conn);
}

/* -- rows of our own ------------------------------------------------------ */

static int
add_status(struct control_conn *conn, const char *name, const char *value)
{
	struct control_request row;
	int r;

	memset(&row, 0, sizeof(row));
	buf_init(&row.fields, 4096);
	r = control_field_add(&row, SLICE("name"), slice_cstr(name));
	if (r == 0)
		r = control_field_add(&row, SLICE("value"), slice_cstr(value));
	if (r == 0)
		r = control_row_print((struct wire_list){ .n = row.n_fields,
					  .raw = buf_slice(&row.fields) },
		    &conn->out);
	buf_deinit(&row.fields);
	return r;
}

/* Options for tests and laptops that are on (design 9). */
static int
add_test_options(struct control_conn *conn)
{
	const struct settings *s = conn->control->role->settings;
	char text[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < settings_n_keys(); i++) {
		if (!settings_key_is_test(i) || settings_key_is_default(s, i))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s.%s",
		    n > 0 ? " " : "", settings_key_section(i),
		    settings_key_name(i));
		if (n >= sizeof(text))
			break;
	}
	return add_status(conn, "test options", n == 0 ? "none" : text);
}

/* "filter spam": "rspamd inet:127.0.0.1:11333, down: no answer in time" */
static int
add_filters(struct control_conn *conn)
{
	static const char *const states[N_HOOK_STATES] = {
		[HOOK_UNKNOWN] = "not asked yet",
		[HOOK_WORKS] = "works",
		[HOOK_DOWN] = "down: ",
	};
	const struct control *c = conn->control;
	const struct settings *s = c->role->settings;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->n_hooks; i++) {
		const struct control_filter *f = &c->filters[i];
		struct buf value;
		char name[48], text[512] = "";

		(void)snprintf(name, sizeof(name), "filter %s",
		    s->hooks[i].name);
		buf_init(&value, sizeof(text) - 1);
		r = settings_hook_address_print(&s->hooks[i], &value);
		if (r == 0)
			(void)snprintf(text, sizeof(text), "%s %.*s, %s%s",
			    settings_hook_kinds[s->hooks[i].kind],
			    SLICE_FMT(buf_slice(&value)),
			    c->hook.is_there ? states[f->state] : "not there",
			    c->hook.is_there ? f->why : "");
		buf_deinit(&value);
		if (r == 0)
			r = add_status(conn, name, text);
	}
	return r;
}

static void
ask_status(struct control_conn *conn)
{
	struct control *c = conn->control;
	const struct sandbox_report *box = &c->role->sandbox;
	char text[96];
	int r;

	(void)snprintf(text, sizeof(text), "seccomp %s, Landlock %s%.0d",
	    box->seccomp ? "on" : "off", box->landlock_abi > 0 ? "ABI " : "off",
	    box->landlock_abi);
	r = add_status(conn, "sandbox", text);
	if (r == 0)
		r = add_status(conn, "keeper",
		    c->keeper.is_there ? "running" : "not there");
	if (r == 0)
		r = add_filters(conn);
	if (r == 0)
		r = add_test_options(conn);
	if (r != 0)
		refuse_for_now(conn, "out of memory");
	else
		ask_store(conn);
}

/* -- the request ---------------------------------------------------------- */

static const struct {
	const char *command;
	void (*run)(struct control_conn *conn);
} own_commands[] = {
	{ "account add", ask_hash },
	{ "account password", ask_hash },
	{ "account import-hash", ask_hash },
	{ "app-password add", ask_hash },
	{ "key add", ask_key },
	{ "route add", ask_seal },
	{ "route test", ask_route_test },
	{ "route set", ask_seal },
	{ "token reload", tell_token_keys },
	{ "status", ask_status },
	{ "import", begin_bulk },
	{ "export", begin_bulk },
};

static void
run_request(struct control_conn *conn)
{
	for (size_t i = 0; i < sizeof(own_commands) / sizeof(own_commands[0]);
	     i++)
		if (strcmp(own_commands[i].command, conn->request.command) ==
		    0) {
			own_commands[i].run(conn);
			return;
		}
	ask_store(conn);
}

static void
on_line(struct control_conn *conn, struct slice line)
{
	const char *why = "";
	int r = control_request_parse(line, &conn->request, &why);

	conn->has_request = true;
	if (r == CONTROL_OK)
		run_request(conn);
	else if (r == CONTROL_E_REQUEST)
		refuse(conn, 501, 5, 5, 2, why);
	else
		refuse_for_now(conn, "out of memory");
	if (conn->state != CARRYING) /* passwords */
		sodium_memzero(conn->in.mem, conn->in.size);
}

/* -- input and output ----------------------------------------------------- */

/* The same for what follows the line of an import or export. */
static bool
on_mails(struct control_conn *conn)
{
	size_t want = buf_room(&conn->in);
	uint8_t *at;
	ssize_t n;

	if (want > CONTROL_LINE / 2)
		want = CONTROL_LINE / 2;
	if (want == 0)
		return true;
	if (buf_reserve(&conn->in, want, &at) != 0)
		return false;
	n = env_recv(conn->control->role->env, conn->watch.fd, at, want);
	if (n <= 0)
		return n == -EAGAIN;
	buf_grew(&conn->in, (size_t)n);
	go_on_carrying(conn);
	return true;
}

/* False when the connection is gone. */
static bool
on_readable(struct control_conn *conn)
{
	struct env *env = conn->control->role->env;
	struct slice line, all;
	uint8_t *at, junk[512];
	size_t want = 4096;
	ssize_t n;

	if (conn->state == CARRYING)
		return on_mails(conn);
	if (conn->state != READING) {
		n = env_recv(env, conn->watch.fd, junk, sizeof(junk));
		return n > 0 || n == -EAGAIN;
	}
	if (want > buf_room(&conn->in))
		want = buf_room(&conn->in);
	if (want == 0 || buf_reserve(&conn->in, want, &at) != 0)
		return false;
	n = env_recv(env, conn->watch.fd, at, want);
	if (n <= 0)
		return n == -EAGAIN;
	buf_grew(&conn->in, (size_t)n);
	all = buf_slice(&conn->in);
	if (slice_take_until(&all, '\n', &line)) {
		on_line(conn, line);
		if (conn->state == CARRYING) {
			buf_eat(&conn->in, line.len + 1);
			go_on_carrying(conn);
		}
	} else if (buf_room(&conn->in) == 0)
		refuse(conn, 500, 5, 5, 2, "the request is too long");
	return true;
}

static bool
on_writable(struct control_conn *conn)
{
	struct env *env = conn->control->role->env;
	struct slice out = buf_slice(&conn->out);
	struct iovec v = { (void *)(uintptr_t)out.at, out.len };
	ssize_t n;

	if (out.len > 0) {
		n = env_sendv(env, conn->watch.fd, &v, 1);
		if (n < 0 && n != -EAGAIN)
			return false;
		if (n > 0)
			buf_eat(&conn->out, (size_t)n);
	}
	if (conn->out.len == 0 && conn->state == WRITING)
		return false;
	if (conn->state == CARRYING) /* there may be room for more now */
		go_on_carrying(conn);
	else
		want_write(conn);
	return true;
}

static void
on_ready(struct env_watch *w, unsigned events)
{
	struct control_conn *conn = LIST_ENTRY(w, struct control_conn, watch);
	bool is_alive = true;

	if ((events & ENV_READ) != 0)
		is_alive = on_readable(conn);
	if (is_alive && conn->out.len > 0)
		is_alive = on_writable(conn);
	if (!is_alive)
		control_conn_free(conn);
}

static void
on_late(struct env_timer *t)
{
	control_conn_free(LIST_ENTRY(t, struct control_conn, timer));
}

void
control_conn_new(struct control *c, int fd)
{
	struct env *env = c->role->env;
	struct control_conn *conn;
	uint32_t uid = 0;

	conn = calloc(1, sizeof(*conn));
	if (conn == NULL) {
		env_close(env, fd, false);
		return;
	}
	conn->control = c;
	conn->session = ++c->next_session;
	conn->timer.fire = on_late;
	conn->watch.fd = fd;
	buf_init(&conn->in, CONTROL_LINE);
	buf_init(&conn->out, CONTROL_OUT);
	list_add_last(&c->conns, &conn->link);
	c->n_conns++;
	if (env_watch_add(env, &conn->watch, fd, ENV_READ, on_ready) != 0) {
		control_conn_free(conn);
		return;
	}
	enter(conn, READING);
	if (!peercred_is_trusted(fd, &uid)) {
		env_log(env, ENV_WARN, "admin-refused", "uid=%u", uid);
		refuse(conn, 550, 5, 7, 1,
		    "the admin socket is for root, the server's own user and "
		    "its group");
	} else if (c->n_conns > CONTROL_CONNS) {
		refuse_for_now(conn, "too many commands at once; try again");
	}
}
